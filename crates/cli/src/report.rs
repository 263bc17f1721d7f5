//! Diagnostics as a person and as a program want them. SARIF has its own module.

use serde_json::{Value, json};
use standfast_conf::source::Span;
use standfast_conf::{Class, Code, Diagnostic, Sources, render};
use std::io::{self, Write};

/// Diagnostics of one reading, with the text they are about.
pub(crate) struct Report<'r> {
    pub(crate) diagnostics: &'r [Diagnostic],
    pub(crate) sources: &'r Sources,
}

/// Where a place is: lines and columns from 1, columns in bytes, the end behind the last byte.
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) end_line: usize,
    pub(crate) end_column: usize,
}

/// Where a span is; none for one without a file.
pub(crate) fn place(span: Span, sources: &Sources) -> Option<Place> {
    let file = sources.file(span.file).filter(|file| !file.path().as_os_str().is_empty())?;
    let (start, end) = (file.position(span.start), file.position(span.end.max(span.start)));
    let name = file.path().display().to_string();
    Some(Place { file: name, line: start.line, column: start.column, end_line: end.line, end_column: end.column })
}

/// With source lines, then a line that counts.
pub(crate) fn human(to: &mut impl Write, report: &Report<'_>, colour: bool) -> io::Result<()> {
    for diagnostic in report.diagnostics {
        writeln!(to, "{}\n", render(diagnostic, report.sources, colour))?;
    }
    Ok(())
}

/// `2 errors, 1 hint`; `nothing to say` if there is nothing.
pub(crate) fn counts(diagnostics: &[Diagnostic]) -> String {
    let groups: [(&[Class], &str, &str); 4] = [
        (&[Class::Fatal, Class::Dropped, Class::Security], "error", "errors"),
        (&[Class::Warning, Class::Deprecated], "warning", "warnings"),
        (&[Class::NotYet], "statement not acted upon yet", "statements not acted upon yet"),
        (&[Class::Hint], "hint", "hints"),
    ];
    let counted = groups.into_iter().filter_map(|(classes, one, several)| {
        let number = diagnostics.iter().filter(|d| classes.contains(&d.class)).count();
        (number > 0).then(|| format!("{number} {}", if number == 1 { one } else { several }))
    });
    let parts: Vec<String> = counted.collect();
    if parts.is_empty() { "nothing to say".to_owned() } else { parts.join(", ") }
}

/// The class as a word that stays.
pub(crate) fn class(class: Class) -> &'static str {
    match class {
        Class::Fatal => "fatal",
        Class::Dropped => "dropped",
        Class::Security => "security",
        Class::Warning => "warning",
        Class::Deprecated => "deprecated",
        Class::NotYet => "not-yet",
        Class::Hint => "hint",
    }
}

/// One diagnostic: `{"code", "class", "headline", "help", "places": [{"primary", "label", "file", "line", "column",
/// "end_line", "end_column"}]}`.
pub(crate) fn json(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let primary = diagnostic.primary.iter().map(|label| (true, label));
    let labels = primary.chain(diagnostic.secondary.iter().map(|label| (false, label)));
    let places: Vec<Value> = labels
        .filter_map(|(primary, label)| {
            let at = place(label.span, sources)?;
            Some(json!({
                "primary": primary,
                "label": label.text,
                "file": at.file,
                "line": at.line,
                "column": at.column,
                "end_line": at.end_line,
                "end_column": at.end_column,
            }))
        })
        .collect();
    json!({
        "code": diagnostic.code.id(),
        "class": class(diagnostic.class),
        "headline": diagnostic.headline,
        "help": diagnostic.help,
        "places": places,
    })
}

/// A code from what a person types: `K0301`, `k301`, `301`.
pub(crate) fn code(typed: &str) -> Option<Code> {
    let digits = typed.trim().trim_start_matches(['k', 'K']);
    let number: u16 = digits.parse().ok()?;
    let id = format!("K{number:04}");
    Code::ALL.iter().copied().find(|code| code.id() == id)
}
