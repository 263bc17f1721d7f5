//! The keyword table and the code that reads statements, held together: every row has an example that is understood.

#![expect(clippy::panic, clippy::unwrap_used, reason = "an example that cannot be made is a failed test")]

use standfast_conf::host::{FileKind, Memory, Metadata};
use standfast_conf::keyword::{Args, BLOCKS, Block, Entries, Keyword, Kind, Stage, Status};
use standfast_conf::{Class, Code, Loaded, Options, load_everything};
use std::collections::BTreeMap;
use std::path::Path;

fn loaded(text: &str) -> Loaded {
    let program = Metadata { kind: FileKind::File, mode: 0o755, uid: 0, gid: 0 };
    let host = Memory::new()
        .with_interface("eth0")
        .with_interface("eth1")
        .with_user("nobody", 65534)
        .entry("/usr/bin/true", program, "")
        .entry("/etc/store.pem", Metadata { mode: 0o600, ..program }, "")
        .entry("/etc/own.pem", Metadata { mode: 0o600, ..program }, "")
        .entry("/run/netns/blue", Metadata { mode: 0o644, ..program }, "")
        .file("/keepalived.conf", text);
    load_everything(&host, Path::new("keepalived.conf"), &Options::default())
}

/// Words that fit a keyword for which the kind of its words does not say enough.
fn special(path: &str, name: &str) -> Option<&'static str> {
    Some(match (path, name) {
        ("", "virtual_server") => "192.0.2.2 80",
        ("", "net_namespace" | "net_namespace_ipvs") => "blue",
        ("virtual_server", "real_server") => "198.51.100.1 80",
        ("virtual_server", "sorry_server") => "198.51.100.9 80",
        (_, "lb_algo" | "lvs_sched") => "sh",
        (_, "lb_kind" | "lvs_method" | "sorry_server_lvs_method") => "TUN type gue port 6080 csum",
        ("virtual_server", "protocol") => "SCTP",
        ("virtual_server", "persistence_granularity") => "255.255.255.0",
        ("global_defs", "smtp_server") => "mail.example.org 587",
        ("global_defs", "dynamic_interfaces") => "allow_if_changes",
        ("global_defs", "lvs_timeouts") => "tcp 900 tcpfin 60 udp 300",
        ("global_defs", "lvs_flush_on_stop" | "lvs_flush_onstop") => "VS",
        ("global_defs", "lvs_sync_daemon") => "eth1 inst VI_0 id 7 maxlen 1400 port 8848 ttl 2 group 224.0.0.81",
        ("global_defs", "vrrp_mcast_group4") => "224.0.0.99",
        ("global_defs", "vrrp_mcast_group6") => "ff02::99",
        ("global_defs", "vrrp_rx_bufs_policy") => "MTU",
        ("global_defs", "umask") => "IRWXG|IRWXO",
        ("global_defs", "http_listen") => "192.0.2.9 8113",
        ("global_defs", "http_peer") => "west 192.0.2.3 8113",
        ("global_defs", "peer") => "west 192.0.2.3 8114",
        ("global_defs", "peer_key") => "0123456789abcdef0123456789abcdef",
        ("global_defs", "peer_listen") => "192.0.2.9 8114",
        ("witness", "tcp") => "192.0.2.50 443",
        ("witness/etcd", "endpoint") => "http://192.0.2.50:2379",
        ("witness/etcd", "ca" | "certificate" | "private_key") => "/etc/store.pem",
        ("witness/etcd", "server_name") => "store.example.org",
        (_, "use") if path.ends_with("/witness") => "known",
        (_, "lost") if path.ends_with("/witness") => "step_down",
        ("global_defs", "include_check") => "+match -read",
        ("global_defs", "vrrp_iptables") => "IN OUT",
        ("global_defs", "vrrp_ipsets") => "a b c",
        (_, "garp_extra_if" | "vmac_garp_intvl" | "vrrp_garp_extra_if" | "vrrp_vmac_garp_intvl") => "all 60",
        ("global_defs", "notify_fifo" | "vrrp_notify_fifo" | "lvs_notify_fifo") => "/run/events nobody root",
        (_, "vrrp_rt_priority" | "checker_rt_priority" | "bfd_rt_priority") => "50",
        (_, "vrrp_cpu_affinity" | "checker_cpu_affinity" | "bfd_cpu_affinity") => "0 2",
        ("global_defs", "default_interface") => "eth1",
        ("vrrp_instance", "use_vmac") => "name vrrp51 02:00:5f:00:01 netlink_notify_msg group 3",
        ("vrrp_instance", "use_ipvlan") => "name ipv51 192.0.2.9 private group 3",
        ("vrrp_instance", "old_unicast_checksum") => "never",
        ("vrrp_instance", "mcast_dst_ip") => "224.0.0.50",
        ("vrrp_instance/auth_hmac", "key") => "9 0123456789abcdef0123456789abcdef",
        ("vrrp_instance/auth_hmac", "active_key") => "9",
        (_, "weight") if path.starts_with("vrrp_") || path.ends_with("FILE_CHECK") => "-20 reverse",
        ("track_file" | "bfd_instance", "weight") => "-20 reverse",
        ("track_file", "init_file") => "7 overwrite",
        ("vrrp_track_process", "process") => "haproxy -W",
        ("vrrp_track_process", "param_match") => "initial",
        ("bfd_instance", "neighbor_ip" | "neighbour_ip" | "source_ip") => "192.0.2.77",
        ("bfd_instance", "max_hops") => "3",
        (_, "payload") => "01 02ff",
        (_, "require_reply") => "01 0x ff",
        (_, "status_code") => "200-204 301",
        (_, "digest") => "0123456789abcdef0123456789abcdef",
        (_, "http_protocol") => "1.1",
        (_, "regex") => "\"^a b$\"",
        ("vrrp_instance/auth_hmac", "anti_replay") => "monotonic",
        ("vrrp_instance/auth_hmac", "mode") => "permissive",
        ("virtual_server/real_server", "smtp_alert") => "off",
        (_, "regex_options") => "caseless dotall",
        (_, "regex_stack") => "32768 65536",
        (_, "track_file") if path.ends_with("FILE_CHECK") => "known",
        (_, "name") if path.ends_with("BFD_CHECK") => "known",
        _ => return None,
    })
}

fn words(path: &str, keyword: &Keyword) -> String {
    if let Some(words) = special(path, keyword.name) {
        return words.to_owned();
    }
    match keyword.args() {
        Args::Flag => String::new(),
        Args::Bool => "on".to_owned(),
        Args::Number(min, max) | Args::OptionalNumber(min, max, _) => 7_i128.clamp(min, max).to_string(),
        Args::Seconds(min, max) => {
            let value = 7_000_000_u64.clamp(min, max);
            format!("{}.{:06}", value / 1_000_000, value % 1_000_000)
        }
        Args::Milliseconds(min, max) => (2_000_000_u64.clamp(min, max) / 1000).to_string(),
        Args::Word(_) | Args::OneWord(_) | Args::OptionalWord(_) | Args::Words(_) => "word".to_owned(),
        Args::Choice(words) => words.first().unwrap().to_string(),
        Args::Address => "192.0.2.50".to_owned(),
        Args::Interface => "eth1".to_owned(),
        Args::Script | Args::OptionalScript => "\"/usr/bin/true --a 'b c'\" nobody root".to_owned(),
        Args::Command => "\"/usr/bin/true --a 'b c'\"".to_owned(),
        Args::User => "nobody root".to_owned(),
        Args::Other(synopsis, _) => panic!("{path}/{}: no example for {synopsis}", keyword.name),
    }
}

fn entries(entries: Entries) -> &'static str {
    match entries {
        Entries::Names("INTERFACE") => "eth1",
        Entries::Names("INSTANCE") => "VI_0\nVI_00",
        Entries::Names(_) => "ops@example.org admin@example.org",
        Entries::Addresses => "192.0.2.7/24 dev eth1 label eth1:7 scope link brd + noprefixroute no_track",
        Entries::Routes => "198.51.100.0/24 via 192.0.2.254 dev eth1 metric 5 mtu lock 1400 rtt 300ms no_track",
        Entries::Rules => "from 192.0.2.0/24 table 100 preference 50 fwmark 0x10/0xff iif eth0",
        Entries::Tracked("INTERFACE", ..) => "eth1 weight -10 reverse",
        Entries::VirtualServers => "203.0.113.1 443 weight -10 reverse",
        Entries::Tracked(..) => "known weight -10 reverse",
        Entries::Peers => "192.0.2.3 min_ttl 254 max_ttl 255",
        Entries::Services => "192.0.2.20-24 80\nfwmark 7 inet6\n192.0.2.64/30 80",
        Entries::Delays => "eth1 0.5 1",
        Entries::Linkbeat => "eth1 MII",
    }
}

fn statement(path: &str, keyword: &Keyword) -> String {
    let words = words(path, keyword);
    match keyword.kind {
        Kind::Value(_) => format!("{} {words}\n", keyword.name),
        Kind::List(_, kind) => format!("{} {words} {{\n{}\n}}\n", keyword.name, entries(kind)),
        Kind::Block(_, block) => format!("{} {words} {{\n{}}}\n", keyword.name, needed(block)),
    }
}

/// What a block must hold to be of use.
fn needed(block: &Block) -> &'static str {
    match block.path {
        "vrrp_instance" => "interface eth0\nvirtual_router_id 51\nvirtual_ipaddress {\n192.0.2.1\n}\n",
        "vrrp_sync_group" | "track_group" => "group {\nVI_0\nVI_00\n}\n",
        "virtual_server" => {
            "protocol TCP\nlb_algo sh\nlb_kind NAT\nsorry_server 198.51.100.8 80\n\
             real_server 198.51.100.2 80 {\nTCP_CHECK {\n}\n}\n"
        }
        "virtual_server/real_server" => "TCP_CHECK {\n}\n",
        "vrrp_script" => "script /usr/bin/true\n",
        "track_file" => "file /run/number\n",
        "vrrp_track_process" => "process haproxy\n",
        "bfd_instance" => "neighbor_ip 192.0.2.76\n",
        "witness" => "ping 192.0.2.76\n",
        "witness/etcd" => "endpoint http://192.0.2.76:2379\nlease_key other\n",
        "vrrp_instance/witness" | "vrrp_sync_group/witness" => {
            "use known\nneed any\nunreachable take\nlost step_down\n"
        }
        "garp_group" => "garp_interval 0.1\n",
        "vrrp_instance/auth_hmac" => "key 9 abcdef0123456789abcdef0123456789\nactive_key 9\n",
        "virtual_server/real_server/MISC_CHECK" => "misc_path /usr/bin/true\n",
        "virtual_server/real_server/FILE_CHECK" => "track_file known\n",
        "virtual_server/real_server/BFD_CHECK" => "name known\n",
        "virtual_server/real_server/HTTP_GET" | "virtual_server/real_server/SSL_GET" => "url {\npath /\n}\n",
        "virtual_server/real_server/HTTP_GET/url" | "virtual_server/real_server/SSL_GET/url" => "path /\n",
        _ => "",
    }
}

/// What else must be said for a statement to make sense.
fn companions(path: &str, name: &str) -> &'static str {
    match (path, name) {
        (_, "notify_fifo_script") => "notify_fifo /run/events\n",
        (_, "vrrp_notify_fifo_script") => "vrrp_notify_fifo /run/events\n",
        (_, "lvs_notify_fifo_script") => "lvs_notify_fifo /run/events\n",
        (_, "unicast_src_ip" | "unicast_ttl" | "old_unicast_checksum") => "unicast_peer {\n192.0.2.3\n}\n",
        (_, "auth_type") => "auth_pass secret\n",
        (_, "auth_pass") => "auth_type PASS\n",
        (_, "startup_script_timeout") => "startup_script /usr/bin/true\n",
        (_, "shutdown_script_timeout") => "shutdown_script /usr/bin/true\n",
        (_, "vrrp_rx_bufs_multiplier") => "vrrp_rx_bufs_policy MTU\n",
        (_, "use_vmac_addr" | "vmac_xmit_base") => "use_vmac\n",
        (_, "unicast_fault_no_peer") => "unicast_src_ip 192.0.2.50\n",
        (_, "check_unicast_src") => "unicast_peer {\n192.0.2.3\n}\n",
        (_, "accept") => "no_accept\n",
        ("virtual_server", "virtualhost") => "real_server 198.51.100.7 80 {\nHTTP_GET {\nurl {\npath /\n}\n}\n}\n",
        ("virtual_server/real_server", "virtualhost") => "HTTP_GET {\nurl {\npath /\n}\n}\n",
        (_, "regex_no_match" | "regex_options" | "regex_min_offset" | "regex_max_offset" | "regex_stack") => {
            "regex a\n"
        }
        (_, "min_reply_length" | "max_reply_length") => "require_reply\n",
        (_, "ops") => "protocol UDP\n",
        (_, "mh-port" | "mh-fallback") => "lb_algo mh\n",
        ("bfd_instance", "checker") => "vrrp\n",
        ("global_defs", "peer") => "peer_key abcdef0123456789abcdef0123456789\n",
        ("global_defs", "peer_listen") => "peer_key abcdef0123456789abcdef0123456789\npeer west 192.0.2.3\n",
        ("global_defs", "peer_key") => "peer west 192.0.2.3\n",
        ("witness/etcd", "user") => "password word\n",
        ("witness/etcd", "password") => "user word\n",
        ("witness/etcd", "certificate") => "private_key /etc/own.pem\n",
        ("witness/etcd", "private_key") => "certificate /etc/own.pem\n",
        ("vrrp_instance", "state") => "priority 150\n",
        ("virtual_server", "quorum") => "weight 200\n",
        ("virtual_server", "hysteresis") => "weight 200\nquorum 100\n",
        _ => "",
    }
}

/// What must be said once for a statement to make sense, as far as the statement does not say it itself.
fn is_repeat(path: &str, name: &str) -> bool {
    needed_words(path).contains(&name) && !matches!(name, "real_server" | "TCP_CHECK" | "url")
}

fn needed_words(path: &str) -> Vec<&'static str> {
    let block = BLOCKS.into_iter().find(|b| b.path == path).unwrap();
    needed(block).lines().filter_map(|l| l.split_whitespace().next()).collect()
}

/// A whole configuration with one statement in its block.
fn configuration(block: &Block, keyword: &Keyword) -> String {
    let canonical = match keyword.status {
        Status::Alias(of) | Status::Old(of) => of,
        Status::Current | Status::Deprecated(_) | Status::Outdated(_) | Status::Removed | Status::Own => keyword.name,
    };
    let mut own = statement(block.path, keyword);
    // A witness is asked one thing.
    let rest = if block.path == "witness" && matches!(keyword.name, "tcp" | "etcd") { "" } else { needed(block) };
    let about_tls = matches!(keyword.name, "ca" | "certificate" | "private_key" | "server_name");
    let rest =
        if block.path == "witness/etcd" && about_tls { rest.replace("http:", "https:") } else { rest.to_owned() };
    let rest = rest.as_str();
    if is_repeat(block.path, canonical) {
        // The statement takes the place of the one that is always there.
        let kept = without(rest, canonical);
        own = format!("{own}{kept}");
    } else {
        own = format!("{rest}{}{own}", companions(block.path, keyword.name));
    }
    if keyword.name == "native_ipv6" {
        own = own.replace("192.0.2.1\n", "2001:db8::1\n");
    }
    let mut path = block.path.to_owned();
    let mut text = own;
    while !path.is_empty() {
        let (outer, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let parent = BLOCKS.into_iter().find(|b| b.path == outer).unwrap();
        let keyword = parent.find(name.as_bytes()).unwrap();
        let head = words(outer, keyword);
        let siblings = if matches!(name, "url" | "etcd") { "" } else { needed(parent) };
        text = format!("{siblings}{name} {head} {{\n{text}}}\n");
        path = outer.to_owned();
    }
    let before = "global_defs {\nenable_script_security\nscript_user nobody\n}\n\
                  vrrp_script known {\nscript /usr/bin/true\n}\ntrack_file known {\nfile /run/known\n}\n\
                  witness known {\nping 192.0.2.75\n}\n\
                  vrrp_track_process known {\nprocess nginx\n}\nbfd_instance known {\nneighbor_ip 192.0.2.75\n}\n";
    // What the block under test defines is used, so that what it says matters.
    let used = match block.path {
        "vrrp_script" => "track_script {\nword\n}\n",
        "track_file" => "track_file {\nword\n}\n",
        "vrrp_track_process" => "track_process {\nword\n}\n",
        "bfd_instance" => "track_bfd {\nword\n}\n",
        "witness" | "witness/etcd" => USED_WITNESS,
        _ => match keyword.name {
            "vrrp_script" => "track_script {\nword\n}\n",
            "track_file" | "vrrp_track_file" if block.path.is_empty() => "track_file {\nword\n}\n",
            "vrrp_track_process" => "track_process {\nword\n}\n",
            "witness" if block.path.is_empty() => USED_WITNESS,
            _ => "",
        },
    };
    let service = if keyword.name == "virtual_server_group" { "group word" } else { "203.0.113.1 443" };
    let after = format!(
        "vrrp_instance VI_0 {{\ninterface eth0\nvirtual_router_id 50\nvirtual_ipaddress {{\n203.0.113.1\n}}\n{used}}}\n\
         vrrp_instance VI_00 {{\ninterface eth0\nvirtual_router_id 49\nvirtual_ipaddress {{\n203.0.113.2\n}}\n\
         unicast_peer {{\n203.0.113.9\n}}\nstrict_mode off\n}}\n\
         static_ipaddress {{\n203.0.113.77\n}}\n\
         virtual_server {service} {{\nprotocol TCP\nlb_algo rr\nlb_kind NAT\nreal_server 198.51.100.3 443 {{\n\
         TCP_CHECK {{\n}}\n}}\n}}\n"
    );
    format!("{before}{text}{after}")
}

/// An instance that asks the witness of the example.
const USED_WITNESS: &str = "witness {\nuse word\nneed all\nunreachable stay\nlost keep\n}\n";

/// The lines without the statement that begins so, and its block.
fn without(text: &str, name: &str) -> String {
    let mut kept = String::new();
    let mut depth = 0;
    let mut skipping = false;
    for line in text.lines() {
        let begins = depth == 0 && line.split_whitespace().next() == Some(name);
        skipping |= begins;
        depth += line.matches('{').count();
        depth -= line.matches('}').count();
        if !skipping {
            kept.push_str(line);
            kept.push('\n');
        }
        if depth == 0 {
            skipping = false;
        }
    }
    kept
}

fn rows() -> impl Iterator<Item = (&'static Block, &'static Keyword)> {
    BLOCKS.into_iter().flat_map(|block| block.keywords.iter().map(move |keyword| (block, keyword)))
}

/// The one block that is itself outdated.
fn in_old_block(block: &Block) -> bool {
    block.path.ends_with("SMTP_CHECK/host")
}

/// What may be said about an example that is right.
fn expected(keyword: &Keyword, code: Code) -> bool {
    let status = match keyword.status {
        Status::Current | Status::Own => false,
        Status::Alias(_) | Status::Outdated(_) => code == Code::AliasKeyword,
        Status::Old(_) | Status::Deprecated(_) => code == Code::DeprecatedKeyword,
        Status::Removed => code == Code::RemovedKeyword,
    };
    status
        || matches!(code, Code::NotYet | Code::MootKeyword)
        || (keyword.name == "vrrp_iptables" && code == Code::DeprecatedKeyword)
        // Each instance has an interface here, and a VRF is for one that has none.
        || (keyword.name == "vrf" && code == Code::Adjusted)
        || (keyword.name == "hashed" && code == Code::MootKeyword)
}

#[test]
fn every_keyword_has_an_example_that_is_understood() {
    let mut wrong = Vec::new();
    for (block, keyword) in rows() {
        let text = configuration(block, keyword);
        let result = loaded(&text);
        let said: Vec<_> = result
            .diagnostics
            .iter()
            .filter(|d| !(expected(keyword, d.code) || in_old_block(block) && d.code == Code::AliasKeyword))
            .map(|d| format!("{} {}", d.code.id(), d.headline))
            .collect();
        if !said.is_empty() || result.config.is_none() {
            wrong.push(format!("{}/{}: {said:?}", block.path, keyword.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_keyword_is_shown_as_it_is_read() {
    // Secrets are masked when shown, and are put back by what stands before them.
    let unmasked = |text: &str, shown: &str| -> String {
        let secret = |line: &str| {
            let head = line.strip_suffix("********").map(str::trim_start)?;
            text.lines().map(str::trim_start).find(|one| one.starts_with(head)).map(str::to_owned)
        };
        shown.lines().map(|line| secret(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
    };
    for (block, keyword) in rows() {
        let text = configuration(block, keyword);
        let host = Memory::new().file("/k.conf", text.clone());
        let printed = standfast_conf::show(&host, Path::new("k.conf"), &Options::default(), false);
        let again = loaded(&unmasked(&text, &printed));
        let here = format!("{}/{}:\n{printed}", block.path, keyword.name);
        assert_eq!(again.config, loaded(&text).config, "{here}");
        assert!(again.config.is_some(), "{here}");
    }
}

/// Words that are allowed where they mean nothing: keepalived takes the same list in several blocks.
fn is_silent(block: &Block, keyword: &Keyword) -> bool {
    // A host block without a word in it is the server itself.
    keyword.name == "host" || (block.path.ends_with("HTTP_GET") && keyword.name == "enable_sni")
}

#[test]
fn every_keyword_changes_the_configuration() {
    // These say something that holds anyway, or that another statement of the example says.
    let silent = [
        "preempt",
        "global_defs",
        "enable_script_security",
        "include_check",
        "authentication",
        "no_virtual_ipaddress",
        "ip_family",
        "native_ipv6",
        "hashed",
        // Both words of a session together are what it is without either.
        "checker",
        "vrf",
        // Where names are looked up; that a name is found there is a test of its own.
        "iproute_usr_dir",
        "iproute_etc_dir",
    ];
    let mut wrong = Vec::new();
    for (block, keyword) in rows() {
        if keyword.stage == Stage::Moot
            || keyword.status == Status::Removed
            || silent.contains(&keyword.name)
            || is_silent(block, keyword)
        {
            continue;
        }
        let with = configuration(block, keyword);
        let own = statement(block.path, keyword);
        let bare = with.replacen(&own, "", 1);
        assert_ne!(with, bare, "{}/{}", block.path, keyword.name);
        let (with, bare) = (loaded(&with), loaded(&bare));
        if with.config == bare.config && bare.config.is_some() {
            wrong.push(format!("{}/{}", block.path, keyword.name));
        }
    }
    assert!(wrong.is_empty(), "nothing follows from {wrong:?}");
}

#[test]
fn a_keyword_without_its_parameter_is_told_and_stops_a_start() {
    for (block, keyword) in rows().filter(|(_, k)| k.args().least() > 0) {
        let text = configuration(block, keyword);
        let own = statement(block.path, keyword);
        let words = words(block.path, keyword);
        let bare = own.replacen(&format!("{} {words}", keyword.name), keyword.name, 1);
        let result = loaded(&text.replacen(&own, &bare, 1));
        let told = result.diagnostics.iter().filter(|d| d.code == Code::MissingParameter).count();
        assert_eq!(told, 1, "{}/{}: {:?}", block.path, keyword.name, result.diagnostics);
        assert!(result.config.is_none(), "{}/{}", block.path, keyword.name);
    }
}

#[test]
fn a_number_outside_its_range_is_dropped_and_told_once() {
    for (block, keyword) in rows() {
        let Args::Number(min, max) = keyword.args() else { continue };
        let text = configuration(block, keyword);
        let own = statement(block.path, keyword);
        for (value, code) in [
            ((min - 1).to_string(), Code::OutOfRange),
            ((max + 1).to_string(), Code::OutOfRange),
            ("5x".to_owned(), Code::InvalidNumber),
        ] {
            // Weights and realtime priorities are clamped, and have their own tests.
            if words(block.path, keyword).contains(' ') || keyword.name.ends_with("rt_priority") {
                continue;
            }
            let bad = format!("{} {value}\n", keyword.name);
            let result = loaded(&text.replacen(&own, &bad, 1));
            let told: Vec<_> = result.diagnostics.iter().filter(|d| d.class >= Class::Dropped).collect();
            let first = told.first().unwrap_or_else(|| panic!("{}/{} {value}: nothing", block.path, keyword.name));
            assert_eq!(first.code, code, "{}/{} {value}: {told:?}", block.path, keyword.name);
            // A router id or a key that cannot be used leaves the instance without one, which is fatal.
            let needed = matches!(keyword.name, "virtual_router_id" | "active_key");
            assert!(told.len() == 1 || needed, "{}: {told:?}", keyword.name);
        }
    }
}

#[test]
fn names_are_unique_in_each_block_and_aliases_lead_somewhere() {
    for block in BLOCKS {
        let mut seen = BTreeMap::new();
        for keyword in block.keywords {
            assert_eq!(seen.insert(keyword.name, ()), None, "{}/{}", block.path, keyword.name);
            assert!(keyword.help.ends_with('.'), "{}/{}: a sentence of help", block.path, keyword.name);
            if let Status::Alias(of) | Status::Old(of) = keyword.status {
                let target = block.find(of.as_bytes()).unwrap();
                assert_eq!(target.status, Status::Current, "{}/{}", block.path, keyword.name);
                assert_eq!(target.args().least(), keyword.args().least(), "{}/{}", block.path, keyword.name);
            }
        }
    }
}
