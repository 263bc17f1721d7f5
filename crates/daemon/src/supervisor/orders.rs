//! What operators order, as it reaches the supervisor through the front.

use super::publisher::Asker;
use super::worker::Worker;
use super::{Supervisor, reload};
use crate::dump::{self, Dump};
use crate::signals::Received;
use crate::{agentx_socket, log};
use standfast_api::control::{Files, LogLevel, Order};
use standfast_api::{DaemonStatus, FromFront, FromWorker, Snapshot, Status, ToWorker, VrrpStatus, WorkerKind};
use standfast_kernel::timer::{boottime, wall_clock};
use tracing::info;

impl Supervisor {
    /// Takes in what the workers have said, and tells the front.
    pub(super) fn publish(&mut self) {
        let now = boottime();
        for index in 0..self.workers.len() {
            let Some(worker) = self.workers.get_mut(index) else { continue };
            let kind = worker.kind();
            if worker.take_changed() {
                // One that has died has told nothing.
                self.publisher.services_changed();
            }
            if worker.take_reported() {
                self.publisher.reported(kind);
                // That of the virtual servers may be some megabytes.
                if kind == WorkerKind::Check {
                    self.tidiness.disturb(now);
                }
            }
            for message in worker.take_heard() {
                self.heard(kind, message);
            }
        }
        self.finish_plans();
        for event in log::take_told() {
            self.publisher.event(event);
        }
        let front = self.workers.iter().find(|worker| worker.kind() == WorkerKind::Front && worker.is_ready());
        let mut publisher = core::mem::replace(&mut self.publisher, super::Publisher::new());
        let dumps = publisher.publish(now, front, |services| self.snapshot_with(services));
        self.publisher = publisher;
        for (dump, order) in dumps {
            let snapshot = self.snapshot();
            dump::write(dump, &self.config, &snapshot);
            if dump == (Dump::Stats { clear: true }) {
                self.cleared = self.status_of_vrrp().cloned();
                self.publisher.touch();
            }
            if let Some(number) = order {
                self.publisher.answer(number, Ok(String::new()));
                let front = self.workers.iter().find(|worker| worker.kind() == WorkerKind::Front && worker.is_ready());
                self.publisher.flush(now, front);
            }
        }
    }

    /// Writes files as soon as the workers have said how things are.
    pub(super) fn dump(&mut self, received: &Received, dump: Dump) {
        info!("{received}: {}", received.request.words());
        self.ask_workers(Asker::Signal(dump));
    }

    pub(super) fn ask_workers(&mut self, asker: Asker) {
        let asked = self.workers.iter().filter(|worker| worker.ask_for_report()).map(Worker::kind);
        self.publisher.refresh(asker, boottime(), asked.collect());
    }

    fn heard(&mut self, kind: WorkerKind, message: FromWorker) {
        match (kind, message) {
            (_, FromWorker::Event(event)) => self.publisher.event(event),
            (_, FromWorker::Events(events)) => events.into_iter().for_each(|event| self.publisher.event(event)),
            (_, FromWorker::Answer { number, outcome }) => self.publisher.answer(number, outcome),
            (_, FromWorker::Planned { number, outcome }) => self.planned(kind, number, outcome),
            (WorkerKind::Front, FromWorker::Front(FromFront::Refresh { number })) => {
                self.ask_workers(Asker::Client(number));
            }
            (WorkerKind::Front, FromWorker::Front(FromFront::Agent { number })) => {
                let outcome = self.connect_to_agent();
                self.publisher.answer(number, outcome);
            }
            (WorkerKind::Front, FromWorker::Front(FromFront::Order { number, uid, order })) => {
                self.order(number, uid, order);
            }
            (WorkerKind::Front, FromWorker::Front(FromFront::Conflict { number, conflict })) => {
                let vrrp = self.workers.iter().find(|worker| worker.kind() == WorkerKind::Vrrp);
                let told = vrrp.is_some_and(|vrrp| vrrp.tell(&ToWorker::Conflict(conflict)));
                let outcome =
                    if told { Ok(String::new()) } else { Err("no vrrp worker is there to tell it".to_owned()) };
                self.publisher.answer(number, outcome);
            }
            // The worker has dealt with these itself, or nobody but the front may say them.
            (
                _,
                FromWorker::Hello(_)
                | FromWorker::Ready
                | FromWorker::Alive
                | FromWorker::Reloaded { .. }
                | FromWorker::Status(_)
                | FromWorker::LongStatus
                | FromWorker::Bfd { .. }
                | FromWorker::Witness { .. }
                | FromWorker::Front(_),
            ) => {}
        }
    }

    /// Hands the front a connection to SNMP's master agent.
    fn connect_to_agent(&self) -> Result<String, String> {
        let socket = agentx_socket::open(self.config.global.snmp.socket.as_deref())?;
        let front = self.workers.iter().find(|worker| worker.kind() == WorkerKind::Front);
        let sent = front.is_some_and(|front| front.hand_over(&ToWorker::Agent, &socket));
        if sent { Ok(String::new()) } else { Err("there was no room for the connection".to_owned()) }
    }

    fn order(&mut self, number: u64, uid: u32, order: Order) {
        match order {
            Order::Server(order) => {
                let check = self.workers.iter().find(|worker| worker.kind() == WorkerKind::Check);
                let told = check.is_some_and(|check| check.tell(&ToWorker::Server { number, order }));
                if !told {
                    self.publisher.answer(number, Err("no check worker is there to do it".to_owned()));
                }
            }
            Order::Reload { force, confirm_within_s } => {
                let wish = reload::Wish::of_signal(format!("order of user {uid}"));
                self.reload(reload::Wish { force, confirm_within_s, number: Some(number), ..wish });
            }
            Order::Switchover(order) => {
                let vrrp = self.workers.iter().find(|worker| worker.kind() == WorkerKind::Vrrp);
                let told = vrrp.is_some_and(|vrrp| vrrp.tell(&ToWorker::Switchover { number, order }));
                if !told {
                    self.publisher.answer(number, Err("no vrrp worker is there to do it".to_owned()));
                }
            }
            Order::Announce { instance } => {
                let vrrp = self.workers.iter().find(|worker| worker.kind() == WorkerKind::Vrrp);
                let told = vrrp.is_some_and(|vrrp| vrrp.tell(&ToWorker::Announce { number, instance }));
                if !told {
                    self.publisher.answer(number, Err("no vrrp worker is there to do it".to_owned()));
                }
            }
            Order::Write(files) => {
                let dump = match files {
                    Files::Data => Dump::Data,
                    Files::Stats { clear } => Dump::Stats { clear },
                };
                info!("The files of {files} are written by order of user {uid}");
                self.ask_workers(Asker::Order(number, dump));
            }
            Order::Maintenance { on } => {
                let outcome = self.maintain(on, uid);
                self.publisher.answer(number, outcome);
            }
            Order::LogLevel(level) => {
                let detail = match level {
                    LogLevel::Info => 0,
                    LogLevel::Debug => 1,
                    LogLevel::Trace => 2,
                };
                // As it began, so that the line is there in any case.
                info!("Log level is {level} from now on, by order of user {uid}");
                log::set_detail(detail);
                self.options.log.detail = detail;
                self.workers.iter_mut().for_each(|worker| worker.set_log_detail(detail));
                self.publisher.answer(number, Ok(String::new()));
            }
            Order::Adjust(adjustments) => self.adjust(number, &adjustments),
            Order::Plan { file } => self.begin_plan(number, file),
            Order::Upgrade { force } => self.begin_upgrade(number, uid, force),
            Order::Confirm => {
                let outcome = match self.unconfirmed.take() {
                    Some(_) => {
                        info!("Configuration {} is confirmed by user {uid}", self.generation);
                        Ok(format!("configuration {} stays", self.generation))
                    }
                    None => Err("there is nothing to confirm".to_owned()),
                };
                self.publisher.touch();
                self.publisher.answer(number, outcome);
            }
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.snapshot_with(true)
    }

    /// Without the virtual servers, if they are not wanted: they are copied.
    fn snapshot_with(&self, services: bool) -> Snapshot {
        let daemon = DaemonStatus {
            at: boottime(),
            unix: wall_clock(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.started,
            configuration: self.options.configuration.display().to_string(),
            generation: self.generation,
            in_force_since: self.in_force_since,
            reload_refused: self.refused.clone(),
            reloading: self.reloading.is_some(),
            confirm_until: self.unconfirmed.as_ref().map(|unconfirmed| unconfirmed.until),
            workers: self.workers.iter().map(Worker::describe).collect(),
        };
        let vrrp = self.status_of_vrrp().cloned().map(|mut vrrp| {
            for instance in &mut vrrp.instances {
                self.config.explain(instance);
                let before = self.cleared.iter().flat_map(|cleared| &cleared.instances);
                if let Some(before) = before.into_iter().find(|before| before.name == instance.name) {
                    instance.counters = instance.counters.since(&before.counters);
                }
            }
            vrrp
        });
        let status = |kind| self.workers.iter().find(|worker| worker.kind() == kind).and_then(Worker::status);
        let check = match status(WorkerKind::Check) {
            Some(Status::Check(check)) if services => Some(check.status.clone()),
            Some(Status::Check(_) | Status::Vrrp(_) | Status::Bfd(_)) | None => None,
        };
        Snapshot { daemon, vrrp, check, peers: Vec::new() }
    }

    fn status_of_vrrp(&self) -> Option<&VrrpStatus> {
        match self.workers.iter().find(|worker| worker.kind() == WorkerKind::Vrrp).and_then(Worker::status) {
            Some(Status::Vrrp(vrrp)) => Some(vrrp),
            Some(Status::Check(_) | Status::Bfd(_)) | None => None,
        }
    }
}
