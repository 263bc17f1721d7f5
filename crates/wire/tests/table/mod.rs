//! Reads the vector files, and sees to it that no vector goes untested.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

/// Vectors by name. Each test takes those it proves something about.
pub(crate) struct Table(BTreeMap<String, Vec<u8>>);

impl Table {
    /// Lines of `name hex`; `#` begins a comment.
    pub(crate) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.map(|line| line.split_once(' ').unwrap()).map(|(n, h)| (n.to_owned(), octets(h.trim()))).collect())
    }

    /// The octets of one vector.
    pub(crate) fn take(&mut self, name: &str) -> Vec<u8> {
        self.0.remove(name).unwrap_or_else(|| panic!("no vector {name}, or taken twice"))
    }

    /// Every vector whose name begins with one of `prefixes` has been taken.
    pub(crate) fn nothing_left_of(&self, prefixes: &[&str]) {
        let left: Vec<_> =
            self.0.keys().filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))).collect();
        assert!(left.is_empty(), "not tested: {left:?}");
    }
}

/// Octets of hexadecimal digits.
fn octets(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    digits.as_bytes().chunks(2).map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// Source, destination and payload of an IPv6 packet without extension headers.
pub(crate) fn split_ipv6(packet: &[u8]) -> (Ipv6Addr, Ipv6Addr, &[u8]) {
    assert_eq!((packet[0] >> 4, packet[6]), (6, 112));
    let length = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    let address = |at: usize| Ipv6Addr::from(*packet[at..].first_chunk::<16>().unwrap());
    (address(8), address(24), &packet[40..40 + length])
}

/// An address written down.
pub(crate) fn ipv6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}
