//! Connections of the kernel's load balancer, as `/proc/net/ip_vs` tells anyone who asks, and how they went.
//!
//! The text is the kernel's; what cannot be read in it is left out.

use crate::report::Connections;
use standfast_model::ipvs::{DestinationKey, Family, Protocol, ServiceKey};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

/// How often connections are looked at.
pub const SAMPLE_EVERY_MS: u64 = 10_000;

/// How many of these are kept: a quarter of an hour.
pub const SAMPLES: usize = 90;

/// Virtual servers whose samples are kept: 360 octets each.
pub const MAX_SERVICES: usize = 5000;

/// The connections of one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    services: BTreeMap<ServiceKey, BTreeMap<DestinationKey, Connections>>,
}

impl Traffic {
    /// Reads the kernel's table.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut services: BTreeMap<ServiceKey, BTreeMap<DestinationKey, Connections>> = BTreeMap::new();
        let mut current = None;
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("->") => {
                    let found = current.and_then(|key| services.get_mut(&key)).zip(destination(words));
                    if let Some((servers, (server, connections))) = found {
                        servers.insert(server, connections);
                    }
                }
                Some(kind) => {
                    current = words.next().and_then(|name| service(kind, name));
                    if let Some(key) = current {
                        services.insert(key, BTreeMap::new());
                    }
                }
                None => {}
            }
        }
        Self { services }
    }

    /// Those of a virtual server; none if the kernel does not have it.
    #[must_use]
    pub fn of_service(&self, key: &ServiceKey) -> Option<Connections> {
        let servers = self.services.get(key)?;
        Some(servers.values().fold(Connections::default(), |sum, one| Connections {
            active: sum.active.saturating_add(one.active),
            inactive: sum.inactive.saturating_add(one.inactive),
        }))
    }

    /// Those of a real server; none if the kernel does not have it.
    #[must_use]
    pub fn of_server(&self, key: &ServiceKey, server: &DestinationKey) -> Option<Connections> {
        self.services.get(key)?.get(server).copied()
    }
}

/// `TCP C0000201:0050`, `TCP [2001:0db8:...]:0050`, `FWM 00000007`.
fn service(kind: &str, name: &str) -> Option<ServiceKey> {
    let protocol = match kind {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "SCTP" => Protocol::Sctp,
        "FWM" => {
            let mark = u32::from_str_radix(name, 16).ok().filter(|mark| *mark != 0)?;
            // The kernel does not say of which family it is.
            return Some(ServiceKey::FirewallMark { mark, family: Family::Inet });
        }
        _ => return None,
    };
    let (address, port) = place(name)?;
    Some(ServiceKey::Address { address, port, protocol })
}

fn place(name: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = name.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address = match address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => IpAddr::V6(address.parse().ok()?),
        None => IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?)),
    };
    Some((address, port))
}

/// `0A000001:0050 Masq 1 5 7`: place, method, weight, active, inactive.
fn destination<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<(DestinationKey, Connections)> {
    let (address, port) = place(words.next()?)?;
    let mut numbers = words.skip(2).map(str::parse);
    let (active, inactive) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some((DestinationKey { address, port }, Connections { active, inactive }))
}

/// How the established connections of each virtual server went.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Samples {
    services: BTreeMap<String, VecDeque<u64>>,
}

impl Samples {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { services: BTreeMap::new() }
    }

    /// Takes in those of a moment; what is not named any more is forgotten.
    pub fn add<'a>(&mut self, now: impl Iterator<Item = (&'a str, u64)>) {
        let mut services = BTreeMap::new();
        for (name, active) in now.take(MAX_SERVICES) {
            let mut samples = self.services.remove(name).unwrap_or_default();
            if samples.len() >= SAMPLES {
                samples.pop_front();
            }
            samples.push_back(active);
            services.insert(name.to_owned(), samples);
        }
        self.services = services;
    }

    /// Those of a virtual server, oldest first.
    pub fn of(&self, name: &str) -> impl Iterator<Item = u64> {
        self.services.get(name).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "IP Virtual Server version 1.2.1 (size=4096)\n\
        Prot LocalAddress:Port Scheduler Flags\n  \
          -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n\
        TCP  C0000201:0050 wrr persistent 50\n  \
          -> 0A000002:0050      Masq    3      12         40        \n  \
          -> 0A000001:0050      Route   1      3          0         \n\
        TCP  [2001:0db8:0000:0000:0000:0000:0000:0001]:01BB rr\n  \
          -> [2001:0db8:0000:0000:0000:0000:0000:0002]:01BB      Tunnel  1      7          1         \n\
        FWM  00000007 rr\n\
        UDP  C0000201:0035 rr ops\n";

    fn key(name: &str, port: u16, protocol: Protocol) -> ServiceKey {
        ServiceKey::Address { address: name.parse().unwrap(), port, protocol }
    }

    #[test]
    fn the_kernels_table_is_read_with_its_hexadecimal_places() {
        let traffic = Traffic::read(TABLE);
        let web = key("192.0.2.1", 80, Protocol::Tcp);
        assert_eq!(traffic.of_service(&web), Some(Connections { active: 15, inactive: 40 }));
        let one = DestinationKey { address: "10.0.0.1".parse().unwrap(), port: 80 };
        assert_eq!(traffic.of_server(&web, &one), Some(Connections { active: 3, inactive: 0 }));
        let six = key("2001:db8::1", 443, Protocol::Tcp);
        assert_eq!(traffic.of_service(&six), Some(Connections { active: 7, inactive: 1 }));
        let mark = ServiceKey::FirewallMark { mark: 7, family: Family::Inet };
        assert_eq!(traffic.of_service(&mark), Some(Connections::default()));
        assert_eq!(traffic.of_service(&key("192.0.2.9", 80, Protocol::Tcp)), None);
    }

    #[test]
    fn whatever_is_in_the_table_is_read_as_far_as_it_makes_sense() {
        for cut in 0..TABLE.len() {
            let _ = (Traffic::read(&TABLE[cut..]), Traffic::read(&TABLE[..cut]));
        }
        assert_eq!(Traffic::read("  -> 0A000002:0050 Masq 3 12 40\nTCP xyz\nTCP :\nFWM 0\n"), Traffic::default());
    }

    #[test]
    fn samples_are_the_last_ones_of_what_is_still_there() {
        let mut samples = Samples::default();
        for value in 0..200 {
            samples.add([("a", value), ("b", 1)].into_iter());
        }
        assert_eq!(samples.of("a").count(), SAMPLES);
        assert_eq!(samples.of("a").last(), Some(199));
        samples.add([("a", 5)].into_iter());
        assert_eq!(samples.of("b").count(), 0);
    }
}
