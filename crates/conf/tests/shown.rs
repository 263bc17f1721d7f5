//! What `config show` prints is read as the same configuration: for every keyword's example in `table.rs`, and here for
//! texts in which the layers above keywords are mixed at random.

#![expect(clippy::panic, reason = "what a test cannot do fails it")]

use proptest::prelude::*;
use standfast_conf::host::Memory;
use standfast_conf::{Options, load_everything, show};
use standfast_model::Config;
use std::path::Path;

/// The secret of every text here, which is masked when shown and put back before it is read again.
const SECRET: &str = "hush";

fn host(text: &str) -> Memory {
    let more = "virtual_ipaddress_excluded {\n ${NET}.200 # by include\n}\n";
    Memory::new().with_any_interface().file("/k.conf", text).file("/more.conf", more)
}

fn options() -> Options {
    Options { config_id: Some("lb1".to_owned()), ..Options::default() }
}

fn read(text: &str) -> Config {
    let loaded = load_everything(&host(text), Path::new("/k.conf"), &options());
    let said: Vec<_> = loaded.diagnostics.iter().map(|d| format!("{} {}", d.code.id(), d.headline)).collect();
    loaded.config.unwrap_or_else(|| panic!("{text}\n{said:?}"))
}

fn shown(text: &str) -> String {
    show(&host(text), Path::new("/k.conf"), &options(), false).replace("********", SECRET)
}

/// A statement or block of an instance, in one of the ways to write it. `n` tells instances apart.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        (1..=254u8).prop_map(|p| format!("@lb1 priority {p}\n@^lb1 priority 1\n")),
        (1..=254u8).prop_map(|p| format!("$PRIO={p}\npriority ${{PRIO}} ! said once\n")),
        Just("include more.conf\n".to_owned()),
        Just("authentication { auth_type PASS\nauth_pass $SECRET\n}\n".replace("$SECRET", "${SECRET}")),
        Just("nopreempt # stays\n".to_owned()),
        (1..=9u8).prop_map(|n| format!("virtual_routes {{ ~SEQ(r, 1, {n}) 198.51.100.$r via 192.0.2.1 dev eth0\n}}\n")),
        (1..=200u8, 0..=60u8).prop_map(|(a, b)| format!("track_interface\n{{\n eth{a} weight {b}\n}}\n")),
        Just("notify \"/bin/sh -c 'x # y'\" root\n".to_owned()),
        Just("$LIST= \\\n virtual_rules { \\\n from 192.0.2.0/24 table 7 preference 9 \\\n }\n$LIST\n".to_owned()),
        Just("~LST({a, b}, {garp_master_delay, 3}, {garp_master_repeat, 2}) $a $b\n".to_owned()),
    ]
}

fn instance() -> impl Strategy<Value = String> {
    let parts = proptest::collection::vec(part(), 0..5);
    (parts, 1..=100u8, any::<bool>()).prop_map(|(parts, addresses, joined)| {
        let open = if joined { "{" } else { "\n{" };
        format!(
            "vrrp_instance V$n {open} interface eth0\n virtual_router_id $n\n {} virtual_ipaddress {{ ~SEQ(i, {addresses}) ${{NET}}.$i\n}} }}\n",
            parts.concat()
        )
    })
}

fn service() -> impl Strategy<Value = String> {
    let checker = prop_oneof![
        Just("TCP_CHECK { }".to_owned()),
        Just("TCP_CHECK\n{\n connect_timeout 2.5\n}".to_owned()),
        Just("HTTP_GET { url { path \"/a b\"\n status_code 200-299 404\n } }".to_owned()),
        Just("MISC_CHECK { misc_path \"/bin/true 'a  b' \\\\$x\"\n}".to_owned()),
    ];
    (checker, 1..=50u16, 0..=9u8).prop_map(|(checker, servers, weight)| {
        let server = format!("real_server 10.0.$n.$s 80 {{\n weight {weight}\n {checker}\n}}");
        // A definition goes on while its lines end in a backslash.
        let server = server.replace("$n.$s", "${n}.$s").replace('\n', " \\\n");
        format!(
            "$SERVER= \\\n{server}\nvirtual_server 203.0.113.$n 80 {{ protocol TCP\n lb_algo wrr\n lb_kind NAT\n\
             ~SEQ(s, {servers}) $SERVER\n}}\n"
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_shown_is_the_same_configuration(
        instances in proptest::collection::vec(instance(), 0..4),
        services in proptest::collection::vec(service(), 0..3),
    ) {
        let mut text = format!("$NET=192.0.2\n$SECRET={SECRET}\n");
        for (n, block) in (1..).zip(instances.iter().chain(&services)) {
            text.push_str(&format!("$n={n}\n{block}"));
        }
        let config = read(&text);
        let printed = shown(&text);
        prop_assert_eq!(&read(&printed), &config, "{}", printed);
        prop_assert_eq!(shown(&printed), printed, "what is shown is shown as it is");
        prop_assert_eq!(config.vrrp.instances.len(), instances.len(), "{}", text);
        prop_assert_eq!(config.lvs.virtual_servers.len(), services.len(), "{}", text);
    }
}

#[test]
fn a_text_nested_without_end_is_shown_without_end_of_the_stack() {
    let deep = 200_000;
    let text = format!("{}{}", "a {\n".repeat(deep), "}\n".repeat(deep));
    let printed = shown(&text);
    let deepest = printed.lines().map(|line| line.len() - line.trim_start().len()).max();
    assert!(deepest.is_some_and(|blanks| (100..1000).contains(&blanks)), "{deepest:?}: as deep as a tree may be");
    assert!(printed.starts_with("a {\n    a {\n"));
}
