//! Availability of each virtual router's addresses and of each virtual server: what part of the time, how often not, for
//! how long, and how long in between.

use super::words::length;
use crate::history::{Availability, Figures};
use crate::report::Report;
use maud::{Markup, html};

/// Rows; the interface for programs has all of them. The worst come first.
const MAX_ROWS: usize = 25;

pub(super) fn section(report: &Report) -> Markup {
    let instances = report.instances.iter().map(|one| (one.name.as_str(), one.addresses.join(" "), one.availability));
    let services = report.services.iter().map(|one| (one.name.as_str(), String::new(), one.availability));
    let mut rows: Vec<(&str, String, Availability)> =
        instances.chain(services).filter_map(|(name, what, known)| Some((name, what, known?))).collect();
    if rows.is_empty() {
        return html! {};
    }
    rows.sort_by(|(_, _, a), (_, _, b)| {
        let part = |of: &Availability| of.month.ratio().unwrap_or(1.0);
        part(a).total_cmp(&part(b))
    });
    let hidden = rows.len().saturating_sub(MAX_ROWS);
    html! {
        section #availability {
            div.head {
                h2 { "Availability" }
                span.note {
                    "of the time that this node knows about"
                    @if hidden > 0 { "; the " (MAX_ROWS) " least available of " (rows.len()) }
                }
            }
            div.card {
                table {
                    thead {
                        tr {
                            th {} th.n { "day" } th.n { "outages" }
                            th.n { "30 days" } th.n { "outages" } th.n { "time to repair" } th.n { "between failures" }
                            th.n { "known" }
                        }
                    }
                    tbody {
                        @for (name, what, known) in rows.iter().take(MAX_ROWS) {
                            tr {
                                th scope="row" { b.name { (name) } @if !what.is_empty() { div.m.faint { (what) } } }
                                td.n data-l="day" { (percent(&known.day)) }
                                td.n data-l="outages, day" { (known.day.outages) }
                                td.n data-l="30 days" { (percent(&known.month)) }
                                td.n data-l="outages, 30 days" { (known.month.outages) }
                                td.n data-l="time to repair" { (time(known.month.mttr_ms)) }
                                td.n data-l="between failures" { (time(known.month.mtbf_ms)) }
                                td.n.soft data-l="known" { (length(known.month.known_ms)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn time(ms: Option<u64>) -> String {
    ms.map_or_else(|| "\u{2013}".to_owned(), length)
}

/// Three decimals, cut and not rounded: what was not all of the time is not shown as all of it.
fn percent(figures: &Figures) -> String {
    let Some(thousandths) = figures.served_ms.saturating_mul(100_000).checked_div(figures.known_ms) else {
        return "\u{2013}".to_owned();
    };
    format!("{}.{:03}\u{a0}%", thousandths / 1000, thousandths % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_all_of_the_time_is_not_shown_as_all_of_it() {
        let of = |served_ms, known_ms| percent(&Figures { served_ms, known_ms, ..Figures::default() });
        assert_eq!(of(1, 1), "100.000\u{a0}%");
        assert_eq!(of(2_591_999_999, 2_592_000_000), "99.999\u{a0}%");
        assert_eq!([of(0, 0), of(0, 9)], ["\u{2013}", "0.000\u{a0}%"]);
    }
}
