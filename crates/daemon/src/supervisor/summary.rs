//! One line on how things are, for `systemctl status`.

use super::worker::Worker;
use standfast_api::{Status, WorkerKind};
use standfast_model::{State, bfd};

/// `MASTER 1, BACKUP 2; 40/42 servers up`, and what stands against the last reload.
pub(super) fn summary(workers: &[Worker], refused: Option<&str>) -> String {
    let mut parts: Vec<String> = workers
        .iter()
        // Nobody asks the service manager how the service manager's own view is served.
        .filter(|worker| worker.kind() != WorkerKind::Front)
        .map(|worker| match (worker.is_running(), worker.is_ready(), worker.status()) {
            (false, _, _) => format!("{} worker not running", worker.kind()),
            (true, false, _) => format!("{} worker starting", worker.kind()),
            (true, true, None) => format!("{} worker running", worker.kind()),
            (true, true, Some(status)) => status_words(status),
        })
        .collect();
    if parts.is_empty() {
        parts.push("nothing configured".to_owned());
    }
    parts.extend(refused.map(|why| format!("last reload refused: {why}")));
    parts.join("; ")
}

fn status_words(status: &Status) -> String {
    match status {
        Status::Vrrp(vrrp) => {
            let count = |state| vrrp.instances.iter().filter(|instance| instance.state == state).count();
            let (master, backup, fault) = (count(State::Master), count(State::Backup), count(State::Fault));
            let fault = if fault == 0 { String::new() } else { format!(", FAULT {fault}") };
            format!("MASTER {master}, BACKUP {backup}{fault}")
        }
        Status::Bfd(bfd) => {
            let up = bfd.sessions.iter().filter(|session| session.state == bfd::State::Up).count();
            format!("{} BFD sessions: {up} up", bfd.sessions.len())
        }
        Status::Check(check) => format!("{}/{} servers up", check.live, check.total),
    }
}
