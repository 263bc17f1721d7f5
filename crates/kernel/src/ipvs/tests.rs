//! Requests and answers of IPVS are made of the same attributes, so what is written can be read back without a kernel.

use super::decode::{decode_destination, decode_service, family, info};
use super::encode::Builder;
use super::names::Command;
use proptest::prelude::*;
use standfast_lvs::Operation;
use standfast_model::ipvs::{
    Destination, DestinationKey, Family, Forwarding, Persistence, Protocol, Scheduler, SchedulerFlags, Service,
    ServiceKey, Tunnel, TunnelChecksum,
};
use std::net::IpAddr;

/// `struct nlmsghdr`.
const NETLINK_HEADER: usize = 16;

fn written(operation: &Operation) -> Vec<u8> {
    Builder::new(0x21).operation(operation)
}

fn web() -> Service {
    Service {
        key: ServiceKey::Address { address: [192, 0, 2, 1].into(), port: 80, protocol: Protocol::Tcp },
        scheduler: "wlc".parse().unwrap(),
        flags: SchedulerFlags { first: true, second: false, third: false },
        persistence: Some(Persistence { timeout_seconds: 360, granularity: 24 }),
        one_packet: false,
        persistence_engine: None,
    }
}

fn server() -> Destination {
    Destination {
        key: DestinationKey { address: "2001:db8::9".parse().unwrap(), port: 8080 },
        forwarding: Forwarding::Tunnel(Tunnel::Gue { port: 6080, checksum: TunnelChecksum::Remote }),
        weight: 3,
        upper_threshold: 20,
        lower_threshold: 10,
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// On a little-endian machine. Attribute by attribute: length, type, value.
#[test]
#[cfg(target_endian = "little")]
fn a_request_is_octet_by_octet_what_the_kernel_expects() {
    let expected = [
        // Length, family, no flags yet, no number yet, no port; NEW_SERVICE, version 1.
        "84000000",
        "21000000",
        "00000000",
        "00000000",
        "01010000",
        // IPVS_CMD_ATTR_SERVICE, nested.
        "70000180",
        // AF_INET; TCP; 192.0.2.1 in 16 octets; port 80 in network order.
        "0600010002000000",
        "0600020006000000",
        "14000300c0000201000000000000000000000000",
        "0600040000500000",
        // "wlc"; persistent and the first scheduler flag, of all; 360 s; 255.255.255.0.
        "08000600776c6300",
        "0c00070009000000ffffffff",
        "0800080068010000",
        "08000900ffffff00",
    ];
    let octets = written(&Operation::AddService(web()));
    // The nest and the whole have the lengths they say.
    let mut expected = expected.concat();
    expected.replace_range(0..8, &hex(&u32::try_from(octets.len()).unwrap().to_ne_bytes()));
    expected.replace_range(40..44, &hex(&u16::try_from(octets.len() - 20).unwrap().to_ne_bytes()));
    assert_eq!(hex(&octets), expected);
    assert_eq!(octets.len(), 20 + 4 + 8 + 8 + 20 + 8 + 8 + 12 + 8 + 8);
}

#[test]
fn what_is_no_answer_is_none() {
    let plain = Builder::new(0x21).plain(Command::GetInfo);
    for payload in [&plain[NETLINK_HEADER..], &[], &[1, 1, 0, 0, 0]] {
        assert_eq!(decode_service(payload), None);
        assert_eq!(decode_destination(payload, Family::Inet), None);
        assert_eq!(family(payload), None);
        assert_eq!(info(payload), None);
    }
}

#[test]
fn what_the_kernel_adds_by_itself_is_not_read() {
    let mut octets = written(&Operation::AddService(web())).split_off(NETLINK_HEADER);
    let flags = octets.windows(4).position(|w| w == 9_u32.to_ne_bytes()).unwrap();
    // IP_VS_SVC_F_HASHED
    octets[flags] |= 2;
    assert_eq!(decode_service(&octets).unwrap().0, web());
}

#[test]
fn a_service_or_destination_without_an_attribute_it_must_have_is_none() {
    let service = written(&Operation::AddService(web())).split_off(NETLINK_HEADER);
    let destination = written(&Operation::AddDestination(web().key, server())).split_off(NETLINK_HEADER);
    assert!(decode_service(&service).is_some());
    assert!(decode_destination(&destination, Family::Inet).is_some());
    for length in 0..service.len() {
        assert_eq!(decode_service(&service[..length]), None, "{length}");
    }
    for length in 0..destination.len() {
        assert_eq!(decode_destination(&destination[..length], Family::Inet), None, "{length}");
    }
}

/// Appends a nest of counters to the only nest of a message, as the kernel does.
fn with_statistics(message: &[u8], kind: u16, counters: &[(u16, &[u8])]) -> Vec<u8> {
    let attribute = |kind: u16, value: &[u8]| {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut octets = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets
    };
    let inner: Vec<u8> = counters.iter().flat_map(|(kind, value)| attribute(*kind, value)).collect();
    let statistics = attribute(kind | 0x8000, &inner);
    let mut message = [message, &statistics].concat();
    // The nest begins behind the generic header of four octets.
    let length = u16::try_from(message.len() - 4).unwrap();
    message[4..6].copy_from_slice(&length.to_ne_bytes());
    message
}

/// The kernel sends both since 4.1, those of 32 bits first, which are full where those of 64 bits go on.
#[test]
fn counters_are_those_of_64_bits_where_the_kernel_has_them_and_else_those_of_32() {
    let (wide, narrow): ([u8; 8], [u8; 4]) = ((7_u64 << 33).to_ne_bytes(), u32::MAX.to_ne_bytes());
    let old = [(1, &narrow[..]), (2, &narrow), (4, &wide), (7, &narrow)];
    let new = [(1, &wide[..]), (2, &wide), (4, &wide), (7, &wide)];
    let service = written(&Operation::AddService(web())).split_off(NETLINK_HEADER);
    let counted = |message: &[u8]| {
        let traffic = decode_service(message).unwrap().1;
        [traffic.connections, traffic.packets_in, traffic.bytes_in, traffic.packets_in_per_second, traffic.bytes_out]
    };
    assert_eq!(counted(&service), [0; 5]);
    let (low, high) = (u64::from(u32::MAX), 7 << 33);
    let before_4_1 = with_statistics(&service, 10, &old);
    assert_eq!(counted(&before_4_1), [low, low, high, low, 0]);
    let both = with_statistics(&before_4_1, 12, &new);
    assert_eq!(counted(&both), [high, high, high, high, 0]);
    // A destination has them under the same numbers, in a nest of its own.
    let destination = written(&Operation::AddDestination(web().key, server())).split_off(NETLINK_HEADER);
    let begins = 4 + usize::from(u16::from_ne_bytes([destination[4], destination[5]]));
    let own = [&destination[..4], &destination[begins..]].concat();
    let of = |message: &[u8]| decode_destination(message, Family::Inet).unwrap().1.traffic.connections;
    assert_eq!(of(&with_statistics(&own, 10, &old)), low);
    assert_eq!(of(&with_statistics(&with_statistics(&own, 10, &old), 12, &new)), high);
}

fn addresses() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
}

fn protocols() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp])
}

fn keys() -> impl Strategy<Value = ServiceKey> {
    let families = prop::sample::select(vec![Family::Inet, Family::Inet6]);
    prop_oneof![
        (addresses(), any::<u16>(), protocols()).prop_map(|(address, port, protocol)| ServiceKey::Address {
            address,
            port,
            protocol
        }),
        (1..=u32::MAX, families).prop_map(|(mark, family)| ServiceKey::FirewallMark { mark, family }),
    ]
}

prop_compose! {
    fn services()(
        key in keys(),
        scheduler in prop::sample::select(&Scheduler::KNOWN[..]),
        flags in any::<[bool; 4]>(),
        persistence in prop::option::of((1..=2_678_400_u32, 0..=128_u8)),
        persistence_engine in prop::option::of("[a-z]{1,15}"),
    ) -> Service {
        let longest = match key.family() {
            Family::Inet => 32,
            Family::Inet6 => 128,
        };
        let [first, second, third, one_packet] = flags;
        Service {
            key,
            scheduler: scheduler.parse().unwrap(),
            flags: SchedulerFlags { first, second, third },
            persistence: persistence.map(|(timeout_seconds, granularity)| Persistence {
                timeout_seconds,
                granularity: granularity.min(longest),
            }),
            one_packet,
            persistence_engine,
        }
    }
}

fn forwardings() -> impl Strategy<Value = Forwarding> {
    let checksums =
        || prop::sample::select(vec![TunnelChecksum::None, TunnelChecksum::Checksum, TunnelChecksum::Remote]);
    prop_oneof![
        Just(Forwarding::Nat),
        Just(Forwarding::DirectRouting),
        Just(Forwarding::Local),
        Just(Forwarding::Tunnel(Tunnel::Ipip)),
        (1..=u16::MAX, checksums()).prop_map(|(port, checksum)| Forwarding::Tunnel(Tunnel::Gue { port, checksum })),
        checksums().prop_map(|checksum| Forwarding::Tunnel(Tunnel::Gre { checksum })),
    ]
}

prop_compose! {
    fn destinations()(
        address in addresses(),
        port in any::<u16>(),
        forwarding in forwardings(),
        numbers in any::<[u32; 3]>(),
    ) -> Destination {
        let [weight, upper_threshold, lower_threshold] = numbers;
        Destination { key: DestinationKey { address, port }, forwarding, weight, upper_threshold, lower_threshold }
    }
}

proptest! {
    #[test]
    fn every_service_is_read_as_it_was_written(service in services()) {
        for operation in [Operation::AddService(service.clone()), Operation::EditService(service.clone())] {
            let octets = written(&operation);
            prop_assert!(octets.len().is_multiple_of(4), "requests stand one behind the other");
            prop_assert_eq!(decode_service(&octets[NETLINK_HEADER..]).map(|(service, _)| service), Some(service.clone()));
        }
    }

    #[test]
    fn every_destination_is_read_as_it_was_written(key in keys(), destination in destinations()) {
        let octets = written(&Operation::AddDestination(key, destination));
        prop_assert!(octets.len().is_multiple_of(4));
        let read = decode_destination(&octets[NETLINK_HEADER..], key.family());
        prop_assert_eq!(read.map(|(destination, _)| destination), Some(destination));
    }

    #[test]
    fn no_octets_make_the_decoder_panic(payload in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (decode_service(&payload), decode_destination(&payload, Family::Inet6), family(&payload), info(&payload));
    }

    #[test]
    fn no_change_of_a_good_answer_makes_the_decoder_panic(
        changed in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut octets = written(&Operation::AddDestination(web().key, server())).split_off(NETLINK_HEADER);
        for (place, octet) in changed {
            let place = place.index(octets.len());
            octets[place] = octet;
        }
        octets.truncate(cut.index(octets.len() + 1));
        let _ = (decode_service(&octets), decode_destination(&octets, Family::Inet), family(&octets), info(&octets));
    }
}
