//! standfastd: reads keepalived.conf, runs VRRP and IPVS with health checks.
//!
//! This file is the order in which things happen at start. A worker is the same program with another first word.

use standfast_api::{EncodeError, WorkerKind};
use standfast_conf::reference;
use standfast_daemon::command_line::{self, Invocation, Options};
use standfast_daemon::configuration::{self, Loaded, NoNamespace};
use standfast_daemon::core_pattern::CorePattern;
use standfast_daemon::exit_status::ExitStatus;
use standfast_daemon::pid_files::{self, AlreadyRunning};
use standfast_daemon::service_manager::ServiceManager;
use standfast_daemon::succession::{self, HandoverError, Inheritance, judge};
use standfast_daemon::supervisor::{self, Origin, Plan, PlanError, Supervisor, SupervisorError};
use standfast_daemon::{genhash, log, mailer, panics, worker, worker_start};
use standfast_kernel::process::identity;
use standfast_kernel::process::{OwnBinary, PidFile, daemonize};
use standfast_kernel::release::{LEAST, missing_features};
use standfast_model::Config;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing::{error, info, warn};

/// The name in the system's log, as keepalived's parent has it.
const LOG_IDENTIFIER: &str = "Keepalived";

fn main() -> ExitCode {
    // Descriptors first: those that were left open for us are nobody's business below, those that we open are.
    // Before Linux 5.11 this fails, and what was inherited is passed on.
    let _ = identity::forget_inherited_descriptors();
    if std::env::args_os().nth(1).is_some_and(|word| word == mailer::ARGUMENT) {
        return mailer::main().into();
    }
    let mut words = std::env::args_os();
    if genhash::is_named(words.next().as_deref()) {
        return genhash::become_it(&words.collect::<Vec<_>>()).into();
    }
    if let Some(kind) = worker_kind() {
        return worker_start::main(&kind).into();
    }
    if let Some(force) = std::env::args_os().nth(1).and_then(|word| judge::asked(&word)) {
        return judge::answer(std::env::args_os().skip(2), force).into();
    }
    let status = match command_line::parse(std::env::args_os().skip(1)) {
        Ok(Invocation::Genhash(words)) => genhash::become_it(&words),
        Ok(Invocation::Help) => print(&command_line::help()),
        Ok(Invocation::Version) => print(&command_line::version()),
        Ok(Invocation::Keywords { json }) => {
            let text = if json { reference::json() } else { reference::text() };
            // Whoever closed the pipe has read enough.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitStatus::Ok
        }
        Ok(Invocation::SignalNumber(request)) => {
            println!("{}", request.number());
            ExitStatus::Ok
        }
        Ok(Invocation::Run(options)) => {
            if let Some(mask) = options.umask {
                identity::set_umask(mask);
            }
            match &options.test {
                Some(report) => configuration::test(&options, report.as_deref()),
                None => begin(&options).unwrap_or_else(|failure| failure.tell()),
            }
        }
        Err(error) => {
            eprintln!("standfastd: {error}; try --help");
            ExitStatus::Fatal
        }
    };
    status.into()
}

fn worker_kind() -> Option<String> {
    let word = std::env::args_os().nth(1)?;
    Some(word.to_str()?.strip_prefix(worker::ARGUMENT)?.to_owned())
}

fn print(text: &str) -> ExitStatus {
    // keepalived prints these on standard error, and scripts that look for them look there.
    eprint!("{text}");
    ExitStatus::Ok
}

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("configuration refused")]
    Configuration(ExitStatus),
    #[error("{} needed: run as root, or grant {} to the program", missing.join(" and "), if missing.len() == 1 { "it" } else { "them" })]
    Capabilities { missing: Vec<&'static str> },
    #[error("this kernel lacks {}; Linux {LEAST} or later is needed", missing.join(" and "))]
    Kernel { missing: Vec<&'static str> },
    #[error("daemon is already running: {0}")]
    AlreadyRunning(AlreadyRunning),
    #[error("cannot have the pid file: {0}")]
    PidFile(AlreadyRunning),
    #[error(transparent)]
    Namespace(#[from] NoNamespace),
    #[error("cannot hand over the configuration: {0}")]
    Encode(#[from] EncodeError),
    #[error("cannot log to {}: {source}", path.display())]
    LogFile { path: PathBuf, source: io::Error },
    #[error("cannot take over: {0}")]
    Handover(#[from] HandoverError),
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Failure {
    fn tell(self) -> ExitStatus {
        error!("{self}");
        // Diagnostics are on standard error already.
        if !matches!(self, Self::Configuration(_)) {
            eprintln!("standfastd: {self}");
        }
        match self {
            Self::Configuration(status) => status,
            Self::Capabilities { .. } => ExitStatus::Permission,
            Self::AlreadyRunning(_) => ExitStatus::Ok,
            Self::Kernel { .. }
            | Self::PidFile(_)
            | Self::Namespace(_)
            | Self::Encode(_)
            | Self::LogFile { .. }
            | Self::Supervisor(_)
            | Self::Handover(_)
            | Self::Io(_) => ExitStatus::Fatal,
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Encode(error) => Self::Encode(error),
            PlanError::PidFile(error) => error.into(),
            PlanError::Io(error) => Self::Io(error),
        }
    }
}

impl From<AlreadyRunning> for Failure {
    fn from(error: AlreadyRunning) -> Self {
        if error.is_running() { Self::AlreadyRunning(error) } else { Self::PidFile(error) }
    }
}

/// Takes what another program has left that was this process before, if there was one.
fn begin(options: &Options) -> Result<ExitStatus, Failure> {
    match succession::take()? {
        Some(inheritance) => {
            // An exec by descriptor leaves the number of the descriptor as the name.
            identity::set_process_name(worker::PROCESS_NAME)?;
            let options = inheritance.legacy.applied(options);
            run(&options, Some(inheritance))
        }
        None => run(options, None),
    }
}

/// The supervisor, from the log to its end.
fn run(options: &Options, inheritance: Option<Inheritance>) -> Result<ExitStatus, Failure> {
    let log = log::start(LOG_IDENTIFIER, options.log_settings(), !options.daemonize);
    panics::log_them();
    say_hello(options);
    check_kernel()?;
    let binary = OwnBinary::open()?;
    if inheritance.is_none() {
        enter_namespace(options)?;
    }
    protect_memory(options)?;
    let Loaded { config, status } = configuration::load(options)?;
    let config = config.ok_or(Failure::Configuration(status))?;
    if let Some(name) = &config.global.processes.name {
        identity::set_process_name(name)?;
    }
    // What is done later is done elsewhere: the daemon leaves this directory.
    let configuration = std::path::absolute(&options.configuration)?;
    let pid_files = pid_files::placed(&options.pid_files, &config.global);
    let options = &Options { log, configuration, pid_files, ..options.clone() };
    let kinds = supervisor::kinds_to_run(options, &config);
    if kinds.iter().all(|kind| *kind == WorkerKind::Front) {
        warn!("nothing to run: neither vrrp_instance nor virtual_server is configured for the workers chosen");
    }
    check_capabilities(&kinds)?;
    // Whoever started us has read by now why it cannot be.
    options.log_file.as_deref().map(log_to).transpose()?;
    pid_files::make_directory(&options.pid_files)?;
    let mut pid_file = pid_files::acquire(pid_files::main_path(&options.pid_files))?;
    let planned = kinds.iter().filter(|kind| **kind != WorkerKind::Front);
    let plans = planned.map(|kind| plan(*kind, options, &config, inheritance.as_ref()));
    let plans = plans.collect::<Result<Vec<_>, _>>()?;
    // The predecessor has left the terminal, if that was wanted.
    let launcher =
        if options.daemonize && inheritance.is_none() { Some(daemonize(options.log.console)?) } else { None };
    pid_file.write(std::process::id())?;
    let core_pattern = options.core_pattern.as_deref().and_then(set_core_pattern);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(async {
        let origin = Origin { options: options.clone(), config, inheritance };
        let supervisor = Supervisor::start(binary, origin, plans, ServiceManager::from_environment())?;
        if let Some(launcher) = launcher {
            launcher.release(0)?;
        }
        Ok::<_, Failure>(supervisor.run().await)
    });
    if let Some(Err(error)) = core_pattern.map(CorePattern::restore) {
        warn!("cannot give back the pattern of core files: {error}");
    }
    remove(pid_file);
    pid_files::remove_directory();
    info!("Stopped standfastd v{}", env!("CARGO_PKG_VERSION"));
    status
}

/// What a worker needs, with what was open for the one before it.
fn plan(
    kind: WorkerKind,
    options: &Options,
    config: &Config,
    inheritance: Option<&Inheritance>,
) -> Result<Plan, PlanError> {
    let held = inheritance.map_or_else(|| Ok(Vec::new()), |inheritance| inheritance.attached(kind))?;
    let mut plan = supervisor::plan_with(kind, options, config, held)?;
    plan.setup.options.maintenance |=
        kind == WorkerKind::Vrrp && inheritance.is_some_and(|left| left.legacy.maintenance);
    Ok(plan)
}

fn say_hello(options: &Options) {
    let words: Vec<String> = std::env::args_os().map(|word| format!("{:?}", word.to_string_lossy())).collect();
    info!("Starting standfastd v{}", env!("CARGO_PKG_VERSION"));
    info!("Command line: {}", words.join(" "));
    for remark in &options.remarks {
        warn!("{remark}");
        eprintln!("standfastd: {remark}");
    }
}

fn log_to(path: &Path) -> Result<(), Failure> {
    log::take_standard_output_to(path).map_err(|source| Failure::LogFile { path: path.to_owned(), source })?;
    info!("standfastd v{} logs to {} from here on", env!("CARGO_PKG_VERSION"), path.display());
    Ok(())
}

fn set_core_pattern(pattern: &str) -> Option<CorePattern> {
    let set = CorePattern::set(pattern);
    set.inspect_err(|error| warn!("cannot set the pattern of core files: {error}")).ok()
}

fn enter_namespace(options: &Options) -> Result<(), Failure> {
    let Some(name) = &options.namespace else { return Ok(()) };
    identity::enter_network_namespace(name).map_err(|source| NoNamespace { name: name.clone(), source })?;
    Ok(())
}

fn protect_memory(options: &Options) -> Result<(), Failure> {
    if options.worker.core_file {
        if let Err(error) = identity::allow_core_file() {
            warn!("cannot lift the limit on core files: {error}");
        }
        return Ok(());
    }
    Ok(identity::forbid_dump()?)
}

/// Said before anything is begun that would fail half-way.
fn check_kernel() -> Result<(), Failure> {
    let missing = missing_features();
    if missing.is_empty() { Ok(()) } else { Err(Failure::Kernel { missing }) }
}

fn check_capabilities(kinds: &[WorkerKind]) -> Result<(), Failure> {
    let missing = supervisor::missing_capabilities(kinds)?;
    if missing.is_empty() { Ok(()) } else { Err(Failure::Capabilities { missing }) }
}

fn remove(pid_file: PidFile) {
    let path = pid_file.path().to_owned();
    if let Err(error) = pid_file.remove() {
        warn!("cannot remove {}: {error}", path.display());
    }
}
