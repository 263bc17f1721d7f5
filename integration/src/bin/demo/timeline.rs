//! What the demonstration prints: a line for everything that happens, with its time; and what held and what did not.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use lab::{Moment, Process, pause};

/// How often the directors' logs are looked at: what a reader takes for "at once".
const LOOK: Duration = Duration::from_millis(50);

/// Lines of a director's log that tell the story. The rest is in its log.
const TELLING: [&str; 4] = ["Entering ", "Removing service", "Adding service", "refused advertisement"];

/// The printed story.
pub(crate) struct Timeline {
    start: Moment,
    colour: bool,
    findings: Mutex<Vec<(bool, String)>>,
}

impl Timeline {
    /// Begins now.
    pub(crate) fn start() -> Arc<Self> {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Arc::new(Self { start: Moment::now(), colour, findings: Mutex::default() })
    }

    /// A heading.
    pub(crate) fn chapter(&self, title: &str) {
        self.print(&format!("\n{}", self.paint("1", title)));
    }

    /// Something happened, or was said by `who`.
    pub(crate) fn say(&self, who: &str, what: &str) {
        let at = Moment::now().since(self.start).as_secs_f64();
        self.print(&format!("{at:7.2} s  {who:<8} {what}"));
    }

    /// What a command printed.
    pub(crate) fn show(&self, title: &str, text: &str) {
        let indented: String = text.lines().map(|line| format!("\n             {line}")).collect();
        self.print(&format!("           {title}{indented}"));
    }

    /// Something that must hold.
    pub(crate) fn check(&self, what: &str, held: bool) {
        let word = if held { self.paint("32", "ok") } else { self.paint("31", "NO") };
        self.say("", &format!("{word}  {what}"));
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).push((held, what.to_owned()));
    }

    /// A time that must not be longer than `limit`.
    pub(crate) fn measure(&self, what: &str, took: Duration, limit: Duration) {
        self.check(&format!("{what}: {} (at most {})", seconds(took), seconds(limit)), took <= limit);
    }

    /// Prints the telling lines of a director's log as they come, for as long as its daemon runs.
    pub(crate) fn follow(self: &Arc<Self>, who: &'static str, process: Process) -> Arc<Process> {
        let process = Arc::new(process);
        let (timeline, watched) = (Arc::clone(self), Arc::clone(&process));
        thread::spawn(move || {
            let mut told = 0;
            loop {
                let running = watched.is_running();
                let log = watched.log();
                let complete = log.rfind('\n').map_or("", |end| log.get(..end).unwrap_or(""));
                for line in complete.lines().skip(told) {
                    told += 1;
                    if let Some(text) = telling(line) {
                        timeline.say(who, text);
                    }
                }
                if !running {
                    break;
                }
                pause(LOOK);
            }
        });
        process
    }

    /// Prints what held and what did not. Whether all did, and there was something at all.
    pub(crate) fn summary(&self) -> bool {
        let findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        let failed: Vec<&String> = findings.iter().filter(|(held, _)| !held).map(|(_, what)| what).collect();
        self.chapter("Summary");
        self.print(&format!("  {} of {} held", findings.len() - failed.len(), findings.len()));
        for what in &failed {
            self.print(&format!("  {}  {what}", self.paint("31", "NO")));
        }
        failed.is_empty() && !findings.is_empty()
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn print(&self, text: &str) {
        // Nobody may be reading any more: then there is nobody to tell.
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }
}

/// The part of a log line that tells the story, if any of it does.
fn telling(line: &str) -> Option<&str> {
    if !TELLING.iter().any(|word| line.contains(word)) {
        return None;
    }
    let from = ["(VI_", "Removing ", "Adding "].iter().filter_map(|word| line.find(word)).min();
    line.get(from.unwrap_or(0)..)
}

fn seconds(time: Duration) -> String {
    if time == Duration::MAX { "no answer at all".to_owned() } else { format!("{:.3} s", time.as_secs_f64()) }
}
