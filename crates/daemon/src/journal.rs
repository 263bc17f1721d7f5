//! What the daemon says: typed entry points, so that the wording and the fields of a kind of line are in one place.
//!
//! The phrases are keepalived's, because people and programs search for them; the cause follows. Fields that journald
//! keeps apart (`VRRP_INSTANCE`, `FROM_STATE`, `CAUSE`, `REAL_SERVER`, ...) are named here, each by its short name.
//! It decides nothing but how often a line that the outside world can provoke is repeated.

mod kind;
mod pool;
mod rate;

pub use kind::EventName;
pub use pool::pool;
pub use rate::RateLimit;

use core::cell::RefCell;
use core::time::Duration;
use standfast_kernel::timer::boottime;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::{Cause, Claim, InterfaceName, Refusal, State, Transition, Witnessed};
use standfast_net::Operation;
use standfast_node::Record;
use standfast_vrrp::Notice;
use std::net::IpAddr;
use tracing::{info, warn};

/// How long a kind of line stays quiet after it was said once.
const INTERVAL: Duration = Duration::from_secs(60);

/// How many kinds of line are told apart: every kind for some 50 instances. More than that at once is an attack, of
/// which the first thousand kinds say enough.
const KINDS: usize = 1024;

/// Which lines are one kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    /// Of an instance, or of none where the VRID is unknown.
    Vrrp(Option<u32>, VrrpKind),
    /// An address that came back, of this instance.
    Restored(u32),
    /// Something else that went wrong, by the caller's word for it.
    Trouble(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum VrrpKind {
    Refused(Refusal),
    LowerPriority,
    AddressesDiffer,
    IntervalDiffers,
    OwnerClash,
    ClockDiffers,
    Settled,
    TwoMasters,
    /// Of this address, which is one of ours: the configuration bounds them.
    Claimed(IpAddr),
    ClaimOver(IpAddr),
}

thread_local! {
    /// A worker is one thread, and what it may repeat is the same wherever in it the line is said.
    static LIMIT: RefCell<RateLimit<Kind>> = const { RefCell::new(RateLimit::new(INTERVAL, KINDS)) };
}

/// How many of the kind were held back, and the words for it at the end of a line; none if this one is held back too.
fn admit(kind: Kind) -> Option<(u64, String)> {
    let held_back = LIMIT.with_borrow_mut(|limit| limit.admit(boottime(), kind))?;
    let words = if held_back == 0 { String::new() } else { format!(" ({held_back} more like it since the last)") };
    Some((held_back, words))
}

/// What a node records. `names` are the instances by [`InstanceId`], each with its interface.
pub fn record(record: &Record, names: &[(String, InterfaceName)]) {
    match record {
        Record::Transition(change) => transition(change),
        Record::GroupTransition(change) => info!(
            event = EventName::VrrpGroup.name(), group = change.group, from = %change.from, to = %change.to, cause = %change.cause,
            "VRRP_Group({}) Syncing instances to {} state: {}", change.group, change.to, change.cause
        ),
        Record::Priority(change) => info!(
            event = EventName::VrrpPriority.name(), instance = change.instance, state = %change.state, cause = %change.cause, vrrp_priority = change.to,
            "({}) Changing effective priority from {} to {}: {}", change.instance, change.from, change.to, change.cause
        ),
        // The notice about it, which does not repeat itself, is for the journal; this is for those who are notified.
        Record::LowerPriorityReceived { .. } => {}
        Record::Deleted(instance) => {
            info!(
                event = EventName::VrrpRemoved.name(),
                instance = instance.name,
                "({}) removed by the new configuration",
                instance.name
            );
        }
        Record::Notice(Notice::Tracked { cause, good: true }) => {
            info!(event = EventName::Tracked.name(), %cause, good = true, "{cause}: good");
        }
        Record::Notice(Notice::Tracked { cause, good: false }) => {
            warn!(event = EventName::Tracked.name(), %cause, good = false, "{cause}: bad");
        }
        Record::Notice(Notice::HeldBack { instance, why }) => held_back(*instance, why.as_ref(), names),
        Record::Notice(what) => notice(what, names),
        Record::Restored { instance, operation } => restored(*instance, operation, names),
        Record::StaticRestored { operation } => trouble("static", &format!("static {}", restored_words(operation))),
        Record::Refused { what } => trouble("refused", &format!("kernel refused: {what}")),
    }
}

/// An instance changed its state: `(VI_1) Entering MASTER STATE: no advertisement for 3.414 s`.
pub fn transition(transition: &Transition) {
    let Transition { instance, interface, from, to, cause, at: _, priority: vrrp_priority } = transition;
    // keepalived's words for the first state after start.
    let init = if *from == State::Init { " (init)" } else { "" };
    let event = kind_of(*to).name();
    match to {
        State::Fault => warn!(
            event, instance, %interface, %from, %to, %cause, vrrp_priority,
            "({instance}) Entering {to} STATE{init}: {cause}"
        ),
        State::Init | State::Backup | State::Master | State::Stop => info!(
            event, instance, %interface, %from, %to, %cause, vrrp_priority,
            "({instance}) Entering {to} STATE{init}: {cause}"
        ),
    }
}

const fn kind_of(to: State) -> EventName {
    match to {
        State::Master => EventName::VrrpMaster,
        State::Init | State::Backup => EventName::VrrpBackup,
        State::Fault => EventName::VrrpFault,
        State::Stop => EventName::VrrpStop,
    }
}

impl VrrpKind {
    const fn event(self) -> EventName {
        match self {
            Self::Refused(_) => EventName::AdvertRefused,
            Self::LowerPriority => EventName::AdvertLower,
            Self::AddressesDiffer | Self::IntervalDiffers | Self::ClockDiffers => EventName::PeerDiffers,
            Self::OwnerClash | Self::TwoMasters => EventName::TwoMasters,
            Self::Claimed(_) | Self::ClaimOver(_) => EventName::AddressClaimed,
            Self::Settled => EventName::PeerAgrees,
        }
    }
}

/// What the election has to say. Others on the link can provoke it, so each kind of each instance is said once a
/// minute, with the count of those in between; the core has already left out what repeats itself.
pub fn notice(notice: &Notice, names: &[(String, InterfaceName)]) {
    let Some((kind, instance, source, text)) = words(notice) else { return };
    let Some((held_back, more)) = admit(Kind::Vrrp(instance.map(|id| id.0), kind)) else { return };
    let event = kind.event().name();
    match instance {
        Some(id) => {
            let (instance, interface) = name(id, names);
            warn!(event, instance, interface, %source, cause = text, held_back, "({instance}) {text}{more}");
        }
        None => warn!(event, %source, cause = text, held_back, "{text}{more}"),
    }
}

/// No master is heard, and a witness stands against a takeover; or a master is heard again.
fn held_back(id: InstanceId, why: Option<&Cause>, names: &[(String, InterfaceName)]) {
    let event = EventName::HeldBack.name();
    let (instance, interface) = name(id, names);
    match why {
        Some(cause) => warn!(
            event, instance, interface, %cause,
            "({instance}) hears no master and does not take over: {cause}"
        ),
        None => info!(event, instance, interface, "({instance}) hears a master again, no takeover is wanted"),
    }
}

/// A witness says something else than before. That a lease was renewed is no news.
pub fn witness(witness: &str, said: &Witnessed) {
    let event = EventName::Tracked.name();
    match said {
        Witnessed::Unreachable { .. } => warn!(event, cause = %said, good = false, "witness {witness} {said}"),
        Witnessed::Reached => info!(event, cause = %said, good = true, "witness {witness} {said}"),
        Witnessed::Refused { .. } => info!(event, cause = %said, good = false, "witness {witness} {said}"),
        Witnessed::Held { .. } | Witnessed::Unasked => {}
    }
}

/// Something removed or added an address that is ours to hold, and it was set right.
fn restored(id: InstanceId, operation: &Operation, names: &[(String, InterfaceName)]) {
    let Some((held_back, more)) = admit(Kind::Restored(id.0)) else { return };
    let (instance, interface) = name(id, names);
    let text = restored_words(operation);
    let event = EventName::AddressRestored.name();
    warn!(event, instance, interface, cause = text, held_back, "({instance}) {text}{more}");
}

fn restored_words(operation: &Operation) -> String {
    let back = |what: &str| format!("{what} was removed by something else; it is back");
    let gone = |what: &str| format!("{what} was added by something else; it is gone again");
    match operation {
        Operation::Add { address, .. } => back(&format!("address {}", address.address)),
        Operation::Remove { address, .. } => gone(&format!("address {address}")),
        Operation::AddRoute(entry) => back(&format!("route to {}", entry.route.destination)),
        Operation::RemoveRoute(entry) => gone(&format!("route to {}", entry.route.destination)),
        Operation::AddRule(rule) => back(&format!("rule of preference {}", rule.preference)),
        Operation::RemoveRule(rule) => gone(&format!("rule of preference {}", rule.preference)),
    }
}

/// Something did not work and will be tried again or is done without. `kind` is what shares one line a minute.
pub fn trouble(kind: &'static str, text: &str) {
    let Some((held_back, more)) = admit(Kind::Trouble(kind)) else { return };
    warn!(event = EventName::Trouble.name(), kind, held_back, "{text}{more}");
}

fn name(id: InstanceId, names: &[(String, InterfaceName)]) -> (&str, &str) {
    let found = usize::try_from(id.0).ok().and_then(|index| names.get(index));
    found.map_or(("unknown instance", ""), |(instance, interface)| (instance.as_str(), interface.as_str()))
}

/// What a notice says, for those who are notified of it. None for what no packet brought about.
pub fn text(notice: &Notice) -> Option<String> {
    words(notice).map(|(.., text)| text)
}

/// None for what no packet brought about.
fn words(notice: &Notice) -> Option<(VrrpKind, Option<InstanceId>, IpAddr, String)> {
    Some(match notice {
        Notice::Refused { instance, source, reason, detail } => {
            let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
            let text = format!("refused advertisement from {source}: {reason}{detail}");
            (VrrpKind::Refused(*reason), *instance, *source, text)
        }
        Notice::LowerPriority { instance, source, theirs, ours } => {
            let text = format!("Received advert from {source} with lower priority {theirs}, ours {ours}");
            (VrrpKind::LowerPriority, Some(*instance), *source, text)
        }
        Notice::AddressesDiffer { instance, source, detail } => {
            let text = format!("advertisement from {source} has other addresses than ours: {detail}");
            (VrrpKind::AddressesDiffer, Some(*instance), *source, text)
        }
        Notice::IntervalDiffers { instance, source, theirs, ours, followed: true } => {
            let text = format!("master {source} advertises every {theirs}, we would every {ours}; followed");
            (VrrpKind::IntervalDiffers, Some(*instance), *source, text)
        }
        Notice::IntervalDiffers { instance, source, theirs, ours, followed: false } => {
            let text = format!("{source} advertises every {theirs}, we every {ours}");
            (VrrpKind::IntervalDiffers, Some(*instance), *source, text)
        }
        Notice::OwnerClash { instance, source } => {
            let text = format!("{source} has priority 255 too: only one router can own the addresses");
            (VrrpKind::OwnerClash, Some(*instance), *source, text)
        }
        Notice::ClockDiffers { instance, source, skew, ahead } => {
            let way = if *ahead { "ahead of" } else { "behind" };
            let text = format!(
                "the clock of {source} is {} s {way} ours, which auth_hmac tolerates only so far",
                skew.as_secs()
            );
            (VrrpKind::ClockDiffers, Some(*instance), *source, text)
        }
        Notice::Settled { instance, source, field } => {
            let text = format!("{source} is configured as we are again: {field}");
            (VrrpKind::Settled, Some(*instance), *source, text)
        }
        Notice::TwoMasters { instance, source, priority, lasted, adverts } => {
            let text = format!(
                "two masters for {:.3} s: {source} with priority {priority} advertised {adverts} times beside us",
                lasted.as_secs_f64()
            );
            (VrrpKind::TwoMasters, Some(*instance), *source, text)
        }
        Notice::Claimed { instance, claim } => {
            let Claim { address, mac, interface, .. } = claim;
            let text =
                format!("another host says that {address} is its own: {mac} on {interface}; it is announced again");
            (VrrpKind::Claimed(*address), Some(*instance), *address, text)
        }
        Notice::ClaimOver { instance, claim } => {
            let Claim { address, mac, times, .. } = claim;
            let lasted = claim.lasted().as_secs_f64();
            let text = format!(
                "no other host says any more that {address} is its own: {mac} did {times} times in {lasted:.3} s"
            );
            (VrrpKind::ClaimOver(*address), Some(*instance), *address, text)
        }
        Notice::Tracked { .. } | Notice::HeldBack { .. } => return None,
    })
}

#[cfg(test)]
mod tests;
