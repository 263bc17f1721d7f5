//! Keywords of the health checkers.

use super::{Args, Block, MAX_32, MAX_TIMER, Status, U32, block, flag, value};

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
        value(
            "delay_before_retry",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then 1 s",
            "Pause between attempts.",
        )
        .live(),
        value(
            "warmup",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then delay_loop",
            "Upper bound of the random delay before the first check; 0 starts at once.",
        )
        .live(),
        value(
            "delay_loop",
            Args::Seconds(1, MAX_TIMER),
            "real server value, then virtual server value (60)",
            "Check interval.",
        )
        .live(),
        value("alpha", Args::Bool, "real server value (bare = true)", "Start failed until the first success.").live(),
        value(
            "log_all_failures",
            Args::Bool,
            "false, or-ed with checker_log_all_failures (bare = true)",
            "Log each failed attempt.",
        )
        .live(),
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
        value("connect_ip", Args::Address, "real server address", "Address to probe.").live(),
        value("connect_port", Args::Number(1, 65535), "real server port", "Port to probe.").live(),
        value("bindto", Args::Address, "unspecified", "Local address.").live(),
        value("bind_port", Args::Number(1, 65535), "ephemeral", "Local port.").live(),
        value("bind_if", Args::Interface, "none", "Local interface (needed for link-local addresses).").live(),
        value(
            "connect_timeout",
            Args::Seconds(1, MAX_32),
            "real server value, then virtual server value (5)",
            "Connect timeout.",
        )
        .live(),
        value("fwmark", Args::Number(0, U32), "0", "Mark put on probe packets.").live(),
        value(
            "retry",
            Args::Number(0, U32),
            "real server value, then 1",
            "Further attempts before the check counts as failed.",
        )
        .live(),
        value(
            "delay_before_retry",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then 1 s",
            "Pause between attempts.",
        )
        .live(),
        value(
            "warmup",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then delay_loop",
            "Upper bound of the random delay before the first check; 0 starts at once.",
        )
        .live(),
        value(
            "delay_loop",
            Args::Seconds(1, MAX_TIMER),
            "real server value, then virtual server value (60)",
            "Check interval.",
        )
        .live(),
        value("alpha", Args::Bool, "real server value (bare = true)", "Start failed until the first success.").live(),
        value(
            "log_all_failures",
            Args::Bool,
            "false, or-ed with checker_log_all_failures (bare = true)",
            "Log each failed attempt.",
        )
        .live(),
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
        value("connect_ip", Args::Address, "real server address", "Address to probe.").live(),
        value("connect_port", Args::Number(1, 65535), "real server port", "Port to probe.").live(),
        value("bindto", Args::Address, "unspecified", "Local address.").live(),
        value("bind_port", Args::Number(1, 65535), "ephemeral", "Local port.").live(),
        value("bind_if", Args::Interface, "none", "Local interface (needed for link-local addresses).").live(),
        value(
            "connect_timeout",
            Args::Seconds(1, MAX_32),
            "real server value, then virtual server value (5)",
            "Connect timeout.",
        )
        .live(),
        value("fwmark", Args::Number(0, U32), "0", "Mark put on probe packets.").live(),
        value(
            "retry",
            Args::Number(0, U32),
            "real server value, then 1",
            "Further attempts before the check counts as failed.",
        )
        .live(),
        value(
            "delay_before_retry",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then 1 s",
            "Pause between attempts.",
        )
        .live(),
        value(
            "warmup",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then delay_loop",
            "Upper bound of the random delay before the first check; 0 starts at once.",
        )
        .live(),
        value(
            "delay_loop",
            Args::Seconds(1, MAX_TIMER),
            "real server value, then virtual server value (60)",
            "Check interval.",
        )
        .live(),
        value("alpha", Args::Bool, "real server value (bare = true)", "Start failed until the first success.").live(),
        value(
            "log_all_failures",
            Args::Bool,
            "false, or-ed with checker_log_all_failures (bare = true)",
            "Log each failed attempt.",
        )
        .live(),
    ],
};

/// `PING_CHECK`
pub(crate) static PING_CHECK: Block = Block {
    path: "virtual_server/real_server/PING_CHECK",
    keywords: &[
        value("connect_ip", Args::Address, "real server address", "Address to probe.").live(),
        value("connect_port", Args::Number(1, 65535), "real server port", "Port to probe.").live(),
        value("bindto", Args::Address, "unspecified", "Local address.").live(),
        value("bind_port", Args::Number(1, 65535), "ephemeral", "Local port.").live(),
        value("bind_if", Args::Interface, "none", "Local interface (needed for link-local addresses).").live(),
        value(
            "connect_timeout",
            Args::Seconds(1, MAX_32),
            "real server value, then virtual server value (5)",
            "Connect timeout.",
        )
        .live(),
        value("fwmark", Args::Number(0, U32), "0", "Mark put on probe packets.").live(),
        value(
            "retry",
            Args::Number(0, U32),
            "real server value, then 1",
            "Further attempts before the check counts as failed.",
        )
        .live(),
        value(
            "delay_before_retry",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then 1 s",
            "Pause between attempts.",
        )
        .live(),
        value(
            "warmup",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then delay_loop",
            "Upper bound of the random delay before the first check; 0 starts at once.",
        )
        .live(),
        value(
            "delay_loop",
            Args::Seconds(1, MAX_TIMER),
            "real server value, then virtual server value (60)",
            "Check interval.",
        )
        .live(),
        value("alpha", Args::Bool, "real server value (bare = true)", "Start failed until the first success.").live(),
        value(
            "log_all_failures",
            Args::Bool,
            "false, or-ed with checker_log_all_failures (bare = true)",
            "Log each failed attempt.",
        )
        .live(),
    ],
};

/// `UDP_CHECK`
pub(crate) static UDP_CHECK: Block = Block {
    path: "virtual_server/real_server/UDP_CHECK",
    keywords: &[
        value("connect_ip", Args::Address, "real server address", "Address to probe.").live(),
        value("connect_port", Args::Number(1, 65535), "real server port", "Port to probe.").live(),
        value("bindto", Args::Address, "unspecified", "Local address.").live(),
        value("bind_port", Args::Number(1, 65535), "ephemeral", "Local port.").live(),
        value("bind_if", Args::Interface, "none", "Local interface (needed for link-local addresses).").live(),
        value(
            "connect_timeout",
            Args::Seconds(1, MAX_32),
            "real server value, then virtual server value (5)",
            "Connect timeout.",
        )
        .live(),
        value("fwmark", Args::Number(0, U32), "0", "Mark put on probe packets.").live(),
        value(
            "retry",
            Args::Number(0, U32),
            "real server value, then 1",
            "Further attempts before the check counts as failed.",
        )
        .live(),
        value(
            "delay_before_retry",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then 1 s",
            "Pause between attempts.",
        )
        .live(),
        value(
            "warmup",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then delay_loop",
            "Upper bound of the random delay before the first check; 0 starts at once.",
        )
        .live(),
        value(
            "delay_loop",
            Args::Seconds(1, MAX_TIMER),
            "real server value, then virtual server value (60)",
            "Check interval.",
        )
        .live(),
        value("alpha", Args::Bool, "real server value (bare = true)", "Start failed until the first success.").live(),
        value(
            "log_all_failures",
            Args::Bool,
            "false, or-ed with checker_log_all_failures (bare = true)",
            "Log each failed attempt.",
        )
        .live(),
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

/// `HTTP_GET`
pub(crate) static HTTP_GET: Block = Block {
    path: "virtual_server/real_server/HTTP_GET",
    keywords: &[
        value("connect_ip", Args::Address, "real server address", "Address to probe.").live(),
        value("connect_port", Args::Number(1, 65535), "real server port", "Port to probe.").live(),
        value("bindto", Args::Address, "unspecified", "Local address.").live(),
        value("bind_port", Args::Number(1, 65535), "ephemeral", "Local port.").live(),
        value("bind_if", Args::Interface, "none", "Local interface (needed for link-local addresses).").live(),
        value(
            "connect_timeout",
            Args::Seconds(1, MAX_32),
            "real server value, then virtual server value (5)",
            "Connect timeout.",
        )
        .live(),
        value("fwmark", Args::Number(0, U32), "0", "Mark put on probe packets.").live(),
        value(
            "retry",
            Args::Number(0, U32),
            "real server value, then 1",
            "Further attempts before the check counts as failed.",
        )
        .live(),
        value(
            "delay_before_retry",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then 3 s",
            "Pause between attempts.",
        )
        .live(),
        value(
            "warmup",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then delay_loop",
            "Upper bound of the random delay before the first check; 0 starts at once.",
        )
        .live(),
        value(
            "delay_loop",
            Args::Seconds(1, MAX_TIMER),
            "real server value, then virtual server value (60)",
            "Check interval.",
        )
        .live(),
        value("alpha", Args::Bool, "real server value (bare = true)", "Start failed until the first success.").live(),
        value(
            "log_all_failures",
            Args::Bool,
            "false, or-ed with checker_log_all_failures (bare = true)",
            "Log each failed attempt.",
        )
        .live(),
        value("nb_get_retry", Args::Number(0, U32), "", "Deprecated spelling of retry (reports an error).")
            .status(Status::Old("retry"))
            .live(),
        value(
            "virtualhost",
            Args::Word("STRING"),
            "real server value, then virtual server value",
            "Host header, and SNI name for TLS.",
        )
        .live(),
        value(
            "http_protocol",
            Args::Choice(&["1.0", "1.0C", "1.0c", "1.1"]),
            "1.0",
            "Request version; 1.0C and 1.1 add a Connection: close header.",
        )
        .live(),
        value(
            "enable_sni",
            Args::Bool,
            "false (bare = true)",
            "Send SNI; only meaningful for SSL_GET though accepted in both.",
        )
        .live(),
        value(
            "fast_recovery",
            Args::Bool,
            "false (bare = true)",
            "After a failure check all urls in quick succession instead of one per delay_loop.",
        )
        .live(),
        block("url", Args::Flag, &HTTP_URL, "One page to fetch; all of them must succeed.").live(),
    ],
};

/// `url` of `HTTP_GET`
pub(crate) static HTTP_URL: Block = Block {
    path: "virtual_server/real_server/HTTP_GET/url",
    keywords: &[
        value("path", Args::Word("STRING"), "required (url dropped without it)", "Request path.").live(),
        value("digest", Args::Word("MD5"), "none", "Expected MD5 of the body.").live(),
        value(
            "status_code",
            Args::Other("<CODE>[-<CODE>] ...", 1),
            "200-299 if nothing is given",
            "Acceptable response codes; repeats accumulate.",
        )
        .live(),
        value("virtualhost", Args::Word("STRING"), "checker virtualhost", "Host header for this url.").live(),
        value("regex", Args::Word("PCRE"), "none", "Body must match; checked once the needed data has arrived.").live(),
        flag("regex_no_match", "Invert: body must not match.").live(),
        value("regex_options", Args::Other("<OPTION> ...", 1), "none", "Compile options.").live(),
        value(
            "regex_min_offset",
            Args::Number(0, 18_446_744_073_709_551_614),
            "0",
            "Earliest start of a match in the body.",
        )
        .live(),
        value(
            "regex_max_offset",
            Args::Number(0, 18_446_744_073_709_551_614),
            "none",
            "Latest start of a match in the body.",
        )
        .live(),
        value("regex_stack", Args::Other("<START> <MAX>", 2), "PCRE2 default", "JIT stack size, shared by all checks.")
            .live(),
    ],
};

/// `SSL_GET`
pub(crate) static SSL_GET: Block = Block {
    path: "virtual_server/real_server/SSL_GET",
    keywords: &[
        value("connect_ip", Args::Address, "real server address", "Address to probe.").live(),
        value("connect_port", Args::Number(1, 65535), "real server port", "Port to probe.").live(),
        value("bindto", Args::Address, "unspecified", "Local address.").live(),
        value("bind_port", Args::Number(1, 65535), "ephemeral", "Local port.").live(),
        value("bind_if", Args::Interface, "none", "Local interface (needed for link-local addresses).").live(),
        value(
            "connect_timeout",
            Args::Seconds(1, MAX_32),
            "real server value, then virtual server value (5)",
            "Connect timeout.",
        )
        .live(),
        value("fwmark", Args::Number(0, U32), "0", "Mark put on probe packets.").live(),
        value(
            "retry",
            Args::Number(0, U32),
            "real server value, then 1",
            "Further attempts before the check counts as failed.",
        )
        .live(),
        value(
            "delay_before_retry",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then 3 s",
            "Pause between attempts.",
        )
        .live(),
        value(
            "warmup",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then delay_loop",
            "Upper bound of the random delay before the first check; 0 starts at once.",
        )
        .live(),
        value(
            "delay_loop",
            Args::Seconds(1, MAX_TIMER),
            "real server value, then virtual server value (60)",
            "Check interval.",
        )
        .live(),
        value("alpha", Args::Bool, "real server value (bare = true)", "Start failed until the first success.").live(),
        value(
            "log_all_failures",
            Args::Bool,
            "false, or-ed with checker_log_all_failures (bare = true)",
            "Log each failed attempt.",
        )
        .live(),
        value("nb_get_retry", Args::Number(0, U32), "", "Deprecated spelling of retry (reports an error).")
            .status(Status::Old("retry"))
            .live(),
        value(
            "virtualhost",
            Args::Word("STRING"),
            "real server value, then virtual server value",
            "Host header, and SNI name for TLS.",
        )
        .live(),
        value(
            "http_protocol",
            Args::Choice(&["1.0", "1.0C", "1.0c", "1.1"]),
            "1.0",
            "Request version; 1.0C and 1.1 add a Connection: close header.",
        )
        .live(),
        value(
            "enable_sni",
            Args::Bool,
            "false (bare = true)",
            "Send SNI; only meaningful for SSL_GET though accepted in both.",
        )
        .live(),
        value(
            "fast_recovery",
            Args::Bool,
            "false (bare = true)",
            "After a failure check all urls in quick succession instead of one per delay_loop.",
        )
        .live(),
        value(
            "tls_compliant",
            Args::Bool,
            "false (bare = true)",
            "Treat a connection end without close_notify as an error.",
        )
        .live(),
        block("url", Args::Flag, &SSL_URL, "One page to fetch; all of them must succeed.").live(),
    ],
};

/// `url` of `SSL_GET`
pub(crate) static SSL_URL: Block = Block {
    path: "virtual_server/real_server/SSL_GET/url",
    keywords: &[
        value("path", Args::Word("STRING"), "required (url dropped without it)", "Request path.").live(),
        value("digest", Args::Word("MD5"), "none", "Expected MD5 of the body.").live(),
        value(
            "status_code",
            Args::Other("<CODE>[-<CODE>] ...", 1),
            "200-299 if nothing is given",
            "Acceptable response codes; repeats accumulate.",
        )
        .live(),
        value("virtualhost", Args::Word("STRING"), "checker virtualhost", "Host header for this url.").live(),
        value("regex", Args::Word("PCRE"), "none", "Body must match; checked once the needed data has arrived.").live(),
        flag("regex_no_match", "Invert: body must not match.").live(),
        value("regex_options", Args::Other("<OPTION> ...", 1), "none", "Compile options.").live(),
        value(
            "regex_min_offset",
            Args::Number(0, 18_446_744_073_709_551_614),
            "0",
            "Earliest start of a match in the body.",
        )
        .live(),
        value(
            "regex_max_offset",
            Args::Number(0, 18_446_744_073_709_551_614),
            "none",
            "Latest start of a match in the body.",
        )
        .live(),
        value("regex_stack", Args::Other("<START> <MAX>", 2), "PCRE2 default", "JIT stack size, shared by all checks.")
            .live(),
        value("tls_compliant", Args::Bool, "checker tls_compliant (bare = true)", "Same for one url.").live(),
    ],
};

/// `DNS_CHECK`
pub(crate) static DNS_CHECK: Block = Block {
    path: "virtual_server/real_server/DNS_CHECK",
    keywords: &[
        value("connect_ip", Args::Address, "real server address", "Address to probe.").live(),
        value("connect_port", Args::Number(1, 65535), "real server port", "Port to probe.").live(),
        value("bindto", Args::Address, "unspecified", "Local address.").live(),
        value("bind_port", Args::Number(1, 65535), "ephemeral", "Local port.").live(),
        value("bind_if", Args::Interface, "none", "Local interface (needed for link-local addresses).").live(),
        value(
            "connect_timeout",
            Args::Seconds(1, MAX_32),
            "real server value, then virtual server value (5)",
            "Connect timeout.",
        )
        .live(),
        value("fwmark", Args::Number(0, U32), "0", "Mark put on probe packets.").live(),
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
        value(
            "warmup",
            Args::Seconds(0, MAX_TIMER),
            "real server value, then delay_loop",
            "Upper bound of the random delay before the first check; 0 starts at once.",
        )
        .live(),
        value(
            "delay_loop",
            Args::Seconds(1, MAX_TIMER),
            "real server value, then virtual server value (60)",
            "Check interval.",
        )
        .live(),
        value("alpha", Args::Bool, "real server value (bare = true)", "Start failed until the first success.").live(),
        value(
            "log_all_failures",
            Args::Bool,
            "false, or-ed with checker_log_all_failures (bare = true)",
            "Log each failed attempt.",
        )
        .live(),
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
