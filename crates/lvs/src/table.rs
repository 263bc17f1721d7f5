//! The IPVS table as a value, and the commands that change one.
//!
//! It owns what a table is and what each command does to it; it decides no change and sends none.

use crate::destinations::Destinations;
use core::fmt;
use standfast_model::Shared;
use standfast_model::ipvs::{Destination, DestinationKey, Service, ServiceKey};
use std::collections::BTreeMap;

/// A service with its destinations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The service.
    pub service: Service,
    /// Its destinations.
    pub destinations: Destinations,
}

/// A whole IPVS table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Table {
    /// Every service by its key. Where the table that should be and the one that is have the same, they share it.
    pub services: BTreeMap<ServiceKey, Shared<Entry>>,
}

/// One command to IPVS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// `ipvsadm -A`.
    AddService(Service),
    /// `ipvsadm -E`.
    EditService(Service),
    /// `ipvsadm -D`: the kernel drops its destinations with it.
    RemoveService(ServiceKey),
    /// `ipvsadm -a`.
    AddDestination(ServiceKey, Destination),
    /// `ipvsadm -e`.
    EditDestination(ServiceKey, Destination),
    /// `ipvsadm -d`.
    RemoveDestination(ServiceKey, DestinationKey),
}

/// The row of the table that an operation is about: a service, or one of its destinations.
pub type Row = (ServiceKey, Option<DestinationKey>);

impl Operation {
    /// The row that it changes.
    #[must_use]
    pub fn row(&self) -> Row {
        match self {
            Self::AddService(service) | Self::EditService(service) => (service.key, None),
            Self::RemoveService(key) => (*key, None),
            Self::AddDestination(key, destination) | Self::EditDestination(key, destination) => {
                (*key, Some(destination.key))
            }
            Self::RemoveDestination(key, destination) => (*key, Some(*destination)),
        }
    }
}

impl fmt::Display for Operation {
    /// What it does, in words: `add destination 10.0.100.2:80 to TCP  192.168.1.202:80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(service) => write!(f, "add service {}", service.key),
            Self::EditService(service) => write!(f, "edit service {}", service.key),
            Self::RemoveService(key) => write!(f, "remove service {key}"),
            Self::AddDestination(key, destination) => write!(f, "add destination {} to {key}", destination.key),
            Self::EditDestination(key, destination) => write!(f, "edit destination {} of {key}", destination.key),
            Self::RemoveDestination(key, destination) => write!(f, "remove destination {destination} from {key}"),
        }
    }
}

impl FromIterator<Entry> for Table {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self { services: entries.into_iter().map(|entry| (entry.service.key, entry.into())).collect() }
    }
}

impl Table {
    /// Becomes equal to another table in these services, which both share from then on.
    pub(crate) fn follow<'k>(&mut self, other: &Self, services: impl IntoIterator<Item = &'k ServiceKey>) {
        for key in services {
            match (other.services.get(key), self.services.get_mut(key)) {
                (Some(theirs), Some(own)) => own.clone_from(theirs),
                (Some(theirs), None) => drop(self.services.insert(*key, theirs.clone())),
                (None, _) => drop(self.services.remove(key)),
            }
        }
    }

    /// Does to this value what the kernel does to its table when the operation succeeds: adding what is there edits
    /// it, removing what is not there does nothing, a destination of a service that is not there goes nowhere.
    pub fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::AddService(service) | Operation::EditService(service) => {
                self.services.entry(service.key).and_modify(|entry| entry.service = service.clone()).or_insert_with(
                    || Entry { service: service.clone(), destinations: Destinations::default() }.into(),
                );
            }
            Operation::RemoveService(key) => {
                self.services.remove(key);
            }
            Operation::AddDestination(key, destination) | Operation::EditDestination(key, destination) => {
                if let Some(entry) = self.services.get_mut(key) {
                    entry.destinations.insert(*destination);
                }
            }
            Operation::RemoveDestination(key, destination) => {
                if let Some(entry) = self.services.get_mut(key) {
                    entry.destinations.remove(destination);
                }
            }
        }
    }
}
