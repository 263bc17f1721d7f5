//! `~SEQ` and `~LST`: the rest of the line again for each value of one or more names.

use super::{EXPANSION_LIMIT, Feed, Reader};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::text::{Mixture, Text};
use core::ops::Range;

/// A repetition under way.
#[derive(Debug)]
pub(super) struct Repeat {
    /// What is repeated.
    text: Text,
    /// The header, where the values come from.
    header: Text,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Sequence { name: Vec<u8>, next: i64, end: i64, step: i64, hexadecimal: bool },
    List { names: Vec<Vec<u8>>, sets: std::vec::IntoIter<Vec<Range<usize>>> },
}

impl Values {
    /// How many repetitions there are.
    fn rounds(&self) -> u64 {
        match self {
            Self::Sequence { next, end, step, .. } => {
                (end.abs_diff(*next) / step.unsigned_abs().max(1)).saturating_add(1)
            }
            Self::List { sets, .. } => u64::try_from(sets.len()).unwrap_or(u64::MAX),
        }
    }
}

/// Names with the values they have for one repetition.
type Round = Vec<(Vec<u8>, Text)>;

impl Repeat {
    /// The next round: what the names stand for, and the text; none when all is done.
    pub(super) fn advance(&mut self) -> Option<(Round, Text)> {
        let span = self.header.span();
        let round = match &mut self.values {
            Values::Sequence { name, next, end, step, hexadecimal } => {
                if (*step > 0 && *next > *end) || (*step < 0 && *next < *end) {
                    return None;
                }
                let shown = if *hexadecimal { format!("{next:x}") } else { next.to_string() };
                let mut value = Mixture::new(span);
                value.append_made(shown.as_bytes(), span);
                *next = next.saturating_add(*step);
                vec![(name.clone(), value.finish())]
            }
            Values::List { names, sets } => {
                let set = sets.next()?;
                let empty = Mixture::new(span).finish();
                let value = |i: usize| set.get(i).map_or_else(|| empty.clone(), |r| self.header.slice(r.clone()));
                names.iter().enumerate().map(|(i, name)| (name.clone(), value(i))).collect()
            }
        };
        Some((round, self.text.clone()))
    }
}

/// What a list holds: one value, or several in braces.
type Sets = Vec<Vec<Range<usize>>>;

impl Reader<'_> {
    /// Takes a line that begins with `~SEQ(`, `~SEQx(` or `~LST(`; false if it is another kind of line.
    pub(super) fn repeat(&mut self, line: &Text) -> bool {
        let kinds: [(&[u8], Code); 3] =
            [(b"~SEQ(", Code::BadSequence), (b"~SEQx(", Code::BadSequence), (b"~LST(", Code::BadList)];
        let Some((start, code)) = kinds.into_iter().find(|(start, _)| line.bytes().starts_with(start)) else {
            return false;
        };
        let Some(end) = line.bytes().iter().position(|b| *b == b')') else {
            self.report(Diagnostic::new(code, "a repetition without `)`", line.span(), "the line is ignored"));
            return true;
        };
        let text = line.slice(end + 1..line.len()).trimmed();
        let written = line.slice(start.len()..end);
        let Some(header) = self.substitute(written) else { return true };
        let span = line.span_of(0..end + 1);
        let values = if code == Code::BadList { list(&header) } else { sequence(&header, start == b"~SEQx(") };
        match values {
            // Not one of them is read, so that a slip of the finger is told at once.
            Ok(values) if values.rounds() > u64::try_from(EXPANSION_LIMIT).unwrap_or(u64::MAX) => {
                let headline = format!("a ~SEQ of {} lines", values.rounds());
                let label = format!("definitions and repetitions may give {EXPANSION_LIMIT} lines");
                self.report(Diagnostic::new(Code::ExpansionLimit, headline, span, label));
            }
            Ok(values) => self.feeds.push(Feed::Repeat(Box::new(Repeat { text, header, values }))),
            Err(why) => {
                let what = if code == Code::BadList { "~LST" } else { "~SEQ" };
                let headline = format!("a {what} that cannot be followed");
                self.report(Diagnostic::new(code, headline, span, why).help(form(code)));
            }
        }
        true
    }
}

fn form(code: Code) -> &'static str {
    if code == Code::BadList {
        "write ~LST(VAR, VALUE, ...) or ~LST({VAR, ...}, {VALUE, ...}, ...)"
    } else {
        "write ~SEQ(VAR, END), ~SEQ(VAR, START, END) or ~SEQ(VAR, START, STEP, END)"
    }
}

fn is_name(word: &[u8]) -> bool {
    word.first().is_some_and(|b| !b.is_ascii_digit()) && word.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// A number as C reads it: decimal, 0x hexadecimal, 0 octal, with a sign.
pub(crate) fn c_number(word: &[u8]) -> Option<i64> {
    let text = core::str::from_utf8(word).ok()?;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let magnitude = match hexadecimal {
        Some(digits) => i64::from_str_radix(digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8),
        None => digits.parse(),
    };
    magnitude.ok().map(|m| sign * m)
}

fn sequence(header: &Text, hexadecimal: bool) -> Result<Values, String> {
    let mut words = header.bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
    let name = words.next().filter(|w| is_name(w)).ok_or("the name is missing or none")?.to_vec();
    let mut numbers = Vec::new();
    for word in words {
        let number = c_number(word).ok_or_else(|| format!("`{}` is not a number", String::from_utf8_lossy(word)))?;
        numbers.push(number);
    }
    let (start, step, end) = match *numbers {
        [end] if end < 0 => (-1, -1, end),
        [end] => (1, if end < 1 { -1 } else { 1 }, end),
        [start, end] => (start, if end < start { -1 } else { 1 }, end),
        [start, step, end] => (start, step, end),
        _ => return Err(format!("{} numbers are given; one, two or three are understood", numbers.len())),
    };
    if step == 0 {
        return Err("the step is 0".to_owned());
    }
    if (step > 0 && end < start) || (step < 0 && end > start) {
        return Err("the step leads away from the end".to_owned());
    }
    if hexadecimal && (start < 0 || end < 0) {
        return Err("hexadecimal numbers cannot be negative".to_owned());
    }
    Ok(Values::Sequence { name, next: start, end, step, hexadecimal })
}

fn list(header: &Text) -> Result<Values, String> {
    let mut sets = split_sets(header.bytes())?.into_iter();
    let word = |range: &Range<usize>| header.bytes().get(range.clone()).unwrap_or_default().to_vec();
    let names: Vec<_> = sets.next().unwrap_or_default().iter().map(word).collect();
    if names.is_empty() || !names.iter().all(|n| is_name(n)) {
        return Err("the name is missing or none".to_owned());
    }
    let sets: Sets = sets.collect();
    if let Some(set) = sets.iter().find(|set| set.len() > names.len()) {
        return Err(format!("a set of {} values for {} names", set.len(), names.len()));
    }
    Ok(Values::List { names, sets: sets.into_iter() })
}

/// Values are separated by commas or blanks; braces hold several.
fn split_sets(bytes: &[u8]) -> Result<Sets, String> {
    let mut sets: Sets = Vec::new();
    let mut open: Option<Vec<Range<usize>>> = None;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b',' => at += 1,
            b'{' if open.is_none() => {
                open = Some(Vec::new());
                at += 1;
            }
            b'}' => match open.take() {
                Some(set) => {
                    sets.push(set);
                    at += 1;
                }
                None => return Err("a `}` too many".to_owned()),
            },
            b'{' => return Err("sets do not nest".to_owned()),
            b if b.is_ascii_whitespace() => at += 1,
            _ => {
                let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b',' | b'{' | b'}');
                let rest = bytes.get(at..).unwrap_or_default();
                let end = at + rest.iter().position(ends).unwrap_or(rest.len());
                match &mut open {
                    Some(set) => set.push(at..end),
                    None => sets.push(core::iter::once(at..end).collect()),
                }
                at = end;
            }
        }
    }
    if open.is_some() { Err("a set is not closed".to_owned()) } else { Ok(sets) }
}
