//! What concerns the whole table: what somebody else does to it, what the start and the stop leave of it, timeouts.

use std::time::Duration;

use lab::seed::{CONF_PATH, Daemon};
use lab::{Lab, Machine, Process, Result, until};
use nix::libc;

const SERVICES: &str = "virtual_server 192.0.2.100 80 {\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n    \
                        real_server 10.0.0.2 80 {\n        weight 3\n    }\n    real_server 10.0.0.3 80 {\n    }\n}\n";

/// What [`SERVICES`] makes of a table.
const OURS: &str = "-A -t 192.0.2.100:80 -s rr\n-a -t 192.0.2.100:80 -r 10.0.0.2:80 -m -w 3\n\
                    -a -t 192.0.2.100:80 -r 10.0.0.3:80 -m -w 1\n";

/// And what somebody else has in it.
const THEIRS: &str = "-A -t 192.0.2.200:25 -s lc\n-a -t 192.0.2.200:25 -r 10.0.0.9:25 -g -w 7\n";

const MAKE_THEIRS: &str = "ipvsadm -A -t 192.0.2.200:25 -s lc && ipvsadm -a -t 192.0.2.200:25 -r 10.0.0.9:25 -g -w 7";

/// From one reading of the table to the next, with time to spare on a busy machine.
const NEXT_READING: Duration = Duration::from_secs(25);

const SOON: Duration = Duration::from_secs(15);

fn director(name: &str) -> Result<(Lab, Machine)> {
    let (lab, machine) = Lab::of_one_director(name, "10.0.0.1/24", 256)?;
    machine.run("modprobe ip_vs")?;
    Ok((lab, machine))
}

fn table(director: &Machine) -> Result<String> {
    director.run("ipvsadm --save --numeric | LC_ALL=C sort | sed 's/ *$//'")
}

fn becomes(director: &Machine, what: &str, within: Duration, wanted: &str) -> Result<()> {
    until(what, within, || table(director).is_ok_and(|found| found == wanted)).map(drop)
}

fn run(director: &Machine, global: &str, argument: Option<&str>) -> Result<Process> {
    let mut daemon = Daemon::standfastd()?;
    if let Some(argument) = argument {
        daemon = daemon.argument(argument);
    }
    let process = daemon.start(director, &format!("global_defs {{\n{global}}}\n{SERVICES}"))?;
    // The table alone does not tell whether it is there: it may have stayed.
    process.wait_for("Startup complete", SOON)?;
    Ok(process)
}

fn stop(daemon: &Process) -> Result<()> {
    daemon.signal(libc::SIGTERM)?;
    daemon.wait(SOON).map(drop)
}

#[test]
fn what_somebody_else_does_to_our_entries_is_mended_and_theirs_are_left_alone() -> Result<()> {
    let (lab, director) = director("whole")?;
    director.run(MAKE_THEIRS)?;
    let daemon = run(&director, "", None)?;
    let both = [OURS, THEIRS].concat();
    let both = sorted(&both);
    becomes(&director, "both were there", SOON, &both)?;
    // A server gone, a weight changed, one too many, another scheduler.
    for meddling in [
        "ipvsadm -d -t 192.0.2.100:80 -r 10.0.0.3:80",
        "ipvsadm -e -t 192.0.2.100:80 -r 10.0.0.2:80 -m -w 50",
        "ipvsadm -a -t 192.0.2.100:80 -r 10.0.0.77:80 -m -w 1",
        "ipvsadm -E -t 192.0.2.100:80 -s wlc",
        "ipvsadm -e -t 192.0.2.200:25 -r 10.0.0.9:25 -g -w 8",
    ] {
        director.run(meddling)?;
    }
    let theirs = both.replace("-w 7", "-w 8");
    becomes(&director, "ours was mended", NEXT_READING, &theirs)?;
    assert!(daemon.log().contains("IPVS table was changed by someone else, set right by"), "{}", daemon.log());
    director.run("ipvsadm -D -t 192.0.2.100:80")?;
    becomes(&director, "the whole service was back", NEXT_READING, &theirs)?;
    stop(&daemon)?;
    assert_eq!(table(&director)?, sorted(&THEIRS.replace("-w 7", "-w 8")));
    lab.finish()
}

#[test]
fn the_start_and_the_stop_leave_of_the_table_what_the_configuration_says() -> Result<()> {
    let (lab, director) = director("flush")?;
    let theirs = sorted(THEIRS);
    let both = sorted(&[OURS, THEIRS].concat());
    director.run(MAKE_THEIRS)?;
    // Of the table of others nothing is touched.
    let daemon = run(&director, "", None)?;
    becomes(&director, "ours was beside theirs", SOON, &both)?;
    stop(&daemon)?;
    assert_eq!(table(&director)?, theirs);
    // And with VS neither.
    let daemon = run(&director, "    lvs_flush_on_stop VS\n", None)?;
    becomes(&director, "ours was beside theirs again", SOON, &both)?;
    stop(&daemon)?;
    assert_eq!(table(&director)?, theirs);
    // Everything stays.
    let daemon = run(&director, "", Some("--dont-release-ipvs"))?;
    becomes(&director, "ours was there to stay", SOON, &both)?;
    stop(&daemon)?;
    assert_eq!(table(&director)?, both);
    // Everything goes at the stop.
    let daemon = run(&director, "    lvs_flush_on_stop\n", None)?;
    becomes(&director, "what stayed was taken over", SOON, &both)?;
    stop(&daemon)?;
    assert_eq!(table(&director)?, "");
    // Everything goes at the start.
    director.run(MAKE_THEIRS)?;
    let daemon = run(&director, "    lvs_flush\n    lvs_timeouts tcp 901 tcpfin 61 udp 301\n", None)?;
    becomes(&director, "only ours was left", SOON, &sorted(OURS))?;
    assert_eq!(director.run("ipvsadm -L --timeout")?.trim(), "Timeout (tcp tcpfin udp): 901 61 301");
    director.put(CONF_PATH, format!("global_defs {{\n    lvs_timeouts tcp 902\n}}\n{SERVICES}"))?;
    daemon.signal(libc::SIGHUP)?;
    until("the timeout was changed, and those that are not named were left", SOON, || {
        let shown = director.run("ipvsadm -L --timeout");
        shown.is_ok_and(|shown| shown.trim() == "Timeout (tcp tcpfin udp): 902 61 301")
    })?;
    stop(&daemon)?;
    lab.finish()
}

fn sorted(lines: &str) -> String {
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    lines.iter().map(|line| format!("{line}\n")).collect()
}
