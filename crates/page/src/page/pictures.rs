//! Small pictures: what was served over a day, how connections went, how many of how many.
//!
//! They are SVG with classes and numbers only, and say in words what they show.

use crate::history::{Condition, Span};
use maud::{Markup, html};

/// The width of a band in its own units: minutes of a day.
const BAND_UNITS: u64 = 1440;

/// An outage shorter than this many units is drawn so wide: it must not be too small to see.
const LEAST_OUTAGE: u64 = 4;

/// Rectangles in one band: what is left out is too narrow to tell apart.
const MAX_RECTANGLES: usize = 240;

const fn class(condition: Condition) -> Option<&'static str> {
    match condition {
        Condition::Here => Some("here"),
        Condition::Elsewhere => Some("elsewhere"),
        Condition::Degraded => Some("degraded"),
        Condition::Down => Some("down"),
        Condition::Unknown => None,
    }
}

/// What was served over the time that the spans cover.
pub(super) fn band(spans: &[Span], label: &str) -> Markup {
    let begin = spans.first().map_or(0, |span| span.from_ms);
    let end = spans.last().map_or(begin, |span| span.until_ms);
    let length = end.saturating_sub(begin).max(1);
    let unit = |ms: u64| ms.saturating_sub(begin).saturating_mul(BAND_UNITS) / length;
    let rectangles = spans.iter().filter_map(|span| {
        let class = class(span.condition)?;
        let x = unit(span.from_ms);
        let width = unit(span.until_ms).saturating_sub(x);
        let is_outage = matches!(span.condition, Condition::Down | Condition::Degraded);
        let width = if is_outage { width.max(LEAST_OUTAGE) } else { width };
        (width > 0).then_some((class, x, width, is_outage))
    });
    // Outages on top: a neighbour must not cover one.
    let (outages, rest): (Vec<_>, Vec<_>) = rectangles.partition(|(_, _, _, is_outage)| *is_outage);
    html! {
        svg.band viewBox={ "0 0 " (BAND_UNITS) " 12" } preserveAspectRatio="none" role="img" aria-label=(label) {
            @for (class, x, width, _) in rest.iter().chain(&outages).take(MAX_RECTANGLES) {
                rect class=(class) x=(x) y="0" width=(width) height="12" {}
            }
        }
    }
}

/// How a number went.
pub(super) fn spark(samples: &[u64], label: &str) -> Markup {
    if samples.len() < 2 {
        return html! {};
    }
    let most = samples.iter().copied().max().unwrap_or(0).max(1);
    let last = samples.len().saturating_sub(1).max(1);
    let point = |(index, value): (usize, &u64)| {
        let x = index.saturating_mul(120) / last;
        let y = 23_u64.saturating_sub(value.saturating_mul(21) / most);
        format!("{x},{y}")
    };
    let points = samples.iter().enumerate().map(point).collect::<Vec<_>>().join(" ");
    html! {
        svg.spark viewBox="0 0 120 24" preserveAspectRatio="none" role="img" aria-label=(label) {
            polygon points={ "0,24 " (points) " 120,24" } {}
            polyline points=(points) {}
        }
    }
}

/// How many of how many.
pub(super) fn share(part: u32, whole: u32) -> Markup {
    if whole == 0 {
        return html! {};
    }
    let width = u64::from(part).saturating_mul(64) / u64::from(whole);
    html! {
        svg.share viewBox="0 0 64 8" aria-hidden="true" {
            rect.lost x="0" y="0" width="64" height="8" {}
            rect.up x="0" y="0" width=(width) height="8" {}
        }
    }
}
