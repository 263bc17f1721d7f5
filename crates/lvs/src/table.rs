//! The IPVS table as a value, and the operations between two of them.

use standfast_model::ipvs::{Destination, DestinationKey, Service, ServiceKey};
use std::collections::BTreeMap;

/// A service with its destinations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The service.
    pub service: Service,
    /// Its destinations.
    pub destinations: BTreeMap<DestinationKey, Destination>,
}

/// A whole IPVS table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Table {
    /// Every service by its key.
    pub services: BTreeMap<ServiceKey, Entry>,
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
