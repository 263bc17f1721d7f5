//! keepalived's command line, so that a unit file needs only the path of the program changed.
//!
//! One [table](OPTIONS) makes the parser, the help and the tests. It reads words and decides nothing: what an option
//! does is said where it is done.

mod help;
mod table;

pub use help::{help, version};
pub use table::{OPTIONS, Opt, Readiness, Value};

use crate::core_pattern;
use crate::signals::Request;
use lexopt::Arg;
use standfast_api::{Facility, LogSettings, WorkerOptions};
use standfast_model::config::global::Snmp;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use table::Meaning;

/// Where the configuration is unless `-f` says otherwise.
pub const DEFAULT_CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";

/// Where the log goes with `-g` alone. keepalived has a name in `/tmp`, where anybody may have put a link before.
pub const DEFAULT_LOG_FILE: &str = "/var/log/keepalived.log";

/// What the command line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invocation {
    /// Run, or with [`Options::test`] test the configuration.
    Run(Box<Options>),
    /// `-h`.
    Help,
    /// `-v`.
    Version,
    /// `-T`, and the words that follow it.
    Genhash(Vec<OsString>),
    /// `--signum`.
    SignalNumber(Request),
    /// `--keywords`, `--keywords=json`.
    Keywords {
        /// For programs.
        json: bool,
    },
}

/// Pid files, where they are not the default ones.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PidFiles {
    /// `-p`.
    pub main: Option<PathBuf>,
    /// `-r`.
    pub vrrp: Option<PathBuf>,
    /// `-c`.
    pub checkers: Option<PathBuf>,
    /// `-b`.
    pub bfd: Option<PathBuf>,
}

/// What is said of SNMP.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnmpOptions {
    /// `-x`: everything is shown.
    pub all: bool,
    /// `-A`: where the master agent is.
    pub socket: Option<String>,
}

impl SnmpOptions {
    /// Adds it to what the configuration says, which goes first where both say something.
    pub fn add_to(&self, snmp: &mut Snmp) {
        if self.all {
            (snmp.vrrp, snmp.checker, snmp.rfc_v2, snmp.rfc_v3) = (true, true, true, true);
        }
        if snmp.socket.is_none() {
            snmp.socket.clone_from(&self.socket);
        }
    }
}

/// The options of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// `-f`: a file or a pattern.
    pub configuration: PathBuf,
    /// `-t`: test the configuration and end; where to append the report, standard error if nowhere.
    pub test: Option<Option<PathBuf>>,
    /// Not `-C`.
    pub vrrp: bool,
    /// Not `-P`.
    pub checkers: bool,
    /// Not `-B`.
    pub bfd: bool,
    /// `--all`: run workers that have nothing configured too.
    pub all: bool,
    /// Not `-n`.
    pub daemonize: bool,
    /// Not `-R`.
    pub respawn: bool,
    /// `-d`.
    pub dump_configuration: bool,
    /// `-e`.
    pub include_errors: bool,
    /// `-i`.
    pub configuration_id: Option<String>,
    /// `-s`.
    pub namespace: Option<String>,
    /// `-u`, 0..=0o777.
    pub umask: Option<u32>,
    /// `--ignore-sigint`.
    pub ignore_interrupt: bool,
    /// `-p`, `-r`, `-c`.
    pub pid_files: PidFiles,
    /// `-x`, `-A`.
    pub snmp: SnmpOptions,
    /// `-l`, `-D`, `-S`, `-G`.
    pub log: LogSettings,
    /// `-g`.
    pub log_file: Option<PathBuf>,
    /// `-M`.
    pub core_pattern: Option<String>,
    /// What concerns workers.
    pub worker: WorkerOptions,
    /// What is to be said on the log: options that do nothing here, words that mean nothing.
    pub remarks: Vec<String>,
}

impl Options {
    /// How the processes log: a log file takes standard error's place, so what goes there goes on the console for them.
    #[must_use]
    pub const fn log_settings(&self) -> LogSettings {
        LogSettings { console: self.log.console || self.log_file.is_some(), ..self.log }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            configuration: PathBuf::from(DEFAULT_CONFIGURATION),
            test: None,
            vrrp: true,
            checkers: true,
            bfd: true,
            all: false,
            daemonize: true,
            respawn: true,
            dump_configuration: false,
            include_errors: false,
            configuration_id: None,
            namespace: None,
            umask: None,
            ignore_interrupt: false,
            pid_files: PidFiles::default(),
            snmp: SnmpOptions::default(),
            log: LogSettings { console: false, system: true, facility: Facility::Daemon, detail: 0 },
            log_file: None,
            core_pattern: None,
            worker: WorkerOptions::default(),
            remarks: Vec::new(),
        }
    }
}

/// A command line that cannot be understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandLineError {
    /// No such option.
    #[error("unknown option {0:?}")]
    Unknown(String),
    /// The beginning of several.
    #[error("option '--{given}' is the beginning of {}", candidates.join(", "))]
    Ambiguous {
        /// What was given.
        given: String,
        /// What it can mean.
        candidates: Vec<&'static str>,
    },
    /// An argument is missing, or there is one too many.
    #[error("{0}")]
    Argument(String),
    /// `--signum` with another name.
    #[error("unknown signal name {0:?}: STOP, RELOAD, DATA, STATS, STATS_CLEAR, JSON and TDUMP are known")]
    SignalName(String),
    /// `--keywords` in another form.
    #[error("unknown form {0:?}: --keywords and --keywords=json are known")]
    KeywordsForm(String),
    /// `-T` behind other words.
    #[error("genhash mode is chosen with the first word")]
    Genhash,
    /// An argument that has to be text is not.
    #[error("argument of {option} is not UTF-8")]
    NotText {
        /// Whose.
        option: &'static str,
    },
}

/// Reads the words after the program's name.
///
/// # Errors
///
/// See [`CommandLineError`]; all of them mean exit status 1.
pub fn parse<I>(arguments: I) -> Result<Invocation, CommandLineError>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    if let Some((_, words)) = arguments.split_first().filter(|(first, _)| *first == "-T" || *first == "--genhash") {
        return Ok(Invocation::Genhash(words.to_vec()));
    }
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut options = Options::default();
    let mut surplus = Vec::new();
    while let Some(argument) = parser.next().map_err(argument_error)? {
        let option = match argument {
            Arg::Short(letter) => by_letter(letter)?,
            Arg::Long(name) => by_name(name)?,
            Arg::Value(word) => {
                surplus.push(word.to_string_lossy().into_owned());
                continue;
            }
        };
        let value = match option.value {
            Value::None => None,
            Value::Required(_) => Some(parser.value().map_err(argument_error)?),
            Value::Optional(_) => parser.optional_value(),
        };
        if option.readiness == Readiness::Foreign {
            options
                .remarks
                .push(format!("option --{} is for keepalived's own processes and does nothing", option.long));
        }
        if let Some(other) = apply(option, value.as_deref(), &mut options)? {
            return Ok(other);
        }
    }
    if !surplus.is_empty() {
        options.remarks.push(format!("Unexpected argument(s): {}", surplus.join(" ")));
    }
    Ok(Invocation::Run(Box::new(options)))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn argument_error(error: lexopt::Error) -> CommandLineError {
    CommandLineError::Argument(error.to_string())
}

fn by_letter(letter: char) -> Result<&'static Opt, CommandLineError> {
    OPTIONS
        .iter()
        .find(|option| option.short == Some(letter))
        .ok_or_else(|| CommandLineError::Unknown(format!("-{letter}")))
}

/// A long name, or the beginning of exactly one, as `getopt_long` has it.
fn by_name(given: &str) -> Result<&'static Opt, CommandLineError> {
    if let Some(option) = OPTIONS.iter().find(|option| option.long == given) {
        return Ok(option);
    }
    let candidates: Vec<&Opt> = OPTIONS.iter().filter(|option| option.long.starts_with(given)).collect();
    match candidates.as_slice() {
        [] => Err(CommandLineError::Unknown(format!("--{given}"))),
        [option] => Ok(option),
        several => Err(CommandLineError::Ambiguous {
            given: given.to_owned(),
            candidates: several.iter().map(|option| option.long).collect(),
        }),
    }
}

/// Notes one option. Some of them end the reading: keepalived acts on them where they stand.
fn apply(
    option: &'static Opt,
    value: Option<&OsStr>,
    to: &mut Options,
) -> Result<Option<Invocation>, CommandLineError> {
    let text = || match value.map(OsStr::to_str) {
        Some(None) => Err(CommandLineError::NotText { option: option.long }),
        Some(Some(text)) => Ok(text),
        None => Ok(""),
    };
    let path = || PathBuf::from(value.unwrap_or_default());
    match option.meaning {
        Meaning::UseFile => to.configuration = path(),
        Meaning::NoCheckers => to.checkers = false,
        Meaning::NoBfd => to.bfd = false,
        Meaning::NoVrrp => to.vrrp = false,
        Meaning::All => to.all = true,
        Meaning::LogConsole => to.log.console = true,
        Meaning::LogDetail => to.log.detail = to.log.detail.saturating_add(1),
        Meaning::LogFacility => match facility(text()?) {
            Some(facility) => to.log.facility = facility,
            None => to.remarks.push(format!("Invalid log facility '{}'", text()?)),
        },
        Meaning::LogFile => to.log_file = Some(value.map_or_else(|| PathBuf::from(DEFAULT_LOG_FILE), PathBuf::from)),
        Meaning::NoSyslog => to.log.system = false,
        Meaning::Umask => match c_number(text()?).filter(|mask| *mask <= 0o777) {
            Some(mask) => to.umask = Some(mask),
            None => to.remarks.push(format!("Invalid umask '{}'", text()?)),
        },
        Meaning::ReleaseVips => to.worker.release_vips = true,
        Meaning::DontReleaseVrrp => to.worker.dont_release_vrrp = true,
        Meaning::DontReleaseIpvs => to.worker.dont_release_ipvs = true,
        Meaning::DontRespawn => to.respawn = false,
        Meaning::DontFork => to.daemonize = false,
        Meaning::DumpConf => to.dump_configuration = true,
        Meaning::Pid => to.pid_files.main = Some(path()),
        Meaning::VrrpPid => to.pid_files.vrrp = Some(path()),
        Meaning::CheckersPid => to.pid_files.checkers = Some(path()),
        Meaning::BfdPid => to.pid_files.bfd = Some(path()),
        Meaning::AddressMonitoring => to.worker.address_monitoring = true,
        Meaning::Snmp => to.snmp.all = true,
        Meaning::SnmpSocket => to.snmp.socket = Some(text()?.to_owned()),
        Meaning::Namespace => to.namespace = Some(text()?.to_owned()),
        Meaning::CoreDump => to.worker.core_file = true,
        Meaning::CoreDumpPattern => {
            to.worker.core_file = true;
            let pattern = text()?;
            to.core_pattern = Some(if pattern.is_empty() { core_pattern::DEFAULT } else { pattern }.to_owned());
        }
        Meaning::AllConfig => to.include_errors = true,
        Meaning::ConfigId => to.configuration_id = Some(text()?.to_owned()),
        Meaning::IgnoreSigint => to.ignore_interrupt = true,
        Meaning::ConfigTest => to.test = Some(value.map(PathBuf::from)),
        Meaning::Signum => {
            let name = text()?;
            let request = Request::of_name(name).ok_or_else(|| CommandLineError::SignalName(name.to_owned()))?;
            return Ok(Some(Invocation::SignalNumber(request)));
        }
        Meaning::Keywords => {
            return match text()? {
                "" => Ok(Some(Invocation::Keywords { json: false })),
                "json" => Ok(Some(Invocation::Keywords { json: true })),
                other => Err(CommandLineError::KeywordsForm(other.to_owned())),
            };
        }
        // Something else was wanted than a daemon, so none may come of it.
        Meaning::Genhash => return Err(CommandLineError::Genhash),
        Meaning::Version => return Ok(Some(Invocation::Version)),
        Meaning::Help => return Ok(Some(Invocation::Help)),
        Meaning::Nothing => {}
    }
    Ok(None)
}

fn facility(name: &str) -> Option<Facility> {
    match name {
        "user" => Some(Facility::User),
        "daemon" => Some(Facility::Daemon),
        _ => {
            let digit = name.strip_prefix("local").unwrap_or(name);
            digit.parse().ok().filter(|digit| digit <= &7 && name.len() == name.trim().len()).map(Facility::Local)
        }
    }
}

/// A number as C writes it: `0x` is hexadecimal, a leading 0 octal.
fn c_number(text: &str) -> Option<u32> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        u32::from_str_radix(digits, 16).ok()
    } else if text.len() > 1 && text.starts_with('0') {
        u32::from_str_radix(text, 8).ok()
    } else {
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests;
