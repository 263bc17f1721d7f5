//! The smallest list of operations that turns the kernel's table into the desired one.
//!
//! It compares and nothing else: whether and when the operations are sent is for others to decide.

use crate::destinations::Destinations;
use crate::table::{Entry, Operation, Table};
use standfast_model::ipvs::{Destination, ServiceKey};

/// The operations that make `observed` equal to `desired` in every service of `ours`.
///
/// `ours` are all services that this node may ever touch. A service that is not in it is someone else's and stays as
/// it is, whatever `desired` says. IPVS entries have no owner, so this set is the only thing that tells ours from
/// theirs.
///
/// What is there already is edited in place, so that its connections and counters live on, and only if it differs.
/// Within a service the order is: the service itself, new destinations, edits that raise a weight, edits that lower
/// one, removals. So a service whose servers are exchanged is never empty in between, and a service without servers
/// gets them right behind its creation. Services that go come last, since nobody waits for them.
///
/// The work is linear in the rows of `ours` (with the logarithm of the maps' look-ups).
#[must_use]
pub fn diff<'k>(desired: &Table, observed: &Table, ours: impl IntoIterator<Item = &'k ServiceKey>) -> Vec<Operation> {
    let mut operations = Vec::new();
    let mut removals = Vec::new();
    for key in ours {
        match (desired.services.get(key), observed.services.get(key)) {
            (Some(want), Some(have)) => change_service(want, have, &mut operations),
            (Some(want), None) => add_service(want, &mut operations),
            (None, Some(_)) => removals.push(Operation::RemoveService(*key)),
            (None, None) => {}
        }
    }
    operations.append(&mut removals);
    operations
}

fn add_service(want: &Entry, operations: &mut Vec<Operation>) {
    let key = want.service.key;
    operations.push(Operation::AddService(want.service.clone()));
    operations.extend(want.destinations.iter().map(|destination| Operation::AddDestination(key, *destination)));
}

fn change_service(want: &Entry, have: &Entry, operations: &mut Vec<Operation>) {
    let key = want.service.key;
    if want.service != have.service {
        operations.push(Operation::EditService(want.service.clone()));
    }
    let mut raised = Vec::new();
    let mut lowered = Vec::new();
    let mut removed = Vec::new();
    for pair in pairs(&want.destinations, &have.destinations) {
        match pair {
            Pair::Wanted(new) => operations.push(Operation::AddDestination(key, *new)),
            Pair::Both(new, old) if new == old => {}
            Pair::Both(new, old) if new.weight >= old.weight => raised.push(Operation::EditDestination(key, *new)),
            Pair::Both(new, _) => lowered.push(Operation::EditDestination(key, *new)),
            Pair::Present(old) => removed.push(Operation::RemoveDestination(key, old.key)),
        }
    }
    operations.append(&mut raised);
    operations.append(&mut lowered);
    operations.append(&mut removed);
}

/// A destination that is wanted, present, or both.
enum Pair<'a> {
    Wanted(&'a Destination),
    Present(&'a Destination),
    Both(&'a Destination, &'a Destination),
}

/// Walks both side by side in the order of their keys, so that each row is visited once.
fn pairs<'a>(want: &'a Destinations, have: &'a Destinations) -> impl Iterator<Item = Pair<'a>> {
    let mut want = want.iter().peekable();
    let mut have = have.iter().peekable();
    core::iter::from_fn(move || {
        let order = match (want.peek(), have.peek()) {
            (Some(wanted), Some(present)) => wanted.key.cmp(&present.key),
            (Some(_), None) => core::cmp::Ordering::Less,
            (None, Some(_)) => core::cmp::Ordering::Greater,
            (None, None) => return None,
        };
        match order {
            core::cmp::Ordering::Less => want.next().map(Pair::Wanted),
            core::cmp::Ordering::Greater => have.next().map(Pair::Present),
            core::cmp::Ordering::Equal => want.next().zip(have.next()).map(|(new, old)| Pair::Both(new, old)),
        }
    })
}
