//! Words of verdicts: bounded, and printable whatever a server or a configuration put in.
//!
//! It owns their form and knows no check.

use core::fmt::Write;
use standfast_lvs::{Reason, Verdict};

/// The longest piece of foreign text in a verdict, in characters: a line of the journal stays a line.
const LONGEST: usize = 100;

/// The server answered, and not as the check asks.
pub(crate) fn failed(words: &str) -> Verdict {
    Verdict::Failed(Reason::Answer(words.into()))
}

/// Foreign bytes as text: cut at a limit, what is not printable as an escape.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for character in String::from_utf8_lossy(bytes.get(..LONGEST * 4).unwrap_or(bytes)).chars().take(LONGEST) {
        if character.is_control() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}", character.escape_default());
        } else {
            text.push(character);
        }
    }
    if text.chars().count() < bytes.len() && bytes.len() > LONGEST {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn foreign_text_is_printable_and_short() {
        assert_eq!(shown(b"/health"), "/health");
        assert_eq!(shown(b"a\r\nb\x1b[2J"), "a\\r\\nb\\u{1b}[2J");
        assert_eq!(shown(&[b'x'; 5000]).len(), 103);
    }
}
