//! What instances say beyond election and addresses.

use super::Surroundings;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::link::witness;
use crate::lower::Spanned;
use crate::lower::group::GroupDraft;
use crate::lower::instance::{InstanceDraft, OptionsDraft};
use core::time::Duration;
use standfast_model::config::instance::{Device, Hmac, InstanceOptions, Peer, Peering, Unicast};
use standfast_model::config::vrrp::{Authentication, Instance};
use standfast_model::ipvs::Family;
use standfast_model::{InterfaceName, MacAddress};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The longest and the shortest `time_window` that an advertisement interval gives.
const WINDOW_SECONDS: core::ops::RangeInclusive<u64> = 5..=300;

pub(super) fn options(
    draft: &InstanceDraft,
    group: Option<&GroupDraft>,
    family: Family,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> InstanceOptions {
    let said = &draft.options;
    let whole = around.draft;
    let global = &whole.global;
    if let (Some(span), Family::Inet) = (said.native_ipv6, family) {
        let headline = "native_ipv6 in an instance with IPv4 addresses";
        diagnostics.push(Diagnostic::new(Code::VersionConflict, headline, span, "this is ignored"));
    }
    let peering = peering(draft, family, global.check_unicast_src, diagnostics);
    let device = device(draft, family, diagnostics);
    let Surroundings { scripts, trackers, common, .. } = around;
    let changes = said.notify_priority_changes.or(group.and_then(|g| g.notify_priority_changes));
    InstanceOptions {
        peering,
        device,
        vrf: vrf(draft, diagnostics),
        hmac: None,
        trackers: trackers.resolve(&said.trackers, common, scripts, diagnostics),
        track_source: track_source(draft, diagnostics),
        routes: said.routes.iter().map(|route| route.value.clone()).collect(),
        rules: said.rules.iter().map(|rule| rule.value.clone()).collect(),
        notify: scripts.notify(&said.notify, diagnostics),
        smtp_alert: said.smtp_alert.or(global.smtp_alert_vrrp).or(global.smtp_alert).unwrap_or(false),
        notify_priority_changes: changes.unwrap_or(global.notify_priority_changes),
        strict: said.strict.unwrap_or(global.strict),
        accept: said.accept.unwrap_or(true),
        skip_check_adv_addr: said.skip_check_adv_addr || global.skip_check_adv_addr,
        v3_checksum_as_v2: said.v3_checksum_as_v2.unwrap_or(global.v3_checksum_as_v2),
        old_unicast_checksum: said.old_checksum,
        owner_ignore_adverts: said.owner_ignore_adverts.unwrap_or(global.owner_ignore_adverts),
        promote_secondaries: said.promote_secondaries.is_some(),
        timer_expired_backup: said.timer_expired_backup,
        garp_extra_if: said.garp_extra_if.or(global.garp_extra_if),
        kernel_rx_buf_size: said.kernel_rx_buf_size,
        witness: witness::policy(said.witness.as_ref(), whole, common, diagnostics),
    }
}

/// Unicast if there are peers, or if there must be some; else multicast.
fn peering(draft: &InstanceDraft, family: Family, check: bool, diagnostics: &mut Diagnostics) -> Peering {
    let said = &draft.options;
    let peers = peers(draft, family, diagnostics);
    if !peers.is_empty() || (said.fault_no_peer && (said.peer_list.is_some() || said.unicast_source.is_some())) {
        if let Some(group) = said.multicast {
            let headline = "a unicast instance has no group";
            diagnostics.push(Diagnostic::new(Code::PeerIgnored, headline, group.span, "this is ignored"));
        }
        let ttl = said.unicast_ttl.map(|ttl| ttl.value);
        return Peering::Unicast(Unicast { peers, ttl, check_source: said.check_unicast_src || check });
    }
    let words =
        [said.unicast_source.map(|s| s.span), said.unicast_ttl.map(|t| t.span), said.peer_list, said.unicast_word];
    let place = words.into_iter().flatten().next();
    if let Some(span) = place {
        let headline = format!("instance `{}` has no unicast_peer", draft.name);
        let diagnostic = Diagnostic::new(Code::PeerIgnored, headline, span, "this needs peers: multicast is used");
        diagnostics.push(diagnostic.help("name the other routers in unicast_peer, or remove this"));
    }
    Peering::Multicast { group: group_address(said, family, diagnostics) }
}

fn group_address(said: &OptionsDraft, family: Family, diagnostics: &mut Diagnostics) -> Option<IpAddr> {
    let group = said.multicast?;
    let link_local = match group.value {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => address.octets().get(1).is_some_and(|scope| scope & 0x0f == 2),
    };
    if !group.value.is_multicast() || Family::from(group.value) != family || !link_local {
        let headline = format!("{} is no group for this instance", group.value);
        let label = "a multicast address of its family, for IPv6 of link-local scope, is wanted; this is ignored";
        diagnostics.push(Diagnostic::new(Code::InvalidAddress, headline, group.span, label));
        return None;
    }
    Some(group.value)
}

/// The peers, each once, of the instance's family.
fn peers(draft: &InstanceDraft, family: Family, diagnostics: &mut Diagnostics) -> Vec<Peer> {
    let mut seen = BTreeMap::new();
    let mut kept = Vec::new();
    for Spanned { value, span } in &draft.options.peers {
        if Family::from(value.address) != family {
            let headline = format!("{} is of another family than the instance", value.address);
            diagnostics.push(Diagnostic::new(Code::FamilyMismatch, headline, *span, "this peer is ignored"));
        } else if let Some(first) = seen.insert(value.address, *span) {
            let headline = format!("{} is listed twice", value.address);
            let diagnostic = Diagnostic::new(Code::DuplicateAddress, headline, *span, "this one is ignored");
            diagnostics.push(diagnostic.and(first, "first listed here"));
        } else {
            kept.push(*value);
        }
    }
    kept
}

/// A VRF has no address of its own, so there is nothing to lose.
fn track_source(draft: &InstanceDraft, diagnostics: &mut Diagnostics) -> bool {
    let said = &draft.options;
    match (&draft.interface, &said.vrf) {
        (None, Some(vrf)) if said.track_source => {
            let headline = format!("instance `{}` has no interface whose addresses it could track", draft.name);
            diagnostics.push(Diagnostic::new(Code::Adjusted, headline, vrf.span, "track_src_ip is ignored"));
            false
        }
        _ => said.track_source,
    }
}

/// A VRF is for an instance without an interface.
fn vrf(draft: &InstanceDraft, diagnostics: &mut Diagnostics) -> Option<InterfaceName> {
    let vrf = draft.options.vrf.as_ref()?;
    if let Some(interface) = &draft.interface {
        let headline = "an instance has an interface or a VRF, not both";
        let diagnostic = Diagnostic::new(Code::Adjusted, headline, vrf.span, "this is ignored");
        diagnostics.push(diagnostic.and(interface.span, "the interface"));
        return None;
    }
    Some(vrf.value.clone())
}

fn device(draft: &InstanceDraft, family: Family, diagnostics: &mut Diagnostics) -> Device {
    let said = &draft.options;
    if let (Some(_), Some(ipvlan)) = (&said.vmac, &said.ipvlan) {
        let headline = "an instance cannot have a VMAC and an ipvlan";
        diagnostics.push(Diagnostic::new(Code::Repeated, headline, ipvlan.span, "this is ignored"));
    }
    if let Some(vmac) = &said.vmac {
        let mut model = vmac.model.clone();
        if let (Some([a, b, c, d, e]), Some(vrid)) = (vmac.short, draft.vrid) {
            model.address = Some(MacAddress([a, b, c, d, e, vrid.value.get()]));
        }
        model.for_other_interfaces = said.vmac_addresses;
        // Unicast needs the interface's own address to be answered at.
        model.transmit_base = said.transmit_base || !said.peers.is_empty();
        if let Some(span) = said.promote_secondaries {
            let headline = "promote_secondaries is always set for VMACs";
            diagnostics.push(Diagnostic::new(Code::Repeated, headline, span, "this changes nothing"));
        }
        return Device::Vmac(model);
    }
    match &said.ipvlan {
        Some(ipvlan) => {
            if ipvlan.value.address.is_none() && family == Family::Inet {
                let headline = "an ipvlan needs an address to send from";
                let diagnostic = Diagnostic::new(Code::IpvlanAddress, headline, ipvlan.span, "none is given");
                diagnostics.push(diagnostic.help("write use_ipvlan NAME ADDRESS"));
            }
            Device::Ipvlan(ipvlan.value.clone())
        }
        None => Device::Interface,
    }
}

/// `auth_hmac`: running without it when it was asked for is no choice, so what makes it unusable is fatal.
pub(super) fn hmac(draft: &InstanceDraft, instance: &mut Instance, diagnostics: &mut Diagnostics) {
    let Some(said) = &draft.options.hmac else { return };
    let usable = said.active.filter(|active| said.keys.iter().any(|key| key.id == active.value));
    if said.active.is_some_and(|active| said.bad.contains(&active.value)) {
        return;
    }
    let Some(active) = usable else {
        let (headline, span) = match said.active {
            Some(active) => (format!("key {} is active and not defined", active.value), active.span),
            None => ("auth_hmac without an active key".to_owned(), said.head),
        };
        let diagnostic = Diagnostic::new(Code::InvalidKey, headline, span, "the instance could not sign anything");
        diagnostics.push(diagnostic.help("write key ID ... and active_key ID"));
        return;
    };
    if instance.authentication != Authentication::None {
        let headline = "auth_hmac replaces authentication";
        let span = draft.authentication.span.unwrap_or(said.head);
        let diagnostic = Diagnostic::new(Code::AuthenticationIgnored, headline, span, "this is ignored");
        diagnostics.push(diagnostic.and(said.head, "auth_hmac"));
        instance.authentication = Authentication::None;
    }
    let interval = instance.advert_interval.as_duration().as_secs().saturating_mul(3);
    let default = interval.clamp(*WINDOW_SECONDS.start(), *WINDOW_SECONDS.end());
    instance.options.hmac = Some(Hmac {
        keys: said.keys.clone(),
        active: active.value,
        time_window: said.time_window.unwrap_or(Duration::from_secs(default)),
        replay: said.replay,
        mode: if instance.options.strict { Default::default() } else { said.mode },
    });
}
