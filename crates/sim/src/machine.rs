//! One machine: its kernel, its daemon, and what waits for it.
//!
//! It owns the daemon's life: booting, freezing, being killed. What a daemon does is [`Director`]'s.

use crate::kernel::{Effect, Kernel};
use crate::lan::{LanId, MachineId};
use core::time::Duration;
use standfast_model::config::VrrpConfig;
use standfast_model::config::track::ScriptId;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::{Ended, Instant, Priority, State};
use standfast_net::Change;
use standfast_node::{Input, Record, VrrpNode};
use standfast_vrrp::Router;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;

/// What the simulator asks of the thing it runs on every machine. The real one is [`VrrpNode`]; the tests of the
/// simulator run others, which break a law each.
pub trait Director {
    /// A daemon that has not been started.
    fn new(config: &VrrpConfig) -> Self;
    /// Handles an input.
    fn handle(&mut self, now: Instant, input: Input<'_>, kernel: &mut Kernel);
    /// When it wants to be woken.
    fn next_deadline(&self) -> Option<Instant>;
    /// Whether it says it holds the addresses of an instance.
    fn holds(&self, instance: InstanceId) -> bool;
}

impl Director for VrrpNode {
    fn new(config: &VrrpConfig) -> Self {
        Self::new(config.clone(), Router::new(config.clone()))
    }

    fn handle(&mut self, now: Instant, input: Input<'_>, kernel: &mut Kernel) {
        self.handle(now, input, kernel);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline()
    }

    fn holds(&self, instance: InstanceId) -> bool {
        self.router().holds(instance)
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
    /// What follows it.
    pub message: Vec<u8>,
}

/// Something that reaches a daemon from its kernel.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// A packet on a LAN.
    Packet(LanId, Rc<Datagram>),
    /// The monitor tells of a change.
    Told(Change),
    /// A track script has ended.
    Ended(ScriptId, Ended),
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
    Frozen(D, VecDeque<Arrival>),
}

/// Packets and changes that a kernel keeps for a daemon that does not read: about what the receive buffer holds.
pub const BACKLOG: usize = 460;

/// One machine.
#[derive(Debug)]
pub struct Machine<D> {
    /// Its number.
    pub id: MachineId,
    /// Its kernel.
    pub kernel: Kernel,
    /// Its daemon.
    pub life: Life<D>,
    /// What the daemon is told when it starts.
    pub config: VrrpConfig,
    /// How often a daemon was started or ended here: what was under way to an earlier one is not for this one.
    pub lives: u32,
    /// The deadline a wake is scheduled for, in simulated time.
    pub armed: Option<Instant>,
    /// The state of each instance as the journal tells it.
    pub states: Vec<State>,
    /// Since when it stands still, if it does.
    pub frozen_at: Option<Instant>,
    /// Whether what its track script looks at is good.
    pub service_good: bool,
    /// It was told to read its configuration while it stood still.
    pub reload_waits: bool,
    /// Until when the daemon may not know it yet.
    pub unsure_until: Instant,
    /// How far its clock is ahead.
    clock_ahead: Duration,
}

impl<D: Director> Machine<D> {
    /// A machine that has booted and runs no daemon yet.
    #[must_use]
    pub fn new(id: MachineId, plan: &crate::scenario::Machine) -> Self {
        Self {
            id,
            kernel: Kernel::boot(plan.cards.clone()),
            life: Life::Idle,
            config: plan.config.clone(),
            lives: 0,
            armed: None,
            states: vec![State::Init; plan.config.instances.len()],
            frozen_at: None,
            service_good: true,
            reload_waits: false,
            unsure_until: Instant::ZERO,
            clock_ahead: plan.clock_ahead,
        }
    }

    /// Writes another priority into the configuration of every instance but an owner, or that of `drawn` again.
    pub fn reprioritise(&mut self, drawn: &VrrpConfig, priority: Option<Priority>) {
        for (instance, drawn) in self.config.instances.iter_mut().zip(&drawn.instances) {
            instance.priority = priority.filter(|_| !drawn.priority.is_owner()).unwrap_or(drawn.priority);
        }
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

    /// Whether the daemon runs and holds the addresses of an instance.
    #[must_use]
    pub fn holds(&self, router: usize) -> bool {
        let id = InstanceId(u32::try_from(router).unwrap_or(u32::MAX));
        self.running().is_some_and(|director| director.holds(id))
    }

    /// Whether an instance becomes master somewhere in what the daemon did.
    #[must_use]
    pub fn enters_master(&self, router: usize, effects: &[Effect]) -> bool {
        let Some(instance) = self.config.instances.get(router) else { return false };
        effects.iter().any(|effect| match effect {
            Effect::Recorded(Record::Transition(t)) => t.to == State::Master && t.instance == instance.name,
            Effect::Recorded(_) | Effect::Sent(_) | Effect::Announced(_) | Effect::Ran(_) => false,
        })
    }

    /// A daemon that is there ends, without a word.
    pub fn end_daemon(&mut self) {
        self.reload_waits = false;
        self.lives += 1;
        self.armed = None;
        self.states.fill(State::Init);
        self.kernel.daemon_gone();
        self.life = Life::Idle;
    }

    /// Boots if there is need, and makes a daemon that has not been started. Says whether there was none.
    pub fn begin_daemon(&mut self) -> bool {
        match self.life {
            Life::Running(_) | Life::Frozen(..) => return false,
            Life::Off | Life::Idle => {}
        }
        self.lives += 1;
        self.life = Life::Running(D::new(&self.config));
        true
    }

    /// Everything stops where it is.
    pub fn freeze(&mut self, now: Instant) {
        self.life = match core::mem::replace(&mut self.life, Life::Off) {
            Life::Running(director) => {
                self.frozen_at = Some(now);
                Life::Frozen(director, VecDeque::new())
            }
            other @ (Life::Off | Life::Idle | Life::Frozen(..)) => other,
        };
    }

    /// And goes on. Says since when it stood still, and what arrived meanwhile, oldest first.
    pub fn thaw(&mut self) -> Option<(Instant, VecDeque<Arrival>)> {
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
