//! `standfast watch`: a live view of the daemon in a terminal.
//!
//! This file owns the terminal and the conversations with the daemon, each in a thread that tells one queue. What is shown
//! and what a key does is in [`model`], which knows neither. It gives no order to the daemon.

pub mod model;
mod rows;
#[cfg(test)]
mod tests;
mod theme;
mod view;

use crate::control::{Conversation, Trouble};
use crate::operate::Watch as Words;
use crate::status;
use core::time::Duration;
use model::{Input, Key, Watch};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{Clear, ClearType};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;
use standfast_api::control::{Answer, Request};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use theme::Theme;

/// How often the daemon is asked how things are, and how long after a failure it is asked again.
const EVERY: Duration = Duration::from_secs(1);

/// How long after an event the daemon is asked: one change is several events, and one question is enough for them.
const SETTLE: Duration = Duration::from_millis(100);

/// A daemon that takes longer to answer is as good as none: it is said, and it is asked again.
const PATIENCE: Duration = Duration::from_secs(5);

/// What may wait to be shown. Who finds the queue full waits; the daemon does not wait for us.
const QUEUE: usize = 256;

/// Runs it until the operator has seen enough.
///
/// # Errors
///
/// The terminal is gone.
pub fn run(words: &Words) -> io::Result<u8> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        eprintln!("standfast: watch needs a terminal; status and events --follow do without");
        return Ok(2);
    }
    // Whoever may not ask now may not ask in a second either. A daemon that does not run may.
    if let Err(trouble @ Trouble::Denied) = status::ask(&words.socket) {
        eprintln!("standfast: {trouble}");
        return Ok(1);
    }
    let signals = Signals::new([SIGTERM, SIGHUP])?;
    let theme = Theme::of(std::env::var_os("NO_COLOR").is_none_or(|word| word.is_empty()));
    let mut terminal = ratatui::try_init()?;
    let (to, inputs) = sync_channel(QUEUE);
    start(&words.socket.path, &to, signals);
    let ended = show(&mut Watch::new(theme), &inputs, |watch| terminal.draw(|frame| watch.draw(frame)).map(drop));
    // A terminal that was resized meanwhile may keep what was drawn (tmux 3.3 does).
    let cleared = execute!(io::stdout(), Clear(ClearType::All));
    let restored = ratatui::try_restore();
    ended.and(cleared).and(restored).map(|()| 0)
}

/// Draws after everything that came, until it is enough. What came meanwhile is drawn together.
fn show(
    watch: &mut Watch,
    inputs: &Receiver<Input>,
    mut draw: impl FnMut(&mut Watch) -> io::Result<()>,
) -> io::Result<()> {
    draw(watch)?;
    while let Ok(first) = inputs.recv() {
        for input in core::iter::once(first).chain(inputs.try_iter().take(QUEUE)) {
            watch.take(input);
        }
        if watch.is_over() {
            break;
        }
        draw(watch)?;
    }
    Ok(())
}

/// Starts whoever tells the queue something. They end with the process.
fn start(socket: &Path, to: &SyncSender<Input>, mut signals: Signals) {
    let (nudge, nudges) = channel();
    let (place, queue) = (socket.to_owned(), to.clone());
    thread::spawn(move || ask_for_status(place, &queue, &nudges));
    let (place, queue) = (socket.to_owned(), to.clone());
    thread::spawn(move || follow_events(&place, &queue, &nudge));
    let queue = to.clone();
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            let Some(input) = input(&event) else { continue };
            if queue.send(input).is_err() {
                return;
            }
        }
        let _ = queue.send(Input::Over);
    });
    let queue = to.clone();
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = queue.send(Input::Over);
        }
    });
}

/// Asks how things are, every second and whenever something has happened.
fn ask_for_status(path: PathBuf, to: &SyncSender<Input>, nudges: &Receiver<()>) {
    let socket = crate::operate::Socket { path };
    loop {
        let input = match status::ask_within(&socket, PATIENCE) {
            Ok(snapshot) => Input::Status(Box::new(snapshot)),
            Err(trouble) => Input::Lost(trouble.to_string()),
        };
        if to.send(input).is_err() {
            return;
        }
        let mut wait = EVERY;
        loop {
            match nudges.recv_timeout(wait) {
                Ok(()) => wait = wait.min(SETTLE),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// Tells what has happened and happens, and begins again when the daemon is gone. That it is, the other conversation
/// says.
fn follow_events(socket: &Path, to: &SyncSender<Input>, nudge: &Sender<()>) {
    // Nobody sends into it: waiting on it is waiting.
    let (_silent, silence) = channel::<()>();
    let last = u32::try_from(model::ENTRIES).unwrap_or(u32::MAX);
    loop {
        let request = Request::Events { last, follow: true };
        if let Ok(mut conversation) = Conversation::begin(socket, request) {
            while let Ok(Answer::Event(event)) = conversation.answer() {
                if to.send(Input::Event(event)).is_err() || nudge.send(()).is_err() {
                    return;
                }
            }
        }
        let _ = silence.recv_timeout(EVERY);
    }
}

/// What the terminal says, if it concerns us.
fn input(event: &Event) -> Option<Input> {
    if let Event::Resize(..) = event {
        return Some(Input::Resized);
    }
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press | KeyEventKind::Repeat, .. }) = event else {
        return None;
    };
    if modifiers.contains(KeyModifiers::CONTROL) {
        return (*code == KeyCode::Char('c')).then_some(Input::Over);
    }
    if let KeyCode::Char(letter) = code {
        return Some(Input::Key(Key::Letter(*letter)));
    }
    let keys = [
        (KeyCode::Up, Key::Up),
        (KeyCode::Down, Key::Down),
        (KeyCode::Left, Key::Left),
        (KeyCode::Right, Key::Right),
        (KeyCode::PageUp, Key::PageUp),
        (KeyCode::PageDown, Key::PageDown),
        (KeyCode::Home, Key::Home),
        (KeyCode::End, Key::End),
        (KeyCode::Tab, Key::Tab),
        (KeyCode::BackTab, Key::BackTab),
        (KeyCode::Enter, Key::Enter),
        (KeyCode::Esc, Key::Escape),
        (KeyCode::Backspace, Key::Backspace),
    ];
    keys.into_iter().find_map(|(known, key)| (known == *code).then_some(Input::Key(key)))
}
