//! `standfast fmt`: the one subcommand that writes a configuration file, and only to lay it out.

use crate::arguments::Fmt;
use standfast_conf::format;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The reader's own limit for one file.
const FILE_LIMIT: u64 = 64 << 20;

/// Formats each file in place, or with `--check` says which would change.
///
/// # Errors
/// A file cannot be read or written.
pub fn run(words: &Fmt) -> io::Result<u8> {
    let mut status = 0;
    for path in &words.files {
        let piped = path == Path::new("-");
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let before = if piped { read(io::stdin().lock()) } else { File::open(path).and_then(read) }.map_err(named)?;
        let after = match format(&before) {
            Ok(after) => after,
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                status = 1;
                continue;
            }
        };
        if words.check && before != after {
            writeln!(io::stdout(), "{}", path.display())?;
            status = 1;
        } else if piped && !words.check {
            io::stdout().write_all(&after)?;
        } else if before != after {
            replace(path, &after).map_err(named)?;
        }
    }
    Ok(status)
}

fn read(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(io::Error::other("larger than 64 MiB, which no configuration is"));
    }
    Ok(bytes)
}

/// Puts a new file in the place of the old one in one step: a daemon that reads at this moment sees either.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What a link names is replaced, not the link.
    let path = fs::canonicalize(path)?;
    let old = fs::metadata(&path)?;
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let beside: PathBuf = path.with_file_name(name);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        // The owner first: giving a file away clears its set-id bits, and before it nobody else may read it.
        if (old.uid(), old.gid()) != (file.metadata()?.uid(), file.metadata()?.gid()) {
            std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    })();
    if written.is_err() {
        // There may be nothing to remove; the first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}
