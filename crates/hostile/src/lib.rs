//! Octets as an enemy would send them: for every decoder of octets from outside, what must hold whatever they are.
//!
//! - [`Target`], [`TARGETS`]: one for each decoder
//! - [`corpus`]: inputs that are kept, from `integration/fuzz`
//! - [`fuzzer`]: mutates them for some seconds
//!
//! Each target asserts more than that nothing panics: what is read survives being written and read again, what is said
//! of it fits, limits are kept. libFuzzer runs the same targets (`scripts/fuzz`), guided by what they reach; the fuzzer
//! here is guided by nothing and needs nothing but a compiler. Nothing of this is shipped.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "an expectation that does not hold is what is looked for"
)]

pub mod back_ends;
pub mod configuration;
pub mod corpus;
pub mod directors;
pub mod fuzzer;
pub mod kept;
pub mod kernel;
#[cfg(feature = "daemon")]
pub mod notes;
pub mod processes;
pub mod vrrp;
pub mod wire;

/// The longest input in octets: no datagram is longer than a jumbo frame, and what comes longer is more of the same.
pub const MAX_INPUT_BYTES: usize = 9000;

/// One decoder.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of the directory of its inputs.
    pub name: &'static str,
    /// Panics if something does not hold of these octets.
    pub run: fn(&[u8]),
}

/// Every decoder of octets from outside.
pub const TARGETS: &[Target] = &[
    Target { name: "vrrp_advert", run: vrrp::advert },
    Target { name: "ipv4_header", run: wire::ipv4_header },
    Target { name: "arp", run: wire::arp },
    Target { name: "neighbour_advertisement", run: wire::neighbour_advertisement },
    Target { name: "bfd_control", run: wire::bfd_control },
    Target { name: "exchange", run: wire::exchange },
    Target { name: "route_netlink", run: kernel::route },
    Target { name: "ipvs_netlink", run: kernel::ipvs },
    Target { name: "nftables_netlink", run: kernel::nftables },
    Target { name: "process_events", run: kernel::process_events },
    Target { name: "http_response", run: back_ends::http_response },
    Target { name: "dns_answer", run: back_ends::dns_answer },
    Target { name: "smtp_reply", run: back_ends::smtp_reply },
    Target { name: "etcd_answer", run: back_ends::etcd_answer },
    Target { name: "conf", run: configuration::load },
    Target { name: "conf_format", run: configuration::format },
    Target { name: "conf_pair", run: configuration::pair },
    Target { name: "agentx", run: directors::agentx },
    Target { name: "report", run: directors::report },
    Target { name: "channel_message", run: processes::channel_message },
    Target { name: "control", run: processes::control },
    Target { name: "history", run: kept::history },
    Target { name: "memory", run: kept::memory },
    Target { name: "bfd_note", run: kept::bfd_note },
    #[cfg(feature = "daemon")]
    Target { name: "stamps", run: notes::stamps },
    #[cfg(feature = "daemon")]
    Target { name: "remains", run: notes::remains },
    #[cfg(feature = "daemon")]
    Target { name: "verdicts", run: notes::verdicts },
    #[cfg(feature = "daemon")]
    Target { name: "legacy", run: notes::legacy },
];

/// The target of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
