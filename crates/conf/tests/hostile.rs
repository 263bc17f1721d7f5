//! What nobody means well: every limit has one clear diagnostic, nothing panics, and nothing takes long.

use core::fmt::Write as _;
use proptest::prelude::*;
use standfast_conf::host::{FileKind, Memory, Metadata};
use standfast_conf::{Class, Code, Loaded, Options, exit_code_for_test, load, render, render_line};
use std::path::Path;

fn host() -> Memory {
    Memory::new().with_any_interface()
}

fn with(host: Memory, text: impl Into<Vec<u8>>) -> Loaded {
    load(&host.file("/k.conf", text.into()), Path::new("k.conf"), &Options::default())
}

fn loaded(text: impl Into<Vec<u8>>) -> Loaded {
    with(host(), text)
}

fn codes(loaded: &Loaded) -> Vec<Code> {
    loaded.diagnostics.iter().map(|d| d.code).collect()
}

const GOOD: &str = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n192.0.2.1\n}\n}\n";

#[test]
fn bytes_that_are_no_text_are_told_once_and_the_rest_is_read() {
    let nul = [b"global_defs {\nrouter_id a\0b\n}\n".as_slice(), GOOD.as_bytes()].concat();
    assert_eq!(codes(&loaded(nul)), [Code::NulByte]);
    let mark = [b"\xef\xbb\xbf".as_slice(), GOOD.as_bytes()].concat();
    assert_eq!(codes(&loaded(mark)), [Code::ByteOrderMark]);
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(GOOD.bytes().flat_map(|b| [b, 0])).collect();
    assert_eq!(codes(&loaded(wide)), [Code::Utf16]);
    let latin = loaded(b"global_defs {\nrouter_id caf\xe9\n}\n".as_slice());
    assert_eq!(codes(&latin), []);
    assert_eq!(latin.config.unwrap().global.router_id.unwrap(), "caf\u{fffd}");
    let unknown = loaded(b"bog\xff\xfeus {\n}\n".as_slice());
    assert!(render(&unknown.diagnostics[0], &unknown.sources, true).contains('\u{fffd}'));
}

#[test]
fn lines_have_a_limit() {
    let long = loaded(format!("global_defs {{\nrouter_id {}\n}}\n{GOOD}", "x".repeat(1_000_000)));
    assert_eq!(codes(&long), [Code::LineTooLong]);
    assert!(render(&long.diagnostics[0], &long.sources, false).len() < 2000, "a megabyte is not shown");
    let fits = loaded(format!("global_defs {{\nrouter_id {}\n}}\n", "x".repeat(2000)));
    assert_eq!(codes(&fits), [Code::LongForKeepalived]);
    assert_eq!(fits.config.unwrap().global.router_id.unwrap().len(), 2000);
}

#[test]
fn nesting_has_no_cost_and_one_diagnostic() {
    for depth in [10_000, 200_000] {
        let nested = loaded(format!("{}{}{GOOD}", "bogus {\n".repeat(depth), "}\n".repeat(depth)));
        assert_eq!(codes(&nested), [Code::UnknownKeyword]);
        assert_eq!(nested.config.unwrap().vrrp.instances.len(), 1);
        let open = loaded("bogus {\n".repeat(depth));
        assert_eq!(codes(&open), [Code::UnknownKeyword, Code::NeverClosed]);
        let braces = loaded("{\n".repeat(depth));
        assert_eq!(codes(&braces), [Code::UnexpectedOpen, Code::NeverClosed]);
    }
}

#[test]
fn expansion_ends() {
    for text in [
        "$A=$A\nrouter $A\n",
        "$A=x$A \nrouter ${A}\n",
        "$A=${B}${B}\n$B=${A}${A}\nrouter ${A}\n",
        "$A=\n$B=${A}${A}${A}${A}${A}${A}${A}${A}\n$C=${B}${B}${B}${B}${B}${B}${B}${B}\n$D=${C}${C}${C}${C}${C}${C}${C}${C}\n\
         $E=${D}${D}${D}${D}${D}${D}${D}${D}\n$F=${E}${E}${E}${E}${E}${E}${E}${E}\n$G=${F}${F}${F}${F}\nx ${G}\n",
        "$A=0123456789012345678901234567890123456789\n$B=${A}${A}${A}${A}${A}${A}${A}${A}${A}${A}\n\
         $C=${B}${B}${B}${B}${B}${B}${B}${B}${B}${B}\n$D=${C}${C}${C}${C}${C}${C}${C}${C}${C}${C}\n\
         $E=${D}${D}${D}${D}${D}${D}${D}${D}${D}${D}\nx ${E}\n",
    ] {
        assert_eq!(codes(&loaded(text)), [Code::SelfReference], "{text}");
    }
    let many = loaded("~SEQ(i, 1, 100000) ~SEQ(j, 1, 100000) bogus\n");
    let found = codes(&many);
    assert_eq!(found.iter().filter(|c| **c == Code::ExpansionLimit).count(), 1);
    assert!(many.config.is_none());
    assert_eq!(codes(&loaded("~SEQ(i, 1, 1000000000) bogus\n")), [Code::ExpansionLimit], "told before it is followed");
    assert_eq!(codes(&loaded("~SEQ(i, 1000000000, -2, -1000000000) bogus\n")), [Code::ExpansionLimit]);
}

#[test]
fn a_definition_of_several_lines_that_uses_itself_ends_at_that_use() {
    let itself = loaded("$A= \\\nbogus \\\n$A\n$A\n");
    assert_eq!(codes(&itself), [Code::SelfReference, Code::UnknownKeyword]);
    let place = itself.diagnostics[0].primary.as_ref().unwrap().span;
    assert_eq!(itself.sources.position(place).line, 3, "where it uses itself, not where it is used");
    for text in [
        "$A= \\\n$A \\\nbogus\n$A\n",
        "$A= \\\nrouter \\\n$B\n$B= \\\nrouter \\\n$A\n$A\n",
        "$A= \\\nrouter { \\\n~SEQ(i, 1, 3) $A \\\n}\n$A\n",
        "$A= \\\nglobal_defs { \\\n$A\n$A\n",
    ] {
        let found = codes(&loaded(text));
        assert!(found.contains(&Code::SelfReference) && !found.contains(&Code::ExpansionLimit), "{text}: {found:?}");
        assert!(found.len() < 12, "{text}: {found:?}");
    }
    let again = loaded("$A= \\\nglobal_defs { \\\nrouter_id a \\\n}\n$A\n$A\n~SEQ(i, 1, 3) $A\n");
    assert!(!codes(&again).contains(&Code::SelfReference), "one use behind the other is none in the other");
    let replaced = loaded("$A= \\\n$A=b \\\nglobal_defs { \\\nrouter_id $A \\\n}\n$A\n");
    assert_eq!(replaced.config.unwrap().global.router_id.unwrap(), "b", "a new value is another definition");
}

#[test]
fn a_mistake_in_text_that_is_read_again_is_told_once() {
    assert_eq!(codes(&loaded("~SEQ(i, 1, 50) bogus\n")), [Code::UnknownKeyword]);
    assert_eq!(codes(&loaded("$A= \\\nbogus { \\\n}\n$A\n$A\n$A\n")), [Code::UnknownKeyword]);
    assert_eq!(loaded("~SEQ(i, 1, 3) bogus$i\n").diagnostics.len(), 3, "words that differ are three mistakes");
    let fatal = loaded("$A= \\\nglobal_defs { \\\nrouter_id \\\n}\n$A\n$A\n");
    assert_eq!(codes(&fatal), [Code::MissingParameter]);
    assert!(fatal.config.is_none());
}

#[test]
fn files_that_are_none_are_told_with_keepaliveds_status() {
    let special = |kind, mode| Memory::new().entry("/k.conf", Metadata { kind, mode, uid: 0, gid: 0 }, "");
    for (machine, code, status) in [
        (Memory::new(), Code::NoMainFile, 4),
        (special(FileKind::Directory, 0o755), Code::NotRegular, 6),
        (special(FileKind::Special, 0o644), Code::NotRegular, 6),
        (special(FileKind::File, 0o000), Code::Unreadable, 6),
        (special(FileKind::File, 0o755), Code::Executable, 6),
        (Memory::new().file("/k.conf", vec![b'#'; (64 << 20) + 1]), Code::FileTooLarge, 5),
    ] {
        let loaded = load(&machine, Path::new("k.conf"), &Options::default());
        assert_eq!(codes(&loaded), [code]);
        assert_eq!(exit_code_for_test(&loaded.diagnostics), status, "{code:?}");
        assert!(loaded.config.is_none());
        assert!(!render_line(&loaded.diagnostics[0], &loaded.sources).is_empty());
    }
}

#[test]
fn includes_end() {
    let itself = with(host(), "include k.conf\n");
    assert_eq!(codes(&itself), [Code::IncludeLoop]);
    let mut machine = host();
    for n in 0..100 {
        machine = machine.file(format!("/d/{n}"), format!("include {}\n", n + 1));
    }
    assert_eq!(codes(&with(machine, "include d/0\n")), [Code::IncludeLoop]);
    let mut machine = host();
    for n in 0..200 {
        machine = machine.file(format!("/m/{n}"), "");
    }
    let many = with(machine, "include m/*\n".repeat(60));
    assert_eq!(codes(&many), [Code::TooManyFiles]);
    let line = [&[b'#'; 1000][..], b"\n"].concat();
    let big = host().file("/big", line.repeat(60_000));
    assert_eq!(codes(&with(big, "include big\n".repeat(5))), [Code::FileTooLarge]);
}

#[test]
fn a_file_of_something_else_is_not_told_line_by_line_for_ever() {
    let text = (0..50_000).fold(String::new(), |mut text, n| {
        _ = writeln!(text, "key{n}: value");
        text
    });
    let loaded = loaded(text);
    assert_eq!(loaded.diagnostics.len(), 1001);
    assert_eq!(loaded.diagnostics.last().unwrap().code, Code::TooManyMistakes);
}

#[test]
fn ten_thousand_services_are_read_whole() {
    let text = (0..10_000).fold(String::new(), |mut text, n| {
        let (high, low) = (n / 250, n % 250);
        _ = write!(text, "virtual_server 10.{high}.{low}.1 80 {{\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n");
        for server in [2, 3] {
            _ = write!(text, "real_server 10.{high}.{low}.{server} 80 {{\nTCP_CHECK {{\n}}\n}}\n");
        }
        text.push_str("}\n");
        text
    });
    let loaded = loaded(text);
    assert_eq!(codes(&loaded), []);
    let servers = loaded.config.unwrap().lvs.virtual_servers;
    assert_eq!((servers.len(), servers.iter().map(|s| s.real_servers.len()).sum::<usize>()), (10_000, 20_000));
}

#[test]
fn a_fatal_mistake_behind_a_thousand_others_still_stops_a_start() {
    let text = format!("{}}}\n", "bogus\n".repeat(5000));
    assert!(loaded(text).config.is_none());
}

/// Words and marks that mean something, so that random text gets past the first letter.
fn token() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "vrrp_instance A",
        "virtual_server 192.0.2.1 80",
        "real_server 192.0.2.2 80",
        "TCP_CHECK",
        "global_defs",
        "interface eth0",
        "virtual_router_id 1",
        "virtual_ipaddress",
        "192.0.2.1/24 dev eth0",
        "group",
        "VI_1",
        "vrrp_sync_group G",
        "{",
        "}",
        "\n",
        "\n",
        " ",
        "\"",
        "'",
        "#",
        "!",
        "\\",
        "$A",
        "${A}",
        "$A=",
        "$A= \\\n",
        "~SEQ(i, 1, 3)",
        "~LST({a,b}, {1,2})",
        "@node1",
        "@^x",
        "include k.conf",
        "include /x/*",
        "-5",
        "18446744073709551616",
        "1.5",
        "track_interface",
        "notify \"/a 'b\"",
        "script </x",
        "virtual_routes",
        "via 192.0.2.9",
        "nexthop",
        "encap mpls 1/2",
        "virtual_rules",
        "from default",
        "unicast_peer",
        "authentication",
        "auth_pass secret",
        "HTTP_GET",
        "url",
        "regex \"a\\x\"",
        "status_code 200-",
        "virtual_server_group G",
        "192.0.2.1-9 80",
        "fwmark 7",
        "~SEQ(",
        "${",
        "\0",
        "\u{feff}",
        "\t",
        "weight",
    ];
    prop_oneof![
        8 => proptest::sample::select(words.to_vec()).prop_map(|w| w.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic_and_every_diagnostic_can_be_shown(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        survives(bytes);
    }

    #[test]
    fn no_words_panic_and_every_diagnostic_can_be_shown(tokens in proptest::collection::vec(token(), 0..80)) {
        survives(tokens.join(&b' '));
    }
}

fn survives(bytes: Vec<u8>) {
    let loaded = loaded(bytes);
    for diagnostic in &loaded.diagnostics {
        assert!(render(diagnostic, &loaded.sources, true).contains(diagnostic.code.id()));
        assert!(!render_line(diagnostic, &loaded.sources).contains('\n'));
    }
    let fatal = loaded.diagnostics.iter().any(|d| d.class == Class::Fatal);
    assert_eq!(loaded.config.is_none(), fatal, "{:?}", loaded.diagnostics);
}
