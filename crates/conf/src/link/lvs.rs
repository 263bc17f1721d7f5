//! Virtual servers with their pools.

mod marks;
mod pool;
mod probe;

use super::scripts::Scripts;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lower::Draft;
use crate::lower::server::{ServerDraft, ServiceName};
use crate::lower::service_group::Services;
use crate::source::Span;
use standfast_model::config::lvs::{
    LvsCommon, MarkedAddresses, ServerDefaults, ServiceGroup, SyncDaemon, VirtualServer, VirtualServerOptions,
};
use standfast_model::config::track::FileId;
use standfast_model::config::{BfdConfig, LvsConfig, VrrpConfig};
use standfast_model::ipvs::{Family, Forwarding, Persistence, Protocol, Scheduler, ServiceKey};
use std::collections::{BTreeMap, BTreeSet};

/// Seconds of persistence when none are given, keepalived's default.
const PERSISTENCE_SECONDS: u32 = 360;

/// What is needed of elsewhere.
pub(super) struct Surroundings<'a, 'h> {
    draft: &'a Draft,
    /// Checkers that this release does not perform are wanted too.
    not_yet: bool,
    bfd: &'a BfdConfig,
    /// The place of each session by name.
    sessions: BTreeMap<&'a str, usize>,
    scripts: &'a mut Scripts<'h>,
    /// Files that checkers watch, by their place in the draft.
    files: BTreeMap<usize, Option<FileId>>,
    common: LvsCommon,
}

pub(super) fn link(
    draft: &Draft,
    servers: Vec<ServerDraft>,
    not_yet: bool,
    vrrp: &VrrpConfig,
    bfd: &BfdConfig,
    scripts: &mut Scripts<'_>,
    diagnostics: &mut Diagnostics,
) -> LvsConfig {
    let fifo = super::fifo(&draft.global.fifo, scripts, diagnostics);
    let lvs_fifo = super::fifo(&draft.global.lvs_fifo, scripts, diagnostics);
    let sync_daemon = sync_daemon(draft, vrrp, diagnostics);
    let mut common = LvsCommon { fifo, lvs_fifo, sync_daemon, ..draft.lvs.clone() };
    if let Some(nftables) = &mut common.nftables {
        nftables.counters = vrrp.common.nftables.as_ref().is_some_and(|vrrp| vrrp.counters);
    }
    let sessions = bfd.sessions.iter().enumerate().map(|(at, session)| (session.name.as_str(), at)).collect();
    let mut around = Surroundings { draft, not_yet, bfd, sessions, scripts, files: BTreeMap::new(), common };
    let mut virtual_servers = Vec::with_capacity(servers.len());
    let mut seen: BTreeMap<ServiceKey, Span> = BTreeMap::new();
    for one in servers {
        let Some(server) = server(&one, &mut around, diagnostics) else { continue };
        if let Some(first) = seen.get(&server.key) {
            let headline = format!("{} is defined twice", name_of(&one));
            let diagnostic = Diagnostic::new(Code::DuplicateVirtualServer, headline, one.head, "this one is ignored");
            diagnostics.push(diagnostic.and(*first, "first defined here"));
            continue;
        }
        seen.insert(server.key, one.head);
        virtual_servers.push(server);
    }
    if let Some(nftables) = &around.common.nftables {
        marks::give(&mut virtual_servers, nftables.first_mark);
    }
    LvsConfig { virtual_servers, common: around.common }
}

/// The sync daemon, with the VRID of its instance as id unless it says one.
fn sync_daemon(draft: &Draft, vrrp: &VrrpConfig, diagnostics: &mut Diagnostics) -> Option<SyncDaemon> {
    let Some(written) = draft.sync_daemon.as_ref() else { return old_sync_daemon(draft, vrrp) };
    let mut daemon = written.model.clone();
    let name = daemon.instance.clone();
    let found = name.as_ref().and_then(|name| vrrp.instances.iter().find(|i| i.name == *name));
    if let (Some(name), None) = (&name, found) {
        let headline = format!("no instance is called `{name}`");
        let label = "the sync daemon only receives";
        diagnostics.push(Diagnostic::new(Code::UnknownSyncInstance, headline, written.span, label));
        daemon.instance = None;
    }
    daemon.id = written.id.or(found.map(|i| i.vrid.get())).unwrap_or(0);
    Some(daemon)
}

/// `lvs_sync_daemon_interface` of an instance: the first one counts.
fn old_sync_daemon(draft: &Draft, vrrp: &VrrpConfig) -> Option<SyncDaemon> {
    let written = draft.instances.iter().find(|i| i.options.sync_daemon.is_some())?;
    let instance = vrrp.instances.iter().find(|i| i.name == written.name)?;
    Some(SyncDaemon {
        interface: written.options.sync_daemon.clone()?,
        instance: Some(instance.name.clone()),
        id: instance.vrid.get(),
        max_length: None,
        port: None,
        ttl: None,
        group: None,
    })
}

/// What a virtual server is called in a message.
fn name_of(draft: &ServerDraft) -> String {
    match &draft.name {
        ServiceName::Address(address, port) => format!("virtual server {address} {port}"),
        ServiceName::Mark(mark) => format!("virtual server fwmark {mark}"),
        ServiceName::Group(name) => format!("virtual server group {name}"),
    }
}

fn server(
    draft: &ServerDraft,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> Option<VirtualServer> {
    let mut missing = Vec::new();
    let keys = keys(draft, around, &mut missing, diagnostics);
    let forwarding = forwarding(draft, &mut missing);
    let scheduler = scheduler(draft, &mut missing);
    report_missing(draft, &missing, diagnostics);
    let mut keys = keys?;
    let key = if keys.is_empty() { return None } else { keys.remove(0) };
    let marked = marks::addresses(draft, key, around);
    let real_servers = pool::real_servers(draft, key, forwarding, !marked.is_empty(), around, diagnostics);
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
        sorry_server: pool::sorry_server(draft.rare().sorry.as_ref(), key, forwarding, !marked.is_empty(), diagnostics),
        real_servers,
        options: options(draft, keys, marked, around, diagnostics).into(),
    })
}

fn options(
    draft: &ServerDraft,
    others: Vec<ServiceKey>,
    marked: Vec<MarkedAddresses>,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> VirtualServerOptions {
    let group = match &draft.name {
        ServiceName::Group(name) => Some(ServiceGroup { name: name.clone(), others, marked }),
        ServiceName::Address(..) | ServiceName::Mark(_) => None,
    };
    if let (Some(span), ServiceName::Mark(_)) = (draft.rare().ha_suspend, &draft.name) {
        let headline = "a mark has no address that could be missing";
        diagnostics.push(Diagnostic::new(Code::ServiceAdjusted, headline, span, "this is ignored"));
    }
    let global = &around.draft.global;
    VirtualServerOptions {
        group,
        persistence_engine: draft.rare().persistence_engine.clone(),
        ha_suspend: draft.rare().ha_suspend.is_some() && !matches!(draft.name, ServiceName::Mark(_)),
        smtp_alert: draft.smtp_alert.or(global.smtp_alert_checker).or(global.smtp_alert).unwrap_or(false),
        snmp_name: draft.rare().snmp_name.clone(),
        omega: draft.omega,
        quorum_up: around.scripts.optional(draft.rare().quorum_up.as_ref(), diagnostics),
        quorum_down: around.scripts.optional(draft.rare().quorum_down.as_ref(), diagnostics),
        panic_threshold: draft.rare().panic_threshold,
        slow_start: draft.rare().slow_start.unwrap_or_default(),
        drain: draft.rare().drain,
        defaults: ServerDefaults {
            checks: pool::check_defaults(draft.timing, draft.alpha, draft.rare().virtual_host.as_ref()),
            weight: draft.weight,
            forwarding: draft.forwarding,
            inhibit_on_failure: draft.inhibit_on_failure,
        },
    }
}

/// The family of a service by mark: as said, else that of its servers.
fn mark_family(draft: &ServerDraft) -> Family {
    let first = draft.real_servers.first().map_or(Family::Inet, |r| Family::from(r.address));
    draft.family.unwrap_or(first)
}

/// Settings that were not made, with the defaults that are used.
type Missing = Vec<(&'static str, &'static str)>;

fn protocol(draft: &ServerDraft, missing: &mut Missing) -> Protocol {
    match &draft.protocol {
        Some(protocol) => protocol.value,
        None => {
            if !draft.bad_protocol {
                missing.push(("protocol", "UDP"));
            }
            Protocol::Udp
        }
    }
}

/// The services that the pool serves: one, or those of a group.
fn keys(
    draft: &ServerDraft,
    around: &Surroundings<'_, '_>,
    missing: &mut Missing,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<ServiceKey>> {
    match &draft.name {
        ServiceName::Address(address, port) => {
            let protocol = protocol(draft, missing);
            Some(vec![ServiceKey::Address { address: *address, port: *port, protocol }])
        }
        ServiceName::Mark(mark) => {
            if let Some(protocol) = &draft.protocol {
                let headline = "a mark has no protocol";
                diagnostics.push(Diagnostic::new(Code::ServiceAdjusted, headline, protocol.span, "this is ignored"));
            }
            Some(vec![ServiceKey::FirewallMark { mark: *mark, family: mark_family(draft) }])
        }
        ServiceName::Group(name) => group(draft, name, around, missing, diagnostics),
    }
}

fn group(
    draft: &ServerDraft,
    name: &str,
    around: &Surroundings<'_, '_>,
    missing: &mut Missing,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<ServiceKey>> {
    let Some((_, services)) = around.draft.service_groups.get(name) else {
        let headline = format!("no virtual_server_group is called `{name}`");
        let mut diagnostic =
            Diagnostic::new(Code::UnknownGroup, headline, draft.head, "this virtual server is ignored");
        if let Some(near) = diagnostics.nearest(name.as_bytes(), around.draft.service_groups.names()) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        }
        diagnostics.push(diagnostic);
        return None;
    };
    let addressed = services.iter().any(|s| matches!(s, Services::Addresses { .. }));
    let protocol = if addressed { protocol(draft, missing) } else { Protocol::Udp };
    let mut keys = Vec::new();
    for service in services {
        match *service {
            Services::Mark { mark, family, .. } => {
                keys.push(ServiceKey::FirewallMark { mark, family: family.unwrap_or_else(|| mark_family(draft)) });
            }
            Services::Addresses { .. } => {
                let all = service.addresses().into_iter();
                keys.extend(all.map(|(address, port)| ServiceKey::Address { address, port, protocol }));
            }
        }
    }
    let mut seen = BTreeSet::new();
    keys.retain(|key| seen.insert(*key));
    Some(keys)
}

/// Says which defaults were taken, where keepalived says so.
fn report_missing(draft: &ServerDraft, missing: &Missing, diagnostics: &mut Diagnostics) {
    if missing.is_empty() {
        return;
    }
    let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
    let used: Vec<_> = missing.iter().map(|(name, default)| format!("{name} {default}")).collect();
    let headline = format!("{} says no {}", name_of(draft), names.join(", no "));
    let verb = if used.len() == 1 { "is" } else { "are" };
    let label = format!("{} {verb} used", used.join(", "));
    let diagnostic = Diagnostic::new(Code::MissingSetting, headline, draft.head, label);
    diagnostics.push(diagnostic.help("write what is meant"));
}

fn scheduler(draft: &ServerDraft, missing: &mut Missing) -> Scheduler {
    if let Some(scheduler) = &draft.scheduler {
        return scheduler.clone();
    }
    if !draft.bad_scheduler {
        missing.push(("lb_algo", "wlc"));
    }
    Scheduler::default()
}

fn forwarding(draft: &ServerDraft, missing: &mut Missing) -> Forwarding {
    if let Some(forwarding) = draft.forwarding {
        return forwarding;
    }
    // When every real server has a method of its own, the common one is not missed.
    let own = !draft.real_servers.is_empty() && draft.real_servers.iter().all(|r| r.forwarding.is_some());
    if !own && !draft.bad_forwarding {
        missing.push(("lb_kind", "NAT"));
    }
    Forwarding::Nat
}

/// The kernel has a service for every port only with persistence.
fn persistence(draft: &ServerDraft, key: ServiceKey, diagnostics: &mut Diagnostics) -> Option<Persistence> {
    let every_port = matches!(key, ServiceKey::Address { port: 0, .. });
    let mut timeout = draft.persistence_timeout;
    if timeout.is_none() && draft.rare().granularity.is_some() {
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
    let granularity = match draft.rare().granularity {
        None => whole,
        Some(given) if given.value.family.is_none_or(|f| f == key.family()) && given.value.length <= whole => {
            if given.value.family.is_none() && whole == 32 {
                let headline = format!("a granularity of {} is taken for a length", given.value.length);
                let label = "keepalived takes it for a mask";
                diagnostics.push(Diagnostic::new(Code::GranularityLength, headline, given.span, label));
            }
            given.value.length
        }
        Some(given) => {
            let headline = "the granularity does not fit the family of the service";
            diagnostics.push(Diagnostic::new(Code::ServiceAdjusted, headline, given.span, "this is ignored"));
            whole
        }
    };
    timeout.map(|timeout_seconds| Persistence { timeout_seconds, granularity })
}

fn one_packet(draft: &ServerDraft, key: ServiceKey, diagnostics: &mut Diagnostics) -> bool {
    let Some(span) = draft.rare().one_packet else { return false };
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
