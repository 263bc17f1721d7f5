//! Options of PCRE2 that its binding does not pass on, said in the pattern instead.
//!
//! It owns the walk over a pattern and what each of these options means in PCRE2's own words (pcre2api, pcre2pattern).
//! It matches nothing.

/// Which of them are wanted (`regex_options`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Said {
    /// `[]` matches nothing, and `[^]` anything.
    pub(super) allow_empty_class: bool,
    /// `\U`, and `\u` and `\x` without their digits, are the letters, as in JavaScript.
    pub(super) alt_bsux: bool,
    /// With `multiline`, `^` matches behind the last line feed as well.
    pub(super) alt_circumflex: bool,
    /// Without `multiline`, `$` matches at the end only, and not before a line feed there.
    pub(super) dollar_endonly: bool,
    /// A reference to a group that has matched nothing matches nothing, and does not fail.
    pub(super) match_unset_backref: bool,
    /// `multiline` is wanted too.
    pub(super) multiline: bool,
    /// `extended` is wanted too: comments are none of our business.
    pub(super) extended: bool,
}

/// The pattern with what is wanted said in it.
pub(super) fn rewrite(pattern: &str, said: Said) -> String {
    let mut walk = Walk { rest: pattern, out: String::with_capacity(pattern.len()), said, groups: groups(pattern) };
    while walk.step() {}
    walk.out
}

/// How many groups capture, at most: what looks like one within a class counts as well.
fn groups(pattern: &str) -> usize {
    let opens = pattern.match_indices('(').map(|(at, _)| pattern.get(at + 1..).unwrap_or_default());
    opens.filter(|rest| !rest.starts_with(['?', '*']) || rest.starts_with("?<") || rest.starts_with("?P<")).count()
}

struct Walk<'pattern> {
    rest: &'pattern str,
    out: String,
    said: Said,
    groups: usize,
}

impl<'pattern> Walk<'pattern> {
    /// Deals with what comes next; false at the end.
    fn step(&mut self) -> bool {
        let Some(next) = self.rest.chars().next() else { return false };
        match next {
            '\\' => self.escape(false),
            '[' => self.class(),
            '(' if self.rest.starts_with("(?#") || self.rest.starts_with("(*") => self.copy_through(")"),
            '(' if self.rest.starts_with("(?P=") && self.said.match_unset_backref => self.reference("(?P=", ")"),
            '#' if self.said.extended => self.copy_through("\n"),
            '$' if self.said.dollar_endonly && !self.said.multiline => self.say(1, "\\z"),
            '^' if self.said.alt_circumflex && self.said.multiline => self.say(1, "(?:^|(?<=\\n)\\z)"),
            other => self.copy(other.len_utf8()),
        }
        true
    }

    /// Takes so many bytes as they are.
    fn copy(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.out.push_str(taken);
        self.rest = rest;
    }

    fn copy_through(&mut self, end: &str) {
        self.copy(self.rest.find(end).map_or(self.rest.len(), |at| at + end.len()));
    }

    /// Takes so many bytes, and says this in their place.
    fn say(&mut self, bytes: usize, instead: &str) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
        self.out.push_str(instead);
    }

    /// What a backslash begins.
    fn escape(&mut self, in_class: bool) {
        let after = self.rest.get(1..).unwrap_or_default();
        let hexadecimal =
            |digits: usize| after.get(1..=digits).filter(|found| found.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match after.chars().next() {
            Some('Q') => self.copy_through("\\E"),
            Some('U') if self.said.alt_bsux => self.say(2, "U"),
            Some('u') if self.said.alt_bsux => match hexadecimal(4) {
                Some(digits) => self.say(6, &format!("\\x{{{digits}}}")),
                None => self.say(2, "u"),
            },
            Some('x') if self.said.alt_bsux => match hexadecimal(2) {
                Some(digits) => self.say(4, &format!("\\x{{{digits}}}")),
                None => self.say(2, "x"),
            },
            Some('1'..='9') if self.said.match_unset_backref && !in_class => self.numbered(after),
            Some('g' | 'k') if self.said.match_unset_backref && !in_class => self.named(),
            Some(other) => self.copy(1 + other.len_utf8()),
            None => self.copy(1),
        }
    }

    /// `\1`; beyond 9 it is a reference only if there are as many groups, and else an octal number.
    fn numbered(&mut self, after: &str) {
        let length = after.bytes().take_while(u8::is_ascii_digit).count();
        let digits = after.get(..length).unwrap_or_default();
        match digits.parse::<usize>() {
            Ok(number) if number < 10 || number <= self.groups => {
                self.say(1 + length, &format!("(?({number})\\g{{{number}}})"));
            }
            Ok(_) | Err(_) => self.copy(1 + length),
        }
    }

    /// `\g{1}`, `\g1`, `\k<name>` and the like.
    fn named(&mut self) {
        for (begin, end) in [("\\g{", "}"), ("\\k{", "}"), ("\\k<", ">"), ("\\k'", "'")] {
            if self.rest.starts_with(begin) {
                return self.reference(begin, end);
            }
        }
        let after = self.rest.strip_prefix("\\g").unwrap_or_default();
        let sign = usize::from(after.starts_with(['-', '+']));
        let digits = after.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
        match after.get(..sign + digits).filter(|_| digits > 0) {
            Some(number) => self.say(2 + number.len(), &format!("(?({number})\\g{{{number}}})")),
            // `\g<name>` calls a group and does not refer to what it matched.
            None => self.copy(2),
        }
    }

    fn reference(&mut self, begin: &str, end: &str) {
        let inside = self.rest.get(begin.len()..).and_then(|rest| rest.split_once(end));
        let Some((name, _)) = inside else { return self.copy(begin.len()) };
        let numbered = name.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+'));
        let instead = if numbered { format!("(?({name})\\g{{{name}}})") } else { format!("(?(<{name}>)\\k<{name}>)") };
        self.say(begin.len() + name.len() + end.len(), &instead);
    }

    /// A class, to its end. A `]` at its beginning is one of its letters, unless classes may be empty.
    fn class(&mut self) {
        if self.said.allow_empty_class {
            if self.rest.starts_with("[]") {
                return self.say(2, "[^\\s\\S]");
            }
            if self.rest.starts_with("[^]") {
                return self.say(3, "[\\s\\S]");
            }
        }
        self.copy(if self.rest.starts_with("[^") { 2 } else { 1 });
        if self.rest.starts_with(']') {
            self.copy(1);
        }
        while let Some(next) = self.rest.chars().next() {
            match next {
                ']' => return self.copy(1),
                '\\' => self.escape(true),
                '[' if self.rest.starts_with("[:") && self.rest.contains(":]") => self.copy_through(":]"),
                other => self.copy(other.len_utf8()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, rewrite};

    #[test]
    fn only_what_an_option_is_about_is_said_differently() {
        let all = Said {
            allow_empty_class: true,
            alt_bsux: true,
            alt_circumflex: true,
            dollar_endonly: true,
            match_unset_backref: true,
            ..Said::default()
        };
        let same = [
            "a^b",
            "\\$[$^a]\\Q$[]\\1\\E",
            "(?#$)(*MARK:$)x",
            "[[:alpha:]$]",
            "\\\\\\d\\g<n>",
            "[",
            "\\",
            "(?P=",
            "\\77",
        ];
        for pattern in same {
            assert_eq!(rewrite(pattern, all), pattern);
        }
        assert_eq!(rewrite("[$]$", all), "[$]\\z");
        assert_eq!(rewrite("$", Said { multiline: true, ..all }), "$");
        assert_eq!(rewrite("a # $\n$", Said { extended: true, ..all }), "a # $\n\\z");
        assert_eq!(rewrite("\\k<n>\\k'n'\\k{n}\\g{n}(?P=n)", all), "(?(<n>)\\k<n>)".repeat(5));
        assert_eq!(rewrite("\\g{-1}\\g2\\g+1", all), "(?(-1)\\g{-1})(?(2)\\g{2})(?(+1)\\g{+1})");
        assert_eq!(rewrite("\\é[é]é", all), "\\é[é]é");
    }

    #[test]
    fn no_text_is_walked_over_its_end() {
        let said = Said { match_unset_backref: true, allow_empty_class: true, alt_bsux: true, ..Said::default() };
        for pattern in ["\\x4", "\\u00e", "\\g", "\\k<", "[a", "[^", "[[:", "\\Q", "(?#", "\\12345678901234567890123"] {
            let _ = rewrite(pattern, said);
        }
        assert_eq!(rewrite("\\x4\\u00e9", said), "x4\\x{00e9}");
    }
}
