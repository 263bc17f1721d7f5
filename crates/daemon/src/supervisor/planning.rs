//! What would a reload do? The configurations are compared here; the workers are asked for the rest, each about its own
//! slice, and nothing is changed anywhere.

use super::worker::Worker;
use super::{Supervisor, kinds_to_run, reload, slice_of};
use crate::{configuration, plan};
use core::time::Duration;
use standfast_api::WorkerKind;
use standfast_api::plan::{Part, Plan, clip};
use standfast_kernel::timer::boottime;
use standfast_model::{Config, Instant};
use std::path::PathBuf;

/// How long a worker may take to say what it would do: as for a reload, which takes as long.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Questions under way. Each costs the workers as much as a reload, so only a few people may ask at once.
const AT_ONCE: usize = 4;

/// A question that is not answered yet.
#[derive(Debug)]
pub(super) struct Planning {
    number: u64,
    pub(super) until: Instant,
    missing: Vec<WorkerKind>,
    plan: Plan,
}

impl Supervisor {
    /// Asks what a reload to the file, or to the daemon's own, would do.
    pub(super) fn begin_plan(&mut self, number: u64, file: Option<String>) {
        if self.plannings.len() >= AT_ONCE || self.reloading.is_some() {
            return self.publisher.answer(number, Err("busy: try again in a moment".to_owned()));
        }
        match self.try_plan(number, file) {
            Ok(planning) => self.plannings.push(planning),
            Err(why) => self.publisher.answer(number, Err(format!("a reload would be refused: {why}"))),
        }
        self.finish_plans();
    }

    fn try_plan(&self, number: u64, file: Option<String>) -> Result<Planning, String> {
        let mut options = self.options.clone();
        if let Some(file) = file {
            options.configuration = PathBuf::from(file);
        }
        let new = configuration::plan(&options)?;
        reload::unchangeable(&self.config, &new)?;
        let mut plan = Plan { configuration: clip(plan::differences(&self.config.whole()?, &new)), ..Plan::default() };
        let until = boottime() + ANSWER_WITHIN;
        if plan.configuration.is_empty() {
            return Ok(Planning { number, until, missing: Vec::new(), plan });
        }
        let kinds = kinds_to_run(&self.options, &new);
        let mut missing = Vec::new();
        for kind in WorkerKind::ALL {
            let worker = self.workers.iter().find(|worker| worker.kind() == kind && !worker.is_retired());
            match (worker, kinds.contains(&kind)) {
                (Some(worker), stays) => {
                    if !stays {
                        plan.operations.push(format!("stop the {kind} worker"));
                    }
                    // One that goes gives up all it has, as it would for an empty configuration.
                    let config = if stays { &new } else { &Config { global: new.global.clone(), ..Config::default() } };
                    missing.extend(self.ask_worker(worker, number, config)?);
                }
                (None, true) => plan.operations.push(format!("start the {kind} worker")),
                (None, false) => {}
            }
        }
        Ok(Planning { number, until, missing, plan })
    }

    /// Asks it, if it has anything to do with the kernel.
    fn ask_worker(&self, worker: &Worker, number: u64, config: &Config) -> Result<Option<WorkerKind>, String> {
        match worker.kind() {
            WorkerKind::Vrrp | WorkerKind::Check => {}
            WorkerKind::Runner | WorkerKind::Bfd | WorkerKind::Front => return Ok(None),
        }
        let slice = slice_of(worker.kind(), config).map_err(|error| error.to_string())?;
        if worker.ask_for_plan(number, slice.octets()) {
            Ok(Some(worker.kind()))
        } else {
            Err(format!("the {} worker does not run", worker.kind()))
        }
    }

    /// A worker has said what it would do.
    pub(super) fn planned(&mut self, kind: WorkerKind, number: u64, outcome: Result<Part, String>) {
        let Some(place) = self.plannings.iter().position(|planning| planning.number == number) else { return };
        match (outcome, self.plannings.get_mut(place)) {
            (Ok(part), Some(planning)) => {
                planning.missing.retain(|missing| *missing != kind);
                planning.plan.add(part);
            }
            (Err(why), Some(_)) => {
                self.plannings.remove(place);
                self.publisher.answer(number, Err(format!("{kind} worker: {why}")));
            }
            (_, None) => {}
        }
        self.finish_plans();
    }

    /// Answers what is complete, and what waits no longer.
    pub(super) fn finish_plans(&mut self) {
        let now = boottime();
        for planning in core::mem::take(&mut self.plannings) {
            if planning.missing.is_empty() {
                let plan = serde_json::to_string(&planning.plan).map_err(|error| error.to_string());
                self.publisher.answer(planning.number, plan);
            } else if planning.until <= now {
                let kinds: Vec<&str> = planning.missing.iter().map(|kind| kind.name()).collect();
                let why = format!("no answer from the {} worker", kinds.join(" and the "));
                self.publisher.answer(planning.number, Err(why));
            } else {
                self.plannings.push(planning);
            }
        }
    }
}
