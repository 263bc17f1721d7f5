//! Words of `global_defs` about VRRP: defaults of instances, and what they share.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::lower::Draft;
use crate::lower::garp::garp_extra;
use crate::lower::setting::{once, set, set_flag, version};
use crate::parse::{Parser, Statement};
use crate::value::shown;
use standfast_model::config::instance::Nftables;
use std::net::IpAddr;

/// How receive buffers are sized; the number of packets comes from another keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReceivePolicy {
    Mtu,
    Adverts,
    Bytes(u32),
}

/// keepalived's nftables table.
const TABLE: &str = "keepalived";

/// Takes a statement about VRRP; false for another.
pub(super) fn take(parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> bool {
    if defaults(parser, statement, draft) || shared(parser, statement, draft) {
        return true;
    }
    let family = statement.keyword.name.strip_prefix("vrrp_");
    family.is_some_and(|name| draft.global.garp.take(parser, statement, name))
}

/// Takes the defaults of instances; false for another keyword.
fn defaults(parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> bool {
    let global = &mut draft.global;
    match statement.keyword.name {
        "vrrp_down_timer_adverts" => set(&mut global.down_timer_adverts, parser.number(statement)),
        "vrrp_lower_prio_no_advert" => set(&mut global.lower_prio_no_advert, parser.boolean(statement)),
        "vrrp_higher_prio_send_advert" => set(&mut global.higher_prio_send_advert, parser.boolean(statement)),
        "vrrp_owner_ignore_adverts" => set_flag(&mut global.owner_ignore_adverts, parser.boolean(statement)),
        "vrrp_version" => set(&mut global.version, version(parser, statement)),
        "vrrp_min_garp" => set_flag(&mut global.min_garp, parser.boolean(statement)),
        "vrrp_strict" => set_flag(&mut global.strict, parser.boolean(statement)),
        "v3_checksum_as_v2" => global.v3_checksum_as_v2 = true,
        "vrrp_skip_check_adv_addr" => set_flag(&mut global.skip_check_adv_addr, parser.boolean(statement)),
        "vrrp_check_unicast_src" => global.check_unicast_src = true,
        "vrrp_notify_priority_changes" => set_flag(&mut global.notify_priority_changes, parser.boolean(statement)),
        "vrrp_garp_extra_if" => set(&mut global.garp_extra_if, garp_extra(parser, statement, 1)),
        "default_interface" => {
            let found = statement.arg(0).and_then(|word| parser.interface_of(word, statement.arg_span(0)));
            set(&mut global.default_interface, found);
        }
        "vrrp_rx_bufs_policy" => set(&mut global.receive_policy, receive_policy(parser, statement)),
        "vrrp_rx_bufs_multiplier" => set(&mut global.receive_multiplier, parser.number(statement)),
        _ => return false,
    }
    true
}

/// Takes what instances share; false for another keyword.
fn shared(parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> bool {
    let (model, common) = (&mut draft.global.model, &mut draft.vrrp);
    match statement.keyword.name {
        "dynamic_interfaces" => {
            model.dynamic_interfaces = true;
            if let Some(word) = statement.arg(0) {
                let found = parser.choice_of(word, statement.arg_span(0), &["allow_if_changes"]);
                common.interface_may_change |= found.is_some();
            }
        }
        "vrrp_startup_delay" => model.vrrp_startup_delay = parser.time(statement).unwrap_or(model.vrrp_startup_delay),
        "vrrp_delay_after_boot" => common.delay_after_boot = parser.time(statement).unwrap_or(common.delay_after_boot),
        "disable_local_igmp" => common.disable_local_igmp = true,
        "log_unknown_vrids" => common.log_unknown_vrids = true,
        "fifo_write_vrrp_states_on_reload" => common.states_on_reload = true,
        "vrrp_garp_interval" => common.garp_interval = parser.time(statement).unwrap_or(common.garp_interval),
        "vrrp_gna_interval" => common.gna_interval = parser.time(statement).unwrap_or(common.gna_interval),
        "vmac_prefix" => once(parser, statement, &mut common.vmac_prefix, Some(statement.name())),
        "vmac_addr_prefix" => once(parser, statement, &mut common.vmac_address_prefix, Some(statement.name())),
        "vrrp_mcast_group4" | "vrrp_mcast_group6" => group(parser, statement, draft),
        "nftables" => {
            let name = if statement.arg(0).is_some() { statement.name() } else { TABLE.to_owned() };
            let table = nftables(&mut common.nftables);
            table.table = name;
            // keepalived's order matters here: the priority starts anew.
            table.priority = -1;
        }
        "nftables_priority" => {
            if let Some(priority) = parser.number(statement) {
                nftables(&mut common.nftables).priority = priority;
            }
        }
        "nftables_ifindex" => nftables(&mut common.nftables).by_index = true,
        "nftables_counters" => nftables(&mut common.nftables).counters = true,
        "vrrp_iptables" => iptables(parser, statement, draft),
        _ => return false,
    }
    true
}

fn nftables(slot: &mut Option<Nftables>) -> &mut Nftables {
    slot.get_or_insert_with(|| Nftables { table: TABLE.to_owned(), priority: -1, by_index: false, counters: false })
}

/// There is only nftables here, as in keepalived built without iptables, which reports the same.
fn iptables(parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) {
    let headline = "iptables is not used, nftables is";
    let diagnostic =
        Diagnostic::new(Code::DeprecatedKeyword, headline, statement.span(), "a table of nftables is used");
    parser.report(diagnostic.help("write nftables"));
    nftables(&mut draft.vrrp.nftables);
}

fn group(parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) {
    let Some(address) = parser.address(statement) else { return };
    let four = statement.keyword.name == "vrrp_mcast_group4";
    let span = statement.arg_span(0);
    if !address.is_multicast() || address.is_ipv4() != four {
        let family = if four { "IPv4" } else { "IPv6" };
        let headline = format!("`{address}` is no {family} multicast address");
        parser.report(Diagnostic::new(Code::InvalidAddress, headline, span, "this is ignored"));
        return;
    }
    match address {
        IpAddr::V4(address) => draft.vrrp.multicast4 = Some(address),
        IpAddr::V6(address) => {
            // Scope 2 of ff0s::/8 is the link, which routers of one LAN share.
            if address.octets().get(1).is_some_and(|scope| scope & 0x0f != 2) {
                let headline = format!("`{address}` is not of link-local scope");
                let label = "it is used, but routers may forward it";
                parser.report(Diagnostic::new(Code::Adjusted, headline, span, label));
            }
            draft.vrrp.multicast6 = Some(address);
        }
    }
}

fn receive_policy(parser: &mut Parser<'_>, statement: &Statement) -> Option<ReceivePolicy> {
    let word = statement.arg(0)?;
    if word.eq_ignore_ascii_case(b"mtu") {
        return Some(ReceivePolicy::Mtu);
    }
    if word.eq_ignore_ascii_case(b"advert") {
        return Some(ReceivePolicy::Adverts);
    }
    if !word.first().is_some_and(u8::is_ascii_digit) {
        let headline = format!("`{}` is not offered here", shown(word));
        let label = "MTU, ADVERT or a number of bytes is wanted";
        parser.report(Diagnostic::new(Code::InvalidChoice, headline, statement.arg_span(0), label));
        return None;
    }
    let bytes = parser.number_of(word, statement.arg_span(0), 0, crate::keyword::U32)?;
    u32::try_from(bytes).ok().map(ReceivePolicy::Bytes)
}
