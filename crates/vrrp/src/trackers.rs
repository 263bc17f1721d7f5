//! What is known of tracked scripts, files, processes, BFD sessions and virtual servers, and what an instance makes of it.
//!
//! It counts results, waits out delays and says when a script is due; it knows no instance and moves no state.

use crate::timing;
use crate::witnesses::Witnesses;
use standfast_model::config::instance::VrrpCommon;
use standfast_model::config::track::{
    BfdId, FileId, ProcessId, ScriptId, ServiceId, TrackProcess, TrackScript, Tracked, TrackedService, Tracker,
};
use standfast_model::tracking::{Known, ScriptState};
use standfast_model::{Cause, Ended, Instant};

/// What an entry of a track list asks of an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Add this to the priority.
    Weight(i32),
    /// Take no part.
    Fault(Cause),
}

/// Tracked objects by their ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trackers {
    scripts: Vec<Script>,
    files: Vec<File>,
    processes: Vec<Process>,
    sessions: Vec<Session>,
    services: Vec<Service>,
    /// Those that are asked before a takeover.
    pub(crate) witnesses: Witnesses,
    /// The earliest deadline of all.
    next: Option<Instant>,
}

/// A `vrrp_script` and its results so far.
#[derive(Clone, Debug)]
struct Script {
    config: TrackScript,
    /// When it is started next; none before the start.
    due: Option<Instant>,
    running: bool,
    /// None before the first result, unless `init_fail` says what to think until then.
    good: Option<bool>,
    /// Results in a row that contradict `good`.
    against: u32,
    last: Option<Ended>,
}

/// A `track_file` and the number in it.
#[derive(Clone, Debug)]
struct File {
    name: String,
    value: i32,
    /// It was read.
    known: bool,
}

/// A `vrrp_track_process` and how many there are.
#[derive(Clone, Debug)]
struct Process {
    config: TrackProcess,
    count: Option<u32>,
    good: bool,
    /// When `good` turns over, if nothing happens until then.
    turns: Option<Instant>,
}

/// A BFD session.
#[derive(Clone, Debug)]
struct Session {
    name: String,
    up: bool,
    told: bool,
}

/// Virtual servers under one name.
#[derive(Clone, Debug)]
struct Service {
    named: TrackedService,
    /// None: the first checks are under way.
    has_quorum: Option<bool>,
}

impl Trackers {
    /// Nothing known yet.
    pub(crate) fn new(common: &VrrpCommon) -> Self {
        Self {
            scripts: common.scripts.iter().cloned().map(Script::new).collect(),
            files: common.files.iter().map(|file| File { name: file.name.clone(), value: 0, known: false }).collect(),
            processes: common.processes.iter().cloned().map(Process::new).collect(),
            sessions: common
                .bfd_sessions
                .iter()
                .map(|name| Session { name: name.clone(), up: false, told: false })
                .collect(),
            services: common.services.iter().cloned().map(|named| Service { named, has_quorum: None }).collect(),
            witnesses: Witnesses::new(common),
            next: None,
        }
    }

    /// What is known of each.
    pub(crate) fn known(&self) -> Known {
        Known {
            scripts: self.scripts.iter().map(Script::known).collect(),
            files: self.files.iter().map(|file| file.value).collect(),
            processes: self.processes.iter().map(|process| (process.count, process.good)).collect(),
            bfd_sessions: self.sessions.iter().map(|session| session.up).collect(),
        }
    }

    /// Every script is due now.
    pub(crate) fn start(&mut self, now: Instant) {
        for script in &mut self.scripts {
            script.due.get_or_insert(now);
        }
        self.rearm();
    }

    /// When [`Self::run_due`] or [`Self::turn_due`] has something to do, or a lease ends.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [self.next, self.witnesses.next_deadline()].into_iter().flatten().min()
    }

    /// The scripts to run now. One that still runs is passed over until its next time (keepalived).
    pub(crate) fn run_due(&mut self, now: Instant) -> Vec<ScriptId> {
        let mut run = Vec::new();
        for (id, script) in (0..).map(ScriptId).zip(&mut self.scripts) {
            let Some(due) = script.due.filter(|due| *due <= now) else { continue };
            // From start to start, whenever the last one ended.
            script.due = Some(timing::next_on_grid(due, script.config.interval, now));
            if !script.running {
                script.running = true;
                run.push(id);
            }
        }
        self.rearm();
        run
    }

    /// The processes whose delay is over and that are good now and were not, or the other way round.
    pub(crate) fn turn_due(&mut self, now: Instant) -> Vec<ProcessId> {
        let mut turned = Vec::new();
        for (id, process) in (0..).map(ProcessId).zip(&mut self.processes) {
            if process.turns.is_some_and(|at| at <= now) {
                process.turns = None;
                process.good = !process.good;
                turned.push(id);
            }
        }
        self.rearm();
        turned
    }

    /// A script ended. True if that changes what it means: its first result, or it turned good or bad.
    pub(crate) fn script_ended(&mut self, id: ScriptId, outcome: Ended) -> bool {
        let Some(script) = find_mut(&mut self.scripts, id.0).filter(|script| script.running) else { return false };
        script.running = false;
        let good = outcome.is_good();
        script.last = Some(outcome);
        let needed = if good { script.config.rise } else { script.config.fall };
        match script.good {
            None => script.good = Some(good),
            Some(before) if before == good => {
                script.against = 0;
                return false;
            }
            Some(_) => {
                script.against += 1;
                if script.against < needed {
                    return false;
                }
                script.good = Some(good);
            }
        }
        script.against = 0;
        true
    }

    /// A file was read. True if its number changed, or was not known before.
    pub(crate) fn file_read(&mut self, id: FileId, value: Option<i32>) -> bool {
        let Some(file) = find_mut(&mut self.files, id.0) else { return false };
        let value = value.unwrap_or(0);
        let known = core::mem::replace(&mut file.known, true);
        core::mem::replace(&mut file.value, value) != value || !known
    }

    /// Processes were counted. True if they are good now and were not, or the other way round, or were not counted before.
    pub(crate) fn process_count(&mut self, now: Instant, id: ProcessId, count: u32) -> bool {
        let Some(process) = find_mut(&mut self.processes, id.0) else { return false };
        let before = process.count.replace(count);
        let good = process.enough(count);
        let turned = good != process.good;
        // What comes back before its delay is over was never away.
        let delay = match before {
            _ if !turned => None,
            None => None,
            Some(before) if count > before => Some(process.config.fork_delay),
            Some(_) => Some(process.config.terminate_delay),
        };
        process.turns = match delay.filter(|delay| !delay.is_zero()) {
            // A delay that runs already runs on.
            Some(delay) => process.turns.or(Some(now + delay)),
            None => None,
        };
        let at_once = turned && process.turns.is_none();
        if at_once {
            process.good = good;
        }
        self.rearm();
        at_once || before.is_none()
    }

    /// A BFD session changed. True if it was not so before.
    pub(crate) fn bfd_changed(&mut self, id: BfdId, up: bool) -> bool {
        let Some(session) = find_mut(&mut self.sessions, id.0) else { return false };
        session.told = true;
        core::mem::replace(&mut session.up, up) != up
    }

    /// Whoever goes on for a master that was killed had what it tracks: a session that nobody has told of yet is up. If it
    /// is not, that is told soon.
    pub(crate) fn presume(&mut self, entry: &Tracked) {
        match entry.tracker {
            Tracker::Bfd(id) => {
                if let Some(session) = find_mut(&mut self.sessions, id.0).filter(|session| !session.told) {
                    session.up = !entry.reverse;
                }
            }
            // Nothing is waited for where a master goes on.
            Tracker::Script(_) | Tracker::File(_) | Tracker::Process(_) | Tracker::Service(_) => {}
        }
    }

    /// The quorum of a virtual server was told. True if it was not so before.
    pub(crate) fn quorum_told(&mut self, id: ServiceId, has_quorum: bool) -> bool {
        let told = Some(has_quorum);
        find_mut(&mut self.services, id.0)
            .is_some_and(|service| core::mem::replace(&mut service.has_quorum, told) != told)
    }

    /// Takes over what a predecessor knew of the same things: a script or a process that is defined as it was keeps its
    /// results, a file its number, a session its state (keepalived). Nothing runs for us yet.
    pub(crate) fn inherit(&mut self, before: &Self) {
        for script in &mut self.scripts {
            if let Some(known) = before.scripts.iter().find(|known| known.config == script.config) {
                *script = Script { running: false, ..known.clone() };
            }
        }
        for file in &mut self.files {
            if let Some(known) = before.files.iter().find(|known| known.name == file.name) {
                (file.value, file.known) = (known.value, known.known);
            }
        }
        for process in &mut self.processes {
            if let Some(known) = before.processes.iter().find(|known| known.config == process.config) {
                *process = known.clone();
            }
        }
        for session in &mut self.sessions {
            if let Some(known) = before.sessions.iter().find(|known| known.name == session.name) {
                (session.up, session.told) = (known.up, known.told);
            }
        }
        for service in &mut self.services {
            if let Some(known) = before.services.iter().find(|known| known.named == service.named) {
                service.has_quorum = known.has_quorum;
            }
        }
        self.witnesses.inherit(&before.witnesses);
        self.rearm();
    }

    /// Whether an entry decides over FAULT and nothing is known yet, so that an instance cannot begin.
    pub(crate) fn pending(&self, entry: &Tracked) -> bool {
        match entry.tracker {
            _ if entry.weight != 0 => false,
            Tracker::Script(id) => find(&self.scripts, id.0).is_some_and(|script| script.good.is_none()),
            Tracker::File(id) => find(&self.files, id.0).is_some_and(|file| !file.known),
            Tracker::Process(id) => find(&self.processes, id.0).is_some_and(|process| process.count.is_none()),
            // A director whose servers have not answered yet is no worse than another that has just been started.
            Tracker::Bfd(_) | Tracker::Service(_) => false,
        }
    }

    /// What is known of a tracker, in the words of a cause; none of one that does not exist or was never looked at.
    pub(crate) fn cause(&self, tracker: Tracker) -> Option<Cause> {
        match tracker {
            Tracker::Script(id) => {
                let script = find(&self.scripts, id.0)?;
                let name = script.config.name.clone();
                Some(match &script.last {
                    Some(ended) => Cause::Script { script: name, ended: ended.clone() },
                    None => Cause::ScriptPending { script: name },
                })
            }
            Tracker::File(id) => {
                find(&self.files, id.0).map(|file| Cause::File { file: file.name.clone(), value: file.value })
            }
            Tracker::Process(id) => find(&self.processes, id.0).map(|process| Cause::Process {
                process: process.config.name.clone(),
                count: process.count.unwrap_or(0),
            }),
            Tracker::Bfd(id) => {
                find(&self.sessions, id.0).map(|bfd| Cause::Bfd { session: bfd.name.clone(), up: bfd.up })
            }
            Tracker::Service(id) => {
                let service = find(&self.services, id.0)?;
                Some(Cause::VirtualServer { service: service.named.to_string(), has_quorum: service.has_quorum? })
            }
        }
    }

    /// Whether a tracker is good; none where that is not known, or where it is a number.
    pub(crate) fn good(&self, tracker: Tracker) -> Option<bool> {
        match tracker {
            Tracker::Script(id) => find(&self.scripts, id.0)?.good,
            Tracker::File(_) => None,
            Tracker::Process(id) => find(&self.processes, id.0).map(|process| process.good),
            Tracker::Bfd(id) => find(&self.sessions, id.0).map(|session| session.up),
            Tracker::Service(id) => find(&self.services, id.0)?.has_quorum,
        }
    }

    /// What an entry of a track list means now.
    pub(crate) fn verdict(&self, entry: &Tracked) -> Verdict {
        match entry.tracker {
            Tracker::File(id) => self.verdict_of_file(id, entry),
            tracker @ (Tracker::Script(_) | Tracker::Process(_) | Tracker::Bfd(_) | Tracker::Service(_)) => {
                match self.good(tracker) {
                    Some(good) => self.verdict_of(good, entry),
                    None => Verdict::Weight(0),
                }
            }
        }
    }

    fn verdict_of(&self, good: bool, entry: &Tracked) -> Verdict {
        let weight = i32::from(entry.weight);
        let sign = if entry.reverse { -1 } else { 1 };
        match weight {
            0 if good == entry.reverse => self.cause(entry.tracker).map_or(Verdict::Weight(0), Verdict::Fault),
            1.. if good => Verdict::Weight(sign * weight),
            ..0 if !good => Verdict::Weight(sign * weight),
            _ => Verdict::Weight(0),
        }
    }

    /// The number times the weight; without a weight, whether there is a number. At or below -254 nothing is left of
    /// any priority, so that is a FAULT (keepalived).
    fn verdict_of_file(&self, id: FileId, entry: &Tracked) -> Verdict {
        let Some(file) = find(&self.files, id.0) else { return Verdict::Weight(0) };
        let fault = || self.cause(entry.tracker).map_or(Verdict::Weight(0), Verdict::Fault);
        if entry.weight == 0 {
            return if (file.value == 0) == entry.reverse { fault() } else { Verdict::Weight(0) };
        }
        let sign = if entry.reverse { -1 } else { 1 };
        let product = i64::from(file.value) * i64::from(entry.weight) * sign;
        match i32::try_from(product.min(253)) {
            Ok(weight) if weight > -254 => Verdict::Weight(weight),
            Ok(_) | Err(_) => fault(),
        }
    }

    fn rearm(&mut self) {
        let scripts = self.scripts.iter().filter_map(|script| script.due);
        let processes = self.processes.iter().filter_map(|process| process.turns);
        self.next = scripts.chain(processes).min();
    }
}

impl Script {
    fn known(&self) -> ScriptState {
        match (self.good, &self.last) {
            (None, _) => ScriptState::Pending,
            (Some(false), None) => ScriptState::PendingBad,
            (Some(false), Some(_)) => ScriptState::Bad,
            (Some(true), _) => ScriptState::Good,
        }
    }

    fn new(config: TrackScript) -> Self {
        let good = if config.init_fail { Some(false) } else { None };
        Self { config, due: None, running: false, good, against: 0, last: None }
    }
}

impl Process {
    fn new(config: TrackProcess) -> Self {
        let mut process = Self { config, count: None, good: false, turns: None };
        process.good = process.enough(0);
        process
    }

    fn enough(&self, count: u32) -> bool {
        count >= self.config.quorum && self.config.quorum_max.is_none_or(|most| count <= most)
    }
}

fn find<T>(list: &[T], id: u32) -> Option<&T> {
    list.get(usize::try_from(id).ok()?)
}

fn find_mut<T>(list: &mut [T], id: u32) -> Option<&mut T> {
    list.get_mut(usize::try_from(id).ok()?)
}
