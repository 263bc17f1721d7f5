//! The director's side of the `check` worker: hands it events, and carries out what it asks for.
//!
//! It reads and writes the kernel's table and tells the journal. It performs no check itself and decides nothing.

use super::Problem;
use super::addresses::LocalAddresses;
use super::incoming::{Arrived, Incoming, Site, Step};
use super::marker::Marker;
use super::news::News;
use super::notify::Audience;
use super::orders;
use super::probe::Probes;
use super::table::KernelTable;
use super::traffic::Traffic;
use crate::plan;
use crate::runner_client::{Answer, RunnerClient};
use crate::verdicts::Verdicts;
use crate::{journal, log};
use core::num::NonZeroU32;
use core::time::Duration;
use standfast_api::control::ServerOrder;
use standfast_api::plan::Part;
use standfast_api::{CheckReport, CheckSlice, CheckStatus, Generation, Remarks, ServerStatus, ServiceStatus};
use standfast_check::{bfd, file};
use standfast_kernel::process::memory::give_back_memory;
use standfast_kernel::timer::boottime;
use standfast_lvs::{Action, Director, Event, Memory, Output, Verdict};
use standfast_model::config::lvs::Probe;
use standfast_model::{Instant, Secret};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use tracing::{debug, warn};

/// Spreads first checks within their `warmup`: it need not be secret, only differ between directors and starts.
fn seed() -> u64 {
    boottime().as_nanos() ^ (u64::from(std::process::id()) << 40)
}

/// See the module.
pub(super) struct Worker {
    director: Director,
    table: KernelTable,
    marker: Marker,
    /// The checks under way.
    pub(super) probes: Probes,
    /// Where scripts are run and notifications told.
    pub(super) runner: RunnerClient,
    /// Who is to be told besides scripts.
    audience: Audience,
    output: Output,
    /// What the director was last told of the time.
    pub(super) latest: Instant,
    /// What a successor is to know.
    verdicts: Option<Verdicts>,
    /// The addresses of this host, if any service wants to know.
    pub(super) local: Option<LocalAddresses>,
    /// What the kernel counted.
    traffic: Traffic,
    news: News,
    /// It has not been at rest since it began or was given another configuration.
    unsettled: bool,
    /// A configuration that was told and not taken in yet.
    incoming: Option<Incoming>,
    /// When the last piece of work was done.
    worked: Instant,
}

/// Work that is left waits no longer than this for its next piece, however many checks there are: more than the processor
/// manages would otherwise keep a dead server in the table for ever.
const WORK_WITHIN: Duration = Duration::from_millis(5);

impl Worker {
    /// A director for that configuration, with what a predecessor left, and the kernel's table for it, which may be in
    /// another network namespace (`net_namespace_ipvs`): both come along in this order.
    /// `restarted`: it takes the place of one that died.
    pub(super) fn new(slice: CheckSlice, attached: Vec<OwnedFd>, restarted: bool) -> Result<Self, Problem> {
        let mut attached = attached.into_iter();
        let (left, namespace) = (attached.next(), attached.next());
        let mut runner = RunnerClient::new();
        let (verdicts, memory) = match left.map(Verdicts::take_over).transpose()? {
            Some((verdicts, memory)) => (Some(verdicts), memory),
            None => (None, None),
        };
        let buffers = slice.global.netlink;
        let site = Site::of(&slice.lvs.virtual_servers);
        let local = site.wants_addresses.then(|| LocalAddresses::open(&buffers)).transpose()?;
        let marker = Marker::new(namespace.as_ref().map(OwnedFd::try_clone).transpose()?);
        let mut table = KernelTable::open(namespace)?;
        table.set_queue(buffers.lvs_command);
        let mut worker = Self {
            traffic: Traffic::new(&slice.global.snmp),
            audience: Audience::of(&slice),
            probes: Probes::new(&slice.lvs.common, site.checkers, &mut runner),
            director: Director::new(slice.lvs, seed()),
            table,
            marker,
            runner,
            output: Output::default(),
            latest: Instant::ZERO,
            verdicts,
            local,
            news: News::default(),
            unsettled: true,
            incoming: None,
            worked: Instant::ZERO,
        };
        // Also one of which nothing is left had a predecessor, which has emptied the table if that was asked for.
        if let Some(memory) = memory.or_else(|| restarted.then(Memory::default)) {
            worker.director.remember(memory);
        }
        worker.addresses_changed();
        worker.feed(Event::Start);
        Ok(worker)
    }

    /// Waits until the addresses of this host change; for ever, if nobody wants to know. Cancel-safe.
    pub(super) async fn moved(local: &mut Option<LocalAddresses>) -> io::Result<()> {
        match local {
            Some(local) => local.changed().await,
            None => core::future::pending().await,
        }
    }

    /// Tells the director of the addresses of this host.
    pub(super) fn addresses_changed(&mut self) {
        if let Some(local) = &self.local {
            let here = local.all();
            self.feed(Event::LocalAddresses(here));
        }
    }

    /// Notes what a successor is to know, if that is due.
    pub(super) fn note(&mut self) {
        if let Some(verdicts) = self.verdicts.as_mut().filter(|verdicts| verdicts.next_deadline().is_some()) {
            verdicts.write(boottime(), &self.director);
        }
    }

    /// Ends in order: no successor is to go on from here.
    pub(super) fn stop(&mut self, keep_table: bool) {
        if !keep_table {
            // All that is ours goes now: what was still to be sent need not come first.
            self.table.forget();
        }
        self.feed(Event::Shutdown { keep_table });
        let mut answers = VecDeque::new();
        self.table.finish(&mut answers);
        answers.into_iter().for_each(|answer| self.feed(answer));
        if let Some(verdicts) = &mut self.verdicts {
            verdicts.clear();
        }
    }

    /// Does what an operator wants of servers; says of which, or why of none.
    pub(super) fn order(&mut self, order: &ServerOrder) -> Result<String, String> {
        let wish = orders::wish(order.wish)?;
        let servers = orders::choose(self.director.status(), order)?;
        for server in &servers {
            self.feed(Event::Order { server: *server, order: wish });
        }
        self.news.come();
        if let Some(verdicts) = &mut self.verdicts {
            verdicts.order();
        }
        Ok(orders::words(&servers, order.wish))
    }

    /// Another configuration is told. It is taken in between checks, by [`Self::work`]; until it was, nothing else is to be
    /// told that may rest upon it.
    pub(super) fn receive(&mut self, generation: Generation, octets: Secret) {
        self.incoming = Some(Incoming::new(generation, octets));
    }

    /// Whether a configuration is being taken in.
    pub(super) fn is_receiving(&self) -> bool {
        self.incoming.is_some()
    }

    /// Goes on with another configuration, whose virtual servers the director has compared.
    pub(super) fn reload(&mut self, Arrived { slice, site }: Arrived) {
        self.audience = Audience::of(&slice);
        self.traffic = Traffic::new(&slice.global.snmp);
        self.probes.reload(&slice.lvs.common, site.checkers, &mut self.runner);
        let buffers = slice.global.netlink;
        self.table.set_queue(buffers.lvs_command);
        match site.wants_addresses.then(|| LocalAddresses::open(&buffers)).transpose() {
            Ok(local) => self.local = local,
            Err(error) => warn!("the addresses of this host cannot be read, no check rests for them: {error}"),
        }
        self.addresses_changed();
        self.feed(Event::Reload(Box::new(slice.lvs)));
        self.unsettled = true;
    }

    /// Gives back memory once after a start or a reload, when all is in the table and told: what that took is free now, and
    /// the checks to come need none of it.
    pub(super) fn tidy_up(&mut self) {
        if self.unsettled && !self.is_busy() && self.next_aside().is_none() {
            self.unsettled = false;
            give_back_memory();
        }
    }

    /// What a reload to that configuration would do now.
    pub(super) fn plan(&self, slice: CheckSlice) -> Result<Part, String> {
        let actions = self.director.rehearse(boottime(), slice.lvs).ok_or("the kernel's table is not known yet")?;
        Ok(plan::lvs(self.director.desired(), &actions))
    }

    /// When there is something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        [self.next_check(), self.next_aside()].into_iter().flatten().min()
    }

    /// When the director has something to do of itself, or an attempt must have ended.
    pub(super) fn next_check(&self) -> Option<Instant> {
        [self.director.next_deadline(), self.probes.deadlines().next()].into_iter().flatten().min()
    }

    /// When a successor or the supervisor is to be told something.
    pub(super) fn next_aside(&self) -> Option<Instant> {
        let note = self.verdicts.as_ref().and_then(Verdicts::next_deadline);
        [note, self.news.next_deadline()].into_iter().flatten().min()
    }

    /// What is so now, if it is different from what was told before and it is time to tell it.
    pub(super) fn news(&mut self) -> Option<CheckReport> {
        self.news.next_deadline().filter(|due| *due <= boottime())?;
        Some(self.tell())
    }

    /// What is so now, for who has asked.
    pub(super) fn tell(&mut self) -> CheckReport {
        let status = self.status();
        self.news.told(status.at, status.services.iter().map(|service| service.servers.len()).sum());
        (&status).into()
    }

    /// Hands the director an event, does what it asks for, and hands back the answers, until nothing is left to do.
    pub(super) fn feed(&mut self, event: Event) {
        self.feed_at(boottime(), event);
    }

    /// The same for what happened at that time, which is now or was a moment ago.
    pub(super) fn feed_at(&mut self, at: Instant, event: Event) {
        // The start of five thousand services is five thousand lines.
        let _together = log::together();
        // Verdicts come in the order in which they are asked for, and not in that in which they were there.
        self.latest = self.latest.max(at);
        let mut now = Some(self.latest);
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = now.take().unwrap_or_else(boottime);
            self.latest = now;
            self.director.handle(now, event, &mut self.output);
            for action in core::mem::take(&mut self.output.actions) {
                self.perform(now, action, &mut events);
            }
        }
    }

    /// Whether there is work on the kernel's table, or on a configuration, left for [`Self::work`].
    pub(super) fn is_busy(&self) -> bool {
        self.table.is_busy() || self.is_receiving()
    }

    /// Whether there is work that nothing came round to for a while.
    pub(super) fn is_overdue(&self) -> bool {
        self.is_busy() && boottime().since(self.worked) > WORK_WITHIN
    }

    /// One piece of the work. Answers the configuration that has come once all of it was taken in, for [`Self::reload`],
    /// or why it cannot be.
    pub(super) fn work(&mut self) -> Option<(Generation, Result<Arrived, String>)> {
        self.worked = boottime();
        // What was decided by checks is not to wait for what was not decided yet.
        if !self.table.has_to_send()
            && let Some(incoming) = self.incoming.take()
        {
            let generation = incoming.generation();
            return match incoming.go_on(&mut self.director) {
                Ok(Step::More(incoming)) => {
                    self.incoming = Some(incoming);
                    None
                }
                Ok(Step::Whole(arrived)) => Some((generation, Ok(arrived))),
                Err(why) => Some((generation, Err(why))),
            };
        }
        self.work_on_table();
        None
    }

    fn work_on_table(&mut self) {
        let mut answers = VecDeque::new();
        self.table.work(&mut answers);
        answers.into_iter().for_each(|answer| self.feed(answer));
    }

    /// Takes in what the runner says.
    pub(super) fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Ended(outcome) => self.probes.ended(&outcome),
            Answer::File { index, value } => {
                if self.probes.read(index, value) {
                    self.file_changed(index, value);
                }
            }
            // Processes are watched for VRRP only.
            Answer::Processes { .. } => {}
        }
    }

    /// A BFD session is up or down.
    pub(super) fn bfd_changed(&mut self, name: &str, up: bool) {
        if let Some(session) = self.probes.bfd(name, up) {
            let concerns = |probe: &Probe| matches!(probe, Probe::Bfd(check) if check.session == session);
            self.report(|probe| concerns(probe).then(|| bfd::judge(name, up)));
        }
    }

    /// Every check of that file has another verdict now, and waits for no turn to say so.
    fn file_changed(&mut self, index: u32, value: Option<i32>) {
        self.report(|probe| match probe {
            Probe::File(check) if check.file.0 == index => Some(file::judge(check, value)),
            Probe::File(_)
            | Probe::Tcp(_)
            | Probe::Http(_)
            | Probe::Smtp(_)
            | Probe::Dns(_)
            | Probe::Misc(_)
            | Probe::Ping(_)
            | Probe::Udp(_)
            | Probe::Bfd(_) => None,
        });
    }

    /// Reports what some checks say out of their turn.
    fn report(&mut self, verdict: impl Fn(&Probe) -> Option<Verdict>) {
        let of = |(checker, probe)| Some(Event::CheckReported { checker, verdict: verdict(probe)? });
        let reports: Vec<Event> = self.director.probes().filter_map(of).collect();
        for report in reports {
            self.feed(report);
        }
    }

    fn perform(&mut self, now: Instant, action: Action, answers: &mut VecDeque<Event>) {
        match action {
            Action::StartCheck(checker) => {
                if let Some(probe) = self.director.probe(checker) {
                    self.probes.start(now, checker, probe, &mut self.runner);
                }
            }
            Action::Dump => {
                self.table.read();
                self.marker.look();
            }
            Action::SetMarking(marking) => self.marker.set(marking),
            Action::RemoveMarking(table) => self.marker.remove(&table),
            Action::Apply(operations) => self.table.apply(operations),
            Action::CountConnections(services) => match self.table.ipvs.connections(&services) {
                Ok(activity) => answers.push_back(Event::Connections(activity)),
                // It asks again in a second.
                Err(refused) => debug!("connections cannot be counted: {refused}"),
            },
            Action::Flush => self.table.empty(),
            Action::SetTimeouts(timeouts) => self.table.whole("take lvs_timeouts", |ipvs| ipvs.set_timeouts(timeouts)),
            Action::SetSyncDaemon(role) => {
                let what = "run the sync daemon as lvs_sync_daemon says";
                self.table.whole(what, |ipvs| ipvs.set_sync_daemon(role.as_ref()));
            }
            Action::CancelCheck(checker) => self.probes.cancel(checker),
            Action::Notice(notice) => {
                self.news.come();
                if let Some(verdicts) = &mut self.verdicts {
                    verdicts.change();
                }
                journal::pool(&notice, |service| self.director.servers_up(service));
            }
            Action::Notify(occasion) => self.audience.tell(*occasion, &mut self.runner),
        }
    }

    /// What is so now.
    fn status(&self) -> CheckStatus {
        let count = |servers: usize| u32::try_from(servers).unwrap_or(u32::MAX);
        let services = self.director.status().map(|service| ServiceStatus {
            key: service.key,
            live: count(service.servers.iter().filter(|server| server.up).count()),
            total: count(service.servers.len()),
            has_quorum: service.quorum,
            on_sorry_server: service.sorry_server_in_use,
            weight: service.weights.live,
            quorum: service.weights.quorum,
            servers: service.servers.iter().map(|server| server_status(server, &self.probes)).collect(),
        });
        CheckStatus { at: boottime(), services: services.collect(), traffic: self.traffic.table().clone() }
    }

    /// Reads the counters that are shown over SNMP, if any are.
    pub(super) fn read_traffic(&mut self) {
        self.traffic.refresh(boottime(), &mut self.table.ipvs);
    }
}

fn server_status(server: &standfast_lvs::ServerStatus, probes: &Probes) -> ServerStatus {
    let unable = server.inability.as_ref().map(|inability| format!("cannot be checked: {inability}"));
    let took = server.checkers.iter().filter_map(|checker| probes.took(*checker)).max();
    let failed = || server.last_failure.as_ref().map(ToString::to_string);
    ServerStatus {
        key: server.key,
        weight: server.weight,
        up: server.up,
        check_micros: took.map(|took| {
            NonZeroU32::new(u32::try_from(took.as_micros()).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
        }),
        remarks: Remarks { ordered: orders::duty(server.duty), trouble: unable.or_else(failed) }.into(),
    }
}
