//! The order of names that a reader expects: numbers in them count by their value, so that 10.0.0.9 comes before 10.0.0.10.

use core::cmp::Ordering;

/// Compares two names piece by piece, a run of digits being one piece.
pub(super) fn order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let ((one, a_rest), (other, b_rest)) = (piece(a), piece(b));
        if one.is_empty() || other.is_empty() {
            return one.len().cmp(&other.len());
        }
        let digits = [one, other].iter().all(|piece| piece.starts_with(|c: char| c.is_ascii_digit()));
        let by_value = || {
            let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
            one.len().cmp(&other.len()).then(one.cmp(other))
        };
        let ordering = if digits { by_value().then(one.cmp(other)) } else { one.cmp(other) };
        if ordering.is_ne() {
            return ordering;
        }
        (a, b) = (a_rest, b_rest);
    }
}

/// The first run of digits or of anything else, and what comes after it.
fn piece(text: &str) -> (&str, &str) {
    let is_digit = |c: char| c.is_ascii_digit();
    let digits = text.starts_with(is_digit);
    text.split_at(text.find(|c| is_digit(c) != digits).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_by_their_value() {
        let sorted =
            ["A", "VI_2", "VI_10", "10.0.0.9:80", "10.0.0.10:80", "10.0.0.10:443", "10.0.0.10:443:", "007", "7"];
        let mut names = sorted;
        names.reverse();
        names.sort_by(|a, b| order(a, b));
        let expected =
            ["007", "7", "10.0.0.9:80", "10.0.0.10:80", "10.0.0.10:443", "10.0.0.10:443:", "A", "VI_2", "VI_10"];
        assert_eq!(names, expected);
    }
}
