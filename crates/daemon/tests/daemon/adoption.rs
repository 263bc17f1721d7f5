//! What a killed process leaves behind, and how its successor takes it over: seen from a peer, from the wire and from the
//! kernel's addresses.

use crate::machine::{Machine, PAIR, becomes, kill, pid_in, run, runs, wait_for};
use core::time::Duration;
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket};
use rustix::process::Signal;
use standfast_kernel::timer::boottime;
use standfast_model::Instant;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The standby at the other end of the cable, in a network namespace of its own.
pub(crate) struct Peer {
    child: Child,
}

impl Peer {
    fn start(machine: &Machine) -> Self {
        Self::start_with(machine, PAIR)
    }

    /// With this configuration of the other node, turned round.
    pub(crate) fn start_with(machine: &Machine, text: &str) -> Self {
        run("ip netns add peer");
        run("ip link set west netns peer");
        run("ip -n peer address add 192.0.2.2/24 dev west");
        run("ip -n peer link set west up");
        let text = text.replace("east", "west").replace("priority 150", "priority 100").replace("MASTER", "BACKUP");
        machine.write("peer.conf", &text);
        let log = File::create(machine.path("peer")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_standfastd"));
        command.args(["-n", "-s", "peer", "-p", "/run/peer.pid", "-r", "/run/peer_vrrp.pid"]);
        command.args(["-c", "/run/peer_checkers.pid", "-b", "/run/peer_bfd.pid", "-f"]);
        command.arg(machine.path("peer.conf")).env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let peer = Self { child };
        wait_for("the start of the peer", || machine.read("peer").contains("Startup complete"));
        peer
    }

    /// How often it has become master.
    pub(crate) fn takeovers(machine: &Machine) -> usize {
        machine.read("peer").matches("Entering MASTER STATE").count()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Times of the advertisements that leave by one interface.
pub(crate) struct Wire {
    over: Arc<AtomicBool>,
    listener: Option<JoinHandle<Vec<Instant>>>,
}

impl Wire {
    pub(crate) fn tap(interface: &str) -> Self {
        let index = nix::net::if_::if_nametoindex(interface).unwrap();
        let socket =
            socket(AddressFamily::Packet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll).unwrap();
        rustix::net::sockopt::set_socket_timeout(
            &socket,
            rustix::net::sockopt::Timeout::Recv,
            Some(Duration::from_millis(20)),
        )
        .unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let listener = {
            let over = Arc::clone(&over);
            std::thread::spawn(move || {
                let mut times = Vec::new();
                let mut bytes = [0; 200];
                while !over.load(Ordering::Relaxed) {
                    let Ok((length, Some(from))) = recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut bytes) else {
                        continue;
                    };
                    // An IPv4 packet of protocol 112 that leaves (PACKET_OUTGOING is 4).
                    if from.ifindex() == index as usize && from.pkttype() == 4 && length > 20 && bytes[9] == 112 {
                        times.push(boottime());
                    }
                }
                times
            })
        };
        Self { over, listener: Some(listener) }
    }

    /// The longest time between two of them.
    pub(crate) fn longest_gap(mut self) -> (Duration, usize) {
        self.over.store(true, Ordering::Relaxed);
        let times = self.listener.take().unwrap().join().unwrap();
        let gap = times.windows(2).map(|pair| pair[1].since(pair[0])).max();
        (gap.expect("fewer than two advertisements"), times.len())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// What happens to the addresses of an interface, as the kernel tells it.
struct Addresses {
    child: Child,
    told: std::path::PathBuf,
}

impl Addresses {
    fn watch(machine: &Machine) -> Self {
        let told = machine.path("addresses");
        let child = Command::new("ip")
            .args(["-4", "monitor", "address", "dev", "east"])
            .stdout(File::create(&told).unwrap())
            .spawn()
            .unwrap();
        Self { child, told }
    }

    fn deletions(&self) -> usize {
        std::fs::read_to_string(&self.told).unwrap().lines().filter(|line| line.contains("Deleted")).count()
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn has_address() -> bool {
    let output = Command::new("ip").args(["address", "show", "dev", "east"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().contains("192.0.2.100/24")
}

pub(crate) fn pause(time: Duration) {
    assert!(!becomes(time, || false));
}

#[test]
fn a_killed_vrrp_worker_costs_neither_an_advertisement_nor_the_address_nor_the_mastership() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let _peer = Peer::start(&machine);
    wait_for("the address", has_address);
    let addresses = Addresses::watch(&machine);
    let wire = Wire::tap("east");
    let mut slowest = Duration::ZERO;
    // At a different moment of the interval each time.
    for phase in [50, 300, 550, 800, 990] {
        pause(Duration::from_millis(1000 + phase));
        let worker = pid_in("/run/vrrp.pid").unwrap();
        let adoptions = || machine.read("stderr").matches("(VI_E) Entering MASTER STATE (init)").count();
        let before = adoptions();
        let killed = boottime();
        kill(worker, Signal::KILL);
        wait_for("the successor", || adoptions() > before);
        slowest = slowest.max(boottime().since(killed));
    }
    pause(Duration::from_millis(1500));
    let (gap, adverts) = wire.longest_gap();
    eprintln!("longest gap {gap:?} among {adverts} advertisements, successor after {slowest:?}");
    assert!(gap < Duration::from_millis(1500), "{gap:?}");
    assert_eq!(addresses.deletions(), 0);
    assert!(has_address());
    assert_eq!(Peer::takeovers(&machine), 0, "{}", machine.read("peer"));
    assert_eq!(daemon.stop(), 0);
    wait_for("the peer's turn after an orderly stop", || Peer::takeovers(&machine) == 1);
}

/// Freezes and kills all processes of the daemon, so that none sees another die.
fn kill_everything(daemon: &mut crate::machine::Daemon) {
    let processes = [daemon.pid(), pid_in("/run/vrrp.pid").unwrap()];
    for pid in processes {
        kill(pid, Signal::STOP);
    }
    for pid in processes {
        kill(pid, Signal::KILL);
    }
    daemon.end();
    wait_for("the end of the worker", || !runs(processes[1]));
}

#[test]
fn when_everything_is_killed_at_once_what_is_started_in_time_goes_on_as_master() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let _peer = Peer::start(&machine);
    wait_for("the address", has_address);
    pause(Duration::from_millis(1200));
    let addresses = Addresses::watch(&machine);
    kill_everything(&mut daemon);
    std::fs::write(machine.path("stderr"), "").unwrap();
    let mut daemon = machine.start(&[]);
    wait_for("the adoption", || machine.read("stderr").contains("(VI_E) Entering MASTER STATE (init)"));
    pause(Duration::from_secs(4));
    assert_eq!(Peer::takeovers(&machine), 0, "{}", machine.read("peer"));
    assert_eq!(addresses.deletions(), 0);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_is_started_too_late_listens_before_it_speaks() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let _peer = Peer::start(&machine);
    wait_for("the address", has_address);
    kill_everything(&mut daemon);
    wait_for("the peer's turn", || Peer::takeovers(&machine) == 1);
    std::fs::write(machine.path("stderr"), "").unwrap();
    let mut daemon = machine.start(&[]);
    wait_for("the first state", || machine.read("stderr").contains("STATE (init)"));
    assert!(machine.read("stderr").contains("Entering BACKUP STATE (init)"), "{}", machine.read("stderr"));
    assert!(!has_address(), "what was left is not its own any more");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn an_orderly_stop_leaves_nothing_to_adopt() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    wait_for("the address", has_address);
    assert_eq!(daemon.stop(), 0);
    std::fs::write(machine.path("stderr"), "").unwrap();
    let mut daemon = machine.start(&[]);
    wait_for("the first state", || machine.read("stderr").contains("STATE (init)"));
    assert!(machine.read("stderr").contains("Entering BACKUP STATE (init)"), "{}", machine.read("stderr"));
    assert_eq!(daemon.stop(), 0);
}
