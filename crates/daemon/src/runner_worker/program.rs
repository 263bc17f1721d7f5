//! Which file a script's first word means, and whether it may be run as it is now.
//!
//! The configuration was judged when it was read; this is asked again right before each start, because the file may
//! have been replaced since. With `enable_script_security` what runs as root, and every directory that leads to it,
//! can be written by root alone: then nobody else can put something else there between this look and the start.

use standfast_model::config::script::Identity;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where a bare name is searched when the environment says nothing.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What `global_defs` says of scripts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Policy {
    /// `enable_script_security`
    pub(super) security: bool,
    /// `use_symlink_paths`: a path stays as it is written.
    pub(super) keep_links: bool,
}

/// The file to run for a word.
///
/// # Errors
///
/// There is none, or it is unsafe: in words.
pub(super) fn find(word: &[u8], identity: Option<Identity>, policy: Policy) -> Result<PathBuf, String> {
    let written = Path::new(OsStr::from_bytes(word));
    let found = if word.contains(&b'/') { written.to_owned() } else { search(written)? };
    let shown = written.display();
    let canonical = found.canonicalize().map_err(|error| format!("{shown}: {error}"))?;
    let metadata = std::fs::metadata(&canonical).map_err(|error| format!("{shown}: {error}"))?;
    if !metadata.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    if policy.security && matters(identity, &metadata) {
        // Also the way there as it is written: whoever can change a link on it chooses what runs.
        for path in [canonical.as_path(), found.as_path()] {
            only_root_writes(path)?;
        }
    }
    Ok(if policy.keep_links { found } else { canonical })
}

fn search(name: &Path) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").filter(|path| !path.is_empty()).unwrap_or_else(|| PATH.into());
    let runnable = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0);
    // A relative directory would mean another place for everyone who looks.
    let mut places = std::env::split_paths(&path).filter(|directory| directory.is_absolute()).map(|d| d.join(name));
    places.find(runnable).ok_or_else(|| format!("no program called {} in {}", name.display(), path.display()))
}

/// Whether replacing the program gains somebody root's rights: it runs with them, or takes them.
fn matters(identity: Option<Identity>, metadata: &Metadata) -> bool {
    let sets_id = (metadata.mode() & 0o4000 != 0 && metadata.uid() == 0)
        || (metadata.mode() & 0o2000 != 0 && metadata.gid() == 0);
    sets_id || identity.is_none_or(|identity| identity.uid == 0 || identity.gid == 0)
}

fn only_root_writes(path: &Path) -> Result<(), String> {
    for part in path.ancestors().filter(|part| !part.as_os_str().is_empty()) {
        let metadata = std::fs::metadata(part).map_err(|error| format!("{}: {error}", part.display()))?;
        if open_to_others(&metadata) {
            return Err(format!(
                "unsafe: {} can be written by others than root; chown root:root and chmod go-w mend it",
                part.display()
            ));
        }
    }
    Ok(())
}

/// Whether somebody else than root can write it. In a directory with the sticky bit nobody can replace what is root's.
fn open_to_others(metadata: &Metadata) -> bool {
    let mode = metadata.mode();
    let sticky = metadata.is_dir() && mode & 0o1000 != 0;
    let owner = metadata.uid() != 0 && mode & 0o200 != 0;
    let group = metadata.gid() != 0 && mode & 0o020 != 0;
    let others = mode & 0o002 != 0;
    owner || ((group || others) && !sticky)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const ROOT: Option<Identity> = Some(Identity { uid: 0, gid: 0 });
    const NOBODY: Option<Identity> = Some(Identity { uid: 65534, gid: 65534 });
    const SECURE: Policy = Policy { security: true, keep_links: false };

    /// A directory of root's in `/tmp`, which has the sticky bit; gone when the test is.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = PathBuf::from(format!("/tmp/standfast-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            let directory = Self(path);
            directory.mode("", 0o755);
            directory
        }

        fn file(&self, name: &str, mode: u32) -> PathBuf {
            std::fs::write(self.0.join(name), "#!/bin/sh\n").unwrap();
            self.mode(name, mode);
            self.0.join(name)
        }

        fn mode(&self, name: &str, mode: u32) {
            std::fs::set_permissions(self.0.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn found(path: &Path, identity: Option<Identity>, policy: Policy) -> Result<PathBuf, String> {
        find(path.as_os_str().as_bytes(), identity, policy)
    }

    #[test]
    fn what_others_can_write_is_run_as_root_only_without_script_security() {
        let directory = Directory::new("secure");
        let script = directory.file("script", 0o755);
        assert_eq!(found(&script, ROOT, SECURE).unwrap(), script);
        directory.mode("script", 0o777);
        for identity in [ROOT, None] {
            assert!(found(&script, identity, SECURE).unwrap_err().contains("/script can be written by others"));
        }
        found(&script, NOBODY, SECURE).unwrap();
        found(&script, ROOT, Policy::default()).unwrap();
        directory.mode("script", 0o4777);
        found(&script, NOBODY, SECURE).unwrap_err();
        directory.mode("script", 0o755);
        directory.mode("", 0o757);
        assert!(found(&script, ROOT, SECURE).unwrap_err().contains("secure"), "the directory that leads to it");
    }

    #[test]
    fn a_link_that_others_can_change_is_as_unsafe_as_its_target() {
        let directory = Directory::new("links");
        let script = directory.file("script", 0o755);
        std::fs::create_dir(directory.0.join("open")).unwrap();
        directory.mode("open", 0o777);
        let link = directory.0.join("open/link");
        std::os::unix::fs::symlink(&script, &link).unwrap();
        assert!(found(&link, ROOT, SECURE).unwrap_err().contains("/open can be written"));
        assert_eq!(found(&link, ROOT, Policy::default()).unwrap(), script);
        let kept = Policy { security: false, keep_links: true };
        assert_eq!(found(&link, ROOT, kept).unwrap(), link);
    }

    #[test]
    fn a_bare_name_is_searched_in_the_path_and_what_is_no_file_is_no_program() {
        let shell = find(b"sh", None, Policy { keep_links: true, ..Policy::default() }).unwrap();
        assert!(shell.is_absolute() && shell.ends_with("sh"));
        assert!(find(b"standfast-no-such-program", None, Policy::default()).unwrap_err().contains("no program called"));
        assert!(find(b"/tmp", None, Policy::default()).unwrap_err().contains("not a file"));
        assert!(find(b"/no/such", None, Policy::default()).unwrap_err().contains("No such file"));
        find(b"/tmp\0", None, Policy::default()).unwrap_err();
    }
}
