//! The loop of the `runner` worker: runs scripts, writes to FIFOs, sends mail and watches files and processes for the
//! other workers, so that none of them ever forks, opens a file or waits for one.
//!
//! It parses nothing from the network and decides nothing: what runs when, and what an outcome means, is the business of
//! the worker that asked. It runs what the configuration names and nothing else.

mod fifo;
mod files;
mod job;
mod lane;
pub(crate) mod mail;
mod peer;
mod processes;
mod program;
mod settings;

use crate::exit_status::ExitStatus;
use crate::link::{Command, NewSlice, StopReason};
use crate::mailer::Order;
use crate::worker::{WorkerContext, say_stopping, slice_label};
use core::time::Duration;
use fifo::Fifo;
use program::Policy;
use settings::{FifoWay, Settings};
use standfast_api::{RunnerSlice, WorkerKind, WorkerOptions};
use standfast_kernel::channel::Channel;
use standfast_kernel::process::identity;
use standfast_kernel::process::memory::give_back_memory;
use standfast_model::Ended;
use standfast_model::config::Global;
use standfast_model::config::global::TimedScript;
use standfast_model::config::script::Fifo as FifoConfig;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::{error, info, warn};

/// keepalived's.
const DEFAULT_UMASK: u32 = 0o177;

/// Commands of trackers and checkers that run at a time; more wait for their turn. Each costs a process and three of the
/// 1024 descriptors that a process usually may have.
const COMMANDS_AT_A_TIME: usize = 256;

/// Processes of notifications that run at a time, those included that stay for good. Each costs a descriptor.
const NOTIFIERS_AT_A_TIME: usize = 200;

/// How long what is told at a stop may take: scripts of STOP transitions and `omega` (keepalived gives them a second).
const LAST_SCRIPTS: Duration = Duration::from_secs(1);

/// How long the last mails may take: a mail server that is alive needs less.
const LAST_MAILS: Duration = Duration::from_secs(2);

/// How long workers may take to leave when the supervisor has died and nobody waits for them.
const LAST_WORKERS: Duration = Duration::from_secs(5);

/// Runs the worker until it is told to stop.
pub async fn run(context: WorkerContext<RunnerSlice>) -> ExitStatus {
    let WorkerContext { slice, options, attached: _, mut supervisor } = context;
    let (settings, current) = watch::channel(Arc::default());
    let turns = Arc::new(Semaphore::new(COMMANDS_AT_A_TIME));
    let notifiers = Arc::new(Semaphore::new(NOTIFIERS_AT_A_TIME));
    let common = peer::Common { settings: current, turns, notifiers, first: !options.restarted };
    let mut runner = Runner { settings, outlets: Outlets::default(), peers: JoinSet::new(), known: Vec::new(), common };
    set_umask(&slice.global, options);
    runner.apply(&slice, None);
    let mut shutdown = slice.global.shutdown;
    let policy = runner.settings.borrow().policy;
    let first = slice.global.startup.as_ref().filter(|_| !options.restarted);
    let mut starting = core::pin::pin!(startup(first, policy));
    let mut ready = false;
    let reason = loop {
        tokio::select! {
            biased;
            () = &mut starting, if !ready => {
                ready = true;
                supervisor.ready();
                give_back_memory();
            }
            command = supervisor.command() => match command {
                Command::Stop(reason) => break reason,
                Command::Reload(new) => {
                    let outcome = runner.reload(&new).map(|slice| {
                        set_umask(&slice.global, options);
                        shutdown = slice.global.shutdown;
                    });
                    supervisor.reloaded(new.generation(), outcome);
                }
                Command::Peer(kind, way) => runner.connect(kind, way),
                // It has no status to tell and tracks nothing.
                Command::Report | Command::Bfd { .. } | Command::SyncInstance { .. } | Command::Quorum { .. } | Command::Witness { .. } | Command::Lease { .. } | Command::Server { .. } | Command::Front(_) | Command::Agent(_) | Command::Maintenance { .. } | Command::Switchover { .. } | Command::Announce { .. } | Command::Conflict(_) | Command::Plan { .. } => {}
            },
            Some(_) = runner.peers.join_next() => {}
        }
    };
    say_stopping(reason);
    let policy = runner.settings.borrow().policy;
    runner.stop(reason).await;
    if let Some(script) = shutdown {
        timed("shutdown_script", &script, policy).await;
    }
    ExitStatus::Ok
}

/// What scripts and FIFOs are made with. keepalived's own files are nobody else's business, and its scripts inherit that.
fn set_umask(global: &Global, options: WorkerOptions) {
    let mask = options.umask.or(global.umask.map(u32::from)).unwrap_or(DEFAULT_UMASK);
    identity::set_umask(mask);
}

/// Runs `startup_script`, if there is one to run.
async fn startup(script: Option<&TimedScript>, policy: Policy) {
    if let Some(script) = script {
        timed("startup_script", script, policy).await;
    }
}

/// Runs a script of the daemon itself to its end, and says what is wrong with how it ended.
async fn timed(keyword: &str, script: &TimedScript, policy: Policy) {
    let name = job::shown(&script.script);
    info!("Running {keyword} {name}");
    let (ended, output) = job::check(&script.script, policy, script.timeout).await;
    if ended == Ended::Exited(0) {
        return;
    }
    let output = output.trim();
    let said = if output.is_empty() { String::new() } else { format!(", and said: {output}") };
    warn!("{keyword} {name} {ended}{said}");
}

/// Tasks that a configuration brings about, besides the peers.
#[derive(Debug, Default)]
struct Outlets {
    fifos: Vec<(FifoConfig, [bool; 2], mpsc::UnboundedSender<fifo::ToFifo>)>,
    tasks: Vec<JoinHandle<()>>,
    mail: Option<(mpsc::Sender<Order>, JoinHandle<()>)>,
}

/// Everything the loop owns.
#[derive(Debug)]
struct Runner {
    settings: watch::Sender<Arc<Settings>>,
    outlets: Outlets,
    peers: JoinSet<()>,
    /// Kinds that were here before.
    known: Vec<WorkerKind>,
    common: peer::Common,
}

impl Runner {
    fn connect(&mut self, kind: WorkerKind, way: OwnedFd) {
        let first = self.common.first && !self.known.contains(&kind);
        if first {
            self.known.push(kind);
        }
        let common = peer::Common { first, ..self.common.clone() };
        match Channel::new(way) {
            Ok(channel) => drop(self.peers.spawn(peer::serve(kind, channel, common))),
            Err(error) => error!("no way to the {kind} worker: {error}"),
        }
    }

    fn reload(&mut self, new: &NewSlice) -> Result<RunnerSlice, String> {
        let slice: RunnerSlice = new.read(slice_label(WorkerKind::Runner))?;
        let before = Arc::clone(&self.settings.borrow());
        self.apply(&slice, Some(&before));
        Ok(slice)
    }

    /// Goes on with this configuration. What the one before it named may still be wanted by a worker that has not got
    /// its own new slice, or that tells of what the new one removes.
    fn apply(&mut self, slice: &RunnerSlice, before: Option<&Settings>) {
        let Global { script_security, use_symlink_paths, .. } = slice.global;
        let policy = Policy { security: script_security, keep_links: use_symlink_paths };
        let mut settings = Settings {
            policy,
            vrrp_scripts: slice.vrrp_scripts.iter().cloned().collect(),
            check_scripts: slice.check_scripts.iter().cloned().collect(),
            process_buffer: slice.global.netlink.process_monitor,
            ..Settings::default()
        };
        settings.named = (settings.vrrp_scripts.clone(), settings.check_scripts.clone());
        if let Some(before) = before {
            settings.vrrp_scripts.extend(before.named.0.iter().cloned());
            settings.check_scripts.extend(before.named.1.iter().cloned());
        }
        self.open_fifos(slice, policy);
        settings.fifos = self
            .outlets
            .fifos
            .iter()
            .map(|(_, [vrrp, check], way)| FifoWay { vrrp: *vrrp, check: *check, way: way.clone() })
            .collect();
        settings.order = order_of(&slice.global);
        settings.mail = self.mail(!settings.order.to.is_empty() && slice.global.mail.server.is_some());
        self.settings.send_replace(Arc::new(settings));
    }

    /// Opens what is new and lets go of what is not wanted any more; what stays keeps its reader.
    fn open_fifos(&mut self, slice: &RunnerSlice, policy: Policy) {
        let wanted = [
            (slice.fifo.as_ref(), [true, true]),
            (slice.vrrp_fifo.as_ref(), [true, false]),
            (slice.lvs_fifo.as_ref(), [false, true]),
        ];
        let wanted: Vec<(&FifoConfig, [bool; 2])> = wanted.into_iter().filter_map(|(f, who)| Some((f?, who))).collect();
        self.outlets.fifos.retain(|(config, who, _)| wanted.contains(&(config, *who)));
        self.outlets.tasks.retain(|task| !task.is_finished());
        for (config, who) in wanted {
            if self.outlets.fifos.iter().any(|(open, open_who, _)| open == config && *open_who == who) {
                continue;
            }
            match Fifo::open(config.clone(), policy) {
                Ok(fifo) => {
                    let (way, lines) = mpsc::unbounded_channel();
                    self.outlets.tasks.push(tokio::spawn(fifo.serve(lines)));
                    self.outlets.fifos.push((config.clone(), who, way));
                }
                Err(error) => error!("notify FIFO {} cannot be used: {error}", config.path),
            }
        }
    }

    fn mail(&mut self, wanted: bool) -> Option<mpsc::Sender<Order>> {
        if !wanted {
            self.outlets.mail = None;
            return None;
        }
        let (way, _) = self.outlets.mail.get_or_insert_with(|| {
            let (way, orders) = mpsc::channel(mail::WAITING_MAILS);
            (way, tokio::spawn(mail::serve(orders)))
        });
        Some(way.clone())
    }

    /// Hears the last words of the workers, tells them, and ends what would stay.
    async fn stop(mut self, reason: StopReason) {
        let patience = match reason {
            // The other workers have gone before.
            StopReason::Asked => LAST_SCRIPTS,
            StopReason::Signal(_) | StopReason::SupervisorGone => LAST_WORKERS + LAST_SCRIPTS,
        };
        let peers = &mut self.peers;
        let all = tokio::time::timeout(patience, async { while peers.join_next().await.is_some() {} }).await;
        if all.is_err() {
            warn!("scripts still run at the end: they are told to terminate");
        }
        // Their tasks own the processes of notifications and end these as they go.
        self.peers.shutdown().await;
        let Outlets { fifos, tasks, mail } = core::mem::take(&mut self.outlets);
        self.settings.send_replace(Arc::default());
        drop(fifos);
        for task in tasks {
            // It writes what there is room for and is done.
            let _ = task.await;
        }
        if let Some((way, task)) = mail {
            drop(way);
            if tokio::time::timeout(LAST_MAILS, task).await.is_err() {
                warn!("the mail server does not answer: the last mails are not delivered");
            }
        }
    }
}

/// What of the configuration every mail has in common.
fn order_of(global: &Global) -> Order {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mail = &global.mail;
    Order {
        server: mail.server.clone().unwrap_or_default(),
        helo: mail.helo_name.clone().unwrap_or_else(|| host.clone()),
        timeout: mail.timeout.unwrap_or(Duration::from_secs(30)),
        from: mail.from.clone().unwrap_or_else(|| format!("root@{host}")),
        to: mail.to.clone(),
        router: global.router_id.clone().unwrap_or(host),
        subject: String::new(),
        body: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner_client::RunnerClient;
    use standfast_api::runner::Line;
    use standfast_kernel::channel;
    use std::io::Read as _;
    use std::path::Path;

    fn fifo(path: &Path) -> Option<FifoConfig> {
        Some(FifoConfig { path: path.to_str().unwrap().to_owned(), owner: None, reader: None })
    }

    fn runner() -> Runner {
        let (settings, current) = watch::channel(Arc::default());
        let (turns, notifiers) = (Arc::new(Semaphore::new(2)), Arc::new(Semaphore::new(2)));
        let common = peer::Common { settings: current, turns, notifiers, first: true };
        Runner { settings, outlets: Outlets::default(), peers: JoinSet::new(), known: Vec::new(), common }
    }

    fn client(runner: &mut Runner, kind: WorkerKind) -> RunnerClient {
        let (a, b) = channel::pair().unwrap();
        let mut client = RunnerClient::new();
        client.connect(a);
        runner.connect(kind, b);
        client
    }

    /// What is in a FIFO, once there is so much.
    async fn content(path: &Path, bytes: usize) -> String {
        let mut file = std::fs::File::options().read(true).write(true).open(path).unwrap();
        rustix::io::ioctl_fionbio(&file, true).unwrap();
        let mut text = Vec::new();
        for _ in 0..500 {
            let _ = file.read_to_end(&mut text);
            if text.len() >= bytes {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn each_worker_s_lines_go_to_its_fifo_and_to_the_common_one_and_made_fifos_go_with_the_runner() {
        let directory = std::path::PathBuf::from(format!("/tmp/standfast-fifos-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let paths = ["common", "vrrp", "lvs"].map(|name| directory.join(name));
        let [common, vrrp, lvs] = &paths;
        let slice =
            RunnerSlice { fifo: fifo(common), vrrp_fifo: fifo(vrrp), lvs_fifo: fifo(lvs), ..RunnerSlice::default() };
        let mut runner = runner();
        runner.apply(&slice, None);
        let (mut of_vrrp, mut of_check) =
            (client(&mut runner, WorkerKind::Vrrp), client(&mut runner, WorkerKind::Check));
        let line = |text: &str| Some(Line { text: text.to_owned(), state: true });
        of_vrrp.notify("a", Vec::new(), line("INSTANCE \"a\" MASTER 100"), None);
        assert_eq!(content(vrrp, 24).await, "INSTANCE \"a\" MASTER 100\n");
        of_check.notify("b", Vec::new(), line("VS [192.0.2.1]:tcp:80 UP"), None);
        assert_eq!(content(lvs, 24).await, "VS [192.0.2.1]:tcp:80 UP\n");
        assert_eq!(content(common, 48).await, "INSTANCE \"a\" MASTER 100\nVS [192.0.2.1]:tcp:80 UP\n");
        assert_eq!(content(vrrp, 0).await, "");
        drop((of_vrrp, of_check));
        runner.stop(StopReason::Asked).await;
        let left: Vec<_> = std::fs::read_dir(&directory).unwrap().flatten().map(|entry| entry.path()).collect();
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(left.is_empty(), "{left:?}");
    }

    #[tokio::test]
    async fn a_worker_that_asks_for_what_is_not_configured_gets_a_refusal() {
        use crate::runner_client::Answer;
        use standfast_model::config::script::Script;
        let mut runner = runner();
        let words = |word: &str| Script { words: vec![word.as_bytes().to_vec()], identity: None };
        let slice = RunnerSlice { check_scripts: vec![words("/bin/true")], ..RunnerSlice::default() };
        runner.apply(&slice, None);
        let mut check = client(&mut runner, WorkerKind::Check);
        for (word, expected) in [("/bin/true", true), ("/bin/false", false)] {
            let id = check.run(words(word), Duration::from_secs(10));
            match check.next().await {
                Answer::Ended(outcome) => {
                    assert_eq!(outcome.id, id);
                    assert_eq!(outcome.ended.is_good(), expected, "{outcome:?}");
                    assert!(expected || outcome.ended.to_string().contains("not in the configuration"));
                }
                other @ (Answer::File { .. } | Answer::Processes { .. }) => panic!("{other:?}"),
            }
        }
        // What the configuration before named may be asked for by a worker that has not got its new one.
        let before = Arc::clone(&runner.settings.borrow());
        runner.apply(&RunnerSlice::default(), Some(&before));
        assert!(runner.settings.borrow().permits(WorkerKind::Check, &words("/bin/true")));
        let before = Arc::clone(&runner.settings.borrow());
        runner.apply(&RunnerSlice::default(), Some(&before));
        assert!(!runner.settings.borrow().permits(WorkerKind::Check, &words("/bin/true")));
        drop(check);
        runner.stop(StopReason::Asked).await;
    }
}
