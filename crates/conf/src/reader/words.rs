//! Splitting a statement into words.

use core::ops::Range;

/// The words of a statement, as ranges of its bytes without their quotes.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// The first ones; most statements have no more, and cost no memory of their own.
    first: [(u32, u32); 3],
    more: Vec<(u32, u32)>,
    count: usize,
    /// Where a double quote stands that is not closed; what follows it is lost, as in keepalived.
    pub(crate) unterminated: Option<usize>,
}

impl Words {
    /// Where a word stands.
    pub(crate) fn get(&self, index: usize) -> Option<Range<usize>> {
        if index >= self.count {
            return None;
        }
        let found = self.first.get(index).or_else(|| self.more.get(index - self.first.len()));
        found.map(|(start, end)| *start as usize..*end as usize)
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// All of them.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        (0..self.count).filter_map(|index| self.get(index))
    }

    fn push(&mut self, range: Range<usize>) {
        // A line has 64 KiB at most.
        let at = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        let word = (at(range.start), at(range.end));
        match self.first.get_mut(self.count) {
            Some(place) => *place = word,
            None => self.more.push(word),
        }
        self.count += 1;
    }
}

/// White space between words (`isspace` of C).
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// Words are separated by white space; a double quote begins a word that runs to the next one, and ends a word that
/// did not begin with one. There are no escapes, and single quotes are letters.
pub(crate) fn split(bytes: &[u8]) -> Words {
    let mut words = Words::default();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        if is_blank(*byte) {
            at += 1;
        } else if *byte == b'"' {
            let Some(end) = rest.iter().position(|b| *b == b'"') else {
                words.unterminated = Some(at);
                break;
            };
            words.push(at + 1..at + 1 + end);
            at += end + 2;
        } else {
            let ends = |b: &u8| is_blank(*b) || *b == b'"';
            let end = at + 1 + rest.iter().position(ends).unwrap_or(rest.len());
            words.push(at..end);
            at = end;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<&str> {
        split(line.as_bytes()).ranges().map(|r| &line[r]).collect()
    }

    #[test]
    fn quotes_begin_and_end_words_and_know_no_escape() {
        assert_eq!(words("a  b\tc"), ["a", "b", "c"]);
        assert_eq!(words(r#"ab"c d"e"#), ["ab", "c d", "e"]);
        assert_eq!(words(r#"vrrp_instance "front end""#), ["vrrp_instance", "front end"]);
        assert_eq!(words(r#"a """#), ["a", ""]);
        assert_eq!(words("a b c d e"), ["a", "b", "c", "d", "e"]);
        assert_eq!(words("a 'b c'"), ["a", "'b", "c'"]);
        assert_eq!(split(br#"a b "c d"#).unterminated, Some(4));
        assert_eq!(words(r#"a b "c d"#), ["a", "b"]);
    }
}
