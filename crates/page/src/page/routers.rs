//! Virtual routers: who is master of what, since when and why, here and on the other directors.

use super::Sheet;
use super::pictures::band;
use super::words::{Class, length, mark, of_mastership, of_state};
use crate::directors::{Director, counterpart, mastership};
use crate::history::{Condition, DAY_MS, Span};
use crate::report::{Instance, instance_key};
use maud::{Markup, html};

pub(super) fn section(sheet: &Sheet<'_>) -> Markup {
    let Sheet { report, directors, .. } = *sheet;
    if report.instances.is_empty() {
        return html! {};
    }
    let columns = directors.len().saturating_add(5);
    html! {
        section #routers {
            div.head {
                h2 { "Virtual routers" }
                @for director in directors { (answer(director, sheet.now_unix_ms)) }
            }
            div.card {
                table {
                    thead {
                        tr {
                            th scope="col" { "instance" }
                            th scope="col" { (report.node.name) }
                            @for director in directors { th scope="col" { (director.name) } }
                            th scope="col" { "master" }
                            th scope="col" { "priority" }
                            th scope="col" { "virtual addresses" }
                        }
                    }
                    tbody {
                        @for instance in &report.instances { (rows(sheet, instance, columns)) }
                    }
                }
            }
            (legend())
        }
    }
}

/// Whether another director answers.
fn answer(director: &Director, now: u64) -> Markup {
    html! {
        span.note {
            @match &director.said {
                Ok(_) => { (director.name) " answers from " span.m { (director.address) } }
                Err(why) => {
                    (mark(Class::Warn, &director.name)) " does not answer: " (why)
                    @if let Some(then) = director.answered_unix_ms {
                        "; last " (length(now.saturating_sub(then))) " ago"
                    }
                }
            }
        }
    }
}

fn rows(sheet: &Sheet<'_>, instance: &Instance, columns: usize) -> Markup {
    let now = sheet.now_unix_ms;
    let spans = sheet.history.spans(&instance_key(&instance.name), now, DAY_MS);
    html! {
        tr {
            th scope="row" { b.name { (instance.name) } div.faint.small { (instance.interface) ", vrid " (instance.vrid) } }
            td data-l=(sheet.report.node.name) { (state(instance, now)) }
            @for director in sheet.directors {
                td data-l=(director.name) {
                    @match director.said.as_ref().ok().and_then(|report| counterpart(report, instance)) {
                        Some(other) => (state(other, now)),
                        None => span.none { "\u{2013}" },
                    }
                }
            }
            td data-l="master" { (master(sheet, instance)) }
            td data-l="priority" {
                span {
                    (instance.priority)
                    @if instance.priority != instance.base_priority {
                        span.soft { " of " (instance.base_priority) }
                    }
                }
            }
            td.m data-l="addresses" { span { (instance.addresses.join(" ")) } }
        }
        tr.more {
            td colspan=(columns) {
                @if let Some(rival) = &instance.rival {
                    div.why {
                        (mark(Class::Bad, "another master")) " " span.m { (rival.address) } " with priority " (rival.priority)
                        ", last heard " (length(now.saturating_sub(rival.last_unix_ms))) " ago"
                    }
                }
                @for claim in &instance.claims {
                    div.why {
                        (mark(Class::Bad, "claimed")) " " span.m { (claim.address) } " by " span.m { (claim.mac) } " on "
                        (claim.interface) ", last heard " (length(now.saturating_sub(claim.last_unix_ms))) " ago"
                    }
                }
                @for mismatch in &instance.mismatches {
                    div.why {
                        (mark(Class::Warn, "differs")) " " (mismatch.what) " of " span.m { (mismatch.peer) } " is "
                        (mismatch.theirs) ", ours " (mismatch.ours)
                    }
                }
                @if let Some(ordered) = &instance.ordered { div.why { (mark(Class::Warn, "ordered")) " " (ordered) } }
                @if let Some(fault) = &instance.fault { div.why { (mark(Class::Bad, "fault")) " " (fault) } }
                @if let Some(change) = &instance.last_change {
                    div.why { (change.to) " from " (change.from) ": " (change.cause) }
                }
                (band(&spans, &told(&spans)))
                div.ruler aria-hidden="true" { span { "24 h ago" } span { "12 h" } span { "now" } }
            }
        }
    }
}

fn state(instance: &Instance, now: u64) -> Markup {
    html! {
        span {
            (mark(of_state(&instance.state), &instance.state))
            div.soft.small.nobr { "for " (length(now.saturating_sub(instance.since_unix_ms))) }
        }
    }
}

fn master(sheet: &Sheet<'_>, instance: &Instance) -> Markup {
    // That the directors agree says nothing about one that is not among them.
    let said = of_mastership(mastership(instance, sheet.directors))
        .filter(|(class, _)| *class == Class::Bad || instance.rival.is_none());
    html! {
        span {
            @if instance.state == "MASTER" {
                "this node"
            } @else if let Some(master) = &instance.master {
                span.m { (master) }
                @if let Some(priority) = instance.master_priority { span.soft { ", priority " (priority) } }
            } @else {
                span.none { "not known" }
            }
            @if let Some((class, words)) = said {
                div.small { (mark(class, words)) }
            }
        }
    }
}

/// What a band shows, for whoever does not see it.
fn told(spans: &[Span]) -> String {
    let of = |condition| {
        let spans = spans.iter().filter(|span| span.condition == condition);
        spans.fold(0_u64, |sum, span| sum.saturating_add(span.until_ms.saturating_sub(span.from_ms)))
    };
    let all = [Condition::Here, Condition::Elsewhere, Condition::Degraded, Condition::Down, Condition::Unknown];
    let parts = all.into_iter().filter(|condition| of(*condition) > 0);
    let parts: Vec<String> =
        parts.map(|condition| format!("{} for {}", condition.word(), length(of(condition)))).collect();
    format!("of the last 24 hours: {}", parts.join(", "))
}

fn legend() -> Markup {
    let entries =
        [("here", "this node is master"), ("elsewhere", "another node is master"), ("down", "no master is known")];
    html! {
        div.legend aria-hidden="true" {
            @for (class, words) in entries {
                span { svg.band viewBox="0 0 10 10" { rect class=(class) width="10" height="10" {} } (words) }
            }
            span { svg.band viewBox="0 0 10 10" {} "not known" }
        }
    }
}
