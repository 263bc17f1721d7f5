//! `nftables_ipvs`: the services of a group are one mark, which nftables sets on their packets.
//!
//! It owns which groups that concerns and the numbers in their order. What a reload leaves as it was is `lvs`'s.

use super::Surroundings;
use crate::lower::server::{ServerDraft, ServiceName};
use crate::lower::service_group::Services;
use standfast_model::config::lvs::{MarkedAddresses, VirtualServer};
use standfast_model::ipvs::{Family, Protocol, ServiceKey};
use std::collections::BTreeSet;

/// The addresses of a virtual server that goes by a mark; none of one that does not. As in keepalived a group that has
/// marks of its own keeps its services as they are.
pub(super) fn addresses(draft: &ServerDraft, key: ServiceKey, around: &Surroundings<'_, '_>) -> Vec<MarkedAddresses> {
    let protocol = match key {
        ServiceKey::Address { protocol, .. } if around.common.nftables.is_some() => protocol,
        ServiceKey::Address { .. } | ServiceKey::FirewallMark { .. } => return Vec::new(),
    };
    let ServiceName::Group(name) = &draft.name else { return Vec::new() };
    let Some((_, services)) = around.draft.service_groups.get(name) else { return Vec::new() };
    let entries: Option<Vec<MarkedAddresses>> = services.iter().map(|entry| of_entry(entry, protocol)).collect();
    entries.unwrap_or_default()
}

fn of_entry(entry: &Services, protocol: Protocol) -> Option<MarkedAddresses> {
    match *entry {
        Services::Addresses { first, last, port, .. } => Some(MarkedAddresses { first, last, port, protocol }),
        Services::Mark { .. } => None,
    }
}

/// Numbers the marks in the order of the file, those left out that the file gives to services itself.
pub(super) fn give(servers: &mut [VirtualServer], first: u32) {
    let others =
        |server: &VirtualServer| server.options.group.iter().flat_map(|g| g.others.clone()).collect::<Vec<_>>();
    let written: BTreeSet<u32> = servers
        .iter()
        .flat_map(|server| core::iter::once(server.key).chain(others(server)))
        .filter_map(|key| match key {
            ServiceKey::FirewallMark { mark, .. } => Some(mark),
            ServiceKey::Address { .. } => None,
        })
        .collect();
    let mut free = (first..=u32::MAX).chain(1..first).filter(|mark| !written.contains(mark));
    for server in servers {
        let Some(group) = &mut server.options.group else { continue };
        if group.marked.is_empty() {
            continue;
        }
        // There are no more services than there are marks.
        let Some(mark) = free.next() else { return };
        let of = |family| ServiceKey::FirewallMark { mark, family };
        let families: BTreeSet<Family> = group.marked.iter().map(|addresses| Family::from(addresses.first)).collect();
        let own = server.key.family();
        group.others = families.into_iter().filter(|family| *family != own).map(of).collect();
        server.key = of(own);
    }
}
