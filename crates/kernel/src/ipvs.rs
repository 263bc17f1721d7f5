//! The kernel's IPVS table: read whole, changed entry by entry.
//!
//! It carries out operations and tells what is there. It neither compares nor decides (`lvs` does), and touches no
//! other entry than the one an operation names. The requests are built and the answers parsed with neli; they travel
//! as all other netlink does, many at a time and none waited for without an end.

mod decode;
mod encode;
mod names;
mod reading;
mod sync;
#[cfg(test)]
mod tests;

pub use crate::netlink::{Outcome, REQUESTS_PER_SEND, Refused};
pub use reading::{ROWS_PER_PIECE, Reader};
pub use sync::SyncState;

pub use decode::{
    DestinationCounters, ServiceCounters, Traffic, decode_destination, decode_service, info, sync_daemon, timeouts,
};

use crate::netlink::{Channel, Dumped};
use encode::Builder;
use names::Command;
use netlink_sys::protocols::NETLINK_GENERIC;
use standfast_lvs::{Activity, Connections, Entry, Operation, Table};
use standfast_model::config::global::NetlinkBuffer;
use standfast_model::ipvs::{DestinationKey, ServiceKey};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;

/// What is counted, service by service.
pub type Counters = BTreeMap<ServiceKey, ServiceCounters>;

/// Why there is no IPVS to talk to.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The kernel neither has IPVS nor could load it.
    #[error(
        "the kernel has no IPVS: load the module ip_vs (modprobe ip_vs; in a container, on the host), or use a kernel \
         built with CONFIG_IP_VS"
    )]
    NoIpvs,
    /// IPVS is there and not for us.
    #[error("no permission to change the IPVS table: run as root, or give the process the capability CAP_NET_ADMIN")]
    NoPermission,
    /// No socket.
    #[error("no netlink socket for IPVS: {0}")]
    Socket(#[source] io::Error),
    /// Anything else the kernel said.
    #[error("IPVS does not answer as it should: {0}")]
    Refused(#[source] Refused),
    /// An answer without what it must hold.
    #[error("IPVS answered without its {0}")]
    Incomplete(&'static str),
}

/// The kernel's IPVS.
#[derive(Debug)]
pub struct Ipvs {
    channel: Channel,
    builder: Builder,
    version: Version,
}

/// The version of IPVS, as `ipvsadm` prints it first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    /// 1 in every known kernel.
    pub major: u8,
    /// 2 in every known kernel.
    pub minor: u8,
    /// 1 in every known kernel.
    pub patch: u8,
    /// Entries of the connection table's hash (`ip_vs.conn_tab_bits`).
    pub connection_table_size: u32,
}

impl Ipvs {
    /// Finds IPVS, which loads the module if the kernel may, and asks for its version, which needs the permission that
    /// everything else needs too.
    ///
    /// # Errors
    ///
    /// [`OpenError`], whose words say what to do.
    pub fn open() -> Result<Self, OpenError> {
        Self::open_in(None)
    }

    /// As [`Self::open`], the table of that network namespace (`net_namespace_ipvs`); none is the one of the process.
    /// To enter another one needs `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_in(namespace: Option<OwnedFd>) -> Result<Self, OpenError> {
        let mut channel = Channel::open_in(NETLINK_GENERIC, namespace).map_err(OpenError::Socket)?;
        let asked = encode::get_family();
        let answers = channel.ask(&asked).map_err(|refused| match refused.errno {
            libc::ENOENT => OpenError::NoIpvs,
            _ => OpenError::Refused(refused),
        })?;
        let family = answers.iter().find_map(|(_, payload)| decode::family(payload));
        let builder = Builder::new(family.ok_or(OpenError::Incomplete("family number"))?);
        let asked = builder.plain(Command::GetInfo);
        let answers = channel.ask(&asked).map_err(|refused| match refused.errno {
            libc::EPERM | libc::EACCES => OpenError::NoPermission,
            _ => OpenError::Refused(refused),
        })?;
        let version = answers.iter().find_map(|(_, payload)| info(payload));
        Ok(Self { channel, builder, version: version.ok_or(OpenError::Incomplete("version"))? })
    }

    /// Gives the receive queue that size (`lvs_netlink_cmd_rcv_bufs`).
    ///
    /// # Errors
    ///
    /// `EPERM` for one beyond the system's limit without the permission.
    pub fn set_queue(&mut self, queue: NetlinkBuffer) -> io::Result<()> {
        self.channel.set_queue(queue)
    }

    /// The kernel's version of it.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The whole table. An entry that no configuration could have made (a transport or a way of forwarding that
    /// keepalived has no word for) is left out.
    ///
    /// # Errors
    ///
    /// The kernel's; `ETIMEDOUT` if it does not answer. The next request starts afresh.
    pub fn dump(&mut self) -> Result<Table, Refused> {
        self.dump_with_counters().map(|(table, _)| table)
    }

    /// The whole table and what it counted. The kernel adds its counters up every two seconds.
    ///
    /// # Errors
    ///
    /// As [`Self::dump`].
    pub fn dump_with_counters(&mut self) -> Result<(Table, Counters), Refused> {
        let mut table = Table::default();
        let mut counters = Counters::new();
        let asked = self.builder.plain(Command::GetService);
        for (_, payload) in self.channel.dump(&asked)? {
            let Some((service, traffic)) = decode_service(&payload) else { continue };
            let asked = self.builder.destinations_of(&service.key);
            // Of a service that has vanished meanwhile the kernel dumps no destination, and no error.
            let answers: Vec<Dumped> = self.channel.dump(&asked)?;
            let rows: Vec<_> =
                answers.iter().filter_map(|(_, payload)| decode_destination(payload, service.key.family())).collect();
            let key = service.key;
            let destinations = rows.iter().map(|(destination, _)| *destination).collect();
            table.services.insert(key, Entry { service, destinations }.into());
            let destinations = rows.into_iter().map(|(destination, counted)| (destination.key, counted)).collect();
            counters.insert(key, ServiceCounters { traffic, destinations });
        }
        Ok((table, counters))
    }

    /// Carries the operations out in order, up to [`REQUESTS_PER_SEND`] per system call, and returns one outcome for
    /// each. A refused one does not stop those behind it.
    ///
    /// What is asked for is the row, not the way to it: adding a row that is there edits it, editing one that is not
    /// adds it, and removing what is not there is a success ([`Outcome::AlreadySo`]). Each call of the kernel takes up
    /// to about 2 ms; who has sockets to look after passes [`REQUESTS_PER_SEND`] operations at a time.
    pub fn apply(&mut self, operations: &[Operation]) -> Vec<Result<Outcome, Refused>> {
        let mut outcomes = Vec::with_capacity(operations.len());
        while let Some(rest) = operations.get(outcomes.len()..).filter(|rest| !rest.is_empty()) {
            let run = independent(rest);
            outcomes.extend(self.apply_run(run));
        }
        outcomes
    }

    /// Operations none of which needs the second attempt of another.
    fn apply_run(&mut self, run: &[Operation]) -> Vec<Result<Outcome, Refused>> {
        let mut outcomes: Vec<Result<Outcome, Refused>> =
            self.request(run).into_iter().zip(run).map(|(answer, operation)| outcome(operation, answer)).collect();
        let (places, again): (Vec<usize>, Vec<Operation>) = run
            .iter()
            .zip(&outcomes)
            .enumerate()
            .filter_map(|(place, (operation, outcome))| Some((place, instead(operation, outcome.as_ref().err()?)?)))
            .unzip();
        for (place, answer) in places.into_iter().zip(self.request(&again)) {
            if let Some(slot) = outcomes.get_mut(place) {
                *slot = answer.map(|()| Outcome::Changed);
            }
        }
        outcomes
    }

    fn request(&mut self, operations: &[Operation]) -> Vec<Result<(), Refused>> {
        let mut requests: Vec<Vec<u8>> = operations.iter().map(|operation| self.builder.operation(operation)).collect();
        self.channel.request_quietly(&mut requests)
    }

    /// Empties the table, whoever made its entries (`ipvsadm -C`).
    ///
    /// # Errors
    ///
    /// The kernel's; `ETIMEDOUT` if it does not answer.
    pub fn flush(&mut self) -> Result<(), Refused> {
        let request = self.builder.plain(Command::Flush);
        self.channel.request(&mut [request]).pop().unwrap_or_else(|| Err(Refused::new(libc::EIO)))
    }

    /// The connections of every destination of these services; of a service that is not there, none.
    ///
    /// # Errors
    ///
    /// As [`Self::dump`].
    pub fn connections(&mut self, services: &[ServiceKey]) -> Result<Activity, Refused> {
        let mut activity = Activity::new();
        for key in services {
            let asked = self.builder.destinations_of(key);
            let answers: Vec<Dumped> = self.channel.dump(&asked)?;
            let rows = answers.iter().filter_map(|(_, payload)| decode_destination(payload, key.family()));
            activity.extend(rows.map(|(destination, counted)| {
                let connections = Connections {
                    active: counted.active_connections,
                    inactive: counted.inactive_connections,
                    persistent: counted.persistent_connections,
                };
                ((*key, destination.key), connections)
            }));
        }
        Ok(activity)
    }
}

/// The longest beginning whose operations may be tried together and, where one finds the table otherwise than it
/// thought, tried another way afterwards, with the same result as one after the other: at most one for each row, and
/// no destination of a service that may not be there before the second attempt.
fn independent(operations: &[Operation]) -> &[Operation] {
    let mut rows: BTreeSet<(ServiceKey, Option<DestinationKey>)> = BTreeSet::new();
    let mut unsure: BTreeSet<ServiceKey> = BTreeSet::new();
    let mut with_destinations: BTreeSet<ServiceKey> = BTreeSet::new();
    for (place, operation) in operations.iter().enumerate() {
        let (service, destination) = operation.row();
        let waits = match destination {
            Some(_) => unsure.contains(&service),
            None => with_destinations.contains(&service),
        };
        if place == REQUESTS_PER_SEND || waits || !rows.insert((service, destination)) {
            return operations.get(..place).unwrap_or_default();
        }
        match operation {
            Operation::EditService(_) | Operation::RemoveService(_) => {
                unsure.insert(service);
            }
            Operation::AddService(_) => {}
            Operation::AddDestination(..) | Operation::EditDestination(..) | Operation::RemoveDestination(..) => {
                with_destinations.insert(service);
            }
        }
    }
    operations
}

fn outcome(operation: &Operation, answer: Result<(), Refused>) -> Result<Outcome, Refused> {
    match (operation, answer) {
        (_, Ok(())) => Ok(Outcome::Changed),
        (Operation::RemoveService(_), Err(refused)) if refused.errno == libc::ESRCH => Ok(Outcome::AlreadySo),
        // ESRCH: not even the service is there.
        (Operation::RemoveDestination(..), Err(refused)) if matches!(refused.errno, libc::ENOENT | libc::ESRCH) => {
            Ok(Outcome::AlreadySo)
        }
        (
            Operation::AddService(_)
            | Operation::EditService(_)
            | Operation::RemoveService(_)
            | Operation::AddDestination(..)
            | Operation::EditDestination(..)
            | Operation::RemoveDestination(..),
            Err(refused),
        ) => Err(refused),
    }
}

/// The other way to the same row, if the refusal says that the table is not what the operation took it for.
fn instead(operation: &Operation, refused: &Refused) -> Option<Operation> {
    match operation {
        Operation::AddService(service) if refused.errno == libc::EEXIST => {
            Some(Operation::EditService(service.clone()))
        }
        Operation::EditService(service) if refused.errno == libc::ESRCH => Some(Operation::AddService(service.clone())),
        Operation::AddDestination(key, destination) if refused.errno == libc::EEXIST => {
            Some(Operation::EditDestination(*key, *destination))
        }
        Operation::EditDestination(key, destination) if refused.errno == libc::ENOENT => {
            Some(Operation::AddDestination(*key, *destination))
        }
        Operation::AddService(_)
        | Operation::EditService(_)
        | Operation::RemoveService(_)
        | Operation::AddDestination(..)
        | Operation::EditDestination(..)
        | Operation::RemoveDestination(..) => None,
    }
}

#[cfg(test)]
mod apply_tests {
    use super::*;
    use standfast_model::ipvs::{Destination, Forwarding, Protocol, SchedulerFlags, Service};

    fn key(host: u8) -> ServiceKey {
        ServiceKey::Address { address: [192, 0, 2, host].into(), port: 80, protocol: Protocol::Tcp }
    }

    fn service(host: u8) -> Service {
        Service {
            key: key(host),
            scheduler: "rr".parse().unwrap(),
            flags: SchedulerFlags::default(),
            persistence: None,
            one_packet: false,
            persistence_engine: None,
        }
    }

    fn destination(host: u8) -> Destination {
        Destination {
            key: DestinationKey { address: [10, 0, 0, host].into(), port: 80 },
            forwarding: Forwarding::Nat,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }

    #[test]
    fn a_table_that_is_built_up_goes_out_in_full_batches() {
        let operations: Vec<Operation> = (0..20)
            .flat_map(|n| {
                let destinations = (1..=4).map(move |host| Operation::AddDestination(key(n), destination(host)));
                core::iter::once(Operation::AddService(service(n))).chain(destinations)
            })
            .collect();
        assert_eq!(independent(&operations).len(), REQUESTS_PER_SEND);
    }

    #[test]
    fn an_operation_that_depends_on_the_second_attempt_of_another_waits_for_the_next_batch() {
        let runs = |operations: &[Operation]| independent(operations).len();
        // The edit may turn out to be an addition, so what follows on that service must come after it.
        assert_eq!(runs(&[Operation::EditService(service(1)), Operation::AddDestination(key(1), destination(1))]), 1);
        // Another service is no concern of it.
        assert_eq!(runs(&[Operation::EditService(service(1)), Operation::AddDestination(key(2), destination(1))]), 2);
        assert_eq!(runs(&[Operation::AddService(service(1)), Operation::RemoveService(key(1))]), 1);
        assert_eq!(runs(&[Operation::AddDestination(key(1), destination(1)), Operation::RemoveService(key(1))]), 1);
        let twice = Operation::AddDestination(key(1), destination(1));
        assert_eq!(runs(&[twice.clone(), Operation::AddDestination(key(1), destination(2)), twice]), 2);
    }

    #[test]
    fn the_words_of_an_open_error_say_what_to_do() {
        assert!(OpenError::NoIpvs.to_string().contains("modprobe ip_vs"));
        assert!(OpenError::NoPermission.to_string().contains("CAP_NET_ADMIN"));
    }
}
