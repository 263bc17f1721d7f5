//! Virtual servers of a pair: what a client would notice when the other director takes over.

use super::{Side, finding};
use crate::code::{Class, Code};
use crate::diagnostic::Diagnostics;
use crate::outline::Node;
use crate::source::Span;
use standfast_model::config::lvs::{RealServer, VirtualServer};
use standfast_model::ipvs::ServiceKey;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// A virtual server with the block it stands in.
type Served<'c> = BTreeMap<ServiceKey, (&'c VirtualServer, Option<&'c Node>)>;

pub(super) fn compare(sides: &[Side<'_>; 2], findings: &mut Diagnostics) {
    let [ours, theirs] = [&sides[0], &sides[1]].map(served);
    for (key, (server, block)) in &ours {
        match theirs.get(key) {
            Some(other) => same_service(key, (server, *block), *other, findings),
            None => lone(key, *block, "second", findings),
        }
    }
    for (key, (_, block)) in theirs.iter().filter(|(key, _)| !ours.contains_key(*key)) {
        lone(key, *block, "first", findings);
    }
}

fn served<'c>(side: &Side<'c>) -> Served<'c> {
    // Looked up once for all: a search for each of ten thousand would be a search among ten thousand.
    let mut blocks: BTreeMap<Vec<Vec<u8>>, Vec<&Node>> = BTreeMap::new();
    for node in side.nodes.iter().filter(|node| node.is(&["virtual_server"])) {
        blocks.entry(head(node)).or_default().push(node);
    }
    let find = |server: &VirtualServer| {
        let candidates = blocks.get(&head_of(server))?;
        let speaks = |node: &&&Node| match server.key {
            ServiceKey::Address { protocol, .. } => {
                let word = node.last(&["protocol"]).map(|n| n.word(1).to_ascii_uppercase());
                word.is_none_or(|word| word == protocol.to_string().into_bytes())
            }
            ServiceKey::FirewallMark { .. } => true,
        };
        candidates.iter().find(speaks).or(candidates.first()).copied()
    };
    side.config.lvs.virtual_servers.iter().map(|server| (server.key, (server, find(server)))).collect()
}

/// The words of a head, an address in one spelling, the port without zeros.
fn head(node: &Node) -> Vec<Vec<u8>> {
    let text = |index| core::str::from_utf8(node.word(index)).unwrap_or_default();
    match text(1).parse::<IpAddr>() {
        Ok(address) => {
            vec![address.to_string().into_bytes(), text(2).parse::<u16>().unwrap_or(0).to_string().into_bytes()]
        }
        Err(_) => node.words.iter().skip(1).take(2).cloned().collect(),
    }
}

fn head_of(server: &VirtualServer) -> Vec<Vec<u8>> {
    if let Some(group) = &server.options.group {
        return vec![b"group".to_vec(), group.name.clone().into_bytes()];
    }
    match server.key {
        ServiceKey::Address { address, port, .. } => {
            vec![address.to_string().into_bytes(), port.to_string().into_bytes()]
        }
        ServiceKey::FirewallMark { mark, .. } => vec![b"fwmark".to_vec(), mark.to_string().into_bytes()],
    }
}

fn named(key: &ServiceKey) -> String {
    key.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lone(key: &ServiceKey, block: Option<&Node>, other: &str, findings: &mut Diagnostics) {
    let headline = format!("the {other} director does not serve {}", named(key));
    let here = (block.map(|node| node.span), "served on this director only".to_owned());
    findings.push(finding(Code::PairLoneService, headline, (None, String::new()), here));
}

fn same_service(
    key: &ServiceKey,
    (a, first): (&VirtualServer, Option<&Node>),
    (b, second): (&VirtualServer, Option<&Node>),
    findings: &mut Diagnostics,
) {
    let service = named(key);
    let at = |block: Option<&Node>, names: &[&str]| super::place(block, names);
    let (algorithm, word) = (["lb_algo", "lvs_sched"], |s: &VirtualServer| s.scheduler.as_str().to_owned());
    if a.scheduler != b.scheduler {
        let headline = format!("{service} is scheduled in another way on each director");
        let places = ((at(first, &algorithm), word(a)), (at(second, &algorithm), word(b)));
        findings.push(finding(Code::PairService, headline, places.0, places.1));
    }
    if a.persistence != b.persistence {
        let headline = format!("{service} has another persistence on each director");
        let names = ["persistence_timeout"];
        let places = ((at(first, &names), "here".to_owned()), (at(second, &names), "and here".to_owned()));
        findings.push(finding(Code::PairService, headline, places.0, places.1));
    }
    let pool = |s: &VirtualServer| s.real_servers.iter().map(|r| r.address).collect::<BTreeSet<SocketAddr>>();
    let (ours, theirs) = (pool(a), pool(b));
    if ours != theirs {
        let headline = format!("{service} has other real servers on each director");
        let here = (at(first, &[]), only(&ours, &theirs));
        findings.push(finding(Code::PairService, headline, here, (at(second, &[]), only(&theirs, &ours))));
    }
    let others: BTreeMap<SocketAddr, &RealServer> = b.real_servers.iter().map(|r| (r.address, r)).collect();
    for server in &a.real_servers {
        if let Some(other) = others.get(&server.address) {
            same_server(&service, (server, first), (other, second), findings);
        }
    }
}

fn same_server(
    service: &str,
    (a, first): (&RealServer, Option<&Node>),
    (b, second): (&RealServer, Option<&Node>),
    findings: &mut Diagnostics,
) {
    let address = a.address;
    let places = || [first, second].map(|block| real_server(block, address));
    if a.forwarding != b.forwarding {
        let headline = format!("{address} of {service} is reached in another way on each director");
        let [here, there] = places().map(|place| (place, "this method".to_owned()));
        findings.push(finding(Code::PairService, headline, here, there));
    } else if a.weight != b.weight {
        let headline = format!("{address} of {service} has another weight on each director");
        let [here, there] = places();
        let (here, there) = ((here, format!("weight {}", a.weight)), (there, format!("weight {}", b.weight)));
        findings.push(finding(Code::PairService, headline, here, there).class(Class::Hint));
    }
}

fn only(these: &BTreeSet<SocketAddr>, those: &BTreeSet<SocketAddr>) -> String {
    let names: Vec<String> = these.difference(those).take(4).map(ToString::to_string).collect();
    let more = these.difference(those).count().saturating_sub(names.len());
    match (names.is_empty(), more) {
        (true, _) => "nothing that the other has not".to_owned(),
        (false, 0) => format!("only here: {}", names.join(", ")),
        (false, more) => format!("only here: {} and {more} more", names.join(", ")),
    }
}

fn real_server(block: Option<&Node>, address: SocketAddr) -> Option<Span> {
    let ip = address.ip();
    let is = |node: &&Node| {
        let written = core::str::from_utf8(node.word(1)).ok().and_then(|word| word.parse::<IpAddr>().ok());
        node.is(&["real_server"]) && written == Some(ip)
    };
    let port = |node: &&Node| node.word(2) == address.port().to_string().as_bytes();
    let children = block?.children();
    let exact = children.iter().find(|node| is(node) && port(node));
    exact.or(children.iter().find(is)).or(block).map(|node| node.span)
}
