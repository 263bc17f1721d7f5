//! Names, priorities and limits of the processes.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::lower::setting::{cut, set};
use crate::parse::{Parser, Statement};
use core::time::Duration;
use standfast_model::config::global::{Process, Processes};

/// A process's name: 15 bytes in the kernel (`TASK_COMM_LEN` less the terminator).
const NAME: usize = 15;

/// Takes a statement about processes; false for another.
pub(super) fn take(parser: &mut Parser<'_>, statement: &Statement, processes: &mut Processes) -> bool {
    match statement.keyword.name {
        "process_names" => processes.fixed_names = true,
        "process_name" => processes.name = Some(cut(parser, statement, NAME)),
        "max_auto_priority" => {
            let value = parser.number::<i8>(statement);
            processes.max_auto_priority = value.and_then(|v| u8::try_from(v).ok()).filter(|v| *v > 0);
        }
        "min_auto_priority_delay" => {
            let value = parser.number(statement).map(Duration::from_micros);
            set(&mut processes.min_auto_priority_delay, value);
        }
        name => {
            let Some((whose, what)) = name.split_once('_') else { return false };
            let process = match whose {
                "vrrp" => &mut processes.vrrp,
                "checker" => &mut processes.checker,
                "bfd" => &mut processes.bfd,
                _ => return false,
            };
            return one(parser, statement, what, process);
        }
    }
    true
}

fn one(parser: &mut Parser<'_>, statement: &Statement, what: &str, process: &mut Process) -> bool {
    match what {
        "process_name" => process.name = Some(cut(parser, statement, NAME)),
        "priority" => set(&mut process.nice, parser.number(statement)),
        "no_swap" => process.no_swap = true,
        "rt_priority" => set(&mut process.realtime, realtime(parser, statement)),
        "cpu_affinity" => process.processors = processors(parser, statement),
        // The kernel refuses a soft limit of 0, and half of 1 is that.
        "rlimit_rttime" => {
            let value = parser.number::<u64>(statement).map(|us| Duration::from_micros(us.max(2)));
            set(&mut process.realtime_limit, value);
        }
        _ => return false,
    }
    true
}

/// Clamped to 1..=99, the range of `SCHED_RR`, as in keepalived.
fn realtime(parser: &mut Parser<'_>, statement: &Statement) -> Option<u8> {
    let value = parser.number::<i64>(statement)?;
    let clamped = value.clamp(1, 99);
    if clamped != value {
        let headline = format!("a realtime priority of {value} cannot be");
        let label = format!("{clamped} is used");
        parser.report(Diagnostic::new(Code::Adjusted, headline, statement.arg_span(0), label));
    }
    u8::try_from(clamped).ok()
}

/// Each processor once, in order; a wrong one clears the set, as in keepalived: half of what was asked for is not what was
/// asked for.
fn processors(parser: &mut Parser<'_>, statement: &Statement) -> Vec<u32> {
    let online = i128::from(parser.host().processors());
    let mut found = Vec::new();
    for at in 0..statement.args() {
        let word = statement.arg(at).unwrap_or_default();
        let Some(number) = parser.number_of(word, statement.arg_span(at), 0, online - 1) else { return Vec::new() };
        found.extend(u32::try_from(number));
    }
    found.sort_unstable();
    found.dedup();
    found
}
