//! One healthy machine, and what each single change of it is worth saying.

use super::super::findings::Interface;
use super::*;
use standfast_conf::host::Memory;
use std::path::Path;

const TEXT: &str = "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n 192.0.2.1/24\n 192.0.2.2/24\n }\n}\n\
    virtual_server 192.0.2.1 80 {\n lb_kind NAT\n protocol TCP\n real_server 10.0.0.1 80 {\n }\n}\n";

fn read(text: &str) -> Config {
    let path = Path::new("/k");
    let host = Memory::new().file(path, text).with_interface("eth0");
    standfast_conf::load(&host, path, &standfast_conf::Options::default()).config.unwrap()
}

fn healthy() -> Findings {
    let settings = [
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv6.conf.all.forwarding", "0"),
        ("net.ipv4.conf.all.rp_filter", "0"),
        ("net.ipv4.conf.eth0.rp_filter", "2"),
        ("net.ipv4.conf.all.arp_ignore", "0"),
        ("net.ipv4.conf.eth0.promote_secondaries", "1"),
        ("net.ipv4.vs.conntrack", "0"),
        ("net.ipv4.vs.expire_nodest_conn", "1"),
        ("net.ipv4.vs.conn_reuse_mode", "1"),
    ];
    let interface = Interface { up: true, carrier: true, multicast: true, bridge: None, snooping: None };
    Findings {
        settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        interfaces: [("eth0".to_owned(), interface)].into(),
        has_ipvs: true,
        firewall: Some(String::new()),
        programs: ["systemd".to_owned()].into(),
        uptime: Some(Duration::from_secs(86_400)),
        clock_kept: Some(true),
        kernel: "6.1.0-28-amd64".to_owned(),
    }
}

fn complaints(text: &str, change: impl FnOnce(&mut Findings)) -> Vec<(Grade, String)> {
    let mut findings = healthy();
    change(&mut findings);
    judge(&read(text), &findings).into_iter().map(|complaint| (complaint.grade, complaint.what)).collect()
}

fn one(text: &str, change: impl FnOnce(&mut Findings)) -> (Grade, String) {
    let mut found = complaints(text, change);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn set(findings: &mut Findings, name: &str, value: &str) {
    findings.settings.insert(name.to_owned(), value.to_owned());
}

#[test]
fn a_healthy_machine_gives_nothing_to_complain_about() {
    assert_eq!(complaints(TEXT, |_| {}), []);
    assert_eq!(judge(&Config::default(), &Findings::default()), []);
}

#[test]
fn forwarding_is_needed_for_nat_and_for_nothing_else() {
    let off = |findings: &mut Findings| set(findings, "net.ipv4.ip_forward", "0");
    assert_eq!(one(TEXT, off), (Grade::Problem, "net.ipv4.ip_forward is 0".to_owned()));
    let direct = TEXT.replace("NAT", "DR");
    assert!(complaints(&direct, off).iter().all(|(_, what)| !what.contains("ip_forward")));
    let six = TEXT.replace("virtual_server 192.0.2.1", "virtual_server 2001:db8::1").replace("10.0.0.1", "2001:db8::9");
    assert_eq!(one(&six, |_| {}).1, "net.ipv6.conf.all.forwarding is 0");
}

#[test]
fn a_strict_reverse_path_filter_matters_where_packets_take_two_ways() {
    let strict = |findings: &mut Findings| {
        set(findings, "net.ipv4.conf.all.rp_filter", "1");
        set(findings, "net.ipv4.conf.eth0.rp_filter", "0");
    };
    assert_eq!(complaints(TEXT, strict), [], "one interface, one way");
    let two = |findings: &mut Findings| {
        strict(findings);
        findings.interfaces.insert("eth1".to_owned(), findings.interfaces["eth0"].clone());
    };
    assert_eq!(one(TEXT, two).0, Grade::Warning);
    assert!(one(&TEXT.replace("NAT", "TUN"), strict).1.starts_with("rp_filter is strict on eth0"));
}

#[test]
fn direct_routing_is_told_of_arp_and_a_mute_director_is_a_problem() {
    let (grade, what) = one(&TEXT.replace("NAT", "DR"), |_| {});
    assert_eq!((grade, what.as_str()), (Grade::Hint, "192.0.2.1 is served by direct routing"));
    assert_eq!(one(TEXT, |findings| set(findings, "net.ipv4.conf.all.arp_ignore", "8")).0, Grade::Problem);
}

#[test]
fn ipvs_is_there_and_set_as_failing_servers_and_used_ports_need_it() {
    assert_eq!(one(TEXT, |findings| findings.has_ipvs = false), (Grade::Problem, "the kernel has no IPVS".to_owned()));
    let hang = |findings: &mut Findings| set(findings, "net.ipv4.vs.expire_nodest_conn", "0");
    assert_eq!(one(TEXT, hang).0, Grade::Warning);
    let delay = |findings: &mut Findings| {
        set(findings, "net.ipv4.vs.conntrack", "1");
        findings.kernel = "5.4.0-200-generic".to_owned();
    };
    assert!(one(TEXT, delay).1.contains("conn_reuse_mode and conntrack are 1"));
    assert_eq!(complaints(TEXT, |findings| set(findings, "net.ipv4.vs.conntrack", "1")), [], "mended since");
    assert_eq!(one(TEXT, |findings| set(findings, "net.ipv4.vs.conn_reuse_mode", "0")).0, Grade::Hint);
    let masquerade = |findings: &mut Findings| findings.firewall = Some("oifname \"eth1\" masquerade".to_owned());
    assert!(one(TEXT, masquerade).1.contains("masquerades"));
}

#[test]
fn a_packet_filter_that_keeps_vrrp_out_is_a_problem() {
    let closed = |findings: &mut Findings| {
        findings.firewall = Some("type filter hook input priority filter; policy drop;".to_owned());
    };
    assert_eq!(one(TEXT, closed).0, Grade::Problem);
    let dropped = |findings: &mut Findings| findings.firewall = Some("ip protocol vrrp drop".to_owned());
    assert_eq!(one(TEXT, dropped).1, "the packet filter drops VRRP: ip protocol vrrp drop");
}

#[test]
fn interfaces_exist_are_up_and_take_multicast() {
    let change =
        |what: fn(&mut Interface)| one(TEXT, move |findings| what(findings.interfaces.get_mut("eth0").unwrap()));
    assert_eq!(one(TEXT, |findings| findings.interfaces.clear()).1, "A: interface eth0 does not exist");
    assert_eq!(change(|interface| interface.carrier = false).1, "A: interface eth0 is down");
    assert_eq!(change(|interface| interface.multicast = false).1, "A: interface eth0 takes no multicast");
    let (grade, what) = change(|interface| interface.snooping = Some((true, false)));
    assert_eq!((grade, what.contains("snoops multicast")), (Grade::Hint, true));
    let lose = |findings: &mut Findings| set(findings, "net.ipv4.conf.eth0.promote_secondaries", "0");
    assert!(one(TEXT, lose).1.contains("promote_secondaries"));
}

#[test]
fn who_else_manages_interfaces_is_named() {
    let runs = |name: &'static str| move |findings: &mut Findings| findings.programs.extend([name.to_owned()]);
    assert_eq!(one(TEXT, runs("NetworkManager")), (Grade::Hint, "NetworkManager runs".to_owned()));
    assert_eq!(one(TEXT, runs("keepalived")).0, Grade::Warning);
}

#[test]
fn a_clock_that_nobody_keeps_matters_where_something_is_signed() {
    let loose = |findings: &mut Findings| findings.clock_kept = Some(false);
    assert_eq!(complaints(TEXT, loose), []);
    let tls = TEXT.replace(
        "real_server 10.0.0.1 80 {\n",
        "real_server 10.0.0.1 80 {\n SSL_GET {\n url {\n path /\n status_code 200\n }\n }\n",
    );
    assert_eq!(one(&tls, loose).0, Grade::Hint);
    assert!(one(TEXT, |findings| findings.uptime = Some(Duration::from_secs(9))).1.contains("just been started"));
}

#[test]
fn a_kernel_that_is_too_old_is_named_with_the_least() {
    let old = |findings: &mut Findings| findings.kernel = "4.19.0-27-amd64".to_owned();
    assert_eq!(one(TEXT, old), (Grade::Problem, "the kernel is Linux 4.19.0-27-amd64".to_owned()));
}
