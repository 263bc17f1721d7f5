//! What a change of each kind is called, and what is none.

use super::*;
use standfast_conf::host::Memory;
use std::path::Path;

fn read(text: &str) -> Config {
    let path = Path::new("/k");
    let host = Memory::new().file(path, text).with_interface("eth0").with_interface("eth1");
    let loaded = standfast_conf::load(&host, path, &standfast_conf::Options::default());
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

const INSTANCE: &str = "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n authentication {\n auth_type PASS\n \
    auth_pass hidden1\n }\n virtual_ipaddress {\n 192.0.2.1/24\n 192.0.2.2/24\n }\n}\n";
const SERVER: &str = "virtual_server 192.0.2.1 80 {\n protocol TCP\n lb_algo rr\n delay_loop 6\n \
    real_server 10.0.0.1 80 {\n weight 1\n TCP_CHECK {\n connect_timeout 3\n }\n }\n}\n";

fn changed(before: &str, replace: &[(&str, &str)]) -> Vec<String> {
    let mut after = before.to_owned();
    for (old, new) in replace {
        assert!(after.contains(old), "{old}");
        after = after.replace(old, new);
    }
    differences(&read(before), &read(&after))
}

#[test]
fn a_change_has_its_place_its_keyword_and_both_values() {
    let text = format!("{INSTANCE}{SERVER}");
    let one = |old, new| changed(&text, &[(old, new)]);
    assert_eq!(
        one("192.0.2.2/24", "192.0.2.3/24"),
        [
            "vrrp_instance A: virtual_ipaddress 192.0.2.2/24 removed",
            "vrrp_instance A: virtual_ipaddress 192.0.2.3/24 added"
        ]
    );
    assert_eq!(
        one("virtual_router_id 1", "virtual_router_id 1\n priority 50"),
        ["vrrp_instance A: priority 100 -> 50"]
    );
    assert_eq!(
        one("virtual_router_id 1", "virtual_router_id 1\n advert_int 2"),
        ["vrrp_instance A: advert_int 1s -> 2s"]
    );
    assert_eq!(
        one("virtual_router_id 1", "virtual_router_id 1\n state MASTER"),
        ["vrrp_instance A: priority 100 -> 255", "vrrp_instance A: state BACKUP -> MASTER"]
    );
    assert_eq!(one("lb_algo rr", "lb_algo wlc"), ["virtual_server TCP 192.0.2.1:80: lb_algo rr -> wlc"]);
    assert_eq!(
        one("weight 1", "weight 7"),
        ["virtual_server TCP 192.0.2.1:80: real_server 10.0.0.1:80: weight 1 -> 7"]
    );
    assert_eq!(
        one("connect_timeout 3", "connect_timeout 4"),
        ["virtual_server TCP 192.0.2.1:80: real_server 10.0.0.1:80: TCP_CHECK: timeout 3s -> 4s"]
    );
}

#[test]
fn a_virtual_server_comes_with_its_servers_and_numbers_are_in_their_order() {
    let server = |host: u8| format!(" real_server 10.0.0.{host} 80 {{\n weight 1\n }}\n");
    let service = |host: u8, servers: &str| {
        format!("virtual_server 192.0.2.{host} 80 {{\n protocol TCP\n lb_algo rr\n{servers}}}\n")
    };
    let one = service(9, &server(10));
    let more = service(9, &(server(10) + &server(2) + &server(11))) + &service(10, &(server(1) + &server(2)));
    let lines = differences(&read(&one), &read(&more));
    let expected = [
        "virtual_server TCP 192.0.2.9:80: real_server 10.0.0.2:80 added",
        "virtual_server TCP 192.0.2.9:80: real_server 10.0.0.11:80 added",
        "virtual_server TCP 192.0.2.10:80 with 2 real servers added",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_comes_and_goes_is_named_whole() {
    let other = "vrrp_instance B {\n interface eth1\n virtual_router_id 2\n virtual_ipaddress {\n 192.0.2.9\n }\n}\n";
    let (few, more) = (read(INSTANCE), read(&format!("{other}{INSTANCE}")));
    assert_eq!(differences(&few, &more), ["vrrp_instance B added"]);
    assert_eq!(differences(&more, &few), ["vrrp_instance B removed"]);
}

#[test]
fn groups_and_trackers_are_compared_by_name_and_not_by_place() {
    let process = |name: &str| format!("vrrp_track_process {name} {{\n process {name}d\n}}\n");
    let of = |names: &[&str]| {
        let tracks: String = names.iter().map(|name| format!(" {name}\n")).collect();
        let instance =
            INSTANCE.replace("virtual_router_id 1", &format!("virtual_router_id 1\n track_process {{\n{tracks} }}"));
        let all: String = names.iter().map(|name| process(name)).collect();
        read(&format!("{all}{instance}"))
    };
    let lines = differences(&of(&["b"]), &of(&["a", "b"]));
    assert_eq!(lines, ["vrrp_instance A: track process a weight 0 added", "vrrp_track_process a added"]);
}

#[test]
fn a_secret_is_told_to_have_changed_and_never_shown() {
    let lines = changed(INSTANCE, &[("hidden1", "hidden2")]);
    assert_eq!(lines, ["vrrp_instance A: authentication Pass: changed (secret)"]);
    let none = changed(INSTANCE, &[("auth_type PASS\n auth_pass hidden1", "")]);
    assert!(!none.is_empty() && !none.join(" ").contains("hidden"), "{none:?}");
}

const EXCHANGE: &str = "global_defs {\n peer west 192.0.2.3\n peer_key 0123456789abcdef0123456789abcdef\n}\n";
const WITNESS: &str = "witness store {\n etcd {\n endpoint http://192.0.2.9:2379\n lease_key a\n user u\n \
    password hidden1\n }\n}\n";

#[test]
fn peers_that_come_go_and_move_are_named_and_their_key_is_not_shown() {
    let text = format!("{EXCHANGE}{INSTANCE}");
    assert_eq!(
        changed(INSTANCE, &[("vrrp_instance", &format!("{EXCHANGE}vrrp_instance"))]),
        ["peer west 192.0.2.3:8113 added", "peer_key added", "peer_listen added"]
    );
    assert_eq!(
        changed(&text, &[("west 192.0.2.3", "west 192.0.2.4 8114\n peer east 192.0.2.5")]),
        ["peer east 192.0.2.5:8113 added", "peer west 192.0.2.3:8113 -> 192.0.2.4:8114"]
    );
    assert_eq!(changed(&text, &[("peer_key 0", "peer_key 1")]), ["peer_key: changed (secret)"]);
    assert_eq!(
        changed(&text, &[("192.0.2.3\n", "192.0.2.3\n peer_listen 192.0.2.2\n")]),
        ["peer_listen: 0.0.0.0:8113 removed", "peer_listen: 192.0.2.2:8113 added"]
    );
}

#[test]
fn witnesses_and_what_is_made_of_them_are_compared_by_name() {
    let policy = " witness {\n use store\n need all\n unreachable stay\n lost keep\n }\n virtual_ipaddress";
    let used = format!("{WITNESS}{}", INSTANCE.replace(" virtual_ipaddress", policy));
    let one = |old, new| changed(&used, &[(old, new)]);
    assert_eq!(differences(&read(INSTANCE), &read(&used)), ["vrrp_instance A: witness added", "witness store added"]);
    assert_eq!(one("lease_key a", "lease_key b"), ["witness store: etcd lease_key a -> b"]);
    assert_eq!(one("hidden1\n }\n}\nv", "hidden2\n }\n}\nv"), ["witness store: etcd password: changed (secret)"]);
    assert_eq!(one("lost keep", "lost step_down"), ["vrrp_instance A: witness lost Keep -> StepDown"]);
    assert_eq!(
        one("http://", "https://"),
        [
            "witness store: etcd endpoint http://192.0.2.9:2379 removed",
            "witness store: etcd endpoint https://192.0.2.9:2379 added"
        ]
    );
    // Another one before it in the list is no change of this one.
    let two = used.replace("use store", "use near store");
    let two = format!("witness near {{\n ping 192.0.2.8\n}}\n{two}");
    assert_eq!(
        differences(&read(&used), &read(&two)),
        ["vrrp_instance A: witness use near added", "witness near added"]
    );
}

#[test]
fn comments_and_layout_are_no_difference_and_order_is_a_small_one() {
    assert_eq!(changed(INSTANCE, &[("virtual_router_id 1", "# one\n\n   virtual_router_id 1")]), [""; 0]);
    let swapped = INSTANCE.replace("192.0.2.1/24\n 192.0.2.2/24", "192.0.2.2/24\n 192.0.2.1/24");
    assert_eq!(differences(&read(INSTANCE), &read(&swapped)), ["the same in another order"]);
}
