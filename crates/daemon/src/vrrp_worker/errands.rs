//! What the `vrrp` worker has others do: track scripts, track files and processes, notifications.
//!
//! It hands on and never waits: a runner that is slow, or gone, changes nothing about advertisements.

use super::notify::VrrpNotifier;
use crate::runner_client::{Answer, RunnerClient};
use standfast_api::Conflict;
use standfast_api::runner::{RequestId, WatchedProcess};
use standfast_model::Ended;
use standfast_model::config::track::{FileId, ProcessId, ScriptId, TrackScript};
use standfast_model::config::{Global, VrrpConfig};
use standfast_node::{Input, Record};
use standfast_vrrp::Router;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use tracing::{debug, info, warn};

/// See the module.
#[derive(Debug)]
pub(super) struct Errands {
    runner: RunnerClient,
    scripts: Vec<TrackScript>,
    /// Which script an answer is about. A reload may have removed it, or have moved it to another place.
    under_way: BTreeMap<RequestId, TrackScript>,
    /// How each script ended the last time.
    last: BTreeMap<String, Ended>,
    notifier: VrrpNotifier,
}

impl Errands {
    /// For this configuration; what it tracks is watched from now on.
    pub(super) fn new(global: &Global, config: &VrrpConfig) -> Self {
        let mut errands = Self {
            runner: RunnerClient::new(),
            scripts: Vec::new(),
            under_way: BTreeMap::new(),
            last: BTreeMap::new(),
            notifier: VrrpNotifier::new(global, config),
        };
        errands.watch(config);
        errands
    }

    /// The configuration has changed.
    pub(super) fn reload(&mut self, global: &Global, config: &VrrpConfig) {
        self.notifier.reload(global, config, &mut self.runner);
        self.watch(config);
    }

    fn watch(&mut self, config: &VrrpConfig) {
        self.scripts.clone_from(&config.common.scripts);
        self.last.retain(|name, _| config.common.scripts.iter().any(|script| script.name == *name));
        let processes = config.common.processes.iter().map(WatchedProcess::from).collect();
        self.runner.watch(config.common.files.clone(), processes);
    }

    /// Goes on with this runner.
    pub(super) fn connect(&mut self, way: OwnedFd) {
        self.runner.connect(way);
    }

    /// Has a track script run.
    pub(super) fn run_script(&mut self, id: ScriptId) {
        let Some(script) = usize::try_from(id.0).ok().and_then(|place| self.scripts.get(place)) else { return };
        let request = self.runner.run(script.script.clone(), script.timeout);
        self.under_way.insert(request, script.clone());
    }

    /// A script has a result: an instance that nobody knew to be in FAULT may stay there because of it.
    pub(super) fn look_at_faults(&mut self, router: &Router) {
        self.notifier.look_at_faults(router, &mut self.runner);
    }

    /// Tells those who want to be notified of it.
    pub(super) fn notify(&mut self, record: &Record) {
        self.notifier.record(record, &mut self.runner);
    }

    /// Tells those who want to be notified of conflicts of one that is found, or over.
    pub(super) fn conflict(&mut self, conflict: &Conflict) {
        self.notifier.conflict(conflict, &mut self.runner);
    }

    /// Waits for something that the router must know. Cancel-safe.
    pub(super) async fn next(&mut self) -> Input<'static> {
        loop {
            match self.runner.next().await {
                Answer::Ended(outcome) => {
                    let Some(script) = self.under_way.remove(&outcome.id) else { continue };
                    let Some(place) = self.scripts.iter().position(|known| known.name == script.name) else { continue };
                    self.say(&script.name, &outcome.ended, &outcome.output);
                    let script = ScriptId(u32::try_from(place).unwrap_or(u32::MAX));
                    return Input::ScriptEnded { script, outcome: outcome.ended };
                }
                Answer::File { index, value } => return Input::FileRead { file: FileId(index), value },
                Answer::Processes { index, count } => {
                    return Input::ProcessCount { process: ProcessId(index), count };
                }
            }
        }
    }

    /// How a script ended is worth a line when it ended otherwise the last time; what it said belongs to it.
    fn say(&mut self, name: &str, ended: &Ended, output: &str) {
        let output = output.trim();
        let said = if output.is_empty() { String::new() } else { format!(", and said: {}", output.escape_debug()) };
        if self.last.insert(name.to_owned(), ended.clone()).as_ref() == Some(ended) {
            debug!(script = name, output, "VRRP_Script({name}) {ended}{said}");
        } else if ended.is_good() {
            info!(script = name, output, "VRRP_Script({name}) succeeded{said}");
        } else {
            warn!(script = name, output, "VRRP_Script({name}) {ended}{said}");
        }
    }

    /// The worker is about to end: what was to be notified is on its way when this returns, half a second later at most.
    pub(super) async fn last_words(&mut self) {
        self.runner.last_words().await;
    }
}
