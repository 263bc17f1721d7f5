//! What each worker gives up when it has what it needs to work, so that who takes it over has little.
//!
//! The runner gives up nothing: scripts are run with the rights that it has, and it reads nothing from the network. The
//! supervisor neither, because it starts the runner. The front has nothing to begin with; see its `identity`.

use standfast_api::WorkerKind;
use standfast_kernel::process::confinement::{forbid_system_calls, forbid_writing, gain_nothing, keep_capabilities};
use standfast_kernel::process::identity::Capability;
use std::io;
use tracing::debug;

/// What a process of the network needs, and to change how it is scheduled at a reload.
const NETWORK: &[Capability] = &[
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::NetBindService,
    Capability::SysNice,
    Capability::IpcLock,
    Capability::SysResource,
];

/// The same, for who goes on moving between network namespaces.
const NETWORKS: &[Capability] = &[
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::NetBindService,
    Capability::SysNice,
    Capability::IpcLock,
    Capability::SysResource,
    Capability::SysAdmin,
];

/// Confines the calling worker. To be called when it has started, before it has another thread. `moves` says that it goes
/// on moving between network namespaces.
///
/// # Errors
///
/// None that the kernel documents: what it does not have is said at the level of details, and the rest holds.
pub(crate) fn confine(kind: WorkerKind, moves: bool) -> io::Result<()> {
    match kind {
        WorkerKind::Runner => return Ok(()),
        WorkerKind::Front => {}
        WorkerKind::Vrrp | WorkerKind::Check | WorkerKind::Bfd => {
            keep_capabilities(if moves { NETWORKS } else { NETWORK })?;
        }
    }
    gain_nothing()?;
    match kind {
        // Bytes from outside are parsed here by the thousand lines, and nothing is ever run or written but what is open.
        WorkerKind::Check | WorkerKind::Front => {
            match forbid_writing() {
                Ok(true) => {}
                Ok(false) => debug!("this kernel has no Landlock: the {kind} worker could write files"),
                Err(why) => debug!("no Landlock for the {kind} worker: {why}"),
            }
            if let Err(why) = forbid_system_calls(moves) {
                debug!("no filter of system calls for the {kind} worker: {why}");
            }
        }
        WorkerKind::Vrrp | WorkerKind::Bfd | WorkerKind::Runner => {}
    }
    Ok(())
}
