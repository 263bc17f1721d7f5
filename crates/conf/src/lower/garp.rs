//! How often addresses are announced: the words that an instance has, and with `vrrp_` before them `global_defs`.

use super::setting::set;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use core::time::Duration;
use standfast_model::config::instance::GarpExtra;

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

/// `[all] SECONDS`, of an instance also 0 for never.
pub(crate) fn garp_extra(parser: &mut Parser<'_>, statement: &Statement, least: i128) -> Option<GarpExtra> {
    let all = statement.arg(0) == Some(b"all");
    let at = usize::from(all);
    let Some(word) = statement.arg(at) else {
        let name = statement.keyword.name;
        let headline = format!("`{name} all` needs a parameter");
        let span = statement.span();
        parser.report(Diagnostic::new(Code::MissingParameter, headline, span, "the interval is missing"));
        return None;
    };
    let seconds = parser.number_of(word, statement.arg_span(at), least, 86_400)?;
    Some(GarpExtra { all, interval: Duration::from_secs(u64::try_from(seconds).ok()?) })
}
