//! `standfast keywords`: the keyword table, and how much of it is built.

use crate::arguments::Keywords;
use standfast_conf::keyword::Status;
use standfast_conf::reference::{self, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};

/// Paths in keepalived 2.4.3's own reference that the table is measured by.
const KEEPALIVED: usize = 627;

/// Lists the keywords, or measures the table.
///
/// # Errors
/// Standard output cannot be written to, or the table to compare with cannot be read.
pub fn run(words: &Keywords) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    let Some(table) = &words.coverage else {
        let text = if words.json { reference::json() } else { reference::text() };
        out.write_all(text.as_bytes())?;
        return Ok(0);
    };
    let all = reference::rows();
    // What keepalived does not know is not measured by it.
    let (own, rows): (Vec<Row>, Vec<Row>) = all.into_iter().partition(|row| row.status == Status::Own);
    let mut blocks: Vec<(&str, usize, usize)> = Vec::new();
    for row in &rows {
        let live = usize::from(row.live);
        match blocks.iter_mut().find(|(block, _, _)| *block == row.block) {
            Some((_, all, built)) => (*all, *built) = (*all + 1, *built + live),
            None => blocks.push((row.block, 1, live)),
        }
    }
    for (block, all, built) in blocks {
        let block = if block.is_empty() { "(top level)" } else { block };
        writeln!(out, "{built:>4} of {all:>4} live  {block}")?;
    }
    let live = rows.iter().filter(|row| row.live).count();
    for row in rows.iter().filter(|row| !row.live) {
        let why = if row.moot { row.help } else { "is read, and nothing follows from it yet" };
        writeln!(out, "not live: {}: {why}", row.path)?;
    }
    // A word that instances and groups both know is one word.
    let names: BTreeSet<&str> = own.iter().map(|row| row.name).collect();
    writeln!(out, "beyond keepalived: {}", Vec::from_iter(names).join(", "))?;
    let moot = rows.iter().filter(|row| row.moot).count();
    writeln!(
        out,
        "{} of {KEEPALIVED} keywords in the table, {live} live, {moot} with nothing to do (the reasons are above)",
        rows.len()
    )?;
    let Some(path) = table else { return Ok(0) };
    let text = fs::read_to_string(path)?;
    let (missing, surplus) = compare(&rows, &text);
    for name in &missing {
        writeln!(out, "not in the table: {name}")?;
    }
    for name in &surplus {
        writeln!(out, "only in the table: {name}")?;
    }
    Ok(u8::from(!missing.is_empty()))
}

/// Paths of a table's first column that the rows lack, and the other way round. Its first line is a head.
fn compare<'a>(rows: &'a [Row], text: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let theirs: BTreeSet<&str> = text.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    let ours: BTreeMap<&str, &Row> = rows.iter().map(|row| (row.path.as_str(), row)).collect();
    let missing = theirs.iter().copied().filter(|path| !ours.contains_key(path)).collect();
    let surplus = ours.keys().copied().filter(|path| !theirs.contains(path)).collect();
    (missing, surplus)
}
