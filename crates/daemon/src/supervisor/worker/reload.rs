//! A new configuration, as it concerns one worker: handed over, answered for, or held against it.

use super::{ANSWER_WITHIN, Awaited, Worker, slice_label};
use crate::front_sockets;
use core::time::Duration;
use standfast_api::{Generation, ToWorker, WorkerKind, encode};
use standfast_kernel::channel::SendError;
use standfast_kernel::memfd::{self, MemfdError};
use standfast_kernel::timer::boottime;
use standfast_model::Config;
use std::os::fd::AsFd;
use tracing::warn;

impl Worker {
    /// Gives it a new slice: a running worker is told, one that is about to be restarted starts with it. A slice that
    /// is the old one is not worth a message.
    ///
    /// # Errors
    ///
    /// The slice does not go into memory. Nothing has changed then.
    pub(in crate::supervisor) fn reload(&mut self, generation: Generation, slice: &[u8]) -> Result<(), MemfdError> {
        if memfd::holds(&self.slice, slice_label(self.kind()), slice).unwrap_or(false) {
            return Ok(());
        }
        self.slice = Self::write_slice(self.kind(), slice)?;
        self.awaited = Some(Awaited { generation, until: boottime() + ANSWER_WITHIN, died: false });
        let channel = self.running.as_ref().and_then(|running| running.channel.as_ref());
        let (Some(channel), Ok(message)) = (channel, encode(&ToWorker::Reload(generation))) else {
            // Whoever reloads does not want to wait for the end of a pause that the old configuration earned.
            if self.running.is_none() {
                self.restart_at = Some(boottime());
            }
            return Ok(());
        };
        let mut descriptors = vec![self.slice.as_fd()];
        if self.kind() == WorkerKind::Front {
            descriptors.extend(self.attached.iter().map(AsFd::as_fd));
        }
        match channel.send(&message, &descriptors) {
            // One that has gone comes back with the new slice.
            Ok(()) | Err(SendError::Closed) => {}
            Err(error @ (SendError::Full | SendError::Limits { .. } | SendError::Io(_))) => {
                self.awaited = None;
                self.refuse(&format!("it cannot be told: {error}"));
            }
        }
        Ok(())
    }

    /// Of the front: it and its successors get the sockets that these settings want.
    pub(in crate::supervisor) fn listen_by(&mut self, config: &Config) {
        let sockets = front_sockets::sockets(config, &self.attached);
        self.attached.retain(|held| front_sockets::use_of(held).is_none());
        self.attached.extend(sockets);
    }

    /// It was started for a new configuration: its readiness is the answer.
    pub(in crate::supervisor) fn expect_start(&mut self, generation: Generation) {
        self.awaited = Some(Awaited { generation, until: boottime() + ANSWER_WITHIN, died: false });
    }

    /// Whether an answer is waited for.
    pub(in crate::supervisor) const fn owes_answer(&self) -> bool {
        self.awaited.is_some()
    }

    /// Why it does not run the new configuration, told once.
    pub(in crate::supervisor) const fn take_refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }

    /// It is not needed any more.
    pub(in crate::supervisor) fn retire(&mut self, patience: Duration) {
        self.retired = true;
        self.awaited = None;
        self.stop(patience);
    }

    /// Whether it is not needed any more.
    pub(in crate::supervisor) const fn is_retired(&self) -> bool {
        self.retired
    }

    /// Takes in its answer. One to a question of long ago says nothing about the last.
    pub(super) fn answered(&mut self, generation: Generation, refused: Option<String>) {
        if self.awaited.take_if(|awaited| awaited.generation == generation).is_none() {
            return;
        }
        if let Some(why) = refused {
            self.refuse(&why);
        }
    }

    /// It died before it answered. The second time, or with a status that would come again, it is because of what it
    /// was given. True if that is held against the new configuration.
    pub(in crate::supervisor) fn died_of_reload(&mut self, permanently: bool) -> bool {
        let Some(awaited) = &mut self.awaited else { return false };
        if !permanently && !awaited.died {
            awaited.died = true;
            return true;
        }
        self.awaited = None;
        self.refuse("it died of it");
        true
    }

    pub(in crate::supervisor) fn refuse(&mut self, why: &str) {
        let kind = self.kind();
        warn!("{kind} worker does not take the new configuration: {why}");
        self.refusal = Some(format!("{kind} worker: {why}"));
    }
}
