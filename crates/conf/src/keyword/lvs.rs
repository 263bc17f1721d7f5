//! Keywords of virtual servers, real servers and TLS material.

use super::{
    Args, BFD_CHECK, Block, DNS_CHECK, FILE_CHECK, HTTP_GET, I32, MAX_32, MAX_TIMER, MISC_CHECK, PING_CHECK,
    SMTP_CHECK, SSL_GET, Status, TCP_CHECK, U32, UDP_CHECK, block, flag, value,
};

/// How a packet reaches a real server.
pub(crate) const LB_KIND: &str = "NAT|DR|TUN [type ipip|gue port <N>|gre] [nocsum|csum|remcsum]";

/// `virtual_server`
pub(crate) static VIRTUAL_SERVER: Block = Block {
    path: "virtual_server",
    keywords: &[
        value("ip_family", Args::Choice(&["inet", "inet6"]), "derived from addresses", "Family for fwmark services.")
            .live(),
        value("retry", Args::Number(1, U32), "checker default", "Default retry count for the real servers.").live(),
        value("delay_before_retry", Args::Seconds(0, MAX_TIMER), "checker default", "Default pause between retries.")
            .live(),
        value(
            "warmup",
            Args::Seconds(0, MAX_TIMER),
            "delay_loop",
            "Default upper bound of the random initial delay of checkers.",
        )
        .live(),
        value("connect_timeout", Args::Seconds(1, MAX_32), "5", "Default connect timeout of checkers.").live(),
        value("delay_loop", Args::Seconds(1, MAX_TIMER), "60", "Default check interval.").live(),
        flag("inhibit_on_failure", "Default: failed servers get weight 0 instead of being removed.").live(),
        value("lb_algo", Args::Word("SCHEDULER"), "wlc (with an error)", "IPVS scheduler.").live(),
        value("lvs_sched", Args::Word("SCHEDULER"), "wlc", "IPVS scheduler.").status(Status::Alias("lb_algo")),
        flag("hashed", "No function; a mistake unless the scheduler is sh or mh.").live(),
        flag("ops", "One packet scheduling.").live(),
        flag("flag-1", "Sets scheduler flag 1.").live(),
        flag("flag-2", "Sets scheduler flag 2.").live(),
        flag("flag-3", "Sets scheduler flag 3.").live(),
        flag("sh-port", "Hash on the port as well.").live(),
        flag("sh-fallback", "Fall back to another server when the hashed one is unavailable.").live(),
        flag("mh-port", "Hash on the port as well.").live(),
        flag("mh-fallback", "Fall back to another server when the hashed one is unavailable.").live(),
        value(
            "lb_kind",
            Args::Other(LB_KIND, 1),
            "NAT (with an error)",
            "Default forwarding method; NAT, DR, TUN upper case only.",
        )
        .live(),
        value("lvs_method", Args::Other(LB_KIND, 1), "NAT", "Default forwarding method.")
            .status(Status::Alias("lb_kind")),
        value("persistence_engine", Args::Word("NAME"), "none", "IPVS persistence engine, e.g. sip.").live(),
        value(
            "persistence_timeout",
            Args::OptionalNumber(1, 2_678_400, 360),
            "off; bare = 360",
            "Persistent connections; forced to 360 when the service port is 0.",
        )
        .live(),
        value(
            "persistence_granularity",
            Args::Other("<NETMASK> (IPv4)|<PREFIX_LEN> (IPv6)", 1),
            "host",
            "Client grouping; turns persistence on with 360 s when no timeout was given.",
        )
        .live(),
        value(
            "protocol",
            Args::Word("TCP|UDP|SCTP"),
            "UDP (with an error)",
            "Transport; dropped with an error for pure fwmark services.",
        )
        .live(),
        flag(
            "ha_suspend",
            "Stop checking while the service address is not on this host; not for fwmark, ineffective for groups.",
        )
        .live(),
        value("smtp_alert", Args::Bool, "smtp_alert_checker, then smtp_alert, then false", "Mail on quorum changes.")
            .live(),
        value("virtualhost", Args::Word("STRING"), "none", "Default Host header for HTTP/SSL checks.").live(),
        value("snmp_name", Args::OneWord("STRING"), "none", "Label shown over SNMP.").live(),
        flag("alpha", "Default: servers start down until their checks succeed.").live(),
        flag("omega", "Run down notifications for everything at daemon stop.").live(),
        value("quorum_up", Args::Script, "none", "Run when quorum is gained.").live(),
        value("quorum_down", Args::Script, "none", "Run when quorum is lost.").live(),
        value(
            "quorum",
            Args::Number(1, U32),
            "1",
            "Total weight of live servers needed; reduced to total weight if larger.",
        )
        .live(),
        value(
            "hysteresis",
            Args::Number(0, U32),
            "0",
            "Extra weight needed to gain, and allowed to miss before losing, quorum; reduced below quorum.",
        )
        .live(),
        value("weight", Args::Number(1, I32), "1", "Default real server weight.").live(),
        value(
            "sorry_server",
            Args::Other("<IP> [<PORT>]", 1),
            "none",
            "Server used alone when quorum is lost; last one wins.",
        )
        .live(),
        flag("sorry_server_inhibit", "Keep the sorry server configured with weight 0 when unused.").live(),
        value(
            "sorry_server_lvs_method",
            Args::Other(LB_KIND, 1),
            "lb_kind at the time sorry_server is read",
            "Forwarding method of the sorry server.",
        )
        .live(),
        value(
            "panic_threshold",
            Args::Number(1, 100),
            "off",
            "With fewer percent of the servers up, checks are not believed and those that served last go on.",
        )
        .status(Status::Own)
        .live(),
        value(
            "slow_start",
            Args::Seconds(1, MAX_32),
            "off",
            "How long the weight of a server that came back grows until it is whole.",
        )
        .status(Status::Own)
        .live(),
        value(
            "drain",
            Args::Seconds(1, MAX_32),
            "off",
            "How long a server that a reload takes away may keep its connections.",
        )
        .status(Status::Own)
        .live(),
        block("real_server", Args::Other("<IP> [<PORT>]", 1), &REAL_SERVER, "One destination; duplicates are removed.")
            .live(),
    ],
};

/// `real_server`
pub(crate) static REAL_SERVER: Block = Block {
    path: "virtual_server/real_server",
    keywords: &[
        value("weight", Args::Number(0, I32), "virtual_server weight", "IPVS weight.").live(),
        value("lvs_method", Args::Other(LB_KIND, 1), "virtual_server lb_kind", "Forwarding method.").live(),
        value("uthreshold", Args::Number(0, U32), "0 (none)", "Upper connection limit.").live(),
        value("lthreshold", Args::Number(0, U32), "0 (none)", "Lower connection limit.").live(),
        value(
            "inhibit_on_failure",
            Args::Bool,
            "virtual_server value (bare = true)",
            "Weight 0 instead of removal on failure.",
        )
        .live(),
        value("notify_up", Args::Script, "none", "Run when the server comes up; second one is an error.").live(),
        value("notify_down", Args::Script, "none", "Run when the server goes down.").live(),
        value("alpha", Args::Bool, "virtual_server value (bare = true)", "Start down until checks succeed.").live(),
        value("retry", Args::Number(1, U32), "virtual_server value", "Default retry count of its checkers.").live(),
        value(
            "delay_before_retry",
            Args::Seconds(0, MAX_TIMER),
            "virtual_server value",
            "Default pause between retries.",
        )
        .live(),
        value("warmup", Args::Seconds(0, MAX_TIMER), "virtual_server value", "Default random start delay bound.")
            .live(),
        value("connect_timeout", Args::Seconds(1, MAX_32), "virtual_server value", "Default connect timeout.").live(),
        value("delay_loop", Args::Seconds(1, MAX_TIMER), "virtual_server value", "Default check interval.").live(),
        value(
            "smtp_alert",
            Args::Bool,
            "smtp_alert_checker, then smtp_alert, then TRUE",
            "Mail on up/down; unlike every other smtp_alert the final default is on.",
        )
        .live(),
        value("virtualhost", Args::Word("STRING"), "virtual_server value", "Default Host header.").live(),
        value("snmp_name", Args::OneWord("STRING"), "none", "Label shown over SNMP.").live(),
        block("MISC_CHECK", Args::Flag, &MISC_CHECK, "Check by running a command.").live(),
        block("SMTP_CHECK", Args::Flag, &SMTP_CHECK, "Mail server check up to HELO/QUIT.").live(),
        block("TCP_CHECK", Args::Flag, &TCP_CHECK, "TCP connect check.").live(),
        block("PING_CHECK", Args::Flag, &PING_CHECK, "ICMP echo check.").live(),
        block("UDP_CHECK", Args::Flag, &UDP_CHECK, "UDP probe check.").live(),
        block("HTTP_GET", Args::Flag, &HTTP_GET, "HTTP check.").live(),
        block("SSL_GET", Args::Flag, &SSL_GET, "HTTPS check.").live(),
        block("DNS_CHECK", Args::Flag, &DNS_CHECK, "DNS query over UDP.").live(),
        block("FILE_CHECK", Args::Flag, &FILE_CHECK, "Real server driven by a track_file.").live(),
        block("BFD_CHECK", Args::Flag, &BFD_CHECK, "Real server driven by a BFD session.").live(),
    ],
};

/// `SSL`
pub(crate) static SSL: Block = Block {
    path: "SSL",
    keywords: &[
        value("password", Args::Word("STRING"), "none", "Passphrase of the key file.").live(),
        value("ca", Args::Word("PATH"), "none", "CA certificate file.").live(),
        value("certificate", Args::Word("PATH"), "none", "Client certificate file.").live(),
        value("key", Args::Word("PATH"), "none", "Client key file.").live(),
    ],
};
