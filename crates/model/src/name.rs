//! Names that the kernel keeps in sixteen bytes: fifteen and a terminator. They are kept in place, because a large
//! configuration has tens of thousands of them. What a name may hold is the business of its type.

use core::cmp::Ordering;
use core::fmt;

/// The most bytes a name has (`IFNAMSIZ`, `IP_VS_SCHEDNAME_MAXLEN`, each less the terminator).
pub(crate) const MOST: usize = 15;

/// At most fifteen bytes of text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ShortName {
    /// Zeros behind the text.
    bytes: [u8; MOST],
    length: u8,
}

impl ShortName {
    /// None for a text of more than fifteen bytes.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; MOST];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { bytes, length: u8::try_from(text.len()).ok()? })
    }

    /// Three ASCII letters.
    pub(crate) const fn of_three([a, b, c]: [u8; 3]) -> Self {
        Self { bytes: [a, b, c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], length: 3 }
    }

    pub(crate) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl PartialOrd for ShortName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ShortName {
    fn cmp(&self, other: &Self) -> Ordering {
        // As text: zeros stand behind both, and a text that is the beginning of another comes before it.
        (&self.bytes, self.length).cmp(&(&other.bytes, other.length))
    }
}

impl fmt::Debug for ShortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_its_text_up_to_fifteen_bytes() {
        for text in ["", "a", "eth0.100", "fifteen bytes !", "äöü"] {
            assert_eq!(ShortName::new(text).unwrap().as_str(), text);
        }
        assert!(ShortName::new("sixteen bytes !!").is_none());
        assert_eq!(ShortName::new("wlc").unwrap(), ShortName::of_three(*b"wlc"));
        let texts = ["eth1", "eth0.2", "a", "a0", "a\0", "", "\0", "ä", "z"];
        for (one, other) in texts.iter().flat_map(|one| texts.map(|other| (*one, other))) {
            assert_eq!(ShortName::new(one).cmp(&ShortName::new(other)), one.cmp(other), "{one:?} {other:?}");
        }
    }
}
