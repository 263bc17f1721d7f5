//! What a check may cost that changes nothing: system calls of the worker, segments on the wire, and no other process of the
//! daemon wakes for it.

use std::time::Duration;

use lab::seed::Daemon;
use lab::{Command, Lab, Machine, Plan, Result, pause, until};
use nix::libc;

const SERVERS: u32 = 50;

const SOON: Duration = Duration::from_secs(30);

/// A `TCP_CHECK` is a socket with an option, a connection, a place among what is waited for and an end, two waits and as
/// many readings of the clock; what is looked at now and then comes on top. keepalived takes 16 or more.
const MOST_CALLS: f64 = 11.5;

/// What the director sends to a server: SYN, FIN that acknowledges the server's SYN, and the acknowledgement of its FIN. Some
/// are sent again on a busy machine; keepalived sends four.
const MOST_SEGMENTS: f64 = 3.5;

/// Wakes of another process in the span in which some hundred checks are made: it has reasons of its own now and then.
const FEW_WAKES: u32 = 20;

fn conf() -> String {
    let servers: String = (1..=SERVERS)
        .map(|number| {
            format!("    real_server 10.1.0.{number} 80 {{\n        TCP_CHECK {{\n            connect_timeout 5\n        }}\n    }}\n")
        })
        .collect();
    format!(
        "virtual_server 192.0.2.100 80 {{\n    delay_loop 1\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n{servers}}}\n"
    )
}

/// How often each process of the daemon has waited, by what it is called in its command line.
fn wakes(director: &Machine) -> Result<Vec<(String, u32)>> {
    let said = director.run(
        "for p in $(pgrep standfastd); do \
         echo $(tr '\\0' '\\n' </proc/$p/cmdline | grep -m1 -o -- '--worker=.*' || echo supervisor) \
         $(awk '/^voluntary/ { print $2 }' /proc/$p/status); done",
    )?;
    let of = |line: &str| {
        let (name, count) = line.rsplit_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    Ok(said.lines().filter_map(of).collect())
}

/// How many segments the director sends for each connection.
fn segments(lab: &Lab) -> Result<f64> {
    let capture = lab.lan("lan")?.capture_only("tcp and src host 10.0.0.1 and dst port 80")?;
    pause(Duration::from_secs(3));
    let frames = capture.octets()?;
    // The flags of a TCP segment in an IPv4 packet without options in an Ethernet frame: SYN is the second bit.
    let begun = frames.iter().filter(|frame| frame.what.get(47).is_some_and(|flags| flags & 2 != 0)).count();
    let count = |number: usize| u32::try_from(number).map_or(f64::NAN, f64::from);
    assert!(begun > 0, "no check in three seconds");
    Ok(count(frames.len()) / count(begun))
}

#[test]
fn a_check_that_changes_nothing_wakes_its_worker_alone_and_takes_few_system_calls_and_segments() -> Result<()> {
    let mut plan = Plan::new("cost");
    let lan = plan.lan("lan");
    plan.director("director").card(lan, ["10.0.0.1/8"]);
    plan.host("servers").card(lan, ["10.255.0.1/8"]);
    let lab = plan.start()?;
    let (director, servers) = (lab.machine("director")?, lab.machine("servers")?);
    servers.run("ip route add local 10.1.0.0/16 dev lo")?;
    servers.serve_web("servers")?;
    let daemon = Daemon::standfastd()?.start(&director, &conf())?;
    until("every server was in the table", SOON, || {
        let counted = director.run("grep -c -- '^  ->.*Masq    1' /proc/net/ip_vs || true");
        counted.is_ok_and(|counted| counted.trim() == SERVERS.to_string())
    })?;
    pause(Duration::from_secs(3));

    let before = wakes(&director)?;
    pause(Duration::from_secs(5));
    let after = wakes(&director)?;
    assert_eq!(before.len(), 3, "{before:?}");
    let woken: Vec<(&str, u32)> =
        before.iter().zip(&after).map(|((name, before), (_, after))| (name.as_str(), after - before)).collect();
    for (name, times) in &woken {
        if *name == "--worker=check" {
            assert!(*times > SERVERS, "{woken:?}");
        } else {
            assert!(*times < FEW_WAKES, "{woken:?}");
        }
    }

    let sent = segments(&lab)?;
    assert!(sent < MOST_SEGMENTS, "{sent:.2} segments for each check");

    let line = "timeout --signal=INT 5 strace -c -U name,calls -p $(pgrep -f -- 'worker=[c]heck') 2>&1 || true";
    let said = director.run(Command::from(line).within(SOON))?;
    let count = |of: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(of)?.trim().parse::<f64>().ok());
        line.unwrap_or(0.0)
    };
    let (checks, calls) = (count("connect "), count("total "));
    assert!(checks >= f64::from(SERVERS), "{said}");
    assert!(calls / checks < MOST_CALLS, "{:.2} for each check\n{said}", calls / checks);
    daemon.signal(libc::SIGTERM)?;
    daemon.wait(SOON)?;
    lab.finish()
}
