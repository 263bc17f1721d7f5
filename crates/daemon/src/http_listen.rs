//! What the page needs that only the supervisor can give: listening sockets, which may be at low ports and in another
//! network namespace, and the token, which may be in a file that nobody else can read.

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use standfast_api::Token;
use standfast_model::config::global::Http;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use tracing::warn;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// The sockets of `http_listen`. One that is held already at the same address is kept, with the clients that wait at it.
/// What cannot be had is said: nothing depends on it.
pub(crate) fn sockets(http: &Http, held: &[OwnedFd]) -> Vec<OwnedFd> {
    let mut sockets = Vec::new();
    for address in &http.listen {
        let kept = held.iter().find(|held| address_of(held).is_some_and(|held| held == *address));
        let socket = match kept {
            Some(kept) => kept.try_clone(),
            None => bound(*address),
        };
        match socket {
            Ok(socket) => sockets.push(socket),
            Err(error) => warn!("http_listen {address}: {error}; the page is not served there"),
        }
    }
    sockets
}

/// Where it listens, if it is a socket of TCP that does.
pub(crate) fn address_of(descriptor: &OwnedFd) -> Option<SocketAddr> {
    if !sockopt::socket_acceptconn(descriptor).unwrap_or(false) {
        return None;
    }
    TcpListener::from(descriptor.try_clone().ok()?).local_addr().ok()
}

fn bound(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // A virtual address may be on another node now.
    if address.is_ipv4() {
        sockopt::set_ip_freebind(&socket, true)?;
    } else {
        sockopt::set_ipv6_freebind(&socket, true)?;
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

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
    let mut text = String::new();
    let most = Token::MAX_BYTES as u64 + 3;
    file.take(most).read_to_string(&mut text).map_err(|error| error.to_string())?;
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
    fn a_socket_that_is_held_is_kept_and_one_that_is_in_use_is_done_without() {
        let first = bound("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = address_of(&first).unwrap();
        let http = Http { listen: vec![address], ..Http::default() };
        assert!(sockets(&http, &[]).is_empty(), "the address is in use");
        let kept = sockets(&http, &[nothing().unwrap(), first]);
        assert_eq!(kept.iter().map(address_of).collect::<Vec<_>>(), [Some(address)]);
        // An address that is not here yet can be listened at.
        assert!(bound("192.0.2.77:0".parse().unwrap()).is_ok());
    }

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
