//! The VRRP socket against the kernel of this machine: two namespaces and a cable.

use crate::namespace::{A_WHILE, Cable, Capture, Namespace, SOON, hex};
use standfast_kernel::vrrp_socket::{GROUP_INET, GROUP_INET6, Outgoing, RECEIVE_BUFFER_BYTES, VrrpSocket};
use standfast_model::ipvs::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// W-V2-255: version 2, VRID 51, priority 255, from 192.0.2.1, as a whole frame.
const V2_255: &str =
    "01005e00001202000000000a080045c0002800010000ff701891c0000201e00000122133ff0100011d65c00002640000000000000000";
/// The same as unicast to 192.0.2.2.
const V2_UNI: &str =
    "02000000000b02000000000a080045c0002800010000ff7036a1c0000201c00002022133ff0100011d65c00002640000000000000000";
/// W-V3-6-LL: version 3 over IPv6, VRID 51, from fe80::1.
const V3_6: &str = "33330000001202000000000a86dd6c000000002870fffe800000000000000000000000000001ff0200000000000000000000000000123133ff020064a2fcfe80000000000000000000000000010020010db8000000000000000000000100";

/// W-V2-AH-1: version 2 behind an authentication header, VRID 53, priority 255, from 192.0.2.1.
const V2_AH: &str = "01005e00001202000000000a080045c0004000010000ff3318b6c0000201e000001270040000c000020100000001dc6337546b9d675813e23c802135ff0102011b63c00002640000000000000000";

const ETHERNET: usize = 14;
const IPV6: usize = 40;

fn socket(namespace: &Namespace, interface: &str, family: Family) -> VrrpSocket {
    let _here = namespace.enter();
    VrrpSocket::open(namespace.index(interface), family).unwrap()
}

fn inet(packet: &[u8], destination: Ipv4Addr) -> Outgoing<'_> {
    Outgoing { packet, destination: IpAddr::V4(destination), source: None, hop_limit: None }
}

fn inet6(packet: &[u8], destination: Ipv6Addr, source: Option<Ipv6Addr>) -> Outgoing<'_> {
    Outgoing { packet, destination: IpAddr::V6(destination), source, hop_limit: None }
}

/// The VRID of the next message.
async fn heard(socket: &VrrpSocket) -> u8 {
    within(socket, SOON).await.expect("nothing was heard")
}

/// Whether nothing is heard for a while.
async fn silent(socket: &VrrpSocket) -> bool {
    within(socket, A_WHILE).await.is_none()
}

async fn within(socket: &VrrpSocket, limit: Duration) -> Option<u8> {
    let mut buffer = vec![0; RECEIVE_BUFFER_BYTES];
    loop {
        if let Some(received) = socket.recv(&mut buffer).unwrap() {
            return Some(received.message[1]);
        }
        tokio::time::timeout(limit, socket.readable()).await.ok()?.unwrap();
    }
}

/// The packet with another VRID. Of no interest to anything here is the checksum of the message.
fn with_vrid(frame: &str, offset: usize, vrid: u8) -> Vec<u8> {
    let mut packet = hex(frame).split_off(offset);
    // Behind the IPv4 header, where there is one.
    let vrid_at = if offset == ETHERNET { 21 } else { 1 };
    packet[vrid_at] = vrid;
    packet
}

#[tokio::test]
async fn an_ipv4_advertisement_goes_out_as_it_was_given_and_comes_in_with_its_ttl() {
    let cable = Cable::new();
    let capture = Capture::start(&cable.b);
    let ours = socket(&cable.a, "a0", Family::Inet);
    let theirs = socket(&cable.b, "b0", Family::Inet);
    let frame = hex(V2_255);
    assert!(ours.send(&[inet(&frame[ETHERNET..], GROUP_INET)]).is_empty());
    assert_eq!(capture.next(|f| f.get(23) == Some(&112)).await, frame);

    tokio::time::timeout(SOON, theirs.readable()).await.unwrap().unwrap();
    let mut buffer = vec![0; RECEIVE_BUFFER_BYTES];
    let received = theirs.recv(&mut buffer).unwrap().unwrap();
    assert_eq!(received.interface, cable.b.index("b0"));
    assert_eq!(received.source, IpAddr::from([192, 0, 2, 1]));
    assert_eq!(received.destination, IpAddr::V4(GROUP_INET));
    assert_eq!(received.ttl, Some(255));
    assert_eq!(received.message, &frame[ETHERNET + 20..]);
    assert_eq!(theirs.recv(&mut buffer).unwrap(), None);
}

#[tokio::test]
async fn an_ipv6_advertisement_gets_its_header_and_checksum_from_the_kernel() {
    let cable = Cable::new();
    // A virtual link-local address, as IPv6 VRRP has one: the kernel alone might send from it.
    cable.a.ip("addr add fe80::100/128 dev a0 nodad");
    let capture = Capture::start(&cable.b);
    let ours = socket(&cable.a, "a0", Family::Inet6);
    let theirs = socket(&cable.b, "b0", Family::Inet6);
    let frame = hex(V3_6);
    let mut message = frame[ETHERNET + IPV6..].to_vec();
    message[6..8].copy_from_slice(&[0, 0]);
    let source: Ipv6Addr = "fe80::1".parse().unwrap();
    assert!(ours.send(&[inet6(&message, GROUP_INET6, Some(source))]).is_empty());

    let mut seen = capture.next(|f| f.get(20) == Some(&112)).await;
    // The flow label is the kernel's choice.
    seen[15] &= 0xf0;
    seen[16..18].copy_from_slice(&[0, 0]);
    assert_eq!(seen, frame);

    tokio::time::timeout(SOON, theirs.readable()).await.unwrap().unwrap();
    let mut buffer = vec![0; RECEIVE_BUFFER_BYTES];
    let received = theirs.recv(&mut buffer).unwrap().unwrap();
    assert_eq!(received.interface, cable.b.index("b0"));
    assert_eq!(received.source, IpAddr::V6(source));
    assert_eq!(received.destination, IpAddr::V6(GROUP_INET6));
    assert_eq!(received.ttl, Some(255));
    assert_eq!(received.message, &frame[ETHERNET + IPV6..]);
}

#[tokio::test]
async fn the_hop_limit_of_a_packet_is_its_own_or_the_sockets() {
    let cable = Cable::new();
    let ours = socket(&cable.a, "a0", Family::Inet6);
    let theirs = socket(&cable.b, "b0", Family::Inet6);
    let message = hex(V3_6).split_off(ETHERNET + IPV6);
    let source = Some("fe80::1".parse().unwrap());
    let to = |hop_limit| Outgoing { hop_limit, ..inet6(&message, GROUP_INET6, source) };
    assert!(ours.send(&[to(Some(7)), to(None), Outgoing { source: None, ..to(Some(9)) }]).is_empty());
    let mut buffer = vec![0; RECEIVE_BUFFER_BYTES];
    let mut limits = Vec::new();
    while limits.len() < 3 {
        tokio::time::timeout(SOON, theirs.readable()).await.unwrap().unwrap();
        while let Some(received) = theirs.recv(&mut buffer).unwrap() {
            limits.push(received.ttl);
        }
    }
    assert_eq!(limits, [Some(7), Some(255), Some(9)]);
}

#[tokio::test]
async fn an_ipv6_source_that_is_not_ours_is_refused_and_does_not_stop_the_next_packet() {
    let cable = Cable::new();
    let ours = socket(&cable.a, "a0", Family::Inet6);
    let theirs = socket(&cable.b, "b0", Family::Inet6);
    let message = hex(V3_6).split_off(ETHERNET + IPV6);
    let wrong = inet6(&message, GROUP_INET6, Some("fe80::bad".parse().unwrap()));
    let right = inet6(&message, GROUP_INET6, Some("fe80::1".parse().unwrap()));
    let failed = ours.send(&[right, wrong, right]);
    assert_eq!(failed.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1]);
    assert_eq!(failed[0].1.raw_os_error(), Some(libc::EINVAL));
    assert_eq!(heard(&theirs).await, 51);
    assert_eq!(heard(&theirs).await, 51);
    assert!(silent(&theirs).await);
}

#[tokio::test]
async fn a_packet_of_the_wrong_family_is_refused_and_does_not_stop_the_next_one() {
    let cable = Cable::new();
    let ours = socket(&cable.a, "a0", Family::Inet);
    let theirs = socket(&cable.b, "b0", Family::Inet);
    let packet = hex(V2_255).split_off(ETHERNET);
    let right = inet(&packet, GROUP_INET);
    let failed = ours.send(&[inet6(&packet, GROUP_INET6, None), right, right]);
    assert_eq!(failed.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0]);
    assert_eq!(heard(&theirs).await, 51);
    assert_eq!(heard(&theirs).await, 51);
}

#[tokio::test]
async fn a_burst_of_packets_arrives_whole_and_in_order() {
    let cable = Cable::new();
    let ours = socket(&cable.a, "a0", Family::Inet);
    let theirs = socket(&cable.b, "b0", Family::Inet);
    let packets: Vec<Vec<u8>> = (1..=255).map(|vrid| with_vrid(V2_255, ETHERNET, vrid)).collect();
    let outgoing: Vec<Outgoing<'_>> = packets.iter().map(|packet| inet(packet, GROUP_INET)).collect();
    assert!(ours.send(&outgoing).is_empty());
    for vrid in 1..=255 {
        assert_eq!(heard(&theirs).await, vrid);
    }
    assert!(silent(&theirs).await);
}

#[tokio::test]
async fn the_sender_does_not_hear_itself() {
    let cable = Cable::new();
    for (family, offset) in [(Family::Inet, ETHERNET), (Family::Inet6, ETHERNET + IPV6)] {
        let ours = socket(&cable.a, "a0", family);
        let beside = socket(&cable.a, "a0", family);
        let theirs = socket(&cable.b, "b0", family);
        let packet = hex(if family == Family::Inet { V2_255 } else { V3_6 }).split_off(offset);
        let outgoing = match family {
            Family::Inet => inet(&packet, GROUP_INET),
            Family::Inet6 => inet6(&packet, GROUP_INET6, None),
        };
        assert!(ours.send(&[outgoing]).is_empty());
        assert_eq!(heard(&theirs).await, 51, "{family:?}");
        assert!(silent(&ours).await, "{family:?}");
        assert!(silent(&beside).await, "{family:?}");
    }
}

#[tokio::test]
async fn a_socket_hears_its_own_interface_only() {
    let cable = Cable::new();
    cable.plug("a1", "b1", 4);
    for (family, offset) in [(Family::Inet, ETHERNET), (Family::Inet6, ETHERNET + IPV6)] {
        let ours = socket(&cable.a, "a0", family);
        let right = socket(&cable.b, "b0", family);
        let other = socket(&cable.b, "b1", family);
        let packet = hex(if family == Family::Inet { V2_255 } else { V3_6 }).split_off(offset);
        let outgoing = match family {
            Family::Inet => inet(&packet, GROUP_INET),
            Family::Inet6 => inet6(&packet, GROUP_INET6, None),
        };
        assert!(ours.send(&[outgoing]).is_empty());
        assert_eq!(heard(&right).await, 51, "{family:?}");
        assert!(silent(&other).await, "{family:?}");
    }
}

// REQ: VRRP2A-AH-01
#[tokio::test]
async fn authenticated_adverts_are_heard_where_that_is_asked_for_and_only_those_of_vrrp_and_of_the_list() {
    let cable = Cable::new();
    let ours = socket(&cable.a, "a0", Family::Inet);
    let mut theirs = socket(&cable.b, "b0", Family::Inet);
    let (plain, guarded) = (hex(V2_255).split_off(ETHERNET), hex(V2_AH).split_off(ETHERNET));
    let mut other = guarded.clone();
    other[45] = 54;
    let mut of_another_protocol = guarded.clone();
    of_another_protocol[20] = 17;
    let send = |packets: &[&[u8]]| {
        let packets: Vec<Outgoing<'_>> = packets.iter().map(|packet| inet(packet, GROUP_INET)).collect();
        assert!(ours.send(&packets).is_empty());
    };
    send(&[&guarded]);
    assert!(silent(&theirs).await, "nobody asked for it");
    {
        let _here = cable.b.enter();
        theirs.hear_ah(true).unwrap();
    }
    theirs.set_vrids(&[51, 53]).unwrap();
    send(&[&of_another_protocol, &other, &guarded, &plain]);
    // The two protocols have a queue each, so which comes first is not said.
    let mut vrids = [heard(&theirs).await, heard(&theirs).await];
    vrids.sort_unstable();
    assert_eq!(vrids, [51, 53]);
    assert!(silent(&theirs).await);
    theirs.pass_all_vrids().unwrap();
    send(&[&of_another_protocol, &other]);
    let mut buffer = vec![0; RECEIVE_BUFFER_BYTES];
    assert_eq!(heard(&theirs).await, 54);
    assert!(theirs.recv(&mut buffer).unwrap().is_none());
    {
        let _here = cable.b.enter();
        theirs.hear_ah(false).unwrap();
    }
    send(&[&guarded]);
    assert!(silent(&theirs).await, "nobody asks for it any more");
}

// REQ: MC-JOIN-06
#[tokio::test]
async fn without_a_group_only_unicast_is_heard_also_if_another_socket_has_joined() {
    let cable = Cable::new();
    for family in [Family::Inet, Family::Inet6] {
        let ours = socket(&cable.a, "a0", family);
        let _joined = socket(&cable.b, "b0", family);
        let theirs = {
            let _here = cable.b.enter();
            VrrpSocket::open_with_group(cable.b.index("b0"), family, None).unwrap()
        };
        let (multicast, unicast) = match family {
            Family::Inet => (hex(V2_255).split_off(ETHERNET), with_vrid(V2_UNI, ETHERNET, 7)),
            Family::Inet6 => (hex(V3_6).split_off(ETHERNET + IPV6), with_vrid(V3_6, ETHERNET + IPV6, 7)),
        };
        let outgoing = match family {
            Family::Inet => [inet(&multicast, GROUP_INET), inet(&unicast, [192, 0, 2, 2].into())],
            Family::Inet6 => [inet6(&multicast, GROUP_INET6, None), inet6(&unicast, "fe80::2".parse().unwrap(), None)],
        };
        assert!(ours.send(&outgoing).is_empty());
        assert_eq!(heard(&theirs).await, 7, "{family:?}");
        assert!(silent(&theirs).await, "{family:?}");
    }
}

// REQ: MC-JOIN-01
#[tokio::test]
async fn a_group_of_the_administrators_own_is_heard_and_the_standard_one_then_is_not() {
    let cable = Cable::new();
    let (group, group6) = (Ipv4Addr::new(239, 1, 2, 3), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 0x12));
    for family in [Family::Inet, Family::Inet6] {
        let ours = socket(&cable.a, "a0", family);
        // Whoever else has joined the standard group on the same interface.
        let _joined = socket(&cable.b, "b0", family);
        let theirs = {
            let _here = cable.b.enter();
            let group = if family == Family::Inet { IpAddr::V4(group) } else { IpAddr::V6(group6) };
            VrrpSocket::open_with_group(cable.b.index("b0"), family, Some(group)).unwrap()
        };
        let send_both = || {
            let (standard, own) = match family {
                Family::Inet => {
                    let mut own = with_vrid(V2_255, ETHERNET, 9);
                    own[16..20].copy_from_slice(&group.octets());
                    (hex(V2_255).split_off(ETHERNET), own)
                }
                Family::Inet6 => (hex(V3_6).split_off(ETHERNET + IPV6), with_vrid(V3_6, ETHERNET + IPV6, 9)),
            };
            let outgoing = match family {
                Family::Inet => [inet(&standard, GROUP_INET), inet(&own, group)],
                Family::Inet6 => [inet6(&standard, GROUP_INET6, None), inet6(&own, group6, None)],
            };
            assert!(ours.send(&outgoing).is_empty());
        };
        send_both();
        assert_eq!(heard(&theirs).await, 9, "{family:?}");
        assert!(silent(&theirs).await, "{family:?}");
        // With a list of VRIDs it is still one group only.
        theirs.set_vrids(&[9, 51]).unwrap();
        send_both();
        assert_eq!(heard(&theirs).await, 9, "{family:?}");
        assert!(silent(&theirs).await, "{family:?}");
    }
}

#[tokio::test]
async fn only_the_vrids_asked_for_wake_the_socket() {
    let cable = Cable::new();
    for family in [Family::Inet, Family::Inet6] {
        let ours = socket(&cable.a, "a0", family);
        let theirs = socket(&cable.b, "b0", family);
        let send_all = || {
            let packets: Vec<Vec<u8>> = (1..=255)
                .map(|vrid| match family {
                    Family::Inet => with_vrid(V2_255, ETHERNET, vrid),
                    Family::Inet6 => with_vrid(V3_6, ETHERNET + IPV6, vrid),
                })
                .collect();
            let outgoing: Vec<Outgoing<'_>> = packets
                .iter()
                .map(|packet| match family {
                    Family::Inet => inet(packet, GROUP_INET),
                    Family::Inet6 => inet6(packet, GROUP_INET6, None),
                })
                .collect();
            assert!(ours.send(&outgoing).is_empty());
        };
        let some: Vec<u8> = vec![1, 51, 52, 255];
        let all: Vec<u8> = (1..=255).collect();
        for wanted in [some, all.clone(), vec![255], vec![]] {
            theirs.set_vrids(&wanted).unwrap();
            send_all();
            for vrid in wanted {
                assert_eq!(heard(&theirs).await, vrid, "{family:?}");
            }
            assert!(silent(&theirs).await, "{family:?}");
        }
        theirs.pass_all_vrids().unwrap();
        theirs.pass_all_vrids().unwrap();
        send_all();
        for vrid in all {
            assert_eq!(heard(&theirs).await, vrid, "{family:?}");
        }
    }
}

#[tokio::test]
async fn an_interface_that_was_made_anew_needs_a_new_socket_and_is_heard_through_it() {
    let cable = Cable::new();
    let old = socket(&cable.b, "b0", Family::Inet);
    let old_index = cable.b.index("b0");
    cable.a.ip("link del a0");
    cable.plug("a0", "b0", 2);
    assert_ne!(cable.b.index("b0"), old_index);
    let new = socket(&cable.b, "b0", Family::Inet);
    let ours = socket(&cable.a, "a0", Family::Inet);
    assert!(ours.send(&[inet(&hex(V2_255)[ETHERNET..], GROUP_INET)]).is_empty());
    assert_eq!(heard(&new).await, 51);
    let mut buffer = vec![0; RECEIVE_BUFFER_BYTES];
    assert!(!matches!(old.recv(&mut buffer), Ok(Some(_))));
}

#[tokio::test]
async fn sending_through_a_link_that_is_down_or_gone_is_an_error_and_not_a_panic() {
    let cable = Cable::new();
    let ours = socket(&cable.a, "a0", Family::Inet);
    let packet = hex(V2_255).split_off(ETHERNET);
    for command in ["link set a0 down", "link del a0"] {
        cable.a.ip(command);
        let failed = ours.send(&[inet(&packet, GROUP_INET), inet(&packet, GROUP_INET)]);
        assert_eq!(failed.len(), 2, "{command}: {failed:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let cable = Cable::new();
    let _here = cable.a.enter();
    let index = cable.a.index("a0");
    let missing = standfast_model::InterfaceIndex(4_000_000);
    assert_eq!(VrrpSocket::open(missing, Family::Inet).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    let mixed = VrrpSocket::open_with_group(index, Family::Inet, Some(IpAddr::V6(GROUP_INET6)));
    assert_eq!(mixed.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    let unicast = VrrpSocket::open_with_group(index, Family::Inet, Some([192, 0, 2, 9].into()));
    assert_eq!(unicast.unwrap_err().raw_os_error(), Some(libc::EINVAL));
}

#[tokio::test]
async fn a_packet_longer_than_the_buffer_is_an_error_and_the_next_one_is_read() {
    let cable = Cable::new();
    for (family, offset) in [(Family::Inet, ETHERNET), (Family::Inet6, ETHERNET + IPV6)] {
        let ours = socket(&cable.a, "a0", family);
        let theirs = socket(&cable.b, "b0", family);
        let packet = hex(if family == Family::Inet { V2_255 } else { V3_6 }).split_off(offset);
        let mut long = packet.clone();
        long.resize(1000, 0);
        if family == Family::Inet {
            long[2..4].copy_from_slice(&1000_u16.to_be_bytes());
        }
        let outgoing = |packet| match family {
            Family::Inet => inet(packet, GROUP_INET),
            Family::Inet6 => inet6(packet, GROUP_INET6, None),
        };
        assert!(ours.send(&[outgoing(&long), outgoing(&packet)]).is_empty());
        tokio::time::timeout(SOON, theirs.readable()).await.unwrap().unwrap();
        let mut buffer = vec![0; 500];
        assert_eq!(theirs.recv(&mut buffer).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
        assert_eq!(theirs.recv(&mut buffer).unwrap().unwrap().message[1], 51);
    }
}
