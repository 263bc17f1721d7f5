//! Links whose drivers do not tell of their carrier: asked once a second (`linkbeat_interfaces`, `linkbeat_use_polling`).
//!
//! What was asked counts in place of what the kernel tells of the same link. A driver that does not answer leaves it at
//! that.

use crate::journal;
use core::time::Duration;
use standfast_kernel::linkbeat::LinkProbe;
use standfast_model::config::VrrpConfig;
use standfast_model::config::instance::LinkbeatMethod;
use standfast_model::{Instant, InterfaceName};
use standfast_net::{Change, Link, Observed};
use std::collections::BTreeMap;

/// How often a link is asked. A question takes a driver up to a millisecond.
const EVERY: Duration = Duration::from_secs(1);

/// The links that are asked, how, and what was said last.
#[derive(Debug, Default)]
pub(super) struct Linkbeat {
    probe: Option<LinkProbe>,
    links: BTreeMap<InterfaceName, (Option<LinkbeatMethod>, Option<bool>)>,
    due: Option<Instant>,
}

impl Linkbeat {
    /// For this configuration; nothing has been asked yet.
    pub(super) fn new(config: &VrrpConfig) -> Self {
        let common = &config.common;
        let polled = config.instances.iter().filter(|_| common.linkbeat_polling);
        // What is named with its method comes last and counts.
        let all = polled.map(|instance| (&instance.interface, None));
        let named = common.linkbeat.iter().map(|linkbeat| (&linkbeat.interface, linkbeat.method));
        let links: BTreeMap<_, _> = all.chain(named).map(|(name, method)| (name.clone(), (method, None))).collect();
        if links.is_empty() {
            return Self::default();
        }
        let probe = LinkProbe::open().inspect_err(|error| {
            journal::trouble("linkbeat", &format!("links are not polled: {error}"));
        });
        Self { probe: probe.ok(), links, due: Some(Instant::ZERO) }
    }

    /// When [`Self::poll`] is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.due.filter(|_| self.probe.is_some())
    }

    /// Asks all links, and comes back with those that are otherwise than they were observed.
    pub(super) fn poll(&mut self, now: Instant, observed: &Observed) -> Vec<Link> {
        let Some(probe) = &self.probe else { return Vec::new() };
        self.due = Some(now + EVERY);
        let mut changed = Vec::new();
        for (name, (method, said)) in &mut self.links {
            let Some(link) = observed.link_named(name) else { continue };
            match probe.is_up(name, *method) {
                Ok(up) => *said = Some(up),
                Err(error) => {
                    *said = None;
                    journal::trouble("linkbeat", &format!("{name} is not polled: {error}"));
                }
            }
            changed.extend(said.filter(|up| *up != link.running).map(|running| Link { running, ..link.clone() }));
        }
        changed
    }

    /// A change as it counts: with what the driver said.
    pub(super) fn corrected(&self, change: Change) -> Change {
        match change {
            Change::Link(link) => {
                let said = self.links.get(&link.name).and_then(|(_, said)| *said);
                Change::Link(Link { running: said.unwrap_or(link.running), ..link })
            }
            Change::LinkGone(_)
            | Change::Address(_)
            | Change::AddressGone { .. }
            | Change::Route(_)
            | Change::RouteGone(_)
            | Change::Rule(_)
            | Change::RuleGone(_) => change,
        }
    }
}
