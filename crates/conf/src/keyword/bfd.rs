//! Keywords of BFD sessions.

use super::{Args, Block, Status, flag, value};

/// `bfd_instance`
pub(crate) static BFD_INSTANCE: Block = Block {
    path: "bfd_instance",
    keywords: &[
        value("source_ip", Args::Address, "unspecified", "Local address; also makes the source port follow RFC 5881.")
            .live(),
        value("neighbor_ip", Args::Address, "required", "Peer address.").live(),
        value("neighbour_ip", Args::Address, "required", "Alternative spelling.")
            .status(Status::Alias("neighbor_ip"))
            .live(),
        value("min_rx", Args::Milliseconds(1000, 4_294_967_000), "10", "Required minimum receive interval.").live(),
        value("min_tx", Args::Milliseconds(1000, 4_294_967_000), "10", "Desired transmit interval when up.").live(),
        value("idle_tx", Args::Milliseconds(1_000_000, 4_294_967_000), "1000", "Transmit interval when not up.").live(),
        value("multiplier", Args::Number(1, 255), "5", "Detection multiplier.").live(),
        flag("passive", "Do not start sending until the peer does.").live(),
        value(
            "ttl",
            Args::Number(1, 255),
            "255; over IPv6 64 is taken",
            "TTL/hop limit sent and base of the receive check.",
        )
        .live(),
        value(
            "hoplimit",
            Args::Number(1, 255),
            "255; over IPv6 64 is taken",
            "TTL or hop limit of what is sent, and what the received one is measured by.",
        )
        .status(Status::Alias("ttl"))
        .live(),
        value(
            "max_hops",
            Args::Number(-1, 255),
            "0",
            "Hops a received packet may have travelled; -1 disables the check.",
        )
        .live(),
        value("multihop", Args::Bool, "false (bare = true)", "Use UDP port 4784 instead of 3784.").live(),
        value(
            "weight",
            Args::Other("<N> [reverse]", 1),
            "0",
            "Default weight for track_bfd users; read by the VRRP process only.",
        )
        .live(),
        flag("vrrp", "Restrict events to VRRP (combine with checker for both).").live(),
        flag("checker", "Restrict events to the checker process.").live(),
    ],
};
