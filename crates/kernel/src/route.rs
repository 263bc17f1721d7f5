//! Links, addresses, routes and rules of the kernel: what there is, what should be added or removed, and what changes.
//!
//! [`Route`] asks and commands, [`Monitor`] listens. Neither compares nor decides: `net` does. Nothing else is
//! touched than what an operation names.

mod decode;
mod device;
mod encode;
mod monitor;
mod routing;
mod routing_decode;

pub use crate::netlink::{Outcome, REQUESTS_PER_SEND, Refused};
pub use decode::{changes, decode};
pub use monitor::{Monitor, MonitorEvent};

use crate::netlink::Channel;
use encode::WithProtocol;
use netlink_sys::protocols::NETLINK_ROUTE;
use standfast_model::config::global::NetlinkBuffer;
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

    /// Gives the receive queue another size (`vrrp_netlink_cmd_rcv_bufs`).
    ///
    /// # Errors
    ///
    /// `EPERM` if it is to be forced and is not allowed to be.
    pub fn set_queue(&mut self, queue: NetlinkBuffer) -> io::Result<()> {
        self.channel.set_queue(queue)
    }

    /// Every link and every address, addresses in the kernel's order.
    ///
    /// # Errors
    ///
    /// The kernel's; `ETIMEDOUT` if it does not answer. The next request starts afresh.
    pub fn dump(&mut self) -> Result<Observed, Refused> {
        self.dump_with_routing(&[])
    }

    /// The same with the routes and rules of those protocols; with none, not even asked for.
    ///
    /// # Errors
    ///
    /// As [`Self::dump`].
    pub fn dump_with_routing(&mut self, protocols: &[u8]) -> Result<Observed, Refused> {
        let mut requests = vec![encode::get_links(), encode::get_addresses()];
        for family in [routing::AF_INET, routing::AF_INET6].into_iter().filter(|_| !protocols.is_empty()) {
            requests.extend(protocols.iter().map(|protocol| routing::get_routes(family, *protocol)));
            requests.push(routing::get_rules(family));
        }
        let mut observed = Observed::default();
        for request in requests {
            for (kind, payload) in self.channel.dump(&request)? {
                // A dump tells only what is there; a kernel that ignores filters tells more than was asked for.
                let change = decode(kind, &payload).filter(|change| concerns(change, protocols));
                change.into_iter().for_each(|change| observed.apply(change));
            }
        }
        Ok(observed)
    }

    /// Carries the operations out in order, [`REQUESTS_PER_SEND`] per system call, and returns one outcome for each.
    /// A refused one does not stop those behind it.
    ///
    /// Adding what is there and removing what is not are successes ([`Outcome::AlreadySo`]). Each call of the kernel
    /// takes up to 2 ms; who has sockets to look after passes [`REQUESTS_PER_SEND`] operations at a time.
    pub fn apply(&mut self, operations: &[Operation]) -> Vec<Result<Outcome, Refused>> {
        let mut requests: Vec<Vec<u8>> =
            operations.iter().map(|operation| encode::operation(operation, self.with_protocol)).collect();
        let mut answers = self.channel.request_quietly(&mut requests);
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
                Operation::Add { .. }
                | Operation::Remove { .. }
                | Operation::AddRoute(_)
                | Operation::RemoveRoute(_)
                | Operation::AddRule(_)
                | Operation::RemoveRule(_) => {}
            }
        }
    }
}

/// Whether a change is of those asked for: all of links and addresses, routes and rules of these protocols.
fn concerns(change: &Change, protocols: &[u8]) -> bool {
    match change {
        Change::Link(_) | Change::LinkGone(_) | Change::Address(_) | Change::AddressGone { .. } => true,
        Change::Route(route) | Change::RouteGone(route) => protocols.contains(&route.protocol),
        Change::Rule(rule) | Change::RuleGone(rule) => protocols.contains(&rule.protocol),
    }
}

/// What the kernel's word on an operation means: what was to be added is there, or what was to be removed is not.
fn outcome(operation: &Operation, answer: Result<(), Refused>) -> Result<Outcome, Refused> {
    let Err(refused) = answer else { return Ok(Outcome::Changed) };
    let already = match operation {
        Operation::Add { .. } | Operation::AddRoute(_) | Operation::AddRule(_) => refused.errno == libc::EEXIST,
        // Or the link is gone, and with it the address.
        Operation::Remove { .. } => matches!(refused.errno, libc::EADDRNOTAVAIL | libc::ENODEV),
        Operation::RemoveRoute(_) => matches!(refused.errno, libc::ESRCH | libc::ENODEV),
        // `EAFNOSUPPORT`: a kernel without rules of that family has none.
        Operation::RemoveRule(_) => matches!(refused.errno, libc::ENOENT | libc::EAFNOSUPPORT),
    };
    if already { Ok(Outcome::AlreadySo) } else { Err(refused) }
}
