//! What an instance sends: advertisements and resignations, with whatever proves that they are its own.
//!
//! When to send is decided in [`crate::machine`] and [`crate::hear`]; here is what, and to whom.

use crate::batch::Batch;
use crate::machine::Machine;
use crate::output::Action;
use crate::receive::{advertised, coverage_sent, wanted_authentication};
use crate::router::wall_at;
use crate::sealing;
use standfast_model::config::vrrp::Authentication;
use standfast_model::{Instant, Password, Priority, Version};
use standfast_wire::ipv4::Envelope;
use standfast_wire::vrrp::{self, Address, Advert, Proof, Protocol};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An advertisement that should be signed and cannot be: it never leaves.
struct Unsigned;

impl Machine {
    /// Sends an advertisement. Every way to be master and every answer goes through here.
    pub(crate) fn advertise(&mut self, now: Instant, batch: &mut Batch) {
        if self.send(now, Some(self.priority), batch) {
            self.counters.advert_sent += 1;
        }
        if let Some(master) = self.phase.master_mut() {
            master.advert_sent = now;
        }
    }

    /// Says that this master leaves. Where the link is down nothing can leave, and nothing is counted.
    ///
    /// Nor does a master resign that slept past its time: another is master by now, and is not to be disturbed.
    pub(crate) fn resign(&mut self, now: Instant, batch: &mut Batch) {
        // REQ: VRRP2-5.3.4-02
        if self.link_up && self.paused(now).is_none() && self.send(now, None, batch) {
            self.counters.advert_sent += 1;
            self.counters.priority_zero_sent += 1;
        }
    }

    /// Hands out one advertisement, to the group or to each peer. False if there is no address to send from.
    fn send(&mut self, now: Instant, priority: Option<Priority>, batch: &mut Batch) -> bool {
        let (Some(interface), Some(source)) = (self.interface, self.source) else { return false };
        let Ok(proof) = self.sign(now, source, priority) else { return false };
        let key = self.next_in_sequence();
        for destination in self.partners.destinations() {
            let packet = match (source, destination) {
                (IpAddr::V4(source), IpAddr::V4(destination)) => {
                    // REQ: VRRP2-7.2-03
                    self.identification = self.identification.checked_add(1).unwrap_or(1);
                    let envelope = Envelope { source, destination, identification: self.identification };
                    let advert = self.advert(priority);
                    match &key {
                        Some(key) => advert.emit_authenticated_packet(&envelope, key, self.ah_sequence),
                        // REQ: VRRP3-5.2.8-03 VRRP3-5.2.8-04
                        None => {
                            let coverage = coverage_sent(&self.config, &self.partners, self.old_checksum);
                            advert.emit_proven_packet(&envelope, coverage, proof.as_ref())
                        }
                    }
                }
                (IpAddr::V6(source), IpAddr::V6(destination)) => {
                    self.advert(priority).emit_proven_message(source, destination, proof.as_ref())
                }
                // The source of an instance is looked up by its family, and its partners are of that family.
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => continue,
            };
            // REQ: VRRP2-5.2.2-01 VRRP2-7.2-01 VRRP3-5.1.1.2-01 VRRP3-5.1.2.2-01 VRRP3-7.2-01
            batch.send(Action::Send { instance: self.id, interface, source, destination, packet });
        }
        true
    }

    /// The signature of `auth_hmac`, if there should be one; an error if there should be and cannot.
    fn sign(&mut self, now: Instant, source: IpAddr, priority: Option<Priority>) -> Result<Option<Proof>, Unsigned> {
        let Some(hmac) = self.config.options.hmac.as_ref().filter(|hmac| sealing::signs(hmac)) else { return Ok(None) };
        let octets = match source {
            IpAddr::V4(_) => self.advert::<Ipv4Addr>(priority).unsummed(),
            IpAddr::V6(_) => self.advert::<Ipv6Addr>(priority).unsummed(),
        };
        // One signature for all peers: the destination is not covered.
        let signed = wall_at(self.wall, now).and_then(|unix| self.seals.sign(hmac, unix, source, &octets));
        signed.map(Some).ok_or(Unsigned)
    }

    /// The key of `auth_type AH`, with the next sequence number for one advertisement.
    fn next_in_sequence(&mut self) -> Option<Password> {
        match wanted_authentication(&self.config) {
            Authentication::Ah(key) => {
                // REQ: VRRP2A-AH-03
                // After the last of 2^32, which no router lives to send, they begin anew.
                let last = self.ah_sequence.max(core::mem::take(&mut self.ah_floor));
                (self.ah_sequence, self.ah_sent) = (last.checked_add(1).unwrap_or(1), true);
                Some(key)
            }
            Authentication::None | Authentication::Pass(_) => None,
        }
    }

    fn advert<A: Address>(&self, priority: Option<Priority>) -> Advert<A> {
        // REQ: VRRP3-6.1-02
        let interval = self.config.advert_interval;
        let protocol = match self.config.version {
            Version::V2 => {
                let authentication = match wanted_authentication(&self.config) {
                    Authentication::None => vrrp::Authentication::None,
                    Authentication::Pass(password) => vrrp::Authentication::Pass(password),
                    Authentication::Ah(_) => vrrp::Authentication::Header,
                };
                Protocol::V2 { interval, authentication }
            }
            Version::V3 => Protocol::V3 { interval },
        };
        // REQ: VRRP2-5.3.9-01
        let addresses = advertised(&self.config).filter_map(A::of).collect();
        Advert { vrid: self.config.vrid, priority, protocol, addresses }
    }
}
