//! The handle to a machine of a running lab: run programs on it, copy files, and do to it what happens to machines.

use std::net::{SocketAddr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::command::Command;
use crate::core::{Core, Node, succeeded};
use crate::error::{Error, Result};
use crate::process::{Finished, Process};

/// How long copying a file may take.
const COPY: Duration = Duration::from_secs(30);

/// The largest file that [`Machine::get`] reads, in bytes: as much as is kept of a program's output.
const FILE_LIMIT: usize = 64 << 20;

/// A machine of a running lab. Clones are handles to the same one, and any thread may use them.
#[derive(Clone, Debug)]
pub struct Machine {
    core: Arc<Core>,
    index: usize,
}

/// A watch over processes; see [`Machine::watch`].
#[derive(Debug)]
pub struct Watch {
    process: Process,
    limit: Duration,
}

impl Watch {
    /// Waits until they rest. Returns how long they have run since the watch began, and when they came to rest, in
    /// nanoseconds of the epoch on the machine's clock.
    ///
    /// # Errors
    /// The watch ends without a word.
    pub fn rested(&self) -> Result<(Duration, u64)> {
        self.process.wait(self.limit)?;
        let log = self.process.log();
        let words: Vec<&str> = log.lines().last().unwrap_or_default().split_whitespace().collect();
        match words.as_slice() {
            ["ran", ran, "until", until] => Option::zip(ran.parse().ok(), until.parse().ok()),
            _ => None,
        }
        .map(|(ran, until)| (Duration::from_nanos(ran), until))
        .ok_or_else(|| Error::agent("watch", log))
    }
}

impl Machine {
    pub(crate) fn new(core: Arc<Core>, index: usize) -> Self {
        Self { core, index }
    }

    /// Its name in the plan.
    #[must_use]
    pub fn name(&self) -> &str {
        self.core.nodes.get(self.index).map_or("", |node| node.plan.name.as_str())
    }

    /// Runs a command and returns what it wrote on its standard output.
    ///
    /// # Errors
    /// It does not return zero, or not in time; the error shows what it wrote.
    pub fn run(&self, command: impl Into<Command>) -> Result<String> {
        let command = command.into();
        let finished = self.start(&command)?.finish(command.limit())?;
        succeeded(self.name(), &command, finished)
    }

    /// Runs a command and returns how it ended, whichever way.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn try_run(&self, command: impl Into<Command>) -> Result<Finished> {
        let command = command.into();
        self.start(&command)?.finish(command.limit())
    }

    /// Starts a program that goes on, and is shown with its log when the test fails.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&self, command: impl Into<Command>) -> Result<Process> {
        let process = self.start(&command.into())?;
        self.node()?.processes().push(process.clone());
        Ok(process)
    }

    /// Opens a door: a port of this machine's loopback, `port` if it is free, behind which is an address of the machine,
    /// until this program ends. Returns where.
    ///
    /// # Errors
    /// No port of this machine is free.
    pub fn door(&self, to: SocketAddr, port: u16) -> Result<SocketAddr> {
        crate::door::open(Arc::clone(&self.core), self.index, to, port).map_err(Error::io("opening a door"))
    }

    /// Writes a file with the permissions rw-r--r--, and its directory if there is none. A director has it still after a
    /// power cut.
    ///
    /// # Errors
    /// The machine refuses.
    pub fn put(&self, path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> Result<()> {
        self.put_with_mode(path, contents, 0o644)
    }

    /// As [`Self::put`], with these permission bits.
    ///
    /// # Errors
    /// The machine refuses.
    pub fn put_with_mode(&self, path: impl AsRef<Path>, contents: impl AsRef<[u8]>, mode: u32) -> Result<()> {
        let path = path.as_ref();
        let route = self.core.route(self.index)?;
        let put = || route.put(path, mode, contents.as_ref(), COPY);
        // Once in a thousand times a user-mode kernel sleeps over the answer of its disk, until it is asked again.
        put().or_else(|_| put()).map_err(|why| Error::agent(self.name(), format!("writing {}: {why}", path.display())))
    }

    /// Reads a file of at most 64 MiB.
    ///
    /// # Errors
    /// There is none, or it is larger.
    pub fn get(&self, path: impl AsRef<Path>) -> Result<Vec<u8>> {
        let path = path.as_ref();
        self.core
            .route(self.index)?
            .get(path, FILE_LIMIT, COPY)
            .map_err(|why| Error::agent(self.name(), format!("reading {}: {why}", path.display())))
    }

    /// Sends IP packets as they are through a card (`eth0`), one after the other and again from the first: `per_second` of
    /// them for `span`. The program says at its end how many it has sent.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn send_packets(&self, card: &str, packets: &[Vec<u8>], per_second: u64, span: Duration) -> Result<Process> {
        let millis = span.as_millis().to_string();
        let argv = [self.agent_path(), "send".to_owned(), card.to_owned(), per_second.to_string(), millis];
        let lines = packets.iter().map(|packet| packet.iter().map(|octet| format!("{octet:02x}")).collect());
        let input = lines.collect::<Vec<String>>().join("\n");
        self.spawn(Command::from(argv.to_vec()).input(input))
    }

    /// What a connection to one of these servers costs this machine's kernel, made `per_second` times for a `span`, with a
    /// request that is answered to the end of the connection or with an empty one: the processor time of a process that
    /// does nothing else.
    ///
    /// # Errors
    /// It cannot be started, or a server does not answer.
    pub fn cost_of_connections(
        &self,
        servers: &[SocketAddr],
        per_second: u32,
        span: Duration,
        request: &str,
    ) -> Result<Duration> {
        let (per_second, millis) = (per_second.to_string(), span.as_millis().to_string());
        let argv = [self.agent_path(), "knock".to_owned(), per_second, millis, request.to_owned()];
        let input = servers.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let said = self.run(Command::from(argv.to_vec()).input(input).within(span * 10 + COPY))?;
        let words: Vec<&str> = said.split_whitespace().collect();
        let told = match words.as_slice() {
            [made, "connections", "in", nanos] => Option::zip(made.parse().ok(), nanos.parse().ok()),
            _ => None,
        };
        let (made, nanos): (u32, u64) = told.ok_or_else(|| Error::agent("knock", &said))?;
        Ok(Duration::from_nanos(nanos).checked_div(made).unwrap_or_default())
    }

    /// Has a daemon read its configuration again (SIGHUP) and waits until the kernel's table has a server of that weight
    /// among those that were added last to a TCP service. How long that took.
    ///
    /// # Errors
    /// There is no IPVS, no such daemon, or never such a weight.
    pub fn reload_until_weight(
        &self,
        daemon: u32,
        service: SocketAddrV4,
        weight: u32,
        limit: Duration,
    ) -> Result<Duration> {
        let numbers = [daemon.to_string(), service.to_string(), weight.to_string(), limit.as_millis().to_string()];
        let argv: Vec<String> = [self.agent_path(), "weigh".to_owned()].into_iter().chain(numbers).collect();
        // In front of who is watched: it looks in time, and costs next to nothing.
        let said = self.run(Command::from(argv).nice(-15).within(limit + COPY))?;
        let nanos = said.split_whitespace().next().and_then(|word| word.parse().ok());
        nanos.map(Duration::from_nanos).ok_or_else(|| Error::agent("weigh", &said))
    }

    /// Watches the processes whose name begins with `name` until they have rested for `quiet`, or for `limit`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn watch(&self, name: &str, quiet: Duration, limit: Duration) -> Result<Watch> {
        let millis = |span: Duration| span.as_millis().to_string();
        let argv = [self.agent_path(), "busy".to_owned(), name.to_owned(), millis(quiet), millis(limit)];
        // In front of who is watched: it looks in time, and costs next to nothing.
        let process = self.spawn(Command::from(argv.to_vec()).nice(-15))?;
        process.wait_for("watching", COPY)?;
        Ok(Watch { process, limit: limit + COPY })
    }

    /// Whether it has power.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.node().is_ok_and(Node::is_on)
    }

    /// Cuts its power: it does nothing any more from this moment, and what it had not written to its disk is lost.
    ///
    /// # Errors
    /// It cannot be killed.
    pub fn cut_power(&self) -> Result<()> {
        self.core.cut_power(self.index)
    }

    /// Gives it power again and waits until it is up. Its files are there, its programs are not.
    ///
    /// # Errors
    /// It does not come up.
    pub fn power_on(&self) -> Result<()> {
        self.core.power_on(self.index)
    }

    /// Stops all it does, as a suspended virtual machine: nothing is lost, and nothing answers.
    ///
    /// # Errors
    /// It is off.
    pub fn freeze(&self) -> Result<()> {
        self.core.set_frozen(self.index, true)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It is off.
    pub fn thaw(&self) -> Result<()> {
        self.core.set_frozen(self.index, false)
    }

    /// Pulls the cable of a card (`eth0`): nothing passes it, and the card loses its carrier, on a director with a kernel
    /// of its own about a tenth of a second later.
    ///
    /// # Errors
    /// There is no such card.
    pub fn unplug(&self, card: &str) -> Result<()> {
        self.core.set_plugged(self.index, self.card(card)?, false)
    }

    /// Plugs the cable of a card in again.
    ///
    /// # Errors
    /// There is no such card.
    pub fn plug(&self, card: &str) -> Result<()> {
        self.core.set_plugged(self.index, self.card(card)?, true)
    }

    /// The program that runs inside the lab's machines, as a path in this one.
    pub(crate) fn agent_path(&self) -> String {
        self.core.agent_path()
    }

    pub(crate) fn start(&self, command: &Command) -> Result<Process> {
        Process::start(self.name(), &self.core.route(self.index)?, command)
    }

    /// Whether it has a kernel, and with it a clock, of its own.
    pub(crate) fn has_kernel(&self) -> bool {
        self.core.has_kernel(self.index)
    }

    fn node(&self) -> Result<&Node> {
        self.core.node(self.index)
    }

    fn card(&self, name: &str) -> Result<usize> {
        let count = self.node()?.plan.cards.len();
        (0..count)
            .find(|index| name == format!("eth{index}"))
            .ok_or_else(|| Error::Plan(format!("{} has no card {name:?}", self.name())))
    }
}
