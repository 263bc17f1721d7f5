//! `FILE_CHECK`: what the number in a file says of the server.
//!
//! It owns the meaning of `weight`. It reads nothing: the runner watches files.

use crate::words;
use standfast_lvs::{CheckWeight, Verdict};
use standfast_model::config::probe::TrackedFile;

/// The verdict while the file holds this number; a file that is missing or holds none counts as 0 (keepalived).
///
/// The number times `weight` is added to the weight of the server; at `-2147483648` or below the server is down.
/// `reverse` turns the sign. A `weight` of 0 makes any number but 0 a failure, or with `reverse` 0 itself.
#[must_use]
pub fn judge(check: &TrackedFile, value: Option<i32>) -> Verdict {
    let value = value.unwrap_or(0);
    if check.weight == 0 {
        return match (value, check.reverse) {
            (0, true) => words::failed("the file says 0"),
            (0, false) | (_, true) => Verdict::Ok,
            (value, false) => words::failed(&format!("the file says {value}")),
        };
    }
    let product = i64::from(value) * i64::from(check.weight);
    let added = if check.reverse { -product } else { product };
    if added <= i64::from(i32::MIN) {
        return words::failed(&format!("the file says {value}, which takes {} off the weight", -added));
    }
    Verdict::OkWithWeight(CheckWeight::Relative(added))
}

#[cfg(test)]
mod tests {
    use super::judge;
    use standfast_lvs::{CheckWeight, Verdict};
    use standfast_model::config::probe::TrackedFile;
    use standfast_model::config::track::FileId;

    fn check(weight: i32, reverse: bool, value: Option<i32>) -> Verdict {
        judge(&TrackedFile { file: FileId(0), weight, reverse }, value)
    }

    #[test]
    fn the_number_times_weight_is_added() {
        let added = |by| Verdict::OkWithWeight(CheckWeight::Relative(by));
        assert_eq!(check(2, false, Some(-10)), added(-20));
        assert_eq!(check(2, true, Some(-10)), added(20));
        assert_eq!(check(2, false, None), added(0));
        assert_eq!(check(1, false, Some(i32::MIN + 1)), added(i64::from(i32::MIN) + 1));
        assert!(matches!(check(1, false, Some(i32::MIN)), Verdict::Failed(_)));
        assert!(matches!(check(i32::MAX, true, Some(2)), Verdict::Failed(_)));
    }

    #[test]
    fn without_weight_any_number_but_0_is_a_failure_or_with_reverse_0_itself() {
        assert_eq!(check(0, false, Some(0)), Verdict::Ok);
        assert_eq!(check(0, false, None), Verdict::Ok);
        assert_eq!(check(0, true, Some(-1)), Verdict::Ok);
        let Verdict::Failed(reason) = check(0, false, Some(7)) else { unreachable!() };
        assert_eq!(reason.to_string(), "the file says 7");
        assert!(matches!(check(0, true, None), Verdict::Failed(_)));
    }
}
