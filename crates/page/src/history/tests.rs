//! What is remembered of what was served.

use super::*;

const HOUR: u64 = 3_600_000;

fn at(key: &str, condition: Condition) -> Vec<(String, Condition)> {
    vec![(key.to_owned(), condition)]
}

/// Ten hours: served, an hour down, served elsewhere, half an hour on the sorry server, served.
fn eventful() -> (History, String) {
    let mut history = History::default();
    let mut lines = String::new();
    let begin = 100 * DAY_MS;
    for (hour, condition) in [
        (0, Condition::Here),
        (4, Condition::Down),
        (5, Condition::Elsewhere),
        (7, Condition::Degraded),
        (8, Condition::Here),
        (10, Condition::Here),
    ] {
        lines.push_str(&history.observe(begin + hour * HOUR, &at("a", condition)));
    }
    (history, lines)
}

#[test]
fn figures_count_what_is_known_and_nothing_else() {
    let (history, _) = eventful();
    let now = 100 * DAY_MS + 10 * HOUR;
    let Availability { day, month } = history.availability("a", now).unwrap();
    assert_eq!(day, month);
    assert_eq!((day.known_ms, day.served_ms, day.outages), (10 * HOUR, 8 * HOUR, 2));
    assert_eq!((day.mttr_ms, day.mtbf_ms), (Some(HOUR), Some(4 * HOUR)));
    assert_eq!(day.ratio(), Some(0.8));
    assert_eq!(history.availability("b", now), None);
    // A day that begins in the middle of the outage: it did not begin on that day.
    let later = history.availability("a", 101 * DAY_MS + 4 * HOUR + HOUR / 2).unwrap().day;
    assert_eq!((later.known_ms, later.outages), (DAY_MS, 1));
    assert_eq!(later.served_ms, DAY_MS - HOUR - HOUR / 2);
}

#[test]
fn what_was_written_is_read_again_and_the_time_without_anybody_looking_is_not_known() {
    let (history, lines) = eventful();
    for text in [lines, history.write()] {
        let mut read = History::read(&format!("{text}\n{{\"t\":9,\"k\":\"torn"));
        let now = 100 * DAY_MS + 12 * HOUR;
        read.observe(now, &at("a", Condition::Here));
        let spans = read.spans("a", now + HOUR, 5 * HOUR);
        let unknown = spans.iter().find(|span| span.condition == Condition::Unknown).unwrap();
        assert_eq!((unknown.from_ms, unknown.until_ms), (now - 2 * HOUR, now), "{spans:?}");
        assert_eq!(read.availability("a", now).unwrap().day.known_ms, 10 * HOUR);
    }
}

#[test]
fn spans_have_no_gaps_and_cover_what_was_asked_for() {
    let (history, _) = eventful();
    let now = 100 * DAY_MS + 11 * HOUR;
    for length in [0, HOUR, 5 * HOUR, DAY_MS, MONTH_MS] {
        let spans = history.spans("a", now, length);
        assert_eq!(spans.first().unwrap().from_ms, now - length);
        assert_eq!(spans.last().unwrap().until_ms, now);
        assert!(spans.windows(2).all(|pair| pair[0].until_ms == pair[1].from_ms), "{spans:?}");
    }
}

#[test]
fn what_is_not_configured_any_more_is_not_counted_on_and_forgotten_in_the_end() {
    let mut history = History::default();
    history.observe(DAY_MS, &at("a", Condition::Here));
    let line = history.observe(DAY_MS + HOUR, &at("b", Condition::Here));
    assert!(line.contains("\"a\""), "{line}");
    assert_eq!(history.availability("a", DAY_MS + 3 * HOUR).unwrap().day.known_ms, HOUR);
    history.observe(DAY_MS + KEPT_MS + 2 * HOUR, &at("b", Condition::Here));
    assert_eq!(history.availability("a", DAY_MS + KEPT_MS + 2 * HOUR), None);
    assert_eq!(history.availability("b", DAY_MS + KEPT_MS + 2 * HOUR).unwrap().day.known_ms, DAY_MS);
}

#[test]
fn one_that_flaps_for_ever_takes_no_more_room_than_allowed() {
    let mut history = History::default();
    for step in 0..10 * MAX_POINTS as u64 {
        let condition = if step % 2 == 0 { Condition::Here } else { Condition::Down };
        history.observe(DAY_MS + step * 1000, &at("a", condition));
    }
    assert_eq!(history.write().lines().count(), MAX_POINTS + 1);
}

#[test]
fn a_clock_that_is_set_back_stands_still_and_one_that_was_wrong_by_days_makes_a_new_beginning() {
    let (mut history, _) = eventful();
    let before = history.last;
    history.observe(before - HOUR, &at("a", Condition::Down));
    assert_eq!(history.last, before);
    history.observe(DAY_MS, &at("a", Condition::Here));
    assert_eq!(history.availability("a", DAY_MS + HOUR).unwrap().month.known_ms, HOUR);
}
