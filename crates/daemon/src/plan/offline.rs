//! The plan between two configurations without a daemon: as if the first ran here as master of everything, with every
//! tracked thing good, every interface up and every server serving.

use super::configuration::{differences, interfaces};
use super::{lvs, vrrp};
use core::time::Duration;
use standfast_api::plan::Plan;
use standfast_lvs::{Action, Director, Event, Output, Verdict};
use standfast_model::config::VrrpConfig;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::{Config, Instant, InterfaceIndex};
use standfast_net::{Link, Observed, ObservedAddress};
use standfast_node::{Applied, Frame, Input, Listen, Packet, Record, Reload, SocketKey, System, VrrpNode, prepared};
use standfast_vrrp::{Event as RouterEvent, Options, Output as RouterOutput, Router};
use std::collections::VecDeque;

/// Any moment: nothing was before it.
const THEN: Instant = Instant::from_nanos(3_600_000_000_000);

/// Any time of the wall that `auth_hmac` signs with.
const WALL: Duration = Duration::from_secs(1_800_000_000);

/// What a reload from one to the other would do.
#[must_use]
pub fn offline(before: &Config, after: &Config) -> Plan {
    let mut plan = Plan { configuration: differences(before, after), ..Plan::default() };
    if plan.configuration.is_empty() {
        return plan;
    }
    let (old, new) = (prepared(untracked(&before.vrrp)), prepared(untracked(&after.vrrp)));
    let node = master_of_everything(before, after, &old);
    let reload = Reload { config: new, options: Options::default() };
    let rehearsal = node.rehearse(THEN + Duration::from_millis(1), reload.clone());
    plan.add(vrrp(&old, &reload.config, &rehearsal));
    let director = serving(before);
    if let Some(actions) = director.rehearse(THEN + Duration::from_millis(1), after.lvs.clone()) {
        plan.add(lvs(director.desired(), &actions));
    }
    plan
}

/// Nobody is there to say how what is tracked is; it does not bear on what a reload does.
fn untracked(config: &VrrpConfig) -> VrrpConfig {
    let mut config = config.clone();
    config.instances.iter_mut().for_each(|instance| instance.options.trackers.clear());
    config.groups.iter_mut().for_each(|group| group.options.trackers.clear());
    config
}

fn master_of_everything(before: &Config, after: &Config, config: &VrrpConfig) -> VrrpNode {
    let names = interfaces(before).into_iter().chain(interfaces(after));
    let names: std::collections::BTreeSet<_> = names.collect();
    let links: Vec<Link> = (1..)
        .zip(names)
        .map(|(index, name)| Link {
            index: InterfaceIndex(index),
            loopback: name.to_string() == "lo",
            name,
            mac: None,
            up: true,
            running: true,
            no_arp: false,
            mtu: 1500,
            parent: None,
            // A plan says the name of a VRF and not its table.
            vrf_table: Some(index),
        })
        .collect();
    // Addresses to send from, of the networks for documentation (RFC 5737) and of the link (RFC 4291).
    let sources = ["203.0.113.1/24", "fe80::1/64"];
    let addresses = links.iter().flat_map(|link| {
        sources.iter().filter_map(|address| address.parse().ok()).map(|address| ObservedAddress {
            interface: link.index,
            address,
            scope: 0,
            secondary: false,
            protocol: 0,
        })
    });
    let observed = Observed::new(links.clone(), addresses.collect());
    let mut router = Router::with_options(config.clone(), Options::default());
    let mut nothing = RouterOutput::default();
    for (instance, _) in (0..).map(InstanceId).zip(&config.instances) {
        router.handle(THEN, RouterEvent::Adopt { instance, advert_sent: THEN }, &mut nothing);
    }
    let mut node = VrrpNode::new(config.clone(), router);
    node.handle(THEN, Input::WallClock { unix: WALL }, &mut Nowhere);
    node.handle(THEN, Input::Start(observed), &mut Nowhere);
    node
}

/// A director whose servers have all passed their checks, and whose table is in the kernel.
fn serving(config: &Config) -> Director {
    let mut director = Director::new(config.lvs.clone(), 0);
    let mut out = Output::default();
    let mut events = VecDeque::from([Event::Start]);
    let checkers: Vec<_> = director.probes().map(|(checker, _)| checker).collect();
    while let Some(event) = events.pop_front() {
        director.handle(THEN, event, &mut out);
        for action in core::mem::take(&mut out.actions) {
            if action == Action::Dump {
                for checker in &checkers {
                    director.handle(THEN, Event::CheckReported { checker: *checker, verdict: Verdict::Ok }, &mut out);
                }
                events.push_back(Event::Observed(director.desired().clone()));
            }
        }
    }
    director
}

/// A machine that does everything and tells nobody.
struct Nowhere;

impl System for Nowhere {
    fn listen(&mut self, _socket: &Listen) -> Result<(), String> {
        Ok(())
    }

    fn unlisten(&mut self, _key: SocketKey) {}

    fn send(&mut self, _packets: &[Packet]) {}

    fn announce(&mut self, _frames: &[Frame]) {}

    fn make_device(
        &mut self,
        device: &standfast_net::Device,
        _parent: &standfast_model::InterfaceName,
    ) -> Result<Link, String> {
        // Names are unique, so their order gives numbers that are.
        let index = device
            .name
            .to_string()
            .bytes()
            .fold(1_u32 << 20, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)) & 0x0fff_ffff);
        Ok(Link {
            index: InterfaceIndex(index | 1 << 28),
            name: device.name.clone(),
            mac: None,
            up: true,
            running: true,
            loopback: false,
            no_arp: false,
            mtu: 1500,
            parent: Some(device.parent),
            vrf_table: None,
        })
    }

    fn filter(&mut self, _filter: Option<&standfast_net::Filter>) -> Result<(), String> {
        Ok(())
    }

    fn apply(&mut self, operations: &[standfast_net::Operation]) -> Vec<Result<Applied, String>> {
        operations.iter().map(|_| Ok(Applied::Changed)).collect()
    }

    fn run_script(&mut self, _script: standfast_model::config::track::ScriptId) {}

    fn record(&mut self, _record: Record) {}
}
