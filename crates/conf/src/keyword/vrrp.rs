//! Keywords of instances and groups.

use super::{
    Args, Block, Entries, GROUP_WITNESS, I32, INSTANCE_WITNESS, MAX_32, SECOND, Status, U32, block, flag, list, value,
};

/// `vrrp_sync_group`
pub(crate) static VRRP_SYNC_GROUP: Block = Block {
    path: "vrrp_sync_group",
    keywords: &[
        list(
            "group",
            Entries::Names("INSTANCE"),
            "Member names; unknown names are errors and ignored; an instance can be in one group only.",
        )
        .live(),
        list("track_interface", Entries::Tracked("INTERFACE", 253, false), "Interfaces tracked by all members.").live(),
        list(
            "track_script",
            Entries::Tracked("SCRIPT", 253, true),
            "Scripts tracked by all members; script must already be defined.",
        )
        .live(),
        list(
            "track_file",
            Entries::Tracked("FILE", 254, true),
            "Files tracked by all members; file must already be defined.",
        )
        .live(),
        list(
            "track_process",
            Entries::Tracked("PROCESS", 254, true),
            "Processes tracked by all members; must already be defined.",
        )
        .live(),
        list(
            "track_bfd",
            Entries::Tracked("BFD", 253, true),
            "BFD sessions tracked by all members; must already be defined.",
        )
        .live(),
        block("witness", Args::Flag, &GROUP_WITNESS, "Whether the group, when it hears no master, may take over.")
            .own(),
        list(
            "track_virtual_server",
            Entries::VirtualServers,
            "Virtual servers whose quorum is tracked by all members.",
        )
        .status(Status::Own)
        .live(),
        value(
            "notify_backup",
            Args::Script,
            "none",
            "Run when the group becomes backup; duplicates are errors, first one wins.",
        )
        .live(),
        value("notify_master", Args::Script, "none", "Run when the group becomes master.").live(),
        value("notify_fault", Args::Script, "none", "Run when the group enters fault.").live(),
        value("notify_stop", Args::Script, "none", "Run when the daemon stops.").live(),
        value("notify", Args::Script, "none", "Run on every transition with GROUP, name, state, 0 appended.").live(),
        value("smtp_alert", Args::Bool, "smtp_alert_vrrp, then smtp_alert, then false", "Mail on group transitions.")
            .live(),
        flag("global_tracking", "Deprecated spelling (reports an error).")
            .status(Status::Old("sync_group_tracking_weight")),
        flag(
            "sync_group_tracking_weight",
            "Keep tracker weights on members (otherwise weighted trackers on members are dropped).",
        )
        .live(),
        value(
            "notify_priority_changes",
            Args::Bool,
            "unset (bare = true)",
            "Default for member notify_priority_changes.",
        )
        .live(),
    ],
};

/// `vrrp_instance`
pub(crate) static VRRP_INSTANCE: Block = Block {
    path: "vrrp_instance",
    keywords: &[
        value(
            "use_vmac",
            Args::Other("[[name] <IFNAME>] [<MAC>] [netlink_notify_msg] [group <GROUP>]", 0),
            "vrrp.VRID, MAC 00:00:5e:00:01 or 02:VRID",
            "Run on a private macvlan with the virtual MAC; 5 octets are completed with the VRID.",
        )
        .live(),
        flag("use_vmac_addr", "Create VMACs also for VIPs on other interfaces or of the other family.").live(),
        flag("vmac_xmit_base", "Send adverts from the base interface instead of the VMAC; cleared in strict mode.")
            .live(),
        value(
            "use_ipvlan",
            Args::Other("[[name] <IFNAME>] [<ADDR>] [bridge|private|vepa] [group <GROUP>]", 0),
            "vrrp.VRID, bridge",
            "Run on an L2 ipvlan; the address also becomes the advert source.",
        )
        .live(),
        list("unicast_peer", Entries::Peers, "Unicast destinations; giving a TTL bound turns on check_unicast_src.")
            .live(),
        flag("unicast_fault_no_peer", "With no peers stay in FAULT rather than fall back to multicast.").live(),
        flag("check_unicast_src", "Drop adverts whose source is not a peer.").live(),
        value(
            "old_unicast_checksum",
            Args::Other("[never]", 0),
            "auto-detect; bare = always old",
            "Compatibility with pre-1.3.6 VRRPv3 IPv4 unicast checksums.",
        )
        .live(),
        flag("native_ipv6", "Forces family IPv6 and version 3.")
            .status(Status::Outdated("Forces family IPv6 and version 3."))
            .live(),
        value(
            "state",
            Args::Choice(&["MASTER", "BACKUP"]),
            "BACKUP (MASTER if priority 255)",
            "Initial wish; BACKUP after MASTER is an error and ignored; unknown text becomes BACKUP.",
        )
        .live(),
        value(
            "interface",
            Args::Interface,
            "required for multicast",
            "Interface for adverts and default for VIPs; missing one is fatal unless dynamic_interfaces.",
        )
        .live(),
        value("vrf", Args::Interface, "none", "Bind the sockets to a VRF.").live(),
        flag("dont_track_primary", "Ignore link state of the instance interface.").live(),
        list(
            "track_interface",
            Entries::Tracked("INTERFACE", 253, false),
            "Other interfaces to watch; own interface is an error.",
        )
        .live(),
        list("track_script", Entries::Tracked("SCRIPT", 253, true), "Scripts to watch; must already be defined.")
            .live(),
        list("track_file", Entries::Tracked("FILE", 254, true), "Files to watch; must already be defined.").live(),
        list("track_process", Entries::Tracked("PROCESS", 254, true), "Processes to watch; must already be defined.")
            .live(),
        list("track_bfd", Entries::Tracked("BFD", 253, true), "BFD sessions to watch; must already be defined.").live(),
        block(
            "witness",
            Args::Flag,
            &INSTANCE_WITNESS,
            "Whether this instance, when it hears no master, may take over.",
        )
        .own(),
        list("track_virtual_server", Entries::VirtualServers, "Virtual servers whose quorum to watch.")
            .status(Status::Own)
            .live(),
        value("mcast_src_ip", Args::Address, "first address of the interface", "Source address of multicast adverts.")
            .live(),
        value(
            "unicast_src_ip",
            Args::Address,
            "first address of the interface",
            "Source address of unicast adverts; marks the instance as unicast.",
        )
        .live(),
        value(
            "mcast_dst_ip",
            Args::Address,
            "vrrp_mcast_group4/6",
            "Per-instance advert destination; ignored with unicast.",
        )
        .live(),
        flag("track_src_ip", "FAULT when the configured source address is missing.").live(),
        value(
            "virtual_router_id",
            Args::Number(1, 255),
            "required (fatal if absent)",
            "Virtual router id; duplicates on an interface are fatal.",
        )
        .live(),
        value(
            "unicast_ttl",
            Args::Number(0, 255),
            "255 for IPv4, kernel default for IPv6",
            "TTL/hop limit of unicast adverts; without peers an error is reported and it becomes 0, not the default.",
        )
        .live(),
        value(
            "version",
            Args::Number(2, 3),
            "vrrp_version for IPv4, 3 for IPv6",
            "Protocol version; conflicting value is ignored with an error.",
        )
        .live(),
        value(
            "priority",
            Args::Number(1, 255),
            "100, or 255 if state MASTER",
            "Base priority; 255 means address owner and disables all weights.",
        )
        .live(),
        value("advert_int", Args::Seconds(10000, 255 * SECOND), "1", "Advert interval.").live(),
        list("virtual_ipaddress", Entries::Addresses, "Addresses that are advertised; the first one fixes the family.")
            .live(),
        list("virtual_ipaddress_excluded", Entries::Addresses, "Addresses handled but not advertised; either family.")
            .live(),
        flag("no_virtual_ipaddress", "Permit an instance without VIPs; cleared in strict mode.").live(),
        flag("promote_secondaries", "Set the promote_secondaries sysctl on the interface.").live(),
        flag("linkbeat_use_polling", "Use linkbeat_interfaces instead.")
            .status(Status::Deprecated("Use linkbeat_interfaces instead."))
            .live(),
        value(
            "v3_checksum_as_v2",
            Args::Bool,
            "global value (bare = true)",
            "Leave the pseudo header out of the IPv4 VRRPv3 checksum; a mismatch is then also accepted on receive.",
        )
        .live(),
        list("virtual_routes", Entries::Routes, "Routes installed while master.").live(),
        list("virtual_rules", Entries::Rules, "Policy rules installed while master.").live(),
        flag("accept", "Accept traffic addressed to VIPs.").live(),
        flag("no_accept", "Drop traffic addressed to VIPs.").live(),
        value(
            "skip_check_adv_addr",
            Args::Bool,
            "global value (bare = true)",
            "Check advertised addresses only when the master changes; any valid boolean, even off, turns it on.",
        )
        .live(),
        value("strict_mode", Args::Bool, "vrrp_strict (bare = true)", "Enforce RFC behaviour for this instance.")
            .live(),
        flag("preempt", "Undo an earlier nopreempt.").live(),
        flag("nopreempt", "Do not take over from a lower priority master.").live(),
        value(
            "preempt_delay",
            Args::Seconds(0, 1000 * SECOND),
            "0",
            "Wait after first seeing a lower priority master before taking over.",
        )
        .live(),
        value("debug", Args::Number(0, 4), "0", "A level that nothing looks at, in keepalived either.").moot(),
        value("notify_backup", Args::Script, "none", "Run on entering BACKUP; second one is an error.").live(),
        value("notify_master", Args::Script, "none", "Run on entering MASTER.").live(),
        value("notify_fault", Args::Script, "none", "Run on entering FAULT.").live(),
        value("notify_stop", Args::Script, "none", "Run at daemon stop.").live(),
        value(
            "notify_deleted",
            Args::OptionalScript,
            "off",
            "Report removal at reload as DELETED instead of FAULT, optionally with a script.",
        )
        .live(),
        value("notify", Args::Script, "none", "Run on every transition with INSTANCE, name, state, priority appended.")
            .live(),
        value(
            "notify_master_rx_lower_pri",
            Args::Script,
            "none",
            "Run when a master receives a lower priority advert.",
        )
        .live(),
        value(
            "notify_conflict",
            Args::Script,
            "none",
            "Run when another host says that an address of this master is its own, or a peer is master unheard, and when \
             that is over, with INSTANCE, name, CONFLICT or CONFLICT_OVER, priority and a sentence appended.",
        )
        .own(),
        value("smtp_alert", Args::Bool, "smtp_alert_vrrp, then smtp_alert, then false", "Mail on transitions.").live(),
        value("notify_priority_changes", Args::Bool, "group, then global", "Write priority change events to FIFOs.")
            .live(),
        value("lvs_sync_daemon_interface", Args::Interface, "none", "Use global lvs_sync_daemon.")
            .status(Status::Deprecated("Use global lvs_sync_daemon."))
            .live(),
        value(
            "garp_master_delay",
            Args::Number(0, 4294),
            "vrrp_garp_master_delay",
            "Delay of the second gratuitous burst.",
        )
        .live(),
        value("garp_master_refresh", Args::Number(0, U32), "vrrp_garp_master_refresh", "Periodic refresh interval.")
            .live(),
        value("garp_master_repeat", Args::Number(0, U32), "vrrp_garp_master_repeat", "Messages per address per burst.")
            .live(),
        value(
            "garp_master_refresh_repeat",
            Args::Number(0, U32),
            "vrrp_garp_master_refresh_repeat",
            "Messages per address per refresh.",
        )
        .live(),
        value(
            "garp_lower_prio_delay",
            Args::Number(0, 4294),
            "vrrp_garp_lower_prio_delay (0 if strict)",
            "Delay of the second burst after a lower priority advert.",
        )
        .live(),
        value(
            "garp_lower_prio_repeat",
            Args::Number(0, I32),
            "vrrp_garp_lower_prio_repeat (0 if strict)",
            "Burst size after a lower priority advert.",
        )
        .live(),
        value(
            "down_timer_adverts",
            Args::Number(1, 100),
            "vrrp_down_timer_adverts (3 if strict)",
            "Missed adverts before takeover.",
        )
        .live(),
        value(
            "timer_expired_backup",
            Args::OptionalNumber(1, 254, 254),
            "off; bare = 254",
            "Master steps down by itself if its own timers ran so late that a peer must have taken over.",
        )
        .live(),
        value(
            "thread_timer_expired",
            Args::OptionalNumber(1, 254, 254),
            "off",
            "Step down when own timers ran so late that a peer must have taken over.",
        )
        .status(Status::Old("timer_expired_backup")),
        value(
            "garp_extra_if",
            Args::Other("[all] <SECONDS>", 1),
            "vrrp_garp_extra_if",
            "Extra-interface gratuitous message interval; 0 disables.",
        )
        .live(),
        value(
            "vmac_garp_intvl",
            Args::Other("[all] <SECONDS>", 1),
            "",
            "Interval between announcements on other interfaces.",
        )
        .status(Status::Old("garp_extra_if"))
        .live(),
        value(
            "lower_prio_no_advert",
            Args::Bool,
            "global (true if strict; bare = true)",
            "Do not answer lower priority adverts immediately.",
        )
        .live(),
        value(
            "higher_prio_send_advert",
            Args::Bool,
            "global (false if strict; bare = true)",
            "Send a last advert before yielding to a higher priority master.",
        )
        .live(),
        value(
            "owner_ignore_adverts",
            Args::Bool,
            "global (true if strict owner; bare = true)",
            "Owner drops incoming adverts; an explicit false on an owner is forced back to true with an error.",
        )
        .live(),
        value(
            "kernel_rx_buf_size",
            Args::Number(0, U32),
            "from vrrp_rx_bufs_policy",
            "Receive buffer contribution of this instance.",
        )
        .live(),
        block("authentication", Args::Flag, &AUTHENTICATION, "Legacy RFC 2338 authentication.").live(),
        block(
            "auth_hmac",
            Args::Flag,
            &AUTH_HMAC,
            "HMAC-SHA-256 trailer authentication, replaces legacy authentication.",
        )
        .live(),
    ],
};

/// `authentication` of an instance
pub(crate) static AUTHENTICATION: Block = Block {
    path: "vrrp_instance/authentication",
    keywords: &[
        value("auth_type", Args::Choice(&["PASS", "AH"]), "none", "AH is IPv4 only.").live(),
        value("auth_pass", Args::Word("STRING"), "none", "Shared password or AH key.").live(),
    ],
};

/// `auth_hmac` of an instance
pub(crate) static AUTH_HMAC: Block = Block {
    path: "vrrp_instance/auth_hmac",
    keywords: &[
        value(
            "key",
            Args::Other("<ID> <TEXT>|<ID> hex:<HEX>|<ID> file:<PATH>", 2),
            "at least the active one required",
            "Adds a key; file contents use the same inline syntax.",
        )
        .live(),
        value(
            "active_key",
            Args::Number(1, 255),
            "required",
            "Key used for signing; undefined id disables the extension.",
        )
        .live(),
        value(
            "time_window",
            Args::Number(1, 300),
            "3*advert_int, at least 5, at most 300",
            "Accepted clock difference in time mode.",
        )
        .live(),
        value(
            "anti_replay",
            Args::Choice(&["time", "monotonic"]),
            "time",
            "Replay protection by wall clock or by increasing counter.",
        )
        .live(),
        value(
            "mode",
            Args::Choice(&["enforce", "permissive", "receive-only"]),
            "enforce",
            "Roll-out mode; strict mode forces enforce.",
        )
        .live(),
    ],
};

/// `garp_group`
pub(crate) static GARP_GROUP: Block = Block {
    path: "garp_group",
    keywords: &[
        value("garp_interval", Args::Seconds(0, MAX_32), "unset", "Minimum gap between gratuitous ARPs.").live(),
        value(
            "gna_interval",
            Args::Seconds(0, MAX_32),
            "unset",
            "Minimum gap between unsolicited neighbour advertisements.",
        )
        .live(),
        value("interface", Args::Interface, "", "One interface with its own pacing.").live(),
        list("interfaces", Entries::Names("INTERFACE"), "Interfaces sharing one pacing clock.").live(),
    ],
};

/// `track_group`
pub(crate) static TRACK_GROUP: Block = Block {
    path: "track_group",
    keywords: &[list(
        "group",
        Entries::Names("INSTANCE"),
        "Member instances, any number per line; instances may be defined later.",
    )
    .live()],
};
