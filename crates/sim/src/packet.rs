//! Packets between nodes: those a node sends, read strictly, and those that a stranger sends, made wrong on purpose.
//!
//! It owns no medium. What it cannot read, no router may send.

use crate::fault::{Noise, Wrong};
use crate::machine::Datagram;
use crate::scenario::{Scenario, VirtualRouter, password};
use standfast_model::config::vrrp::Authentication as Configured;
use standfast_model::ipvs::Family;
use standfast_model::{AdvertInterval, Priority, Version, Vrid};
use standfast_node::Packet;
use standfast_wire::vrrp::{self, Advert, AuthType, Authentication, Coverage, Protocol, View};
use standfast_wire::{ah, ipv4};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an advertisement says, whichever its family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Said {
    /// The virtual router.
    pub vrid: Vrid,
    /// None resigns.
    pub priority: Option<Priority>,
    /// Whether a signature is behind it.
    pub signed: bool,
    /// The number in the authentication header in front of it.
    pub sequence: Option<u32>,
}

/// The family of an address.
#[must_use]
pub const fn family(address: IpAddr) -> Family {
    match address {
        IpAddr::V4(_) => Family::Inet,
        IpAddr::V6(_) => Family::Inet6,
    }
}

/// What everything that must not pass a router is sent with.
const TTL: u8 = 255;

/// Hop limit that the kernel gives to unicast over IPv6.
const HOP_LIMIT: u8 = 64;

/// Reads a packet that a node sends as strictly as a stranger's receiver would.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(packet: Packet) -> Result<(Datagram, Said), String> {
    let said = said(&packet).map_err(|words| format!("{packet:02x?}: {words}"))?;
    let Packet { source, destination, bytes: octets, .. } = packet;
    let (ttl, message_at) = match destination {
        IpAddr::V4(_) if said.sequence.is_some() => (TTL, ipv4::HEADER_LEN + ah::HEADER_LEN),
        IpAddr::V4(_) => (TTL, ipv4::HEADER_LEN),
        IpAddr::V6(_) => (if destination.is_multicast() { TTL } else { HOP_LIMIT }, 0),
    };
    Ok((Datagram { source, destination, ttl, octets, message_at }, said))
}

fn said(packet: &Packet) -> Result<Said, String> {
    let words = |error: vrrp::Error| error.to_string();
    let (source, destination) = (packet.source, packet.destination);
    match destination {
        IpAddr::V4(to) => {
            let (header, message) = ipv4::parse_header(&packet.bytes).map_err(|error| error.to_string())?;
            let said = (IpAddr::from(header.source), header.destination, header.ttl);
            if said != (source, to, TTL) {
                return Err(format!("{header:?} from {source} to {to}"));
            }
            let (message, sequence) = match header.protocol {
                vrrp::PROTOCOL => (message, None),
                ah::PROTOCOL => {
                    let ah = ah::Header::of(&packet.bytes, message).map_err(|error| error.to_string())?;
                    if !ah.verifies(&password()) || ah.spi() != header.source {
                        return Err(format!("{ah:?} from {source}"));
                    }
                    (ah.message(), Some(ah.sequence()))
                }
                other => return Err(format!("protocol {other}")),
            };
            let view = View::new(message, source, destination).map_err(words)?;
            if (view.auth_type() == AuthType::AuthenticationHeader) != sequence.is_some()
                && view.version() == Ok(Version::V2)
            {
                return Err(format!("authentication type {:?} in protocol {}", view.auth_type(), header.protocol));
            }
            Ok(Said { sequence, ..advert(view).map_err(words)? })
        }
        IpAddr::V6(_) => advert(View::new(&packet.bytes, source, destination).map_err(words)?).map_err(words),
    }
}

fn advert(whole: View<'_>) -> Result<Said, vrrp::Error> {
    let signed = whole.split_proof().map(|(view, _)| view);
    let view = signed.unwrap_or(whole);
    view.check_len()?;
    view.check_kind()?;
    view.check_count()?;
    view.interval()?;
    // Over IPv6 the sum is the kernel's, and covers the signature.
    let summed = if whole.source().is_ipv6() { whole } else { view };
    summed.check_checksum(&Coverage::BOTH)?;
    let vrid = Vrid::new(view.vrid()).ok_or(vrrp::Error::Vrid)?;
    Ok(Said { vrid, priority: Priority::new(view.priority()), signed: signed.is_some(), sequence: None })
}

/// A packet that must be refused. None where the fault asked for cannot be made for such a router.
#[must_use]
pub fn noise(scenario: &Scenario, noise: Noise) -> Option<Datagram> {
    let router = scenario.routers.get(noise.router)?;
    let configured = scenario.instances(noise.router).next()?;
    // Unicast takes other TTLs, and a stranger cannot know whom to send it to.
    let destination = router.group?;
    let source: IpAddr = match router.family {
        Family::Inet => Ipv4Addr::new(10, 0, 0, 250).into(),
        Family::Inet6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 250).into(),
    };
    let vrid = if noise.wrong == Wrong::Vrid { Vrid::new(250)? } else { router.vrid };
    let authentication = match (configured.authentication.clone(), noise.wrong) {
        (Configured::Pass(_), Wrong::Password) => Authentication::None,
        (Configured::None, Wrong::Password) => Authentication::Pass(standfast_model::Password::truncating(b"guess")),
        (Configured::Pass(password), _) => Authentication::Pass(password),
        // Who has not the key can but leave the header out.
        (Configured::Ah(_), Wrong::Password) => Authentication::Header,
        (Configured::Ah(_), _) => return None,
        (Configured::None, _) => Authentication::None,
    };
    let interval = configured.advert_interval;
    let protocol = match (router.version, noise.wrong) {
        (Version::V3, Wrong::Password) => return None,
        (Version::V2, Wrong::Interval) => {
            let interval = AdvertInterval::from_seconds(interval.whole_seconds()?.checked_add(1)?)?;
            Protocol::V2 { interval, authentication }
        }
        (Version::V2, Wrong::Version) => Protocol::V3 { interval: AdvertInterval::DEFAULT },
        (Version::V3, Wrong::Version) if router.family == Family::Inet => Protocol::V2 { interval, authentication },
        (Version::V2, _) => Protocol::V2 { interval, authentication },
        (Version::V3, _) => Protocol::V3 { interval },
    };
    let priority = Priority::new(noise.priority);
    let mut message = message(router, vrid, priority, protocol, source, destination);
    spoil(&mut message, router, noise.wrong, source, destination);
    let ttl = if noise.wrong == Wrong::Ttl { TTL - 1 } else { TTL };
    Some(Datagram { source, destination, ttl, octets: message, message_at: 0 })
}

fn message(
    router: &VirtualRouter,
    vrid: Vrid,
    priority: Option<Priority>,
    protocol: Protocol,
    source: IpAddr,
    destination: IpAddr,
) -> Vec<u8> {
    let addresses = router.addresses.iter().take(2).map(ipnet::IpNet::addr);
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let addresses = addresses.filter_map(vrrp::Address::of).collect();
            let envelope = ipv4::Envelope { source, destination, identification: 1 };
            let packet = Advert { vrid, priority, protocol, addresses }.emit_packet(&envelope, Coverage::PseudoHeader);
            packet.into_iter().skip(ipv4::HEADER_LEN).collect()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let addresses = addresses.filter_map(vrrp::Address::of).collect();
            Advert { vrid, priority, protocol, addresses }.emit_message(source, destination)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Vec::new(),
    }
}

/// Makes the message wrong where its values could not be.
fn spoil(message: &mut Vec<u8>, router: &VirtualRouter, wrong: Wrong, source: IpAddr, destination: IpAddr) {
    let mut set = |at: usize, change: &dyn Fn(u8) -> u8| {
        message.iter_mut().skip(at).take(1).for_each(|octet| *octet = change(*octet));
    };
    match wrong {
        Wrong::Checksum => return set(7, &|octet| octet ^ 1),
        Wrong::Length => {
            message.pop();
            return;
        }
        Wrong::Type => set(0, &|octet| (octet & 0xf0) | 2),
        Wrong::Interval if router.version == Version::V3 => {
            set(4, &|_| 0);
            set(5, &|_| 0);
        }
        Wrong::Version if router.family == Family::Inet6 => set(0, &|_| 0x41),
        Wrong::Interval | Wrong::Version | Wrong::Ttl | Wrong::Password | Wrong::Vrid => return,
    }
    if let Ok(view) = View::new(message, source, destination) {
        let checksum = view.expected_checksum(Coverage::PseudoHeader).to_be_bytes();
        message.iter_mut().skip(6).zip(checksum).for_each(|(octet, right)| *octet = right);
    }
}
