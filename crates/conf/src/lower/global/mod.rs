//! `global_defs` and the process-wide root keywords.

mod exchange;
mod http;
mod lvs;
mod mail;
mod process;
mod vrrp;

pub(crate) use exchange::ExchangeDraft;
pub(crate) use lvs::SyncDaemonDraft;
pub(crate) use vrrp::ReceivePolicy;

use super::garp::GarpDraft;
use super::script::{self, ScriptDraft};
use super::setting::{once, set, set_flag};
use super::{Draft, Spanned, not_lowered};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use crate::reader::{Checks, c_number};
use crate::value::shown;
use core::time::Duration;
use standfast_model::Version;
use standfast_model::config::Global;
use standfast_model::config::global::{IpvsNamespace, NetlinkBuffers};
use standfast_model::config::script::Identity;

/// What `global_defs` and the process-wide root keywords say; none is not said.
#[derive(Debug, Default)]
pub(crate) struct GlobalDraft {
    /// What needs nothing else to be settled.
    pub(crate) model: Global,
    /// `net_namespace` with its place.
    pub(crate) namespace: Option<Spanned<String>>,
    pub(crate) garp: GarpDraft,
    pub(crate) min_garp: bool,
    pub(crate) down_timer_adverts: Option<u8>,
    pub(crate) lower_prio_no_advert: Option<bool>,
    pub(crate) higher_prio_send_advert: Option<bool>,
    pub(crate) owner_ignore_adverts: bool,
    pub(crate) version: Option<Version>,
    pub(crate) strict: bool,
    pub(crate) v3_checksum_as_v2: bool,
    pub(crate) skip_check_adv_addr: bool,
    pub(crate) check_unicast_src: bool,
    pub(crate) notify_priority_changes: bool,
    pub(crate) garp_extra_if: Option<standfast_model::config::instance::GarpExtra>,
    pub(crate) default_interface: Option<standfast_model::InterfaceName>,
    pub(crate) receive_policy: Option<ReceivePolicy>,
    pub(crate) receive_multiplier: Option<u32>,
    pub(crate) smtp_alert: Option<bool>,
    pub(crate) smtp_alert_vrrp: Option<bool>,
    pub(crate) smtp_alert_checker: Option<bool>,
    pub(crate) script_user: Option<Spanned<Identity>>,
    pub(crate) startup: Option<ScriptDraft>,
    pub(crate) startup_timeout: Option<Duration>,
    pub(crate) shutdown: Option<ScriptDraft>,
    pub(crate) shutdown_timeout: Option<Duration>,
    pub(crate) fifo: FifoDraft,
    pub(crate) vrrp_fifo: FifoDraft,
    pub(crate) lvs_fifo: FifoDraft,
    /// `peer`, `peer_key`, `peer_listen`
    pub(crate) exchange: ExchangeDraft,
}

/// A `notify_fifo` with its `notify_fifo_script`.
#[derive(Clone, Debug, Default)]
pub(crate) struct FifoDraft {
    pub(crate) path: Option<Spanned<String>>,
    pub(crate) owner: Option<Identity>,
    pub(crate) reader: Option<ScriptDraft>,
}

/// Takes a process-wide keyword of the root; false for another.
pub(crate) fn root(parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> bool {
    let model = &mut draft.global.model;
    match statement.keyword.name {
        "child_wait_time" => model.child_wait_time = parser.time(statement).unwrap_or(model.child_wait_time),
        "use_pid_dir" => model.use_pid_dir = true,
        "instance" => {
            once(parser, statement, &mut model.instance, Some(statement.name()));
            model.use_pid_dir = true;
        }
        "net_namespace" => {
            let named = Spanned { value: statement.name(), span: statement.arg_span(0) };
            model.net_namespace.get_or_insert_with(|| named.value.clone());
            once(parser, statement, &mut draft.global.namespace, Some(named));
        }
        "net_namespace_ipvs" => {
            let value = match statement.arg(0) {
                Some(_) => IpvsNamespace::Named(statement.name()),
                None => IpvsNamespace::Default,
            };
            once(parser, statement, &mut model.net_namespace_ipvs, Some(value));
        }
        "linkbeat_use_polling" => draft.vrrp.linkbeat_polling = true,
        _ => return false,
    }
    true
}

/// Reads a `global_defs` block. There may be several; what they say adds up.
pub(crate) fn global_defs(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    if !parser.enter(head) {
        return;
    }
    while let Some(statement) = parser.next() {
        let taken = general(parser, &statement, draft)
            || scripts(parser, &statement, draft)
            || mail::take(parser, &statement, draft)
            || http::take(parser, &statement, &mut draft.global.model.http)
            || draft.global.exchange.take(parser, &statement)
            || process::take(parser, &statement, &mut draft.global.model.processes)
            || vrrp::take(parser, &statement, draft)
            || lvs::take(parser, &statement, draft);
        if !taken {
            not_lowered(parser, &statement);
        }
    }
}

/// Takes what belongs to no worker in particular; false for another keyword.
fn general(parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> bool {
    let model = &mut draft.global.model;
    let text = || Some(statement.name());
    match statement.keyword.name {
        "router_id" => model.router_id = text(),
        "include_check" => include_check(parser, statement),
        "enable_script_security" => model.script_security = true,
        "umask" => set(&mut model.umask, umask(parser, statement)),
        "json_version" => model.json_version = parser.number(statement).unwrap_or(model.json_version),
        "state_dump_file" => model.state_dump_file = text(),
        "data_use_instance" => set_flag(&mut model.data_use_instance, parser.boolean(statement)),
        "reload_check_config" => model.reload.check_config = text(),
        "reload_time_file" => model.reload.time_file = text(),
        "reload_repeat" => model.reload.repeat = true,
        "reload_file" => model.reload.file = text(),
        "snmp_socket" => once(parser, statement, &mut model.snmp.socket, text()),
        "enable_traps" => model.snmp.traps = true,
        "enable_snmp_vrrp" => model.snmp.vrrp = true,
        "enable_snmp_checker" => model.snmp.checker = true,
        "enable_snmp_rfc" => (model.snmp.rfc_v2, model.snmp.rfc_v3) = (true, true),
        "enable_snmp_rfcv2" => model.snmp.rfc_v2 = true,
        "enable_snmp_rfcv3" => model.snmp.rfc_v3 = true,
        "snmp_vs_stats_update_interval" => set(&mut model.snmp.virtual_server_interval, parser.time(statement)),
        "snmp_rs_stats_update_interval" => set(&mut model.snmp.real_server_interval, parser.time(statement)),
        "enable_dbus" => model.dbus.enabled = true,
        "dbus_service_name" => model.dbus.service_name = text(),
        "dbus_no_interface_name" => model.dbus.no_interface_name = text(),
        "config_save_dir" => model.config_save_dir = text(),
        "use_symlink_paths" => set_flag(&mut model.use_symlink_paths, parser.boolean(statement)),
        "iproute_usr_dir" => draft.names.vendor = statement.name().into(),
        "iproute_etc_dir" => draft.names.local = statement.name().into(),
        name => return buffer(parser, statement, name, &mut model.netlink),
    }
    true
}

/// Takes a statement about a netlink buffer; false for another.
fn buffer(parser: &mut Parser<'_>, statement: &Statement, name: &str, buffers: &mut NetlinkBuffers) -> bool {
    let (name, force) = match name.strip_suffix("_force") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let buffer = match name {
        "vrrp_netlink_cmd_rcv_bufs" => &mut buffers.vrrp_command,
        "vrrp_netlink_monitor_rcv_bufs" => &mut buffers.vrrp_monitor,
        "lvs_netlink_cmd_rcv_bufs" => &mut buffers.lvs_command,
        "lvs_netlink_monitor_rcv_bufs" => &mut buffers.lvs_monitor,
        "process_monitor_rcv_bufs" => &mut buffers.process_monitor,
        _ => return false,
    };
    if force {
        set_flag(&mut buffer.force, parser.boolean(statement));
    } else {
        buffer.bytes = parser.number(statement).unwrap_or(buffer.bytes);
    }
    true
}

/// Takes scripts, FIFOs and whom scripts run as; false for another keyword.
fn scripts(parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> bool {
    let name = statement.keyword.name;
    match name {
        "script_user" => {
            let user = script::user(parser, statement);
            draft.global.model.script_user = user.map(|u| u.value).or(draft.global.model.script_user);
            set(&mut draft.global.script_user, user);
        }
        "startup_script"
        | "shutdown_script"
        | "notify_fifo_script"
        | "vrrp_notify_fifo_script"
        | "lvs_notify_fifo_script" => {
            let found = script::script(parser, statement, draft);
            let global = &mut draft.global;
            let slot = match name {
                "startup_script" => &mut global.startup,
                "shutdown_script" => &mut global.shutdown,
                "notify_fifo_script" => &mut global.fifo.reader,
                "vrrp_notify_fifo_script" => &mut global.vrrp_fifo.reader,
                _ => &mut global.lvs_fifo.reader,
            };
            script::keep(parser, slot, found);
        }
        "startup_script_timeout" => set(&mut draft.global.startup_timeout, parser.time(statement)),
        "shutdown_script_timeout" => set(&mut draft.global.shutdown_timeout, parser.time(statement)),
        "notify_fifo" => fifo(parser, statement, &mut draft.global.fifo),
        "vrrp_notify_fifo" => fifo(parser, statement, &mut draft.global.vrrp_fifo),
        "lvs_notify_fifo" => fifo(parser, statement, &mut draft.global.lvs_fifo),
        _ => return false,
    }
    true
}

fn fifo(parser: &mut Parser<'_>, statement: &Statement, draft: &mut FifoDraft) {
    let again = draft.path.is_some();
    let path = Spanned { value: statement.name(), span: statement.span() };
    once(parser, statement, &mut draft.path, Some(path));
    if let (false, Some(user)) = (again, statement.arg(1)) {
        let (user, group) = (user.to_vec(), statement.arg(2).map(<[u8]>::to_vec));
        draft.owner = script::identity(parser, statement, &user, group.as_deref());
    }
}

/// A number with C's prefixes, or the names of permission bits joined by `|`.
fn umask(parser: &mut Parser<'_>, statement: &Statement) -> Option<u16> {
    // Blanks may stand around the bars.
    let words: Vec<&[u8]> = (0..statement.args()).filter_map(|at| statement.arg(at)).collect();
    let word = &words.concat();
    let number = if word.first().is_some_and(u8::is_ascii_digit) {
        c_number(word).filter(|n| (0..=0o777).contains(n)).and_then(|n| u16::try_from(n).ok())
    } else {
        word.split(|b| *b == b'|').try_fold(0, |mask, name| Some(mask | permission(name.trim_ascii())?))
    };
    if number.is_none() {
        let headline = format!("`{}` is no mask", shown(word));
        let label = "a number up to 0777, or names as in IRWXG|IRWXO, is wanted";
        parser.report(Diagnostic::new(Code::InvalidNumber, headline, statement.arg_span(0), label));
    }
    number
}

/// The bits of `IRUSR` and its like.
fn permission(name: &[u8]) -> Option<u16> {
    Some(match name {
        b"IRWXU" => 0o700,
        b"IRUSR" => 0o400,
        b"IWUSR" => 0o200,
        b"IXUSR" => 0o100,
        b"IRWXG" => 0o070,
        b"IRGRP" => 0o040,
        b"IWGRP" => 0o020,
        b"IXGRP" => 0o010,
        b"IRWXO" => 0o007,
        b"IROTH" => 0o004,
        b"IWOTH" => 0o002,
        b"IXOTH" => 0o001,
        _ => return None,
    })
}

/// `include_check [TYPE] [+TYPE|-TYPE]...`: a bare keyword is all; a plain type is `read` and that type.
fn include_check(parser: &mut Parser<'_>, statement: &Statement) {
    let mut checks = if statement.args() == 0 { Checks::ALL } else { parser.reader().checks() };
    for index in 0..statement.args() {
        let Some(word) = statement.arg(index) else { break };
        let (on, name) = match word {
            [b'+', name @ ..] => (true, name),
            [b'-', name @ ..] => (false, name),
            name => {
                checks = Checks { read: true, ..Checks::default() };
                (true, name)
            }
        };
        let words = ["read", "match", "wildcard_match", "brace_match"];
        match parser.choice_of(name, statement.arg_span(index), &words) {
            Some("read") => checks.read = on,
            Some("match") => checks.name_match = on,
            Some("wildcard_match") => checks.wildcard_match = on,
            Some(_) => checks.brace_match = on,
            None => {}
        }
    }
    parser.reader().set_checks(checks);
}
