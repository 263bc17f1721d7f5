//! Single words to values: numbers, times, booleans, addresses, names, against the ranges of the keyword table.
//!
//! What cannot be is said here, once, with the place of the word; the statement is then left out.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keyword::Args;
use crate::parse::{Parser, Statement};
use crate::source::Span;
use core::time::Duration;
use standfast_model::InterfaceName;
use std::net::{IpAddr, Ipv4Addr};

/// Why a word is no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NumberError {
    /// It has other letters than digits.
    Invalid,
    /// Too large for anything.
    Huge,
}

/// A decimal integer: blanks and a sign before it, nothing behind it. `010` is ten.
pub(crate) fn integer(word: &[u8]) -> Result<i128, NumberError> {
    let word = word.trim_ascii_start();
    let (sign, digits) = match word {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NumberError::Invalid);
    }
    // Eighteen digits fit into 64 bits, in which a processor counts faster.
    if digits.len() <= 18 {
        let value = digits.iter().fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
        return Ok(i128::from(sign * value));
    }
    let mut value: i128 = 0;
    for digit in digits {
        value = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(digit - b'0'))).ok_or(NumberError::Huge)?;
    }
    Ok(i128::from(sign) * value)
}

/// A decimal fraction in units of `10^-places`, and whether it had more places than that (then rounded half up).
pub(crate) fn decimal(word: &[u8], places: usize) -> Result<(u64, bool), NumberError> {
    let word = word.trim_ascii_start();
    let dot = word.iter().position(|b| *b == b'.').unwrap_or(word.len());
    let (whole, fraction) = (word.get(..dot).unwrap_or_default(), word.get(dot + 1..).unwrap_or_default());
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return Err(NumberError::Invalid);
    }
    let mut value: u64 = 0;
    let kept = fraction.iter().chain(core::iter::repeat(&b'0')).take(places);
    for digit in whole.iter().chain(kept) {
        value = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0'))).ok_or(NumberError::Huge)?;
    }
    let surplus = fraction.get(places..).unwrap_or_default();
    if surplus.first().is_some_and(|d| *d >= b'5') {
        value = value.checked_add(1).ok_or(NumberError::Huge)?;
    }
    Ok((value, surplus.iter().any(|d| *d != b'0')))
}

/// A boolean of keepalived: lower case only.
pub(crate) fn boolean(word: &[u8]) -> Option<bool> {
    match word {
        b"true" | b"on" | b"yes" => Some(true),
        b"false" | b"off" | b"no" => Some(false),
        _ => None,
    }
}

/// A numeric address. IPv4 without leading zeros, IPv6 without zone.
pub(crate) fn address(word: &[u8]) -> Option<IpAddr> {
    core::str::from_utf8(word).ok()?.parse().ok()
}

/// A word as text for messages: cut, so that a megabyte without a blank does not fill a terminal.
pub(crate) fn shown(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    if text.chars().count() <= 60 { text.into_owned() } else { text.chars().take(60).chain("...".chars()).collect() }
}

/// The unit in which a time is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TimeUnit {
    Seconds,
    Milliseconds,
}

impl TimeUnit {
    /// Of what a keyword takes, if that is a time, with the smallest and the largest in microseconds.
    pub(crate) fn of(args: Args) -> Option<(Self, u64, u64)> {
        if let Args::Seconds(least, most) = args {
            Some((Self::Seconds, least, most))
        } else if let Args::Milliseconds(least, most) = args {
            Some((Self::Milliseconds, least, most))
        } else {
            None
        }
    }

    /// How it is written behind a number.
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
        }
    }

    /// The decimals that a microsecond has.
    const fn places(self) -> usize {
        match self {
            Self::Seconds => 6,
            Self::Milliseconds => 3,
        }
    }

    /// Microseconds in this unit, without zeros at the end: `0.01`, `255`.
    pub(crate) fn show(self, microseconds: u64) -> String {
        let width = self.places();
        let per_unit = match self {
            Self::Seconds => 1_000_000,
            Self::Milliseconds => 1_000,
        };
        let text = format!("{}.{:0width$}", microseconds / per_unit, microseconds % per_unit);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

impl Parser<'_> {
    fn report_number(&mut self, error: NumberError, what: &str, word: &[u8], span: Span, range: &str) {
        match error {
            NumberError::Invalid => {
                let headline = format!("`{}` is not {what}", shown(word));
                self.report(Diagnostic::new(Code::InvalidNumber, headline, span, format!("{range} is wanted")));
            }
            NumberError::Huge => self.report_range(&shown(word), span, range),
        }
    }

    fn report_range(&mut self, value: &str, span: Span, range: &str) {
        let headline = format!("{value} is out of range");
        self.report(Diagnostic::new(Code::OutOfRange, headline, span, format!("{range} is allowed")));
    }

    /// A word as a number of a range.
    pub(crate) fn number_of(&mut self, word: &[u8], span: Span, min: i128, max: i128) -> Option<i128> {
        let found = integer(word);
        if let Ok(value) = found
            && (min..=max).contains(&value)
        {
            return Some(value);
        }
        let range = format!("{min} to {max}");
        match found {
            Ok(value) => self.report_range(&value.to_string(), span, &range),
            Err(error) => self.report_number(error, "a number", word, span, &range),
        }
        None
    }

    /// The first argument as the number that the table describes, in the caller's type.
    pub(crate) fn number<T: TryFrom<i128>>(&mut self, statement: &Statement) -> Option<T> {
        let value = match (statement.keyword.args(), statement.arg(0)) {
            (Args::OptionalNumber(_, _, bare), None) => Some(bare),
            (Args::Number(min, max) | Args::OptionalNumber(min, max, _), Some(word)) => {
                self.number_of(word, statement.arg_span(0), min, max)
            }
            _ => None,
        };
        value.and_then(|v| T::try_from(v).ok())
    }

    /// A word as a time of a range in microseconds.
    fn time_of(&mut self, word: &[u8], span: Span, unit: TimeUnit, (min, max): (u64, u64)) -> Option<Duration> {
        let (places, symbol) = (unit.places(), unit.symbol());
        let found = decimal(word, places);
        if let Ok((value, surplus)) = found {
            if surplus {
                let headline = format!("`{}` has more than {places} decimals", shown(word));
                let label = format!("{} {symbol} is used", unit.show(value));
                self.report(Diagnostic::new(Code::Adjusted, headline, span, label));
            }
            if (min..=max).contains(&value) {
                return Some(Duration::from_micros(value));
            }
        }
        let range = format!("{} to {} {symbol}", unit.show(min), unit.show(max));
        match found {
            Ok(_) => self.report_range(&shown(word), span, &range),
            Err(error) => self.report_number(error, "a time", word, span, &range),
        }
        None
    }

    /// A word as a time in seconds.
    pub(crate) fn seconds_of(&mut self, word: &[u8], span: Span, min: u64, max: u64) -> Option<Duration> {
        self.time_of(word, span, TimeUnit::Seconds, (min, max))
    }

    /// The first argument as the time that the table describes. Whole seconds too, where the table says a number.
    pub(crate) fn time(&mut self, statement: &Statement) -> Option<Duration> {
        let (word, span) = (statement.arg(0)?, statement.arg_span(0));
        match TimeUnit::of(statement.keyword.args()) {
            Some((unit, min, max)) => self.time_of(word, span, unit, (min, max)),
            None => self.number::<u64>(statement).map(Duration::from_secs),
        }
    }

    /// `[<BOOL>]`.
    pub(crate) fn boolean(&mut self, statement: &Statement) -> Option<bool> {
        let Some(word) = statement.arg(0) else { return Some(true) };
        let value = boolean(word);
        if value.is_none() {
            let headline = format!("`{}` is neither true nor false", shown(word));
            let label = "true, on, yes, false, off or no is wanted";
            self.report(Diagnostic::new(Code::InvalidBoolean, headline, statement.arg_span(0), label));
        }
        value
    }

    /// The first argument as one of the words of the table: its place among them.
    pub(crate) fn choice(&mut self, statement: &Statement) -> Option<&'static str> {
        let Args::Choice(words) = statement.keyword.args() else { return None };
        self.choice_of(statement.arg(0)?, statement.arg_span(0), words)
    }

    /// A word as one of several.
    pub(crate) fn choice_of(&mut self, word: &[u8], span: Span, words: &[&'static str]) -> Option<&'static str> {
        let found = words.iter().find(|w| w.as_bytes() == word).copied();
        if found.is_none() {
            let headline = format!("`{}` is not offered here", shown(word));
            let label = format!("one of {} is wanted", words.join(", "));
            let mut diagnostic = Diagnostic::new(Code::InvalidChoice, headline, span, label);
            if let Some(near) = words.iter().find(|w| w.as_bytes().eq_ignore_ascii_case(word)) {
                diagnostic = diagnostic.help(format!("write `{near}`: case matters"));
            }
            self.report(diagnostic);
        }
        found
    }

    /// A word as an address. What stands behind the first `-` or `/` is cut, as in keepalived, but not silently.
    pub(crate) fn address_of(&mut self, word: &[u8], span: Span) -> Option<IpAddr> {
        let cut = word.iter().position(|b| matches!(b, b'-' | b'/')).unwrap_or(word.len());
        let found = word.get(..cut).and_then(address);
        if let Some(found) = found.filter(|_| cut < word.len()) {
            let headline = format!("what follows the address in `{}` is cut", shown(word));
            let label = format!("{found} is used");
            self.report(Diagnostic::new(Code::CutAddress, headline, span, label));
        }
        if found.is_none() {
            let headline = format!("`{}` is not an address", shown(word));
            let label = "a numeric IPv4 or IPv6 address is wanted";
            let mut diagnostic = Diagnostic::new(Code::InvalidAddress, headline, span, label);
            if let Some(help) = address_help(word) {
                diagnostic = diagnostic.help(help);
            }
            self.report(diagnostic);
        }
        found
    }

    /// The first argument as an address.
    pub(crate) fn address(&mut self, statement: &Statement) -> Option<IpAddr> {
        self.address_of(statement.arg(0)?, statement.arg_span(0))
    }

    /// A word as an interface name. Whether the interface exists is asked when all is read.
    pub(crate) fn interface_of(&mut self, word: &[u8], span: Span) -> Option<InterfaceName> {
        let text = String::from_utf8_lossy(word);
        match text.parse::<InterfaceName>() {
            Ok(name) => Some(name),
            Err(error) => {
                let headline = format!("`{}` is not an interface name", shown(word));
                self.report(Diagnostic::new(Code::InvalidName, headline, span, error.to_string()));
                None
            }
        }
    }

    /// Checks the words of a statement that nothing is made of.
    pub(crate) fn check_words(&mut self, statement: &Statement) {
        match statement.keyword.args() {
            Args::Number(..) | Args::OptionalNumber(..) => _ = self.number::<i128>(statement),
            Args::Seconds(..) | Args::Milliseconds(..) => _ = self.time(statement),
            Args::Bool => _ = self.boolean(statement),
            Args::Choice(_) => _ = self.choice(statement),
            Args::Address => _ = self.address(statement),
            Args::Interface => {
                if let Some(word) = statement.arg(0) {
                    self.interface_of(word, statement.arg_span(0));
                }
            }
            Args::Flag
            | Args::Word(_)
            | Args::OneWord(_)
            | Args::OptionalWord(_)
            | Args::Words(_)
            | Args::Script
            | Args::OptionalScript
            | Args::Command
            | Args::User
            | Args::Other(..) => {}
        }
    }
}

fn address_help(word: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(word).ok()?;
    if let Some(cut) = text.strip_suffix([',', ';']).filter(|cut| address(cut.as_bytes()).is_some()) {
        return Some(format!("write `{cut}`: entries end with their line"));
    }
    let octets: Vec<&str> = text.split('.').collect();
    let zeros = octets.len() == 4 && octets.iter().any(|o| o.len() > 1 && o.starts_with('0'));
    if zeros {
        let plain: Option<Vec<u8>> = octets.iter().map(|o| o.parse().ok()).collect();
        let plain: [u8; 4] = plain?.try_into().ok()?;
        return Some(format!("write `{}`: leading zeros could mean octal", Ipv4Addr::from(plain)));
    }
    text.contains('%').then(|| "a zone is not understood; the scope is the interface's".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_decimal_and_whole() {
        assert_eq!(integer(b"010"), Ok(10));
        assert_eq!(integer(b"+5"), Ok(5));
        assert_eq!(integer(b" -7"), Ok(-7));
        for bad in [&b"0x10"[..], b"", b"-", b"5 ", b"5s", b"--5"] {
            assert_eq!(integer(bad), Err(NumberError::Invalid), "{}", shown(bad));
        }
        assert_eq!(integer(&[b'9'; 60]), Err(NumberError::Huge));
    }

    #[test]
    fn a_number_of_microseconds_is_shown_in_the_unit_of_its_keyword() {
        assert_eq!(TimeUnit::Seconds.show(1_000), "0.001");
        assert_eq!(TimeUnit::Seconds.show(4_294_000_000), "4294");
        assert_eq!(TimeUnit::Seconds.show(u64::MAX - 1), "18446744073709.551614");
        assert_eq!(TimeUnit::Milliseconds.show(10_500), "10.5");
        assert_eq!(TimeUnit::Milliseconds.show(0), "0");
    }

    #[test]
    fn decimals_round_half_up_and_say_when_places_were_lost() {
        assert_eq!(decimal(b"1.5", 6), Ok((1_500_000, false)));
        assert_eq!(decimal(b"5.", 6), Ok((5_000_000, false)));
        assert_eq!(decimal(b".5", 6), Ok((500_000, false)));
        assert_eq!(decimal(b"0.0000015", 6), Ok((2, true)));
        assert_eq!(decimal(b"0.0000014", 6), Ok((1, true)));
        assert_eq!(decimal(b"1.0000000", 6), Ok((1_000_000, false)));
        assert_eq!(decimal(b"18446744073709.551614", 6), Ok((18_446_744_073_709_551_614, false)));
        for bad in [&b"."[..], b"", b"-1", b"1e3", b"1.2.3", b"1s"] {
            assert_eq!(decimal(bad, 6), Err(NumberError::Invalid), "{}", shown(bad));
        }
        assert_eq!(decimal(&[b'9'; 30], 6), Err(NumberError::Huge));
    }
}
