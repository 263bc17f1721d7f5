//! Our table of the packet filter, through nfnetlink.
//!
//! The whole table is replaced in one transaction, so that there is no moment with half of it. Nobody else's table is
//! looked at. A kernel without nftables says so, and nothing is there then.

mod encode;

use crate::netlink::{Channel, Refused};
use netlink_sys::protocols::NETLINK_NETFILTER;
use standfast_model::ipvs::Family;
use standfast_net::Filter;
use std::io;

/// A socket for requests to nftables.
#[derive(Debug)]
pub struct Nftables {
    channel: Channel,
}

impl Nftables {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// `EPROTONOSUPPORT` if the kernel has no nfnetlink.
    pub fn open() -> io::Result<Self> {
        Ok(Self { channel: Channel::open(NETLINK_NETFILTER)? })
    }

    /// Makes the tables of that name (`ip` and `ip6`) this and nothing else.
    ///
    /// # Errors
    ///
    /// The kernel's: `EOPNOTSUPP` and the like without `nf_tables`, `EPERM` without `CAP_NET_ADMIN`. Then everything is
    /// as before.
    pub fn replace(&mut self, filter: &Filter) -> Result<(), Refused> {
        let mut messages = vec![encode::begin()];
        for family in [Family::Inet, Family::Inet6] {
            // Made, so that there is something to remove; removed, so that nothing of before is left.
            messages.push(encode::make_table(family, &filter.table));
            messages.push(encode::remove_table(family, &filter.table));
            if filter.concerns(family) {
                encode::table(family, filter, &mut messages);
            }
        }
        messages.push(encode::end());
        self.channel.transact(&mut messages)
    }

    /// Removes the tables of that name.
    ///
    /// # Errors
    ///
    /// As [`Self::replace`].
    pub fn remove(&mut self, table: &str) -> Result<(), Refused> {
        let mut messages = vec![encode::begin()];
        for family in [Family::Inet, Family::Inet6] {
            messages.push(encode::make_table(family, table));
            messages.push(encode::remove_table(family, table));
        }
        messages.push(encode::end());
        self.channel.transact(&mut messages)
    }
}
