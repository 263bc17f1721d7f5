//! A frame of the view: two lines that say how things are, the panes, a line that says what can be done.

use super::model::{Pane, Watch};
use super::rows;
use super::theme::Theme;
use crate::status::headline;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use standfast_api::{Snapshot, WorkerStatus};
use standfast_page::judgement::{Verdict, judge};
use standfast_page::moment;

/// Instead of a verdict where nobody answers.
const LOST: &str = "NO DAEMON";

/// From this width on the events stand beside the rest and not below it: each half has the width of a terminal.
const WIDE: u16 = 160;

/// Below this height there is room for one pane.
const LOW: u16 = 14;

/// The least that a pane is useful with: its title, titles of columns, and two lines.
const PANE: u16 = 4;

const KEYS: [(&str, &str); 10] = [
    ("q", "ends it; so does ctrl-c"),
    ("tab, shift-tab", "go to the next pane, or the one before; keys move its lines"),
    ("up, down, j, k", "a line up or down"),
    ("page up, page down", "a page up or down"),
    ("home, end", "to the beginning, to the end"),
    ("left, right", "to the side, where lines are longer than the terminal is wide"),
    ("z, enter", "the whole window for one pane, and back"),
    ("/", "only lines that contain what is typed then; enter keeps the filter, escape drops it"),
    ("space", "stand still, and go on; what happens meanwhile is kept"),
    ("?, h", "this list, and back"),
];

impl Watch {
    /// Draws what is to be seen.
    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let [head, body, foot] = parts(area);
        frame.render_widget(Paragraph::new(self.head()), head);
        frame.render_widget(Paragraph::new(self.foot()), foot);
        if self.is_help {
            let width = KEYS.iter().map(|(keys, _)| keys.len()).max().unwrap_or(0) + 2;
            let lines = KEYS.map(|(keys, what)| Line::raw(format!("  {keys:<width$}{what}")));
            let lines = [Line::raw("")].into_iter().chain(lines);
            frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), body);
            return;
        }
        if self.shown().is_none() {
            let text = if self.lost.is_some() { "" } else { "asking the daemon" };
            frame.render_widget(Paragraph::new(text), body);
            return;
        }
        if !self.panes().contains(&self.focus) {
            self.focus = self.panes().first().copied().unwrap_or(Pane::Events);
        }
        let contents: Vec<(Pane, Content)> = self.panes().into_iter().map(|pane| (pane, self.content(pane))).collect();
        let sizes: Vec<(Pane, usize)> = contents.iter().map(|(pane, content)| (*pane, content.height())).collect();
        let places = places(body, &sizes, self.focus, self.is_whole);
        for (pane, content) in contents {
            if let Some((_, place)) = places.iter().find(|(known, _)| *known == pane) {
                self.draw_pane(frame, pane, content, *place);
            }
        }
    }

    fn head(&self) -> Vec<Line<'static>> {
        let (word, verdict, text) = match (&self.lost, self.shown()) {
            (Some(why), Some(now)) => (
                LOST,
                Verdict::Critical,
                format!("below is what was so at {} UTC; {why}", moment::clock(now.daemon.unix)),
            ),
            (Some(why), None) => (LOST, Verdict::Critical, format!("asked every second; {why}")),
            (None, Some(now)) => {
                let (verdict, remarks) = judge(now);
                (verdict.word(), verdict, headline(now, &remarks))
            }
            (None, None) => ("UNKNOWN", Verdict::Warning, "the daemon was asked and has not answered yet".to_owned()),
        };
        let mut first = vec![Span::styled(format!(" {word} "), self.theme.verdict(verdict)), Span::raw(" ")];
        if let Some(events) = self.held_back() {
            let text = format!(" FROZEN, {events} events since ");
            first.extend([Span::styled(text, Theme::chosen()), Span::raw(" ")]);
        }
        first.push(Span::raw(text));
        vec![Line::from(first), Line::raw(self.shown().map(daemon).unwrap_or_default())]
    }

    fn foot(&self) -> Line<'static> {
        match self.typed() {
            (text, true) => Line::raw(format!("/{text}_   enter keeps the filter, escape drops it")),
            ("", false) => Line::raw("q quit  tab pane  arrows scroll  z one pane  / filter  space freeze  ? keys"),
            (text, false) => Line::from_iter([
                Span::styled(format!(" only lines with \"{text}\" "), Theme::chosen()),
                Span::raw("  / other filter  escape all lines  q quit"),
            ]),
        }
    }

    /// The lines of a pane, above which those of `titles` stay.
    fn content(&self, pane: Pane) -> Content {
        let filter = self.filter();
        let none = || (None, Vec::new());
        let (titles, lines) = match pane {
            Pane::Instances => self.shown().and_then(|now| now.vrrp.as_ref().map(|vrrp| (now, vrrp))).map_or_else(
                none,
                |(now, vrrp)| {
                    let (titles, lines) = rows::instances(self.theme, &vrrp.instances, now.daemon.at, &filter);
                    (Some(titles), lines)
                },
            ),
            Pane::Servers => self
                .shown()
                .and_then(Snapshot::check)
                .map_or_else(none, |check| (None, rows::services(self.theme, &check.services, &filter))),
            Pane::Events => {
                let lines = self.entries().iter().map(|entry| rows::event(self.theme, entry));
                (None, lines.filter(|line| rows::passes(line, &filter)).collect())
            }
        };
        Content { titles, lines }
    }

    fn draw_pane(&mut self, frame: &mut Frame<'_>, pane: Pane, content: Content, place: Rect) {
        let is_focus = self.focus == pane;
        let Content { titles, mut lines } = content;
        let above = 1 + usize::from(titles.is_some());
        let page = usize::from(place.height).saturating_sub(above);
        let scroll = self.scroll_mut(pane);
        scroll.page = page;
        scroll.lines = scroll.lines.min(lines.len().saturating_sub(page));
        let count = lines.len();
        let first = match pane {
            Pane::Instances | Pane::Servers => scroll.lines,
            Pane::Events => count.saturating_sub(page + scroll.lines),
        };
        let columns = scroll.columns;
        let last = (first + page).min(count);
        let shown: Vec<Line<'static>> = lines.drain(first..last).collect();
        let name = match pane {
            Pane::Instances => "Instances",
            Pane::Servers => "Virtual servers",
            Pane::Events => "Events",
        };
        let range = if count > page { format!(" lines {} to {last} of {count} ", first + 1) } else { String::new() };
        let style = if is_focus { Theme::chosen() } else { Theme::strong() };
        let title = Span::styled(format!(" {name} "), style);
        let rule = "─".repeat(usize::from(place.width).saturating_sub(title.width() + range.chars().count()));
        let title = Line::from_iter([title, Span::raw(range), Span::raw(rule)]);
        frame.render_widget(Paragraph::new(title), row(place, 0, 1));
        let below = u16::try_from(above).unwrap_or(u16::MAX);
        if let Some(titles) = titles {
            frame.render_widget(Paragraph::new(titles).scroll((0, columns)), row(place, 1, 1));
        }
        frame.render_widget(Paragraph::new(shown).scroll((0, columns)), row(place, below, place.height));
    }
}

/// What a pane shows.
struct Content {
    titles: Option<Line<'static>>,
    lines: Vec<Line<'static>>,
}

impl Content {
    /// With its title.
    fn height(&self) -> usize {
        1 + usize::from(self.titles.is_some()) + self.lines.len()
    }
}

fn daemon(now: &Snapshot) -> String {
    let daemon = &now.daemon;
    let workers: Vec<String> = daemon.workers.iter().map(worker).collect();
    format!(
        "{} UTC  standfastd {}, pid {}, up {}; configuration {}; {}",
        moment::clock(daemon.unix),
        daemon.version,
        daemon.pid,
        moment::length(daemon.at.since(daemon.started)),
        daemon.generation,
        workers.join(", "),
    )
}

fn worker(worker: &WorkerStatus) -> String {
    let kind = worker.kind;
    let again = if worker.starts > 1 { format!(" (start {})", worker.starts) } else { String::new() };
    match (worker.pid, worker.ready) {
        (None, _) => format!("{kind} does not run"),
        (Some(_), false) => format!("{kind} starts{again}"),
        (Some(pid), true) => format!("{kind} {pid}{again}"),
    }
}

/// So many lines of a place, as far as it has them.
fn row(place: Rect, from: u16, height: u16) -> Rect {
    Rect { y: place.y.saturating_add(from), height, ..place }.intersection(place)
}

/// The first two lines, the last one, and what is between.
fn parts(area: Rect) -> [Rect; 3] {
    let between = area.height.saturating_sub(3);
    [row(area, 0, 2), row(area, 2, between), row(area, 2 + between, 1)]
}

/// Where each pane stands. Where there is room for everything everything is shown; otherwise the one in focus has most,
/// and each of the others something.
fn places(body: Rect, sizes: &[(Pane, usize)], focus: Pane, whole: bool) -> Vec<(Pane, Rect)> {
    if whole || body.height < LOW {
        return vec![(focus, body)];
    }
    let is_beside = body.width >= WIDE && sizes.len() > 1;
    if !is_beside {
        return stacked(body, sizes, focus);
    }
    let left = Rect { width: body.width / 2, ..body };
    let right = Rect { x: left.right().saturating_add(1), width: body.width - left.width - 1, ..body };
    let (events, others): (Vec<_>, Vec<_>) = sizes.iter().copied().partition(|(pane, _)| *pane == Pane::Events);
    let mut places = stacked(left, &others, focus);
    places.extend(stacked(right, &events, focus));
    places
}

/// One below the other.
fn stacked(body: Rect, sizes: &[(Pane, usize)], focus: Pane) -> Vec<(Pane, Rect)> {
    let mut heights: Vec<u16> = sizes.iter().map(|_| PANE).collect();
    let mut left = body.height.saturating_sub(PANE.saturating_mul(u16::try_from(sizes.len()).unwrap_or(u16::MAX)));
    // First who is looked at, then in order; what is left then is the last one's.
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|place| sizes.get(*place).is_none_or(|(pane, _)| *pane != focus));
    for place in order {
        let (Some(height), Some((_, wanted))) = (heights.get_mut(place), sizes.get(place)) else { continue };
        let more = u16::try_from(*wanted).unwrap_or(u16::MAX).saturating_sub(*height).min(left);
        *height += more;
        left -= more;
    }
    if let Some(last) = heights.last_mut() {
        *last += left;
    }
    let mut y = 0;
    let mut places = Vec::new();
    for ((pane, _), height) in sizes.iter().zip(heights) {
        places.push((*pane, row(body, y, height)));
        y = y.saturating_add(height);
    }
    places
}
