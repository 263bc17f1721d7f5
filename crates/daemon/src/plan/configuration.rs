//! The difference of two configurations in words: what is in one and not in the other, and what changed from what to
//! what.
//!
//! It compares the validated values and not the text, so comments, order of statements and definitions do not count.
//! Every field is compared, because it goes through the form in which configurations are handed to the workers; secrets
//! are compared and never shown.

use serde_json::{Map, Value};
use standfast_model::config::lvs::{LvsCommon, Probe, RealServer};
use standfast_model::config::track::{Tracked, Tracker};
use standfast_model::config::witness::{Etcd, Witness, WitnessId, WitnessKind, WitnessPolicy};
use standfast_model::{Config, InterfaceName, Secret};
use std::collections::BTreeMap;

mod natural;

/// Fields whose values are secrets.
const SECRETS: [&str; 4] = ["octets", "password", "Pass", "Ah"];

/// What the words of the configuration are called that have another name in our own.
const KEYWORDS: [(&str, &str); 29] = [
    ("addresses", "virtual_ipaddress"),
    ("advert_interval", "advert_int"),
    ("excluded", "virtual_ipaddress_excluded"),
    ("forwarding", "lb_kind"),
    ("hmac", "auth_hmac"),
    ("identity", "user"),
    ("initial_state", "state"),
    ("link_delays", "interface_up_down_delays"),
    ("linkbeat", "linkbeat_interfaces"),
    ("lower_threshold", "lthreshold"),
    ("members", "group"),
    ("multicast4", "vrrp_mcast_group4"),
    ("multicast6", "vrrp_mcast_group6"),
    ("neighbor", "neighbor_ip"),
    ("one_packet", "ops"),
    ("peers", "unicast_peer"),
    ("routes", "virtual_routes"),
    ("rules", "virtual_rules"),
    ("scheduler", "lb_algo"),
    ("source", "mcast_src_ip"),
    ("static_addresses", "static_ipaddress"),
    ("sync_daemon", "lvs_sync_daemon"),
    ("timeouts", "lvs_timeouts"),
    ("track_interfaces", "track_interface"),
    ("track_source", "track_src_ip"),
    ("trackers", "track"),
    ("upper_threshold", "uthreshold"),
    ("vrid", "virtual_router_id"),
    ("words", "command"),
];

/// Fields that only hold others together and that no user has ever written.
const TRANSPARENT: [&str; 6] = ["options", "common", "timing", "connect", "probe", "peering"];

/// How the name of a real server among the parts of its virtual server begins.
const REAL_SERVER: &str = "real_server ";

/// What a value is compared as.
#[derive(Clone, PartialEq, Debug)]
enum Node {
    /// A word.
    Leaf(String),
    /// A secret: compared by its value, shown as none.
    Secret(Secret),
    /// Parts by their names.
    Parts(BTreeMap<String, Node>),
}

/// The differences, a line each; none if there is none.
#[must_use]
pub fn differences(before: &Config, after: &Config) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    let mut lines = Vec::new();
    compare_parts(&mut Vec::new(), &subjects(before), &subjects(after), &mut lines);
    if lines.is_empty() {
        // The order of addresses is what is advertised, that of instances what is shown.
        lines.push("the same in another order".to_owned());
    }
    lines
}

/// Everything by what a user would call it: `vrrp_instance VI_1`, `virtual_server TCP 192.0.2.1:80`, ...
fn subjects(config: &Config) -> BTreeMap<String, Node> {
    let mut all = BTreeMap::new();
    let mut put = |name: String, node: Node| {
        all.insert(name, node);
    };
    put("global_defs".to_owned(), of(&config.global));
    let vrrp = &config.vrrp;
    let instance_name = |id: &standfast_model::config::vrrp::InstanceId| {
        let place = usize::try_from(id.0).ok();
        place.and_then(|place| vrrp.instances.get(place)).map_or_else(|| id.0.to_string(), |i| i.name.clone())
    };
    for instance in &vrrp.instances {
        let mut node = of(instance);
        set(&mut node, "track", tracked(config, &instance.options.trackers));
        consent(&mut node, config, instance.options.witness.as_ref());
        put(format!("vrrp_instance {}", instance.name), node);
    }
    for group in &vrrp.groups {
        let mut node = of(group);
        set(&mut node, "group", list(group.members.iter().map(instance_name)));
        set(&mut node, "track", tracked(config, &group.options.trackers));
        consent(&mut node, config, group.options.witness.as_ref());
        put(format!("vrrp_sync_group {}", group.name), node);
    }
    let mut common = vrrp.common.clone();
    // The weights lie beside what they belong to, by its place.
    let own = core::mem::take(&mut common.own_weights);
    let weighed = |mut node: Node, weight: Option<&(i16, bool)>| {
        if let Some((weight, reverse)) = weight {
            let reverse = if *reverse { " reverse" } else { "" };
            set(&mut node, "weight", Node::Leaf(format!("{weight}{reverse}")));
        }
        node
    };
    for (at, script) in core::mem::take(&mut common.scripts).iter().enumerate() {
        put(format!("vrrp_script {}", script.name), weighed(of(script), own.scripts.get(at)));
    }
    for (at, file) in core::mem::take(&mut common.files).iter().enumerate() {
        put(format!("track_file {}", file.name), weighed(of(file), own.files.get(at)));
    }
    for (at, process) in core::mem::take(&mut common.processes).iter().enumerate() {
        put(format!("vrrp_track_process {}", process.name), weighed(of(process), own.processes.get(at)));
    }
    for group in core::mem::take(&mut common.track_groups) {
        put(format!("track_group {}", group.name), list(group.members.iter().map(instance_name)));
    }
    common.bfd_sessions.clear();
    common.services.clear();
    common.witnesses.clear();
    put("vrrp".to_owned(), of(&common));
    servers(config, &mut put);
    for witness in &config.witnesses {
        put(format!("witness {}", witness.name), asked(witness));
    }
    exchange(config, &mut put);
    for session in &config.bfd.sessions {
        put(format!("bfd_instance {}", session.name), of(session));
    }
    all
}

fn servers(config: &Config, put: &mut impl FnMut(String, Node)) {
    let lvs = &config.lvs;
    for service in &lvs.virtual_servers {
        let key = service.key.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let mut own = service.clone();
        let servers = core::mem::take(&mut own.real_servers);
        let mut node = of(&own);
        for server in servers {
            set(&mut node, &format!("{REAL_SERVER}{}:", server.address), real_server(&lvs.common, server));
        }
        put(format!("virtual_server {key}"), node);
    }
    let mut common = lvs.common.clone();
    for file in core::mem::take(&mut common.track_files) {
        put(format!("track_file {} of checkers", file.name), of(&file));
    }
    common.bfd_sessions.clear();
    put("virtual servers".to_owned(), of(&common));
}

/// One of them with its checkers, of which those of one kind have numbers from the second on.
fn real_server(common: &LvsCommon, mut server: RealServer) -> Node {
    let checkers = core::mem::take(&mut server.checkers);
    let mut all = of(&server);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for checker in &checkers {
        let word = keyword(&checker.probe);
        let number = seen.entry(word).or_default();
        *number += 1;
        let which = if *number == 1 { String::new() } else { format!(" no. {number}") };
        let mut node = of(checker);
        untag(&mut node);
        match &checker.probe {
            Probe::File(check) => {
                let name = usize::try_from(check.file.0).ok().and_then(|place| common.track_files.get(place));
                set(&mut node, "file", Node::Leaf(name.map(|file| file.name.clone()).unwrap_or_default()));
            }
            Probe::Bfd(check) => {
                let name = usize::try_from(check.session.0).ok().and_then(|place| common.bfd_sessions.get(place));
                set(&mut node, "session", Node::Leaf(name.cloned().unwrap_or_default()));
            }
            Probe::Tcp(_)
            | Probe::Http(_)
            | Probe::Smtp(_)
            | Probe::Dns(_)
            | Probe::Misc(_)
            | Probe::Ping(_)
            | Probe::Udp(_) => {}
        }
        set(&mut all, &format!("{word}{which}:"), node);
    }
    all
}

/// Whom else a standby asks, by name and not by place.
fn consent(node: &mut Node, config: &Config, policy: Option<&WitnessPolicy>) {
    let Some(policy) = policy else { return };
    let named = |id: &WitnessId| config.vrrp.common.witnesses.get(usize::try_from(id.0).ok()?).map(|w| w.name.clone());
    let mut own = of(policy);
    if let Node::Parts(parts) = &mut own {
        parts.remove("witnesses");
        parts.insert("use".to_owned(), list(policy.witnesses.iter().filter_map(named)));
    }
    set(node, "witness", own);
}

/// A witness, with what it is asked by the keyword that says so.
fn asked(witness: &Witness) -> Node {
    let mut node = of(witness);
    let kind = match &witness.kind {
        WitnessKind::Ping(address) => ("ping", Node::Leaf(address.to_string())),
        WitnessKind::Tcp(place) => ("tcp", Node::Leaf(place.to_string())),
        WitnessKind::Etcd(etcd) => ("etcd", store(etcd)),
    };
    if let Node::Parts(parts) = &mut node {
        parts.remove("kind");
    }
    set(&mut node, kind.0, kind.1);
    node
}

fn store(etcd: &Etcd) -> Node {
    let scheme = if etcd.tls.is_some() { "https" } else { "http" };
    let mut parts = BTreeMap::from([
        ("endpoint".to_owned(), list(etcd.endpoints.iter().map(|endpoint| format!("{scheme}://{endpoint}")))),
        ("lease_key".to_owned(), Node::Leaf(etcd.key.clone())),
        ("lease".to_owned(), Node::Leaf(format!("{:?}", etcd.lease))),
    ]);
    let tls = etcd.tls.clone().unwrap_or_default();
    let (certificate, key) = tls.identity.unzip();
    let words = [
        ("holder", etcd.holder.clone()),
        ("user", etcd.user.as_ref().map(|user| user.name.clone())),
        ("ca", tls.ca),
        ("certificate", certificate),
        ("private_key", key),
        ("server_name", tls.server_name),
    ];
    parts.extend(words.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Node::Leaf(text?)))));
    let password = etcd.user.as_ref().map(|user| Node::Secret(user.password.clone()));
    parts.extend(password.map(|password| ("password".to_owned(), password)));
    Node::Parts(parts)
}

/// The other directors that states are exchanged with.
fn exchange(config: &Config, put: &mut impl FnMut(String, Node)) {
    let Some(exchange) = &config.exchange else { return };
    for peer in &exchange.peers {
        put(format!("peer {}", peer.name), Node::Leaf(peer.address.to_string()));
    }
    put("peer_key".to_owned(), Node::Secret(exchange.peer_key.clone()));
    put("peer_listen".to_owned(), list(exchange.listen.iter().map(ToString::to_string)));
}

const fn keyword(probe: &Probe) -> &'static str {
    match probe {
        Probe::Tcp(_) => "TCP_CHECK",
        Probe::Http(http) if http.tls.is_some() => "SSL_GET",
        Probe::Http(_) => "HTTP_GET",
        Probe::Smtp(_) => "SMTP_CHECK",
        Probe::Dns(_) => "DNS_CHECK",
        Probe::Misc(_) => "MISC_CHECK",
        Probe::Ping(_) => "PING_CHECK",
        Probe::Udp(_) => "UDP_CHECK",
        Probe::File(_) => "FILE_CHECK",
        Probe::Bfd(_) => "BFD_CHECK",
    }
}

/// What is tracked by its name; in the configuration it is a place in a list.
fn tracked(config: &Config, trackers: &[Tracked]) -> Node {
    let common = &config.vrrp.common;
    let place = |id: u32| usize::try_from(id).unwrap_or(usize::MAX);
    let parts = trackers.iter().map(|entry| {
        let mut service = String::new();
        if let Tracker::Service(id) = entry.tracker
            && let Some(found) = common.services.get(place(id.0))
        {
            service = found.to_string();
        }
        let (kind, name) = match entry.tracker {
            Tracker::Service(_) => ("virtual_server", Some(&service)),
            Tracker::Script(id) => ("script", common.scripts.get(place(id.0)).map(|found| &found.name)),
            Tracker::File(id) => ("file", common.files.get(place(id.0)).map(|found| &found.name)),
            Tracker::Process(id) => ("process", common.processes.get(place(id.0)).map(|found| &found.name)),
            Tracker::Bfd(id) => ("bfd", common.bfd_sessions.get(place(id.0))),
        };
        let reverse = if entry.reverse { " reverse" } else { "" };
        let name = name.map(String::as_str).unwrap_or_default();
        (format!("{kind} {name}"), Node::Leaf(format!("weight {}{reverse}", entry.weight)))
    });
    Node::Parts(parts.collect())
}

/// Takes away the word for the kind of check, which its keyword says already.
fn untag(node: &mut Node) {
    let Node::Parts(parts) = node else { return };
    for tag in ["Tcp", "Http", "Smtp", "Dns", "Misc", "Ping", "Udp", "File", "Bfd"] {
        if let Some(Node::Parts(inner)) = parts.remove(tag) {
            parts.extend(inner);
        }
    }
}

fn list(names: impl Iterator<Item = String>) -> Node {
    Node::Parts(names.map(|name| (name, Node::Leaf(String::new()))).collect())
}

fn set(node: &mut Node, name: &str, value: Node) {
    if let Node::Parts(parts) = node {
        parts.insert(name.to_owned(), value);
    }
}

fn of(value: &impl serde::Serialize) -> Node {
    // Every type of the configuration has a form in JSON.
    let value = serde_json::to_value(value).unwrap_or(Value::Null);
    node("", &value).unwrap_or_else(|| Node::Parts(BTreeMap::new()))
}

/// None for what is not there: an option that nobody has set, an empty list.
fn node(field: &str, value: &Value) -> Option<Node> {
    if SECRETS.contains(&field) {
        return (!value.is_null()).then(|| Node::Secret(value.to_string().into()));
    }
    match value {
        Value::Null => None,
        Value::Bool(yes) => Some(Node::Leaf(if *yes { "yes" } else { "no" }.to_owned())),
        Value::Number(number) => Some(Node::Leaf(number.to_string())),
        // As the configuration and the log write it.
        Value::String(state) if field == "initial_state" => Some(Node::Leaf(state.to_uppercase())),
        Value::String(text) => Some(Node::Leaf(text.clone())),
        Value::Array(items) => array(field, items),
        Value::Object(members) => Some(object(members)),
    }
}

fn object(members: &Map<String, Value>) -> Node {
    let number = |name: &str| members.get(name).and_then(Value::as_u64);
    if let (2, Some(seconds), Some(nanos)) = (members.len(), number("secs"), number("nanos")) {
        return Node::Leaf(format!("{:?}", core::time::Duration::new(seconds, u32::try_from(nanos).unwrap_or(0))));
    }
    if let (1, Some(centiseconds)) = (members.len(), number("centiseconds")) {
        return Node::Leaf(format!("{:?}", core::time::Duration::from_millis(centiseconds * 10)));
    }
    if let (2, Some(uid), Some(gid)) = (members.len(), number("uid"), number("gid")) {
        return Node::Leaf(format!("{uid}:{gid}"));
    }
    let mut parts = BTreeMap::new();
    for (name, value) in members {
        let Some(node) = node(name, value) else { continue };
        match node {
            Node::Parts(inner) if TRANSPARENT.contains(&name.as_str()) => parts.extend(inner),
            node @ (Node::Leaf(_) | Node::Secret(_) | Node::Parts(_)) => {
                parts.insert(word(name), node);
            }
        }
    }
    Node::Parts(parts)
}

fn array(field: &str, items: &[Value]) -> Option<Node> {
    if items.is_empty() {
        return None;
    }
    let bytes = |value: &Value| -> Option<String> {
        let bytes = value.as_array()?.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()));
        Some(String::from_utf8_lossy(&bytes.collect::<Option<Vec<u8>>>()?).into_owned())
    };
    if field == "words" {
        return Some(Node::Leaf(items.iter().filter_map(bytes).collect::<Vec<_>>().join(" ")));
    }
    if items.iter().all(Value::is_number) {
        return Some(Node::Leaf(items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")));
    }
    let mut parts = BTreeMap::new();
    for item in items {
        let mut name = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
        let mut rest = Node::Leaf(String::new());
        if let Value::Object(members) = item {
            // What tells entries of a list apart, in the order of how well it does.
            let found = ["name", "address", "destination", "path", "target", "interface", "id", "preference"]
                .into_iter()
                .find_map(|key| {
                    members.get(key).filter(|value| value.is_string() || value.is_number()).map(|v| (key, v))
                });
            let mut members = members.clone();
            if let Some((key, value)) = found {
                name = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                members.remove(key);
            } else {
                name = format!("no. {}", parts.len() + 1);
            }
            rest = object(&members);
        }
        while parts.contains_key(&name) {
            name.push('\'');
        }
        parts.insert(name, rest);
    }
    Some(Node::Parts(parts))
}

fn word(field: &str) -> String {
    let known = KEYWORDS.iter().find(|(ours, _)| *ours == field);
    known.map_or(field, |(_, keyword)| keyword).to_owned()
}

fn compare_parts(
    path: &mut Vec<String>,
    before: &BTreeMap<String, Node>,
    after: &BTreeMap<String, Node>,
    lines: &mut Vec<String>,
) {
    let gone = before.iter().filter(|(name, _)| !after.contains_key(*name)).map(|(name, old)| (name, Some(old), None));
    let rest = after.iter().map(|(name, new)| (name, before.get(name), Some(new)));
    let mut all: Vec<_> = gone.chain(rest).collect();
    all.sort_by(|(a, _, _), (b, _, _)| natural::order(a, b));
    for (name, old, new) in all {
        path.push(name.clone());
        compare(path, old, new, lines);
        path.pop();
    }
}

fn compare(path: &mut Vec<String>, old: Option<&Node>, new: Option<&Node>, lines: &mut Vec<String>) {
    let at = |path: &[String]| match path.split_first() {
        Some((subject, [])) => subject.clone(),
        // What has parts of its own ends with the colon that stands before them.
        Some((subject, rest)) => format!("{subject}: {}", rest.join(" ").trim_end_matches(':')),
        None => String::new(),
    };
    match (old, new) {
        (Some(Node::Parts(old)), Some(Node::Parts(new))) => compare_parts(path, old, new, lines),
        (Some(old), Some(new)) if old == new => {}
        (Some(Node::Secret(_)), Some(Node::Secret(_))) => lines.push(format!("{}: changed (secret)", at(path))),
        (Some(Node::Leaf(old)), Some(Node::Leaf(new))) => {
            lines.push(format!("{} {} -> {}", at(path), shown(old), shown(new)));
        }
        (Some(_), Some(_)) => lines.push(format!("{}: changed", at(path))),
        (None, Some(new)) => lines.push(format!("{}{} added", at(path), brief(new))),
        (Some(old), None) => lines.push(format!("{}{} removed", at(path), brief(old))),
        (None, None) => {}
    }
}

fn shown(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// A value behind its name, where it is a short one; of a virtual server how many servers it has.
fn brief(node: &Node) -> String {
    match node {
        Node::Leaf(text) if text.is_empty() => String::new(),
        Node::Leaf(text) => format!(" {text}"),
        Node::Secret(_) => String::new(),
        Node::Parts(parts) => match parts.keys().filter(|name| name.starts_with(REAL_SERVER)).count() {
            0 => String::new(),
            1 => " with 1 real server".to_owned(),
            servers => format!(" with {servers} real servers"),
        },
    }
}

/// Every interface that a configuration names: where there is no machine to ask, these are taken to exist.
pub(super) fn interfaces(config: &Config) -> std::collections::BTreeSet<InterfaceName> {
    let vrrp = &config.vrrp;
    let mut names = std::collections::BTreeSet::new();
    for instance in &vrrp.instances {
        names.insert(instance.interface.clone());
        names.extend(instance.track_interfaces.iter().map(|entry| entry.interface.clone()));
        let addresses = instance.addresses.iter().chain(&instance.excluded);
        names.extend(addresses.filter_map(|address| address.interface.clone()));
    }
    for group in &vrrp.groups {
        names.extend(group.track_interfaces.iter().map(|entry| entry.interface.clone()));
    }
    names.extend(vrrp.common.static_addresses.iter().filter_map(|address| address.interface.clone()));
    let routes = vrrp.instances.iter().flat_map(|instance| &instance.options.routes).chain(&vrrp.common.static_routes);
    for route in routes {
        let ways = core::iter::once(&route.hop).chain(&route.hops).filter_map(|hop| hop.interface.as_ref());
        names.extend(ways.chain(&route.vrf).cloned());
    }
    let rules = vrrp.instances.iter().flat_map(|instance| &instance.options.rules);
    names.extend(rules.flat_map(|rule| [&rule.input, &rule.output]).flatten().cloned());
    names
}

#[cfg(test)]
mod tests;
