//! BFD beside Debian's keepalived on a real wire: sessions come up, are lost in time and take leave, and what tracks them
//! follows.

use std::time::Duration;

use lab::seed::Daemon;
use lab::{Backend, Exit, Lab, Machine, Moment, Plan, Process, Result};

use crate::{millis, seconds};

/// Five packets at 100 ms, and what a shared machine adds.
const LOST_WITHIN: Duration = millis(500 + 250);

/// A session with the other director, and a virtual router of one's own that wants it up. Each its own virtual address:
/// they are to tell by it what they think of the session.
fn conf(family: Family, is_first: bool) -> String {
    let (own, peer) = match (family, is_first) {
        (Family::Inet, true) => ("192.0.2.1", "192.0.2.2"),
        (Family::Inet, false) => ("192.0.2.2", "192.0.2.1"),
        (Family::Inet6, true) => ("2001:db8::1", "2001:db8::2"),
        (Family::Inet6, false) => ("2001:db8::2", "2001:db8::1"),
    };
    let (vrid, vip) = if is_first { (51, "192.0.2.101") } else { (52, "192.0.2.102") };
    format!(
        "bfd_instance peer {{\n    source_ip {own}\n    neighbor_ip {peer}\n    min_rx 100\n    min_tx 100\n    \
         multiplier 5\n}}\nvrrp_instance VI {{\n    state BACKUP\n    interface eth0\n    virtual_router_id {vrid}\n    \
         priority 100\n    advert_int 1\n    track_bfd {{\n        peer\n    }}\n    virtual_ipaddress {{\n        \
         {vip}/24\n    }}\n}}\n"
    )
}

#[derive(Clone, Copy)]
enum Family {
    Inet,
    Inet6,
}

struct Pair {
    lab: Lab,
    first: Machine,
    second: Machine,
    ours: Process,
    theirs: Process,
}

impl Pair {
    /// Ours on `first`, another on `second`; both virtual routers are masters, so both sessions are up.
    fn start(name: &str, family: Family, other: &Daemon) -> Result<Self> {
        let mut plan = Plan::new(name);
        plan.backend(Backend::Namespaces);
        let lan = plan.lan("lan");
        plan.director("first").card(lan, ["192.0.2.1/24", "2001:db8::1/64"]);
        plan.director("second").card(lan, ["192.0.2.2/24", "2001:db8::2/64"]);
        let lab = plan.start()?;
        let (first, second) = (lab.machine("first")?, lab.machine("second")?);
        let theirs = other.start(&second, &conf(family, false))?;
        let ours = Daemon::standfastd()?.start(&first, &conf(family, true))?;
        let pair = Self { lab, first, second, ours, theirs };
        pair.has_vip(true)?;
        lab::until("the other holds its address", seconds(20), || pair.second_holds())?;
        Ok(pair)
    }

    fn first_holds(&self) -> bool {
        self.first.run("ip -brief address show dev eth0").is_ok_and(|text| text.contains("192.0.2.101/"))
    }

    fn second_holds(&self) -> bool {
        self.second.run("ip -brief address show dev eth0").is_ok_and(|text| text.contains("192.0.2.102/"))
    }

    /// Waits until ours has its address, or has it no more.
    fn has_vip(&self, wanted: bool) -> Result<Moment> {
        lab::until("our address", seconds(20), || self.first_holds() == wanted)
    }

    /// Lets something happen to the other side, and says how long ours took to give its address up.
    fn gives_up_after(&self, what: &str, fault: impl FnOnce(&Self) -> Result<()>) -> Result<Duration> {
        let before = Moment::now();
        fault(self)?;
        let took = self.has_vip(false)?.since(before);
        println!("{what}: given up after {took:?}");
        Ok(took)
    }
}

fn sessions_with(name: &str, family: Family, other: &Daemon) -> Result<()> {
    let mut pair = Pair::start(name, family, other)?;
    for (what, fault, mend) in [
        ("the freeze", Machine::freeze as fn(&Machine) -> Result<()>, Machine::thaw as fn(&Machine) -> Result<()>),
        ("the pulled cable", |machine| machine.unplug("eth0"), |machine| machine.plug("eth0")),
    ] {
        let took = pair.gives_up_after(what, |pair| fault(&pair.second))?;
        assert!(took > millis(350) && took < LOST_WITHIN, "{what}: {took:?}");
        mend(&pair.second)?;
        pair.has_vip(true)?;
    }
    let took =
        pair.gives_up_after("the kill", |pair| pair.second.run("pkill -KILL 'standfastd|keepalived'").map(drop))?;
    assert!(took < LOST_WITHIN, "the kill: {took:?}");
    let log = pair.ours.log();
    assert!(log.contains("BFD_Instance(peer) Entering Down state: control detection time expired"), "{log}");
    assert!(log.contains("Entering FAULT STATE: BFD session peer is down"), "{log}");
    pair.theirs = other.start_again(&pair.second)?;
    pair.has_vip(true)?;
    lab::until("the other holds its address", seconds(20), || pair.second_holds())?;
    // A worker that is killed costs nothing: its successor is up before anyone's patience ends.
    pair.first.run("pkill -KILL -F /run/bfd.pid")?;
    let restarted = Moment::now();
    pair.ours.wait_for("Respawning bfd worker", seconds(5))?;
    lab::pause(seconds(6));
    assert!(pair.first_holds(), "{}", pair.ours.log());
    println!("{:?} after the kill of the bfd worker the address is still held", Moment::now().since(restarted));
    // We take leave, and it hears it.
    let heard_before = pair.theirs.log().matches("Down").count();
    let stopped = Moment::now();
    assert_eq!(pair.ours.stop(seconds(10))?, Exit::Status(0));
    let heard = || pair.theirs.log().matches("Down").count();
    lab::until("the neighbour hears of our leave", seconds(5), || heard() > heard_before)?;
    println!("the stop took {:?}", Moment::now().since(stopped));
    pair.lab.finish()
}

#[test]
fn keepalived_and_we_hold_a_session_over_ipv4_through_every_failure() -> Result<()> {
    sessions_with("bfd-keepalived", Family::Inet, &Daemon::keepalived())
}

#[test]
fn two_of_us_hold_a_session_over_ipv6_through_every_failure() -> Result<()> {
    sessions_with("bfd-own", Family::Inet6, &Daemon::standfastd()?)
}
