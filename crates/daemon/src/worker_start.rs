//! A worker process, from its first instruction to its loop.
//!
//! A worker is this same program, started by the supervisor with the channel as its standard input. It reads no file
//! and no command line: what it needs comes through the channel.

use crate::exit_status::ExitStatus;
use crate::link::SupervisorLink;
use crate::signals::Signals;
use crate::worker::{self, WorkerContext};
use crate::{bfd_worker, check_worker, front_worker, log, panics, runner_worker, vrrp_worker};
use rustix::fs::{Mode, OFlags, open};
use serde::de::DeserializeOwned;
use standfast_api::{FromWorker, Hello, Setup, ToWorker, WorkerKind, decode, encode};
use standfast_kernel::channel::{self, Channel, Incoming, ReceiveError, Received};
use standfast_kernel::memfd::{self, MemfdError};
use standfast_kernel::process::identity::{forbid_dump, set_process_name};
use standfast_model::Secret;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic;
use tracing::{debug, error, info};

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

/// Runs the worker named by the rest of [`worker::ARGUMENT`]. To be called before any thread starts.
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
    set_process_name(&std::env::args().nth(2).unwrap_or_else(|| worker::PROCESS_NAME.to_owned()))?;
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
    let octets = Secret::new(memfd::read(slice, worker::slice_label(setup.kind))?);
    let slice = decode(octets.octets())?;
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
    let ToWorker::Setup(setup) = decode(&bytes)? else { return Err(StartError::NoSetup) };
    if setup.kind != kind {
        return Err(StartError::NoSetup);
    }
    let mut descriptors = descriptors.into_iter();
    let slice = descriptors.next().ok_or(StartError::NoSlice)?;
    Ok((setup, slice, descriptors.collect()))
}
