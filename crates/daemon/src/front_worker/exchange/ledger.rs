//! What is known of the other directors: whose datagrams are fresh, what they say, and what follows from it.
//!
//! It reads no clock, makes no random number and opens no socket: all three come from the caller.
//!
//! What is fresh: each side gives the other a challenge, and a nonce that is new here is believed only together with our
//! challenge, which is then changed. Under a nonce that is believed the sequence must grow. So nothing that was recorded
//! is ever believed again, whichever side was started anew meanwhile, and no clock is asked.

use core::time::Duration;
use standfast_api::exchange::{ExchangeSlice, ToldInstance};
use standfast_api::{InstanceStatus, PeerStatus, TwoMasters, VrrpStatus};
use standfast_model::config::exchange::ExchangePeer;
use standfast_model::{AdvertInterval, Instant, State};
use standfast_wire::exchange::{Datagram, Error, Nonce, Told, clipped, digest, pieces};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What was heard so long ago holds no more: two datagrams may be lost.
pub(super) const HOLDS_FOR: Duration = Duration::from_millis(3_200);

/// So long both must have been master: a takeover that goes well is over sooner, with the advertisement that the new
/// master sends at once.
const CERTAIN_AFTER: Duration = Duration::from_secs(1);

/// Instances that are remembered of one peer: those of the largest sites, and a limit for whoever has the key.
const MOST_TOLD: usize = 10_000;

/// Differences that are told of one peer.
const MOST_DIFFERENCES: usize = 32;

/// Why a datagram was not believed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Refusal {
    /// Its octets.
    Octets(Error),
    /// It was heard already, or a newer one was.
    Replayed,
    /// A nonce that is new, without our challenge: a peer that has just been started, or somebody who recorded it.
    NotFresh,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Octets(error) => error.fmt(f),
            Self::Replayed => f.write_str("replayed"),
            Self::NotFresh => f.write_str("not fresh"),
        }
    }
}

/// Something to be said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// A peer is master of a router that we are master of, and neither gives way.
    TwoMasters {
        /// Our instance.
        instance: String,
        /// The peer.
        peer: String,
        /// Its priority.
        theirs: u8,
        /// Ours.
        ours: u8,
    },
    /// That is over.
    Over {
        /// Our instance.
        instance: String,
        /// The peer.
        peer: String,
        /// How long it was so.
        lasted: Duration,
        /// We are still master: our neighbours may have believed the other.
        ours: bool,
    },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    slice: ExchangeSlice,
    name: String,
    nonce: Nonce,
    sequence: u64,
    peers: Vec<Peer>,
}

#[derive(Debug)]
struct Peer {
    config: ExchangePeer,
    /// What it must echo to be believed under a new nonce.
    challenge: Nonce,
    /// What it wants to be echoed.
    echo: Nonce,
    /// The nonce that is believed, and the last sequence number under it.
    known: Option<(Nonce, u64)>,
    heard: Option<Instant>,
    version: String,
    told: BTreeMap<String, (Told, Instant)>,
    clashes: BTreeMap<String, TwoMasters>,
    accepted: u64,
    refused: BTreeMap<Refusal, u64>,
}

impl Ledger {
    /// Knows nobody yet. `nonce` is new at each start; `challenges` is asked for one for each peer.
    pub(super) fn new(slice: ExchangeSlice, name: &str, nonce: Nonce, mut challenges: impl FnMut() -> Nonce) -> Self {
        let peers = slice.settings.peers.iter().map(|config| Peer {
            config: config.clone(),
            challenge: challenges(),
            echo: Nonce::default(),
            known: None,
            heard: None,
            version: String::new(),
            told: BTreeMap::new(),
            clashes: BTreeMap::new(),
            accepted: 0,
            refused: BTreeMap::new(),
        });
        Self { peers: peers.collect(), slice, name: clipped(name).to_owned(), nonce, sequence: 0 }
    }

    /// Takes over what is known of peers that are in both configurations, and goes on under its nonce.
    pub(super) fn inherit(&mut self, before: Self) {
        (self.nonce, self.sequence) = (before.nonce, before.sequence);
        for peer in before.peers {
            let same = |own: &&mut Peer| {
                own.config == peer.config && self.slice.settings.peer_key == before.slice.settings.peer_key
            };
            if let Some(own) = self.peers.iter_mut().find(same) {
                *own = peer;
            }
        }
    }

    /// What to send to whom now.
    pub(super) fn speak(
        &mut self,
        now: Instant,
        vrrp: Option<&VrrpStatus>,
        version: &str,
    ) -> Vec<(SocketAddr, Vec<u8>)> {
        let told: Vec<Told> = vrrp
            .iter()
            .flat_map(|vrrp| &vrrp.instances)
            .filter_map(|status| Some(told(now, status, self.instance(&status.name)?)))
            .collect();
        let pieces = pieces(&self.name, version, told);
        let key = self.slice.settings.peer_key.octets();
        let mut all = Vec::new();
        for peer in &self.peers {
            for piece in &pieces {
                self.sequence += 1;
                let datagram = Datagram {
                    nonce: self.nonce,
                    sequence: self.sequence,
                    echo: peer.echo,
                    challenge: peer.challenge,
                    name: self.name.clone(),
                    version: version.to_owned(),
                    instances: piece.clone(),
                };
                all.push((peer.config.address, datagram.seal(key)));
            }
        }
        all
    }

    /// A datagram came. `fresh` is a number that nobody can guess. None where it comes from nobody that is named.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        source: IpAddr,
        octets: &[u8],
        fresh: Nonce,
    ) -> Option<Result<(), Refusal>> {
        let peer = self.peers.iter_mut().find(|peer| peer.config.address.ip() == source)?;
        let outcome = Datagram::open(octets, self.slice.settings.peer_key.octets())
            .map_err(Refusal::Octets)
            .and_then(|datagram| peer.hear(now, datagram, fresh));
        if let Err(refusal) = outcome {
            let count = peer.refused.entry(refusal).or_default();
            *count = count.saturating_add(1);
        }
        Some(outcome)
    }

    /// What follows from what is known now. Each thing is said once.
    pub(super) fn judge(&mut self, now: Instant, vrrp: Option<&VrrpStatus>) -> Vec<News> {
        let mut news = Vec::new();
        let ours: Vec<(&InstanceStatus, &ToldInstance)> = vrrp
            .iter()
            .flat_map(|vrrp| &vrrp.instances)
            .filter_map(|status| Some((status, self.slice.instances.iter().find(|one| one.name == status.name)?)))
            .collect();
        for peer in &mut self.peers {
            peer.told.retain(|_, (_, at)| now.since(*at) < HOLDS_FOR);
            for (status, own) in &ours {
                let Some(theirs) = counterpart(own, &peer.told, &self.slice.instances) else { continue };
                if let Some(clash) = peer.clashes.get_mut(&own.name) {
                    clash.priority = theirs.0.priority;
                } else if both_are_master(now, status, theirs) {
                    let (instance, priority) = (own.name.clone(), theirs.0.priority);
                    let clash = TwoMasters { instance: instance.clone(), priority, since: now };
                    peer.clashes.insert(instance.clone(), clash);
                    let (peer, ours) = (peer.config.name.clone(), status.priority);
                    news.push(News::TwoMasters { instance, peer, theirs: priority, ours });
                }
            }
            let is_master =
                |name: &str| ours.iter().any(|(status, own)| own.name == name && status.state == State::Master);
            let still = |name: &String| {
                let own = ours.iter().find(|(_, own)| own.name == *name).map(|(_, own)| *own);
                let theirs = own.and_then(|own| counterpart(own, &peer.told, &self.slice.instances));
                is_master(name) && theirs.is_some_and(|(told, _)| told.state == State::Master)
            };
            let over: Vec<String> = peer.clashes.keys().filter(|name| !still(name)).cloned().collect();
            for instance in over {
                let Some(clash) = peer.clashes.remove(&instance) else { continue };
                let (peer, ours) = (peer.config.name.clone(), is_master(&instance));
                news.push(News::Over { instance, peer, lasted: now.since(clash.since), ours });
            }
        }
        news
    }

    /// The peers as an operator sees them.
    pub(super) fn status(&self, now: Instant) -> Vec<PeerStatus> {
        let one = |peer: &Peer| PeerStatus {
            name: peer.config.name.clone(),
            address: peer.config.address,
            heard: peer.heard,
            alive: peer.is_alive(now),
            version: peer.version.clone(),
            two_masters: peer.clashes.values().cloned().collect(),
            differences: if peer.is_alive(now) { self.differences(peer) } else { Vec::new() },
            accepted: peer.accepted,
            refused: peer.refused.iter().map(|(why, count)| (why.to_string(), *count)).collect(),
        };
        self.peers.iter().map(one).collect()
    }

    /// Whom it knows, for a line in the journal.
    pub(super) fn peer_of(&self, source: IpAddr) -> Option<&str> {
        self.peers.iter().find(|peer| peer.config.address.ip() == source).map(|peer| peer.config.name.as_str())
    }

    fn instance(&self, name: &str) -> Option<&ToldInstance> {
        self.slice.instances.iter().find(|one| one.name == name)
    }

    /// In what a peer is configured differently.
    fn differences(&self, peer: &Peer) -> Vec<String> {
        let mut found = Vec::new();
        let release = env!("CARGO_PKG_VERSION");
        if peer.version != release {
            found.push(format!("release {}, ours {release}", peer.version));
        }
        for own in &self.slice.instances {
            let Some((theirs, _)) = counterpart(own, &peer.told, &self.slice.instances) else {
                found.push(format!("{} is not there", own.name));
                continue;
            };
            let name = &own.name;
            let mut differs = |what: &str, theirs: String, ours: String| {
                if theirs != ours {
                    found.push(format!("{name}: {what} {theirs}, ours {ours}"));
                }
            };
            differs("name", theirs.name.clone(), clipped(name).to_owned());
            differs("virtual_router_id", theirs.vrid.to_string(), own.vrid.to_string());
            differs("version", theirs.version.to_string(), own.version.get().to_string());
            differs("advert_int", interval(theirs.interval), interval(own.interval.centiseconds()));
            differs("authentication", kind(theirs.authentication).to_owned(), kind(own.authentication).to_owned());
            let ours = digest(&own.addresses);
            if theirs.digest != ours {
                found.push(format!("{name}: {} other addresses, ours {}", theirs.addresses, own.addresses.len()));
            }
        }
        found.truncate(MOST_DIFFERENCES);
        found
    }
}

impl Peer {
    fn is_alive(&self, now: Instant) -> bool {
        self.heard.is_some_and(|at| now.since(at) < HOLDS_FOR)
    }

    fn hear(&mut self, now: Instant, datagram: Datagram, fresh: Nonce) -> Result<(), Refusal> {
        match self.known {
            Some((nonce, last)) if nonce == datagram.nonce => {
                if datagram.sequence <= last {
                    return Err(Refusal::Replayed);
                }
            }
            Some(_) | None => {
                if datagram.echo != self.challenge {
                    // Whoever is silent may have been started anew, and must be able to prove it.
                    if !self.is_alive(now) {
                        self.echo = datagram.challenge;
                    }
                    return Err(Refusal::NotFresh);
                }
                self.challenge = fresh;
                self.told.clear();
            }
        }
        self.known = Some((datagram.nonce, datagram.sequence));
        self.echo = datagram.challenge;
        self.heard = Some(now);
        self.accepted = self.accepted.saturating_add(1);
        self.version = datagram.version;
        for told in datagram.instances {
            if self.told.len() < MOST_TOLD || self.told.contains_key(&told.name) {
                self.told.insert(told.name.clone(), (told, now));
            }
        }
        Ok(())
    }
}

/// What a peer says of the router that an instance of ours is: the same family and VRID, and the same name if several have
/// those; else whatever has the same name.
fn counterpart<'t>(
    own: &ToldInstance,
    told: &'t BTreeMap<String, (Told, Instant)>,
    ours: &[ToldInstance],
) -> Option<&'t (Told, Instant)> {
    let named = told.get(clipped(&own.name));
    let same = |one: &Told| one.family == own.family && one.vrid == own.vrid.get();
    if let Some(found) = named.filter(|(one, _)| same(one)) {
        return Some(found);
    }
    let mut alike = told.values().filter(|(one, _)| same(one));
    let lone = ours.iter().filter(|one| one.family == own.family && one.vrid == own.vrid).count() == 1;
    match (alike.next(), alike.next()) {
        (Some(found), None) if lone => Some(found),
        _ => named,
    }
}

fn both_are_master(now: Instant, ours: &InstanceStatus, (theirs, at): &(Told, Instant)) -> bool {
    let theirs_for = Duration::from_millis(theirs.for_ms.into()) + now.since(*at);
    ours.state == State::Master
        && theirs.state == State::Master
        && now.since(ours.since) >= CERTAIN_AFTER
        && theirs_for >= CERTAIN_AFTER
        // It said so when we had been master for a while, and not before it could know.
        && at.since(ours.since) >= CERTAIN_AFTER / 2
}

fn told(now: Instant, status: &InstanceStatus, own: &ToldInstance) -> Told {
    Told {
        name: own.name.clone(),
        vrid: own.vrid.get(),
        family: own.family,
        version: own.version.get(),
        state: status.state,
        priority: status.priority,
        authentication: own.authentication,
        interval: own.interval.centiseconds(),
        for_ms: u32::try_from(now.since(status.since).as_millis()).unwrap_or(u32::MAX),
        addresses: u16::try_from(own.addresses.len()).unwrap_or(u16::MAX),
        digest: digest(&own.addresses),
    }
}

fn interval(centiseconds: u16) -> String {
    AdvertInterval::from_centiseconds(centiseconds).map_or_else(|| "none".to_owned(), |interval| interval.to_string())
}

const fn kind(authentication: u8) -> &'static str {
    match authentication {
        0 => "none",
        1 => "PASS",
        2 => "AH",
        3 => "auth_hmac",
        _ => "of another kind",
    }
}

#[cfg(test)]
mod tests;
