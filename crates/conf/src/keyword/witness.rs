//! Keywords of witnesses.

use super::{Args, Block, Keyword, SECOND, U32, block, value};

/// `witness NAME`
pub(crate) static WITNESS: Block = Block {
    path: "witness",
    keywords: &[
        value("ping", Args::Address, "none", "The witness answers an ICMP echo request.").own(),
        value("tcp", Args::Other("<IP> <PORT>", 2), "none", "The witness takes a TCP connection.").own(),
        block("etcd", Args::Flag, &WITNESS_ETCD, "The witness gives a lease in etcd v3 to one director at a time.")
            .own(),
        value("interval", Args::Seconds(100_000, 3600 * SECOND), "1", "Time from one question to the next.").own(),
        value("timeout", Args::Seconds(50_000, 60 * SECOND), "1", "How long an answer may take.").own(),
        value("rise", Args::Number(1, U32), "1", "Answers in a row until it counts as reachable again.").own(),
        value("fall", Args::Number(1, U32), "2", "Questions without an answer until it counts as unreachable.").own(),
    ],
};

/// `etcd` of a witness.
pub(crate) static WITNESS_ETCD: Block = Block {
    path: "witness/etcd",
    keywords: &[
        value(
            "endpoint",
            Args::Word("URL"),
            "required",
            "http:// or https:// with the numeric address and the port of a member; one line for each.",
        )
        .own(),
        value("lease_key", Args::Word("KEY"), "required", "The key in the store; the same on all directors.").own(),
        value("lease", Args::Number(2, 3600), "10", "Seconds that the key outlives its last renewal.").own(),
        value(
            "holder",
            Args::Word("NAME"),
            "router_id, else the name of the host",
            "What this director writes into the key; another on each director.",
        )
        .own(),
        value("user", Args::Word("NAME"), "none", "User of the store; needs password.").own(),
        value("password", Args::Word("PASSWORD"), "none", "Password of user.").own(),
        value(
            "ca",
            Args::Word("FILE"),
            "those of the system",
            "Authorities, in PEM, one of which must have signed the certificate of the member.",
        )
        .own(),
        value(
            "server_name",
            Args::Word("NAME"),
            "the numeric address",
            "The name that the certificate of every member must have.",
        )
        .own(),
        value(
            "certificate",
            Args::Word("FILE"),
            "none",
            "Shown to the store, with its chain, in PEM; needs private_key.",
        )
        .own(),
        value("private_key", Args::Word("FILE"), "none", "The key of certificate, in PEM, for root alone to read.")
            .own(),
    ],
};

const WORDS: &[Keyword] = &[
    value("use", Args::Words("WITNESS"), "required", "The witnesses to ask; defined anywhere in the file.").own(),
    value("need", Args::Choice(&["all", "any"]), "required", "How many of them must agree to a takeover.").own(),
    value(
        "unreachable",
        Args::Choice(&["stay", "take"]),
        "required",
        "Whether the silence of a witness counts as its refusal or as its consent.",
    )
    .own(),
    value(
        "lost",
        Args::Choice(&["keep", "step_down"]),
        "required with a lease",
        "What a master does whose lease cannot be renewed: nothing, or resign before the lease can be another's.",
    )
    .own(),
];

/// `witness` of an instance.
pub(crate) static INSTANCE_WITNESS: Block = Block { path: "vrrp_instance/witness", keywords: WORDS };

/// `witness` of a sync group.
pub(crate) static GROUP_WITNESS: Block = Block { path: "vrrp_sync_group/witness", keywords: WORDS };
