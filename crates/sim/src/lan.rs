//! A LAN: who hears whom, after how long, and what gets lost.
//!
//! It owns the medium only. Carrier belongs to a machine's link, and what a frame says is nobody's business here.

use crate::rng::Rng;
use core::time::Duration;
use standfast_model::Instant;
use std::collections::BTreeSet;

/// Which LAN; also the place of the link to it on every machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LanId(pub usize);

/// Which machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MachineId(pub usize);

/// How a LAN treats what is sent on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weather {
    /// Shortest way.
    pub delay_least: Duration,
    /// Longest way, late ones aside.
    pub delay_most: Duration,
    /// Frames lost of a million, for each receiver by itself.
    pub lost: u32,
    /// Frames of a million that arrive twice.
    pub doubled: u32,
    /// Frames of a million that take [`Weather::late_by`] longer, so that later ones overtake them.
    pub late: u32,
    /// How much longer.
    pub late_by: Duration,
}

impl Weather {
    /// A switch in good health.
    pub const FAIR: Self = Self {
        delay_least: Duration::from_micros(20),
        delay_most: Duration::from_micros(400),
        lost: 0,
        doubled: 0,
        late: 0,
        late_by: Duration::ZERO,
    };

    /// The longest that a frame is under way.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.delay_most + self.late_by
    }
}

/// One broadcast domain.
#[derive(Clone, Debug)]
pub struct Lan {
    /// Its present weather.
    pub weather: Weather,
    /// Machines in different parts do not hear each other; all in part 0 is a whole LAN.
    part: Vec<u8>,
    /// Who is not heard by whom.
    deaf: BTreeSet<(MachineId, MachineId)>,
    /// When the last frame from one machine arrives at another, row by row.
    last: Vec<Instant>,
}

impl Lan {
    /// A whole LAN for so many machines.
    #[must_use]
    pub fn new(machines: usize) -> Self {
        Self {
            weather: Weather::FAIR,
            part: vec![0; machines],
            deaf: BTreeSet::new(),
            last: vec![Instant::ZERO; machines * machines],
        }
    }

    /// Splits the LAN: each machine goes into the part given.
    pub fn split(&mut self, part: Vec<u8>) {
        self.part = part;
    }

    /// Makes the LAN whole again; one-way faults stay.
    pub fn heal(&mut self) {
        self.part.fill(0);
    }

    /// From now on `to` does not hear `from`. Nobody is deaf to itself.
    pub fn deafen(&mut self, from: MachineId, to: MachineId) {
        if from != to {
            self.deaf.insert((from, to));
        }
    }

    /// `to` hears `from` again.
    pub fn undeafen(&mut self, from: MachineId, to: MachineId) {
        self.deaf.remove(&(from, to));
    }

    /// Whether what `from` sends reaches `to`, chance aside.
    #[must_use]
    pub fn hears(&self, to: MachineId, from: MachineId) -> bool {
        from == to
            || self.part.get(from.0) == self.part.get(to.0)
                && (self.deaf.is_empty() || !self.deaf.contains(&(from, to)))
    }

    /// Whether everyone hears everyone, always and soon.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.part.windows(2).all(|two| two.first() == two.last())
            && self.deaf.is_empty()
            && self.weather.lost == 0
            && self.weather.longest() <= Self::SOON
    }

    /// The longest delay that still counts as a whole LAN: far below any advertisement interval used on one.
    pub const SOON: Duration = Duration::from_millis(5);

    /// When a frame from one machine arrives at another: not at all, once or twice.
    pub fn ways(&self, rng: &mut Rng, from: MachineId, to: MachineId) -> [Option<Duration>; 2] {
        if !self.hears(to, from) || rng.in_a_million(self.weather.lost) {
            return [None, None];
        }
        let first = Some(self.way(rng));
        let second = rng.in_a_million(self.weather.doubled).then(|| self.way(rng));
        [first, second]
    }

    /// When a frame arrives that is sent now and takes so long: a switch in good health keeps the order of what one
    /// machine sends to another, bad weather does not.
    pub fn arrival(&mut self, now: Instant, from: MachineId, to: MachineId, way: Duration) -> Instant {
        if self.weather != Weather::FAIR {
            return now + way;
        }
        // What bad weather holds up holds up nothing that is sent after it.
        let place = from.0 * self.part.len() + to.0;
        let Some(last) = self.last.get_mut(place) else { return now + way };
        *last = (now + way).max(*last);
        *last
    }

    fn way(&self, rng: &mut Rng) -> Duration {
        let way = rng.span(self.weather.delay_least, self.weather.delay_most);
        if rng.in_a_million(self.weather.late) { way + self.weather.late_by } else { way }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MachineId = MachineId(0);
    const B: MachineId = MachineId(1);

    #[test]
    fn a_split_and_a_one_way_fault_cut_what_they_say() {
        let mut lan = Lan::new(3);
        assert!(lan.is_whole() && lan.hears(A, B));
        lan.split(vec![0, 1, 0]);
        assert!(!lan.hears(A, B) && lan.hears(A, MachineId(2)) && !lan.is_whole());
        lan.heal();
        lan.deafen(A, B);
        assert!(!lan.hears(B, A) && lan.hears(A, B) && !lan.is_whole());
        assert_eq!(lan.ways(&mut Rng::new(1), A, B), [None, None]);
        lan.undeafen(A, B);
        assert!(lan.is_whole());
    }

    #[test]
    fn a_switch_in_good_health_keeps_the_order_and_bad_weather_does_not() {
        let mut lan = Lan::new(2);
        let at = |micros: u64| Instant::from_nanos(micros * 1_000);
        let micros = Duration::from_micros;
        assert_eq!(lan.arrival(at(0), A, B, micros(300)), at(300));
        assert_eq!(lan.arrival(at(60), A, B, micros(20)), at(300));
        assert_eq!(lan.arrival(at(60), B, A, micros(20)), at(80), "the other way is another");
        lan.weather.late = 1;
        assert_eq!(lan.arrival(at(70), A, B, micros(20)), at(90));
    }

    #[test]
    fn weather_loses_doubles_and_delays_as_often_as_it_says() {
        let mut lan = Lan::new(2);
        lan.weather = Weather {
            lost: 300_000,
            doubled: 200_000,
            late: 100_000,
            late_by: Duration::from_secs(1),
            ..Weather::FAIR
        };
        assert!(!lan.is_whole());
        let mut rng = Rng::new(7);
        let (mut lost, mut doubled, mut late) = (0, 0, 0);
        for _ in 0..10_000 {
            let [first, second] = lan.ways(&mut rng, A, B);
            lost += u32::from(first.is_none());
            doubled += u32::from(second.is_some());
            late += u32::from(first.is_some_and(|way| way > Duration::from_millis(900)));
        }
        assert!((2800..3200).contains(&lost), "{lost}");
        assert!((1250..1550).contains(&doubled), "{doubled} of 7000");
        assert!((600..800).contains(&late), "{late} of 7000");
    }
}
