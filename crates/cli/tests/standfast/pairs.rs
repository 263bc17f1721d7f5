//! Every finding about a pair as a document: what it means, two files that have it, and how it is shown.
//!
//! `tests/pairs/K1000-name.md` holds prose, two fenced configurations (`conf NAME`) and one fenced rendering (`text`), which
//! is compared to the letter. `BLESS=1` writes the renderings anew; they are to be read before they are committed.

use crate::common::Files;
use standfast_conf::Code;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A fenced part of a document: its first line, its text, and where that stands.
type Fence = (String, String, std::ops::Range<usize>);

fn fences(document: &str) -> Vec<Fence> {
    let mut found = Vec::new();
    let mut offset = 0;
    let mut open: Option<(String, usize)> = None;
    for line in document.split_inclusive('\n') {
        let next = offset + line.len();
        if let Some(info) = line.strip_prefix("```") {
            match open.take() {
                Some((info, start)) => found.push((info, document[start..offset].to_owned(), start..offset)),
                None => open = Some((info.trim().to_owned(), next)),
            }
        }
        offset = next;
    }
    found
}

fn documents() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pairs");
    let mut found: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn code(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy()[..5].to_owned()
}

#[test]
fn every_document_shows_what_it_says() {
    let bless = std::env::var_os("BLESS").is_some();
    for path in documents() {
        let document = std::fs::read_to_string(&path).unwrap();
        let fences = fences(&document);
        let confs: Vec<(&str, &str)> =
            fences.iter().filter_map(|(info, text, _)| Some((info.strip_prefix("conf ")?, text.as_str()))).collect();
        let [(first, _), (second, _)] = confs[..] else { panic!("{} has not two files", path.display()) };
        let files = Files::new(&confs);
        let ran = files.run(&["check-pair", first, second]);
        let shown: String = ran.out.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        let shown = format!("{shown}status {}\n", ran.status);
        assert!(shown.contains(&format!("[{}]", code(&path))), "{}: {shown}{}", path.display(), ran.err);
        let (_, text, range) = fences.iter().find(|(info, _, _)| info == "text").unwrap();
        if bless && shown != *text {
            let mut blessed = document.clone();
            blessed.replace_range(range.clone(), &shown);
            std::fs::write(&path, blessed).unwrap();
        } else {
            assert_eq!(shown, *text, "{}", path.display());
        }
    }
}

#[test]
fn every_code_about_pairs_has_a_document() {
    let written: BTreeSet<String> = documents().iter().map(|path| code(path)).collect();
    let codes: BTreeSet<String> =
        Code::ALL.iter().map(|code| code.id().to_owned()).filter(|id| id.starts_with("K10")).collect();
    assert!(codes.len() > 10);
    assert_eq!(written, codes);
}

#[test]
fn a_pair_that_fits_is_one_and_says_so_to_programs_too() {
    let text = "vrrp_instance A {\n    interface eth0\n    virtual_router_id 51\n    @one priority 150\n    @two priority 100\n    \
        virtual_ipaddress {\n        192.0.2.1\n    }\n}\n";
    let files = Files::new(&[("a.conf", text)]);
    let ran = files.run(&["check-pair", "a.conf", "a.conf", "--ids", "one", "two"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, "a.conf, a.conf: a pair\n"));
    let json = files.run(&["check-pair", "a.conf", "a.conf", "--ids", "one", "one", "--format", "json"]);
    let printed: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.status, &printed["compared"], &printed["status"]), (5, &true.into(), &5.into()));
    assert_eq!(printed["findings"][0]["code"], "K1008");
}

#[test]
fn a_file_that_would_not_start_is_shown_and_nothing_is_compared() {
    let files = Files::new(&[("a.conf", "vrrp_instance A {\n    interface eth0\n"), ("b.conf", "")]);
    let ran = files.run(&["check-pair", "a.conf", "b.conf"]);
    assert_eq!(ran.status, 5);
    assert!(ran.out.contains("a.conf: standfastd would not start, so nothing is compared\n"), "{}", ran.out);
    assert!(ran.out.contains("error[K0303]"), "{}", ran.out);
}
