//! Virtual servers with their real servers: one line each, the rest inside. Many of them come in groups that are closed
//! unless something in them wants to be looked at.

use super::Sheet;
use super::pictures::{share, spark};
use super::words::{Class, mark, of_server, of_service};
use crate::report::{Server, Service};
use maud::{Markup, html};

/// With more than this they come in groups.
const UNGROUPED: usize = 30;

/// In one group.
const GROUP: usize = 25;

/// Shown on the page; the interface for programs has all of them.
const MAX_SHOWN: usize = 2000;

pub(super) fn section(sheet: &Sheet<'_>) -> Markup {
    let services = &sheet.report.services;
    if services.is_empty() {
        return html! {};
    }
    let wrong = services.iter().filter(|service| of_service(service).0 != Class::Good).count();
    let shown = services.get(..MAX_SHOWN).unwrap_or(services);
    html! {
        section #services data-part {
            div.head #services-head data-part {
                h2 #services-title { "Virtual servers" }
                span.note #services-note {
                    (services.len()) " in all"
                    @if wrong > 0 { ", " (wrong) " to be looked at" }
                    @if shown.len() < services.len() { ", the first " (shown.len()) " of them here" }
                }
                input #filter type="search" placeholder="filter: address, port, state" aria-label="filter virtual servers";
            }
            div.card #services-list data-part {
                @if shown.len() <= UNGROUPED {
                    @for service in shown { (one(sheet, service)) }
                } @else {
                    @for (number, group) in shown.chunks(GROUP).enumerate() { (group_of(sheet, number, group)) }
                }
            }
        }
    }
}

fn group_of(sheet: &Sheet<'_>, number: usize, services: &[Service]) -> Markup {
    let wrong = services.iter().filter(|service| of_service(service).0 != Class::Good).count();
    let name = |service: Option<&Service>| service.map(|service| service.name.clone()).unwrap_or_default();
    let class = services.iter().map(|service| of_service(service).0).find(|class| *class == Class::Bad);
    html! {
        details.group id={ "group-" (number) } data-part {
            summary id={ "group-" (number) "-head" } {
                (name(services.first())) " \u{2013} " (name(services.last()))
                span.soft { " \u{2002}" (services.len()) " virtual servers\u{2002}" }
                @if wrong > 0 {
                    (mark(class.unwrap_or(Class::Warn), &format!("{wrong} to be looked at")))
                } @else {
                    (mark(Class::Good, "all up"))
                }
            }
            @for service in services { (one(sheet, service)) }
        }
    }
}

/// An id that is as steady as the name. Two of the same would only be exchanged for one another when the page renews
/// itself.
fn id(name: &str) -> String {
    let letters = name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
    format!("vs-{}", letters.collect::<String>())
}

fn one(sheet: &Sheet<'_>, service: &Service) -> Markup {
    let (class, word) = of_service(service);
    let samples: Vec<u64> = sheet.samples.of(&service.name).collect();
    let servers = service.servers.iter().map(|server| server.name.as_str()).collect::<Vec<_>>().join(" ");
    let find = format!("{} {word} {servers}", service.name).to_lowercase();
    html! {
        details.vs id=(id(&service.name)) data-find=(find) {
            summary {
                b.name.m { (service.name) }
                (mark(class, word))
                span { (share(service.live, service.total)) " " (service.live) "/" (service.total) " up" }
                span.soft.small.weights { "weight " (service.weight) ", quorum " (service.quorum) }
                @match service.connections {
                    Some(now) => span.conn {
                        (spark(&samples, &format!("connections, now {}", now.active)))
                        span.small { (now.active) span.soft { " active" } }
                    },
                    None => span {},
                }
            }
            @if service.servers.is_empty() { p.empty { "no real servers" } } @else { (table(sheet, service)) }
        }
    }
}

fn table(sheet: &Sheet<'_>, service: &Service) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "real server" }
                    th scope="col" { "state" }
                    th.n scope="col" { "weight" }
                    th.n scope="col" { "active" }
                    th.n scope="col" { "inactive" }
                    th.n scope="col" { "check" }
                    th scope="col" { "last check" }
                    @if sheet.takes_orders { th.acts {} }
                }
            }
            tbody { @for server in &service.servers { (row(sheet, service, server)) } }
        }
    }
}

fn row(sheet: &Sheet<'_>, service: &Service, server: &Server) -> Markup {
    let (class, word) = of_server(server);
    let trouble = server.trouble.as_deref().unwrap_or(if server.up { "good" } else { "" });
    html! {
        tr {
            td.m { (server.name) }
            td data-l="state" { (mark(class, word)) }
            td.n data-l="weight" { (server.weight) }
            td.n data-l="active" { @if let Some(now) = server.connections { (now.active) } }
            td.n data-l="inactive" { @if let Some(now) = server.connections { (now.inactive) } }
            td.n data-l="check" { @if let Some(us) = server.check_us { span.nobr { (crate::moment::short(us)) } } }
            td.why data-l="last check" { (trouble) }
            @if sheet.takes_orders {
                td.acts {
                    @for wish in ["drain", "disable", "ready"] {
                        button type="button" data-wish=(wish) data-server=(server.name) data-of=(service.name) { (wish) } " "
                    }
                }
            }
        }
    }
}
