//! Our tables of the packet filter, through nfnetlink.
//!
//! A whole table is replaced in one transaction, so that there is no moment with half of it. Nobody else's table is
//! looked at. A kernel without nftables says so, and nothing is there then.

mod encode;
mod marking;

use crate::netlink::{Channel, Dumped, Refused, messages};
use netlink_sys::protocols::NETLINK_NETFILTER;
use standfast_lvs::Marking;
use standfast_model::ipvs::Family;
use standfast_net::Filter;
use std::io;
use std::os::fd::OwnedFd;

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
        Self::open_in(None)
    }

    /// As [`Self::open`], for the tables of that network namespace (`net_namespace_ipvs`); none is the one of the process.
    /// To enter another one needs `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_in(namespace: Option<OwnedFd>) -> io::Result<Self> {
        Ok(Self { channel: Channel::open_in(NETLINK_NETFILTER, namespace)? })
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

    /// Makes the tables of that name mark the packets of these services and nothing else (`nftables_ipvs`).
    ///
    /// # Errors
    ///
    /// As [`Self::replace`]; a kernel before 5.6 has no maps of ranges and ports.
    pub fn mark(&mut self, marking: &Marking) -> Result<(), Refused> {
        let mut messages = vec![encode::begin()];
        for family in [Family::Inet, Family::Inet6] {
            messages.push(encode::make_table(family, &marking.table));
            messages.push(encode::remove_table(family, &marking.table));
            marking::table(family, marking, &mut messages);
        }
        messages.push(encode::end());
        self.channel.transact(&mut messages)
    }

    /// A number that changes with every change of any table of this namespace, whoever makes it.
    ///
    /// # Errors
    ///
    /// The kernel's; `EPROTO` if it answers without it.
    pub fn generation(&mut self) -> Result<u32, Refused> {
        let answers = self.channel.ask(&marking::get_generation())?;
        answers.iter().find_map(marking::generation).ok_or_else(|| Refused::new(libc::EPROTO))
    }

    /// What of the tables that [`Self::mark`] made is in the kernel, in a form that is good for one thing: it is the same
    /// as before unless someone has changed the tables, packets that are counted aside.
    ///
    /// # Errors
    ///
    /// The kernel's; `ENOENT` if a map is gone.
    pub fn inspect(&mut self, marking: &Marking) -> Result<Inspection, Refused> {
        let mut found = Vec::new();
        for family in [Family::Inet, Family::Inet6] {
            for request in marking::get_chains_and_rules(family) {
                let dumped = self.channel.dump(&request)?;
                found.push(dumped.iter().flat_map(|one| marking::of_table(one, &marking.table)).collect());
            }
            for (name, _, _) in marking::maps(family, marking) {
                let dumped = self.channel.dump(&marking::get_elements(family, &marking.table, name))?;
                let mut elements: Vec<Vec<u8>> = dumped.iter().flat_map(marking::of_elements).collect();
                elements.sort_unstable();
                found.push(elements.concat());
            }
        }
        Ok(Inspection(found))
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

/// What a datagram says of a table, whatever its octets are: the number of the last change if one is in it, and what
/// [`Nftables::inspect`] would keep of it.
#[must_use]
pub fn read(datagram: &[u8], table: &str) -> (Option<u32>, Inspection) {
    let dumped: Vec<Dumped> = messages(datagram).map(|message| (message.kind, message.payload.to_vec())).collect();
    let found =
        |one: &Dumped| [marking::of_table(one, table)].into_iter().chain(marking::of_elements(one)).collect::<Vec<_>>();
    (dumped.iter().find_map(marking::generation), Inspection(dumped.iter().flat_map(found).collect()))
}

/// What [`Nftables::inspect`] found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inspection(Vec<Vec<u8>>);
