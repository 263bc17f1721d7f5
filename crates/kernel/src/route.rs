//! Links and addresses of the kernel: what there is, what should be added or removed, and what changes.
//!
//! [`Route`] asks and commands, [`Monitor`] listens. Neither compares nor decides: `net` does. No other address is
//! touched than the one an operation names.

mod decode;
mod encode;
mod monitor;

pub use crate::netlink::{Outcome, REQUESTS_PER_SEND, Refused};
pub use decode::{changes, decode};
pub use monitor::{Monitor, MonitorEvent};

use crate::netlink::Channel;
use encode::WithProtocol;
use netlink_sys::protocols::NETLINK_ROUTE;
use standfast_net::{Change, Observed, Operation};
use std::io;

/// A socket for requests to rtnetlink.
#[derive(Debug)]
pub struct Route {
    channel: Channel,
    /// Whether this kernel takes `IFA_PROTO`, as far as is known.
    with_protocol: WithProtocol,
}

impl Route {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE`, `ENOBUFS`.
    pub fn open() -> io::Result<Self> {
        let mut channel = Channel::open(NETLINK_ROUTE)?;
        channel.set_strict();
        Ok(Self { channel, with_protocol: WithProtocol::Yes })
    }

    /// Every link and every address, addresses in the kernel's order.
    ///
    /// # Errors
    ///
    /// The kernel's; `ETIMEDOUT` if it does not answer. The next request starts afresh.
    pub fn dump(&mut self) -> Result<Observed, Refused> {
        let mut links = Vec::new();
        let mut addresses = Vec::new();
        for request in [encode::get_links(), encode::get_addresses()] {
            for (kind, payload) in self.channel.dump(&request)? {
                match decode(kind, &payload) {
                    Some(Change::Link(link)) => links.push(link),
                    Some(Change::Address(address)) => addresses.push(address),
                    // A dump tells only what is there.
                    Some(Change::LinkGone(_) | Change::AddressGone { .. }) | None => {}
                }
            }
        }
        Ok(Observed::new(links, addresses))
    }

    /// Carries the operations out in order, [`REQUESTS_PER_SEND`] per system call, and returns one outcome for each.
    /// A refused one does not stop those behind it.
    ///
    /// Adding what is there and removing what is not are successes ([`Outcome::AlreadySo`]). Each call of the kernel
    /// takes up to 2 ms; who has sockets to look after passes [`REQUESTS_PER_SEND`] operations at a time.
    pub fn apply(&mut self, operations: &[Operation]) -> Vec<Result<Outcome, Refused>> {
        let mut requests: Vec<Vec<u8>> =
            operations.iter().map(|operation| encode::operation(operation, self.with_protocol)).collect();
        let mut answers = self.channel.request(&mut requests);
        if self.with_protocol == WithProtocol::Yes {
            self.retry_without_protocol(operations, &mut answers);
        }
        operations.iter().zip(answers).map(|(operation, answer)| outcome(operation, answer)).collect()
    }

    /// `IFA_PROTO` is new in Linux 5.18. A kernel that calls it invalid gets the additions again without it, and never
    /// again with it if that helped.
    fn retry_without_protocol(&mut self, operations: &[Operation], answers: &mut [Result<(), Refused>]) {
        for (operation, answer) in operations.iter().zip(answers) {
            let invalid = matches!(answer, Err(refused) if refused.errno == libc::EINVAL);
            match operation {
                Operation::Add { .. } if invalid => {
                    let mut requests = [encode::operation(operation, WithProtocol::No)];
                    if let Some(second) = self.channel.request(&mut requests).pop() {
                        if second.is_ok() {
                            self.with_protocol = WithProtocol::No;
                        }
                        *answer = second;
                    }
                }
                Operation::Add { .. } | Operation::Remove { .. } => {}
            }
        }
    }
}

fn outcome(operation: &Operation, answer: Result<(), Refused>) -> Result<Outcome, Refused> {
    match (operation, answer) {
        (_, Ok(())) => Ok(Outcome::Changed),
        (Operation::Add { .. }, Err(refused)) if refused.errno == libc::EEXIST => Ok(Outcome::AlreadySo),
        // The link is gone, and with it the address.
        (Operation::Remove { .. }, Err(refused)) if matches!(refused.errno, libc::EADDRNOTAVAIL | libc::ENODEV) => {
            Ok(Outcome::AlreadySo)
        }
        (Operation::Add { .. } | Operation::Remove { .. }, Err(refused)) => Err(refused),
    }
}
