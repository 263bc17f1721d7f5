//! Listening on a LAN. Every cable's end at the switch is listened to for what its machine sends, so each frame is seen
//! once, with its sender and the kernel's time stamp, however the LAN is split. Owns the listening programs and the
//! format they write; says nothing about what should have been heard.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use crate::clock::{Moment, RealTimeOffset};
use crate::command::Command;
use crate::error::{Error, Result};
use crate::frames::{Advert, Arp, Content, Cursor, Frame, Neighbour};
use crate::lan::Lan;
use crate::process::Process;
use crate::wait::eventually;

/// What is captured unless told: the protocols that tests of a failover read.
const USUAL_FILTER: &str = "vrrp or ah or arp or icmp6";

/// How long a listener may take to start, and to pass on what it has heard.
const LISTEN: Duration = Duration::from_secs(20);

/// Listens to the port `$0` through the filter `$1`. The port of a machine made of namespaces goes with the machine's
/// power and comes back with it: then what was written so far is followed by a second capture.
const LISTENER: &str = r#"
tcpdump -y EN10MB -d "$1" >/dev/null || exit 1
while :; do
  until [ -n "$(ip link show up dev "$0" 2>/dev/null)" ]; do sleep 0.05; done
  tcpdump -i "$0" -Q in -w - -U --immediate-mode -n -s 2048 --time-stamp-precision=nano "$1"
done"#;

/// Something that was seen on a LAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<T> {
    /// When the kernel saw it at the switch.
    pub at: Moment,
    /// The machine that sent it.
    pub from: String,
    /// What it is.
    pub what: T,
}

/// A running capture on a LAN. Dropping it leaves it running until the lab ends.
#[derive(Debug)]
pub struct Capture {
    lan: String,
    offset: RealTimeOffset,
    /// The machine of each listened-to cable, and its listener.
    listeners: Vec<(String, Process)>,
}

impl Lan {
    /// Listens for VRRP, ARP and ICMPv6. Everything that is sent after this returns is seen.
    ///
    /// # Errors
    /// A listener does not start.
    pub fn capture(&self) -> Result<Capture> {
        self.capture_only(USUAL_FILTER)
    }

    /// Listens for what a filter expression of tcpdump lets through.
    ///
    /// # Errors
    /// A listener does not start, for instance because of the filter.
    pub fn capture_only(&self, filter: &str) -> Result<Capture> {
        let offset = RealTimeOffset::measure();
        let mut listeners = Vec::new();
        for (machine, port) in self.ports() {
            let command = Command::from(["/bin/sh", "-c", LISTENER, &port, filter]);
            listeners.push((machine, self.core().start_at_wires(&command)?));
        }
        for (_, listener) in &listeners {
            listener.wait_for("listening on", LISTEN)?;
        }
        Ok(Capture { lan: self.name().to_owned(), offset, listeners })
    }
}

impl Capture {
    /// Every frame so far, in the order of time.
    ///
    /// # Errors
    /// A listener has ended, or writes what is no capture.
    pub fn frames(&self) -> Result<Vec<Seen<Frame>>> {
        let mut frames = Vec::new();
        for (at, from, bytes) in self.records()? {
            frames.extend(Frame::parse(&bytes).map(|what| Seen { at, from, what }));
        }
        Ok(frames)
    }

    /// The moment of a CLOCK_REALTIME stamp, given in nanoseconds of the epoch.
    #[must_use]
    pub const fn moment(&self, realtime_nanos: u64) -> Moment {
        self.offset.moment(realtime_nanos)
    }

    /// The octets of every frame so far, in the order of time.
    ///
    /// # Errors
    /// As [`Self::frames`].
    pub fn octets(&self) -> Result<Vec<Seen<Vec<u8>>>> {
        let records = self.records()?.into_iter();
        Ok(records.map(|(at, from, what)| Seen { at, from, what }).collect())
    }

    /// Every VRRP advertisement so far.
    ///
    /// # Errors
    /// As [`Self::frames`].
    pub fn adverts(&self) -> Result<Vec<Seen<Advert>>> {
        self.select(|content| match content {
            Content::Advert(advert) => Some(advert),
            Content::Arp(_) | Content::Neighbour(_) | Content::Other => None,
        })
    }

    /// Every gratuitous ARP so far.
    ///
    /// # Errors
    /// As [`Self::frames`].
    pub fn gratuitous_arps(&self) -> Result<Vec<Seen<Arp>>> {
        self.select(|content| match content {
            Content::Arp(arp) if arp.is_gratuitous() => Some(arp),
            Content::Arp(_) | Content::Advert(_) | Content::Neighbour(_) | Content::Other => None,
        })
    }

    /// Every unsolicited neighbour advertisement so far.
    ///
    /// # Errors
    /// As [`Self::frames`].
    pub fn unsolicited_neighbours(&self) -> Result<Vec<Seen<Neighbour>>> {
        self.select(|content| match content {
            Content::Neighbour(neighbour) if !neighbour.solicited => Some(neighbour),
            Content::Neighbour(_) | Content::Advert(_) | Content::Arp(_) | Content::Other => None,
        })
    }

    /// Waits for the first advertisement that `matches` and was sent after `after`.
    ///
    /// # Errors
    /// None was sent within `limit`.
    pub fn wait_for_advert(
        &self,
        what: &str,
        after: Moment,
        limit: Duration,
        matches: impl Fn(&Seen<Advert>) -> bool,
    ) -> Result<Seen<Advert>> {
        eventually(&format!("the LAN {} carried {what}", self.lan), limit, || {
            let adverts = self.adverts()?;
            let last = adverts.last().map_or_else(|| "nothing".to_owned(), |seen| format!("{seen:?}"));
            let found = adverts.into_iter().find(|seen| seen.at > after && matches(seen));
            found.ok_or_else(|| Error::agent(&self.lan, format!("the last advertisement was {last}")))
        })
    }

    /// Waits for the first gratuitous ARP for `address` that was sent after `after`.
    ///
    /// # Errors
    /// None was sent within `limit`.
    pub fn wait_for_gratuitous_arp(&self, address: &str, after: Moment, limit: Duration) -> Result<Seen<Arp>> {
        eventually(&format!("{address} was announced on the LAN {}", self.lan), limit, || {
            let announces = |seen: &Seen<Arp>| IpAddr::V4(seen.what.sender_address).to_string() == address;
            let found = self.gratuitous_arps()?.into_iter().find(|seen| seen.at > after && announces(seen));
            found.ok_or_else(|| Error::agent(&self.lan, "no such gratuitous ARP"))
        })
    }

    /// Writes everything so far as one file for Wireshark.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut file = file_header();
        for (at, _, bytes) in self.records()? {
            let nanos = self.offset.realtime(at);
            let word = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
            let length = word(bytes.len() as u64);
            for field in [word(nanos / 1_000_000_000), word(nanos % 1_000_000_000), length, length] {
                file.extend_from_slice(&field);
            }
            file.extend_from_slice(&bytes);
        }
        let path = path.as_ref();
        std::fs::write(path, file).map_err(Error::io(format!("writing {}", path.display())))
    }

    fn select<T>(&self, choose: impl Fn(Content) -> Option<T>) -> Result<Vec<Seen<T>>> {
        let frames = self.frames()?.into_iter();
        Ok(frames.filter_map(|Seen { at, from, what }| Some(Seen { at, from, what: choose(what.content)? })).collect())
    }

    fn records(&self) -> Result<Vec<(Moment, String, Vec<u8>)>> {
        let mut records = Vec::new();
        for (machine, listener) in &self.listeners {
            let broken = |why: String| Error::agent(&self.lan, format!("listening to {machine}: {why}"));
            if !listener.is_running() {
                return Err(broken(listener.log()));
            }
            let written = listener.stdout();
            for (nanos, bytes) in parse(&written).map_err(|why| broken(why.to_owned()))? {
                records.push((self.offset.moment(nanos), machine.clone(), bytes.to_vec()));
            }
        }
        records.sort_by_key(|(at, _, _)| *at);
        Ok(records)
    }
}

/// The magic number of a capture file with nanoseconds, as a little-endian machine writes it.
const MAGIC: u32 = 0xa1b2_3c4d;

/// The type of link "Ethernet" in a capture file.
const ETHERNET: u32 = 1;

fn file_header() -> Vec<u8> {
    let mut header = MAGIC.to_le_bytes().to_vec();
    header.extend_from_slice(&2u16.to_le_bytes());
    header.extend_from_slice(&4u16.to_le_bytes());
    for field in [0, 0, 1 << 18, ETHERNET] {
        header.extend_from_slice(&u32::to_le_bytes(field));
    }
    header
}

/// The records of capture files as tcpdump writes them, one after the other: time stamp in nanoseconds and frame. A
/// record that has not been written to its end is left for later.
fn parse(file: &[u8]) -> std::result::Result<Vec<(u64, &[u8])>, &'static str> {
    let mut rest = Cursor(file);
    let mut records = Vec::new();
    if file.len() >= 4 && !starts_file(rest) {
        return Err("what it wrote is no capture with nanoseconds");
    }
    loop {
        // No record starts like this before the year 2055.
        while starts_file(rest) {
            if rest.skip(file_header().len()).is_none() {
                return Ok(records);
            }
        }
        match next(&mut rest) {
            Some(record) => records.push(record),
            None => return Ok(records),
        }
    }
}

fn starts_file(mut rest: Cursor<'_>) -> bool {
    rest.array().map(u32::from_le_bytes) == Some(MAGIC)
}

fn next<'a>(rest: &mut Cursor<'a>) -> Option<(u64, &'a [u8])> {
    let mut word = || rest.array().map(u32::from_le_bytes);
    let (seconds, nanos, kept, _full) = (word()?, word()?, word()?, word()?);
    let frame = rest.take(usize::try_from(kept).ok()?)?;
    Some((u64::from(seconds) * 1_000_000_000 + u64::from(nanos), frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seconds: u32, nanos: u32, frame: &[u8]) -> Vec<u8> {
        let length = u32::try_from(frame.len()).unwrap();
        let mut bytes: Vec<u8> = [seconds, nanos, length, length].into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.extend_from_slice(frame);
        bytes
    }

    #[test]
    fn records_are_read_in_order_and_an_unfinished_one_waits() {
        let mut file = file_header();
        file.extend(record(3, 7, b"first"));
        file.extend(record(4, 0, b"second"));
        let unfinished = file.len() - 1;
        assert_eq!(
            parse(&file).unwrap(),
            [(3_000_000_007, b"first".as_slice()), (4_000_000_000, b"second".as_slice())]
        );
        assert_eq!(parse(&file[..unfinished]).unwrap().len(), 1);
        assert_eq!(parse(&file[..10]).unwrap(), []);
    }

    #[test]
    fn a_second_capture_after_the_first_is_read_on() {
        let mut file = file_header();
        file.extend(record(3, 7, b"before"));
        file.extend(file_header());
        file.extend(file_header());
        file.extend(record(4, 0, b"after"));
        // Two headers in a row come from a listener that heard nothing.
        let records = parse(&file).unwrap();
        assert_eq!(records, [(3_000_000_007, b"before".as_slice()), (4_000_000_000, b"after".as_slice())]);
    }

    #[test]
    fn what_is_no_capture_is_refused() {
        assert!(parse(&[0; 24]).is_err());
    }
}
