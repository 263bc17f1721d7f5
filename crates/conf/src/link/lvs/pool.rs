//! Real servers, and the sorry server.

use super::{Surroundings, probe};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lower::checker::TimingDraft;
use crate::lower::server::{RealDraft, ServerDraft, SorryDraft};
use crate::source::Span;
use core::hash::{BuildHasher as _, BuildHasherDefault};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use standfast_model::config::lvs::{CheckDefaults, Checker, RealServer, RealServerOptions, SorryServer};
use standfast_model::ipvs::{Family, Forwarding, ServiceKey};
use std::hash::DefaultHasher;
use std::net::SocketAddr;
use std::sync::Arc;

fn port_of(key: ServiceKey) -> u16 {
    match key {
        ServiceKey::Address { port, .. } => port,
        ServiceKey::FirewallMark { .. } => 0,
    }
}

/// What the destinations of a pool depend on besides its servers.
#[derive(Clone, Copy)]
struct Packets {
    /// The service that they come to.
    key: ServiceKey,
    /// How they go on, unless a server says otherwise.
    forwarding: Forwarding,
    /// They are known by a mark, which stands for services of several ports.
    marked: bool,
}

impl Packets {
    fn destination(self, real: &RealDraft) -> SocketAddr {
        let forwarding = real.forwarding.unwrap_or(self.forwarding);
        let port = match self.marked {
            true => port_behind_mark(real.port, forwarding),
            false => port(real.port, self.key, forwarding),
        };
        SocketAddr::new(real.address, port)
    }

    /// Where it is checked. Behind a mark that is the port that the server says.
    fn checked(self, real: &RealDraft) -> SocketAddr {
        match (self.marked, real.port) {
            (true, 0) => SocketAddr::new(real.address, port_of(self.key)),
            (true, port) => SocketAddr::new(real.address, port),
            (false, _) => self.destination(real),
        }
    }
}

/// The pool of a virtual server: each destination once, of a family that packets of the service can reach.
pub(super) fn real_servers(
    draft: &ServerDraft,
    key: ServiceKey,
    forwarding: Forwarding,
    marked: bool,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> Vec<RealServer> {
    let packets = Packets { key, forwarding, marked };
    // To the size, as all that is made for each: there may be tens of thousands.
    let mut seen = HashTable::with_capacity(draft.real_servers.len());
    let mut kept = Vec::with_capacity(draft.real_servers.len());
    let mut unchecked = Unchecked::default();
    for real in &draft.real_servers {
        let forwarding = real.forwarding.unwrap_or(forwarding);
        if !fits(real, key, forwarding, diagnostics) {
            continue;
        }
        if !marked {
            complain_of_port(real, key, forwarding, diagnostics);
        }
        if !is_first(real, packets, &mut seen, diagnostics) {
            continue;
        }
        let checked = packets.checked(real);
        if real.checkers.is_empty() {
            unchecked.add(checked, real.head);
        }
        let global = &around.draft.global;
        let smtp_alert = real.smtp_alert.or(global.smtp_alert_checker).or(global.smtp_alert).unwrap_or(true);
        kept.push(RealServer {
            address: packets.destination(real),
            weight: real.weight.or(draft.weight).unwrap_or(1),
            forwarding,
            upper_threshold: real.rare().upper_threshold,
            lower_threshold: real.rare().lower_threshold,
            inhibit_on_failure: real.inhibit_on_failure.unwrap_or(draft.inhibit_on_failure),
            smtp_alert,
            checkers: checkers(draft, real, checked, around, diagnostics),
            options: options(draft, real, around, diagnostics).into(),
        });
    }
    unchecked.tell(diagnostics);
    kept
}

/// Whether no server before it has the same destination; one that does is told of and ignored.
fn is_first<'d>(
    real: &'d RealDraft,
    packets: Packets,
    seen: &mut HashTable<&'d RealDraft>,
    diagnostics: &mut Diagnostics,
) -> bool {
    let address = packets.destination(real);
    // Without chance. Nobody goes through the table, so its order matters to nobody.
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let hash = |real: &RealDraft| hasher.hash_one(packets.destination(real));
    match seen.entry(hash(real), |other| packets.destination(other) == address, |other| hash(other)) {
        Entry::Vacant(place) => {
            place.insert(real);
            true
        }
        Entry::Occupied(first) => {
            let headline = format!("real server {address} is listed twice");
            let diagnostic = Diagnostic::new(Code::DuplicateRealServer, headline, real.head, "this one is ignored");
            diagnostics.push(diagnostic.and(first.get().head, "first listed here"));
            false
        }
    }
}

/// Servers of one pool that nobody checks, which is told once for all of them: there may be as many as servers.
#[derive(Default)]
struct Unchecked {
    first: Option<(SocketAddr, Span)>,
    others: usize,
}

impl Unchecked {
    fn add(&mut self, address: SocketAddr, head: Span) {
        match self.first {
            None => self.first = Some((address, head)),
            Some(_) => self.others += 1,
        }
    }

    fn tell(self, diagnostics: &mut Diagnostics) {
        let Some((address, head)) = self.first else { return };
        let (headline, label, it) = match self.others {
            0 => (format!("real server {address} has no checker"), "it stays in the table when it dies", "it"),
            1 => (
                format!("real server {address} and another one of this virtual server have no checker"),
                "they stay in the table when they die",
                "each",
            ),
            others => (
                format!("real server {address} and {others} others of this virtual server have no checker"),
                "they stay in the table when they die",
                "each",
            ),
        };
        let diagnostic = Diagnostic::new(Code::NoCheckers, headline, head, label);
        diagnostics.push(diagnostic.help(format!("write a TCP_CHECK {{ }} into {it}, or another checker")));
    }
}

fn checkers(
    draft: &ServerDraft,
    real: &RealDraft,
    address: SocketAddr,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> Box<[Arc<Checker>]> {
    let outer = probe::Outer {
        server: address,
        timing: real.rare().timing.within(draft.timing),
        alpha: real.alpha.unwrap_or(draft.alpha),
        virtual_host: real.rare().virtual_host.as_ref().or(draft.rare().virtual_host.as_ref()),
        service_delay_loop: draft.timing.delay_loop.unwrap_or(probe::DELAY_LOOP),
    };
    real.checkers.iter().filter_map(|one| probe::checker(one, &outer, around, diagnostics)).map(Arc::new).collect()
}

/// What is said for checks.
pub(super) fn check_defaults(timing: TimingDraft, alpha: bool, virtual_host: Option<&String>) -> CheckDefaults {
    CheckDefaults {
        delay_loop: timing.delay_loop,
        retry: timing.retry,
        delay_before_retry: timing.delay_before_retry,
        warmup: timing.warmup,
        connect_timeout: timing.connect_timeout,
        alpha,
        virtual_host: virtual_host.cloned(),
    }
}

fn options(
    draft: &ServerDraft,
    real: &RealDraft,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> RealServerOptions {
    let of_service = check_defaults(draft.timing, draft.alpha, draft.rare().virtual_host.as_ref());
    let timing = real.rare().timing.within(draft.timing);
    let host = real.rare().virtual_host.as_ref().or(draft.rare().virtual_host.as_ref());
    let own = check_defaults(timing, real.alpha.unwrap_or(draft.alpha), host);
    RealServerOptions {
        notify_up: around.scripts.optional(real.rare().notify_up.as_ref(), diagnostics),
        notify_down: around.scripts.optional(real.rare().notify_down.as_ref(), diagnostics),
        snmp_name: real.rare().snmp_name.clone(),
        // Few say anything, and there may be tens of thousands.
        checks: (own != of_service).then(|| Box::new(own)),
    }
}

fn fits(real: &RealDraft, key: ServiceKey, forwarding: Forwarding, diagnostics: &mut Diagnostics) -> bool {
    let tunnelled = matches!(forwarding, Forwarding::Tunnel(_));
    if tunnelled || Family::from(real.address) == key.family() {
        return true;
    }
    let headline = format!("real server {} is of another family than its virtual server", real.address);
    let diagnostic = Diagnostic::new(Code::MixedFamilies, headline, real.head, "it is ignored");
    diagnostics.push(diagnostic.help("only lb_kind TUN carries one family to the other"));
    false
}

/// The port packets go to. Without NAT they keep the one they came to.
fn port(port: u16, key: ServiceKey, forwarding: Forwarding) -> u16 {
    let keeps = match forwarding {
        Forwarding::Nat | Forwarding::Local => false,
        Forwarding::DirectRouting | Forwarding::Tunnel(_) => true,
    };
    if port == 0 || keeps { port_of(key) } else { port }
}

/// Says that the port of a real server is not the one that packets go to.
fn complain_of_port(real: &RealDraft, key: ServiceKey, forwarding: Forwarding, diagnostics: &mut Diagnostics) {
    let port = port(real.port, key, forwarding);
    if real.port == 0 || real.port == port {
        return;
    }
    let headline = format!("real server {} {} cannot have another port than its service", real.address, real.port);
    let label = match key {
        ServiceKey::Address { .. } => format!("port {port} is used: direct routing and tunnels do not change it"),
        ServiceKey::FirewallMark { .. } => {
            "the port is left out: direct routing and tunnels do not change it".to_owned()
        }
    };
    diagnostics.push(Diagnostic::new(Code::PortMismatch, headline, real.head, label));
}

/// Without NAT packets keep the port they came to, and with it if the server says none.
fn port_behind_mark(port: u16, forwarding: Forwarding) -> u16 {
    match forwarding {
        Forwarding::Nat | Forwarding::Local => port,
        Forwarding::DirectRouting | Forwarding::Tunnel(_) => 0,
    }
}

pub(super) fn sorry_server(
    draft: Option<&SorryDraft>,
    key: ServiceKey,
    forwarding: Forwarding,
    marked: bool,
    diagnostics: &mut Diagnostics,
) -> Option<Box<SorryServer>> {
    let draft = draft?;
    let forwarding = draft.forwarding.unwrap_or(forwarding);
    let tunnelled = matches!(forwarding, Forwarding::Tunnel(_));
    if !tunnelled && Family::from(draft.address) != key.family() {
        let headline = format!("sorry server {} is of another family than its virtual server", draft.address);
        diagnostics.push(Diagnostic::new(Code::MixedFamilies, headline, draft.span, "it is ignored"));
        return None;
    }
    let port = match draft.port {
        port if marked => port_behind_mark(port, forwarding),
        0 => port_of(key),
        port => port,
    };
    let address = SocketAddr::new(draft.address, port);
    Some(Box::new(SorryServer { address, forwarding, inhibit: draft.inhibit }))
}
