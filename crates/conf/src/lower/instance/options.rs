//! What an instance may say beyond election and addresses.

use super::device::{self, VmacDraft};
use super::hmac::{self, HmacDraft};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::lower::garp::garp_extra;
use crate::lower::notify::NotifyDraft;
use crate::lower::setting::{set, set_flag};
use crate::lower::track::{self, TrackersDraft};
use crate::lower::{Draft, Spanned, route, rule, witness};
use crate::parse::{Line, Parser, Statement};
use crate::source::Span;
use crate::value::shown;
use standfast_model::config::instance::{GarpExtra, Ipvlan, OldChecksum, Peer};
use standfast_model::config::route::{Route, Rule};
use standfast_model::{InterfaceName, Priority};
use std::net::IpAddr;

/// What is said; none is not said.
#[derive(Clone, Debug, Default)]
pub(crate) struct OptionsDraft {
    pub(crate) vmac: Option<VmacDraft>,
    pub(crate) vmac_addresses: bool,
    pub(crate) transmit_base: bool,
    pub(crate) ipvlan: Option<Spanned<Ipvlan>>,
    pub(crate) vrf: Option<Spanned<InterfaceName>>,
    pub(crate) peers: Vec<Spanned<Peer>>,
    /// Where a `unicast_peer` list stands.
    pub(crate) peer_list: Option<Span>,
    pub(crate) fault_no_peer: bool,
    pub(crate) check_unicast_src: bool,
    pub(crate) unicast_source: Option<Spanned<IpAddr>>,
    /// Another word that is for unicast only.
    pub(crate) unicast_word: Option<Span>,
    pub(crate) unicast_ttl: Option<Spanned<u8>>,
    pub(crate) multicast: Option<Spanned<IpAddr>>,
    pub(crate) track_source: bool,
    pub(crate) native_ipv6: Option<Span>,
    pub(crate) hmac: Option<HmacDraft>,
    pub(crate) trackers: TrackersDraft,
    pub(crate) routes: Vec<Spanned<Route>>,
    pub(crate) rules: Vec<Spanned<Rule>>,
    pub(crate) notify: NotifyDraft,
    pub(crate) smtp_alert: Option<bool>,
    pub(crate) notify_priority_changes: Option<bool>,
    pub(crate) strict: Option<bool>,
    pub(crate) accept: Option<bool>,
    pub(crate) skip_check_adv_addr: bool,
    pub(crate) v3_checksum_as_v2: Option<bool>,
    pub(crate) old_checksum: OldChecksum,
    pub(crate) owner_ignore_adverts: Option<bool>,
    pub(crate) promote_secondaries: Option<Span>,
    pub(crate) timer_expired_backup: Option<Priority>,
    pub(crate) garp_extra_if: Option<GarpExtra>,
    pub(crate) kernel_rx_buf_size: Option<u32>,
    /// `lvs_sync_daemon_interface`
    pub(crate) sync_daemon: Option<InterfaceName>,
    /// `linkbeat_use_polling`
    pub(crate) linkbeat: bool,
    pub(crate) witness: Option<witness::PolicyDraft>,
}

impl OptionsDraft {
    /// Takes a statement of an instance; false for another.
    pub(super) fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> bool {
        self.device(parser, statement, draft)
            || self.unicast(parser, statement)
            || self.trackers.take(parser, statement, draft)
            || self.notify.take(parser, statement, draft)
            || self.policy(parser, statement)
            || self.lists(parser, statement, draft)
    }

    fn device(&mut self, parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> bool {
        let span = statement.span();
        match statement.keyword.name {
            "use_vmac" => {
                let found = device::vmac(parser, statement, draft);
                if let Some(name) = &found.model.name {
                    draft.made_interfaces.insert(name.clone());
                }
                self.vmac = Some(found);
            }
            "use_vmac_addr" => self.vmac_addresses = true,
            "vmac_xmit_base" => self.transmit_base = true,
            "use_ipvlan" => {
                let value = device::ipvlan(parser, statement, draft);
                if let Some(name) = &value.name {
                    draft.made_interfaces.insert(name.clone());
                }
                self.ipvlan = Some(Spanned { value, span });
            }
            "vrf" => {
                if let Some(word) = statement.arg(0) {
                    let span = statement.arg_span(0);
                    self.vrf = parser.interface_of(word, span).map(|value| Spanned { value, span });
                }
            }
            _ => return false,
        }
        true
    }

    fn unicast(&mut self, parser: &mut Parser<'_>, statement: &Statement) -> bool {
        let span = statement.arg_span(0);
        match statement.keyword.name {
            "unicast_peer" => {
                self.peer_list = Some(statement.span());
                let found = peers(parser, statement, &mut self.check_unicast_src);
                self.peers.extend(found);
            }
            "unicast_fault_no_peer" => self.fault_no_peer = true,
            "check_unicast_src" => self.check_unicast_src = true,
            "unicast_src_ip" => {
                set(&mut self.unicast_source, parser.address(statement).map(|value| Spanned { value, span }));
            }
            "unicast_ttl" => {
                let span = statement.span();
                set(&mut self.unicast_ttl, parser.number(statement).map(|value| Spanned { value, span }));
            }
            "mcast_dst_ip" => {
                set(&mut self.multicast, parser.address(statement).map(|value| Spanned { value, span }));
            }
            "track_src_ip" => self.track_source = true,
            "native_ipv6" => self.native_ipv6 = Some(statement.span()),
            "old_unicast_checksum" => {
                self.unicast_word = Some(statement.span());
                match statement.arg(0) {
                    None => self.old_checksum = OldChecksum::Always,
                    Some(word) => {
                        if parser.choice_of(word, span, &["never"]).is_some() {
                            self.old_checksum = OldChecksum::Never;
                        }
                    }
                }
            }
            _ => return false,
        }
        true
    }

    fn policy(&mut self, parser: &mut Parser<'_>, statement: &Statement) -> bool {
        match statement.keyword.name {
            "smtp_alert" => set(&mut self.smtp_alert, parser.boolean(statement)),
            "notify_priority_changes" => set(&mut self.notify_priority_changes, parser.boolean(statement)),
            "strict_mode" => set(&mut self.strict, parser.boolean(statement)),
            "accept" => self.accept = Some(true),
            "no_accept" => self.accept = Some(false),
            "skip_check_adv_addr" => set_flag(&mut self.skip_check_adv_addr, parser.boolean(statement)),
            "v3_checksum_as_v2" => set(&mut self.v3_checksum_as_v2, parser.boolean(statement)),
            "owner_ignore_adverts" => set(&mut self.owner_ignore_adverts, parser.boolean(statement)),
            "promote_secondaries" => self.promote_secondaries = Some(statement.span()),
            "timer_expired_backup" => {
                set(&mut self.timer_expired_backup, parser.number(statement).and_then(Priority::new));
            }
            "garp_extra_if" => {
                let found = garp_extra(parser, statement, 0).filter(|extra| !extra.interval.is_zero());
                self.garp_extra_if = found;
            }
            "kernel_rx_buf_size" => set(&mut self.kernel_rx_buf_size, parser.number(statement)),
            _ => return false,
        }
        true
    }

    fn lists(&mut self, parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> bool {
        match statement.keyword.name {
            "virtual_routes" => {
                let found = route::routes(parser, statement, draft);
                self.routes.extend(found);
            }
            "virtual_rules" => {
                let found = rule::rules(parser, statement, draft);
                self.rules.extend(found);
            }
            "auth_hmac" => {
                if let Some(found) = hmac::auth_hmac(parser, statement) {
                    self.hmac = Some(found);
                }
            }
            "lvs_sync_daemon_interface" => {
                if let Some(word) = statement.arg(0) {
                    self.sync_daemon = parser.interface_of(word, statement.arg_span(0));
                }
            }
            "linkbeat_use_polling" => self.linkbeat = true,
            "witness" => set(&mut self.witness, witness::policy(parser, statement)),
            _ => return false,
        }
        true
    }
}

/// Reads `ADDRESS [min_ttl N] [max_ttl N]`; a bound makes the sources be checked.
fn peers(parser: &mut Parser<'_>, head: &Statement, check: &mut bool) -> Vec<Spanned<Peer>> {
    let mut found = Vec::new();
    if !parser.enter(head) {
        return found;
    }
    while let Some(line) = parser.next_entry() {
        let span = line.span_of(0);
        let Some(word) = line.word(0) else { continue };
        let Some(address) = parser.address_of(word, span) else { continue };
        let mut value = Peer { address, min_ttl: 0, max_ttl: 255 };
        let mut at = 1;
        while let Some(word) = line.word(at) {
            *check |= bound(parser, &line, at, word, &mut value);
            at += 2;
        }
        found.push(Spanned { value, span });
    }
    found
}

fn bound(parser: &mut Parser<'_>, line: &Line, at: usize, word: &[u8], peer: &mut Peer) -> bool {
    let field = match word {
        b"min_ttl" => &mut peer.min_ttl,
        b"max_ttl" => &mut peer.max_ttl,
        other => {
            let headline = format!("`{}` is no word of a peer", shown(other));
            let diagnostic = Diagnostic::new(Code::InvalidEntry, headline, line.span_of(at), "this word is ignored");
            parser.report(diagnostic.help("write each peer on a line of its own"));
            return false;
        }
    };
    let Some(number) = line.word(at + 1) else {
        track::missing(parser, line, &String::from_utf8_lossy(word));
        return false;
    };
    let number = parser.number_of(number, line.span_of(at + 1), 0, 255).and_then(|n| u8::try_from(n).ok());
    *field = number.unwrap_or(*field);
    number.is_some()
}
