//! What servers say for checks that say nothing. What nobody says is 0, but for what is the same for all checks.

use core::time::Duration;
use standfast_agentx::Value;
use standfast_model::config::lvs::CheckDefaults;

/// `delay_loop` when nobody says it.
const DELAY_LOOP: Duration = Duration::from_secs(60);

/// `connect_timeout` when nobody says it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    DelayLoop,
    Retry,
    DelayBeforeRetry,
    Warmup,
    ConnectTimeout,
}

impl Asked {
    fn of(self, said: &CheckDefaults) -> Duration {
        match self {
            Self::DelayLoop => said.delay_loop.unwrap_or(DELAY_LOOP),
            Self::Warmup => said.warmup.unwrap_or_default(),
            Self::ConnectTimeout => said.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            Self::DelayBeforeRetry => said.delay_before_retry.unwrap_or_default(),
            Self::Retry => Duration::ZERO,
        }
    }

    /// In whole seconds, or the count of retries.
    pub(super) fn seconds(self, said: &CheckDefaults) -> Value {
        match self {
            Self::Retry => Value::unsigned(said.retry.unwrap_or(0)),
            Self::DelayLoop | Self::DelayBeforeRetry | Self::Warmup | Self::ConnectTimeout => {
                Value::unsigned(self.of(said).as_secs())
            }
        }
    }

    /// In microseconds.
    pub(super) fn micros(self, said: &CheckDefaults) -> Value {
        Value::unsigned(self.of(said).as_micros())
    }
}
