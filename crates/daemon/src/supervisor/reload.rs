//! A reload, from the signal to the answer of the last worker.
//!
//! The whole new configuration is read and judged first; what is refused changes nothing. Then every worker gets its new
//! slice, and what is newly needed or needed no more starts or stops. A worker that cannot take its slice takes the
//! reload with it: the configuration before it is put back everywhere.

use super::adjust::Adjusted;
use super::kept::Kept;
use super::publisher::Asker;
use super::timetable::Timetable;
use super::worker::Worker;
use super::{Supervisor, check_slice, kinds_to_run, missing_capabilities, plan, slice_of};
use crate::configuration;
use crate::dump::{self, Dump, Moment};
use crate::journal::EventName;
use core::time::Duration;
use standfast_api::{Generation, WorkerKind};
use standfast_kernel::timer::boottime;
use standfast_model::{Config, Instant, Secret};
use std::path::{Path, PathBuf};
use tracing::{error, info, warn};

/// A reload that somebody wants.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// Who, in words.
    pub(super) why: String,
    /// Also if statements of the file are ignored.
    pub(super) force: bool,
    /// Put the old configuration back after so many seconds, unless it is confirmed.
    pub(super) confirm_within_s: Option<u32>,
    /// The number of the order that waits for an answer.
    pub(super) number: Option<u64>,
    /// Nobody has read the file: some values were set over SNMP.
    pub(super) adjusts: bool,
}

impl Wish {
    pub(super) fn of_signal(why: String) -> Self {
        Self { why, ..Self::default() }
    }
}

/// What is put back unless the new configuration is confirmed. A further reload is a new decision and confirms it.
#[derive(Debug)]
pub(super) struct Unconfirmed {
    pub(super) until: Instant,
    before: Kept,
}

/// A reload under way.
#[derive(Debug)]
pub(super) struct Reloading {
    begun: Instant,
    /// What is to be in force at its end.
    config: Config,
    wish: Wish,
    /// What stood against the new configuration: the one before it is being put back.
    undoing: Option<String>,
    /// In what it is otherwise than its file.
    adjusted: Vec<Adjusted>,
    /// `reload_file`: there from the first to the last moment.
    marker: Option<Marker>,
}

impl Supervisor {
    /// Reads the configuration again.
    pub(super) fn reload(&mut self, wish: Wish) {
        if self.stopping.is_some() {
            info!("{}: no reload while stopping", wish.why);
            self.answer(&wish, Err("the daemon is stopping".to_owned()));
            return;
        }
        if self.reloading.is_some() {
            info!("{}: a reload is under way, one more will follow", wish.why);
            if let Some(other) = self.reload_again.replace(wish) {
                self.answer(&other, Err("another reload came in between".to_owned()));
            }
            return;
        }
        info!("Reloading: {}", wish.why);
        self.publisher.touch();
        self.service_manager.reloading();
        let marker = marker_path(self).and_then(|path| Marker::set(&path));
        let begun = boottime();
        let read = configuration::reload(&self.options, &self.config.global.reload, wish.force);
        match read.and_then(|config| self.apply(&config).map(|()| config)) {
            Ok(config) => {
                self.workers.iter_mut().for_each(Worker::forgive);
                // Nobody has said anything since, so it is how things were before.
                configuration::save(&self.options, self.reloads(), &config);
                if config.global.config_save_dir.is_some() {
                    dump::save_data(Moment::Pre, self.reloads(), &config, &self.snapshot());
                }
                self.reloading = Some(Reloading { begun, config, wish, undoing: None, adjusted: Vec::new(), marker });
            }
            Err(why) => self.reload_refused(why, &wish),
        }
    }

    /// Looks whether every worker has answered and what is retired has gone; if so, the reload is over.
    pub(super) fn settle_reload(&mut self) {
        for gone in self.workers.extract_if(.., |worker| worker.is_retired() && !worker.is_running()) {
            gone.remove_pid_file();
            self.publisher.services_changed();
        }
        let Some(reloading) = &self.reloading else { return };
        let refusal = self.workers.iter_mut().find_map(Worker::take_refusal);
        if let (Some(why), None) = (&refusal, &reloading.undoing) {
            return self.undo(why.clone());
        }
        if self.stopping.is_none() && self.workers.iter().any(|worker| worker.owes_answer() || worker.is_retired()) {
            return;
        }
        let Some(Reloading { begun, config, wish, undoing, adjusted, marker }) = self.reloading.take() else { return };
        drop(marker);
        let kept = Kept::new(config, check_slice(&self.workers)).with(adjusted);
        let before = core::mem::replace(&mut self.config, kept);
        if self.config.global.config_save_dir.is_some() {
            self.ask_workers(Asker::Signal(Dump::Saved { number: self.reloads() }));
        }
        self.publisher.touch();
        match undoing {
            None if wish.adjusts => {
                // What is not confirmed stays so, and a file that was refused was.
                info!("What was set over SNMP is in force in configuration {}", self.generation);
                self.answer(&wish, Ok(String::new()));
                self.reload_over();
            }
            None => {
                let took = boottime().since(begun).as_millis();
                let event = EventName::Reloaded.name();
                info!(event, "Reload finished in {took} ms, configuration {} is in force", self.generation);
                self.refused = None;
                self.in_force_since = boottime();
                self.timetable = Timetable::new(&self.config.global.reload);
                self.unconfirmed = wish
                    .confirm_within_s
                    .map(|seconds| Unconfirmed { until: boottime() + Duration::from_secs(seconds.into()), before });
                self.answer(&wish, Ok(format!("configuration {} is in force", self.generation)));
                self.reload_over();
            }
            Some(why) => self.reload_refused(why, &wish),
        }
    }

    /// How many reloads were begun, the one under way among them.
    const fn reloads(&self) -> u32 {
        self.generation.0.wrapping_sub(Generation::FIRST.0)
    }

    /// Puts the configuration back that was in force before.
    fn undo(&mut self, why: String) {
        warn!("Reload is undone: {why}");
        let before = match self.config.whole() {
            Ok(before) => before,
            Err(error) => {
                error!("the configuration before the reload cannot be put back: {error}");
                if let Some(reloading) = &mut self.reloading {
                    reloading.undoing = Some(why);
                }
                return;
            }
        };
        if let Err(error) = self.apply(&before) {
            error!("the configuration before the reload cannot be put back everywhere: {error}");
        }
        if let Some(reloading) = &mut self.reloading {
            reloading.config = before;
            reloading.adjusted = self.config.adjusted().to_vec();
            reloading.undoing = Some(why);
        }
    }

    /// The time for confirming the last reload is over: what was before comes back.
    pub(super) fn take_back_unconfirmed(&mut self, now: Instant) {
        if self.stopping.is_some() || self.reloading.is_some() {
            return;
        }
        let Some(Unconfirmed { before, .. }) = self.unconfirmed.take_if(|unconfirmed| unconfirmed.until <= now) else {
            return;
        };
        warn!("Configuration {} was not confirmed, the one before it comes back", self.generation);
        self.service_manager.reloading();
        let wish = Wish::of_signal("not confirmed".to_owned());
        match before.whole().and_then(|before| self.apply(&before).map(|()| before)) {
            Ok(config) => {
                let adjusted = before.adjusted().to_vec();
                self.reloading = Some(Reloading { begun: now, config, wish, undoing: None, adjusted, marker: None });
            }
            Err(why) => self.reload_refused(why, &wish),
        }
    }

    /// Hands over a configuration that nobody has read from the file: some values are set over SNMP.
    ///
    /// # Errors
    ///
    /// Nothing has changed then.
    pub(super) fn begin_adjusting(
        &mut self,
        config: Config,
        adjusted: Vec<Adjusted>,
        wish: Wish,
    ) -> Result<(), String> {
        self.apply(&config)?;
        self.service_manager.reloading();
        self.publisher.touch();
        self.reloading = Some(Reloading { begun: boottime(), config, wish, undoing: None, adjusted, marker: None });
        Ok(())
    }

    /// The time has come that `reload_time_file` names.
    pub(super) fn reload_by_timetable(&mut self) {
        if self.stopping.is_none() && self.timetable.as_mut().is_some_and(Timetable::take_due) {
            self.reload(Wish::of_signal("reload_time_file".to_owned()));
        }
    }

    fn answer(&mut self, wish: &Wish, outcome: Result<String, String>) {
        if let Some(number) = wish.number {
            self.publisher.answer(number, outcome);
        }
    }

    fn reload_refused(&mut self, why: String, wish: &Wish) {
        if wish.adjusts {
            warn!("What was set over SNMP is taken back: {why}");
            self.answer(wish, Err(why));
            self.publisher.touch();
            return self.reload_over();
        }
        let event = EventName::ReloadRefused.name();
        error!(event, "Reload refused, the running configuration stays: {why}");
        self.answer(wish, Err(why.clone()));
        self.publisher.touch();
        self.refused = Some(why);
        self.reload_over();
    }

    fn reload_over(&mut self) {
        self.tidiness.disturb(boottime());
        self.service_manager.reloaded();
        if let Some(wish) = self.reload_again.take() {
            self.reload(wish);
        }
    }

    /// Brings the workers in line with a configuration. An error has changed nothing.
    fn apply(&mut self, config: &Config) -> Result<(), String> {
        unchangeable(&self.config, config)?;
        let kinds = kinds_to_run(&self.options, config);
        let missing = missing_capabilities(&kinds).map_err(|error| error.to_string())?;
        if !missing.is_empty() {
            return Err(format!("{} needed", missing.join(" and ")));
        }
        let mut slices = Vec::new();
        let mut newcomers = Vec::new();
        for kind in kinds.iter().copied() {
            if self.workers.iter().any(|worker| worker.kind() == kind && !worker.is_retired()) {
                slices.push((kind, slice_of(kind, config).map_err(|error| error.to_string())?));
            } else {
                let plan = plan(kind, &self.options, config).map_err(|error| error.to_string())?;
                newcomers.push(Worker::new(plan).map_err(|error| error.to_string())?);
            }
        }
        self.generation = self.generation.next();
        for worker in self.workers.iter_mut().filter(|worker| !kinds.contains(&worker.kind())) {
            info!("{} worker is not needed any more", worker.kind());
            worker.retire(self.config.global.child_wait_time);
        }
        for front in self.workers.iter_mut().filter(|worker| worker.kind() == WorkerKind::Front) {
            front.listen_by(config);
        }
        self.hand_over(&slices);
        for mut worker in newcomers {
            worker.expect_start(self.generation);
            worker.start(&self.binary);
            self.workers.push(worker);
        }
        Ok(())
    }

    fn hand_over(&mut self, slices: &[(WorkerKind, Secret)]) {
        let generation: Generation = self.generation;
        for (kind, slice) in slices {
            let worker = self.workers.iter_mut().find(|worker| worker.kind() == *kind && !worker.is_retired());
            if let Some(worker) = worker
                && let Err(error) = worker.reload(generation, slice.octets())
            {
                worker.refuse(&error.to_string());
            }
        }
    }
}

/// What only a restart can change, as with keepalived.
pub(super) fn unchangeable(old: &Config, new: &Config) -> Result<(), String> {
    let (old, new) = (&old.global, &new.global);
    let changed = [
        ("net_namespace", old.net_namespace != new.net_namespace),
        ("net_namespace_ipvs", old.net_namespace_ipvs != new.net_namespace_ipvs),
        ("instance", old.instance != new.instance),
        ("use_pid_dir", old.use_pid_dir != new.use_pid_dir),
    ];
    match changed.into_iter().find(|(_, changed)| *changed) {
        Some((keyword, _)) => Err(format!("{keyword} cannot be changed by a reload, only by a restart")),
        None => Ok(()),
    }
}

/// Where `reload_file` is; bare, it is the pid file's name with `.reload`.
fn marker_path(supervisor: &Supervisor) -> Option<PathBuf> {
    let file = supervisor.config.global.reload.file.as_deref()?;
    let pid_file = crate::pid_files::main_path(&supervisor.options.pid_files);
    Some(if file.is_empty() { pid_file.with_extension("reload") } else { Path::new(file).to_owned() })
}

/// A file that exists while a reload is under way.
#[derive(Debug)]
struct Marker {
    path: PathBuf,
}

impl Marker {
    /// Creates it; a file that is there already was left by a daemon that was killed. A link is not followed.
    fn set(path: &Path) -> Option<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).mode(0o644).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        match options.open(path) {
            Ok(_) => Some(Self { path: path.to_owned() }),
            Err(error) => {
                warn!("cannot create {}: {error}", path.display());
                None
            }
        }
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}
