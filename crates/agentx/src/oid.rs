//! Object identifiers.

use core::fmt;
use core::str::FromStr;

/// The most numbers in one (RFC 2578 section 3.5).
pub const MAX_LEN: usize = 128;

/// The name of an object: numbers, at most [`MAX_LEN`]. The order is that of a walk.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Oid(Vec<u32>);

/// Why a text is no object identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an object identifier is up to 128 numbers with dots between them")]
pub struct OidError;

impl Oid {
    /// One of these numbers. What is beyond the limit is cut: nobody could ask for it.
    #[must_use]
    pub fn new(numbers: &[u32]) -> Self {
        Self(numbers.iter().copied().take(MAX_LEN).collect())
    }

    /// This one with more numbers behind it.
    #[must_use]
    pub fn with(&self, more: &[u32]) -> Self {
        Self(self.0.iter().chain(more).copied().take(MAX_LEN).collect())
    }

    /// The numbers.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        &self.0
    }

    /// What follows behind `root`; none if it does not begin with that.
    #[must_use]
    pub fn below(&self, root: &Self) -> Option<&[u32]> {
        self.0.strip_prefix(root.0.as_slice())
    }

    /// The name of nothing, by which AgentX says that there is no end.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Oid {
    /// `1.3.6.1.2.1`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, number) in self.0.iter().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            write!(f, "{dot}{number}")?;
        }
        Ok(())
    }
}

impl FromStr for Oid {
    type Err = OidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix('.').unwrap_or(text);
        let numbers: Vec<u32> = text.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| OidError)?;
        if numbers.len() > MAX_LEN { Err(OidError) } else { Ok(Self(numbers)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_a_walk() {
        let mut oids: Vec<Oid> = ["1.3.10", "1.3.2.1", "1.3.2", "1.3.2.0.9"].map(|text| text.parse().unwrap()).into();
        oids.sort();
        assert_eq!(
            oids.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["1.3.2", "1.3.2.0.9", "1.3.2.1", "1.3.10"]
        );
    }

    #[test]
    fn what_is_below_a_root_is_told_from_what_only_looks_like_it() {
        let root = Oid::new(&[1, 3]);
        assert_eq!(root.with(&[7, 0]).below(&root), Some(&[7, 0][..]));
        assert_eq!(Oid::new(&[1, 31]).below(&root), None);
        assert_eq!(root.below(&root), Some(&[][..]));
    }

    #[test]
    fn a_text_that_is_none_is_refused() {
        for text in ["", ".", "1..2", "1.-2", "1.4294967296", "a", &"1.".repeat(200)] {
            assert!(text.parse::<Oid>().is_err(), "{text}");
        }
        assert_eq!(".1.3.4294967295".parse::<Oid>().unwrap(), Oid::new(&[1, 3, u32::MAX]));
        assert_eq!(Oid::new(&[7; 300]).numbers().len(), MAX_LEN);
    }
}
