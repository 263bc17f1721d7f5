//! The sockets of this crate against the kernel of this machine, in network namespaces made for each test. Needs root.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests fail a test by panicking"
)]

mod claim_socket;
mod device;
mod guest;
mod marking;
mod namespace;
mod packet_socket;
mod route;
mod routing;
mod vrrp_socket;
