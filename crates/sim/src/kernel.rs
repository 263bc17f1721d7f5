//! The kernel of one machine as a value: links, addresses, sockets, and everything a node asked of it, in order.
//!
//! It owns what survives the daemon and nothing of the protocol. It complains when a node announces an address that
//! the machine does not have: on a real machine somebody would then answer for nobody.

use crate::lan::LanId;
use core::mem;
use ipnet::IpNet;
use standfast_model::config::track::ScriptId;
use standfast_model::{InterfaceIndex, InterfaceName, MacAddress};
use standfast_net::{Change, Link, Observed, ObservedAddress, Operation};
use standfast_node::{Applied, Frame, Listen, Packet, Record, SocketKey, System};
use standfast_wire::{arp, ethernet, ndisc};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// One network card: where it is plugged in, and what the machine gives it at boot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Card {
    /// The LAN it is plugged into.
    pub lan: LanId,
    /// Its name.
    pub name: InterfaceName,
    /// Its Ethernet address.
    pub mac: MacAddress,
    /// Addresses it has from boot on, link-local ones included.
    pub addresses: Vec<IpNet>,
}

/// `IFA_PROTO` of what a node adds.
const PROTOCOL_KEEPALIVED: u8 = 18;

/// `IFA_PROTO` of what anybody else adds.
const PROTOCOL_OTHER: u8 = 0;

/// Something a node did that leaves the machine or the daemon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// An advertisement was sent.
    Sent(Packet),
    /// A frame was sent.
    Announced(Frame),
    /// A track script was started.
    Ran(ScriptId),
    /// Something went into the journal.
    Recorded(Record),
}

/// The kernel.
#[derive(Debug)]
pub struct Kernel {
    cards: Vec<Card>,
    /// The link of each card, while it exists.
    links: Vec<Option<Link>>,
    addresses: Vec<ObservedAddress>,
    sockets: BTreeMap<SocketKey, Listen>,
    next_index: u32,
    /// How often links or addresses have changed.
    generation: u64,
    effects: Vec<Effect>,
    changes: Vec<Change>,
    refuse_next: u32,
    complaints: Vec<String>,
    /// Calls until the daemon is killed in the middle of its work, if it is to be.
    calls_left: Option<u32>,
    /// It was.
    cut_short: bool,
    /// Addresses removed since [`Kernel::watch_removals`].
    removed: Vec<(InterfaceIndex, IpNet)>,
}

impl Kernel {
    /// A machine just booted.
    #[must_use]
    pub fn boot(cards: Vec<Card>) -> Self {
        let mut kernel = Self::without_links(cards, 0);
        kernel.power_cut();
        kernel
    }

    fn without_links(cards: Vec<Card>, generation: u64) -> Self {
        Self {
            links: vec![None; cards.len()],
            cards,
            addresses: Vec::new(),
            sockets: BTreeMap::new(),
            // 1 is the loopback device of every real machine.
            next_index: 2,
            generation,
            effects: Vec::new(),
            changes: Vec::new(),
            refuse_next: 0,
            complaints: Vec::new(),
            calls_left: None,
            cut_short: false,
            removed: Vec::new(),
        }
    }

    /// Everything is lost, and is as after the boot that follows.
    pub fn power_cut(&mut self) {
        *self = Self::without_links(mem::take(&mut self.cards), self.generation + 1);
        for lan in self.cards.iter().map(|card| card.lan).collect::<Vec<_>>() {
            self.plug_in(lan);
        }
        self.changes.clear();
    }

    /// The daemon is gone, its sockets with it; links and addresses stay as they are.
    pub fn daemon_gone(&mut self) {
        self.sockets.clear();
        self.changes.clear();
        self.refuse_next = 0;
        self.calls_left = None;
        self.cut_short = false;
    }

    /// The daemon is killed when it wants to do something for the next time after so many times.
    pub fn cut_after(&mut self, calls: u32) {
        self.calls_left = Some(calls);
    }

    /// Whether the daemon was killed in the middle of what it did.
    #[must_use]
    pub const fn was_cut_short(&self) -> bool {
        self.cut_short
    }

    /// Whether what the daemon wants is still done.
    fn serves(&mut self) -> bool {
        match &mut self.calls_left {
            None => true,
            Some(0) => {
                self.cut_short = true;
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// Forgets which addresses were removed so far.
    pub fn watch_removals(&mut self) {
        self.removed.clear();
    }

    /// Whether an address was removed from the link to a LAN since [`Self::watch_removals`].
    #[must_use]
    pub fn has_removed(&self, lan: LanId, address: IpNet) -> bool {
        self.link(lan).is_some_and(|link| self.removed.contains(&(link.index, address)))
    }

    /// The link to a LAN gets another name, or its own again.
    pub fn rename(&mut self, lan: LanId, foreign: bool) {
        let Some(own) = self.card(lan).and_then(|card| self.cards.get(card)).map(|card| card.name.clone()) else {
            return;
        };
        let other = if foreign { format!("was-{own}").parse().ok() } else { None };
        self.change_link(lan, |link| link.name = other.unwrap_or(own));
    }

    /// A dump of links and addresses.
    #[must_use]
    pub fn dump(&self) -> Observed {
        let mut links: Vec<Link> = self.links.iter().flatten().cloned().collect();
        links.sort_by_key(|link| link.index);
        Observed::new(links, self.addresses.clone())
    }

    /// What the node did since this was last asked, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        mem::take(&mut self.effects)
    }

    /// Gives the memory of what [`Self::take_effects`] returned back, for what comes next.
    pub fn reuse(&mut self, mut effects: Vec<Effect>) {
        if self.effects.is_empty() {
            effects.clear();
            self.effects = effects;
        }
    }

    /// A number that is another one whenever links or addresses have changed.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// What changed since this was last asked, in order; the monitor tells the node of it a little later.
    pub fn take_changes(&mut self) -> Vec<Change> {
        mem::take(&mut self.changes)
    }

    /// What the node should not have done.
    pub fn take_complaints(&mut self) -> Vec<String> {
        mem::take(&mut self.complaints)
    }

    /// The link to a LAN, if it exists.
    #[must_use]
    pub fn link(&self, lan: LanId) -> Option<&Link> {
        self.links.get(self.card(lan)?)?.as_ref()
    }

    fn card(&self, lan: LanId) -> Option<usize> {
        // A machine has a card in every LAN, in their order.
        self.cards.get(lan.0).filter(|card| card.lan == lan).map(|_| lan.0)
    }

    fn card_of(&self, interface: InterfaceIndex) -> Option<&Card> {
        let is_it = |link: &Option<Link>| link.as_ref().is_some_and(|link| link.index == interface);
        self.cards.get(self.links.iter().position(is_it)?)
    }

    /// The LAN a link is plugged into.
    #[must_use]
    pub fn lan(&self, interface: InterfaceIndex) -> Option<LanId> {
        self.card_of(interface).map(|card| card.lan)
    }

    /// Whether frames pass the link to a LAN.
    #[must_use]
    pub fn carries(&self, lan: LanId) -> bool {
        self.link(lan).is_some_and(|link| link.up && link.running)
    }

    /// Whether the link to a LAN exists and has the name that the configuration knows it by.
    #[must_use]
    pub fn is_known(&self, lan: LanId) -> bool {
        let name = self.card(lan).and_then(|card| self.cards.get(card)).map(|card| &card.name);
        self.link(lan).is_some_and(|link| Some(&link.name) == name)
    }

    /// Whether that link carries frames as well.
    #[must_use]
    pub fn is_usable(&self, lan: LanId) -> bool {
        self.is_known(lan) && self.carries(lan)
    }

    /// Whether the link to a LAN has this address.
    #[must_use]
    pub fn has(&self, lan: LanId, address: IpNet) -> bool {
        self.link(lan).is_some_and(|link| self.place(link.index, address).is_some())
    }

    /// Whether the link to a LAN has this address, and a node has added it.
    #[must_use]
    pub fn has_of_a_node(&self, lan: LanId, address: IpNet) -> bool {
        let place = self.link(lan).and_then(|link| self.place(link.index, address));
        place.and_then(|place| self.addresses.get(place)).is_some_and(|seen| seen.protocol == PROTOCOL_KEEPALIVED)
    }

    /// Whether any link has this address, whatever its prefix.
    #[must_use]
    pub fn has_anywhere(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|a| a.address.addr() == address)
    }

    /// Whether a link has this address since boot: one to send from, not a virtual one.
    #[must_use]
    pub fn sends_from(&self, interface: InterfaceIndex, address: IpAddr) -> bool {
        self.card_of(interface).is_some_and(|card| card.addresses.iter().any(|own| own.addr() == address))
    }

    /// Whether the daemon has a socket that passes an advertisement to that destination, with an authentication header or
    /// without.
    #[must_use]
    pub fn listens(&self, interface: InterfaceIndex, destination: IpAddr, vrid: u8, authenticated: bool) -> bool {
        let key = SocketKey::towards(interface, destination);
        let socket = self.sockets.get(&key).filter(|socket| socket.ah || !authenticated);
        socket.is_some_and(|socket| socket.vrids.contains(&vrid))
    }

    /// Carrier comes or goes.
    pub fn set_carrier(&mut self, lan: LanId, running: bool) {
        self.change_link(lan, |link| link.running = running);
    }

    /// An administrator sets the link up or down.
    pub fn set_up(&mut self, lan: LanId, up: bool) {
        self.change_link(lan, |link| link.up = up);
    }

    fn change_link(&mut self, lan: LanId, change: impl FnOnce(&mut Link)) {
        let card = self.card(lan);
        if let Some(link) = card.and_then(|card| self.links.get_mut(card)).and_then(Option::as_mut) {
            change(link);
            self.generation += 1;
            self.changes.push(Change::Link(link.clone()));
        }
    }

    /// The link is destroyed, its addresses and sockets with it.
    pub fn unplug(&mut self, lan: LanId) {
        let card = self.card(lan);
        let Some(link) = card.and_then(|card| self.links.get_mut(card)).and_then(Option::take) else { return };
        let index = link.index;
        self.generation += 1;
        self.addresses.retain(|a| a.interface != index);
        self.sockets.retain(|key, _| key.interface != index);
        self.changes.push(Change::LinkGone(index));
    }

    /// The link is made anew, with another number and the addresses of boot.
    pub fn plug_in(&mut self, lan: LanId) {
        if self.link(lan).is_some() {
            return;
        }
        let Some(place) = self.card(lan) else { return };
        let Some(card) = self.cards.get(place).cloned() else { return };
        let index = InterfaceIndex(self.next_index);
        self.next_index += 1;
        let link = Link {
            index,
            name: card.name,
            mac: Some(card.mac),
            up: true,
            running: true,
            loopback: false,
            no_arp: false,
            mtu: 1500,
            parent: None,
            vrf_table: None,
        };
        self.generation += 1;
        self.links.iter_mut().skip(place).take(1).for_each(|slot| *slot = Some(link.clone()));
        self.changes.push(Change::Link(link));
        for address in card.addresses {
            self.add(index, address, 0, PROTOCOL_OTHER);
        }
    }

    /// Something else removes an address. Says whether it was there.
    pub fn foreign_removal(&mut self, lan: LanId, address: IpNet) -> bool {
        self.link(lan).map(|link| link.index).is_some_and(|index| self.remove(index, address))
    }

    /// Something else adds an address. Says whether it was not there.
    pub fn foreign_addition(&mut self, lan: LanId, address: IpNet) -> bool {
        self.link(lan).map(|link| link.index).is_some_and(|index| self.add(index, address, 0, PROTOCOL_OTHER))
    }

    /// The next so many additions of addresses are refused.
    pub fn refuse_additions(&mut self, times: u32) {
        self.refuse_next = times;
    }

    fn place(&self, interface: InterfaceIndex, address: IpNet) -> Option<usize> {
        self.addresses.iter().position(|a| a.interface == interface && a.address == address)
    }

    fn add(&mut self, interface: InterfaceIndex, address: IpNet, scope: u8, protocol: u8) -> bool {
        if self.place(interface, address).is_some() {
            return false;
        }
        let new = ObservedAddress { interface, address, scope, secondary: false, protocol };
        self.generation += 1;
        self.addresses.push(new.clone());
        self.changes.push(Change::Address(new));
        true
    }

    fn remove(&mut self, interface: InterfaceIndex, address: IpNet) -> bool {
        let Some(place) = self.place(interface, address) else { return false };
        self.generation += 1;
        self.addresses.remove(place);
        // Nobody asks after more than the last few.
        if self.removed.len() < 64 {
            self.removed.push((interface, address));
        }
        self.changes.push(Change::AddressGone { interface, address });
        true
    }
}

impl System for Kernel {
    fn listen(&mut self, socket: &Listen) -> Result<(), String> {
        if !self.serves() {
            return Ok(());
        }
        if self.card_of(socket.key.interface).is_none() {
            return Err("no such device".to_owned());
        }
        self.sockets.insert(socket.key, socket.clone());
        Ok(())
    }

    fn unlisten(&mut self, key: SocketKey) {
        if self.serves() {
            self.sockets.remove(&key);
        }
    }

    fn send(&mut self, packets: &[Packet]) {
        for packet in packets {
            if self.serves() {
                self.effects.push(Effect::Sent(packet.clone()));
            }
        }
    }

    fn announce(&mut self, frames: &[Frame]) {
        for frame in frames {
            if !self.serves() {
                return;
            }
            match announced(&frame.bytes) {
                Some(address) if self.has_anywhere(address) => {}
                Some(address) => self.complaints.push(format!("announced {address}, which the machine does not have")),
                None => self.complaints.push(format!("announced nothing: {:02x?}", frame.bytes)),
            }
            self.effects.push(Effect::Announced(frame.clone()));
        }
    }

    fn apply(&mut self, operations: &[Operation]) -> Vec<Result<Applied, String>> {
        let changed = |changed| if changed { Applied::Changed } else { Applied::AlreadySo };
        let mut perform = |operation: &Operation| match operation {
            // Nobody is there to see what comes of it.
            _ if !self.serves() => Ok(Applied::Changed),
            Operation::Add { interface, .. } if self.card_of(*interface).is_none() => Err("no such device".to_owned()),
            Operation::Add { .. } if self.refuse_next > 0 => {
                self.refuse_next -= 1;
                Err("out of memory".to_owned())
            }
            Operation::Add { interface, address } => {
                Ok(changed(self.add(*interface, address.address, address.scope.get(), PROTOCOL_KEEPALIVED)))
            }
            Operation::Remove { interface, address, .. } => Ok(changed(self.remove(*interface, *address))),
            // The scenarios have no routes and no rules.
            Operation::AddRoute(_) | Operation::RemoveRoute(_) | Operation::AddRule(_) | Operation::RemoveRule(_) => {
                Err("operation not supported".to_owned())
            }
        };
        operations.iter().map(&mut perform).collect()
    }

    fn run_script(&mut self, script: ScriptId) {
        if self.serves() {
            self.effects.push(Effect::Ran(script));
        }
    }

    fn record(&mut self, record: Record) {
        if self.serves() {
            self.effects.push(Effect::Recorded(record));
        }
    }
}

/// The address that a gratuitous ARP or an unsolicited neighbour advertisement is about.
fn announced(frame: &[u8]) -> Option<IpAddr> {
    if let Ok(claim) = arp::Frame::parse(frame) {
        return claim.is_gratuitous().then_some(claim.sender_ip.into());
    }
    // Behind Ethernet and IPv6 headers and the first eight octets of ICMPv6 stands the target.
    let (header, _) = ethernet::Header::parse(frame)?;
    let target = frame.get(62..)?.first_chunk::<16>()?;
    (header.ether_type == ndisc::ETHER_TYPE).then(|| Ipv6Addr::from(*target).into())
}
