//! Whether a received packet is an advertisement that an instance may act on, checked in keepalived's order: the first
//! flaw decides the reason and the counter.
//!
//! It changes nothing: what a refused packet leaves behind is a counter and at times a line in the journal.

use crate::peering::Partners;
use crate::sealing::{SealFlaw, Sealed, Seals};
use core::fmt;
use core::time::Duration;
use standfast_model::config::instance::OldChecksum;
use standfast_model::config::vrrp::{Authentication, Instance};
use standfast_model::ipvs::Family;
use standfast_model::{AdvertInterval, Password, Priority, Refusal, State, Version};
use standfast_wire::vrrp::{AuthType, Coverage, Error, View};
use standfast_wire::{Received, ah};
use std::net::{IpAddr, Ipv4Addr};

/// What an accepted advertisement says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Heard {
    /// Who sent it.
    pub(crate) source: IpAddr,
    /// None is the 0 of a resignation.
    pub(crate) priority: Option<Priority>,
    /// The sender's interval.
    pub(crate) interval: AdvertInterval,
    /// Its signature.
    pub(crate) seal: Seal,
    /// The sequence number of its authentication header.
    pub(crate) sequence: Option<u32>,
    /// What its checksum covers.
    pub(crate) coverage: Coverage,
}

/// Whether an accepted advertisement was signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seal {
    /// Nobody asked for it.
    NotWanted,
    /// It might have been, and was not.
    Unsigned,
    /// So.
    Sealed(Sealed),
}

/// What an instance knows that tells a new advertisement from one that was recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks<'a> {
    /// `auth_hmac`.
    pub(crate) seals: &'a Seals,
    /// What the wall's clock shows.
    pub(crate) unix: Option<Duration>,
    /// `auth_type AH`: numbers up to this were there already.
    pub(crate) sequence: u32,
}

/// What is wrong with a packet, with what its line in the journal needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    /// The octets are no valid message.
    Octets(Error),
    /// Came through a router, or nobody knows.
    Ttl(Option<u8>),
    /// The instance speaks another version.
    Version { received: Version, expected: Version },
    /// Nobody defines the authentication type.
    AuthTypeUnknown(u8),
    /// Another authentication type is configured.
    AuthType { received: u8, expected: u8 },
    /// Neither password is ever shown.
    Password,
    /// `auth_type AH` and no authentication header, or one that nobody asked for.
    Header { received: bool },
    /// The authentication header was made with another key, or the packet was changed on the way.
    Icv,
    /// The authentication header names another sender.
    Spi { received: Ipv4Addr, source: IpAddr },
    /// The authentication header was heard before.
    Sequence { received: u32, highest: u32 },
    /// Version 2 asks for the same interval everywhere.
    Interval { received: AdvertInterval, expected: AdvertInterval },
    /// Not sent to the group.
    Destination { received: IpAddr, expected: IpAddr },
    /// By multicast to an instance that has peers.
    Multicast(IpAddr),
    /// Not from a peer.
    Stranger(IpAddr),
    /// From a peer that is farther or nearer than it may be.
    Distance { ttl: Option<u8>, min: u8, max: u8 },
    /// Our own packet, or somebody has our address.
    OwnAddress(IpAddr),
    /// Nobody has the VRID.
    UnknownVrid(u8),
    /// The instance neither sends nor hears.
    NotListening(State),
    /// `auth_hmac` does not let it pass.
    Seal(SealFlaw),
}

impl Flaw {
    /// The counter it belongs to.
    pub(crate) const fn refusal(&self) -> Refusal {
        match self {
            Self::Octets(error) => error.refusal(),
            Self::Ttl(_) | Self::Distance { .. } => Refusal::Ttl,
            Self::Version { .. } => Refusal::Version,
            Self::AuthTypeUnknown(_) => Refusal::AuthTypeUnknown,
            Self::AuthType { .. } | Self::Header { .. } => Refusal::AuthTypeMismatch,
            Self::Password | Self::Icv | Self::Spi { .. } | Self::Sequence { .. } => Refusal::AuthFailure,
            Self::Interval { .. } => Refusal::Interval,
            Self::Destination { .. } | Self::Multicast(_) | Self::Stranger(_) => Refusal::Destination,
            Self::OwnAddress(_) => Refusal::OwnAddress,
            Self::UnknownVrid(_) => Refusal::UnknownVrid,
            Self::NotListening(_) => Refusal::NotListening,
            Self::Seal(SealFlaw::Missing) => Refusal::ProofMissing,
            Self::Seal(SealFlaw::Malformed(_)) => Refusal::ProofMalformed,
            Self::Seal(SealFlaw::Stale { .. }) => Refusal::ProofStale,
            Self::Seal(SealFlaw::Key(_)) => Refusal::ProofKey,
            Self::Seal(SealFlaw::Invalid) => Refusal::ProofInvalid,
            Self::Seal(SealFlaw::Replay) => Refusal::ProofReplay,
        }
    }
}

impl From<Error> for Flaw {
    fn from(error: Error) -> Self {
        Self::Octets(error)
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Octets(error) => error.fmt(f),
            Self::Ttl(Some(ttl)) => write!(f, "TTL {ttl}, expected 255"),
            Self::Ttl(None) => f.write_str("TTL not known, expected 255"),
            Self::Version { received, expected } => {
                write!(f, "version {}, expected {}", received.get(), expected.get())
            }
            Self::AuthTypeUnknown(auth_type) => write!(f, "authentication type {auth_type} is not defined"),
            Self::AuthType { received, expected } => {
                write!(f, "authentication type {received}, expected {expected}")
            }
            Self::Password => f.write_str("password is not ours"),
            Self::Header { received: true } => f.write_str("an authentication header, expected none"),
            Self::Header { received: false } => f.write_str("no authentication header, expected one"),
            Self::Icv => f.write_str("the authentication header is not that of our key"),
            Self::Spi { received, source } => {
                write!(f, "an authentication header of {received} on a packet of {source}")
            }
            Self::Sequence { received, highest } => {
                write!(f, "sequence number {received}, and {highest} was there already")
            }
            Self::Interval { received, expected } => {
                write!(f, "advertisement interval {received}, expected {expected}")
            }
            Self::Destination { received, expected } => write!(f, "sent to {received}, expected {expected}"),
            Self::Multicast(group) => write!(f, "sent to the group {group}, expected by unicast"),
            Self::Stranger(address) => write!(f, "{address} is no peer"),
            Self::Distance { ttl: Some(ttl), min, max } => write!(f, "TTL {ttl}, expected {min} to {max}"),
            Self::Distance { ttl: None, min, max } => write!(f, "TTL not known, expected {min} to {max}"),
            Self::OwnAddress(address) => write!(f, "{address} is our own address"),
            Self::UnknownVrid(vrid) => write!(f, "no instance has VRID {vrid} here"),
            Self::NotListening(state) => write!(f, "the instance is in {state} state"),
            Self::Seal(SealFlaw::Missing) => f.write_str("not signed, and auth_hmac enforces signatures"),
            Self::Seal(SealFlaw::Malformed(error)) => error.fmt(f),
            Self::Seal(SealFlaw::Stale { skew, ahead }) => {
                write!(f, "the sender's clock is {} s {}", skew.as_secs(), if *ahead { "ahead" } else { "behind" })
            }
            Self::Seal(SealFlaw::Key(id)) => write!(f, "signed with key {id}, which is not configured"),
            Self::Seal(SealFlaw::Invalid) => f.write_str("the signature is not that of our key"),
            Self::Seal(SealFlaw::Replay) => f.write_str("a newer one was heard already"),
        }
    }
}

/// The reading of the checksum that is sent. Only version 3 over IPv4 leaves a choice.
/// `old` is whether a peer was heard that sums as keepalived before 1.3.6 did.
pub(crate) const fn coverage_sent(instance: &Instance, partners: &Partners, old: bool) -> Coverage {
    // REQ: VRRP3-5.2.8-01 VRRP3-5.2.8-03 VRRP3-5.2.8-04 VRRP3-5.2.8-06
    match (partners, instance.options.old_unicast_checksum) {
        _ if instance.options.v3_checksum_as_v2 => Coverage::MessageOnly,
        (Partners::Peers { .. }, OldChecksum::Always) => Coverage::GroupPseudoHeader,
        (Partners::Peers { .. }, OldChecksum::Auto) if old => Coverage::GroupPseudoHeader,
        (Partners::Peers { .. } | Partners::Group(_), _) => Coverage::PseudoHeader,
    }
}

/// The readings that are accepted: keepalived's default form alone unless the configuration says otherwise, so that
/// garbage has one chance in 2^16 and not two. With `v3_checksum_as_v2` both, for the peer may not have been told.
///
/// By unicast also the old way, unless `old_unicast_checksum never`: of several peers some may be old.
const fn coverages_accepted(instance: &Instance, partners: &Partners) -> &'static [Coverage] {
    // REQ: KA-BUG-03 VRRP3-5.2.8-05 VRRP3-5.2.8-06
    match (partners, instance.options.old_unicast_checksum) {
        _ if instance.options.v3_checksum_as_v2 => &Coverage::BOTH,
        (Partners::Peers { .. }, OldChecksum::Auto | OldChecksum::Always) => {
            &[Coverage::PseudoHeader, Coverage::GroupPseudoHeader]
        }
        (Partners::Peers { .. }, OldChecksum::Never) | (Partners::Group(_), _) => &[Coverage::PseudoHeader],
    }
}

/// What a packet to a listening instance says, or its first flaw. `ours` are the addresses of the interface, which no
/// other router can send from.
///
/// Also gives the view, for the comparison of addresses.
pub(crate) fn check<'a>(
    instance: &Instance,
    partners: &Partners,
    marks: Marks<'_>,
    ours: &[IpAddr],
    packet: &Received<'a>,
) -> Result<(Heard, View<'a>), Flaw> {
    // REQ: VRRP2-7.1-01 VRRP2-7.1-07 VRRP3-7.1-01
    let wanted = wanted_authentication(instance);
    check_header(&wanted, packet)?;
    // REQ: VRRP2-7.1-02 VRRP2-7.1-03
    let whole = View::of(packet)?;
    let hmac = instance.options.hmac.as_ref();
    let signed = hmac.and_then(|_| whole.split_proof());
    let view = signed.map_or(whole, |(view, _)| view);
    view.check_len()?;
    // REQ: VRRP2-5.2.3-02 VRRP3-5.1.1.3-01 VRRP3-5.1.2.3-01
    match partners {
        Partners::Group(_) if packet.ttl != Some(255) => return Err(Flaw::Ttl(packet.ttl)),
        // Peers may be routers away.
        Partners::Group(_) | Partners::Peers { .. } => {}
    }
    // REQ: VRRP3-8.4.2-01
    let version = view.version()?;
    if version != instance.version {
        return Err(Flaw::Version { received: version, expected: instance.version });
    }
    let seal = match hmac {
        None => Seal::NotWanted,
        Some(hmac) => {
            let proof = signed.as_ref().map(|(_, proof)| proof);
            marks.seals.check(hmac, marks.unix, &view, proof).map_err(Flaw::Seal)?.map_or(Seal::Unsigned, Seal::Sealed)
        }
    };
    let interval = match version {
        Version::V2 => {
            check_authentication(&wanted, &view, packet.ah.as_ref(), marks.sequence)?;
            // REQ: VRRP2-7.1-06
            let interval = view.interval()?;
            if interval != instance.advert_interval {
                return Err(Flaw::Interval { received: interval, expected: instance.advert_interval });
            }
            interval
        }
        // REQ: VRRP3-5.2.7-02 VRRP3-7.1-03 KA-BUG-02
        Version::V3 => view.interval()?,
    };
    view.check_kind()?;
    // REQ: VRRP3-5.2.5-01
    view.check_count()?;
    // Over IPv6 the sum is the kernel's, and covers the trailer.
    let summed = if packet.source.is_ipv6() { whole } else { view };
    let coverage = summed.check_checksum(coverages_accepted(instance, partners))?;
    check_kind_of_destination(partners, packet.destination)?;
    // REQ: VRRP2-7.1-09
    if ours.contains(&packet.source) || instance.source == Some(packet.source) {
        return Err(Flaw::OwnAddress(packet.source));
    }
    check_peer(partners, packet)?;
    let (source, priority) = (packet.source, Priority::new(view.priority()));
    let sequence = packet.ah.map(|ah| ah.sequence());
    Ok((Heard { source, priority, interval, seal, sequence, coverage }, view))
}

fn check_kind_of_destination(partners: &Partners, destination: IpAddr) -> Result<(), Flaw> {
    // REQ: KA-UNI-02
    match partners {
        Partners::Group(group) if destination == *group => Ok(()),
        Partners::Group(group) => Err(Flaw::Destination { received: destination, expected: *group }),
        Partners::Peers { .. } if destination.is_multicast() => Err(Flaw::Multicast(destination)),
        Partners::Peers { .. } => Ok(()),
    }
}

/// With `check_unicast_src`: that a peer sent it, and from as far away as it may be.
fn check_peer(partners: &Partners, packet: &Received<'_>) -> Result<(), Flaw> {
    // REQ: KA-UNI-01
    match partners {
        Partners::Group(_) | Partners::Peers { only_them: false, .. } => Ok(()),
        Partners::Peers { peers, only_them: true } => {
            let peer = peers.iter().find(|peer| peer.address == packet.source).ok_or(Flaw::Stranger(packet.source))?;
            let near = packet.ttl.is_some_and(|ttl| (peer.min_ttl..=peer.max_ttl).contains(&ttl));
            if near { Ok(()) } else { Err(Flaw::Distance { ttl: packet.ttl, min: peer.min_ttl, max: peer.max_ttl }) }
        }
    }
}

/// What authentication a version 2 instance asks for: none over IPv6, where there is no trailer (KA-V2V6-01).
pub(crate) fn wanted_authentication(instance: &Instance) -> Authentication {
    match (instance.version, instance.family) {
        (Version::V2, Family::Inet) => instance.authentication.clone(),
        (Version::V2, Family::Inet6) | (Version::V3, _) => Authentication::None,
    }
}

/// That there is an authentication header just where one is asked for.
const fn check_header(wanted: &Authentication, packet: &Received<'_>) -> Result<(), Flaw> {
    // REQ: VRRP2A-5.3.6-03
    match (wanted, packet.ah) {
        (Authentication::Ah(_), Some(_)) | (Authentication::None | Authentication::Pass(_), None) => Ok(()),
        (Authentication::Ah(_), None) => Err(Flaw::Header { received: false }),
        (Authentication::None | Authentication::Pass(_), Some(_)) => Err(Flaw::Header { received: true }),
    }
}

fn check_authentication(
    wanted: &Authentication,
    view: &View<'_>,
    ah: Option<&ah::Header<'_>>,
    highest: u32,
) -> Result<(), Flaw> {
    let received = view.auth_type();
    // REQ: VRRP2-5.3.6-02
    let known = match received {
        AuthType::None | AuthType::SimpleText | AuthType::AuthenticationHeader => received,
        AuthType::Unknown(other) => return Err(Flaw::AuthTypeUnknown(other)),
    };
    match wanted {
        Authentication::None if known == AuthType::None => Ok(()),
        Authentication::None => Err(Flaw::AuthType { received: received.octet(), expected: AuthType::None.octet() }),
        // REQ: VRRP2A-5.3.10-01
        Authentication::Pass(password) if known == AuthType::SimpleText => {
            if view.password().as_ref() == Some(password) { Ok(()) } else { Err(Flaw::Password) }
        }
        Authentication::Pass(_) => {
            Err(Flaw::AuthType { received: received.octet(), expected: AuthType::SimpleText.octet() })
        }
        Authentication::Ah(key) if known == AuthType::AuthenticationHeader => {
            check_ah(key, ah.ok_or(Flaw::Header { received: false })?, view.source(), highest)
        }
        Authentication::Ah(_) => {
            Err(Flaw::AuthType { received: received.octet(), expected: AuthType::AuthenticationHeader.octet() })
        }
    }
}

/// The value first, so that nobody without the key learns how far the numbers are.
fn check_ah(key: &Password, ah: &ah::Header<'_>, source: IpAddr, highest: u32) -> Result<(), Flaw> {
    // REQ: VRRP2A-AH-06
    if !ah.verifies(key) {
        return Err(Flaw::Icv);
    }
    if IpAddr::V4(ah.spi()) != source {
        return Err(Flaw::Spi { received: ah.spi(), source });
    }
    // REQ: VRRP2A-AH-04
    if ah.sequence() > highest { Ok(()) } else { Err(Flaw::Sequence { received: ah.sequence(), highest }) }
}

/// In which way the advertised addresses are not the configured ones; none if they are the same set, in whatever
/// order (RFC 9568 5.2.9).
// REQ: VRRP3-5.2.9-02
pub(crate) fn address_difference(instance: &Instance, view: &View<'_>) -> Option<String> {
    // REQ: VRRP3-5.2.9-03
    let ours = || advertised(instance);
    if view.addresses().eq(ours()) {
        return None;
    }
    let missing = ours().filter(|address| !view.addresses().any(|theirs| theirs == *address)).count();
    let surplus = view.addresses().filter(|theirs| !ours().any(|address| address == *theirs)).count();
    if missing == 0 && surplus == 0 && view.addresses().len() == ours().count() {
        return None;
    }
    let (theirs, ours) = address_lists(instance, view);
    Some(format!("received [{theirs}], expected [{ours}]"))
}

/// The addresses of an advertisement and those of the configuration, each in its own order.
pub(crate) fn address_lists(instance: &Instance, view: &View<'_>) -> (String, String) {
    let list = |addresses: &mut dyn Iterator<Item = IpAddr>| {
        addresses.map(|address| address.to_string()).collect::<Vec<_>>().join(" ")
    };
    (list(&mut view.addresses()), list(&mut advertised(instance)))
}

/// The addresses an instance advertises, in configured order: those of its own family.
pub(crate) fn advertised(instance: &Instance) -> impl Iterator<Item = IpAddr> {
    let family = instance.family;
    instance.addresses.iter().map(|entry| entry.address.addr()).filter(move |address| Family::from(*address) == family)
}

/// Every address an instance holds as master, advertised or not.
pub(crate) fn held(instance: &Instance) -> impl Iterator<Item = IpAddr> {
    instance.addresses.iter().chain(&instance.excluded).map(|entry| entry.address.addr())
}

/// The VRID of a message, as far as it is long enough to have one.
pub(crate) fn vrid_of(packet: &Received<'_>) -> Option<u8> {
    match View::of(packet) {
        Ok(view) => Some(view.vrid()),
        // The second octet of even a cut-off message says whom it was meant for, so that its instance counts it.
        Err(_) => packet.message.get(1).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_model::{VirtualAddress, Vrid};
    use std::net::Ipv4Addr;

    /// A message that lists 192.0.2.x for each x, to an instance that has 192.0.2.y for each y.
    fn difference(theirs: &[u8], ours: &[u8]) -> Option<String> {
        let address = |last: &u8| Ipv4Addr::new(192, 0, 2, *last);
        let count = u8::try_from(theirs.len()).unwrap();
        let mut message = vec![0x31, 51, 100, count, 0, 100, 0, 0];
        message.extend(theirs.iter().flat_map(|last| address(last).octets()));
        let mut instance = Instance::plain("VI_1", "eth0".parse().unwrap(), Vrid::new(51).unwrap());
        let plain = |last: &u8| VirtualAddress::plain(format!("{}/24", address(last)).parse().unwrap());
        instance.addresses = ours.iter().map(plain).collect();
        let here = IpAddr::from(address(&2));
        address_difference(&instance, &View::new(&message, here, here).unwrap())
    }

    // REQ: VRRP3-5.2.9-03 VRRP2-7.1-05
    #[test]
    fn addresses_are_compared_as_sets_and_a_difference_shows_both_lists() {
        for (theirs, ours) in [(&[1, 2, 3][..], &[1, 2, 3][..]), (&[3, 1, 2], &[1, 2, 3]), (&[], &[]), (&[9], &[9])] {
            assert_eq!(difference(theirs, ours), None, "{theirs:?} {ours:?}");
        }
        for (theirs, ours) in [
            (&[1, 2][..], &[1, 2, 3][..]),
            (&[1, 2, 3], &[1, 2]),
            (&[1, 2, 4], &[1, 2, 3]),
            (&[], &[1]),
            (&[1], &[]),
            (&[7], &[8]),
            (&[1, 1], &[1]),
        ] {
            assert!(difference(theirs, ours).is_some(), "{theirs:?} {ours:?}");
        }
        assert_eq!(
            difference(&[2, 4], &[1, 2]).unwrap(),
            "received [192.0.2.2 192.0.2.4], expected [192.0.2.1 192.0.2.2]"
        );
    }
}
