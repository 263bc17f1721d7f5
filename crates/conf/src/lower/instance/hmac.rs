//! `auth_hmac`.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::lower::{Spanned, not_lowered};
use crate::parse::{Parser, Statement};
use crate::source::Span;
use core::time::Duration;
use standfast_model::Secret;
use standfast_model::config::instance::{HmacKey, HmacMode, Replay};
use std::path::Path;

/// What `auth_hmac` says.
#[derive(Clone, Debug)]
pub(crate) struct HmacDraft {
    pub(crate) head: Span,
    pub(crate) keys: Vec<HmacKey>,
    /// Ids of keys that could not be used, which was told.
    pub(crate) bad: Vec<u8>,
    pub(crate) active: Option<Spanned<u8>>,
    pub(crate) time_window: Option<Duration>,
    pub(crate) replay: Replay,
    pub(crate) mode: HmacMode,
}

/// A key in a file: 64 octets as hexadecimal digits, a prefix and a line feed are less.
const FILE_LIMIT: usize = 4096;

/// Reads an `auth_hmac` block.
pub(super) fn auth_hmac(parser: &mut Parser<'_>, head: &Statement) -> Option<HmacDraft> {
    if !parser.enter(head) {
        return None;
    }
    let mut draft = HmacDraft {
        head: head.span(),
        keys: Vec::new(),
        bad: Vec::new(),
        active: None,
        time_window: None,
        replay: Replay::default(),
        mode: HmacMode::default(),
    };
    while let Some(statement) = parser.next() {
        match statement.keyword.name {
            "key" => key(parser, &statement, &mut draft),
            "active_key" => {
                let value = parser.number(&statement);
                draft.active = value.map(|value| Spanned { value, span: statement.span() });
            }
            "time_window" => draft.time_window = parser.time(&statement),
            "anti_replay" => match parser.choice(&statement) {
                Some("monotonic") => draft.replay = Replay::Monotonic,
                Some(_) => draft.replay = Replay::Time,
                None => {}
            },
            "mode" => match parser.choice(&statement) {
                Some("permissive") => draft.mode = HmacMode::Permissive,
                Some("receive-only") => draft.mode = HmacMode::ReceiveOnly,
                Some(_) => draft.mode = HmacMode::Enforce,
                None => {}
            },
            _ => not_lowered(parser, &statement),
        }
    }
    Some(draft)
}

/// `ID TEXT`, `ID hex:DIGITS`, `ID file:PATH`. No message shows the key.
fn key(parser: &mut Parser<'_>, statement: &Statement, draft: &mut HmacDraft) {
    let (Some(id), Some(word)) = (statement.arg(0), statement.arg(1)) else { return };
    let id = parser.number_of(id, statement.arg_span(0), 1, 255).and_then(|n| u8::try_from(n).ok());
    let span = statement.keyword_span();
    let octets = written_octets(parser, word, span);
    let Some(id) = id else { return };
    let Some(octets) = octets else {
        draft.bad.push(id);
        return;
    };
    let Some(octets) = octets.filter(|o| (32..=64).contains(&o.len())) else {
        let headline = format!("key {id} is no key");
        let label = "32 to 64 octets are wanted: text, or hex: and two digits for each";
        parser.report(Diagnostic::new(Code::InvalidKey, headline, span, label));
        draft.bad.push(id);
        return;
    };
    if draft.keys.iter().any(|key| key.id == id) {
        let headline = format!("key {id} is given twice");
        parser.report(Diagnostic::new(Code::Repeated, headline, span, "this one is ignored"));
        return;
    }
    draft.keys.push(HmacKey { id, octets: Secret::new(octets) });
}

/// The octets of a key, wherever it is written; none if there are none. What is wrong with a file is told.
pub(crate) fn key_octets(parser: &mut Parser<'_>, word: &[u8], span: Span) -> Option<Vec<u8>> {
    written_octets(parser, word, span).flatten()
}

/// The same; the outer none was told.
fn written_octets(parser: &mut Parser<'_>, word: &[u8], span: Span) -> Option<Option<Vec<u8>>> {
    match word.strip_prefix(b"file:") {
        Some(path) => from_file(parser, path, span),
        None => Some(inline(word)),
    }
}

/// The octets of a key in the file; none if the digits are none.
fn inline(word: &[u8]) -> Option<Vec<u8>> {
    let Some(digits) = word.strip_prefix(b"hex:") else { return Some(word.to_vec()) };
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let digits: Option<Vec<u8>> = digits.iter().map(digit).collect();
    let digits = digits.filter(|d| d.len().is_multiple_of(2))?;
    Some(digits.chunks(2).filter_map(|pair| Some(pair.first()? << 4 | pair.get(1)?)).collect())
}

/// The key in a file of its own, in the same forms; a file that others can read is reported.
fn from_file(parser: &mut Parser<'_>, path: &[u8], span: Span) -> Option<Option<Vec<u8>>> {
    let name = String::from_utf8_lossy(path).into_owned();
    let path = Path::new(&name);
    match parser.host().read(path, FILE_LIMIT) {
        Ok(text) => {
            if parser.host().metadata(path).is_ok_and(|m| m.mode & 0o077 != 0) {
                let headline = format!("the key in {name} can be read by others");
                let label = "whoever reads it can speak for this router";
                let diagnostic = Diagnostic::new(Code::ReadableKey, headline, span, label);
                parser.report(diagnostic.help(format!("chmod 600 {name}")));
            }
            Some(inline(text.trim_ascii_end()))
        }
        Err(error) => {
            let headline = format!("the key in {name} cannot be read: {error}");
            parser.report(Diagnostic::new(Code::InvalidKey, headline, span, "this key is ignored"));
            None
        }
    }
}
