//! `DNS_CHECK`: a query is answered without error.
//!
//! It owns the query and the judgement of answers, which looks at the header alone, as keepalived's does: an answer
//! with the right id and without an error code is one, whatever it says.

use crate::deadline::Deadlines;
use crate::{udp, words};
use core::pin::pin;
use core::str::FromStr as _;
use core::sync::atomic::{AtomicU16, Ordering};
use domain::base::iana::{Class, Rcode};
use domain::base::{Message, MessageBuilder, Name, Rtype};
use standfast_lvs::Verdict;
use standfast_model::config::lvs::Connect;
use standfast_model::config::probe::Dns;

/// See the module.
#[derive(Debug)]
pub struct Query {
    connect: Connect,
    /// The message, whose first two bytes are the id of each attempt.
    message: Vec<u8>,
    name: String,
    id: AtomicU16,
}

/// What a datagram is to a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// Its answer.
    Answer,
    /// Its answer, with an error code.
    Refusal(Rcode),
    /// Not its answer: another id, a query, or no message at all. The right one may still come.
    Other,
}

impl Query {
    /// # Errors
    ///
    /// The name is none that DNS can carry.
    pub(crate) fn new(dns: &Dns) -> Result<Self, String> {
        let refused = |why: &dyn core::fmt::Display| format!("name {} cannot be asked for: {why}", dns.name);
        let name: Name<Vec<u8>> = Name::from_str(&dns.name).map_err(|e| refused(&e))?;
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_rd(true);
        let mut builder = builder.question();
        builder.push((&name, Rtype::from_int(dns.kind.get()), Class::IN)).map_err(|e| refused(&e))?;
        // The first id differs from check to check and from start to start. It need not be a secret: the socket
        // takes datagrams of its peer only, and the peer sees the id.
        let salt = std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), &dns.name);
        let id = AtomicU16::new(u16::try_from(salt & 0xffff).unwrap_or(0));
        Ok(Self { connect: dns.connect.clone(), message: builder.finish(), name: dns.name.clone(), id })
    }

    pub(crate) async fn check(&self, limits: &Deadlines) -> Verdict {
        let work = async {
            let socket = udp::connected(&self.connect)?;
            let id = self.id.fetch_add(1, Ordering::Relaxed);
            let mut message = self.message.clone();
            if let Some(place) = message.first_chunk_mut() {
                *place = id.to_be_bytes();
            }
            let mut datagram = udp::exchange(&socket, &message).await?;
            let mut strangers = 0;
            loop {
                match read(id, &datagram) {
                    Reply::Answer => return Ok(()),
                    Reply::Refusal(code) => {
                        return Err(words::failed(&format!("{code} for {}", words::shown(self.name.as_bytes()))));
                    }
                    Reply::Other if strangers >= MOST_STRANGERS => {
                        return Err(words::failed("many datagrams, and none answers the query"));
                    }
                    Reply::Other => strangers += 1,
                }
                datagram = udp::receive(&socket).await?;
            }
        };
        match limits.step(self.connect.timeout, pin!(work)).await {
            Ok(()) => Verdict::Ok,
            Err(verdict) => verdict,
        }
    }
}

/// So many datagrams that are no answer end a check: late answers to earlier queries come from other ports, so there
/// is no honest reason for even one.
const MOST_STRANGERS: u32 = 16;

/// What a datagram is to the query of that id.
#[must_use]
pub fn read(id: u16, datagram: &[u8]) -> Reply {
    let Ok(message) = Message::from_octets(datagram) else { return Reply::Other };
    let header = message.header();
    if header.id() != id || !header.qr() {
        Reply::Other
    } else if header.rcode() == Rcode::NOERROR {
        Reply::Answer
    } else {
        Reply::Refusal(header.rcode())
    }
}
