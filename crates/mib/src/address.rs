//! Addresses, prefixes and scopes as MIBs have them (RFC 4001).

use standfast_agentx::Value;
use std::net::{IpAddr, Ipv4Addr};

/// `InetAddressType`
pub(crate) fn kind(address: IpAddr) -> Value {
    Value::Integer(if address.is_ipv4() { 1 } else { 2 })
}

/// `InetAddress`
pub(crate) fn value(address: IpAddr) -> Value {
    match address {
        IpAddr::V4(address) => Value::Octets(address.octets().to_vec()),
        IpAddr::V6(address) => Value::Octets(address.octets().to_vec()),
    }
}

/// The octets as numbers of an index. keepalived leaves out the length that RFC 4001 puts before them, and so does
/// whoever reads it.
pub(crate) fn index(address: IpAddr) -> Vec<u32> {
    match address {
        IpAddr::V4(address) => address.octets().into_iter().map(u32::from).collect(),
        IpAddr::V6(address) => address.octets().into_iter().map(u32::from).collect(),
    }
}

/// `IpAddress`, 0.0.0.0 for what is none of IPv4.
pub(crate) fn v4(address: Option<IpAddr>) -> Value {
    match address {
        Some(IpAddr::V4(address)) => Value::IpAddress(address),
        Some(IpAddr::V6(_)) | None => Value::IpAddress(Ipv4Addr::UNSPECIFIED),
    }
}

/// `InetScopeType` of the kernel's number: global is 14, site 5, link 2, host 1.
pub(crate) const fn scope(number: u8) -> Value {
    Value::Integer(match number {
        0 => 14,
        200 => 5,
        253 => 2,
        254 => 1,
        _ => 0,
    })
}
