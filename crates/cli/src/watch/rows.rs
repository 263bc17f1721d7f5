//! What is so, as lines: instances, virtual servers, events. What does not pass the filter is left out.

use super::theme::Theme;
use crate::status;
use core::time::Duration;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use standfast_api::control::Recorded;
use standfast_api::{EventKind, InstanceStatus, Said, ServerStatus, ServiceStatus};
use standfast_model::{Instant, State};
use standfast_page::moment;

/// A name that is longer than this is cut: the columns behind it have to be seen.
const NAME: usize = 24;

/// A change is this young for so long that it is stressed.
const YOUNG: Duration = Duration::from_secs(10);

/// A line of the event stream.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// Of the daemon.
    Recorded(Recorded),
    /// Of this view: when, and what.
    Note(Duration, String),
}

/// The text of a line without its colours.
fn text(line: &Line<'_>) -> String {
    line.spans.iter().map(|span| span.content.as_ref()).collect()
}

/// Whether a line contains the filter, which is in small letters.
pub(super) fn passes(line: &Line<'_>, filter: &str) -> bool {
    filter.is_empty() || text(line).to_lowercase().contains(filter)
}

fn cut(name: &str, limit: usize) -> String {
    if name.chars().count() <= limit {
        return name.to_owned();
    }
    name.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

/// Columns as wide as their longest entry.
fn aligned(rows: &[Vec<(String, Style)>]) -> Vec<Line<'static>> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, (cell, _)) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &Vec<(String, Style)>| {
        let cells = row.iter().zip(&widths).flat_map(|((cell, style), width)| {
            let gap = width.saturating_sub(cell.chars().count()) + 2;
            [Span::styled(cell.clone(), *style), Span::raw(" ".repeat(gap))]
        });
        Line::from_iter(cells)
    };
    rows.iter().map(line).collect()
}

/// Instances, with a line of titles before them and the reason of the last change below each.
pub(super) fn instances(
    theme: Theme,
    instances: &[InstanceStatus],
    now: Instant,
    filter: &str,
) -> (Line<'static>, Vec<Line<'static>>) {
    let titles = ["INSTANCE", "STATE", "SINCE", "PRIO", "MASTER", "IFACE", "VRID", "ADDRESSES"];
    let mut rows = vec![titles.map(|title| (title.to_owned(), Theme::strong())).to_vec()];
    rows.extend(instances.iter().map(|instance| cells(theme, instance, now)));
    let mut lines = aligned(&rows).into_iter();
    let titles = lines.next().unwrap_or_default();
    let mut shown = Vec::new();
    for (instance, line) in instances.iter().zip(lines) {
        let mut below = Vec::new();
        if let Some(ordered) = &instance.ordered {
            below.push(Line::styled(format!("    operator: {ordered}"), theme.doubtful()));
        }
        if let Some(held) = &instance.held {
            below.push(Line::styled(format!("    held back: {held}"), theme.doubtful()));
        }
        if let Some(rival) = &instance.rival {
            below.push(Line::styled(format!("    master as well: {}", rival.address), theme.bad()));
        }
        for claim in &instance.claims {
            below.push(Line::styled(format!("    {} claimed by {}", claim.address, claim.mac), theme.bad()));
        }
        if let Some(last) = &instance.last_transition {
            below.push(Line::raw(format!("    {} from {}: {}", last.to, last.from, last.cause)));
        }
        if passes(&line, filter) || below.iter().any(|line| passes(line, filter)) {
            shown.push(line);
            shown.append(&mut below);
        }
    }
    (titles, shown)
}

fn cells(theme: Theme, instance: &InstanceStatus, now: Instant) -> Vec<(String, Style)> {
    let plain = Theme::plain();
    let age = now.since(instance.since);
    let since = if age < YOUNG { Theme::strong() } else { plain };
    let (priority, style) = if instance.priority == instance.base_priority {
        (instance.priority.to_string(), plain)
    } else {
        (format!("{} ({})", instance.priority, instance.base_priority), theme.doubtful())
    };
    let addresses: Vec<String> = instance.addresses.iter().map(|address| address.address.to_string()).collect();
    vec![
        (cut(&instance.name, NAME), plain),
        (instance.state.to_string(), theme.state(instance.state)),
        (moment::length(age), since),
        (priority, style),
        (status::master(instance), plain),
        (instance.interface.to_string(), plain),
        (instance.vrid.get().to_string(), plain),
        (addresses.join(" "), plain),
    ]
}

/// Virtual servers, each with its real servers below. A virtual server that passes the filter keeps all of them, and a
/// real server that does keeps its virtual server.
pub(super) fn services(theme: Theme, services: &[ServiceStatus], filter: &str) -> Vec<Line<'static>> {
    let heads: Vec<_> = services.iter().map(|service| head(theme, service)).collect();
    let mut lines = Vec::new();
    for (service, head) in services.iter().zip(aligned(&heads)) {
        let rows: Vec<_> = service.servers.iter().map(|server| server_cells(theme, server)).collect();
        let all = passes(&head, filter);
        let servers: Vec<_> = aligned(&rows).into_iter().filter(|line| all || passes(line, filter)).collect();
        if all || !servers.is_empty() {
            lines.push(head);
            lines.extend(servers);
        }
    }
    lines
}

fn head(theme: Theme, service: &ServiceStatus) -> Vec<(String, Style)> {
    let style = if !service.has_quorum {
        theme.bad()
    } else if service.live < service.total || service.on_sorry_server {
        theme.doubtful()
    } else {
        theme.good()
    };
    let quorum = if service.has_quorum { "quorum" } else { "NO QUORUM" };
    let sorry = if service.on_sorry_server { ", on its sorry server" } else { "" };
    vec![
        (service.key.to_string(), Theme::strong()),
        (format!("{}/{} up", service.live, service.total), style),
        (format!("weight {} of {}: {quorum}{sorry}", service.weight, service.quorum), style),
    ]
}

fn server_cells(theme: Theme, server: &ServerStatus) -> Vec<(String, Style)> {
    let (word, style) = if server.up { ("up", theme.good()) } else { ("DOWN", theme.bad()) };
    let took = server.check_micros.map(|micros| format!("in {}", milliseconds(micros.get().into())));
    let ordered = server.remarks.ordered.as_ref().map(|word| format!("{word} by the operator"));
    let said: Vec<String> = took.into_iter().chain(ordered).chain(server.remarks.trouble.clone()).collect();
    let plain = Theme::plain();
    let said_style = match (server.up, &server.remarks.ordered, &server.remarks.trouble) {
        (true, None, None) => plain,
        (false, _, _) => theme.bad(),
        (true, _, _) => theme.doubtful(),
    };
    vec![
        (format!("  -> {}", server.key), plain),
        (word.to_owned(), style),
        (format!("weight {}", server.weight), plain),
        (said.join(", "), said_style),
    ]
}

/// Three figures are what a reader takes in.
fn milliseconds(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{}.{:02} ms", micros / 1000, micros % 1000 / 10),
        10_000..100_000 => format!("{}.{} ms", micros / 1000, micros % 1000 / 100),
        _ => format!("{} ms", micros / 1000),
    }
}

/// A line of the event stream.
pub(super) fn event(theme: Theme, entry: &Entry) -> Line<'static> {
    match entry {
        Entry::Note(unix, text) => {
            Line::styled(format!("{}  --- {text} ---", moment::clock_ms(*unix)), Theme::strong())
        }
        Entry::Recorded(recorded) => {
            let when = Span::raw(format!("{}  ", moment::clock_ms(recorded.unix)));
            match &recorded.event.kind {
                EventKind::Said(said) => Line::from_iter([when, who(said), what(theme, said)]),
                EventKind::Lost { events } => {
                    Line::from_iter([when, Span::styled(format!("{events} events were lost here"), theme.doubtful())])
                }
            }
        }
    }
}

/// `vrrp` of `Keepalived_vrrp`.
fn who(said: &Said) -> Span<'static> {
    let name = said.process.strip_prefix("Keepalived_").unwrap_or(&said.process);
    Span::raw(format!("{name:<12}"))
}

fn what(theme: Theme, said: &Said) -> Span<'static> {
    let to = [State::Master, State::Backup, State::Fault]
        .into_iter()
        .find(|state| said.field("to").is_some_and(|to| to == state.to_string()));
    let style = to.map_or_else(|| theme.severity(said.severity), |state| theme.state(state));
    let word = match said.severity {
        0..=3 => "error: ",
        4 => "warning: ",
        _ => "",
    };
    Span::styled(format!("{word}{}", said.message), style)
}
