//! Virtual servers with their pools.

mod pool;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lower::server::{ServerDraft, ServiceName};
use crate::source::Span;
use standfast_model::config::LvsConfig;
use standfast_model::config::lvs::VirtualServer;
use standfast_model::ipvs::{Family, Forwarding, Persistence, Protocol, Scheduler, ServiceKey};
use std::collections::BTreeMap;

/// Seconds of persistence when none are given, keepalived's default.
const PERSISTENCE_SECONDS: u32 = 360;

pub(super) fn link(drafts: Vec<ServerDraft>, log_all_failures: bool, diagnostics: &mut Diagnostics) -> LvsConfig {
    let mut virtual_servers = Vec::with_capacity(drafts.len());
    let mut seen: BTreeMap<ServiceKey, Span> = BTreeMap::new();
    for draft in drafts {
        let Some(server) = server(&draft, log_all_failures, diagnostics) else { continue };
        if let Some(first) = seen.get(&server.key) {
            let headline = format!("{} is defined twice", name_of(&draft));
            let diagnostic = Diagnostic::new(Code::DuplicateVirtualServer, headline, draft.head, "this one is ignored");
            diagnostics.push(diagnostic.and(*first, "first defined here"));
            continue;
        }
        seen.insert(server.key, draft.head);
        virtual_servers.push(server);
    }
    LvsConfig { virtual_servers, ..LvsConfig::default() }
}

/// What a virtual server is called in a message.
fn name_of(draft: &ServerDraft) -> String {
    match &draft.name {
        ServiceName::Address(address, port) => format!("virtual server {address} {port}"),
        ServiceName::Mark(mark) => format!("virtual server fwmark {mark}"),
        ServiceName::Group(name) => format!("virtual server group {name}"),
    }
}

fn server(draft: &ServerDraft, log_all_failures: bool, diagnostics: &mut Diagnostics) -> Option<VirtualServer> {
    let key = key(draft, diagnostics);
    let forwarding = forwarding(draft, diagnostics);
    let scheduler = scheduler(draft, diagnostics);
    let key = key?;
    let real_servers = pool::real_servers(draft, key, forwarding, log_all_failures, diagnostics);
    if real_servers.is_empty() {
        let headline = format!("{} has no real server", name_of(draft));
        diagnostics.push(Diagnostic::new(Code::NoRealServers, headline, draft.head, "it is ignored"));
        return None;
    }
    let total = real_servers.iter().fold(0_u32, |sum, r| sum.saturating_add(r.weight));
    let (quorum, hysteresis) = quorum(draft, total, diagnostics);
    Some(VirtualServer {
        key,
        scheduler,
        flags: draft.flags,
        persistence: persistence(draft, key, diagnostics),
        one_packet: one_packet(draft, key, diagnostics),
        quorum,
        hysteresis,
        sorry_server: draft.sorry.as_ref().map(|sorry| pool::sorry_server(sorry, key, forwarding)),
        real_servers,
        options: Default::default(),
    })
}

fn key(draft: &ServerDraft, diagnostics: &mut Diagnostics) -> Option<ServiceKey> {
    match &draft.name {
        ServiceName::Address(address, port) => {
            let protocol = match &draft.protocol {
                Some(protocol) => protocol.value,
                None => {
                    missing(draft, draft.bad_protocol, "protocol", "UDP", diagnostics);
                    Protocol::Udp
                }
            };
            Some(ServiceKey::Address { address: *address, port: *port, protocol })
        }
        ServiceName::Mark(mark) => {
            if let Some(protocol) = &draft.protocol {
                let headline = "a mark has no protocol";
                diagnostics.push(Diagnostic::new(Code::ServiceAdjusted, headline, protocol.span, "this is ignored"));
            }
            let first = draft.real_servers.first().map_or(Family::Inet, |r| Family::from(r.address));
            let family = draft.family.map_or(first, |f| f.value);
            Some(ServiceKey::FirewallMark { mark: *mark, family })
        }
        ServiceName::Group(_) => {
            let headline = "virtual server groups are not acted upon yet";
            let label = "this virtual server is left out";
            diagnostics.push(Diagnostic::new(Code::NotYet, headline, draft.head, label));
            None
        }
    }
}

/// Says that a default was taken, where keepalived says so.
fn missing(draft: &ServerDraft, told: bool, what: &str, default: &str, diagnostics: &mut Diagnostics) {
    if told {
        return;
    }
    let headline = format!("{} says no {what}", name_of(draft));
    let diagnostic = Diagnostic::new(Code::MissingSetting, headline, draft.head, format!("{default} is used"));
    diagnostics.push(diagnostic.help(format!("write {what} {default}, or what is meant")));
}

fn scheduler(draft: &ServerDraft, diagnostics: &mut Diagnostics) -> Scheduler {
    if let Some(scheduler) = &draft.scheduler {
        return scheduler.value.clone();
    }
    missing(draft, draft.bad_scheduler, "lb_algo", "wlc", diagnostics);
    Scheduler::default()
}

fn forwarding(draft: &ServerDraft, diagnostics: &mut Diagnostics) -> Forwarding {
    if let Some(forwarding) = draft.forwarding {
        return forwarding.value;
    }
    // When every real server has a method of its own, the common one is not missed.
    if !draft.real_servers.iter().all(|r| r.forwarding.is_some()) || draft.real_servers.is_empty() {
        missing(draft, draft.bad_forwarding, "lb_kind", "NAT", diagnostics);
    }
    Forwarding::Nat
}

/// The kernel has a service for every port only with persistence.
fn persistence(draft: &ServerDraft, key: ServiceKey, diagnostics: &mut Diagnostics) -> Option<Persistence> {
    let every_port = matches!(key, ServiceKey::Address { port: 0, .. });
    let mut timeout = draft.persistence_timeout;
    if timeout.is_none() && draft.granularity.is_some() {
        timeout = Some(PERSISTENCE_SECONDS);
    }
    if timeout.is_none() && every_port {
        let headline = format!("{} is for every port, so it must be persistent", name_of(draft));
        let label = format!("persistence_timeout {PERSISTENCE_SECONDS} is used");
        diagnostics.push(Diagnostic::new(Code::ServiceAdjusted, headline, draft.head, label));
        timeout = Some(PERSISTENCE_SECONDS);
    }
    let whole = match key.family() {
        Family::Inet => 32,
        Family::Inet6 => 128,
    };
    let granularity = match draft.granularity {
        None => whole,
        Some(given) if given.value.family == key.family() => given.value.length,
        Some(given) => {
            let headline = "the granularity is of another family than the service";
            diagnostics.push(Diagnostic::new(Code::ServiceAdjusted, headline, given.span, "this is ignored"));
            whole
        }
    };
    timeout.map(|timeout_seconds| Persistence { timeout_seconds, granularity })
}

fn one_packet(draft: &ServerDraft, key: ServiceKey, diagnostics: &mut Diagnostics) -> bool {
    let Some(span) = draft.one_packet else { return false };
    match key {
        ServiceKey::FirewallMark { .. } | ServiceKey::Address { protocol: Protocol::Udp, .. } => true,
        ServiceKey::Address { protocol: Protocol::Tcp | Protocol::Sctp, .. } => {
            let headline = "one packet scheduling is for UDP";
            diagnostics.push(Diagnostic::new(Code::ServiceAdjusted, headline, span, "this is ignored"));
            false
        }
    }
}

/// The quorum, at most what all servers weigh together; the hysteresis, below the quorum.
fn quorum(draft: &ServerDraft, total: u32, diagnostics: &mut Diagnostics) -> (u32, u32) {
    let mut adjusted = |headline: String, label: String| {
        diagnostics.push(Diagnostic::new(Code::QuorumAdjusted, headline, draft.head, label));
    };
    let mut quorum = draft.quorum.unwrap_or(1);
    // Servers that are all drained (weight 0) have a quorum of 1 that is not reached, as in keepalived.
    if quorum > total.max(1) {
        quorum = total.max(1);
        let headline = format!("{} can never reach its quorum", name_of(draft));
        adjusted(headline, format!("all servers together weigh {total}; quorum {quorum} is used"));
    }
    let mut hysteresis = draft.hysteresis.unwrap_or(0);
    if hysteresis >= quorum {
        if hysteresis > 0 {
            let headline = format!("hysteresis {hysteresis} is not below quorum {quorum}");
            adjusted(headline, format!("hysteresis {} is used", quorum - 1));
        }
        hysteresis = quorum.saturating_sub(1);
    }
    (quorum, hysteresis)
}
