//! The worker that advertises is killed where the intervals are short. Whoever is back within what the standby waits for
//! costs nothing; whoever is not has lost its mastership, and does not speak before it has heard who has it.
//!
//! Measured on this machine's kernel, where starting a program costs what it costs elsewhere.

use std::time::Duration;

use lab::seed::Daemon;
use lab::{Advert, Backend, Machine, Moment, Plan, Result, Seen, pause, until};

use crate::rack::{millis, seconds};

/// The intervals, in hundredths of a second, each with its virtual router. What the standby of priority 100 waits for is
/// 3.6 of them.
const ROUTERS: [(u8, u64); 5] = [(51, 30), (52, 20), (53, 10), (54, 5), (55, 1)];

/// What is known to survive: the rest may or may not.
const SURVIVING: [u8; 3] = [51, 52, 53];

/// Fewer than are forgiven: after them the supervisor waits with the successor.
const ROUND: u64 = 5;

fn conf(priority: u8) -> String {
    let instances = ROUTERS.iter().map(|(vrid, hundredths)| {
        format!(
            "vrrp_instance V{vrid} {{\n    state BACKUP\n    interface eth0\n    virtual_router_id {vrid}\n    \
             version 3\n    priority {priority}\n    advert_int {}.{:02}\n    virtual_ipaddress {{\n        \
             192.0.2.{}/24\n    }}\n}}\n",
            hundredths / 100,
            hundredths % 100,
            vrid + 50
        )
    });
    instances.collect()
}

/// What the standby waits for after the last advertisement: three intervals and 156/256 of one (RFC 9568 6.1).
fn down(hundredths: u64) -> Duration {
    Duration::from_micros(hundredths * 10_000 * (3 * 256 + 156) / 256)
}

/// What one kill did to a virtual router.
struct Outcome {
    /// The longest silence of the first.
    silent: Duration,
    /// Whether the second has spoken.
    taken: bool,
}

fn outcome(adverts: &[Seen<Advert>], vrid: u8, kill: Moment) -> Outcome {
    // From a moment before: the last advertisement of who was killed may have left then.
    let since = Moment::from_nanos(kill.as_nanos().saturating_sub(500_000_000));
    let ours = || adverts.iter().filter(|seen| seen.what.vrid == vrid && seen.at > since);
    let first: Vec<Moment> = ours().filter(|seen| seen.from == "first").map(|seen| seen.at).collect();
    let gaps = first.windows(2).filter_map(|pair| match pair {
        [one, next] => Some(next.since(*one)),
        _ => None,
    });
    let taken = ours().any(|seen| seen.from == "second" && seen.at > kill && seen.what.priority > 0);
    Outcome { silent: gaps.max().unwrap_or(Duration::MAX), taken }
}

#[test]
fn a_killed_worker_costs_no_failover_at_intervals_of_100_ms_and_below_it_comes_back_in_order() -> Result<()> {
    let mut plan = Plan::new("quick");
    plan.backend(Backend::Namespaces);
    let lan = plan.lan("lan");
    plan.director("first").card(lan, ["192.0.2.1/24"]);
    plan.director("second").card(lan, ["192.0.2.2/24"]);
    let lab = plan.start()?;
    let (first, second) = (lab.machine("first")?, lab.machine("second")?);
    let daemon = Daemon::standfastd()?;
    let _one = daemon.start(&first, &conf(200))?;
    let _other = daemon.start(&second, &conf(100))?;
    settled(&first, &second)?;
    let capture = lab.lan("lan")?.capture_only("ip proto 112")?;
    let mut lost = [0; 2];
    for _ in 0..ROUND {
        pause(seconds(1));
        let kill = Moment::now();
        first.run("pkill -KILL -f '[s]tandfastd: vrrp'")?;
        pause(millis(300));
        settled(&first, &second)?;
        let adverts = capture.adverts()?;
        for (vrid, hundredths) in ROUTERS {
            let (Outcome { silent, taken }, down) = (outcome(&adverts, vrid, kill), down(hundredths));
            println!("every {hundredths} hundredths: silent for {silent:?} of {down:?}, taken over: {taken}");
            assert!(!taken || silent > down, "V{vrid}: two masters, the first was silent for {silent:?}");
            if SURVIVING.contains(&vrid) {
                assert!(!taken && silent < down, "V{vrid}: silent for {silent:?} of {down:?}, taken over: {taken}");
            } else if taken {
                lost[usize::from(hundredths == 1)] += 1;
            }
        }
    }
    println!("of {ROUND} kills {} cost the mastership at 50 ms, {} at 10 ms", lost[0], lost[1]);
    lab.finish()
}

/// Waits until the first director has every address and the second none.
fn settled(first: &Machine, second: &Machine) -> Result<()> {
    let held = |director: &Machine| {
        let shown = director.run("ip -4 -oneline address show dev eth0").unwrap_or_default();
        ROUTERS.iter().filter(|(vrid, _)| shown.contains(&format!(" 192.0.2.{}/", vrid + 50))).count()
    };
    until("the first had all addresses and the second none", seconds(20), || {
        held(first) == ROUTERS.len() && held(second) == 0
    })?;
    Ok(())
}
