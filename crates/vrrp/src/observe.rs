//! What the advertisements of other routers tell about them: in what they are configured differently, and who is master
//! beside us.
//!
//! It moves no state and no deadline, and remembers a bounded number of things however many senders are made up.

use crate::batch::Batch;
use crate::machine::Machine;
use crate::output::Notice;
use crate::receive::{Flaw, Heard, address_lists};
use crate::sealing::SealFlaw;
use core::time::Duration;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::{Field, Instant, Mismatch, Priority, Rival};
use standfast_wire::vrrp::View;
use std::net::IpAddr;

/// Differences that one instance remembers: three of each of five routers. Who makes up senders pushes out the one that
/// was seen last longest ago.
const MOST: usize = 16;

/// The differences of one instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Differences(Vec<Mismatch>);

impl Differences {
    pub(crate) fn all(&self) -> &[Mismatch] {
        &self.0
    }

    /// Our own configuration is another: whatever differed from the old one may not differ any more.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }

    fn seen(&mut self, now: Instant, peer: IpAddr, field: Field, theirs: String, ours: String) {
        if let Some(known) = self.0.iter_mut().find(|known| known.peer == peer && known.field == field) {
            if (&known.theirs, &known.ours) != (&theirs, &ours) {
                (known.theirs, known.ours, known.since, known.adverts) = (theirs, ours, now, 0);
            }
            known.last = now;
            known.adverts = known.adverts.saturating_add(1);
            return;
        }
        if self.0.len() >= MOST {
            let oldest = self.0.iter().enumerate().min_by_key(|(_, known)| known.last).map(|(place, _)| place);
            self.0.remove(oldest.unwrap_or(0));
        }
        self.0.push(Mismatch { peer, field, theirs, ours, since: now, last: now, adverts: 1 });
    }

    /// Takes out what was known of a router's field, if anything.
    fn gone(&mut self, peer: IpAddr, fields: impl Fn(Field) -> bool) -> Vec<Mismatch> {
        if self.0.is_empty() {
            return Vec::new();
        }
        self.0.extract_if(.., |known| known.peer == peer && fields(known.field)).collect()
    }
}

/// What a refused advertisement says of its sender's configuration: the field, its words and ours. None for flaws that
/// are no matter of configuration.
fn told(flaw: &Flaw) -> Option<(Field, String, String)> {
    let by = |wanted: u8| format!("type {wanted}");
    Some(match flaw {
        Flaw::Version { received, expected } => {
            (Field::Version, received.get().to_string(), expected.get().to_string())
        }
        Flaw::Interval { received, expected } => (Field::Interval, received.to_string(), expected.to_string()),
        Flaw::AuthType { received, expected } => (Field::Authentication, by(*received), by(*expected)),
        Flaw::Header { received: true } => (Field::Authentication, by(2), "another type".to_owned()),
        Flaw::Header { received: false } => (Field::Authentication, "another type".to_owned(), by(2)),
        Flaw::Password => (Field::Authentication, "another password".to_owned(), by(1)),
        Flaw::Icv => (Field::Authentication, "another password".to_owned(), by(2)),
        Flaw::Seal(SealFlaw::Missing) => {
            (Field::Authentication, "not signed".to_owned(), "auth_hmac, enforced".to_owned())
        }
        Flaw::Seal(SealFlaw::Key(id)) => {
            (Field::Authentication, format!("auth_hmac key {id}"), "no such key".to_owned())
        }
        Flaw::Seal(SealFlaw::Invalid) => {
            (Field::Authentication, "auth_hmac, another key".to_owned(), "auth_hmac".to_owned())
        }
        Flaw::Destination { received, expected } => (Field::Destination, received.to_string(), expected.to_string()),
        Flaw::Multicast(group) => (Field::Destination, group.to_string(), "unicast".to_owned()),
        Flaw::Octets(_)
        | Flaw::Ttl(_)
        | Flaw::AuthTypeUnknown(_)
        | Flaw::Spi { .. }
        | Flaw::Sequence { .. }
        | Flaw::Stranger(_)
        | Flaw::Distance { .. }
        | Flaw::OwnAddress(_)
        | Flaw::UnknownVrid(_)
        | Flaw::NotListening(_)
        | Flaw::Seal(SealFlaw::Malformed(_) | SealFlaw::Stale { .. } | SealFlaw::Replay) => return None,
    })
}

impl Machine {
    /// A packet was refused: what does it say about who sent it?
    pub(crate) fn observe_flaw(&mut self, now: Instant, source: IpAddr, flaw: &Flaw) {
        if let Some((field, theirs, ours)) = told(flaw) {
            self.differences.seen(now, source, field, theirs, ours);
        }
    }

    /// An advertisement was accepted: what makes others be refused is as with us.
    pub(crate) fn observe_accepted(&mut self, source: IpAddr, batch: &mut Batch) {
        let gone = self.differences.gone(source, |field| match field {
            Field::Version | Field::Authentication | Field::Destination => true,
            Field::Interval | Field::Addresses => false,
        });
        settled(self.id, gone, batch);
    }

    /// The addresses of an accepted advertisement are other than ours, or are not.
    pub(crate) fn observe_addresses(&mut self, now: Instant, view: &View<'_>, differ: bool, batch: &mut Batch) {
        if differ {
            let (theirs, ours) = address_lists(&self.config, view);
            self.differences.seen(now, view.source(), Field::Addresses, theirs, ours);
        } else {
            let gone = self.differences.gone(view.source(), |field| field == Field::Addresses);
            settled(self.id, gone, batch);
        }
    }

    /// The interval of an accepted advertisement is another than ours, or is not. Called when it has had its effect:
    /// only who is taken for the master is followed.
    pub(crate) fn observe_interval(&mut self, now: Instant, heard: &Heard, batch: &mut Batch) {
        let (source, theirs, ours) = (heard.source, heard.interval, self.config.advert_interval);
        if theirs == ours {
            let gone = self.differences.gone(source, |field| field == Field::Interval);
            settled(self.id, gone, batch);
        } else {
            self.differences.seen(now, source, Field::Interval, theirs.to_string(), ours.to_string());
        }
        // REQ: VRRP3-7.1-03
        if self.memory.interval_differs(now, source, theirs.centiseconds(), ours.centiseconds()) {
            let master = self.phase.backup().and_then(|backup| backup.master);
            let followed = master.is_some_and(|master| master.address == source);
            batch.notice(Notice::IntervalDiffers { instance: self.id, source, theirs, ours, followed });
        }
    }

    /// A router that gives way to us, or should, advertises while we are master.
    pub(crate) fn hear_rival(&mut self, now: Instant, source: IpAddr, theirs: Priority) {
        let Some(master) = self.phase.master_mut() else { return };
        match &mut master.rival {
            Some(rival) if rival.address == source => {
                rival.last = now;
                rival.priority = theirs.get();
                rival.adverts = rival.adverts.saturating_add(1);
            }
            // Of several the first is told of until it falls silent.
            Some(_) => {}
            None => {
                master.rival =
                    Some(Rival { address: source, priority: theirs.get(), since: now, last: now, adverts: 1 });
                self.counters.two_masters = self.counters.two_masters.saturating_add(1);
            }
        }
    }

    /// Whoever advertised beside us has been silent for so long that it is master no more.
    pub(crate) fn outlive_rival(&mut self, now: Instant, batch: &mut Batch) {
        let patience = self.down_interval(self.config.advert_interval);
        self.end_rivalry(|rival| now.since(rival.last) >= patience, batch);
    }

    /// It says itself that it leaves.
    pub(crate) fn rival_resigned(&mut self, source: IpAddr, batch: &mut Batch) {
        self.end_rivalry(|rival| rival.address == source, batch);
    }

    fn end_rivalry(&mut self, ends: impl Fn(&Rival) -> bool, batch: &mut Batch) {
        let Some(master) = self.phase.master_mut() else { return };
        if let Some(rival) = master.rival.take_if(|rival| ends(rival)) {
            tell(self.id, rival, batch);
        }
    }
}

/// Two were master, and one of them is not any more.
pub(crate) fn tell(instance: InstanceId, rival: Rival, batch: &mut Batch) {
    let (lasted, adverts): (Duration, u64) = (rival.lasted(), rival.adverts);
    let (source, priority) = (rival.address, rival.priority);
    batch.notice(Notice::TwoMasters { instance, source, priority, lasted, adverts });
}

fn settled(instance: InstanceId, gone: Vec<Mismatch>, batch: &mut Batch) {
    for Mismatch { peer, field, .. } in gone {
        batch.notice(Notice::Settled { instance, source: peer, field });
    }
}
