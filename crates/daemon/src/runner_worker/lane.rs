//! Notifications in order: what is told of one subject is told one after another, subjects beside each other.
//!
//! A script that does not end holds its subject up for a while and not for ever: some start a program that stays. It is
//! never killed for that, as in keepalived. The last state of a subject is always told.

use super::job::{launch, shown};
use super::program::Policy;
use core::time::Duration;
use rustix::process::Signal;
use standfast_api::runner::{Notification, RequestId};
use standfast_kernel::process::script::Process;
use standfast_model::config::script::Script;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

/// How long the next notification of a subject waits for the scripts of the last: longer than a service takes to
/// restart, and short against the time that a director stays in a state.
const PATIENCE: Duration = Duration::from_secs(10);

/// Notifications of one subject that wait. Of more the oldest are left out, never the last.
const MOST_WAITING: usize = 64;

/// A notification that needs no further care.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    pub(super) id: RequestId,
    subject: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lanes {
    /// A subject is here while one of its notifications is being told.
    waiting: BTreeMap<String, VecDeque<(Notification, Policy)>>,
    running: JoinSet<Told>,
    left_out: VecDeque<RequestId>,
    notifiers: Arc<Semaphore>,
    patience: Duration,
    /// Its end tells processes that were waited for no longer to end.
    stop: watch::Sender<()>,
}

impl Lanes {
    pub(super) fn new(notifiers: Arc<Semaphore>) -> Self {
        Self {
            waiting: BTreeMap::new(),
            running: JoinSet::new(),
            left_out: VecDeque::new(),
            notifiers,
            patience: PATIENCE,
            stop: watch::Sender::new(()),
        }
    }

    /// Whether everything is told.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.left_out.is_empty()
    }

    /// Tells it when its turn comes. The turn comes in [`Self::next`].
    pub(super) fn push(&mut self, notification: Notification, policy: Policy) {
        if notification.scripts.is_empty() {
            self.left_out.push_back(notification.id);
            return;
        }
        let Some(waiting) = self.waiting.get_mut(&notification.subject) else {
            self.waiting.insert(notification.subject.clone(), VecDeque::new());
            self.start(notification, policy);
            return;
        };
        waiting.push_back((notification, policy));
        if waiting.len() > MOST_WAITING
            && let Some((oldest, _)) = waiting.pop_front()
        {
            warn!("scripts of {} do not keep up: one notification is left out", oldest.subject);
            self.left_out.push_back(oldest.id);
        }
    }

    fn start(&mut self, notification: Notification, policy: Policy) {
        let Notification { id, subject, scripts, .. } = notification;
        let started: Vec<Started> = scripts.iter().filter_map(|script| self.launch(&subject, script, policy)).collect();
        let patience = self.patience;
        self.running.spawn(async move {
            let patience = tokio::time::sleep(patience);
            tokio::pin!(patience);
            for mut one in started {
                tokio::select! {
                    () = one.end(&subject) => {}
                    () = &mut patience => {
                        warn!("{} of {subject} still runs: what comes next no longer waits for it", one.name);
                        tokio::spawn(async move { one.end("an earlier notification").await });
                    }
                }
            }
            Told { id, subject: Some(subject) }
        });
    }

    fn launch(&self, subject: &str, script: &Script, policy: Policy) -> Option<Started> {
        let name = shown(script);
        let Ok(permit) = Arc::clone(&self.notifiers).try_acquire_owned() else {
            error!("{name} of {subject} is not run: too many notify scripts have not ended");
            return None;
        };
        match launch(script, policy, None) {
            Ok(process) => Some(Started { name, process, stop: self.stop.subscribe(), _permit: permit }),
            Err(why) => {
                error!("{name} of {subject} cannot be run: {why}");
                None
            }
        }
    }

    /// Waits until a notification needs no further care. For ever if there is none. Cancel-safe.
    pub(super) async fn next(&mut self) -> Told {
        if let Some(id) = self.left_out.pop_front() {
            return Told { id, subject: None };
        }
        loop {
            match self.running.join_next().await {
                None => return core::future::pending().await,
                Some(Ok(told)) => {
                    self.go_on(told.subject.as_deref());
                    return told;
                }
                Some(Err(broken)) => error!("a notification was lost: {broken}"),
            }
        }
    }

    fn go_on(&mut self, subject: Option<&str>) {
        let Some(subject) = subject else { return };
        match self.waiting.get_mut(subject).and_then(VecDeque::pop_front) {
            Some((notification, policy)) => self.start(notification, policy),
            None => {
                self.waiting.remove(subject);
            }
        }
    }
}

/// A script of a notification.
#[derive(Debug)]
struct Started {
    name: String,
    process: Process,
    stop: watch::Receiver<()>,
    _permit: OwnedSemaphorePermit,
}

impl Started {
    /// Waits for its end and says how it was; when the runner stops it is told to end and waited for no longer.
    async fn end(&mut self, subject: &str) {
        tokio::select! {
            biased;
            _ = self.process.ended() => {}
            // It alone, as when keepalived dies: what it has started may be meant to stay.
            _ = self.stop.changed() => return self.process.signal(Signal::TERM),
        }
        match self.process.reap() {
            Ok(Some(status)) if status.success() => {}
            Ok(Some(status)) => info!("{} of {subject} ended with {status}", self.name),
            Ok(None) => {}
            Err(error) => warn!("the end of {} of {subject} was not seen: {error}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(id: u64, subject: &str, command: &str) -> Notification {
        let words = ["/bin/sh", "-c", command].map(|word| word.as_bytes().to_vec()).to_vec();
        let scripts = vec![Script { words, identity: None }];
        Notification { id: RequestId(id), subject: subject.to_owned(), scripts, line: None, mail: None }
    }

    async fn told(lanes: &mut Lanes) -> u64 {
        tokio::time::timeout(Duration::from_secs(20), lanes.next()).await.unwrap().id.0
    }

    fn lanes(notifiers: usize) -> Lanes {
        Lanes::new(Arc::new(Semaphore::new(notifiers)))
    }

    #[tokio::test]
    async fn one_subject_is_told_in_order_and_does_not_hold_up_another() {
        let mut lanes = lanes(10);
        lanes.push(notification(1, "a", "sleep 0.3"), Policy::default());
        lanes.push(notification(2, "a", "true"), Policy::default());
        lanes.push(notification(3, "b", "true"), Policy::default());
        assert!(!lanes.is_idle());
        assert_eq!([told(&mut lanes).await, told(&mut lanes).await, told(&mut lanes).await], [3, 1, 2]);
        assert!(lanes.is_idle() && lanes.waiting.is_empty());
    }

    #[tokio::test]
    async fn of_too_many_the_oldest_that_wait_are_left_out_and_the_last_is_told() {
        let mut lanes = lanes(10);
        let last = u64::try_from(MOST_WAITING).unwrap() + 3;
        lanes.push(notification(1, "a", "sleep 0.2"), Policy::default());
        for id in 2..=last {
            lanes.push(notification(id, "a", "true"), Policy::default());
        }
        assert_eq!([told(&mut lanes).await, told(&mut lanes).await], [2, 3], "left out");
        let mut rest = Vec::new();
        while !lanes.is_idle() {
            rest.push(told(&mut lanes).await);
        }
        let expected: Vec<u64> = core::iter::once(1).chain(4..=last).collect();
        assert_eq!(rest, expected);
    }

    #[tokio::test]
    async fn a_script_that_stays_holds_its_subject_up_for_a_while_and_is_not_killed_before_the_end() {
        let mut lanes = Lanes { patience: Duration::from_millis(100), ..lanes(10) };
        lanes.push(notification(1, "a", "exec sleep 1000"), Policy::default());
        lanes.push(notification(2, "a", "true"), Policy::default());
        assert_eq!([told(&mut lanes).await, told(&mut lanes).await], [1, 2]);
        assert_eq!(lanes.notifiers.available_permits(), 9, "it runs on");
        let notifiers = Arc::clone(&lanes.notifiers);
        drop(lanes);
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if notifiers.available_permits() == 10 {
                return;
            }
        }
        panic!("it was not told to end when the runner stopped");
    }

    #[tokio::test]
    async fn what_cannot_be_run_or_is_one_too_many_is_told_all_the_same() {
        let mut lanes = lanes(1);
        lanes.push(notification(1, "a", "sleep 0.2"), Policy::default());
        lanes.push(notification(2, "b", "true"), Policy::default());
        assert_eq!(told(&mut lanes).await, 2, "no process was left for it");
        assert_eq!(told(&mut lanes).await, 1);
        let mut missing = notification(3, "a", "");
        missing.scripts[0].words = vec![b"/no/such/program".to_vec()];
        lanes.push(missing, Policy::default());
        assert_eq!(told(&mut lanes).await, 3);
    }
}
