//! Real servers, their checkers, and the sorry server.

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lower::checker::{CheckerDraft, ConnectDraft, ProbeDraft, TimingDraft};
use crate::lower::server::{RealDraft, ServerDraft, SorryDraft};
use crate::source::Span;
use core::time::Duration;
use standfast_model::config::lvs::{Checker, Connect, Probe, RealServer, SorryServer, Timing};
use standfast_model::ipvs::{Family, Forwarding, ServiceKey};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// `delay_loop` when nobody says it.
const DELAY_LOOP: Duration = Duration::from_secs(60);

/// `connect_timeout` when nobody says it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
    log_all_failures: bool,
    diagnostics: &mut Diagnostics,
) -> Vec<RealServer> {
    let mut seen: BTreeMap<SocketAddr, Span> = BTreeMap::new();
    let mut kept = Vec::with_capacity(draft.real_servers.len());
    for real in &draft.real_servers {
        let forwarding = real.forwarding.unwrap_or(forwarding);
        if !fits(real, key, forwarding, diagnostics) {
            continue;
        }
        let address = SocketAddr::new(real.address, port(real, key, forwarding, diagnostics));
        if let Some(first) = seen.get(&address) {
            let headline = format!("real server {address} is listed twice");
            let diagnostic = Diagnostic::new(Code::DuplicateRealServer, headline, real.head, "this one is ignored");
            diagnostics.push(diagnostic.and(*first, "first listed here"));
            continue;
        }
        seen.insert(address, real.head);
        let alpha = real.alpha.unwrap_or(draft.alpha);
        let timing = real.timing.within(draft.timing);
        let checkers = real.checkers.iter().map(|c| checker(c, address, timing, alpha, log_all_failures, diagnostics));
        let checkers: Vec<Checker> = checkers.collect();
        if checkers.is_empty() && !real.other_checkers {
            let headline = format!("real server {address} has no checker");
            let label = "it stays in the table when it dies";
            let diagnostic = Diagnostic::new(Code::NoCheckers, headline, real.head, label);
            diagnostics.push(diagnostic.help("write a TCP_CHECK { } into it, or another checker"));
        }
        kept.push(RealServer {
            address,
            weight: real.weight.or(draft.weight).unwrap_or(1),
            forwarding,
            upper_threshold: real.upper_threshold,
            lower_threshold: real.lower_threshold,
            inhibit_on_failure: real.inhibit_on_failure.unwrap_or(draft.inhibit_on_failure),
            checkers,
            options: Default::default(),
        });
    }
    kept
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
    if keeps && real.port != service && matches!(key, ServiceKey::Address { .. }) {
        let headline = format!("real server {} {} cannot have another port than its service", real.address, real.port);
        let label = format!("port {service} is used: direct routing and tunnels do not change it");
        diagnostics.push(Diagnostic::new(Code::PortMismatch, headline, real.head, label));
        return service;
    }
    real.port
}

pub(super) fn sorry_server(draft: &SorryDraft, key: ServiceKey, forwarding: Forwarding) -> SorryServer {
    let port = if draft.port == 0 { port_of(key) } else { draft.port };
    SorryServer {
        address: SocketAddr::new(draft.address, port),
        forwarding: draft.forwarding.unwrap_or(forwarding),
        inhibit: draft.inhibit,
    }
}

fn checker(
    draft: &CheckerDraft,
    server: SocketAddr,
    outer: TimingDraft,
    alpha: bool,
    log_all_failures: bool,
    diagnostics: &mut Diagnostics,
) -> Checker {
    let said = draft.timing.within(outer);
    let delay_loop = said.delay_loop.unwrap_or(DELAY_LOOP);
    let timing = Timing {
        delay_loop,
        retry: said.retry.unwrap_or(1),
        delay_before_retry: said.delay_before_retry.unwrap_or(Duration::from_secs(1)),
        warmup: said.warmup.unwrap_or(delay_loop),
        alpha: draft.alpha.unwrap_or(alpha),
        log_all_failures: draft.log_all_failures || log_all_failures,
    };
    let timeout = said.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
    let probe = match &draft.probe {
        ProbeDraft::Tcp(connect) => Probe::Tcp(self::connect(connect, server, timeout, diagnostics)),
    };
    Checker { probe, timing }
}

fn connect(draft: &ConnectDraft, server: SocketAddr, timeout: Duration, diagnostics: &mut Diagnostics) -> Connect {
    let target = SocketAddr::new(draft.ip.unwrap_or(server.ip()), draft.port.unwrap_or(server.port()));
    let mut bind_address = draft.bind_address.map(|b| b.value);
    if let Some(bind) = draft.bind_address
        && bind.value.is_ipv4() != target.is_ipv4()
    {
        let headline = format!("{} is of another family than {}", bind.value, target.ip());
        diagnostics.push(Diagnostic::new(Code::MixedFamilies, headline, bind.span, "this is ignored"));
        bind_address = None;
    }
    Connect {
        target,
        bind_address,
        bind_port: draft.bind_port,
        bind_interface: draft.bind_interface.clone(),
        timeout,
        mark: draft.mark,
    }
}
