//! `virtual_server` and the blocks in it.

mod forwarding;
mod real;

use super::checker::TimingDraft;
use super::script::{self, ScriptDraft};
use super::setting::{cut, set};
use super::{Draft, Spanned, not_lowered};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use crate::source::Span;
use crate::value::{address, shown};
use core::time::Duration;
use standfast_model::config::lvs::TlsMaterial;
use standfast_model::ipvs::{Family, Forwarding, Protocol, Scheduler, SchedulerFlags};
use std::net::IpAddr;

use forwarding::forwarding;
pub(crate) use real::RealDraft;

/// What a `virtual_server` is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ServiceName {
    /// `virtual_server ADDRESS [PORT]`
    Address(IpAddr, u16),
    /// `virtual_server fwmark N`
    Mark(u32),
    /// `virtual_server group NAME`
    Group(String),
}

/// `persistence_granularity`: a mask of IPv4 or a length of IPv6, as a prefix length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Granularity {
    pub(crate) length: u8,
    /// None: a plain number, which is a length of either family.
    pub(crate) family: Option<Family>,
}

/// What a `virtual_server` says; none is not said. There may be tens of thousands, so what few say stands apart.
#[derive(Debug)]
pub(crate) struct ServerDraft {
    pub(crate) name: ServiceName,
    pub(crate) head: Span,
    pub(crate) family: Option<Family>,
    pub(crate) protocol: Option<Spanned<Protocol>>,
    pub(crate) scheduler: Option<Scheduler>,
    /// A scheduler was written and could not be used.
    pub(crate) bad_scheduler: bool,
    pub(crate) bad_forwarding: bool,
    pub(crate) bad_protocol: bool,
    pub(crate) flags: SchedulerFlags,
    pub(crate) forwarding: Option<Forwarding>,
    pub(crate) persistence_timeout: Option<u32>,
    pub(crate) quorum: Option<u32>,
    pub(crate) hysteresis: Option<u32>,
    pub(crate) weight: Option<u32>,
    pub(crate) inhibit_on_failure: bool,
    pub(crate) alpha: bool,
    pub(crate) smtp_alert: Option<bool>,
    pub(crate) omega: bool,
    pub(crate) timing: TimingDraft,
    pub(crate) real_servers: Vec<RealDraft>,
    rare: Option<Box<RareServerDraft>>,
}

/// What few virtual servers say.
#[derive(Debug)]
pub(crate) struct RareServerDraft {
    pub(crate) granularity: Option<Spanned<Granularity>>,
    pub(crate) one_packet: Option<Span>,
    pub(crate) persistence_engine: Option<String>,
    pub(crate) ha_suspend: Option<Span>,
    pub(crate) panic_threshold: Option<u8>,
    pub(crate) slow_start: Option<Duration>,
    pub(crate) drain: Option<Duration>,
    pub(crate) virtual_host: Option<String>,
    pub(crate) snmp_name: Option<String>,
    pub(crate) quorum_up: Option<ScriptDraft>,
    pub(crate) quorum_down: Option<ScriptDraft>,
    pub(crate) sorry: Option<SorryDraft>,
}

impl RareServerDraft {
    const NOTHING: Self = Self {
        granularity: None,
        one_packet: None,
        persistence_engine: None,
        panic_threshold: None,
        slow_start: None,
        drain: None,
        ha_suspend: None,
        virtual_host: None,
        snmp_name: None,
        quorum_up: None,
        quorum_down: None,
        sorry: None,
    };
}

impl ServerDraft {
    pub(crate) fn rare(&self) -> &RareServerDraft {
        static NOTHING: RareServerDraft = RareServerDraft::NOTHING;
        self.rare.as_deref().unwrap_or(&NOTHING)
    }

    fn rare_mut(&mut self) -> &mut RareServerDraft {
        self.rare.get_or_insert_with(|| Box::new(RareServerDraft::NOTHING))
    }
}

/// `sorry_server` and its words.
#[derive(Clone, Debug)]
pub(crate) struct SorryDraft {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) span: Span,
    pub(crate) forwarding: Option<Forwarding>,
    pub(crate) inhibit: bool,
}

/// `ADDRESS [PORT]`; what stands behind the first `-` or `/` of the address is cut, as in keepalived.
pub(crate) fn address_and_port(parser: &mut Parser<'_>, statement: &Statement) -> Option<(IpAddr, u16)> {
    let word = statement.arg(0)?;
    let cut = word.iter().position(|b| matches!(b, b'-' | b'/')).unwrap_or(word.len());
    let name = statement.keyword.name;
    if word.get(..cut).and_then(address).is_none() {
        let headline = format!("`{}` is no address of a {name}", shown(word));
        let span = statement.arg_span(0);
        let diagnostic =
            Diagnostic::new(Code::InvalidServer, headline, span, "a numeric IPv4 or IPv6 address is wanted");
        parser.report(diagnostic.and(statement.keyword_span(), format!("this {name} is ignored")));
        return None;
    }
    let found = parser.address_of(word, statement.arg_span(0))?;
    let port = match statement.arg(1) {
        None => 0,
        Some(word) => u16::try_from(parser.number_of(word, statement.arg_span(1), 0, 65535)?).ok()?,
    };
    Some((found, port))
}

fn service_name(parser: &mut Parser<'_>, head: &Statement) -> Option<ServiceName> {
    let second = |parser: &mut Parser<'_>, what: &str| {
        if head.arg(1).is_none() {
            let headline = format!("`virtual_server {what}` needs a parameter");
            let diagnostic =
                Diagnostic::new(Code::MissingParameter, headline, head.span().after(), "it is missing here");
            parser.report(diagnostic);
        }
        head.arg(1)
    };
    match head.arg(0)? {
        b"group" => second(parser, "group").map(|w| ServiceName::Group(String::from_utf8_lossy(w).into_owned())),
        b"fwmark" => {
            let word = second(parser, "fwmark")?;
            let mark = parser.number_of(word, head.arg_span(1), 0, i128::from(u32::MAX))?;
            u32::try_from(mark).ok().map(ServiceName::Mark)
        }
        _ => address_and_port(parser, head).map(|(address, port)| ServiceName::Address(address, port)),
    }
}

/// Reads a `virtual_server` block.
pub(crate) fn virtual_server(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    let Some(name) = service_name(parser, head) else { return parser.skip_block(head) };
    if !parser.enter(head) {
        return;
    }
    let mut server = ServerDraft {
        name,
        head: head.span(),
        family: None,
        protocol: None,
        scheduler: None,
        bad_scheduler: false,
        bad_forwarding: false,
        bad_protocol: false,
        flags: SchedulerFlags::default(),
        forwarding: None,
        persistence_timeout: None,
        quorum: None,
        hysteresis: None,
        weight: None,
        inhibit_on_failure: false,
        alpha: false,
        smtp_alert: None,
        omega: false,
        timing: TimingDraft::default(),
        real_servers: Vec::new(),
        rare: None,
    };
    while let Some(statement) = parser.next() {
        lower(parser, &statement, &mut server, draft);
    }
    server.real_servers.shrink_to_fit();
    draft.servers.push(server);
}

fn lower(parser: &mut Parser<'_>, statement: &Statement, server: &mut ServerDraft, draft: &Draft) {
    let span = statement.span();
    match statement.keyword.name {
        "ip_family" => {
            let value = parser.choice(statement).map(|w| if w == "inet" { Family::Inet } else { Family::Inet6 });
            set(&mut server.family, value);
        }
        "protocol" => protocol(parser, statement, server),
        "lb_algo" => scheduler(parser, statement, server),
        "lb_kind" => match forwarding(parser, statement) {
            Some(value) => server.forwarding = Some(value),
            None => server.bad_forwarding = true,
        },
        "flag-1" => server.flags.first = true,
        "flag-2" => server.flags.second = true,
        "flag-3" => server.flags.third = true,
        "sh-fallback" | "mh-fallback" => server.flags.first |= scheduler_flag(parser, statement, server),
        "sh-port" | "mh-port" => server.flags.second |= scheduler_flag(parser, statement, server),
        "persistence_timeout" => set(&mut server.persistence_timeout, parser.number(statement)),
        "persistence_granularity" => granularity(parser, statement, server),
        "ops" => server.rare_mut().one_packet = Some(span),
        "quorum" => set(&mut server.quorum, parser.number(statement)),
        "hysteresis" => set(&mut server.hysteresis, parser.number(statement)),
        "panic_threshold" => set(&mut server.rare_mut().panic_threshold, parser.number(statement)),
        "slow_start" => set(&mut server.rare_mut().slow_start, parser.time(statement)),
        "drain" => set(&mut server.rare_mut().drain, parser.time(statement)),
        "weight" => set(&mut server.weight, parser.number(statement)),
        "inhibit_on_failure" => server.inhibit_on_failure = true,
        "alpha" => server.alpha = true,
        "sorry_server" => {
            if let Some((address, port)) = address_and_port(parser, statement) {
                let forwarding = server.forwarding;
                let sorry = SorryDraft { address, port, span, forwarding, inhibit: false };
                server.rare_mut().sorry = Some(sorry);
            }
        }
        "sorry_server_inhibit" => match &mut server.rare_mut().sorry {
            Some(sorry) => sorry.inhibit = true,
            None => needs_sorry_server(parser, statement),
        },
        "sorry_server_lvs_method" => {
            let value = forwarding(parser, statement);
            match &mut server.rare_mut().sorry {
                Some(sorry) => set(&mut sorry.forwarding, value),
                None => needs_sorry_server(parser, statement),
            }
        }
        "real_server" => server.real_servers.extend(real::real_server(parser, statement, draft)),
        _ => {
            if !server.timing.take(parser, statement) && !options(parser, statement, server, draft) {
                not_lowered(parser, statement);
            }
        }
    }
}

/// Takes what is beyond service and pool; false for another keyword.
fn options(parser: &mut Parser<'_>, statement: &Statement, server: &mut ServerDraft, draft: &Draft) -> bool {
    match statement.keyword.name {
        "persistence_engine" => server.rare_mut().persistence_engine = Some(cut(parser, statement, ENGINE)),
        "ha_suspend" => server.rare_mut().ha_suspend = Some(statement.span()),
        "smtp_alert" => set(&mut server.smtp_alert, parser.boolean(statement)),
        "virtualhost" => server.rare_mut().virtual_host = Some(statement.name()),
        "snmp_name" => server.rare_mut().snmp_name = Some(statement.name()),
        "omega" => server.omega = true,
        "quorum_up" | "quorum_down" => {
            let found = script::script(parser, statement, draft);
            let up = statement.keyword.name == "quorum_up";
            let rare = server.rare_mut();
            script::keep(parser, if up { &mut rare.quorum_up } else { &mut rare.quorum_down }, found);
        }
        // It had a meaning before schedulers had flags, and is a mistake unless the scheduler hashes anyway.
        "hashed" => {
            let hashes = server.scheduler.as_ref().is_some_and(|s| matches!(s.as_str(), "sh" | "mh"));
            let code = if hashes { Code::MootKeyword } else { Code::RemovedKeyword };
            let diagnostic = Diagnostic::new(code, "`hashed` does nothing", statement.span(), "this is ignored");
            parser.report(diagnostic.help("the schedulers sh and mh hash: write lb_algo sh or lb_algo mh"));
        }
        _ => return false,
    }
    true
}

/// Reads the `SSL` block. A second one replaces the first.
pub(crate) fn tls(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    if draft.lvs.tls.is_some() {
        let headline = "a second `SSL` block";
        parser.report(Diagnostic::new(Code::Repeated, headline, head.span(), "this one counts"));
    }
    if !parser.enter(head) {
        return;
    }
    let mut tls = TlsMaterial::default();
    while let Some(statement) = parser.next() {
        let slot = match statement.keyword.name {
            "password" => {
                tls.password = Some(statement.name().into());
                continue;
            }
            "ca" => &mut tls.ca,
            "certificate" => &mut tls.certificate,
            "key" => &mut tls.key,
            _ => {
                not_lowered(parser, &statement);
                continue;
            }
        };
        *slot = Some(statement.name());
    }
    draft.lvs.tls = Some(tls);
}

/// A persistence engine's name: 16 bytes in keepalived, of which the kernel takes 15 (`IP_VS_PENAME_MAXLEN`).
const ENGINE: usize = 15;

fn needs_sorry_server(parser: &mut Parser<'_>, statement: &Statement) {
    let headline = format!("`{}` without a sorry server", statement.keyword.name);
    let diagnostic = Diagnostic::new(Code::NeedsSorryServer, headline, statement.span(), "this is ignored");
    parser.report(diagnostic.help("write sorry_server ADDRESS PORT above it"));
}

fn protocol(parser: &mut Parser<'_>, statement: &Statement, server: &mut ServerDraft) {
    let word = statement.arg(0).unwrap_or_default();
    let value = match word.to_ascii_uppercase().as_slice() {
        b"TCP" => Protocol::Tcp,
        b"UDP" => Protocol::Udp,
        b"SCTP" => Protocol::Sctp,
        _ => {
            let headline = format!("`{}` is not offered here", shown(word));
            let label = "one of TCP, UDP, SCTP is wanted";
            parser.report(Diagnostic::new(Code::InvalidChoice, headline, statement.arg_span(0), label));
            server.bad_protocol = true;
            return;
        }
    };
    server.protocol = Some(Spanned { value, span: statement.span() });
}

fn scheduler(parser: &mut Parser<'_>, statement: &Statement, server: &mut ServerDraft) {
    let known: Vec<&'static str> = Scheduler::KNOWN.into_iter().filter(|name| *name != "none").collect();
    let word = statement.arg(0).unwrap_or_default();
    let found = parser.choice_of(word, statement.arg_span(0), &known).and_then(|name| name.parse().ok());
    match found {
        Some(value) => server.scheduler = Some(value),
        None => server.bad_scheduler = true,
    }
}

/// `sh-port` and its like need their scheduler above them.
fn scheduler_flag(parser: &mut Parser<'_>, statement: &Statement, server: &ServerDraft) -> bool {
    let name = statement.keyword.name;
    let wanted = name.get(..2).unwrap_or_default();
    if server.scheduler.as_ref().is_some_and(|s| s.as_str() == wanted) {
        return true;
    }
    let headline = format!("`{name}` is for the scheduler {wanted}");
    let diagnostic = Diagnostic::new(Code::FlagNeedsScheduler, headline, statement.span(), "this is ignored");
    parser.report(diagnostic.help(format!("write lb_algo {wanted} above it")));
    false
}

/// A dotted mask for IPv4, a prefix length for IPv6.
fn granularity(parser: &mut Parser<'_>, statement: &Statement, server: &mut ServerDraft) {
    let word = statement.arg(0).unwrap_or_default();
    let span = statement.span();
    let value = match super::address::mask_length(word).and_then(|l| u8::try_from(l).ok()) {
        Some(length) => Granularity { length, family: Some(Family::Inet) },
        None if word.contains(&b'.') => {
            let headline = format!("`{}` is not a mask", shown(word));
            let label = "ones and then zeros are wanted: 255.255.255.0";
            parser.report(Diagnostic::new(Code::InvalidAddress, headline, statement.arg_span(0), label));
            return;
        }
        None => {
            let Some(length) = parser.number_of(word, statement.arg_span(0), 1, 128) else { return };
            Granularity { length: u8::try_from(length).unwrap_or(128), family: None }
        }
    };
    server.rare_mut().granularity = Some(Spanned { value, span });
}
