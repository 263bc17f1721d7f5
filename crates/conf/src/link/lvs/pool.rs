//! Real servers, and the sorry server.

use super::{Surroundings, probe};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lower::checker::TimingDraft;
use crate::lower::server::{RealDraft, ServerDraft, SorryDraft};
use crate::source::Span;
use core::hash::BuildHasherDefault;
use standfast_model::config::lvs::{CheckDefaults, Checker, RealServer, RealServerOptions, SorryServer};
use standfast_model::ipvs::{Family, Forwarding, ServiceKey};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::DefaultHasher;
use std::net::SocketAddr;

fn port_of(key: ServiceKey) -> u16 {
    match key {
        ServiceKey::Address { port, .. } => port,
        ServiceKey::FirewallMark { .. } => 0,
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
    // Nobody goes through it, so its order matters to nobody; and it hashes without chance.
    let mut seen: HashMap<SocketAddr, Span, BuildHasherDefault<DefaultHasher>> = HashMap::default();
    let mut kept = Vec::with_capacity(draft.real_servers.len());
    for real in &draft.real_servers {
        let forwarding = real.forwarding.unwrap_or(forwarding);
        if !fits(real, key, forwarding, diagnostics) {
            continue;
        }
        // A mark stands for services of several ports: what is checked then is the port that the server says.
        let (port, checked) = if marked {
            let checked = if real.port == 0 { port_of(key) } else { real.port };
            (port_behind_mark(real.port, forwarding), checked)
        } else {
            let port = port(real, key, forwarding, diagnostics);
            (port, port)
        };
        let address = SocketAddr::new(real.address, port);
        let seen = seen.entry(address);
        if let Entry::Occupied(first) = &seen {
            let headline = format!("real server {address} is listed twice");
            let diagnostic = Diagnostic::new(Code::DuplicateRealServer, headline, real.head, "this one is ignored");
            diagnostics.push(diagnostic.and(*first.get(), "first listed here"));
            continue;
        }
        seen.insert_entry(real.head);
        let checkers = checkers(draft, real, SocketAddr::new(real.address, checked), around, diagnostics);
        let options = options(draft, real, around, diagnostics);
        let global = &around.draft.global;
        kept.push(RealServer {
            address,
            weight: real.weight.or(draft.weight).unwrap_or(1),
            forwarding,
            upper_threshold: real.rare().upper_threshold,
            lower_threshold: real.rare().lower_threshold,
            inhibit_on_failure: real.inhibit_on_failure.unwrap_or(draft.inhibit_on_failure),
            smtp_alert: real.smtp_alert.or(global.smtp_alert_checker).or(global.smtp_alert).unwrap_or(true),
            checkers,
            options: options.into(),
        });
    }
    kept
}

fn checkers(
    draft: &ServerDraft,
    real: &RealDraft,
    address: SocketAddr,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> Vec<Checker> {
    if real.checkers.is_empty() {
        let headline = format!("real server {address} has no checker");
        let label = "it stays in the table when it dies";
        let diagnostic = Diagnostic::new(Code::NoCheckers, headline, real.head, label);
        diagnostics.push(diagnostic.help("write a TCP_CHECK { } into it, or another checker"));
    }
    let outer = probe::Outer {
        server: address,
        timing: real.rare().timing.within(draft.timing),
        alpha: real.alpha.unwrap_or(draft.alpha),
        virtual_host: real.rare().virtual_host.as_ref().or(draft.rare().virtual_host.as_ref()),
        service_delay_loop: draft.timing.delay_loop.unwrap_or(probe::DELAY_LOOP),
    };
    // To the size: what grows by itself starts with room for four, and there may be tens of thousands of these.
    let mut checkers = Vec::with_capacity(real.checkers.len());
    checkers.extend(real.checkers.iter().filter_map(|one| probe::checker(one, &outer, around, diagnostics)));
    checkers
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
fn port(real: &RealDraft, key: ServiceKey, forwarding: Forwarding, diagnostics: &mut Diagnostics) -> u16 {
    let service = port_of(key);
    if real.port == 0 {
        return service;
    }
    let keeps = match forwarding {
        Forwarding::Nat | Forwarding::Local => false,
        Forwarding::DirectRouting | Forwarding::Tunnel(_) => true,
    };
    if !keeps || real.port == service {
        return real.port;
    }
    let headline = format!("real server {} {} cannot have another port than its service", real.address, real.port);
    let label = match key {
        ServiceKey::Address { .. } => format!("port {service} is used: direct routing and tunnels do not change it"),
        ServiceKey::FirewallMark { .. } => {
            "the port is left out: direct routing and tunnels do not change it".to_owned()
        }
    };
    diagnostics.push(Diagnostic::new(Code::PortMismatch, headline, real.head, label));
    service
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
) -> Option<SorryServer> {
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
    Some(SorryServer { address: SocketAddr::new(draft.address, port), forwarding, inhibit: draft.inhibit })
}
