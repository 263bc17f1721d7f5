//! `global_defs`.

use super::{Draft, not_lowered};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use crate::reader::Checks;
use core::time::Duration;
use standfast_model::Version;

/// What `global_defs` and the process-wide root keywords say; none is not said.
#[derive(Debug, Default)]
pub(crate) struct GlobalDraft {
    pub(crate) router_id: Option<String>,
    pub(crate) dynamic_interfaces: bool,
    pub(crate) vrrp_startup_delay: Option<Duration>,
    pub(crate) checker_log_all_failures: Option<bool>,
    pub(crate) child_wait_time: Option<Duration>,
    pub(crate) garp: GarpDraft,
    pub(crate) min_garp: bool,
    pub(crate) down_timer_adverts: Option<u8>,
    pub(crate) lower_prio_no_advert: Option<bool>,
    pub(crate) higher_prio_send_advert: Option<bool>,
    pub(crate) version: Option<Version>,
}

/// The gratuitous words, of an instance or of all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GarpDraft {
    pub(crate) master_delay: Option<Duration>,
    pub(crate) master_repeat: Option<u32>,
    pub(crate) master_refresh: Option<Duration>,
    pub(crate) master_refresh_repeat: Option<u32>,
    pub(crate) lower_prio_delay: Option<Duration>,
    pub(crate) lower_prio_repeat: Option<u32>,
}

impl GarpDraft {
    /// Takes a statement of the family, by its name without `vrrp_`; false for another.
    pub(crate) fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement, name: &str) -> bool {
        match name {
            "garp_master_delay" => set(&mut self.master_delay, parser.time(statement)),
            "garp_master_refresh" => set(&mut self.master_refresh, parser.time(statement)),
            "garp_lower_prio_delay" => set(&mut self.lower_prio_delay, parser.time(statement)),
            "garp_master_repeat" => set(&mut self.master_repeat, at_least_one(parser, statement)),
            "garp_master_refresh_repeat" => set(&mut self.master_refresh_repeat, at_least_one(parser, statement)),
            "garp_lower_prio_repeat" => set(&mut self.lower_prio_repeat, parser.number(statement)),
            _ => return false,
        }
        true
    }
}

/// A wrong value leaves what was said before.
pub(crate) fn set<T>(field: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *field = value;
    }
}

/// A number of messages: 0 would be none at all, and becomes 1 as in keepalived.
fn at_least_one(parser: &mut Parser<'_>, statement: &Statement) -> Option<u32> {
    let value = parser.number::<u32>(statement)?;
    if value > 0 {
        return Some(value);
    }
    let headline = format!("`{}` cannot be 0", statement.keyword.name);
    parser.report(Diagnostic::new(Code::Adjusted, headline, statement.arg_span(0), "1 is used"));
    Some(1)
}

pub(crate) fn version(parser: &mut Parser<'_>, statement: &Statement) -> Option<Version> {
    parser.number::<u8>(statement).map(|v| if v == 2 { Version::V2 } else { Version::V3 })
}

/// Reads a `global_defs` block. There may be several; what they say adds up.
pub(crate) fn global_defs(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    if !parser.enter(head) {
        return;
    }
    while let Some(statement) = parser.next() {
        let global = &mut draft.global;
        match statement.keyword.name {
            "router_id" => global.router_id = Some(statement.name()),
            "dynamic_interfaces" => global.dynamic_interfaces = true,
            "vrrp_startup_delay" => set(&mut global.vrrp_startup_delay, parser.time(&statement)),
            "checker_log_all_failures" => set(&mut global.checker_log_all_failures, parser.boolean(&statement)),
            "vrrp_down_timer_adverts" => set(&mut global.down_timer_adverts, parser.number(&statement)),
            "vrrp_lower_prio_no_advert" => set(&mut global.lower_prio_no_advert, parser.boolean(&statement)),
            "vrrp_higher_prio_send_advert" => set(&mut global.higher_prio_send_advert, parser.boolean(&statement)),
            "vrrp_version" => set(&mut global.version, version(parser, &statement)),
            "vrrp_min_garp" => global.min_garp = parser.boolean(&statement).unwrap_or(global.min_garp),
            "include_check" => include_check(parser, &statement),
            name => {
                let taken = name.strip_prefix("vrrp_").is_some_and(|n| global.garp.take(parser, &statement, n));
                if !taken {
                    not_lowered(parser, &statement);
                }
            }
        }
    }
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
        let name = name.to_vec();
        let words = ["read", "match", "wildcard_match", "brace_match"];
        match parser.choice_of(&name, statement.arg_span(index), &words) {
            Some("read") => checks.read = on,
            Some("match") => checks.name_match = on,
            Some("wildcard_match") => checks.wildcard_match = on,
            Some(_) => checks.brace_match = on,
            None => {}
        }
    }
    parser.reader().set_checks(checks);
}
