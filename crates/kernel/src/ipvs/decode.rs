//! What IPVS answers, as rows of its table.
//!
//! A payload is what follows the netlink header. Whatever its octets are, the answer is a row or none.

use super::encode::family_number;
use super::names::{
    Command, CommandAttribute, DaemonAttribute, DestinationAttribute, InfoAttribute, ServiceAttribute,
    StatisticsAttribute, daemon_state, forwarding, service_flag, tunnel,
};
use super::{SyncState, Version};
use neli::attr::Attribute;
use neli::consts::genl::{CtrlAttr, CtrlCmd, NlAttrType};
use neli::genl::{GenlAttrHandle, Genlmsghdr};
use neli::types::Buffer;
use neli::{FromBytes, FromBytesWithInput, TypeSize};
use standfast_model::config::lvs::Timeouts;
use standfast_model::ipvs::{
    Destination, DestinationKey, Family, Forwarding, Persistence, Protocol, SchedulerFlags, Service, ServiceKey,
    Tunnel, TunnelChecksum,
};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::net::IpAddr;

/// What the kernel counted since the row was made, and how fast it counts at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
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
    /// Connections a second.
    pub connections_per_second: u64,
    /// Packets a second from clients.
    pub packets_in_per_second: u64,
    /// Packets a second to clients.
    pub packets_out_per_second: u64,
    /// Octets a second from clients.
    pub bytes_in_per_second: u64,
    /// Octets a second to clients.
    pub bytes_out_per_second: u64,
}

/// The counters of a service.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServiceCounters {
    /// Of the whole service.
    pub traffic: Traffic,
    /// Of its destinations.
    pub destinations: BTreeMap<DestinationKey, DestinationCounters>,
}

/// The counters of a destination of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DestinationCounters {
    /// Connections in a state in which data flows.
    pub active_connections: u32,
    /// Connections in any other state.
    pub inactive_connections: u32,
    /// Templates of persistence.
    pub persistent_connections: u32,
    /// Its part of the service's traffic.
    pub traffic: Traffic,
}

/// A generic netlink message with attributes of one kind.
fn parse<C, T>(payload: &[u8]) -> Option<Genlmsghdr<C, T>>
where
    Genlmsghdr<C, T>: FromBytesWithInput<Input = usize>,
{
    Genlmsghdr::from_bytes_with_input(&mut Cursor::new(payload), payload.len()).ok()
}

/// The value of an attribute that is exactly as long as its type.
fn value<T: NlAttrType, V: FromBytes + TypeSize>(attributes: &GenlAttrHandle<'_, T>, kind: T) -> Option<V> {
    let attribute = attributes.get_attribute(kind)?;
    if attribute.nla_payload().len() == V::type_size() { attribute.get_payload_as().ok() } else { None }
}

/// The octets of an attribute that has so many.
fn octets<T: NlAttrType, const N: usize>(attributes: &GenlAttrHandle<'_, T>, kind: T) -> Option<[u8; N]> {
    attributes.get_attribute(kind)?.nla_payload().as_ref().try_into().ok()
}

/// A text up to its NUL. neli's own way to a string panics on an attribute without octets.
fn text<T: NlAttrType>(attributes: &GenlAttrHandle<'_, T>, kind: T) -> Option<String> {
    let payload: &Buffer = attributes.get_attribute(kind)?.nla_payload();
    let octets: &[u8] = payload.as_ref();
    let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    core::str::from_utf8(octets.get(..end)?).ok().map(str::to_owned)
}

/// The number of the family, from the controller's answer.
pub(super) fn family(payload: &[u8]) -> Option<u16> {
    let message = parse::<CtrlCmd, CtrlAttr>(payload)?;
    value(&message.attrs().get_attr_handle(), CtrlAttr::FamilyId)
}

/// The answer to a question for the version.
#[must_use]
pub fn info(payload: &[u8]) -> Option<Version> {
    let message = parse::<Command, InfoAttribute>(payload)?;
    let attributes = message.attrs().get_attr_handle();
    let [_, major, minor, patch] = value::<_, u32>(&attributes, InfoAttribute::Version)?.to_be_bytes();
    let connection_table_size = value(&attributes, InfoAttribute::ConnectionTableSize)?;
    Some(Version { major, minor, patch, connection_table_size })
}

/// The answer to a question for the timeouts.
#[must_use]
pub fn timeouts(payload: &[u8]) -> Option<Timeouts> {
    let message = parse::<Command, CommandAttribute>(payload)?;
    let attributes = message.attrs().get_attr_handle();
    Some(Timeouts {
        tcp: value(&attributes, CommandAttribute::TimeoutTcp)?,
        tcp_fin: value(&attributes, CommandAttribute::TimeoutTcpFin)?,
        udp: value(&attributes, CommandAttribute::TimeoutUdp)?,
    })
}

/// A sync daemon from the payload of a message of a dump; none for what is no daemon.
#[must_use]
pub fn sync_daemon(payload: &[u8]) -> Option<SyncState> {
    let message = parse::<Command, CommandAttribute>(payload)?;
    let outer = message.attrs().get_attr_handle();
    let attributes = outer.get_nested_attributes::<DaemonAttribute>(CommandAttribute::Daemon).ok()?;
    let sends = match value::<_, u32>(&attributes, DaemonAttribute::State)? {
        daemon_state::MASTER => true,
        daemon_state::BACKUP => false,
        _ => return None,
    };
    let group4 = octets::<_, 4>(&attributes, DaemonAttribute::Group).map(IpAddr::from);
    Some(SyncState {
        sends,
        interface: text(&attributes, DaemonAttribute::Interface)?,
        id: u8::try_from(value::<_, u32>(&attributes, DaemonAttribute::SyncId)?).ok()?,
        max_length: value(&attributes, DaemonAttribute::MaxLength),
        port: value(&attributes, DaemonAttribute::Port),
        ttl: value(&attributes, DaemonAttribute::Ttl),
        group: group4.or_else(|| octets::<_, 16>(&attributes, DaemonAttribute::Group6).map(IpAddr::from)),
    })
}

/// A service and its traffic from the payload of a message of a dump.
///
/// None for what is no service, or one that the model has no word for.
#[must_use]
pub fn decode_service(payload: &[u8]) -> Option<(Service, Traffic)> {
    let message = parse::<Command, CommandAttribute>(payload)?;
    let outer = message.attrs().get_attr_handle();
    let attributes = outer.get_nested_attributes::<ServiceAttribute>(CommandAttribute::Service).ok()?;
    let key = service_key(&attributes)?;
    let [flags, _mask] = words(octets(&attributes, ServiceAttribute::Flags)?);
    let persistence = (flags & service_flag::PERSISTENT != 0).then_some(Persistence {
        timeout_seconds: value(&attributes, ServiceAttribute::Timeout)?,
        granularity: granularity(key.family(), octets(&attributes, ServiceAttribute::Netmask)?)?,
    });
    let service = Service {
        key,
        scheduler: text(&attributes, ServiceAttribute::SchedulerName)?.parse().ok()?,
        flags: SchedulerFlags {
            first: flags & service_flag::SCHEDULER_1 != 0,
            second: flags & service_flag::SCHEDULER_2 != 0,
            third: flags & service_flag::SCHEDULER_3 != 0,
        },
        persistence,
        one_packet: flags & service_flag::ONE_PACKET != 0,
        persistence_engine: text(&attributes, ServiceAttribute::PersistenceEngine),
    };
    Some((service, traffic(&attributes, [ServiceAttribute::Statistics64, ServiceAttribute::Statistics])))
}

/// Two host order words.
fn words([a, b, c, d, e, f, g, h]: [u8; 8]) -> [u32; 2] {
    [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
}

fn service_key(attributes: &GenlAttrHandle<'_, ServiceAttribute>) -> Option<ServiceKey> {
    let family = family_of(value(attributes, ServiceAttribute::AddressFamily)?)?;
    if let Some(mark) = value(attributes, ServiceAttribute::FirewallMark) {
        return Some(ServiceKey::FirewallMark { mark, family });
    }
    let number: u16 = value(attributes, ServiceAttribute::Protocol)?;
    let known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    Some(ServiceKey::Address {
        address: address(family, octets(attributes, ServiceAttribute::Address)?),
        port: u16::from_be_bytes(octets(attributes, ServiceAttribute::Port)?),
        protocol: known.into_iter().find(|protocol| u16::from(protocol.get()) == number)?,
    })
}

fn family_of(number: u16) -> Option<Family> {
    [Family::Inet, Family::Inet6].into_iter().find(|family| family_number(*family) == number)
}

fn address(family: Family, octets: [u8; 16]) -> IpAddr {
    let [a, b, c, d, ..] = octets;
    match family {
        Family::Inet => IpAddr::from([a, b, c, d]),
        Family::Inet6 => IpAddr::from(octets),
    }
}

/// How many bits a mask has. An IPv4 mask with holes, which `ipvsadm` can set, counts by its leading ones.
fn granularity(family: Family, mask: [u8; 4]) -> Option<u8> {
    match family {
        Family::Inet => u8::try_from(u32::from_be_bytes(mask).leading_ones()).ok(),
        Family::Inet6 => u8::try_from(u32::from_ne_bytes(mask)).ok().filter(|length| *length <= 128),
    }
}

/// A destination and its counters from the payload of a message of a dump.
///
/// `family` is that of the service, which older kernels take for granted. None for what is no destination, or one that
/// the model has no word for.
#[must_use]
pub fn decode_destination(payload: &[u8], family: Family) -> Option<(Destination, DestinationCounters)> {
    let message = parse::<Command, CommandAttribute>(payload)?;
    let outer = message.attrs().get_attr_handle();
    let attributes = outer.get_nested_attributes::<DestinationAttribute>(CommandAttribute::Destination).ok()?;
    let family = match value(&attributes, DestinationAttribute::AddressFamily) {
        Some(number) => family_of(number)?,
        None => family,
    };
    let number = |kind: DestinationAttribute| value::<_, u32>(&attributes, kind);
    let destination = Destination {
        key: DestinationKey {
            address: address(family, octets(&attributes, DestinationAttribute::Address)?),
            port: u16::from_be_bytes(octets(&attributes, DestinationAttribute::Port)?),
        },
        forwarding: forwarding_of(&attributes)?,
        weight: number(DestinationAttribute::Weight)?,
        upper_threshold: number(DestinationAttribute::UpperThreshold)?,
        lower_threshold: number(DestinationAttribute::LowerThreshold)?,
    };
    let counters = DestinationCounters {
        active_connections: number(DestinationAttribute::ActiveConnections).unwrap_or(0),
        inactive_connections: number(DestinationAttribute::InactiveConnections).unwrap_or(0),
        persistent_connections: number(DestinationAttribute::PersistentConnections).unwrap_or(0),
        traffic: traffic(&attributes, [DestinationAttribute::Statistics64, DestinationAttribute::Statistics]),
    };
    Some((destination, counters))
}

fn forwarding_of(attributes: &GenlAttrHandle<'_, DestinationAttribute>) -> Option<Forwarding> {
    match value::<_, u32>(attributes, DestinationAttribute::ForwardingMethod)? & forwarding::MASK {
        forwarding::MASQUERADE => Some(Forwarding::Nat),
        forwarding::LOCAL => Some(Forwarding::Local),
        forwarding::DIRECT_ROUTING => Some(Forwarding::DirectRouting),
        forwarding::TUNNEL => tunnel_of(attributes).map(Forwarding::Tunnel),
        _ => None,
    }
}

/// A kernel that knows no types wraps in IP.
fn tunnel_of(attributes: &GenlAttrHandle<'_, DestinationAttribute>) -> Option<Tunnel> {
    let flags: u16 = value(attributes, DestinationAttribute::TunnelFlags).unwrap_or(0);
    let checksum = if flags & tunnel::REMOTE_CHECKSUM != 0 {
        TunnelChecksum::Remote
    } else if flags & tunnel::CHECKSUM != 0 {
        TunnelChecksum::Checksum
    } else {
        TunnelChecksum::None
    };
    match value(attributes, DestinationAttribute::TunnelType).unwrap_or(tunnel::IPIP) {
        tunnel::IPIP => Some(Tunnel::Ipip),
        tunnel::GUE => {
            let port = u16::from_be_bytes(octets(attributes, DestinationAttribute::TunnelPort)?);
            Some(Tunnel::Gue { port, checksum })
        }
        tunnel::GRE => Some(Tunnel::Gre { checksum }),
        _ => None,
    }
}

/// The first of these that is there: a kernel before 4.1 has only the counters of 32 bits, and later ones send both.
fn traffic<T: NlAttrType>(attributes: &GenlAttrHandle<'_, T>, kinds: [T; 2]) -> Traffic {
    let mut found = kinds.into_iter().filter_map(|kind| attributes.get_nested_attributes(kind).ok());
    let Some(statistics) = found.next() else { return Traffic::default() };
    let count = |kind: StatisticsAttribute| {
        let narrow = || value::<_, u32>(&statistics, kind).map(u64::from);
        value::<_, u64>(&statistics, kind).or_else(narrow).unwrap_or(0)
    };
    Traffic {
        connections: count(StatisticsAttribute::Connections),
        packets_in: count(StatisticsAttribute::PacketsIn),
        packets_out: count(StatisticsAttribute::PacketsOut),
        bytes_in: count(StatisticsAttribute::BytesIn),
        bytes_out: count(StatisticsAttribute::BytesOut),
        connections_per_second: count(StatisticsAttribute::ConnectionsPerSecond),
        packets_in_per_second: count(StatisticsAttribute::PacketsInPerSecond),
        packets_out_per_second: count(StatisticsAttribute::PacketsOutPerSecond),
        bytes_in_per_second: count(StatisticsAttribute::BytesInPerSecond),
        bytes_out_per_second: count(StatisticsAttribute::BytesOutPerSecond),
    }
}
