//! The command line, from which completions and the manual page are made as well.

use crate::operate::Operate;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;

/// Checks, explains and formats the configuration of standfastd, which is keepalived.conf
#[derive(Parser, Debug)]
#[command(name = "standfast", version, long_about = None, disable_help_subcommand = true)]
#[command(
    after_help = "Exit status: 0 nothing wrong, 1 the command failed, 2 wrong usage; of check and check-pair, those of \
standfastd -t: 2 a parameter is missing, 4 no file or no interface, 5 anything else wrong, 6 scripts are not secured."
)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Say what is wrong with configurations, as `standfastd -t` would
    Check(Check),
    /// Explain a diagnostic code; without a code, list all of them
    Explain(Explain),
    /// Compare the configurations of two directors: what would keep them from being a pair
    CheckPair(CheckPair),
    /// Lay a configuration file out in the one way, without changing what it means
    Fmt(Fmt),
    /// Show configurations
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List every keyword with its words, range and default
    Keywords(Keywords),
    /// Print the digest of a page, for `digest` of a url: keepalived's genhash
    Genhash(Genhash),
    /// Look for what makes such a pair fail on this machine, with the reason and the command that mends it. Status 0:
    /// nothing but hints, 1: warnings, 2: problems
    Doctor(Doctor),
    /// Talk to a running daemon
    #[command(flatten)]
    Operate(Operate),
    /// Print completions for a shell
    #[command(hide = true)]
    Completions(Completions),
    /// Print a manual page
    #[command(hide = true)]
    Man(Man),
}

/// `standfast config`.
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Show a configuration with definitions, conditions, repetitions and includes expanded, and secrets masked
    Show(ConfigShow),
}

/// How a configuration is read.
#[derive(Args, Debug, Clone, Default)]
pub struct Reading {
    /// Take the lines that begin with @ID; by default the host name up to its first dot
    #[arg(short = 'i', long, value_name = "ID")]
    pub config_id: Option<String>,
    /// Every failed include is an error
    #[arg(short = 'e', long)]
    pub all_config: bool,
    /// The files are meant for another machine: every interface exists
    #[arg(long)]
    pub elsewhere: bool,
}

/// How diagnostics are written.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// With source lines, for a person
    #[default]
    Human,
    /// For programs; see standfast(1)
    Json,
    /// SARIF 2.1.0, for code review tools
    Sarif,
}

/// `standfast check`.
#[derive(Args, Debug)]
pub struct Check {
    /// Main files, each a configuration of its own
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How the diagnostics are written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Anything said is fatal, hints as well: the status is 0 only if there is nothing to say
    #[arg(long)]
    pub strict: bool,
    /// How the files are read
    #[command(flatten)]
    pub reading: Reading,
}

/// `standfast explain`.
#[derive(Args, Debug)]
pub struct Explain {
    /// A code such as K0301
    pub code: Option<String>,
}

/// `standfast check-pair`.
#[derive(Args, Debug)]
pub struct CheckPair {
    /// The first director's main file
    pub first: PathBuf,
    /// The second director's main file; may be the same, with --ids
    pub second: PathBuf,
    /// The two configuration ids, for files with @ID lines
    #[arg(long, value_names = ["FIRST", "SECOND"], num_args = 2)]
    pub ids: Option<Vec<String>>,
    /// How the findings are written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `standfast fmt`.
#[derive(Args, Debug)]
pub struct Fmt {
    /// Files to lay out; - reads standard input and writes standard output
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Change nothing; status 1 and the name of each file that would change
    #[arg(long)]
    pub check: bool,
}

/// `standfast config show`.
#[derive(Args, Debug)]
pub struct ConfigShow {
    /// The main file
    pub file: PathBuf,
    /// Say of each line which file and line it came from
    #[arg(long)]
    pub origin: bool,
    /// How the file is read
    #[command(flatten)]
    pub reading: Reading,
}

/// `standfast keywords`.
#[derive(Args, Debug)]
pub struct Keywords {
    /// For programs
    #[arg(long, conflicts_with = "coverage")]
    pub json: bool,
    /// How many of keepalived's keywords are known and acted upon, block by block; with names compared to a table
    /// whose first column holds paths, if one is given
    #[arg(long, hide = true, value_name = "TABLE", num_args = 0..=1)]
    pub coverage: Option<Option<PathBuf>>,
}

/// `standfast doctor`.
#[derive(Args, Debug)]
pub struct Doctor {
    /// The configuration that this machine is looked at for
    #[arg(short, long, value_name = "FILE", default_value = "/etc/keepalived/keepalived.conf")]
    pub config: PathBuf,
    /// For programs
    #[arg(long)]
    pub json: bool,
}

/// `standfast genhash`, with genhash's words.
#[derive(Args, Debug)]
pub struct Genhash {
    /// The server's address
    #[arg(short, long, value_name = "IP")]
    pub server: IpAddr,
    /// Its port
    #[arg(short, long, value_name = "PORT")]
    pub port: u16,
    /// The path of the page
    #[arg(short, long, value_name = "PATH")]
    pub url: String,
    /// Over TLS
    #[arg(short = 'S', long)]
    pub use_ssl: bool,
    /// Show the virtual host in the TLS handshake
    #[arg(short = 'I', long)]
    pub use_sni: bool,
    /// The Host header; by default address and port
    #[arg(short = 'V', long, value_name = "HOST")]
    pub use_virtualhost: Option<String>,
    /// Firewall mark of the packets
    #[arg(short = 'm', long, value_name = "MARK", default_value_t = 0)]
    pub fwmark: u32,
    /// HTTP version; 1.0c is 1.0 with Connection: close
    #[arg(short = 'P', long, value_enum, ignore_case = true, default_value = "1.0")]
    pub protocol: Protocol,
    /// Seconds for the connection, and again for the answer
    #[arg(short, long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub timeout: u32,
    /// List what came as well
    #[arg(short, long)]
    pub verbose: bool,
}

/// Versions of `standfast genhash`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// 1.0
    #[value(name = "1.0")]
    Http10,
    /// 1.0 with `Connection: close`
    #[value(name = "1.0c")]
    Http10Close,
    /// 1.1 with `Connection: close`
    #[value(name = "1.1")]
    Http11,
}

/// `standfast completions`.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// The manual pages.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// standfast(1)
    #[value(name = "standfast.1")]
    Command,
    /// standfast.conf(5)
    #[value(name = "standfast.conf.5")]
    Configuration,
    /// standfastd(8)
    #[value(name = "standfastd.8")]
    Daemon,
}

/// `standfast man`.
#[derive(Args, Debug)]
pub struct Man {
    /// The page
    pub page: Page,
}
