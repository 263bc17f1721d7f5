//! What has happened, with its cause.

use serde::{Deserialize, Serialize};
use standfast_model::ipvs::{DestinationKey, ServiceKey};
use standfast_model::{Instant, Transition};

/// Something happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum EventKind {
    /// A virtual router changed its state.
    Transition(Transition),
    /// A real server came or went.
    Server {
        /// Of which service.
        service: ServiceKey,
        /// Which server.
        server: DestinationKey,
        /// Whether it takes connections now.
        up: bool,
        /// Why, in prose.
        cause: String,
    },
    /// A service gained or lost its quorum.
    Quorum {
        /// Which service.
        service: ServiceKey,
        /// Whether it has it now.
        gained: bool,
    },
    /// The worker could not tell of so many events since the last it told of.
    Lost {
        /// How many.
        events: u64,
    },
}
