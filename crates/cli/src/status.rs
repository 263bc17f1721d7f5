//! `standfast status`: how things are, as a table for people, as JSON for programs, as a status for monitors.

use crate::control::{Conversation, Trouble};
use crate::moment;
use crate::operate::{Socket, Stats, Status};
use crate::table::Table;
use core::time::Duration;
use standfast_api::control::{Answer, Request};
use standfast_api::{CheckStatus, InstanceStatus, ServiceStatus, Snapshot, VrrpStatus, WorkerKind};
use standfast_model::{Cause, Instant, State};
use std::io::{self, Write};

/// The statuses of plugins of Nagios and its kin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// 0
    Ok,
    /// 1: it serves, and something is not as it should be.
    Warning,
    /// 2: something that should be served is not.
    Critical,
    /// 3: nothing can be said.
    Unknown,
}

impl Verdict {
    /// In the word of a plugin.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    const fn code(self) -> u8 {
        self as u8
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
                serde_json::to_writer_pretty(&mut out, &snapshot)?;
                writeln!(out)?;
            } else {
                write!(out, "{}", render(&snapshot, verdict, &remarks))?;
            }
            Ok(verdict.code())
        }
        Err(trouble) => {
            // No daemon is no service; without the right to ask nothing is known of it.
            let verdict = match trouble {
                Trouble::NoDaemon(_) => Verdict::Critical,
                Trouble::Denied | Trouble::Broken(_) => Verdict::Unknown,
            };
            writeln!(out, "{}: {trouble}", verdict.word())?;
            Ok(verdict.code())
        }
    }
}

/// Asks for what is so now.
///
/// # Errors
///
/// There is no such answer.
pub(crate) fn ask(socket: &Socket) -> Result<Snapshot, Trouble> {
    status_of(Conversation::begin(&socket.path, Request::Status { fresh: true })?)
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

/// How good or bad it is, and what there is to say about that.
#[must_use]
pub fn judge(snapshot: &Snapshot) -> (Verdict, Vec<String>) {
    let mut found: Vec<(Verdict, String)> = Vec::new();
    for worker in snapshot.daemon.workers.iter().filter(|worker| worker.kind != WorkerKind::Front) {
        match (worker.pid, worker.ready) {
            (None, _) => found.push((Verdict::Critical, format!("{} worker does not run", worker.kind))),
            (Some(_), false) => found.push((Verdict::Warning, format!("{} worker is starting", worker.kind))),
            (Some(_), true) => {}
        }
    }
    for worker in &snapshot.daemon.workers {
        if let Some(trouble) = &worker.trouble {
            found.push((Verdict::Critical, format!("{} worker {trouble}", worker.kind)));
        }
    }
    for instance in snapshot.vrrp.iter().flat_map(|vrrp| &vrrp.instances) {
        if let Some(ordered) = &instance.ordered {
            found.push((Verdict::Warning, format!("{}: {ordered}", instance.name)));
        }
        if let Some(held) = &instance.held {
            let text = format!("{} hears no master and does not take over: {held}", instance.name);
            found.push((Verdict::Warning, text));
        }
        if instance.state == State::Fault && instance.fault != Some(Cause::Maintenance) {
            let why = instance.fault.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
            found.push((Verdict::Critical, format!("{} is in FAULT{why}", instance.name)));
        }
    }
    for peer in &snapshot.peers {
        found.extend(peer.two_masters.iter().map(|clash| {
            let text = format!(
                "{}: two masters: seen by peer exchange: {} is master with priority {}",
                clash.instance, peer.name, clash.priority
            );
            (Verdict::Critical, text)
        }));
        if !peer.alive {
            found.push((Verdict::Warning, format!("peer {} is not heard", peer.name)));
        }
        let differs = |difference| (Verdict::Warning, format!("peer {} differs: {difference}", peer.name));
        found.extend(peer.differences.iter().map(differs));
    }
    for service in snapshot.check.iter().flat_map(|check| &check.services) {
        let up = format!("{} of {} servers up", service.live, service.total);
        if service.on_sorry_server {
            found.push((Verdict::Warning, format!("{} is on its sorry server, {up}", service.key)));
        } else if !service.has_quorum {
            found.push((Verdict::Critical, format!("{} has no quorum, {up}", service.key)));
        } else if service.live < service.total {
            found.push((Verdict::Warning, format!("{}: {up}", service.key)));
        }
    }
    if let Some(why) = &snapshot.daemon.reload_refused {
        found.push((Verdict::Warning, format!("last reload was refused: {why}")));
    }
    if snapshot.daemon.confirm_until.is_some() {
        found.push((Verdict::Warning, "configuration is not confirmed".to_owned()));
    }
    let verdict = found.iter().map(|(verdict, _)| *verdict).max().unwrap_or(Verdict::Ok);
    // The worst first: a monitor shows the first line.
    found.sort_by_key(|(verdict, _)| core::cmp::Reverse(*verdict));
    (verdict, found.into_iter().map(|(_, text)| text).collect())
}

fn render(snapshot: &Snapshot, verdict: Verdict, remarks: &[String]) -> String {
    let daemon = &snapshot.daemon;
    let headline = if remarks.is_empty() { summary(snapshot) } else { remarks.join("; ") };
    let mut text = format!("{}: {headline}\n\n", verdict.word());
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
    if let Some(check) = snapshot.check.as_ref().filter(|check| !check.services.is_empty()) {
        text.push('\n');
        text.push_str(&services(check).to_string());
    }
    text
}

/// How things are where nothing is wrong.
pub(crate) fn summary(snapshot: &Snapshot) -> String {
    let count = |vrrp: &VrrpStatus, state| vrrp.instances.iter().filter(|instance| instance.state == state).count();
    let vrrp = snapshot
        .vrrp
        .as_ref()
        .map(|vrrp| format!("{} MASTER, {} BACKUP", count(vrrp, State::Master), count(vrrp, State::Backup)));
    let check = snapshot.check.as_ref().map(|check| {
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
            let ordered = server.ordered.as_ref().map(|word| format!(", {word}")).unwrap_or_default();
            let trouble = server.trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
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
