//! How long what was served: when each virtual router and virtual server changed between served and not, and the figures
//! of a day and a month from that.
//!
//! What is kept has limits: [`KEPT_MS`] back, [`MAX_POINTS`] changes of one thing, [`MAX_TRACKS`] things. It makes lines
//! for a file and reads them back; the file is somebody else's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// A day in milliseconds.
pub const DAY_MS: u64 = 86_400_000;

/// A month of the figures: 30 days.
pub const MONTH_MS: u64 = 30 * DAY_MS;

/// How far back it is kept: what the figures of a month need.
pub const KEPT_MS: u64 = MONTH_MS + DAY_MS;

/// Changes of one thing that are kept: one that flaps every minute for a day.
pub const MAX_POINTS: usize = 1500;

/// Things that are known: more than anyone has virtual servers.
pub const MAX_TRACKS: usize = 20_000;

/// How often a line says that somebody looked on: what a crash loses of the knowledge that all was well.
pub const BEAT_MS: u64 = 300_000;

/// Whether something is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// By this node.
    Here,
    /// By another node.
    Elsewhere,
    /// By a sorry server.
    Degraded,
    /// Not at all.
    Down,
    /// Nobody was looking, or nothing could be seen.
    Unknown,
}

impl Condition {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Here => "served here",
            Self::Elsewhere => "served by another node",
            Self::Degraded => "on the sorry server",
            Self::Down => "not served",
            Self::Unknown => "not known",
        }
    }

    const fn is_served(self) -> bool {
        match self {
            Self::Here | Self::Elsewhere => true,
            Self::Degraded | Self::Down | Self::Unknown => false,
        }
    }
}

/// How long something was served.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Availability {
    /// Of the last 24 hours.
    pub day: Figures,
    /// Of the last 30 days.
    pub month: Figures,
}

/// The figures of one length of time.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// How much of the time is known about, in milliseconds.
    pub known_ms: u64,
    /// How much of that it was served, in milliseconds.
    pub served_ms: u64,
    /// How often that ended.
    pub outages: u32,
    /// Mean time to repair in milliseconds; none without an outage.
    pub mttr_ms: Option<u64>,
    /// Mean time between failures in milliseconds; none without an outage.
    pub mtbf_ms: Option<u64>,
}

impl Figures {
    /// The part of the known time in which it was served, 0 to 1; none if nothing is known.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a month are far from 2^52")]
    pub fn ratio(&self) -> Option<f64> {
        (self.known_ms > 0).then(|| self.served_ms as f64 / self.known_ms as f64)
    }
}

/// From a moment on it was so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Point {
    at: u64,
    condition: Condition,
}

/// A time in which nothing changed, both ends in milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Its begin.
    pub from_ms: u64,
    /// Its end.
    pub until_ms: u64,
    /// What was so.
    pub condition: Condition,
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Change { t: u64, k: String, c: Condition },
    Beat { t: u64 },
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    tracks: BTreeMap<String, VecDeque<Point>>,
    /// The last moment that anything is known of.
    last: u64,
    beaten: u64,
}

impl History {
    /// What was kept. Lines that are none are skipped. From the last of them until somebody looks again nothing is
    /// known.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut history = Self::default();
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(Line::Change { t, k, c }) => _ = history.push(t, &k, c),
                Ok(Line::Beat { t }) => history.last = history.last.max(t),
                Err(_) => {}
            }
        }
        let last = history.last;
        for points in history.tracks.values_mut() {
            points.push_back(Point { at: last, condition: Condition::Unknown });
        }
        history.beaten = last;
        history
    }

    fn push(&mut self, at: u64, key: &str, condition: Condition) -> bool {
        // A clock that was set back a little does not make time run backwards here.
        let at = at.max(self.last);
        self.last = at;
        if self.tracks.len() >= MAX_TRACKS && !self.tracks.contains_key(key) {
            return false;
        }
        let points = self.tracks.entry(key.to_owned()).or_default();
        if points.back().is_some_and(|last| last.condition == condition) {
            return false;
        }
        if points.len() >= MAX_POINTS {
            points.pop_front();
        }
        points.push_back(Point { at, condition });
        true
    }

    /// Takes in how things are at a moment; what is not named any more is not known any more. Comes back with lines for
    /// the file.
    pub fn observe(&mut self, now_ms: u64, conditions: &[(String, Condition)]) -> String {
        if now_ms.saturating_add(DAY_MS) < self.last {
            // The clock was wrong before, or is now: nothing of both can be compared.
            *self = Self::default();
        }
        let mut lines = String::new();
        let mut write = |line: &Line| {
            if let Ok(text) = serde_json::to_string(line) {
                lines.push_str(&text);
                lines.push('\n');
            }
        };
        for (key, condition) in conditions {
            if self.push(now_ms, key, *condition) {
                write(&Line::Change { t: self.last, k: key.clone(), c: *condition });
            }
        }
        let named: std::collections::BTreeSet<&str> = conditions.iter().map(|(key, _)| key.as_str()).collect();
        let gone = |(key, points): (&String, &VecDeque<Point>)| {
            let known = points.back().is_some_and(|last| last.condition != Condition::Unknown);
            (known && !named.contains(key.as_str())).then(|| key.clone())
        };
        let gone: Vec<String> = self.tracks.iter().filter_map(gone).collect();
        for key in gone {
            self.push(now_ms, &key, Condition::Unknown);
            write(&Line::Change { t: self.last, k: key, c: Condition::Unknown });
        }
        self.last = self.last.max(now_ms);
        if self.last.saturating_sub(self.beaten) >= BEAT_MS {
            self.beaten = self.last;
            self.forget(self.last);
            write(&Line::Beat { t: self.last });
        }
        lines
    }

    /// Forgets what is older than [`KEPT_MS`].
    fn forget(&mut self, now: u64) {
        let oldest = now.saturating_sub(KEPT_MS);
        for points in self.tracks.values_mut() {
            // The last one before that moment says how it was then.
            while points.get(1).is_some_and(|second| second.at <= oldest) {
                points.pop_front();
            }
        }
        self.tracks.retain(|_, points| {
            points.len() > 1
                || points.front().is_some_and(|only| only.condition != Condition::Unknown || only.at > oldest)
        });
    }

    /// Everything, as lines of a file.
    #[must_use]
    pub fn write(&self) -> String {
        let mut all: Vec<(u64, &str, Condition)> = Vec::new();
        for (key, points) in &self.tracks {
            all.extend(points.iter().map(|point| (point.at, key.as_str(), point.condition)));
        }
        all.sort_by_key(|(at, _, _)| *at);
        let changes = all.into_iter().map(|(t, k, c)| Line::Change { t, k: k.to_owned(), c });
        let lines = changes.chain([Line::Beat { t: self.last }]);
        lines.filter_map(|line| serde_json::to_string(&line).ok()).map(|line| line + "\n").collect()
    }

    /// The last `length_ms` before `now_ms` of one thing, oldest first, without gaps; what is not known is said so.
    #[must_use]
    pub fn spans(&self, key: &str, now_ms: u64, length_ms: u64) -> Vec<Span> {
        let begin = now_ms.saturating_sub(length_ms);
        let mut spans = Vec::new();
        let mut current = Span { from_ms: begin, until_ms: now_ms, condition: Condition::Unknown };
        for point in self.tracks.get(key).into_iter().flatten() {
            if point.at <= begin {
                current.condition = point.condition;
            } else if point.at < now_ms {
                spans.push(Span { until_ms: point.at, ..current });
                current = Span { from_ms: point.at, until_ms: now_ms, condition: point.condition };
            }
        }
        spans.push(current);
        spans
    }

    /// The figures of one thing; none if it was never seen.
    #[must_use]
    pub fn availability(&self, key: &str, now_ms: u64) -> Option<Availability> {
        self.tracks.contains_key(key).then(|| Availability {
            day: figures(&self.spans(key, now_ms, DAY_MS)),
            month: figures(&self.spans(key, now_ms, MONTH_MS)),
        })
    }
}

fn figures(spans: &[Span]) -> Figures {
    let mut found = Figures::default();
    let mut served = false;
    for span in spans {
        let length = span.until_ms.saturating_sub(span.from_ms);
        if span.condition == Condition::Unknown {
            continue;
        }
        found.known_ms = found.known_ms.saturating_add(length);
        if span.condition.is_served() {
            found.served_ms = found.served_ms.saturating_add(length);
        } else if served {
            found.outages = found.outages.saturating_add(1);
        }
        served = span.condition.is_served();
    }
    let outages = u64::from(found.outages);
    found.mttr_ms = found.known_ms.saturating_sub(found.served_ms).checked_div(outages);
    found.mtbf_ms = found.served_ms.checked_div(outages);
    found
}

#[cfg(test)]
mod tests;
