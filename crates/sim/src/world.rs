//! The cluster in virtual time: one queue of events, one machine acting at a time, laws checked after every step.
//!
//! It owns time. Time jumps to the next event. What a machine does is taken up in `act`, what befalls it in
//! `befall`, what an observer sees of it is told to the laws in `observe`. Nothing here reads a clock,
//! and a run is a function of its seed.
#![expect(clippy::indexing_slicing, reason = "machines, LANs and routers are numbered by the vectors that hold them")]

use crate::fault::{Blows, Fault, Storm};
use crate::kernel::Kernel;
use crate::lan::{Lan, MachineId};
use crate::laws::{Broken, Law, Laws, broken};
use crate::lease::{Keeper, Store};
use crate::machine::{Director, Machine};
use crate::order::{Agenda, Event};
use crate::report::{Report, Tally};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::signing::Tape;
use crate::trace::Trace;
use core::time::Duration;
use standfast_model::Instant;
use standfast_node::Input;

/// A cluster and its time.
#[derive(Debug)]
pub struct World<D> {
    pub(crate) scenario: Scenario,
    pub(crate) now: Instant,
    agenda: Agenda,
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
    pub(crate) excused: Vec<bool>,
    /// The monitor of a machine tells things in order.
    pub(crate) told_until: Vec<Instant>,
    /// While a daemon reads its configuration: the virtual routers that it finds nothing new of, one bit each.
    pub(crate) left_alone: u64,
    /// And what it held under the former one.
    pub(crate) held_before: u64,
    /// Signed packets that somebody keeps.
    pub(crate) tape: Tape,
    /// Who gives the lease, in a cluster that wants one, and for each machine who asks for it.
    pub(crate) store: Option<Store>,
    pub(crate) keepers: Vec<Keeper>,
    pub(crate) trace: Trace,
    pub(crate) tally: Tally,
}

impl<D: Director> World<D> {
    /// A cluster whose machines have booted; daemons start within the first second, in any order.
    #[must_use]
    pub fn new(scenario: Scenario, blows: Blows, whole_trace: bool) -> Self {
        // The cluster and what befalls it are drawn apart, so that one can change without the other.
        let mut rng = Rng::new(!scenario.seed);
        let (machines, routers) = (scenario.machines.len(), scenario.routers.len());
        let storm = Storm::new(rng.fork(), machines, scenario.lans, routers)
            .with_witnesses(scenario.witnesses, scenario.lease.is_some());
        let mut world = Self {
            now: Instant::ZERO,
            agenda: Agenda::default(),
            storm,
            blows,
            drawn: 0,
            struck: Vec::new(),
            lans: vec![Lan::new(machines); scenario.lans],
            machines: (0..)
                .map(MachineId)
                .zip(&scenario.machines)
                .map(|(id, plan)| Machine::new(id, plan, &scenario))
                .collect(),
            laws: Laws::new(&scenario),
            upset_until: vec![Instant::ZERO; machines],
            excused: vec![false; machines],
            told_until: vec![Instant::ZERO; machines],
            left_alone: 0,
            held_before: 0,
            tape: Tape::default(),
            store: scenario.lease.map(Store::new),
            keepers: vec![Keeper::default(); machines],
            trace: Trace::new(whole_trace),
            tally: Tally::default(),
            rng,
            scenario,
        };
        for id in (0..machines).map(MachineId) {
            let start = world.now + world.rng.span(Duration::ZERO, Duration::from_secs(1));
            world.schedule(start, Event::Fault(Box::new(Fault::Start(id))));
            if world.store.is_some() {
                world.schedule(start, Event::Lease(id));
            }
        }
        if world.blows != Blows::None {
            world.schedule(world.now + Duration::from_secs(20), Event::Storm);
        }
        world
    }

    /// Lets a fault happen at a time to come.
    pub fn plan(&mut self, at: Instant, fault: Fault) {
        self.schedule(at, Event::Fault(Box::new(fault)));
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
        while let Some((at, event)) = self.agenda.take_until(end) {
            self.now = at;
            self.tally.events += 1;
            // Before anything happens now: what did not happen until now is late.
            self.laws.check(at)?;
            match event {
                Event::Packet(id, lan, datagram) => self.packet(id, lan, datagram)?,
                Event::Told(id, life, told) => self.told(id, life, *told)?,
                Event::Wake(id) => self.wake(id)?,
                Event::Fault(fault) => self.befall(*fault)?,
                Event::Lease(id) => self.keep_lease(id)?,
                Event::Storm => self.strike(),
            }
            self.one_by_lease()?;
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
            let Some(next) = self.agenda.next_at().filter(|at| *at <= end) else { return Ok(None) };
            self.run_until(next)?;
        }
        Ok(Some(self.now))
    }

    /// Where a lease decides, one holds, into however many parts the LAN has fallen.
    fn one_by_lease(&self) -> Result<(), Broken> {
        if self.store.is_none() {
            return Ok(());
        }
        let two = (0..self.scenario.routers.len()).map(|router| (router, self.holders(router)));
        match two.into_iter().find(|(_, holders)| holders.len() > 1) {
            Some((router, holders)) => broken(Law::OneByLease, format!("{holders:?} hold router {router}")),
            None => Ok(()),
        }
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

    /// The kernel of a machine.
    ///
    /// # Panics
    /// If there is no such machine.
    #[must_use]
    pub fn kernel(&self, id: MachineId) -> &Kernel {
        &self.machines[id.0].kernel
    }

    /// Who holds the addresses of a virtual router.
    #[must_use]
    pub fn holders(&self, router: usize) -> Vec<MachineId> {
        self.machines.iter().filter(|machine| machine.holds(router)).map(|machine| machine.id).collect()
    }

    pub(crate) fn schedule(&mut self, at: Instant, event: Event) {
        self.agenda.add(at, event);
    }

    fn strike(&mut self) {
        let (blow, pause) = (self.storm.blow(), self.storm.pause());
        if self.blows.strikes(self.drawn) {
            self.struck.push(self.drawn);
            self.tally.faults += 1;
            self.schedule(self.now, Event::Fault(Box::new(blow.fault)));
            if let Some((after, end)) = blow.mended {
                self.schedule(self.now + after, Event::Fault(Box::new(end)));
            }
        }
        self.drawn += 1;
        self.schedule(self.now + pause, Event::Storm);
    }

    fn wake(&mut self, id: MachineId) -> Result<(), Broken> {
        let now = self.now;
        let machine = &mut self.machines[id.0];
        if machine.alarm.is_none_or(|alarm| alarm.at != now) {
            // Made for an earlier daemon, or for a deadline that has moved nearer since.
            return Ok(());
        }
        machine.alarm = None;
        let Some(director) = machine.running() else { return Ok(()) };
        if director.next_deadline().is_none_or(|deadline| deadline > machine.local(now)) {
            self.arm(id);
            return Ok(());
        }
        self.act(id, Input::Wake)?;
        let local = self.machines[id.0].local(now);
        match self.machines[id.0].running().and_then(Director::next_deadline) {
            Some(next) if next <= local => broken(Law::TimePasses, format!("machine {} at {local:?}: {next:?}", id.0)),
            Some(_) | None => Ok(()),
        }
    }
}
