//! The configuration is read here, once, and its mistakes are told: to the person at the terminal with source lines,
//! to the log in one line each. What they mean for the start is `conf`'s judgement.

use crate::command_line::Options;
use crate::dump;
use crate::exit_status::ExitStatus;
use crate::host::{Elsewhere, System};
use standfast_conf::host::Host;
use standfast_conf::{Checks, Class, Code, Diagnostic, Sources, exit_code_for_test, render, render_line};
use standfast_kernel::process::identity;
use standfast_model::Config;
use standfast_model::config::global::Reload;
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use tracing::{debug, error, warn};

/// A configuration for a start.
#[derive(Debug)]
pub struct Loaded {
    /// None if the start is refused.
    pub config: Option<Config>,
    /// What the daemon ends with if it is.
    pub status: ExitStatus,
}

/// The network namespace that a configuration names cannot be entered.
#[derive(Debug, thiserror::Error)]
#[error("cannot enter network namespace {name}: {source}")]
pub struct NoNamespace {
    /// Its name.
    pub name: String,
    /// Why.
    pub source: io::Error,
}

/// Reads the configuration for a start and tells its mistakes. A refusal is told on standard error as well. The process
/// is in the namespace of `net_namespace` from here on, unless the command line has put it into another.
///
/// # Errors
///
/// There is no such namespace, or it is not ours to enter.
pub fn load(options: &Options) -> Result<Loaded, NoNamespace> {
    let loaded = read_in_its_namespace(options)?;
    for diagnostic in &loaded.diagnostics {
        tell(diagnostic, &loaded.sources);
    }
    if loaded.config.is_none() {
        let mut stderr = io::stderr();
        let colour = stderr.is_terminal();
        // Nobody may be there to read it; the log has it.
        let _ = write_report(&mut stderr, &loaded, colour);
    }
    if let (Some(config), true) = (&loaded.config, options.dump_configuration) {
        for line in format!("{config:#?}").lines() {
            tracing::info!("{line}");
        }
    }
    if let Some(config) = &loaded.config {
        save(options, 0, config);
    }
    let no_file = loaded.diagnostics.iter().any(|diagnostic| diagnostic.code == Code::NoMainFile);
    let status = if no_file { ExitStatus::NoConfiguration } else { ExitStatus::Configuration };
    Ok(Loaded { config: loaded.config, status })
}

/// Reads the configuration for a reload, judges it and tells its mistakes. A statement that would be dropped at a start
/// refuses a reload, unless it is forced: a running service is not changed on a typo. `reload_check_config` adds the report to a file.
///
/// # Errors
///
/// The first mistake that refuses it, in one line, and how many more there are.
pub fn reload(options: &Options, settings: &Reload, force: bool) -> Result<Config, String> {
    let loaded = read(options);
    for diagnostic in &loaded.diagnostics {
        tell(diagnostic, &loaded.sources);
    }
    if let Some(path) = settings.check_config.as_deref().filter(|path| !path.is_empty()) {
        let written = append(Path::new(path)).and_then(|mut file| write_report(&mut file, &loaded, false));
        if let Err(error) = written {
            warn!("cannot write the report to {path}: {error}");
        }
    }
    judged(loaded, force)
}

/// Keeps what was read, where `config_save_dir` wants that: the edition of that number, 0 being that of the start.
pub fn save(options: &Options, number: u32, config: &Config) {
    if config.global.config_save_dir.is_some() {
        let text = standfast_conf::show(&System, &options.configuration, &for_conf(options), false);
        dump::save_configuration(number, &text, config);
    }
}

/// The configuration, unless a mistake refuses it.
fn judged(loaded: standfast_conf::Loaded, force: bool) -> Result<Config, String> {
    let refusing = |d: &&Diagnostic| match d.class {
        Class::Fatal => true,
        Class::Dropped => !force,
        Class::Security | Class::Warning | Class::Deprecated | Class::NotYet | Class::Hint => false,
    };
    let mut against = loaded.diagnostics.iter().filter(refusing);
    match (against.next(), loaded.config) {
        (None, Some(config)) => Ok(config),
        (Some(first), _) => {
            let line = render_line(first, &loaded.sources);
            match against.count() {
                0 => Err(line),
                more => Err(format!("{line} (and {more} more)")),
            }
        }
        (None, None) => Err("no configuration can be made of it".to_owned()),
    }
}

/// Reads a configuration to say what a reload to it would do: as [`reload`] without force, and nothing is told or written.
///
/// # Errors
///
/// See [`reload`].
pub fn plan(options: &Options) -> Result<Config, String> {
    judged(read(options), false)
}

/// Reads a configuration to say whether an upgrade to this program may read it: as [`plan`], with force or without.
///
/// # Errors
///
/// See [`reload`].
pub fn upgrade(options: &Options, force: bool) -> Result<Config, String> {
    judged(read(options), force)
}

/// Reads the configuration and reports on it (`-t`), on standard error or at the end of a file.
#[must_use]
pub fn test(options: &Options, report: Option<&Path>) -> ExitStatus {
    let loaded = match read_in_its_namespace(options) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("standfastd: {error}");
            return ExitStatus::Fatal;
        }
    };
    let written = match report {
        Some(path) => append(path).and_then(|mut file| write_report(&mut file, &loaded, false)),
        None => {
            let mut stderr = io::stderr();
            let colour = stderr.is_terminal();
            write_report(&mut stderr, &loaded, colour)
        }
    };
    if let Err(error) = written {
        let place = report.unwrap_or(Path::new("standard error"));
        eprintln!("standfastd: cannot write the report to {}: {error}", place.display());
        return ExitStatus::Fatal;
    }
    ExitStatus::of_code(exit_code_for_test(&loaded.diagnostics))
}

/// Interfaces are those of the namespace in which the daemon will run, so the file is read again in there.
fn read_in_its_namespace(options: &Options) -> Result<standfast_conf::Loaded, NoNamespace> {
    let loaded = read(options);
    if options.namespace.is_some() {
        return Ok(loaded);
    }
    let named = |config: &Option<Config>| config.as_ref().and_then(|config| config.global.net_namespace.clone());
    let name = match &loaded.config {
        config @ Some(_) => named(config),
        // It may have been refused for the very interfaces that are in there.
        None => named(&read_by(options, &Elsewhere).config),
    };
    let Some(name) = name else { return Ok(loaded) };
    match identity::enter_network_namespace(&name) {
        Ok(()) => Ok(read(options)),
        Err(source) => Err(NoNamespace { name, source }),
    }
}

fn read(options: &Options) -> standfast_conf::Loaded {
    read_by(options, &System)
}

fn read_by(options: &Options, host: &dyn Host) -> standfast_conf::Loaded {
    let mut loaded = standfast_conf::load(host, &options.configuration, &for_conf(options));
    if let Some(config) = &mut loaded.config {
        options.snmp.add_to(&mut config.global.snmp);
    }
    loaded
}

fn for_conf(options: &Options) -> standfast_conf::Options {
    let include_checks = if options.include_errors { Checks::ALL } else { Checks::default() };
    standfast_conf::Options { config_id: options.configuration_id.clone(), include_checks }
}

/// A link in that place could make us write into a file of its maker's choice.
fn append(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)
}

fn write_report(to: &mut impl Write, loaded: &standfast_conf::Loaded, colour: bool) -> io::Result<()> {
    for diagnostic in &loaded.diagnostics {
        writeln!(to, "{}\n", render(diagnostic, &loaded.sources, colour))?;
    }
    let counted = counts(&loaded.diagnostics);
    if counted.is_empty() { Ok(()) } else { writeln!(to, "{counted}") }
}

/// `2 errors, 1 hint`; nothing if there is nothing.
fn counts(diagnostics: &[Diagnostic]) -> String {
    let count = |classes: &[Class]| diagnostics.iter().filter(|d| classes.contains(&d.class)).count();
    let groups = [
        (count(&[Class::Fatal, Class::Dropped, Class::Security]), "error", "errors"),
        (count(&[Class::Warning, Class::Deprecated]), "warning", "warnings"),
        (count(&[Class::NotYet]), "statement not acted upon yet", "statements not acted upon yet"),
        (count(&[Class::Hint]), "hint", "hints"),
    ];
    let parts: Vec<String> = groups
        .into_iter()
        .filter(|(number, _, _)| *number > 0)
        .map(|(number, one, several)| format!("{number} {}", if number == 1 { one } else { several }))
        .collect();
    parts.join(", ")
}

/// A line is made only where it is wanted: a site of twenty thousand servers may have a thousand hints.
fn tell(diagnostic: &Diagnostic, sources: &Sources) {
    let line = || render_line(diagnostic, sources);
    match diagnostic.class {
        Class::Fatal | Class::Dropped | Class::Security => error!("{}", line()),
        Class::Warning | Class::Deprecated | Class::NotYet => warn!("{}", line()),
        Class::Hint => debug!("{}", line()),
    }
}
