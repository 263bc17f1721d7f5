//! Claims of addresses against the kernel of this machine.

use crate::namespace::{Cable, SOON};
use core::future::poll_fn;
use standfast_kernel::claim_socket::{ClaimSocket, Claimed};
use standfast_kernel::packet_socket::{Frame, PacketSocket};
use standfast_model::MacAddress;
use standfast_wire::arp;
use standfast_wire::ndisc::Unsolicited;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x66]);

/// Reads until the queue is empty.
fn drain(socket: &ClaimSocket) -> Vec<Claimed> {
    let mut all = Vec::new();
    while let Some(heard) = socket.recv().unwrap() {
        all.extend(heard);
    }
    all
}

/// Waits for one claim.
async fn next(socket: &ClaimSocket) -> Claimed {
    let heard = async {
        loop {
            poll_fn(|context| socket.poll_readable(context)).await.unwrap();
            if let Some(Some(claimed)) = socket.recv().unwrap() {
                return claimed;
            }
        }
    };
    tokio::time::timeout(SOON, heard).await.unwrap()
}

#[tokio::test]
async fn only_arp_about_the_addresses_asked_for_is_heard_whoever_it_is_sent_to() {
    let cable = Cable::new();
    let ours = {
        let _here = cable.a.enter();
        ClaimSocket::Inet(Rc::new(PacketSocket::open().unwrap()))
    };
    let theirs = {
        let _there = cable.b.enter();
        PacketSocket::open().unwrap()
    };
    let (vip, other) = (Ipv4Addr::new(192, 0, 2, 100), Ipv4Addr::new(192, 0, 2, 101));
    let say = |frame: arp::Frame| {
        let bytes = frame.emit();
        let burst = theirs.send(&[Frame { interface: cable.b.index("b0"), bytes: &bytes }]);
        assert_eq!((burst.done, burst.refused.len()), (1, 0));
    };
    say(arp::Frame::gratuitous(OTHER, vip));
    assert_eq!(drain(&ours), [], "nothing was asked for yet");
    ours.listen_for(&[vip.into(), "2001:db8::100".parse().unwrap()]).unwrap();
    let claimed = Claimed { interface: cable.a.index("a0"), address: vip.into(), mac: OTHER };
    say(arp::Frame::gratuitous(OTHER, other));
    say(arp::Frame::gratuitous(OTHER, vip));
    assert_eq!(next(&ours).await, claimed);
    // A question that it has, and an answer: both say where it is.
    let asks = arp::Frame { target_ip: other, ..arp::Frame::gratuitous(OTHER, vip) };
    say(asks);
    assert_eq!(next(&ours).await, claimed);
    say(arp::Frame { operation: arp::Operation::Reply, ..asks });
    assert_eq!(next(&ours).await, claimed);
    // A probe says nothing (RFC 5227 2.1.1): the kernel answers it.
    say(arp::Frame { sender_ip: Ipv4Addr::UNSPECIFIED, target_ip: vip, ..asks });
    ours.listen_for(&[other.into()]).unwrap();
    say(arp::Frame::gratuitous(OTHER, vip));
    say(arp::Frame::gratuitous(OTHER, other));
    assert_eq!(next(&ours).await, Claimed { address: other.into(), ..claimed });
    ours.listen_for(&[]).unwrap();
    say(arp::Frame::gratuitous(OTHER, other));
    assert_eq!(drain(&ours), []);
}

#[tokio::test]
async fn neighbour_advertisements_are_heard_on_every_link_and_not_our_own() {
    let cable = Cable::new();
    let ours = {
        let _here = cable.a.enter();
        ClaimSocket::open_inet6().unwrap()
    };
    let theirs = {
        let _there = cable.b.enter();
        PacketSocket::open().unwrap()
    };
    let vip: Ipv6Addr = "2001:db8::100".parse().unwrap();
    let say = |address: Ipv6Addr| {
        let bytes = Unsolicited { address, mac: OTHER, router: true }.emit();
        let burst = theirs.send(&[Frame { interface: cable.b.index("b0"), bytes: &bytes }]);
        assert_eq!((burst.done, burst.refused.len()), (1, 0));
    };
    ours.listen_for(&[IpAddr::V6(vip), Ipv4Addr::new(192, 0, 2, 100).into()]).unwrap();
    // The last 32 bits are what the kernel compares; the rest is left to whoever reads.
    for address in ["2001:db8::101", "2001:db8::100", "2001:db8:1::100"] {
        say(address.parse().unwrap());
    }
    let claimed = Claimed { interface: cable.a.index("a0"), address: vip.into(), mac: OTHER };
    assert_eq!(next(&ours).await, claimed);
    assert_eq!(next(&ours).await.address, "2001:db8:1::100".parse::<IpAddr>().unwrap());
}
