//! Links whose losses and returns count only when they last (`interface_up_down_delays`).
//!
//! It owns what counts at present and until when a change has to last. A link that does not exist has no state to wait
//! for: that counts at once.

use standfast_model::config::instance::LinkDelay;
use standfast_model::{Instant, InterfaceName};
use std::collections::BTreeMap;

/// One link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Link {
    /// What counts; none before anything was heard.
    counts: Option<bool>,
    /// What it is now instead, and when that begins to count.
    pending: Option<(bool, Instant)>,
}

/// The links that have delays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Debounce {
    links: BTreeMap<InterfaceName, (LinkDelay, Link)>,
}

impl Debounce {
    pub(crate) fn new(delays: &[LinkDelay]) -> Self {
        let link = |delay: &LinkDelay| (delay.interface.clone(), (delay.clone(), Link::default()));
        Self { links: delays.iter().map(link).collect() }
    }

    /// Other delays from now on; what counts goes on counting.
    pub(crate) fn reconfigure(&mut self, delays: &[LinkDelay]) {
        let mut next = Self::new(delays);
        for (name, (_, link)) in &mut next.links {
            if let Some((_, known)) = self.links.get(name) {
                *link = *known;
            }
        }
        *self = next;
    }

    /// The link is so now; none if it does not exist.
    pub(crate) fn hear(&mut self, now: Instant, name: &InterfaceName, up: Option<bool>) {
        let Some((delay, link)) = self.links.get_mut(name) else { return };
        let Some(up) = up else {
            *link = Link::default();
            return;
        };
        match (link.counts, link.pending) {
            (None, _) => link.counts = Some(up),
            (Some(counts), _) if counts == up => link.pending = None,
            (Some(_), Some(_)) => {}
            (Some(_), None) => {
                let wait = if up { delay.up } else { delay.down };
                if wait.is_zero() {
                    link.counts = Some(up);
                } else {
                    link.pending = Some((up, now + wait));
                }
            }
        }
    }

    /// What counts, where it is not simply what is.
    pub(crate) fn counts(&self, name: &InterfaceName) -> Option<bool> {
        self.links.get(name).and_then(|(_, link)| link.counts)
    }

    /// The links whose changes have lasted long enough.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<InterfaceName> {
        let mut due = Vec::new();
        for (name, (_, link)) in &mut self.links {
            if let Some((up, _)) = link.pending.filter(|(_, at)| *at <= now) {
                *link = Link { counts: Some(up), pending: None };
                due.push(name.clone());
            }
        }
        due
    }

    /// When [`Self::due`] has something.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.links.values().filter_map(|(_, link)| link.pending.map(|(_, at)| at)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_loss_counts_when_it_has_lasted_and_a_short_one_never_does() {
        let eth0: InterfaceName = "eth0".parse().unwrap();
        let seconds = Duration::from_secs;
        let delay = LinkDelay { interface: eth0.clone(), down: seconds(3), up: Duration::ZERO };
        let mut links = Debounce::new(&[delay]);
        let at = |second| Instant::ZERO + seconds(second);
        links.hear(at(0), &eth0, Some(true));
        assert_eq!(links.counts(&eth0), Some(true));
        links.hear(at(1), &eth0, Some(false));
        links.hear(at(2), &eth0, Some(false));
        assert_eq!((links.counts(&eth0), links.next_deadline()), (Some(true), Some(at(4))));
        links.hear(at(3), &eth0, Some(true));
        assert_eq!((links.due(at(9)), links.next_deadline()), (vec![], None));
        links.hear(at(10), &eth0, Some(false));
        assert_eq!(links.due(at(12)), vec![]);
        assert_eq!(links.due(at(13)), vec![eth0.clone()]);
        assert_eq!(links.counts(&eth0), Some(false));
        // No delay is named for the return, and none for a link that is gone.
        links.hear(at(14), &eth0, Some(true));
        assert_eq!(links.counts(&eth0), Some(true));
        links.hear(at(15), &eth0, None);
        assert_eq!(links.counts(&eth0), None);
    }
}
