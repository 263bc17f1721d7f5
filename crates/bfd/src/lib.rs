//! BFD sessions (RFC 5880, 5881, 5883): packets and the time in, packets, transitions and verdicts for trackers out.
//!
//! Asynchronous mode, over one hop and over several, without echo, demand of our own and authentication, which is what
//! `bfd_instance` can ask for. [`Speaker`] owns every session of the node. It opens no socket, arms no timer, reads no
//! clock and takes its randomness from a seed: it says what to send through which socket, and when to call again.

mod chance;
pub mod event;
pub mod note;
pub mod output;
mod session;
mod speaker;
pub mod status;

pub use event::{Event, Received};
pub use note::Note;
pub use output::{Action, Notice, Output, Path, Refusal, Transition};
pub use speaker::Speaker;
pub use status::{Counters, Status};
