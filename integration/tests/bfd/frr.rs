//! FRRouting's bfdd on the other side: another reading of RFC 5880 than keepalived's. A session comes up, is shut down by
//! its administrator, is lost and found, and hears that we take leave.

use lab::seed::Daemon;
use lab::{Backend, Exit, Machine, Moment, Plan, Process, Result, until};

use crate::{millis, seconds};

/// Five packets at 100 ms, and what a shared machine adds.
const LOST_WITHIN: std::time::Duration = millis(500 + 250);

/// One virtual router that wants the session up: by its address it tells what it thinks of it.
fn conf(own: &str, peer: &str) -> String {
    format!(
        "bfd_instance peer {{\n    source_ip {own}\n    neighbor_ip {peer}\n    min_rx 100\n    min_tx 100\n    \
         multiplier 5\n}}\nvrrp_instance VI {{\n    state BACKUP\n    interface eth0\n    virtual_router_id 51\n    \
         priority 100\n    advert_int 1\n    track_bfd {{\n        peer\n    }}\n    virtual_ipaddress {{\n        \
         192.0.2.101/24\n    }}\n}}\n"
    )
}

/// Starts zebra, which knows the interfaces, and bfdd. Returns the latter.
fn start_frr(machine: &Machine, own: &str, peer: &str) -> Result<Process> {
    let session = format!(
        "bfd\n peer {peer} local-address {own} interface eth0\n  detect-multiplier 5\n  receive-interval 100\n  \
         transmit-interval 100\n"
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

fn a_session_with_frr(name: &str, own: &str, peer: &str) -> Result<()> {
    let mut plan = Plan::new(name);
    plan.backend(Backend::Namespaces);
    let lan = plan.lan("lan");
    plan.director("first").card(lan, ["192.0.2.1/24", "2001:db8::1/64"]);
    plan.director("second").card(lan, ["192.0.2.2/24", "2001:db8::2/64"]);
    let lab = plan.start()?;
    let (first, second) = (lab.machine("first")?, lab.machine("second")?);
    start_frr(&second, peer, own)?;
    let ours = Daemon::standfastd()?.start(&first, &conf(own, peer))?;
    let holds = || first.run("ip -brief address show dev eth0").is_ok_and(|text| text.contains("192.0.2.101/"));
    until("the session was up here", seconds(20), holds)?;
    until("the session was up there", seconds(5), || is(&second, "status", "up"))?;
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
