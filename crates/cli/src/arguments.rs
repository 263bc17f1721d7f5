//! The command line, from which completions and the manual page are made as well.

use crate::operate::Operate;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;

/// Says how standfastd is doing and why, steers it, and checks its configuration, which is keepalived.conf
#[derive(Parser, Debug)]
#[command(name = "standfast", version, long_about = None, disable_help_subcommand = true)]
#[command(
    after_help = "Exit status: 0 nothing wrong, 1 the command failed, 2 wrong usage; of status, those of a monitoring \
plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; of plan, 2 if a reload would change something; of doctor, 1 warnings, \
2 problems; of check and check-pair, those of standfastd -t: 2 a parameter is missing, 4 no file or no interface, \
5 anything else wrong, 6 scripts are not secured."
)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Talk to a running daemon
    #[command(flatten)]
    Operate(Operate),
    /// Look for what makes a pair fail in the field, with the reason and the command that mends it. Status 0: nothing but
    /// hints, 1: warnings, 2: problems
    #[command(after_help = "Example: standfast doctor --config /etc/keepalived/keepalived.conf")]
    Doctor(Doctor),
    /// Say what is wrong with configurations, as `standfastd -t` would
    #[command(after_help = "Example: standfast check --strict /etc/keepalived/keepalived.conf")]
    Check(Check),
    /// Explain a diagnostic code; without a code, list all of them
    #[command(after_help = "Example: standfast explain K0301")]
    Explain(Explain),
    /// Compare the configurations of two directors: what would keep them from being a pair
    #[command(after_help = "Example: standfast check-pair east/keepalived.conf west/keepalived.conf")]
    CheckPair(CheckPair),
    /// Format configuration files in place: one layout, the same meaning
    #[command(after_help = "Example: standfast fmt --check /etc/keepalived/keepalived.conf")]
    Fmt(Fmt),
    /// Show configurations
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List every keyword with its words, range and default
    #[command(after_help = "Example: standfast keywords")]
    Keywords(Keywords),
    /// Print the digest of a page, for `digest` of a url: keepalived's genhash
    #[command(after_help = "Example: standfast genhash -s 10.0.0.1 -p 80 -u /index.html")]
    Genhash(Genhash),
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
    #[command(after_help = "Example: standfast config show --origin /etc/keepalived/keepalived.conf")]
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
    /// One object, for programs; see standfast(1)
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
    /// Fail on anything that is reported, hints as well: status 0 only if there is nothing to report
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
    /// Files to format; - reads standard input and writes standard output
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
    /// As JSON, for programs
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
    /// The configuration that this machine is to run
    #[arg(short, long, value_name = "FILE", default_value = "/etc/keepalived/keepalived.conf")]
    pub config: PathBuf,
    /// As JSON, for programs
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
    /// Print the answer as well: its header, its body and what is digested of it
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// Every command that does something, with its words: `config show`.
    fn leaves(command: &clap::Command, words: &[&str]) -> Vec<(String, clap::Command)> {
        let mut found = Vec::new();
        for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
            let words = [words, &[subcommand.get_name()]].concat();
            if subcommand.has_subcommands() {
                found.extend(leaves(subcommand, &words));
            } else {
                found.push((words.join(" "), subcommand.clone()));
            }
        }
        found
    }

    #[test]
    fn every_command_has_an_example_of_itself_that_is_right() {
        let leaves = leaves(&Arguments::command(), &[]);
        assert!(leaves.len() > 20, "{leaves:?}");
        for (name, command) in leaves {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = text.strip_prefix("Example: ").unwrap_or_else(|| panic!("{name} has no example"));
            assert!(format!("{example} ").starts_with(&format!("standfast {name} ")), "{name}: {example}");
            Arguments::try_parse_from(example.split(' ')).unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }

    #[test]
    fn what_a_command_does_is_said_in_a_sentence_without_an_end() {
        for (name, command) in leaves(&Arguments::command(), &[]) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(about.starts_with(char::is_uppercase) && !about.ends_with('.'), "{name}: {about}");
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.starts_with(char::is_uppercase) && !help.ends_with('.'), "{name} {argument}: {help}");
            }
        }
    }
}
