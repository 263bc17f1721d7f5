//! The one place of this crate that uses a clock: the limit of a step in time.
//!
//! It measures nothing and tells no time; it ends what takes too long.

use core::future::Future;
use core::time::Duration;
use standfast_lvs::{Reason, Verdict};

/// Runs `work` to its end, or drops it when `limit` has passed and answers none. The limit is met to the
/// millisecond, upwards.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

/// The same for a step that may fail by itself: what takes too long has failed too.
pub(crate) async fn step<T>(limit: Duration, work: impl Future<Output = Result<T, Verdict>>) -> Result<T, Verdict> {
    within(limit, work).await.unwrap_or(Err(Verdict::Failed(Reason::TimedOut { after: limit })))
}
