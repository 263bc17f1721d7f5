//! Performs one health check and returns a verdict.
//!
//! It decides nothing: when a check runs, how often a failure is believed and what follows from it is `lvs`'s. It
//! holds no state from one check to the next.
//!
//! Every check has a limit in time (`connect_timeout`) and holds one descriptor. Dropping the future of a check ends
//! it at once and leaves nothing behind.

mod deadline;
mod errno;
mod socket;
mod tcp;

pub use standfast_lvs::{Inability, Reason, Verdict};

use standfast_model::config::lvs::Probe;

/// `ENOSYS`
const NOT_IMPLEMENTED: i32 = 38;

/// Performs one attempt of a check. It must run inside a tokio runtime with I/O and time.
///
/// The verdict is [`Verdict::Unable`] when the reason lies on this machine (no descriptor left, no such local
/// address, not permitted): that says nothing about the server.
pub async fn run(probe: &Probe) -> Verdict {
    match probe {
        Probe::Tcp(connect) => tcp::check(connect).await,
        // The configuration keeps these back until they can be performed; if one comes all the same, the reason lies
        // here and says nothing about the server.
        Probe::Http(_)
        | Probe::Smtp(_)
        | Probe::Dns(_)
        | Probe::Misc(_)
        | Probe::Ping(_)
        | Probe::Udp(_)
        | Probe::File(_)
        | Probe::Bfd(_) => Verdict::Unable(Inability::System { errno: NOT_IMPLEMENTED }),
    }
}
