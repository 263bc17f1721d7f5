//! What long runs of the fuzzer reached, tried again by every test run.
#![expect(clippy::expect_used, reason = "what is not there is a failed test")]

use standfast_hostile::{TARGETS, corpus, find, fuzzer};
use std::collections::BTreeSet;

/// Tries the inputs of one target. Each has a test of its own, so that they run beside each other and one that fails is
/// named.
fn nothing_is_found(name: &str) {
    let target = find(name).expect("a target");
    let inputs = corpus::of(name).expect("its inputs");
    assert!(!inputs.is_empty(), "{name} begins with nothing");
    let found: Vec<_> = inputs.iter().filter(|input| !fuzzer::survives(target.run, &input.octets)).collect();
    assert!(found.is_empty(), "{:?}", found.iter().map(|input| &input.path).collect::<Vec<_>>());
}

macro_rules! replayed {
    ($($target:ident),* $(,)?) => {
        $(#[test] fn $target() { nothing_is_found(stringify!($target)); })*

        #[test]
        fn every_target_is_replayed() {
            assert_eq!([$(stringify!($target)),*].to_vec(), TARGETS.iter().map(|target| target.name).collect::<Vec<_>>());
        }
    };
}

replayed![
    vrrp_advert,
    ipv4_header,
    arp,
    neighbour_advertisement,
    bfd_control,
    exchange,
    route_netlink,
    ipvs_netlink,
    nftables_netlink,
    process_events,
    http_response,
    dns_answer,
    smtp_reply,
    etcd_answer,
    conf,
    conf_format,
    conf_pair,
    agentx,
    report,
    channel_message,
    control,
    history,
    memory,
    bfd_note,
    stamps,
    remains,
    verdicts,
    legacy,
];

#[test]
fn no_inputs_are_kept_for_a_target_that_is_gone() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    for directory in corpus::directories() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            assert!(names.contains(name.as_str()), "{name}");
        }
    }
}
