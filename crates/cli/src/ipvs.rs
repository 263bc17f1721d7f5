//! `standfast ipvs`: the kernel's table of virtual servers in the form of `ipvsadm -Ln`, without a daemon.

use standfast_kernel::ipvs::{Ipvs, Version};
use standfast_lvs::{Information, Listing};
use standfast_model::ipvs::ServiceKey;
use std::io::{self, Write as _};

/// Prints it.
///
/// # Errors
///
/// Standard output is closed, or the table cannot be read.
pub fn run() -> io::Result<u8> {
    let mut ipvs = Ipvs::open().map_err(io::Error::other)?;
    let table = ipvs.dump().map_err(io::Error::other)?;
    let services: Vec<ServiceKey> = table.services.keys().copied().collect();
    let activity = ipvs.connections(&services).map_err(io::Error::other)?;
    let Version { major, minor, patch, connection_table_size } = ipvs.version();
    let information = Information { version: [major, minor, patch], connection_table_size };
    write!(io::stdout(), "{}", Listing::new(&table).with_information(information).with_activity(&activity))?;
    Ok(0)
}
