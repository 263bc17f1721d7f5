//! What the status page, the metrics and the interface for programs say: a status in, text out.
//!
//! - [`report`]: how things are, in the form that programs get (`/api/v1/status`)
//! - [`judgement`]: how good or bad that is
//! - [`moment`]: moments and lengths of time in words
//! - [`history`]: how long what was served, kept within limits
//! - [`traffic`]: the kernel's connections, and how they went
//! - [`directors`]: what the other directors say
//! - [`page`]: the page
//! - [`metrics`]: the metrics
//! - [`happened`]: events in the form that programs get
//! - [`schema`]: what the forms for programs look like
//!
//! It opens nothing, reads no clock and decides nothing: who may ask is the server's business.

pub mod directors;
pub mod happened;
pub mod history;
pub mod judgement;
pub mod metrics;
pub mod moment;
pub mod page;
pub mod report;
pub mod schema;
pub mod traffic;

/// The style sheet of the page.
pub const STYLE: &str = include_str!("../assets/page.css");

/// The script of the page, which does without.
pub const SCRIPT: &str = include_str!("../assets/page.js");
