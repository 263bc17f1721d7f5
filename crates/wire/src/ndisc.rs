//! Neighbour advertisements (RFC 4861 4.4): the unsolicited one (7.2.6) that announces an IPv6 address, and any other as
//! far as it says where an address is.
//!
//! It owns the octets. Resolving addresses is the kernel's; what a foreign claim on one of ours means is decided
//! elsewhere.

use crate::checksum::Sum;
use crate::ethernet;
use pnet_packet::Packet;
use pnet_packet::icmpv6::ndp::{MutableNeighborAdvertPacket, NdpOption, NdpOptionTypes};
use pnet_packet::icmpv6::{Icmpv6Code, Icmpv6Type};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::MutableIpv6Packet;
use standfast_model::MacAddress;
use std::net::Ipv6Addr;

/// The `EtherType` of IPv6.
pub const ETHER_TYPE: u16 = 0x86dd;

/// Octets of the ICMPv6 message: 24 and one option with the link-layer address.
pub const MESSAGE_LEN: usize = 32;

/// Octets of a whole frame.
pub const FRAME_LEN: usize = ethernet::HEADER_LEN + 40 + MESSAGE_LEN;

/// ff02::1, every node on the link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Its Ethernet address (RFC 2464 7).
const ALL_NODES_MAC: MacAddress = MacAddress([0x33, 0x33, 0, 0, 0, 1]);

const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const ICMPV6: u8 = 58;
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// Octets of the ICMPv6 message without options.
const FIXED_LEN: usize = 24;

/// The option that has the target's link-layer address (RFC 4861 4.6.1).
const TARGET_LINK_LAYER: u8 = 2;

/// Why octets are no neighbour advertisement.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// It came through a router, so it says nothing about this link (RFC 4861 7.1.2).
    #[error("hop limit {0:?} is not 255")]
    HopLimit(Option<u8>),
    /// Less than 24 octets.
    #[error("{have} octets are no neighbour advertisement")]
    Short {
        /// Octets there.
        have: usize,
    },
    /// Another message.
    #[error("ICMPv6 type {kind}, code {code} is no neighbour advertisement")]
    Kind {
        /// 136 is a neighbour advertisement.
        kind: u8,
        /// 0.
        code: u8,
    },
    /// About a group, which is at no MAC (RFC 4861 7.1.2).
    #[error("target {0} is a group")]
    Target(Ipv6Addr),
    /// Says that it was asked for, and is addressed to a group (RFC 4861 7.1.2).
    #[error("solicited, and sent to the group {0}")]
    Solicited(Ipv6Addr),
    /// An option of no octets, or of more than there are: the whole message is void (RFC 4861 4.6).
    #[error("the option at octet {at} has a wrong length")]
    Option {
        /// Where in the message it begins.
        at: usize,
    },
}

/// A neighbour advertisement, solicited or not: "this address is at this MAC".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advertisement {
    /// The address it is about.
    pub target: Ipv6Addr,
    /// Where it is; none if it does not say, as an answer to one who knows may.
    pub mac: Option<MacAddress>,
}

impl Advertisement {
    /// Reads an ICMPv6 message as a raw socket delivers it, whose checksum the kernel has checked.
    ///
    /// # Errors
    /// [`Error`], in the order of its variants.
    pub fn parse(message: &[u8], destination: Ipv6Addr, hop_limit: Option<u8>) -> Result<Self, Error> {
        // REQ: ND-7.1-01
        if hop_limit != Some(255) {
            return Err(Error::HopLimit(hop_limit));
        }
        let short = Error::Short { have: message.len() };
        let (fixed, mut options) = message.split_first_chunk::<FIXED_LEN>().ok_or(short)?;
        let [kind, code, _, _, flags, _, _, _, target @ ..] = *fixed;
        if (kind, code) != (NEIGHBOUR_ADVERTISEMENT, 0) {
            return Err(Error::Kind { kind, code });
        }
        let target = Ipv6Addr::from(target);
        if target.is_multicast() {
            return Err(Error::Target(target));
        }
        if destination.is_multicast() && flags & SOLICITED != 0 {
            return Err(Error::Solicited(destination));
        }
        let mut mac = None;
        while !options.is_empty() {
            let wrong = Error::Option { at: message.len() - options.len() };
            let (option, rest) = split_option(options).ok_or(wrong)?;
            // The first one counts; another length than that of Ethernet is another medium's.
            if let [TARGET_LINK_LAYER, 1, octets @ ..] = option
                && let Ok(octets) = octets.try_into()
            {
                mac = mac.or(Some(MacAddress(octets)));
            }
            options = rest;
        }
        Ok(Self { target, mac })
    }
}

/// The option that the octets begin with, with its type and length, and what follows it.
fn split_option(options: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(*options.get(1)?) * 8;
    if length == 0 { None } else { options.split_at_checked(length) }
}

/// An unsolicited neighbour advertisement to all nodes: "this address is at this MAC from now on".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsolicited {
    /// The address announced, which is also the source (as keepalived does it).
    pub address: Ipv6Addr,
    /// Where it is: the interface's MAC, or the virtual one.
    pub mac: MacAddress,
    /// The R flag: this node forwards. keepalived lets it follow the forwarding sysctl of the interface; RFC 9568 6.4
    /// says it is set.
    pub router: bool,
}

impl Unsolicited {
    /// The frame, 86 octets. Flags: O always, S never, R as [`Unsolicited::router`] says.
    #[must_use]
    pub fn emit(&self) -> [u8; FRAME_LEN] {
        let mut frame = [0; FRAME_LEN];
        // REQ: ND-7.2.6-01
        ethernet::Header { destination: ALL_NODES_MAC, source: self.mac, ether_type: ETHER_TYPE }.emit(&mut frame);
        let (_, packet) = frame.split_at_mut(ethernet::HEADER_LEN);
        if let Some(mut ipv6) = MutableIpv6Packet::new(packet) {
            ipv6.set_version(6);
            ipv6.set_payload_length(32);
            ipv6.set_next_header(IpNextHeaderProtocols::Icmpv6);
            // REQ: ND-4.4-01
            ipv6.set_hop_limit(255);
            ipv6.set_source(self.address);
            ipv6.set_destination(ALL_NODES);
            ipv6.set_payload(&self.message());
        }
        frame
    }

    /// The ICMPv6 message with its checksum.
    fn message(&self) -> [u8; MESSAGE_LEN] {
        let mut message = [0; MESSAGE_LEN];
        if let Some(mut advert) = MutableNeighborAdvertPacket::new(&mut message) {
            // REQ: ND-4.4-01
            advert.set_icmpv6_type(Icmpv6Type(NEIGHBOUR_ADVERTISEMENT));
            advert.set_icmpv6_code(Icmpv6Code(0));
            // REQ: ND-4.4-02 ND-4.4-03 ND-4.4-04
            advert.set_flags(OVERRIDE | if self.router { ROUTER } else { 0 });
            advert.set_target_addr(self.address);
            let option = NdpOption { option_type: NdpOptionTypes::TargetLLAddr, length: 1, data: self.mac.0.to_vec() };
            advert.set_options(&[option]);
            let sum = Sum::new().add_pseudo_header(self.address.into(), ALL_NODES.into(), 32, ICMPV6);
            let checksum = sum.add_octets(advert.packet()).checksum();
            advert.set_checksum(checksum);
        }
        message
    }
}
