//! `standfast upgrade`: the program that is in the daemon's place on the disk takes over in the same process.
//!
//! It is asked first whether it can: only a program that says that it is a standfastd which takes over in our form, and
//! that reads the configuration, is executed. It finds the workers as they are, kills one after the other and starts its
//! own, which adopt what they held: nobody on the network notices more than of a crash. Until then nothing has changed, and
//! the order is answered with what stands against it.

use super::worker::{Verdict, Worker};
use super::{Supervisor, reload};
use crate::configuration;
use crate::journal::EventName;
use crate::pid_files;
use crate::succession::judge::{question, release_of};
use crate::succession::{Entrusted, Inheritance, Legacy, pack};
use core::time::Duration;
use standfast_api::{Generation, WorkerKind};
use standfast_kernel::process::OwnBinary;
use standfast_kernel::timer::boottime;
use standfast_model::Instant;
use std::collections::BTreeMap;
use std::io::{self, PipeReader, Read as _};
use std::process::Child;
use tracing::{error, info};

/// How long a program may take to say whether it can take over: it reads the configuration, of which the largest take a
/// second.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What is read of its answer: a line, or a mistake of the configuration in one.
const ANSWER_BYTES: u64 = 4096;

/// An upgrade that waits for the word of the new program.
#[derive(Debug)]
pub(super) struct Upgrading {
    number: u64,
    uid: u32,
    program: OwnBinary,
    child: Child,
    said: PipeReader,
    pub(super) until: Instant,
}

impl Supervisor {
    /// Asks what is in our place whether it can take over.
    pub(super) fn begin_upgrade(&mut self, number: u64, uid: u32, force: bool) {
        match self.try_begin(number, uid, force) {
            Ok(upgrading) => self.upgrading = Some(upgrading),
            Err(why) => self.upgrade_refused(number, &why),
        }
    }

    fn try_begin(&self, number: u64, uid: u32, force: bool) -> Result<Upgrading, String> {
        self.can_be_left()?;
        if self.upgrading.is_some() {
            return Err("another upgrade is under way".to_owned());
        }
        let program = self.binary.successor(force).map_err(|error| error.to_string())?;
        // What cannot be read by this program may be what the new one brings.
        if let Ok(new) = configuration::plan(&self.options) {
            reload::unchangeable(&self.config, &new)?;
        }
        let place = program.path().display().to_string();
        let question = question(std::env::args_os().skip(1), &self.options.configuration, force);
        let asked = io::pipe().and_then(|(said, mouth)| Ok((said, program.try_out(&question, mouth)?)));
        let (said, child) = asked.map_err(|error| format!("{place} cannot be executed: {error}"))?;
        info!("Upgrade ordered by user {uid}: {place} is asked whether it can take over");
        Ok(Upgrading { number, uid, program, child, said, until: boottime() + ANSWER_WITHIN })
    }

    /// Whether this is a moment to hand over at.
    fn can_be_left(&self) -> Result<(), String> {
        if self.stopping.is_some() {
            return Err("the daemon is stopping".to_owned());
        }
        if self.reloading.is_some() || self.unconfirmed.is_some() {
            return Err("a reload is under way or not confirmed".to_owned());
        }
        if !self.told_ready {
            return Err("the daemon is starting".to_owned());
        }
        Ok(())
    }

    /// Looks whether the new program has answered, and goes if it says that it can.
    pub(super) fn settle_upgrade(&mut self) {
        let Some(mut upgrading) = self.upgrading.take() else { return };
        let status = match upgrading.child.try_wait() {
            Ok(None) if upgrading.until > boottime() => return self.upgrading = Some(upgrading),
            Ok(None) => {
                // It is our child and not waited for, so its number is its own.
                let _ = upgrading.child.kill();
                let _ = upgrading.child.wait();
                let why = format!("it did not answer within {} s", ANSWER_WITHIN.as_secs());
                return self.upgrade_refused(upgrading.number, &why);
            }
            Ok(Some(status)) => status,
            Err(error) => return self.upgrade_refused(upgrading.number, &format!("its answer was lost: {error}")),
        };
        let answer = answer_of(&upgrading.said);
        let release = match release_of(&answer) {
            Ok(release) if status.success() => Ok(release),
            Ok(_) | Err(_) if !status.success() && !answer.trim().is_empty() => Err(answer.trim().to_owned()),
            Ok(_) => Err(format!("it ended with {status}")),
            Err(why) => Err(why),
        };
        match release.and_then(|release| self.can_be_left().map(|()| release)) {
            Ok(release) => self.be_replaced(&upgrading, &release),
            Err(why) => self.upgrade_refused(upgrading.number, &why),
        }
    }

    fn upgrade_refused(&mut self, number: u64, why: &str) {
        error!("Upgrade refused, the running program stays: {why}");
        self.publisher.answer(number, Err(why.to_owned()));
    }

    /// Hands everything over and becomes the other program. Comes back only if that failed.
    fn be_replaced(&mut self, upgrading: &Upgrading, release: &str) {
        let (own, uid) = (env!("CARGO_PKG_VERSION"), upgrading.uid);
        info!("Upgrading from {own} to {release} by order of user {uid}: the new program takes over");
        self.publisher.answer(upgrading.number, Ok(format!("{release} takes over from {own}")));
        // The order's answer, and what is to be told before.
        self.publish();
        self.service_manager.reloading();
        let words: Vec<_> = std::env::args_os().collect();
        let packed =
            self.estate().and_then(|(legacy, workers)| pack(&legacy, &workers).map_err(|error| error.to_string()));
        let why = match packed {
            Ok(channel) => upgrading.program.replace_caller(&words, channel).to_string(),
            Err(why) => why,
        };
        self.service_manager.reloaded();
        let why = format!("upgrade: {} cannot take over: {why}", upgrading.program.path().display());
        error!("{why}");
        self.refused = Some(why);
        self.publisher.touch();
    }

    fn estate(&self) -> Result<(Legacy, Vec<Entrusted>), String> {
        let files = &self.options.pid_files;
        let absolute = |path| std::path::absolute(path).map(Some).map_err(|error: io::Error| error.to_string());
        let of = |kind| pid_files::worker_path(files, kind).map_or(Ok(None), absolute);
        let workers: Result<Vec<_>, _> =
            self.workers.iter().filter_map(|worker| worker.entrust().transpose()).collect();
        let workers = workers.map_err(|error| error.to_string())?;
        let told = |verdict: &Verdict| verdict.told.iter().map(|kind| kind.name().to_owned()).collect();
        let bfd = self.bfd.values().map(|verdict| (verdict.session.clone(), verdict.up, told(verdict)));
        let legacy = Legacy {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            configuration: self.options.configuration.clone(),
            pid_files: [
                absolute(pid_files::main_path(files))?,
                of(WorkerKind::Vrrp)?,
                of(WorkerKind::Check)?,
                of(WorkerKind::Bfd)?,
            ],
            log_detail: self.options.log.detail,
            generation: self.generation.0,
            maintenance: self.workers.iter().any(Worker::is_in_maintenance),
            bfd: bfd.collect(),
            workers: workers.iter().map(|worker| worker.heir.clone()).collect(),
        };
        Ok((legacy, workers))
    }

    /// Says to whom it matters that another program has taken over.
    pub(super) fn say_upgraded(legacy: &Legacy, begun: Instant) {
        let (before, now) = (&legacy.version, env!("CARGO_PKG_VERSION"));
        let took = boottime().since(begun).as_millis();
        info!(event = EventName::Upgraded.name(), "Upgraded from {before} to {now}, workers replaced within {took} ms");
    }
}

/// What is known of BFD sessions.
pub(super) fn bfd_of(inheritance: Option<&Inheritance>) -> BTreeMap<String, Verdict> {
    let known = inheritance.into_iter().flat_map(|inheritance| &inheritance.legacy.bfd);
    let verdict = |(session, up, told): &(String, bool, Vec<String>)| {
        let told = WorkerKind::ALL.into_iter().filter(|kind| told.iter().any(|name| name == kind.name())).collect();
        (session.clone(), Verdict { session: session.clone(), up: *up, told })
    };
    known.map(verdict).collect()
}

/// The edition of the configuration: that of the predecessor was another one.
pub(super) fn generation_of(inheritance: Option<&Inheritance>) -> Generation {
    inheritance.map_or(Generation::FIRST, |inheritance| Generation(inheritance.legacy.generation).next())
}

/// What an ended program has said. What it left running may hold the pipe open: nobody waits for that.
fn answer_of(said: &PipeReader) -> String {
    let mut bytes = Vec::new();
    if rustix::io::ioctl_fionbio(said, true).is_ok() {
        // What was read before an error is there all the same.
        let _ = said.take(ANSWER_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
