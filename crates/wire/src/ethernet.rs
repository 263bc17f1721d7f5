//! The Ethernet II header in front of the frames that announce addresses.
//!
//! It owns no frame of its own: ARP and neighbour discovery write behind it. It knows no tags; the kernel strips them.

use pnet_packet::ethernet::{EtherType, EthernetPacket, MutableEthernetPacket};
use standfast_model::MacAddress;

/// Octets of the header.
pub const HEADER_LEN: usize = 14;

/// What an Ethernet II header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Whom the frame is for.
    pub destination: MacAddress,
    /// Who sent it.
    pub source: MacAddress,
    /// Protocol of the payload; values up to 1500 are lengths of IEEE 802.3 frames.
    pub ether_type: u16,
}

impl Header {
    /// The header and what follows it; none if the frame is shorter than a header.
    #[must_use]
    pub fn parse(frame: &[u8]) -> Option<(Self, &[u8])> {
        let view = EthernetPacket::new(frame)?;
        let header = Self {
            destination: MacAddress(view.get_destination().octets()),
            source: MacAddress(view.get_source().octets()),
            ether_type: view.get_ethertype().0,
        };
        Some((header, frame.get(HEADER_LEN..)?))
    }

    /// Writes the header at the beginning of a frame; a buffer too short for it is left as it is.
    pub(crate) fn emit(&self, frame: &mut [u8]) {
        if let Some(mut view) = MutableEthernetPacket::new(frame) {
            view.set_destination(self.destination.0.into());
            view.set_source(self.source.0.into());
            view.set_ethertype(EtherType(self.ether_type));
        }
    }
}
