//! A worker process, from its first instruction to its loop.
//!
//! A worker is this same program, started by the supervisor with the channel as its standard input. It reads no file
//! and no command line: what it needs comes through the channel. What it does is its loop's business.

use crate::exit_status::ExitStatus;
use crate::link::{StopReason, SupervisorLink};
use crate::signals::Signals;
use crate::{bfd_worker, check_worker, front_worker, journal, log, panics, runner_worker, vrrp_worker};
use rustix::fs::{Mode, OFlags, open};
use serde::de::DeserializeOwned;
use standfast_api::{FromWorker, Hello, PROTOCOL_VERSION, Setup, ToWorker, WorkerKind, WorkerOptions, decode, encode};
use standfast_kernel::channel::{self, Channel, Incoming, ReceiveError, Received};
use standfast_kernel::memfd::{self, Label, MemfdError};
use standfast_kernel::process::identity::{forbid_dump, set_process_name};
use standfast_kernel::process::schedule::Schedule;
use standfast_model::config::global::Process;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic;
use tracing::{debug, error, info};

/// What a process is called unless the configuration names it.
pub const PROCESS_NAME: &str = "standfastd";

/// What the first word of a worker's command line begins with; the second is the name of its process.
pub const ARGUMENT: &str = "--worker=";

/// What the memory file of a worker's slice is labelled with.
#[must_use]
pub const fn slice_label(kind: WorkerKind) -> Label {
    let kind = match kind {
        WorkerKind::Vrrp => 2,
        WorkerKind::Check => 3,
        WorkerKind::Runner => 4,
        WorkerKind::Bfd => 5,
        WorkerKind::Front => 6,
    };
    Label { kind, version: PROTOCOL_VERSION as u32 }
}

/// What a worker's loop is given.
#[derive(Debug)]
pub struct WorkerContext<S> {
    /// Its part of the configuration.
    pub slice: S,
    /// What of the command line concerns it.
    pub options: WorkerOptions,
    /// What else came with it, in the order of the supervisor: the file of the times of advertisements for `vrrp`.
    pub attached: Vec<OwnedFd>,
    /// Where commands come from and status and events go.
    pub supervisor: SupervisorLink,
}

/// Why a worker did not get as far as its loop.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("unknown worker {0:?}")]
    UnknownKind(String),
    #[error("standard input is no channel to a supervisor: workers are started by standfastd only")]
    NoChannel,
    #[error("supervisor has gone before it said what to do")]
    SupervisorGone,
    #[error("first message is not the setup of this worker")]
    NoSetup,
    #[error("setup came without configuration")]
    NoSlice,
    #[error(transparent)]
    Message(#[from] standfast_api::DecodeError),
    #[error("configuration {0}")]
    Slice(#[from] MemfdError),
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the worker named by the rest of [`ARGUMENT`]. To be called before any thread starts.
#[must_use]
pub fn main(kind: &str) -> ExitStatus {
    match run(kind) {
        Ok(status) => status,
        Err(error) => {
            // The log may not be there yet; then standard error is all there is.
            error!("cannot start: {error}");
            eprintln!("standfastd: {kind} worker cannot start: {error}");
            ExitStatus::Fatal
        }
    }
}

fn run(name: &str) -> Result<ExitStatus, StartError> {
    let kind = WorkerKind::ALL.into_iter().find(|kind| kind.name() == name);
    let kind = kind.ok_or_else(|| StartError::UnknownKind(name.to_owned()))?;
    let end = take_channel()?;
    // An exec by descriptor leaves the number of the descriptor as the name.
    set_process_name(&std::env::args().nth(2).unwrap_or_else(|| PROCESS_NAME.to_owned()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let channel = Channel::new(end)?;
        let signals = Signals::catch()?;
        let (setup, slice, attached) = receive_setup(&channel, kind).await?;
        log::start(kind.log_identifier(), setup.log, false);
        panics::log_them();
        if !setup.options.core_file {
            forbid_dump()?;
        }
        let hello = FromWorker::Hello(Hello { kind, pid: std::process::id() });
        match encode(&hello) {
            // A channel that is closed by now is noticed by the first command.
            Ok(bytes) => drop(channel.send(&bytes, &[])),
            Err(error) => debug!("no hello: {error}"),
        }
        info!("Starting {kind} worker, pid {}", std::process::id());
        let supervisor = SupervisorLink::new(channel, signals);
        let status = match kind {
            WorkerKind::Runner => runner_worker::run(context(&slice, attached, setup, supervisor)?).await,
            WorkerKind::Front => front_worker::run(context(&slice, attached, setup, supervisor)?).await,
            WorkerKind::Vrrp => vrrp_worker::run(context(&slice, attached, setup, supervisor)?).await,
            WorkerKind::Check => {
                // Verdicts come from tasks, and one task wakes another for nothing, while what the runtime blocks on is
                // looked at only after another look at the sockets.
                let worker = tokio::spawn(check_worker::run(context(&slice, attached, setup, supervisor)?));
                worker.await.unwrap_or_else(|error| panic::resume_unwind(error.into_panic()))
            }
            WorkerKind::Bfd => bfd_worker::run(context(&slice, attached, setup, supervisor)?).await,
        };
        info!("Stopped {kind} worker, exit status {status}");
        Ok(status)
    })
}

fn context<S: DeserializeOwned>(
    slice: &OwnedFd,
    attached: Vec<OwnedFd>,
    setup: Setup,
    supervisor: SupervisorLink,
) -> Result<WorkerContext<S>, StartError> {
    let slice = decode(&memfd::read(slice, slice_label(setup.kind))?)?;
    Ok(WorkerContext { slice, options: setup.options, attached, supervisor })
}

/// Takes the channel from standard input and leaves `/dev/null` there: whatever might read standard input later must
/// not read the channel.
fn take_channel() -> Result<OwnedFd, StartError> {
    let stdin = io::stdin();
    if !channel::is_channel(&stdin) {
        return Err(StartError::NoChannel);
    }
    let end = stdin.as_fd().try_clone_to_owned()?;
    let null = open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(io::Error::from)?;
    rustix::stdio::dup2_stdin(null).map_err(io::Error::from)?;
    Ok(end)
}

/// The setup is in the channel before the worker exists, so this waits for nothing.
async fn receive_setup(channel: &Channel, kind: WorkerKind) -> Result<(Setup, OwnedFd, Vec<OwnedFd>), StartError> {
    let Received { bytes, descriptors } = match channel.receive().await? {
        Incoming::Message(received) => received,
        Incoming::Closed => return Err(StartError::SupervisorGone),
    };
    match decode(&bytes)? {
        ToWorker::Setup(setup) if setup.kind == kind => {
            let mut descriptors = descriptors.into_iter();
            let slice = descriptors.next().ok_or(StartError::NoSlice)?;
            Ok((setup, slice, descriptors.collect()))
        }
        ToWorker::Setup(_)
        | ToWorker::Reload(_)
        | ToWorker::Peer(_)
        | ToWorker::Bfd { .. }
        | ToWorker::Quorum { .. }
        | ToWorker::Witness { .. }
        | ToWorker::Lease { .. }
        | ToWorker::SyncInstance { .. }
        | ToWorker::Report
        | ToWorker::Maintenance { .. }
        | ToWorker::Switchover { .. }
        | ToWorker::Announce { .. }
        | ToWorker::LogDetail(_)
        | ToWorker::Plan { .. }
        | ToWorker::Ping
        | ToWorker::Server { .. }
        | ToWorker::Front(_)
        | ToWorker::Agent
        | ToWorker::Shutdown => Err(StartError::NoSetup),
    }
}

/// Schedules this process as configured. What the kernel refuses is said, and is not worth not working.
pub(crate) fn set_schedule(schedule: &mut Schedule, process: &Process) {
    for refused in schedule.apply(process) {
        journal::trouble("schedule", &refused);
    }
}

/// Says why a worker stops, in one wording for all of them.
pub fn say_stopping(reason: StopReason) {
    info!(cause = %reason, "Stopping: {reason}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_api::{CheckSlice, VrrpSlice};
    use std::path::Path;

    const TEXT: &str = "vrrp_instance VI_E {\n interface eth0\n virtual_router_id 51\n authentication {\n \
        auth_type PASS\n auth_pass s3cr3tpw\n }\n virtual_ipaddress {\n 192.0.2.1\n }\n}\n\
        virtual_server 192.0.2.1 80 {\n real_server 192.0.2.2 80 {\n TCP_CHECK {\n }\n }\n}\n";

    fn holds_password(bytes: &[u8]) -> bool {
        bytes.windows(8).any(|window| window == b"s3cr3tpw")
    }

    #[test]
    fn the_process_that_listens_to_back_ends_is_never_given_a_password() {
        let path = Path::new("/etc/keepalived/keepalived.conf");
        let host = standfast_conf::host::Memory::new().file(path, TEXT).with_interface("eth0");
        let config = standfast_conf::load(&host, path, &standfast_conf::Options::default()).config.unwrap();
        assert_eq!((config.vrrp.instances.len(), config.lvs.virtual_servers.len()), (1, 1));
        assert!(holds_password(&encode(&VrrpSlice::of(&config)).unwrap()), "it is not found where it is");
        assert!(!holds_password(&encode(&CheckSlice::of(&config)).unwrap()));
    }

    #[test]
    fn the_slice_of_one_worker_is_not_taken_for_that_of_another() {
        let slice = memfd::write("test", slice_label(WorkerKind::Vrrp), b"").unwrap();
        assert!(matches!(memfd::read(&slice, slice_label(WorkerKind::Check)), Err(MemfdError::Unexpected { .. })));
    }
}
