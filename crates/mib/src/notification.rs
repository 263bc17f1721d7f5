//! What is told of itself: a line of the journal in, the notifications that it is worth out, with keepalived's objects.
//!
//! keepalived leaves the index of a row out of its own notifications and puts it into those of the RFCs.

use crate::world::World;
use crate::{address, check, keepalived, rfc2787, rfc6527};
use standfast_agentx::{Oid, Value, VarBind};
use standfast_api::Said;
use standfast_model::config::lvs::{RealServer, VirtualServer};
use standfast_model::config::vrrp::Instance;
use standfast_model::ipvs::ServiceKey;
use standfast_model::{Refusal, State, Version};
use std::net::IpAddr;

/// The objects of one notification, the name of which comes first.
pub type Notification = Vec<VarBind>;

/// `snmpTrapOID.0`
const TRAP_OID: [u32; 11] = [1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0];

/// What a line of the journal is worth; nothing without `enable_traps`.
#[must_use]
pub fn of(world: &World, said: &Said) -> Vec<Notification> {
    let snmp = &world.slice.global.snmp;
    if !snmp.traps {
        return Vec::new();
    }
    let event = said.field("event").unwrap_or_default();
    match event {
        "vrrp-master" | "vrrp-backup" | "vrrp-fault" | "vrrp-stop" => instance_moved(world, said),
        "vrrp-group" => group_moved(world, said),
        "advert-refused" => refused(world, said),
        "server-up" | "server-down" if snmp.checker => server_moved(world, said).into_iter().collect(),
        "quorum-gained" | "quorum-lost" if snmp.checker => quorum_moved(world, said).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The daemon stops: what is said of every instance and group that it leaves.
#[must_use]
pub fn of_stop(world: &World) -> Vec<Notification> {
    let snmp = &world.slice.global.snmp;
    if !(snmp.traps && snmp.vrrp) {
        return Vec::new();
    }
    let vrrp = &world.slice.vrrp;
    let instances = vrrp.instances.iter().map(|instance| of_instance(world, instance, State::Stop));
    instances.chain(vrrp.groups.iter().map(|group| of_group(world, &group.name, State::Stop))).collect()
}

fn object(name: Oid, value: Value) -> VarBind {
    VarBind { name, value }
}

fn begin(name: Oid) -> Notification {
    vec![object(Oid::new(&TRAP_OID), Value::Oid(name))]
}

fn state_of(word: &str) -> Option<State> {
    [State::Init, State::Backup, State::Master, State::Fault, State::Stop]
        .into_iter()
        .find(|state| state.to_string() == word)
}

fn router(world: &World) -> VarBind {
    object(keepalived::root().with(&[1, 2, 0]), Value::text(world.router_id()))
}

fn of_instance(world: &World, instance: &Instance, state: State) -> Notification {
    let column = |column| keepalived::root().with(&[2, 3, 1, column]);
    let mut told = begin(keepalived::root().with(&[2, 10, 0, 2]));
    told.push(object(column(2), Value::text(&instance.name)));
    told.push(object(column(4), keepalived::state(state)));
    told.push(object(column(5), keepalived::initial(instance)));
    told.push(router(world));
    told
}

fn of_group(world: &World, name: &str, state: State) -> Notification {
    let column = |column| keepalived::root().with(&[2, 1, 1, column]);
    let mut told = begin(keepalived::root().with(&[2, 10, 0, 1]));
    told.push(object(column(2), Value::text(name)));
    told.push(object(column(3), keepalived::state(state)));
    told.push(router(world));
    told
}

fn instance_moved(world: &World, said: &Said) -> Vec<Notification> {
    let snmp = &world.slice.global.snmp;
    let name = said.field("instance").unwrap_or_default();
    let state = said.field("to").and_then(state_of);
    let found = world.slice.vrrp.instances.iter().find(|instance| instance.name == name);
    let (Some(instance), Some(state)) = (found, state) else { return Vec::new() };
    let mut all = Vec::new();
    if snmp.vrrp {
        all.push(of_instance(world, instance, state));
    }
    if state == State::Master {
        let source = world.source(instance);
        if snmp.rfc_v2 && instance.version == Version::V2 {
            let mut told = begin(rfc2787::root().with(&[0, 1]));
            let name = rfc2787::root().with(&[1, 3, 1, 7]).with(&rfc2787::index(world, instance));
            told.push(object(name, address::v4(source)));
            all.push(told);
        }
        if snmp.rfc_v3 {
            let index = rfc6527::index(world, instance);
            let mut told = begin(rfc6527::root().with(&[0, 1]));
            let own = source.map_or(Value::Octets(Vec::new()), address::value);
            told.push(object(rfc6527::root().with(&[1, 1, 1, 1, 3]).with(&index), own));
            let resigned =
                said.field("cause").is_some_and(|cause| cause.ends_with("resigned") || cause.contains("owner"));
            let reason = Value::Integer(if resigned { 1 } else { 3 });
            told.push(object(rfc6527::root().with(&[1, 2, 5, 1, 2]).with(&index), reason));
            all.push(told);
        }
    }
    all
}

fn group_moved(world: &World, said: &Said) -> Vec<Notification> {
    let (Some(name), Some(state)) = (said.field("group"), said.field("to").and_then(state_of)) else {
        return Vec::new();
    };
    if world.slice.global.snmp.vrrp { vec![of_group(world, name, state)] } else { Vec::new() }
}

fn refused(world: &World, said: &Said) -> Vec<Notification> {
    let snmp = &world.slice.global.snmp;
    let name = said.field("instance").unwrap_or_default();
    let text = said.field("cause").unwrap_or_default();
    let Some(reason) = Refusal::ALL.into_iter().find(|reason| text.contains(&format!(": {reason}"))) else {
        return Vec::new();
    };
    let instance = world.slice.vrrp.instances.iter().find(|instance| instance.name == name);
    // invalidAuthType(1), authTypeMismatch(2), authFailure(3)
    let kinds = [(Refusal::AuthTypeUnknown, 1), (Refusal::AuthTypeMismatch, 2), (Refusal::AuthFailure, 3)];
    let kind = kinds.into_iter().find(|(known, _)| *known == reason).map(|(_, kind)| kind);
    let mut all = Vec::new();
    if let (Some(kind), true) = (kind, snmp.rfc_v2) {
        let source: Option<IpAddr> = said.field("source").and_then(|source| source.parse().ok());
        let mut told = begin(rfc2787::root().with(&[0, 2]));
        told.push(object(rfc2787::root().with(&[1, 5, 0]), address::v4(source)));
        told.push(object(rfc2787::root().with(&[1, 6, 0]), Value::Integer(kind)));
        all.push(told);
    }
    if let (Some(kind), Some(instance), true) = (rfc6527::protocol_error(reason), instance, snmp.rfc_v3) {
        let mut told = begin(rfc6527::root().with(&[0, 2]));
        let name = rfc6527::root().with(&[1, 2, 5, 1, 6]).with(&rfc6527::index(world, instance));
        told.push(object(name, Value::Integer(kind)));
        all.push(told);
    }
    all
}

/// The virtual server that a line names as `ipvsadm` prints it.
fn service_of<'w>(world: &'w World, said: &Said) -> Option<&'w VirtualServer> {
    let name = said.field("service")?;
    let mut services = world.slice.lvs.virtual_servers.iter();
    services.find(|service| world.own_key(service).is_some_and(|key| key.to_string() == name))
}

/// What says which virtual server it is about.
fn identify(told: &mut Notification, service: &VirtualServer) {
    let column = |column| keepalived::root().with(&[3, 3, 1, column]);
    told.push(object(column(2), check::kind(service)));
    match (&service.options.group, &service.key) {
        (Some(group), _) => told.push(object(column(3), Value::text(&group.name))),
        (None, ServiceKey::FirewallMark { mark, .. }) => told.push(object(column(4), Value::unsigned(*mark))),
        (None, ServiceKey::Address { address, port, .. }) => {
            told.push(object(column(5), address::kind(*address)));
            told.push(object(column(6), address::value(*address)));
            told.push(object(column(7), Value::unsigned(*port)));
        }
    }
    told.push(object(column(8), Value::truth(check::is_tcp(&service.key))));
}

/// How many servers are up as the line has it: a status may be of before, or of after the next one went.
fn numbers(told: &mut Notification, world: &World, said: &Said, service: &VirtualServer) {
    let column = |column| keepalived::root().with(&[3, 3, 1, column]);
    let live = said.field("up").and_then(|up| up.parse::<u32>().ok()).unwrap_or(0);
    told.push(object(column(21), Value::unsigned(live)));
    told.push(object(column(20), Value::unsigned(service.real_servers.len())));
    told.push(router(world));
}

fn server_moved(world: &World, said: &Said) -> Option<Notification> {
    let service = service_of(world, said)?;
    let name = said.field("server")?;
    let named = |server: &&RealServer| server.address.to_string() == name;
    let server = service.real_servers.iter().find(named)?;
    let column = |column| keepalived::root().with(&[3, 4, 1, column]);
    let mut told = begin(keepalived::root().with(&[3, 5, 0, 1]));
    told.push(object(column(3), address::kind(server.address.ip())));
    told.push(object(column(4), address::value(server.address.ip())));
    told.push(object(column(5), Value::unsigned(server.address.port())));
    told.push(object(column(6), Value::truth(said.field("event") == Some("server-up"))));
    identify(&mut told, service);
    numbers(&mut told, world, said, service);
    Some(told)
}

fn quorum_moved(world: &World, said: &Said) -> Option<Notification> {
    let service = service_of(world, said)?;
    let column = |column| keepalived::root().with(&[3, 3, 1, column]);
    let mut told = begin(keepalived::root().with(&[3, 5, 0, 2]));
    identify(&mut told, service);
    told.push(object(column(23), Value::truth(said.field("event") == Some("quorum-gained"))));
    told.push(object(column(22), Value::unsigned(service.quorum)));
    numbers(&mut told, world, said, service);
    Some(told)
}
