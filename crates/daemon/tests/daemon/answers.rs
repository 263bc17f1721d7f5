//! Who answers for a virtual address, and with which hardware address: two directors, a host that asks, and a switch that
//! sees all of it.

use crate::adoption::{Peer, has_address, pause};
use crate::machine::{Machine, PAIR, becomes, run, wait_for};
use core::time::Duration;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket};
use standfast_kernel::packet_socket::{Frame, PacketSocket};
use standfast_kernel::timer::boottime;
use standfast_model::InterfaceIndex;
use std::fs::File;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

const MASTER: [u8; 6] = [2, 0, 0, 0, 0, 0x0a];
const STANDBY: [u8; 6] = [2, 0, 0, 0, 0, 0x0b];
const HOST: [u8; 6] = [2, 0, 0, 0, 0, 0x09];
const VIRTUAL4: [u8; 6] = [0, 0, 0x5e, 0, 1, 51];
const VIRTUAL6: [u8; 6] = [0, 0, 0x5e, 0, 2, 52];
const EVERYBODY: [u8; 6] = [0xff; 6];

const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const ASKING: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
const ASKING6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);

/// How long an answer may take that is to come, and how long one is waited for that is not: a thousand times the way
/// through this switch.
const SOON: Duration = Duration::from_millis(500);

/// Plugs both directors and the host into a switch; the machine of the test is the first director.
pub(crate) fn switched() -> Machine {
    let machine = Machine::new();
    run("ip link set lo up");
    run("ip netns add lan");
    run("ip -n lan link add br0 type bridge mcast_snooping 0");
    run("ip -n lan link set br0 up");
    run("ip netns add host");
    run("ip link add east address 02:00:00:00:00:0a type veth peer name e1 netns lan");
    run("ip link add west address 02:00:00:00:00:0b type veth peer name w1 netns lan");
    run("ip -n lan link add h1 type veth peer name h0 address 02:00:00:00:00:09 netns host");
    for port in ["e1", "w1", "h1"] {
        run(&format!("ip -n lan link set {port} master br0"));
        run(&format!("ip -n lan link set {port} up"));
    }
    run("ip address add 192.0.2.1/24 dev east");
    run("ip -6 address add 2001:db8::1/64 dev east nodad");
    run("ip link set east up");
    run("ip -n host address add 192.0.2.9/24 dev h0");
    run("ip -n host -6 address add 2001:db8::9/64 dev h0 nodad");
    run("ip -n host link set h0 up");
    machine
}

/// A link of a network namespace, by which frames are sent and on which they are seen.
pub(crate) struct Port {
    socket: OwnedFd,
    sender: PacketSocket,
    index: u32,
    /// What [`PacketSocket`] is registered with; nothing ever waits on it.
    _runtime: tokio::runtime::Runtime,
}

impl Port {
    pub(crate) fn open(namespace: &'static str, link: &'static str) -> Self {
        // The thread stays in that namespace, and so do the sockets that it makes.
        let opening = std::thread::spawn(move || {
            setns(File::open(format!("/run/netns/{namespace}")).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let sender = {
                let _inside = runtime.enter();
                PacketSocket::open().unwrap()
            };
            let socket =
                socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll).unwrap();
            let patience = Some(Duration::from_millis(10));
            rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Recv, patience).unwrap();
            let index = nix::net::if_::if_nametoindex(link).unwrap();
            Self { socket, sender, index, _runtime: runtime }
        });
        opening.join().unwrap()
    }

    /// As many at once as the link takes.
    pub(crate) fn send_all(&self, frames: &[Vec<u8>]) -> usize {
        let interface = InterfaceIndex(self.index);
        self.sender.send(&frames.iter().map(|bytes| Frame { interface, bytes }).collect::<Vec<_>>()).done
    }

    fn send(&self, bytes: &[u8]) {
        let burst = self.sender.send(&[Frame { interface: InterfaceIndex(self.index), bytes }]);
        assert_eq!((burst.done, burst.refused.len()), (1, 0));
    }

    /// What has come in by the link since this was last asked, and comes within that time.
    pub(crate) fn seen(&self, within: Duration) -> Vec<Vec<u8>> {
        let until = boottime() + within;
        let mut frames = Vec::new();
        let mut bytes = [0; 2000];
        loop {
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut bytes) {
                Ok((length, Some(from))) => {
                    // PACKET_OUTGOING is 4.
                    if from.ifindex() == self.index as usize && from.pkttype() != 4 {
                        frames.push(bytes[..length].to_vec());
                    }
                }
                Ok((_, None)) | Err(_) if boottime() >= until => return frames,
                Ok((_, None)) | Err(_) => {}
            }
        }
    }

    /// The hardware addresses that the answers give for an address, in the order in which they come.
    fn asked(&self, address: Ipv4Addr, from: Ipv4Addr) -> Vec<[u8; 6]> {
        self.seen(Duration::ZERO);
        self.send(&who_has(address, from));
        let answers = self
            .seen(SOON)
            .into_iter()
            .filter(|frame| arp(frame).is_some_and(|arp| arp[7] == 2 && arp[14..18] == address.octets()));
        answers.map(|frame| *frame[22..].first_chunk().unwrap()).collect()
    }

    /// The hardware addresses that neighbour advertisements give for it when it is solicited.
    fn solicited(&self, address: Ipv6Addr) -> Vec<[u8; 6]> {
        self.seen(Duration::ZERO);
        self.send(&solicitation(address));
        // Behind Ethernet and IPv6: type, code, sum, flags, target, and the option with the address.
        let answers = self
            .seen(SOON)
            .into_iter()
            .filter(|frame| is_icmp6(frame, 136) && frame[58] & 0x40 != 0 && frame[62..78] == address.octets());
        answers.map(|frame| *frame[80..].first_chunk().unwrap()).collect()
    }

    /// Whether an echo request to an address, in a frame to that hardware address, is answered.
    fn pings(&self, address: Ipv4Addr, hardware: [u8; 6]) -> bool {
        self.seen(Duration::ZERO);
        self.send(&echo(address, hardware));
        self.seen(SOON).iter().any(|frame| is_inet(frame, 1) && frame[34] == 0 && frame[26..30] == address.octets())
    }
}

fn arp(frame: &[u8]) -> Option<&[u8]> {
    (frame.len() >= 42 && frame[12..14] == [8, 6]).then(|| &frame[14..42])
}

fn is_inet(frame: &[u8], protocol: u8) -> bool {
    frame.len() >= 35 && frame[12..14] == [8, 0] && frame[23] == protocol
}

/// An ICMPv6 message of that type right behind the header.
fn is_icmp6(frame: &[u8], kind: u8) -> bool {
    frame.len() >= 86 && frame[12..14] == [0x86, 0xdd] && frame[20] == 58 && frame[54] == kind
}

fn who_has(address: Ipv4Addr, from: Ipv4Addr) -> Vec<u8> {
    let head = [&EVERYBODY[..], &HOST, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
    [&head[..], &HOST, &from.octets(), &[0; 6], &address.octets()].concat()
}

fn sum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let total: u32 = words.sum();
    let folded = (total & 0xffff) + (total >> 16);
    (!u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()).to_be_bytes()
}

fn echo(address: Ipv4Addr, hardware: [u8; 6]) -> Vec<u8> {
    let mut header = [0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[12..16].copy_from_slice(&ASKING.octets());
    header[16..20].copy_from_slice(&address.octets());
    let sum_of_header = sum(&header);
    header[10..12].copy_from_slice(&sum_of_header);
    let mut message = [8, 0, 0, 0, 0, 7, 0, 1];
    let sum_of_message = sum(&message);
    message[2..4].copy_from_slice(&sum_of_message);
    [&hardware[..], &HOST, &[8, 0], &header, &message].concat()
}

fn solicitation(address: Ipv6Addr) -> Vec<u8> {
    let low = address.octets();
    let group =
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(low[13]), u16::from(low[14]) << 8 | u16::from(low[15]));
    let mut message = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &low, &[1, 1], &HOST].concat();
    let pseudo = [&ASKING6.octets()[..], &group.octets(), &[0, 0, 0, 32, 0, 0, 0, 58], &message].concat();
    let sum_of_message = sum(&pseudo);
    message[2..4].copy_from_slice(&sum_of_message);
    let hardware = [0x33, 0x33, 0xff, low[13], low[14], low[15]];
    let head = [&hardware[..], &HOST, &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]].concat();
    [&head[..], &ASKING6.octets(), &group.octets(), &message].concat()
}

/// What a command says.
fn output(command: &str) -> String {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

// REQ: VRRP2-6.4.2-01 VRRP2-6.4.2-02 VRRP2-6.4.3-01 VRRP2-7.2-02 VRRP2-8.4-01 ARP-2.1-01 ARP-2.5-01
// REQ: VRRP3-6.4.2-01 VRRP3-6.4.2-02 VRRP3-6.4.3-01 VRRP3-8.3.1-01
#[test]
fn the_master_alone_answers_for_the_address_with_its_own_hardware_address() {
    let machine = switched();
    machine.write("keepalived.conf", PAIR);
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    let host = Port::open("host", "h0");
    let switch = Port::open("lan", "e1");
    let mut daemon = machine.start(&[]);
    let _peer = Peer::start_with(&machine, PAIR);
    wait_for("the address", has_address);
    // A probe (RFC 5227) comes from no address, and is answered as well.
    for from in [ASKING, Ipv4Addr::UNSPECIFIED] {
        assert_eq!(host.asked(VIP, from), [MASTER], "asked from {from}");
    }
    switch.seen(Duration::ZERO);
    assert!(host.pings(VIP, MASTER));
    let left = switch.seen(Duration::ZERO);
    assert!(!left.iter().any(|frame| is_inet(frame, 1) && frame[30..34] == VIP.octets()), "it was forwarded");
    assert!(!host.pings(VIP, STANDBY));
    let adverts: Vec<Vec<u8>> =
        host.seen(Duration::from_millis(1500)).into_iter().filter(|frame| is_inet(frame, 112)).collect();
    assert!(!adverts.is_empty());
    for advert in adverts {
        assert_eq!((&advert[..6], &advert[6..12]), (&[1, 0, 0x5e, 0, 0, 0x12][..], &MASTER[..]));
    }
    // The other one's turn.
    assert_eq!(daemon.stop(), 0);
    wait_for("the peer's turn", || Peer::takeovers(&machine) == 1);
    let taken = host.seen(SOON);
    let said: Vec<&[u8]> =
        taken.iter().filter(|frame| frame[6..12] == STANDBY).filter_map(|frame| arp(frame)).collect();
    assert!(said.iter().any(|arp| arp[14..18] == VIP.octets()), "it was not announced");
    assert!(!said.iter().any(|arp| arp[14..18] == [0; 4]), "an address that is taken over is not probed");
    assert_eq!(host.asked(VIP, ASKING), [STANDBY]);
    // Who was master would lead there what is sent to it.
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
    assert!(!host.pings(VIP, MASTER) && host.pings(VIP, STANDBY));
}

const VIRTUAL: &str = "
vrrp_instance VI_4 {
    version 3
    state BACKUP
    interface east
    virtual_router_id 51
    priority 150
    advert_int 0.5
    use_vmac
    virtual_ipaddress {
        192.0.2.100/24
    }
}
vrrp_instance VI_6 {
    state BACKUP
    interface east
    virtual_router_id 52
    priority 150
    advert_int 0.5
    use_vmac
    virtual_ipaddress {
        fe80::100/64
        2001:db8::100/64
    }
}
";

/// A link behind the first director, to which it forwards.
fn network_behind() {
    run("ip netns add inside");
    run("ip link add inner type veth peer name i0 netns inside");
    run("ip address add 198.51.100.1/24 dev inner");
    run("ip link set inner up");
    run("ip -n inside address add 198.51.100.2/24 dev i0");
    run("ip -n inside link set i0 up");
    run("ip -n inside route add default via 198.51.100.1");
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
}

// REQ: VRRP2-8.2-01 VRRP2-6.4.3-01 VRRP3-8.1.2-01 VRRP3-8.1.2-03 VRRP3-6.4.3-03 VRRP3-7.4-01
// REQ: VRRP3-8.2.2-01 VRRP3-8.2.2-03 VRRP3-8.2.2-04 ND-7.2.1-01
#[test]
fn with_a_virtual_mac_every_answer_carries_it_and_what_is_sent_to_it_is_forwarded() {
    let machine = switched();
    network_behind();
    machine.write("keepalived.conf", VIRTUAL);
    let host = Port::open("host", "h0");
    let mut daemon = machine.start(&[]);
    let shows = |what: &str| output("ip address show").contains(what);
    wait_for("the addresses", || shows("192.0.2.100/24") && shows("2001:db8::100/64"));
    let announced = host.seen(SOON);
    let gratuitous = |address: [u8; 4]| {
        let all = announced.iter().filter_map(|frame| arp(frame)).filter(|arp| arp[14..18] == address);
        all.map(|arp| arp[8..14].to_vec()).collect::<Vec<_>>()
    };
    let of_vip = gratuitous(VIP.octets());
    assert!(!of_vip.is_empty() && of_vip.iter().all(|hardware| *hardware == VIRTUAL4), "{of_vip:x?}");
    for address in ["fe80::100", "2001:db8::100"].map(|text| text.parse::<Ipv6Addr>().unwrap()) {
        let all = announced.iter().filter(|frame| is_icmp6(frame, 136) && frame[62..78] == address.octets());
        let all: Vec<&[u8]> = all.map(|frame| &frame[80..86]).collect();
        assert!(!all.is_empty() && all.iter().all(|hardware| *hardware == VIRTUAL6), "{address}: {all:x?}");
    }
    // Duplicate address detection solicits from no address: nobody looks for a virtual address before it is there.
    let looked_for = |frame: &&Vec<u8>| is_icmp6(frame, 135) && frame[62..78] == VIP6.octets();
    assert_eq!(announced.iter().filter(looked_for).count(), 0);
    assert_eq!(host.asked(VIP, ASKING), [VIRTUAL4]);
    assert_eq!(host.solicited(VIP6), [VIRTUAL6]);
    let device = output("ip -d link show vrrp.52");
    assert!(device.contains("addrgenmode none"), "{device}");
    let addresses = output("ip -6 address show dev vrrp.52");
    assert!(addresses.contains("2001:db8::100/64 scope global nodad"), "{addresses}");
    assert!(!addresses.contains("5eff:fe00:234"), "{addresses}");
    let groups = output("ip -6 maddress show dev vrrp.52");
    assert!(groups.contains("ff02::1:ff00:100"), "{groups}");
    // By its virtual MAC the router is a way to what lies behind it.
    assert!(host.pings(Ipv4Addr::new(198, 51, 100, 2), VIRTUAL4));
    assert_eq!(daemon.stop(), 0);
}

/// Reports of a membership in the group: IGMPv3 of type 0x22 (RFC 3376 4.2), MLDv2 of type 143 (RFC 3810 5.2).
fn reports(frames: &[Vec<u8>], group: &[u8]) -> Vec<Vec<u8>> {
    let is_report = |frame: &&Vec<u8>| {
        let igmp = frame[12..14] == [8, 0] && frame[23] == 2 && frame[38] == 0x22;
        // Behind the option header with the router alert.
        let mld = frame[12..14] == [0x86, 0xdd] && frame[20] == 0 && frame.len() > 90 && frame[62] == 143;
        (igmp || mld) && frame.windows(group.len()).skip(38).any(|window| window == group)
    };
    frames.iter().filter(|frame| frame.len() >= 54).filter(is_report).cloned().collect()
}

// REQ: MC-JOIN-02 MC-JOIN-03 MC-JOIN-05 VRRP2-6.4.2-02 VRRP3-6.4.2-02
#[test]
fn a_standby_reports_its_memberships_from_its_own_mac_and_never_uses_the_virtual_one() {
    let machine = switched();
    machine.write("keepalived.conf", VIRTUAL);
    let host = Port::open("host", "h0");
    let switch = Port::open("lan", "w1");
    let mut daemon = machine.start(&[]);
    wait_for("the address", || output("ip address show").contains("192.0.2.100/24"));
    let _peer = Peer::start_with(&machine, VIRTUAL);
    // The kernel says a join twice, the second time within a second.
    let mut frames = switch.seen(Duration::from_secs(3));
    for (group, to) in [
        (&[224, 0, 0, 18][..], [1, 0, 0x5e, 0, 0, 0x16]),
        (&[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12], [0x33, 0x33, 0, 0, 0, 0x16]),
    ] {
        let reports = reports(&frames, group);
        assert!(!reports.is_empty(), "no report of {group:x?}");
        for report in reports {
            assert_eq!((&report[..6], &report[6..12]), (&to[..], &STANDBY[..]));
            // TTL or hop limit.
            assert_eq!(if report[12] == 8 { report[22] } else { report[21] }, 1);
        }
    }
    // What is sent to the virtual MAC, and reaches the standby because a switch floods it, stays without an answer.
    switch.seen(Duration::ZERO);
    switch.send(&echo(VIP, VIRTUAL4));
    frames.extend(switch.seen(SOON));
    assert!(!frames.iter().any(|frame| is_inet(frame, 1)), "the standby answers for the address");
    let is_virtual = |frame: &&Vec<u8>| [VIRTUAL4, VIRTUAL6].iter().any(|mac| frame[6..12] == *mac);
    let uses: Vec<&Vec<u8>> = frames.iter().filter(is_virtual).collect();
    assert!(uses.is_empty(), "{uses:02x?}");
    assert_eq!(Peer::takeovers(&machine), 0);
    assert_eq!(daemon.stop(), 0);
    assert!(becomes(Duration::from_secs(20), || Peer::takeovers(&machine) == 2));
    pause(Duration::from_millis(100));
    assert_eq!(host.asked(VIP, ASKING), [VIRTUAL4]);
}
