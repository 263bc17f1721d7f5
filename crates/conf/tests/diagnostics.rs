//! Every diagnostic as a document: what it means, a configuration that has it, and how it is shown.
//!
//! `tests/diagnostics/K0000-name.md` holds prose, one or more fenced configurations (`conf NAME [mode=755]
//! [kind=directory|special] [escaped] [given=NAME]`; the first is the main file, or what is given for it) and one fenced rendering (`text`), which is compared to the
//! letter. `BLESS=1` writes the renderings anew; they are to be read before they are committed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a document that cannot be read is a failed test"
)]

use standfast_conf::host::{FileKind, Memory, Metadata};
use standfast_conf::{Code, Options, exit_code_for_test, load, render, start_refused};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A fenced part of a document.
struct Fence {
    info: String,
    body: String,
    /// Where the body stands in the document.
    at: std::ops::Range<usize>,
}

fn fences(document: &str) -> Vec<Fence> {
    let mut found = Vec::new();
    let mut offset = 0;
    let mut open: Option<(String, usize)> = None;
    for line in document.split_inclusive('\n') {
        let next = offset + line.len();
        if let Some(info) = line.strip_prefix("```") {
            match open.take() {
                Some((info, start)) => {
                    found.push(Fence { info, body: document[start..offset].to_owned(), at: start..offset });
                }
                None => open = Some((info.trim().to_owned(), next)),
            }
        }
        offset = next;
    }
    found
}

/// `\xNN` to bytes, for what a document cannot hold.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        let (before, behind) = rest.split_at(at);
        let (digits, after) = behind[2..].split_at(2);
        out.extend_from_slice(before.as_bytes());
        out.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn host(fences: &[Fence]) -> (Memory, String) {
    let mut host = Memory::new()
        .with_interface("eth0")
        .with_interface("eth1")
        .with_user("nobody", 65534)
        .with_user("keepalived_script", 990)
        .with_environment("SITE", "north");
    for program in ["/usr/bin/check", "/usr/bin/true", "/etc/keepalived/notify.sh"] {
        let metadata = Metadata { kind: FileKind::File, mode: 0o755, uid: 0, gid: 0 };
        host = host.entry(program, metadata, "#!/bin/sh\n");
    }
    let mut main = None;
    for fence in fences.iter().filter(|f| f.info.starts_with("conf")) {
        let mut words = fence.info.split_whitespace().skip(1);
        let name = words.next().unwrap_or("keepalived.conf").to_owned();
        let mut metadata = Metadata { kind: FileKind::File, mode: 0o644, uid: 0, gid: 0 };
        let mut body = fence.body.clone().into_bytes();
        for word in words {
            match word.split_once('=') {
                Some(("given", given)) => main = Some(given.to_owned()),
                Some(("without", user)) => host = host.without_user(user),
                Some(("mode", mode)) => metadata.mode = u32::from_str_radix(mode, 8).expect("an octal mode"),
                Some(("kind", "directory")) => metadata.kind = FileKind::Directory,
                Some(("kind", "special")) => metadata.kind = FileKind::Special,
                _ if word == "escaped" => body = unescaped(&fence.body),
                _ => panic!("unknown word {word}"),
            }
        }
        host = host.entry(&name, metadata, body);
        main.get_or_insert(name);
    }
    (host, main.unwrap_or_else(|| "keepalived.conf".to_owned()))
}

/// What the document's configuration shows, and the codes in it.
fn rendering(document: &str) -> (String, Vec<Code>) {
    let (host, main) = host(&fences(document));
    let loaded = load(&host, Path::new(&main), &Options::default());
    let mut text = String::new();
    // What is not acted upon yet changes from release to release; one document is about that.
    let about_not_yet = document.starts_with("# K0414");
    for diagnostic in loaded.diagnostics.iter().filter(|d| about_not_yet || d.code != Code::NotYet) {
        let shown = render(diagnostic, &loaded.sources, false);
        for line in shown.lines() {
            _ = writeln!(text, "{}", line.trim_end());
        }
        text.push('\n');
    }
    let refused = start_refused(&loaded.diagnostics);
    assert_eq!(refused, loaded.config.is_none(), "a configuration exists exactly when nothing is fatal");
    let start = if refused { "start refused" } else { "starts" };
    _ = writeln!(text, "test: {}; {start}", exit_code_for_test(&loaded.diagnostics));
    (text, loaded.diagnostics.iter().map(|d| d.code).collect())
}

fn documents() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut found: Vec<_> = std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    found
}

// REQ: VRRP2A-AH-08
#[test]
fn every_document_shows_what_it_says() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for path in documents() {
        let document = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let fence = fences(&document).into_iter().find(|f| f.info == "text");
        let fence = fence.unwrap_or_else(|| panic!("{name} has no rendering"));
        let (shown, codes) = rendering(&document);
        let code = &name[..5];
        // Where every keyword is acted upon, nothing can show that one is not.
        if code == Code::NotYet.id() && standfast_conf::reference::rows().iter().all(|row| row.live || row.moot) {
            continue;
        }
        if !codes.iter().any(|c| c.id() == code) {
            wrong.push(format!("--- {name} does not show {code}, but {codes:?}"));
            continue;
        }
        if shown != fence.body {
            if bless {
                let mut blessed = document.clone();
                blessed.replace_range(fence.at, &shown);
                std::fs::write(&path, blessed).unwrap();
            } else {
                wrong.push(format!("--- {name}\n{shown}"));
            }
        }
    }
    assert!(wrong.is_empty(), "BLESS=1 writes these anew:\n{}", wrong.join("\n"));
}

#[test]
fn every_code_has_a_document() {
    let written: BTreeSet<String> =
        documents().iter().map(|p| p.file_name().unwrap().to_string_lossy()[..5].to_owned()).collect();
    // What only two files together show (K10) has its documents with the command that shows it.
    let alone = Code::ALL.iter().filter(|code| !code.id().starts_with("K10"));
    // What takes a megabyte to show is shown in `hostile.rs`.
    let hostile = include_str!("hostile.rs");
    let shown = |code: &Code| written.contains(code.id()) || hostile.contains(&format!("Code::{code:?}"));
    let missing: Vec<_> = alone.filter(|code| !shown(code)).map(|code| code.id()).collect();
    assert!(missing.is_empty(), "no document for {missing:?}");
}
