//! What the page needs that only the supervisor can give, besides its sockets: the token, which may be in a file that
//! nobody else can read, and the name of the host.

use standfast_api::Token;
use standfast_model::Secret;
use standfast_model::config::global::Http;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use tracing::warn;

/// The token in the file of `http_token`. One that others could read or write is none.
pub(crate) fn token(http: &Http) -> Option<Token> {
    let path = http.token_file.as_deref()?;
    let outcome = open(path).and_then(|file| read(&file));
    outcome.inspect_err(|why| warn!("http_token {path}: {why}; no orders are taken over http")).ok()
}

fn open(path: &str) -> Result<File, String> {
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    opened.map_err(|error| error.to_string())
}

fn read(file: &File) -> Result<Token, String> {
    let found = file.metadata().map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if found.mode() & 0o077 != 0 {
        return Err(format!("others may read or write it (mode {:04o}), it wants mode 0600", found.mode() & 0o7777));
    }
    let most = Token::MAX_BYTES + 3;
    // Of its size from the beginning, so that nothing of it stays where it grew.
    let mut text = Vec::with_capacity(most);
    let outcome = file.take(most as u64).read_to_end(&mut text);
    let text = Secret::new(text);
    outcome.map_err(|error| error.to_string())?;
    Token::new(&text)
}

/// The name of this host.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A descriptor in the place of something that could not be had.
///
/// # Errors
///
/// There is no `/dev/null`.
pub(crate) fn nothing() -> io::Result<OwnedFd> {
    let null = OpenOptions::new().read(true).open("/dev/null")?;
    null.as_fd().try_clone_to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_token_that_others_can_read_is_none() {
        let path = std::env::temp_dir().join(format!("standfast-token-{}", std::process::id()));
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        let http = Http { token_file: Some(path.to_str().unwrap().to_owned()), ..Http::default() };
        for (mode, usable) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(token(&http).is_some(), usable, "{mode:o}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(token(&http).is_none());
    }
}
