//! `standfast ipvs`: the kernel's table of virtual servers in the form of `ipvsadm -Ln`, without a daemon.

use standfast_kernel::ipvs::{Counters, Ipvs, Traffic, Version};
use standfast_lvs::{Connections, Counted, Information, Listing, Statistics};
use standfast_model::ipvs::{DestinationKey, ServiceKey};
use std::io::{self, Write as _};

/// Prints it; `stats`: what it has counted instead of how it is.
///
/// # Errors
///
/// Standard output is closed, or the table cannot be read.
pub fn run(stats: bool) -> io::Result<u8> {
    let mut ipvs = Ipvs::open().map_err(io::Error::other)?;
    let (table, counters) = ipvs.dump_with_counters().map_err(io::Error::other)?;
    let Version { major, minor, patch, connection_table_size } = ipvs.version();
    let information = Information { version: [major, minor, patch], connection_table_size };
    if stats {
        let counted = |service: &ServiceKey, server: Option<&DestinationKey>| counted(&counters, service, server);
        let statistics = Statistics { table: &table, information, counted: &counted }.to_string();
        io::stdout().write_all(statistics.as_bytes())?;
        return Ok(0);
    }
    let activity = counters.iter().flat_map(|(service, counted)| {
        counted.destinations.iter().map(|(server, counted)| {
            let connections = Connections {
                active: counted.active_connections,
                inactive: counted.inactive_connections,
                persistent: counted.persistent_connections,
            };
            ((*service, *server), connections)
        })
    });
    let activity = activity.collect();
    // In one piece, as every large answer: standard output would leave line by line.
    let listing = Listing::new(&table).with_information(information).with_activity(&activity).to_string();
    io::stdout().write_all(listing.as_bytes())?;
    Ok(0)
}

fn counted(counters: &Counters, service: &ServiceKey, server: Option<&DestinationKey>) -> Counted {
    let Some(service) = counters.get(service) else { return Counted::default() };
    let traffic = match server {
        Some(server) => service.destinations.get(server).map(|counted| counted.traffic),
        None => Some(service.traffic),
    };
    let Traffic { connections, packets_in, packets_out, bytes_in, bytes_out, .. } = traffic.unwrap_or_default();
    Counted { connections, packets_in, packets_out, bytes_in, bytes_out }
}
