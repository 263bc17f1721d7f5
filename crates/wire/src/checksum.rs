//! The Internet checksum (RFC 1071) and the pseudo-headers of IPv4 and IPv6 it may start from.
//!
//! It owns the arithmetic; which octets a protocol covers is the protocol's business.

use std::net::IpAddr;

/// A one's complement sum being made, word by word in network order.
///
/// The accumulator is 64 bits wide, so carries are folded once at the end and no input can overflow it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// The sum of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds octets; an odd last one counts as the high half of a word (RFC 1071 1).
    ///
    /// Chunks before the last must have an even length, because each call starts a new word.
    #[must_use]
    pub fn add_octets(mut self, octets: &[u8]) -> Self {
        // Two words at a time: what the upper one carries is folded with the rest (RFC 1071 2 (A)).
        let (pairs, rest) = octets.as_chunks::<4>();
        for pair in pairs {
            self.0 = self.0.saturating_add(u32::from_be_bytes(*pair).into());
        }
        match *rest {
            [a, b, c] => self.add_word(u16::from_be_bytes([a, b])).add_word(u16::from_be_bytes([c, 0])),
            [a, b] => self.add_word(u16::from_be_bytes([a, b])),
            [a] => self.add_word(u16::from_be_bytes([a, 0])),
            _ => self,
        }
    }

    /// Adds one word.
    #[must_use]
    pub const fn add_word(self, word: u16) -> Self {
        Self(self.0.saturating_add(word as u64))
    }

    /// Adds a pseudo-header: source, destination, upper-layer length in octets, protocol. The forms of IPv4 and IPv6
    /// (RFC 793 3.1, RFC 8200 8.1) differ only in zeros and in the width of the length, which the sum does not see.
    ///
    /// Addresses of different families add up too, but mean nothing; no caller does that.
    #[must_use]
    pub fn add_pseudo_header(self, source: IpAddr, destination: IpAddr, length: u32, protocol: u8) -> Self {
        let of = |sum: Self, address: IpAddr| match address {
            IpAddr::V4(a) => sum.add_octets(&a.octets()),
            IpAddr::V6(a) => sum.add_octets(&a.octets()),
        };
        of(of(self, source), destination).add_octets(&length.to_be_bytes()).add_word(u16::from(protocol))
    }

    /// The sum folded to 16 bits with end-around carry. Zero only if every word added was zero.
    #[must_use]
    pub fn fold(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).unwrap_or(u16::MAX)
    }

    /// What goes into the checksum field, if the field was zero or left out while summing.
    #[must_use]
    pub fn checksum(self) -> u16 {
        !self.fold()
    }

    /// Whether the octets summed, checksum field included, are intact: the sum is all ones (RFC 1071 1 (3)).
    #[must_use]
    pub fn is_intact(self) -> bool {
        self.fold() == 0xffff
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071_section_3_adds_up() {
        assert_eq!(Sum::new().add_octets(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]).fold(), 0xddf2);
    }

    #[test]
    fn an_odd_octet_is_the_high_half_of_a_word() {
        assert_eq!(Sum::new().add_octets(&[0x12, 0x34, 0x56]).fold(), 0x1234 + 0x5600);
    }

    proptest! {
        /// The same arithmetic written by others is the second opinion.
        #[test]
        fn another_implementation_agrees(octets in proptest::collection::vec(any::<u8>(), 2..2000)) {
            // That one skips the word at the index given; index 1000 is past the end.
            prop_assert_eq!(Sum::new().add_octets(&octets).checksum(), pnet_packet::util::checksum(&octets, 1000));
        }

        #[test]
        fn another_implementation_agrees_on_pseudo_headers(
            octets in proptest::collection::vec(any::<u8>(), 2..200), a: [u8; 16], b: [u8; 16], c: [u8; 4], d: [u8; 4],
        ) {
            let length = u32::try_from(octets.len()).unwrap();
            let protocol = pnet_packet::ip::IpNextHeaderProtocols::Vrrp;
            prop_assert_eq!(
                Sum::new().add_pseudo_header(a.into(), b.into(), length, 112).add_octets(&octets).checksum(),
                pnet_packet::util::ipv6_checksum(&octets, 1000, &[], &a.into(), &b.into(), protocol)
            );
            prop_assert_eq!(
                Sum::new().add_pseudo_header(c.into(), d.into(), length, 112).add_octets(&octets).checksum(),
                pnet_packet::util::ipv4_checksum(&octets, 1000, &[], &c.into(), &d.into(), protocol)
            );
        }
    }
}
