//! A configuration on its way to the director: taken in a piece at a time, so that no check waits for twenty thousand servers.
//!
//! It owns how large a piece is, and what the worker itself wants to know of all virtual servers. What a configuration
//! changes is the director's business, and nothing changes before all of it was read.

use standfast_api::{CheckSlice, Generation, Piece, Pieces};
use standfast_lvs::Director;
use standfast_model::Secret;
use standfast_model::config::lvs::VirtualServer;

/// Real servers that one piece has, but for the last virtual server in it: to read and to compare them takes some tenths of
/// a millisecond, and five milliseconds is what a check may be late.
const PIECE: usize = 512;

/// What of all virtual servers concerns the worker itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Site {
    /// How many checks there are.
    pub(super) checkers: usize,
    /// Any service has checks that may rest (`ha_suspend`).
    pub(super) wants_addresses: bool,
}

impl Site {
    /// Of these virtual servers.
    pub(super) fn of(servers: &[VirtualServer]) -> Self {
        let mut site = Self::default();
        site.add(servers);
        site
    }

    fn add(&mut self, servers: &[VirtualServer]) {
        let real_servers = servers.iter().flat_map(|service| &service.real_servers);
        self.checkers += real_servers.map(|server| server.checkers.len()).sum::<usize>();
        self.wants_addresses |= servers.iter().any(|service| service.options.ha_suspend);
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Incoming {
    generation: Generation,
    pieces: Pieces,
    site: Site,
}

/// A configuration whose virtual servers the director has compared with those in force.
#[derive(Debug)]
pub(super) struct Arrived {
    /// All but the virtual servers.
    pub(super) slice: Box<CheckSlice>,
    /// What they come to.
    pub(super) site: Site,
}

/// What came of a piece.
#[derive(Debug)]
pub(super) enum Step {
    More(Incoming),
    Whole(Arrived),
}

impl Incoming {
    /// Of the octets of a slice.
    pub(super) fn new(generation: Generation, octets: Secret) -> Self {
        Self { generation, pieces: Pieces::new(octets), site: Site::default() }
    }

    /// Which edition it is.
    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    /// Takes in one piece.
    ///
    /// # Errors
    ///
    /// What is wrong with the octets, in words: the director has forgotten the pieces before.
    pub(super) fn go_on(self, director: &mut Director) -> Result<Step, String> {
        let Self { generation, pieces, mut site } = self;
        match pieces.next(PIECE) {
            Ok(Piece::Servers(servers, pieces)) => {
                site.add(&servers);
                director.compare(servers);
                Ok(Step::More(Self { generation, pieces, site }))
            }
            Ok(Piece::Rest(slice)) => Ok(Step::Whole(Arrived { slice, site })),
            Err(error) => {
                director.forget_compared();
                Err(error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_api::encode;
    use standfast_lvs::{Event, Output};
    use standfast_model::Instant;
    use standfast_model::config::LvsConfig;
    use standfast_model::config::lvs::RealServer;
    use standfast_model::ipvs::{Family, Forwarding, ServiceKey};

    fn slice(services: u32, last_weight: u32) -> CheckSlice {
        let service = |mark: u32| {
            let weight = if mark == services { last_weight } else { 1 };
            let server = |place: u8| {
                let [_, _, a, b] = mark.to_be_bytes();
                RealServer { weight, ..RealServer::plain(([10, place, a, b], 80).into(), Forwarding::Nat) }
            };
            VirtualServer {
                real_servers: (0..4).map(server).collect(),
                ..VirtualServer::plain(ServiceKey::FirewallMark { mark, family: Family::Inet })
            }
        };
        let lvs = LvsConfig { virtual_servers: (1..=services).map(service).collect(), ..LvsConfig::default() };
        CheckSlice { lvs, ..CheckSlice::default() }
    }

    /// Takes in all of it; answers in how many steps, and what has come.
    fn arrive(octets: Vec<u8>, director: &mut Director) -> (usize, Result<Arrived, String>) {
        let mut incoming = Incoming::new(Generation::FIRST, Secret::new(octets));
        for steps in 1.. {
            match incoming.go_on(director) {
                Ok(Step::More(rest)) => incoming = rest,
                Ok(Step::Whole(arrived)) => return (steps, Ok(arrived)),
                Err(why) => return (steps, Err(why)),
            }
        }
        unreachable!("there is an end")
    }

    fn weights(director: &Director) -> u32 {
        director.status().flat_map(|service| service.servers).map(|server| server.weight).sum()
    }

    #[test]
    fn twenty_thousand_servers_come_in_forty_steps_and_are_in_force_with_the_last() {
        let mut director = Director::new(slice(5000, 1).lvs, 1);
        let mut out = Output::default();
        director.handle(Instant::ZERO, Event::Start, &mut out);
        let (steps, arrived) = arrive(encode(&slice(5000, 3)).unwrap(), &mut director);
        let Arrived { slice, site } = arrived.unwrap();
        assert_eq!((steps, site), (20_000_usize.div_ceil(PIECE) + 1, Site::default()));
        assert_eq!(weights(&director), 20_000, "nothing has changed yet");
        director.handle(Instant::ZERO, Event::Reload(Box::new(slice.lvs)), &mut out);
        assert_eq!(weights(&director), 20_008);
    }

    #[test]
    fn of_octets_that_are_no_slice_nothing_is_left_behind() {
        let mut director = Director::new(slice(2000, 1).lvs, 1);
        let mut octets = encode(&slice(2000, 3)).unwrap();
        octets.truncate(octets.len() - 2);
        assert!(arrive(octets, &mut director).1.is_err());
        let mut out = Output::default();
        director.handle(Instant::ZERO, Event::Start, &mut out);
        director.handle(Instant::ZERO, Event::Reload(Box::new(slice(3, 1).lvs)), &mut out);
        assert_eq!(director.status().count(), 3);
    }
}
