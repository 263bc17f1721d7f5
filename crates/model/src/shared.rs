//! What many things say alike, kept once for all of them.
//!
//! It reads, compares and shows like the value itself. It does not look for what is alike: whoever has two of them says so.

use core::ops::{Deref, DerefMut};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// See the module. A clone is the same value; whoever changes one in place has one of its own from then on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shared<T>(Arc<T>);

impl<T: PartialEq> Shared<T> {
    /// Keeps the other one's value in the place of its own, if they are equal.
    pub fn share(&mut self, other: &Self) {
        if *self.0 == *other.0 {
            self.0 = Arc::clone(&other.0);
        }
    }
}

impl<T> Shared<T> {
    /// Whether both are one value, and not only equal.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_is_kept_once_and_changed_in_one_place_alone() {
        let one = Shared::from(vec![1, 2]);
        let mut other = Shared::from(vec![1, 2]);
        assert!(one == other && !one.is_same(&other));
        other.share(&one);
        assert!(one.is_same(&other));
        other.push(3);
        assert_eq!((&*one, &*other), (&vec![1, 2], &vec![1, 2, 3]));
        other.share(&one);
        assert_eq!(*other, [1, 2, 3], "what is not equal stays as it is");
    }
}
