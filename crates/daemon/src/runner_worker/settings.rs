//! What the configuration says of scripts, FIFOs and mail, and the ways to them. A reload replaces it as a whole.

use super::fifo::ToFifo;
use super::program::Policy;
use crate::mailer::Order;
use standfast_api::WorkerKind;
use standfast_api::runner::{Line, Notification};
use standfast_model::config::global::NetlinkBuffer;
use standfast_model::config::script::Script;
use std::collections::BTreeSet;
use tokio::sync::mpsc;

/// Words that a notification may append: kind, name, state, priority and, of a conflict, a sentence.
const APPENDED_WORDS: usize = 5;

/// A FIFO that is open, and whose events go to it.
#[derive(Debug)]
pub(super) struct FifoWay {
    pub(super) vrrp: bool,
    pub(super) check: bool,
    pub(super) way: mpsc::UnboundedSender<ToFifo>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) policy: Policy,
    /// What the vrrp worker may have run.
    pub(super) vrrp_scripts: BTreeSet<Script>,
    /// What the check worker may have run.
    pub(super) check_scripts: BTreeSet<Script>,
    /// Of both, what the configuration in force names; the rest are those of the one before it.
    pub(super) named: (BTreeSet<Script>, BTreeSet<Script>),
    /// `process_monitor_rcv_bufs`
    pub(super) process_buffer: NetlinkBuffer,
    pub(super) fifos: Vec<FifoWay>,
    /// None where nobody wants mail.
    pub(super) mail: Option<mpsc::Sender<Order>>,
    /// Everything of a mail but its subject and text.
    pub(super) order: Order,
}

impl Settings {
    /// Whether the configuration names this script for that worker, or one that it begins with.
    pub(super) fn permits(&self, kind: WorkerKind, script: &Script) -> bool {
        let named = match kind {
            WorkerKind::Vrrp => &self.vrrp_scripts,
            WorkerKind::Check => &self.check_scripts,
            // A session of BFD runs nothing.
            WorkerKind::Runner | WorkerKind::Bfd | WorkerKind::Front => return false,
        };
        (0..=APPENDED_WORDS.min(script.words.len())).any(|appended| {
            let words = script.words.iter().take(script.words.len() - appended).cloned().collect();
            named.contains(&Script { words, identity: script.identity })
        })
    }

    /// Hands line and mail of a notification on. It never waits.
    pub(super) fn tell(&self, kind: WorkerKind, notification: &Notification) {
        if let Some(line) = &notification.line {
            self.write(kind, &notification.subject, line);
        }
        if let (Some(mail), Some(way)) = (&notification.mail, &self.mail) {
            let order = Order { subject: mail.subject.clone(), body: mail.body.clone(), ..self.order.clone() };
            if way.try_send(order).is_err() {
                tracing::warn!("mail does not keep up, not sent: {}", mail.subject);
            }
        }
    }

    fn write(&self, kind: WorkerKind, subject: &str, line: &Line) {
        for fifo in &self.fifos {
            let wanted = match kind {
                WorkerKind::Vrrp => fifo.vrrp,
                WorkerKind::Check => fifo.check,
                WorkerKind::Runner | WorkerKind::Bfd | WorkerKind::Front => false,
            };
            if wanted {
                // A FIFO whose task has ended said why.
                let _ = fifo.way.send(ToFifo { subject: subject.to_owned(), line: line.clone() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_model::config::script::Identity;

    fn script(words: &[&str]) -> Script {
        let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        Script { words, identity: Some(Identity { uid: 7, gid: 7 }) }
    }

    #[test]
    fn a_worker_has_run_what_the_configuration_names_for_it_and_nothing_else() {
        let settings = Settings {
            vrrp_scripts: BTreeSet::from([script(&["/notify", "x"])]),
            check_scripts: BTreeSet::from([script(&["/check"])]),
            ..Settings::default()
        };
        let vrrp = |words: &[&str]| settings.permits(WorkerKind::Vrrp, &script(words));
        assert!(vrrp(&["/notify", "x"]));
        assert!(vrrp(&["/notify", "x", "INSTANCE", "VI_1", "MASTER", "100"]));
        assert!(vrrp(&["/notify", "x", "INSTANCE", "VI_1", "CONFLICT", "100", "two masters"]));
        assert!(!vrrp(&["/notify", "x", "INSTANCE", "VI_1", "CONFLICT", "100", "two masters", "more"]));
        assert!(!vrrp(&["/notify"]));
        assert!(!vrrp(&["/check"]), "the other worker's");
        assert!(!vrrp(&[]));
        assert!(settings.permits(WorkerKind::Check, &script(&["/check"])));
        let as_root = Script { identity: None, ..script(&["/check"]) };
        assert!(!settings.permits(WorkerKind::Check, &as_root), "as somebody else");
        assert!(!settings.permits(WorkerKind::Runner, &script(&["/check"])));
    }
}
