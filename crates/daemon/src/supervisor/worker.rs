//! One worker as its supervisor sees it: started, listened to, stopped, started again.

mod relay;
mod reload;
mod rest;

use super::backoff::Backoff;
use super::plan::Plan;
use crate::exit_status::ExitStatus;
use crate::link::LONG_STATUS;
use crate::succession::{Entrusted, Heir};
use crate::worker::{ARGUMENT, slice_label};
use core::time::Duration;
use relay::Told;
pub(super) use relay::Verdict;
use rest::Rest;
use rustix::process::{Pid, Signal, kill_process};
use standfast_api::{
    FromWorker, Generation, Hello, Setup, Status, ToWorker, WorkerKind, WorkerOptions, WorkerStatus, decode, encode,
};
use standfast_kernel::channel::{self, Channel, Incoming, Outbox, Received};
use standfast_kernel::memfd;
use standfast_kernel::process::{OwnBinary, PidFile};
use standfast_kernel::timer::boottime;
use standfast_model::{Instant, Witnessed};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use tracing::{error, info, warn};

/// A worker that is configured, running or not.
#[derive(Debug)]
pub(super) struct Worker {
    setup: Setup,
    slice: OwnedFd,
    attached: Vec<OwnedFd>,
    process_name: String,
    pid_file: Option<PidFile>,
    running: Option<Running>,
    backoff: Backoff,
    restart_at: Option<Instant>,
    ready: bool,
    status: Option<Status>,
    /// It was asked whether it lives and has not answered.
    pinged: bool,
    /// A snapshot of now would show it differently.
    changed: bool,
    /// It told a status that nobody has been told of.
    reported: bool,
    /// What it said for others.
    heard: Vec<FromWorker>,
    /// The new configuration it has been given and has not answered for.
    awaited: Option<Awaited>,
    /// Why it does not run the new configuration.
    refusal: Option<String>,
    /// Not needed by the new configuration: it stops and is not started again.
    retired: bool,
    /// How often it was started.
    starts: u32,
    /// What stands against its doing its work, in words.
    trouble: Option<String>,
    /// It dies again and again and is to be master of nothing.
    rest: Option<Rest>,
    /// What a `bfd` worker has said and nobody has been told yet.
    heard_of_bfd: Vec<Verdict>,
    /// What a `check` worker has said of witnesses and nobody has been told yet.
    heard_of_witnesses: Vec<(String, Witnessed)>,
    /// What it was told of others' findings, since its last start.
    told: Told,
    /// The starts of itself and of the runner that know each other.
    introduced: Option<(u32, u32)>,
}

/// An answer that is waited for.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    generation: Generation,
    until: Instant,
    /// A worker that dies once may have been killed by anyone; one that dies twice dies of its configuration.
    died: bool,
}

/// How long a worker may take to apply a new configuration: ten thousand services take a few seconds on a slow machine.
/// A worker that is silent for longer hangs, and hangs with its old configuration, too.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A worker's process.
#[derive(Debug)]
struct Running {
    child: Child,
    started: Instant,
    /// None when the worker has closed its end, which it only does by dying.
    channel: Option<Channel>,
    /// When a process that does not end is told by signal, and when it is killed.
    terminate_at: Option<Instant>,
    kill_at: Option<Instant>,
}

/// How a worker's process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// With a status that would come again.
    Permanent(ExitStatus),
    /// In any other way.
    Died,
}

impl Worker {
    /// A worker that has not been started.
    ///
    /// # Errors
    ///
    /// Its slice does not go into memory.
    pub(super) fn new(plan: Plan) -> Result<Self, memfd::MemfdError> {
        let Plan { setup, slice, attached, process_name, pid_file } = plan;
        Ok(Self {
            setup,
            slice: Self::write_slice(setup.kind, slice.octets())?,
            attached,
            process_name,
            pid_file,
            running: None,
            backoff: Backoff::new(),
            restart_at: None,
            ready: false,
            status: None,
            pinged: false,
            changed: true,
            reported: false,
            heard: Vec::new(),
            awaited: None,
            refusal: None,
            retired: false,
            starts: 0,
            trouble: None,
            rest: None,
            introduced: None,
            heard_of_bfd: Vec::new(),
            heard_of_witnesses: Vec::new(),
            told: Told::default(),
        })
    }

    pub(super) const fn kind(&self) -> WorkerKind {
        self.setup.kind
    }

    /// Its slice of the configuration that it was given last.
    pub(super) const fn slice(&self) -> &OwnedFd {
        &self.slice
    }

    pub(super) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether it has said that it does its work, since its last start.
    pub(super) const fn is_ready(&self) -> bool {
        self.ready
    }

    pub(super) const fn status(&self) -> Option<&Status> {
        self.status.as_ref()
    }

    /// Whether a snapshot of now shows it differently than when this was last asked.
    pub(super) const fn take_changed(&mut self) -> bool {
        core::mem::replace(&mut self.changed, false)
    }

    /// Whether it told a status since this was last asked.
    pub(super) const fn take_reported(&mut self) -> bool {
        core::mem::replace(&mut self.reported, false)
    }

    /// What it said for others since this was last asked.
    pub(super) fn take_heard(&mut self) -> Vec<FromWorker> {
        core::mem::take(&mut self.heard)
    }

    pub(super) fn describe(&self) -> WorkerStatus {
        let pid = self.running.as_ref().map(|running| running.child.id());
        let trouble = self.trouble.clone();
        WorkerStatus { kind: self.kind(), pid, ready: self.ready, starts: self.starts, trouble }
    }

    /// How often it was started.
    pub(super) const fn starts(&self) -> u32 {
        self.starts
    }

    /// As one that was started so often before, by a predecessor of the supervisor.
    pub(super) const fn started_before(mut self, starts: u32) -> Self {
        self.starts = starts;
        self
    }

    pub(super) const fn is_in_maintenance(&self) -> bool {
        self.setup.options.maintenance
    }

    /// What a successor of the supervisor needs to take it over; none if it does not run.
    pub(super) fn entrust(&self) -> io::Result<Option<Entrusted>> {
        let Some(Running { child, channel: Some(channel), .. }) = &self.running else { return Ok(None) };
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        let heir = Heir { kind: self.kind().name().to_owned(), pid, starts: self.starts };
        let attached = self.attached.iter().map(OwnedFd::try_clone).collect::<io::Result<_>>()?;
        Ok(Some(Entrusted { heir, channel: channel.try_clone()?, attached }))
    }

    /// Asks what a reload to that slice would do. False if no answer will come.
    pub(super) fn ask_for_plan(&self, number: u64, slice: &[u8]) -> bool {
        let Some(channel) = self.open_channel().filter(|_| self.ready) else { return false };
        let Ok(slice) = Self::write_slice(self.kind(), slice) else { return false };
        encode(&ToWorker::Plan { number }).is_ok_and(|message| channel.send(&message, &[slice.as_fd()]).is_ok())
    }

    /// From now on, and in its successors: whether this node is to be master of nothing.
    pub(super) fn maintain(&mut self, on: bool) {
        self.setup.options.maintenance = on;
        self.tell(&ToWorker::Maintenance { on });
        if !on {
            self.forgive();
        }
    }

    /// From now on, and in its successors: how much it says.
    pub(super) fn set_log_detail(&mut self, detail: u8) {
        self.setup.log.detail = detail;
        self.tell(&ToWorker::LogDetail(detail));
    }

    /// Says it, if it does its work and there is room.
    pub(super) fn tell(&self, message: &ToWorker) -> bool {
        self.ready
            && self
                .open_channel()
                .is_some_and(|channel| encode(message).is_ok_and(|message| channel.send(&message, &[]).is_ok()))
    }

    /// Says it and hands that over, if it does its work and there is room.
    pub(super) fn hand_over(&self, message: &ToWorker, descriptor: &OwnedFd) -> bool {
        let Some(channel) = self.open_channel().filter(|_| self.ready) else { return false };
        encode(message).is_ok_and(|message| channel.send(&message, &[descriptor.as_fd()]).is_ok())
    }

    /// Asks whether it lives. One that has not answered before is killed.
    pub(super) fn ping(&mut self) {
        if core::mem::replace(&mut self.pinged, false) && self.is_running() {
            self.distrust("it hangs: no sign of life within the time of the watchdog");
        } else {
            self.pinged = self.tell(&ToWorker::Ping);
        }
    }

    /// Asks for a status of now. True if one will come, unless the worker dies or hangs.
    pub(super) fn ask_for_report(&self) -> bool {
        let reports = match self.kind() {
            WorkerKind::Vrrp | WorkerKind::Check | WorkerKind::Bfd => true,
            WorkerKind::Runner | WorkerKind::Front => false,
        };
        reports && self.tell(&ToWorker::Report)
    }

    /// Sends what waits for it, as far as there is room. True if nothing waits any more; none if it cannot be reached.
    pub(super) fn flush(&self, outbox: &mut Outbox) -> Option<bool> {
        outbox.flush(self.open_channel()?).ok()
    }

    pub(super) fn remove_pid_file(self) {
        let Some(pid_file) = self.pid_file else { return };
        let path = pid_file.path().to_owned();
        if let Err(error) = pid_file.remove() {
            warn!("cannot remove {}: {error}", path.display());
        }
    }

    /// Starts its process; a failure counts as a death.
    pub(super) fn start(&mut self, binary: &OwnBinary) {
        self.restart_at = None;
        self.ready = false;
        self.pinged = false;
        self.changed = true;
        let kind = self.kind();
        match self.spawn(binary) {
            Ok(running) => {
                self.starts = self.starts.wrapping_add(1);
                let pid = running.child.id();
                info!("{kind} worker started, pid {pid}");
                if let Some(pid_file) = &mut self.pid_file
                    && let Err(error) = pid_file.write(pid)
                {
                    warn!("cannot write {}: {error}", pid_file.path().display());
                }
                self.running = Some(running);
                if self.rest.is_none() {
                    self.trouble = None;
                }
                self.told = Told::default();
            }
            Err(error) => {
                error!("cannot start {kind} worker: {error}");
                self.restart_after(Duration::ZERO);
            }
        }
    }

    fn spawn(&self, binary: &OwnBinary) -> io::Result<Running> {
        let (ours, theirs) = channel::pair()?;
        let options = WorkerOptions { restarted: self.starts > 0, ..self.setup.options };
        let setup = Setup { options, ..self.setup };
        let setup = encode(&ToWorker::Setup(setup)).map_err(io::Error::other)?;
        let other = self.slice_in_rest()?;
        let descriptors: Vec<_> =
            core::iter::once(other.as_ref().unwrap_or(&self.slice)).chain(&self.attached).map(AsFd::as_fd).collect();
        channel::send(&ours, &setup, &descriptors).map_err(io::Error::other)?;
        if let Some(order) = self.first_order() {
            channel::send(&ours, &encode(&order).map_err(io::Error::other)?, &[]).map_err(io::Error::other)?;
        }
        let channel = Some(Channel::new(ours)?);
        let kind = self.kind().name();
        let child = binary.spawn(
            &format!("standfastd: {kind}"),
            &[&format!("{ARGUMENT}{kind}"), &self.process_name],
            theirs,
        )?;
        Ok(Running { child, started: boottime(), channel, terminate_at: None, kill_at: None })
    }

    /// Hands it and the runner a way to each other, unless they have one.
    pub(super) fn introduce(&mut self, runner: &Self) -> io::Result<()> {
        let starts = Some((self.starts, runner.starts));
        let (Some(ours), Some(theirs)) = (self.open_channel(), runner.open_channel()) else { return Ok(()) };
        if self.introduced == starts {
            return Ok(());
        }
        let (a, b) = channel::pair()?;
        for (channel, kind, end) in [(ours, WorkerKind::Runner, a), (theirs, self.kind(), b)] {
            let message = encode(&ToWorker::Peer(kind)).map_err(io::Error::other)?;
            channel.send(&message, &[end.as_fd()]).map_err(io::Error::other)?;
        }
        self.introduced = starts;
        Ok(())
    }

    fn open_channel(&self) -> Option<&Channel> {
        self.running.as_ref().and_then(|running| running.channel.as_ref())
    }

    fn restart_after(&mut self, ran: Duration) -> Duration {
        let delay = self.backoff.delay(ran);
        self.restart_at = Some(boottime() + delay);
        delay
    }

    /// Never mind starting it again.
    pub(super) fn give_up(&mut self) {
        self.restart_at = None;
    }

    /// Waits for its next message and takes it in. Cancel-safe. Never ends for a worker without a channel.
    pub(super) async fn listen(&mut self) {
        let received = match self.running.as_ref().and_then(|running| running.channel.as_ref()) {
            Some(channel) => channel.receive().await,
            None => core::future::pending().await,
        };
        match received {
            Ok(Incoming::Message(message)) => match read(&message) {
                Ok(message) => self.take(message),
                Err(error) => self.distrust(&error),
            },
            Ok(Incoming::Closed) => self.closed(),
            Err(error) => self.distrust(&error.to_string()),
        }
    }

    fn take(&mut self, message: FromWorker) {
        match message {
            FromWorker::Event(_)
            | FromWorker::Events(_)
            | FromWorker::Answer { .. }
            | FromWorker::Planned { .. }
            | FromWorker::Front(_) => {
                self.heard.push(message);
            }
            FromWorker::Hello(Hello { kind, .. }) if kind == self.kind() => {}
            FromWorker::Hello(Hello { kind, .. }) => self.distrust(&format!("it says that it is the {kind} worker")),
            FromWorker::Alive => self.pinged = false,
            FromWorker::Ready => {
                self.ready = true;
                self.changed = true;
                // It was started with the newest configuration and has taken it.
                self.awaited = None;
            }
            FromWorker::Status(status) => {
                self.reported = true;
                self.status = Some(status);
            }
            FromWorker::Reloaded { generation, refused } => self.answered(generation, refused),
            // `read` has put the status itself in its place.
            FromWorker::LongStatus => self.distrust("it sent a long status inside a long status"),
            FromWorker::Witness { witness, said } => self.heard_of_witnesses.push((witness, said)),
            FromWorker::Bfd { session, up, told } => self.heard_of_bfd.push(Verdict { session, up, told }),
        }
    }

    /// What it sends makes no sense: it is out of order, and what it does with sockets may be, too.
    fn distrust(&mut self, why: &str) {
        let kind = self.kind();
        error!("{kind} worker is killed: {why}");
        self.signal(Signal::KILL);
        if let Some(running) = &mut self.running {
            running.channel = None;
        }
    }

    /// Its end is closed, so it has died or is about to. One that does neither is helped along.
    fn closed(&mut self) {
        if let Some(running) = &mut self.running {
            running.channel = None;
            running.kill_at.get_or_insert(boottime() + Duration::from_secs(1));
        }
    }

    /// Tells it to stop: through the channel, by signal if that finds no way or brings no end, and by force at last.
    pub(super) fn stop(&mut self, patience: Duration) {
        self.give_up();
        let Some(running) = &mut self.running else { return };
        let now = boottime();
        running.kill_at = Some(now + patience);
        let told = running.channel.as_ref().is_some_and(|channel| {
            encode(&ToWorker::Shutdown).is_ok_and(|message| channel.send(&message, &[]).is_ok())
        });
        // A worker that reads its channel is done long before half of the time is over.
        running.terminate_at = Some(if told { now + patience / 2 } else { now });
    }

    /// As [`Self::stop`], for a worker that may have been told before.
    pub(super) fn stop_once(&mut self, patience: Duration) {
        if self.running.as_ref().is_none_or(|running| running.kill_at.is_none()) {
            self.stop(patience);
        }
    }

    /// When it next needs [`Self::wake`].
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let running = self.running.as_ref();
        let times = [
            self.restart_at,
            running.and_then(|r| r.terminate_at),
            running.and_then(|r| r.kill_at),
            self.awaited.map(|awaited| awaited.until),
            self.rests_until(),
        ];
        times.into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn wake(&mut self, now: Instant, binary: &OwnBinary) {
        if self.restart_at.is_some_and(|at| at <= now) {
            self.start(binary);
        }
        self.wake_up(now);
        if self.awaited.take_if(|awaited| awaited.until <= now).is_some() {
            self.refuse(&format!("it did not answer within {} s", ANSWER_WITHIN.as_secs()));
            self.distrust("it hangs");
        }
        let kind = self.kind();
        let Some(running) = &mut self.running else { return };
        if running.terminate_at.take_if(|at| *at <= now).is_some() {
            self.signal(Signal::TERM);
        } else if running.kill_at.take_if(|at| *at <= now).is_some() {
            warn!("{kind} worker does not stop, killed");
            self.signal(Signal::KILL);
        }
    }

    /// The process is our child and not reaped, so its number is its own.
    fn signal(&self, signal: Signal) {
        let Some(running) = &self.running else { return };
        let pid = i32::try_from(running.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid
            && let Err(error) = kill_process(pid, signal)
        {
            warn!("cannot send signal {} to {} worker: {error}", signal.as_raw(), self.kind());
        }
    }

    /// Whether its process has ended, and how.
    pub(super) fn reap(&mut self) -> Option<(End, Duration)> {
        let running = self.running.as_mut()?;
        let status = match running.child.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => status,
            Err(error) => {
                // Only somebody else's wait for our child could cause this; then it is gone all the same.
                warn!("lost sight of {} worker: {error}", self.setup.kind);
                std::process::ExitStatus::from_raw(0)
            }
        };
        let (pid, ran) = (running.child.id(), boottime().since(running.started));
        let dumped = if status.core_dumped() { " (core dumped)" } else { "" };
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exited with status {code}"),
            (None, Some(signal)) => format!("was killed by signal {signal}{dumped}"),
            (None, None) => "ended".to_owned(),
        };
        info!("{} worker, pid {pid}, {how}", self.setup.kind);
        self.running = None;
        self.ready = false;
        self.changed = true;
        self.status = None;
        let status = status.code().and_then(|code| u8::try_from(code).ok()).map(ExitStatus::of_code);
        let end = match status {
            Some(status) if status.is_permanent() => End::Permanent(status),
            Some(_) | None => End::Died,
        };
        Some((end, ran))
    }

    /// The memory file that a slice is in.
    pub(super) fn write_slice(kind: WorkerKind, bytes: &[u8]) -> Result<OwnedFd, memfd::MemfdError> {
        memfd::write(&format!("standfast-{kind}"), slice_label(kind), bytes)
    }
}

/// A message, with a long status put in the place of the word for it.
fn read(message: &Received) -> Result<FromWorker, String> {
    let decoded = decode(&message.bytes).map_err(|error| error.to_string())?;
    if decoded != FromWorker::LongStatus {
        return Ok(decoded);
    }
    let descriptor = message.descriptors.first().ok_or("it sent a long status without descriptor")?;
    let bytes = memfd::read(descriptor, LONG_STATUS).map_err(|error| error.to_string())?;
    decode(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
