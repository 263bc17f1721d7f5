//! The `vrrp` worker without its sockets: the router, what the kernel was last heard to hold, and the executor.

use crate::backlog::{Backlog, Credit};
use crate::claims::Watched;
use crate::contact;
use crate::debounce::Debounce;
use crate::holdings::{self, Holding, Owner};
use crate::input::{Input, Reload};
use crate::pacing::Pacer;
use crate::places::{Places, prepared};
use crate::restore::RestoreLimit;
use crate::system::{Listen, Packet, Record, SocketKey, System};
use crate::upkeep::Thing;
use ipnet::IpNet;
use standfast_model::config::VrrpConfig;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::ipvs::Family;
use standfast_model::{Instant, InterfaceIndex, InterfaceName, State};
use standfast_net::{Change, Filter, Observed};
use standfast_vrrp::{Action, Event, InterfaceFacts, Output, Router};
use standfast_wire::Received;
use std::collections::{BTreeMap, BTreeSet};

/// By which link an instance speaks, found by what its packets have: the interface as the router knows it, the family
/// and the VRID.
pub(crate) type Routes = BTreeMap<(InterfaceIndex, Family, u8), Way>;

/// How an advertisement leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Way {
    pub(crate) interface: InterfaceIndex,
    pub(crate) hop_limit: Option<u8>,
}

/// A node of a virtual router: everything the worker is but the system calls.
#[derive(Clone, Debug)]
pub struct VrrpNode {
    pub(crate) config: VrrpConfig,
    pub(crate) router: Router,
    pub(crate) observed: Observed,
    /// Devices of our own, and links by name.
    pub(crate) places: Places,
    /// What may be held, with links found.
    pub(crate) holdings: Vec<Holding>,
    /// Where each of our addresses lives and whose it is: everything on the machine that is ours to touch. An
    /// address whose link does not exist is not in it.
    pub(crate) homes: BTreeMap<(InterfaceIndex, IpNet), Owner>,
    /// Static addresses that were there before us: not ours to remove.
    pub(crate) foreign: BTreeSet<(InterfaceIndex, IpNet)>,
    /// By which link each instance speaks.
    pub(crate) ways: Routes,
    /// Interfaces the router has been told of, to tell it only of differences.
    pub(crate) told: BTreeMap<InterfaceName, Option<InterfaceFacts>>,
    /// Sockets that are open.
    pub(crate) listening: BTreeMap<SocketKey, Listen>,
    pub(crate) restores: BTreeMap<Thing, RestoreLimit>,
    pub(crate) pacer: Pacer,
    /// Links whose changes have to last before they count.
    pub(crate) links: Debounce,
    /// When the links that carry no advertisements are announced on again (`garp_extra_if`), by instance.
    pub(crate) extra: BTreeMap<InstanceId, Instant>,
    /// Addresses that claims are listened for.
    pub(crate) watched: Watched,
    /// Others may be held than those.
    pub(crate) unwatched: bool,
    /// The packet filter as it was last asked for.
    pub(crate) filter: Option<Filter>,
    /// Ours before the reload that is being applied, and not any more.
    pub(crate) retired: Vec<Holding>,
    /// Nothing shall stand any more.
    pub(crate) stopping: bool,
    /// What is asked for and not done yet.
    pub(crate) backlog: Backlog,
    /// How much of it the input that is being handled may do.
    pub(crate) credit: Credit,
    /// When something was last done about it.
    pub(crate) worked_at: Instant,
    output: Output,
}

impl VrrpNode {
    /// A node that has not been started. The configuration is that of the router, [`prepared`].
    #[must_use]
    pub fn new(config: VrrpConfig, router: Router) -> Self {
        let told = names_of(&config).map(|name| (name.clone(), None)).collect();
        Self {
            places: Places::new(&config),
            pacer: Pacer::new(&config.common),
            links: Debounce::new(&config.common.link_delays),
            extra: BTreeMap::new(),
            config,
            router,
            observed: Observed::default(),
            holdings: Vec::new(),
            homes: BTreeMap::new(),
            foreign: BTreeSet::new(),
            ways: Routes::new(),
            told,
            listening: BTreeMap::new(),
            restores: BTreeMap::new(),
            watched: Watched::new(),
            unwatched: true,
            filter: None,
            retired: Vec::new(),
            stopping: false,
            backlog: Backlog::default(),
            credit: Credit::NONE,
            worked_at: Instant::ZERO,
            output: Output::default(),
        }
    }

    /// The configuration it runs.
    #[must_use]
    pub fn config(&self) -> &VrrpConfig {
        &self.config
    }

    /// The core, to read its state from.
    #[must_use]
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// What the kernel was last heard to have.
    #[must_use]
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Every address that is ours to add and to remove, held or not.
    pub fn places_of_ours(&self) -> impl Iterator<Item = (InterfaceIndex, IpNet)> {
        self.homes.keys().filter(|place| !self.foreign.contains(place)).copied()
    }

    /// When [`Input::Wake`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let extra = self.extra.values().min().copied();
        let left = Some(self.worked_at).filter(|_| self.has_work());
        // Asked after every packet: compared in registers, for an array of all of them to be walked takes longer than
        // everything else here.
        let ours = earlier(earlier(self.pacer.next_deadline(), self.links.next_deadline()), earlier(extra, left));
        earlier(self.router.next_deadline(), ours)
    }

    /// Whether something waits that was too much for one input.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Handles one input. What it asks to be sent has been sent when this returns, and the rest has been done but for
    /// what takes too long: then [`Self::next_deadline`] has passed already, and wakes go on with it.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, system: &mut impl System) {
        self.credit = self.credit_for(&input);
        match input {
            Input::Start(observed) => self.start(now, observed, system),
            Input::Resync(observed) => {
                self.observed = observed;
                self.links_changed(now, system);
                self.restore_all(now, system);
            }
            Input::Changed(change) => self.changed(now, change, system),
            Input::Packet(packet) => {
                let interface = self.places.below(packet.interface);
                self.feed(now, Event::Packet(Received { interface, ..packet }), system);
            }
            Input::Claimed { interface, address, mac } => self.claimed(now, interface, address, mac, system),
            Input::Wake => {
                for name in self.links.due(now) {
                    self.tell(now, &name, system);
                }
                self.feed(now, Event::Wake, system);
                self.announce_due(now, system);
            }
            Input::ScriptEnded { script, outcome } => self.feed(now, Event::ScriptEnded { script, outcome }, system),
            Input::FileRead { file, value } => self.feed(now, Event::FileRead { file, value }, system),
            Input::ProcessCount { process, count } => self.feed(now, Event::ProcessCount { process, count }, system),
            Input::BfdChanged { session, up } => self.feed(now, Event::BfdChanged { session, up }, system),
            Input::QuorumTold { service, has_quorum } => {
                self.feed(now, Event::QuorumTold { service, has_quorum }, system);
            }
            Input::WitnessTold { witness, said } => {
                self.feed(now, Event::WitnessTold { witness, said }, system);
            }
            Input::WallClock { unix } => self.feed(now, Event::WallClock { unix }, system),
            Input::Reload(reload) => self.reload(now, *reload, system),
            Input::Maintenance { on } => self.feed(now, Event::Maintenance { on }, system),
            Input::HandOver { instance, until } => self.feed(now, Event::HandOver { instance, until }, system),
            Input::TakePart { instance } => self.feed(now, Event::TakePart { instance }, system),
            Input::Announce { instance } => {
                if self.router.state(instance) == State::Master {
                    self.backlog.announce(instance, 1);
                    self.work(now, system);
                }
            }
            Input::Shutdown => self.shut_down(now, system),
        }
        self.arm_extra(now);
        self.watch_claims(system);
    }

    /// How much may be done before others are heard: what begins and ends is done whole, and what waits in the backlog
    /// goes on with wakes.
    fn credit_for(&self, input: &Input<'_>) -> Credit {
        match input {
            Input::Start(_) | Input::Reload(_) | Input::Shutdown => Credit::ALL,
            Input::Wake => Credit::PIECE,
            Input::Resync(_)
            | Input::Changed(_)
            | Input::Packet(_)
            | Input::Claimed { .. }
            | Input::ScriptEnded { .. }
            | Input::FileRead { .. }
            | Input::ProcessCount { .. }
            | Input::BfdChanged { .. }
            | Input::QuorumTold { .. }
            | Input::WitnessTold { .. }
            | Input::Maintenance { .. }
            | Input::HandOver { .. }
            | Input::TakePart { .. }
            | Input::Announce { .. }
            | Input::WallClock { .. } => {
                if self.backlog.is_empty() {
                    Credit::PIECE
                } else {
                    Credit::NONE
                }
            }
        }
    }

    fn start(&mut self, now: Instant, observed: Observed, system: &mut impl System) {
        self.observed = observed;
        self.places.find_links(&self.observed);
        self.find_homes();
        self.foreign = self.not_ours();
        self.links_changed(now, system);
        self.feed(now, Event::Start, system);
        // Addresses that a killed predecessor left behind go before anyone relies on them.
        self.reconcile(now, system);
    }

    fn shut_down(&mut self, now: Instant, system: &mut impl System) {
        self.feed(now, Event::Shutdown, system);
        self.stopping = true;
        self.pacer.retain(|_| false);
        for key in core::mem::take(&mut self.listening).into_keys() {
            system.unlisten(key);
        }
        self.reconcile(now, system);
        self.places.remove_all(system);
        self.holdings.clear();
        if self.filter.take().is_some() {
            self.set_filter(None, system);
        }
        system.restore_settings();
    }

    /// Runs another configuration from now on. What was ours stays ours until it is gone, so that the router's first
    /// wish under the new configuration removes what the new one does not have. Devices and sockets of what goes stay
    /// until it has resigned by them.
    fn reload(&mut self, now: Instant, reload: Reload, system: &mut impl System) {
        // What waits knows instances by their former numbers.
        self.work(now, system);
        self.credit = Credit::PIECE;
        let Reload { config, options } = reload;
        self.config = prepared(config);
        self.restores.clear();
        let orphans = self.places.succeed(Places::new(&self.config));
        self.pacer.reconfigure(&self.config.common);
        self.links.reconfigure(&self.config.common.link_delays);
        self.extra.clear();
        let refused = self.places.ensure(&mut self.observed, system);
        let before = core::mem::take(&mut self.holdings);
        let mut former_ways = core::mem::take(&mut self.ways);
        self.find_homes();
        self.refresh_filter(system);
        self.retired = before.into_iter().map(|holding| holding.without(&self.holdings)).collect();
        self.told = names_of(&self.config).map(|name| (name.clone(), self.facts(name))).collect();
        let interfaces = self.told.iter().filter_map(|(name, facts)| Some((name.clone(), facts.clone()?))).collect();
        self.keep_settings(system);
        // Who is to be heard from now on is listened to before anybody waits for them.
        let deaf = self.open_sockets(system);
        // Who goes resigns by the way it had.
        let ways = self.ways.clone();
        former_ways.extend(ways.clone());
        self.ways = former_ways;
        let config = self.config.clone();
        self.feed(now, Event::Reload(Box::new(standfast_vrrp::Reload { config, options, interfaces })), system);
        self.ways = ways;
        self.close_sockets(system);
        self.reconcile(now, system);
        orphans.into_iter().for_each(|index| system.remove_device(index));
        self.refresh_filter(system);
        for (instance, what) in refused.into_iter().chain(deaf) {
            self.feed(now, Event::OperationFailed { instance, what: &what }, system);
        }
    }

    /// Works out anew what may be held and where it lives.
    pub(crate) fn find_homes(&mut self) {
        self.holdings = holdings::all(&self.config, &self.places, &self.observed);
        self.ways = self.ways();
        self.unwatched = true;
        // What an instance and the static part both name is the instance's: it comes first in the list, so last here.
        self.homes = self.holdings.iter().rev().flat_map(|h| h.places().map(|place| (place, h.owner))).collect();
    }

    fn changed(&mut self, now: Instant, change: Change, system: &mut impl System) {
        match change {
            change @ (Change::Link(_) | Change::LinkGone(_)) => self.link_changed(now, change, system),
            change @ Change::Address(_) => self.address_changed(now, change, system),
            change @ Change::AddressGone { .. } => {
                self.address_changed(now, change, system);
                // The kernel takes the routes along that prefer it as source.
                self.restore_routing(system);
            }
            Change::Route(route) => {
                let thing = Thing::Route(route.table, route.destination);
                self.observed.apply(Change::Route(route));
                self.restore_thing(now, thing, system);
            }
            Change::RouteGone(route) => {
                let thing = Thing::Route(route.table, route.destination);
                self.observed.apply(Change::RouteGone(route));
                self.restore_thing(now, thing, system);
            }
            Change::Rule(rule) => {
                let thing = Thing::Rule(rule.preference);
                self.observed.apply(Change::Rule(rule));
                self.restore_thing(now, thing, system);
            }
            Change::RuleGone(rule) => {
                let thing = Thing::Rule(rule.preference);
                self.observed.apply(Change::RuleGone(rule));
                self.restore_thing(now, thing, system);
            }
        }
    }

    fn link_changed(&mut self, now: Instant, change: Change, system: &mut impl System) {
        let (index, name) = match &change {
            Change::Link(link) => (link.index, Some(&link.name)),
            Change::LinkGone(index) => (*index, None),
            Change::Address(_)
            | Change::AddressGone { .. }
            | Change::Route(_)
            | Change::RouteGone(_)
            | Change::Rule(_)
            | Change::RuleGone(_) => return,
        };
        // A machine full of containers has links that come and go all the time.
        let before = self.observed.link(index).map(|link| &link.name);
        let concerns = self.places.is_device(index)
            || before.into_iter().chain(name).any(|name| self.told.contains_key(name) || self.is_named(name));
        let same = match &change {
            Change::Link(link) => self.observed.link(index) == Some(link),
            Change::LinkGone(_)
            | Change::Address(_)
            | Change::AddressGone { .. }
            | Change::Route(_)
            | Change::RouteGone(_)
            | Change::Rule(_)
            | Change::RuleGone(_) => false,
        };
        self.observed.apply(change);
        if concerns && !same {
            self.observed.forget_routes(index);
            self.links_changed(now, system);
            self.restore_all(now, system);
        }
    }

    /// Links came, went or changed: find every address its home again, and tell the router.
    fn links_changed(&mut self, now: Instant, system: &mut impl System) {
        let refused = self.places.ensure(&mut self.observed, system);
        let before = core::mem::take(&mut self.holdings);
        self.find_homes();
        // A device that was just made has no address yet: as soon as it has one, the kernel tells its neighbours of it, with
        // the virtual MAC, which is not for a standby to use.
        // REQ: MC-JOIN-05
        self.refresh_filter(system);
        // What lives nowhere by the configuration's names, as on a link that was renamed, must not stay where it was.
        self.retired.extend(before.into_iter().map(|holding| holding.without(&self.holdings)));
        self.keep_settings(system);
        self.reconcile_fixed(now, system);
        let deaf = self.open_sockets(system);
        self.close_sockets(system);
        for (instance, what) in refused.into_iter().chain(deaf) {
            self.feed(now, Event::OperationFailed { instance, what: &what }, system);
        }
        for name in self.told.keys().cloned().collect::<Vec<_>>() {
            let up = self.observed.link_named(&name).map(|link| link.up && link.running);
            self.links.hear(now, &name, up);
            self.tell(now, &name, system);
        }
        let leftovers = self.operations_of(|_| false);
        self.apply(&leftovers, system);
        self.retired.clear();
    }

    fn address_changed(&mut self, now: Instant, change: Change, system: &mut impl System) {
        let (interface, address) = match &change {
            Change::Address(new) => (new.interface, new.address),
            Change::AddressGone { interface, address } => (*interface, *address),
            Change::Link(_)
            | Change::LinkGone(_)
            | Change::Route(_)
            | Change::RouteGone(_)
            | Change::Rule(_)
            | Change::RuleGone(_) => return,
        };
        self.observed.apply(change);
        if self.homes.contains_key(&(interface, address)) {
            self.restore_thing(now, Thing::Address(interface, address), system);
            return;
        }
        if self.places.devices().next().is_some() {
            // A device may need the address of the interface below.
            self.find_homes();
            self.reconcile_fixed(now, system);
        }
        if let Some(name) = self.observed.link(interface).map(|link| link.name.clone()) {
            self.tell(now, &name, system);
        }
    }

    /// Lets the router handle one event and does what it asks, as far as there is credit.
    pub(crate) fn feed(&mut self, now: Instant, event: Event<'_>, system: &mut impl System) {
        self.ask(now, event, system);
        self.work(now, system);
    }

    /// Lets the router handle one event: what it wants sent is sent, in one call, and the rest waits its turn.
    pub(crate) fn ask(&mut self, now: Instant, event: Event<'_>, system: &mut impl System) {
        let mut output = core::mem::take(&mut self.output);
        self.router.handle(now, event, &mut output);
        if output.actions.iter().any(leaves_master) {
            system.stepping_down(&self.router);
        }
        let mut packets: Vec<Packet> = Vec::new();
        for action in output.actions.drain(..) {
            match action {
                Action::Send { instance: _, interface, source, destination, packet } => {
                    packets.push(self.outgoing(interface, source, destination, packet));
                }
                Action::Reconcile => self.backlog.compare(),
                Action::Announce { instance, rounds } => self.backlog.announce(instance, rounds),
                Action::Defend { instance, address } => self.defend(instance, address),
                Action::RunScript { script } => self.backlog.run(script),
                Action::Transition(transition) => self.backlog.record(Record::Transition(transition)),
                Action::GroupTransition(transition) => self.backlog.record(Record::GroupTransition(transition)),
                Action::Priority(change) => self.backlog.record(Record::Priority(change)),
                Action::LowerPriorityReceived { instance, theirs } => {
                    self.backlog.record(Record::LowerPriorityReceived { instance, theirs });
                }
                Action::Deleted(instance) => self.backlog.record(Record::Deleted(instance)),
                Action::Notice(notice) => self.backlog.record(Record::Notice(notice)),
            }
        }
        if !packets.is_empty() {
            system.send(&packets);
        }
        self.output = output;
    }
}

/// Whether an instance was master before this.
fn leaves_master(action: &Action) -> bool {
    matches!(action, Action::Transition(transition) if transition.from == State::Master)
}

/// The earlier of two deadlines, where there are any.
const fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) if one.as_nanos() <= other.as_nanos() => Some(one),
        (one, None) => one,
        (_, other) => other,
    }
}

/// Every interface whose state matters to the router.
fn names_of(config: &VrrpConfig) -> impl Iterator<Item = &InterfaceName> {
    let of_groups = config.groups.iter().flat_map(|group| &group.track_interfaces).map(|t| &t.interface);
    config.instances.iter().flat_map(contact::interfaces_of).chain(of_groups)
}
