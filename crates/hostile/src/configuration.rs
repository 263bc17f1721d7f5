//! A configuration of any bytes.

use standfast_conf::host::Memory;
use standfast_conf::pair::{Director, check_pair, exit_code};
use standfast_conf::{Diagnostic, Options, Sources, format as laid_out, render, render_line, start_refused};
use std::path::Path;

const ROOT: &str = "/k.conf";

fn host(bytes: &[u8]) -> Memory {
    Memory::new().with_any_interface().file(ROOT, bytes)
}

/// A diagnostic can be shown, and every place in it lies within its text.
fn holds(diagnostic: &Diagnostic, sources: &Sources) {
    assert!(render(diagnostic, sources, false).contains(diagnostic.code.id()));
    assert!(!render_line(diagnostic, sources).contains('\n'));
    for label in diagnostic.primary.iter().chain(&diagnostic.secondary) {
        let length = sources.file(label.span.file).expect("a file that was read").text().len();
        assert!(label.span.start <= label.span.end && label.span.end as usize <= length, "{diagnostic:?}");
    }
}

/// It is read to its end, and there is a configuration unless a mistake stands that refuses a start.
pub fn load(bytes: &[u8]) {
    let loaded = standfast_conf::load(&host(bytes), Path::new(ROOT), &Options::default());
    for diagnostic in &loaded.diagnostics {
        holds(diagnostic, &loaded.sources);
    }
    assert_eq!(loaded.config.is_none(), start_refused(&loaded.diagnostics));
}

/// What is laid out is laid out, and means what it meant: expanded it has the same words in the same lines.
pub fn format(bytes: &[u8]) {
    let Ok(once) = laid_out(bytes) else { return };
    assert_eq!(laid_out(&once).as_ref(), Ok(&once));
    // A line whose keyword is unknown is shown as it stands there, so blanks do not count.
    let meaning = |bytes: &[u8]| {
        let shown = standfast_conf::show(&host(bytes), Path::new(ROOT), &Options::default(), false);
        shown.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect::<Vec<Vec<_>>>()
    };
    // Numbers of chance are other ones each time, and a mark of the byte order behind the beginning is a blank or a word,
    // as its neighbours have it.
    let chance = bytes.windows(7).any(|word| word.eq_ignore_ascii_case(b"_RANDOM"));
    let mark = bytes.windows(3).skip(1).any(|octets| octets == [0xef, 0xbb, 0xbf]);
    if !chance && !mark {
        assert_eq!(meaning(&once), meaning(bytes));
    }
}

/// Two directors, each a part of the input before and behind its first octet 0. Every finding lies within their texts.
pub fn pair(bytes: &[u8]) {
    let cut = bytes.iter().position(|octet| *octet == 0);
    let (one, other) = cut.map_or((bytes, bytes), |at| (&bytes[..at], &bytes[at + 1..]));
    let host = Memory::new().with_any_interface().file(ROOT, one).file("/other.conf", other);
    let director = |root| Director { root: Path::new(root), options: Options::default() };
    let pair = check_pair(&host, &[director(ROOT), director("/other.conf")]);
    for diagnostic in &pair.findings {
        holds(diagnostic, &pair.sources);
    }
    assert!(exit_code(&pair) <= 6);
}
