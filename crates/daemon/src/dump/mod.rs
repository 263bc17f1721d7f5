//! What keepalived writes on signals, in keepalived's forms: statistics, data, JSON.
//!
//! The texts are made of a status and a configuration, by the supervisor: no worker writes a file. They go where only
//! root can put a file, never to `/tmp` under a name that everyone can foresee.

mod data;
mod json;
mod stats;
mod words;

pub use data::{check_data, vrrp_data};
pub use json::json;
pub use stats::stats;

use crate::run_state;
use rustix::fs::{CWD, Mode, OFlags, open, renameat};
use standfast_api::Snapshot;
use standfast_model::Config;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tracing::{info, warn};

/// Which files are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dump {
    /// `keepalived.data`, `keepalived_check.data`.
    Data,
    /// `keepalived.stats`; after it the counters begin at zero, if so wished.
    Stats {
        /// `SIGRTMAX-1`.
        clear: bool,
    },
    /// `keepalived.json`.
    Json,
    /// What `config_save_dir` keeps of how things are after a reload.
    Saved {
        /// Of which one.
        number: u32,
    },
}

/// Writes the files of one kind.
pub fn write(dump: Dump, config: &Config, snapshot: &Snapshot) {
    match dump {
        Dump::Data => {
            if snapshot.vrrp.is_some() {
                put(&data_path(config, ""), &vrrp_data(config, snapshot), config);
            }
            if snapshot.check.is_some() {
                put(&data_path(config, "_check"), &check_data(snapshot), config);
            }
        }
        Dump::Stats { clear: _ } => {
            if let Some(vrrp) = &snapshot.vrrp {
                put(&place("keepalived.stats"), &stats(vrrp), config);
            }
        }
        // Only written if there is an instance.
        Dump::Json => {
            if snapshot.vrrp.as_ref().is_some_and(|vrrp| !vrrp.instances.is_empty()) {
                put(&place("keepalived.json"), &json(config, snapshot), config);
            }
        }
        Dump::Saved { number } => save_data(Moment::Post, number, config, snapshot),
    }
}

/// When what is kept by `config_save_dir` was so, seen from a reload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// Before it.
    Pre,
    /// After it.
    Post,
}

/// `config_save_dir`: keeps the configuration that was read as the edition of that number, with secrets masked. That of the
/// start has number 0.
pub fn save_configuration(number: u32, text: &str, config: &Config) {
    if let Some(directory) = &config.global.config_save_dir {
        let name = format!("keepalived.conf.{}.{number}", std::process::id());
        put(&Path::new(directory).join(name), text, config);
    }
}

/// `config_save_dir`: keeps how things are before or after the reload of that number.
pub fn save_data(moment: Moment, number: u32, config: &Config, snapshot: &Snapshot) {
    let Some(directory) = &config.global.config_save_dir else { return };
    let moment = match moment {
        Moment::Pre => "pre",
        Moment::Post => "post",
    };
    let path = |process: &str| {
        let name = format!("keepalived_{process}.{}.{number}.{moment}", std::process::id());
        Path::new(directory).join(name)
    };
    if snapshot.vrrp.is_some() {
        put(&path("vrrp"), &vrrp_data(config, snapshot), config);
    }
    if snapshot.check.is_some() {
        put(&path("check"), &check_data(snapshot), config);
    }
}

fn place(name: &str) -> PathBuf {
    Path::new(run_state::DIRECTORY).join(name)
}

/// `state_dump_file`: an absolute path replaces directory and name, with a slash at its end the directory, a relative
/// one the name. The tag stands before the last dot; with `data_use_instance` namespace and instance follow it.
fn data_path(config: &Config, tag: &str) -> PathBuf {
    let global = &config.global;
    let given = global.state_dump_file.as_deref().unwrap_or("keepalived.data");
    let given = if given.ends_with('/') { format!("{given}keepalived.data") } else { given.to_owned() };
    let path = place(&given);
    let mut tag = tag.to_owned();
    if global.data_use_instance {
        let parts: Vec<&str> =
            [&global.net_namespace, &global.instance].into_iter().flatten().map(String::as_str).collect();
        if !parts.is_empty() {
            tag.push('.');
            tag.push_str(&parts.join("_"));
        }
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let extension = path.extension().map(|dot| format!(".{}", dot.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}{tag}{extension}"))
}

fn put(path: &Path, text: &str, config: &Config) {
    match replace(path, text, config) {
        Ok(()) => info!("Written {}", path.display()),
        Err(error) => warn!("cannot write {}: {error}", path.display()),
    }
}

/// Whoever reads sees the old text or the new one. A link in that place is replaced and not followed.
fn replace(path: &Path, text: &str, config: &Config) -> io::Result<()> {
    let new = path.with_added_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // Others may read it if the configuration says so (`umask`), and never write it.
    let mode = Mode::from_raw_mode(0o644 & !u32::from(config.global.umask.unwrap_or(0o177)));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(open(&new, flags, mode)?);
    file.write_all(text.as_bytes())?;
    Ok(renameat(CWD, &new, CWD, path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(configure: impl Fn(&mut standfast_model::config::Global)) -> String {
        let mut config = Config::default();
        configure(&mut config.global);
        data_path(&config, "_check").display().to_string()
    }

    #[test]
    fn the_data_file_is_where_the_configuration_says() {
        assert_eq!(path(|_| {}), "/run/standfast/keepalived_check.data");
        assert_eq!(path(|global| global.state_dump_file = Some("x.y.txt".to_owned())), "/run/standfast/x.y_check.txt");
        assert_eq!(path(|global| global.state_dump_file = Some("/a/".to_owned())), "/a/keepalived_check.data");
        assert_eq!(path(|global| global.state_dump_file = Some("/a/b".to_owned())), "/a/b_check");
        let named = path(|global| {
            global.data_use_instance = true;
            global.instance = Some("ONE".to_owned());
            global.net_namespace = Some("NS".to_owned());
        });
        assert_eq!(named, "/run/standfast/keepalived_check.NS_ONE.data");
    }
}
