//! The control socket: made by the supervisor, which may, and served by the front, which need not be able to.
//!
//! Who may connect may look; what more a client may do is the front's judgement.

use nix::unistd::Group;
use rustix::fs::{Mode, chmod, chown};
use rustix::process::Gid;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Whose members may look.
pub const GROUP: &str = "standfast";

/// The name of the socket in the directory of the run-time state.
pub const NAME: &str = "control";

/// Binds the socket, mode 0660, of the group [`GROUP`] if there is one. What a killed daemon left is replaced.
///
/// # Errors
///
/// `EADDRINUSE` if another daemon listens there, and those of `bind`.
pub fn bind(path: &Path) -> io::Result<OwnedFd> {
    if let Some(directory) = path.parent() {
        crate::run_state::make_directory(directory)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            if UnixStream::connect(path).is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            std::fs::remove_file(path)?;
        }
        Ok(_) => return Err(io::Error::other("something else is in the place of the control socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // Nobody but the owner can connect before the mode is what it shall be: the umask lets nobody else write.
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = bound?;
    let group = Group::from_name(GROUP).ok().flatten().map_or(Gid::ROOT, |group| Gid::from_raw(group.gid.as_raw()));
    // Without the right to give it to a group it stays the owner's.
    if chown(path, None, Some(group)).is_ok() {
        chmod(path, Mode::from_raw_mode(0o660))?;
    }
    listener.set_nonblocking(true)?;
    Ok(listener.into())
}
