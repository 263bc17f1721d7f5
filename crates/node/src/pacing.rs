//! Announcements with pauses between them (`vrrp_garp_interval`, `vrrp_gna_interval`, `garp_group`).
//!
//! It owns the queues and the times, and sends nothing. An address that waits already is not queued twice: only the
//! number of its announcements grows. Advertisements are never behind announcements.

use crate::system::Frame;
use core::time::Duration;
use standfast_model::Instant;
use standfast_model::InterfaceName;
use standfast_model::config::instance::{GarpGroup, VrrpCommon};
use standfast_model::ipvs::Family;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// Which announcements share their pauses: those of one family in a `garp_group`, else of one interface.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Queue {
    Group(usize, Family),
    Interface(InterfaceName, Family),
}

#[derive(Clone, Debug, Default)]
struct Line {
    /// Frames with their addresses and the number of times each is still to be sent: no more than there are addresses.
    waiting: VecDeque<(Announcement, u32)>,
    /// When the next one may leave.
    free_at: Instant,
}

/// One announcement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Announcement {
    /// The interface whose pauses it keeps.
    pub(crate) paced_by: InterfaceName,
    /// The address announced.
    pub(crate) address: IpAddr,
    /// What is sent.
    pub(crate) frame: Frame,
}

/// The announcements of a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pacer {
    groups: Vec<GarpGroup>,
    garp_interval: Duration,
    gna_interval: Duration,
    lines: BTreeMap<Queue, Line>,
}

impl Pacer {
    pub(crate) fn new(common: &VrrpCommon) -> Self {
        Self {
            groups: common.garp_groups.clone(),
            garp_interval: common.garp_interval,
            gna_interval: common.gna_interval,
            lines: BTreeMap::new(),
        }
    }

    /// Other intervals from now on; what waits goes on waiting.
    pub(crate) fn reconfigure(&mut self, common: &VrrpCommon) {
        let groups_same = self.groups == common.garp_groups;
        let lines = core::mem::take(&mut self.lines);
        *self = Self::new(common);
        if groups_same {
            self.lines = lines;
        }
    }

    /// Whether anything says to pause between announcements like that one.
    pub(crate) fn pauses(&self, announcement: &Announcement) -> bool {
        let family = announcement.address.into();
        let anywhere = !self.interval(None, family).is_zero() || !self.groups.is_empty();
        anywhere && !self.queue(&announcement.paced_by, family).1.is_zero()
    }

    /// Takes one announcement to be made `times` times, with pauses.
    pub(crate) fn admit(&mut self, announcement: Announcement, times: u32) {
        let (queue, _) = self.queue(&announcement.paced_by, announcement.address.into());
        let line = self.lines.entry(queue).or_default();
        match line.waiting.iter_mut().find(|(other, _)| *other == announcement) {
            Some((_, left)) => *left = (*left).saturating_add(times),
            None => line.waiting.push_back((announcement, times)),
        }
    }

    /// What may leave now, in turn.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Frame> {
        let intervals = [Family::Inet, Family::Inet6].map(|family| (family, self.interval(None, family)));
        let mut due = Vec::new();
        for (queue, line) in &mut self.lines {
            let interval = match queue {
                Queue::Group(group, family) => interval_of(self.groups.get(*group), *family),
                Queue::Interface(_, family) => intervals.iter().find(|(f, _)| f == family).map(|(_, i)| *i),
            };
            // One per wake and queue: the pause is there for the neighbours' sake, so a late wake makes up for nothing.
            if line.free_at <= now
                && let Some((announcement, left)) = line.waiting.pop_front()
            {
                line.free_at = now + interval.unwrap_or_default();
                due.push(announcement.frame.clone());
                if left > 1 {
                    line.waiting.push_back((announcement, left - 1));
                }
            }
        }
        self.lines.retain(|_, line| !line.waiting.is_empty() || line.free_at > now);
        due
    }

    /// When [`Self::due`] has something again.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.lines.values().filter(|line| !line.waiting.is_empty()).map(|line| line.free_at).min()
    }

    /// Forgets announcements of addresses that are no longer held.
    pub(crate) fn retain(&mut self, keeps: impl Fn(&Announcement) -> bool) {
        for line in self.lines.values_mut() {
            line.waiting.retain(|(announcement, _)| keeps(announcement));
        }
    }

    fn queue(&self, name: &InterfaceName, family: Family) -> (Queue, Duration) {
        match self.groups.iter().position(|group| group.interfaces.contains(name)) {
            Some(group) => (Queue::Group(group, family), self.interval(Some(group), family)),
            None => (Queue::Interface(name.clone(), family), self.interval(None, family)),
        }
    }

    fn interval(&self, group: Option<usize>, family: Family) -> Duration {
        let group = group.and_then(|group| interval_of(self.groups.get(group), family));
        group.unwrap_or(match family {
            // REQ: KA-GARP-05 ND-7.2.6-02
            Family::Inet => self.garp_interval,
            Family::Inet6 => self.gna_interval,
        })
    }
}

fn interval_of(group: Option<&GarpGroup>, family: Family) -> Option<Duration> {
    group.map(|group| match family {
        Family::Inet => group.garp_interval,
        Family::Inet6 => group.gna_interval,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_model::InterfaceIndex;

    fn frame(octet: u8) -> Frame {
        Frame { interface: InterfaceIndex(2), bytes: vec![octet] }
    }

    fn inet(name: &InterfaceName, octet: u8) -> Announcement {
        Announcement { paced_by: name.clone(), address: [192, 0, 2, octet].into(), frame: frame(octet) }
    }

    fn at(milliseconds: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(milliseconds)
    }

    #[test]
    fn interfaces_of_a_group_share_their_pauses_and_take_turns() {
        let [eth0, eth1, eth2]: [InterfaceName; 3] = ["eth0", "eth1", "eth2"].map(|name| name.parse().unwrap());
        let group = GarpGroup {
            garp_interval: Duration::from_millis(10),
            gna_interval: Duration::ZERO,
            interfaces: vec![eth0.clone(), eth1.clone()],
        };
        let mut pacer = Pacer::new(&VrrpCommon { garp_groups: vec![group], ..VrrpCommon::default() });
        for (announcement, times) in [(inet(&eth0, 1), 2), (inet(&eth1, 2), 1)] {
            assert!(pacer.pauses(&announcement));
            pacer.admit(announcement, times);
        }
        let inet6 = Announcement { address: [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(), ..inet(&eth0, 3) };
        assert!(!pacer.pauses(&inet6), "no pause of that family");
        assert!(!pacer.pauses(&inet(&eth2, 4)), "not in the group");
        let mut sent = Vec::new();
        for now in (1000..1100).map(at) {
            sent.extend(pacer.due(now).into_iter().map(|frame| (now, frame.bytes[0])));
        }
        assert_eq!(sent, [(at(1000), 1), (at(1010), 2), (at(1020), 1)]);
        assert_eq!(pacer.next_deadline(), None);
    }

    #[test]
    fn an_announcement_that_waits_is_counted_up_and_not_queued_again() {
        let eth0: InterfaceName = "eth0".parse().unwrap();
        let common = VrrpCommon { garp_interval: Duration::from_millis(10), ..VrrpCommon::default() };
        let mut pacer = Pacer::new(&common);
        for _ in 0..3 {
            pacer.admit(inet(&eth0, 1), 2);
        }
        assert_eq!(pacer.due(at(1000)), [frame(1)]);
        assert_eq!(pacer.next_deadline(), Some(at(1010)));
        assert_eq!(pacer.due(at(1500)), [frame(1)], "a late wake makes up for nothing");
        pacer.retain(|_| false);
        assert_eq!(pacer.due(at(2000)), []);
    }
}
