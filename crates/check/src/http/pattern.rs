//! `regex` of a page: a pattern of PCRE2, with bounds on what it may cost.
//!
//! It owns the translation of `regex_options` and the bounds. The text that it is tried on has a limit of its own.

use super::rewrite::{Said, rewrite};
use pcre2::bytes::{Regex as Compiled, RegexBuilder};
use standfast_model::config::probe::Regex;

/// What begins every pattern. A page that drives a pattern into backtracking is given up after so many steps, a few
/// tens of milliseconds, and so many KiB; PCRE2's own limits are ten million steps and 20 MB.
const LIMITS: &str = "(*LIMIT_MATCH=200000)(*LIMIT_DEPTH=2000)(*LIMIT_HEAP=1024)";

/// The most that `regex_stack` may ask for: a pattern that needs more on a page of 1 MiB runs away.
const STACK_BYTES: usize = 16 << 20;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pattern {
    compiled: Compiled,
    no_match: bool,
    first_line: bool,
    min_offset: usize,
    max_offset: usize,
}

/// What trying a pattern came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It matches, or does not, as is wanted.
    AsWanted,
    /// It should match and does not.
    NoMatch,
    /// It matches and should not (`regex_no_match`).
    Match,
    /// It came to no end.
    GaveUp(String),
}

impl Pattern {
    /// # Errors
    ///
    /// PCRE2 refuses the pattern, or an option is one that cannot be passed on to it.
    pub(crate) fn new(regex: &Regex) -> Result<Self, String> {
        let text = core::str::from_utf8(&regex.pattern).map_err(|_| "it is not UTF-8".to_owned())?;
        let mut builder = RegexBuilder::new();
        let (mut verbs, mut letters, mut first_line) = (String::from(LIMITS), String::new(), false);
        let mut said = Said::default();
        for option in &regex.options {
            match option.as_str() {
                "caseless" => _ = builder.caseless(true),
                "dotall" => _ = builder.dotall(true),
                "extended" => {
                    builder.extended(true);
                    said.extended = true;
                }
                "multiline" => {
                    builder.multi_line(true);
                    said.multiline = true;
                }
                "ucp" => _ = builder.ucp(true),
                "utf" => _ = builder.utf(true),
                "no_auto_possess" => verbs.push_str("(*NO_AUTO_POSSESS)"),
                "no_dotstar_anchor" => verbs.push_str("(*NO_DOTSTAR_ANCHOR)"),
                "no_start_optimize" => verbs.push_str("(*NO_START_OPT)"),
                "dupnames" => letters.push('J'),
                "no_auto_capture" => letters.push('n'),
                "ungreedy" => letters.push('U'),
                "firstline" => first_line = true,
                "allow_empty_class" => said.allow_empty_class = true,
                "alt_bsux" => said.alt_bsux = true,
                "alt_circumflex" => said.alt_circumflex = true,
                "dollar_endonly" => said.dollar_endonly = true,
                "match_unset_backref" => said.match_unset_backref = true,
                // A name of a verb says nothing but itself, unless it is written with what this option is for.
                "alt_verbnames" if has_written_verb_name(text) => {
                    return Err("alt_verbnames is not supported with a backslash in the name of a verb".to_owned());
                }
                "alt_verbnames" => {}
                // These forbid what a pattern would have to ask for.
                "never_ucp" if text.contains("(*UCP)") => return Err("never_ucp forbids (*UCP)".to_owned()),
                "never_utf" if text.contains("(*UTF)") => return Err("never_utf forbids (*UTF)".to_owned()),
                "never_backslash_c" if text.contains("\\C") => return Err("never_backslash_c forbids \\C".to_owned()),
                // And these change nothing that a check could see.
                "never_ucp" | "never_utf" | "never_backslash_c" | "auto_callout" | "use_offset_limit" => {}
                other => return Err(format!("the option {other} is not supported")),
            }
        }
        if let Some((_, most)) = regex.stack {
            builder.max_jit_stack_size(Some(usize::try_from(most).unwrap_or(usize::MAX).clamp(1, STACK_BYTES)));
        }
        let (own_verbs, rest) = text.split_at(leading_verbs(text));
        let rest = if said == Said::default() { rest.to_owned() } else { rewrite(rest, said) };
        let inline = if letters.is_empty() { String::new() } else { format!("(?{letters})") };
        let compiled = builder
            .jit_if_available(true)
            .build(&format!("{verbs}{own_verbs}{inline}{rest}"))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            compiled,
            no_match: regex.no_match,
            first_line,
            min_offset: usize::try_from(regex.min_offset).unwrap_or(usize::MAX),
            max_offset: regex.max_offset.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX)),
        })
    }

    pub(crate) fn judge(&self, text: &[u8]) -> Outcome {
        let found = if self.min_offset > text.len() { Ok(None) } else { self.compiled.find_at(text, self.min_offset) };
        match found {
            Err(error) => Outcome::GaveUp(error.to_string()),
            // The first match is the leftmost one: if that begins too late, so do all.
            Ok(found) => match (found.is_some_and(|found| found.start() <= self.latest(text)), self.no_match) {
                (true, false) | (false, true) => Outcome::AsWanted,
                (false, false) => Outcome::NoMatch,
                (true, true) => Outcome::Match,
            },
        }
    }

    /// Where a match may begin at the latest.
    fn latest(&self, text: &[u8]) -> usize {
        let line = text.iter().skip(self.min_offset).position(|byte| *byte == b'\n');
        match line.filter(|_| self.first_line) {
            Some(end) => self.max_offset.min(self.min_offset.saturating_add(end)),
            None => self.max_offset,
        }
    }
}

/// Whether a verb has a name with a backslash, as in `(*MARK:a\)b)`.
fn has_written_verb_name(pattern: &str) -> bool {
    pattern.match_indices("(*").any(|(at, _)| {
        let verb = pattern.get(at..).unwrap_or_default();
        let verb = verb.split_once(')').map_or(verb, |(verb, _)| verb);
        verb.split_once(':').is_some_and(|(_, name)| name.contains('\\'))
    })
}

/// How long the verbs are that a pattern begins with, such as `(*UTF)`: options must come after them.
fn leading_verbs(pattern: &str) -> usize {
    let mut length = 0;
    while let Some(rest) = pattern.get(length..).filter(|rest| rest.starts_with("(*"))
        && let Some(end) = rest.find(')')
        && rest.get(2..end).is_some_and(|verb| {
            // `(*FAIL)`, `(*ACCEPT)`, ... belong to the pattern itself.
            ["UTF", "UCP", "NO", "LIMIT", "CR", "LF", "CRLF", "ANY", "ANYCRLF", "NUL", "BSR_ANYCRLF", "BSR_UNICODE"]
                .contains(&verb.split(['_', '=']).next().unwrap_or(verb))
                || verb.starts_with("NOTEMPTY")
                || verb.starts_with("BSR_")
        })
    {
        length += end + 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Pattern};
    use standfast_model::config::probe::Regex;

    fn regex(pattern: &str, options: &[&str]) -> Regex {
        Regex {
            pattern: pattern.as_bytes().to_vec(),
            no_match: false,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            min_offset: 0,
            max_offset: None,
            stack: None,
        }
    }

    fn matches(regex: &Regex, text: &str) -> bool {
        match Pattern::new(regex).unwrap().judge(text.as_bytes()) {
            Outcome::AsWanted => true,
            Outcome::NoMatch => false,
            Outcome::Match | Outcome::GaveUp(_) => unreachable!(),
        }
    }

    #[test]
    fn options_mean_what_pcre2_says() {
        let yes = |pattern, options: &[&str], text| {
            assert!(matches(&regex(pattern, options), text), "{pattern} {options:?}");
            assert!(!matches(&regex(pattern, &[]), text), "{pattern} without {options:?}");
        };
        yes("HELLO", &["caseless"], "hello");
        yes("a.b", &["dotall"], "a\nb");
        yes("a b # words", &["extended"], "ab");
        yes("^b", &["multiline"], "a\nb");
        yes("^.$", &["utf"], "\u{e9}");
        yes("^\\w$", &["utf", "ucp"], "\u{e9}");
        assert!(matches(&regex("(?<a>x)|(?<a>y)", &["dupnames"]), "y"));
        assert!(Pattern::new(&regex("(?<a>x)|(?<a>y)", &[])).is_err());
        assert!(Pattern::new(&regex("(x)\\1", &["no_auto_capture"])).is_err());
        assert!(matches(&regex("(x)\\1", &[]), "xx"));
        for harmless in ["no_auto_possess", "no_dotstar_anchor", "no_start_optimize", "auto_callout", "never_utf"] {
            assert!(matches(&regex("(*NOTEMPTY)(?=b)b+?", &[harmless, "ungreedy"]), "abb"), "{harmless}");
        }
        assert!(Pattern::new(&regex("(*UTF)x", &["never_utf"])).is_err());
        assert!(Pattern::new(&regex("x", &["no_such"])).unwrap_err().contains("no_such"));
    }

    #[test]
    fn options_that_the_binding_does_not_know_mean_what_pcre2_says_too() {
        let differ = |pattern, option, more: &[&str], text, with| {
            let both = [&[option], more].concat();
            assert_eq!(matches(&regex(pattern, &both), text), with, "{pattern} {both:?}");
            let without = Pattern::new(&regex(pattern, more)).map(|pattern| pattern.judge(text.as_bytes()));
            assert_ne!(without, Ok(if with { Outcome::AsWanted } else { Outcome::NoMatch }), "{pattern} {more:?}");
        };
        differ("^a[]?b]$", "allow_empty_class", &[], "ab]", true);
        differ("^a[^]b", "allow_empty_class", &[], "a\nb", true);
        differ("\\u0041\\x42", "alt_bsux", &[], "AB", true);
        differ("^\\x4$", "alt_bsux", &[], "x4", true);
        differ("[\\U]", "alt_bsux", &[], "U", true);
        differ("b\\n^", "alt_circumflex", &["multiline"], "a\nb\n", true);
        differ("b$", "dollar_endonly", &[], "ab\n", false);
        differ("^(?:(a)|b)\\1c", "match_unset_backref", &[], "bc", true);
        differ("^(?:(?<n>a)|b)\\k<n>c", "match_unset_backref", &[], "bc", true);
        assert!(matches(&regex("^(a)\\1c", &["match_unset_backref"]), "aac"));
        assert!(!matches(&regex("^(a)\\1c", &["match_unset_backref"]), "ac"), "a group that is set counts");
        assert!(matches(&regex("(*MARK:x)b$", &["alt_verbnames"]), "b"));
        assert!(Pattern::new(&regex("(*MARK:a\\)b)c", &["alt_verbnames"])).is_err());
    }

    #[test]
    fn a_pattern_that_needs_much_stack_gets_what_regex_stack_says() {
        let with = |stack| Pattern::new(&Regex { stack, ..regex("^(?:(a)|b)*c$", &[]) }).unwrap();
        let text = [b"a".repeat(20_000), b"c".to_vec()].concat();
        let judged = with(Some((1024, 32 << 10))).judge(&text);
        assert!(matches!(judged, Outcome::GaveUp(_)), "{judged:?}");
        assert_eq!(with(Some((1024, 8 << 20))).judge(&text), Outcome::AsWanted);
    }

    #[test]
    fn a_match_on_a_later_line_is_none_with_firstline() {
        assert!(matches(&regex("b", &[]), "a\nb"));
        assert!(!matches(&regex("b", &["firstline"]), "a\nb"));
        assert!(matches(&regex("a\\nb", &["firstline"]), "a\nb"));
    }

    #[test]
    fn offsets_bound_where_a_match_begins() {
        let bounded =
            |min_offset, max_offset, text| matches(&Regex { min_offset, max_offset, ..regex("ok", &[]) }, text);
        assert!(bounded(3, None, "...ok"));
        assert!(!bounded(4, None, "...ok"));
        assert!(bounded(0, Some(3), "...ok"));
        assert!(!bounded(0, Some(2), "...ok"));
        assert!(!bounded(u64::MAX - 1, None, "...ok"));
    }

    #[test]
    fn no_match_turns_it_round() {
        let inverted = Pattern::new(&Regex { no_match: true, ..regex("down", &[]) }).unwrap();
        assert_eq!(inverted.judge(b"all up"), Outcome::AsWanted);
        assert_eq!(inverted.judge(b"all down"), Outcome::Match);
    }

    #[test]
    fn a_pattern_that_runs_away_is_given_up() {
        let pattern = Pattern::new(&regex("^(a+)+$", &[])).unwrap();
        let text = [b"a".repeat(5000), b"!".to_vec()].concat();
        let judged = pattern.judge(&text);
        assert!(matches!(judged, Outcome::GaveUp(_)), "{judged:?}");
    }
}
