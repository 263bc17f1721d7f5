//! What directors tell each other every second (`peer`): a small datagram, signed with HMAC-SHA256 (RFC 2104, FIPS 180-4)
//! under a key that all of them know.
//!
//! In network order: the magic octets, the sender's nonce (chosen anew at each start), a sequence number that only grows
//! under that nonce, the nonce by which the receiver knows what is fresh (as the sender heard it last), what is said,
//! and the signature over all of it. Nothing in it is a time of day, so clocks that are set do not matter.
//!
//! A datagram stands for itself: more instances than fit are told in several, each of which is complete.
//!
//! It signs and verifies and keeps no state: what is fresh is decided by who remembers nonces.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use standfast_model::State;
use standfast_model::ipvs::Family;

/// A number that nobody can guess.
pub type Nonce = [u8; 16];

/// The longest datagram: it fits any link of IPv6 in one piece.
pub const MAX_LEN: usize = 1232;

/// The longest name that is told, in octets; longer ones are cut.
pub const MAX_NAME: usize = 64;

const MAGIC: [u8; 4] = *b"SFX1";

const HEADER_LEN: usize = 4 + 16 + 8 + 16;

const MAC_LEN: usize = 32;

/// Octets of [`Told`] beside its name, with the length of that.
const TOLD_LEN: usize = 24;

/// What goes from one director to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// The sender's, since its start.
    pub nonce: Nonce,
    /// Grows with each datagram under that nonce.
    pub sequence: u64,
    /// The receiver's challenge, as the sender heard it last; zeros before.
    pub echo: Nonce,
    /// What the receiver is to echo.
    pub challenge: Nonce,
    /// What the sender calls itself, at most [`MAX_NAME`] octets.
    pub name: String,
    /// Its release, at most [`MAX_NAME`] octets.
    pub version: String,
    /// Some of its virtual routers.
    pub instances: Vec<Told>,
}

/// A virtual router as a director tells of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The `vrrp_instance`, at most [`MAX_NAME`] octets.
    pub name: String,
    /// The virtual router id.
    pub vrid: u8,
    /// The family of its advertisements.
    pub family: Family,
    /// The version of VRRP, 2 or 3.
    pub version: u8,
    /// Its state.
    pub state: State,
    /// The effective priority.
    pub priority: u8,
    /// `auth_type`: 0 none, 1 PASS, 2 AH, 3 `auth_hmac`.
    pub authentication: u8,
    /// `advert_int`, centiseconds.
    pub interval: u16,
    /// How long it has been in that state, milliseconds, at most what fits.
    pub for_ms: u32,
    /// How many addresses it holds as master.
    pub addresses: u16,
    /// [`digest`] of them.
    pub digest: [u8; 8],
}

/// Why octets are no datagram of a peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
pub enum Error {
    /// Shorter than any, or longer than any.
    #[error("length")]
    Length,
    /// Another protocol, or another edition of this one.
    #[error("another protocol or edition")]
    Magic,
    /// Signed with another key, or changed on the way.
    #[error("signature is not that of our key")]
    Signature,
    /// Signed, and not what this edition says.
    #[error("malformed")]
    Malformed,
}

/// The octets with their signature behind them.
#[must_use]
pub fn sign(mut octets: Vec<u8>, key: &[u8]) -> Vec<u8> {
    if let Some(mac) = mac(key, &octets) {
        octets.extend(mac.finalize().into_bytes());
    }
    octets
}

/// The first octets of the SHA-256 of the addresses in this order, one a line.
#[must_use]
pub fn digest(addresses: &[String]) -> [u8; 8] {
    let mut sum = Sha256::new();
    for address in addresses {
        sum.update(address.as_bytes());
        sum.update(b"\n");
    }
    let sum = sum.finalize();
    sum.first_chunk::<8>().copied().unwrap_or_default()
}

/// Cut to what is told of a name, between characters.
#[must_use]
pub fn clipped(name: &str) -> &str {
    let end = (0..=MAX_NAME.min(name.len())).rev().find(|at| name.is_char_boundary(*at));
    name.get(..end.unwrap_or(0)).unwrap_or("")
}

/// The instances in as many pieces as datagrams of this sender need; at least one, which may be empty.
#[must_use]
pub fn pieces(name: &str, version: &str, instances: Vec<Told>) -> Vec<Vec<Told>> {
    let fixed = HEADER_LEN + 16 + 2 + clipped(name).len() + clipped(version).len() + 1 + MAC_LEN;
    let mut pieces = vec![Vec::new()];
    let mut length = fixed;
    for told in instances {
        let more = TOLD_LEN + clipped(&told.name).len();
        match pieces.last_mut() {
            Some(piece) if length + more <= MAX_LEN && piece.len() < usize::from(u8::MAX) => {
                piece.push(told);
                length += more;
            }
            Some(_) | None => {
                pieces.push(vec![told]);
                length = fixed + more;
            }
        }
    }
    pieces
}

impl Datagram {
    /// The octets, signed. Of instances that do not fit ([`pieces`]) the last are left out.
    #[must_use]
    pub fn seal(&self, key: &[u8]) -> Vec<u8> {
        let mut octets = Vec::with_capacity(MAX_LEN);
        octets.extend(MAGIC);
        octets.extend(self.nonce);
        octets.extend(self.sequence.to_be_bytes());
        octets.extend(self.echo);
        octets.extend(self.challenge);
        text(&mut octets, &self.name);
        text(&mut octets, &self.version);
        let count = octets.len();
        octets.push(0);
        let mut told = 0_u8;
        for instance in &self.instances {
            let length = octets.len() + TOLD_LEN + clipped(&instance.name).len() + MAC_LEN;
            if length > MAX_LEN || told == u8::MAX {
                break;
            }
            instance.emit(&mut octets);
            told += 1;
        }
        if let Some(place) = octets.get_mut(count) {
            *place = told;
        }
        sign(octets, key)
    }

    /// What the octets say, if they were signed with this key.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing behind the magic octets is looked at before the signature is right.
    pub fn open(octets: &[u8], key: &[u8]) -> Result<Self, Error> {
        if octets.len() > MAX_LEN {
            return Err(Error::Length);
        }
        let (signed, signature) = octets.split_last_chunk::<MAC_LEN>().ok_or(Error::Length)?;
        if signed.len() < HEADER_LEN {
            return Err(Error::Length);
        }
        if !signed.starts_with(&MAGIC) {
            return Err(Error::Magic);
        }
        if mac(key, signed).is_none_or(|mac| mac.verify_slice(signature).is_err()) {
            return Err(Error::Signature);
        }
        let mut rest = Reader(signed.get(MAGIC.len()..).unwrap_or_default());
        let datagram = Self::parse(&mut rest).ok_or(Error::Malformed)?;
        if rest.0.is_empty() { Ok(datagram) } else { Err(Error::Malformed) }
    }

    fn parse(rest: &mut Reader<'_>) -> Option<Self> {
        let nonce = rest.take()?;
        let sequence = u64::from_be_bytes(rest.take()?);
        let (echo, challenge) = (rest.take()?, rest.take()?);
        let (name, version) = (rest.text()?, rest.text()?);
        let [count] = rest.take()?;
        let instances = (0..count).map(|_| Told::parse(rest)).collect::<Option<Vec<Told>>>()?;
        Some(Self { nonce, sequence, echo, challenge, name, version, instances })
    }
}

impl Told {
    fn emit(&self, octets: &mut Vec<u8>) {
        text(octets, &self.name);
        let family = match self.family {
            Family::Inet => 4,
            Family::Inet6 => 6,
        };
        let state = match self.state {
            State::Init => 0,
            State::Backup => 1,
            State::Master => 2,
            State::Fault => 3,
            State::Stop => 4,
        };
        octets.extend([self.vrid, family, self.version, state, self.priority, self.authentication]);
        octets.extend(self.interval.to_be_bytes());
        octets.extend(self.for_ms.to_be_bytes());
        octets.extend(self.addresses.to_be_bytes());
        octets.extend(self.digest);
        // Room for what a later edition says.
        octets.push(0);
    }

    fn parse(rest: &mut Reader<'_>) -> Option<Self> {
        let name = rest.text()?;
        let [vrid, family, version, state, priority, authentication] = rest.take()?;
        let family = match family {
            4 => Family::Inet,
            6 => Family::Inet6,
            _ => return None,
        };
        let state = match state {
            0 => State::Init,
            1 => State::Backup,
            2 => State::Master,
            3 => State::Fault,
            4 => State::Stop,
            _ => return None,
        };
        let interval = u16::from_be_bytes(rest.take()?);
        let for_ms = u32::from_be_bytes(rest.take()?);
        let addresses = u16::from_be_bytes(rest.take()?);
        let digest = rest.take()?;
        let [_reserved] = rest.take()?;
        Some(Self { name, vrid, family, version, state, priority, authentication, interval, for_ms, addresses, digest })
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn text(&mut self) -> Option<String> {
        let [length] = self.take()?;
        let length = usize::from(length);
        if length > MAX_NAME {
            return None;
        }
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        let text = core::str::from_utf8(text).ok()?;
        // It is printed: nothing in it may move a cursor.
        (!text.chars().any(char::is_control)).then(|| text.to_owned())
    }
}

fn text(octets: &mut Vec<u8>, text: &str) {
    let text = clipped(text);
    octets.push(u8::try_from(text.len()).unwrap_or(0));
    octets.extend(text.as_bytes());
}

fn mac(key: &[u8], octets: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(octets);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn told(name: &str) -> Told {
        Told {
            name: name.to_owned(),
            vrid: 51,
            family: Family::Inet,
            version: 2,
            state: State::Master,
            priority: 150,
            authentication: 1,
            interval: 100,
            for_ms: 1_234,
            addresses: 1,
            digest: digest(&["192.0.2.100/24".to_owned()]),
        }
    }

    fn datagram(instances: Vec<Told>) -> Datagram {
        Datagram {
            nonce: [1; 16],
            sequence: 7,
            echo: [2; 16],
            challenge: [3; 16],
            name: "east".to_owned(),
            version: "0.1.0".to_owned(),
            instances,
        }
    }

    #[test]
    fn what_is_sealed_is_opened_with_the_same_key_and_with_no_other() {
        for instances in [vec![], vec![told("VI_1")], vec![told("VI_1"), told("")]] {
            let datagram = datagram(instances);
            let octets = datagram.seal(KEY);
            assert_eq!(Datagram::open(&octets, KEY), Ok(datagram));
            assert_eq!(Datagram::open(&octets, b"another key of thirty-two octets"), Err(Error::Signature));
        }
    }

    #[test]
    fn an_octet_more_or_less_or_other_is_refused_wherever_it_is() {
        let octets = datagram(vec![told("VI_1")]).seal(KEY);
        for cut in 0..octets.len() {
            assert!(Datagram::open(&octets[..cut], KEY).is_err(), "cut at {cut}");
        }
        for place in 0..octets.len() {
            let mut other = octets.clone();
            other[place] ^= 0x40;
            assert!(Datagram::open(&other, KEY).is_err(), "changed at {place}");
        }
        assert_eq!(Datagram::open(&[octets, vec![0]].concat(), KEY), Err(Error::Signature));
        assert_eq!(Datagram::open(&[0; MAX_LEN + 1], KEY), Err(Error::Length));
        assert_eq!(Datagram::open(&[0; HEADER_LEN + MAC_LEN], KEY), Err(Error::Magic));
    }

    #[test]
    fn signed_nonsense_is_malformed_and_nothing_more() {
        let good = datagram(vec![told("VI_1")]).seal(KEY);
        let signed = &good[..good.len() - MAC_LEN];
        let sealed = |octets: &[u8]| sign(octets.to_vec(), KEY);
        for cut in HEADER_LEN..signed.len() {
            assert_eq!(Datagram::open(&sealed(&signed[..cut]), KEY), Err(Error::Malformed), "cut at {cut}");
        }
        let mut seen = 0;
        for place in HEADER_LEN..signed.len() {
            let mut other = signed.to_vec();
            other[place] = 0xff;
            seen += usize::from(Datagram::open(&sealed(&other), KEY) == Err(Error::Malformed));
        }
        // Lengths, the count, letters, the family and the state; the rest is numbers that may be any.
        assert!(seen > 10, "{seen}");
        assert_eq!(Datagram::open(&sealed(&[signed, &[0]].concat()), KEY), Err(Error::Malformed));
    }

    #[test]
    fn many_instances_are_told_in_datagrams_that_fit_and_none_is_left_out() {
        let long = "x".repeat(200);
        let instances: Vec<Told> = (0..255).map(|at| told(&format!("{at}{long}"))).collect();
        let pieces = pieces(&long, &long, instances.clone());
        assert!(pieces.len() > 10);
        let mut all = Vec::new();
        for piece in pieces {
            let datagram = Datagram { name: long.clone(), version: long.clone(), ..datagram(piece.clone()) };
            let octets = datagram.seal(KEY);
            assert!(octets.len() <= MAX_LEN, "{}", octets.len());
            let opened = Datagram::open(&octets, KEY).unwrap();
            assert_eq!(opened.instances.len(), piece.len());
            all.extend(opened.instances.into_iter().map(|told| told.name));
        }
        let names: Vec<String> = instances.iter().map(|told| clipped(&told.name).to_owned()).collect();
        assert_eq!(all, names);
    }

    #[test]
    fn a_name_is_cut_between_characters() {
        assert_eq!(clipped(&"\u{e9}".repeat(40)).len(), 64);
        assert_eq!(clipped(&format!("x{}", "\u{e9}".repeat(40))).len(), 63);
        assert_eq!(clipped("VI_1"), "VI_1");
    }

    #[test]
    fn other_addresses_have_another_digest() {
        let of = |list: &[&str]| digest(&list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_ne!(of(&["192.0.2.1/24"]), of(&["192.0.2.1/25"]));
        assert_ne!(of(&["1", "23"]), of(&["12", "3"]));
        assert_eq!(of(&["192.0.2.1/24"]), of(&["192.0.2.1/24"]));
    }
}
