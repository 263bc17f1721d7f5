//! The cluster in virtual time: one queue of events, one machine acting at a time, laws checked after every step.
//!
//! It owns time and order. Time jumps to the next event; two events of one moment come in the order in which they were
//! caused. Nothing here reads a clock, and a run is a function of its seed.
#![expect(clippy::indexing_slicing, reason = "machines, LANs and routers are numbered by the vectors that hold them")]

use crate::fault::{Blows, Fault, Storm};
use crate::kernel::Effect;
use crate::lan::{Lan, LanId, MachineId};
use crate::laws::{Broken, LATENESS, Law, Laws, Sent, Sight, TOLD_WITHIN, broken};
use crate::machine::{Arrival, BACKLOG, Datagram, Director, Life, Machine};
use crate::packet;
use crate::rng::Rng;
use crate::scenario::{SCRIPT_TAKES, Scenario, VirtualRouter, interface, own_address};
use crate::trace::Trace;
use core::cmp::Reverse;
use core::fmt;
use core::time::Duration;
use standfast_model::config::track::{ScriptId, Tracked};
use standfast_model::{Cause, Ended, Instant, State, Transition};
use standfast_node::{Input, Packet, Record};
use standfast_wire::Received;
use std::collections::BinaryHeap;
use std::rc::Rc;

/// Something that will happen.
#[derive(Debug)]
enum Event {
    /// A packet reaches a machine, or the monitor tells a daemon something.
    Arrive(MachineId, u32, Arrival),
    /// A daemon's deadline, if it is still the one it waits for.
    Wake(MachineId, Instant),
    /// Something goes wrong or is mended.
    Fault(Fault),
    /// The storm strikes.
    Storm,
}

/// An event in the queue: earlier first, and of one moment the one that was caused first.
#[derive(Debug)]
struct Scheduled {
    at: Instant,
    order: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// What a run did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Events handled.
    pub events: u64,
    /// Advertisements sent.
    pub adverts: u64,
    /// Resignations among them.
    pub resignations: u64,
    /// Gratuitous ARPs and neighbour advertisements sent.
    pub announcements: u64,
    /// Transitions to MASTER.
    pub takeovers: u64,
    /// Faults, without what mended them.
    pub faults: u64,
    /// Packets refused with a word about it.
    pub notices: u64,
    /// Addresses put back after something else removed them.
    pub restored: u64,
}

impl core::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        let Self { events, adverts, resignations, announcements, takeovers, faults, notices, restored } = other;
        self.events += events;
        self.adverts += adverts;
        self.resignations += resignations;
        self.announcements += announcements;
        self.takeovers += takeovers;
        self.faults += faults;
        self.notices += notices;
        self.restored += restored;
    }
}

/// A law was broken: all that is needed to see it again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The seed of the run.
    pub seed: u64,
    /// What of the storm struck.
    pub blows: Blows,
    /// When.
    pub at: Instant,
    /// Which law, and how.
    pub broken: Broken,
    /// The last lines of the trace.
    pub last: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.last)?;
        writeln!(f, "broken at {:?}: {}", self.at, self.broken.law)?;
        writeln!(f, "  {}", self.broken.how)?;
        write!(f, "seed {0}; again: scripts/sim --trace --seed {0}", self.seed)?;
        if let Blows::Only(numbers) = &self.blows {
            let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
            write!(f, " --only {}", if numbers.is_empty() { "none".to_owned() } else { numbers.join(",") })?;
        }
        Ok(())
    }
}

/// A cluster and its time.
#[derive(Debug)]
pub struct World<D> {
    pub(crate) scenario: Scenario,
    pub(crate) now: Instant,
    queue: BinaryHeap<Reverse<Scheduled>>,
    order: u64,
    /// Chances of the medium and of the machines' schedulers.
    pub(crate) rng: Rng,
    storm: Storm,
    blows: Blows,
    /// How many blows were drawn.
    drawn: u32,
    /// Those that struck, by their numbers.
    struck: Vec<u32>,
    pub(crate) lans: Vec<Lan>,
    pub(crate) machines: Vec<Machine<D>>,
    pub(crate) laws: Laws,
    /// Until when the addresses of a machine need not follow its masters: something else has just changed them.
    pub(crate) upset_until: Vec<Instant>,
    /// Machines whose kernel refused something, until no instance of theirs is in FAULT any more.
    excused: Vec<bool>,
    /// The monitor of a machine tells things in order.
    told_until: Vec<Instant>,
    pub(crate) trace: Trace,
    pub(crate) tally: Tally,
}

impl<D: Director> World<D> {
    /// A cluster whose machines have booted; daemons start within the first second, in any order.
    #[must_use]
    pub fn new(scenario: Scenario, blows: Blows, whole_trace: bool) -> Self {
        // The cluster and what befalls it are drawn apart, so that one can change without the other.
        let mut rng = Rng::new(!scenario.seed);
        let machines = scenario.machines.len();
        let storm = Storm::new(rng.fork(), machines, scenario.lans, scenario.routers.len());
        let mut world = Self {
            now: Instant::ZERO,
            queue: BinaryHeap::new(),
            order: 0,
            storm,
            blows,
            drawn: 0,
            struck: Vec::new(),
            lans: vec![Lan::new(machines); scenario.lans],
            machines: (0..).map(MachineId).zip(&scenario.machines).map(|(id, plan)| Machine::new(id, plan)).collect(),
            laws: Laws::new(&scenario),
            upset_until: vec![Instant::ZERO; machines],
            excused: vec![false; machines],
            told_until: vec![Instant::ZERO; machines],
            trace: Trace::new(whole_trace),
            tally: Tally::default(),
            rng,
            scenario,
        };
        for id in (0..machines).map(MachineId) {
            let start = world.now + world.rng.span(Duration::ZERO, Duration::from_secs(1));
            world.schedule(start, Event::Fault(Fault::Start(id)));
        }
        if world.blows != Blows::None {
            world.schedule(world.now + Duration::from_secs(20), Event::Storm);
        }
        world
    }

    /// Lets a fault happen at a time to come.
    pub fn plan(&mut self, at: Instant, fault: Fault) {
        self.schedule(at, Event::Fault(fault));
    }

    /// Runs until this moment.
    ///
    /// # Errors
    /// The first law that was broken.
    pub fn run_until(&mut self, end: Instant) -> Result<(), Box<Report>> {
        let ran = self.steps(end);
        ran.map_err(|broken| {
            let last = self.trace.last();
            Box::new(Report { seed: self.scenario.seed, blows: self.blows.clone(), at: self.now, broken, last })
        })
    }

    fn steps(&mut self, end: Instant) -> Result<(), Broken> {
        while self.queue.peek().is_some_and(|next| next.0.at <= end) {
            let Some(Reverse(next)) = self.queue.pop() else { break };
            self.now = next.at;
            self.tally.events += 1;
            // Before anything happens now: what did not happen until now is late.
            self.laws.check(self.now)?;
            match next.event {
                Event::Arrive(id, life, arrival) => self.arrive(id, life, arrival)?,
                Event::Wake(id, deadline) => self.wake(id, deadline)?,
                Event::Fault(fault) => self.befall(fault)?,
                Event::Storm => self.strike(),
            }
        }
        self.now = end;
        self.laws.check(end)
    }

    /// Runs until `wanted` holds, and says when it did; none if it did not before `end`. It is looked at after each event.
    ///
    /// # Errors
    /// The first law that was broken.
    pub fn run_until_true(
        &mut self,
        end: Instant,
        wanted: impl Fn(&Self) -> bool,
    ) -> Result<Option<Instant>, Box<Report>> {
        while !wanted(self) {
            let Some(next) = self.queue.peek().map(|next| next.0.at).filter(|at| *at <= end) else { return Ok(None) };
            self.run_until(next)?;
        }
        Ok(Some(self.now))
    }

    /// What the run did so far.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// The blows that struck so far, by their numbers.
    #[must_use]
    pub fn struck(&self) -> &[u32] {
        &self.struck
    }

    /// What happened so far.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The laws and what they measured.
    #[must_use]
    pub const fn laws(&self) -> &Laws {
        &self.laws
    }

    /// Who holds the addresses of a virtual router.
    #[must_use]
    pub fn holders(&self, router: usize) -> Vec<MachineId> {
        self.machines.iter().filter(|machine| machine.holds(router)).map(|machine| machine.id).collect()
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        let order = self.order;
        self.order += 1;
        self.queue.push(Reverse(Scheduled { at, order, event }));
    }

    fn strike(&mut self) {
        let (blow, pause) = (self.storm.blow(), self.storm.pause());
        if self.blows.strikes(self.drawn) {
            self.struck.push(self.drawn);
            self.tally.faults += 1;
            self.schedule(self.now, Event::Fault(blow.fault));
            if let Some((after, end)) = blow.mended {
                self.schedule(self.now + after, Event::Fault(end));
            }
        }
        self.drawn += 1;
        self.schedule(self.now + pause, Event::Storm);
    }

    fn wake(&mut self, id: MachineId, deadline: Instant) -> Result<(), Broken> {
        let machine = &mut self.machines[id.0];
        if machine.armed != Some(deadline) || machine.running().is_none() {
            return Ok(());
        }
        machine.armed = None;
        self.act(id, Input::Wake)?;
        let local = self.machines[id.0].local(self.now);
        match self.machines[id.0].running().and_then(Director::next_deadline) {
            Some(next) if next <= local => broken(Law::TimePasses, format!("machine {} at {local:?}: {next:?}", id.0)),
            Some(_) | None => Ok(()),
        }
    }

    /// Something reaches a machine: its daemon handles it, or it waits, or nobody is there.
    pub(crate) fn arrive(&mut self, id: MachineId, life: u32, arrival: Arrival) -> Result<(), Broken> {
        let machine = &mut self.machines[id.0];
        match &arrival {
            Arrival::Packet(lan, _) if !machine.kernel.carries(*lan) => return Ok(()),
            // The monitor's socket ended with the daemon it was opened by.
            Arrival::Told(_) | Arrival::Ended(..) if machine.lives != life => return Ok(()),
            Arrival::Packet(..) | Arrival::Told(_) | Arrival::Ended(..) => {}
        }
        match &mut machine.life {
            Life::Off | Life::Idle => Ok(()),
            Life::Frozen(_, waiting) => {
                let packets = waiting.iter().filter(|waiting| matches!(waiting, Arrival::Packet(..))).count();
                if packets < BACKLOG || matches!(arrival, Arrival::Told(_) | Arrival::Ended(..)) {
                    waiting.push_back(arrival);
                }
                Ok(())
            }
            Life::Running(_) => self.read(id, arrival),
        }
    }

    /// A daemon reads what arrived.
    pub(crate) fn read(&mut self, id: MachineId, arrival: Arrival) -> Result<(), Broken> {
        match arrival {
            Arrival::Told(change) => self.act(id, Input::Changed(change)),
            Arrival::Ended(script, outcome) => self.act(id, Input::ScriptEnded { script, outcome }),
            Arrival::Packet(lan, datagram) => {
                let kernel = &self.machines[id.0].kernel;
                let Some(interface) = kernel.link(lan).map(|link| link.index) else { return Ok(()) };
                let vrid = datagram.message.get(1).copied().unwrap_or(0);
                if !kernel.listens(interface, datagram.destination, vrid) {
                    return Ok(());
                }
                let received = Received {
                    interface,
                    source: datagram.source,
                    destination: datagram.destination,
                    ttl: Some(datagram.ttl),
                    message: &datagram.message,
                };
                self.act(id, Input::Packet(received))
            }
        }
    }

    /// A daemon handles an input, and what it did is taken up.
    pub(crate) fn act(&mut self, id: MachineId, input: Input<'_>) -> Result<(), Broken> {
        let now = self.now;
        let machine = &mut self.machines[id.0];
        let held: Vec<bool> = (0..self.scenario.routers.len()).map(|router| machine.holds(router)).collect();
        let local = machine.local(now);
        let Life::Running(director) = &mut machine.life else { return Ok(()) };
        director.handle(local, input, &mut machine.kernel);
        let effects = machine.kernel.take_effects();
        // Who was master at some moment of this step may have advertised in it.
        let was: Vec<bool> =
            (0..held.len()).map(|router| held[router] || machine.enters_master(router, &effects)).collect();
        // An address that something else removed a moment ago may still be announced: the node has not heard of it yet.
        let excused = now < self.upset_until[id.0];
        if let Some(complaint) = machine.kernel.take_complaints().first().filter(|_| !excused) {
            return broken(Law::HonestAnnouncements, format!("machine {}: {complaint}", id.0));
        }
        for effect in effects {
            match effect {
                Effect::Sent(packet) => self.sent(id, &packet, &was)?,
                Effect::Announced(_) => self.tally.announcements += 1,
                Effect::Recorded(record) => self.recorded(id, &record)?,
                Effect::Ran(script) => self.ran(id, script),
            }
        }
        self.tell(id);
        self.arm(id);
        self.addresses_follow(id)?;
        self.group_agrees(id)?;
        if (0..held.len()).any(|router| self.machines[id.0].holds(router) != held[router]) {
            self.look();
        }
        Ok(())
    }

    /// Schedules the daemon's next wake, if it is another one than the one scheduled.
    fn arm(&mut self, id: MachineId) {
        let machine = &mut self.machines[id.0];
        let deadline = machine.running().and_then(Director::next_deadline).map(|local| machine.global(local));
        if machine.armed == deadline {
            return;
        }
        machine.armed = deadline;
        let Some(deadline) = deadline else { return };
        // A scheduler is prompt nearly always.
        let latest = if self.rng.once_in(500) { LATENESS } else { Duration::from_micros(150) };
        let late = self.rng.span(Duration::from_micros(1), latest);
        self.schedule(deadline.max(self.now) + late, Event::Wake(id, deadline));
    }

    /// A script was started: it ends after a while, as its machine is.
    fn ran(&mut self, id: MachineId, script: ScriptId) {
        let after = self.rng.span(Duration::from_millis(1), SCRIPT_TAKES);
        // What it sees is what is there when it starts.
        let outcome = Ended::Exited(i32::from(!self.machines[id.0].service_good));
        let life = self.machines[id.0].lives;
        self.schedule(self.now + after, Event::Arrive(id, life, Arrival::Ended(script, outcome)));
    }

    /// The monitor will tell the daemon of what changed in the kernel.
    pub(crate) fn tell(&mut self, id: MachineId) {
        for change in self.machines[id.0].kernel.take_changes() {
            let after = self.rng.span(Duration::from_micros(50), TOLD_WITHIN - Duration::from_millis(1));
            let at = (self.now + after).max(self.told_until[id.0]);
            self.told_until[id.0] = at;
            let life = self.machines[id.0].lives;
            self.schedule(at, Event::Arrive(id, life, Arrival::Told(change)));
        }
    }

    fn sent(&mut self, id: MachineId, packet: &Packet, was: &[bool]) -> Result<(), Broken> {
        let kernel = &self.machines[id.0].kernel;
        // A link may be gone without the daemon knowing yet.
        let Some(lan) = kernel.lan(packet.interface) else { return Ok(()) };
        // REQ: VRRP2-5.2.1-01 VRRP3-5.1.1.1-01 VRRP3-5.1.2.1-01
        let own = kernel.sends_from(packet.interface, packet.source);
        let Some((datagram, advert)) = packet::read(packet).ok().filter(|_| own) else {
            return broken(Law::HonestAdverts, format!("machine {} sent {packet:02x?}", id.0));
        };
        let family = packet::family(datagram.source);
        let same = |router: &VirtualRouter| (router.lan, router.vrid, router.family) == (lan, advert.vrid, family);
        let Some(router) = self.scenario.routers.iter().position(same) else {
            return broken(Law::HonestAdverts, format!("machine {} advertises VRID {}", id.0, advert.vrid));
        };
        let resigns = advert.priority.is_none();
        self.tally.adverts += 1;
        self.tally.resignations += u64::from(resigns);
        let priority = advert.priority.map_or(0, standfast_model::Priority::get);
        self.trace.line(self.now, format_args!("m{} r{router} advertises {priority}", id.0));
        let holds = self.machines[id.0].holds(router);
        let leaves = self.scenario.moving_with(router).all(|(_, r)| self.machines[id.0].kernel.carries(r.lan));
        self.laws.sent(self.now, Sent { by: id, router, resigns, leaves, was: was[router], holds })?;
        if resigns {
            for (router, _) in self.scenario.moving_with(router) {
                self.laws.served_for_a_moment(self.now, router);
            }
        }
        self.transmit(lan, Some(id), datagram);
        Ok(())
    }

    /// Sends a datagram to everyone else on a LAN; without a sender it comes from a host that is no machine of ours.
    pub(crate) fn transmit(&mut self, lan: LanId, from: Option<MachineId>, datagram: Datagram) {
        if from.is_some_and(|from| !self.machines[from.0].kernel.carries(lan)) {
            return;
        }
        let datagram = Rc::new(datagram);
        for to in (0..self.machines.len()).map(MachineId).filter(|to| Some(*to) != from) {
            let addressed = datagram.destination.is_multicast()
                || datagram.destination == own_address(packet::family(datagram.destination), lan, to);
            if !addressed {
                continue;
            }
            let ways = match from {
                Some(from) => self.lans[lan.0].ways(&mut self.rng, from, to),
                None => [Some(Duration::from_micros(100)), None],
            };
            for way in ways.into_iter().flatten() {
                let arrival = Arrival::Packet(lan, Rc::clone(&datagram));
                let at = match from {
                    Some(from) => self.lans[lan.0].arrival(self.now, from, to, way),
                    None => self.now + way,
                };
                self.schedule(at, Event::Arrive(to, 0, arrival));
            }
        }
    }

    fn recorded(&mut self, id: MachineId, record: &Record) -> Result<(), Broken> {
        match record {
            Record::Transition(transition) => self.moved(id, transition),
            Record::GroupTransition(_)
            | Record::Priority(_)
            | Record::LowerPriorityReceived { .. }
            | Record::Deleted(_) => Ok(()),
            Record::Notice(_) => {
                self.tally.notices += 1;
                Ok(())
            }
            Record::StaticRestored { .. } => {
                self.tally.restored += 1;
                Ok(())
            }
            Record::Restored { instance, .. } => {
                self.tally.restored += 1;
                self.trace.line(self.now, format_args!("m{} r{} restores an address", id.0, instance.0));
                Ok(())
            }
            Record::Refused { what } => {
                self.trace.line(self.now, format_args!("m{} refused: {what}", id.0));
                // The node waits before it asks again.
                self.excused[id.0] = true;
                self.look();
                Ok(())
            }
        }
    }

    fn moved(&mut self, id: MachineId, transition: &Transition) -> Result<(), Broken> {
        let Transition { instance, from, to, cause, at, priority, .. } = transition;
        let what = format!("m{} {instance} {from} -> {to} ({priority}): {cause}", id.0);
        self.trace.line(self.now, format_args!("{what}"));
        let machine = &mut self.machines[id.0];
        let Some(router) = machine.config.instances.iter().position(|i| i.name == *instance) else {
            return broken(Law::StatesConnect, what);
        };
        if *at != machine.local(self.now) {
            return broken(Law::StatesConnect, format!("{what}, dated {at:?} at {:?}", machine.local(self.now)));
        }
        let known = core::mem::replace(&mut machine.states[router], *to);
        self.tally.takeovers += u64::from(*to == State::Master);
        self.excused[id.0] |= matches!(cause, Cause::KernelRefused { .. });
        if self.excused[id.0] {
            // The kernel's refusal, and its end some time later, are disturbances of their own.
            self.laws.disturbed(self.now, &self.lans);
            self.excused[id.0] = self.machines[id.0].states.contains(&State::Fault);
            self.look();
        }
        self.laws.moved(self.now, &what, *from, *to, known)
    }

    fn addresses_follow(&self, id: MachineId) -> Result<(), Broken> {
        let machine = &self.machines[id.0];
        let failed = !machine.service_good && self.now > machine.unsure_until && is_scripted(machine);
        if failed && let Some(router) = (0..machine.states.len()).find(|router| machine.holds(*router)) {
            return broken(Law::FailedTakeNoPart, format!("machine {} holds router {router}", id.0));
        }
        if self.now < self.upset_until[id.0] {
            return Ok(());
        }
        for (number, router) in self.scenario.routers.iter().enumerate() {
            let master = machine.states[number] == State::Master;
            let wrong = machine.holds(number) != master
                || router.addresses.iter().any(|address| machine.kernel.has(router.lan, *address) != master);
            if wrong && machine.kernel.link(router.lan).is_some() {
                let has: Vec<_> = router.addresses.iter().filter(|a| machine.kernel.has(router.lan, **a)).collect();
                let how = format!("machine {} is {} of router {number}", id.0, machine.states[number]);
                return broken(
                    Law::AddressesFollowMaster,
                    format!("{how}, holds {}, has {has:?}", machine.holds(number)),
                );
            }
        }
        Ok(())
    }

    fn group_agrees(&self, id: MachineId) -> Result<(), Broken> {
        let machine = &self.machines[id.0];
        for group in &machine.config.groups {
            let mut states =
                group.members.iter().filter_map(|member| machine.states.get(usize::try_from(member.0).ok()?));
            let first = states.next();
            if states.any(|state| Some(state) != first) {
                return broken(Law::GroupMovesTogether, format!("machine {}: {:?}", id.0, machine.states));
            }
        }
        Ok(())
    }

    /// Shows the laws what an observer sees of every virtual router now.
    pub(crate) fn look(&mut self) {
        for router in 0..self.scenario.routers.len() {
            let lan = self.scenario.routers[router].lan;
            let holds: Vec<bool> =
                self.machines.iter().map(|machine| machine.holds(router) && machine.kernel.carries(lan)).collect();
            let healthy = self.machines.iter().map(|machine| self.is_healthy(machine, router)).collect();
            // A group follows one of its members, so that a member is served if anybody holds it.
            let grouped = self.scenario.routers[router].grouped;
            let hears = |to, from| grouped || self.lans[lan.0].hears(MachineId(to), MachineId(from));
            let served =
                (0..holds.len()).map(|to| (0..holds.len()).any(|from| holds[from] && hears(to, from))).collect();
            self.laws.look(self.now, router, Sight { holds, healthy, served });
        }
    }

    /// Whether a machine could be master of a virtual router: it runs, and every link that its membership depends on
    /// carries.
    fn is_healthy(&self, machine: &Machine<D>, router: usize) -> bool {
        let needs = |number: usize, r: &VirtualRouter, lan: LanId| {
            // In a group every weight counts as 0.
            let mut tracked =
                machine.config.instances[number].track_interfaces.iter().filter(|t| t.weight == 0 || r.grouped);
            lan == r.lan || tracked.any(|t| t.interface == interface(lan))
        };
        let carries = |number, r| {
            let lans = (0..self.scenario.lans).map(LanId);
            lans.filter(|lan| needs(number, r, *lan)).all(|lan| machine.kernel.carries(lan))
        };
        let scripted = is_scripted(machine);
        machine.running().is_some()
            && !self.excused[machine.id.0]
            && !(scripted && (!machine.service_good || self.now < machine.unsure_until))
            && self.scenario.moving_with(router).all(|(number, r)| carries(number, r))
    }
}

/// Whether a track script decides over the FAULT of a machine.
fn is_scripted<D>(machine: &Machine<D>) -> bool {
    let decides = |tracked: &Tracked| tracked.weight == 0;
    let groups = machine.config.groups.iter().flat_map(|group| &group.options.trackers);
    let instances = machine.config.instances.iter().flat_map(|instance| &instance.options.trackers);
    groups.chain(instances).any(decides)
}
