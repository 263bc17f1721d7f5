//! One machine: its kernel, its daemon, and what waits for it.
//!
//! It owns the daemon's life: booting, freezing, being killed. What a daemon does is [`Director`]'s.

use crate::kernel::{Effect, Kernel};
use crate::lan::{LanId, MachineId};
use crate::scenario::Scenario;
use crate::variation::File;
use core::time::Duration;
use ipnet::IpNet;
use standfast_model::config::VrrpConfig;
use standfast_model::config::track::{ScriptId, Tracked};
use standfast_model::config::vrrp::{Instance, InstanceId};
use standfast_model::config::witness::{Need, Unreachable};
use standfast_model::ipvs::Family;
use standfast_model::{Ended, Instant, InterfaceIndex, InterfaceName, State};
use standfast_net::{Change, Operation};
use standfast_node::{Input, Record, VrrpNode};
use standfast_vrrp::{Event, Output, Router};
use standfast_wire::ipv4;
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;

/// What the simulator asks of the thing it runs on every machine. The real one is [`VrrpNode`]; the tests of the
/// simulator run others, which break a law each.
pub trait Director {
    /// A daemon that has not been started; `adopted` is what a predecessor has noted.
    fn new(now: Instant, config: &VrrpConfig, adopted: &[(InstanceId, Note)]) -> Self;
    /// Handles an input.
    fn handle(&mut self, now: Instant, input: Input<'_>, kernel: &mut Kernel);
    /// Whether it wants the lease of its witness: it is master, or would be if it had it.
    fn wants_lease(&self) -> bool;
    /// When it wants to be woken.
    fn next_deadline(&self) -> Option<Instant>;
    /// Whether it says it holds the addresses of an instance.
    fn holds(&self, instance: InstanceId) -> bool;
    /// What a successor must know of an instance.
    fn note(&self, instance: InstanceId) -> Note;
    /// The places in which it may hold addresses, for the ledger.
    fn places(&self) -> Places;
    /// What it removes of the places that a killed predecessor noted.
    fn leftovers(&self, noted: &Places) -> Vec<Operation>;
}

/// What outlives a daemon of one instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Note {
    /// When it sent its last advertisement as the master that it is, by the machine's clock.
    pub advert_sent: Option<Instant>,
    /// `auth_type AH`: the highest sequence number sent or accepted, 0 with any other authentication.
    pub sequence: u32,
}

/// Links, by their numbers, and addresses on them.
pub type Places = BTreeSet<(InterfaceIndex, IpNet)>;

/// A node that has not been started, told of what a predecessor sent as the daemon tells it.
#[must_use]
pub fn node(now: Instant, config: &VrrpConfig, adopted: &[(InstanceId, Note)]) -> VrrpNode {
    let mut router = Router::new(config.clone());
    let mut nothing = Output::default();
    for (instance, Note { advert_sent, sequence }) in adopted.iter().copied() {
        if let Some(advert_sent) = advert_sent {
            router.handle(now, Event::Adopt { instance, advert_sent }, &mut nothing);
        }
        if sequence > 0 {
            router.handle(now, Event::Sequence { instance, highest: sequence }, &mut nothing);
        }
    }
    VrrpNode::new(config.clone(), router)
}

impl Director for VrrpNode {
    fn new(now: Instant, config: &VrrpConfig, adopted: &[(InstanceId, Note)]) -> Self {
        node(now, config, adopted)
    }

    fn handle(&mut self, now: Instant, input: Input<'_>, kernel: &mut Kernel) {
        self.handle(now, input, kernel);
    }

    fn wants_lease(&self) -> bool {
        self.router().wants_lease()
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline()
    }

    fn holds(&self, instance: InstanceId) -> bool {
        self.router().holds(instance)
    }

    fn note(&self, instance: InstanceId) -> Note {
        let status = self.router().status(instance);
        status.map_or(Note::default(), |status| Note {
            advert_sent: status.advert_sent,
            sequence: status.sequence.unwrap_or(0),
        })
    }

    fn places(&self) -> Places {
        self.places_of_ours().collect()
    }

    fn leftovers(&self, noted: &Places) -> Vec<Operation> {
        self.leftovers(noted)
    }
}

/// A packet under way.
#[derive(Debug)]
pub struct Datagram {
    /// From the IP header.
    pub source: IpAddr,
    /// From the IP header.
    pub destination: IpAddr,
    /// From the IP header.
    pub ttl: u8,
    /// From the IP header or, where the kernel keeps it to itself, from the message on.
    pub octets: Vec<u8>,
    /// Where in it the message begins: behind the IPv4 header, if that is there, and the authentication header.
    pub message_at: usize,
}

impl Datagram {
    /// What follows the IP header.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.octets.get(self.message_at..).unwrap_or_default()
    }

    /// Whether there is an authentication header in front of the message.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        self.message_at > ipv4::HEADER_LEN
    }
}

/// Something that a daemon is told by its own machine.
#[derive(Clone, Debug)]
pub enum Told {
    /// The monitor tells of a change.
    Change(Change),
    /// A track script has ended.
    Ended(ScriptId, Ended),
}

/// Something that waits for a daemon that does not read.
#[derive(Clone, Debug)]
pub enum Waiting {
    /// A packet on a LAN.
    Packet(LanId, Rc<Datagram>),
    /// News from its own machine.
    Told(Told),
}

/// Whether there is a daemon.
#[derive(Debug)]
pub enum Life<D> {
    /// The machine is without power.
    Off,
    /// It runs, without the daemon.
    Idle,
    /// All is well.
    Running(D),
    /// The machine stands still; what arrives waits.
    Frozen(D, VecDeque<Waiting>),
}

/// Packets and changes that a kernel keeps for a daemon that does not read: about what the receive buffer holds.
pub const BACKLOG: usize = 460;

/// What the configuration that a daemon runs has to do with a virtual router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Duty {
    /// The instance.
    pub instance: InstanceId,
    /// What it holds as master.
    pub addresses: Vec<IpNet>,
    /// How often it advertises.
    pub interval: Duration,
    /// How long it may stand still as master before somebody else is.
    pub outslept_after: Duration,
    /// Whether it is the owner of the addresses, and so master from its start on.
    pub owns: bool,
}

/// By what a predecessor's advertisements are remembered: the interface's name, the family, the VRID.
type StampKey = (InterfaceName, Family, u8);

fn stamp_key(instance: &Instance) -> StampKey {
    (instance.interface.clone(), instance.family, instance.vrid.get())
}

/// A wake that is scheduled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// When it comes.
    pub at: Instant,
    /// The deadline it was made for. One that has moved later since is looked at again when the wake comes.
    pub deadline: Instant,
}

/// One machine.
#[derive(Debug)]
pub struct Machine<D> {
    /// Its number.
    pub id: MachineId,
    /// Its kernel.
    pub kernel: Kernel,
    /// Its daemon.
    pub life: Life<D>,
    /// The file that a daemon reads when it starts and when it is told to.
    pub config: VrrpConfig,
    /// What stands in it.
    pub file: File,
    /// What the daemon runs.
    pub running: VrrpConfig,
    /// What that has to do with each virtual router.
    pub duties: Vec<Option<Duty>>,
    /// The virtual router of each instance.
    routers: Vec<Option<usize>>,
    /// Whether a track script decides over its FAULT.
    pub scripted: bool,
    /// How often a daemon was started or ended here: what was under way to an earlier one is not for this one.
    pub lives: u32,
    /// The wake that is scheduled.
    pub alarm: Option<Alarm>,
    /// The state of each virtual router's instance as the journal tells it.
    pub states: Vec<State>,
    /// Since when it stands still, if it does.
    pub frozen_at: Option<Instant>,
    /// Whether what its track script looks at is good.
    pub service_good: bool,
    /// Whether each of its witnesses answers it.
    pub answers: Vec<bool>,
    /// Until when it has the lease that its masters want, as its daemon was told since it was last no master.
    pub lease_until: Option<Instant>,
    /// Whether a lease decides who is master.
    leased: bool,
    /// It was told to read its configuration while it stood still.
    pub reload_waits: bool,
    /// Until when the daemon may not know it yet.
    pub unsure_until: Instant,
    /// What was seen when addresses and states were last compared: the kernel's generation and what was held. None if
    /// anything else has changed since.
    pub compared: Option<(u64, u64)>,
    /// What it held after its daemon's last step; none where anything else has happened since.
    held: Option<u64>,
    /// What each instance has noted: in memory that outlives the daemon.
    stamps: Vec<(StampKey, Note)>,
    /// `auth_type AH`: the last sequence number that was sent for each virtual router by this daemon, or noted by the one
    /// before it, and when.
    pub sequences: Vec<(u32, Instant)>,
    /// The places in which the daemon may hold addresses: in a file that outlives it.
    pub ledger: Places,
    /// When the daemon was killed, and what it held.
    pub killed: Option<(Instant, u64)>,
    /// By how many seconds its wall's clock is wrong.
    pub wall_wrong_by: i64,
    /// How far its clock is ahead.
    clock_ahead: Duration,
}

impl<D: Director> Machine<D> {
    /// A machine that has booted and runs no daemon yet.
    #[must_use]
    pub fn new(id: MachineId, plan: &crate::scenario::Machine, scenario: &Scenario) -> Self {
        let (routers, witnesses) = (scenario.routers.len(), scenario.witnesses);
        Self {
            id,
            kernel: Kernel::boot(plan.cards.clone()),
            life: Life::Idle,
            config: plan.config.clone(),
            file: File::DRAWN,
            running: VrrpConfig::default(),
            duties: vec![None; routers],
            routers: Vec::new(),
            scripted: false,
            lives: 0,
            alarm: None,
            states: vec![State::Init; routers],
            frozen_at: None,
            service_good: true,
            answers: vec![true; witnesses],
            lease_until: None,
            leased: scenario.lease.is_some(),
            reload_waits: false,
            unsure_until: Instant::ZERO,
            compared: None,
            held: None,
            stamps: Vec::new(),
            sequences: vec![(0, Instant::ZERO); routers],
            ledger: Places::new(),
            killed: None,
            wall_wrong_by: 0,
            clock_ahead: plan.clock_ahead,
        }
    }

    /// From now on the daemon runs what stands in the file. An instance that other routers know by another number now,
    /// or not at all, begins anew: these come back, one bit for each virtual router.
    pub fn take_on(&mut self, scenario: &Scenario) -> u64 {
        self.held = None;
        let before = core::mem::replace(&mut self.running, self.config.clone());
        let vrid = |config: &VrrpConfig, duty: Option<&Duty>| {
            let instance = config.instances.get(usize::try_from(duty?.instance.0).ok()?)?;
            Some(instance.vrid)
        };
        self.routers = self.running.instances.iter().map(|instance| scenario.router_of(instance)).collect();
        let former = core::mem::replace(&mut self.duties, vec![None; self.states.len()]);
        for ((id, instance), router) in (0..).map(InstanceId).zip(&self.running.instances).zip(&self.routers) {
            let Some(slot) = router.and_then(|router| self.duties.get_mut(router)) else { continue };
            *slot = Some(Duty {
                instance: id,
                addresses: instance.addresses.iter().chain(&instance.excluded).map(|entry| entry.address).collect(),
                interval: instance.advert_interval.as_duration(),
                outslept_after: Scenario::outslept_after(instance),
                owns: instance.priority.is_owner(),
            });
        }
        let mut anew = 0;
        for (router, ((state, duty), former)) in self.states.iter_mut().zip(&self.duties).zip(&former).enumerate() {
            if vrid(&self.running, duty.as_ref()) != vrid(&before, former.as_ref()) {
                *state = State::Init;
                anew |= 1 << router;
                self.sequences.iter_mut().skip(router).take(1).for_each(|last| *last = (0, Instant::ZERO));
            }
        }
        let decides = |tracked: &Tracked| tracked.weight == 0;
        let groups = self.running.groups.iter().flat_map(|group| &group.options.trackers);
        let instances = self.running.instances.iter().flat_map(|instance| &instance.options.trackers);
        self.scripted = groups.chain(instances).any(decides);
        self.compared = None;
        self.lay_out_stamps();
        anew
    }

    /// Whether its witnesses agree to its being master, as the configuration that it runs has it.
    #[must_use]
    pub fn may_take_over(&self, now: Instant) -> bool {
        if self.leased {
            return self.lease_until.is_some_and(|until| now < until);
        }
        let groups = self.running.groups.iter().filter_map(|group| group.options.witness.as_ref());
        let instances = self.running.instances.iter().filter_map(|instance| instance.options.witness.as_ref());
        let Some(policy) = groups.chain(instances).next() else { return true };
        let agrees = |answers: &bool| *answers || policy.unreachable == Unreachable::Take;
        match policy.need {
            Need::All => self.answers.iter().all(agrees),
            Need::Any => self.answers.iter().any(agrees),
        }
    }

    /// The virtual router of an instance that the daemon runs.
    #[must_use]
    pub fn router_named(&self, name: &str) -> Option<usize> {
        let place = self.running.instances.iter().position(|instance| instance.name == name)?;
        self.routers.get(place).copied().flatten()
    }

    /// Simulated time as this machine's clock shows it.
    #[must_use]
    pub fn local(&self, now: Instant) -> Instant {
        now + self.clock_ahead
    }

    /// This machine's time as simulated time.
    #[must_use]
    pub fn global(&self, local: Instant) -> Instant {
        local - self.clock_ahead
    }

    /// The daemon, if it is there and not frozen.
    #[must_use]
    pub const fn running(&self) -> Option<&D> {
        match &self.life {
            Life::Running(director) => Some(director),
            Life::Off | Life::Idle | Life::Frozen(..) => None,
        }
    }

    /// Which virtual routers another configuration says nothing new of, one bit each: the same instance in the same
    /// company, whatever its name and its place are.
    #[must_use]
    pub fn left_alone(&self, before: &VrrpConfig) -> u64 {
        let mut alone = 0;
        for (number, router) in self.routers.iter().enumerate() {
            let (Some(router), Some(now)) = (router, self.running.instances.get(number)) else { continue };
            let is_it = |instance: &&Instance| stamp_key(instance) == stamp_key(now);
            let Some(was) = before.instances.iter().find(is_it) else { continue };
            let renamed = Instance { name: now.name.clone(), ..was.clone() };
            if renamed == *now {
                alone |= 1 << router;
            }
        }
        // The members of a group share what happens to one of them.
        let grouped = !self.running.groups.is_empty();
        let all = self.duties.iter().rev().fold(0, |all, duty| all << 1 | u64::from(duty.is_some()));
        if grouped && alone != all { 0 } else { alone }
    }

    /// How old the note of an instance's last advertisement is, if there is one.
    #[must_use]
    pub fn stamp_age(&self, router: usize, now: Instant) -> Option<Duration> {
        let place = self.routers.iter().position(|other| *other == Some(router))?;
        let at = self.stamps.get(place)?.1.advert_sent?;
        Some(self.local(now).since(at))
    }

    /// The instance of a virtual router, if the daemon has one.
    #[must_use]
    pub fn instance_of(&self, router: usize) -> Option<&Instance> {
        let id = self.duties.get(router)?.as_ref()?.instance;
        self.running.instances.get(usize::try_from(id.0).ok()?)
    }

    /// Whether the daemon runs and holds the addresses of a virtual router.
    #[must_use]
    pub fn holds(&self, router: usize) -> bool {
        let duty = self.duties.get(router).and_then(Option::as_ref);
        self.running().zip(duty).is_some_and(|(director, duty)| director.holds(duty.instance))
    }

    /// What it holds, one bit for each virtual router.
    #[must_use]
    pub fn holding(&self) -> u64 {
        self.running().map_or(0, |director| self.held_by(director))
    }

    /// What it held before the step that comes, by what was seen after the last one.
    pub fn held(&mut self) -> u64 {
        let held = self.held.unwrap_or_else(|| self.holding());
        self.held = Some(held);
        held
    }

    /// What it holds after a step, noted for the next.
    pub fn holding_now(&mut self) -> u64 {
        let holding = self.holding();
        self.held = Some(holding);
        holding
    }

    fn held_by(&self, director: &D) -> u64 {
        let held = |duty: &Option<Duty>| duty.as_ref().is_some_and(|duty| director.holds(duty.instance));
        self.duties.iter().rev().fold(0, |held_so_far, duty| held_so_far << 1 | u64::from(held(duty)))
    }

    /// What becomes master somewhere in what the daemon did, one bit for each virtual router.
    #[must_use]
    pub fn entering(&self, effects: &[Effect]) -> u64 {
        let mut entering = 0;
        for effect in effects {
            if let Effect::Recorded(Record::Transition(transition)) = effect
                && transition.to == State::Master
                && let Some(router) = self.router_named(&transition.instance)
            {
                entering |= 1 << router;
            }
        }
        entering
    }

    /// Notes when advertisements were sent, for a successor.
    pub fn stamp(&mut self) {
        let Life::Running(director) = &self.life else { return };
        for (id, (_, note)) in (0..).map(InstanceId).zip(&mut self.stamps) {
            *note = director.note(id);
        }
    }

    /// Notes in which places the daemon may hold addresses from now on, for a successor.
    pub fn write_ledger(&mut self) {
        if let Life::Running(director) = &self.life {
            self.ledger = director.places();
        }
    }

    /// Makes room for the notes of the instances that run from now on; what was noted of the same ones before stays.
    fn lay_out_stamps(&mut self) {
        let before = core::mem::take(&mut self.stamps);
        let known =
            |key: &StampKey| before.iter().find(|(known, _)| known == key).map_or(Note::default(), |(_, note)| *note);
        self.stamps = self.running.instances.iter().map(stamp_key).map(|key| (key.clone(), known(&key))).collect();
    }

    /// A daemon that is there ends, without a word.
    pub fn end_daemon(&mut self) {
        self.reload_waits = false;
        self.lives += 1;
        self.lease_until = None;
        self.alarm = None;
        self.states.fill(State::Init);
        self.kernel.daemon_gone();
        self.held = None;
        self.life = Life::Idle;
    }

    /// The daemon is killed: what it held and when it last spoke is there for a successor.
    pub fn kill(&mut self, now: Instant) {
        let held = match &self.life {
            Life::Off | Life::Idle => return,
            Life::Running(director) | Life::Frozen(director, _) => self.held_by(director),
        };
        self.end_daemon();
        self.killed = Some((now, held));
    }

    /// The machine is without power, and with it everything that outlives a daemon.
    pub fn power_cut(&mut self) {
        self.end_daemon();
        self.stamps.clear();
        self.sequences.fill((0, Instant::ZERO));
        self.ledger.clear();
        self.killed = None;
        self.life = Life::Off;
        self.kernel.power_cut();
    }

    /// Boots if there is need, and makes a daemon that has not been started. Says whether there was none.
    pub fn begin_daemon(&mut self, now: Instant, scenario: &Scenario) -> bool {
        match self.life {
            Life::Running(_) | Life::Frozen(..) => return false,
            Life::Off | Life::Idle => {}
        }
        self.lives += 1;
        self.lease_until = None;
        self.take_on(scenario);
        self.states.fill(State::Init);
        let stamped = (0..).map(InstanceId).zip(&self.stamps);
        let adopted: Vec<_> = stamped.map(|(id, (_, note))| (id, *note)).collect();
        // What is killed between sending and noting it has sent is known to nobody.
        for (router, (_, note)) in self.routers.iter().zip(&self.stamps) {
            let last = router.and_then(|router| self.sequences.get_mut(router));
            last.into_iter().for_each(|last| *last = (note.sequence, Instant::ZERO));
        }
        self.held = None;
        self.life = Life::Running(D::new(self.local(now), &self.running, &adopted));
        true
    }

    /// Everything stops where it is.
    pub fn freeze(&mut self, now: Instant) {
        self.held = None;
        self.life = match core::mem::replace(&mut self.life, Life::Off) {
            Life::Running(director) => {
                self.frozen_at = Some(now);
                Life::Frozen(director, VecDeque::new())
            }
            other @ (Life::Off | Life::Idle | Life::Frozen(..)) => other,
        };
    }

    /// And goes on. Says since when it stood still, and what arrived meanwhile, oldest first.
    pub fn thaw(&mut self) -> Option<(Instant, VecDeque<Waiting>)> {
        self.held = None;
        match core::mem::replace(&mut self.life, Life::Off) {
            Life::Frozen(director, arrived) => {
                self.life = Life::Running(director);
                Some((self.frozen_at.take()?, arrived))
            }
            other @ (Life::Off | Life::Idle | Life::Running(_)) => {
                self.life = other;
                None
            }
        }
    }
}
