//! Keywords of the health checkers.

mod http;
mod shared;

pub(crate) use http::{HTTP_GET, HTTP_URL, SSL_GET, SSL_URL};

use super::{Args, Block, MAX_32, MAX_TIMER, Status, U32, block, flag, value};
use shared::{
    ALPHA, BIND_IF, BIND_PORT, BINDTO, CONNECT_IP, CONNECT_PORT, CONNECT_TIMEOUT, DELAY_BEFORE_RETRY, DELAY_LOOP,
    FWMARK, LOG_ALL_FAILURES, RETRY, WARMUP,
};

/// `MISC_CHECK`
pub(crate) static MISC_CHECK: Block = Block {
    path: "virtual_server/real_server/MISC_CHECK",
    keywords: &[
        value(
            "retry",
            Args::Number(0, U32),
            "real server value, then 0",
            "Further attempts before the check counts as failed.",
        )
        .live(),
        DELAY_BEFORE_RETRY,
        WARMUP,
        DELAY_LOOP,
        ALPHA,
        LOG_ALL_FAILURES,
        value("misc_path", Args::Command, "required", "Command to run.").live(),
        value(
            "misc_timeout",
            Args::Number(0, 4294),
            "delay_loop of the virtual server",
            "Kill limit; timeout counts as failure.",
        )
        .live(),
        flag("misc_dynamic", "Exit 2..255 means up with weight status-2, 0 keeps weight, 1 is failure.").live(),
        value("user", Args::User, "script_user", "Identity for the command; error removes the checker.").live(),
    ],
};

/// `SMTP_CHECK`
pub(crate) static SMTP_CHECK: Block = Block {
    path: "virtual_server/real_server/SMTP_CHECK",
    keywords: &[
        value("helo_name", Args::Word("STRING"), "smtpchecker.keepalived.org", "HELO argument.").live(),
        CONNECT_IP,
        CONNECT_PORT,
        BINDTO,
        BIND_PORT,
        BIND_IF,
        CONNECT_TIMEOUT,
        FWMARK,
        RETRY,
        DELAY_BEFORE_RETRY,
        WARMUP,
        DELAY_LOOP,
        ALPHA,
        LOG_ALL_FAILURES,
        block("host", Args::Flag, &SMTP_HOST, "Extra hosts to test; connection keywords belong in the checker itself.")
            .status(Status::Outdated("Extra hosts to test; connection keywords belong in the checker itself."))
            .live(),
    ],
};

/// `host` of `SMTP_CHECK`
pub(crate) static SMTP_HOST: Block = Block {
    path: "virtual_server/real_server/SMTP_CHECK/host",
    keywords: &[
        value("connect_ip", Args::Address, "real server address", "Same keyword inside the deprecated host block.")
            .live(),
        value(
            "connect_port",
            Args::Number(1, 65535),
            "real server port",
            "Same keyword inside the deprecated host block.",
        )
        .live(),
        value("bindto", Args::Address, "unspecified", "Same keyword inside the deprecated host block.").live(),
        value("bind_port", Args::Number(1, 65535), "ephemeral", "Same keyword inside the deprecated host block.")
            .live(),
        value("bind_if", Args::Interface, "none", "Same keyword inside the deprecated host block.").live(),
        value(
            "connect_timeout",
            Args::Seconds(1, MAX_32),
            "real server value, then virtual server value (5)",
            "Same keyword inside the deprecated host block.",
        )
        .live(),
        value("fwmark", Args::Number(0, U32), "0", "Same keyword inside the deprecated host block.").live(),
        value(
            "retry",
            Args::Number(0, U32),
            "real server value, then 1",
            "Same keyword inside the deprecated host block.",
        )
        .live(),
        value(
            "delay_before_retry",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then 1 s",
            "Same keyword inside the deprecated host block.",
        )
        .live(),
        value(
            "warmup",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then delay_loop",
            "Same keyword inside the deprecated host block.",
        )
        .live(),
        value(
            "delay_loop",
            Args::Seconds(1, MAX_TIMER),
            "real server value, then virtual server value (60)",
            "Same keyword inside the deprecated host block.",
        )
        .live(),
        value("alpha", Args::Bool, "real server value (bare = true)", "Same keyword inside the deprecated host block.")
            .live(),
        value(
            "log_all_failures",
            Args::Bool,
            "false, or-ed with checker_log_all_failures (bare = true)",
            "Same keyword inside the deprecated host block.",
        )
        .live(),
    ],
};

/// `TCP_CHECK`
pub(crate) static TCP_CHECK: Block = Block {
    path: "virtual_server/real_server/TCP_CHECK",
    keywords: &[
        CONNECT_IP,
        CONNECT_PORT,
        BINDTO,
        BIND_PORT,
        BIND_IF,
        CONNECT_TIMEOUT,
        FWMARK,
        RETRY,
        DELAY_BEFORE_RETRY,
        WARMUP,
        DELAY_LOOP,
        ALPHA,
        LOG_ALL_FAILURES,
    ],
};

/// `PING_CHECK`
pub(crate) static PING_CHECK: Block = Block {
    path: "virtual_server/real_server/PING_CHECK",
    keywords: &[
        CONNECT_IP,
        CONNECT_PORT,
        BINDTO,
        BIND_PORT,
        BIND_IF,
        CONNECT_TIMEOUT,
        FWMARK,
        RETRY,
        DELAY_BEFORE_RETRY,
        WARMUP,
        DELAY_LOOP,
        ALPHA,
        LOG_ALL_FAILURES,
    ],
};

/// `UDP_CHECK`
pub(crate) static UDP_CHECK: Block = Block {
    path: "virtual_server/real_server/UDP_CHECK",
    keywords: &[
        CONNECT_IP,
        CONNECT_PORT,
        BINDTO,
        BIND_PORT,
        BIND_IF,
        CONNECT_TIMEOUT,
        FWMARK,
        RETRY,
        DELAY_BEFORE_RETRY,
        WARMUP,
        DELAY_LOOP,
        ALPHA,
        LOG_ALL_FAILURES,
        value("payload", Args::Words("HEX"), "repeated text \"keepalived check - \"", "Data to send.").live(),
        value(
            "require_reply",
            Args::Other("[<HEX with x wildcards>]", 0),
            "off",
            "Demand a reply, optionally with given content; only the shorter of both lengths is compared.",
        )
        .live(),
        value(
            "min_reply_length",
            Args::Number(0, 65535),
            "0",
            "Shortest acceptable reply; ignored unless reply content is given.",
        )
        .live(),
        value(
            "max_reply_length",
            Args::Number(0, 65535),
            "255",
            "Longest acceptable reply; ignored unless reply content is given.",
        )
        .live(),
    ],
};

/// `DNS_CHECK`
pub(crate) static DNS_CHECK: Block = Block {
    path: "virtual_server/real_server/DNS_CHECK",
    keywords: &[
        CONNECT_IP,
        CONNECT_PORT,
        BINDTO,
        BIND_PORT,
        BIND_IF,
        CONNECT_TIMEOUT,
        FWMARK,
        value(
            "retry",
            Args::Number(0, U32),
            "real server value, then 3",
            "Further attempts before the check counts as failed.",
        )
        .live(),
        value(
            "delay_before_retry",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then delay_loop",
            "Pause between attempts.",
        )
        .live(),
        WARMUP,
        DELAY_LOOP,
        ALPHA,
        LOG_ALL_FAILURES,
        value(
            "type",
            Args::Choice(&["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"]),
            "SOA",
            "Query type; RRSIG and DNSKEY are undocumented.",
        )
        .live(),
        value("name", Args::Word("NAME"), "root (.)", "Query name.").live(),
    ],
};

/// `FILE_CHECK`
pub(crate) static FILE_CHECK: Block = Block {
    path: "virtual_server/real_server/FILE_CHECK",
    keywords: &[
        value("track_file", Args::Word("NAME"), "required", "Watched file object.").live(),
        value(
            "weight",
            Args::Other("<N> [reverse|noreverse]", 1),
            "weight of the track_file",
            "Multiplier; 0 means non-zero content is a failure.",
        )
        .live(),
    ],
};

/// `BFD_CHECK`
pub(crate) static BFD_CHECK: Block = Block {
    path: "virtual_server/real_server/BFD_CHECK",
    keywords: &[
        value("name", Args::Word("BFD_INSTANCE"), "required", "Session name.").live(),
        value("alpha", Args::Bool, "real_server value (bare = true)", "Start down until the session is up.").live(),
    ],
};
