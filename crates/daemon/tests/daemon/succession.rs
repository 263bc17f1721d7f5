//! What a successor of a killed `vrrp` worker has to know beside who was master: how far an authenticated sequence has
//! come, that a resignation is on the wire already, and what an operator has handed over.

use crate::adoption::{Peer, has_address, pause};
use crate::front::{answer, ask, status};
use crate::machine::{Machine, PAIR, kill, pid_in, wait_for};
use core::time::Duration;
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket};
use rustix::process::Signal;
use standfast_api::control::{Answer, Order, Request, SwitchoverOrder};
use standfast_kernel::timer::boottime;
use std::fmt::Write as _;
use std::os::fd::{AsRawFd, OwnedFd};

/// Advertises twice a second, so that who listens need not wait for long.
const QUICK: &str = "
vrrp_instance VI_E {
    version 3
    state BACKUP
    interface east
    virtual_router_id 51
    priority 150
    advert_int 0.5
    virtual_ipaddress {
        192.0.2.100/24
    }
}
";

/// What leaves by one interface.
struct Tap {
    socket: OwnedFd,
    interface: usize,
}

impl Tap {
    fn open(interface: &str) -> Self {
        let socket =
            socket(AddressFamily::Packet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll).unwrap();
        rustix::net::sockopt::set_socket_timeout(
            &socket,
            rustix::net::sockopt::Timeout::Recv,
            Some(Duration::from_millis(100)),
        )
        .unwrap();
        Self { socket, interface: nix::net::if_::if_nametoindex(interface).unwrap() as usize }
    }

    /// The next packet of that protocol, from its IPv4 header on; none if a tenth of a second brings none.
    fn next(&self, protocol: u8) -> Option<Vec<u8>> {
        let mut bytes = [0; 2000];
        loop {
            let (length, from) = recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut bytes).ok()?;
            let from = from?;
            // PACKET_OUTGOING is 4, IPv4 is 0x0800.
            let leaves =
                from.ifindex() == self.interface && from.pkttype() == 4 && from.protocol() == 0x0800_u16.to_be();
            if leaves && length > 32 && bytes[9] == protocol {
                return Some(bytes[..length].to_vec());
            }
        }
    }

    /// All packets of that protocol for a while.
    fn all(&self, protocol: u8, time: Duration) -> Vec<Vec<u8>> {
        let until = boottime() + time;
        let mut packets = Vec::new();
        while boottime() < until {
            packets.extend(self.next(protocol));
        }
        packets
    }
}

fn switchover(undo: bool) -> Request {
    Request::Order(Order::Switchover(SwitchoverOrder { of: None, undo, for_s: None }))
}

fn ordered() -> Option<String> {
    status().vrrp?.instances[0].ordered.clone()
}

#[test]
fn a_master_with_auth_type_ah_that_was_killed_counts_on_and_is_believed() {
    let machine = Machine::with_pair();
    let text = PAIR.replace("auth_type PASS", "auth_type AH");
    machine.write("keepalived.conf", &text);
    let mut daemon = machine.start(&[]);
    let _peer = Peer::start_with(&machine, &text);
    wait_for("the address", has_address);
    let tap = Tap::open("east");
    let mut packets = tap.all(51, Duration::from_millis(2_500));
    for _ in 0..2 {
        let adoptions = || machine.read("stderr").matches("(VI_E) Entering MASTER STATE (init)").count();
        let before = adoptions();
        kill(pid_in("/run/vrrp.pid").unwrap(), Signal::KILL);
        wait_for("the successor", || adoptions() > before);
        packets.extend(tap.all(51, Duration::from_millis(3_500)));
    }
    // Behind the IPv4 header: next header, length, two unused, four of the index, the sequence number.
    let numbers: Vec<u32> = packets.iter().map(|p| u32::from_be_bytes(*p[28..].first_chunk().unwrap())).collect();
    assert!(numbers.len() >= 8, "{numbers:?}");
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    assert!(tap.all(112, Duration::from_millis(100)).is_empty(), "nothing leaves without its header");
    let heard = machine.read("peer");
    assert_eq!(Peer::takeovers(&machine), 0, "{heard}");
    assert!(!heard.contains("sequence"), "no number was seen twice: {heard}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_was_handed_over_stays_handed_over_when_the_worker_is_killed_and_when_the_daemon_starts_again() {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", QUICK);
    let mut daemon = machine.start(&[]);
    let _peer = Peer::start_with(&machine, QUICK);
    wait_for("the address", has_address);
    assert!(matches!(answer(switchover(false)), Answer::Done(_)));
    wait_for("the peer's turn", || Peer::takeovers(&machine) == 1);
    std::fs::write(machine.path("stderr"), "").unwrap();
    let begins = || machine.read("stderr").contains("(VI_E) Entering BACKUP STATE (init)");
    kill(pid_in("/run/vrrp.pid").unwrap(), Signal::KILL);
    wait_for("the successor", begins);
    // Whoever knows nothing of the order preempts a lower priority after three intervals and the skew: 1.7 s.
    pause(Duration::from_secs(3));
    assert_eq!((ordered().as_deref(), has_address()), (Some("handed over"), false));
    assert_eq!(daemon.stop(), 0);
    std::fs::write(machine.path("stderr"), "").unwrap();
    let mut daemon = machine.start(&[]);
    wait_for("the next start", begins);
    pause(Duration::from_secs(3));
    assert_eq!((ordered().as_deref(), has_address()), (Some("handed over"), false));
    assert!(!machine.read("stderr").contains("Entering MASTER STATE"), "{}", machine.read("stderr"));
    assert!(matches!(answer(switchover(true)), Answer::Done(_)));
    // The order is over for a successor as well.
    kill(pid_in("/run/vrrp.pid").unwrap(), Signal::KILL);
    wait_for("the mastership", has_address);
    assert_eq!(ordered(), None);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn who_is_killed_in_the_moment_of_its_resignation_is_not_succeeded_by_a_master() {
    let machine = Machine::with_pair();
    let many = (1..=200).fold(String::new(), |mut lines, host| {
        writeln!(lines, "        198.51.100.{host}/32").unwrap();
        lines
    });
    // They keep the worker busy after it has resigned.
    machine.write(
        "keepalived.conf",
        &QUICK.replace("        192.0.2.100/24\n", &format!("        192.0.2.100/24\n{many}")),
    );
    let mut daemon = machine.start(&[]);
    for round in 0..3 {
        wait_for("the address", has_address);
        pause(Duration::from_millis(200));
        std::fs::write(machine.path("stderr"), "").unwrap();
        let worker = pid_in("/run/vrrp.pid").unwrap();
        let tap = Tap::open("east");
        let killer = std::thread::spawn(move || {
            let until = boottime() + Duration::from_secs(20);
            while boottime() < until {
                // The priority is the third octet behind the IPv4 header.
                if tap.next(112).is_some_and(|packet| packet[22] == 0) {
                    kill(worker, Signal::KILL);
                    return true;
                }
            }
            false
        });
        let _unanswered = ask(switchover(false));
        assert!(killer.join().unwrap(), "no resignation was heard");
        let first = || machine.read("stderr").lines().find(|line| line.contains("STATE (init)")).map(str::to_owned);
        wait_for("the successor", || first().is_some());
        let first = first().unwrap();
        assert!(first.contains("(VI_E) Entering BACKUP STATE (init)"), "round {round}: {first}");
        wait_for("the order, told by the successor", || ordered().as_deref() == Some("handed over"));
        // There is nobody else: it is master again after its interval.
    }
    assert_eq!(daemon.stop(), 0);
}

// REQ: VRRP3-2.5-01
#[test]
fn a_timer_that_ran_late_is_said_with_how_late() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    wait_for("the address", has_address);
    let tap = Tap::open("east");
    wait_for("an advertisement", || tap.next(112).is_some());
    assert!(!machine.read("stderr").contains("ms late, where advertisements are due every 1000 ms"));
    let worker = pid_in("/run/vrrp.pid").unwrap();
    // The next one is due in a second, and late by almost as much.
    kill(worker, Signal::STOP);
    pause(Duration::from_millis(1_800));
    kill(worker, Signal::CONT);
    wait_for("the line", || machine.read("stderr").contains("ms late, where advertisements are due every 1000 ms"));
    assert_eq!(daemon.stop(), 0);
}
