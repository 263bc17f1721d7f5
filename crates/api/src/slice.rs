//! The part of the configuration that one worker gets. What is not in its type cannot leak into its process.

use serde::{Deserialize, Serialize};
use standfast_model::config::lvs::Probe;
use standfast_model::config::script::{Deleted, Fifo, Notify, Script};
use standfast_model::config::{BfdConfig, Config, Global, LvsConfig, VrrpConfig};

/// What the `vrrp` worker knows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct VrrpSlice {
    /// Process-wide settings.
    pub global: Global,
    /// Virtual routers, passwords included: nobody else has them.
    pub vrrp: VrrpConfig,
}

/// What the `check` worker knows. It reads bytes from back-end servers, so it gets no password of VRRP.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CheckSlice {
    /// Process-wide settings.
    pub global: Global,
    /// Virtual servers.
    pub lvs: LvsConfig,
}

/// What the `runner` knows: what may be run for whom, and where events are told. It gets no password.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RunnerSlice {
    /// Process-wide settings.
    pub global: Global,
    /// `notify_fifo`
    pub fifo: Option<Fifo>,
    /// `vrrp_notify_fifo`
    pub vrrp_fifo: Option<Fifo>,
    /// `lvs_notify_fifo`
    pub lvs_fifo: Option<Fifo>,
    /// Every script that the `vrrp` worker may have run.
    pub vrrp_scripts: Vec<Script>,
    /// Every script that the `check` worker may have run.
    pub check_scripts: Vec<Script>,
    /// Files or processes are watched for a worker.
    pub watches: bool,
}

/// What the `bfd` worker knows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BfdSlice {
    /// Process-wide settings.
    pub global: Global,
    /// Sessions.
    pub bfd: BfdConfig,
}

impl BfdSlice {
    /// The slice of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { global: config.global.clone(), bfd: config.bfd.clone() }
    }
}
/// What the `front` knows, which anyone on the host may talk to: nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FrontSlice;

impl VrrpSlice {
    /// The slice of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { global: config.global.clone(), vrrp: config.vrrp.clone() }
    }
}

impl CheckSlice {
    /// The slice of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { global: config.global.clone(), lvs: config.lvs.clone() }
    }
}

impl RunnerSlice {
    /// The slice of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let (vrrp, lvs) = (&config.vrrp.common, &config.lvs.common);
        Self {
            global: config.global.clone(),
            fifo: common_fifo(vrrp.fifo.as_ref(), lvs.fifo.as_ref()),
            vrrp_fifo: vrrp.vrrp_fifo.clone(),
            lvs_fifo: lvs.lvs_fifo.clone(),
            vrrp_scripts: vrrp_scripts(&config.vrrp),
            check_scripts: check_scripts(&config.lvs),
            watches: !(vrrp.files.is_empty() && vrrp.processes.is_empty() && lvs.track_files.is_empty()),
        }
    }

    /// Whether there is anything for a runner to do.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        let Self { global, fifo, vrrp_fifo, lvs_fifo, vrrp_scripts, check_scripts, watches } = self;
        let scripts = !(vrrp_scripts.is_empty() && check_scripts.is_empty());
        let fifos = fifo.is_some() || vrrp_fifo.is_some() || lvs_fifo.is_some();
        let mail = global.mail.server.is_some() && !global.mail.to.is_empty();
        scripts || fifos || *watches || mail || global.startup.is_some() || global.shutdown.is_some()
    }
}

/// Both workers have the same one; its reader, of which there is one, is said to one of them.
fn common_fifo(vrrp: Option<&Fifo>, lvs: Option<&Fifo>) -> Option<Fifo> {
    let fifo = vrrp.or(lvs)?.clone();
    let reader = [vrrp, lvs].into_iter().flatten().find_map(|fifo| fifo.reader.clone());
    Some(Fifo { reader, ..fifo })
}

fn vrrp_scripts(config: &VrrpConfig) -> Vec<Script> {
    let notified = config.instances.iter().map(|instance| &instance.options.notify);
    let notified = notified.chain(config.groups.iter().map(|group| &group.options.notify));
    let tracked = config.common.scripts.iter().map(|tracked| &tracked.script);
    tracked.chain(notified.flat_map(scripts_of)).cloned().collect()
}

fn scripts_of(notify: &Notify) -> impl Iterator<Item = &Script> {
    let Notify { master, backup, fault, stop, any, master_rx_lower_pri, deleted } = notify;
    let deleted = match deleted {
        Deleted::Run(script) => Some(script),
        Deleted::AsFault | Deleted::AsDeleted => None,
    };
    let configured = [master, backup, fault, stop, any, master_rx_lower_pri].map(Option::as_ref);
    configured.into_iter().chain([deleted]).flatten()
}

fn check_scripts(config: &LvsConfig) -> Vec<Script> {
    let mut scripts = Vec::new();
    for service in &config.virtual_servers {
        scripts.extend([&service.options.quorum_up, &service.options.quorum_down].into_iter().flatten().cloned());
        for server in &service.real_servers {
            scripts.extend([&server.options.notify_up, &server.options.notify_down].into_iter().flatten().cloned());
            scripts.extend(server.checkers.iter().filter_map(|checker| match &checker.probe {
                Probe::Misc(misc) => Some(misc.script.clone()),
                Probe::Tcp(_)
                | Probe::Http(_)
                | Probe::Smtp(_)
                | Probe::Dns(_)
                | Probe::Ping(_)
                | Probe::Udp(_)
                | Probe::File(_)
                | Probe::Bfd(_) => None,
            }));
        }
    }
    scripts
}
