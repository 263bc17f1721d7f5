//! The one place of this crate that uses a clock: the limit of a check in time.
//!
//! It measures nothing and tells no time; it ends what takes too long.

use core::future::Future;
use core::time::Duration;

/// Runs `work` to its end, or drops it when `limit` has passed and answers none. The limit is met to the
/// millisecond, upwards.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}
