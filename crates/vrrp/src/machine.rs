//! One instance: its configuration, its phase, its counters, and every way into a phase.
//!
//! It knows no other instance: what a sync group makes of a move is decided in [`crate::units`].

use crate::batch::Batch;
use crate::claims::Claims;
use crate::links::{self, Facts};
use crate::notices::Memory;
use crate::observe::{self, Differences};
use crate::peering::Partners;
use crate::phase::{Backup, Master, Peer, Phase, unless_zero};
use crate::sealing::{self, Seals};
use crate::timing;
use crate::trackers::Trackers;
use core::time::Duration;
use standfast_model::config::instance::VrrpCommon;
use standfast_model::config::vrrp::{Instance, InstanceId, Preempt, SyncGroup};
use standfast_model::{
    AdvertInterval, Cause, Instant, InterfaceIndex, Priority, PriorityChange, State, Transition, Version,
    VirtualAddress, VrrpCounters,
};
use std::net::IpAddr;

/// The first wait after the kernel refused an operation; it doubles with each refusal.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest wait: each retry of a router with the highest priority costs its LAN one lost mastership, so at most one
/// a minute; and who mends the cause waits no longer than that.
const RETRY_MOST: Duration = Duration::from_secs(60);

/// A refusal so long after the one before starts with the first wait again.
const RETRY_FORGET: Duration = Duration::from_secs(2 * 60);

/// Advertisements that a predecessor may have sent between its last note and its death: far more than fit in between,
/// and a small part of the 2^32 numbers.
pub(crate) const UNNOTED_ADVERTS: u32 = 1024;

/// Whose last packet it is that has no number any more.
const REMOVED: InstanceId = InstanceId(u32::MAX);

/// What an owner that met another owner has left (keepalived).
const OWNER_YIELDED: Priority = match Priority::new(254) {
    Some(priority) => priority,
    None => Priority::DEFAULT,
};

/// One virtual router on this node.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) id: InstanceId,
    pub(crate) config: Instance,
    pub(crate) partners: Partners,
    pub(crate) phase: Phase,
    pub(crate) counters: VrrpCounters,
    pub(crate) memory: Memory,
    /// In what other routers are configured differently.
    pub(crate) differences: Differences,
    /// How many instances of the node advertise in front of its unit: what spreads them over the interval.
    pub(crate) rank: u32,
    /// The effective priority.
    pub(crate) priority: Priority,
    /// Where it sends from; kept from the last facts.
    pub(crate) interface: Option<InterfaceIndex>,
    pub(crate) source: Option<IpAddr>,
    /// Whether the own interface can carry a packet.
    pub(crate) link_up: bool,
    /// Its own reason not to take part, whatever its group says.
    pub(crate) fault: Option<Cause>,
    /// What the kernel refused, until it is tried again.
    refused: Option<String>,
    /// When it last refused anything, and how often in a row.
    refused_at: Option<Instant>,
    refusals: u32,
    /// Another owner with a higher address was heard: 254 until the configuration is read again.
    yielded_ownership: bool,
    /// When a predecessor, killed as master, sent its last advertisement.
    pub(crate) adopted: Option<Instant>,
    /// Made by a reload, for addresses that a master on this node holds: it goes on with them at once.
    pub(crate) succeeds: bool,
    /// Until when it preempts nobody, because an operator wanted another router to be master.
    pub(crate) stands_back: Option<Instant>,
    pub(crate) identification: u16,
    /// A peer was heard that sums as keepalived before 1.3.6 did: it is answered in kind.
    pub(crate) old_checksum: bool,
    /// Sequences of `auth_hmac`.
    pub(crate) seals: Seals,
    /// The highest sequence number of `auth_type AH`, sent or accepted: one for both, so that a new master goes on above
    /// the old one's.
    pub(crate) ah_sequence: u32,
    /// That number was sent, and no other router's with it was accepted. Two that become masters in one moment give
    /// their advertisements the same numbers from then on: who refused them would never hear of the other.
    pub(crate) ah_sent: bool,
    /// What is sent is numbered above this: a predecessor may have sent up to here. It says nothing of what others send,
    /// who may be far below.
    pub(crate) ah_floor: u32,
    /// What the wall's clock showed, and when.
    pub(crate) wall: Option<(Instant, Duration)>,
    pub(crate) since: Option<Instant>,
    pub(crate) last_transition: Option<Transition>,
    /// The deadline that stands in the index.
    pub(crate) armed: Option<Instant>,
}

impl Machine {
    pub(crate) fn new(id: InstanceId, config: Instance, common: &VrrpCommon) -> Self {
        Self {
            id,
            partners: Partners::of(&config, common),
            phase: Phase::Init { begin_at: None },
            counters: VrrpCounters::default(),
            memory: Memory::default(),
            differences: Differences::default(),
            rank: 0,
            priority: config.priority,
            interface: None,
            source: None,
            link_up: false,
            fault: None,
            refused: None,
            refused_at: None,
            refusals: 0,
            yielded_ownership: false,
            adopted: None,
            succeeds: false,
            stands_back: None,
            identification: 0,
            old_checksum: false,
            seals: Seals::default(),
            ah_sequence: 0,
            ah_sent: false,
            ah_floor: 0,
            wall: None,
            since: None,
            last_transition: None,
            armed: None,
            config,
        }
    }

    /// Takes on a new configuration. State, counters and what was said stay; a timer moves only as far as its interval
    /// changed. Interfaces and trackers are left to [`Machine::look`], the priority to [`Machine::reweigh`].
    pub(crate) fn reconfigure(
        &mut self,
        now: Instant,
        id: InstanceId,
        config: Instance,
        common: &VrrpCommon,
        batch: &mut Batch,
    ) {
        let before = core::mem::replace(&mut self.config, config);
        self.id = id;
        self.armed = None;
        self.yielded_ownership = false;
        self.differences.forget();
        self.partners = Partners::of(&self.config, common);
        let config = &self.config;
        let interval = config.advert_interval;
        if (before.advert_interval, before.version, before.down_timer_adverts)
            != (interval, config.version, config.down_timer_adverts)
        {
            let own = config.version == Version::V2 || before.version != config.version;
            match &mut self.phase {
                Phase::Backup(backup) => {
                    // The interval of a version 3 master was learned, and stands.
                    if own || backup.master.is_none() {
                        backup.interval = interval;
                    }
                    let (resigned, silent_since, interval) = (backup.resigned, backup.silent_since, backup.interval);
                    // Who waits for no more than the skew of a master that left goes on waiting for that.
                    if resigned.is_none() {
                        let down_at = (silent_since + self.down_interval(interval)).max(now);
                        if let Some(backup) = self.phase.backup_mut() {
                            backup.down_at = down_at;
                        }
                    }
                }
                Phase::Master(master) => {
                    // A longer interval begins after the advertisement that standbys wait for already.
                    master.advert_at = master.advert_at.min((master.advert_sent + interval.as_duration()).max(now));
                }
                Phase::Init { .. } | Phase::Fault { .. } | Phase::Stop => {}
            }
        }
        let addresses = || self.config.addresses.iter().chain(&self.config.excluded);
        if let Some(master) = self.phase.master_mut() {
            master.claims.retain(|address| addresses().any(|ours| ours.address.addr() == address));
        }
        let same = |a: &[VirtualAddress], b: &[VirtualAddress]| a == b;
        if self.phase.is_master()
            && !(same(&before.addresses, &self.config.addresses) && same(&before.excluded, &self.config.excluded))
        {
            batch.announce(self.id, self.config.garp.master_repeat);
        }
    }

    /// `owner_ignore_adverts`: an owner hears nobody (RFC 3768 7.1).
    pub(crate) const fn ignores_all(&self) -> bool {
        self.config.options.owner_ignore_adverts && self.priority.is_owner()
    }

    /// Takes in what is known of the interfaces and of all that is tracked. The priority is left to
    /// [`Machine::reweigh`].
    pub(crate) fn look(&mut self, group: Option<&SyncGroup>, facts: &Facts, known: &Trackers, maintenance: bool) {
        let own = facts.get(&self.config.interface);
        self.interface = own.map(|own| own.index);
        self.link_up = own.is_some_and(|own| own.up);
        self.source = links::source(&self.config, facts);
        let refused = || self.refused.clone().map(|what| Cause::KernelRefused { what });
        // An advertisement that should be signed never leaves unsigned.
        let cannot_sign = self.wall.is_none() && self.config.options.hmac.as_ref().is_some_and(sealing::signs);
        let unsigned = || cannot_sign.then_some(Cause::ClockUnknown);
        let maintained = maintenance.then_some(Cause::Maintenance);
        let found = || links::fault(&self.config, group, facts, known);
        self.fault = maintained.or_else(found).or_else(refused).or_else(unsigned);
    }

    /// Computes the effective priority. A running `Master_Down_Timer` moves by the difference of the skews, so that
    /// the order in which backups give up follows their priorities at once; a master says it with its next regular
    /// advertisement. `cause` is what moved it, for those who want to be told.
    pub(crate) fn reweigh(&mut self, now: Instant, weight_sum: i32, cause: Option<&Cause>, batch: &mut Batch) {
        let before = self.skew_of_backup();
        let priority =
            if self.yielded_ownership { OWNER_YIELDED } else { self.config.priority.with_weight(weight_sum) };
        let from = core::mem::replace(&mut self.priority, priority);
        if let Some(cause) = cause
            && from != priority
            && self.config.options.notify_priority_changes
        {
            batch.priority(PriorityChange {
                instance: self.config.name.clone(),
                state: self.phase.state(),
                from: from.get(),
                to: priority.get(),
                cause: cause.clone(),
                at: now,
            });
        }
        let after = self.skew_of_backup();
        // REQ: KA-PRIO-01
        if let Some(backup) = self.phase.backup_mut()
            && before != after
        {
            backup.down_at = (backup.down_at + after - before).max(now);
        }
    }

    /// Another owner has the higher address: no owner any more until the configuration is read again.
    pub(crate) fn yield_ownership(&mut self) {
        self.yielded_ownership = true;
        self.priority = OWNER_YIELDED;
    }

    fn skew_of_backup(&self) -> Duration {
        self.skew(self.phase.backup().map_or(self.config.advert_interval, |backup| backup.interval))
    }

    /// The skew time with a master's interval. An owner's stays an owner's after it yielded to another.
    pub(crate) fn skew(&self, interval: AdvertInterval) -> Duration {
        let priority = if self.config.priority.is_owner() { Priority::OWNER } else { self.priority };
        timing::skew(self.config.version, priority, interval)
    }

    /// The master down interval with a master's interval.
    pub(crate) fn down_interval(&self, interval: AdvertInterval) -> Duration {
        interval.as_duration() * u32::from(self.config.down_timer_adverts) + self.skew(interval)
    }

    /// A master that was silent for so long must listen before it speaks: its Master_Down_Interval less half of its
    /// skew, the time an advertisement may need to reach a standby that is about to take over.
    ///
    /// The standby's skew is taken to be our own, unless `timer_expired_backup` says its priority.
    pub(crate) fn longest_silence(&self) -> Duration {
        let interval = self.config.advert_interval;
        let skew = match (self.config.options.timer_expired_backup, self.config.preempt) {
            (Some(standby), Preempt::Never) => timing::skew(self.config.version, standby, interval),
            (Some(_) | None, Preempt::After(_)) | (None, Preempt::Never) => self.skew(interval),
        };
        interval.as_duration() * u32::from(self.config.down_timer_adverts) + skew / 2
    }

    /// For how long a master has said nothing, if that is so long that a standby must have taken over.
    pub(crate) fn paused(&self, now: Instant) -> Option<Duration> {
        let silent = now.since(self.phase.master()?.advert_sent);
        if silent >= self.longest_silence() { Some(silent) } else { None }
    }

    /// Takes over: the advertisement first, then the addresses, then the announcements.
    pub(crate) fn become_master(&mut self, now: Instant, cause: Cause, batch: &mut Batch) {
        // REQ: VRRP2-6.4.1-01 VRRP2-6.4.2-04 VRRP3-6.4.1-01 VRRP3-6.4.2-04 VRRP2-8.2-03 VRRP3-8.1.2-02 VRRP3-8.2.2-02
        // REQ: VRRP3-8.1.2-03 VRRP3-8.2.2-03
        let before = self.enter_master(now, now);
        self.advertise(now, batch);
        self.stagger();
        batch.reconcile();
        // REQ: KA-GARP-01
        batch.announce(self.id, self.config.garp.master_repeat);
        self.record(now, before, cause, batch);
    }

    /// Goes on as the master that a predecessor was: the addresses are there, the neighbours know them. One round of
    /// announcements is for the case that the predecessor died in the middle of a takeover.
    pub(crate) fn adopt(&mut self, now: Instant, advert_sent: Instant, cause: Cause, batch: &mut Batch) {
        let before = self.enter_master(now, advert_sent);
        batch.reconcile();
        batch.announce(self.id, 1);
        self.record(now, before, cause, batch);
    }

    /// Brings the second advertisement forward, so that what took over in one moment does not advertise in one moment for
    /// ever. The first stays where the protocol has it, and no pause is longer than the interval.
    fn stagger(&mut self) {
        let forward = timing::stagger(self.config.advert_interval, self.rank);
        if let Some(master) = self.phase.master_mut() {
            master.advert_at = master.advert_at - forward;
        }
    }

    fn enter_master(&mut self, now: Instant, advert_sent: Instant) -> State {
        let garp = self.config.garp;
        // Who was to be master instead is not there.
        self.stands_back = None;
        let before = self.phase.state();
        self.phase = Phase::Master(Master {
            advert_at: (advert_sent + self.config.advert_interval.as_duration()).max(now),
            advert_sent,
            answered: None,
            // REQ: KA-GARP-02 ARP-2.3-03
            second_burst_at: unless_zero(now, garp.master_delay),
            lower_burst_at: None,
            rival: None,
            claims: Claims::default(),
            refresh_from: unless_zero(now, garp.master_refresh).map(|at| at + garp.master_delay),
        });
        before
    }

    /// Listens for a full master down interval. `heard` is the master it yields to, with its interval.
    pub(crate) fn become_backup(
        &mut self,
        now: Instant,
        cause: Cause,
        heard: Option<(Peer, AdvertInterval)>,
        batch: &mut Batch,
    ) {
        // REQ: VRRP2-6.4.1-02 VRRP3-6.4.1-02 VRRP3-6.1-01 KA-FAULT-02
        let interval = match self.config.version {
            Version::V2 => self.config.advert_interval,
            Version::V3 => heard.map_or(self.config.advert_interval, |(_, interval)| interval),
        };
        let backup = Backup {
            down_at: now + self.down_interval(interval),
            silent_since: now,
            resigned: None,
            interval,
            master: heard.map(|(peer, _)| peer),
            preempt_at: None,
            wants_master: false,
            held: None,
            lingers: false,
        };
        let before = core::mem::replace(&mut self.phase, Phase::Backup(backup));
        if let Some(rival) = before.master().and_then(|master| master.rival) {
            observe::tell(self.id, rival, batch);
        }
        if before.holds() {
            batch.reconcile();
        }
        self.record(now, before.state(), cause, batch);
    }

    /// Stops taking part; a master resigns first.
    pub(crate) fn become_fault(&mut self, now: Instant, cause: Cause, batch: &mut Batch) {
        // REQ: KA-FAULT-01
        self.leave_master(now, batch);
        let refused_at = self.refused_at.filter(|_| self.refused.is_some());
        let retry_at = refused_at.map(|at| (at + self.retry_delay()).max(now));
        let before = core::mem::replace(&mut self.phase, Phase::Fault { cause: cause.clone(), retry_at });
        self.record(now, before.state(), cause, batch);
    }

    /// Stops for good; a master resigns first, a backup says nothing.
    pub(crate) fn become_stop(&mut self, now: Instant, batch: &mut Batch) {
        // REQ: VRRP2-6.4.2-03 VRRP2-6.4.3-03 VRRP3-6.4.2-03 VRRP3-6.4.3-05
        self.leave_master(now, batch);
        let before = core::mem::replace(&mut self.phase, Phase::Stop);
        self.record(now, before.state(), Cause::Shutdown, batch);
    }

    /// Whether it has not begun yet.
    pub(crate) const fn waits(&self) -> bool {
        matches!(self.phase, Phase::Init { .. })
    }

    /// Whether it goes on with what a master did, and so cannot wait to begin.
    pub(crate) fn goes_on(&self, now: Instant) -> bool {
        self.succeeds || self.adoptable(now).is_some()
    }

    /// The stamp of a predecessor whose mastership can be taken on: so young that nobody else can be master.
    pub(crate) fn adoptable(&self, now: Instant) -> Option<Instant> {
        self.adopted.filter(|stamp| *stamp <= now && now.since(*stamp) < self.longest_silence())
    }

    /// Says that a master leaves which has no place in the new configuration.
    pub(crate) fn resign_removed(&mut self, now: Instant, batch: &mut Batch) {
        self.id = REMOVED;
        self.resign(now, batch);
    }

    /// A master gives way to what its sync group was put together with.
    pub(crate) fn yield_to_group(&mut self, now: Instant, cause: Cause, batch: &mut Batch) {
        self.resign(now, batch);
        self.become_backup(now, cause, None, batch);
    }

    fn leave_master(&mut self, now: Instant, batch: &mut Batch) {
        if self.phase.is_master() {
            self.resign(now, batch);
        }
        if self.phase.holds() {
            batch.reconcile();
        }
    }

    /// The kernel refused what a master needs. Called in whatever state; the caller makes it a FAULT.
    pub(crate) fn refuse(&mut self, now: Instant, what: &str) {
        let long_ago = self.refused_at.is_none_or(|at| now.since(at) >= RETRY_FORGET);
        // Several addresses refused at once are one failure.
        if self.refused.is_none() {
            self.refusals = if long_ago { 1 } else { self.refusals.saturating_add(1) };
        }
        self.refused = Some(what.to_owned());
        self.refused_at = Some(now);
        let delay = self.retry_delay();
        if let Phase::Fault { retry_at, .. } = &mut self.phase {
            *retry_at = Some(now + delay);
        }
    }

    /// Lets the kernel be asked again.
    pub(crate) fn retry(&mut self) {
        self.refused = None;
        if let Phase::Fault { retry_at, .. } = &mut self.phase {
            *retry_at = None;
        }
    }

    fn retry_delay(&self) -> Duration {
        let doublings = self.refusals.saturating_sub(1).min(16);
        (RETRY_FIRST * (1 << doublings)).min(RETRY_MOST)
    }

    /// Does what a master's deadlines ask for: the regular advertisement, at most one however late it is, and the
    /// announcements.
    pub(crate) fn fire(&mut self, now: Instant, batch: &mut Batch) {
        let interval = self.config.advert_interval.as_duration();
        let garp = self.config.garp;
        if self.phase.master().is_some_and(|master| master.advert_at <= now) {
            self.advertise(now, batch);
        } else if self.phase.master().is_none() {
            return;
        }
        self.announce_due(now, batch);
        self.outlive_rival(now, batch);
        self.answer_claims(now, batch);
        let Some(master) = self.phase.master_mut() else { return };
        if master.advert_at <= now {
            // REQ: VRRP2-6.4.3-04 VRRP3-6.4.3-06
            master.advert_at = timing::next_on_grid(master.advert_at, interval, now);
            // REQ: KA-GARP-03
            if let Some(from) = master.refresh_from.filter(|from| *from <= now) {
                master.refresh_from = Some(timing::next_on_grid(from, garp.master_refresh, now));
                batch.announce(self.id, garp.master_refresh_repeat);
            }
        }
    }

    /// Sends a regular advertisement that is due within `within`, and within a tenth of the interval, as if it were due
    /// now. The next is due when it would have been.
    pub(crate) fn fire_early(&mut self, now: Instant, within: Duration, batch: &mut Batch) {
        let interval = self.config.advert_interval.as_duration();
        let until = now + within.min(interval / 10);
        // After a late wake the grid's next moment may be near; whoever has just sent does not send again.
        let waiting = self.phase.master().filter(|master| master.advert_sent < now);
        let Some(due) = waiting.map(|master| master.advert_at).filter(|due| now < *due && *due <= until) else {
            return;
        };
        self.advertise(now, batch);
        let garp = self.config.garp;
        let Some(master) = self.phase.master_mut() else { return };
        master.advert_at = due + interval;
        if let Some(from) = master.refresh_from.filter(|from| *from <= due) {
            master.refresh_from = Some(timing::next_on_grid(from, garp.master_refresh, due));
            batch.announce(self.id, garp.master_refresh_repeat);
        }
    }

    /// The bursts of announcements whose time has come.
    fn announce_due(&mut self, now: Instant, batch: &mut Batch) {
        let garp = self.config.garp;
        let Some(master) = self.phase.master_mut() else { return };
        if master.second_burst_at.is_some_and(|at| at <= now) {
            master.second_burst_at = None;
            batch.announce(self.id, garp.master_repeat);
        }
        if master.lower_burst_at.is_some_and(|at| at <= now) {
            master.lower_burst_at = None;
            batch.announce(self.id, garp.lower_prio_repeat);
        }
    }

    fn record(&mut self, now: Instant, from: State, cause: Cause, batch: &mut Batch) {
        let to = self.phase.state();
        if to == State::Master {
            self.counters.become_master += 1;
        }
        if from == State::Master {
            self.counters.release_master += 1;
            batch.left_master(self.id);
        }
        self.memory.forget();
        self.since = Some(now);
        let transition = Transition {
            instance: self.config.name.clone(),
            interface: self.config.interface.clone(),
            from,
            to,
            cause,
            at: now,
            priority: self.priority.get(),
        };
        self.last_transition = Some(transition.clone());
        batch.transition(transition);
    }
}
