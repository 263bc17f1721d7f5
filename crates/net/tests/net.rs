//! The difference of addresses, and what is remembered of the kernel: right, small, and others are left alone.
#![expect(clippy::unwrap_used, reason = "a sample that cannot be made is a failed test")]

use ipnet::IpNet;
use proptest::prelude::*;
use standfast_model::{InterfaceIndex, VirtualAddress};
use standfast_net::{Change, Link, Observed, ObservedAddress, Operation, Ours, diff};
use std::collections::BTreeSet;

type Entry = (InterfaceIndex, IpNet);

const ETH0: InterfaceIndex = InterfaceIndex(2);
const ETH1: InterfaceIndex = InterfaceIndex(3);

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn wanted((interface, address): Entry) -> (InterfaceIndex, VirtualAddress) {
    (interface, VirtualAddress::plain(address))
}

fn seen((interface, address): Entry) -> ObservedAddress {
    ObservedAddress { interface, address, scope: 0, secondary: false, protocol: 0 }
}

fn observed(entries: impl IntoIterator<Item = Entry>) -> Observed {
    Observed::new(vec![], entries.into_iter().map(seen).collect())
}

fn add(interface: InterfaceIndex, address: &str) -> Operation {
    Operation::Add { interface, address: VirtualAddress::plain(net(address)) }
}

fn remove(interface: InterfaceIndex, address: &str) -> Operation {
    Operation::Remove { interface, address: net(address), peer: None }
}

/// The difference of lists of addresses on eth0, all of `ours` being ours.
fn on_eth0(desired: &[&str], ours: &[&str], present: &[&str]) -> Vec<Operation> {
    let desired: Vec<_> = desired.iter().map(|a| wanted((ETH0, net(a)))).collect();
    let ours = ours.iter().map(|a| ((ETH0, net(a)), None)).collect();
    diff(&desired, &ours, &observed(present.iter().map(|a| (ETH0, net(a)))))
}

/// The kernel's addresses, as far as adding and removing goes: it refuses what Linux refuses.
struct Kernel(BTreeSet<Entry>);

impl Kernel {
    fn apply(&mut self, operation: &Operation) -> Result<(), &'static str> {
        match operation {
            Operation::Add { interface, address } => {
                let new = address.address;
                let clashes = |(link, old): &Entry| {
                    link == interface && (*old == new || (old.addr() == new.addr() && new.addr().is_ipv6()))
                };
                // What is there already is no refusal: a master is asked again for what might be lost.
                let free = self.0.contains(&(*interface, new)) || !self.0.iter().any(clashes);
                free.then(|| self.0.insert((*interface, new))).map(drop).ok_or("address already assigned")
            }
            Operation::Remove { interface, address, .. } => {
                self.0.remove(&(*interface, *address)).then_some(()).ok_or("address not found")
            }
            Operation::AddRoute(_) | Operation::RemoveRoute(_) | Operation::AddRule(_) | Operation::RemoveRule(_) => {
                Err("no routes here")
            }
        }
    }
}

/// Few enough that links, families, addresses and prefix lengths meet often.
fn any_entry() -> impl Strategy<Value = Entry> {
    let address = prop_oneof![
        (1..4_u8, prop_oneof![Just(24_u8), Just(32)]).prop_map(|(last, length)| IpNet::new(
            [192, 0, 2, last].into(),
            length
        )
        .unwrap()),
        (1..4_u16, prop_oneof![Just(64_u8), Just(128)]).prop_map(|(last, length)| IpNet::new(
            [0x2001, 0xdb8, 0, 0, 0, 0, 0, last].into(),
            length
        )
        .unwrap()),
    ];
    (prop_oneof![Just(ETH0), Just(ETH1)], address)
}

fn any_entries() -> impl Strategy<Value = Vec<Entry>> {
    proptest::collection::vec(any_entry(), 0..12)
}

/// What a kernel can hold: of each IPv6 address on a link one entry.
fn any_kernel() -> impl Strategy<Value = BTreeSet<Entry>> {
    any_entries().prop_map(|entries| {
        let mut kernel = Kernel(BTreeSet::new());
        for entry in entries {
            let (interface, address) = wanted(entry);
            let _ = kernel.apply(&Operation::Add { interface, address });
        }
        kernel.0
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn applied_it_makes_ours_as_desired_and_leaves_all_others(
        desired in any_entries(), more in any_entries(), present in any_kernel(),
    ) {
        let ours: BTreeSet<Entry> = desired.iter().chain(&more).copied().collect();
        let list: Vec<_> = desired.iter().copied().map(wanted).collect();
        let mut kernel = Kernel(present.clone());
        let touched = ours.iter().map(|entry| (*entry, None)).collect();
        for operation in diff(&list, &touched, &observed(present.clone())) {
            prop_assert_eq!(kernel.apply(&operation), Ok(()), "{:?}", operation);
        }
        let wanted: BTreeSet<Entry> = desired.iter().copied().collect();
        for entry in present.iter().filter(|entry| !ours.contains(entry) || wanted.contains(entry)) {
            prop_assert!(kernel.0.contains(entry), "{entry:?} is gone");
        }
        for entry in &kernel.0 {
            prop_assert!(wanted.contains(entry) || !ours.contains(entry), "{entry:?} is left");
            prop_assert!(wanted.contains(entry) || present.contains(entry), "{entry:?} came from nowhere");
        }
        for (interface, address) in &wanted {
            let exact = kernel.0.contains(&(*interface, *address));
            let otherwise = kernel.0.iter().any(|(link, a)| link == interface && a.addr() == address.addr());
            prop_assert!(exact || (address.addr().is_ipv6() && otherwise), "{address} is missing");
        }
        prop_assert_eq!(diff(&list, &touched, &observed(kernel.0)), vec![]);
    }

    #[test]
    fn what_is_remembered_is_what_the_changes_say(
        changes in proptest::collection::vec((0..8_u8, any_entry()), 0..60),
    ) {
        // The second opinion is a plain list.
        let mut list: Vec<ObservedAddress> = Vec::new();
        let mut observed = Observed::default();
        for (kind, (interface, address)) in changes {
            match kind {
                0 => {
                    list.retain(|a| a.interface != interface);
                    observed.apply(Change::LinkGone(interface));
                }
                1..3 => {
                    list.retain(|a| (a.interface, a.address) != (interface, address));
                    observed.apply(Change::AddressGone { interface, address });
                }
                _ => {
                    let new = ObservedAddress { scope: kind, ..seen((interface, address)) };
                    match list.iter_mut().find(|a| (a.interface, a.address) == (interface, address)) {
                        Some(old) => *old = new.clone(),
                        None => list.push(new.clone()),
                    }
                    observed.apply(Change::Address(new));
                }
            }
            for link in [ETH0, ETH1] {
                let expected: Vec<_> = list.iter().filter(|a| a.interface == link).collect();
                prop_assert_eq!(observed.addresses(link).collect::<Vec<_>>(), expected);
            }
            prop_assert_eq!(observed.has(interface, address), list.iter().any(|a| (a.interface, a.address) == (interface, address)));
            let entries: BTreeSet<IpNet> = observed.entries(interface, address.addr()).collect();
            let expected: BTreeSet<IpNet> = list
                .iter()
                .filter(|a| a.interface == interface && a.address.addr() == address.addr())
                .map(|a| a.address)
                .collect();
            prop_assert_eq!(entries, expected);
            prop_assert_eq!(&observed, &Observed::new(vec![], in_order(&list)));
        }
    }
}

/// By link, the order within a link kept.
fn in_order(list: &[ObservedAddress]) -> Vec<ObservedAddress> {
    let mut list = list.to_vec();
    list.sort_by_key(|a| a.interface);
    list
}

#[test]
fn nothing_is_done_where_nothing_differs() {
    assert_eq!(on_eth0(&["192.0.2.1/24"], &["192.0.2.1/24", "192.0.2.9/24"], &["192.0.2.1/24", "192.0.2.7/24"]), []);
}

#[test]
fn what_the_kernel_removes_along_with_the_first_address_of_a_subnet_is_added_again() {
    let ours = ["192.0.2.1/24", "192.0.2.2/24", "192.0.2.3/32", "198.51.100.1/24"];
    let expected = [remove(ETH0, ours[0]), add(ETH0, ours[1])];
    assert_eq!(on_eth0(&ours[1..], &ours, &ours), expected);
}

#[test]
fn an_address_of_someone_else_stays_even_beside_ours() {
    let operations = on_eth0(&[], &["192.0.2.1/32"], &["192.0.2.1/24", "192.0.2.1/32", "2001:db8::1/64"]);
    assert_eq!(operations, [remove(ETH0, "192.0.2.1/32")]);
}

#[test]
fn additions_keep_the_order_of_the_configuration_and_mention_each_address_once() {
    let desired = ["192.0.2.9/24", "192.0.2.1/24", "2001:db8::1/64", "192.0.2.9/24", "2001:db8::1/128"];
    let expected = [add(ETH0, "192.0.2.9/24"), add(ETH0, "192.0.2.1/24"), add(ETH0, "2001:db8::1/64")];
    assert_eq!(on_eth0(&desired, &desired, &[]), expected);
}

#[test]
fn ipv4_may_have_an_address_with_two_prefix_lengths() {
    assert_eq!(on_eth0(&["192.0.2.1/32"], &["192.0.2.1/32"], &["192.0.2.1/24"]), [add(ETH0, "192.0.2.1/32")]);
    let both = ["192.0.2.1/24", "192.0.2.1/32"];
    assert_eq!(on_eth0(&both, &both, &[]), [add(ETH0, both[0]), add(ETH0, both[1])]);
    assert_eq!(on_eth0(&both[..1], &both, &both), [remove(ETH0, both[1])]);
}

#[test]
fn an_ipv6_address_that_someone_else_holds_with_another_prefix_length_is_there() {
    assert_eq!(on_eth0(&["2001:db8::1/128"], &["2001:db8::1/128"], &["2001:db8::1/64"]), []);
}

#[test]
fn our_ipv6_address_changes_its_prefix_length_by_removal_and_addition() {
    let ours = ["2001:db8::1/128", "2001:db8::1/64"];
    let expected = [remove(ETH0, ours[1]), add(ETH0, ours[0])];
    assert_eq!(on_eth0(&ours[..1], &ours, &ours[1..]), expected);
}

#[test]
fn an_address_leaves_one_link_before_it_comes_to_another() {
    let address = "192.0.2.1/24";
    let ours = Ours::from([((ETH0, net(address)), None), ((ETH1, net(address)), None)]);
    for (from, to) in [(ETH0, ETH1), (ETH1, ETH0)] {
        let operations = diff(&[wanted((to, net(address)))], &ours, &observed([(from, net(address))]));
        assert_eq!(operations, [remove(from, address), add(to, address)]);
    }
}

#[test]
fn the_attributes_of_an_address_travel_with_it() {
    let address = VirtualAddress { label: Some("eth0:vip".to_owned()), ..VirtualAddress::plain(net("192.0.2.1/24")) };
    let operations = diff(&[(ETH0, address.clone())], &Ours::new(), &Observed::default());
    assert_eq!(operations, [Operation::Add { interface: ETH0, address }]);
}

#[test]
fn a_link_takes_its_addresses_with_it_and_a_new_one_of_its_name_is_found() {
    let link = |index, name: &str| Link {
        index,
        name: name.parse().unwrap(),
        mac: None,
        up: true,
        running: true,
        loopback: false,
        no_arp: false,
        mtu: 1500,
        parent: None,
        vrf_table: None,
    };
    let mut observed = Observed::new(
        vec![link(ETH0, "eth0"), link(ETH1, "eth1")],
        vec![seen((ETH0, net("192.0.2.1/24"))), seen((ETH1, net("192.0.2.1/24")))],
    );
    let eth0 = "eth0".parse().unwrap();
    observed.apply(Change::LinkGone(ETH0));
    assert_eq!(observed.link_named(&eth0), None);
    assert_eq!((observed.addresses(ETH0).count(), observed.addresses(ETH1).count()), (0, 1));
    let again = InterfaceIndex(9);
    observed.apply(Change::Link(link(again, "eth0")));
    assert_eq!(observed.link_named(&eth0).map(|link| link.index), Some(again));
    assert_eq!(observed.link(ETH0), None);
}

/// The limit is many times what the work takes in an unoptimised build; quadratic work would take minutes.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test of speed measures time")]
fn ten_thousand_addresses_are_compared_and_remembered_fast() {
    let start = std::time::Instant::now();
    let entries: Vec<Entry> =
        (0..10_000_u32).map(|n| (ETH0, IpNet::from(std::net::IpAddr::from((0x0a00_0000 + n).to_be_bytes())))).collect();
    let desired: Vec<_> = entries.iter().copied().map(wanted).collect();
    let ours = entries.iter().map(|entry| (*entry, None)).collect();
    let mut present = Observed::default();
    assert_eq!(diff(&desired, &ours, &present).len(), 10_000);
    for entry in &entries {
        present.apply(Change::Address(seen(*entry)));
    }
    assert_eq!(diff(&desired, &ours, &present), []);
    assert_eq!(diff(&[], &ours, &present).len(), 10_000);
    for (interface, address) in &entries {
        present.apply(Change::AddressGone { interface: *interface, address: *address });
    }
    assert_eq!(present, Observed::default());
    assert!(start.elapsed() < core::time::Duration::from_secs(20), "took {:?}", start.elapsed());
}
