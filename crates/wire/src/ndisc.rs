//! The unsolicited neighbour advertisement (RFC 4861 4.4, 7.2.6) that announces an IPv6 address.
//!
//! It owns the octets of what is sent; nothing of neighbour discovery is received here, the kernel does that.

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
const OVERRIDE: u8 = 0x20;

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
