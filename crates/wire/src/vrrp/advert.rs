//! The advertisement as a value: parsed from a [`View`] that passed every check, or emitted with its checksum.
//!
//! It holds only what an advertisement may say; it never reads configuration and knows no interface.

use super::proof::PROOF_LEN;
use super::view::sum;
use super::{AuthType, Coverage, Error, FIXED_LEN, Proof, TRAILER_LEN, View};
use crate::{ah, ipv4};
use standfast_model::{AdvertInterval, Password, Priority, Version, Vrid};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address families an advertisement can list; all addresses of one are of one family (RFC 9568 5.2.9).
pub trait Address: Copy + Into<IpAddr> {
    /// Whether the family is IPv6.
    const IPV6: bool;
    /// Appends the octets in network order.
    fn emit(self, message: &mut Vec<u8>);
    /// The address, if it is of this family.
    fn of(address: IpAddr) -> Option<Self>;
}

impl Address for Ipv4Addr {
    const IPV6: bool = false;

    fn emit(self, message: &mut Vec<u8>) {
        message.extend_from_slice(&self.octets());
    }

    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }
}

impl Address for Ipv6Addr {
    const IPV6: bool = true;

    fn emit(self, message: &mut Vec<u8>) {
        message.extend_from_slice(&self.octets());
    }

    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        }
    }
}

/// What the trailer of a version 2 advertisement holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Authentication {
    /// Type 0; zeros are sent, and what is received is ignored.
    None,
    /// Type 1: the password in clear.
    Pass(Password),
    /// Type 2: the authentication header in front of the message speaks for it. Zeros are sent, and what is received is
    /// ignored.
    Header,
    /// Any other type with its data, so that it survives being parsed and emitted.
    Unknown {
        /// The type octet, 3..=255.
        auth_type: u8,
        /// The eight octets.
        data: Password,
    },
}

impl Authentication {
    fn wire(&self) -> (u8, [u8; TRAILER_LEN]) {
        match self {
            // REQ: VRRP2-5.3.10-01
            Self::None => (0, [0; 8]),
            // REQ: VRRP2A-5.3.6-01
            Self::Pass(password) => (1, *password.octets()),
            // REQ: VRRP2A-AH-01
            Self::Header => (2, [0; 8]),
            Self::Unknown { auth_type, data } => (*auth_type, *data.octets()),
        }
    }
}

/// What the two versions say differently.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// RFC 3768. Over IPv6 (keepalived's `version 2` with IPv6 addresses) no authentication is sent.
    V2 {
        /// Sent in whole seconds 1..=255, the nearest to what is given here.
        interval: AdvertInterval,
        /// The trailer.
        authentication: Authentication,
    },
    /// RFC 9568.
    V3 {
        /// Sent in centiseconds 1..=4095, the nearest to what is given here.
        interval: AdvertInterval,
    },
}

impl Protocol {
    /// Which version.
    #[must_use]
    pub const fn version(&self) -> Version {
        match self {
            Self::V2 { .. } => Version::V2,
            Self::V3 { .. } => Version::V3,
        }
    }

    /// Octets 4 and 5, and the trailer if there is one.
    fn wire(&self, over_ipv6: bool) -> ([u8; 2], Option<[u8; TRAILER_LEN]>) {
        match self {
            Self::V2 { interval, authentication } => {
                // REQ: VRRP2-5.3.7-01
                let seconds = u8::try_from(interval.centiseconds().saturating_add(50) / 100).unwrap_or(u8::MAX).max(1);
                // REQ: KA-V2V6-01
                if over_ipv6 {
                    return ([0, seconds], None);
                }
                let (auth_type, trailer) = authentication.wire();
                ([auth_type, seconds], Some(trailer))
            }
            // REQ: VRRP3-5.2.7-01 VRRP3-5.2.6-01
            Self::V3 { interval } => (interval.centiseconds().min(4095).to_be_bytes(), None),
        }
    }
}

/// One advertisement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advert<A: Address> {
    /// The virtual router.
    pub vrid: Vrid,
    /// The sender's priority; none is the 0 of a resignation.
    pub priority: Option<Priority>,
    /// Version, interval, authentication.
    pub protocol: Protocol,
    /// The virtual addresses in configured order. The count on the wire is one octet, so what follows the 255th is
    /// not sent; configuration refuses more.
    pub addresses: Vec<A>,
}

impl<A: Address> Advert<A> {
    /// Reads an advertisement that is valid as far as its octets can tell, in the order in which keepalived checks:
    /// length, version, interval, type, address count, checksum under one of `allowed`, VRID.
    ///
    /// Says also which reading of the checksum fitted.
    ///
    /// # Errors
    /// The first [`Error`] in that order. Addresses of the other family than `A` are an [`Error::AddressCount`].
    pub fn parse(view: &View<'_>, allowed: &[Coverage]) -> Result<(Self, Coverage), Error> {
        // REQ: VRRP2-7.1-07
        view.check_len()?;
        let version = view.version()?;
        let interval = view.interval()?;
        view.check_kind()?;
        view.check_count()?;
        let coverage = view.check_checksum(allowed)?;
        // REQ: VRRP2-5.3.3-01
        let vrid = Vrid::new(view.vrid()).ok_or(Error::Vrid)?;
        // REQ: VRRP2-5.3.5-01 VRRP2-5.3.9-01
        let addresses = view.addresses().map(A::of).collect::<Option<_>>().ok_or(Error::AddressCount)?;
        let protocol = match version {
            Version::V2 => Protocol::V2 { interval, authentication: authentication(view) },
            Version::V3 => Protocol::V3 { interval },
        };
        let priority = Priority::new(view.priority());
        Ok((Self { vrid, priority, protocol, addresses }, coverage))
    }

    /// The message behind the IP header, with its checksum.
    fn message(&self, source: A, destination: A, wish: Coverage, proof: Option<&Proof>) -> Vec<u8> {
        let (source, destination): (IpAddr, IpAddr) = (source.into(), destination.into());
        let mut message = self.unsummed();
        let end = message.len();
        message.extend(proof.into_iter().flat_map(Proof::octets));
        // Over IPv6 the kernel of a peer sums what it gets, the trailer included; over IPv4 it is keepalived that does,
        // and leaves it out.
        let summed = if source.is_ipv6() { message.len() } else { end };
        // REQ: VRRP2-5.3.8-01 VRRP2A-5.3.8-01 VRRP3-5.2.8-02 VRRP3-5.2.8-03 VRRP3-5.2.8-04
        let coverage = Coverage::applying(self.protocol.version().get(), source.is_ipv6(), wish);
        let covered = message.get(..summed).unwrap_or_default();
        let checksum = sum(source, destination, coverage, covered).checksum();
        if let Some(field) = message.get_mut(6..8) {
            field.copy_from_slice(&checksum.to_be_bytes());
        }
        message
    }

    /// The message with zero for its checksum: what [`Proof::sign`] wants.
    #[must_use]
    pub fn unsummed(&self) -> Vec<u8> {
        let listed = self.addresses.iter().take(usize::from(u8::MAX));
        let count = u8::try_from(listed.len()).unwrap_or(u8::MAX);
        let version = self.protocol.version().get();
        let ([high, low], trailer) = self.protocol.wire(A::IPV6);
        // REQ: VRRP2-5.3.1-01 VRRP2-5.3.2-01 VRRP3-5.2.1-01 VRRP2-5.3.4-01 VRRP3-5.2.4-01 VRRP2-5.3.6-01
        let fixed: [u8; FIXED_LEN] =
            [(version << 4) | 1, self.vrid.get(), self.priority.map_or(0, Priority::get), count, high, low, 0, 0];
        let mut message = Vec::with_capacity(FIXED_LEN + listed.len() * size_of::<A>() + TRAILER_LEN + PROOF_LEN);
        message.extend(fixed);
        // REQ: VRRP2-5.3.5-01 VRRP2-5.3.9-01
        listed.for_each(|address| address.emit(&mut message));
        message.extend(trailer.into_iter().flatten());
        message
    }
}

impl Advert<Ipv4Addr> {
    /// The whole IPv4 packet: header and message. `coverage` matters to version 3 only.
    #[must_use]
    pub fn emit_packet(&self, envelope: &ipv4::Envelope, coverage: Coverage) -> Vec<u8> {
        self.emit_proven_packet(envelope, coverage, None)
    }

    /// The same behind an authentication header: [`Authentication::Header`] should be what the message says.
    #[must_use]
    pub fn emit_authenticated_packet(&self, envelope: &ipv4::Envelope, key: &Password, sequence: u32) -> Vec<u8> {
        let message = self.message(envelope.source, envelope.destination, Coverage::MessageOnly, None);
        ah::emit(envelope, key, sequence, &message)
    }

    /// The same, with an HMAC trailer.
    #[must_use]
    pub fn emit_proven_packet(&self, envelope: &ipv4::Envelope, coverage: Coverage, proof: Option<&Proof>) -> Vec<u8> {
        ipv4::emit(envelope, &self.message(envelope.source, envelope.destination, coverage, proof))
    }
}

impl Advert<Ipv6Addr> {
    /// The message that follows the IPv6 header, which the kernel writes. The checksum needs both its addresses.
    #[must_use]
    pub fn emit_message(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
        self.emit_proven_message(source, destination, None)
    }

    /// The same, with an HMAC trailer.
    #[must_use]
    pub fn emit_proven_message(&self, source: Ipv6Addr, destination: Ipv6Addr, proof: Option<&Proof>) -> Vec<u8> {
        self.message(source, destination, Coverage::PseudoHeader, proof)
    }
}

/// The authentication of a version 2 message; without a trailer (over IPv6) there is none.
fn authentication(view: &View<'_>) -> Authentication {
    match (view.auth_type(), view.password()) {
        (AuthType::None, _) | (_, None) => Authentication::None,
        (AuthType::SimpleText, Some(password)) => Authentication::Pass(password),
        (AuthType::AuthenticationHeader, Some(_)) => Authentication::Header,
        (AuthType::Unknown(auth_type), Some(data)) => Authentication::Unknown { auth_type, data },
    }
}
