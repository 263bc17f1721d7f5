//! BFD control packets (RFC 5880 4.1): octets to values and back.
//!
//! It owns the octets and the checks that need nothing but them, in the order of RFC 5880 6.8.6. Which session a packet
//! is for, its TTL and what it changes are decided elsewhere. Intervals are microseconds on the wire and [`Duration`]s
//! everywhere else.

use core::time::Duration;
use standfast_model::bfd::{Diagnostic, State};

/// UDP destination port of a session over one hop (RFC 5881 4).
pub const PORT_SINGLE_HOP: u16 = 3784;

/// UDP destination port of a session over several hops (RFC 5883 5).
pub const PORT_MULTIHOP: u16 = 4784;

/// Octets of a packet without authentication, which is all that is sent.
pub const LEN: usize = 24;

/// Octets that a packet with an authentication section has at least.
const LEN_AUTHENTICATED: usize = 26;

const VERSION: u8 = 1;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATED: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

const fn state(octet: u8) -> State {
    match octet >> 6 {
        0 => State::AdminDown,
        1 => State::Down,
        2 => State::Init,
        _ => State::Up,
    }
}

const fn bits(state: State) -> u8 {
    match state {
        State::AdminDown => 0,
        State::Down => 0x40,
        State::Init => 0x80,
        State::Up => 0xc0,
    }
}

/// Why octets are no control packet, or none that anybody may act on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Less than 24 octets came.
    #[error("{have} octets are no control packet")]
    Short {
        /// Octets there.
        have: usize,
    },
    /// Another version.
    #[error("version {0}, expected 1")]
    Version(u8),
    /// A length field below what the packet must have.
    #[error("length field {0} is too small")]
    Length(u8),
    /// A length field above what came.
    #[error("length field {says} in {have} octets")]
    Truncated {
        /// The field.
        says: u8,
        /// Octets there.
        have: usize,
    },
    /// A multiplier of 0, with which a session would end at once.
    #[error("detect multiplier 0")]
    Multiplier,
    /// The bit kept for point to multipoint.
    #[error("multipoint bit set")]
    Multipoint,
    /// The sender's discriminator is 0.
    #[error("my discriminator 0")]
    MyDiscriminator,
    /// It does not know us and says that it is in a state in which it must.
    #[error("your discriminator 0 in state {0}")]
    YourDiscriminator(State),
    /// Authenticated, which no session here is.
    #[error("authentication, none is configured")]
    Authenticated,
}

/// A control packet without authentication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Control {
    /// Why the sender's session left Up.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// It wants an answer at once.
    pub poll: bool,
    /// It is such an answer.
    pub final_: bool,
    /// Its forwarding outlives its control plane.
    pub control_plane_independent: bool,
    /// It asks to be sent nothing periodic while both are up.
    pub demand: bool,
    /// Packets that may be lost before its session counts as lost; never 0.
    pub detect_multiplier: u8,
    /// The sender's name for the session; never 0.
    pub my_discriminator: u32,
    /// The receiver's name for it, 0 if not known.
    pub your_discriminator: u32,
    /// How often the sender wants to send.
    pub desired_min_tx: Duration,
    /// How often it can hear; zero: it wants nothing periodic.
    pub required_min_rx: Duration,
    /// How often it can answer an echo; zero: not at all.
    pub required_min_echo_rx: Duration,
}

impl Control {
    /// Reads a packet. What lies behind its length is ignored: the RFC allows it.
    ///
    /// # Errors
    /// [`Error`], in the order of RFC 5880 6.8.6.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let short = Error::Short { have: payload.len() };
        let octets: &[u8; LEN] = payload.first_chunk().ok_or(short)?;
        let &[first, second, detect_multiplier, length, ref words @ ..] = octets;
        let (words, _) = words.as_chunks::<4>();
        let &[mine, yours, tx, rx, echo] = words else { return Err(short) };
        // REQ: BFD-6.8.6-01
        if first >> 5 != VERSION {
            return Err(Error::Version(first >> 5));
        }
        // REQ: BFD-6.8.6-02
        let authenticated = second & AUTHENTICATED != 0;
        if usize::from(length) < if authenticated { LEN_AUTHENTICATED } else { LEN } {
            return Err(Error::Length(length));
        }
        // REQ: BFD-6.8.6-03
        if usize::from(length) > payload.len() {
            return Err(Error::Truncated { says: length, have: payload.len() });
        }
        // REQ: BFD-6.8.6-04
        if detect_multiplier == 0 {
            return Err(Error::Multiplier);
        }
        // REQ: BFD-6.8.6-05 BFD-4.1-01
        if second & MULTIPOINT != 0 {
            return Err(Error::Multipoint);
        }
        // REQ: BFD-6.8.6-06
        let my_discriminator = u32::from_be_bytes(mine);
        if my_discriminator == 0 {
            return Err(Error::MyDiscriminator);
        }
        // REQ: BFD-6.8.6-08
        let (state, your_discriminator) = (state(second), u32::from_be_bytes(yours));
        if your_discriminator == 0 && matches!(state, State::Init | State::Up) {
            return Err(Error::YourDiscriminator(state));
        }
        // REQ: BFD-6.8.6-10
        if authenticated {
            return Err(Error::Authenticated);
        }
        let micros = |word| Duration::from_micros(u32::from_be_bytes(word).into());
        // Poll and final together, and diagnostics to come, are let pass: BFD-4.1-03.
        Ok(Self {
            diagnostic: Diagnostic::from_low_bits(first),
            state,
            poll: second & POLL != 0,
            final_: second & FINAL != 0,
            control_plane_independent: second & CONTROL_PLANE_INDEPENDENT != 0,
            demand: second & DEMAND != 0,
            detect_multiplier,
            my_discriminator,
            your_discriminator,
            desired_min_tx: micros(tx),
            required_min_rx: micros(rx),
            required_min_echo_rx: micros(echo),
        })
    }

    /// The packet's octets. A span of more than 71 minutes, which 32 bits of microseconds cannot say, is sent as that.
    #[must_use]
    pub fn emit(&self) -> [u8; LEN] {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.poll, POLL)
            | flag(self.final_, FINAL)
            | flag(self.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
            | flag(self.demand, DEMAND);
        let head = [(VERSION << 5) | self.diagnostic.number(), bits(self.state) | flags, self.detect_multiplier, 24];
        let micros = |span: Duration| u32::try_from(span.as_micros()).unwrap_or(u32::MAX);
        let words = [
            self.my_discriminator,
            self.your_discriminator,
            micros(self.desired_min_tx),
            micros(self.required_min_rx),
            micros(self.required_min_echo_rx),
        ];
        let mut octets = [0; LEN];
        let all = head.into_iter().chain(words.into_iter().flat_map(u32::to_be_bytes));
        octets.iter_mut().zip(all).for_each(|(octet, value)| *octet = value);
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn micros(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    /// keepalived 2.2.7's, on its way up with 200 and 50 ms.
    const UP_POLL: &str = "20e00418b3640bfcb3640bfc00030d400000c35000000000";

    // REQ: BFD-6.8.3-02 BFD-6.8.7-06
    #[test]
    fn captured_packets_are_read_and_written_back() {
        let read = Control::parse(&octets(UP_POLL)).unwrap();
        let expected = Control {
            diagnostic: Diagnostic::NONE,
            state: State::Up,
            poll: true,
            final_: false,
            control_plane_independent: false,
            demand: false,
            detect_multiplier: 4,
            my_discriminator: 0xb364_0bfc,
            your_discriminator: 0xb364_0bfc,
            desired_min_tx: micros(200_000),
            required_min_rx: micros(50_000),
            required_min_echo_rx: Duration::ZERO,
        };
        assert_eq!(read, expected);
        for captured in [
            "20400318b3640bfc00000000000f4240000186a000000000",
            "20800318b3640bfcb3640bfc000f4240000186a000000000",
            UP_POLL,
            "20d00318b3640bfcb3640bfc000186a0000186a000000000",
            "2140041836decb3100000000000f42400000c35000000000",
        ] {
            assert_eq!(Control::parse(&octets(captured)).unwrap().emit().to_vec(), octets(captured), "{captured}");
        }
    }

    /// The captured packet with some octets replaced.
    fn with(changes: &[(usize, u8)]) -> Result<Control, Error> {
        let mut packet = octets(UP_POLL);
        changes.iter().for_each(|(at, value)| packet[*at] = *value);
        Control::parse(&packet)
    }

    // REQ: BFD-6.8.6-01 BFD-6.8.6-02 BFD-6.8.6-03 BFD-6.8.6-04 BFD-6.8.6-05 BFD-6.8.6-06 BFD-6.8.6-08 BFD-6.8.6-10
    // REQ: BFD-4.1-01
    #[test]
    fn each_flaw_is_refused_for_its_reason() {
        let no_mine = [(4, 0), (5, 0), (6, 0), (7, 0)];
        let no_yours = [(8, 0), (9, 0), (10, 0), (11, 0)];
        for (changes, reason) in [
            (&[(0, 0x00)][..], Error::Version(0)),
            (&[(0, 0x40)], Error::Version(2)),
            (&[(3, 0)], Error::Length(0)),
            (&[(3, 23)], Error::Length(23)),
            (&[(1, 0xe4), (3, 25)], Error::Length(25)),
            (&[(3, 25)], Error::Truncated { says: 25, have: 24 }),
            (&[(1, 0xe4), (3, 26)], Error::Truncated { says: 26, have: 24 }),
            (&[(2, 0)], Error::Multiplier),
            (&[(1, 0xe1)], Error::Multipoint),
            (&no_mine, Error::MyDiscriminator),
            (&no_yours, Error::YourDiscriminator(State::Up)),
            (&[&no_yours[..], &[(1, 0x80)]].concat(), Error::YourDiscriminator(State::Init)),
        ] {
            assert_eq!(with(changes), Err(reason), "{changes:?}");
        }
        let mut authenticated = octets(UP_POLL);
        authenticated[1] |= AUTHENTICATED;
        authenticated[3] = 26;
        authenticated.extend([1, 2]);
        assert_eq!(Control::parse(&authenticated), Err(Error::Authenticated));
        for have in 0..LEN {
            assert_eq!(Control::parse(&octets(UP_POLL)[..have]), Err(Error::Short { have }));
        }
    }

    // REQ: BFD-4.1-03
    #[test]
    fn what_the_rfc_lets_pass_passes() {
        assert!(with(&[(1, 0xf0)]).is_ok_and(|packet| packet.poll && packet.final_));
        assert!(with(&[(0, 0x3f)]).is_ok_and(|packet| packet.diagnostic.number() == 31));
        let mut longer = octets(UP_POLL);
        longer.extend([0; 40]);
        assert_eq!(Control::parse(&longer), with(&[]));
        let down = [(1, 0x40), (8, 0), (9, 0), (10, 0), (11, 0)];
        assert!(with(&down).is_ok_and(|packet| packet.state == State::Down));
    }
}
