//! The page, the metrics and the forms for programs, made of statuses that are written here; and the page in Chromium.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the helpers of tests fail a test by panicking"
)]

mod browser;
mod fixture;
mod forms;
mod markup;
mod verdicts;
