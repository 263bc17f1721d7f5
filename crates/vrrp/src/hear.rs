//! What an accepted advertisement does to an instance: the protocol's tables for Backup and Master.
//!
//! The packet has passed every check; one that has not never comes here, so it cannot move a state or a deadline.

use crate::batch::Batch;
use crate::machine::Machine;
use crate::output::Notice;
use crate::phase::{Peer, Phase, unless_zero};
use crate::receive::{Flaw, Heard, Seal, address_difference};
use crate::sealing::Sealed;
use core::cmp::Ordering;
use core::time::Duration;
use standfast_model::config::vrrp::Preempt;
use standfast_model::{Cause, Instant, Priority, Refusal};
use standfast_wire::vrrp::{Coverage, View};
use std::net::IpAddr;

/// Between two answers to other routers. No router sends faster than once a centisecond, the finest interval there is,
/// so only a flood is answered less often than it asks.
const ANSWER_SPACING: Duration = Duration::from_millis(10);

/// What the rest of the sync group must know of an advertisement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Consequence {
    /// Nothing.
    None,
    /// The instance is master and gave way, to this peer, for this cause.
    Yield(Cause),
    /// A router of lower priority may have drawn the neighbours to itself.
    Lower,
}

impl Machine {
    /// Handles an accepted advertisement. Giving way is left to the caller, who moves the whole sync group.
    pub(crate) fn hear(&mut self, now: Instant, heard: &Heard, batch: &mut Batch) -> Consequence {
        self.counters.advert_received += 1;
        if heard.priority.is_none() {
            self.counters.priority_zero_received += 1;
        }
        match &self.phase {
            Phase::Backup(_) => {
                self.hear_as_backup(now, heard, batch);
                Consequence::None
            }
            Phase::Master(_) => self.hear_as_master(now, heard, batch),
            // The checks refuse every packet to a state that does not listen.
            Phase::Init { .. } | Phase::Fault { .. } | Phase::Stop => Consequence::None,
        }
    }

    fn hear_as_backup(&mut self, now: Instant, heard: &Heard, batch: &mut Batch) {
        let Some(theirs) = heard.priority else {
            // REQ: VRRP2-6.4.2-05 VRRP3-6.4.2-05
            let skew = self.phase.backup().map_or(Duration::ZERO, |backup| self.skew(backup.interval));
            if let Some(backup) = self.phase.backup_mut() {
                backup.down_at = now + skew;
                backup.silent_since = now;
                backup.resigned = Some(heard.source);
            }
            return;
        };
        // Somebody else has the addresses now, whatever becomes of its mastership.
        if self.phase.backup_mut().is_some_and(|backup| core::mem::take(&mut backup.lingers)) {
            batch.reconcile();
        }
        if self.defers_to(now, theirs) {
            // REQ: VRRP2-6.4.2-06 VRRP3-6.4.2-06 VRRP3-6.1-01
            let down_at = now + self.down_interval(heard.interval);
            if let Some(backup) = self.phase.backup_mut() {
                backup.down_at = down_at;
                backup.silent_since = now;
                backup.resigned = None;
                // A version 2 advertisement with another interval than ours was refused.
                backup.interval = heard.interval;
                backup.master = Some(Peer { address: heard.source, priority: theirs });
                backup.wants_master = false;
                if backup.held.take().is_some() {
                    batch.notice(Notice::HeldBack { instance: self.id, why: None });
                }
            }
        } else {
            // REQ: VRRP2-6.4.2-07 VRRP3-6.4.2-07 KA-PRE-01
            self.notice_lower(now, heard, theirs, batch);
        }
    }

    /// Whether a backup takes the sender for its master.
    fn defers_to(&mut self, now: Instant, theirs: Priority) -> bool {
        let ours = self.priority;
        let owner = self.config.priority.is_owner();
        let preempt = self.config.preempt;
        let stands_back = self.stands_back(now);
        let Some(backup) = self.phase.backup_mut() else { return false };
        if theirs >= ours {
            backup.preempt_at = None;
            return true;
        }
        if stands_back {
            return true;
        }
        match preempt {
            // REQ: KA-PRE-03 VRRP2-6.1-01 VRRP3-6.1-04
            Preempt::Never => !owner,
            // REQ: KA-PRE-02
            Preempt::After(delay) => !delay.is_zero() && now < *backup.preempt_at.get_or_insert_with(|| now + delay),
        }
    }

    fn hear_as_master(&mut self, now: Instant, heard: &Heard, batch: &mut Batch) -> Consequence {
        let Some(theirs) = heard.priority else {
            self.rival_resigned(heard.source, batch);
            // REQ: VRRP2-6.4.3-05 VRRP3-6.4.3-07
            if self.may_answer(now) {
                self.answer(now, batch);
            }
            return Consequence::None;
        };
        if theirs.is_owner() && self.priority.is_owner() && self.memory.owner_clash(now, heard.source) {
            // REQ: VRRP3-8.3.2-01
            batch.notice(Notice::OwnerClash { instance: self.id, source: heard.source });
        }
        // REQ: VRRP2-6.4.3-06 VRRP3-6.4.3-08 VRRP3-6.4.3-10
        match theirs.cmp(&self.priority).then_with(|| Some(heard.source).cmp(&self.source)) {
            Ordering::Greater => Consequence::Yield(self.give_way(heard, theirs)),
            Ordering::Less => {
                self.hear_rival(now, heard.source, theirs);
                self.notice_lower(now, heard, theirs, batch);
                self.hear_lower(now, theirs, batch)
            }
            // Our own priority from our own address: the checks refuse what comes from ourselves.
            Ordering::Equal => Consequence::None,
        }
    }

    /// Why it gives way. Of two owners the one with the lower address is none from now on.
    fn give_way(&mut self, heard: &Heard, theirs: Priority) -> Cause {
        let ours = self.priority;
        // REQ: KA-OWN-01 VRRP2-7.1-04 VRRP3-7.1-02
        if ours.is_owner() {
            self.yield_ownership();
        }
        if theirs > ours {
            Cause::HigherPriority { source: heard.source, theirs: theirs.get(), ours: ours.get() }
        } else {
            Cause::HigherAddress { source: heard.source, priority: theirs.get() }
        }
    }

    /// A lower priority advertises: tell it, and tell the neighbours, who may have believed it.
    fn hear_lower(&mut self, now: Instant, theirs: Priority, batch: &mut Batch) -> Consequence {
        if !self.may_answer(now) {
            return Consequence::None;
        }
        // REQ: VRRP2-6.4.3-07 VRRP3-6.4.3-09
        if self.config.lower_prio_no_advert {
            if let Some(master) = self.phase.master_mut() {
                master.answered = Some(now);
            }
        } else {
            self.answer(now, batch);
        }
        batch.lower_priority_received(self.id, theirs.get());
        self.announce_against_lower(now, batch);
        Consequence::Lower
    }

    /// The bursts after an advertisement of lower priority, to this instance or to another of its sync group.
    pub(crate) fn announce_against_lower(&mut self, now: Instant, batch: &mut Batch) {
        let garp = self.config.garp;
        let Some(master) = self.phase.master_mut() else { return };
        if garp.lower_prio_repeat == 0 {
            return;
        }
        // REQ: KA-GARP-04
        batch.announce(self.id, garp.lower_prio_repeat);
        // One that is waiting already stays where it is, so that it comes however often the other advertises.
        master.lower_burst_at = master.lower_burst_at.or_else(|| unless_zero(now, garp.lower_prio_delay));
    }

    fn may_answer(&self, now: Instant) -> bool {
        let answered = self.phase.master().and_then(|master| master.answered);
        answered.is_none_or(|at| now.since(at) >= ANSWER_SPACING)
    }

    /// An advertisement at once, and a full interval to the next.
    fn answer(&mut self, now: Instant, batch: &mut Batch) {
        self.advertise(now, batch);
        let interval = self.config.advert_interval.as_duration();
        if let Some(master) = self.phase.master_mut() {
            master.answered = Some(now);
            master.advert_at = now + interval;
        }
    }

    /// Counts a refused packet, and says so when it is news. That an instance which does not listen hears nothing is
    /// no news.
    pub(crate) fn refused(&mut self, now: Instant, source: IpAddr, flaw: &Flaw, batch: &mut Batch) {
        let reason = flaw.refusal();
        self.counters.refuse(reason);
        self.observe_flaw(now, source, flaw);
        if reason != Refusal::NotListening && self.memory.refused(now, source, reason) {
            let (instance, detail) = (Some(self.id), flaw.to_string());
            batch.notice(Notice::Refused { instance, source, reason, detail });
        }
    }

    /// `skip_check_adv_addr`: a backup compares the addresses only when another master is heard; a master always.
    fn compares_addresses(&self, source: IpAddr) -> bool {
        let known = self.phase.backup().and_then(|backup| backup.master).is_some_and(|master| master.address == source);
        !(self.config.options.skip_check_adv_addr && known)
    }

    /// Compares what an accepted advertisement says with the configuration, where a difference is only worth a notice.
    pub(crate) fn compare(&mut self, now: Instant, heard: &Heard, view: &View<'_>, batch: &mut Batch) {
        let (instance, source) = (self.id, heard.source);
        // REQ: VRRP2-7.1-05 VRRP3-7.1-04
        let difference = if self.compares_addresses(source) { address_difference(&self.config, view) } else { None };
        if difference.is_some() {
            self.counters.address_list_differs += 1;
        }
        self.observe_addresses(now, view, difference.is_some(), batch);
        if self.memory.addresses_differ(now, source, &difference)
            && let Some(detail) = difference
        {
            batch.notice(Notice::AddressesDiffer { instance, source, detail });
        }
    }

    /// Remembers what an accepted advertisement was signed with, and how it was summed.
    pub(crate) fn believe(&mut self, now: Instant, heard: &Heard, batch: &mut Batch) {
        if let Some(sequence) = heard.sequence {
            // REQ: VRRP2A-AH-04 VRRP2A-AH-05
            (self.ah_sequence, self.ah_sent) = (sequence, false);
        }
        self.observe_accepted(heard.source, batch);
        self.old_checksum = self.old_checksum || heard.coverage == Coverage::GroupPseudoHeader;
        match heard.seal {
            Seal::NotWanted => {}
            Seal::Unsigned => self.counters.unsigned_accepted += 1,
            Seal::Sealed(Sealed { sequence, skew }) => {
                self.seals.accept(heard.source, sequence, self.partners.count());
                if let Some((skew, ahead)) = skew
                    && self.memory.clock_differs(now, heard.source)
                {
                    batch.notice(Notice::ClockDiffers { instance: self.id, source: heard.source, skew, ahead });
                }
            }
        }
    }

    fn notice_lower(&mut self, now: Instant, heard: &Heard, theirs: Priority, batch: &mut Batch) {
        let (theirs, ours) = (theirs.get(), self.priority.get());
        if self.memory.lower_priority(now, heard.source, theirs, ours) {
            batch.notice(Notice::LowerPriority { instance: self.id, source: heard.source, theirs, ours });
        }
    }
}
