//! Everything Linux: raw and packet sockets, rtnetlink, nftables, IPVS, timers, channels, processes. The only crate with
//! `unsafe` in it, each block with its reason, and no policy: it does what it is told and says how it went.

pub mod async_fd;
mod batch;
pub mod bfd_socket;
mod bpf;
pub mod channel;
pub mod claim_socket;
mod inet6_packet;
pub mod ipvs;
pub mod linkbeat;
pub mod memfd;
pub mod netlink;
pub mod nftables;
pub mod openssl;
pub mod packet_socket;
pub mod process;
pub mod release;
pub mod route;
pub mod sysctl;
pub mod timer;
pub mod vrrp_socket;
