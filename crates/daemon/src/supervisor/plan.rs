//! From a configuration to the workers it needs, each with its slice and its pid file.
//!
//! It decides which workers run; starting and stopping them is the supervisor's business.

use super::maintenance;
use crate::command_line::Options;
use crate::pid_files::{self, AlreadyRunning};
use crate::worker::PROCESS_NAME;
use crate::{bfd_notes, control_socket, front_sockets, http_listen, remains, run_state, stamps, verdicts};
use rustix::net::sockopt;
use standfast_api::{
    BfdSlice, CheckSlice, EncodeError, FrontSlice, RunnerSlice, Setup, VrrpSlice, WorkerKind, WorkerOptions,
    encode_counted,
};
use standfast_kernel::process::PidFile;
use standfast_kernel::process::identity::{self, Capability};
use standfast_model::config::global::{IpvsNamespace, Processes};
use standfast_model::{Config, Secret};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use tracing::{debug, warn};

/// A worker that is to run.
#[derive(Debug)]
pub struct Plan {
    /// What it is told first.
    pub setup: Setup,
    /// Its slice of the configuration, encoded.
    pub slice: Secret,
    /// What else it gets, in the order in which [`crate::worker::WorkerContext::attached`] has it.
    pub attached: Vec<OwnedFd>,
    /// What its process is called.
    pub process_name: String,
    /// Locked already; the front has none, for nobody sends it a signal.
    pub pid_file: Option<PidFile>,
}

/// Why there is no plan for a worker.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The slice has no bytes.
    #[error("cannot hand over the configuration: {0}")]
    Encode(#[from] EncodeError),
    /// Another daemon has the pid file, or nobody can.
    #[error(transparent)]
    PidFile(#[from] AlreadyRunning),
    /// No descriptor or memory is left.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Which workers a configuration needs and the command line allows, in the order in which they start.
#[must_use]
pub fn kinds_to_run(options: &Options, config: &Config) -> Vec<WorkerKind> {
    let (vrrp, lvs) = (!config.vrrp.instances.is_empty(), !config.lvs.virtual_servers.is_empty());
    // Witnesses are asked by the check worker.
    let lvs = lvs || !config.witnesses.is_empty();
    let (check, vrrp) = (options.checkers && (options.all || lvs), options.vrrp && (options.all || vrrp));
    let runner = (check || vrrp) && RunnerSlice::of(config).is_needed();
    WorkerKind::ALL
        .into_iter()
        .filter(|kind| match kind {
            WorkerKind::Runner => runner,
            WorkerKind::Check => check,
            WorkerKind::Vrrp => vrrp,
            WorkerKind::Bfd => options.bfd && (options.all || !config.bfd.sessions.is_empty()),
            WorkerKind::Front => true,
        })
        .collect()
}

/// The part of the configuration that a worker gets, encoded, passwords and all.
///
/// # Errors
///
/// None for the types of today.
pub fn slice_of(kind: WorkerKind, config: &Config) -> Result<Secret, EncodeError> {
    let octets = match kind {
        WorkerKind::Runner => encode_counted(&RunnerSlice::of(config)),
        WorkerKind::Vrrp => encode_counted(&VrrpSlice::of(config)),
        WorkerKind::Check => CheckSlice::encode_of(config),
        WorkerKind::Bfd => encode_counted(&BfdSlice::of(config)),
        WorkerKind::Front => {
            let token = http_listen::token(&config.global.http);
            encode_counted(&FrontSlice::of(config, &http_listen::host_name(), token))
        }
    };
    octets.map(Secret::new)
}

/// The name of a worker's process: its own, the fixed one of its kind (`process_names`), the one of the daemon
/// (`process_name`), or ours.
fn process_name(kind: WorkerKind, names: &Processes) -> &str {
    let (own, fixed) = match kind {
        WorkerKind::Vrrp => (&names.vrrp.name, "keepalived_vrrp"),
        WorkerKind::Check => (&names.checker.name, "keepalived_lvs"),
        WorkerKind::Bfd => (&names.bfd.name, "keepalived_bfd"),
        // The kernel keeps 15 characters of a name.
        WorkerKind::Runner => (&None, "keepalived_run"),
        WorkerKind::Front => (&None, "keepalived_ctl"),
    };
    let named = own.as_deref().or_else(|| names.fixed_names.then_some(fixed)).or(names.name.as_deref());
    named.unwrap_or(PROCESS_NAME)
}

/// Everything that a worker needs to be started. Its pid file is locked from here on.
///
/// # Errors
///
/// See [`PlanError`].
pub fn plan(kind: WorkerKind, options: &Options, config: &Config) -> Result<Plan, PlanError> {
    plan_with(kind, options, config, Vec::new())
}

/// As [`plan`], with files and sockets that were attached to a predecessor of the worker: they are open and locked, so
/// they are used as they are.
///
/// # Errors
///
/// See [`PlanError`].
pub fn plan_with(kind: WorkerKind, options: &Options, config: &Config, held: Vec<OwnedFd>) -> Result<Plan, PlanError> {
    let mut held = held.into_iter();
    let maintenance = kind == WorkerKind::Vrrp && maintenance::is_on(options, config);
    let worker = WorkerOptions { umask: options.umask, maintenance, ..options.worker };
    let setup = Setup { kind, log: options.log, options: worker };
    let slice = slice_of(kind, config)?;
    let pid_file = pid_files::worker_path(&options.pid_files, kind).map(pid_files::acquire).transpose()?;
    let attached = match kind {
        WorkerKind::Vrrp => vec![
            or_open(held.next(), || stamps::open_file(&run_state::path(options, config, "stamps")))?,
            or_open(held.next(), || remains::open_file(&run_state::path(options, config, "kernel")))?,
        ],
        WorkerKind::Check => for_check(options, config, held)?,
        WorkerKind::Front => for_front(options, config, held)?,
        WorkerKind::Bfd => {
            vec![or_open(held.next(), || bfd_notes::open_file(&run_state::path(options, config, "bfd")))?]
        }
        WorkerKind::Runner => Vec::new(),
    };
    let process_name = process_name(kind, &config.global.processes).to_owned();
    Ok(Plan { setup, slice, attached, process_name, pid_file })
}

/// What its predecessor knew, and the network namespace of the table if that is another one than the daemon's.
fn for_check(options: &Options, config: &Config, mut held: impl Iterator<Item = OwnedFd>) -> io::Result<Vec<OwnedFd>> {
    let mut attached =
        vec![or_open(held.next(), || verdicts::open_file(&run_state::path(options, config, "verdicts")))?];
    if let Some(namespace) = &config.global.net_namespace_ipvs {
        let name = match namespace {
            IpvsNamespace::Default => None,
            IpvsNamespace::Named(name) => Some(name.as_str()),
        };
        let opened = or_open(held.next(), || identity::network_namespace(name)).map_err(|error| {
            io::Error::new(error.kind(), format!("net_namespace_ipvs {}: {error}", name.unwrap_or("(default)")))
        });
        attached.push(opened?);
    }
    Ok(attached)
}

/// The control socket, the histories and the sockets of the page, as far as they can be had: nothing depends on them. In
/// the places of the first three is something whatever happens.
fn for_front(options: &Options, config: &Config, mut held: impl Iterator<Item = OwnedFd>) -> io::Result<Vec<OwnedFd>> {
    let path = run_state::path(options, config, control_socket::NAME);
    // What is held may have been nothing.
    let listens = |held: &OwnedFd| sockopt::socket_acceptconn(held).unwrap_or(false);
    let socket = held.next().filter(listens).map_or_else(|| control_socket::bind(&path), Ok);
    let socket = socket.inspect_err(|error| {
        warn!("{}: {error}; nobody can ask or order this daemon", path.display());
    });
    let mut attached = vec![or_nothing(socket.ok())?];
    // The histories have no lock: they can be opened once more.
    let sockets: Vec<OwnedFd> = held.skip(2).collect();
    attached.push(or_nothing(history(&run_state::history(options, config)))?);
    attached.push(or_nothing(history(&run_state::availability(options, config)))?);
    attached.extend(front_sockets::sockets(config, &sockets));
    Ok(attached)
}

fn or_open(held: Option<OwnedFd>, open: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<OwnedFd> {
    held.map_or_else(open, Ok)
}

fn or_nothing(found: Option<OwnedFd>) -> io::Result<OwnedFd> {
    found.map_or_else(http_listen::nothing, Ok)
}

fn history(path: &Path) -> Option<OwnedFd> {
    let opened = run_state::open_history(path).inspect_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            debug!("{}: {error}; it is remembered while the front runs", path.display());
        } else {
            warn!("{}: {error}; it is remembered while the front runs", path.display());
        }
    });
    opened.ok()
}

/// The capabilities that these workers need and the process does not have.
///
/// # Errors
///
/// None that the kernel documents.
pub fn missing_capabilities(kinds: &[WorkerKind]) -> io::Result<Vec<&'static str>> {
    let needed: &[Capability] = if kinds.contains(&WorkerKind::Vrrp) {
        &[Capability::NetAdmin, Capability::NetRaw]
    } else if kinds.contains(&WorkerKind::Check) {
        &[Capability::NetAdmin]
    } else {
        &[]
    };
    Ok(identity::missing_capabilities(needed)?.into_iter().map(Capability::name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_model::config::LvsConfig;
    use standfast_model::config::lvs::{RealServer, VirtualServer};
    use standfast_model::ipvs::{Family, Forwarding, ServiceKey};

    /// So many services of four servers, the last of which has that weight.
    fn site(services: u32, last_weight: u32) -> Config {
        let server = |number: u32, weight| {
            let [_, a, b, c] = number.to_be_bytes();
            RealServer { weight, ..RealServer::plain(([10, a, b, c], 80).into(), Forwarding::Nat) }
        };
        let service = |mark: u32| {
            let weight = |place| if (mark, place) == (services, 3) { last_weight } else { 1 };
            let real_servers = (0..4).map(|place| server(4 * mark + place, weight(place))).collect();
            VirtualServer {
                real_servers,
                ..VirtualServer::plain(ServiceKey::FirewallMark { mark, family: Family::Inet })
            }
        };
        let lvs = LvsConfig { virtual_servers: (1..=services).map(service).collect(), ..LvsConfig::default() };
        Config { lvs, ..Config::default() }
    }

    #[test]
    fn a_worker_has_its_own_name_or_that_of_its_kind_or_of_the_daemon_or_ours() {
        let mut names = Processes::default();
        let all = |names: &Processes| WorkerKind::ALL.map(|kind| process_name(kind, names).to_owned());
        assert!(all(&names).iter().all(|name| name == PROCESS_NAME));
        names.name = Some("alpha".to_owned());
        assert!(all(&names).iter().all(|name| name == "alpha"));
        names.fixed_names = true;
        assert!(all(&names).iter().all(|name| name.starts_with("keepalived_")));
        let settings = [&mut names.vrrp, &mut names.checker, &mut names.bfd];
        settings.into_iter().zip(["v", "c", "b"]).for_each(|(settings, own)| settings.name = Some(own.to_owned()));
        let workers = [WorkerKind::Vrrp, WorkerKind::Check, WorkerKind::Bfd];
        assert_eq!(workers.map(|kind| process_name(kind, &names)), ["v", "c", "b"]);
    }

    #[test]
    fn one_weight_of_twenty_thousand_is_one_byte_of_one_slice_and_nobody_else_is_told() {
        for services in [5, 5000] {
            let (before, after) = (site(services, 1), site(services, 2));
            for kind in WorkerKind::ALL {
                let [before, after] = [&before, &after].map(|config| slice_of(kind, config).unwrap());
                let (before, after) = (before.octets(), after.octets());
                let differ = before.iter().zip(after).filter(|(a, b)| a != b).count();
                let expected = usize::from(kind == WorkerKind::Check);
                assert_eq!((after.len(), differ), (before.len(), expected), "{kind} of {services} services");
            }
        }
    }
}
