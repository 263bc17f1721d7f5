//! From the wire to the instance that a packet is for, and what is counted where it is for nobody.
//!
//! What a packet must be is in [`crate::receive`], what it means to who accepts it in [`crate::hear`].

use crate::hear::Consequence;
use crate::output::Notice;
use crate::phase::Phase;
use crate::receive::{self, Flaw, Marks};
use crate::router::{Router, wall_at};
use crate::units::UnitId;
use standfast_model::Instant;
use standfast_model::ipvs::Family;
use standfast_wire::Received;
use standfast_wire::vrrp::Error;

/// Whose deadlines a packet can have moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    Nothing,
    Member,
    Unit,
}

impl Router {
    /// A packet has arrived.
    pub(crate) fn packet(&mut self, now: Instant, packet: &Received<'_>) {
        let vrid = receive::vrid_of(packet);
        let family = Family::from(packet.source);
        let receiver = vrid.and_then(|vrid| self.receivers.get(&(packet.interface, family, vrid)).copied());
        match receiver.and_then(|id| self.place(id)) {
            Some((unit, member)) => match self.packet_for(now, packet, unit, member) {
                Reach::Nothing => {}
                Reach::Member => self.rearm_member(unit, member),
                Reach::Unit => self.rearm_unit(now, unit),
            },
            None => self.packet_for_nobody(now, packet, vrid),
        }
    }

    fn packet_for(&mut self, now: Instant, packet: &Received<'_>, unit: UnitId, member: usize) -> Reach {
        let Some(unit) = self.units.get_mut(unit.0) else { return Reach::Nothing };
        let Some(machine) = unit.members.get_mut(member) else { return Reach::Nothing };
        let unix = wall_at(self.wall, now);
        let batch = &mut self.batch;
        let ours = self.facts.get(&machine.config.interface).map_or(&[][..], |facts| &facts.sources);
        let checked = match &machine.phase {
            Phase::Backup(_) | Phase::Master(_) if machine.ignores_all() => {
                Err(Flaw::NotListening(machine.phase.state()))
            }
            Phase::Backup(_) | Phase::Master(_) => {
                // REQ: VRRP2A-AH-04
                let sequence = machine.ah_sequence.saturating_sub(u32::from(machine.ah_sent));
                let marks = Marks { seals: &machine.seals, unix, sequence };
                receive::check(&machine.config, &machine.partners, marks, ours, packet)
            }
            Phase::Init { .. } | Phase::Fault { .. } | Phase::Stop => Err(Flaw::NotListening(machine.phase.state())),
        };
        let (heard, view) = match checked {
            Ok(accepted) => accepted,
            Err(flaw) => {
                // REQ: VRRP3-6.4-01 KA-BUG-01
                machine.refused(now, packet.source, &flaw, batch);
                return Reach::Nothing;
            }
        };
        // Receiving comes before late timers: a master that slept takes the news as the backup that it has become.
        let paused = machine.paused(now);
        if let Some(silent) = paused {
            unit.wake_paused(now, member, silent, batch);
        }
        let Some(machine) = unit.members.get_mut(member) else { return Reach::Nothing };
        machine.believe(now, &heard, batch);
        machine.compare(now, &heard, &view, batch);
        let reach = match machine.hear(now, &heard, batch) {
            Consequence::None if paused.is_none() => Reach::Member,
            Consequence::None => Reach::Unit,
            Consequence::Yield(cause) => {
                unit.give_way(now, member, cause, &heard, batch);
                Reach::Unit
            }
            Consequence::Lower => {
                unit.announce_against_lower(now, member, batch);
                Reach::Unit
            }
        };
        if let Some(machine) = unit.members.get_mut(member) {
            machine.observe_interval(now, &heard, batch);
        }
        reach
    }

    fn packet_for_nobody(&mut self, now: Instant, packet: &Received<'_>, vrid: Option<u8>) {
        // One entry per interface of the configuration, so that it cannot grow with what arrives.
        let Some(name) = self.names.get(&packet.interface) else { return };
        let unclaimed = self.unclaimed.entry(name.clone()).or_default();
        let flaw = match vrid {
            Some(vrid) => Flaw::UnknownVrid(vrid),
            None => Flaw::Octets(Error::Short { have: packet.message.len() }),
        };
        let (source, reason) = (packet.source, flaw.refusal());
        unclaimed.counters.refuse(reason);
        // REQ: VRRP2-7.1-08
        if self.options.log_unknown_vrids && unclaimed.memory.refused(now, source, reason) {
            self.batch.notice(Notice::Refused { instance: None, source, reason, detail: flaw.to_string() });
        }
    }
}
