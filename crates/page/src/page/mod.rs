//! The status page: one document, whole without a script, with nothing in it from elsewhere.
//!
//! Everything that is not written here is escaped by the template. There is no style and no script inside the document,
//! so the policy that goes with it can forbid both.

mod availability;
mod pictures;
mod routers;
mod services;
pub mod timeline;
mod words;

use crate::directors::Director;
use crate::happened::Happened;
use crate::history::History;
use crate::judgement::Verdict;
use crate::moment;
use crate::report::Report;
use crate::traffic::Samples;
use core::time::Duration;
use maud::{DOCTYPE, Markup, html};
use words::{length, mark};

/// Remarks that are shown; the interface for programs has all of them.
const MAX_REMARKS: usize = 20;

/// Seconds after which a browser without the script asks again.
const AGAIN_AFTER_S: u32 = 15;

/// What the page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Sheet<'a> {
    /// How this director is.
    pub report: &'a Report,
    /// What the others say.
    pub directors: &'a [Director],
    /// What was served when.
    pub history: &'a History,
    /// How connections went.
    pub samples: &'a Samples,
    /// Changes, the newest first.
    pub events: &'a [Happened],
    /// The time of the clock on the wall, in milliseconds since 1970.
    pub now_unix_ms: u64,
    /// Whether there is a token by which orders are taken.
    pub takes_orders: bool,
}

/// The whole document.
#[must_use]
pub fn document(sheet: &Sheet<'_>) -> String {
    let Sheet { report, now_unix_ms, takes_orders, .. } = *sheet;
    let now = Duration::from_millis(now_unix_ms);
    let title = format!("{} \u{b7} {}", report.node.name, report.verdict.word());
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="stylesheet" href=(asset("page.css"));
                link rel="icon" href="data:,";
                script src=(asset("page.js")) defer {}
                noscript { meta http-equiv="refresh" content=(AGAIN_AFTER_S); }
            }
            body {
                header.top {
                    h1 { (report.node.name) small { "standfast " (report.node.release) } }
                    span.asof {
                        time #asof datetime=(moment::iso(now)) { (moment::utc(now)) " UTC" }
                        " \u{2002}"
                        span #live { "as of then" }
                    }
                }
                main {
                    (summary(report))
                    (routers::section(sheet))
                    (services::section(sheet))
                    (availability::section(report))
                    (timeline::section(sheet))
                }
                (foot(report, now_unix_ms, takes_orders))
                p #said role="status" {}
            }
        }
    };
    document.into_string()
}

/// The version is part of the address, so that a browser may keep what it has.
fn asset(name: &str) -> String {
    format!("/{name}?{}", env!("CARGO_PKG_VERSION"))
}

fn summary(report: &Report) -> Markup {
    let class = words::of_verdict(report.verdict);
    let masters = report.instances.iter().filter(|one| one.state == "MASTER").count();
    let up: u64 = report.services.iter().map(|one| u64::from(one.live)).sum();
    let all: u64 = report.services.iter().map(|one| u64::from(one.total)).sum();
    let hidden = report.remarks.len().saturating_sub(MAX_REMARKS);
    html! {
        section #summary {
            div class={ "verdict " (class.class()) } {
                (mark(class, report.verdict.word()))
                span.text {
                    @if !report.instances.is_empty() {
                        "master of " (masters) " of " (counted(report.instances.len(), "virtual router"))
                    }
                    @if !report.instances.is_empty() && !report.services.is_empty() { "; " }
                    @if !report.services.is_empty() {
                        (up) " of " (all) " real servers up for " (counted(report.services.len(), "virtual server"))
                    }
                    @if report.instances.is_empty() && report.services.is_empty() { "nothing is configured" }
                }
            }
            @if !report.remarks.is_empty() {
                ul.remarks {
                    @for remark in report.remarks.iter().take(MAX_REMARKS) {
                        @let class = words::of_verdict(remark.verdict);
                        li { i class=(class.class()) aria-hidden="true" { (class.shape()) } (remark.text) }
                    }
                    @if hidden > 0 { li.soft { "and " (hidden) " more" } }
                }
            }
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn foot(report: &Report, now: u64, takes_orders: bool) -> Markup {
    let node = &report.node;
    html! {
        footer {
            div.head {
                span {
                    "pid " (node.pid) ", up " (length(now.saturating_sub(node.started_unix_ms)))
                    "; configuration " (node.generation) " of " span.m { (node.configuration) }
                    ", in force for " (length(now.saturating_sub(node.in_force_since_unix_ms)))
                    @if let Some(until) = node.confirm_until_unix_ms {
                        "; the one before comes back in " (length(until.saturating_sub(now)))
                    }
                }
                @if takes_orders {
                    form #orders autocomplete="off" {
                        label for="token" { "token" }
                        input #token name="token" type="password" autocomplete="off";
                        button { "take control" }
                    }
                }
            }
            div.procs {
                @for worker in &node.workers {
                    @let class = if worker.ready { words::Class::Good } else { words::Class::Bad };
                    span {
                        span class=(class.class()) aria-hidden="true" { (class.shape()) } " " (worker.kind)
                        @if let Some(pid) = worker.pid { " " (pid) } @else { " does not run" }
                        @if worker.starts > 1 { ", started " (worker.starts) " times" }
                    }
                }
            }
            nav {
                a href="/metrics" { "metrics" }
                a href="/healthz" { "health" }
                a href="/api/v1/status" { "status as JSON" }
                a href="/api/v1/events?last=100" { "events as JSON" }
                a href="/api/v1/schema" { "schema" }
            }
        }
    }
}

/// The page of a daemon of which nothing is known yet.
#[must_use]
pub fn nothing_known(name: &str) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content="2";
                title { (name) }
                link rel="stylesheet" href=(asset("page.css"));
            }
            body { main { section { (mark(words::of_verdict(Verdict::Warning), "nothing is known yet")) } } }
        }
    };
    document.into_string()
}
