//! Waits until the kernel's IPVS table has a server of some weight. Whoever looks at the table of a busy director takes
//! from it what he measures: the text in /proc is made of all servers of a service, and `ipvsadm` is a program to start.
//! So this asks the kernel itself, and only for the servers that fit into its first answer.

use std::io::{self, Read};
use std::net::SocketAddrV4;
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::{Moment, pause};

/// From one look to the next: finer than what is measured, and no work for the kernel.
const LOOK: Duration = Duration::from_millis(3);

/// More than the kernel puts into one answer.
const ANSWER_OCTETS: usize = 64 * 1024;

/// struct nlmsghdr and struct genlmsghdr.
const HEADER_OCTETS: usize = 16 + 4;

/// Of include/uapi/linux/genetlink.h.
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

/// Of include/uapi/linux/ip_vs.h.
const IPVS_CMD_GET_DEST: u8 = 8;
const IPVS_CMD_ATTR_SERVICE: u16 = 1;
const IPVS_CMD_ATTR_DEST: u16 = 2;
const IPVS_SVC_ATTR_AF: u16 = 1;
const IPVS_SVC_ATTR_PROTOCOL: u16 = 2;
const IPVS_SVC_ATTR_ADDR: u16 = 3;
const IPVS_SVC_ATTR_PORT: u16 = 4;
const IPVS_DEST_ATTR_WEIGHT: u16 = 4;

/// The flags of an attribute's kind (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const NLA_FLAGS: u16 = 0xc000;

/// Sends SIGHUP to a process, waits until the servers that the kernel lists first of a TCP service have one of that weight,
/// which are those that were added last, and says the nanoseconds between.
pub(super) fn weigh(pid: i32, service: SocketAddrV4, weight: u32, limit_millis: u64) -> io::Result<()> {
    let family = family()?;
    let begin = Moment::now();
    kill(Pid::from_raw(pid), Signal::SIGHUP)?;
    loop {
        let passed = Moment::now().since(begin);
        if weights(family, &ask(&servers_of(family, service))?).contains(&weight) {
            println!("{} until it was there", passed.as_nanos());
            return Ok(());
        }
        if passed > Duration::from_millis(limit_millis) {
            return Err(io::Error::other(format!("{service} never had a server of weight {weight}")));
        }
        pause(LOOK);
    }
}

/// The first datagram of the kernel's answer. The rest of it is never made: the socket is closed before.
fn ask(question: &[u8]) -> io::Result<Vec<u8>> {
    let mut socket =
        Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(libc::NETLINK_GENERIC)))?;
    socket.send(question)?;
    let mut answer = vec![0; ANSWER_OCTETS];
    let length = socket.read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

/// The number by which the kernel calls IPVS.
fn family() -> io::Result<u16> {
    let name = attribute(CTRL_ATTR_FAMILY_NAME, b"IPVS\0");
    let answer = ask(&message(GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, &name))?;
    let told = attributes(answer.get(HEADER_OCTETS..).unwrap_or_default())
        .find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID)
        .and_then(|(_, value)| Some(u16::from_ne_bytes(*value.first_chunk()?)));
    told.ok_or_else(|| io::Error::other("the kernel has no IPVS"))
}

fn servers_of(family: u16, service: SocketAddrV4) -> Vec<u8> {
    let number = |number: i32| u16::try_from(number).unwrap_or_default().to_ne_bytes();
    // An address takes the room of one of IPv6.
    let mut address = [0; 16];
    address[..4].copy_from_slice(&service.ip().octets());
    let wanted = [
        attribute(IPVS_SVC_ATTR_AF, &number(libc::AF_INET)),
        attribute(IPVS_SVC_ATTR_PROTOCOL, &number(libc::IPPROTO_TCP)),
        attribute(IPVS_SVC_ATTR_ADDR, &address),
        attribute(IPVS_SVC_ATTR_PORT, &service.port().to_be_bytes()),
    ];
    message(family, libc::NLM_F_DUMP, IPVS_CMD_GET_DEST, &attribute(IPVS_CMD_ATTR_SERVICE, &wanted.concat()))
}

fn message(kind: u16, flags: i32, command: u8, attributes: &[u8]) -> Vec<u8> {
    let flags = u16::try_from(libc::NLM_F_REQUEST | flags).unwrap_or_default();
    let length = u32::try_from(HEADER_OCTETS + attributes.len()).unwrap_or_default();
    let numbers = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8], &[command, 1, 0, 0]];
    [&numbers.concat(), attributes].concat()
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or_default();
    let mut octets = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

/// Attributes that lie one after the other: the kind and the value of each.
fn attributes(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*octets.first_chunk()?));
        let kind = u16::from_ne_bytes(*octets.get(2..)?.first_chunk()?) & !NLA_FLAGS;
        let value = octets.get(4..length)?;
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The weights of the servers in a datagram.
fn weights(family: u16, mut datagram: &[u8]) -> Vec<u32> {
    let mut weights = Vec::new();
    while let (Some(length), Some(kind)) = (datagram.first_chunk(), datagram.get(4..6)) {
        let length = usize::try_from(u32::from_ne_bytes(*length)).unwrap_or(usize::MAX);
        let Some(body) = datagram.get(HEADER_OCTETS..length) else { break };
        if kind == family.to_ne_bytes() {
            let server = attributes(body).find(|(kind, _)| *kind == IPVS_CMD_ATTR_DEST);
            let weight =
                server.and_then(|(_, value)| attributes(value).find(|(kind, _)| *kind == IPVS_DEST_ATTR_WEIGHT));
            weights.extend(weight.and_then(|(_, value)| Some(u32::from_ne_bytes(*value.first_chunk()?))));
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPVS: u16 = 0x1a;

    fn server(weight: u32) -> Vec<u8> {
        let port = attribute(2, &80_u16.to_be_bytes());
        let weight = attribute(IPVS_DEST_ATTR_WEIGHT, &weight.to_ne_bytes());
        message(IPVS, libc::NLM_F_MULTI, 5, &attribute(IPVS_CMD_ATTR_DEST | 0x8000, &[port, weight].concat()))
    }

    #[test]
    fn the_weights_of_an_answer_are_those_of_its_servers() {
        assert_eq!(weights(IPVS, &[server(1), server(3)].concat()), [1, 3]);
        // The end of an answer (NLMSG_DONE), an answer that is cut off, and none.
        assert_eq!(weights(IPVS, &[server(7), message(3, 0, 0, &[])].concat()), [7]);
        for nothing in [&server(7)[..30], &[], &[0; 64]] {
            assert_eq!(weights(IPVS, nothing), Vec::<u32>::new());
        }
    }

    #[test]
    fn a_question_is_as_long_as_it_says() {
        let question = servers_of(IPVS, SocketAddrV4::new([172, 16, 0, 1].into(), 80));
        assert_eq!(question.first_chunk(), Some(&u32::try_from(question.len()).expect("short").to_ne_bytes()));
        assert_eq!(question.len() % 4, 0);
    }
}
