//! What a hundred BFD sessions at 50 ms cost, and whether one of them is lost without a reason.

use std::time::Duration;

use lab::seed::Daemon;
use lab::{Backend, Machine, Plan, Process, Result, pause, until};

use crate::Settings;
use crate::figures::{Book, Row};
use crate::load::Cost;
use crate::pair::millis;

const SESSIONS: usize = 100;

/// How long they are watched, and how often.
const WINDOW: Duration = Duration::from_secs(20);
const LONG_WINDOW: Duration = Duration::from_mins(10);
const RUNS: usize = 2;

/// How often the processes of the daemon have gone to sleep: each sleep is a wake.
const SLEEPS: &str = "for p in $(pgrep 'standfastd|keepalived'); do \
    grep -h '^voluntary_ctxt_switches:' /proc/$p/task/*/status 2>/dev/null; done";

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    if settings.quick { Ok(()) } else { watch(settings, book, RUNS, WINDOW) }
}

/// Ten minutes of each program, for whether a session is lost without a reason.
pub(crate) fn measure_long(settings: &Settings, book: &mut Book) -> Result<()> {
    watch(settings, book, 1, LONG_WINDOW)
}

fn watch(settings: &Settings, book: &mut Book, runs: usize, window: Duration) -> Result<()> {
    let name = |what: &str| format!("{what}, {SESSIONS} BFD sessions of 50 ms x 3");
    let mut rows = [
        Row::new(name("processor"), "% of a core"),
        Row::new(name("memory (PSS) of all processes"), "KiB"),
        Row::new(name("wakes of all processes"), "1/s"),
        Row::new(name("sessions lost without a reason"), "sessions").bounded(0.0),
    ];
    for _ in 0..runs {
        for (program, daemon) in settings.daemons.iter().enumerate() {
            for (row, sample) in rows.iter_mut().zip(one(daemon, window)?) {
                row.add(program, sample);
            }
        }
    }
    rows.into_iter().for_each(|row| book.add(row));
    Ok(())
}

fn one(daemon: &Daemon, window: Duration) -> Result<[f64; 4]> {
    let mut plan = Plan::new("bfd");
    plan.backend(Backend::Namespaces);
    let lan = plan.lan("lan");
    plan.director("first").card(lan, ["192.0.2.1/24"]);
    plan.director("second").card(lan, ["192.0.2.2/24"]);
    let lab = plan.start()?;
    let start = |machine: &Machine, own: usize, peer: usize| -> Result<Process> {
        let addresses: String =
            (1..=SESSIONS).map(|host| format!("address add {} dev eth0\n", address(own, host) + "/16")).collect();
        machine.put("/tmp/addresses", addresses)?;
        machine.run("ip -batch /tmp/addresses")?;
        daemon.start(machine, &conf(own, peer))
    };
    let (first, second) = (lab.machine("first")?, lab.machine("second")?);
    let ours = start(&first, 0, 1)?;
    start(&second, 1, 0)?;
    // Both programs say when a session is up, and when it is not.
    until("all sessions were up", LIMIT, || ours.log().matches("Entering Up state").count() >= SESSIONS)?;
    pause(Duration::from_secs(2));
    let lost = || ours.log().matches("Entering Down state").count();
    let (lost_before, slept, (before, from)) = (lost(), sleeps(&first)?, Cost::read(&first)?);
    pause(window);
    let ((after, to), slept) = (Cost::read(&first)?, sleeps(&first)? - slept);
    let lost = u32::try_from(lost() - lost_before).map_or(f64::NAN, f64::from);
    lab.finish()?;
    Ok([before.share(from, after, to), after.pss_kib, slept * 1000.0 / millis(to.since(from)), lost])
}

fn sleeps(director: &Machine) -> Result<f64> {
    let text = director.run(SLEEPS)?;
    Ok(text.split_whitespace().filter_map(|word| word.parse::<f64>().ok()).sum())
}

fn address(network: usize, host: usize) -> String {
    format!("10.8.{network}.{host}")
}

fn conf(own: usize, peer: usize) -> String {
    (1..=SESSIONS)
        .map(|host| {
            format!(
                "bfd_instance S{host} {{\n    source_ip {}\n    neighbor_ip {}\n    min_rx 50\n    min_tx 50\n    \
                 multiplier 3\n}}\n",
                address(own, host),
                address(peer, host)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_has_its_own_pair_of_addresses() {
        let (first, second) = (conf(0, 1), conf(1, 0));
        assert_eq!(first.matches("bfd_instance").count(), SESSIONS);
        assert!(first.contains("source_ip 10.8.0.100\n    neighbor_ip 10.8.1.100"), "{first}");
        assert!(second.contains("source_ip 10.8.1.100\n    neighbor_ip 10.8.0.100"), "{second}");
    }
}
