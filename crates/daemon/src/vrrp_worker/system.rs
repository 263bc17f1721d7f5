//! The machine under a `vrrp` worker: [`System`] done with system calls.
//!
//! It decides nothing. What it cannot send now it offers again a moment later, within a limit.

use super::claims::ClaimWatch;
use crate::journal;
use crate::remains::{Ledger, Remains};
use crate::stamps::Stamps;
use core::task::Context;
use core::time::Duration;
use ipnet::IpNet;
use standfast_kernel::netlink::{Outcome, Refused};
use standfast_kernel::nftables::Nftables;
use standfast_kernel::packet_socket::{self, PacketSocket};
use standfast_kernel::route::Route;
use standfast_kernel::sysctl::Settings;
use standfast_kernel::vrrp_socket::{Outgoing, VrrpSocket};
use standfast_model::config::track::ScriptId;
use standfast_model::{Instant, InterfaceIndex, InterfaceName};
use standfast_net::{Device, Filter, Link, Operation, Sysctl};
use standfast_node::{Applied, Frame, Listen, Packet, Record, SocketKey, System, VrrpNode};
use standfast_vrrp::{Notice, Router};
use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tracing::info;

/// Announcements that wait for room in a link's queue: two bursts of five for a thousand addresses. What does not
/// fit is dropped, oldest last, for a later burst says the same.
const FRAMES_WAITING: usize = 10_000;

/// Announcements offered before the worker looks up: a piece of about two milliseconds, as large as the node makes them.
const FRAMES_AT_ONCE: usize = 512;

/// How long a full link queue is left alone. A gigabit link sends a thousand announcements in less.
const FRAMES_PAUSE: Duration = Duration::from_millis(1);

/// Sockets of the worker, and what they could not take yet.
#[derive(Debug)]
pub(super) struct Machine {
    route: Route,
    sockets: BTreeMap<SocketKey, VrrpSocket>,
    packet_socket: Rc<PacketSocket>,
    claims: ClaimWatch,
    waiting: VecDeque<Frame>,
    /// When the frames in waiting are offered again.
    retry_at: Option<Instant>,
    names: Names,
    settings: Settings,
    /// The packet filter, once it is needed, and the name of our table in it.
    filter: Option<(Nftables, String)>,
    /// What is ours in the kernel, for a successor.
    remains: Remains,
    ledger: Ledger,
    stamps: Stamps,
    /// The ledger does not say so yet.
    unwritten: bool,
    /// Something was sent, or a state has changed, since [`Machine::take_sent`] was last asked.
    sent: bool,
    /// A state has changed since [`Machine::take_moved`] was last asked.
    moved: bool,
    wishes: Vec<Wish>,
}

/// Names of instances, for the journal.
type Names = Vec<(String, InterfaceName)>;

/// What the runner is to do.
#[derive(Debug)]
pub(super) enum Wish {
    /// Run a track script.
    Script(ScriptId),
    /// Tell those who want to be notified.
    Notify(Record),
}

impl Machine {
    /// Opens it and comes back with what a predecessor has left. Settings that it has changed are known from here on.
    pub(super) fn open(names: Names, ledger: Option<OwnedFd>, stamps: Stamps) -> io::Result<(Self, Remains)> {
        let (ledger, mut left) = Ledger::take_over(ledger);
        let mut settings = Settings::default();
        settings.inherit(core::mem::take(&mut left.settings));
        let packet_socket = Rc::new(PacketSocket::open()?);
        let machine = Self {
            route: Route::open()?,
            sockets: BTreeMap::new(),
            claims: ClaimWatch::new(&packet_socket),
            packet_socket,
            waiting: VecDeque::new(),
            retry_at: None,
            names,
            settings,
            filter: None,
            remains: Remains::default(),
            ledger,
            stamps,
            unwritten: true,
            sent: false,
            moved: false,
            wishes: Vec::new(),
        };
        Ok((machine, left))
    }

    /// Removes what a killed predecessor has left and nobody wants any more.
    pub(super) fn clear(&mut self, left: &Remains, node: &VrrpNode) {
        let observed = node.observed();
        let removals = node.leftovers(&left.addresses);
        for refused in self.route.apply(&removals).into_iter().filter_map(Result::err) {
            journal::trouble("address", &format!("address of a former configuration not removed: {refused}"));
        }
        for (index, name) in &left.devices {
            let stands = observed.link(*index).is_some_and(|link| link.name == *name);
            if stands && !self.remains.devices.contains_key(index) {
                info!("Removing {name}, a device of a former configuration");
                self.remove_device(*index);
            }
        }
        let table = self.filter.as_ref().map(|(_, table)| table);
        if let Some(former) = left.table.as_ref().filter(|former| table != Some(*former)) {
            let outcome = Nftables::open().map(|mut nftables| nftables.remove(former));
            match outcome {
                Ok(Ok(())) => info!("Removed the tables {former} of a former configuration"),
                Ok(Err(refused)) => journal::trouble("filter", &format!("table {former} not removed: {refused}")),
                Err(error) => journal::trouble("filter", &format!("table {former} not removed: {error}")),
            }
        }
    }

    /// Which addresses may be held, for [`Self::write_down`].
    pub(super) fn claim(&mut self, addresses: impl Iterator<Item = (InterfaceIndex, IpNet)>) {
        self.remains.addresses = addresses.collect();
        self.unwritten = true;
    }

    /// Writes down what is ours, for whoever comes if this process is killed.
    pub(super) fn write_down(&mut self) {
        if core::mem::take(&mut self.unwritten) {
            self.remains.settings = self.settings.changed().collect();
            self.remains.table = self.filter.as_ref().map(|(_, table)| table.clone());
            self.ledger.write(&self.remains);
        }
    }

    /// The instances have other names from now on.
    pub(super) fn rename(&mut self, names: Names) {
        self.names = names;
    }

    /// Whether an instance may have another time of its last advertisement than when this was last asked.
    pub(super) fn take_sent(&mut self) -> bool {
        core::mem::take(&mut self.sent)
    }

    /// Whether a state has changed since this was last asked.
    pub(super) fn take_moved(&mut self) -> bool {
        core::mem::take(&mut self.moved)
    }

    /// What has come up for the runner since this was last asked.
    pub(super) fn take_wishes(&mut self) -> Vec<Wish> {
        core::mem::take(&mut self.wishes)
    }

    /// The notes for a successor.
    pub(super) fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    pub(super) fn route(&mut self) -> &mut Route {
        &mut self.route
    }

    /// Which sockets are open now.
    pub(super) fn open_sockets(&self) -> Vec<SocketKey> {
        self.sockets.keys().copied().collect()
    }

    /// One of them, unless it was closed meanwhile.
    pub(super) fn socket(&self, key: SocketKey) -> Option<&VrrpSocket> {
        self.sockets.get(&key)
    }

    /// Whether any socket may have a packet; keeps the waker in each.
    pub(super) fn poll_readable(&self, context: &mut Context<'_>) -> bool {
        // Every socket is asked, for each must know whom to wake.
        let claims = self.claims.poll_readable(context);
        self.sockets.values().filter(|socket| socket.poll_readable(context).is_ready()).count() > 0 || claims
    }

    /// Who else says that addresses of ours are its own.
    pub(super) fn claims(&mut self) -> &mut ClaimWatch {
        &mut self.claims
    }

    /// When [`Self::retry`] is due, or [`Self::claims`] to be asked.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.retry_at, self.claims.deadline()].into_iter().flatten().min()
    }

    /// Offers waiting announcements again, if their time has come.
    pub(super) fn retry(&mut self, now: Instant) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.send_waiting(now);
        }
    }

    fn send_waiting(&mut self, now: Instant) {
        let frames: Vec<packet_socket::Frame<'_>> = self
            .waiting
            .iter()
            .take(FRAMES_AT_ONCE)
            .map(|frame| packet_socket::Frame { interface: frame.interface, bytes: &frame.bytes })
            .collect();
        let burst = self.packet_socket.send(&frames);
        for (_, error) in burst.refused.iter().take(1) {
            journal::trouble("announcement", &format!("{} announcements not sent: {error}", burst.refused.len()));
        }
        let full = burst.done < frames.len();
        self.waiting.drain(..burst.done);
        self.retry_at = match (self.waiting.is_empty(), full) {
            (true, _) => None,
            (false, true) => Some(now + FRAMES_PAUSE),
            (false, false) => Some(now),
        };
    }
}

impl System for Machine {
    fn listen(&mut self, socket: &Listen) -> Result<(), String> {
        let SocketKey { interface, family, group } = socket.key;
        let open = match self.sockets.entry(socket.key) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                let opened = VrrpSocket::open_with_group(interface, family, group);
                place.insert(opened.map_err(|error| error.to_string())?)
            }
        };
        if let Some(bytes) = socket.queue_bytes
            && let Err(error) = open.set_queue_bytes(bytes)
        {
            journal::trouble("queue", &format!("receive buffer on {} not set to {bytes}: {error}", socket.name));
        }
        open.hear_ah(socket.ah).map_err(|error| format!("protocol 51: {error}"))?;
        // A refusal leaves the socket without a filter: more wake-ups, the same packets.
        if let Err(error) = open.set_vrids(&socket.vrids) {
            journal::trouble("filter", &format!("no kernel filter on {}: {error}", socket.name));
        }
        Ok(())
    }

    fn unlisten(&mut self, key: SocketKey) {
        self.sockets.remove(&key);
    }

    fn stepping_down(&mut self, router: &Router) {
        self.stamps.note_all(router);
    }

    fn send(&mut self, packets: &[Packet]) {
        self.sent = true;
        for packets in packets.chunk_by(|a, b| key_of(a) == key_of(b)) {
            let Some(socket) = packets.first().and_then(|first| self.sockets.get(&key_of(first))) else { continue };
            let outgoing: Vec<Outgoing<'_>> = packets.iter().map(outgoing).collect();
            for (_, error) in socket.send(&outgoing) {
                journal::trouble("send", &format!("advertisement not sent: {error}"));
            }
        }
    }

    fn announce(&mut self, frames: &[Frame]) {
        let room = FRAMES_WAITING.saturating_sub(self.waiting.len());
        let was_waiting = !self.waiting.is_empty();
        self.waiting.extend(frames.iter().take(room).cloned());
        // A full queue is not offered more before its pause is over.
        if !was_waiting {
            self.send_waiting(standfast_kernel::timer::boottime());
        }
    }

    fn apply(&mut self, operations: &[Operation]) -> Vec<Result<Applied, String>> {
        self.route
            .apply(operations)
            .into_iter()
            .map(|result| match result {
                Ok(Outcome::Changed) => Ok(Applied::Changed),
                Ok(Outcome::AlreadySo) => Ok(Applied::AlreadySo),
                Err(refused) => Err(refused.to_string()),
            })
            .collect()
    }

    fn make_device(&mut self, device: &Device, parent: &InterfaceName) -> Result<Link, String> {
        self.configure(&Device::settings_below(parent));
        if let Err(error) = self.settings.release_reverse_path_filter() {
            journal::trouble("sysctl", &format!("rp_filter: {error}"));
        }
        let link = self.route.create_device(device).map_err(|refused| refused.to_string())?;
        self.remains.devices.insert(link.index, link.name.clone());
        self.unwritten = true;
        self.configure(&device.settings());
        match self.route.set_up(link.index) {
            Ok(link) => {
                if device.tells_of_parent
                    && let Err(refused) = self.route.tell_of(device.parent)
                {
                    journal::trouble("device", &format!("netlink_notify_msg of {}: {refused}", link.name));
                }
                Ok(link)
            }
            // It is set up when the link below is.
            Err(Refused { errno: libc::ENETDOWN, .. }) => Ok(link),
            Err(refused) => Err(refused.to_string()),
        }
    }

    fn remove_device(&mut self, index: InterfaceIndex) {
        if let Err(refused) = self.route.delete_device(index) {
            journal::trouble("device", &format!("device {} not removed: {refused}", index.0));
        }
        self.remains.devices.remove(&index);
        self.unwritten = true;
    }

    fn configure(&mut self, settings: &[Sysctl]) {
        self.unwritten = true;
        for setting in settings {
            if let Err(error) = self.settings.set(setting) {
                journal::trouble("sysctl", &format!("{} not set to {}: {error}", setting.path, setting.value));
            }
        }
    }

    fn restore_settings(&mut self) {
        self.settings.restore();
        self.unwritten = true;
    }

    fn watch_claims(&mut self, addresses: &[IpAddr]) {
        self.claims.listen_for(addresses);
    }

    fn filter(&mut self, filter: Option<&Filter>) -> Result<(), String> {
        let words = |refused: Refused| refused.to_string();
        self.unwritten = true;
        match (filter, self.filter.take()) {
            (None, None) => Ok(()),
            (None, Some((mut nftables, table))) => nftables.remove(&table).map_err(words),
            (Some(filter), open) => {
                let (mut nftables, former) = match open {
                    Some((nftables, former)) => (nftables, Some(former)),
                    None => (Nftables::open().map_err(|error| error.to_string())?, None),
                };
                if let Some(former) = former.filter(|former| *former != filter.table) {
                    nftables.remove(&former).map_err(words)?;
                }
                let outcome = nftables.replace(filter).map_err(words);
                self.filter = Some((nftables, filter.table.clone()));
                outcome
            }
        }
    }

    fn run_script(&mut self, script: ScriptId) {
        self.wishes.push(Wish::Script(script));
    }

    fn record(&mut self, record: Record) {
        let moved = matches!(record, Record::Transition(_));
        self.sent |= moved;
        // Who waits for a witness says so, for that asks for a lease.
        let shown = |notice: &Notice| {
            matches!(notice, Notice::HeldBack { .. } | Notice::Claimed { .. } | Notice::ClaimOver { .. })
        };
        self.moved |= moved || matches!(&record, Record::Notice(notice) if shown(notice));
        journal::record(&record, &self.names);
        self.wishes.push(Wish::Notify(record));
    }
}

fn key_of(packet: &Packet) -> SocketKey {
    SocketKey::towards(packet.interface, packet.destination)
}

fn outgoing(packet: &Packet) -> Outgoing<'_> {
    let source = match packet.source {
        // It stands in the header.
        IpAddr::V4(_) => None,
        IpAddr::V6(source) => Some(source),
    };
    Outgoing { packet: &packet.bytes, destination: packet.destination, source, hop_limit: packet.hop_limit }
}
