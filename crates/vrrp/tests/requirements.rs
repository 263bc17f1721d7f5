//! Every requirement has a tag (`REQ: ID`) at the code that meets it and at the test that proves it, or a reason why not.
//!
//! `requirements/ids.txt` lists the ids, `requirements/untagged.txt` the reasons.
#![expect(clippy::unwrap_used, reason = "a source that cannot be read is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const IDS: &str = include_str!("requirements/ids.txt");
const UNTAGGED: &str = include_str!("requirements/untagged.txt");

/// The documents whose requirements are kept here; tags of others are not looked at.
const DOCUMENTS: [&str; 7] = ["VRRP2-", "VRRP2A-", "VRRP3-", "ARP-", "ND-", "MC-", "KA-"];

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn ids() -> BTreeSet<&'static str> {
    lines(IDS).collect()
}

/// The requirements that may lack a tag, with the reasons.
fn reasons() -> BTreeMap<&'static str, &'static str> {
    lines(UNTAGGED).map(|line| line.split_once(": ").unwrap()).collect()
}

/// Where each id is tagged.
#[derive(Default)]
struct Tags {
    code: BTreeSet<String>,
    tests: BTreeSet<String>,
}

/// The Rust sources below a directory.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target" && name != "fuzz") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The ids in a line, as far as the first word that is none.
fn tagged(line: &str) -> impl Iterator<Item = &str> {
    let tags = line.split_once("REQ: ").map_or("", |(_, tags)| tags);
    tags.split_whitespace().take_while(|word| DOCUMENTS.iter().any(|document| word.starts_with(document)))
}

fn tags() -> Tags {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    sources(&root.join("crates"), &mut files);
    sources(&root.join("integration"), &mut files);
    let mut tags = Tags::default();
    for path in files {
        let of_tests = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs" || part == "integration";
        let mut in_tests = path.strip_prefix(&root).unwrap().iter().any(of_tests);
        for line in fs::read_to_string(&path).unwrap().lines() {
            in_tests |= line.trim() == "#[cfg(test)]";
            let side = if in_tests { &mut tags.tests } else { &mut tags.code };
            side.extend(tagged(line).map(ToOwned::to_owned));
        }
    }
    tags
}

#[test]
fn every_requirement_is_tagged_at_code_and_test_or_has_a_reason_why_not() {
    let (tags, reasons) = (tags(), reasons());
    let mut wrong = Vec::new();
    for id in ids() {
        let (code, tests, reason) = (tags.code.contains(id), tags.tests.contains(id), reasons.get(id));
        match (code && tests, reason) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => wrong.push(format!("{id}: tagged at code and test, and has a reason why not")),
            (false, None) => wrong.push(format!("{id}: tagged at code: {code}, tagged at a test: {tests}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_tag_and_every_reason_names_a_requirement_that_exists() {
    let (tags, ids) = (tags(), ids());
    let named = tags.code.iter().chain(&tags.tests).map(String::as_str).chain(reasons().into_keys());
    // Those of BFD are kept where BFD is.
    let unknown: BTreeSet<&str> = named.filter(|id| !ids.contains(id) && !id.starts_with("KA-BFD-")).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(ids.len() > 180, "{}", ids.len());
}

#[test]
fn a_line_is_read_up_to_the_first_word_that_is_no_id() {
    // Put together here, so that this line is not one of those that are read.
    let line = format!("// {}: VRRP2-1 KA-X-02 (why) VRRP3-9", "REQ");
    assert_eq!(tagged(&line).collect::<Vec<_>>(), ["VRRP2-1", "KA-X-02"]);
    assert_eq!(tagged("// VRRP2-1").count(), 0);
}
