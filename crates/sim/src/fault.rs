//! What can go wrong, and the storm that makes it go wrong at random and mends it again.
//!
//! It owns the choice and not the effect. Every fault is mended by another one that is scheduled with it, so that a
//! storm never wears a cluster down for good.

use crate::lan::{LanId, MachineId, Weather};
use crate::rng::Rng;
use crate::variation::Variation;
use core::time::Duration;
use standfast_model::Priority;
use standfast_model::config::witness::WitnessId;
use std::collections::BTreeSet;

/// One thing done to the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A cable is pulled or plugged in.
    Carrier(MachineId, LanId, bool),
    /// An administrator sets an interface up or down.
    Admin(MachineId, LanId, bool),
    /// An interface is destroyed.
    Unplug(MachineId, LanId),
    /// And made anew.
    PlugIn(MachineId, LanId),
    /// A machine stands still, and knows nothing of it.
    Freeze(MachineId),
    /// It goes on.
    Thaw(MachineId),
    /// A machine loses power.
    PowerCut(MachineId),
    /// The daemon is killed; what it put into the kernel stays there.
    Kill(MachineId),
    /// The daemon is asked to stop.
    Stop(MachineId),
    /// The machine boots if it must, and the daemon starts.
    Start(MachineId),
    /// A LAN falls into parts.
    Split(LanId, Vec<u8>),
    /// It is one again.
    Heal(LanId),
    /// The second machine does not hear the first.
    Deafen(LanId, MachineId, MachineId),
    /// It does again.
    Undeafen(LanId, MachineId, MachineId),
    /// A LAN treats its frames so from now on.
    Weather(LanId, Weather),
    /// Another program removes the addresses of a virtual router from a machine.
    TakeAddresses(MachineId, usize),
    /// Another program adds them.
    GiveAddresses(MachineId, usize),
    /// The kernel refuses the next addition of an address.
    RefuseAddress(MachineId),
    /// The monitor lost changes: the daemon gets a new dump.
    Resync(MachineId),
    /// What the machine's track script looks at becomes good or bad.
    Service(MachineId, bool),
    /// A witness answers a machine from now on, or does so no more.
    Witness(MachineId, WitnessId, bool),
    /// Nobody reaches the store of leases, or everybody whom nothing else keeps from it.
    StoreDown(bool),
    /// The clock of the store goes too fast by so many thousandths, or too slow.
    StoreClock(i32),
    /// The daemon is told to read its configuration again, which is as it was: nothing may come of it.
    Reload(MachineId),
    /// The configuration of a machine gives every instance this priority, or its own again, and is read.
    Reprioritise(MachineId, Option<Priority>),
    /// The configuration of a machine takes no part in this virtual router, or in all again, and is read.
    Dismiss(MachineId, Option<usize>),
    /// The configuration of every machine is another one, and is read everywhere within a moment.
    Reconfigure(Variation),
    /// The daemon is killed as soon as it has done so many things more, and started again a moment later.
    CutAfter(MachineId, u32),
    /// An interface gets another name, or its own again.
    Rename(MachineId, LanId, bool),
    /// The wall's clock of a machine is wrong by so many seconds, or right again.
    ClockWrong(MachineId, i64),
    /// Somebody sends a packet once more that was on a LAN long ago, signed: it must be refused, and disturb nothing.
    Replay,
    /// Somebody sends a packet that must be refused, and must disturb nothing.
    Noise(LanId, Noise),
}

/// A packet of a virtual router's number that is no valid advertisement of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Noise {
    /// The virtual router.
    pub router: usize,
    /// What is wrong.
    pub wrong: Wrong,
    /// The priority it claims; 0 would be a resignation.
    pub priority: u8,
}

/// What is wrong with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// One bit of the checksum.
    Checksum,
    /// It came through a router.
    Ttl,
    /// Version 2 to a version 3 router, or the other way round.
    Version,
    /// Another password, or one where none is expected. Version 2 only.
    Password,
    /// An interval of 0, or in version 2 one second more.
    Interval,
    /// The last octet is missing.
    Length,
    /// Not an advertisement.
    Type,
    /// A VRID nobody has.
    Vrid,
}

impl Wrong {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Checksum,
        Self::Ttl,
        Self::Version,
        Self::Password,
        Self::Interval,
        Self::Length,
        Self::Type,
        Self::Vrid,
    ];
}

impl Fault {
    /// Whether a cluster may show it. Noise must not.
    #[must_use]
    pub const fn disturbs(&self) -> bool {
        match self {
            Self::Noise(..) | Self::Resync(_) | Self::Reload(_) | Self::Replay => false,
            Self::Carrier(..)
            | Self::Admin(..)
            | Self::Unplug(..)
            | Self::PlugIn(..)
            | Self::Freeze(_)
            | Self::Thaw(_)
            | Self::PowerCut(_)
            | Self::Kill(_)
            | Self::Stop(_)
            | Self::Start(_)
            | Self::Split(..)
            | Self::Heal(_)
            | Self::Deafen(..)
            | Self::Undeafen(..)
            | Self::Weather(..)
            | Self::TakeAddresses(..)
            | Self::GiveAddresses(..)
            | Self::Service(..)
            | Self::Witness(..)
            | Self::StoreDown(_)
            | Self::StoreClock(_)
            | Self::Reprioritise(..)
            | Self::Dismiss(..)
            | Self::Reconfigure(_)
            | Self::CutAfter(..)
            | Self::Rename(..)
            | Self::ClockWrong(..)
            | Self::RefuseAddress(_) => true,
        }
    }
}

/// What of a storm strikes. The others are drawn as well and pass, so that the rest stays the same storm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Blows {
    /// Nothing: there is no storm.
    None,
    /// Everything.
    All,
    /// The blows of these numbers, in order of their drawing from 0.
    Only(BTreeSet<u32>),
}

impl Blows {
    /// These and no others.
    #[must_use]
    pub fn only(numbers: &[u32]) -> Self {
        Self::Only(numbers.iter().copied().collect())
    }

    /// Whether the blow of this number strikes.
    #[must_use]
    pub fn strikes(&self, number: u32) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(numbers) => numbers.contains(&number),
        }
    }
}

/// Draws faults, each with what mends it and when.
#[derive(Clone, Debug)]
pub struct Storm {
    rng: Rng,
    machines: usize,
    lans: usize,
    routers: usize,
    /// Witnesses of each machine.
    witnesses: usize,
    /// The first of them gives a lease.
    leased: bool,
}

/// A fault, how long it lasts, and what ends it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blow {
    /// The fault.
    pub fault: Fault,
    /// Its end, if it has one.
    pub mended: Option<(Duration, Fault)>,
}

impl Storm {
    /// A storm over a cluster of this size.
    #[must_use]
    pub const fn new(rng: Rng, machines: usize, lans: usize, routers: usize) -> Self {
        Self { rng, machines, lans, routers, witnesses: 0, leased: false }
    }

    /// The same over machines that ask so many witnesses, of which the first gives a lease or not.
    #[must_use]
    pub const fn with_witnesses(self, witnesses: usize, leased: bool) -> Self {
        Self { witnesses, leased, ..self }
    }

    /// How long until the next blow: often seconds, sometimes long enough for everything to settle.
    pub fn pause(&mut self) -> Duration {
        self.rng.span_of_any_scale(Duration::from_millis(100), Duration::from_secs(240))
    }

    fn machine(&mut self) -> MachineId {
        MachineId(self.rng.index(self.machines))
    }

    fn lan(&mut self) -> LanId {
        LanId(self.rng.index(self.lans))
    }

    /// The next blow.
    pub fn blow(&mut self) -> Blow {
        let (machine, lan, router) = (self.machine(), self.lan(), self.rng.index(self.routers));
        let lasts = self.rng.span_of_any_scale(Duration::from_millis(5), Duration::from_secs(60));
        let until = |fault, end| Blow { fault, mended: Some((lasts, end)) };
        let once = |fault| Blow { fault, mended: None };
        if self.witnesses > 0 && self.rng.once_in(5) {
            let witness = WitnessId(u32::try_from(self.rng.index(self.witnesses)).unwrap_or(0));
            return until(Fault::Witness(machine, witness, false), Fault::Witness(machine, witness, true));
        }
        if self.leased && self.rng.once_in(8) {
            return match self.rng.once_in(2) {
                true => until(Fault::StoreDown(true), Fault::StoreDown(false)),
                false => until(Fault::StoreClock(self.drift()), Fault::StoreClock(0)),
            };
        }
        match self.rng.below(35) {
            0 | 1 => until(Fault::Carrier(machine, lan, false), Fault::Carrier(machine, lan, true)),
            2 => until(Fault::Admin(machine, lan, false), Fault::Admin(machine, lan, true)),
            3 => until(Fault::Unplug(machine, lan), Fault::PlugIn(machine, lan)),
            4 | 5 => until(Fault::Freeze(machine), Fault::Thaw(machine)),
            6 => until(Fault::PowerCut(machine), Fault::Start(machine)),
            7 => until(Fault::Kill(machine), Fault::Start(machine)),
            8..=10 => until(Fault::Stop(machine), Fault::Start(machine)),
            11 => until(Fault::Split(lan, self.parts()), Fault::Heal(lan)),
            12 => {
                let deaf = self.machine();
                until(Fault::Deafen(lan, machine, deaf), Fault::Undeafen(lan, machine, deaf))
            }
            13 => until(Fault::Weather(lan, self.weather()), Fault::Weather(lan, Weather::FAIR)),
            14 => once(Fault::TakeAddresses(machine, router)),
            15 => once(Fault::GiveAddresses(machine, router)),
            16 => once(Fault::RefuseAddress(machine)),
            17 => once(Fault::Resync(machine)),
            18 => {
                // Some too short for the script to see, some long enough for all its failures.
                let lasts = self.rng.span_of_any_scale(Duration::from_millis(500), Duration::from_secs(300));
                Blow { fault: Fault::Service(machine, false), mended: Some((lasts, Fault::Service(machine, true))) }
            }
            19 => once(Fault::Reload(machine)),
            20 => until(Fault::Reprioritise(machine, self.priority()), Fault::Reprioritise(machine, None)),
            21 => until(Fault::Dismiss(machine, Some(router)), Fault::Dismiss(machine, None)),
            22 | 23 => until(Fault::Reconfigure(self.variation(router)), Fault::Reconfigure(Variation::Drawn)),
            24 => until(Fault::Rename(machine, lan, true), Fault::Rename(machine, lan, false)),
            25 | 26 => once(Fault::CutAfter(machine, self.calls())),
            27 => {
                // Back so soon that nobody has taken over, or nearly.
                let back = self.rng.span_of_any_scale(Duration::from_millis(20), Duration::from_secs(5));
                Blow { fault: Fault::Kill(machine), mended: Some((back, Fault::Start(machine))) }
            }
            28 => until(Fault::ClockWrong(machine, self.wrong_by()), Fault::ClockWrong(machine, 0)),
            29 | 30 => once(Fault::Replay),
            _ => once(Fault::Noise(lan, self.noise(router))),
        }
    }

    /// Up to five in a hundred, to either side: less than the tenth of a lease by which its holder lets go earlier.
    fn drift(&mut self) -> i32 {
        let by = i32::try_from(self.rng.between(1, 50)).unwrap_or(1);
        if self.rng.once_in(2) { by } else { -by }
    }

    /// Hours, to either side: far more than any window.
    fn wrong_by(&mut self) -> i64 {
        let hours = i64::try_from(self.rng.between(1, 24)).unwrap_or(1);
        if self.rng.once_in(2) { hours * 3600 } else { hours * -3600 }
    }

    /// Higher than any that is drawn, so that what was drawn stays the bound of every skew time.
    fn priority(&mut self) -> Option<Priority> {
        u8::try_from(self.rng.between(240, 254)).ok().and_then(Priority::new)
    }

    /// Any of the configurations that a cluster may be given.
    pub fn variation(&mut self, router: usize) -> Variation {
        match self.rng.below(7) {
            0 => Variation::Renamed,
            1 => Variation::Reordered,
            2 => Variation::OtherVrid(router),
            3 => Variation::Faster(router),
            4 => Variation::Moved(router, self.rng.index(self.routers)),
            5 => Variation::OtherKey(router),
            _ => Variation::Without(router),
        }
    }

    /// In the middle of what comes next, or of something later.
    fn calls(&mut self) -> u32 {
        u32::try_from(self.rng.below(40)).unwrap_or(0)
    }

    fn parts(&mut self) -> Vec<u8> {
        (0..self.machines).map(|_| u8::from(self.rng.once_in(2))).collect()
    }

    fn noise(&mut self, router: usize) -> Noise {
        let wrong = self.rng.pick(&Wrong::ALL).copied().unwrap_or(Wrong::Checksum);
        let priority = self.rng.pick(&[0, 1, 100, 254, 255]).copied().unwrap_or(0);
        Noise { router, wrong, priority }
    }

    fn weather(&mut self) -> Weather {
        let millis = Duration::from_millis;
        let share = |rng: &mut Rng| if rng.once_in(2) { u32::try_from(rng.below(500_000)).unwrap_or(0) } else { 0 };
        Weather {
            delay_least: Weather::FAIR.delay_least,
            delay_most: self.rng.span_of_any_scale(millis(1), millis(500)),
            lost: share(&mut self.rng),
            doubled: share(&mut self.rng),
            late: share(&mut self.rng),
            late_by: self.rng.span_of_any_scale(millis(1), millis(2000)),
        }
    }
}
