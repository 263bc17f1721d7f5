//! Where the daemon keeps what is true while it runs: one directory under `/run`, made by root and written by root.

use crate::command_line::Options;
use standfast_model::Config;
use std::path::PathBuf;

/// The directory.
pub const DIRECTORY: &str = "/run/standfast";

/// The path of one file. Daemons in other network namespaces and of other `instance` names on the same host have their
/// own, named like their pid files: `NAME_NAMESPACE_INSTANCE`.
#[must_use]
pub fn path(options: &Options, config: &Config, name: &str) -> PathBuf {
    let namespace = options.namespace.as_deref().or(config.global.net_namespace.as_deref());
    let parts = [Some(name), namespace, config.global.instance.as_deref()];
    let parts: Vec<String> = parts.into_iter().flatten().map(|part| part.replace('/', "_")).collect();
    PathBuf::from(DIRECTORY).join(parts.join("_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_and_instance_has_files_of_its_own_in_the_one_directory() {
        let mut options = Options::default();
        let mut config = Config::default();
        assert_eq!(path(&options, &config, "stamps").to_str(), Some("/run/standfast/stamps"));
        config.global.instance = Some("../../etc/x".to_owned());
        assert_eq!(path(&options, &config, "stamps").to_str(), Some("/run/standfast/stamps_.._.._etc_x"));
        config.global.net_namespace = Some("blue".to_owned());
        options.namespace = Some("green".to_owned());
        config.global.instance = Some("one".to_owned());
        assert_eq!(path(&options, &config, "stamps").to_str(), Some("/run/standfast/stamps_green_one"));
    }
}
