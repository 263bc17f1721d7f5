//! How a statement sets a field: what becomes of a wrong value, of a second one and of one that is too long. What a
//! field means is the business of its family.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use standfast_model::Version;

/// A wrong value leaves what was said before.
pub(crate) fn set<T>(field: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *field = value;
    }
}

/// The same of a flag, which is one way or the other from the beginning.
pub(crate) fn set_flag(field: &mut bool, value: Option<bool>) {
    *field = value.unwrap_or(*field);
}

/// A setting that can be made once: the first one counts, as in keepalived.
pub(crate) fn once<T>(parser: &mut Parser<'_>, statement: &Statement, field: &mut Option<T>, value: Option<T>) {
    if field.is_none() {
        *field = value;
        return;
    }
    let headline = format!("a second `{}` is ignored", statement.keyword.name);
    parser.report(Diagnostic::new(Code::Repeated, headline, statement.span(), "this is ignored"));
}

/// `version` and `vrrp_version`: 2 or 3.
pub(crate) fn version(parser: &mut Parser<'_>, statement: &Statement) -> Option<Version> {
    parser.number::<u8>(statement).map(|v| if v == 2 { Version::V2 } else { Version::V3 })
}

/// The first argument, at most so many bytes of it; a longer one is cut and reported.
pub(crate) fn cut(parser: &mut Parser<'_>, statement: &Statement, most: usize) -> String {
    let word = statement.arg(0).unwrap_or_default();
    let kept = word.get(..most).unwrap_or(word);
    if kept.len() < word.len() {
        let headline = format!("a name longer than {most} characters");
        let label = format!("only the first {most} are used");
        parser.report(Diagnostic::new(Code::Truncated, headline, statement.arg_span(0), label));
    }
    String::from_utf8_lossy(kept).into_owned()
}
