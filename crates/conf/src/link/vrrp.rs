//! Instances and groups.

mod groups;
mod options;
mod strict;

use super::scripts::Scripts;
use super::trackers::Trackers;
use crate::code::{Class, Code};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lower::garp::GarpDraft;
use crate::lower::global::{FifoDraft, GlobalDraft, ReceivePolicy};
use crate::lower::group::GroupDraft;
use crate::lower::instance::{AuthType, InstanceDraft};
use crate::lower::{Draft, Spanned};
use crate::source::Span;
use crate::value::TimeUnit;
use core::time::Duration;
use standfast_model::config::VrrpConfig;
use standfast_model::config::instance::{Linkbeat, ReceiveBuffer, VrrpCommon};
use standfast_model::config::vrrp::{
    Authentication, Garp, InitialState, Instance, InstanceId, Preempt, TrackedInterface,
};
use standfast_model::ipvs::Family;
use standfast_model::{AdvertInterval, InterfaceName, Priority, Version, VirtualAddress, Vrid};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What is needed to link instances and groups.
pub(super) struct Surroundings<'a, 'h> {
    draft: &'a Draft,
    scripts: &'a mut Scripts<'h>,
    trackers: Trackers<'a>,
    common: VrrpCommon,
}

pub(super) fn link(draft: &Draft, scripts: &mut Scripts<'_>, diagnostics: &mut Diagnostics) -> VrrpConfig {
    let common = common(draft, scripts, diagnostics);
    let mut around = Surroundings { draft, scripts, trackers: Trackers::new(draft), common };
    let grouped = groups::members_by_instance(draft);
    let mut instances = Vec::new();
    let mut places = BTreeMap::new();
    for (at, one) in draft.instances.iter().enumerate() {
        let group = grouped.get(&at).copied();
        if let Some(instance) = instance(one, group, &mut around, diagnostics) {
            places.insert(at, InstanceId(u32::try_from(instances.len()).unwrap_or(u32::MAX)));
            instances.push(instance);
        }
    }
    duplicate_vrids(&draft.instances, &instances, &places, diagnostics);
    shared_addresses(&draft.instances, diagnostics);
    let groups = groups::groups(&places, &mut around, diagnostics);
    around.common.track_groups = groups::track_groups(draft, &places, diagnostics);
    unused_scripts(draft, around.scripts);
    VrrpConfig { instances, groups, common: around.common }
}

/// Scripts that nobody tracks are not run; that they could be counts for the question of security, as in keepalived.
fn unused_scripts(draft: &Draft, scripts: &mut Scripts<'_>) {
    let mut unheard = Diagnostics::default();
    for (_, _, one) in draft.scripts.iter() {
        if let Some(script) = &one.script {
            scripts.tracker(script, &mut unheard);
        }
    }
}

/// Static addresses, each on an interface.
fn static_addresses(draft: &Draft) -> Vec<VirtualAddress> {
    let place = |one: &Spanned<VirtualAddress>| {
        let mut address = one.value.clone();
        address.interface = address.interface.or_else(|| draft.default_interface());
        address
    };
    draft.static_addresses.iter().map(place).collect()
}

/// What instances share.
fn common(draft: &Draft, scripts: &mut Scripts<'_>, diagnostics: &mut Diagnostics) -> VrrpCommon {
    let global = &draft.global;
    let packets = global.receive_multiplier.unwrap_or(3);
    let receive_buffer = match global.receive_policy {
        None => ReceiveBuffer::System,
        Some(ReceivePolicy::Mtu) => ReceiveBuffer::Mtu(packets),
        Some(ReceivePolicy::Adverts) => ReceiveBuffer::Adverts(packets),
        Some(ReceivePolicy::Bytes(bytes)) => ReceiveBuffer::Bytes(bytes),
    };
    let mut common = draft.vrrp.clone();
    for instance in draft.instances.iter().filter(|i| i.options.linkbeat) {
        let interface = instance.interface.as_ref().map(|i| i.value.clone());
        common.linkbeat.extend(interface.map(|interface| Linkbeat { interface, method: None }));
    }
    common.static_addresses = static_addresses(draft);
    VrrpCommon {
        vrrp_fifo: super::fifo(&global.vrrp_fifo, scripts, diagnostics),
        // The readers of the common FIFO are the same; whoever starts it, it is judged once.
        fifo: super::fifo(&FifoDraft { reader: None, ..global.fifo.clone() }, scripts, diagnostics),
        receive_buffer,
        ..common
    }
}

fn family_of(draft: &InstanceDraft) -> Family {
    if draft.options.native_ipv6.is_some() && draft.addresses.is_empty() {
        return Family::Inet6;
    }
    let first = draft.addresses.first().map(|a| a.value.address.addr());
    let source = draft.source.or(draft.options.unicast_source).map(|s| s.value);
    let peer = draft.options.peers.first().map(|p| p.value.address);
    first.or(source).or(peer).map_or(Family::Inet, Family::from)
}

/// One instance; none if it lacks what has no default.
fn instance(
    draft: &InstanceDraft,
    group: Option<&GroupDraft>,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> Option<Instance> {
    let global = &around.draft.global;
    let vrid = vrid(draft, diagnostics);
    let interface = interface(draft, diagnostics);
    let (vrid, interface) = (vrid?, interface?);
    let family = family_of(draft);
    let version = version(draft, global, family, diagnostics);
    let (initial_state, priority) = state_and_priority(draft, diagnostics);
    let mut seen = BTreeMap::new();
    let addresses = addresses(&draft.addresses, Some(family), &mut seen, diagnostics);
    if addresses.len() > 255 {
        let span = draft.addresses.get(255).map_or(draft.head, |a| a.span);
        let headline = format!("{} addresses are more than an advertisement can list", addresses.len());
        let diagnostic = Diagnostic::new(Code::TooManyAddresses, headline, span, "this is the 256th");
        diagnostics.push(diagnostic.help("move the rest to virtual_ipaddress_excluded"));
    }
    if addresses.is_empty() && draft.addresses.is_empty() && !draft.no_addresses {
        no_addresses(draft, version, diagnostics);
    }
    let excluded = self::addresses(&draft.excluded, None, &mut seen, diagnostics);
    let mut instance = Instance {
        name: draft.name.clone(),
        vrid,
        version,
        family,
        initial_state,
        priority,
        advert_interval: interval(draft, version, diagnostics),
        authentication: authentication(draft, version, diagnostics),
        addresses,
        excluded,
        preempt: preempt(draft, initial_state, diagnostics),
        garp: garp(draft.garp, global),
        source: source(draft, family, diagnostics),
        down_timer_adverts: draft.down_timer_adverts.or(global.down_timer_adverts).unwrap_or(3),
        lower_prio_no_advert: draft.lower_prio_no_advert.or(global.lower_prio_no_advert).unwrap_or(false),
        higher_prio_send_advert: draft.higher_prio_send_advert.or(global.higher_prio_send_advert).unwrap_or(false),
        dont_track_primary: draft.dont_track_primary,
        track_interfaces: tracked(&draft.track_interfaces, Some(&interface), diagnostics),
        interface,
        options: options::options(draft, group, family, around, diagnostics),
    };
    strict::apply(draft, &mut instance, global, diagnostics);
    options::hmac(draft, &mut instance, diagnostics);
    groups::drop_weights(draft, group, &mut instance, diagnostics);
    futile_weights(draft, &instance, diagnostics);
    Some(instance)
}

/// Trackers by weight, none of which can move the priority of an instance.
fn futile_weights(draft: &InstanceDraft, instance: &Instance, diagnostics: &mut Diagnostics) {
    let stuck = crate::pair::priorities(instance).filter(|(worst, best)| worst == best);
    let Some((priority, _)) = stuck else { return };
    let headline = format!("the weights of instance `{}` cannot change its priority", draft.name);
    let label = if priority > Priority::DEFAULT {
        "it is as high as can be, and only grows by them"
    } else {
        "it is as low as can be, and only shrinks by them"
    };
    let span = draft.priority.map_or(draft.head, |p| p.span);
    let diagnostic = Diagnostic::new(Code::FutileWeight, headline, span, label);
    diagnostics.push(diagnostic.help("choose a priority with room for the weights, or weights of the other sign"));
}

fn vrid(draft: &InstanceDraft, diagnostics: &mut Diagnostics) -> Option<Vrid> {
    if let Some(vrid) = draft.vrid {
        return Some(vrid.value);
    }
    if draft.bad_vrid {
        return None;
    }
    let headline = format!("instance `{}` has no virtual_router_id", draft.name);
    let diagnostic = Diagnostic::new(Code::NoVrid, headline, draft.head, "it needs one from 1 to 255");
    diagnostics.push(diagnostic.help("give it the same number on all routers that share its addresses"));
    None
}

fn interface(draft: &InstanceDraft, diagnostics: &mut Diagnostics) -> Option<InterfaceName> {
    if let Some(interface) = &draft.interface {
        return Some(interface.value.clone());
    }
    if draft.bad_interface {
        return None;
    }
    // A socket that is bound to a VRF speaks by all links in it: what an instance does by an interface it does by that.
    if let Some(vrf) = &draft.options.vrf {
        return in_vrf(draft, vrf, diagnostics);
    }
    let headline = format!("instance `{}` has no interface", draft.name);
    diagnostics.push(Diagnostic::new(Code::NoInterface, headline, draft.head, "it needs one to send multicast on"));
    None
}

/// The VRF in place of an interface: it carries no multicast and has no address of its own to send from.
fn in_vrf(draft: &InstanceDraft, vrf: &Spanned<InterfaceName>, diagnostics: &mut Diagnostics) -> Option<InterfaceName> {
    let said = &draft.options;
    let lacks = match (said.peers.is_empty(), said.unicast_source) {
        (true, _) => "unicast_peer",
        (false, None) => "unicast_src_ip",
        (false, Some(_)) => return Some(vrf.value.clone()),
    };
    let headline = format!("instance `{}` has a VRF and no interface", draft.name);
    let diagnostic = Diagnostic::new(Code::NoInterface, headline, vrf.span, "in a VRF alone it can only be unicast");
    diagnostics.push(diagnostic.help(format!("say {lacks}, or the interface in place of the VRF")));
    None
}

fn version(draft: &InstanceDraft, global: &GlobalDraft, family: Family, diagnostics: &mut Diagnostics) -> Version {
    match (family, draft.version) {
        (Family::Inet, None) => global.version.unwrap_or(Version::V2),
        (Family::Inet, Some(version)) => version.value,
        (Family::Inet6, None) => Version::V3,
        (Family::Inet6, Some(version)) => {
            if version.value == Version::V2 {
                let headline = "IPv6 needs version 3";
                let diagnostic = Diagnostic::new(Code::VersionConflict, headline, version.span, "version 3 is used");
                let first = draft.addresses.first().map(|a| a.span);
                diagnostics.push(match first {
                    Some(first) => diagnostic.and(first, "this makes it an IPv6 instance"),
                    None => diagnostic,
                });
            }
            Version::V3
        }
    }
}

/// Priority 255 owns the addresses and starts as master; state MASTER without a priority has 255.
fn state_and_priority(draft: &InstanceDraft, diagnostics: &mut Diagnostics) -> (InitialState, Priority) {
    let Some(priority) = draft.priority else {
        let state = draft.state.map_or(InitialState::Backup, |s| s.value);
        let priority = match state {
            InitialState::Master => Priority::OWNER,
            InitialState::Backup => Priority::DEFAULT,
        };
        if let (true, Some(said)) = (priority.is_owner(), draft.state) {
            let headline = format!("instance `{}` is MASTER and says no priority", draft.name);
            let label = "priority 255 is used, the address owner's";
            let diagnostic = Diagnostic::new(Code::OwnerByDefault, headline, said.span, label);
            diagnostics.push(diagnostic.help("say priority 150, and less on the other routers"));
        }
        return (state, priority);
    };
    if !priority.value.is_owner() {
        return (draft.state.map_or(InitialState::Backup, |s| s.value), priority.value);
    }
    if let Some(Spanned { value: InitialState::Backup, span }) = draft.state {
        let headline = format!("instance `{}` has priority 255 and is master at once", draft.name);
        let diagnostic = Diagnostic::new(Code::OwnerNotMaster, headline, span, "this is overruled");
        diagnostics.push(diagnostic.and(priority.span, "by this"));
    }
    (InitialState::Master, priority.value)
}

fn interval(draft: &InstanceDraft, version: Version, diagnostics: &mut Diagnostics) -> AdvertInterval {
    let Some(written) = draft.advert_int else { return AdvertInterval::DEFAULT };
    let microseconds = u64::try_from(written.value.as_micros()).unwrap_or(u64::MAX);
    let (unit, most) = match version {
        Version::V2 => (1_000_000, 255),
        Version::V3 => (10_000, 4095),
    };
    let rounded = ((microseconds.saturating_add(unit / 2)) / unit).clamp(1, most);
    if rounded.saturating_mul(unit) != microseconds {
        let said = TimeUnit::Seconds.show(microseconds);
        let (kind, used) = (version.get(), TimeUnit::Seconds.show(rounded.saturating_mul(unit)));
        let headline = format!("version {kind} cannot send an interval of {said} s");
        let label = format!("{used} s is used");
        let mut diagnostic = Diagnostic::new(Code::IntervalRounded, headline, written.span, label);
        if version == Version::V2 {
            diagnostic = diagnostic.help("version 2 has whole seconds; version 3 has hundredths up to 40.95 s");
        }
        diagnostics.push(diagnostic);
    }
    let made = match version {
        Version::V2 => u8::try_from(rounded).ok().and_then(AdvertInterval::from_seconds),
        Version::V3 => u16::try_from(rounded).ok().and_then(AdvertInterval::from_centiseconds),
    };
    made.unwrap_or(AdvertInterval::DEFAULT)
}

fn authentication(draft: &InstanceDraft, version: Version, diagnostics: &mut Diagnostics) -> Authentication {
    let said = &draft.authentication;
    let Some(kind) = said.kind else { return Authentication::None };
    // REQ: VRRP2A-AH-08
    if version == Version::V3 {
        let headline = "version 3 has no authentication";
        let span = said.span.unwrap_or(kind.span);
        diagnostics.push(Diagnostic::new(Code::AuthenticationIgnored, headline, span, "this is ignored"));
        return Authentication::None;
    }
    if said.password.is_none() {
        let headline = "authentication without a password";
        diagnostics.push(Diagnostic::new(Code::NoPassword, headline, kind.span, "the password is empty"));
    }
    let password = said.password.clone().unwrap_or_else(|| standfast_model::Password::truncating(b""));
    match kind.value {
        AuthType::Pass => Authentication::Pass(password),
        AuthType::Ah => Authentication::Ah(password),
    }
}

/// The addresses of a list, each once, of one family.
fn addresses(
    written: &[Spanned<VirtualAddress>],
    family: Option<Family>,
    seen: &mut BTreeMap<IpAddr, Span>,
    diagnostics: &mut Diagnostics,
) -> Vec<VirtualAddress> {
    let mut kept = Vec::new();
    for one in written {
        let net = one.value.address;
        if family.is_some_and(|family| family != Family::from(net.addr())) {
            let headline = format!("{} is of another family than the instance", net.addr());
            let diagnostic = Diagnostic::new(Code::FamilyMismatch, headline, one.span, "this address is ignored");
            diagnostics.push(match written.first() {
                Some(first) => diagnostic.and(first.span, "the first address decides"),
                None => diagnostic,
            });
        } else if let Some(first) = seen.get(&net.addr()) {
            let headline = format!("{} is listed twice", net.addr());
            let diagnostic = Diagnostic::new(Code::DuplicateAddress, headline, one.span, "this one is ignored");
            diagnostics.push(diagnostic.and(*first, "first listed here"));
        } else {
            seen.insert(net.addr(), one.span);
            kept.push(one.value.clone());
        }
    }
    kept
}

fn no_addresses(draft: &InstanceDraft, version: Version, diagnostics: &mut Diagnostics) {
    // That its addresses are none has been told, unless it stops a start.
    if draft.bad_address && version == Version::V2 {
        return;
    }
    let headline = format!("instance `{}` has no virtual_ipaddress", draft.name);
    let (class, label) = match version {
        Version::V2 => (Code::NoAddresses.class(), "it serves nothing"),
        Version::V3 => (Class::Fatal, "version 3 requires one"),
    };
    diagnostics.push(Diagnostic::new(Code::NoAddresses, headline, draft.head, label).class(class));
}

fn preempt(draft: &InstanceDraft, state: InitialState, diagnostics: &mut Diagnostics) -> Preempt {
    let mut never = draft.nopreempt;
    if let (Some(span), InitialState::Master) = (never, state) {
        let headline = "nopreempt does nothing with state MASTER";
        let mut diagnostic = Diagnostic::new(Code::MasterWithNopreempt, headline, span, "this is ignored");
        if let Some(state) = draft.state {
            diagnostic = diagnostic.and(state.span, "an instance that starts as MASTER takes over");
        }
        diagnostics.push(diagnostic.help("write state BACKUP on both routers"));
        never = None;
    }
    let Some(delay) = draft.preempt_delay.filter(|d| !d.value.is_zero()) else {
        return if never.is_some() { Preempt::Never } else { Preempt::After(Duration::ZERO) };
    };
    let mut ignored = |headline: &str| {
        diagnostics.push(Diagnostic::new(Code::PreemptDelayIgnored, headline, delay.span, "this is ignored"));
    };
    if never.is_some() {
        ignored("preempt_delay does nothing with nopreempt");
        return Preempt::Never;
    }
    if state == InitialState::Master {
        ignored("preempt_delay does nothing with state MASTER");
        return Preempt::After(Duration::ZERO);
    }
    Preempt::After(delay.value)
}

/// What the instance says, else what `global_defs` says, else the defaults; `vrrp_min_garp` changes the defaults.
fn garp(own: GarpDraft, global: &GlobalDraft) -> Garp {
    let all = global.garp;
    let mut default = Garp::default();
    if global.min_garp {
        default.master_delay = Duration::ZERO;
        default.master_repeat = 1;
        default.master_refresh = Duration::ZERO;
        default.master_refresh_repeat = 1;
    }
    let master_delay = all.master_delay.unwrap_or(default.master_delay);
    let master_repeat = all.master_repeat.unwrap_or(default.master_repeat);
    let refresh_repeat = own.master_refresh_repeat.or(all.master_refresh_repeat);
    Garp {
        master_delay: own.master_delay.unwrap_or(master_delay),
        master_repeat: own.master_repeat.unwrap_or(master_repeat),
        master_refresh: own.master_refresh.or(all.master_refresh).unwrap_or(default.master_refresh),
        master_refresh_repeat: refresh_repeat.unwrap_or(default.master_refresh_repeat),
        lower_prio_delay: own.lower_prio_delay.or(all.lower_prio_delay).unwrap_or(master_delay),
        lower_prio_repeat: own.lower_prio_repeat.or(all.lower_prio_repeat).unwrap_or(master_repeat),
    }
}

fn source(draft: &InstanceDraft, family: Family, diagnostics: &mut Diagnostics) -> Option<IpAddr> {
    let source = draft.options.unicast_source.filter(|_| !draft.options.peers.is_empty()).or(draft.source)?;
    if Family::from(source.value) == family {
        return Some(source.value);
    }
    let headline = format!("{} is of another family than the instance", source.value);
    let diagnostic = Diagnostic::new(Code::FamilyMismatch, headline, source.span, "this is ignored");
    diagnostics.push(match draft.addresses.first() {
        Some(first) => diagnostic.and(first.span, "the first address decides"),
        None => diagnostic,
    });
    None
}

fn tracked(
    written: &[Spanned<TrackedInterface>],
    own: Option<&InterfaceName>,
    diagnostics: &mut Diagnostics,
) -> Vec<TrackedInterface> {
    let mut seen: BTreeMap<&InterfaceName, Span> = BTreeMap::new();
    let mut kept = Vec::new();
    for one in written {
        let name = &one.value.interface;
        if own == Some(name) {
            let headline = format!("`{name}` is the instance's own interface");
            diagnostics.push(Diagnostic::new(Code::TracksItself, headline, one.span, "this entry is ignored"));
        } else if let Some(first) = seen.get(name) {
            let headline = format!("`{name}` is tracked twice");
            let diagnostic = Diagnostic::new(Code::Repeated, headline, one.span, "this entry is ignored");
            diagnostics.push(diagnostic.and(*first, "this one counts"));
        } else {
            seen.insert(name, one.span);
            kept.push(one.value.clone());
        }
    }
    kept
}

fn duplicate_vrids(
    drafts: &[InstanceDraft],
    instances: &[Instance],
    places: &BTreeMap<usize, InstanceId>,
    diagnostics: &mut Diagnostics,
) {
    let mut seen: BTreeMap<(&InterfaceName, bool, Vrid), &InstanceDraft> = BTreeMap::new();
    for (at, id) in places {
        let (Some(draft), Some(instance)) = (drafts.get(*at), instances.get(id.0 as usize)) else { continue };
        let key = (&instance.interface, instance.family == Family::Inet, instance.vrid);
        match seen.get(&key) {
            Some(first) => {
                let headline = format!("virtual_router_id {} is used twice on `{}`", instance.vrid, instance.interface);
                let place = |draft: &InstanceDraft| draft.vrid.map_or(draft.head, |v| v.span);
                let label = format!("in instance `{}`", draft.name);
                let diagnostic = Diagnostic::new(Code::DuplicateVrid, headline, place(draft), label);
                let diagnostic = diagnostic.and(place(first), format!("and in instance `{}`", first.name));
                diagnostics.push(diagnostic.help("give each instance a number of its own"));
            }
            None => _ = seen.insert(key, draft),
        }
    }
}

/// An address that two instances would hold. keepalived does not look for it.
fn shared_addresses(drafts: &[InstanceDraft], diagnostics: &mut Diagnostics) {
    let mut seen: BTreeMap<IpAddr, (usize, Span)> = BTreeMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        for one in draft.addresses.iter().chain(&draft.excluded) {
            let address = one.value.address.addr();
            match seen.get(&address) {
                Some((first, _)) if *first == at => {}
                Some((first, span)) => {
                    let headline = format!("{address} is on two instances");
                    let label = format!("in instance `{}`", draft.name);
                    let diagnostic = Diagnostic::new(Code::SharedAddress, headline, one.span, label);
                    let other = drafts.get(*first).map_or("", |d| d.name.as_str());
                    diagnostics.push(diagnostic.and(*span, format!("and in instance `{other}`")));
                }
                None => _ = seen.insert(address, (at, one.span)),
            }
        }
    }
}
