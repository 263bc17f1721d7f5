//! A table as `ipvsadm -Ln` prints it, and what it has counted as `ipvsadm -Ln --stats --exact` does, column for column, so that what reads the one reads the other.
//!
//! It owns the text and nothing else. Checked against ipvsadm 1.31.

use crate::table::{Entry, Table};
use core::fmt;
use standfast_model::ipvs::{Destination, DestinationKey, Family, Service, ServiceKey};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// What the kernel's IPVS says of itself (`IPVS_CMD_GET_INFO`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Information {
    /// Major, minor and patch version of IPVS.
    pub version: [u8; 3],
    /// Buckets of the connection table.
    pub connection_table_size: u32,
}

impl Default for Information {
    /// What Linux answers with the module's default parameters (seen on 6.1).
    fn default() -> Self {
        Self { version: [1, 2, 1], connection_table_size: 4096 }
    }
}

/// Connections of one destination at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Connections {
    /// Established ones (`ActiveConn`).
    pub active: u32,
    /// All others, which includes those of UDP (`InActConn`).
    pub inactive: u32,
    /// Persistence templates (`ipvsadm -L --persistent-conn`).
    pub persistent: u32,
}

/// Connections of every destination of a table. It is kept beside the table and not in it: a table is compared, and
/// a count that moves is no difference.
pub type Activity = BTreeMap<(ServiceKey, DestinationKey), Connections>;

/// Displays a table as `ipvsadm -Ln` does, with a newline behind each line.
///
/// Services are in ipvsadm's order: IPv4 before IPv6 before firewall marks, then by transport, address and port. (Where
/// ipvsadm's comparison of IPv4 addresses overflows, and puts 192.0.2.1 before 9.0.0.1, this one does not.)
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    table: &'a Table,
    information: Information,
    activity: Option<&'a Activity>,
}

impl<'a> Listing<'a> {
    /// The table with every connection count 0 and the usual first line.
    #[must_use]
    pub fn new(table: &'a Table) -> Self {
        Self { table, information: Information::default(), activity: None }
    }

    /// With the kernel's own version and size in the first line.
    #[must_use]
    pub fn with_information(self, information: Information) -> Self {
        Self { information, ..self }
    }

    /// With connection counts; a destination that is not in them shows 0.
    #[must_use]
    pub fn with_activity(self, activity: &'a Activity) -> Self {
        Self { activity: Some(activity), ..self }
    }

    fn connections(&self, service: ServiceKey, destination: DestinationKey) -> Connections {
        self.activity.and_then(|activity| activity.get(&(service, destination))).copied().unwrap_or_default()
    }
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.information)?;
        writeln!(f, "Prot LocalAddress:Port Scheduler Flags")?;
        writeln!(f, "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn")?;
        for entry in in_order(self.table) {
            service(f, &entry.service)?;
            for row in &entry.destinations {
                destination(f, row, self.connections(entry.service.key, row.key))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Information {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version: [major, minor, patch], connection_table_size } = self;
        write!(f, "IP Virtual Server version {major}.{minor}.{patch} (size={connection_table_size})")
    }
}

/// What a service or one of its destinations has counted since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; 0 where replies do not come through the director.
    pub packets_out: u64,
    /// Octets from clients.
    pub bytes_in: u64,
    /// Octets to clients.
    pub bytes_out: u64,
}

/// Displays what a table has counted as `ipvsadm -Ln --stats --exact` does, in the order of [`Listing`].
#[derive(Clone, Copy)]
pub struct Statistics<'a> {
    /// The table.
    pub table: &'a Table,
    /// For the first line.
    pub information: Information,
    /// What a service has counted, or a destination of it.
    pub counted: &'a dyn Fn(&ServiceKey, Option<&DestinationKey>) -> Counted,
}

impl fmt::Debug for Statistics<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statistics").field("table", self.table).finish_non_exhaustive()
    }
}

impl fmt::Display for Statistics<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.information)?;
        writeln!(f, "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes")?;
        writeln!(f, "  -> RemoteAddress:Port")?;
        for entry in in_order(self.table) {
            let key = &entry.service.key;
            write!(f, "{:<33}", key.to_string())?;
            counted(f, (self.counted)(key, None))?;
            for destination in entry.destinations.iter().map(|row| &row.key) {
                write!(f, "  -> {:<28}", destination.to_string())?;
                counted(f, (self.counted)(key, Some(destination)))?;
            }
        }
        Ok(())
    }
}

fn counted(f: &mut fmt::Formatter<'_>, counted: Counted) -> fmt::Result {
    let Counted { connections, packets_in, packets_out, bytes_in, bytes_out } = counted;
    writeln!(f, " {connections:>8} {packets_in:>8} {packets_out:>8} {bytes_in:>8} {bytes_out:>8}")
}

fn in_order(table: &Table) -> Vec<&Entry> {
    let mut entries: Vec<&Entry> = table.services.values().map(|entry| &**entry).collect();
    entries.sort_by_key(|entry| rank(entry.service.key));
    entries
}

/// Where ipvsadm sorts a service.
fn rank(key: ServiceKey) -> (bool, Family, u8, Option<IpAddr>, u32) {
    match key {
        ServiceKey::Address { address, port, protocol } => {
            (false, key.family(), protocol.get(), Some(address), u32::from(port))
        }
        ServiceKey::FirewallMark { mark, family } => (true, family, 0, None, mark),
    }
}

fn service(f: &mut fmt::Formatter<'_>, service: &Service) -> fmt::Result {
    write!(f, "{} {}", service.key, service.scheduler)?;
    flags(f, service)?;
    if let Some(persistence) = service.persistence {
        write!(f, " persistent {}", persistence.timeout_seconds)?;
        match (service.key.family(), persistence.granularity) {
            (Family::Inet, 32..) | (Family::Inet6, 128..) => {}
            (Family::Inet, length) => write!(f, " mask {}", netmask(length))?,
            (Family::Inet6, length) => write!(f, " mask {length}")?,
        }
    }
    if let Some(engine) = &service.persistence_engine {
        write!(f, " pe {engine}")?;
    }
    if service.one_packet {
        f.write_str(" ops")?;
    }
    writeln!(f)
}

/// The flags in brackets, under the names that the scheduler gives them; `sh` and `mh` have no third one.
fn flags(f: &mut fmt::Formatter<'_>, service: &Service) -> fmt::Result {
    let names = match service.scheduler.as_str() {
        "sh" => [Some("sh-fallback"), Some("sh-port"), None],
        "mh" => [Some("mh-fallback"), Some("mh-port"), None],
        _ => [Some("flag-1"), Some("flag-2"), Some("flag-3")],
    };
    let flags = [service.flags.first, service.flags.second, service.flags.third];
    let set: Vec<&str> = flags.into_iter().zip(names).filter_map(|(set, name)| name.filter(|_| set)).collect();
    if set.is_empty() { Ok(()) } else { write!(f, " ({})", set.join(",")) }
}

/// The netmask of a prefix length of 0 to 31.
fn netmask(length: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(length))).unwrap_or(0))
}

fn destination(f: &mut fmt::Formatter<'_>, row: &Destination, connections: Connections) -> fmt::Result {
    let Connections { active, inactive, persistent: _ } = connections;
    writeln!(f, "  -> {:<28} {:<7} {:<6} {active:<10} {inactive:<10}", row.key.to_string(), row.forwarding, row.weight)
}
