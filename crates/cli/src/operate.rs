//! The words of the subcommands that talk to a running daemon. What they do is in the module of each.

use clap::{Args, Subcommand, ValueEnum};
use standfast_api::control::LogLevel;
use std::path::PathBuf;

/// The subcommands that talk to a running daemon.
#[derive(Subcommand, Debug)]
pub enum Operate {
    /// Say how things are; the exit status is that of a monitoring plugin
    #[command(after_help = "Example: standfast status")]
    Status(Status),
    /// Show how things are and what happens, live in this terminal; ? lists the keys
    #[command(after_help = "Example: standfast watch")]
    Watch(Watch),
    /// List what has happened, in the words of the journal
    #[command(after_help = "Example: standfast events --last 100 --follow")]
    Events(Events),
    /// Say what led to the last change of an instance or a server
    #[command(after_help = "Example: standfast why VI_1")]
    Why(Why),
    /// Print the counters of every instance, as keepalived does on SIGUSR2
    #[command(after_help = "Example: standfast stats")]
    Stats(Stats),
    /// Read the configuration again, and say what came of it
    #[command(after_help = "Example: standfast reload --confirm 60")]
    Reload(Reload),
    /// Say what a reload would change, and whether traffic would notice; change nothing. Status 0: nothing, 2: something,
    /// 1: it would be refused
    #[command(after_help = "Example: standfast plan /etc/keepalived/new.conf")]
    Plan(Plan),
    /// Hand over to another director: stop being master here, and do not take it back before --undo or --for says so
    #[command(after_help = "Example: standfast switchover VI_1 --for 600")]
    Switchover(Switchover),
    /// Take this director out of service (on): it gives up every address and takes none, also after a restart, until
    /// off
    #[command(after_help = "Example: standfast maintenance on")]
    Maintenance(Maintenance),
    /// Make the log more or less detailed, until the daemon ends
    #[command(after_help = "Example: standfast log-level debug")]
    LogLevel(Level),
    /// End drain, disable and weight: a real server serves again when its checks say so, with the configured weight
    #[command(after_help = "Example: standfast ready 10.0.0.1:80")]
    Ready(Server),
    /// Give a real server no new connections, and take it out when the last one has ended; ready puts it back
    #[command(after_help = "Example: standfast drain 10.0.0.1:80 --within 300")]
    Drain(Drain),
    /// Take a real server out of its services now; ready puts it back
    #[command(after_help = "Example: standfast disable 10.0.0.1:80 --of 192.0.2.1:80")]
    Disable(Server),
    /// Give a real server another weight than the configured one, until ready
    #[command(after_help = "Example: standfast weight 10.0.0.1:80 50")]
    Weight(Weight),
    /// List the kernel's table of virtual servers, as ipvsadm -Ln does
    #[command(after_help = "Example: standfast ipvs --stats")]
    Ipvs {
        /// What has been counted, in full, as ipvsadm -Ln --stats --exact does
        #[arg(long)]
        stats: bool,
    },
    /// Keep the configuration that was reloaded with --confirm
    #[command(after_help = "Example: standfast confirm")]
    Confirm(Confirm),
    /// Replace the running daemon by the program that is now on the disk, without a failover
    #[command(after_help = "Example: standfast upgrade")]
    Upgrade(Upgrade),
}

/// Where the daemon listens.
#[derive(Args, Debug, Clone)]
pub struct Socket {
    /// The control socket of the daemon
    #[arg(long = "socket", value_name = "PATH", default_value = "/run/standfast/control")]
    pub path: PathBuf,
}

/// `standfast status`.
#[derive(Args, Debug)]
pub struct Status {
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
    /// Whom to ask
    #[command(flatten)]
    pub socket: Socket,
}

/// `standfast watch`.
#[derive(Args, Debug)]
pub struct Watch {
    /// Whom to ask
    #[command(flatten)]
    pub socket: Socket,
}

/// `standfast events`.
#[derive(Args, Debug)]
pub struct Events {
    /// How many of the last ones
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub last: u32,
    /// Do not end: print what happens from now on as well
    #[arg(short, long)]
    pub follow: bool,
    /// As JSON, for programs: one object a line
    #[arg(long)]
    pub json: bool,
    /// Whom to ask
    #[command(flatten)]
    pub socket: Socket,
}

/// `standfast why`.
#[derive(Args, Debug)]
pub struct Why {
    /// The name of an instance or a group, or an address of a server; by default whatever changed last
    pub subject: Option<String>,
    /// Whom to ask
    #[command(flatten)]
    pub socket: Socket,
}

/// `standfast stats`.
#[derive(Args, Debug)]
pub struct Stats {
    /// Whom to ask
    #[command(flatten)]
    pub socket: Socket,
}

/// `standfast reload`.
#[derive(Args, Debug)]
pub struct Reload {
    /// Reload even if statements of the file are wrong; those are ignored
    #[arg(long)]
    pub force: bool,
    /// Go back to the configuration of now after so many seconds, unless `standfast confirm` keeps the new one
    #[arg(long, value_name = "SECONDS")]
    pub confirm: Option<u32>,
    /// Whom to ask
    #[command(flatten)]
    pub socket: Socket,
}

/// `standfast plan`.
#[derive(Args, Debug)]
pub struct Plan {
    /// The new configuration; by default the daemon's own file as it is now
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Ask no daemon: compare with this configuration, as if it ran here as master with every server up
    #[arg(long, value_name = "OLD", requires = "file")]
    pub from: Option<PathBuf>,
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
    /// Whom to ask
    #[command(flatten)]
    pub socket: Socket,
}

/// `standfast switchover`.
#[derive(Args, Debug)]
pub struct Switchover {
    /// The name of an instance or a group; by default everything this director is master of
    pub of: Option<String>,
    /// End a switchover: preempt again as configured
    #[arg(long, conflicts_with = "for")]
    pub undo: bool,
    /// End it by itself after so many seconds; by default not before --undo
    #[arg(long = "for", value_name = "SECONDS", id = "for")]
    pub for_s: Option<u32>,
    /// Whom to ask
    #[command(flatten)]
    pub socket: Socket,
}

/// On or off.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Give up every address, from now on
    On,
    /// Take part in elections again
    Off,
}

/// `standfast maintenance`.
#[derive(Args, Debug)]
pub struct Maintenance {
    /// Begin or end it
    pub switch: Switch,
    /// Whom to ask
    #[command(flatten)]
    pub socket: Socket,
}

/// How much is logged.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What happens
    Info,
    /// As -D: also how it comes about
    Debug,
    /// As -D -D: everything
    Trace,
}

/// `standfast log-level`.
#[derive(Args, Debug)]
pub struct Level {
    /// How much
    pub level: Detail,
    /// Whom to ask
    #[command(flatten)]
    pub socket: Socket,
}

impl Detail {
    /// As the daemon calls it.
    #[must_use]
    pub const fn level(self) -> LogLevel {
        match self {
            Self::Info => LogLevel::Info,
            Self::Debug => LogLevel::Debug,
            Self::Trace => LogLevel::Trace,
        }
    }
}

/// A real server.
#[derive(Args, Debug)]
pub struct Server {
    /// Its address, with or without port: 10.0.0.1:80
    pub server: String,
    /// Of this virtual server only: 192.0.2.1:80, or a firewall mark
    #[arg(long, value_name = "VIRTUAL_SERVER")]
    pub of: Option<String>,
    /// Whom to ask
    #[command(flatten)]
    pub socket: Socket,
}

/// `standfast drain`.
#[derive(Args, Debug)]
pub struct Drain {
    /// Which server
    #[command(flatten)]
    pub server: Server,
    /// Take it out after so many seconds even if it has connections
    #[arg(long, value_name = "SECONDS")]
    pub within: Option<u32>,
}

/// `standfast weight`.
#[derive(Args, Debug)]
pub struct Weight {
    /// Which server
    #[command(flatten)]
    pub server: Server,
    /// The weight
    #[arg(value_parser = clap::value_parser!(u32).range(0..=2_147_483_647))]
    pub weight: u32,
}

/// `standfast confirm`.
#[derive(Args, Debug)]
pub struct Confirm {
    /// Whom to ask
    #[command(flatten)]
    pub socket: Socket,
}

/// `standfast upgrade`.
#[derive(Args, Debug)]
pub struct Upgrade {
    /// Even if it is the program that runs already, or one that ignores statements of the configuration
    #[arg(long)]
    pub force: bool,
    /// Whom to ask
    #[command(flatten)]
    pub socket: Socket,
}
