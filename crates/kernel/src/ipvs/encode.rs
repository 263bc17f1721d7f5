//! Requests to IPVS as octets.

use super::names::{
    Command, CommandAttribute, DaemonAttribute, DestinationAttribute, FAMILY, ServiceAttribute, VERSION, daemon_state,
    forwarding, service_flag, tunnel,
};
use crate::netlink::Refused;
use neli::consts::genl::{Cmd, CtrlAttr, CtrlCmd, NlAttrType};
use neli::consts::nl::NlmF;
use neli::genl::{AttrTypeBuilder, GenlmsghdrBuilder, Nlattr, NlattrBuilder};
use neli::nl::{NlPayload, NlmsghdrBuilder};
use neli::types::{Buffer, GenlBuffer};
use neli::{Size, ToBytes};
use standfast_lvs::{Operation, SyncRole};
use standfast_model::config::lvs::{SyncDaemon, Timeouts};
use standfast_model::ipvs::{
    Destination, DestinationKey, Family, Forwarding, Persistence, Service, ServiceKey, Tunnel, TunnelChecksum,
};
use std::io::Cursor;
use std::net::IpAddr;

/// The family of the controller (`GENL_ID_CTRL`), the only one whose number is known beforehand.
const CONTROLLER: u16 = 0x10;

/// The version of the controller's interface.
const CONTROLLER_VERSION: u8 = 2;

/// All bits of the flags are ours to set.
const EVERY_FLAG: u32 = u32::MAX;

/// What neli could not put into octets: a mistake of ours, told as the kernel would tell it.
fn unbuildable(why: &impl ToString) -> Refused {
    Refused { errno: libc::EINVAL, text: why.to_string() }
}

/// Asks the controller for the number of IPVS, which loads the module.
pub(super) fn get_family() -> Result<Vec<u8>, Refused> {
    let name = attribute(CtrlAttr::FamilyName, FAMILY)?;
    message(CONTROLLER, CONTROLLER_VERSION, CtrlCmd::Getfamily, vec![name])
}

/// Builds requests for the family of that number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Builder {
    family: u16,
}

impl Builder {
    pub(super) fn new(family: u16) -> Self {
        Self { family }
    }

    /// A command that is about nothing in particular.
    pub(super) fn plain(self, command: Command) -> Result<Vec<u8>, Refused> {
        message::<_, CommandAttribute>(self.family, VERSION, command, Vec::new())
    }

    pub(super) fn destinations_of(self, key: &ServiceKey) -> Result<Vec<u8>, Refused> {
        self.about(Command::GetDestination, &service_key(key)?, None)
    }

    pub(super) fn operation(self, operation: &Operation) -> Result<Vec<u8>, Refused> {
        match operation {
            Operation::AddService(service) => self.about(Command::NewService, &whole_service(service)?, None),
            Operation::EditService(service) => self.about(Command::SetService, &whole_service(service)?, None),
            Operation::RemoveService(key) => self.about(Command::DelService, &service_key(key)?, None),
            Operation::AddDestination(key, destination) => {
                self.about(Command::NewDestination, &service_key(key)?, Some(&whole_destination(destination)?))
            }
            Operation::EditDestination(key, destination) => {
                self.about(Command::SetDestination, &service_key(key)?, Some(&whole_destination(destination)?))
            }
            Operation::RemoveDestination(key, destination) => {
                self.about(Command::DelDestination, &service_key(key)?, Some(&destination_key(destination)?))
            }
        }
    }

    /// Only what is not 0 is sent, and only that is changed.
    pub(super) fn timeouts(self, timeouts: Timeouts) -> Result<Vec<u8>, Refused> {
        let Timeouts { tcp, tcp_fin, udp } = timeouts;
        let named = [
            (CommandAttribute::TimeoutTcp, tcp),
            (CommandAttribute::TimeoutTcpFin, tcp_fin),
            (CommandAttribute::TimeoutUdp, udp),
        ];
        let set = named.into_iter().filter(|(_, seconds)| *seconds > 0);
        let attributes = set.map(|(kind, seconds)| attribute(kind, seconds)).collect::<Result<_, _>>()?;
        message(self.family, VERSION, Command::SetConfig, attributes)
    }

    pub(super) fn start_sync_daemon(self, role: &SyncRole) -> Result<Vec<u8>, Refused> {
        let SyncDaemon { interface, instance: _, id, max_length, port, ttl, group } = &role.config;
        let mut inner = vec![
            attribute(DaemonAttribute::State, daemon_number(role.sends))?,
            attribute(DaemonAttribute::Interface, interface.as_str())?,
            attribute(DaemonAttribute::SyncId, u32::from(*id))?,
        ];
        if let Some(octets) = max_length {
            inner.push(attribute(DaemonAttribute::MaxLength, *octets)?);
        }
        match group {
            Some(IpAddr::V4(group)) => inner.push(attribute(DaemonAttribute::Group, group.octets())?),
            Some(IpAddr::V6(group)) => inner.push(attribute(DaemonAttribute::Group6, group.octets())?),
            None => {}
        }
        if let Some(port) = port {
            inner.push(attribute(DaemonAttribute::Port, *port)?);
        }
        if let Some(ttl) = ttl {
            inner.push(attribute(DaemonAttribute::Ttl, *ttl)?);
        }
        let attributes = vec![nest(CommandAttribute::Daemon, &inner)?];
        message(self.family, VERSION, Command::NewDaemon, attributes)
    }

    pub(super) fn stop_sync_daemon(self, sends: bool) -> Result<Vec<u8>, Refused> {
        let inner = [attribute(DaemonAttribute::State, daemon_number(sends))?];
        message(self.family, VERSION, Command::DelDaemon, vec![nest(CommandAttribute::Daemon, &inner)?])
    }

    fn about(
        self,
        command: Command,
        service: &[Nlattr<ServiceAttribute, Buffer>],
        destination: Option<&[Nlattr<DestinationAttribute, Buffer>]>,
    ) -> Result<Vec<u8>, Refused> {
        let mut attributes = vec![nest(CommandAttribute::Service, service)?];
        if let Some(destination) = destination {
            attributes.push(nest(CommandAttribute::Destination, destination)?);
        }
        message(self.family, VERSION, command, attributes)
    }
}

fn daemon_number(sends: bool) -> u32 {
    if sends { daemon_state::MASTER } else { daemon_state::BACKUP }
}

fn service_key(key: &ServiceKey) -> Result<Vec<Nlattr<ServiceAttribute, Buffer>>, Refused> {
    let family = attribute(ServiceAttribute::AddressFamily, family_number(key.family()))?;
    Ok(match *key {
        ServiceKey::Address { address, port, protocol } => vec![
            family,
            attribute(ServiceAttribute::Protocol, u16::from(protocol.get()))?,
            attribute(ServiceAttribute::Address, sixteen_octets(address))?,
            attribute(ServiceAttribute::Port, port.to_be_bytes())?,
        ],
        ServiceKey::FirewallMark { mark, family: _ } => {
            vec![family, attribute(ServiceAttribute::FirewallMark, mark)?]
        }
    })
}

fn whole_service(service: &Service) -> Result<Vec<Nlattr<ServiceAttribute, Buffer>>, Refused> {
    let bits = [
        (service.persistence.is_some(), service_flag::PERSISTENT),
        (service.one_packet, service_flag::ONE_PACKET),
        (service.flags.first, service_flag::SCHEDULER_1),
        (service.flags.second, service_flag::SCHEDULER_2),
        (service.flags.third, service_flag::SCHEDULER_3),
    ];
    let flags = bits.into_iter().filter(|(set, _)| *set).fold(0, |flags, (_, bit)| flags | bit);
    let mut attributes = service_key(&service.key)?;
    attributes.push(attribute(ServiceAttribute::SchedulerName, service.scheduler.as_str())?);
    attributes.push(attribute(ServiceAttribute::Flags, [flags.to_ne_bytes(), EVERY_FLAG.to_ne_bytes()].concat())?);
    let timeout_seconds = service.persistence.map_or(0, |persistence| persistence.timeout_seconds);
    attributes.push(attribute(ServiceAttribute::Timeout, timeout_seconds)?);
    attributes.push(attribute(ServiceAttribute::Netmask, netmask(service.key.family(), service.persistence))?);
    if let Some(engine) = &service.persistence_engine {
        attributes.push(attribute(ServiceAttribute::PersistenceEngine, engine.as_str())?);
    }
    Ok(attributes)
}

/// Without persistence the kernel still wants the mask of a single host: it refuses an IPv6 prefix of 0.
fn netmask(family: Family, persistence: Option<Persistence>) -> [u8; 4] {
    match family {
        Family::Inet => {
            let host_bits = 32_u32.saturating_sub(persistence.map_or(32, |p| p.granularity).into());
            u32::MAX.checked_shl(host_bits).unwrap_or(0).to_be_bytes()
        }
        Family::Inet6 => u32::from(persistence.map_or(128, |p| p.granularity)).to_ne_bytes(),
    }
}

fn destination_key(key: &DestinationKey) -> Result<Vec<Nlattr<DestinationAttribute, Buffer>>, Refused> {
    Ok(vec![
        attribute(DestinationAttribute::AddressFamily, family_number(key.address.into()))?,
        attribute(DestinationAttribute::Address, sixteen_octets(key.address))?,
        attribute(DestinationAttribute::Port, key.port.to_be_bytes())?,
    ])
}

fn whole_destination(destination: &Destination) -> Result<Vec<Nlattr<DestinationAttribute, Buffer>>, Refused> {
    let (method, wrapping) = match destination.forwarding {
        Forwarding::Nat => (forwarding::MASQUERADE, None),
        Forwarding::Local => (forwarding::LOCAL, None),
        Forwarding::DirectRouting => (forwarding::DIRECT_ROUTING, None),
        Forwarding::Tunnel(Tunnel::Ipip) => (forwarding::TUNNEL, Some((tunnel::IPIP, 0, 0))),
        Forwarding::Tunnel(Tunnel::Gue { port, checksum }) => {
            (forwarding::TUNNEL, Some((tunnel::GUE, port, tunnel_flags(checksum))))
        }
        Forwarding::Tunnel(Tunnel::Gre { checksum }) => {
            (forwarding::TUNNEL, Some((tunnel::GRE, 0, tunnel_flags(checksum))))
        }
    };
    let mut attributes = destination_key(&destination.key)?;
    attributes.push(attribute(DestinationAttribute::ForwardingMethod, method)?);
    attributes.push(attribute(DestinationAttribute::Weight, destination.weight)?);
    attributes.push(attribute(DestinationAttribute::UpperThreshold, destination.upper_threshold)?);
    attributes.push(attribute(DestinationAttribute::LowerThreshold, destination.lower_threshold)?);
    if let Some((kind, port, flags)) = wrapping {
        attributes.push(attribute(DestinationAttribute::TunnelType, kind)?);
        attributes.push(attribute(DestinationAttribute::TunnelPort, port.to_be_bytes())?);
        attributes.push(attribute(DestinationAttribute::TunnelFlags, flags)?);
    }
    Ok(attributes)
}

fn tunnel_flags(checksum: TunnelChecksum) -> u16 {
    match checksum {
        TunnelChecksum::None => 0,
        TunnelChecksum::Checksum => tunnel::CHECKSUM,
        TunnelChecksum::Remote => tunnel::REMOTE_CHECKSUM,
    }
}

pub(super) fn family_number(family: Family) -> u16 {
    let number = match family {
        Family::Inet => libc::AF_INET,
        Family::Inet6 => libc::AF_INET6,
    };
    u16::try_from(number).unwrap_or(0)
}

/// The kernel's union of both kinds of address is always sent whole.
fn sixteen_octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn attribute<T: NlAttrType + Size, P: Size + ToBytes>(kind: T, value: P) -> Result<Nlattr<T, Buffer>, Refused> {
    let kind = AttrTypeBuilder::default().nla_type(kind).build().map_err(|why| unbuildable(&why))?;
    NlattrBuilder::default().nla_type(kind).nla_payload(value).build().map_err(|why| unbuildable(&why))
}

fn nest<T: NlAttrType + Size, S: NlAttrType>(
    kind: T,
    inner: &[Nlattr<S, Buffer>],
) -> Result<Nlattr<T, Buffer>, Refused> {
    inner
        .iter()
        .try_fold(attribute(kind, Buffer::new())?, |outer, inner| outer.nest(inner))
        .map_err(|why| unbuildable(&why))
}

fn message<C: Cmd + Size, T: NlAttrType + Size>(
    family: u16,
    version: u8,
    command: C,
    attributes: Vec<Nlattr<T, Buffer>>,
) -> Result<Vec<u8>, Refused> {
    let generic = GenlmsghdrBuilder::default()
        .cmd(command)
        .version(version)
        .attrs(attributes.into_iter().collect::<GenlBuffer<T, Buffer>>())
        .build()
        .map_err(|why| unbuildable(&why))?;
    let whole = NlmsghdrBuilder::default()
        .nl_type(family)
        .nl_flags(NlmF::empty())
        .nl_payload(NlPayload::Payload(generic))
        .build()
        .map_err(|why| unbuildable(&why))?;
    let mut octets = Cursor::new(Vec::new());
    whole.to_bytes(&mut octets).map_err(|why| unbuildable(&why))?;
    Ok(octets.into_inner())
}
