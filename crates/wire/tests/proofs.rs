//! The HMAC trailer against what keepalived 2.4.3 put on the wire, and against everything that must not pass.
#![expect(clippy::unwrap_used, reason = "a vector that cannot be read is a failed test")]

use standfast_model::{AdvertInterval, Priority, Vrid};
use standfast_wire::ipv4::{self, Envelope};
use standfast_wire::vrrp::{
    Advert, Authentication, Coverage, Error, GROUP_V4, GROUP_V6, PROOF_LEN, Proof, ProofError, Protocol, Sequence, View,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A captured message, and how to make it.
struct Captured {
    octets: &'static str,
    source: IpAddr,
    destination: IpAddr,
    key_id: u8,
    key: Vec<u8>,
    sequence: (u64, u64, u64),
    protocol: Protocol,
    addresses: &'static [&'static str],
}

const A4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const A6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));

fn captured() -> [Captured; 4] {
    let (key1, key9): (Vec<u8>, Vec<u8>) = ((0..0x20).collect(), (0x40..0x80).collect());
    let interval = AdvertInterval::DEFAULT;
    let v3 = Protocol::V3 { interval };
    [
        Captured {
            octets: "3133c8010064a171c0000264010100006b013ad695d5000056c8f44c2446ca83825a75bb0fc89b53",
            source: A4,
            destination: GROUP_V4.into(),
            key_id: 1,
            key: key1.clone(),
            sequence: (1_795_242_710, 38_357, 0),
            protocol: v3.clone(),
            addresses: &["192.0.2.100"],
        },
        Captured {
            octets: "2133c802000191fec0000264c00002650000000000000000010100006b013adc29660000d20c0a9f584659591e4ca5f677b63fc8",
            source: A4,
            destination: GROUP_V4.into(),
            key_id: 1,
            key: key1.clone(),
            sequence: (1_795_242_716, 10_598, 0),
            protocol: Protocol::V2 { interval, authentication: Authentication::None },
            addresses: &["192.0.2.100", "192.0.2.101"],
        },
        Captured {
            octets: concat!(
                "3133c80200644fbbfe80000000000000000000000000010020010db8000000000000000000000100",
                "010100006b013ae1bc160000f22b107aa8d84be497bf951988777a77"
            ),
            source: A6,
            destination: GROUP_V6.into(),
            key_id: 1,
            key: key1,
            sequence: (1_795_242_721, 48_150, 0),
            protocol: v3.clone(),
            addresses: &["fe80::100", "2001:db8::100"],
        },
        Captured {
            octets: "3133c8010064bf81c0000264010900006b013ae74db50000cbefeebc668608962e90f0d3bba81012",
            source: A4,
            destination: Ipv4Addr::new(192, 0, 2, 2).into(),
            key_id: 9,
            key: key9,
            sequence: (1_795_242_727, 19_893, 0),
            protocol: v3,
            addresses: &["192.0.2.100"],
        },
    ]
}

fn octets(digits: &str) -> Vec<u8> {
    digits.as_bytes().chunks(2).map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// Whether a message passes everything that its octets and the key can tell.
fn passes(message: &[u8], source: IpAddr, destination: IpAddr, key: &[u8]) -> bool {
    let full = View::new(message, source, destination).unwrap();
    let Some((view, proof)) = full.split_proof() else { return false };
    let summed = if source.is_ipv6() { full } else { view };
    proof.check_form().is_ok() && proof.verifies(key, &view) && summed.check_checksum(&[Coverage::PseudoHeader]).is_ok()
}

#[test]
fn what_keepalived_sent_verifies_and_we_send_the_same_octets() {
    for c in captured() {
        let message = octets(c.octets);
        assert!(passes(&message, c.source, c.destination, &c.key), "{}", c.octets);
        let (_, proof) = View::new(&message, c.source, c.destination).unwrap().split_proof().unwrap();
        let (seconds, fraction, counter) = c.sequence;
        let sequence = Sequence::from_bits(seconds << 32 | fraction << 16 | counter);
        assert_eq!((proof.key_id(), proof.sequence()), (c.key_id, sequence));
        let (vrid, priority) = (Vrid::new(51).unwrap(), Priority::new(200));
        let made = match (c.source, c.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let addresses = c.addresses.iter().map(|a| a.parse().unwrap()).collect();
                let advert: Advert<Ipv4Addr> = Advert { vrid, priority, protocol: c.protocol, addresses };
                let proof = Proof::sign(&c.key, c.key_id, sequence, c.source, &advert.unsummed());
                let envelope = Envelope { source, destination, identification: 1 };
                let packet = advert.emit_proven_packet(&envelope, Coverage::PseudoHeader, Some(&proof));
                assert_eq!(
                    usize::from(u16::from_be_bytes([packet[2], packet[3]])),
                    packet.len(),
                    "the IP length has it"
                );
                ipv4::parse_header(&packet).unwrap().1.to_vec()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let addresses = c.addresses.iter().map(|a| a.parse().unwrap()).collect();
                let advert: Advert<Ipv6Addr> = Advert { vrid, priority, protocol: c.protocol, addresses };
                let proof = Proof::sign(&c.key, c.key_id, sequence, c.source, &advert.unsummed());
                advert.emit_proven_message(source, destination, Some(&proof))
            }
            _ => unreachable!("both ends are of one family"),
        };
        assert_eq!(made, message);
    }
}

#[test]
fn not_one_bit_can_be_changed_in_advertisement_or_trailer() {
    for c in captured() {
        for bit in 0..octets(c.octets).len() * 8 {
            let mut message = octets(c.octets);
            message[bit / 8] ^= 1 << (bit % 8);
            assert!(!passes(&message, c.source, c.destination, &c.key), "bit {bit} of {}", c.octets);
        }
    }
}

#[test]
fn another_key_another_source_and_another_length_do_not_pass() {
    for c in captured() {
        let message = octets(c.octets);
        for place in 0..c.key.len() {
            let mut key = c.key.clone();
            key[place] ^= 0x40;
            assert!(!passes(&message, c.source, c.destination, &key));
        }
        let other = match c.source {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 3)),
        };
        // Even where the checksum does not cover the source, the signature does.
        let (view, proof) = View::new(&message, other, c.destination).unwrap().split_proof().unwrap();
        assert!(!proof.verifies(&c.key, &view));
        for wrong in
            [&message[..message.len() - 1], &[&message[..], &[0]].concat(), &message[..message.len() - PROOF_LEN]]
        {
            let view = View::new(wrong, c.source, c.destination).unwrap();
            assert!(view.split_proof().is_none());
        }
        // Without `auth_hmac` a signed advertisement is too long.
        let view = View::new(&message, c.source, c.destination).unwrap();
        assert!(matches!(view.check_len(), Err(Error::TooLong { .. })));
    }
}

#[test]
fn a_type_or_reserved_octets_that_nobody_defines_are_no_signature() {
    let mut octets = [0; PROOF_LEN];
    assert_eq!(Proof::new(octets).check_form(), Err(ProofError::Type(0)));
    octets[0] = 2;
    assert_eq!(Proof::new(octets).check_form(), Err(ProofError::Type(2)));
    octets[..4].copy_from_slice(&[1, 7, 0, 1]);
    assert_eq!(Proof::new(octets).check_form(), Err(ProofError::Reserved(1)));
    octets[3] = 0;
    assert_eq!(Proof::new(octets).check_form(), Ok(()));
    assert!(!format!("{:?}", Proof::new(octets)).contains("[0, 0"), "no signature is shown");
}
