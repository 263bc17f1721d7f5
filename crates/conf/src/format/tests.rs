//! Layout by example, and for any text: it means the same, and formatting it again changes nothing.

use super::*;
use crate::host::Memory;
use crate::reader::{Checks, Item, Reader};
use proptest::prelude::*;
use std::path::Path;

fn formatted(text: &str) -> String {
    String::from_utf8(format(text.as_bytes()).unwrap()).unwrap()
}

/// What the reader hands on: words of statements, and braces. Text that is split by other rules is compared as it is.
fn meaning(text: &[u8], id: &str) -> Vec<Vec<Vec<u8>>> {
    let host = Memory::new().file("/f", text).file("/etc/a", "included b {\n}\n").file("/etc/b c", "odd name\n");
    let mut reader = Reader::new(&host, id.as_bytes().to_vec(), Checks::default());
    reader.open_main(Path::new("/f"));
    let mut items = Vec::new();
    // A definition that uses itself goes on for a million lines: the first thousand tell as much.
    while let Some(item) = reader.next().filter(|_| items.len() < 1000) {
        items.push(match item {
            Item::Open(_) => vec![b"{".to_vec()],
            Item::Close(_) => vec![b"}".to_vec()],
            Item::Statement(text) => {
                let bytes = text.bytes();
                let split = crate::reader::words::split(bytes);
                let mut words: Vec<_> = split.ranges().map(|r| bytes[r].to_vec()).collect();
                words.push(split.unterminated.is_some().to_string().into_bytes());
                if bytes.iter().any(|b| matches!(b, b'\'' | b'\\')) {
                    words.push(bytes.to_vec());
                }
                words
            }
        });
    }
    items
}

#[test]
fn statements_blocks_and_comments_find_their_places() {
    let text = "\n\n! director one\nvrrp_instance   VI_1\n{\n\tstate MASTER   # wish\n\n\n  authentication { auth_type PASS\n\
        auth_pass  \"a  b\" }\n virtual_ipaddress {\n\n 192.0.2.1/24   dev  eth0\n# second\n 192.0.2.2 } priority 50 }#end\r\n\n";
    let expected = "! director one\nvrrp_instance VI_1 {\n    state MASTER # wish\n\n    authentication {\n        auth_type PASS\n        \
        auth_pass \"a  b\"\n    }\n    virtual_ipaddress {\n        192.0.2.1/24 dev eth0\n        # second\n        192.0.2.2\n    }\n    \
        priority 50\n} #end\n";
    assert_eq!(formatted(text), expected);
    assert_eq!(formatted(expected), expected);
}

#[test]
fn what_is_rewritten_before_it_is_read_keeps_its_words() {
    let text = "$VIPS=   \\\n192.0.2.1  \\\n 192.0.2.2\n\n$I= \\\nvrrp_instance V {\\\nstate  $S \\\n}\n\
        vrrp_instance A {\n@one   priority  200 \n  @^one priority  100\nvirtual_ipaddress {\n~SEQ(i, 1,  3)   192.0.2.$i\n$VIPS\n}\nscript 'a  b'  c\n\
        include   conf.d/*  x\n}\n";
    let expected = "$VIPS=   \\\n    192.0.2.1  \\\n    192.0.2.2\n\n$I= \\\n    vrrp_instance V {\\\n        state  $S \\\n    }\n\
        vrrp_instance A {\n    @one   priority  200\n    @^one priority  100\n    virtual_ipaddress {\n        ~SEQ(i, 1,  3)   192.0.2.$i\n        \
        $VIPS\n    }\n    script 'a  b'  c\n    include   conf.d/*  x\n}\n";
    assert_eq!(formatted(text), expected);
    assert_eq!(formatted(expected), expected);
}

#[test]
fn alternatives_by_id_are_each_laid_out_as_their_own_node_sees_them() {
    let text = "@a vrrp_instance X {\n@b vrrp_instance Y {\ninterface eth0\n@a priority 2\n}\nvrrp_sync_group G {\n}\n";
    let expected =
        "@a vrrp_instance X {\n@b vrrp_instance Y {\ninterface eth0\n    @a priority 2\n}\nvrrp_sync_group G {\n}\n";
    assert_eq!(formatted(text), expected);
    let inside = "a { b } { @b }\nc\n}\n";
    let once = formatted(inside);
    assert_eq!(formatted(&once), once, "an id in the middle of a line is known before the line is cut");
}

#[test]
fn a_file_whose_braces_do_not_fit_is_left_alone() {
    assert_eq!(format(b"a {\n}\n}\n"), Err(FormatError::Surplus { line: 3 }));
    assert_eq!(format(b"a {\n b {\n}\n"), Err(FormatError::NeverClosed { line: 1 }));
    assert_eq!(format(b"\xff\xfea\0"), Err(FormatError::Utf16));
}

#[test]
fn a_line_that_keepalived_can_read_stays_one() {
    let long = format!("a{{b#{}\n}}\n", "x".repeat(1016));
    assert_eq!(formatted(&long), long);
    let just = format!("a {{\nb {}\n}}\n", "x".repeat(1019));
    assert_eq!(formatted(&just), just);
}

#[test]
fn a_definition_that_the_reader_takes_up_again_behind_a_gap_stays_one() {
    for gap in ["# note\n", "\n", "\n# note\n\n"] {
        let text = format!("$A= \\\n{gap}192.0.2.1 \\\nvirtual_ipaddress {{ 192.0.2.1 }}\nb {{ $A\n}}\n");
        assert_eq!(meaning(&format(text.as_bytes()).unwrap(), ""), meaning(text.as_bytes(), ""), "{text}");
    }
}

#[test]
fn a_definition_that_begins_another_where_it_is_used_makes_the_rest_of_the_file_its_own() {
    let text = "$A= \\\n$B=x \\ \\\n\n$A\ny { z }\nfoo   bar\n";
    agrees(text).unwrap();
    assert_eq!(meaning(text.as_bytes(), "a").len(), 1, "the braces are part of a value");
    assert_eq!(formatted(text), "$A= \\\n    $B=x \\ \\\n\n$A\ny { z }\nfoo   bar\n");
}

#[test]
fn a_byte_order_mark_behind_a_blank_does_not_become_one_of_the_file() {
    for (text, laid_out) in [(" \u{feff}! odd\n", " \u{feff} ! odd\n"), ("\u{feff} x\n", "\u{feff}x\n")] {
        assert_eq!(formatted(text), laid_out);
        assert_eq!(formatted(laid_out), laid_out);
    }
}

#[test]
fn the_samples_give_the_same_configuration_and_what_is_broken_is_left_alone() {
    let configuration = |text: &[u8]| {
        let host = Memory::new().with_any_interface().file("/f", text);
        crate::load(&host, Path::new("/f"), &crate::Options::default()).config.expect("the sample is good")
    };
    for sample in [&include_bytes!("../../tests/data/master.conf")[..], include_bytes!("../../tests/data/standby.conf")]
    {
        let untidy: Vec<u8> = lines(sample).flat_map(|line| [b"\t", trim(line), b"   \r\n"].concat()).collect();
        assert_eq!(format(&untidy).as_deref(), Ok(sample), "the samples are laid out so");
        assert_eq!(configuration(&untidy), configuration(sample));
    }
    let printed = include_bytes!("../../tests/data/master-as-printed.conf");
    assert_eq!(format(printed), Err(FormatError::Surplus { line: 22 }));
}

/// Pieces of which lines are made, the traps among them.
fn nasty_line() -> impl Strategy<Value = String> {
    let bits = prop::sample::select(vec![
        "a",
        "b",
        " ",
        "  ",
        "\t",
        "{",
        "}",
        "\"",
        "'",
        "\\",
        "#",
        "!",
        "\\#",
        "$",
        "$A",
        "${A}",
        "$A=",
        "$B=",
        "=",
        "@a",
        "@^a",
        "@b",
        "@",
        "~SEQ(i, 1, 2)",
        "~LST({x,A}, {1,2}, {3,4})",
        "~",
        "include /etc/a",
        "include /etc/{a,b c}",
        "include",
        "\r",
        "\u{b}",
        "${_HASH}",
        "${i}",
        "$i",
        "priority 100",
        "\"x  y\"",
        "{ ",
        " }",
        "\\ \\",
        "\0",
        "\u{e4}",
    ]);
    prop::collection::vec(bits, 0..7).prop_map(|bits| bits.concat())
}

fn tame_line() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "vrrp_instance A {",
        "vrrp_instance   A",
        "{",
        "}",
        "} }",
        "state MASTER",
        "virtual_ipaddress { 192.0.2.1 }",
        "# note",
        "",
        "$A= \\",
        "192.0.2.1 \\",
        "$A",
        "@a priority 5",
        "@b {",
        "@a }",
        "~SEQ(i, 1, 2) a$i { b }",
        "include /etc/a",
        "a # b { ",
    ])
    .prop_map(str::to_owned)
}

fn agrees(text: &str) -> Result<(), TestCaseError> {
    let Ok(once) = format(text.as_bytes()) else { return Ok(()) };
    for id in ["a", "b", "c"] {
        prop_assert_eq!(meaning(text.as_bytes(), id), meaning(&once, id), "{}", String::from_utf8_lossy(&once));
    }
    let twice = format(&once);
    prop_assert_eq!(twice.as_deref(), Ok(once.as_slice()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_local_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_means_the_same_and_stays_as_formatted(lines in prop::collection::vec(prop_oneof![nasty_line(), tame_line()], 0..12)) {
        agrees(&lines.join("\n"))?;
    }

    #[test]
    fn any_well_formed_text_means_the_same(lines in prop::collection::vec(tame_line(), 0..16)) {
        // Braces are balanced at the end, so that few cases are refused.
        let mut text = lines.join("\n");
        text.push('\n');
        for _ in 0..8 {
            if let Err(FormatError::NeverClosed { .. }) = format(text.as_bytes()) {
                text.push_str("}\n");
            }
        }
        agrees(&text)?;
    }
}
