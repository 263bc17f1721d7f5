//! Keywords of the top level.

use super::{
    Args, BFD_INSTANCE, Block, Entries, GARP_GROUP, GLOBAL_DEFS, Keyword, Kind, SSL, Status, TRACK_FILE, TRACK_GROUP,
    U32, VIRTUAL_SERVER, VRRP_INSTANCE, VRRP_SCRIPT, VRRP_SYNC_GROUP, VRRP_TRACK_PROCESS, WITNESS, block, flag, list,
    value,
};

/// The top level of the file.
pub static ROOT: Block = Block {
    path: "",
    keywords: &[
        flag("linkbeat_use_polling", "Poll link state of all instance interfaces instead of trusting netlink.").live(),
        value(
            "net_namespace",
            Args::Word("NAME"),
            "none",
            "Run inside this network namespace; also switches pid files to the pid directory; later duplicate is an error and is ignored.",
        )
        .live(),
        value(
            "net_namespace_ipvs",
            Args::OptionalWord("NAME"),
            "same as net_namespace",
            "Namespace used for IPVS only; without a name it means the default namespace.",
        )
        .live(),
        flag("namespace_with_ipsets", "Ipsets are not used, so there is nothing to permit.").moot(),
        flag("use_pid_dir", "Put pid files in a keepalived/ sub-directory of the run directory.").live(),
        value(
            "instance",
            Args::Word("NAME"),
            "none",
            "Names this daemon instance (syslog ident, pid file names, optional dump file names); implies use_pid_dir.",
        )
        .live(),
        value(
            "child_wait_time",
            Args::Number(0, U32),
            "5",
            "Time the parent waits for children to stop before killing them; parsed strictly (trailing junk rejected).",
        )
        .live(),
        block(
            "global_defs",
            Args::Flag,
            &GLOBAL_DEFS,
            "Container for process-wide settings; may appear several times, settings accumulate.",
        )
        .live(),
        block(
            "track_group",
            Args::Word("NAME"),
            &TRACK_GROUP,
            "Named set of instances that static entries can be tied to; must precede the entries using it.",
        )
        .live(),
        list(
            "static_ipaddress",
            Entries::Addresses,
            "Addresses kept for the daemon lifetime; see virtual_ipaddress/<entry>.",
        )
        .live(),
        list("static_routes", Entries::Routes, "Routes kept for the daemon lifetime; see virtual_routes/<entry>.")
            .live(),
        list("static_rules", Entries::Rules, "Rules kept for the daemon lifetime; see virtual_rules/<entry>.").live(),
        block(
            "vrrp_sync_group",
            Args::Word("NAME"),
            &VRRP_SYNC_GROUP,
            "Instances that change state together; removed if it has no usable member.",
        )
        .live(),
        block(
            "garp_group",
            Args::Flag,
            &GARP_GROUP,
            "Pacing of gratuitous messages for a set of interfaces; removed if no interval is given.",
        )
        .live(),
        list(
            "linkbeat_interfaces",
            Entries::Linkbeat,
            "Interfaces whose link state is polled; unknown interface is an error of class FATAL (test mode) but ignored at runtime.",
        )
        .live(),
        block("vrrp_instance", Args::Word("NAME"), &VRRP_INSTANCE, "One virtual router.").live(),
        block(
            "vrrp_script",
            Args::Word("NAME"),
            &VRRP_SCRIPT,
            "Periodic check script; must precede its users; removed if unused or without script.",
        )
        .live(),
        block(
            "vrrp_track_process",
            Args::Word("NAME"),
            &VRRP_TRACK_PROCESS,
            "Watches the number of running copies of a program.",
        )
        .live(),
        list(
            "interface_up_down_delays",
            Entries::Delays,
            "Debounce of link changes; capped below (down_timer_adverts-1)*advert_int.",
        )
        .live(),
        block(
            "SSL",
            Args::Flag,
            &SSL,
            "TLS client material shared by all SSL_GET checks; a second block replaces the first with an error.",
        )
        .live(),
        Keyword {
            kind: Kind::List(Args::Word("NAME"), Entries::Services),
            ..list(
                "virtual_server_group",
                Entries::Services,
                "Set of addresses, ranges or firewall marks used as one virtual server; removed if empty.",
            )
        }
        .live(),
        block(
            "virtual_server",
            Args::Other("<IP> [<PORT>]|fwmark <N>|group <NAME>", 1),
            &VIRTUAL_SERVER,
            "One IPVS service; dropped if it has no real server; group may be defined later.",
        )
        .live(),
        block(
            "bfd_instance",
            Args::Word("NAME"),
            &BFD_INSTANCE,
            "One BFD session; must precede track_bfd/BFD_CHECK users.",
        )
        .live(),
        block(
            "track_file",
            Args::Word("NAME"),
            &TRACK_FILE,
            "Watched file with a number in it; usable by instances, groups and FILE_CHECK; must precede its users.",
        )
        .live(),
        block("vrrp_track_file", Args::Word("NAME"), &TRACK_FILE, "Deprecated spelling, logged only at info level.")
            .status(Status::Alias("track_file")),
        block(
            "witness",
            Args::Word("NAME"),
            &WITNESS,
            "Whom a standby that hears nothing asks before it takes over; asked only where an instance or group uses it.",
        )
        .own(),
    ],
};
