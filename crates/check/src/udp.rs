//! `UDP_CHECK`: a datagram is not refused, or is answered.
//!
//! It owns what is sent and what an answer must be. Without `require_reply` silence is a success, as in keepalived:
//! only ICMP can say that nobody is there.

use crate::deadline::Deadlines;
use crate::{errno, socket, words};
use core::pin::pin;
use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, recv};
use socket::NoSocket;
use standfast_lvs::{Reason, Verdict};
use standfast_model::config::lvs::Connect;
use standfast_model::config::probe::{Udp, UdpReply};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// What keepalived 2.2.7 was seen to send without `payload`: its text, repeated, 32 bytes of it.
const PAYLOAD: &[u8; 32] = b"keepalived check - keepalived ch";

/// The largest datagram, so that no length of a reply is mistaken for another.
const DATAGRAM_BYTES: usize = 65_535;

/// See the module.
#[derive(Debug)]
pub(crate) struct Datagram {
    connect: Connect,
    payload: Vec<u8>,
    reply: Option<UdpReply>,
}

impl Datagram {
    pub(crate) fn new(udp: &Udp) -> Self {
        let payload = udp.payload.clone().unwrap_or_else(|| PAYLOAD.to_vec());
        Self { connect: udp.connect.clone(), payload, reply: udp.reply.clone() }
    }

    pub(crate) async fn check(&self, limits: &Deadlines) -> Verdict {
        let socket = match connected(&self.connect) {
            Ok(socket) => socket,
            Err(verdict) => return verdict,
        };
        match limits.within(self.connect.timeout, pin!(exchange(&socket, &self.payload))).await {
            None if self.reply.is_none() => Verdict::Ok,
            None => Verdict::Failed(Reason::TimedOut { after: self.connect.timeout }),
            Some(Err(verdict)) => verdict,
            Some(Ok(answer)) => match &self.reply {
                None => Verdict::Ok,
                Some(wanted) => judge(wanted, &answer),
            },
        }
    }
}

/// A socket that hears this peer only.
pub(crate) fn connected(connect: &Connect) -> Result<UdpSocket, Verdict> {
    socket::udp(connect).map_err(|error| match error {
        NoSocket::Here(inability) => Verdict::Unable(inability),
        NoSocket::Connect(error) => errno::of_connect(&error),
    })
}

/// Sends, and waits for a datagram or an ICMP error. The caller bounds it in time.
pub(crate) async fn exchange(socket: &UdpSocket, payload: &[u8]) -> Result<Vec<u8>, Verdict> {
    socket.send(payload).await.map_err(|e| errno::of_connect(&e))?;
    receive(socket).await
}

/// The next datagram. Its buffer lasts for the read only: a check that waits holds none.
pub(crate) async fn receive(socket: &UdpSocket) -> Result<Vec<u8>, Verdict> {
    // What ICMP said makes the socket ready too, and comes out of the read as an error.
    let read = socket.async_io(Interest::READABLE | Interest::ERROR, || {
        let mut datagram = Vec::with_capacity(DATAGRAM_BYTES);
        recv(socket, spare_capacity(&mut datagram), RecvFlags::empty())?;
        datagram.shrink_to_fit();
        Ok(datagram)
    });
    read.await.map_err(|e| errno::of_connect(&e))
}

/// As in keepalived, lengths count only where contents are asked for, and contents are compared as far as both go.
fn judge(wanted: &UdpReply, answer: &[u8]) -> Verdict {
    if wanted.pattern.is_empty() {
        return Verdict::Ok;
    }
    let length = answer.len();
    if length < usize::from(wanted.min_length) || length > usize::from(wanted.max_length) {
        let (least, most) = (wanted.min_length, wanted.max_length);
        return words::failed(&format!("a reply of {length} bytes, wanted {least} to {most}"));
    }
    let differs = wanted.pattern.iter().zip(answer).position(|(byte, got)| (byte.value ^ got) & byte.mask != 0);
    match differs {
        None => Verdict::Ok,
        Some(at) => words::failed(&format!("the reply is not the one wanted, from byte {at} on")),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use standfast_lvs::Verdict;
    use standfast_model::config::probe::{MaskedByte, UdpReply};

    fn wanted(pattern: &[(u8, u8)], min_length: u16, max_length: u16) -> UdpReply {
        let pattern = pattern.iter().map(|(value, mask)| MaskedByte { value: *value, mask: *mask }).collect();
        UdpReply { pattern, min_length, max_length }
    }

    #[test]
    fn contents_count_in_their_masked_bits_and_as_far_as_both_go() {
        let ab = wanted(&[(b'a', 0xff), (0x60, 0xf0)], 0, 255);
        assert_eq!(judge(&ab, b"ab"), Verdict::Ok);
        assert_eq!(judge(&ab, b"ao!"), Verdict::Ok);
        assert_eq!(judge(&ab, b"a"), Verdict::Ok);
        assert_eq!(judge(&ab, b""), Verdict::Ok);
        let Verdict::Failed(reason) = judge(&ab, b"ap") else { unreachable!() };
        assert_eq!(reason.to_string(), "the reply is not the one wanted, from byte 1 on");
    }

    #[test]
    fn lengths_count_only_where_contents_are_asked_for() {
        let pattern = [(b'a', 0xff)];
        assert_eq!(judge(&wanted(&[], 5, 6), b"a"), Verdict::Ok);
        assert_eq!(judge(&wanted(&pattern, 1, 2), b"ab"), Verdict::Ok);
        for bad in [&b""[..], b"abc"] {
            assert!(matches!(judge(&wanted(&pattern, 1, 2), bad), Verdict::Failed(_)));
        }
    }
}
