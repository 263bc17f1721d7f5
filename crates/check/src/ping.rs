//! `PING_CHECK`: an echo comes back.
//!
//! It owns the echo request and what is an answer to it.

use crate::deadline::Deadlines;
use crate::socket::{self, NoSocket};
use crate::{errno, udp};
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering};
use standfast_lvs::Verdict;
use standfast_model::config::lvs::Connect;
use standfast_wire::checksum::Sum;

/// As much as `ping` sends; long enough that what cuts packets short shows.
const DATA_BYTES: usize = 56;

/// So many packets that are no answer end a check: a raw socket gets all ICMP of the peer, whose rate nobody bounds.
const MOST_STRANGERS: u32 = 1000;

/// Tells the requests of this process apart: it is in their identifier, sequence number and data.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// One echo request, answered within `connect_timeout`.
pub(crate) async fn check(connect: &Connect, limits: &Deadlines) -> Verdict {
    let work = async {
        let (socket, raw) = socket::icmp(connect).map_err(|error| match error {
            NoSocket::Here(inability) => Verdict::Unable(inability),
            NoSocket::Connect(error) => errno::of_connect(&error),
        })?;
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let echo = Echo { ipv4: connect.target.is_ipv4(), raw, mark: count ^ (std::process::id() << 16) };
        let mut packet = udp::exchange(&socket, &echo.request()).await?;
        for _ in 0..MOST_STRANGERS {
            if echo.is_answered_by(&packet) {
                return Ok(());
            }
            packet = udp::receive(&socket).await?;
        }
        Err(crate::words::failed("much ICMP, and no answer to the echo request"))
    };
    match limits.step(connect.timeout, pin!(work)).await {
        Ok(()) => Verdict::Ok,
        Err(verdict) => verdict,
    }
}

/// One request.
#[derive(Clone, Copy, Debug)]
struct Echo {
    ipv4: bool,
    raw: bool,
    mark: u32,
}

impl Echo {
    /// Type, code 0, checksum, identifier, sequence number, data (RFC 792, RFC 4443). The kernel fills in the
    /// identifier on its own kind of sockets, and every checksum but that of a raw IPv4 one.
    fn request(self) -> Vec<u8> {
        let kind = if self.ipv4 { 8 } else { 128 };
        let mut packet = vec![kind, 0, 0, 0];
        packet.extend(self.mark.to_be_bytes());
        packet.extend(self.data());
        let checksum = Sum::new().add_octets(&packet).checksum();
        if let Some(place) = packet.get_mut(2..4) {
            place.copy_from_slice(&checksum.to_be_bytes());
        }
        packet
    }

    fn data(self) -> impl Iterator<Item = u8> {
        self.mark.to_be_bytes().into_iter().cycle().take(DATA_BYTES)
    }

    /// An echo reply with our data and sequence number; on a raw socket with our identifier too.
    fn is_answered_by(self, packet: &[u8]) -> bool {
        let packet = if self.raw && self.ipv4 {
            // A raw IPv4 socket gets the IP header too, whose low four bits of the first byte are its length in words.
            let words = usize::from(packet.first().copied().unwrap_or(0) & 0x0f);
            packet.get(words * 4..).unwrap_or(&[])
        } else {
            packet
        };
        let kind = if self.ipv4 { 0 } else { 129 };
        let [identifier_high, identifier_low, sequence @ ..] = self.mark.to_be_bytes();
        let Some(([got_kind, 0, _, _, high, low, got @ ..], data)) = packet.split_first_chunk::<8>() else {
            return false;
        };
        let mine = !self.raw || (*high, *low) == (identifier_high, identifier_low);
        *got_kind == kind && mine && *got == sequence && data.iter().copied().eq(self.data())
    }
}

#[cfg(test)]
mod tests {
    use super::Echo;

    #[test]
    fn only_the_reply_to_this_request_is_one() {
        let echo = Echo { ipv4: true, raw: true, mark: 0x1234_5678 };
        let mut reply = vec![0x45; 20];
        reply.extend(echo.request());
        assert!(!echo.is_answered_by(&reply), "its own request");
        reply[20] = 0;
        assert!(echo.is_answered_by(&reply));
        let other = Echo { mark: 0x1234_5679, ..echo };
        assert!(!other.is_answered_by(&reply));
        assert!(!Echo { raw: false, ..echo }.is_answered_by(&reply));
        assert!(Echo { raw: false, ..echo }.is_answered_by(&reply[20..]));
        for cut in 0..reply.len() {
            assert!(!echo.is_answered_by(&reply[..cut]));
        }
    }
}
