//! Firewall marks for the services of groups (`nftables_ipvs`): which group has which mark, and which packets get it.
//!
//! It owns the numbers and what the packet filter's table should say. It writes no table, and knows no state of a pool.

use serde::{Deserialize, Serialize};
use standfast_model::config::lvs::{LvsCommon, MarkedAddresses, VirtualServer};
use standfast_model::ipvs::{Family, Protocol, ServiceKey};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whose a mark is: the group of a virtual server by its name, and the family and transport that it serves.
type Owner = (String, Family, Option<Protocol>);

/// The marks that were given out. Groups keep theirs through reloads, because what the kernel knows of clients that
/// stay with their server goes by the mark; a number is not used again.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Marks {
    /// `nftables_ipvs_start_fwmark` when they were given out.
    first: u32,
    next: u32,
    given: BTreeMap<Owner, u32>,
}

impl Marks {
    /// Gives each virtual server that goes by a mark the one it had before, or a new one. `written` are the marks that
    /// the configuration writes itself.
    pub(crate) fn settle<'a>(
        &mut self,
        common: &LvsCommon,
        written: &BTreeSet<u32>,
        servers: impl Iterator<Item = &'a mut VirtualServer>,
    ) {
        let first = common.nftables.as_ref().map_or(0, |nftables| nftables.first_mark);
        if first != self.first {
            *self = Self { first, next: first, given: BTreeMap::new() };
        }
        let before = core::mem::take(&mut self.given);
        for server in servers.filter(|server| is_marked(server)) {
            let Some(owner) = owner(server) else { continue };
            let known = before.get(&owner).filter(|mark| !written.contains(mark)).copied();
            let mark = known.unwrap_or_else(|| self.draw(written));
            server.set_mark(mark);
            self.given.insert(owner, mark);
        }
    }

    /// A mark that nobody has or had; those that the configuration writes itself are left out.
    fn draw(&mut self, written: &BTreeSet<u32>) -> u32 {
        // A configuration cannot write all of four thousand million.
        while self.next == 0 || written.contains(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let mark = self.next;
        self.next = self.next.wrapping_add(1);
        mark
    }
}

/// The marks that virtual servers have of the configuration itself.
pub(crate) fn written<'a>(servers: impl Iterator<Item = &'a VirtualServer>) -> BTreeSet<u32> {
    servers.filter(|server| !is_marked(server)).flat_map(marks_of).collect()
}

/// Whether a virtual server goes by a mark that is given to it here.
pub(crate) fn is_marked(server: &VirtualServer) -> bool {
    server.options.group.as_ref().is_some_and(|group| !group.marked.is_empty())
}

fn owner(server: &VirtualServer) -> Option<Owner> {
    let group = server.options.group.as_ref()?;
    Some((group.name.clone(), server.key.family(), group.marked.first().map(|addresses| addresses.protocol)))
}

fn marks_of(server: &VirtualServer) -> impl Iterator<Item = u32> {
    crate::pool::keys_of(server).filter_map(|key| match key {
        ServiceKey::FirewallMark { mark, .. } => Some(mark),
        ServiceKey::Address { .. } => None,
    })
}

/// What our table of the packet filter should say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Marking {
    /// `nftables_ipvs`: its name.
    pub table: String,
    /// `nftables_ipvs_priority` of its chain.
    pub priority: i32,
    /// `nftables_counters`
    pub counters: bool,
    /// Which packets get which mark. No two of the same transport, family and port meet in an address.
    pub marked: Vec<Marked>,
}

/// Packets that get a mark.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Marked {
    /// Of this transport.
    pub protocol: Protocol,
    /// To this port; none: to every port that no other of these names for the address.
    pub port: Option<u16>,
    /// To addresses from this one
    pub first: IpAddr,
    /// to this one, of the same family.
    pub last: IpAddr,
    /// The mark.
    pub mark: u32,
}

/// The marking for a configuration; none if no packet is to be marked.
pub(crate) fn marking<'a>(common: &LvsCommon, servers: impl Iterator<Item = &'a VirtualServer>) -> Option<Marking> {
    let nftables = common.nftables.as_ref()?;
    let mut ground = Ground::default();
    for server in servers {
        let Some(group) = &server.options.group else { continue };
        let Some(mark) = marks_of(server).next() else { continue };
        group.marked.iter().for_each(|addresses| ground.take(addresses, mark));
    }
    let marked = ground.marked();
    (!marked.is_empty()).then(|| Marking {
        table: nftables.table.clone(),
        priority: nftables.priority,
        counters: nftables.counters,
        marked,
    })
}

/// Addresses as numbers: the first of a range, with its last and its mark.
type Ranges = BTreeMap<u128, (u128, u32)>;

/// Who has which addresses: the first who asks, as the kernel's table has each service once.
#[derive(Debug, Default)]
struct Ground(BTreeMap<(Protocol, Family, u16), Ranges>);

impl Ground {
    fn take(&mut self, addresses: &MarkedAddresses, mark: u32) {
        let family = Family::from(addresses.first);
        let ranges = self.0.entry((addresses.protocol, family, addresses.port)).or_default();
        let (mut from, last) = (number(addresses.first), number(addresses.last));
        // What lies between those that are taken is free.
        let mut free = Vec::new();
        let before = ranges.range(..from).next_back().filter(|(_, (end, _))| *end >= from);
        if let Some((_, (end, _))) = before {
            match end.checked_add(1) {
                Some(next) => from = next,
                None => return,
            }
        }
        if from > last {
            return;
        }
        for (begin, (end, _)) in ranges.range(from..=last) {
            if *begin > from {
                free.push((from, *begin - 1));
            }
            match end.checked_add(1) {
                Some(next) => from = next,
                None => return ranges.extend(free.into_iter().map(|(first, last)| (first, (last, mark)))),
            }
        }
        if from <= last {
            free.push((from, last));
        }
        ranges.extend(free.into_iter().map(|(first, last)| (first, (last, mark))));
    }

    fn marked(self) -> Vec<Marked> {
        let of = |((protocol, family, port), ranges): ((Protocol, Family, u16), Ranges)| {
            ranges.into_iter().map(move |(first, (last, mark))| Marked {
                protocol,
                port: (port != 0).then_some(port),
                first: address(family, first),
                last: address(family, last),
                mark,
            })
        };
        self.0.into_iter().flat_map(of).collect()
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn address(family: Family, number: u128) -> IpAddr {
    match family {
        // It came from 32 bits.
        Family::Inet => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))),
        Family::Inet6 => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(first: &str, last: &str, port: u16) -> MarkedAddresses {
        MarkedAddresses { first: first.parse().unwrap(), last: last.parse().unwrap(), port, protocol: Protocol::Tcp }
    }

    fn shown(ground: Ground) -> Vec<String> {
        let one = |m: Marked| format!("{}-{} {:?} {}", m.first, m.last, m.port, m.mark);
        ground.marked().into_iter().map(one).collect()
    }

    #[test]
    fn an_address_that_two_name_is_the_first_ones_and_the_rest_of_a_range_is_not_lost() {
        let mut ground = Ground::default();
        ground.take(&range("192.0.2.10", "192.0.2.12", 80), 1);
        ground.take(&range("192.0.2.20", "192.0.2.20", 80), 2);
        ground.take(&range("192.0.2.8", "192.0.2.22", 80), 3);
        ground.take(&range("192.0.2.11", "192.0.2.12", 80), 4);
        // Another port is other ground, and so is every port.
        ground.take(&range("192.0.2.10", "192.0.2.10", 443), 5);
        ground.take(&range("192.0.2.10", "192.0.2.10", 0), 6);
        ground.take(&range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 80), 7);
        ground.take(&range("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 80), 8);
        assert_eq!(
            shown(ground),
            [
                "192.0.2.10-192.0.2.10 None 6",
                "192.0.2.8-192.0.2.9 Some(80) 3",
                "192.0.2.10-192.0.2.12 Some(80) 1",
                "192.0.2.13-192.0.2.19 Some(80) 3",
                "192.0.2.20-192.0.2.20 Some(80) 2",
                "192.0.2.21-192.0.2.22 Some(80) 3",
                "192.0.2.10-192.0.2.10 Some(443) 5",
                "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff Some(80) 7",
            ]
        );
    }

    proptest! {
        #[test]
        fn every_address_has_the_mark_of_the_first_range_that_holds_it(
            ranges in prop::collection::vec((0..=255_u8, 0..=255_u8), 1..12),
        ) {
            let of = |host: u8| IpAddr::from([10, 0, 0, host]);
            let mut ground = Ground::default();
            for (mark, (a, b)) in (1_u32..).zip(&ranges) {
                let (first, last) = (of(*a.min(b)), of(*a.max(b)));
                ground.take(&MarkedAddresses { first, last, port: 80, protocol: Protocol::Udp }, mark);
            }
            let marked = ground.marked();
            for host in 0..=255_u8 {
                let expected = (1_u32..).zip(&ranges).find(|(_, (a, b))| (*a.min(b)..=*a.max(b)).contains(&host));
                let found: Vec<u32> =
                    marked.iter().filter(|m| m.first <= of(host) && of(host) <= m.last).map(|m| m.mark).collect();
                prop_assert_eq!(found, expected.map(|(mark, _)| mark).into_iter().collect::<Vec<u32>>(), "{}", host);
            }
        }
    }
}
