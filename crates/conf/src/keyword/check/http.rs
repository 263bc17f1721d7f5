//! `HTTP_GET` and `SSL_GET`, which differ in a few words.

use super::shared::{
    ALPHA, BIND_IF, BIND_PORT, BINDTO, CONNECT_IP, CONNECT_PORT, CONNECT_TIMEOUT, DELAY_LOOP, FWMARK, LOG_ALL_FAILURES,
    RETRY, WARMUP,
};
use crate::keyword::{Args, Block, Keyword, MAX_TIMER, Status, U32, block, flag, value};

const DELAY_BEFORE_RETRY_HTTP: Keyword =
    value("delay_before_retry", Args::Seconds(0, MAX_TIMER), "real server value, then 3 s", "Pause between attempts.")
        .live();
const NB_GET_RETRY: Keyword =
    value("nb_get_retry", Args::Number(0, U32), "", "Deprecated spelling of retry (reports an error).")
        .status(Status::Old("retry"))
        .live();
const VIRTUALHOST: Keyword = value(
    "virtualhost",
    Args::Word("STRING"),
    "real server value, then virtual server value",
    "Host header, and SNI name for TLS.",
)
.live();
const HTTP_PROTOCOL: Keyword = value(
    "http_protocol",
    Args::Choice(&["1.0", "1.0C", "1.0c", "1.1"]),
    "1.0",
    "Request version; 1.0C and 1.1 add a Connection: close header.",
)
.live();
const ENABLE_SNI: Keyword = value(
    "enable_sni",
    Args::Bool,
    "false (bare = true)",
    "Send SNI; only meaningful for SSL_GET though accepted in both.",
)
.live();
const FAST_RECOVERY: Keyword = value(
    "fast_recovery",
    Args::Bool,
    "false (bare = true)",
    "After a failure check all urls in quick succession instead of one per delay_loop.",
)
.live();
const PATH: Keyword = value("path", Args::Word("STRING"), "required (url dropped without it)", "Request path.").live();
const DIGEST: Keyword = value("digest", Args::Word("MD5"), "none", "Expected MD5 of the body.").live();
const STATUS_CODE: Keyword = value(
    "status_code",
    Args::Other("<CODE>[-<CODE>] ...", 1),
    "200-299 if nothing is given",
    "Acceptable response codes; repeats accumulate.",
)
.live();
const URL_VIRTUALHOST: Keyword =
    value("virtualhost", Args::Word("STRING"), "checker virtualhost", "Host header for this url.").live();
const REGEX: Keyword =
    value("regex", Args::Word("PCRE"), "none", "Body must match; checked once the needed data has arrived.").live();
const REGEX_NO_MATCH: Keyword = flag("regex_no_match", "Invert: body must not match.").live();
const REGEX_OPTIONS: Keyword =
    value("regex_options", Args::Other("<OPTION> ...", 1), "none", "Compile options.").live();
const REGEX_MIN_OFFSET: Keyword = value(
    "regex_min_offset",
    Args::Number(0, 18_446_744_073_709_551_614),
    "0",
    "Earliest start of a match in the body.",
)
.live();
const REGEX_MAX_OFFSET: Keyword = value(
    "regex_max_offset",
    Args::Number(0, 18_446_744_073_709_551_614),
    "none",
    "Latest start of a match in the body.",
)
.live();
const REGEX_STACK: Keyword =
    value("regex_stack", Args::Other("<START> <MAX>", 2), "PCRE2 default", "JIT stack size, shared by all checks.")
        .live();

/// `HTTP_GET`
pub(crate) static HTTP_GET: Block = Block {
    path: "virtual_server/real_server/HTTP_GET",
    keywords: &[
        CONNECT_IP,
        CONNECT_PORT,
        BINDTO,
        BIND_PORT,
        BIND_IF,
        CONNECT_TIMEOUT,
        FWMARK,
        RETRY,
        DELAY_BEFORE_RETRY_HTTP,
        WARMUP,
        DELAY_LOOP,
        ALPHA,
        LOG_ALL_FAILURES,
        NB_GET_RETRY,
        VIRTUALHOST,
        HTTP_PROTOCOL,
        ENABLE_SNI,
        FAST_RECOVERY,
        block("url", Args::Flag, &HTTP_URL, "One page to fetch; all of them must succeed.").live(),
    ],
};

/// `url` of `HTTP_GET`
pub(crate) static HTTP_URL: Block = Block {
    path: "virtual_server/real_server/HTTP_GET/url",
    keywords: &[
        PATH,
        DIGEST,
        STATUS_CODE,
        URL_VIRTUALHOST,
        REGEX,
        REGEX_NO_MATCH,
        REGEX_OPTIONS,
        REGEX_MIN_OFFSET,
        REGEX_MAX_OFFSET,
        REGEX_STACK,
    ],
};

/// `SSL_GET`
pub(crate) static SSL_GET: Block = Block {
    path: "virtual_server/real_server/SSL_GET",
    keywords: &[
        CONNECT_IP,
        CONNECT_PORT,
        BINDTO,
        BIND_PORT,
        BIND_IF,
        CONNECT_TIMEOUT,
        FWMARK,
        RETRY,
        DELAY_BEFORE_RETRY_HTTP,
        WARMUP,
        DELAY_LOOP,
        ALPHA,
        LOG_ALL_FAILURES,
        NB_GET_RETRY,
        VIRTUALHOST,
        HTTP_PROTOCOL,
        ENABLE_SNI,
        FAST_RECOVERY,
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
        PATH,
        DIGEST,
        STATUS_CODE,
        URL_VIRTUALHOST,
        REGEX,
        REGEX_NO_MATCH,
        REGEX_OPTIONS,
        REGEX_MIN_OFFSET,
        REGEX_MAX_OFFSET,
        REGEX_STACK,
        value("tls_compliant", Args::Bool, "checker tls_compliant (bare = true)", "Same for one url.").live(),
    ],
};
