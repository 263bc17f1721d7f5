//! A pair that fits has no finding; each way it may not fit has its own.

use super::*;
use crate::host::Memory;

const FIRST: &str = "vrrp_sync_group G {\n group {\n A\n B\n }\n}\n\
    vrrp_instance A {\n state MASTER\n interface eth0\n virtual_router_id 51\n priority 150\n advert_int 1\n \
    authentication {\n auth_type PASS\n auth_pass secret\n }\n virtual_ipaddress {\n 192.0.2.1\n 192.0.2.2\n }\n}\n\
    vrrp_instance B {\n state MASTER\n interface eth1\n virtual_router_id 52\n priority 150\n virtual_ipaddress {\n 198.51.100.1\n }\n}\n\
    virtual_server 192.0.2.1 80 {\n lb_algo rr\n lb_kind NAT\n protocol TCP\n \
    real_server 10.0.0.1 80 {\n weight 1\n }\n real_server 10.0.0.2 80 {\n weight 1\n }\n}\n";

fn pair(first: &str, second: &str) -> Pair {
    let host = Memory::new().with_any_interface().file("/a", first).file("/b", second);
    let options = Options { config_id: Some("n".to_owned()), ..Options::default() };
    let directors = ["/a", "/b"].map(|root| Director { root: Path::new(root), options: options.clone() });
    check_pair(&host, &directors)
}

fn standby() -> String {
    FIRST.replace("state MASTER", "state BACKUP").replace("priority 150", "priority 100")
}

/// The codes, and what the first and second file are shown to say, without the lines around it.
fn found(first: &str, second: &str) -> Vec<(Code, String)> {
    let pair = pair(first, second);
    assert!(pair.loaded.iter().all(|l| l.config.is_some()), "{:?}", pair.loaded.map(|l| l.diagnostics));
    let text = |d: &Diagnostic| {
        let labels = d.primary.iter().chain(&d.secondary);
        let shown = labels.map(|label| {
            let file = pair.sources.file(label.span.file).unwrap().path().display().to_string();
            let bytes = String::from_utf8_lossy(pair.sources.bytes(label.span));
            format!("{file}: {}", bytes.lines().next().unwrap_or_default().trim())
        });
        shown.collect::<Vec<_>>().join(" | ")
    };
    pair.findings.iter().map(|d| (d.code, text(d))).collect()
}

/// What is found when the standby's file is changed.
fn changed(from: &str, to: &str) -> Vec<(Code, String)> {
    let standby = standby();
    assert!(standby.contains(from), "{from} is not there to be changed");
    found(FIRST, &standby.replacen(from, to, 1))
}

fn one(code: Code, text: &str) -> Vec<(Code, String)> {
    vec![(code, text.to_owned())]
}

#[test]
fn a_pair_that_fits_has_no_finding_and_status_0() {
    let pair = pair(FIRST, &standby());
    assert_eq!(pair.findings, []);
    assert_eq!(exit_code(&pair), 0);
}

#[test]
fn each_way_not_to_fit_is_shown_in_both_files() {
    for (from, to, code, text) in [
        (
            "virtual_router_id 51",
            "virtual_router_id 61",
            Code::PairVrid,
            "/b: virtual_router_id 61 | /a: virtual_router_id 51",
        ),
        ("advert_int 1", "advert_int 2", Code::PairInterval, "/b: advert_int 2 | /a: advert_int 1"),
        ("advert_int 1", "version 3", Code::PairVersion, "/b: version 3 | /a: vrrp_instance A"),
        (
            "auth_pass secret",
            "auth_pass secreT",
            Code::PairAuthentication,
            "/b: auth_pass secreT | /a: auth_pass secret",
        ),
        ("192.0.2.2\n", "192.0.2.3\n", Code::PairAddresses, "/b: virtual_ipaddress | /a: virtual_ipaddress"),
        (
            "192.0.2.1\n 192.0.2.2",
            "192.0.2.2\n192.0.2.1",
            Code::PairAddressOrder,
            "/b: virtual_ipaddress | /a: virtual_ipaddress",
        ),
        ("priority 100", "priority 150", Code::PairPriority, "/b: priority 150 | /a: priority 150"),
        ("lb_algo rr", "lb_algo wlc", Code::PairService, "/b: lb_algo wlc | /a: lb_algo rr"),
        (
            "10.0.0.2 80",
            "10.0.0.3 80",
            Code::PairService,
            "/b: virtual_server 192.0.2.1 80 | /a: virtual_server 192.0.2.1 80",
        ),
        ("weight 1", "weight 2", Code::PairService, "/b: real_server 10.0.0.1 80 | /a: real_server 10.0.0.1 80"),
        (" A\n B\n", " A\n", Code::PairGroup, "/b: vrrp_sync_group G | /a: vrrp_sync_group G"),
    ] {
        assert_eq!(changed(from, to), one(code, text), "{from} to {to}");
    }
}

#[test]
fn a_password_on_one_director_only_is_found() {
    let text = "/b: vrrp_instance A | /a: auth_type PASS";
    let without = "authentication {\n auth_type PASS\n auth_pass secret\n }\n ";
    assert_eq!(changed(without, ""), one(Code::PairAuthentication, text));
}

#[test]
fn what_one_director_lacks_is_shown_where_it_is() {
    let standby = standby();
    let without = standby.split("virtual_server").next().unwrap();
    assert_eq!(found(FIRST, without), one(Code::PairLoneService, "/a: virtual_server 192.0.2.1 80"));
    let extra = format!(
        "{standby}vrrp_instance C {{\ninterface eth2\nvirtual_router_id 9\nvirtual_ipaddress {{\n203.0.113.1\n}}\n}}\n"
    );
    assert_eq!(found(FIRST, &extra), one(Code::PairLoneInstance, "/b: vrrp_instance C"));
}

#[test]
fn instances_are_the_same_by_vrid_and_address_whatever_their_names() {
    assert_eq!(found(FIRST, &standby().replace("A\n", "X\n").replace("instance A", "instance X")), []);
}

#[test]
fn a_missing_nopreempt_matters_where_the_priority_is_higher() {
    let backups = FIRST.replace("state MASTER", "state BACKUP");
    let with = |text: &str| text.replacen("virtual_router_id 51", "virtual_router_id 51\n nopreempt", 1);
    assert_eq!(found(&with(&backups), &with(&standby())), []);
    let low = pair(&backups, &with(&standby()));
    assert_eq!(
        low.findings.iter().map(|d| (d.code, d.class)).collect::<Vec<_>>(),
        [(Code::PairPreempt, Class::Warning)]
    );
    assert_eq!(exit_code(&low), 5);
    let high = pair(&with(&backups), &standby());
    assert_eq!(high.findings.iter().map(|d| (d.code, d.class)).collect::<Vec<_>>(), [(Code::PairPreempt, Class::Hint)]);
    assert_eq!(exit_code(&high), 0);
}

#[test]
fn unicast_peers_must_name_each_other() {
    let with = |text: &str, own: &str, peer: &str| {
        let words = format!("virtual_router_id 51\n unicast_src_ip {own}\n unicast_peer {{\n {peer}\n }}");
        text.replacen("virtual_router_id 51", &words, 1)
    };
    let first = with(FIRST, "192.0.2.11", "192.0.2.12");
    assert_eq!(found(&first, &with(&standby(), "192.0.2.12", "192.0.2.11")), []);
    let text = "/b: unicast_peer | /a: unicast_src_ip 192.0.2.11";
    assert_eq!(found(&first, &with(&standby(), "192.0.2.12", "192.0.2.13")), one(Code::PairUnicast, text));
    let itself = found(&first, &with(&standby(), "192.0.2.12", "192.0.2.12"));
    assert_eq!(itself[1].1, text);
    assert_eq!(itself[0], (Code::PairUnicast, "/b: 192.0.2.12 | /b: unicast_src_ip 192.0.2.12".to_owned()));
    assert_eq!(found(&first, &standby()), one(Code::PairUnicast, "/b: vrrp_instance A | /a: unicast_peer"));
}

#[test]
fn one_file_for_both_is_compared_as_each_reads_it() {
    let text =
        FIRST.replace("priority 150", "@a priority 150\n @b priority 100").replace("state MASTER", "state BACKUP");
    let host = Memory::new().with_any_interface().file("/f", text);
    let director = |id: &str| Director {
        root: Path::new("/f"),
        options: Options { config_id: Some(id.to_owned()), ..Options::default() },
    };
    assert_eq!(check_pair(&host, &[director("a"), director("b")]).findings, []);
    // REQ: VRRP3-8.3.2-02
    assert_eq!(check_pair(&host, &[director("a"), director("a")]).findings.len(), 2, "the same priority twice");
}

#[test]
fn a_refused_file_is_not_compared() {
    let pair = pair(FIRST, "vrrp_instance A {\n");
    assert_eq!(pair.findings, []);
    assert_eq!(exit_code(&pair), 5);
}

/// The first director tracks an interface by weight, the second has priority 100.
fn weighed(first: &str, weight: i32, second: &str) -> Vec<Code> {
    let instance = |words: &str| {
        format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id 51\n {words}\n virtual_ipaddress {{\n 192.0.2.1\n }}\n}}\n"
        )
    };
    let first = format!("{first}\n track_interface {{\n eth1 weight {weight}\n }}");
    found(&instance(&first), &instance(second)).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn weights_must_bridge_the_difference_of_the_priorities_and_be_looked_at() {
    assert_eq!(weighed("priority 150", -51, "priority 100"), []);
    assert_eq!(weighed("priority 150", -50, "priority 100"), [Code::PairFutileWeight], "a tie changes nothing");
    assert_eq!(weighed("priority 150", -10, "priority 100"), [Code::PairFutileWeight]);
    assert_eq!(weighed("priority 90", 20, "priority 100"), [], "better while all is well, worse when it is not");
    assert_eq!(weighed("priority 150", 20, "priority 100"), [Code::PairFutileWeight], "better in any case");
    assert_eq!(weighed("priority 50", 20, "priority 100"), [], "never the master of the two");
    assert_eq!(weighed("priority 150", 0, "priority 100"), [], "a failure is a FAULT");
    let never = weighed("priority 150\n nopreempt", -60, "priority 100\n nopreempt");
    assert_eq!(never, [Code::PairFutileWeight]);
}

#[test]
fn an_election_without_end_takes_both_options_and_two_intervals_of_version_3() {
    let codes = |first: &str, second: &str| {
        let instance = |words: &str, priority: u8| {
            format!(
                "vrrp_instance A {{\n interface eth0\n virtual_router_id 51\n version 3\n priority {priority}\n {words}\n \
                 virtual_ipaddress {{\n 192.0.2.1\n }}\n}}\n"
            )
        };
        let found = found(&instance(first, 150), &instance(second, 100));
        found.into_iter().map(|(code, _)| code).collect::<Vec<_>>()
    };
    let quiet = "lower_prio_no_advert\n advert_int 5";
    assert_eq!(codes(quiet, "higher_prio_send_advert\n advert_int 1"), [Code::PairEndless]);
    assert_eq!(codes(quiet, "higher_prio_send_advert\n advert_int 5"), []);
    assert_eq!(codes(quiet, "advert_int 1"), [Code::PairInterval]);
    assert_eq!(codes("advert_int 5", "higher_prio_send_advert\n advert_int 1"), [Code::PairInterval]);
}

/// A pair with a witness and peers.
fn witnessed(host: &str, change: (&str, &str)) -> String {
    let (own, other) = if host == "a" { ("192.0.2.11", "192.0.2.12") } else { ("192.0.2.12", "192.0.2.11") };
    let text = format!(
        "global_defs {{\n router_id {host}\n peer other {other}\n peer_key 0123456789abcdef0123456789abcdef\n \
         peer_listen {own}\n}}\n\
         witness gateway {{\n ping 192.0.2.254\n}}\n\
         witness store {{\n etcd {{\n endpoint http://192.0.2.9:2379\n lease_key web\n }}\n}}\n{}",
        (if host == "a" { FIRST.to_owned() } else { standby() }).replacen(
            "vrrp_sync_group G {\n",
            "vrrp_sync_group G {\n witness {\n use store gateway\n need all\n unreachable stay\n lost keep\n }\n",
            1
        )
    );
    assert!(change.0.is_empty() || text.contains(change.0), "{}", change.0);
    text.replacen(change.0, change.1, usize::from(!change.0.is_empty()))
}

#[test]
fn witnesses_and_peers_of_a_pair_fit_each_other() {
    let second = |from, to| found(&witnessed("a", ("", "")), &witnessed("b", (from, to)));
    assert_eq!(second("", ""), []);
    // Both members of the group ask; what does not fit is said for each place once.
    let said = |from, to| {
        let mut found = second(from, to);
        found.dedup();
        found
    };
    let store = "/b: witness store { | /a: witness store {".replace(" {", "");
    assert_eq!(said("lease_key web", "lease_key mail"), one(Code::PairLease, &store));
    assert_eq!(said("192.0.2.9:2379", "192.0.2.8:2379"), one(Code::PairLease, &store));
    assert_eq!(said("lease_key web", "lease_key web\n holder a"), one(Code::PairLease, &store));
    let policy = "/b: witness | /a: witness";
    assert_eq!(said("need all", "need any"), one(Code::PairWitness, policy));
    assert_eq!(said("ping 192.0.2.254", "ping 192.0.2.253"), one(Code::PairWitness, policy));
    let key = "/b: peer_key 0123456789abcdef0123456789abcdeF | /a: peer_key 0123456789abcdef0123456789abcdef";
    assert_eq!(said("456789abcdef\n", "456789abcdeF\n"), one(Code::PairExchange, key));
    let elsewhere = "/b: peer other 192.0.2.13 | /a: peer_listen 192.0.2.11";
    assert_eq!(said("other 192.0.2.11", "other 192.0.2.13"), one(Code::PairExchange, elsewhere));
}

#[test]
fn peers_and_witnesses_on_one_director_only_are_found() {
    let first = witnessed("a", ("", ""));
    let without = standby();
    let mut codes: Vec<_> = found(&first, &without).into_iter().map(|(code, _)| code).collect();
    codes.dedup();
    assert_eq!(codes, [Code::PairWitness, Code::PairExchange]);
}
