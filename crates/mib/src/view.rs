//! All objects, in their order.

use crate::table::Table;
use crate::world::World;
use crate::{check, keepalived, rfc2787, rfc6527};
use standfast_agentx::{Mib, Oid, SetError, Value, VarBind};
use standfast_api::SnmpSlice;
use standfast_api::adjust::{Adjustment, MAX_ADJUSTMENTS};
use standfast_api::control::{Order, ServerOrder, ServerWish};

/// Objects, each made when it is asked for.
#[derive(Debug)]
pub struct View {
    world: World,
    /// In the order of their names; no two are in each other's way.
    tables: Vec<Table>,
}

impl View {
    /// The objects of a world.
    #[must_use]
    pub fn new(world: World) -> Self {
        let snmp = &world.slice.global.snmp;
        let mut tables = Vec::new();
        if snmp.rfc_v2 {
            tables.extend(rfc2787::tables(&world));
        }
        if snmp.rfc_v3 {
            tables.extend(rfc6527::tables(&world));
        }
        if snmp.vrrp || snmp.checker {
            tables.extend(keepalived::global_tables(&world));
        }
        if snmp.vrrp {
            tables.extend(keepalived::vrrp_tables(&world));
        }
        if snmp.checker {
            tables.extend(check::tables(&world));
        }
        Self { world, tables }
    }

    /// What the objects are made of.
    #[must_use]
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// What is to be done so that these objects are what they are to be. Instances that are set together are changed
    /// together.
    #[must_use]
    pub fn orders(&self, objects: &[VarBind]) -> Vec<Order> {
        let mut orders = Vec::new();
        let mut adjustments = Vec::new();
        for object in objects {
            match self.wanted(&object.name, &object.value) {
                Ok(Wanted::Server(order)) => orders.push(Order::Server(order)),
                Ok(Wanted::Instance(adjustment)) => adjustments.push(adjustment),
                Err(_) => {}
            }
        }
        orders.extend(adjustments.chunks(MAX_ADJUSTMENTS).map(|some| Order::Adjust(some.to_vec())));
        orders
    }

    fn wanted(&self, name: &Oid, value: &Value) -> Result<Wanted, SetError> {
        let Some((service, server)) = check::weight_at(&self.world, &self.tables, name) else {
            if !self.tables.iter().any(|table| table.knows(name)) {
                return Err(SetError::NoCreation);
            }
            return keepalived::adjustment(&self.world, &self.tables, name, value).map(Wanted::Instance);
        };
        let Value::Integer(weight) = value else { return Err(SetError::WrongType) };
        let weight = u32::try_from(*weight).map_err(|_| SetError::WrongValue)?;
        Ok(Wanted::Server(ServerOrder { server, of: Some(service), wish: ServerWish::Weight(weight) }))
    }
}

/// What a manager wants to be otherwise.
enum Wanted {
    /// The weight of a real server.
    Server(ServerOrder),
    /// A value of an instance.
    Instance(Adjustment),
}

impl Mib for View {
    fn get(&self, name: &Oid) -> Value {
        let found = self.tables.iter().find_map(|table| table.get(&self.world, name));
        let known = || self.tables.iter().any(|table| table.knows(name));
        found.unwrap_or_else(|| if known() { Value::NoSuchInstance } else { Value::NoSuchObject })
    }

    fn next(&self, name: &Oid, include: bool) -> Option<(Oid, Value)> {
        self.tables.iter().find_map(|table| table.next(&self.world, name, include))
    }

    fn test(&self, name: &Oid, value: &Value) -> Result<(), SetError> {
        self.wanted(name, value).map(|_| ())
    }
}

/// The parts of the tree that a configuration shows, for the master agent.
#[must_use]
pub fn subtrees(slice: &SnmpSlice) -> Vec<Oid> {
    let snmp = &slice.global.snmp;
    let mut parts = Vec::new();
    if snmp.vrrp || snmp.checker {
        parts.push(keepalived::root().with(&[1]));
    }
    if snmp.vrrp {
        parts.push(keepalived::root().with(&[2]));
    }
    if snmp.checker {
        parts.push(keepalived::root().with(&[3]));
    }
    if snmp.rfc_v2 {
        parts.push(rfc2787::root());
    }
    if snmp.rfc_v3 {
        parts.push(rfc6527::root());
    }
    parts
}
