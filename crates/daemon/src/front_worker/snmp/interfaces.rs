//! The network interfaces of this host, as anyone may read them.

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use standfast_mib::Interfaces;
use std::net::IpAddr;
use tracing::debug;

/// Reads them; none if that cannot be had.
pub(super) fn read() -> Interfaces {
    let mut found = Interfaces::new();
    let entries = match getifaddrs() {
        Ok(entries) => entries,
        Err(error) => {
            debug!("interfaces cannot be read: {error}");
            return found;
        }
    };
    for entry in entries {
        let interface = found.entry(entry.interface_name.clone()).or_default();
        if interface.index == 0 {
            interface.index = if_nametoindex(entry.interface_name.as_str()).unwrap_or(0);
        }
        let Some(address) = entry.address else { continue };
        if let Some(link) = address.as_link_addr() {
            interface.hardware = link.addr();
        } else if let Some(v4) = address.as_sockaddr_in() {
            interface.addresses.push(IpAddr::V4(v4.ip()));
        } else if let Some(v6) = address.as_sockaddr_in6() {
            interface.addresses.push(IpAddr::V6(v6.ip()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_loopback_is_found_with_its_number() {
        let found = read();
        let loopback = found.get("lo").unwrap();
        assert_eq!(loopback.index, 1);
        assert_eq!(loopback.addresses.first(), Some(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
