//! Scripts: the second level of quoting, and whom they run as.
//!
//! A script's first argument is its whole command line. The line is split twice: once with both kinds of quotes, which
//! finds command line, user and group; then the command line itself, with escapes.

use super::{Draft, Spanned};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use crate::reader::words::is_blank;
use crate::source::Span;
use crate::value::shown;
use standfast_model::config::script::Identity;

/// A script as it was written.
#[derive(Clone, Debug)]
pub(crate) struct ScriptDraft {
    /// Program and arguments, at least the program.
    pub(crate) words: Vec<Vec<u8>>,
    /// The statement.
    pub(crate) span: Span,
    /// The keyword, for messages.
    pub(crate) keyword: &'static str,
    pub(crate) identity: RunAs,
}

/// Whom a script runs as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RunAs {
    /// A user was named, here or with `script_user`.
    Named(Identity),
    /// Nobody was named: `keepalived_script` if there is such an account, else the daemon itself.
    Default(Option<Identity>),
}

/// What a backslash is at one of the two levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Escapes {
    /// It and the byte behind it stay as they are.
    Kept,
    /// It begins an escape.
    Read,
}

/// Splits by white space; both kinds of quotes group and are removed. None if a quote is not closed.
fn words(line: &[u8], escapes: Escapes) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut rest = line;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, quote) {
            (b'\\', _) => {
                let word = word.get_or_insert_default();
                let used = match escapes {
                    Escapes::Kept => {
                        word.push(byte);
                        word.extend(behind.first());
                        1
                    }
                    Escapes::Read => {
                        let (escaped, used) = escape(behind);
                        word.push(escaped);
                        used
                    }
                };
                rest = behind.get(used..).unwrap_or_default();
            }
            (b'"' | b'\'', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (_, Some(open)) if open == byte => quote = None,
            (_, None) if is_blank(byte) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// What stands behind a backslash: the byte meant, and how many were used.
fn escape(rest: &[u8]) -> (u8, usize) {
    let digits = |rest: &[u8], most: usize, radix: u32| {
        let digits = rest.iter().take(most).map_while(|b| char::from(*b).to_digit(radix));
        digits.fold((0_u32, 0), |(value, length), digit| (value * radix + digit, length + 1))
    };
    // Three octal digits may exceed a byte; as in C, the byte is what remains.
    let byte = |value: u32| u8::try_from(value & 0xff).unwrap_or(0);
    match rest.first() {
        None => (b'\\', 0),
        Some(b'a') => (0x07, 1),
        Some(b'b') => (0x08, 1),
        Some(b'E') => (0x1b, 1),
        Some(b'f') => (0x0c, 1),
        Some(b'n') => (b'\n', 1),
        Some(b'r') => (b'\r', 1),
        Some(b't') => (b'\t', 1),
        Some(b'v') => (0x0b, 1),
        Some(b'0'..=b'7') => {
            let (value, length) = digits(rest, 3, 8);
            (byte(value), length)
        }
        Some(b'x') => match digits(rest.get(1..).unwrap_or_default(), 2, 16) {
            (_, 0) => (b'x', 1),
            (value, length) => (byte(value), length + 1),
        },
        Some(b'c') => rest.get(1).map_or((b'c', 1), |control| (control & 0x1f, 2)),
        Some(other) => (*other, 1),
    }
}

fn unclosed(parser: &mut Parser<'_>, statement: &Statement) {
    let span = statement.line().span_from(1);
    let diagnostic = Diagnostic::new(Code::UnterminatedQuote, "a quote is not closed", span, "this script is ignored");
    parser.report(diagnostic.help("in a script both kinds of quotes count, and must be closed on the line"));
}

/// The words behind the keyword at the first level: the command line, the user, the group.
fn arguments(parser: &mut Parser<'_>, statement: &Statement) -> Option<Vec<Vec<u8>>> {
    let Some(words) = words(statement.line().text().bytes(), Escapes::Kept) else {
        unclosed(parser, statement);
        return None;
    };
    Some(words.into_iter().skip(1).collect())
}

/// Reads `<SCRIPT> [<USER> [<GROUP>]]`.
pub(crate) fn script(parser: &mut Parser<'_>, statement: &Statement, draft: &Draft) -> Option<ScriptDraft> {
    let arguments = arguments(parser, statement)?;
    let mut script = command_of(parser, statement, arguments.first()?, draft)?;
    if let Some(user) = arguments.get(1) {
        let group = arguments.get(2).map(Vec::as_slice);
        script.identity = RunAs::Named(identity(parser, statement, user, group)?);
    }
    Some(script)
}

/// Reads `<SCRIPT>`, whose further words are not looked at.
pub(crate) fn command(parser: &mut Parser<'_>, statement: &Statement, draft: &Draft) -> Option<ScriptDraft> {
    let arguments = arguments(parser, statement)?;
    command_of(parser, statement, arguments.first()?, draft)
}

fn command_of(parser: &mut Parser<'_>, statement: &Statement, line: &[u8], draft: &Draft) -> Option<ScriptDraft> {
    let Some(words) = words(line, Escapes::Read) else {
        unclosed(parser, statement);
        return None;
    };
    let keyword = statement.keyword.name;
    if words.first().is_none_or(Vec::is_empty) {
        let headline = format!("`{keyword}` has an empty script");
        parser.report(Diagnostic::new(Code::InvalidName, headline, statement.arg_span(0), "this is ignored"));
        return None;
    }
    let identity = draft.global.script_user.map_or_else(|| default_identity(parser), |u| RunAs::Named(u.value));
    Some(ScriptDraft { words, span: statement.span(), keyword, identity })
}

/// One word of a statement whose quoting is that of scripts (`regex`); none if there is not exactly one.
pub(crate) fn single_word(parser: &mut Parser<'_>, statement: &Statement) -> Option<Vec<u8>> {
    let Some(mut words) = words(statement.line().text().bytes(), Escapes::Read) else {
        unclosed(parser, statement);
        return None;
    };
    if words.len() != 2 {
        let headline = format!("`{}` takes one word", statement.keyword.name);
        let span = statement.line().span_from(1);
        let diagnostic = Diagnostic::new(Code::InvalidEntry, headline, span, "this is ignored");
        parser.report(diagnostic.help("put quotes around it"));
        return None;
    }
    words.pop()
}

fn default_identity(parser: &Parser<'_>) -> RunAs {
    let user = parser.host().user("keepalived_script");
    RunAs::Default(user.map(|user| Identity { uid: user.uid, gid: user.gid }))
}

/// A user and a group by name, or by number.
pub(crate) fn identity(
    parser: &mut Parser<'_>,
    statement: &Statement,
    user: &[u8],
    group: Option<&[u8]>,
) -> Option<Identity> {
    let name = String::from_utf8_lossy(user);
    let Some(found) = parser.host().user(&name) else {
        let headline = format!("no user is called `{}`", shown(user));
        return unknown(parser, statement, &headline);
    };
    let Some(group) = group else { return Some(Identity { uid: found.uid, gid: found.gid }) };
    let Some(gid) = parser.host().group(&String::from_utf8_lossy(group)) else {
        let headline = format!("no group is called `{}`", shown(group));
        return unknown(parser, statement, &headline);
    };
    Some(Identity { uid: found.uid, gid })
}

fn unknown<T>(parser: &mut Parser<'_>, statement: &Statement, headline: &str) -> Option<T> {
    let name = statement.keyword.name;
    let notification = name.starts_with("notify") || name.starts_with("quorum_") || name.contains("notify_fifo");
    let code = if notification { Code::NoNotifyUser } else { Code::UnknownUser };
    let mut diagnostic = Diagnostic::new(code, headline, statement.span(), "this is ignored");
    if statement.keyword.has_script() {
        diagnostic = diagnostic.help("put quotes around script and arguments: the words behind it are user and group");
    }
    parser.report(diagnostic);
    None
}

/// Keeps the first script of a keyword; a second one is reported, as in keepalived.
pub(crate) fn keep(parser: &mut Parser<'_>, slot: &mut Option<ScriptDraft>, script: Option<ScriptDraft>) {
    let Some(script) = script else { return };
    if let Some(first) = slot {
        let headline = format!("a second `{}` is ignored", script.keyword);
        let diagnostic = Diagnostic::new(Code::Repeated, headline, script.span, "this is ignored");
        parser.report(diagnostic.and(first.span, "this counts"));
        return;
    }
    *slot = Some(script);
}

/// Reads `<USER> [<GROUP>]`.
pub(crate) fn user(parser: &mut Parser<'_>, statement: &Statement) -> Option<Spanned<Identity>> {
    let user = statement.arg(0)?.to_vec();
    let group = statement.arg(1).map(<[u8]>::to_vec);
    let value = identity(parser, statement, &user, group.as_deref())?;
    Some(Spanned { value, span: statement.span() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: Option<Vec<Vec<u8>>>) -> Vec<String> {
        words.unwrap().into_iter().map(|w| String::from_utf8_lossy(&w).into_owned()).collect()
    }

    #[test]
    fn both_quotes_group_and_join() {
        let line = br#"notify_master "/up.sh --mode 'two words' x" netops netgrp"#;
        assert_eq!(
            text(words(line, Escapes::Kept)),
            ["notify_master", "/up.sh --mode 'two words' x", "netops", "netgrp"]
        );
        assert_eq!(text(words(b"/up.sh --mode 'two words' x", Escapes::Read)), ["/up.sh", "--mode", "two words", "x"]);
        assert_eq!(text(words(br#"a b"c d"'e f'g"#, Escapes::Kept)), ["a", "bc de fg"]);
        assert_eq!(words(br#"a "b"#, Escapes::Kept), None);
        assert_eq!(text(words(br#"a "b \" c""#, Escapes::Kept)), ["a", r#"b \" c"#]);
    }

    #[test]
    fn escapes_are_read_at_the_second_level() {
        assert_eq!(
            words(br"a\tb \x41\101 \cA\E \", Escapes::Read),
            Some(vec![b"a\tb".to_vec(), b"AA".to_vec(), vec![1, 0x1b], vec![b'\\']])
        );
        assert_eq!(words(br"\777 \xg", Escapes::Read), Some(vec![vec![0xff], b"xg".to_vec()]));
        assert_eq!(text(words(br#"a\ b "c\"d""#, Escapes::Read)), ["a b", "c\"d"]);
    }
}
