//! Requests to IPVS as octets.

use super::names::{
    Command, CommandAttribute, DaemonAttribute, DestinationAttribute, FAMILY, ServiceAttribute, VERSION, daemon_state,
    forwarding, service_flag, tunnel,
};
use crate::netlink::Request;
use neli::consts::genl::{CtrlAttr, CtrlCmd};
use standfast_lvs::{Operation, SyncRole};
use standfast_model::config::lvs::{SyncDaemon, Timeouts};
use standfast_model::ipvs::{
    Destination, DestinationKey, Family, Forwarding, Persistence, Service, ServiceKey, Tunnel, TunnelChecksum,
};
use std::net::IpAddr;

/// The family of the controller (`GENL_ID_CTRL`), the only one whose number is known beforehand.
const CONTROLLER: u16 = 0x10;

/// The version of the controller's interface.
const CONTROLLER_VERSION: u8 = 2;

/// All bits of the flags are ours to set.
const EVERY_FLAG: u32 = u32::MAX;

/// Asks the controller for the number of IPVS, which loads the module.
pub(super) fn get_family() -> Vec<u8> {
    let mut request = Request::new(CONTROLLER, 0, &[u8::from(CtrlCmd::Getfamily), CONTROLLER_VERSION, 0, 0]);
    request.put_text(u16::from(CtrlAttr::FamilyName), FAMILY);
    request.finish()
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

    fn message(self, command: Command) -> Request {
        Request::new(self.family, 0, &[u8::from(command), VERSION, 0, 0])
    }

    /// A command that is about nothing in particular.
    pub(super) fn plain(self, command: Command) -> Vec<u8> {
        self.message(command).finish()
    }

    pub(super) fn destinations_of(self, key: &ServiceKey) -> Vec<u8> {
        self.about(Command::GetDestination, |service| service_key(service, key), None)
    }

    pub(super) fn operation(self, operation: &Operation) -> Vec<u8> {
        let (command, key, destination) = match operation {
            Operation::AddService(service) => return self.whole(Command::NewService, service),
            Operation::EditService(service) => return self.whole(Command::SetService, service),
            Operation::RemoveService(key) => (Command::DelService, key, None),
            Operation::AddDestination(key, row) => (Command::NewDestination, key, Some(Row::Whole(row))),
            Operation::EditDestination(key, row) => (Command::SetDestination, key, Some(Row::Whole(row))),
            Operation::RemoveDestination(key, row) => (Command::DelDestination, key, Some(Row::Key(row))),
        };
        self.about(command, |service| service_key(service, key), destination)
    }

    fn whole(self, command: Command, service: &Service) -> Vec<u8> {
        self.about(command, |inner| whole_service(inner, service), None)
    }

    /// Only what is not 0 is sent, and only that is changed.
    pub(super) fn timeouts(self, timeouts: Timeouts) -> Vec<u8> {
        let Timeouts { tcp, tcp_fin, udp } = timeouts;
        let named = [
            (CommandAttribute::TimeoutTcp, tcp),
            (CommandAttribute::TimeoutTcpFin, tcp_fin),
            (CommandAttribute::TimeoutUdp, udp),
        ];
        let mut request = self.message(Command::SetConfig);
        for (kind, seconds) in named.into_iter().filter(|(_, seconds)| *seconds > 0) {
            request.put_u32(kind.into(), seconds);
        }
        request.finish()
    }

    pub(super) fn start_sync_daemon(self, role: &SyncRole) -> Vec<u8> {
        let SyncDaemon { interface, instance: _, id, max_length, port, ttl, group } = &role.config;
        self.daemon(Command::NewDaemon, |daemon| {
            daemon.put_u32(DaemonAttribute::State.into(), daemon_number(role.sends));
            daemon.put_text(DaemonAttribute::Interface.into(), interface.as_str());
            daemon.put_u32(DaemonAttribute::SyncId.into(), u32::from(*id));
            if let Some(octets) = max_length {
                daemon.put(DaemonAttribute::MaxLength.into(), &octets.to_ne_bytes());
            }
            match group {
                Some(IpAddr::V4(group)) => daemon.put(DaemonAttribute::Group.into(), &group.octets()),
                Some(IpAddr::V6(group)) => daemon.put(DaemonAttribute::Group6.into(), &group.octets()),
                None => {}
            }
            if let Some(port) = port {
                daemon.put(DaemonAttribute::Port.into(), &port.to_ne_bytes());
            }
            if let Some(ttl) = ttl {
                daemon.put_u8(DaemonAttribute::Ttl.into(), *ttl);
            }
        })
    }

    pub(super) fn stop_sync_daemon(self, sends: bool) -> Vec<u8> {
        self.daemon(Command::DelDaemon, |daemon| daemon.put_u32(DaemonAttribute::State.into(), daemon_number(sends)))
    }

    fn daemon(self, command: Command, inside: impl FnOnce(&mut Request)) -> Vec<u8> {
        let mut request = self.message(command);
        request.nest(CommandAttribute::Daemon.into(), inside);
        request.finish()
    }

    fn about(self, command: Command, service: impl FnOnce(&mut Request), destination: Option<Row<'_>>) -> Vec<u8> {
        let mut request = self.message(command);
        request.nest(CommandAttribute::Service.into(), service);
        match destination {
            Some(Row::Whole(row)) => {
                request.nest(CommandAttribute::Destination.into(), |inner| whole_destination(inner, row));
            }
            Some(Row::Key(row)) => {
                request.nest(CommandAttribute::Destination.into(), |inner| destination_key(inner, row));
            }
            None => {}
        }
        request.finish()
    }
}

/// A destination in a request.
#[derive(Clone, Copy)]
enum Row<'a> {
    Whole(&'a Destination),
    Key(&'a DestinationKey),
}

fn daemon_number(sends: bool) -> u32 {
    if sends { daemon_state::MASTER } else { daemon_state::BACKUP }
}

fn service_key(request: &mut Request, key: &ServiceKey) {
    request.put(ServiceAttribute::AddressFamily.into(), &family_number(key.family()).to_ne_bytes());
    match *key {
        ServiceKey::Address { address, port, protocol } => {
            request.put(ServiceAttribute::Protocol.into(), &u16::from(protocol.get()).to_ne_bytes());
            request.put(ServiceAttribute::Address.into(), &sixteen_octets(address));
            request.put(ServiceAttribute::Port.into(), &port.to_be_bytes());
        }
        ServiceKey::FirewallMark { mark, family: _ } => request.put_u32(ServiceAttribute::FirewallMark.into(), mark),
    }
}

fn whole_service(request: &mut Request, service: &Service) {
    let bits = [
        (service.persistence.is_some(), service_flag::PERSISTENT),
        (service.one_packet, service_flag::ONE_PACKET),
        (service.flags.first, service_flag::SCHEDULER_1),
        (service.flags.second, service_flag::SCHEDULER_2),
        (service.flags.third, service_flag::SCHEDULER_3),
    ];
    let flags = bits.into_iter().filter(|(set, _)| *set).fold(0, |flags, (_, bit)| flags | bit);
    service_key(request, &service.key);
    request.put_text(ServiceAttribute::SchedulerName.into(), service.scheduler.as_str());
    request.put(ServiceAttribute::Flags.into(), &[flags.to_ne_bytes(), EVERY_FLAG.to_ne_bytes()].concat());
    let timeout_seconds = service.persistence.map_or(0, |persistence| persistence.timeout_seconds);
    request.put_u32(ServiceAttribute::Timeout.into(), timeout_seconds);
    request.put(ServiceAttribute::Netmask.into(), &netmask(service.key.family(), service.persistence));
    if let Some(engine) = &service.persistence_engine {
        request.put_text(ServiceAttribute::PersistenceEngine.into(), engine);
    }
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

fn destination_key(request: &mut Request, key: &DestinationKey) {
    request.put(DestinationAttribute::AddressFamily.into(), &family_number(key.address.into()).to_ne_bytes());
    request.put(DestinationAttribute::Address.into(), &sixteen_octets(key.address));
    request.put(DestinationAttribute::Port.into(), &key.port.to_be_bytes());
}

fn whole_destination(request: &mut Request, destination: &Destination) {
    let (method, wrapping) = match destination.forwarding {
        Forwarding::Nat => (forwarding::MASQUERADE, None),
        Forwarding::Local => (forwarding::LOCAL, None),
        Forwarding::DirectRouting => (forwarding::DIRECT_ROUTING, None),
        Forwarding::Tunnel(Tunnel::Ipip) => (forwarding::TUNNEL, Some((tunnel::IPIP, 0_u16, 0_u16))),
        Forwarding::Tunnel(Tunnel::Gue { port, checksum }) => {
            (forwarding::TUNNEL, Some((tunnel::GUE, port, tunnel_flags(checksum))))
        }
        Forwarding::Tunnel(Tunnel::Gre { checksum }) => {
            (forwarding::TUNNEL, Some((tunnel::GRE, 0, tunnel_flags(checksum))))
        }
    };
    destination_key(request, &destination.key);
    request.put_u32(DestinationAttribute::ForwardingMethod.into(), method);
    request.put_u32(DestinationAttribute::Weight.into(), destination.weight);
    request.put_u32(DestinationAttribute::UpperThreshold.into(), destination.upper_threshold);
    request.put_u32(DestinationAttribute::LowerThreshold.into(), destination.lower_threshold);
    if let Some((kind, port, flags)) = wrapping {
        request.put_u8(DestinationAttribute::TunnelType.into(), kind);
        request.put(DestinationAttribute::TunnelPort.into(), &port.to_be_bytes());
        request.put(DestinationAttribute::TunnelFlags.into(), &flags.to_ne_bytes());
    }
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
