//! Processes that are counted (`vrrp_track_process`): all of them at once, then whenever one begins, changes or ends.
//!
//! The kernel says when. Where it does not (in a container, without the right), the list of processes is read every
//! second instead, which is said once.

use core::time::Duration;
use standfast_api::runner::{FromRunner, WatchedProcess};
use standfast_kernel::process::events::{ProcessEvent, ProcessEvents};
use standfast_model::config::global::NetlinkBuffer;
use standfast_model::config::track::ProcessMatch;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use tokio::sync::mpsc;
use tracing::{info, warn};

/// The kernel cuts the name of a process to this (`TASK_COMM_LEN` less the zero behind it).
const NAME_BYTES: usize = 15;

/// How often processes are counted where the kernel does not tell of them.
const INTERVAL: Duration = Duration::from_secs(1);

/// Datagrams taken before others get their turn.
const PORTION: usize = 64;

/// Counts processes and tells every change, until its task is ended.
pub(super) async fn watch(
    watch: u32,
    watched: Vec<WatchedProcess>,
    buffer: NetlinkBuffer,
    answers: mpsc::UnboundedSender<FromRunner>,
) {
    let queue = usize::try_from(buffer.bytes).unwrap_or(0);
    count(ProcessEvents::subscribe(queue, buffer.force), watch, watched, answers).await;
}

/// The events were subscribed to before the first count, so that nothing falls between the two.
async fn count(
    events: io::Result<ProcessEvents>,
    watch: u32,
    watched: Vec<WatchedProcess>,
    answers: mpsc::UnboundedSender<FromRunner>,
) {
    let mut census = Census::new(watch, watched, answers);
    census.take();
    let outcome = match events {
        Ok(events) => listen(&events, &mut census).await,
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        info!("the kernel does not tell of processes here ({error}): they are counted every second");
    }
    loop {
        tokio::time::sleep(INTERVAL).await;
        census.take();
    }
}

/// Only ever ends with an error.
async fn listen(events: &ProcessEvents, census: &mut Census) -> io::Result<()> {
    loop {
        events.readable().await?;
        for _ in 0..PORTION {
            let Some(batch) = events.try_next()? else { break };
            for event in batch {
                census.hear(&event);
            }
        }
        census.tell();
        tokio::task::yield_now().await;
    }
}

/// Who is who.
#[derive(Debug)]
struct Census {
    watch: u32,
    watched: Vec<WatchedProcess>,
    /// By number, the watched ones that a process counts for; those that count for none are not here.
    members: BTreeMap<u32, Vec<usize>>,
    told: Vec<Option<u32>>,
    answers: mpsc::UnboundedSender<FromRunner>,
}

impl Census {
    fn new(watch: u32, watched: Vec<WatchedProcess>, answers: mpsc::UnboundedSender<FromRunner>) -> Self {
        let told = vec![None; watched.len()];
        Self { watch, watched, members: BTreeMap::new(), told, answers }
    }

    /// Counts anew.
    fn take(&mut self) {
        self.members.clear();
        match std::fs::read_dir("/proc") {
            Ok(entries) => {
                for entry in entries.flatten() {
                    if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                        self.look(pid);
                    }
                }
            }
            Err(error) => warn!("processes cannot be counted: {error}"),
        }
        self.tell();
    }

    fn hear(&mut self, event: &ProcessEvent) {
        match event {
            // A copy is named as its parent is.
            ProcessEvent::Forked { child, parent } => {
                if let Some(member) = self.members.get(parent).cloned() {
                    self.members.insert(*child, member);
                }
            }
            ProcessEvent::Executed(pid) | ProcessEvent::Renamed(pid) => self.look(*pid),
            ProcessEvent::Exited(pid) => {
                self.members.remove(pid);
            }
            ProcessEvent::Lost => self.take(),
        }
    }

    fn look(&mut self, pid: u32) {
        let member = match Process::read(pid) {
            Some(process) => matches(&self.watched, &process),
            None => Vec::new(),
        };
        if member.is_empty() {
            self.members.remove(&pid);
        } else {
            self.members.insert(pid, member);
        }
    }

    fn tell(&mut self) {
        for (index, told) in (0_u32..).zip(&mut self.told) {
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            let count = self.members.values().filter(|member| member.contains(&place)).count();
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            if *told != Some(count) {
                *told = Some(count);
                let _ = self.answers.send(FromRunner::Processes { watch: self.watch, index, count });
            }
        }
    }
}

/// What a process is called.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Process {
    name: Vec<u8>,
    /// Empty for a thread of the kernel.
    words: Vec<Vec<u8>>,
}

impl Process {
    /// None if it has gone or is dead and not buried.
    fn read(pid: u32) -> Option<Self> {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        let open = stat.iter().position(|byte| *byte == b'(')?;
        let close = stat.iter().rposition(|byte| *byte == b')')?;
        if matches!(stat.get(close + 2)?, b'Z' | b'X') {
            return None;
        }
        let name = stat.get(open + 1..close)?.to_vec();
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words = match line.strip_suffix(b"\0") {
            Some(line) => line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect(),
            None if line.is_empty() => Vec::new(),
            None => vec![line],
        };
        Some(Self { name, words })
    }
}

fn matches(watched: &[WatchedProcess], process: &Process) -> Vec<usize> {
    watched.iter().enumerate().filter(|(_, one)| is_one(one, process)).map(|(index, _)| index).collect()
}

fn is_one(watched: &WatchedProcess, process: &Process) -> bool {
    let Some((command, parameters)) = watched.words.split_first() else { return false };
    let Some((first, given)) = process.words.split_first() else {
        return watched.matching == ProcessMatch::Name && is_called(command, &process.name);
    };
    match watched.matching {
        ProcessMatch::Name => is_called(command, &process.name),
        ProcessMatch::Command => first == command,
        ProcessMatch::Exact => first == command && given == parameters,
        ProcessMatch::Partial => first == command && given.starts_with(parameters),
        ProcessMatch::Initial => match parameters.split_last() {
            None => first == command,
            Some((last, whole)) => {
                first == command
                    && given.starts_with(whole)
                    && given.get(whole.len()).is_some_and(|word| word.starts_with(last))
            }
        },
    }
}

fn is_called(command: &[u8], name: &[u8]) -> bool {
    let file = Path::new(std::ffi::OsStr::from_bytes(command)).file_name();
    let command = file.map_or(command, std::ffi::OsStr::as_bytes);
    command.get(..NAME_BYTES).unwrap_or(command) == name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    fn counts(watched: &str, matching: ProcessMatch, name: &str, line: &str) -> bool {
        let process = Process { name: name.as_bytes().to_vec(), words: words(line) };
        is_one(&WatchedProcess { words: words(watched), matching }, &process)
    }

    #[test]
    fn a_process_is_recognised_as_it_was_asked_for() {
        use ProcessMatch::{Command, Exact, Initial, Name, Partial};
        let line = "/usr/sbin/haproxy -f /etc/a.cfg -db";
        for (watched, matching, expected) in [
            ("haproxy", Name, true),
            ("/usr/sbin/haproxy", Name, true),
            ("hapro", Name, false),
            ("/usr/sbin/haproxy", Command, true),
            ("haproxy", Command, false),
            ("/usr/sbin/haproxy -f /etc/a.cfg -db", Exact, true),
            ("/usr/sbin/haproxy -f /etc/a.cfg", Exact, false),
            ("/usr/sbin/haproxy -f /etc/a.cfg", Partial, true),
            ("/usr/sbin/haproxy -f /etc/a", Partial, false),
            ("/usr/sbin/haproxy -f /etc/a", Initial, true),
            ("/usr/sbin/haproxy /etc", Initial, false),
            ("/usr/sbin/haproxy -f /etc/a.cfg -db x", Initial, false),
        ] {
            assert_eq!(counts(watched, matching, "haproxy", line), expected, "{watched} {matching:?}");
        }
        assert!(counts("a-name-of-more-than-15", Name, "a-name-of-more-", "x"), "names are cut");
    }

    async fn next(answers: &mut mpsc::UnboundedReceiver<FromRunner>) -> (u32, u32) {
        match tokio::time::timeout(Duration::from_secs(10), answers.recv()).await.unwrap().unwrap() {
            FromRunner::Processes { watch: 7, index, count } => (index, count),
            other @ (FromRunner::Ended(_)
            | FromRunner::Told(_)
            | FromRunner::File { .. }
            | FromRunner::Processes { .. }) => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_process_is_counted_when_it_is_there_and_not_when_it_has_gone() {
        let own = std::process::id();
        let line =
            |seconds: &str| WatchedProcess { words: words(&format!("sleep {seconds}")), matching: ProcessMatch::Exact };
        // Numbers that nobody else sleeps for.
        let (first, second) = (format!("9{own}"), format!("8{own}"));
        let (answers, mut values) = mpsc::unbounded_channel();
        let watching = tokio::spawn(watch(7, vec![line(&first), line(&second)], NetlinkBuffer::default(), answers));
        assert_eq!([next(&mut values).await, next(&mut values).await], [(0, 0), (1, 0)]);
        let sleep = |seconds: &str| std::process::Command::new("sleep").arg(seconds).spawn().unwrap();
        let mut children = vec![sleep(&first)];
        assert_eq!(next(&mut values).await, (0, 1));
        children.push(sleep(&first));
        assert_eq!(next(&mut values).await, (0, 2));
        for child in &mut children {
            child.kill().unwrap();
            // A process that is dead and not buried does not count.
        }
        let mut count = 2;
        while count > 0 {
            let (index, now) = next(&mut values).await;
            assert_eq!(index, 0);
            assert!(now < count);
            count = now;
        }
        for mut child in children {
            child.wait().unwrap();
        }
        watching.abort();
    }

    #[tokio::test]
    async fn where_the_kernel_does_not_tell_processes_are_counted_all_the_same() {
        let seconds = format!("6{}", std::process::id());
        let line = WatchedProcess { words: words(&format!("sleep {seconds}")), matching: ProcessMatch::Exact };
        let (answers, mut values) = mpsc::unbounded_channel();
        let refused = Err(io::ErrorKind::ConnectionRefused.into());
        let watching = tokio::spawn(count(refused, 7, vec![line], answers));
        assert_eq!(next(&mut values).await, (0, 0));
        let mut child = std::process::Command::new("sleep").arg(&seconds).spawn().unwrap();
        assert_eq!(next(&mut values).await, (0, 1));
        child.kill().unwrap();
        assert_eq!(next(&mut values).await, (0, 0));
        child.wait().unwrap();
        watching.abort();
    }

    /// The aim is a median under a millisecond; the bound leaves room for a machine that does other things.
    #[tokio::test]
    async fn a_death_is_told_within_milliseconds_where_the_kernel_tells_of_it() {
        if let Err(error) = ProcessEvents::subscribe(0, false) {
            eprintln!("not measured: {error}");
            return;
        }
        let seconds = format!("7{}", std::process::id());
        let line = WatchedProcess { words: words(&format!("sleep {seconds}")), matching: ProcessMatch::Exact };
        let (answers, mut values) = mpsc::unbounded_channel();
        let watching = tokio::spawn(watch(7, vec![line], NetlinkBuffer::default(), answers));
        assert_eq!(next(&mut values).await, (0, 0));
        let mut took = Vec::new();
        for _ in 0..50 {
            let mut child = std::process::Command::new("sleep").arg(&seconds).spawn().unwrap();
            assert_eq!(next(&mut values).await, (0, 1));
            let begun = standfast_kernel::timer::boottime();
            child.kill().unwrap();
            assert_eq!(next(&mut values).await, (0, 0));
            took.push(standfast_kernel::timer::boottime().since(begun));
            child.wait().unwrap();
        }
        watching.abort();
        took.sort();
        println!("from SIGKILL to the answer: min {:?}, median {:?}, max {:?}", took[0], took[25], took[49]);
        assert!(took[25] < Duration::from_millis(20), "{took:?}");
    }
}
