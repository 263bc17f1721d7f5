//! What an operator wants to read about pools: each change once, with its reason.
//!
//! It owns the words. Where keepalived has a phrase for the same thing, the line begins with it, so that searches of
//! logs go on finding it; the cause follows.

use crate::member::Duty;
use crate::table::Operation;
use crate::verdict::{Inability, Reason};
use core::fmt;
use standfast_model::ipvs::{DestinationKey, Protocol, ServiceKey};
use std::net::IpAddr;

/// A real server of a virtual server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerName {
    /// The virtual server.
    pub service: ServiceKey,
    /// The real server in it.
    pub server: DestinationKey,
}

/// One line for the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// An attempt failed and did not change anything (told with `log_all_failures`, and once for a server that was
    /// down before its first check).
    CheckFailed {
        /// Of which server.
        server: ServerName,
        /// The keyword of the checker.
        check: &'static str,
        /// Which attempt in a row, from 1.
        attempt: u32,
        /// How many there are before it counts; 1 while it is down anyway.
        of: u32,
        /// Why.
        reason: Reason,
    },
    /// A checker went down.
    CheckerDown {
        /// Of which server.
        server: ServerName,
        /// The keyword of the checker.
        check: &'static str,
        /// Failed attempts in a row, the first included.
        attempts: u32,
        /// Why the last one failed.
        reason: Reason,
    },
    /// A checker came up.
    CheckerUp {
        /// Of which server.
        server: ServerName,
        /// The keyword of the checker.
        check: &'static str,
    },
    /// A check cannot be made, for a reason that no check has had up to now. Others may have it too; it is told once,
    /// until none has it any more. The server keeps its state.
    CheckUnable {
        /// The first server concerned.
        server: ServerName,
        /// The keyword of the checker.
        check: &'static str,
        /// Why.
        inability: Inability,
    },
    /// Every check that could not be made for this reason can be made again.
    CheckAble {
        /// What it was.
        inability: Inability,
    },
    /// A server went down.
    ServerDown {
        /// Which.
        server: ServerName,
        /// It stays in the table with weight 0 (`inhibit_on_failure`).
        inhibited: bool,
        /// The keyword of the checker that failed.
        check: &'static str,
        /// Why that failed.
        reason: Reason,
    },
    /// A server came up.
    ServerUp {
        /// Which.
        server: ServerName,
        /// It was in the table with weight 0 (`inhibit_on_failure`).
        inhibited: bool,
    },
    /// The weight of a server changed.
    WeightChanged {
        /// Of which server.
        server: ServerName,
        /// What it was.
        from: u32,
        /// What it is.
        to: u32,
        /// Who says so.
        by: WeightSource,
    },
    /// So few servers are up that the checks are not believed (`panic_threshold`): those that served last go on.
    PanicBegan {
        /// The service.
        service: ServiceKey,
        /// Servers that are up.
        up: usize,
        /// Of so many.
        of: usize,
        /// `panic_threshold`, percent.
        threshold: u8,
    },
    /// Enough servers are up for the checks to be believed again.
    PanicEnded {
        /// The service.
        service: ServiceKey,
        /// Servers that are up.
        up: usize,
        /// Of so many.
        of: usize,
    },
    /// The address of a service left this host, so its checks rest (`ha_suspend`).
    Suspended {
        /// The service.
        service: ServiceKey,
    },
    /// The address of a service is on this host again, so its checks run.
    Resumed {
        /// The service.
        service: ServiceKey,
    },
    /// An operator changed what a server is to do.
    Ordered {
        /// Which server.
        server: ServerName,
        /// What it is to do.
        duty: Duty,
    },
    /// A server that was draining has no connection left, or no time.
    Drained {
        /// Which.
        server: ServerName,
        /// Connections that were cut.
        cut: u64,
    },
    /// A reload took a server out of the configuration.
    ServerRemoved {
        /// Which.
        server: ServerName,
        /// It keeps the connections it has for a while (`drain`).
        draining: bool,
    },
    /// A reload took a virtual server out of the configuration.
    ServiceRemoved {
        /// Which.
        service: ServiceKey,
    },
    /// Checks that are the same are performed once (`share_checks`).
    ChecksShared {
        /// Checkers of all servers.
        checks: usize,
        /// Those that get the verdict of another.
        saved: usize,
    },
    /// A reload came into effect.
    Reloaded(Changes),
    /// A service had servers from before we started, and some of our servers were not among them: they stay out until
    /// their checks say otherwise, which run at once.
    Adopted {
        /// The service.
        service: ServiceKey,
        /// How many of its servers stay out.
        out: usize,
    },
    /// There is no quorum at the start.
    StartedWithoutQuorum {
        /// The service.
        service: ServiceKey,
        /// The weights compared.
        weights: Weights,
    },
    /// The live weight reached quorum + hysteresis.
    QuorumGained {
        /// The service.
        service: ServiceKey,
        /// The weights compared.
        weights: Weights,
    },
    /// The live weight fell below quorum - hysteresis, or to nothing.
    QuorumLost {
        /// The service.
        service: ServiceKey,
        /// The weights compared.
        weights: Weights,
    },
    /// The sorry server stands in for all servers.
    SorryServerIn {
        /// The service, and the sorry server in it.
        server: ServerName,
        /// It was in the table with weight 0 (`sorry_server_inhibit`).
        inhibited: bool,
    },
    /// The sorry server is no longer needed.
    SorryServerOut {
        /// The service, and the sorry server in it.
        server: ServerName,
        /// It stays in the table with weight 0 (`sorry_server_inhibit`).
        inhibited: bool,
    },
    /// The kernel's table cannot be read; told once until it can.
    DumpFailed {
        /// The kernel's words.
        error: String,
    },
    /// Someone else had changed our part of the kernel's table: it was set right.
    TableMended {
        /// How many operations that took.
        operations: usize,
        /// The first of them.
        first: Operation,
    },
    /// The kernel refused an operation; it is tried again, and told once until it succeeds.
    Refused {
        /// What it refused.
        operation: Operation,
        /// The kernel's words.
        error: String,
    },
}

/// What a reload changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Virtual servers that came.
    pub services_added: usize,
    /// Virtual servers that went.
    pub services_removed: usize,
    /// Virtual servers that stayed and are configured otherwise.
    pub services_changed: usize,
    /// Real servers that came, in services that stayed.
    pub servers_added: usize,
    /// Real servers that went, from services that stayed.
    pub servers_removed: usize,
}

/// Who gave a server its weight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WeightSource {
    /// The checker of that keyword.
    Check(&'static str),
    /// The operator.
    Operator,
}

impl fmt::Display for WeightSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(keyword) => f.write_str(keyword),
            Self::Operator => f.write_str("operator"),
        }
    }
}

/// The two sides of the question whether there is a quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weights {
    /// `quorum`.
    pub quorum: u32,
    /// `hysteresis`.
    pub hysteresis: u32,
    /// The summed weight of the servers that are up.
    pub live: u64,
}

impl Weights {
    /// `2+1=3 <= 3`: quorum, hysteresis, their sum, and the live weight that reaches it.
    pub(crate) fn gained(self) -> String {
        let Self { quorum, hysteresis, live } = self;
        format!("{quorum}+{hysteresis}={} <= {live}", u64::from(quorum) + u64::from(hysteresis))
    }

    /// `2+1=3 > 2`: the same, not reached.
    pub(crate) fn missing(self) -> String {
        let Self { quorum, hysteresis, live } = self;
        format!("{quorum}+{hysteresis}={} > {live}", u64::from(quorum) + u64::from(hysteresis))
    }

    /// `2-1=1 > 0`: quorum, hysteresis, their difference, and the live weight that falls short of it.
    pub(crate) fn lost(self) -> String {
        let Self { quorum, hysteresis, live } = self;
        format!("{quorum}-{hysteresis}={} > {live}", quorum.saturating_sub(hysteresis))
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CheckFailed { server, check, attempt, of, reason } => {
                write!(f, "{check} of {server} failed, attempt {attempt} of {of}: {reason}")
            }
            Self::CheckerDown { server, check, attempts, reason } => {
                write!(f, "{check} on service {} failed{}: {reason}", server.real(), After(*attempts))
            }
            Self::CheckerUp { server, check } => write!(f, "{check} on service {} succeeded", server.real()),
            Self::CheckUnable { server, check, inability } => {
                write!(f, "{check} of {server} cannot be made, servers keep their state: {inability}")
            }
            Self::CheckAble { inability } => write!(f, "checks can be made again, which could not: {inability}"),
            Self::ServerDown { server, inhibited, check, reason } => {
                let (verb, from) = if *inhibited { ("Disabling", "of") } else { ("Removing", "from") };
                let (real, service) = (server.real(), Virtual(server.service));
                write!(f, "{verb} service {real} {from} {service}: {check} failed: {reason}")
            }
            Self::ServerUp { server, inhibited } => {
                let (verb, to) = if *inhibited { ("Enabling", "of") } else { ("Adding", "to") };
                write!(f, "{verb} service {} {to} {}", server.real(), Virtual(server.service))
            }
            Self::WeightChanged { server, from, to, by } => {
                let service = Virtual(server.service);
                write!(f, "Changing weight from {from} to {to} for service {} of {service}: {by}", server.real())
            }
            Self::PanicBegan { service, up, of, threshold } => panic_began(f, *service, (*up, *of), *threshold),
            Self::PanicEnded { service, up, of } => {
                write!(f, "Checks of {} are believed again, {up} of {of} servers up", Virtual(*service))
            }
            Self::Suspended { service } => {
                write!(f, "Suspending checks of {}: its address is not on this host", Virtual(*service))
            }
            Self::Resumed { service } => {
                write!(f, "Activating checks of {}: its address is on this host", Virtual(*service))
            }
            Self::Ordered { server, duty } => {
                write!(f, "{} service {} of {}: operator", verb(*duty), server.real(), Virtual(server.service))
            }
            Self::Drained { server, cut } => drained(f, server, *cut),
            Self::ServerRemoved { server, draining } => {
                let rest = if *draining { ", its connections may end" } else { "" };
                let (real, service) = (server.real(), Virtual(server.service));
                write!(f, "Removing service {real} from {service}: no longer configured{rest}")
            }
            Self::ServiceRemoved { service } => write!(f, "Removing {}: no longer configured", Virtual(*service)),
            Self::ChecksShared { checks, saved } => {
                write!(f, "Sharing checks: {saved} of {checks} get the verdict of another that is the same")
            }
            Self::Reloaded(changes) => write!(f, "Reloaded: {changes}"),
            Self::Adopted { service, out } => {
                write!(f, "Adopted {} as found, servers out until checked: {out}", Virtual(*service))
            }
            Self::StartedWithoutQuorum { service, weights } => {
                write!(f, "Starting with quorum down {} for {}", weights.missing(), Virtual(*service))
            }
            Self::QuorumGained { service, weights } => {
                write!(f, "Gained quorum {} for {}", weights.gained(), Virtual(*service))
            }
            Self::QuorumLost { service, weights } => {
                write!(f, "Lost quorum {} for {}", weights.lost(), Virtual(*service))
            }
            Self::SorryServerIn { server, inhibited } => {
                let (verb, to) = if *inhibited { ("Enabling", "of") } else { ("Adding", "to") };
                write!(f, "{verb} sorry server {} {to} {}", server.real(), Virtual(server.service))
            }
            Self::SorryServerOut { server, inhibited } => {
                let (verb, from) = if *inhibited { ("Disabling", "of") } else { ("Removing", "from") };
                write!(f, "{verb} sorry server {} {from} {}", server.real(), Virtual(server.service))
            }
            Self::DumpFailed { error } => write!(f, "IPVS table cannot be read, trying again: {error}"),
            Self::TableMended { operations, first } => {
                write!(f, "IPVS table was changed by someone else, set right by {operations} operations: {first}")?;
                if *operations > 1 { f.write_str(", ...") } else { Ok(()) }
            }
            Self::Refused { operation, error } => write!(f, "IPVS refused to {operation}, trying again: {error}"),
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { services_added, services_removed, services_changed, servers_added, servers_removed } = self;
        write!(
            f,
            "virtual servers {services_added} added, {services_removed} removed, {services_changed} changed; real \
             servers in those that stayed {servers_added} added, {servers_removed} removed"
        )
    }
}

fn panic_began(
    f: &mut fmt::Formatter<'_>,
    service: ServiceKey,
    (up, of): (usize, usize),
    threshold: u8,
) -> fmt::Result {
    let service = Virtual(service);
    write!(
        f,
        "Checks of {service} are not believed, {up} of {of} servers up is below {threshold} percent: those that \
         served last go on"
    )
}

fn drained(f: &mut fmt::Formatter<'_>, server: &ServerName, cut: u64) -> fmt::Result {
    write!(f, "Drained service {} of {}: ", server.real(), Virtual(server.service))?;
    if cut == 0 { f.write_str("no connection is left") } else { write!(f, "{cut} connections cut") }
}

/// What an operator's wish does to a server.
const fn verb(duty: Duty) -> &'static str {
    match duty {
        Duty::Active => "Activating",
        Duty::Draining => "Draining",
        Duty::Off => "Taking out",
    }
}

impl ServerName {
    pub(crate) fn real(&self) -> Real<'_> {
        Real(self)
    }
}

impl fmt::Display for ServerName {
    /// `[10.0.100.2]:tcp:80 for VS [192.168.1.202]:tcp:80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.real(), Virtual(self.service))
    }
}

/// A virtual server in keepalived's form: `VS [192.168.1.202]:tcp:80`, `VS FWM 7`.
pub(crate) struct Virtual(pub(crate) ServiceKey);

impl fmt::Display for Virtual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ServiceKey::Address { address, port, protocol } => {
                write!(f, "VS {}", Endpoint { address, port, protocol: Some(protocol) })
            }
            ServiceKey::FirewallMark { mark, .. } => write!(f, "VS FWM {mark}"),
        }
    }
}

/// A real server in keepalived's form: `[10.0.100.2]:tcp:80`.
pub(crate) struct Real<'a>(&'a ServerName);

impl fmt::Display for Real<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.0.service {
            ServiceKey::Address { protocol, .. } => Some(protocol),
            ServiceKey::FirewallMark { .. } => None,
        };
        let DestinationKey { address, port } = self.0.server;
        write!(f, "{}", Endpoint { address, port, protocol })
    }
}

struct Endpoint {
    address: IpAddr,
    port: u16,
    protocol: Option<Protocol>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.address)?;
        match self.protocol {
            Some(Protocol::Tcp) => f.write_str(":tcp")?,
            Some(Protocol::Udp) => f.write_str(":udp")?,
            Some(Protocol::Sctp) => f.write_str(":sctp")?,
            None => {}
        }
        write!(f, ":{}", self.port)
    }
}

/// ` after 2 retries`, or nothing for the only attempt.
struct After(u32);

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.saturating_sub(1) {
            0 => Ok(()),
            1 => f.write_str(" after 1 retry"),
            retries => write!(f, " after {retries} retries"),
        }
    }
}
