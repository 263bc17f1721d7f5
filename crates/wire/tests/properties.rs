//! What holds for every advertisement and for every string of octets.

use proptest::prelude::*;
use standfast_model::{AdvertInterval, MacAddress, Password, Priority, Refusal, Vrid};
use standfast_wire::vrrp::{Address, Advert, Authentication, Coverage, Protocol, View};
use standfast_wire::{arp, ethernet, ipv4};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn authentications() -> impl Strategy<Value = Authentication> {
    let password = any::<[u8; 8]>().prop_map(|octets| Password::truncating(&octets));
    prop_oneof![
        Just(Authentication::None),
        password.clone().prop_map(Authentication::Pass),
        (3..=255u8, password).prop_map(|(auth_type, data)| Authentication::Unknown { auth_type, data }),
    ]
}

fn version_2() -> impl Strategy<Value = Protocol> {
    (1..=255u8, authentications()).prop_filter_map("1..=255 s", |(seconds, authentication)| {
        AdvertInterval::from_seconds(seconds).map(|interval| Protocol::V2 { interval, authentication })
    })
}

fn version_3() -> impl Strategy<Value = Protocol> {
    (1..=4095u16).prop_filter_map("1..=4095 cs", |centiseconds| {
        AdvertInterval::from_centiseconds(centiseconds).map(|interval| Protocol::V3 { interval })
    })
}

fn adverts<A: Address + Arbitrary + 'static>(
    protocol: impl Strategy<Value = Protocol>,
    at_least: usize,
) -> impl Strategy<Value = Advert<A>> {
    let addresses = prop_oneof![
        8 => proptest::collection::vec(any::<A>(), at_least..=20),
        1 => proptest::collection::vec(any::<A>(), 255),
    ];
    (any::<u8>(), any::<u8>(), protocol, addresses).prop_filter_map(
        "VRID 0",
        |(vrid, priority, protocol, addresses)| {
            Some(Advert { vrid: Vrid::new(vrid)?, priority: Priority::new(priority), protocol, addresses })
        },
    )
}

fn ipv4_adverts() -> impl Strategy<Value = Advert<Ipv4Addr>> {
    prop_oneof![adverts(version_2(), 0), adverts(version_3(), 1)]
}

fn coverages() -> impl Strategy<Value = Coverage> {
    prop_oneof![Just(Coverage::PseudoHeader), Just(Coverage::MessageOnly)]
}

fn envelopes() -> impl Strategy<Value = ipv4::Envelope> {
    any::<(Ipv4Addr, Ipv4Addr, u16)>().prop_map(|(source, destination, identification)| ipv4::Envelope {
        source,
        destination,
        identification,
    })
}

fn flip(octets: &mut [u8], bit: usize) {
    octets.iter_mut().skip(bit / 8).take(1).for_each(|octet| *octet ^= 0x80 >> (bit % 8));
}

proptest! {
    // REQ: VRRP2-5.3.5-01 VRRP2-5.3.9-01 VRRP3-5.2.3-01 VRRP3-5.2.7-01
    #[test]
    fn an_ipv4_advert_emitted_parses_to_itself(
        advert in ipv4_adverts(), envelope in envelopes(), coverage in coverages(),
    ) {
        let packet = advert.emit_packet(&envelope, coverage);
        let (header, message) = ipv4::parse_header(&packet).unwrap();
        prop_assert!(ipv4::header_is_intact(&packet));
        prop_assert_eq!(
            (header.source, header.destination, header.identification, header.ttl, header.tos, header.protocol),
            (envelope.source, envelope.destination, envelope.identification, 255, 0xc0, 112)
        );
        let view = View::new(message, header.source.into(), header.destination.into()).unwrap();
        prop_assert_eq!(Advert::parse(&view, &[coverage]).map(|parsed| parsed.0), Ok(advert));
        prop_assert_eq!(view.expected_checksum(coverage), view.checksum());
    }

    // REQ: VRRP3-5.2.8-02
    #[test]
    fn an_ipv6_advert_emitted_parses_to_itself(
        advert in adverts::<Ipv6Addr>(version_3(), 1), source: Ipv6Addr, destination: Ipv6Addr, coverage in coverages(),
    ) {
        let message = advert.emit_message(source, destination);
        let view = View::new(&message, source.into(), destination.into()).unwrap();
        prop_assert_eq!(Advert::parse(&view, &[coverage]), Ok((advert, Coverage::PseudoHeader)));
    }

    // REQ: VRRP2-5.3.8-01 VRRP2A-5.3.8-01
    #[test]
    fn any_flipped_bit_of_a_version_2_advert_fails_the_checksum(
        advert in adverts::<Ipv4Addr>(version_2(), 0), envelope in envelopes(), at: proptest::sample::Index,
    ) {
        let packet = advert.emit_packet(&envelope, Coverage::PseudoHeader);
        let mut message = packet[ipv4::HEADER_LEN..].to_vec();
        flip(&mut message, at.index(packet.len() * 8 - ipv4::HEADER_LEN * 8));
        let view = View::new(&message, envelope.source.into(), envelope.destination.into()).unwrap();
        // A flipped version or a flipped count can also be seen by other checks; the checksum of version 2 fails for all
        // flips that leave it version 2.
        if view.version_nibble() == 2 {
            prop_assert_eq!(view.check_checksum(&Coverage::BOTH).unwrap_err().refusal(), Refusal::Checksum);
        }
        prop_assert!(Advert::<Ipv4Addr>::parse(&view, &Coverage::BOTH).is_err());
    }

    // REQ: VRRP3-5.2.8-02
    #[test]
    fn any_flipped_bit_of_an_ipv6_advert_or_its_addresses_fails_the_checksum(
        advert in adverts::<Ipv6Addr>(version_3(), 1), source: Ipv6Addr, destination: Ipv6Addr,
        at: proptest::sample::Index,
    ) {
        let mut octets = [&source.octets()[..], &destination.octets()[..]].concat();
        octets.extend(advert.emit_message(source, destination));
        let bits = octets.len() * 8;
        flip(&mut octets, at.index(bits));
        let address = |at: usize| Ipv6Addr::from(*octets[at..].first_chunk::<16>().unwrap());
        let view = View::new(&octets[32..], address(0).into(), address(16).into()).unwrap();
        prop_assert_eq!(view.check_checksum(&Coverage::BOTH).unwrap_err().refusal(), Refusal::Checksum);
    }

    #[test]
    fn no_octets_panic(
        mut octets in proptest::collection::vec(any::<u8>(), 0..400), version in 0..16u8, count: u8,
        source: IpAddr, destination: IpAddr,
    ) {
        // Versions and counts that make sense now and then, or hardly anything comes past the length check.
        if let Some(octet) = octets.first_mut() {
            *octet = (version << 4) | 1;
        }
        if let Some(octet) = octets.get_mut(3) {
            *octet = count % 24;
        }
        if let Ok(view) = View::new(&octets, source, destination) {
            prop_assert!(!view.to_string().is_empty());
            prop_assert!(view.addresses().len() <= usize::from(view.count()));
            let _ = (view.trailer(), view.interval(), view.check_len(), view.check_checksum(&[]));
            let _ = Advert::<Ipv4Addr>::parse(&view, &Coverage::BOTH);
            let _ = Advert::<Ipv6Addr>::parse(&view, &Coverage::BOTH);
        }
        if let Ok(view) = arp::View::new(&octets) {
            prop_assert!(!view.to_string().is_empty());
        }
        let _ = (arp::Frame::parse(&octets), ipv4::parse_header(&octets), ethernet::Header::parse(&octets));
    }

    #[test]
    fn an_arp_frame_emitted_parses_to_itself_padded_or_not(
        macs: [[u8; 6]; 4], ips: [Ipv4Addr; 2], reply: bool, padding in 0..30usize,
    ) {
        let [destination, source, sender_mac, target_mac] = macs.map(MacAddress);
        let [sender_ip, target_ip] = ips;
        let operation = if reply { arp::Operation::Reply } else { arp::Operation::Request };
        let frame = arp::Frame { destination, source, operation, sender_mac, sender_ip, target_mac, target_ip };
        let mut octets = frame.emit().to_vec();
        octets.resize(octets.len() + padding, 0);
        prop_assert_eq!(arp::Frame::parse(&octets), Ok(frame));
    }

    #[test]
    fn an_arp_frame_for_anything_but_ipv4_over_ethernet_is_refused(
        mac: [u8; 6], ip: Ipv4Addr, at in 12..20usize, value: u8,
    ) {
        let mut octets = arp::Frame::gratuitous(MacAddress(mac), ip).emit();
        let before = octets[at];
        octets[at] = value;
        prop_assert_eq!(arp::Frame::parse(&octets).is_ok(), value == before);
        prop_assert!(arp::Frame::parse(&octets[..41]).is_err());
    }
}

// REQ: VRRP2-5.3.7-01
#[test]
fn a_fraction_of_a_second_is_rounded_in_version_2_and_nothing_overflows_in_version_3() {
    let sent = |protocol: Protocol| {
        let advert =
            Advert { vrid: Vrid::new(1).unwrap(), priority: None, protocol, addresses: vec![Ipv4Addr::LOCALHOST] };
        let envelope =
            ipv4::Envelope { source: Ipv4Addr::LOCALHOST, destination: Ipv4Addr::LOCALHOST, identification: 1 };
        let packet = advert.emit_packet(&envelope, Coverage::PseudoHeader);
        let view = View::new(&packet[20..], envelope.source.into(), envelope.destination.into()).unwrap();
        view.interval().unwrap().centiseconds()
    };
    for (centiseconds, on_the_wire) in [(1, 100), (149, 100), (150, 200), (4095, 4100)] {
        let interval = AdvertInterval::from_centiseconds(centiseconds).unwrap();
        assert_eq!(sent(Protocol::V2 { interval, authentication: Authentication::None }), on_the_wire);
        assert_eq!(sent(Protocol::V3 { interval }), centiseconds);
    }
    let longest = AdvertInterval::from_seconds(255).unwrap();
    assert_eq!(sent(Protocol::V2 { interval: longest, authentication: Authentication::None }), 25_500);
    assert_eq!(sent(Protocol::V3 { interval: longest }), 4095);
}

// REQ: VRRP2-5.3.5-01
#[test]
fn the_count_is_an_octet_and_what_does_not_fit_is_not_sent() {
    let interval = AdvertInterval::DEFAULT;
    let addresses = vec![Ipv6Addr::LOCALHOST; 300];
    let advert = Advert { vrid: Vrid::new(1).unwrap(), priority: None, protocol: Protocol::V3 { interval }, addresses };
    let message = advert.emit_message(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    let view = View::new(&message, Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()).unwrap();
    assert_eq!(view.count(), 255);
    assert_eq!(view.check_len(), Ok(()));
    assert_eq!(message.len(), standfast_wire::vrrp::MESSAGE_MAX);
}

#[test]
fn arp_that_is_not_gratuitous_is_told_apart() {
    let claim = arp::Frame::gratuitous(MacAddress([2; 6]), Ipv4Addr::new(192, 0, 2, 100));
    let probe = arp::Frame { sender_ip: Ipv4Addr::UNSPECIFIED, ..claim };
    let reply = arp::Frame { operation: arp::Operation::Reply, ..claim };
    assert!(claim.is_gratuitous() && reply.is_gratuitous() && !probe.is_gratuitous());
    assert!(probe.is_probe() && !claim.is_probe() && !reply.is_probe());
    assert_eq!(
        arp::View::new(&claim.emit()).unwrap().to_string(),
        "02:02:02:02:02:02 > ff:ff:ff:ff:ff:ff type 0x0806 ARP hardware 1/6 protocol 0x0800/4 Request \
         sender 02:02:02:02:02:02 192.0.2.100 target ff:ff:ff:ff:ff:ff 192.0.2.100"
    );
}
