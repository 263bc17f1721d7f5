//! Virtual routers of a pair: what makes one router refuse the other's advertisements, or both be master.

use super::{Side, finding, place, witness};
use crate::code::{Class, Code};
use crate::diagnostic::Diagnostics;
use crate::outline::Node;
use crate::source::Span;
use standfast_model::config::instance::HmacKey;
use standfast_model::config::track::Tracker;
use standfast_model::config::vrrp::{Authentication, InitialState, Instance, InstanceId, Preempt, SyncGroup};
use standfast_model::ipvs::Family;
use standfast_model::{Priority, Version, VirtualAddress};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// One virtual router on one director.
#[derive(Clone, Copy)]
struct Router<'c> {
    id: InstanceId,
    instance: &'c Instance,
    block: Option<&'c Node>,
}

impl Router<'_> {
    fn at(&self, keywords: &[&str]) -> Option<Span> {
        place(self.block, keywords)
    }

    /// Addresses in a list of the block.
    fn listed(&self, list: &str) -> Vec<(IpAddr, Span)> {
        let blocks = self.block.map(Node::children).unwrap_or_default().iter().filter(|node| node.is(&[list]));
        let entries = blocks.flat_map(Node::children);
        entries.filter_map(|entry| Some((address(entry.word(0))?, entry.span))).collect()
    }

    fn is_unicast(&self) -> bool {
        self.block.is_some_and(|block| block.last(&["unicast_peer"]).is_some())
    }

    fn own_address(&self) -> Option<IpAddr> {
        self.block?.last(&["unicast_src_ip", "mcast_src_ip"]).and_then(|node| address(node.word(1)))
    }
}

/// Whether two routers may be one virtual router.
type Agreement = fn(&Router<'_>, &Router<'_>) -> bool;

fn same_name(a: &Router<'_>, b: &Router<'_>) -> bool {
    a.instance.name == b.instance.name
}

fn shares(a: &Router<'_>, b: &Router<'_>) -> bool {
    let held = |r: &Router<'_>| r.instance.addresses.iter().map(|v| v.address.addr()).collect::<BTreeSet<_>>();
    !held(a).is_disjoint(&held(b))
}

fn address(word: &[u8]) -> Option<IpAddr> {
    core::str::from_utf8(word).ok()?.parse().ok()
}

pub(super) fn compare(sides: &[Side<'_>; 2], findings: &mut Diagnostics) {
    let [first, second] = sides;
    let (ours, theirs) = (routers(first), routers(second));
    let pairs = matched(&ours, &theirs);
    for (a, b) in &pairs {
        identity(a, b, findings);
        interval(a, b, findings);
        // Version 3 has none: with another version on each side that is what there is to say.
        if a.instance.version == b.instance.version {
            authentication(a, b, findings);
        }
        addresses(a, b, findings);
        roles(a, b, findings);
        preemption(a, b, findings);
        weights(a, b, findings);
        unicast(a, b, findings);
        witness::compare([(first, a.id, a.block), (second, b.id, b.block)], findings);
    }
    lone(&ours, &pairs.iter().map(|(a, _)| a.id).collect(), "second", findings);
    lone(&theirs, &pairs.iter().map(|(_, b)| b.id).collect(), "first", findings);
    groups(sides, &pairs, findings);
}

fn routers<'c>(side: &Side<'c>) -> Vec<Router<'c>> {
    // The first of a name counts, as in `load`. Looked up once for all: instances come by the thousand.
    let mut blocks: BTreeMap<&[u8], &Node> = BTreeMap::new();
    for node in side.nodes.iter().filter(|node| node.is(&["vrrp_instance"])) {
        blocks.entry(node.word(1)).or_insert(node);
    }
    let numbered = (0..).map(InstanceId).zip(&side.config.vrrp.instances);
    let router = |(id, instance): (InstanceId, &'c Instance)| {
        let block = blocks.get(instance.name.as_bytes()).copied();
        Router { id, instance, block }
    };
    numbered.map(router).collect()
}

/// Which router of one is which of the other: by VRID and family with the name or an address in common, then by name
/// alone (the VRID is wrong), then by VRID alone (the rest is).
fn matched<'c>(ours: &[Router<'c>], theirs: &[Router<'c>]) -> Vec<(Router<'c>, Router<'c>)> {
    let id = |r: &Router<'_>| (r.instance.vrid, r.instance.family == Family::Inet);
    let mut by_id: BTreeMap<_, Vec<&Router<'c>>> = BTreeMap::new();
    let mut by_name: BTreeMap<&str, Vec<&Router<'c>>> = BTreeMap::new();
    for router in theirs {
        by_id.entry(id(router)).or_default().push(router);
        by_name.entry(&router.instance.name).or_default().push(router);
    }
    let passes: [(bool, Agreement); 4] = [(true, same_name), (true, shares), (false, |_, _| true), (true, |_, _| true)];
    let mut pairs: Vec<(Router<'c>, Router<'c>)> = Vec::new();
    let mut taken: BTreeSet<InstanceId> = BTreeSet::new();
    let mut left: Vec<Router<'c>> = ours.to_vec();
    for (of_id, agree) in passes {
        left.retain(|a| {
            let candidates = if of_id { by_id.get(&id(a)) } else { by_name.get(a.instance.name.as_str()) };
            let mut free = candidates.into_iter().flatten().filter(|b| !taken.contains(&b.id));
            let Some(b) = free.find(|b| agree(a, b)) else { return true };
            taken.insert(b.id);
            pairs.push((*a, **b));
            false
        });
    }
    pairs.sort_by_key(|(a, _)| a.id);
    pairs
}

fn lone(routers: &[Router<'_>], matched: &BTreeSet<InstanceId>, other: &str, findings: &mut Diagnostics) {
    for router in routers.iter().filter(|router| !matched.contains(&router.id)) {
        let Instance { name, vrid, .. } = router.instance;
        let headline = format!("the {other} director has no counterpart of `{name}`");
        let label = format!("nobody takes over virtual router {vrid}");
        findings.push(finding(Code::PairLoneInstance, headline, (None, String::new()), (router.at(&[]), label)));
    }
}

fn identity(a: &Router<'_>, b: &Router<'_>, findings: &mut Diagnostics) {
    let (x, y) = (a.instance, b.instance);
    if x.vrid != y.vrid {
        let headline =
            format!("`{}` is virtual router {} in the first file and {} in the second", x.name, x.vrid, y.vrid);
        let at = |r: &Router<'_>| (r.at(&["virtual_router_id"]), format!("{} on this director", r.instance.vrid));
        let found = finding(Code::PairVrid, headline, at(a), at(b));
        findings.push(found.help("both routers of a pair have the same virtual_router_id"));
    }
    let at = |r: &Router<'_>| {
        let text = format!("version {}, {}", r.instance.version.get(), family(r.instance.family));
        (r.at(&["version", "native_ipv6"]), text)
    };
    if x.family != y.family {
        let headline = format!("`{}` is of another family on each director", x.name);
        let place = |r: &Router<'_>| (r.at(&["virtual_ipaddress"]), family(r.instance.family).to_owned());
        findings.push(finding(Code::PairVersion, headline, place(a), place(b)));
    } else if x.version != y.version {
        let headline = format!("`{}` speaks another version on each director", x.name);
        let found = finding(Code::PairVersion, headline, at(a), at(b));
        findings.push(found.help("say version in both instances, or vrrp_version in both global_defs"));
    }
}

fn family(family: Family) -> &'static str {
    match family {
        Family::Inet => "IPv4",
        Family::Inet6 => "IPv6",
    }
}

fn interval(a: &Router<'_>, b: &Router<'_>, findings: &mut Diagnostics) {
    let (x, y) = (a.instance, b.instance);
    if x.advert_interval == y.advert_interval {
        return;
    }
    let headline = format!(
        "`{}` advertises every {} in the first file and every {} in the second",
        x.name, x.advert_interval, y.advert_interval
    );
    let at = |r: &Router<'_>| (r.at(&["advert_int"]), format!("{} on this director", r.instance.advert_interval));
    if x.version == Version::V3 && y.version == Version::V3 && is_endless(x, y) {
        let found = finding(Code::PairEndless, headline, at(a), at(b));
        let help = "give both the same advert_int, or leave out lower_prio_no_advert or higher_prio_send_advert";
        findings.push(found.help(help));
        return;
    }
    let found = finding(Code::PairInterval, headline, at(a), at(b));
    findings.push(match (x.version, y.version) {
        // A backup of version 3 learns its master's interval (RFC 9568 6.4.2), so the pair works, at two speeds.
        (Version::V3, Version::V3) => found.class(Class::Warning),
        (Version::V2, _) | (_, Version::V2) => found,
    });
}

/// Whether a router that yields has the last word and nobody answers it.
fn is_endless(x: &Instance, y: &Instance) -> bool {
    let both = [x, y];
    both.iter().any(|one| one.higher_prio_send_advert) && both.iter().any(|one| one.lower_prio_no_advert)
}

fn authentication(a: &Router<'_>, b: &Router<'_>, findings: &mut Diagnostics) {
    let (x, y) = (a.instance, b.instance);
    let name = &x.name;
    let mut report = |headline: String, keyword: &str, labels: [&str; 2]| {
        let [first, second] = [(a, labels[0]), (b, labels[1])].map(|(r, label)| {
            let block = r.block.and_then(|block| block.last(&["authentication"]));
            let span = block.and_then(|block| block.last(&[keyword])).or(block).map(|node| node.span);
            (span.or(r.at(&[])), label.to_owned())
        });
        findings.push(finding(Code::PairAuthentication, headline, first, second));
    };
    match (&x.authentication, &y.authentication) {
        (Authentication::None, Authentication::None) => {}
        (Authentication::Pass(p), Authentication::Pass(q)) | (Authentication::Ah(p), Authentication::Ah(q)) => {
            if p != q {
                let headline = format!("`{name}` has another password on each director");
                report(headline, "auth_pass", ["not the same", "as this"]);
            }
        }
        (Authentication::Pass(_), Authentication::Ah(_)) | (Authentication::Ah(_), Authentication::Pass(_)) => {
            let headline = format!("`{name}` authenticates in another way on each director");
            report(headline, "auth_type", ["one way", "another"]);
        }
        (Authentication::None, Authentication::Pass(_) | Authentication::Ah(_))
        | (Authentication::Pass(_) | Authentication::Ah(_), Authentication::None) => {
            let label = |given: &Authentication| {
                if *given == Authentication::None { "no password here" } else { "a password here" }
            };
            let labels = [label(&x.authentication), label(&y.authentication)];
            report(format!("`{name}` has a password on one director only"), "auth_type", labels);
        }
    }
    hmac(a, b, findings);
}

fn hmac(a: &Router<'_>, b: &Router<'_>, findings: &mut Diagnostics) {
    let at = |r: &Router<'_>, label: &str| (r.at(&["auth_hmac"]), label.to_owned());
    match (&a.instance.options.hmac, &b.instance.options.hmac) {
        (None, None) => {}
        (Some(x), Some(y)) => {
            let knows = |keys: &[HmacKey], key: Option<&HmacKey>| key.is_some_and(|key| keys.contains(key));
            let active = |hmac: &standfast_model::config::instance::Hmac| {
                hmac.keys.iter().find(|k| k.id == hmac.active).cloned()
            };
            if !knows(&y.keys, active(x).as_ref()) || !knows(&x.keys, active(y).as_ref()) {
                let headline = format!("`{}` signs with a key that the other director does not know", a.instance.name);
                let labels = (at(a, "these keys"), at(b, "and these"));
                let found = finding(Code::PairAuthentication, headline, labels.0, labels.1);
                findings.push(found.help("the active key of each must be among the keys of the other, id and octets"));
            }
        }
        (Some(_), None) | (None, Some(_)) => {
            let headline = format!("`{}` signs its advertisements on one director only", a.instance.name);
            let label =
                |r: &Router<'_>| if r.instance.options.hmac.is_some() { "signed here" } else { "not signed here" };
            findings.push(finding(Code::PairAuthentication, headline, at(a, label(a)), at(b, label(b))));
        }
    }
}

fn addresses(a: &Router<'_>, b: &Router<'_>, findings: &mut Diagnostics) {
    let (x, y) = (a.instance, b.instance);
    let bare = |list: &[VirtualAddress]| list.iter().map(|v| v.address.addr()).collect::<Vec<IpAddr>>();
    let lists = [
        ("virtual_ipaddress", bare(&x.addresses), bare(&y.addresses), Class::Fatal),
        ("virtual_ipaddress_excluded", bare(&x.excluded), bare(&y.excluded), Class::Warning),
    ];
    for (list, ours, theirs, class) in lists {
        let (set, other): (BTreeSet<_>, BTreeSet<_>) = (ours.iter().collect(), theirs.iter().collect());
        let only = |these: &BTreeSet<&IpAddr>, those: &BTreeSet<&IpAddr>| {
            let names: Vec<String> = these.difference(those).take(4).map(ToString::to_string).collect();
            let more = these.difference(those).count().saturating_sub(names.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            if names.is_empty() {
                "nothing that the other has not".to_owned()
            } else {
                format!("only here: {}{more}", names.join(", "))
            }
        };
        if set != other {
            let headline = format!("`{}` has other addresses in {list} on each director", x.name);
            let first = (a.at(&[list]), only(&set, &other));
            let second = (b.at(&[list]), only(&other, &set));
            findings.push(finding(Code::PairAddresses, headline, first, second).class(class));
        } else if ours != theirs && class == Class::Fatal {
            let headline = format!("`{}` lists its addresses in another order on each director", x.name);
            let at = |r: &Router<'_>, label: &str| (r.at(&[list]), label.to_owned());
            findings.push(finding(Code::PairAddressOrder, headline, at(a, "this order"), at(b, "and this one")));
        }
    }
}

fn roles(a: &Router<'_>, b: &Router<'_>, findings: &mut Diagnostics) {
    let (x, y) = (a.instance, b.instance);
    if x.priority != y.priority {
        return;
    }
    let at = |r: &Router<'_>| (r.at(&["priority"]), format!("priority {} here", r.instance.priority));
    let both = match (x.initial_state, y.initial_state) {
        (InitialState::Master, InitialState::Master) => "both directors say state MASTER",
        (InitialState::Backup, InitialState::Backup) => "neither director says state MASTER",
        (InitialState::Master, InitialState::Backup) | (InitialState::Backup, InitialState::Master) => {
            "state MASTER decides at start only"
        }
    };
    // REQ: VRRP3-8.3.2-02
    let headline = format!("`{}` has the same priority on both directors", x.name);
    let found = finding(Code::PairPriority, headline, at(a), at(b));
    findings.push(found.help(format!("{both}; give the one that should be master the higher priority")));
}

fn preemption(a: &Router<'_>, b: &Router<'_>, findings: &mut Diagnostics) {
    let (with, without) = match (a.instance.preempt, b.instance.preempt) {
        (Preempt::Never, Preempt::After(_)) => (a, b),
        (Preempt::After(_), Preempt::Never) => (b, a),
        (Preempt::Never, Preempt::Never) | (Preempt::After(_), Preempt::After(_)) => return,
    };
    let name = &with.instance.name;
    let headline = format!("`{name}` has nopreempt on one director only");
    let given = (with.at(&["nopreempt"]), "given here".to_owned());
    // The one of lower priority has nothing to preempt, so nothing is lost if it lacks the word.
    let harmless = without.instance.priority < with.instance.priority;
    let (effect, class) = if harmless {
        ("this one has the lower priority, so it would not preempt anyway", Class::Hint)
    } else {
        ("this one preempts: its priority is not below the other's", Class::Warning)
    };
    let found = finding(Code::PairPreempt, headline, given, (without.at(&["priority"]), effect.to_owned()));
    findings.push(found.class(class).help("say nopreempt on both, with state BACKUP, or on neither"));
}

/// The lowest and the highest priority that the weights of an instance give it; none if it has no weights, or if they
/// count something that has no bound.
pub(crate) fn priorities(instance: &Instance) -> Option<(Priority, Priority)> {
    let interfaces = instance.track_interfaces.iter().map(|one| Some(one.weight));
    let others = instance.options.trackers.iter().map(|one| match one.tracker {
        Tracker::Script(_) | Tracker::Process(_) | Tracker::Bfd(_) | Tracker::Service(_) => Some(one.weight),
        // The weight is multiplied by what the file says.
        Tracker::File(_) => None,
    });
    let weights: Vec<i32> = interfaces.chain(others).map(|w| w.map(i32::from)).collect::<Option<_>>()?;
    if weights.iter().all(|weight| *weight == 0) || instance.priority.is_owner() {
        return None;
    }
    let sum = |part: fn(i32) -> i32| weights.iter().fold(0_i32, |sum, weight| sum.saturating_add(part(*weight)));
    let (loss, gain) = (sum(|weight| weight.min(0)), sum(|weight| weight.max(0)));
    Some((instance.priority.with_weight(loss), instance.priority.with_weight(gain)))
}

/// Trackers on the better director whose failure the other one would not act upon.
fn weights(a: &Router<'_>, b: &Router<'_>, findings: &mut Diagnostics) {
    for (better, other) in [(a, b), (b, a)] {
        let Some((worst, best)) = priorities(better.instance) else { continue };
        let rival = priorities(other.instance).map_or(other.instance.priority, |(_, best)| best);
        if best <= rival {
            continue;
        }
        let name = &better.instance.name;
        let lists = ["track_script", "track_interface", "track_process", "track_bfd", "track_virtual_server"];
        let here = (better.at(&lists), format!("priority {worst} when all of this fails"));
        if worst >= rival {
            let headline = format!("`{name}` stays master whatever its trackers find");
            let there = (other.at(&["priority"]), format!("priority {rival} at most"));
            let found = finding(Code::PairFutileWeight, headline, here, there);
            findings.push(found.help("the weights must be larger than the difference of the priorities"));
        } else if other.instance.preempt == Preempt::Never {
            let headline = format!("`{name}` lowers its priority, and the other director does not look");
            let there = (other.at(&["nopreempt"]), "this one takes over from a silent master only".to_owned());
            let found = finding(Code::PairFutileWeight, headline, here, there);
            findings.push(found.help("track without weight, so that a failure is a FAULT"));
        }
    }
}

fn unicast(a: &Router<'_>, b: &Router<'_>, findings: &mut Diagnostics) {
    let name = &a.instance.name;
    match (a.is_unicast(), b.is_unicast()) {
        (false, false) => {}
        (true, true) => {
            for (from, to) in [(a, b), (b, a)] {
                names_peer(from, to, findings);
            }
        }
        (true, false) | (false, true) => {
            let at = |r: &Router<'_>| {
                (r.at(&["unicast_peer"]), if r.is_unicast() { "unicast here" } else { "multicast here" }.to_owned())
            };
            let headline = format!("`{name}` is unicast on one director and multicast on the other");
            findings.push(finding(Code::PairUnicast, headline, at(a), at(b)));
        }
    }
}

/// Whether the peers of one hold the address that the other sends from, if it says one.
fn names_peer(from: &Router<'_>, to: &Router<'_>, findings: &mut Diagnostics) {
    let peers = from.listed("unicast_peer");
    if let Some(own) = from.own_address()
        && let Some((_, span)) = peers.iter().find(|(peer, _)| *peer == own)
    {
        let headline = format!("`{}` names itself as its peer", from.instance.name);
        let source = (from.at(&["unicast_src_ip", "mcast_src_ip"]), "its own address".to_owned());
        findings.push(finding(
            Code::PairUnicast,
            headline,
            source,
            (Some(*span), "this is its own address".to_owned()),
        ));
    }
    let Some(other) = to.own_address() else { return };
    if !peers.iter().any(|(peer, _)| *peer == other) {
        let headline = format!("`{}` does not name the other director as its peer", from.instance.name);
        let source = (to.at(&["unicast_src_ip", "mcast_src_ip"]), format!("the other director sends from {other}"));
        findings.push(finding(
            Code::PairUnicast,
            headline,
            source,
            (from.at(&["unicast_peer"]), format!("{other} is not in this list")),
        ));
    }
}

/// Instances that move together on one director and not on the other.
fn groups(sides: &[Side<'_>; 2], pairs: &[(Router<'_>, Router<'_>)], findings: &mut Diagnostics) {
    let [first, second] = sides;
    let counterparts: BTreeMap<InstanceId, InstanceId> = pairs.iter().map(|(a, b)| (a.id, b.id)).collect();
    let all = || second.config.vrrp.groups.iter();
    let group_of: BTreeMap<InstanceId, &SyncGroup> =
        all().flat_map(|g| g.members.iter().map(move |m| (*m, g))).collect();
    for group in &first.config.vrrp.groups {
        let expected: BTreeSet<InstanceId> =
            group.members.iter().filter_map(|m| counterparts.get(m)).copied().collect();
        let there = expected.iter().find_map(|member| group_of.get(member));
        let same = there.is_some_and(|g| g.members.iter().copied().collect::<BTreeSet<_>>() == expected);
        if same || expected.len() < 2 {
            continue;
        }
        let named = |side: &Side<'_>, name: &str| {
            side.block("vrrp_sync_group", |node| node.word(1) == name.as_bytes()).map(|node| node.span)
        };
        let headline =
            format!("the instances of sync group `{}` do not move together on the second director", group.name);
        let here = (named(first, &group.name), "together here".to_owned());
        let other = (there.and_then(|g| named(second, &g.name)), "other members here".to_owned());
        findings.push(finding(Code::PairGroup, headline, here, other));
    }
}
