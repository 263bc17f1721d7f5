//! Physical lines: their end, their length, their comments, and where their braces are.

use super::{LINE_LIMIT, OpenFile};
use crate::source::{Sources, Span};
use crate::text::{Mixture, Text, without_blanks};
use core::ops::Range;

/// keepalived's buffer holds 1022 bytes and the line feed.
pub(crate) const KEEPALIVED_LINE: usize = 1022;

/// One line of a file.
pub(super) enum Physical {
    /// Without comment, blanks at the ends, line feed.
    Good(Text),
    /// It holds a NUL byte.
    Nul(Span),
    /// It has too many bytes.
    TooLong(Span, usize),
    /// Good here, and too long for keepalived.
    LongForKeepalived(Span, Text),
}

/// Reads the next line; none at the end of the file.
pub(super) fn physical(file: &mut OpenFile) -> Option<Physical> {
    let start = file.at;
    let rest = file.text.octets().get(start..).filter(|rest| !rest.is_empty())?;
    let end = memchr::memchr(b'\n', rest);
    let mut line = rest.get(..end.unwrap_or(rest.len()))?;
    file.at += line.len() + usize::from(end.is_some());
    while let Some(shorter) = line.strip_suffix(b"\r") {
        line = shorter;
    }
    let at = |offset: usize| u32::try_from(start + offset).unwrap_or(u32::MAX);
    let span = |range: Range<usize>| Span { start: at(range.start), end: at(range.end), ..Sources::head(file.id) };
    if line.len() > LINE_LIMIT {
        return Some(Physical::TooLong(span(0..1), line.len()));
    }
    if Marks::of(line).0 & (Marks::COMMENT | Marks::NUL) == 0 {
        // Nearly every line: nothing to cut but blanks.
        let text = Text::exact(&file.text, span(without_blanks(line)));
        return Some(of_length(line.len(), span(0..1), text));
    }
    if let Some(nul) = memchr::memchr(0, line) {
        return Some(Physical::Nul(span(nul..nul + 1)));
    }
    let (end, escapes) = uncommented(line, |_| true);
    let text = Text::exact(&file.text, span(0..end));
    let text = if escapes.is_empty() { text } else { without(&text, &escapes) };
    Some(of_length(line.len(), span(0..1), text.trimmed()))
}

fn of_length(length: usize, head: Span, text: Text) -> Physical {
    if length > KEEPALIVED_LINE { Physical::LongForKeepalived(head, text) } else { Physical::Good(text) }
}

/// How many bytes at the beginning are blanks that nobody can tell from blanks, and letters to every reader of bytes: no-break,
/// typographic, ideographic and zero-width spaces. 0 if there are none but common blanks.
pub(super) fn invisible_indent(bytes: &[u8]) -> usize {
    let mut at = 0;
    let mut found = false;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        at += match rest {
            [b' ' | b'\t', ..] => 1,
            [0xc2, 0xa0, ..] => 2,
            [0xe2, 0x80, 0x80..=0x8b | 0xaf, ..]
            | [0xe2, 0x81, 0x9f, ..]
            | [0xe3, 0x80, 0x80, ..]
            | [0xef, 0xbb, 0xbf, ..] => 3,
            _ => return if found { at } else { 0 },
        };
        found |= !rest.first().is_some_and(u8::is_ascii);
    }
}

/// Which kinds of bytes that mean something a line holds, found in one pass: nearly every line holds none.
#[derive(Clone, Copy)]
pub(super) struct Marks(u8);

impl Marks {
    const NUL: u8 = 1;
    const COMMENT: u8 = 2;
    const BRACE: u8 = 4;
    const USE: u8 = 8;

    /// The kind of each byte: looked up, since every byte of a configuration is asked twice.
    #[expect(clippy::indexing_slicing, reason = "an octet is below 256, and this is done by the compiler")]
    const OF: [u8; 256] = {
        let mut of = [0; 256];
        of[0] = Self::NUL;
        of[b'#' as usize] = Self::COMMENT;
        of[b'!' as usize] = Self::COMMENT;
        of[b'{' as usize] = Self::BRACE;
        of[b'}' as usize] = Self::BRACE;
        of[b'$' as usize] = Self::USE;
        of
    };

    pub(super) fn of(bytes: &[u8]) -> Self {
        static OF: [u8; 256] = Marks::OF;
        Self(bytes.iter().fold(0, |marks, byte| marks | OF.get(usize::from(*byte)).copied().unwrap_or(0)))
    }

    /// Nothing to replace and nothing to cut.
    pub(super) fn is_plain(self) -> bool {
        self.0 & (Self::BRACE | Self::USE) == 0
    }

    /// It may use a definition.
    pub(super) fn has_use(self) -> bool {
        self.0 & Self::USE != 0
    }
}

/// Where the line ends before its comment, and which backslashes only kept a `#` or `!` from beginning one.
///
/// A comment begins at any place outside double quotes where `may_begin` agrees. Inside quotes a backslash protects the
/// next byte, so that `"\""` is closed where its writer closed it.
pub(crate) fn uncommented(bytes: &[u8], may_begin: impl Fn(usize) -> bool) -> (usize, Vec<usize>) {
    let mut escapes = Vec::new();
    let mut quoted = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => at += 1,
            b'\\' if matches!(bytes.get(at + 1), Some(b'#' | b'!')) => {
                if may_begin(at + 1) {
                    escapes.push(at);
                }
                at += 1;
            }
            b'#' | b'!' if !quoted && may_begin(at) => return (at, escapes),
            _ => {}
        }
        at += 1;
    }
    (bytes.len(), escapes)
}

fn without(text: &Text, escapes: &[usize]) -> Text {
    let mut out = Mixture::new(text.span());
    let mut from = 0;
    for at in escapes {
        out.append(text, from..*at, None);
        from = at + 1;
    }
    out.append(text, from..text.len(), None);
    out.finish()
}

/// Cuts a comment that substitution brought in; what stood in the file has lost its comments before.
pub(super) fn decomment_substituted(text: Text) -> Text {
    let (end, _) = uncommented(text.bytes(), |at| text.is_substituted(at));
    if end == text.len() { text } else { text.slice(0..end) }
}

/// The first brace outside double quotes that is no part of `${...}`, with its place.
pub(crate) fn structural_brace(bytes: &[u8]) -> Option<(usize, u8)> {
    let mut quoted = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => at += 1,
            b'$' if !quoted => at += braced_use(bytes.get(at..).unwrap_or_default()).map_or(0, |length| length - 1),
            b'{' | b'}' if !quoted => return Some((at, *byte)),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The length of `${NAME}` or `${NAME words}` at the beginning of the bytes.
pub(super) fn braced_use(bytes: &[u8]) -> Option<usize> {
    let inner = bytes.strip_prefix(b"${")?;
    let end = inner.iter().position(|b| *b == b'}')?;
    let name = inner.get(..end)?;
    let named = name.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b' ' | b'\t' | b'-' | b'+');
    (named && name.iter().all(plain)).then_some(end + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(line: &[u8]) -> &[u8] {
        &line[..uncommented(line, |_| true).0]
    }

    #[test]
    fn comments_begin_anywhere_outside_double_quotes() {
        assert_eq!(kept(b"priority 100#x"), b"priority 100");
        assert_eq!(kept(b"a ! b"), b"a ");
        assert_eq!(kept(br##"notify "/x #1" #c"##), br##"notify "/x #1" "##);
        assert_eq!(kept(b"notify '/x #1'"), b"notify '/x ");
        assert_eq!(kept(br#"a "\" # b" # c"#), br#"a "\" # b" "#);
        assert_eq!(uncommented(br"a \# b # c", |_| true), (7, vec![2]));
    }

    #[test]
    fn braces_count_outside_quotes_and_definitions_only() {
        assert_eq!(structural_brace(b"a{b"), Some((1, b'{')));
        assert_eq!(structural_brace(br#"vrrp_instance "a{" }"#), Some((19, b'}')));
        assert_eq!(structural_brace(b"10.0.0.${n}/24 }"), Some((15, b'}')));
        assert_eq!(structural_brace(b"${_RANDOM 1 5}"), None);
        assert_eq!(structural_brace(b"${ not a name }"), Some((1, b'{')));
    }
}
