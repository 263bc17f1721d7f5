//! SARIF 2.1.0 (OASIS, 2020): what code review tools read. Its columns count code points, ours elsewhere count bytes.

use crate::report::{Report, place};
use serde_json::{Value, json};
use standfast_conf::diagnostic::Label;
use standfast_conf::{Class, Code, Diagnostic, Sources};
use std::collections::BTreeSet;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One run of the tool over all files.
pub(crate) fn document(reports: &[Report<'_>]) -> Value {
    let used: BTreeSet<Code> = reports.iter().flat_map(|r| r.diagnostics).map(|d| d.code).collect();
    let used: Vec<Code> = used.into_iter().collect();
    let rules: Vec<Value> = used.iter().map(|code| rule(*code)).collect();
    let results: Vec<Value> = reports
        .iter()
        .flat_map(|report| report.diagnostics.iter().map(|diagnostic| result(diagnostic, report.sources, &used)))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "standfast",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.id(),
        "shortDescription": { "text": code.title() },
        "fullDescription": { "text": code.explanation() },
        "defaultConfiguration": { "level": level(code.class()) },
    })
}

fn level(class: Class) -> &'static str {
    match class {
        Class::Fatal | Class::Dropped | Class::Security => "error",
        Class::Warning | Class::Deprecated => "warning",
        Class::NotYet | Class::Hint => "note",
    }
}

fn result(diagnostic: &Diagnostic, sources: &Sources, rules: &[Code]) -> Value {
    let mut text = diagnostic.headline.clone();
    if let Some(label) = diagnostic.primary.as_ref().filter(|label| !label.text.is_empty()) {
        text = format!("{text}: {}", label.text);
    }
    if let Some(help) = &diagnostic.help {
        text = format!("{text} ({help})");
    }
    let mut result = json!({
        "ruleId": diagnostic.code.id(),
        "ruleIndex": rules.iter().position(|code| *code == diagnostic.code),
        "level": level(diagnostic.class),
        "message": { "text": text },
        "locations": diagnostic.primary.iter().filter_map(|label| location(label, sources)).collect::<Vec<_>>(),
    });
    let related: Vec<Value> = diagnostic
        .secondary
        .iter()
        .filter_map(|label| {
            let mut location = location(label, sources)?;
            location.as_object_mut()?.insert("message".to_owned(), json!({ "text": label.text }));
            Some(location)
        })
        .collect();
    if let Some(members) = result.as_object_mut().filter(|_| !related.is_empty()) {
        members.insert("relatedLocations".to_owned(), Value::Array(related));
    }
    result
}

fn location(label: &Label, sources: &Sources) -> Option<Value> {
    let at = place(label.span, sources)?;
    Some(json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(&at.file) },
        "region": {
            "startLine": at.line,
            "startColumn": code_points(label, sources, at.line, at.column),
            "endLine": at.end_line,
            "endColumn": code_points(label, sources, at.end_line, at.end_column),
        },
    } }))
}

/// The column of a byte in code points. What is not UTF-8 counts as the letters that are shown for it.
fn code_points(label: &Label, sources: &Sources, line: usize, column: usize) -> usize {
    let Some(file) = sources.file(label.span.file) else { return column };
    let line = file.text().get(file.line_range(line)).unwrap_or_default();
    let before = line.get(..column.saturating_sub(1)).unwrap_or(line);
    String::from_utf8_lossy(before).chars().count() + 1
}

/// A path as a URI reference (RFC 3986): absolute paths become `file://` URIs.
fn uri(path: &str) -> String {
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_uri_reference() {
        assert_eq!(uri("/etc/a b/\u{e4}"), "file:///etc/a%20b/%C3%A4");
        assert_eq!(uri("conf/x.conf"), "conf/x.conf");
    }
}
