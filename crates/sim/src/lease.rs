//! A store that gives a lease to one machine at a time, and for each machine what asks for it, renews it and gives it
//! back: what a witness `etcd` and the `check` worker are to a director.
//!
//! It tells a director what it would be told by its supervisor and judges nothing. Requests take no time here but for a
//! moment by which the lease is counted from before it was given.
#![expect(clippy::indexing_slicing, reason = "machines are numbered by the vectors that hold them")]

use crate::lan::MachineId;
use crate::laws::Broken;
use crate::machine::Director;
use crate::order::Event;
use crate::world::World;
use core::time::Duration;
use standfast_model::config::witness::WitnessId;
use standfast_model::{Instant, Witnessed};
use standfast_node::Input;

/// The lease is the only witness of who has one.
const LEASE: WitnessId = WitnessId(0);

/// How often a keeper asks again, and sees whether the lease is wanted.
const LOOKS: Duration = Duration::from_millis(250);

/// A request takes at most this.
const REQUEST_TAKES: Duration = Duration::from_millis(20);

/// How much earlier a lease ends for who has it than in the store: a tenth of it.
const MARGIN_PARTS: u32 = 10;

/// The store. Its clock need not go as fast as those of the machines.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    holder: Option<(MachineId, Instant)>,
    lasts: Duration,
    /// Nobody reaches it.
    pub(crate) down: bool,
    /// By how much its clock goes too fast, in thousandths.
    pub(crate) fast_by: i32,
}

impl Store {
    pub(crate) const fn new(lasts: Duration) -> Self {
        Self { holder: None, lasts, down: false, fast_by: 0 }
    }

    /// Gives the lease, or lets it go on; false if somebody else has it.
    fn give(&mut self, now: Instant, to: MachineId) -> bool {
        if self.holder.is_some_and(|(holder, until)| holder != to && now < until) {
            return false;
        }
        let thousandths = u32::try_from(1000 + self.fast_by).unwrap_or(1000);
        self.holder = Some((to, now + self.lasts * 1000 / thousandths));
        true
    }

    /// Lets it go on; false if it has ended, whoever has it now.
    fn renew(&mut self, now: Instant, of: MachineId) -> bool {
        self.holder.is_some_and(|(holder, until)| holder == of && now < until) && self.give(now, of)
    }

    fn take_back(&mut self, from: MachineId) {
        self.holder.take_if(|(holder, _)| *holder == from);
    }
}

/// What keeps the lease for the daemon of one machine, and dies with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keeper {
    /// Which daemon it belongs to.
    life: u32,
    /// From before the request that got it or renewed it last.
    since: Option<Instant>,
    said: Witnessed,
}

impl<D: Director> World<D> {
    /// A keeper looks whether there is something to do about its lease.
    pub(crate) fn keep_lease(&mut self, id: MachineId) -> Result<(), Broken> {
        let after = self.rng.span(LOOKS / 2, LOOKS);
        self.schedule(self.now + after, Event::Lease(id));
        let life = self.machines[id.0].lives;
        let keeper = &mut self.keepers[id.0];
        if keeper.life != life {
            *keeper = Keeper { life, ..Keeper::default() };
        }
        let Some(wanted) = self.machines[id.0].running().map(Director::wants_lease) else { return Ok(()) };
        let Some(said) = self.said_by_store(id, wanted) else { return Ok(()) };
        let before = core::mem::replace(&mut self.keepers[id.0].said, said.clone());
        if before == said {
            return Ok(());
        }
        let machine = &mut self.machines[id.0];
        machine.lease_until = match said {
            Witnessed::Held { until } => Some(until),
            Witnessed::Unasked | Witnessed::Reached | Witnessed::Refused { .. } | Witnessed::Unreachable { .. } => None,
        };
        let told = match &said {
            Witnessed::Held { until } => Witnessed::Held { until: machine.local(*until) },
            Witnessed::Unasked | Witnessed::Reached | Witnessed::Refused { .. } | Witnessed::Unreachable { .. } => {
                said.clone()
            }
        };
        self.trace.line(self.now, format_args!("m{} lease: {told}", id.0));
        self.tally.leases += u64::from(matches!(told, Witnessed::Held { .. }));
        self.act(id, Input::WitnessTold { witness: LEASE, said: told })?;
        // A renewal leaves everything as it was; otherwise another may be master now.
        if core::mem::discriminant(&before) != core::mem::discriminant(&said) {
            self.disturbed();
            self.look();
        }
        Ok(())
    }

    /// What comes of asking, if it is asked.
    fn said_by_store(&mut self, id: MachineId, wanted: bool) -> Option<Witnessed> {
        let now = self.now;
        let asked = now - self.rng.span(Duration::ZERO, REQUEST_TAKES);
        let reached = self.machines[id.0].answers[0];
        let store = self.store.as_mut()?;
        let (reached, lasts) = (reached && !store.down, store.lasts);
        let end = |since: Instant| since + (lasts - lasts / MARGIN_PARTS);
        let keeper = &mut self.keepers[id.0];
        match keeper.since {
            None if !wanted => Some(Witnessed::Unasked),
            Some(_) if !wanted => {
                keeper.since = None;
                if reached {
                    store.take_back(id);
                }
                Some(Witnessed::Unasked)
            }
            Some(since) if now.since(since) < lasts / 3 => None,
            Some(since) if !reached && now < end(since) => None,
            Some(_) if reached && store.renew(now, id) => {
                keeper.since = Some(asked);
                Some(Witnessed::Held { until: end(asked) })
            }
            None if reached && store.give(now, id) => {
                keeper.since = Some(asked);
                Some(Witnessed::Held { until: end(asked) })
            }
            None if reached => Some(Witnessed::Refused { holder: "another".to_owned() }),
            None | Some(_) => {
                keeper.since = None;
                Some(Witnessed::Unreachable { why: "silence".to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_gives_its_lease_to_one_until_it_ends_by_its_own_clock() {
        let (one, other) = (MachineId(0), MachineId(1));
        let at = |millis: u64| Instant::ZERO + Duration::from_millis(millis);
        let mut store = Store::new(Duration::from_secs(10));
        assert!(store.give(at(0), one) && !store.give(at(9_999), other));
        assert!(store.renew(at(9_999), one) && !store.give(at(19_998), other));
        // A clock that is a quarter too fast has its ten seconds in eight.
        store.fast_by = 250;
        assert!(store.renew(at(19_998), one));
        assert!(!store.give(at(27_997), other) && !store.renew(at(27_998), one) && store.give(at(27_998), other));
        store.take_back(one);
        assert!(!store.give(at(28_000), one), "it was not its own to give back");
        store.take_back(other);
        assert!(store.give(at(28_000), one));
    }
}
