//! Sends IP packets as they are, a number of times a second: the attacker of a LAN. Builds no packet and hears none. The
//! kernel sets the total length and the header checksum of IPv4, and nothing else.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::{Moment, pause};
use crate::frames::Cursor;

/// How often a portion leaves: so often that no portion of a flood overflows a card's queue.
const TICK: Duration = Duration::from_millis(1);

/// Room for the largest portion.
const SEND_QUEUE_BYTES: usize = 8 << 20;

/// A protocol number that says: the header is in the packet.
const RAW: i32 = 255;

/// Sends the packets of the standard input, a line of hexadecimal digits each, one after the other and again from the
/// first: `per_second` of them for `millis` milliseconds. Says at the end how many have left.
pub(super) fn send(card: &str, per_second: u64, millis: u64) -> io::Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let packets = text.lines().map(|line| octets(line).and_then(with_destination)).collect::<io::Result<Vec<_>>>()?;
    let (inet, inet6) = (open(Domain::IPV4, card)?, open(Domain::IPV6, card)?);
    let begin = Moment::now();
    let end = begin.after(Duration::from_millis(millis));
    let (mut due, mut sent, mut refused) = (0, 0u64, 0u64);
    let mut endless = packets.iter().cycle();
    while !packets.is_empty() {
        let now = Moment::now().min(end);
        let wanted = now.since(begin).as_nanos() * u128::from(per_second) / 1_000_000_000;
        for (packet, to) in endless.by_ref().take(usize::try_from(wanted - due).map_err(io::Error::other)?) {
            let socket = if to.is_ipv4() { &inet } else { &inet6 };
            match socket.send_to(packet, &SocketAddr::new(*to, 0).into()) {
                Ok(_) => sent += 1,
                Err(_) => refused += 1,
            }
        }
        due = wanted;
        if now == end {
            break;
        }
        pause(TICK);
    }
    println!("{sent} sent, {refused} refused");
    Ok(())
}

fn open(domain: Domain, card: &str) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(RAW)))?;
    if domain == Domain::IPV4 {
        socket.set_header_included_v4(true)?;
        socket.set_multicast_loop_v4(false)?;
    } else {
        socket.set_header_included_v6(true)?;
    }
    socket.bind_device(Some(card.as_bytes()))?;
    socket.set_send_buffer_size(SEND_QUEUE_BYTES)?;
    Ok(socket)
}

/// A packet, and where its header says that it goes.
fn with_destination(packet: Vec<u8>) -> io::Result<(Vec<u8>, IpAddr)> {
    let mut rest = Cursor(&packet);
    let destination = match packet.first().map(|first| first >> 4) {
        Some(4) => rest.skip(16).and_then(|()| rest.array::<4>()).map(IpAddr::from),
        Some(6) => rest.skip(24).and_then(|()| rest.array::<16>()).map(IpAddr::from),
        Some(_) | None => None,
    };
    match destination {
        Some(destination) => Ok((packet, destination)),
        None => Err(io::Error::other("one of them is no IP packet")),
    }
}

fn octets(digits: &str) -> io::Result<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let octet = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let octets = pairs.map(octet).collect::<Option<Vec<u8>>>();
    octets.ok_or_else(|| io::Error::other(format!("{digits:?} are no hexadecimal digits")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_from_hexadecimal_digits() {
        assert_eq!(octets("00ffA5").unwrap(), [0, 0xff, 0xa5]);
        assert!(octets("0g").is_err());
        assert!(octets("00é").is_err());
        let packet = octets("450000140000000000700000c0000202e0000012").unwrap();
        let (packet, destination) = with_destination(packet).unwrap();
        assert_eq!((packet.len(), destination.to_string().as_str()), (20, "224.0.0.18"));
        assert!(with_destination(vec![0x45, 0]).is_err());
    }
}
