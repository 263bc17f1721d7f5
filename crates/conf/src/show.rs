//! The configuration as it is after definitions, conditions, repetitions and includes: what the daemon would act on,
//! secrets masked. It judges nothing: mistakes are `load`'s business.

use crate::Options;
use crate::host::Host;
use crate::outline::{Node, outline};
use crate::render::SECRETS;
use crate::source::{Sources, Span};
use core::fmt::Write as _;
use std::path::Path;

/// What stands for a secret: always the same, so that it does not tell how long the secret is.
const MASK: &str = "********";

/// Blanks a level.
const INDENT: usize = 4;

/// The configuration fully expanded, laid out as `format` lays it out. With `origin` each line names the file and line
/// it came from, and the use of a definition that brought it.
///
/// `${_RANDOM}` gives other numbers each time a configuration is read, here too.
#[must_use]
pub fn show(host: &dyn Host, root: &Path, options: &Options, origin: bool) -> String {
    let (nodes, sources) = outline(host, root, options);
    let mut lines = Vec::new();
    for node in &nodes {
        lay_out(node, 0, &mut lines);
    }
    // Beyond a width that terminals have, comments are no longer drawn under each other.
    let width = lines.iter().map(|line| line.text.chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
    let mut out = String::new();
    for line in &lines {
        match line.span.filter(|_| origin) {
            Some(span) => _ = writeln!(out, "{:width$}  # {}", line.text, place(span, &sources)),
            None => _ = writeln!(out, "{}", line.text),
        }
    }
    out
}

struct Line {
    text: String,
    /// None for a closing brace.
    span: Option<Span>,
}

fn lay_out(node: &Node, level: usize, lines: &mut Vec<Line>) {
    let indent = " ".repeat(level * INDENT);
    let text = readable(node);
    let Some(block) = &node.block else {
        lines.push(Line { text: format!("{indent}{text}"), span: Some(node.span) });
        return;
    };
    let blank = if text.is_empty() { "" } else { " " };
    lines.push(Line { text: format!("{indent}{text}{blank}{{"), span: Some(node.span) });
    for child in block {
        lay_out(child, level + 1, lines);
    }
    lines.push(Line { text: format!("{indent}}}"), span: None });
}

/// The statement so that it reads as itself again: a `#` or `!` that a backslash kept from being a comment gets it
/// back.
fn readable(node: &Node) -> String {
    if let Some(keyword) = SECRETS.iter().find(|secret| **secret == node.word(0)) {
        // A key of auth_hmac has a number before it, which is none of the secret.
        let number = Some(node.word(1)).filter(|word| node.words.len() > 2 && word.iter().all(u8::is_ascii_digit));
        let words = [Some(*keyword), number, (node.words.len() > 1).then_some(MASK.as_bytes())];
        let words: Vec<_> = words.into_iter().flatten().map(String::from_utf8_lossy).collect();
        return words.join(" ");
    }
    let mut bytes = Vec::with_capacity(node.text.len());
    let mut quoted = false;
    let mut escaped = false;
    for byte in &node.text {
        match byte {
            _ if escaped => escaped = false,
            b'"' => quoted = !quoted,
            b'\\' if quoted => escaped = true,
            b'#' | b'!' if !quoted => bytes.push(b'\\'),
            _ => {}
        }
        bytes.push(*byte);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn place(span: Span, sources: &Sources) -> String {
    let at = |span: Span| {
        let path = sources.file(span.file).map(|file| file.path().display().to_string()).unwrap_or_default();
        format!("{path}:{}", sources.position(span).line)
    };
    match sources.use_of(span) {
        Some((used, name)) => format!("{}, by {name} at {}", at(span), at(used)),
        None => at(span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Memory;

    fn shown(text: &str, origin: bool) -> String {
        let host = Memory::new().file("/f", text).file("/more", "priority 7\n");
        show(&host, Path::new("/f"), &Options::default(), origin)
    }

    const TEXT: &str = "$N=9\n$SECRET=hunter2\nvrrp_instance A {\n@node1 priority $N\n@^node1 priority 1\ninclude /more\n\
        authentication {\nauth_type PASS\nauth_pass $SECRET\n}\nvirtual_ipaddress { ~SEQ(i, 1, 2) 192.0.2.$i\n}\n}\n\
        vrrp_instance B {\nauth_hmac {\nkey 1 abcdef\n}\nnotify \"/x #1\" \\#2\n}\n";

    #[test]
    fn everything_is_expanded_and_secrets_are_not_shown() {
        let expected = "vrrp_instance A {\n    priority 9\n    priority 7\n    authentication {\n        auth_type PASS\n        \
            auth_pass ********\n    }\n    virtual_ipaddress {\n        192.0.2.1\n        192.0.2.2\n    }\n}\n\
            vrrp_instance B {\n    auth_hmac {\n        key 1 ********\n    }\n    notify \"/x #1\" \\#2\n}\n";
        assert_eq!(shown(TEXT, false), expected);
        assert_eq!(shown(expected, false), expected, "what is shown reads as itself");
    }

    #[test]
    fn each_statement_names_the_line_it_came_from() {
        let text = shown(TEXT, true);
        assert!(text.contains("    priority 7              # /more:1\n"), "{text}");
        assert!(text.contains("        192.0.2.2           # /f:11"), "{text}");
        assert!(text.contains("        auth_pass ********  # /f:9"), "{text}");
        assert!(!text.contains("hunter2"));
        let expanded = shown("$I= \\\nvrrp_instance $n { \\\n}\n\n$n=4\n$I\n", true);
        assert_eq!(expanded, "vrrp_instance 4 {  # /f:2, by I at /f:6\n}\n");
    }
}
