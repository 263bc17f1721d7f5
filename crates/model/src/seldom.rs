//! What few of many things say, kept apart from them: one that says nothing carries a pointer and no more.
//!
//! It reads, compares and shows like the value itself. It knows no value but the one that says nothing.

use core::fmt;
use core::ops::{Deref, DerefMut};
use serde::{Deserialize, Serialize};

/// A value that may say nothing.
pub trait Silent: Default + PartialEq + 'static {
    /// The one that does: what `default` makes.
    const SILENCE: &'static Self;
}

/// See the module. Whoever changes it in place makes it one that says something, equal to the other or not.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seldom<T>(Option<Box<T>>);

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Silent> From<T> for Seldom<T> {
    fn from(value: T) -> Self {
        Self((value != *T::SILENCE).then(|| Box::new(value)))
    }
}

impl<T: Silent> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::SILENCE)
    }
}

impl<T: Silent> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: Silent> PartialEq for Seldom<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Silent + Eq> Eq for Seldom<T> {}

impl<T: Silent + fmt::Debug> fmt::Debug for Seldom<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::lvs::RealServerOptions;

    #[test]
    fn one_that_says_nothing_is_a_pointer_and_reads_like_any_other() {
        let silent = Seldom::from(RealServerOptions::default());
        assert_eq!(size_of_val(&silent), size_of::<usize>());
        assert!(silent.0.is_none());
        assert_eq!(*silent, RealServerOptions::default());
        assert_eq!(format!("{silent:?}"), format!("{:?}", RealServerOptions::default()));
        let mut named = silent.clone();
        named.snmp_name = Some("web1".to_owned());
        assert_eq!((silent.snmp_name.as_deref(), named.snmp_name.as_deref()), (None, Some("web1")));
        assert_ne!(silent, named);
        assert_eq!(Seldom::from((*named).clone()), named);
    }

    #[test]
    fn one_that_was_changed_back_equals_one_that_never_said_anything() {
        let mut changed = Seldom::from(RealServerOptions { snmp_name: Some("a".to_owned()), ..Default::default() });
        changed.snmp_name = None;
        assert_eq!(changed, Seldom::default());
    }
}
