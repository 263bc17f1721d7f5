//! The words that checkers share: where to connect, and when.

use crate::keyword::{Args, Keyword, MAX_32, MAX_TIMER, U32, value};

pub(super) const DELAY_BEFORE_RETRY: Keyword =
    value("delay_before_retry", Args::Seconds(0, MAX_TIMER), "real server value, then 1 s", "Pause between attempts.")
        .live();
pub(super) const WARMUP: Keyword = value(
    "warmup",
    Args::Seconds(0, MAX_TIMER),
    "real server value, then delay_loop",
    "Upper bound of the random delay before the first check; 0 starts at once.",
)
.live();
pub(super) const DELAY_LOOP: Keyword = value(
    "delay_loop",
    Args::Seconds(1, MAX_TIMER),
    "real server value, then virtual server value (60)",
    "Check interval.",
)
.live();
pub(super) const ALPHA: Keyword =
    value("alpha", Args::Bool, "real server value (bare = true)", "Start failed until the first success.").live();
pub(super) const LOG_ALL_FAILURES: Keyword = value(
    "log_all_failures",
    Args::Bool,
    "false, or-ed with checker_log_all_failures (bare = true)",
    "Log each failed attempt.",
)
.live();
pub(super) const CONNECT_IP: Keyword =
    value("connect_ip", Args::Address, "real server address", "Address to probe.").live();
pub(super) const CONNECT_PORT: Keyword =
    value("connect_port", Args::Number(1, 65535), "real server port", "Port to probe.").live();
pub(super) const BINDTO: Keyword = value("bindto", Args::Address, "unspecified", "Local address.").live();
pub(super) const BIND_PORT: Keyword = value("bind_port", Args::Number(1, 65535), "ephemeral", "Local port.").live();
pub(super) const BIND_IF: Keyword =
    value("bind_if", Args::Interface, "none", "Local interface (needed for link-local addresses).").live();
pub(super) const CONNECT_TIMEOUT: Keyword = value(
    "connect_timeout",
    Args::Seconds(1, MAX_32),
    "real server value, then virtual server value (5)",
    "Connect timeout.",
)
.live();
pub(super) const FWMARK: Keyword = value("fwmark", Args::Number(0, U32), "0", "Mark put on probe packets.").live();
pub(super) const RETRY: Keyword = value(
    "retry",
    Args::Number(0, U32),
    "real server value, then 1",
    "Further attempts before the check counts as failed.",
)
.live();
