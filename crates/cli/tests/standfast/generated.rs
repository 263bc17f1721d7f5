//! What is committed is what `scripts/generate` and the table give today.

use crate::common::{Files, run_in};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn manual_pages_and_completions_are_fresh() {
    let committed = [
        (&["man", "standfast.1"][..], "etc/man/standfast.1"),
        (&["man", "standfast.conf.5"], "etc/man/standfast.conf.5"),
        (&["man", "standfastd.8"], "etc/man/standfastd.8"),
        (&["completions", "bash"], "etc/completions/standfast.bash"),
        (&["completions", "zsh"], "etc/completions/_standfast"),
        (&["completions", "fish"], "etc/completions/standfast.fish"),
    ];
    for (words, path) in committed {
        let made = run_in(&root(), words).out;
        let there = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        assert!(made == there, "{path} is not what the tables give: run scripts/generate");
    }
}

/// The last line of the coverage: keywords in the table, keywords acted upon.
fn totals(text: &str) -> (usize, usize) {
    let line = text.lines().find(|line| line.contains("keywords in the table")).unwrap();
    let numbers: Vec<usize> = line.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
    let [known, _, live, ..] = numbers[..] else { panic!("{line}") };
    (known, live)
}

#[test]
fn the_coverage_of_the_language_does_not_fall() {
    let committed = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/coverage.txt")).unwrap();
    let (known, live) = totals(&Files::new(&[]).run(&["keywords", "--coverage"]).out);
    let (least_known, least_live) = totals(&committed);
    assert!(known >= least_known, "{known} keywords are in the table; it had {least_known}");
    assert!(live >= least_live, "{live} keywords are live; {least_live} were");
}

#[test]
fn every_name_of_the_reference_is_in_the_table() {
    // The list of names is not part of the project; where it is beside it, names are compared.
    let Ok(table) = root().join("../shared/reference/keywords.tsv").canonicalize() else { return };
    let ran = Files::new(&[]).run(&["keywords", "--coverage", table.to_str().unwrap()]);
    let missing: Vec<&str> = ran.out.lines().filter(|line| line.starts_with("not in the table")).collect();
    assert_eq!(missing, Vec::<&str>::new());
    assert_eq!(ran.status, 0);
}
