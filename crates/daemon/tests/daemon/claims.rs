//! Another host that says an address of the master is its own: a real one behind a switch, and one that shouts.

use crate::adoption::{Wire, pause};
use crate::answers::{Port, switched};
use crate::front::status;
use crate::machine::{Machine, becomes, pid_in, run, wait_for};
use crate::scripts::with_globals;
use core::time::Duration;
use standfast_kernel::timer::boottime;
use standfast_model::{Claim, MacAddress, State};
use standfast_wire::arp;
use standfast_wire::ndisc::Unsolicited;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;

const MASTER: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x0a]);
const FOE: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x66]);
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);

/// The bursts of the takeover are over after a second, and so is the time in which claims are taken for echoes of it.
const SETTLED: Duration = Duration::from_millis(2_500);

fn configuration(interval: &str) -> String {
    format!(
        "vrrp_instance VI_E {{\n version 3\n interface east\n virtual_router_id 51\n priority 150\n advert_int {interval}\n \
         garp_master_delay 1\n virtual_ipaddress {{\n 192.0.2.100/24\n }}\n \
         virtual_ipaddress_excluded {{\n 2001:db8::100/64\n }}\n}}\n"
    )
}

/// A switch with a master and a host, and another host of which nobody knows yet.
fn with_foe() -> Machine {
    let machine = switched();
    run("ip netns add foe");
    run("ip -n lan link add f1 type veth peer name f0 netns foe");
    run("ip -n lan link set f1 master br0");
    run("ip -n lan link set f1 up");
    run("ip -n foe link set f0 up");
    machine
}

fn in_foe(script: &str) {
    let status = Command::new("ip").args(["netns", "exec", "foe", "sh", "-c", script]).status().unwrap();
    assert!(status.success(), "{script}");
}

fn claims() -> Vec<Claim> {
    status().vrrp.unwrap().instances.remove(0).claims
}

/// How often each address was announced by the master, in what a port has seen.
fn announced(frames: &[Vec<u8>]) -> (usize, usize) {
    let (garp, na) =
        (arp::Frame::gratuitous(MASTER, VIP).emit(), Unsolicited { address: VIP6, mac: MASTER, router: true }.emit());
    let count = |wanted: &[u8]| frames.iter().filter(|frame| frame.starts_with(wanted)).count();
    (count(&garp), count(&na))
}

// REQ: ARP-2.4-01
#[test]
fn a_host_that_takes_the_addresses_is_noticed_said_once_and_answered_once_in_ten_seconds() {
    let machine = with_foe();
    let record = machine.script("record", "echo \"$*\" >> /run/test/record.log");
    let text =
        configuration("0.1").replace(" garp_master", &format!(" notify_conflict \"{record} own\"\n garp_master"));
    machine.write("keepalived.conf", &with_globals(" notify_fifo /run/test/fifo", &text));
    run("mkfifo /run/test/fifo");
    let mut reader = Command::new("sh").args(["-c", "exec cat /run/test/fifo > /run/test/read"]).spawn().unwrap();
    let mut daemon = machine.start(&[]);
    wait_for("the mastership", || machine.read("stderr").contains("Entering MASTER STATE"));
    pause(SETTLED);
    let port = Port::open("foe", "f0");
    let said = |address: &str| machine.read("stderr").matches(&format!("{address} is its own: {FOE} on east")).count();
    // With these two the kernel tells the neighbours when its MAC is another.
    in_foe("echo 1 > /proc/sys/net/ipv4/conf/f0/arp_notify; echo 1 > /proc/sys/net/ipv6/conf/f0/ndisc_notify");
    run("ip -n foe address add 192.0.2.100/24 dev f0");
    run("ip -n foe -6 address add 2001:db8::100/64 dev f0 nodad");
    run(&format!("ip -n host neigh replace 192.0.2.100 lladdr {MASTER} nud stale dev h0"));
    port.seen(Duration::ZERO);
    run(&format!("ip -n foe link set f0 address {FOE}"));
    // 0.3 s is what a claim has to wait; the rest is for a busy machine.
    assert!(becomes(Duration::from_secs(3), || said("192.0.2.100") == 1 && said("2001:db8::100") == 1));
    let mut all = claims();
    all.sort_by_key(|claim| claim.address);
    let shown: Vec<_> = all.iter().map(|claim| (claim.address, claim.mac, claim.interface.to_string())).collect();
    let east = || "east".to_owned();
    assert_eq!(shown, [(VIP.into(), FOE, east()), (VIP6.into(), FOE, east())]);
    // Two addresses are one conflict, told once: by whichever was heard first.
    let conflict = "INSTANCE \"VI_E\" CONFLICT 150";
    wait_for("the line", || machine.lines("read").iter().any(|line| line == conflict));
    wait_for("the script", || !machine.lines("record.log").is_empty());
    // Whoever shouts on is not answered before ten seconds are over.
    let shout = [
        arp::Frame::gratuitous(FOE, VIP).emit().to_vec(),
        Unsolicited { address: VIP6, mac: FOE, router: false }.emit().to_vec(),
    ];
    let mut seen = Vec::new();
    for _ in 0..30 {
        port.send_all(&shout);
        seen.extend(port.seen(Duration::from_millis(50)));
    }
    assert_eq!(announced(&seen), (1, 1), "one defence of each");
    assert_eq!((said("192.0.2.100"), said("2001:db8::100")), (1, 1));
    let snapshot = status();
    let instance = &snapshot.vrrp.as_ref().unwrap().instances[0];
    assert_eq!((instance.state, instance.counters.foreign_claims), (State::Master, 2));
    assert!(instance.claims.iter().all(|claim| claim.times >= 20), "{:?}", instance.claims);
    let notified = machine.lines("record.log");
    assert_eq!(notified.len(), 1, "{notified:?}");
    assert!(notified[0].starts_with("own INSTANCE VI_E CONFLICT 150 another host says that "), "{notified:?}");
    assert!(notified[0].ends_with(&format!(" is its own: {FOE} on east; it is announced again")), "{notified:?}");
    assert_eq!(machine.lines("read").iter().filter(|line| *line == conflict).count(), 1);
    assert_eq!(daemon.stop(), 0);
    assert!(reader.wait().unwrap().success());
}

/// What a process has used of the processor, in ticks of 10 ms.
fn ticks(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_storm_of_twenty_thousand_claims_a_second_moves_no_advertisement() {
    const SPAN: Duration = Duration::from_secs(4);
    let machine = with_foe();
    machine.write("keepalived.conf", &configuration("0.5"));
    let mut daemon = machine.start(&[]);
    wait_for("the mastership", || machine.read("stderr").contains("Entering MASTER STATE"));
    pause(SETTLED);
    let worker = pid_in("/run/vrrp.pid").unwrap();
    let wire = Wire::tap("east");
    let (before, begun) = (ticks(worker), boottime());
    let storm = std::thread::spawn(move || {
        let port = Port::open("foe", "f0");
        let mut sent = 0_usize;
        let frame = |n: usize| {
            let [.., a, b] = n.to_be_bytes();
            arp::Frame::gratuitous(MacAddress([2, 0, 0, 1, a, b]), VIP).emit().to_vec()
        };
        let frames: Vec<Vec<u8>> = (0..200).map(frame).collect();
        while boottime().since(begun) < SPAN {
            sent += port.send_all(&frames);
            // What a busy machine has missed is made up for: 200 in 10 ms.
            let wanted = usize::try_from(boottime().since(begun).as_millis()).unwrap() * 20;
            if sent >= wanted {
                pause(Duration::from_millis(10));
            }
        }
        sent
    });
    let sent = storm.join().unwrap();
    assert!(sent >= 60_000, "{sent} are no storm");
    let used = ticks(worker) - before;
    let (gap, adverts) = wire.longest_gap();
    // As long as a standby waits before it takes over.
    assert!(gap < Duration::from_millis(1_500), "nothing was sent for {gap:?}");
    assert!(adverts >= 6, "{adverts} advertisements");
    assert!(used < 100, "{used} ticks of 400");
    let claims = claims();
    // 64 in each tenth of a second, and what one span more may have.
    assert!((1..=64 * 60).contains(&claims[0].times), "{claims:?}");
    let lines = machine.read("stderr").matches("192.0.2.100 is its own").count();
    assert_eq!(lines, 1, "{}", machine.read("stderr"));
    assert_eq!(daemon.stop(), 0);
}
