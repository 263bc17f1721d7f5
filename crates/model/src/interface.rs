//! Network interfaces as the kernel names them.

use crate::name::ShortName;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// The kernel's number for an interface; a re-created interface has a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct InterfaceIndex(pub u32);

/// An interface name: 1 to 15 bytes, no white space, no `/`, not `.` or `..` (`dev_valid_name` of the kernel).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName(ShortName);

/// Why a text is no interface name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InterfaceNameError {
    /// The kernel's limit is 15 bytes (`IFNAMSIZ` less the terminator).
    #[error("an interface name has 1 to 15 bytes")]
    Length,
    /// White space, `/`, `:` and the names `.` and `..` are refused by the kernel.
    #[error("an interface name holds no white space, '/' or ':' and is not '.' or '..'")]
    Characters,
}

impl InterfaceName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for InterfaceName {
    type Err = InterfaceNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = ShortName::new(text).filter(|_| !text.is_empty()).ok_or(InterfaceNameError::Length)?;
        let refused = |c: char| c.is_whitespace() || c == '/' || c == ':' || c == '\0';
        if text == "." || text == ".." || text.contains(refused) {
            return Err(InterfaceNameError::Characters);
        }
        Ok(Self(name))
    }
}

impl TryFrom<String> for InterfaceName {
    type Error = InterfaceNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<InterfaceName> for String {
    fn from(name: InterfaceName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Self = Self([0xff; 6]);
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_kernel_would_refuse_are_refused() {
        for bad in ["", "sixteen-bytes-xx", "a b", "a/b", "a:1", ".", ".."] {
            assert!(bad.parse::<InterfaceName>().is_err(), "{bad:?}");
        }
        for good in ["eth0", "fifteen-bytes-x", "vrrp.51", "br-lan@x"] {
            assert_eq!(good.parse::<InterfaceName>().unwrap().as_str(), good);
        }
    }
}
