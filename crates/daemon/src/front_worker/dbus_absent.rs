//! In the place of D-Bus in a program that was built without it: says so where it is wanted.

use super::client::Errand;
use standfast_api::{DbusSlice, ToFront};
use tokio::sync::mpsc;
use tracing::warn;

/// No service.
pub(super) struct Bus;

impl Bus {
    /// Nothing.
    pub(super) fn new(_: mpsc::Sender<Errand>) -> Self {
        Self
    }

    /// Says that it cannot be had.
    pub(super) fn configure(&mut self, slice: Option<DbusSlice>) {
        if slice.is_some() {
            warn!("enable_dbus: this program was built without D-Bus, so nothing is published");
        }
    }

    /// Nobody is told.
    pub(super) fn told(&self, _: &ToFront) {}

    /// Nothing ends.
    pub(super) async fn stop(&mut self) {}
}
