//! The difference of two tables: it is right, it is small, and it leaves others alone.

use crate::support::{Kernel, destination, entry, server_key, service, service_key, table};
use proptest::prelude::*;
use standfast_lvs::{Entry, Operation, Table, diff};
use standfast_model::ipvs::{Destination, Forwarding, Persistence, SchedulerFlags, Service, ServiceKey};
use std::collections::BTreeSet;

fn any_service(number: u16) -> impl Strategy<Value = Service> {
    let persistence = prop_oneof![
        Just(None),
        (1..3_u32, 31..=32_u8)
            .prop_map(|(timeout_seconds, granularity)| Some(Persistence { timeout_seconds, granularity }))
    ];
    (any::<bool>(), any::<bool>(), any::<bool>(), persistence).prop_map(move |(wrr, first, one_packet, persistence)| {
        Service {
            scheduler: if wrr { "wrr" } else { "rr" }.parse().unwrap(),
            flags: SchedulerFlags { first, ..SchedulerFlags::default() },
            persistence,
            one_packet,
            ..service(number)
        }
    })
}

fn any_destination() -> impl Strategy<Value = Destination> {
    (0..6_u16, 0..3_u32, any::<bool>(), 0..2_u32).prop_map(|(number, weight, nat, upper_threshold)| Destination {
        forwarding: if nat { Forwarding::Nat } else { Forwarding::DirectRouting },
        upper_threshold,
        ..destination(number, weight)
    })
}

fn any_table() -> impl Strategy<Value = Table> {
    let entry = (0..8_u16).prop_flat_map(|number| {
        (any_service(number), proptest::collection::vec(any_destination(), 0..6))
            .prop_map(|(service, rows)| Entry { service, destinations: rows.into_iter().collect() })
    });
    proptest::collection::vec(entry, 0..8).prop_map(table)
}

fn any_keys() -> impl Strategy<Value = BTreeSet<ServiceKey>> {
    proptest::collection::btree_set((0..8_u16).prop_map(service_key), 0..8)
}

/// How many rows differ, counted one by one: no list of operations can be shorter.
fn differences(desired: &Table, observed: &Table, ours: &BTreeSet<ServiceKey>) -> usize {
    let mut count = 0;
    for key in ours {
        match (desired.services.get(key), observed.services.get(key)) {
            (None, None) => {}
            (None, Some(_)) => count += 1,
            (Some(want), None) => count += 1 + want.destinations.len(),
            (Some(want), Some(have)) => {
                count += usize::from(want.service != have.service);
                let keys: BTreeSet<_> = want.destinations.iter().chain(&have.destinations).map(|row| row.key).collect();
                count += keys.iter().filter(|key| want.destinations.get(key) != have.destinations.get(key)).count();
            }
        }
    }
    count
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn applied_it_makes_ours_as_desired_and_leaves_all_others(
        desired in any_table(), observed in any_table(), ours in any_keys(),
    ) {
        let operations = diff(&desired, &observed, &ours);
        let mut kernel = Kernel { table: observed.clone(), ..Kernel::default() };
        for operation in &operations {
            prop_assert_eq!(kernel.apply(operation), Ok(()), "{}", operation);
        }
        for key in (0..8).map(service_key) {
            let expected = if ours.contains(&key) { &desired } else { &observed };
            prop_assert_eq!(kernel.table.services.get(&key), expected.services.get(&key));
        }
        prop_assert_eq!(diff(&desired, &kernel.table, &ours), vec![]);
    }

    #[test]
    fn it_has_one_operation_for_each_row_that_differs(
        desired in any_table(), observed in any_table(), ours in any_keys(),
    ) {
        prop_assert_eq!(diff(&desired, &observed, &ours).len(), differences(&desired, &observed, &ours));
    }

    #[test]
    fn what_a_table_makes_of_an_operation_is_what_the_kernel_makes_of_it(
        desired in any_table(), observed in any_table(), ours in any_keys(),
    ) {
        let mut value = observed.clone();
        let mut kernel = Kernel { table: observed.clone(), ..Kernel::default() };
        for operation in diff(&desired, &observed, &ours) {
            value.apply(&operation);
            kernel.apply(&operation).unwrap();
        }
        prop_assert_eq!(value, kernel.table);
    }

    #[test]
    fn a_service_that_has_servers_before_and_after_has_them_all_the_while(
        desired in any_table(), observed in any_table(), ours in any_keys(),
    ) {
        let weight = |table: &Table, key: &ServiceKey| -> Option<u32> {
            Some(table.services.get(key)?.destinations.iter().map(|row| row.weight).sum())
        };
        let served = |table: &Table, key: &ServiceKey| weight(table, key).is_some_and(|weight| weight > 0);
        let always: Vec<_> =
            ours.iter().filter(|key| served(&desired, key) && served(&observed, key)).copied().collect();
        let mut table = observed.clone();
        for operation in diff(&desired, &observed, &ours) {
            table.apply(&operation);
            for key in &always {
                prop_assert!(served(&table, key), "nothing in {} after {}", key, operation);
            }
        }
    }
}

#[test]
fn equal_tables_need_nothing() {
    let same = table([entry(1, &[destination(1, 1), destination(2, 1)]), entry(2, &[])]);
    assert_eq!(diff(&same, &same, same.services.keys()), vec![]);
}

#[test]
fn a_server_that_went_down_is_one_removal() {
    let ours = BTreeSet::from([service_key(1)]);
    let observed = table([entry(1, &[destination(1, 1), destination(2, 1)])]);
    let desired = table([entry(1, &[destination(2, 1)])]);
    let expected = vec![Operation::RemoveDestination(service_key(1), server_key(1))];
    assert_eq!(diff(&desired, &observed, &ours), expected);
}

#[test]
fn a_new_server_comes_before_an_old_one_goes() {
    let ours = BTreeSet::from([service_key(1)]);
    let observed = table([entry(1, &[destination(1, 1), destination(2, 5), destination(3, 1)])]);
    let desired = table([entry(1, &[destination(2, 0), destination(3, 4), destination(9, 1)])]);
    let expected = vec![
        Operation::AddDestination(service_key(1), destination(9, 1)),
        Operation::EditDestination(service_key(1), destination(3, 4)),
        Operation::EditDestination(service_key(1), destination(2, 0)),
        Operation::RemoveDestination(service_key(1), server_key(1)),
    ];
    assert_eq!(diff(&desired, &observed, &ours), expected);
}

#[test]
fn a_service_of_others_stays_even_if_it_is_desired_or_looks_like_ours() {
    let observed = table([entry(1, &[destination(1, 1)])]);
    let desired = table([entry(1, &[]), entry(2, &[destination(1, 1)])]);
    assert_eq!(diff(&desired, &observed, &BTreeSet::new()), vec![]);
}

#[test]
fn an_operation_says_in_words_what_it_does() {
    let said = |operation: Operation| operation.to_string();
    assert_eq!(said(Operation::AddService(service(1))), "add service TCP  192.0.0.1:80");
    assert_eq!(
        said(Operation::RemoveDestination(service_key(1), server_key(2))),
        "remove destination 10.0.0.2:80 from TCP  192.0.0.1:80"
    );
}
