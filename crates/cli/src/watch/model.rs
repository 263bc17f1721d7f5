//! What the view knows and what is looked at: statuses, events and keys in, a frame out (by `view`).
//!
//! Pure: it knows neither terminal, socket nor clock. What time it is, a status says.

use super::rows::{self, Entry};
use super::theme::Theme;
use standfast_api::Snapshot;
use standfast_api::control::Recorded;
use std::collections::VecDeque;

/// Lines of the event stream that are kept: as many as the daemon gives at most, and some screens to scroll through.
pub const ENTRIES: usize = 1000;

/// The longest filter in characters: it has to fit the last line of a narrow terminal.
const FILTER: usize = 60;

/// How far a step to the side goes, in columns.
const SIDEWAYS: u16 = 8;

/// Something that came.
#[derive(Debug)]
pub enum Input {
    /// How things are.
    Status(Box<Snapshot>),
    /// What has happened.
    Event(Box<Recorded>),
    /// The daemon does not answer, and why.
    Lost(String),
    /// A key.
    Key(Key),
    /// The terminal has another size.
    Resized,
    /// The terminal, or whoever sends signals, wants no more of it.
    Over,
}

/// A key of the keyboard, as far as it means something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A letter, digit or sign.
    Letter(char),
    /// A line up.
    Up,
    /// A line down.
    Down,
    /// To the beginning of long lines.
    Left,
    /// To the end of long lines.
    Right,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// The first line.
    Home,
    /// The last line.
    End,
    /// The next pane.
    Tab,
    /// The pane before.
    BackTab,
    /// The filter is as it should be.
    Enter,
    /// No filter; no help.
    Escape,
    /// One letter less.
    Backspace,
}

/// A part of the view with its own scrolling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pane {
    /// Virtual routers.
    Instances,
    /// Virtual servers and their real servers.
    Servers,
    /// What has happened.
    Events,
}

impl Pane {
    pub(super) const ALL: [Self; 3] = [Self::Instances, Self::Servers, Self::Events];
}

/// Where a pane has been scrolled to.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Scroll {
    /// Lines that are left out: above those that are shown, among events below, so that the newest is in sight.
    pub(super) lines: usize,
    /// Columns that are left out on the left.
    pub(super) columns: u16,
    /// Lines that it shows, as it was drawn last.
    pub(super) page: usize,
}

/// What is shown instead of what is so.
#[derive(Debug)]
struct Frozen {
    snapshot: Option<Snapshot>,
    entries: VecDeque<Entry>,
    /// Entries that have come since.
    since: usize,
}

/// The view.
#[derive(Debug)]
pub struct Watch {
    pub(super) theme: Theme,
    snapshot: Option<Snapshot>,
    entries: VecDeque<Entry>,
    frozen: Option<Frozen>,
    /// Why the daemon does not answer, since it does not.
    pub(super) lost: Option<String>,
    pub(super) focus: Pane,
    pub(super) is_whole: bool,
    pub(super) is_help: bool,
    scrolls: [Scroll; 3],
    filter: String,
    is_typing: bool,
    is_over: bool,
}

impl Watch {
    /// Knows nothing yet.
    #[must_use]
    pub const fn new(theme: Theme) -> Self {
        Self {
            theme,
            snapshot: None,
            entries: VecDeque::new(),
            frozen: None,
            lost: None,
            focus: Pane::Instances,
            is_whole: false,
            is_help: false,
            scrolls: [Scroll { lines: 0, columns: 0, page: 0 }; 3],
            filter: String::new(),
            is_typing: false,
            is_over: false,
        }
    }

    /// Whether the operator has seen enough.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Something came.
    pub fn take(&mut self, input: Input) {
        match input {
            Input::Status(snapshot) => self.status(*snapshot),
            Input::Event(event) => self.event(*event),
            Input::Lost(why) => self.lost = Some(why),
            Input::Key(key) => self.key(key),
            Input::Resized => {}
            Input::Over => self.is_over = true,
        }
    }

    fn status(&mut self, snapshot: Snapshot) {
        let before = self.snapshot.as_ref().map(|before| before.daemon.pid);
        let now = snapshot.daemon.pid;
        let was_lost = self.lost.take().is_some();
        let note = match before {
            Some(before) if before != now => Some(format!("connected again: restarted, pid {before} is {now} now")),
            Some(_) if was_lost => Some("connected again: the daemon goes on".to_owned()),
            Some(_) | None => None,
        };
        if let Some(note) = note {
            self.push(Entry::Note(snapshot.daemon.unix, note));
        }
        self.snapshot = Some(snapshot);
    }

    /// A conversation that begins again tells again what is known.
    fn event(&mut self, event: Recorded) {
        let is_known = self.entries.iter().rev().any(|entry| match entry {
            Entry::Recorded(known) => known.number == event.number && known.unix == event.unix,
            Entry::Note(..) => false,
        });
        if !is_known {
            self.push(Entry::Recorded(event));
        }
    }

    fn push(&mut self, entry: Entry) {
        // Who reads further up goes on reading there.
        let moves = self.frozen.is_none() && rows::passes(&rows::event(self.theme, &entry), &self.filter());
        let scroll = self.scroll_mut(Pane::Events);
        if moves && scroll.lines > 0 {
            scroll.lines += 1;
        }
        if self.entries.len() >= ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        if let Some(frozen) = &mut self.frozen {
            frozen.since += 1;
        }
    }

    fn key(&mut self, key: Key) {
        if self.is_typing {
            self.type_filter(key);
            return;
        }
        let scroll = self.scroll_mut(self.focus);
        let page = scroll.page.max(1);
        match key {
            Key::Letter('q') => self.is_over = true,
            Key::Letter('/') => self.is_typing = true,
            Key::Letter(' ') => self.freeze_or_go_on(),
            Key::Letter('z') | Key::Enter => self.is_whole = !self.is_whole,
            Key::Letter('?' | 'h') => self.is_help = !self.is_help,
            Key::Up | Key::Letter('k') => self.scroll_by(1, true),
            Key::Down | Key::Letter('j') => self.scroll_by(1, false),
            Key::PageUp => self.scroll_by(page, true),
            Key::PageDown => self.scroll_by(page, false),
            Key::Home => self.scroll_by(usize::MAX, true),
            Key::End => self.scroll_by(usize::MAX, false),
            Key::Left => scroll.columns = scroll.columns.saturating_sub(SIDEWAYS),
            Key::Right => scroll.columns = scroll.columns.saturating_add(SIDEWAYS),
            Key::Tab => self.turn(1),
            Key::BackTab => self.turn(2),
            Key::Escape => {
                self.is_help = false;
                self.set_filter(String::new());
            }
            Key::Letter(_) | Key::Backspace => {}
        }
    }

    fn type_filter(&mut self, key: Key) {
        let mut text = self.filter.clone();
        match key {
            Key::Letter(letter) if text.chars().count() < FILTER => text.push(letter),
            Key::Backspace => _ = text.pop(),
            Key::Enter => self.is_typing = false,
            Key::Escape => {
                self.is_typing = false;
                text.clear();
            }
            Key::Letter(_)
            | Key::Up
            | Key::Down
            | Key::Left
            | Key::Right
            | Key::PageUp
            | Key::PageDown
            | Key::Home
            | Key::End
            | Key::Tab
            | Key::BackTab => {}
        }
        self.set_filter(text);
    }

    /// Other lines are shown then, and those from the beginning.
    fn set_filter(&mut self, text: String) {
        if text != self.filter {
            self.filter = text;
            for scroll in &mut self.scrolls {
                scroll.lines = 0;
            }
        }
    }

    fn freeze_or_go_on(&mut self) {
        self.frozen = match self.frozen.take() {
            Some(_) => None,
            None => Some(Frozen { snapshot: self.snapshot.clone(), entries: self.entries.clone(), since: 0 }),
        };
    }

    /// Up is to lines further away from the newest event, and to lines nearer to the first instance. What is too far is
    /// set right when it is drawn.
    fn scroll_by(&mut self, lines: usize, up: bool) {
        let up = if self.focus == Pane::Events { !up } else { up };
        let scroll = self.scroll_mut(self.focus);
        scroll.lines = if up { scroll.lines.saturating_sub(lines) } else { scroll.lines.saturating_add(lines) };
    }

    /// So many panes on, those without content left out.
    fn turn(&mut self, steps: usize) {
        let there: Vec<Pane> = self.panes();
        let now = there.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        // Two steps on among three is one back; among two and one the remainder sees to it.
        let steps = if steps > 1 { there.len().saturating_sub(1) } else { 1 };
        if let Some(next) = there.get((now + steps) % there.len().max(1)) {
            self.focus = *next;
        }
    }

    /// The panes that have content. There is always one for events.
    pub(super) fn panes(&self) -> Vec<Pane> {
        let has = |pane: &Pane| match pane {
            Pane::Instances => {
                self.shown().is_some_and(|now| now.vrrp.as_ref().is_some_and(|v| !v.instances.is_empty()))
            }
            Pane::Servers => self.shown().is_some_and(|now| now.check().is_some_and(|c| !c.services.is_empty())),
            Pane::Events => true,
        };
        Pane::ALL.into_iter().filter(has).collect()
    }

    /// The status that is shown.
    pub(super) fn shown(&self) -> Option<&Snapshot> {
        match &self.frozen {
            Some(frozen) => frozen.snapshot.as_ref(),
            None => self.snapshot.as_ref(),
        }
    }

    /// The events that are shown, oldest first.
    pub(super) fn entries(&self) -> &VecDeque<Entry> {
        self.frozen.as_ref().map_or(&self.entries, |frozen| &frozen.entries)
    }

    /// How many events have come since it was frozen, if it is.
    pub(super) fn held_back(&self) -> Option<usize> {
        self.frozen.as_ref().map(|frozen| frozen.since)
    }

    /// The filter in small letters, as it is compared.
    pub(super) fn filter(&self) -> String {
        self.filter.to_lowercase()
    }

    /// The filter as it was typed, and whether it is being typed.
    pub(super) fn typed(&self) -> (&str, bool) {
        (&self.filter, self.is_typing)
    }

    pub(super) const fn scroll_mut(&mut self, pane: Pane) -> &mut Scroll {
        let [instances, servers, events] = &mut self.scrolls;
        match pane {
            Pane::Instances => instances,
            Pane::Servers => servers,
            Pane::Events => events,
        }
    }
}
