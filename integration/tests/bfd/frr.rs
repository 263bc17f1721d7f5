//! FRRouting's bfdd on the other side: another reading of RFC 5880 than keepalived's. A session comes up, is shut down by
//! its administrator, is lost and found, and hears that we take leave.

use lab::seed::Daemon;
use lab::{Backend, Exit, Lab, Machine, Moment, Plan, Process, Result, until};

use crate::{millis, seconds};

/// Five packets at 100 ms, and what a shared machine adds.
const LOST_WITHIN: std::time::Duration = millis(500 + 250);

/// What both sides of a session are told.
#[derive(Clone, Copy)]
struct Session<'a> {
    own: &'a str,
    peer: &'a str,
    /// Milliseconds.
    interval: u32,
    multiplier: u8,
}

/// One virtual router that wants the session up: by its address it tells what it thinks of it.
fn conf(session: Session<'_>) -> String {
    let Session { own, peer, interval, multiplier } = session;
    format!(
        "bfd_instance peer {{\n    source_ip {own}\n    neighbor_ip {peer}\n    min_rx {interval}\n    \
         min_tx {interval}\n    multiplier {multiplier}\n}}\nvrrp_instance VI {{\n    state BACKUP\n    interface eth0\n    virtual_router_id 51\n    \
         priority 100\n    advert_int 1\n    track_bfd {{\n        peer\n    }}\n    virtual_ipaddress {{\n        \
         192.0.2.101/24\n    }}\n}}\n"
    )
}

/// Starts zebra, which knows the interfaces, and bfdd. Returns the latter.
fn start_frr(machine: &Machine, session: Session<'_>) -> Result<Process> {
    let Session { own, peer, interval, multiplier } = session;
    let session = format!(
        "bfd\n peer {own} local-address {peer} interface eth0\n  detect-multiplier {multiplier}\n  \
         receive-interval {interval}\n  transmit-interval {interval}\n"
    );
    machine.put("/run/frr/zebra.conf", "")?;
    machine.put("/run/frr/bfdd.conf", session)?;
    machine.run("chown -R frr:frr /run/frr")?;
    let start = |daemon: &str, more: &str| {
        machine.spawn(format!(
            "exec /usr/lib/frr/{daemon} -f /run/frr/{daemon}.conf -i /run/frr/{daemon}.pid \
             -z /run/frr/zserv.api --vty_socket /run/frr --log stdout {more}"
        ))
    };
    start("zebra", "")?;
    until("zebra listened", seconds(10), || machine.run("test -S /run/frr/zserv.api").is_ok())?;
    start("bfdd", "--bfdctl /run/frr/bfdd.sock")
}

/// What bfdd shows of the session.
fn shown(machine: &Machine) -> String {
    machine.run("vtysh --vty_socket /run/frr -c 'show bfd peers json'").unwrap_or_default()
}

fn is(machine: &Machine, field: &str, value: &str) -> bool {
    shown(machine).contains(&format!("\"{field}\":\"{value}\""))
}

fn holds(machine: &Machine) -> bool {
    machine.run("ip -brief address show dev eth0").is_ok_and(|text| text.contains("192.0.2.101/"))
}

/// Two machines, of which the first runs us and the second FRR, with that session up on both.
fn up(name: &str, session: Session<'_>) -> Result<(Lab, Machine, Machine, Process)> {
    let mut plan = Plan::new(name);
    plan.backend(Backend::Namespaces);
    let lan = plan.lan("lan");
    plan.director("first").card(lan, ["192.0.2.1/24", "2001:db8::1/64"]);
    plan.director("second").card(lan, ["192.0.2.2/24", "2001:db8::2/64"]);
    let lab = plan.start()?;
    let (first, second) = (lab.machine("first")?, lab.machine("second")?);
    start_frr(&second, session)?;
    let ours = Daemon::standfastd()?.start(&first, &conf(session))?;
    until("the session was up here", seconds(20), || holds(&first))?;
    until("the session was up there", seconds(5), || is(&second, "status", "up"))?;
    Ok((lab, first, second, ours))
}

fn a_session_with_frr(name: &str, own: &str, peer: &str) -> Result<()> {
    let (lab, first, second, ours) = up(name, Session { own, peer, interval: 100, multiplier: 5 })?;
    let holds = || holds(&first);
    let agreed = shown(&second);
    assert!(
        agreed.contains("\"remote-transmit-interval\":100") && agreed.contains("\"remote-detect-multiplier\":5"),
        "{agreed}"
    );

    let order = |words: &str| {
        second.run(format!(
            "vtysh --vty_socket /run/frr -c 'configure terminal' -c bfd \
             -c 'peer {own} local-address {peer} interface eth0' -c '{words}'"
        ))
    };
    let down = |what: &str, fault: &dyn Fn() -> Result<()>| -> Result<()> {
        let before = Moment::now();
        fault()?;
        let took = until("the address was given up", seconds(20), || !holds())?.since(before);
        println!("{what}: given up after {took:?}");
        assert!(took < LOST_WITHIN, "{what}: {took:?}");
        Ok(())
    };
    down("shut down by its administrator", &|| order("shutdown").map(drop))?;
    ours.wait_for("Entering FAULT STATE: BFD session peer is down", seconds(5))?;
    order("no shutdown")?;
    until("the session was up again", seconds(20), holds)?;
    for _ in 0..2 {
        down("lost", &|| second.run("pkill -STOP bfdd").map(drop))?;
        second.run("pkill -CONT bfdd")?;
        until("the session was found again", seconds(20), holds)?;
    }
    until("the session was up there", seconds(5), || is(&second, "status", "up"))?;
    assert_eq!(ours.stop(seconds(10))?, Exit::Status(0));
    until("it heard that we take leave", millis(500), || is(&second, "remote-diagnostic", "administratively down"))?;
    lab.finish()
}

#[test]
fn frr_and_we_hold_a_session_over_ipv4_through_shutdown_loss_and_leave() -> Result<()> {
    a_session_with_frr("bfd-frr", "192.0.2.1", "192.0.2.2")
}

#[test]
fn frr_and_we_hold_a_session_over_ipv6_through_shutdown_loss_and_leave() -> Result<()> {
    a_session_with_frr("bfd-frr6", "2001:db8::1", "2001:db8::2")
}

#[test]
fn frr_notices_neither_a_killed_worker_nor_an_upgrade() -> Result<()> {
    let session = Session { own: "192.0.2.1", peer: "192.0.2.2", interval: 300, multiplier: 3 };
    let (lab, first, second, ours) = up("bfd-frr-kill", session)?;
    let losses = || second.run("vtysh --vty_socket /run/frr -c 'show bfd peers counters json'");
    let before = losses()?;
    assert!(before.contains("\"session-down\":0"), "{before}");
    for kill in 1..=3 {
        first.run("pkill -KILL -f '[s]tandfastd: bfd'")?;
        until("a successor went on", seconds(5), || ours.log().matches("goes on in Up state").count() == kill)?;
        // Longer than FRR would take to miss it.
        lab::pause(millis(1500));
    }
    first.run(format!("{} upgrade --force", Daemon::standfastd()?.command()))?;
    until("the new program went on", seconds(5), || ours.log().matches("goes on in Up state").count() == 4)?;
    lab::pause(millis(1500));
    let after = losses()?;
    assert!(after.contains("\"session-down\":0") && is(&second, "status", "up"), "{after}");
    assert!(holds(&first));
    ours.stop(seconds(10))?;
    lab.finish()
}
