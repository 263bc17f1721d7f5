//! `standfast status`: how things are, as a table for people, as JSON for programs, as a status for monitors.

use crate::control::{Conversation, PATIENCE, Trouble};
use crate::operate::{Socket, Stats, Status};
use crate::table::Table;
use core::time::Duration;
use standfast_api::control::{Answer, Request};
use standfast_api::{CheckStatus, InstanceStatus, ServiceStatus, Snapshot, VrrpStatus};
use standfast_model::{Instant, State};
use standfast_page::judgement::{Remark, Verdict, judge};
use standfast_page::moment;
use std::io::{self, Write};

/// The status of a plugin of Nagios and its kin where nothing can be said.
const UNKNOWN: u8 = 3;

/// What plugins of Nagios and its kin end with: 0, 1 and 2.
const fn code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Ok => 0,
        Verdict::Warning => 1,
        Verdict::Critical => 2,
    }
}

/// Runs it.
///
/// # Errors
///
/// Standard output is closed.
pub fn run(words: &Status) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    match ask(&words.socket) {
        Ok(snapshot) => {
            let (verdict, remarks) = judge(&snapshot);
            if words.json {
                // In one piece: standard output leaves line by line, and each server has ten lines.
                writeln!(out, "{}", serde_json::to_string_pretty(&snapshot)?)?;
            } else {
                write!(out, "{}", render(&snapshot, verdict, &remarks))?;
            }
            Ok(code(verdict))
        }
        Err(trouble) => {
            // No daemon is no service; without the right to ask nothing is known of it.
            let (word, code) = match trouble {
                Trouble::NoDaemon { .. } => (Verdict::Critical.word(), code(Verdict::Critical)),
                Trouble::Denied | Trouble::Broken(_) => ("UNKNOWN", UNKNOWN),
            };
            writeln!(out, "{word}: {trouble}")?;
            Ok(code)
        }
    }
}

/// Asks for what is so now, of a daemon that answers in [`PATIENCE`].
///
/// # Errors
///
/// There is no such answer.
pub(crate) fn ask(socket: &Socket) -> Result<Snapshot, Trouble> {
    ask_within(socket, PATIENCE)
}

/// As [`ask`], of a daemon that answers in this time.
pub(crate) fn ask_within(socket: &Socket, time: Duration) -> Result<Snapshot, Trouble> {
    status_of(Conversation::begin(&socket.path, Request::Status { fresh: true })?.within(time)?)
}

fn status_of(mut conversation: Conversation) -> Result<Snapshot, Trouble> {
    match conversation.answer()? {
        Answer::Status(snapshot) => Ok(*snapshot),
        Answer::Refused(refusal) => Err(Trouble::Broken(refusal.text)),
        Answer::Event(_) | Answer::Done(_) => Err(Trouble::Broken("another answer than a status".to_owned())),
    }
}

fn render(snapshot: &Snapshot, verdict: Verdict, remarks: &[Remark]) -> String {
    let daemon = &snapshot.daemon;
    let mut text = format!("{}: {}\n\n", verdict.word(), headline(snapshot, remarks));
    text.push_str(&format!(
        "standfastd {}, pid {}, up {}; configuration {} of {}, in force for {}\n",
        daemon.version,
        daemon.pid,
        moment::length(daemon.at.since(daemon.started)),
        daemon.generation,
        daemon.configuration,
        moment::length(daemon.at.since(daemon.in_force_since)),
    ));
    if let Some(until) = daemon.confirm_until {
        let left = moment::length(until.since(daemon.at));
        text.push_str(&format!("the configuration before comes back in {left}, unless: standfast confirm\n"));
    }
    if let Some(vrrp) = snapshot.vrrp.as_ref().filter(|vrrp| !vrrp.instances.is_empty()) {
        text.push('\n');
        text.push_str(&instances(vrrp, daemon.at).to_string());
    }
    if let Some(check) = snapshot.check().filter(|check| !check.services.is_empty()) {
        text.push('\n');
        text.push_str(&services(check).to_string());
    }
    text
}

/// What there is to say about it, the worst first.
pub(crate) fn headline(snapshot: &Snapshot, remarks: &[Remark]) -> String {
    if remarks.is_empty() { summary(snapshot) } else { joined(remarks) }
}

/// In one line that a monitor shows whole: what is wrong with thousands of servers is in the tables.
fn joined(remarks: &[Remark]) -> String {
    const SAID: usize = 10;
    let mut texts: Vec<&str> = remarks.iter().take(SAID).map(|remark| remark.text.as_str()).collect();
    let more = remarks.len().checked_sub(SAID).filter(|more| *more > 0).map(|more| format!("and {more} more"));
    texts.extend(more.as_deref());
    texts.join("; ")
}

/// How things are where nothing is wrong.
fn summary(snapshot: &Snapshot) -> String {
    let count = |vrrp: &VrrpStatus, state| vrrp.instances.iter().filter(|instance| instance.state == state).count();
    let vrrp = snapshot
        .vrrp
        .as_ref()
        .map(|vrrp| format!("{} MASTER, {} BACKUP", count(vrrp, State::Master), count(vrrp, State::Backup)));
    let check = snapshot.check().map(|check| {
        let live: u64 = check.services.iter().map(|service| u64::from(service.live)).sum();
        format!("{} virtual servers, {live} real servers up", check.services.len())
    });
    let parts: Vec<String> = vrrp.into_iter().chain(check).collect();
    if parts.is_empty() { "nothing is configured".to_owned() } else { parts.join("; ") }
}

fn instances(vrrp: &VrrpStatus, now: Instant) -> Table {
    let mut table = Table::new(&["INSTANCE", "STATE", "SINCE", "PRIORITY", "MASTER", "INTERFACE", "VRID", "ADDRESSES"]);
    for instance in &vrrp.instances {
        table.row([
            instance.name.clone(),
            instance.state.to_string(),
            moment::length(now.since(instance.since)),
            if instance.priority == instance.base_priority {
                instance.priority.to_string()
            } else {
                format!("{} ({})", instance.priority, instance.base_priority)
            },
            master(instance),
            instance.interface.to_string(),
            instance.vrid.get().to_string(),
            instance.addresses.iter().map(|address| address.address.to_string()).collect::<Vec<_>>().join(" "),
        ]);
        if let Some(ordered) = &instance.ordered {
            table.remark(format!("operator: {ordered}"));
        }
        if let Some(last) = &instance.last_transition {
            table.remark(format!("{} from {}: {}", last.to, last.from, last.cause));
        }
    }
    table
}

/// Who is master, as far as this node knows.
pub(crate) fn master(instance: &InstanceStatus) -> String {
    match (instance.state, instance.master) {
        (State::Master, _) => "this node".to_owned(),
        (_, Some(address)) => address.to_string(),
        (_, None) => "-".to_owned(),
    }
}

fn services(check: &CheckStatus) -> Table {
    let mut table = Table::new(&["VIRTUAL SERVER", "UP", "WEIGHT", "QUORUM", "REAL SERVERS"]);
    for service in &check.services {
        table.row([
            service.key.to_string(),
            format!("{}/{}", service.live, service.total),
            service.weight.to_string(),
            quorum(service),
            if service.on_sorry_server { "sorry server".to_owned() } else { String::new() },
        ]);
        for server in &service.servers {
            let state = if server.up { "up" } else { "DOWN" };
            let ordered = server.remarks.ordered.as_ref().map(|word| format!(", {word}")).unwrap_or_default();
            let trouble = server.remarks.trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
            table.remark(format!("-> {} weight {} {state}{ordered}{trouble}", server.key, server.weight));
        }
    }
    table
}

fn quorum(service: &ServiceStatus) -> String {
    format!("{} of {}", if service.has_quorum { "yes" } else { "NO" }, service.quorum)
}

/// Runs `standfast stats`.
///
/// # Errors
///
/// Standard output is closed.
pub fn stats(words: &Stats) -> io::Result<u8> {
    match ask(&words.socket) {
        Ok(Snapshot { vrrp: Some(vrrp), .. }) => {
            io::stdout().write_all(standfast_daemon::dump::stats(&vrrp).as_bytes())?;
            Ok(0)
        }
        Ok(Snapshot { vrrp: None, .. }) => {
            eprintln!("standfast: there are no instances");
            Ok(1)
        }
        Err(trouble) => {
            eprintln!("standfast: {trouble}");
            Ok(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_remarks_are_one_line_that_can_be_read() {
        let remarks = |count: usize| -> Vec<Remark> {
            (1..=count).map(|number| Remark { verdict: Verdict::Warning, text: format!("w{number}") }).collect()
        };
        assert_eq!(joined(&remarks(1)), "w1");
        let ten = "w1; w2; w3; w4; w5; w6; w7; w8; w9; w10";
        assert_eq!(joined(&remarks(10)), ten);
        assert_eq!(joined(&remarks(1000)), format!("{ten}; and 990 more"));
    }
}
