//! The exchange of states between two directors whose advertisements do not reach each other.

use crate::adoption::Peer;
use crate::front::status;
use crate::machine::{Machine, PAIR, becomes, run, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use standfast_kernel::timer::boottime;
use std::net::UdpSocket;
use std::process::Command;

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn with_peer(address: &str, key: &str) -> String {
    format!("global_defs {{\n peer other {address}\n peer_key {key}\n}}\n{PAIR}")
}

/// Drops protocol 112 on its way in, here and at the peer.
fn cut() {
    for place in ["", "ip netns exec peer "] {
        run(&format!("{place}nft add table inet cut"));
        run(&format!("{place}nft add chain inet cut in {{ type filter hook input priority 0 ; }}"));
        run(&format!("{place}nft add rule inet cut in meta l4proto 112 drop"));
    }
}

fn mend() {
    for place in ["", "ip netns exec peer "] {
        run(&format!("{place}nft delete table inet cut"));
    }
}

fn refused(why: &str) -> u64 {
    let peers = status().peers;
    peers[0].refused.iter().find(|(reason, _)| reason == why).map_or(0, |(_, count)| *count)
}

#[test]
fn two_masters_that_do_not_hear_each_other_are_found_said_shown_and_healed() {
    let machine = Machine::with_pair();
    let text = with_peer("192.0.2.2", KEY);
    machine.write("keepalived.conf", &text);
    let mut daemon = machine.start(&[]);
    let peer = Peer::start_with(&machine, &text.replace("192.0.2.2", "192.0.2.1"));
    wait_for("the exchange", || status().peers[0].alive);
    assert!(status().peers[0].differences.is_empty() && status().peers[0].two_masters.is_empty());
    wait_for("one master", || machine.read("stderr").contains("Entering MASTER STATE"));
    cut();
    wait_for("the second master", || Peer::takeovers(&machine) > 0);
    let begun = boottime();
    wait_for("the alarm", || {
        machine.read("stderr").contains("(VI_E) two masters: seen by peer exchange: other is master")
    });
    // Three seconds by design; the rest is for a machine that does other things.
    assert!(boottime().since(begun) < Duration::from_secs(9), "{:?}", boottime().since(begun));
    wait_for("the alarm there", || machine.read("peer").contains("(VI_E) two masters: seen by peer exchange"));
    let shown = status();
    assert_eq!(
        (shown.peers[0].two_masters[0].instance.as_str(), shown.peers[0].two_masters[0].priority),
        ("VI_E", 100)
    );
    mend();
    wait_for("the end of it", || machine.read("stderr").contains("(VI_E) two masters no more"));
    wait_for("that nothing is shown", || status().peers[0].two_masters.is_empty());
    assert_eq!(machine.read("stderr").matches("seen by peer exchange").count(), 1, "said once");
    drop(peer);
    wait_for("silence", || !status().peers[0].alive);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn who_wants_to_be_told_is_told_of_a_master_that_is_not_heard_and_of_its_end() {
    let machine = Machine::with_pair();
    let record = machine.script("record", "echo \"$*\" >> /run/test/record.log");
    let text = with_peer("192.0.2.2", KEY)
        .replace("global_defs {", "global_defs {\n script_user root\n enable_script_security");
    let own = text.replace(" advert_int", &format!(" notify_conflict {record}\n advert_int"));
    machine.write("keepalived.conf", &own);
    let mut daemon = machine.start(&[]);
    // With an address of its own, so that only the exchange finds it.
    let _peer =
        Peer::start_with(&machine, &text.replace("192.0.2.2", "192.0.2.1").replace("192.0.2.100", "192.0.2.101"));
    wait_for("the exchange", || status().peers[0].alive);
    wait_for("one master", || machine.read("stderr").contains("Entering MASTER STATE"));
    cut();
    wait_for("the word of it", || !machine.lines("record.log").is_empty());
    mend();
    wait_for("the word of its end", || machine.lines("record.log").len() > 1);
    let told = machine.lines("record.log");
    assert!(told[0].starts_with("INSTANCE VI_E CONFLICT 150 two masters: seen by peer exchange"), "{told:?}");
    assert!(told[1].starts_with("INSTANCE VI_E CONFLICT_OVER 150 two masters no more: other"), "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_is_forged_is_counted_and_nothing_follows_and_another_key_is_no_peer() {
    let machine = Machine::with_pair();
    let text = with_peer("192.0.2.2", KEY);
    machine.write("keepalived.conf", &text);
    let mut daemon = machine.start(&[]);
    let other = with_peer("192.0.2.1", &KEY.replace('0', "1"));
    let _peer = Peer::start_with(&machine, &other);
    let foreign = "signature is not that of our key";
    wait_for("datagrams of another key", || refused(foreign) >= 2);
    let garbage = "printf garbage > /dev/udp/192.0.2.1/8113";
    let mut forger = Command::new("ip");
    assert!(forger.args(["netns", "exec", "peer", "bash", "-c", garbage]).status().unwrap().success());
    wait_for("garbage", || refused("length") == 1);
    // From an address that is no peer's it is not even counted.
    let socket = UdpSocket::bind("192.0.2.1:0").unwrap();
    socket.send_to(&[0; 100], "192.0.2.1:8113").unwrap();
    let peer = status().peers.remove(0);
    assert_eq!((peer.accepted, peer.alive, peer.two_masters.len()), (0, false, 0));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_reload_begins_and_ends_the_exchange() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    assert!(status().peers.is_empty());
    let reload = |text: &str| {
        let before = machine.read("stderr").matches("Reload finished").count();
        machine.write("keepalived.conf", text);
        daemon.signal(Signal::HUP);
        wait_for("the reload", || machine.read("stderr").matches("Reload finished").count() > before);
    };
    let text = with_peer("192.0.2.2", KEY);
    reload(&text);
    let _peer = Peer::start_with(&machine, &text.replace("192.0.2.2", "192.0.2.1"));
    wait_for("the exchange", || status().peers.first().is_some_and(|peer| peer.alive));
    let accepted = status().peers[0].accepted;
    // Another reload leaves it as it is.
    reload(&text.replace("priority 150", "priority 140"));
    wait_for("more of it", || status().peers[0].accepted > accepted + 1);
    reload(PAIR);
    wait_for("the end of it", || status().peers.is_empty());
    assert_eq!(daemon.stop(), 0);
}

/// Both directors and a host on one switch, each with a cable of its own.
fn on_a_switch() -> Machine {
    let machine = Machine::new();
    run("ip link set lo up");
    for place in ["switch", "host"] {
        run(&format!("ip netns add {place}"));
    }
    run("ip -n switch link add lan type bridge");
    run("ip -n switch link set lan up");
    for card in ["east", "west", "third"] {
        run(&format!("ip link add {card} type veth peer name port_{card} netns switch"));
        run(&format!("ip -n switch link set port_{card} master lan up"));
    }
    run("ip address add 192.0.2.1/24 dev east");
    run("ip link set east up");
    run("ip link set third netns host");
    run("ip -n host address add 192.0.2.50/24 dev third");
    run("ip -n host link set third up");
    run("ip netns exec host nft add table arp seen");
    run("ip netns exec host nft add chain arp seen in { type filter hook input priority 0 ; }");
    run("ip netns exec host nft add rule arp seen in arp operation request arp saddr ip 192.0.2.100 counter");
    machine
}

fn said_by(command: &str) -> String {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.split_whitespace().skip_while(|found| *found != word).nth(1)
}

/// Where the host believes the address to be.
fn believed() -> Option<String> {
    after(&said_by("ip -n host neighbour show 192.0.2.100"), "lladdr").map(str::to_owned)
}

/// Announcements of the address that have reached the host.
fn announcements() -> u64 {
    after(&said_by("ip netns exec host nft list table arp seen"), "packets").unwrap().parse().unwrap()
}

#[test]
fn the_master_that_remains_announces_again_although_it_has_never_heard_the_other_and_hosts_believe_it() {
    let machine = on_a_switch();
    let text = with_peer("192.0.2.2", KEY);
    machine.write("keepalived.conf", &text);
    let mut daemon = machine.start(&[]);
    let _peer = Peer::start_with(&machine, &text.replace("192.0.2.2", "192.0.2.1"));
    wait_for("the exchange", || status().peers[0].alive);
    wait_for("one master", || machine.read("stderr").contains("Entering MASTER STATE"));
    let card = |words: &str| after(&said_by(&format!("ip {words}")), "link/ether").map(str::to_owned);
    let (ours, theirs) = (card("link show east"), card("-n peer link show west"));
    assert!(ours.is_some() && theirs.is_some() && ours != theirs);
    run("ip netns exec host ping -c 1 -W 5 192.0.2.100");
    assert_eq!(believed(), ours);
    cut();
    wait_for("the second master", || Peer::takeovers(&machine) > 0);
    wait_for("a host that is led astray", || believed() == theirs);
    wait_for("the alarm", || machine.read("stderr").contains("(VI_E) two masters: seen by peer exchange"));
    let before = announcements();
    // Only the other hears again: it yields, and that there were two only the exchange has told us.
    run("ip netns exec peer nft delete table inet cut");
    wait_for("the end of it", || machine.read("stderr").contains("(VI_E) two masters no more"));
    wait_for("the right neighbour", || believed() == ours);
    let announced = announcements() - before;
    eprintln!("{announced} announcements reached the host after there was one master again");
    assert!(announced >= 5, "{announced}, and garp_master_repeat is 5");
    assert_eq!(daemon.stop(), 0);
}

/// Behind which port the switch believes the virtual hardware address to be.
fn port_of_vmac() -> Option<String> {
    let table = said_by("bridge -n switch fdb show br lan");
    let line = table.lines().find(|line| line.starts_with("00:00:5e:00:01:33 "))?;
    after(line, "dev").map(str::to_owned)
}

#[test]
fn after_two_masters_the_switch_sends_what_is_for_the_virtual_hardware_address_to_the_one_that_remains() {
    let machine = on_a_switch();
    let text = PAIR.replace("    advert_int", "    use_vmac\n    advert_int");
    machine.write("keepalived.conf", &text);
    let mut daemon = machine.start(&[]);
    let _peer = Peer::start_with(&machine, &text);
    wait_for("one master", || machine.read("stderr").contains("Entering MASTER STATE"));
    wait_for("its port", || port_of_vmac().as_deref() == Some("port_east"));
    cut();
    wait_for("the second master", || Peer::takeovers(&machine) > 0);
    wait_for("a switch that is led astray", || port_of_vmac().as_deref() == Some("port_west"));
    mend();
    wait_for("one master again", || machine.read("peer").matches("Entering BACKUP STATE").count() > 1);
    wait_for("the right port", || port_of_vmac().as_deref() == Some("port_east"));
    let strays = || port_of_vmac().as_deref() != Some("port_east");
    assert!(!becomes(Duration::from_secs(3), strays), "{:?}", port_of_vmac());
    assert_eq!(daemon.stop(), 0);
}
