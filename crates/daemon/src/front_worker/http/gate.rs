//! How many clients there may be: of all, and of one address, so that one of them does not lock the others out.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

/// Connections at once. A site has some screens and a monitor; each connection costs a descriptor and some kilobytes.
const ALL: usize = 256;

/// Connections at once of one IPv4 address, or of one IPv6 network of /64: a browser opens six.
const OF_ONE: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gate {
    inside: Rc<RefCell<BTreeMap<IpAddr, usize>>>,
    turned_away: Cell<u64>,
}

impl Gate {
    /// Lets one in, unless there are too many.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Pass> {
        let name = name(address);
        let mut inside = self.inside.borrow_mut();
        let of_one = inside.get(&name).copied().unwrap_or(0);
        if of_one >= OF_ONE || inside.values().sum::<usize>() >= ALL {
            self.turned_away.set(self.turned_away.get().saturating_add(1));
            return None;
        }
        inside.insert(name, of_one.saturating_add(1));
        Some(Pass { name, inside: Rc::clone(&self.inside) })
    }

    /// Connections open now.
    pub(super) fn inside(&self) -> u64 {
        self.inside.borrow().values().sum::<usize>() as u64
    }

    /// Connections that found no room.
    pub(super) const fn turned_away(&self) -> u64 {
        self.turned_away.get()
    }
}

/// Who has a whole network has all its addresses.
fn name(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX))),
    }
}

/// A place inside, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Pass {
    name: IpAddr,
    inside: Rc<RefCell<BTreeMap<IpAddr, usize>>>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.inside.borrow_mut();
        match inside.get_mut(&self.name) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => _ = inside.remove(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_lock_the_others_out_and_who_leaves_makes_room() {
        let gate = Gate::default();
        let address = |last: u32| IpAddr::V4(std::net::Ipv4Addr::from(0xc000_0200 + last));
        let mut passes: Vec<Pass> = (0..200).filter_map(|_| gate.enter(address(1))).collect();
        assert_eq!((passes.len(), gate.turned_away()), (OF_ONE, 200 - OF_ONE as u64));
        passes
            .extend((2..10).flat_map(|last| (0..OF_ONE).filter_map(|_| gate.enter(address(last))).collect::<Vec<_>>()));
        assert_eq!((passes.len(), gate.inside()), (ALL, ALL as u64));
        passes.clear();
        assert_eq!(gate.inside(), 0);
        assert!(gate.inside.borrow().is_empty(), "addresses are forgotten");
        let network: Vec<Pass> = (0..200_u128)
            .filter_map(|host| gate.enter(IpAddr::V6(Ipv6Addr::from((0x2001_0db8 << 96) + host))))
            .collect();
        assert_eq!(network.len(), OF_ONE);
    }
}
