//! What must hold at every moment of every run, and the clocks that tell when it does not.
//!
//! It owns the judgement. It sees what an observer with eyes everywhere would see (who holds what, who hears whom, what
//! is sent) and nothing of how a node comes to it.

use crate::lan::{Lan, MachineId};
use crate::scenario::Scenario;
use core::fmt;
use core::time::Duration;
use standfast_model::{Instant, State};

/// The latest that a daemon wakes after its deadline.
pub const LATENESS: Duration = Duration::from_millis(2);

/// How long a change of one's own machine takes to be told of, and to be acted upon.
pub const TOLD_WITHIN: Duration = Duration::from_millis(3);

/// How long two may hold the same addresses while one takes over from the other: the advert has to get there. Where
/// advertisements are numbered (`auth_type AH`) one that crosses another is refused, or that of a machine that has just
/// booted and counts from one: the next, an interval later, is not, or the one after it.
const HANDOVER: Duration = Duration::from_millis(20);

/// What else may take time: nothing in the simulator takes none.
const SLACK: Duration = Duration::from_millis(50);

/// Bad weather whose end is not known.
const FOREVER: Instant = Instant::from_nanos(u64::MAX);

/// What must hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Law {
    /// On a LAN that has been whole for a down interval nobody holds what another holds.
    OneHolder,
    /// A healthy machine that sees no holder holds the addresses after its down interval.
    NoVacuum,
    /// After a resignation in calm the best backup takes over within its skew time.
    SkewAfterResignation,
    /// A master advertises once per interval: not less, and in calm not more.
    Cadence,
    /// Nothing changes state while nothing happens.
    NoFlapping,
    /// A machine has the addresses of exactly those instances that are masters.
    AddressesFollowMaster,
    /// The members of a sync group are in the same state.
    GroupMovesTogether,
    /// Each state follows from the one before it, and by the allowed ways.
    StatesConnect,
    /// Every packet sent is valid, only masters send, and priority 0 is sent by who leaves.
    HonestAdverts,
    /// After a wake the next deadline lies ahead.
    TimePasses,
    /// Who stood still for so long that somebody else is master now listens before it speaks.
    ListensAfterPause,
    /// A daemon that stopped has left nothing behind.
    CleanStop,
    /// Nothing is announced that is not there.
    HonestAnnouncements,
    /// A machine whose track script has failed for long enough, and decides over FAULT, holds nothing.
    FailedTakeNoPart,
    /// A reload moves no instance that it says nothing new of.
    ReloadLeavesAlone,
    /// Nor does it take an address away, even for a moment, that is a master's before and after.
    ReloadKeepsAddresses,
    /// No standby takes over while its witnesses do not agree: of two that are parted, the one that reaches nobody stays.
    AsksWitnesses,
    /// Of those that want a lease to be master nobody holds what another holds, whatever the LAN and the store do.
    OneByLease,
    /// A daemon that follows a killed one goes on with what that held as long as nobody else can have it, and only then.
    AdoptsOrListens,
}

impl Law {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::OneHolder,
        Self::NoVacuum,
        Self::SkewAfterResignation,
        Self::Cadence,
        Self::NoFlapping,
        Self::AddressesFollowMaster,
        Self::GroupMovesTogether,
        Self::StatesConnect,
        Self::HonestAdverts,
        Self::TimePasses,
        Self::ListensAfterPause,
        Self::CleanStop,
        Self::HonestAnnouncements,
        Self::FailedTakeNoPart,
        Self::ReloadLeavesAlone,
        Self::ReloadKeepsAddresses,
        Self::AsksWitnesses,
        Self::OneByLease,
        Self::AdoptsOrListens,
    ];
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneHolder => "at most one holder",
            Self::NoVacuum => "never without a holder for longer than the down interval",
            Self::SkewAfterResignation => "a resignation is taken over within the skew time",
            Self::Cadence => "a master advertises once per interval",
            Self::NoFlapping => "nothing changes while nothing happens",
            Self::AddressesFollowMaster => "the addresses are where the master is",
            Self::GroupMovesTogether => "the members of a sync group agree",
            Self::StatesConnect => "each state follows from the last",
            Self::HonestAdverts => "adverts are valid and sent by whom they speak for",
            Self::TimePasses => "a deadline lies ahead",
            Self::ListensAfterPause => "who slept listens before it speaks",
            Self::CleanStop => "a stopped daemon leaves nothing behind",
            Self::HonestAnnouncements => "only what is there is announced",
            Self::FailedTakeNoPart => "who has failed takes no part",
            Self::ReloadLeavesAlone => "a reload moves nothing that it says nothing new of",
            Self::ReloadKeepsAddresses => "a reload takes away nothing that it leaves to a master",
            Self::AsksWitnesses => "no standby takes over without its witnesses",
            Self::OneByLease => "one holder by one lease",
            Self::AdoptsOrListens => "a successor adopts what nobody else can have, or listens",
        })
    }
}

/// A law that was broken, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// Which.
    pub law: Law,
    /// How.
    pub how: String,
}

/// What an observer sees of one virtual router; one entry per machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sight {
    /// It runs, its link carries, and it holds the addresses.
    pub holds: Vec<bool>,
    /// It runs and nothing stands against its being master.
    pub healthy: Vec<bool>,
    /// It holds them or hears who does.
    pub served: Vec<bool>,
}

/// An advertisement as seen on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// By whom.
    pub by: MachineId,
    /// For which virtual router.
    pub router: usize,
    /// Without priority: a resignation.
    pub resigns: bool,
    /// Whether the sender's links carry what it says on behalf of every member of the sync group. A standby waits for all
    /// of them, so a resignation that cannot leave on one LAN costs the whole down interval there.
    pub leaves: bool,
    /// Whether the sender was master at some moment of the step in which it sent this.
    pub was: bool,
    /// Whether it holds the addresses now.
    pub holds: bool,
}

/// The clocks of one virtual router.
#[derive(Clone, Debug)]
struct Watch {
    down_at_most: Duration,
    /// How long two may hold the same addresses while one takes over from the other.
    handover: Duration,
    /// Interval of each machine.
    intervals: Vec<Duration>,
    /// How long each machine may take to follow the resignation of each: first by who resigns, then by who follows.
    skews: Vec<Vec<Duration>>,
    sight: Sight,
    two_since: Option<Instant>,
    /// Since when each machine is healthy and not served.
    vacuum_since: Vec<Option<Instant>>,
    taken_over_by: Option<Instant>,
    last_advert: Vec<Option<Instant>>,
    /// How many adverts a machine sent in the moment of the last: one by multicast, one to each peer by unicast.
    copies: Vec<usize>,
    copies_at_most: usize,
}

/// All clocks.
#[derive(Clone, Debug)]
pub struct Laws {
    watches: Vec<Watch>,
    /// The last disturbance anywhere.
    calm_since: Instant,
    /// The last one before that.
    calm_before: Instant,
    /// Whether every LAN is whole.
    whole: bool,
    /// Whether everything had settled when the last disturbance came.
    was_settled: bool,
    settles_within: Duration,
    longest_down: Duration,
    /// For each virtual router: until when frames of bad weather may still arrive, and for how long they travel at most.
    stragglers: Vec<(Instant, Duration)>,
    /// Before this moment no clock can run out: what happened since they were last looked at moves them later only.
    quiet_until: Instant,
    /// Longest time seen without a holder while somebody was healthy.
    pub longest_vacuum: Duration,
}

impl Laws {
    /// The laws for a cluster in which nothing runs yet.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let machines = scenario.machines.len();
        let none =
            Sight { holds: vec![false; machines], healthy: vec![false; machines], served: vec![false; machines] };
        let watch = |number: usize| Watch {
            down_at_most: scenario.moving_with(number).map(|(_, router)| router.down_at_most).max().unwrap_or_default(),
            handover: match scenario.routers.get(number) {
                Some(router) if router.numbered => HANDOVER + router.slowest * 2,
                Some(_) | None => HANDOVER,
            },
            intervals: scenario.instances(number).map(|i| i.advert_interval.as_duration()).collect(),
            skews: (0..machines).map(|by| scenario.skews_at_most(number, by).collect()).collect(),
            sight: none.clone(),
            two_since: None,
            vacuum_since: vec![None; machines],
            taken_over_by: None,
            last_advert: vec![None; machines],
            copies: vec![0; machines],
            copies_at_most: if scenario.routers.get(number).is_some_and(|r| r.group.is_none()) {
                machines - 1
            } else {
                1
            },
        };
        Self {
            watches: (0..scenario.routers.len()).map(watch).collect(),
            calm_since: Instant::ZERO,
            calm_before: Instant::ZERO,
            whole: true,
            was_settled: false,
            settles_within: scenario.settles_within(),
            longest_down: scenario.routers.iter().map(|router| router.down_at_most).max().unwrap_or_default(),
            stragglers: vec![(Instant::ZERO, Duration::ZERO); scenario.routers.len()],
            quiet_until: Instant::ZERO,
            longest_vacuum: Duration::ZERO,
        }
    }

    /// Something happened to the cluster that it may show; `whole` is whether everyone hears and believes everyone now.
    pub fn disturbed(&mut self, now: Instant, whole: bool) {
        self.quiet_until = Instant::ZERO;
        // Two blows at once are one: what was settled before the first was settled before both.
        if now > self.calm_since {
            self.was_settled = self.is_settled(now);
            self.calm_before = self.calm_since;
            // Whoever was to take over may be what the blow hits.
            self.watches.iter_mut().for_each(|watch| watch.taken_over_by = None);
        }
        self.calm_since = now;
        self.whole = whole;
    }

    /// When the last disturbance was but for the one of this moment.
    #[must_use]
    pub const fn calm_before(&self) -> Instant {
        self.calm_before
    }

    /// From now on a machine advertises a virtual router so often.
    pub fn paces(&mut self, now: Instant, router: usize, machine: MachineId, interval: Duration) {
        let Some(watch) = self.watches.get_mut(router) else { return };
        let Some(known) = watch.intervals.get_mut(machine.0).filter(|known| **known != interval) else { return };
        *known = interval;
        if let Some(last) = watch.last_advert.get_mut(machine.0).and_then(Option::as_mut) {
            *last = now;
        }
        self.quiet_until = Instant::ZERO;
    }

    /// From now on frames of this virtual router take up to `longest`; those sent before may still be under way.
    pub fn weather(&mut self, now: Instant, router: usize, longest: Duration) {
        self.quiet_until = Instant::ZERO;
        let Some((until, before)) = self.stragglers.get_mut(router) else { return };
        if longest > Lan::SOON {
            let most = if *until > now { longest.max(*before) } else { longest };
            (*until, *before) = (FOREVER, most);
        } else if *until == FOREVER {
            *until = now + *before;
        }
    }

    /// Whether everything must have come to rest.
    #[must_use]
    pub fn is_settled(&self, now: Instant) -> bool {
        self.whole && now.since(self.calm_since) > self.settles_within
    }

    /// Takes in what an observer sees of a virtual router.
    pub fn look(&mut self, now: Instant, router: usize, sight: Sight) {
        self.quiet_until = Instant::ZERO;
        let Some(watch) = self.watches.get_mut(router) else { return };
        let holders = sight.holds.iter().filter(|holds| **holds).count();
        watch.two_since = (holders > 1).then(|| watch.two_since.unwrap_or(now));
        if holders > 0 {
            watch.taken_over_by = None;
        }
        for ((since, healthy), served) in watch.vacuum_since.iter_mut().zip(&sight.healthy).zip(&sight.served) {
            let vacuum = *healthy && !*served;
            if let (Some(began), false) = (*since, vacuum) {
                self.longest_vacuum = self.longest_vacuum.max(now.since(began));
            }
            *since = vacuum.then(|| since.unwrap_or(now));
        }
        for (last, holds) in watch.last_advert.iter_mut().zip(&sight.holds) {
            // Whoever begins to hold has just advertised, or went on from a frozen moment: its interval begins now.
            *last = holds.then(|| last.unwrap_or(now));
        }
        watch.sight = sight;
    }

    /// An advertisement was sent.
    ///
    /// # Errors
    /// If it should not have been.
    pub fn sent(&mut self, now: Instant, sent: Sent) -> Result<(), Broken> {
        let settled = self.is_settled(now);
        let fresh = self.was_settled && self.whole && now.since(self.calm_since) <= TOLD_WITHIN + LATENESS;
        let Some(watch) = self.watches.get_mut(sent.router) else { return Ok(()) };
        let honest = sent.was && !(sent.resigns && sent.holds);
        if !honest {
            return broken(Law::HonestAdverts, format!("{sent:?}"));
        }
        if sent.resigns {
            self.quiet_until = Instant::ZERO;
            let Sight { healthy, .. } = &watch.sight;
            let skews = watch.skews.get(sent.by.0).into_iter().flatten();
            let followers = skews.zip(healthy).enumerate().filter(|(m, (_, h))| *m != sent.by.0 && **h);
            let skew = followers.map(|(_, (skew, _))| *skew).min();
            if let (Some(skew), true) = (skew, fresh && sent.leaves) {
                watch.taken_over_by = Some(now + skew + Lan::SOON + LATENESS);
            }
            return Ok(());
        }
        let interval = watch.intervals.get(sent.by.0).copied().unwrap_or_default();
        if let (Some(last), Some(copies)) = (watch.last_advert.get_mut(sent.by.0), watch.copies.get_mut(sent.by.0)) {
            if last.is_none() {
                self.quiet_until = Instant::ZERO;
            }
            let again = *last == Some(now);
            let early = last.is_some_and(|last| now.since(last) + LATENESS + SLACK < interval);
            *copies = if again { *copies + 1 } else { 1 };
            *last = Some(now);
            if settled && ((early && !again) || *copies > watch.copies_at_most) {
                return broken(Law::Cadence, format!("{sent:?} too early"));
            }
        }
        Ok(())
    }

    /// Somebody took over and lost it in the same moment, because its kernel refused. The others have heard it, so they
    /// wait again: the virtual router was served for that moment.
    pub fn served_for_a_moment(&mut self, now: Instant, router: usize) {
        let Some(watch) = self.watches.get_mut(router) else { return };
        watch.vacuum_since.iter_mut().flatten().for_each(|since| *since = now);
    }

    /// A machine has begun to wait for its whole down interval once more.
    pub fn waits_anew(&mut self, now: Instant, router: usize, machine: MachineId) {
        let since = self.watches.get_mut(router).and_then(|watch| watch.vacuum_since.get_mut(machine.0));
        if let Some(since) = since.and_then(Option::as_mut) {
            *since = now;
        }
    }

    /// An instance changed state.
    ///
    /// # Errors
    /// If it should not have.
    pub fn moved(&self, now: Instant, what: &str, from: State, to: State, known: State) -> Result<(), Broken> {
        if from != known || !allowed(from, to) {
            return broken(Law::StatesConnect, format!("{what} while it was {known}"));
        }
        if self.is_settled(now) {
            return broken(Law::NoFlapping, format!("{what}, calm since {:?}", self.calm_since));
        }
        Ok(())
    }

    /// Whether a clock has run out.
    ///
    /// # Errors
    /// The law it belongs to.
    pub fn check(&mut self, now: Instant) -> Result<(), Broken> {
        if now <= self.quiet_until {
            return Ok(());
        }
        let mut quiet_until = FOREVER;
        for (router, watch) in self.watches.iter().enumerate() {
            for (clock, runs_out) in self.clocks(router, watch) {
                if now > runs_out {
                    return watch.ran_out(router, clock);
                }
                quiet_until = quiet_until.min(runs_out);
            }
        }
        self.quiet_until = quiet_until;
        Ok(())
    }

    /// The clocks of a virtual router that run, each with the last moment at which all is well.
    fn clocks<'a>(&'a self, router: usize, watch: &'a Watch) -> impl Iterator<Item = (Clock, Instant)> + 'a {
        let calm = self.calm_since + self.longest_down + SLACK;
        let two = watch.two_since.filter(|_| self.whole).map(|since| (Clock::Two, (since + watch.handover).max(calm)));
        let stragglers = self.stragglers.get(router).copied().unwrap_or_default();
        let vacuums = watch.vacuum_since.iter().enumerate().filter_map(move |(machine, since)| {
            let since = (*since)?;
            // A late frame of a master that is gone may arrive that late, and starts the interval again.
            let begins = if since < stragglers.0 { since.max(stragglers.0).min(since + stragglers.1) } else { since };
            Some((Clock::Vacuum(machine, since), begins + watch.down_at_most + SLACK))
        });
        let followed = watch.taken_over_by.map(|by| (Clock::Followed, by));
        let adverts = watch
            .last_advert
            .iter()
            .zip(&watch.intervals)
            .enumerate()
            .filter_map(|(machine, (last, i))| Some((Clock::Advert(machine), (*last)? + *i + LATENESS + SLACK)));
        two.into_iter().chain(vacuums).chain(followed).chain(adverts)
    }
}

/// Something that must not last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Clock {
    /// Two hold the addresses.
    Two,
    /// A healthy machine sees no holder, since then.
    Vacuum(usize, Instant),
    /// A resignation has not been followed.
    Followed,
    /// A machine has not advertised.
    Advert(usize),
}

impl Watch {
    fn ran_out(&self, router: usize, clock: Clock) -> Result<(), Broken> {
        match clock {
            Clock::Two => {
                let holders = named(&self.sight.holds);
                broken(Law::OneHolder, format!("{holders} all hold the addresses of router {router}"))
            }
            Clock::Vacuum(machine, since) => {
                let how = format!("machine {machine} is healthy and sees no holder of router {router} since {since:?}");
                broken(Law::NoVacuum, how)
            }
            Clock::Followed => broken(Law::SkewAfterResignation, format!("router {router}")),
            Clock::Advert(machine) => {
                broken(Law::Cadence, format!("machine {machine} holds router {router} and is silent"))
            }
        }
    }
}

/// A broken law.
///
/// # Errors
/// Always.
pub fn broken<T>(law: Law, how: String) -> Result<T, Broken> {
    Err(Broken { law, how })
}

/// The transitions there are (RFC 9568 6.4, and FAULT and STOP of keepalived).
const fn allowed(from: State, to: State) -> bool {
    match from {
        State::Init => matches!(to, State::Backup | State::Master | State::Fault | State::Stop),
        State::Backup => matches!(to, State::Master | State::Fault | State::Stop),
        State::Master => matches!(to, State::Backup | State::Fault | State::Stop),
        State::Fault => matches!(to, State::Backup | State::Stop),
        State::Stop => false,
    }
}

fn named(holds: &[bool]) -> String {
    let holders: Vec<_> = holds.iter().enumerate().filter(|(_, holds)| **holds).map(|(m, _)| m.to_string()).collect();
    format!("machines {}", holders.join(" and "))
}
