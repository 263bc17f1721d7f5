//! ARP over Ethernet for IPv4 (RFC 826, RFC 5227): gratuitous ARP to send, any ARP to read.
//!
//! It owns the octets; when an address is announced, and what a foreign claim on it means, is decided elsewhere.

use crate::ethernet;
use core::fmt;
use pnet_packet::arp::{ArpHardwareType, ArpOperation, ArpPacket, MutableArpPacket};
use pnet_packet::ethernet::EtherType;
use standfast_model::MacAddress;
use std::net::Ipv4Addr;

/// The `EtherType` of ARP.
pub const ETHER_TYPE: u16 = 0x0806;

/// Octets of a whole frame without padding.
pub const FRAME_LEN: usize = ethernet::HEADER_LEN + 28;

const ETHERNET: u16 = 1;
const IPV4: u16 = 0x0800;

/// What an ARP packet asks for or says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// 1.
    Request,
    /// 2.
    Reply,
    /// Any other.
    Unknown(u16),
}

impl Operation {
    const fn from_word(word: u16) -> Self {
        match word {
            1 => Self::Request,
            2 => Self::Reply,
            other => Self::Unknown(other),
        }
    }

    const fn word(self) -> u16 {
        match self {
            Self::Request => 1,
            Self::Reply => 2,
            Self::Unknown(other) => other,
        }
    }
}

/// Why a frame is no ARP for IPv4 over Ethernet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Less than 42 octets.
    #[error("{have} octets are no ARP frame")]
    Short {
        /// Octets there.
        have: usize,
    },
    /// Another protocol.
    #[error("EtherType {0:#06x} is not ARP")]
    EtherType(u16),
    /// Other hardware than Ethernet, other protocol than IPv4, or other lengths than 6 and 4.
    #[error("ARP for hardware {hardware} with {hardware_len} octets, protocol {protocol:#06x} with {protocol_len}")]
    Kind {
        /// 1 is Ethernet.
        hardware: u16,
        /// 0x0800 is IPv4.
        protocol: u16,
        /// 6 for Ethernet.
        hardware_len: u8,
        /// 4 for IPv4.
        protocol_len: u8,
    },
}

/// A frame of at least 42 octets, looked at as if it were ARP for IPv4 over Ethernet.
pub struct View<'a> {
    ethernet: ethernet::Header,
    arp: ArpPacket<'a>,
}

impl<'a> View<'a> {
    /// Looks at a frame.
    ///
    /// # Errors
    /// [`Error::Short`]; nothing else is checked.
    pub fn new(frame: &'a [u8]) -> Result<Self, Error> {
        let short = Error::Short { have: frame.len() };
        let (ethernet, payload) = ethernet::Header::parse(frame).ok_or(short)?;
        Ok(Self { ethernet, arp: ArpPacket::new(payload).ok_or(short)? })
    }

    /// Checks that it is ARP for IPv4 over Ethernet.
    ///
    /// # Errors
    /// [`Error::EtherType`], then [`Error::Kind`].
    pub fn check(&self) -> Result<(), Error> {
        if self.ethernet.ether_type != ETHER_TYPE {
            return Err(Error::EtherType(self.ethernet.ether_type));
        }
        let (hardware, protocol) = (self.arp.get_hardware_type().0, self.arp.get_protocol_type().0);
        let (hardware_len, protocol_len) = (self.arp.get_hw_addr_len(), self.arp.get_proto_addr_len());
        if (hardware, protocol, hardware_len, protocol_len) == (ETHERNET, IPV4, 6, 4) {
            Ok(())
        } else {
            Err(Error::Kind { hardware, protocol, hardware_len, protocol_len })
        }
    }

    /// The fields as a value, whether or not they make sense.
    fn fields(&self) -> Frame {
        Frame {
            destination: self.ethernet.destination,
            source: self.ethernet.source,
            operation: Operation::from_word(self.arp.get_operation().0),
            sender_mac: MacAddress(self.arp.get_sender_hw_addr().octets()),
            sender_ip: self.arp.get_sender_proto_addr(),
            target_mac: MacAddress(self.arp.get_target_hw_addr().octets()),
            target_ip: self.arp.get_target_proto_addr(),
        }
    }
}

impl fmt::Display for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.fields();
        write!(
            f,
            "{} > {} type {:#06x} ARP hardware {}/{} protocol {:#06x}/{} {:?} sender {} {} target {} {}",
            fields.source,
            fields.destination,
            self.ethernet.ether_type,
            self.arp.get_hardware_type().0,
            self.arp.get_hw_addr_len(),
            self.arp.get_protocol_type().0,
            self.arp.get_proto_addr_len(),
            fields.operation,
            fields.sender_mac,
            fields.sender_ip,
            fields.target_mac,
            fields.target_ip,
        )
    }
}

/// An ARP frame for IPv4 over Ethernet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Of the Ethernet header.
    pub destination: MacAddress,
    /// Of the Ethernet header.
    pub source: MacAddress,
    /// Request or reply.
    pub operation: Operation,
    /// Who speaks.
    pub sender_mac: MacAddress,
    /// The address the sender claims, 0.0.0.0 in a probe (RFC 5227 2.1.1).
    pub sender_ip: Ipv4Addr,
    /// Ignored in a request.
    pub target_mac: MacAddress,
    /// The address asked for.
    pub target_ip: Ipv4Addr,
}

impl Frame {
    /// A gratuitous ARP in keepalived's form: a broadcast request in which sender and target are the address itself.
    ///
    /// The target MAC is all ones, as keepalived sends it (RFC 5227 says zero, erratum 7947 of RFC 9568 the virtual MAC;
    /// receivers ignore it).
    #[must_use]
    pub const fn gratuitous(mac: MacAddress, address: Ipv4Addr) -> Self {
        // REQ: ARP-2.3-01 ARP-2.3-02
        Self {
            destination: MacAddress::BROADCAST,
            source: mac,
            operation: Operation::Request,
            sender_mac: mac,
            sender_ip: address,
            target_mac: MacAddress::BROADCAST,
            target_ip: address,
        }
    }

    /// Reads a frame; padding behind it is ignored.
    ///
    /// # Errors
    /// [`Error`], in the order of its variants.
    pub fn parse(frame: &[u8]) -> Result<Self, Error> {
        let view = View::new(frame)?;
        view.check()?;
        Ok(view.fields())
    }

    /// The frame, 42 octets without padding.
    #[must_use]
    pub fn emit(&self) -> [u8; FRAME_LEN] {
        let mut frame = [0; FRAME_LEN];
        ethernet::Header { destination: self.destination, source: self.source, ether_type: ETHER_TYPE }
            .emit(&mut frame);
        let (_, payload) = frame.split_at_mut(ethernet::HEADER_LEN);
        if let Some(mut arp) = MutableArpPacket::new(payload) {
            arp.set_hardware_type(ArpHardwareType(ETHERNET));
            arp.set_protocol_type(EtherType(IPV4));
            arp.set_hw_addr_len(6);
            arp.set_proto_addr_len(4);
            arp.set_operation(ArpOperation(self.operation.word()));
            arp.set_sender_hw_addr(self.sender_mac.0.into());
            arp.set_sender_proto_addr(self.sender_ip);
            arp.set_target_hw_addr(self.target_mac.0.into());
            arp.set_target_proto_addr(self.target_ip);
        }
        frame
    }

    /// Whether it announces an address (sender and target are the same), by request or by reply, in any of the forms of
    /// the target MAC.
    #[must_use]
    pub fn is_gratuitous(&self) -> bool {
        // REQ: ARP-2.3-02
        self.sender_ip == self.target_ip && !self.sender_ip.is_unspecified()
    }

    /// Whether it asks for an address before using it (RFC 5227 2.1.1).
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.operation == Operation::Request && self.sender_ip.is_unspecified()
    }
}
