//! `standfast explain`: what a diagnostic code means and what to do.

use crate::arguments::Explain;
use crate::report;
use standfast_conf::{Code, nearest};
use std::io::{self, Write as _};

/// Explains one code, or lists all.
///
/// # Errors
/// Standard output cannot be written to.
pub fn run(words: &Explain) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    let Some(typed) = &words.code else {
        for code in Code::ALL {
            writeln!(out, "{}  {:<10}  {}", code.id(), report::class(code.class()), code.title())?;
        }
        return Ok(0);
    };
    let Some(code) = report::code(typed) else {
        let upper = typed.to_ascii_uppercase();
        // Of codes that are equally near those of the same family come first.
        let family = upper.get(..3).unwrap_or_default();
        let (same, other): (Vec<_>, Vec<_>) = Code::ALL.iter().map(|c| c.id()).partition(|id| id.starts_with(family));
        let near =
            nearest(upper.as_bytes(), same.into_iter().chain(other).map(str::as_bytes)).map(String::from_utf8_lossy);
        let help = near.map_or_else(|| "standfast explain lists all".to_owned(), |id| format!("did you mean {id}?"));
        eprintln!("standfast: no diagnostic has the code `{typed}`; {help}");
        return Ok(1);
    };
    writeln!(out, "{} ({}): {}\n", code.id(), report::class(code.class()), code.title())?;
    for line in wrapped(code.explanation(), 80) {
        writeln!(out, "{line}")?;
    }
    Ok(0)
}

/// Lines of at most so many letters, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { continue };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
