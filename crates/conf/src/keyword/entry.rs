//! Words of list entries: addresses, routes, rules.

use super::{Args, Block, Status, flag, value};

/// Words behind an address.
pub(crate) static ADDRESS_OPTIONS: Block = Block {
    path: "virtual_ipaddress/<entry>",
    keywords: &[
        value(
            "dev",
            Args::Other("<IFNAME>", 1),
            "instance interface; default_interface for static",
            "Interface for the address; a missing one is fatal unless dynamic_interfaces.",
        )
        .live(),
        value(
            "scope",
            Args::Other("<NAME_OR_NUMBER>", 1),
            "global",
            "Address scope; invalid value is ignored with an error.",
        )
        .live(),
        value("brd", Args::Other("<IPV4>|+|-", 1), "none", "Broadcast address; + and - compute it from the prefix.")
            .live(),
        value("broadcast", Args::Other("<IPV4>|+|-", 1), "none", "Same as brd.").status(Status::Alias("brd")).live(),
        value("label", Args::Other("<TEXT>", 1), "none", "Address label; too long removes the address.").live(),
        value("peer", Args::Other("<IP>[/<LEN>]", 1), "none", "Point-to-point peer.").live(),
        flag("home", "IFA_F_HOMEADDRESS flag.").live(),
        flag("-nodad", "Skip duplicate address detection.").live(),
        flag("mngtmpaddr", "IFA_F_MANAGETEMPADDR flag.").live(),
        flag("noprefixroute", "IFA_F_NOPREFIXROUTE flag.").live(),
        flag("autojoin", "IFA_F_MCAUTOJOIN flag.").live(),
        flag("no_track", "Do not react to removal of the address or of its interface.").live(),
        value(
            "preferred_lft",
            Args::Other("<SECONDS>|forever", 1),
            "IPv6: 0 for host length, else forever",
            "Preferred lifetime.",
        )
        .live(),
        value("track_group", Args::Other("<NAME>", 1), "none", "Ties a static address to a track_group.").live(),
        flag("use_vmac", "Put this address on a VMAC of its interface.").live(),
    ],
};

/// Words of a route.
pub(crate) static ROUTE_OPTIONS: Block = Block {
    path: "virtual_routes/<entry>",
    keywords: &[
        value("to", Args::Other("<DEST>", 1), "", "Optional word before the destination.").live(),
        flag("default6", "IPv6 default route; use inet6 with default or ::/0.")
            .status(Status::Deprecated("IPv6 default route; use inet6 with default or ::/0."))
            .live(),
        flag("inet", "The route is IPv4.").live(),
        flag("inet6", "The route is IPv6.").live(),
        value("src", Args::Other("<IP>", 1), "none", "Preferred source address.").live(),
        value("as", Args::Other("[to] <IP>", 0), "none", "Accepted and ignored (nat feature gone from the kernel).")
            .status(Status::Removed)
            .live(),
        value(
            "via",
            Args::Other("[inet|inet6] <IP>", 0),
            "none",
            "Gateway; mixed families are an error and drop the route.",
        )
        .live(),
        value("gw", Args::Other("<IP>", 1), "none", "Deprecated spelling.").status(Status::Old("via")).live(),
        value("from", Args::Other("<PREFIX>", 1), "none", "Source specific routing.").live(),
        value("tos", Args::Other("<NAME_OR_NUMBER>", 1), "0", "Type of service.").live(),
        value("dsfield", Args::Other("<NAME_OR_NUMBER>", 1), "0", "Same as tos.").status(Status::Alias("tos")).live(),
        value("table", Args::Other("<NAME_OR_NUMBER>", 1), "main", "Routing table.").live(),
        value(
            "protocol",
            Args::Other("<NAME_OR_NUMBER>", 1),
            "keepalived (18)",
            "Route protocol; forced to keepalived with an error unless no_track.",
        )
        .live(),
        value("scope", Args::Other("<NAME_OR_NUMBER>", 1), "kernel rule", "Route scope.").live(),
        value("metric", Args::Other("<N>", 1), "0", "Route priority.").live(),
        value("priority", Args::Other("<N>", 1), "0", "Same as metric.").status(Status::Alias("metric")).live(),
        value("preference", Args::Other("<N>", 1), "0", "Same as metric.").status(Status::Alias("metric")).live(),
        value("dev", Args::Other("<IFNAME>", 1), "none", "Output interface; tracked unless no_track.").live(),
        value("oif", Args::Other("<IFNAME>", 1), "none", "Same as dev.").status(Status::Alias("dev")).live(),
        flag("onlink", "Pretend the gateway is directly reachable.").live(),
        value("encap", Args::Other("mpls|ip|ip6|ila ...", 1), "none", "Lightweight tunnel encapsulation.").live(),
        value("expires", Args::Other("<SECONDS>", 1), "none", "Route lifetime.").live(),
        value("mtu", Args::Other("[lock] <N>", 0), "none", "MTU metric.").live(),
        value("hoplimit", Args::Other("<N>", 1), "none", "Hop limit metric.").live(),
        value("advmss", Args::Other("[lock] <N>", 0), "none", "Advertised MSS metric.").live(),
        value("rtt", Args::Other("[lock] <N>[s|ms]", 0), "none", "Round trip time metric.").live(),
        value("rttvar", Args::Other("[lock] <N>[s|ms]", 0), "none", "Round trip variance metric.").live(),
        value("reordering", Args::Other("[lock] <N>", 0), "none", "Reordering metric.").live(),
        value("window", Args::Other("<N>", 1), "none", "Window clamp metric.").live(),
        value("cwnd", Args::Other("[lock] <N>", 0), "none", "Congestion window clamp.").live(),
        value("ssthresh", Args::Other("[lock] <N>", 0), "none", "Slow start threshold.").live(),
        value("realms", Args::Other("[<FROM>/]<TO>", 0), "none", "Routing realms.").live(),
        value("rto_min", Args::Other("[lock] <N>[s|ms]", 0), "none", "Minimum retransmission timeout.").live(),
        value("initcwnd", Args::Other("<N>", 1), "none", "Initial congestion window.").live(),
        value("initrwnd", Args::Other("<N>", 1), "none", "Initial receive window.").live(),
        value("features", Args::Other("ecn", 1), "none", "Explicit congestion notification.").live(),
        value("quickack", Args::Other("<0|1>", 1), "none", "Quick ACK metric.").live(),
        value("congctl", Args::Other("[lock] <NAME>", 0), "none", "Congestion control algorithm.").live(),
        value("pref", Args::Other("low|medium|high|<N>", 1), "none", "Router preference.").live(),
        value("ttl-propagate", Args::Other("enabled|disabled", 1), "none", "TTL propagation.").live(),
        value("fastopen_no_cookie", Args::Other("<0|1>", 1), "none", "TCP fast open without cookie.").live(),
        flag("add", "Fail if an equal route exists.").live(),
        flag("prepend", "Insert before equal routes.").live(),
        flag("append", "Insert after equal routes.").live(),
        value("or", Args::Other("<IP>", 1), "none", "Second gateway; use nexthop.")
            .status(Status::Deprecated("Second gateway; use nexthop."))
            .live(),
        value(
            "nexthop",
            Args::Other("[via [inet|inet6] <IP>] [dev <IFNAME>] [weight <N>] [onlink] [encap ...] [realms ...] ...", 0),
            "weight 1",
            "Multipath hops; must be the last option of the line.",
        )
        .live(),
        flag("no_track", "Do not react to deletion of the route or interface.").live(),
        value("track_group", Args::Other("<NAME>", 1), "none", "Ties a static route to a track_group.").live(),
        value("vrf", Args::Other("<IFNAME>", 1), "none", "Uses the table of the VRF.").live(),
    ],
};

/// Words of a policy rule.
pub(crate) static RULE_OPTIONS: Block = Block {
    path: "virtual_rules/<entry>",
    keywords: &[
        flag("inet", "The rule is for IPv4.").live(),
        flag("inet6", "The rule is for IPv6.").live(),
        flag("not", "Invert the match.").live(),
        value("from", Args::Other("<PREFIX>", 1), "any", "Source selector.").live(),
        value("to", Args::Other("<PREFIX>", 1), "any", "Destination selector.").live(),
        value("table", Args::Other("<NAME_OR_NUMBER>", 1), "none", "Table to look up; this is an action.").live(),
        value("lookup", Args::Other("<NAME_OR_NUMBER>", 1), "none", "Same as table.")
            .status(Status::Alias("table"))
            .live(),
        value("preference", Args::Other("<N>", 1), "auto 16384 downward, with an error", "Rule priority.").live(),
        value("order", Args::Other("<N>", 1), "", "Same as preference.").status(Status::Alias("preference")).live(),
        value("priority", Args::Other("<N>", 1), "", "Same as preference.").status(Status::Alias("preference")).live(),
        value("tos", Args::Other("<NAME_OR_NUMBER>", 1), "0", "Type of service selector.").live(),
        value("dsfield", Args::Other("<NAME_OR_NUMBER>", 1), "0", "Same as tos.").status(Status::Alias("tos")).live(),
        value("fwmark", Args::Other("<N>[/<MASK>]", 1), "none", "Mark selector.").live(),
        value("realms", Args::Other("[<FROM>/]<TO>", 0), "none", "Realms to assign.").live(),
        value("suppress_prefixlength", Args::Other("<N>", 1), "none", "Reject results with short prefixes.").live(),
        value("sup_pl", Args::Other("<N>", 1), "none", "Short spelling.")
            .status(Status::Alias("suppress_prefixlength"))
            .live(),
        value("suppress_ifgroup", Args::Other("<GROUP>", 1), "none", "Reject results on an interface group.").live(),
        value("sup_group", Args::Other("<GROUP>", 1), "none", "Short spelling.")
            .status(Status::Alias("suppress_ifgroup"))
            .live(),
        value("dev", Args::Other("<IFNAME>", 1), "none", "Input interface selector.").live(),
        value("iif", Args::Other("<IFNAME>", 1), "none", "Same as dev.").status(Status::Alias("dev")).live(),
        value("oif", Args::Other("<IFNAME>", 1), "none", "Output interface selector.").live(),
        value("tunnel-id", Args::Other("<N>", 1), "none", "Tunnel id selector.").live(),
        value("uidrange", Args::Other("<A>-<B>", 1), "none", "User id selector.").live(),
        flag("l3mdev", "Use the table of the l3 master device; this is an action.").live(),
        value(
            "protocol",
            Args::Other("<N>", 1),
            "keepalived (18)",
            "Rule protocol; forced to keepalived with an error unless no_track.",
        )
        .live(),
        value("ipproto", Args::Other("<NAME_OR_NUMBER>", 1), "none", "IP protocol of the packets, by name or number.")
            .live(),
        value("sport", Args::Other("<A>-<B>", 1), "none", "Source port selector.").live(),
        value("dport", Args::Other("<A>-<B>", 1), "none", "Destination port selector.").live(),
        flag("no_track", "Do not react to deletion.").live(),
        value("track_group", Args::Other("<NAME>", 1), "none", "Ties a static rule to a track_group.").live(),
        value(
            "type",
            Args::Other("[type] goto <N>|nop|blackhole|unreachable|prohibit", 0),
            "none",
            "Action instead of a lookup; the word type is optional.",
        )
        .live(),
    ],
};
