//! The lexical and macro layers, seen from what they make: comments, quotes, conditions, definitions, repetitions, includes.

#![expect(clippy::unwrap_used, reason = "a configuration that cannot be made is a failed test")]

use standfast_conf::host::{FileKind, Host as _, Memory, Metadata};
use standfast_conf::{Code, Loaded, Options, exit_code_for_test, load};
use std::path::Path;

fn host() -> Memory {
    Memory::new().with_interface("eth0").with_interface("eth1").with_environment("SITE", "north")
}

fn with(host: Memory, text: &str) -> Loaded {
    load(&host.file("/etc/k.conf", text), Path::new("/etc/k.conf"), &Options::default())
}

fn loaded(text: &str) -> Loaded {
    with(host(), text)
}

fn codes(loaded: &Loaded) -> Vec<Code> {
    loaded.diagnostics.iter().map(|d| d.code).collect()
}

/// The addresses that an instance gets from this text in its `virtual_ipaddress`, and the codes of what is said.
fn addresses(before: &str, list: &str) -> (Vec<String>, Vec<Code>) {
    let text = format!(
        "{before}\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {{\n{list}\n}}\n}}\n"
    );
    let loaded = loaded(&text);
    let found = codes(&loaded);
    let instance = loaded.config.and_then(|c| c.vrrp.instances.into_iter().next());
    let addresses = instance.map(|i| i.addresses.iter().map(|a| a.address.to_string()).collect());
    (addresses.unwrap_or_default(), found)
}

fn router_id(text: &str) -> Option<String> {
    loaded(&format!("global_defs {{\n{text}\n}}\n")).config.unwrap().global.router_id
}

#[test]
fn comments_and_quotes_are_keepaliveds() {
    assert_eq!(router_id("router_id a#b").unwrap(), "a");
    assert_eq!(router_id("router_id a!b").unwrap(), "a");
    assert_eq!(router_id("router_id \"a #b\" # c").unwrap(), "a #b");
    assert_eq!(router_id("router_id 'a").unwrap(), "'a");
    assert_eq!(router_id("router_id ab\"c d\"").unwrap(), "ab");
    assert_eq!(router_id(r"router_id a\#b").unwrap(), "a#b");
    assert_eq!(router_id("router_id \"${_HASH}x\"").unwrap(), "#x");
    assert_eq!(router_id("router_id a${_HASH}x").unwrap(), "a");
}

#[test]
fn braces_stand_anywhere_and_separate_statements() {
    let text = "vrrp_instance \"front { end\"\n\n# between\n{interface eth0\nvirtual_ipaddress { 192.0.2.1 } virtual_router_id 7\n}";
    let config = loaded(text).config.unwrap();
    assert_eq!(config.vrrp.instances[0].name, "front { end");
    assert_eq!(config.vrrp.instances[0].vrid.get(), 7);
}

#[test]
fn lines_end_in_every_way_and_the_last_one_needs_no_end() {
    let text = "global_defs {\r\nrouter_id a\r\r\n}\r\nchild_wait_time 9";
    let config = loaded(text).config.unwrap();
    assert_eq!(config.global.router_id.unwrap(), "a");
    assert_eq!(config.global.child_wait_time.as_secs(), 9);
}

#[test]
fn conditions_choose_lines_by_configuration_id() {
    let text = "@node1 192.0.2.1\n@^node1 192.0.2.2\n@other 192.0.2.3\n@^other 192.0.2.4\n@node1\n192.0.2.5";
    assert_eq!(addresses("", text).0, ["192.0.2.1/32", "192.0.2.4/32", "192.0.2.5/32"]);
    let given = Options { config_id: Some("other".to_owned()), ..Options::default() };
    let text = "global_defs {\n@other router_id x\n@node1 router_id y\n}\n";
    let loaded = load(&host().file("/k.conf", text), Path::new("k.conf"), &given);
    assert_eq!(loaded.config.unwrap().global.router_id.unwrap(), "x");
    // A definition that is not for this id takes its further lines with it.
    assert_eq!(
        addresses("@other $A= \\\n bogus \\\n nonsense\n", "192.0.2.9"),
        (vec!["192.0.2.9/32".to_owned()], vec![])
    );
}

#[test]
fn definitions_are_replaced_where_keepalived_replaces_them() {
    let before = "$A=192.0.2\n$B=${A}.7\n$LEN=24\n$EMPTY=";
    let list = "${B}/${LEN}\n$B\n${A}.8${EMPTY}\n${A}.9/$LEN";
    assert_eq!(addresses(before, list).0, ["192.0.2.7/24", "192.0.2.8/32", "192.0.2.9/24"]);
    assert_eq!(router_id("$X=one\nrouter_id $X").unwrap(), "one");
    assert_eq!(router_id("$X=one\n$X=two\nrouter_id \"${X} \"").unwrap(), "two ");
    // Not followed by a blank, a comma, a parenthesis or the end, a dollar sign is a letter.
    assert_eq!(router_id("$X=one\nrouter_id $X/24").unwrap(), "$X/24");
    assert_eq!(router_id("$X=one\nrouter_id \"$X\"").unwrap(), "$X");
    assert_eq!(router_id("router_id p$ss").unwrap(), "p$ss");
}

#[test]
fn a_definition_takes_effect_from_its_own_line_on() {
    let (_, found) = addresses("", "${LATER}\n192.0.2.1\n$LATER=192.0.2.2");
    assert!(found.contains(&Code::UnknownDefinition), "{found:?}");
    assert_eq!(addresses("", "$X=192.0.2.3\n$X").0, ["192.0.2.3/32"]);
}

#[test]
fn definitions_of_several_lines_carry_blocks() {
    let text = "$INST= \\\nvrrp_instance V_$n { \\\ninterface eth0 \\\nvirtual_router_id ${n} \\\n\
                virtual_ipaddress { \\\n192.0.2.${n}/24 \\\n} \\\n}\n\
                ~SEQ(n, 1, 3) $INST\n";
    let config = loaded(text).config.unwrap();
    let names: Vec<_> = config.vrrp.instances.iter().map(|i| (i.name.as_str(), i.vrid.get())).collect();
    assert_eq!(names, [("V_1", 1), ("V_2", 2), ("V_3", 3)]);
    // An empty line ends a definition, and a use must end its line.
    assert_eq!(addresses("$V= \\\n192.0.2.1 \\\n192.0.2.2 \\\n\n", "$V").0, ["192.0.2.1/32", "192.0.2.2/32"]);
    assert_eq!(addresses("$V= \\\n192.0.2.1 \\\n192.0.2.2\n", "192.0.2.3\n$V\n192.0.2.4").0.len(), 4);
    let (_, found) = addresses("$V= \\\n192.0.2.1 \\\n192.0.2.2\n", "${V}/24");
    assert!(found.contains(&Code::UnknownDefinition), "{found:?}");
}

#[test]
fn predefined_names_have_values() {
    assert_eq!(
        router_id("router_id \"${_PWD}-${_INSTANCE}-${_ENV SITE}-${_RANDOM 5 5}${_BANG}\"").unwrap(),
        "/etc-node1-north-5!"
    );
    assert_eq!(router_id("router_id x$_INSTANCE").unwrap(), "xnode1");
    assert_eq!(router_id("router_id x${_ENV UNSET}").unwrap(), "x");
    assert_eq!(router_id("$_INSTANCE=mine\nrouter_id $_INSTANCE").unwrap(), "mine");
    for bad in ["router_id x${_ENV}", "router_id x${_RANDOM 9 1}", "router_id x${_RANDOM 1 2 3}"] {
        assert_eq!(codes(&loaded(&format!("global_defs {{\n{bad}\n}}\n"))), [Code::BadParameter], "{bad}");
    }
}

#[test]
fn sequences_count_in_every_direction() {
    let list = |header: &str| {
        let (found, codes) = addresses("", &format!("~SEQ({header}) 192.0.2.${{i}}"));
        assert_eq!(codes, [], "{header}");
        found.iter().map(|a| a.trim_start_matches("192.0.2.").trim_end_matches("/32").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list("i, 3"), ["1", "2", "3"]);
    assert_eq!(list("i, 7, 5"), ["7", "6", "5"]);
    assert_eq!(list("i, 1, 4, 10"), ["1", "5", "9"]);
    assert_eq!(list("i, 0x10, 022"), ["16", "17", "18"]);
    let hexadecimal = addresses("", "~SEQx(h, 9, 11) 2001:db8::${h}");
    assert_eq!(hexadecimal.0, ["2001:db8::9/128", "2001:db8::a/128", "2001:db8::b/128"]);
    let defined = addresses("$END=2", "~SEQ(i, $END) 192.0.2.${i}");
    assert_eq!(defined.0, ["192.0.2.1/32", "192.0.2.2/32"]);
    for bad in ["i, 1, 0, 5", "i, 1, -1, 5", "i", "i, x", "1i, 5", "i, 1, 2, 3, 4"] {
        let (_, found) = addresses("", &format!("~SEQ({bad}) x"));
        assert_eq!(found, [Code::BadSequence, Code::NoAddresses], "{bad}");
    }
    assert_eq!(addresses("", "~SEQx(i, -1, 1) x").1, [Code::BadSequence, Code::NoAddresses]);
    assert_eq!(addresses("", "~SEQ(i, 1").1, [Code::BadSequence, Code::NoAddresses]);
}

#[test]
fn lists_set_one_name_or_several_and_nest() {
    assert_eq!(addresses("", "~LST(i, 5, 9) 192.0.2.${i}").0, ["192.0.2.5/32", "192.0.2.9/32"]);
    let nested = "~SEQ(i, 1, 2) ~LST({net,len}, {10,24}, {20,28}) 10.${net}.0.${i}/${len}";
    let expected = ["10.10.0.1/24", "10.20.0.1/28", "10.10.0.2/24", "10.20.0.2/28"];
    assert_eq!(addresses("", nested).0, expected);
    assert_eq!(addresses("", "~LST({a,b}, {192.0.2.1}) ${a}${b}").0, ["192.0.2.1/32"]);
    assert_eq!(addresses("", "~LST({a}, {1,2}) ${a}").1, [Code::BadList, Code::NoAddresses]);
    assert_eq!(addresses("", "~LST({a, {1}) ${a}").1, [Code::BadList, Code::NoAddresses]);
}

#[test]
fn includes_follow_patterns_relative_to_the_including_file() {
    let machine = host()
        .file("/etc/conf.d/b.conf", "global_defs {\nrouter_id ${_PWD}\n}\ninclude more/*.inc\n")
        .file("/etc/conf.d/a.conf", "vrrp_instance A {\ninterface eth0\n")
        .file("/etc/conf.d/more/x.inc", "child_wait_time 3\n")
        .file("/etc/vip", "virtual_ipaddress {\n192.0.2.1\n}\n}\n");
    let text = "include conf.d/{a,nosuch}.conf\nvirtual_router_id 3\ninclude vip\ninclude \"conf.d/b*\"\n";
    let loaded = with(machine, text);
    assert_eq!(codes(&loaded), [Code::IncludeNothing]);
    let config = loaded.config.unwrap();
    assert_eq!(config.vrrp.instances[0].addresses.len(), 1, "a file may close a block that another opened");
    assert_eq!(config.global.router_id.unwrap(), "/etc/conf.d");
    assert_eq!(config.global.child_wait_time.as_secs(), 3);
}

#[test]
fn include_checks_make_problems_fatal_with_status_6() {
    let text = |word: &str| format!("{word}\nglobal_defs {{\nrouter_id x\n}}\n");
    for (word, refused) in [
        ("include nosuch", false),
        ("includer nosuch", false),
        ("includem nosuch", true),
        ("includem nosuch*", false),
        ("includew nosuch*", true),
        ("includeb {here,nosuch}", true),
        ("includem {here,nosuch}", false),
        ("includea nosuch*", true),
        ("include executable", false),
        ("includer executable", true),
        ("includer directory", true),
        ("global_defs {\ninclude_check match\n}\ninclude nosuch", true),
        ("global_defs {\ninclude_check match -match\n}\ninclude nosuch", false),
        ("global_defs {\ninclude_check\n}\ninclude nosuch*", true),
        ("include sets\ninclude nosuch", false),
    ] {
        let executable = Metadata { kind: FileKind::File, mode: 0o755, uid: 0, gid: 0 };
        let machine = host()
            .file("/etc/here", "")
            .entry("/etc/executable", executable, "")
            .file("/etc/directory/x", "")
            .file("/etc/sets", "global_defs {\ninclude_check\n}\n");
        let loaded = with(machine, &text(word));
        let refusals = codes(&loaded).iter().filter(|c| **c == Code::IncludeRefused).count();
        assert_eq!(refusals, usize::from(refused), "{word}: {:?}", loaded.diagnostics);
        assert_eq!(loaded.config.is_none(), refused, "{word}");
        assert_eq!(exit_code_for_test(&loaded.diagnostics), if refused { 6 } else { 0 }, "{word}");
    }
}

#[test]
fn a_diagnostic_in_included_and_defined_text_says_how_it_got_there() {
    let machine = host().file("/etc/part", "$BAD= \\\n bogus 1 \\\n nonsense 2\nvrrp_instance A {\n$BAD\n}\n");
    let loaded = with(machine, "# one\ninclude part\n");
    let unknown: Vec<_> = loaded.diagnostics.iter().filter(|d| d.code == Code::UnknownKeyword).collect();
    assert_eq!(unknown.len(), 2);
    let text = standfast_conf::render(unknown[0], &loaded.sources, false);
    assert!(text.contains("/etc/part:2:2"), "{text}");
    assert!(text.contains("in the use of `BAD` at /etc/part:5:1"), "{text}");
    assert!(text.contains("included at /etc/k.conf:2:9"), "{text}");
}

#[test]
fn several_main_files_are_one() {
    let machine = host()
        .file("/k/1.conf", "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\n")
        .file("/k/2.conf", "virtual_ipaddress {\n192.0.2.1\n}\n}\n");
    let loaded = load(&machine, Path::new("/k/*.conf"), &Options::default());
    assert_eq!(codes(&loaded), [Code::SeveralMainFiles]);
    assert_eq!(loaded.config.unwrap().vrrp.instances.len(), 1);
}

#[test]
fn the_machine_in_memory_has_directories() {
    let machine = host().file("/a/b/c", "");
    assert_eq!(machine.metadata(Path::new("/a/b")).unwrap().kind, FileKind::Directory);
    assert_eq!(machine.read_dir(Path::new("/a")).unwrap(), ["b"]);
    assert!(machine.read_dir(Path::new("/x")).is_err());
}

#[test]
fn an_instance_in_a_vrf_speaks_by_it_if_it_is_unicast_and_says_from_where() {
    let host = || host().with_interface("blue");
    let instance = |words: &str| {
        with(
            host(),
            &format!(
                "vrrp_instance A {{\n{words}\nvirtual_router_id 1\nvirtual_ipaddress {{\n192.0.2.9 dev eth0\n}}\n}}\n"
            ),
        )
    };
    let unicast = "unicast_src_ip 192.0.2.2\nunicast_peer {\n192.0.2.3\n}";
    let alone = instance(&format!("vrf blue\n{unicast}"));
    assert_eq!(codes(&alone), []);
    let alone = &alone.config.unwrap().vrrp.instances[0];
    assert_eq!(alone.interface.to_string(), "blue");
    assert_eq!(alone.options.vrf.as_ref(), Some(&alone.interface));
    let beside = instance(&format!("interface eth0\nvrf blue\n{unicast}"));
    assert_eq!(codes(&beside), [Code::Adjusted]);
    let beside = &beside.config.unwrap().vrrp.instances[0];
    assert_eq!((beside.interface.to_string().as_str(), &beside.options.vrf), ("eth0", &None));
    for lacking in ["vrf blue", "vrf blue\nunicast_src_ip 192.0.2.2", "vrf blue\nunicast_peer {\n192.0.2.3\n}"] {
        let loaded = instance(lacking);
        assert!(codes(&loaded).contains(&Code::NoInterface) && loaded.config.is_none(), "{lacking}");
    }
    let tracking = instance(&format!("vrf blue\ntrack_src_ip\n{unicast}"));
    assert_eq!(codes(&tracking), [Code::Adjusted]);
    assert!(!tracking.config.unwrap().vrrp.instances[0].options.track_source);
}

#[test]
fn what_kernels_made_of_a_route_once_is_read_past() {
    let route = |words: &str| {
        let list = format!("virtual_routes {{\n203.0.113.0/24 via 192.0.2.7 {words} metric 5\n}}");
        let loaded = loaded(&format!(
            "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {{\n192.0.2.1\n}}\n{list}\n}}\n"
        ));
        (codes(&loaded), loaded.config.unwrap().vrrp.instances[0].options.routes.clone())
    };
    let (said, without) = route("");
    assert_eq!((said, without[0].priority), (vec![], 5));
    for words in ["as 198.51.100.1", "as to 198.51.100.1"] {
        assert_eq!(route(words), (vec![], without.clone()), "{words}");
    }
}

#[test]
fn names_of_tables_are_looked_up_where_the_configuration_says() {
    let tables = |words: &str| {
        let host = host()
            .file("/usr/share/iproute2/rt_tables", "70 usual\n71 both\n")
            .file("/etc/iproute2/rt_tables", "72 here\n")
            .file("/opt/vendor/rt_tables", "80 usual\n81 both\n")
            .file("/opt/site/rt_tables", "82 here\n91 both\n");
        let routes =
            "10.1.0.0/16 dev eth0 table usual\n10.2.0.0/16 dev eth0 table both\n10.3.0.0/16 dev eth0 table here\n";
        let loaded = with(host, &format!("global_defs {{\n{words}\n}}\nstatic_routes {{\n{routes}}}\n"));
        let routes = loaded.config.unwrap().vrrp.common.static_routes;
        routes.iter().map(|route| route.table).collect::<Vec<_>>()
    };
    assert_eq!(tables(""), [70, 71, 72]);
    assert_eq!(tables("iproute_usr_dir /opt/vendor"), [80, 81, 72]);
    assert_eq!(tables("iproute_etc_dir /opt/site"), [70, 91, 82]);
}

/// A group for TCP and one for UDP of two families, each with its servers, and words of `global_defs`.
fn groups(global: &str, extra: &str) -> standfast_model::config::LvsConfig {
    let text = format!(
        "global_defs {{\n{global}\n}}\nvirtual_server_group web {{\n192.0.2.1-3 80\n192.0.2.9 443\n{extra}\n}}\n\
         virtual_server group web {{\nlb_kind DR\nprotocol TCP\nreal_server 10.0.0.1 443 {{\nTCP_CHECK {{\n}}\n}}\n}}\n\
         virtual_server_group dns {{\n2001:db8::1 53\n192.0.2.53 53\n}}\n\
         virtual_server group dns {{\nlb_kind TUN\nprotocol UDP\nops\nreal_server 2001:db8::9 {{\nTCP_CHECK {{\n}}\n}}\n}}\n\
         virtual_server fwmark 2001 {{\nlb_kind NAT\nreal_server 10.0.0.1 80 {{\n}}\n}}\n"
    );
    loaded(&text).config.unwrap().lvs
}

#[test]
fn with_nftables_ipvs_a_group_is_a_mark_in_each_of_its_families_and_its_addresses_are_marked() {
    use standfast_model::config::lvs::Probe;
    use standfast_model::ipvs::{Family, ServiceKey};
    let mark = |mark, family| ServiceKey::FirewallMark { mark, family };
    let lvs = groups("nftables_ipvs\nnftables_ipvs_start_fwmark 2000\nnftables_counters", "");
    let nftables = lvs.common.nftables.as_ref().unwrap();
    assert_eq!((nftables.table.as_str(), nftables.priority, nftables.counters), ("keepalived_ipvs", -1, true));
    let [web, dns, own] = lvs.virtual_servers.as_slice() else { panic!("{lvs:?}") };
    // The second mark of the range is written in the file.
    assert_eq!(
        [web.key, dns.key, own.key],
        [mark(2000, Family::Inet), mark(2002, Family::Inet6), mark(2001, Family::Inet)]
    );
    let groups = [web, dns].map(|server| server.options.group.as_ref().unwrap());
    assert_eq!(groups[0].others, []);
    assert_eq!(groups[1].others, [mark(2002, Family::Inet)]);
    let marked =
        |at: usize| groups[at].marked.iter().map(|m| format!("{}-{} {} {}", m.first, m.last, m.port, m.protocol));
    assert_eq!(marked(0).collect::<Vec<_>>(), ["192.0.2.1-192.0.2.3 80 TCP", "192.0.2.9-192.0.2.9 443 TCP"]);
    assert_eq!(marked(1).collect::<Vec<_>>(), ["2001:db8::1-2001:db8::1 53 UDP", "192.0.2.53-192.0.2.53 53 UDP"]);
    // Packets keep their port, and what is checked is the port that was said, or that of the service.
    let reached = |server: &standfast_model::config::lvs::VirtualServer| {
        let real = &server.real_servers[0];
        let Probe::Tcp(connect) = &real.checkers[0].probe else { panic!("{real:?}") };
        (real.address.port(), connect.target.port())
    };
    assert_eq!([reached(web), reached(dns)], [(0, 443), (0, 53)]);
    assert!(dns.one_packet, "it is UDP, mark or not");
}

#[test]
fn a_group_with_marks_of_its_own_or_without_nftables_ipvs_is_the_services_that_it_says() {
    use standfast_model::ipvs::ServiceKey;
    let keys = |global: &str, extra: &str| {
        let lvs = groups(global, extra);
        let web = &lvs.virtual_servers[0];
        let group = web.options.group.as_ref().unwrap();
        assert_eq!(group.marked, []);
        let all = core::iter::once(&web.key).chain(&group.others);
        all.filter(|key| matches!(key, ServiceKey::Address { .. })).count()
    };
    assert_eq!(keys("", ""), 4);
    assert_eq!(keys("nftables_ipvs", "fwmark 9"), 4);
}
