//! Giving up everything that serving a socket does not need.

use nix::unistd::{Gid, Uid, User, geteuid, setgroups, setresgid, setresuid};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use std::io;

/// Users to become, the first that exists.
const USERS: [&str; 2] = ["standfast", "nobody"];

/// The number of `nobody` where no user has that name.
const NOBODY: u32 = 65_534;

/// Becomes a user without rights, without capabilities, and without a way to get any. A daemon that was not started as
/// root has only capabilities to give up.
///
/// # Errors
///
/// In words: root was started without the capabilities to become somebody else.
pub(super) fn give_up_rights() -> io::Result<()> {
    set_no_new_privs(true)?;
    if geteuid().is_root() {
        let user = USERS.into_iter().find_map(|name| User::from_name(name).ok().flatten());
        let (uid, gid) = user.map_or((Uid::from_raw(NOBODY), Gid::from_raw(NOBODY)), |user| (user.uid, user.gid));
        let refused = |what: &'static str| {
            move |error: nix::Error| {
                io::Error::other(format!("it cannot become user {uid}: {error}: {what} is missing"))
            }
        };
        setgroups(&[]).map_err(refused("CAP_SETGID"))?;
        setresgid(gid, gid, gid).map_err(refused("CAP_SETGID"))?;
        setresuid(uid, uid, uid).map_err(refused("CAP_SETUID"))?;
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none)?;
    Ok(())
}
