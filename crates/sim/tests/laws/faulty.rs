//! The real node, each time with one defect.
//!
//! A defect lies between the node and the simulator: what it hears, when it is woken, what of its wishes is done.

use core::time::Duration;
use standfast_model::config::VrrpConfig;
use standfast_model::config::track::ScriptId;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::ipvs::Family;
use standfast_model::{Cause, Ended, Instant, State, Transition, Witnessed};
use standfast_net::Operation;
use standfast_node::{Applied, Frame, Input, Listen, Packet, Record, SocketKey, System, VrrpNode};
use standfast_sim::Director;
use standfast_sim::kernel::Kernel;
use standfast_sim::lan::LanId;
use standfast_sim::machine::{self, Note, Places};
use standfast_vrrp::Router;
use standfast_wire::{arp, ipv4, vrrp};

/// What is wrong with a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Defect {
    /// Never hears anything.
    Deaf,
    /// Hears everything but resignations.
    HearsNoResignation,
    /// Hears nothing for half a minute, ten minutes after its start.
    Absent,
    /// Never asks to be woken.
    NeverWakes,
    /// Is woken four seconds late.
    WakesLate,
    /// Wants to be woken at the beginning of time.
    LivesInThePast,
    /// Says that addresses were removed, and leaves them as they are.
    KeepsAddresses,
    /// Does not stop.
    StaysOn,
    /// Sends its adverts with a flipped bit.
    Scribbles,
    /// Advertises whether it is master or not.
    Pretends,
    /// Announces an address that is nobody's.
    AnnouncesAnything,
    /// Says that the first instance has failed.
    BreaksTheGroup,
    /// Says a transition twice.
    RepeatsItself,
    /// Does not notice that time has passed without it.
    Sleepwalks,
    /// Takes every result of a script for a good one.
    TrustsScripts,
    /// Begins anew when it is told to read its configuration again.
    StartsOver,
    /// Says of an instance that it has moved because the configuration was read again.
    Restless,
    /// Takes its addresses away for a moment when it reads its configuration again.
    LetsGo,
    /// Takes everything for its predecessor's.
    AdoptsAnything,
    /// Takes nothing for its predecessor's.
    AdoptsNothing,
    /// Takes the silence of every witness for its consent.
    AsksNobody,
    /// Believes that a lease that it was given once lasts for ever.
    KeepsItsLease,
}

/// The real node with a defect.
pub(crate) struct Faulty<const DEFECT: usize> {
    node: VrrpNode,
    config: VrrpConfig,
    born: Option<Instant>,
    inputs: u64,
    last: Option<Instant>,
    /// How much time it has not noticed.
    missed: Duration,
}

pub(crate) const DEFECTS: [Defect; 22] = [
    Defect::Deaf,
    Defect::HearsNoResignation,
    Defect::Absent,
    Defect::NeverWakes,
    Defect::WakesLate,
    Defect::LivesInThePast,
    Defect::KeepsAddresses,
    Defect::StaysOn,
    Defect::Scribbles,
    Defect::Pretends,
    Defect::AnnouncesAnything,
    Defect::BreaksTheGroup,
    Defect::RepeatsItself,
    Defect::Sleepwalks,
    Defect::TrustsScripts,
    Defect::StartsOver,
    Defect::Restless,
    Defect::LetsGo,
    Defect::AdoptsAnything,
    Defect::AdoptsNothing,
    Defect::AsksNobody,
    Defect::KeepsItsLease,
];

/// A kernel between the node and the real one, for defects in what is asked of it.
struct Between<'a> {
    kernel: &'a mut Kernel,
    now: Instant,
    defect: Defect,
}

impl System for Between<'_> {
    fn listen(&mut self, socket: &Listen) -> Result<(), String> {
        self.kernel.listen(socket)
    }

    fn unlisten(&mut self, key: SocketKey) {
        self.kernel.unlisten(key);
    }

    fn send(&mut self, packets: &[Packet]) {
        let mut packets = packets.to_vec();
        if self.defect == Defect::Scribbles {
            packets.iter_mut().filter_map(|packet| packet.bytes.last_mut()).for_each(|octet| *octet ^= 1);
        }
        self.kernel.send(&packets);
    }

    fn announce(&mut self, frames: &[Frame]) {
        let mut frames = frames.to_vec();
        if self.defect == Defect::AnnouncesAnything {
            for frame in &mut frames {
                if let Ok(claim) = arp::Frame::parse(&frame.bytes) {
                    frame.bytes = arp::Frame::gratuitous(claim.sender_mac, [10, 9, 9, 9].into()).emit().to_vec();
                }
            }
        }
        self.kernel.announce(&frames);
    }

    fn apply(&mut self, operations: &[Operation]) -> Vec<Result<Applied, String>> {
        if self.defect == Defect::KeepsAddresses {
            let perform = |operation: &Operation| match operation {
                Operation::Add { .. } => self.kernel.apply(core::slice::from_ref(operation)),
                Operation::Remove { .. }
                | Operation::AddRoute(_)
                | Operation::RemoveRoute(_)
                | Operation::AddRule(_)
                | Operation::RemoveRule(_) => vec![Ok(Applied::Changed)],
            };
            return operations.iter().flat_map(perform).collect();
        }
        self.kernel.apply(operations)
    }

    fn run_script(&mut self, script: ScriptId) {
        self.kernel.run_script(script);
    }

    fn record(&mut self, mut record: Record) {
        if let Record::Transition(transition) = &mut record {
            transition.at = self.now;
        }
        if self.defect == Defect::RepeatsItself {
            self.kernel.record(record.clone());
        }
        self.kernel.record(record);
    }
}

impl<const DEFECT: usize> Faulty<DEFECT> {
    const DEFECT: Defect = DEFECTS[DEFECT];

    /// An advertisement of the first instance that nobody asked for.
    fn pretend(&self, kernel: &mut Kernel) {
        let Some(instance) = self.config.instances.first() else { return };
        let lan = LanId(instance.interface.as_str().trim_start_matches("eth").parse().unwrap());
        let Some(interface) = kernel.link(lan).map(|link| link.index) else { return };
        let destination = vrrp::GROUP_V4;
        let envelope = ipv4::Envelope { source: [10, 0, 0, 1].into(), destination, identification: 1 };
        let packet = vrrp::Advert {
            vrid: instance.vrid,
            priority: Some(instance.priority),
            protocol: vrrp::Protocol::V3 { interval: instance.advert_interval },
            addresses: vec![[10, 1, 1, 1].into()],
        }
        .emit_packet(&envelope, vrrp::Coverage::PseudoHeader);
        let (source, destination) = (envelope.source.into(), destination.into());
        kernel.send(&[Packet { interface, source, destination, hop_limit: None, bytes: packet }]);
    }

    /// The addresses of the first instance are away for a moment, if it is master.
    fn let_go(&self, kernel: &mut Kernel) {
        let Some(instance) = self.config.instances.first().filter(|_| self.node.router().holds(InstanceId(0))) else {
            return;
        };
        let lan = LanId(instance.interface.as_str().trim_start_matches("eth").parse().unwrap());
        let Some(interface) = kernel.link(lan).map(|link| link.index) else { return };
        for address in &instance.addresses {
            let remove = Operation::Remove { interface, address: address.address, peer: None };
            kernel.apply(&[remove, Operation::Add { interface, address: address.clone() }]);
        }
    }

    /// The first instance says that it went from one state to another, though it stays where it is.
    fn move_for_nothing(&self, now: Instant, kernel: &mut Kernel) {
        let Some(first) = self.config.instances.first() else { return };
        kernel.record(Record::Transition(Transition {
            instance: first.name.clone(),
            interface: first.interface.clone(),
            from: State::Backup,
            to: State::Fault,
            cause: Cause::Reloaded,
            at: now,
            priority: first.priority.get(),
        }));
    }

    fn misbehave_after(&self, now: Instant, kernel: &mut Kernel) {
        let Some(first) = self.config.instances.first() else { return };
        if Self::DEFECT == Defect::Pretends && first.family == Family::Inet {
            self.pretend(kernel);
        }
        let backup = self.node.router().state(InstanceId(0)) == State::Backup;
        if Self::DEFECT == Defect::BreaksTheGroup && backup && self.config.instances.len() > 1 && self.inputs > 100 {
            kernel.record(Record::Transition(Transition {
                instance: first.name.clone(),
                interface: first.interface.clone(),
                from: State::Backup,
                to: State::Fault,
                cause: Cause::Recovered,
                at: now,
                priority: first.priority.get(),
            }));
        }
    }
}

impl<const DEFECT: usize> Director for Faulty<DEFECT> {
    fn new(now: Instant, config: &VrrpConfig, adopted: &[(InstanceId, Note)]) -> Self {
        let held = Note { advert_sent: Some(now), sequence: 0 };
        let everything: Vec<(InstanceId, Note)> =
            (0..).map(InstanceId).take(config.instances.len()).map(|id| (id, held)).collect();
        let adopted = if Self::DEFECT == Defect::AdoptsAnything { &everything } else { adopted };
        let adopted = if Self::DEFECT == Defect::AdoptsNothing { &[] } else { adopted };
        let node = machine::node(now, config, adopted);
        Self { node, config: config.clone(), born: None, inputs: 0, last: None, missed: Duration::ZERO }
    }

    fn handle(&mut self, now: Instant, input: Input<'_>, kernel: &mut Kernel) {
        self.inputs += 1;
        let age = now.since(*self.born.get_or_insert(now));
        let silent = now.since(self.last.replace(now).unwrap_or(now));
        if Self::DEFECT == Defect::Sleepwalks && silent > Duration::from_secs(4) {
            self.missed += silent;
        }
        let reload = matches!(input, Input::Reload(_));
        if reload && Self::DEFECT == Defect::LetsGo {
            self.let_go(kernel);
        }
        let ignored = match &input {
            Input::Packet(packet) => {
                Self::DEFECT == Defect::Deaf
                    || (Self::DEFECT == Defect::HearsNoResignation && packet.message.get(2) == Some(&0))
                    || (Self::DEFECT == Defect::Absent && (600..630).contains(&age.as_secs()))
            }
            Input::Shutdown => Self::DEFECT == Defect::StaysOn,
            Input::WitnessTold { said: Witnessed::Unreachable { .. }, .. } => Self::DEFECT == Defect::KeepsItsLease,
            Input::Start(_)
            | Input::Resync(_)
            | Input::Changed(_)
            | Input::Wake
            | Input::ScriptEnded { .. }
            | Input::FileRead { .. }
            | Input::ProcessCount { .. }
            | Input::BfdChanged { .. }
            | Input::QuorumTold { .. }
            | Input::WitnessTold { .. }
            | Input::Claimed { .. }
            | Input::WallClock { .. }
            | Input::Maintenance { .. }
            | Input::HandOver { .. }
            | Input::TakePart { .. }
            | Input::Announce { .. }
            | Input::Reload(_) => false,
        };
        let input = match input {
            Input::ScriptEnded { script, outcome: _ } if Self::DEFECT == Defect::TrustsScripts => {
                Input::ScriptEnded { script, outcome: Ended::Exited(0) }
            }
            Input::WitnessTold { witness, said: _ } if Self::DEFECT == Defect::AsksNobody => {
                Input::WitnessTold { witness, said: Witnessed::Reached }
            }
            Input::WitnessTold { witness, said: Witnessed::Held { .. } } if Self::DEFECT == Defect::KeepsItsLease => {
                Input::WitnessTold { witness, said: Witnessed::Held { until: Instant::from_nanos(u64::MAX) } }
            }
            Input::Reload(reload) if Self::DEFECT == Defect::StartsOver => {
                self.node = VrrpNode::new(reload.config.clone(), Router::new(reload.config));
                Input::Start(kernel.dump())
            }
            input @ (Input::Start(_)
            | Input::Resync(_)
            | Input::Changed(_)
            | Input::Packet(_)
            | Input::Wake
            | Input::ScriptEnded { .. }
            | Input::FileRead { .. }
            | Input::ProcessCount { .. }
            | Input::BfdChanged { .. }
            | Input::QuorumTold { .. }
            | Input::WitnessTold { .. }
            | Input::Claimed { .. }
            | Input::WallClock { .. }
            | Input::Maintenance { .. }
            | Input::HandOver { .. }
            | Input::TakePart { .. }
            | Input::Announce { .. }
            | Input::Reload(_)
            | Input::Shutdown) => input,
        };
        if !ignored {
            self.node.handle(now - self.missed, input, &mut Between { kernel, now, defect: Self::DEFECT });
        }
        self.misbehave_after(now, kernel);
        if reload && Self::DEFECT == Defect::Restless {
            self.move_for_nothing(now, kernel);
        }
    }

    fn wants_lease(&self) -> bool {
        self.node.router().wants_lease()
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadline = self.node.next_deadline().filter(|_| Self::DEFECT != Defect::NeverWakes)?;
        if Self::DEFECT == Defect::LivesInThePast {
            return Some(Instant::ZERO);
        }
        Some(if Self::DEFECT == Defect::WakesLate { deadline + Duration::from_secs(4) } else { deadline + self.missed })
    }

    fn holds(&self, instance: InstanceId) -> bool {
        self.node.router().holds(instance)
    }

    fn note(&self, instance: InstanceId) -> Note {
        self.node.note(instance)
    }

    fn places(&self) -> Places {
        self.node.places()
    }

    fn leftovers(&self, noted: &Places) -> Vec<Operation> {
        self.node.leftovers(noted)
    }
}
