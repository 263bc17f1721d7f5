//! What changed lately, with causes.

use super::Sheet;
use super::words::{Class, mark, time};
use crate::happened::{About, Happened};
use maud::{Markup, html};

/// Changes that are shown.
pub const SHOWN: usize = 50;

pub(super) fn section(sheet: &Sheet<'_>) -> Markup {
    html! {
        section #timeline {
            div.head { h2 { "Changes" } span.note { "the newest first, UTC" } }
            div.card {
                @if sheet.events.is_empty() { p.empty { "nothing has changed that is remembered" } }
                ol.events {
                    @for event in sheet.events.iter().take(SHOWN) {
                        li {
                            (time(event.at_unix_ms))
                            (kind(event))
                            span.text { (event.message) }
                        }
                    }
                }
            }
        }
    }
}

fn kind(event: &Happened) -> Markup {
    let class = match (event.about, event.fields.get("to").map(String::as_str)) {
        (About::Transition, Some("MASTER")) => Class::Good,
        _ if event.severity <= 3 => Class::Bad,
        _ if event.severity == 4 => Class::Warn,
        (About::Transition | About::Quorum | About::Server | About::Daemon | About::Lost, _) => Class::Quiet,
    };
    mark(class, event.about.word())
}
