//! BFD on a real wire, beside keepalived and beside FRR, and over a router.

#![cfg(test)]

mod far;
mod frr;
mod keepalived;

use std::time::Duration;

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
