//! What the forms for programs look like: JSON Schema (2020-12), made from the types themselves.

use crate::happened::Happened;
use crate::report::Report;
use schemars::JsonSchema;
use serde::Serialize;

/// The answers of the interface, by the last part of their path.
#[derive(Serialize, JsonSchema)]
struct Interface {
    /// `GET /api/v1/status`; with `?servers=no` without the real servers.
    status: Report,
    /// `GET /api/v1/events?last=N`, N up to 1000; `GET /events` sends each as `event: happened`.
    events: Vec<Happened>,
    /// The answer to every `POST`, and of everything that is refused.
    outcome: Outcome,
}

/// What came of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Outcome {
    /// Whether it was done.
    pub done: bool,
    /// In words.
    pub text: String,
}

/// The schema as text.
#[must_use]
pub fn text() -> String {
    // A schema is JSON by construction.
    serde_json::to_string_pretty(&schemars::schema_for!(Interface)).unwrap_or_default()
}
