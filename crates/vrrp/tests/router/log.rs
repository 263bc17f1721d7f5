//! What a router of the LAN has asked for, picked by kind.

use crate::lan::{Node, Packet, micros};
use standfast_model::config::vrrp::InstanceId;
use standfast_model::{Instant, Transition};
use standfast_vrrp::{Action, Notice};

impl Node {
    /// The packets of an instance: when, and with which priority.
    pub(crate) fn adverts(&self, instance: InstanceId) -> Vec<(u64, u8)> {
        self.packets(instance).into_iter().map(|(at, packet)| (micros(at), packet.priority())).collect()
    }

    pub(crate) fn packets(&self, of: InstanceId) -> Vec<(Instant, Packet)> {
        let sent = self.log.iter().filter_map(|(at, action)| {
            let Action::Send { instance, source, destination, packet, .. } = action else { return None };
            (*instance == of).then(|| (*at, Packet::sent(*source, *destination, packet)))
        });
        sent.collect()
    }

    /// What was sent, of whatever instance, as it left.
    pub(crate) fn sent(&self) -> Vec<Vec<u8>> {
        let sent = self.log.iter().filter_map(|(_, action)| {
            let Action::Send { packet, .. } = action else { return None };
            Some(packet.clone())
        });
        sent.collect()
    }

    pub(crate) fn announcements(&self, of: InstanceId) -> Vec<(u64, u32)> {
        let announced = self.log.iter().filter_map(|(at, action)| {
            let Action::Announce { instance, rounds } = action else { return None };
            (*instance == of).then(|| (micros(*at), *rounds))
        });
        announced.collect()
    }

    pub(crate) fn transitions(&self) -> Vec<&Transition> {
        let moved = self.log.iter().filter_map(|(_, action)| {
            let Action::Transition(transition) = action else { return None };
            Some(transition)
        });
        moved.collect()
    }

    /// Transitions in words: `3.609375 VI_1 BACKUP MASTER cause`.
    pub(crate) fn story(&self) -> Vec<String> {
        let line = |t: &&Transition| {
            let at = micros(t.at);
            format!("{}.{:06} {} {} {}: {}", at / 1_000_000, at % 1_000_000, t.instance, t.from, t.to, t.cause)
        };
        self.transitions().iter().map(line).collect()
    }

    pub(crate) fn notices(&self) -> Vec<&Notice> {
        let said = self.log.iter().filter_map(|(_, action)| {
            let Action::Notice(notice) = action else { return None };
            Some(notice)
        });
        said.collect()
    }
}
