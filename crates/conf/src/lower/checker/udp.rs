//! `UDP_CHECK`.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::lower::setting::set;
use crate::parse::{Parser, Statement};
use standfast_model::config::probe::MaskedByte;

/// What the checker says.
#[derive(Clone, Debug, Default)]
pub(crate) struct UdpDraft {
    pub(crate) payload: Option<Vec<u8>>,
    /// `require_reply`: what it must hold, empty for anything.
    pub(crate) reply: Option<Vec<MaskedByte>>,
    pub(crate) min_length: Option<u16>,
    pub(crate) max_length: Option<u16>,
}

impl UdpDraft {
    pub(super) fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement) -> bool {
        match statement.keyword.name {
            "payload" => {
                let bytes = bytes(parser, statement, false);
                set(&mut self.payload, bytes.map(|b| b.into_iter().map(|b| b.value).collect()));
            }
            "require_reply" => set(&mut self.reply, bytes(parser, statement, true)),
            "min_reply_length" => set(&mut self.min_length, parser.number(statement)),
            "max_reply_length" => set(&mut self.max_length, parser.number(statement)),
            _ => return false,
        }
        true
    }
}

/// Hexadecimal digits in pairs, blanks between pairs; with `wild`, an `x` stands for any digit.
fn bytes(parser: &mut Parser<'_>, statement: &Statement, wild: bool) -> Option<Vec<MaskedByte>> {
    let mut found = Vec::new();
    for at in 0..statement.args() {
        let word = statement.arg(at).unwrap_or_default();
        let digits: Option<Vec<(u8, u8)>> = word.iter().map(|b| nibble(*b, wild)).collect();
        let Some(digits) = digits.filter(|d| d.len().is_multiple_of(2)) else {
            let headline = format!("`{}` are no bytes", crate::value::shown(word));
            let label = if wild {
                "pairs of hexadecimal digits or x are wanted"
            } else {
                "pairs of hexadecimal digits are wanted"
            };
            parser.report(Diagnostic::new(Code::InvalidNumber, headline, statement.arg_span(at), label));
            return None;
        };
        found.extend(digits.chunks(2).filter_map(|pair| {
            let ((high, high_mask), (low, low_mask)) = (*pair.first()?, *pair.get(1)?);
            Some(MaskedByte { value: high << 4 | low, mask: high_mask << 4 | low_mask })
        }));
    }
    Some(found)
}

/// A digit and which of its bits count.
fn nibble(byte: u8, wild: bool) -> Option<(u8, u8)> {
    if wild && matches!(byte, b'x' | b'X') {
        return Some((0, 0));
    }
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok().map(|digit| (digit, 0x0f))
}
