//! The loop of the `vrrp` worker: waits on its sockets, the monitor, the timer and the link, and hands what came to the
//! node.
//!
//! In every round what arrived is handled before what is due, each in bounded portions, so that neither a flood of
//! packets delays an advertisement nor a late timer deposes a living master.

mod claims;
mod errands;
mod linkbeat;
mod notify;
mod orders;
mod system;

use crate::confinement::confine;
use crate::exit_status::ExitStatus;
use crate::journal;
use crate::stamps::{Note, Stamps};
use crate::worker::{WorkerContext, set_schedule};
use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;
use errands::Errands;
use linkbeat::Linkbeat;
use orders::Next;
use standfast_api::{InstanceStatus, Status, VrrpSlice, VrrpStatus, WorkerKind, WorkerOptions};
use standfast_kernel::claim_socket::Claimed;
use standfast_kernel::process::memory::give_back_memory;
use standfast_kernel::process::schedule::{Schedule, allow_open_files};
use standfast_kernel::route::{Monitor, MonitorEvent};
use standfast_kernel::timer::{Timer, boottime, wall_clock};
use standfast_kernel::vrrp_socket::RECEIVE_BUFFER_BYTES;
use standfast_model::config::global::Global;
use standfast_model::config::track::{BfdId, ServiceId, TrackedService};
use standfast_model::config::vrrp::InstanceId;
use standfast_model::config::witness::WitnessId;
use standfast_model::{Instant, State, Witnessed};
use standfast_net::{Change, Observed};
use standfast_node::{Input, Reload, VrrpNode, prepared, routing_protocols};
use standfast_vrrp::{Event, Options, Output, Router};
use std::io;
use std::os::fd::OwnedFd;
use system::{Machine, Wish};
use tracing::{error, warn};

/// Packets taken from one socket, and changes from the monitor, before the timer is looked at again: a full portion
/// takes well under a millisecond.
const PORTION: usize = 64;

/// Files the worker may have open: a socket for each interface, family and group of the largest configurations, twice
/// over, and the few others.
const OPEN_FILES: u64 = 16_384;

/// How late a timer has to run for a step up, where `min_auto_priority_delay` says nothing.
const LATE: Duration = Duration::from_secs(1);

/// How far the clock of the wall may be from what the node believes before it is told anew: far below the window of any
/// signature, far above what two readings are apart.
const WALL_CLOCK_OFF: Duration = Duration::from_millis(100);

/// Foreign claims that a status has of one instance: who claims more of its addresses than that claims all of them.
const CLAIMS_SHOWN: usize = 16;

/// Runs the worker until it is told to stop.
pub async fn run(context: WorkerContext<VrrpSlice>) -> ExitStatus {
    match serve(context).await {
        Ok(()) => ExitStatus::Ok,
        Err(problem) if problem.kind() == io::ErrorKind::PermissionDenied => {
            error!("the vrrp worker needs CAP_NET_ADMIN and CAP_NET_RAW, run standfastd as root: {problem}");
            ExitStatus::Permission
        }
        Err(problem) => {
            error!("the vrrp worker cannot go on: {problem}");
            ExitStatus::INTERNAL
        }
    }
}

async fn serve(context: WorkerContext<VrrpSlice>) -> io::Result<()> {
    let WorkerContext { slice, options, attached, mut supervisor } = context;
    let mut worker = Worker::start(slice, attached, options.maintenance)?;
    confine(WorkerKind::Vrrp, false)?;
    let mut timer = Timer::new()?;
    supervisor.ready();
    give_back_memory();
    let mut told = false;
    loop {
        let more = worker.round()?;
        worker.stamp();
        worker.run_errands();
        // Behind what was due, which waits for nobody to be told of anything. What it would say in the middle of a takeover
        // is not worth the time. The counters always change and are not told.
        told &= !worker.machine.take_moved();
        if !told && !worker.node.has_work() {
            supervisor.status(Status::Vrrp(worker.status()));
            told = true;
        }
        timer.arm_by(worker.next_deadline())?;
        tokio::select! {
            biased;
            command = supervisor.command() => match worker.obey(command, &mut supervisor, options).await {
                Next::GoOn => {}
                Next::Tell => told = false,
                Next::Leave => return Ok(()),
            },
            expired = timer.expired() => expired?,
            event = worker.monitor.next() => {
                let event = event?;
                worker.monitored(event)?;
            }
            () = readable(&worker.machine) => {}
            input = worker.errands.next() => worker.tracked(input),
            // Something may be left: everything above has been looked at, and nothing is waited for.
            () = tokio::task::yield_now(), if more => {}
        }
    }
}

fn options_of(global: &Global) -> Options {
    Options { startup_delay: global.vrrp_startup_delay, ..Options::default() }
}

fn escalation_of(global: &Global) -> Option<(u8, Duration)> {
    let processes = &global.processes;
    processes.max_auto_priority.map(|most| (most, processes.min_auto_priority_delay.unwrap_or(LATE)))
}

/// A receive buffer of netlink that the kernel does not give is no reason not to work.
fn say_refused(outcome: io::Result<()>) {
    if let Err(problem) = outcome {
        journal::trouble("netlink", &format!("receive buffer of netlink not set: {problem}"));
    }
}

/// Says into the router's ear, before the start, what a predecessor has noted; there is nothing to do yet.
fn adopt(router: &mut Router, notes: Vec<(InstanceId, Note)>) {
    let mut nothing = Output::default();
    for (instance, Note { sent, sequence, stands_back }) in notes {
        if let Some(advert_sent) = sent {
            router.handle(boottime(), Event::Adopt { instance, advert_sent }, &mut nothing);
        }
        if sequence > 0 {
            router.handle(boottime(), Event::Sequence { instance, highest: sequence }, &mut nothing);
        }
        if let Some(until) = stands_back {
            router.handle(boottime(), Event::StandsBack { instance, until }, &mut nothing);
        }
    }
}

/// Waits until a socket may have a packet.
async fn readable(machine: &Machine) {
    poll_fn(|context| if machine.poll_readable(context) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Everything the loop owns.
struct Worker {
    node: VrrpNode,
    machine: Machine,
    monitor: Monitor,
    /// Whose routes and rules the monitor tells of.
    protocols: Vec<u8>,
    buffer: Vec<u8>,
    errands: Errands,
    linkbeat: Linkbeat,
    schedule: Schedule,
    /// `max_auto_priority` and `min_auto_priority_delay`.
    escalation: Option<(u8, Duration)>,
    /// What the node was told of the clock of the wall, and when.
    wall: (Instant, Duration),
    /// An operator wants this node to be master of nothing.
    maintenance: bool,
}

impl Worker {
    /// Subscribes first and dumps then, so that no change falls between the two.
    fn start(slice: VrrpSlice, attached: Vec<OwnedFd>, maintenance: bool) -> io::Result<Self> {
        let mut schedule = Schedule::current();
        set_schedule(&mut schedule, &slice.global.processes.vrrp);
        if let Err(problem) = allow_open_files(OPEN_FILES) {
            journal::trouble("files", &format!("no more open files: {problem}"));
        }
        let config = prepared(slice.vrrp);
        let errands = Errands::new(&slice.global, &config);
        let names = config.instances.iter().map(|i| (i.name.clone(), i.interface.clone())).collect();
        let protocols = routing_protocols(&config);
        let monitor = Monitor::open_with_routing(&protocols)?;
        let mut attached = attached.into_iter();
        let (stamps, ledger) = (attached.next(), attached.next());
        let file = stamps.ok_or_else(|| io::Error::other("no file for times of advertisements"))?;
        let (stamps, adopted) = Stamps::take_over(file, &config.instances);
        let (mut machine, left) = Machine::open(names, ledger, stamps)?;
        let buffers = slice.global.netlink;
        say_refused(monitor.set_queue(buffers.vrrp_monitor));
        say_refused(machine.route().set_queue(buffers.vrrp_command));
        let mut observed = machine.route().dump_with_routing(&protocols).map_err(io::Error::other)?;
        let mut linkbeat = Linkbeat::new(&config);
        for link in linkbeat.poll(boottime(), &observed) {
            observed.apply(Change::Link(link));
        }
        let mut router = Router::with_options(config.clone(), options_of(&slice.global));
        adopt(&mut router, adopted);
        let mut node = VrrpNode::new(config, router);
        // Also where nothing is signed with it yet: a reload may ask for that.
        let wall = (boottime(), wall_clock());
        node.handle(wall.0, Input::WallClock { unix: wall.1 }, &mut machine);
        node.handle(boottime(), Input::Maintenance { on: maintenance }, &mut machine);
        node.handle(boottime(), Input::Start(observed), &mut machine);
        machine.claim(node.places_of_ours());
        machine.clear(&left, &node);
        machine.write_down();
        let escalation = escalation_of(&slice.global);
        let buffer = vec![0; RECEIVE_BUFFER_BYTES];
        Ok(Self {
            node,
            machine,
            monitor,
            protocols,
            buffer,
            errands,
            linkbeat,
            schedule,
            escalation,
            wall,
            maintenance,
        })
    }

    /// Goes on with another configuration: what is in both is not touched.
    fn reload(&mut self, slice: VrrpSlice) {
        self.run_errands();
        let options = options_of(&slice.global);
        let config = prepared(slice.vrrp);
        set_schedule(&mut self.schedule, &slice.global.processes.vrrp);
        self.escalation = escalation_of(&slice.global);
        self.watch(routing_protocols(&config));
        self.errands.reload(&slice.global, &config);
        self.linkbeat = Linkbeat::new(&config);
        self.machine.rename(config.instances.iter().map(|i| (i.name.clone(), i.interface.clone())).collect());
        let reload = Reload { config, options };
        self.machine.stamps().renumber(&reload.config.instances);
        self.node.handle(boottime(), Input::Reload(Box::new(reload)), &mut self.machine);
        self.machine.stamps().note_all(self.node.router());
        self.machine.claim(self.node.places_of_ours());
    }

    /// Watches routes and rules of other protocols from now on. If that cannot be had, those of before are watched: what is
    /// missed is put back at the next change of anything else.
    fn watch(&mut self, protocols: Vec<u8>) {
        if protocols == self.protocols {
            return;
        }
        match Monitor::open_with_routing(&protocols) {
            Ok(monitor) => {
                self.monitor = monitor;
                self.protocols = protocols;
                match self.dump() {
                    Ok(observed) => self.node.handle(boottime(), Input::Resync(observed), &mut self.machine),
                    Err(problem) => journal::trouble("monitor", &format!("no dump after a reload: {problem}")),
                }
            }
            Err(problem) => {
                journal::trouble("monitor", &format!("routes of the new configuration unwatched: {problem}"));
            }
        }
    }

    /// Notes when the last advertisements were sent, so that a successor knows how much it may take for granted.
    fn stamp(&mut self) {
        if self.machine.take_sent() {
            self.machine.stamps().note_all(self.node.router());
        }
    }

    /// Hands what has come up to the runner.
    fn run_errands(&mut self) {
        for wish in self.machine.take_wishes() {
            match wish {
                Wish::Script(script) => self.errands.run_script(script),
                Wish::Notify(record) => self.errands.notify(&record),
            }
        }
    }

    /// A BFD session is up or down.
    fn bfd(&mut self, name: &str, up: bool) {
        let known = &self.node.config().common.bfd_sessions;
        let Some(place) = known.iter().position(|known| known == name) else { return };
        let session = BfdId(u32::try_from(place).unwrap_or(u32::MAX));
        self.tracked(Input::BfdChanged { session, up });
    }

    /// A tracked virtual server has its quorum or lost it.
    fn quorum(&mut self, service: &TrackedService, has_quorum: bool) {
        let known = &self.node.config().common.services;
        let Some(place) = known.iter().position(|known| known == service) else { return };
        let service = ServiceId(u32::try_from(place).unwrap_or(u32::MAX));
        self.tracked(Input::QuorumTold { service, has_quorum });
    }

    /// A witness was asked.
    fn witness(&mut self, name: &str, said: Witnessed) {
        let known = &self.node.config().common.witnesses;
        let Some(place) = known.iter().position(|known| known.name == name) else { return };
        let witness = WitnessId(u32::try_from(place).unwrap_or(u32::MAX));
        self.tracked(Input::WitnessTold { witness, said });
    }

    /// Something that is tracked was looked at.
    fn tracked(&mut self, input: Input<'_>) {
        self.node.handle(boottime(), input, &mut self.machine);
        self.run_errands();
        self.errands.look_at_faults(self.node.router());
    }

    /// One round. True if something may be left over.
    fn round(&mut self) -> io::Result<bool> {
        self.tell_wall_clock();
        let more_packets = self.drain_sockets();
        let more_changes = self.drain_monitor()?;
        let now = boottime();
        if self.linkbeat.next_deadline().is_some_and(|at| at <= now) {
            for link in self.linkbeat.poll(now, self.node.observed()) {
                self.node.handle(now, Input::Changed(Change::Link(link)), &mut self.machine);
            }
        }
        if let Some(at) = self.node.next_deadline().filter(|at| *at <= now) {
            let late = now.since(at);
            self.escalate(late);
            self.node.handle(now, Input::Wake, &mut self.machine);
            self.tell_lateness(late);
        }
        // Behind what is due: no advertisement waits for those who shout, and of one that made us give way we know first.
        self.hear_claims(now);
        self.machine.retry(now);
        self.machine.write_down();
        Ok(more_packets || more_changes || self.node.has_work())
    }

    /// Tells the node when the clock of the wall was set: what is signed (`auth_hmac`) goes by it.
    fn tell_wall_clock(&mut self) {
        if !self.node.router().wants_wall_clock() {
            return;
        }
        let (now, unix) = (boottime(), wall_clock());
        let (told, was) = self.wall;
        if unix.abs_diff(was + now.since(told)) > WALL_CLOCK_OFF {
            self.wall = (now, unix);
            self.node.handle(now, Input::WallClock { unix }, &mut self.machine);
        }
    }

    /// A timer ran late: `max_auto_priority` lets the process ask for more of the processor.
    fn escalate(&mut self, late: Duration) {
        let Some((most, limit)) = self.escalation else { return };
        if late < limit {
            return;
        }
        match self.schedule.escalate(most) {
            Ok(true) => {
                let priority = self.schedule.realtime();
                warn!(priority, "A timer ran {} ms late, real-time priority is {priority} now", late.as_millis());
            }
            Ok(false) => {}
            Err(problem) => journal::trouble("schedule", &format!("no real-time priority: {problem}")),
        }
    }

    /// A timer ran so late that standbys begin to wonder: who reads of routers that change places should find why.
    // REQ: VRRP3-2.5-01
    fn tell_lateness(&self, late: Duration) {
        let intervals = self.node.config().instances.iter().map(|instance| instance.advert_interval.as_duration());
        if let Some(shortest) = intervals.min().filter(|shortest| late * 2 >= *shortest) {
            let (late, shortest) = (late.as_millis(), shortest.as_millis());
            let why = "the machine is too busy, or stood still";
            journal::trouble(
                "lateness",
                &format!("A timer ran {late} ms late, where advertisements are due every {shortest} ms: {why}"),
            );
        }
    }

    fn drain_sockets(&mut self) -> bool {
        let mut more = false;
        for key in self.machine.open_sockets() {
            let mut taken = 0;
            while taken < PORTION {
                // The socket may be closed by what the last packet caused.
                let Some(socket) = self.machine.socket(key) else { break };
                match socket.recv(&mut self.buffer) {
                    Ok(Some(packet)) => self.node.handle(boottime(), Input::Packet(packet), &mut self.machine),
                    Ok(None) => break,
                    // The interface's trouble is told by the monitor, a malformed header by nobody: it is gone.
                    Err(_) => {}
                }
                taken += 1;
            }
            more |= taken == PORTION;
        }
        more
    }

    fn hear_claims(&mut self, now: Instant) {
        while let Some(Claimed { interface, address, mac }) = self.machine.claims().next(now) {
            self.node.handle(now, Input::Claimed { interface, address, mac }, &mut self.machine);
        }
    }

    fn drain_monitor(&mut self) -> io::Result<bool> {
        for _ in 0..PORTION {
            match self.monitor.try_next()? {
                Some(event) => self.monitored(event)?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn monitored(&mut self, event: MonitorEvent) -> io::Result<()> {
        let links = match &event {
            MonitorEvent::Change(Change::Link(_) | Change::LinkGone(_)) | MonitorEvent::Overrun => true,
            MonitorEvent::Change(
                Change::Address(_)
                | Change::AddressGone { .. }
                | Change::Route(_)
                | Change::RouteGone(_)
                | Change::Rule(_)
                | Change::RuleGone(_),
            ) => false,
        };
        let input = match event {
            MonitorEvent::Change(change) => Input::Changed(self.linkbeat.corrected(change)),
            MonitorEvent::Overrun => Input::Resync(self.dump()?),
        };
        self.node.handle(boottime(), input, &mut self.machine);
        if links {
            self.machine.claim(self.node.places_of_ours());
        }
        Ok(())
    }

    fn dump(&mut self) -> io::Result<Observed> {
        let mut observed = self.machine.route().dump_with_routing(&self.protocols).map_err(io::Error::other)?;
        for link in self.linkbeat.poll(boottime(), &observed) {
            observed.apply(Change::Link(link));
        }
        Ok(observed)
    }

    fn next_deadline(&self) -> Option<Instant> {
        [self.node.next_deadline(), self.machine.deadline(), self.linkbeat.next_deadline()].into_iter().flatten().min()
    }

    /// Resigns and takes the addresses away, unless they shall stay (`-V`).
    fn stop(&mut self, options: WorkerOptions) {
        if !options.dont_release_vrrp {
            self.node.handle(boottime(), Input::Shutdown, &mut self.machine);
            self.machine.claim(core::iter::empty());
            self.machine.write_down();
        }
    }

    fn status(&self) -> VrrpStatus {
        let now = boottime();
        let instances = self.ids().zip(&self.node.config().instances).filter_map(|(id, instance)| {
            let status = self.node.router().status(id)?;
            Some(InstanceStatus {
                name: instance.name.clone(),
                interface: instance.interface.clone(),
                vrid: instance.vrid,
                state: status.state,
                since: status.since.unwrap_or(Instant::ZERO),
                priority: status.priority,
                base_priority: instance.priority.get(),
                master: status.master.map(|(address, _)| address).filter(|_| status.state != State::Master),
                master_priority: status.master.map(|(_, priority)| priority).filter(|_| status.state != State::Master),
                group: self.node.config().groups.iter().find(|g| g.members.contains(&id)).map(|g| g.name.clone()),
                addresses: instance.addresses.iter().chain(&instance.excluded).cloned().collect(),
                ordered: orders::ordered(now, &status, self.maintenance),
                held: status.held.map(ToString::to_string),
                fault: status.fault.cloned(),
                last_transition: status.last_transition.cloned(),
                mismatches: status.mismatches.to_vec(),
                rival: status.rival,
                claims: self.node.router().claims(id).take(CLAIMS_SHOWN).cloned().collect(),
                counters: self.node.router().counters(id).clone(),
            })
        });
        VrrpStatus { at: boottime(), instances: instances.collect(), tracked: self.node.router().tracked() }
    }

    fn ids(&self) -> impl Iterator<Item = InstanceId> {
        (0..).map(InstanceId).take(self.node.config().instances.len())
    }
}
