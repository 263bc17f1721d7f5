//! A value that is kept in its octets until somebody looks at it.
//!
//! A director of twenty thousand real servers has a state of each of them to pass on, and the processes that pass it on or
//! keep it look into it seldom. In octets it takes a quarter of the room, and is passed on as it is.

use crate::code::{decode, encode_counted};
use core::fmt;
use core::marker::PhantomData;
use serde::de::{DeserializeOwned, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::{Arc, OnceLock};

/// See the module. What is opened stays open until this one is dropped; a clone of it is closed.
pub struct Packed<T> {
    octets: Arc<[u8]>,
    /// None in it if the octets are no such value.
    opened: OnceLock<Option<T>>,
}

impl<T: Serialize> Packed<T> {
    /// Packs a value. One that cannot be encoded, as none in this crate is, comes out as none.
    #[must_use]
    pub fn new(value: &T) -> Self {
        Self::of(&encode_counted(value).unwrap_or_default())
    }
}

impl<T> Packed<T> {
    fn of(octets: &[u8]) -> Self {
        Self { octets: octets.into(), opened: OnceLock::new() }
    }
}

impl<T: DeserializeOwned> Packed<T> {
    /// The value; none if whoever packed it wrote nonsense.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.opened.get_or_init(|| decode(&self.octets).ok()).as_ref()
    }
}

impl<T> Clone for Packed<T> {
    fn clone(&self) -> Self {
        Self { octets: Arc::clone(&self.octets), opened: OnceLock::new() }
    }
}

impl<T> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.octets == other.octets
    }
}

impl<T> Eq for Packed<T> {}

impl<T: DeserializeOwned + fmt::Debug> fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// For people the value itself, for processes its octets.
impl<T: Serialize + DeserializeOwned> Serialize for Packed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.get().ok_or_else(|| S::Error::custom("its octets are no value"))?.serialize(serializer)
        } else {
            serializer.serialize_bytes(&self.octets)
        }
    }
}

impl<'de, T: Serialize + DeserializeOwned> Deserialize<'de> for Packed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Ok(Self::new(&T::deserialize(deserializer)?))
        } else {
            deserializer.deserialize_bytes(Octets(PhantomData))
        }
    }
}

struct Octets<T>(PhantomData<T>);

impl<T> Visitor<'_> for Octets<T> {
    type Value = Packed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("octets")
    }

    fn visit_bytes<E>(self, octets: &[u8]) -> Result<Packed<T>, E> {
        Ok(Packed::of(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;

    type Words = Vec<String>;

    fn packed() -> Packed<Words> {
        Packed::new(&vec!["one".to_owned(), "two".to_owned()])
    }

    #[test]
    fn it_is_the_same_behind_a_channel_and_in_what_people_read() {
        let over_a_channel: Packed<Words> = decode(&encode(&packed()).unwrap()).unwrap();
        assert_eq!(over_a_channel, packed());
        assert_eq!(over_a_channel.get().unwrap().join(" "), "one two");
        let text = serde_json::to_string(&packed()).unwrap();
        assert_eq!(text, r#"["one","two"]"#);
        assert_eq!(serde_json::from_str::<Packed<Words>>(&text).unwrap(), packed());
    }

    #[test]
    fn a_clone_of_an_opened_one_is_closed() {
        let opened = packed();
        assert_eq!(opened.get().map(Vec::len), Some(2));
        let is_open = [opened.clone(), opened].map(|packed| packed.opened.into_inner().is_some());
        assert_eq!(is_open, [false, true]);
    }

    #[test]
    fn octets_that_are_no_value_are_none_and_are_not_shown() {
        let nonsense = Packed::<Words>::of(&[1, 0, 9, 9]);
        assert_eq!(nonsense.get(), None);
        assert!(serde_json::to_string(&nonsense).is_err());
        assert_eq!(decode::<Packed<Words>>(&encode(&nonsense).unwrap()).unwrap().get(), None);
    }
}
