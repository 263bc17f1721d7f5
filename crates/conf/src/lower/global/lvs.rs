//! Words of `global_defs` about IPVS and the checkers.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keyword::U32;
use crate::lower::Draft;
use crate::lower::setting::{once, set_flag};
use crate::parse::{Parser, Statement};
use crate::value::shown;
use standfast_model::config::lvs::{FlushOnStop, NftablesIpvs, SyncDaemon, Timeouts};

/// keepalived's nftables table for services.
const TABLE: &str = "keepalived_ipvs";

/// The longest time the kernel's timeouts take: 31 days.
const TIMEOUT_SECONDS: i128 = 2_678_400;

/// Takes a statement about IPVS; false for another.
pub(super) fn take(parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> bool {
    let lvs = &mut draft.lvs;
    match statement.keyword.name {
        "checker_log_all_failures" => {
            set_flag(&mut draft.global.model.checker_log_all_failures, parser.boolean(statement));
        }
        "rs_init_notifies" => set_flag(&mut lvs.initial_notifies, parser.boolean(statement)),
        "lvs_timeouts" => lvs.timeouts = timeouts(parser, statement).unwrap_or(lvs.timeouts),
        "lvs_flush" => lvs.flush = true,
        "share_checks" => lvs.share_checks = true,
        "lvs_flush_on_stop" => {
            lvs.flush_on_stop = match statement.arg(0) {
                None => FlushOnStop::All,
                Some(word) => match parser.choice_of(word, statement.arg_span(0), &["VS"]) {
                    Some(_) => FlushOnStop::OurServices,
                    None => lvs.flush_on_stop,
                },
            };
        }
        "lvs_sync_daemon" => {
            let found = sync_daemon(parser, statement);
            once(parser, statement, &mut draft.sync_daemon, found);
        }
        "nftables_ipvs" => {
            let name = if statement.arg(0).is_some() { statement.name() } else { TABLE.to_owned() };
            nftables(&mut lvs.nftables).table = name;
        }
        "nftables_ipvs_priority" => {
            if let Some(priority) = parser.number(statement) {
                nftables(&mut lvs.nftables).priority = priority;
            }
        }
        "nftables_ipvs_start_fwmark" => {
            if let Some(mark) = parser.number(statement) {
                nftables(&mut lvs.nftables).first_mark = mark;
            }
        }
        _ => return false,
    }
    true
}

fn nftables(slot: &mut Option<NftablesIpvs>) -> &mut NftablesIpvs {
    slot.get_or_insert_with(|| NftablesIpvs {
        table: TABLE.to_owned(),
        priority: -1,
        first_mark: 1000,
        counters: false,
    })
}

/// `[tcp S] [tcpfin S] [udp S]`
fn timeouts(parser: &mut Parser<'_>, statement: &Statement) -> Option<Timeouts> {
    let mut found = Timeouts::default();
    let mut at = 0;
    while let Some(word) = statement.arg(at) {
        let field = match parser.choice_of(word, statement.arg_span(at), &["tcp", "tcpfin", "udp"])? {
            "tcp" => &mut found.tcp,
            "tcpfin" => &mut found.tcp_fin,
            _ => &mut found.udp,
        };
        let Some(seconds) = statement.arg(at + 1) else {
            let headline = format!("`{}` needs a parameter", shown(word));
            let span = statement.span().after();
            parser.report(Diagnostic::new(Code::InvalidEntry, headline, span, "the seconds are missing"));
            return None;
        };
        let seconds = parser.number_of(seconds, statement.arg_span(at + 1), 0, TIMEOUT_SECONDS)?;
        *field = u32::try_from(seconds).unwrap_or(0);
        at += 2;
    }
    Some(found)
}

/// The sync daemon as written: the instance is looked up when all is read.
#[derive(Clone, Debug)]
pub(crate) struct SyncDaemonDraft {
    pub(crate) model: SyncDaemon,
    pub(crate) id: Option<u8>,
    pub(crate) span: crate::source::Span,
}

/// `IF [inst VRRP] [id N] [maxlen N] [port N] [ttl N] [group ADDRESS]`, or the old `IF VRRP [ID]`.
fn sync_daemon(parser: &mut Parser<'_>, statement: &Statement) -> Option<SyncDaemonDraft> {
    let interface = parser.interface_of(statement.arg(0)?, statement.arg_span(0))?;
    let model = SyncDaemon { interface, instance: None, id: 0, max_length: None, port: None, ttl: None, group: None };
    let mut draft = SyncDaemonDraft { model, id: None, span: statement.span() };
    let words: [&[u8]; 6] = [b"inst", b"id", b"maxlen", b"port", b"ttl", b"group"];
    let mut at = 1;
    while let Some(word) = statement.arg(at) {
        let old = at == 1 && !words.contains(&word);
        if old {
            draft.model.instance = Some(String::from_utf8_lossy(word).into_owned());
            if let Some(id) = statement.arg(2).filter(|id| id.iter().all(u8::is_ascii_digit)) {
                draft.id = parser.number_of(id, statement.arg_span(2), 0, 255).and_then(|n| u8::try_from(n).ok());
                at += 1;
            }
            at += 1;
            continue;
        }
        word_of(parser, statement, at, &mut draft)?;
        at += 2;
    }
    Some(draft)
}

fn word_of(parser: &mut Parser<'_>, statement: &Statement, at: usize, draft: &mut SyncDaemonDraft) -> Option<()> {
    let word = statement.arg(at)?;
    let offered = ["inst", "id", "maxlen", "port", "ttl", "group"];
    let name = parser.choice_of(word, statement.arg_span(at), &offered)?;
    let Some(value) = statement.arg(at + 1) else {
        let headline = format!("`{name}` needs a parameter");
        parser.report(Diagnostic::new(
            Code::MissingParameter,
            headline,
            statement.span().after(),
            "it is missing here",
        ));
        return None;
    };
    let span = statement.arg_span(at + 1);
    let mut number = |most: i128, least: i128| parser.number_of(value, span, least, most.min(U32));
    match name {
        "inst" => draft.model.instance = Some(String::from_utf8_lossy(value).into_owned()),
        "id" => draft.id = number(255, 0).and_then(|n| u8::try_from(n).ok()),
        "maxlen" => draft.model.max_length = number(65507, 1).and_then(|n| u16::try_from(n).ok()),
        "port" => draft.model.port = number(65535, 1).and_then(|n| u16::try_from(n).ok()),
        "ttl" => draft.model.ttl = number(255, 1).and_then(|n| u8::try_from(n).ok()),
        _ => {
            let group = parser.address_of(value, span)?;
            if !group.is_multicast() {
                let headline = format!("`{group}` is no multicast address");
                parser.report(Diagnostic::new(Code::InvalidAddress, headline, span, "this is ignored"));
                return Some(());
            }
            draft.model.group = Some(group);
        }
    }
    Some(())
}
