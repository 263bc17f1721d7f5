//! The slice of the `check` worker, read a piece at a time: a worker that checks has no time for twenty thousand servers at
//! once.
//!
//! It owns no form of its own: the octets are those of [`CheckSlice`], whose fields it reads one behind the other.

use crate::code::{self, DecodeError};
use crate::slice::CheckSlice;
use serde::de::DeserializeOwned;
use standfast_model::Secret;
use standfast_model::config::LvsConfig;
use standfast_model::config::global::Global;
use standfast_model::config::lvs::VirtualServer;

/// Octets of a [`CheckSlice`] of which some were read.
#[derive(Debug)]
pub struct Pieces {
    octets: Secret,
    /// So many of them were read.
    at: usize,
    /// What stands in front of the virtual servers, once it was read, and how many of these are left.
    begun: Option<(Box<Global>, u64)>,
}

/// What is read next.
#[derive(Debug)]
pub enum Piece {
    /// Virtual servers, in their order, and what is left.
    Servers(Vec<VirtualServer>, Pieces),
    /// All the rest: the slice without virtual servers.
    Rest(Box<CheckSlice>),
}

impl Pieces {
    /// Nothing was read of these octets.
    #[must_use]
    pub const fn new(octets: Secret) -> Self {
        Self { octets, at: 0, begun: None }
    }

    /// Reads virtual servers until they have so many real servers together, or are all; when there are no more, the rest.
    ///
    /// # Errors
    ///
    /// As [`code::decode`]; what was read before is good.
    pub fn next(mut self, real_servers: usize) -> Result<Piece, DecodeError> {
        let (global, mut left) = match self.begun.take() {
            Some(begun) => begun,
            None => {
                self.at = code::check_version(self.octets.octets())?;
                (Box::new(self.read()?), self.read()?)
            }
        };
        let (mut servers, mut read) = (Vec::new(), 0);
        while left > 0 && read < real_servers.max(1) {
            let server: VirtualServer = self.read()?;
            // One without any is work as well.
            read += server.real_servers.len().max(1);
            left -= 1;
            servers.push(server);
        }
        if !servers.is_empty() {
            self.begun = Some((global, left));
            return Ok(Piece::Servers(servers, self));
        }
        let lvs = LvsConfig { virtual_servers: servers, common: self.read()? };
        let slice = CheckSlice { global: *global, lvs, witnesses: self.read()? };
        match self.octets.octets().len() - self.at {
            0 => Ok(Piece::Rest(Box::new(slice))),
            bytes => Err(DecodeError::Trailing { bytes }),
        }
    }

    fn read<T: DeserializeOwned>(&mut self) -> Result<T, DecodeError> {
        let octets = self.octets.octets().get(self.at..).unwrap_or_default();
        let (value, rest) = postcard::take_from_bytes(octets).map_err(DecodeError::Malformed)?;
        self.at += octets.len() - rest.len();
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, encode};
    use proptest::prelude::*;
    use standfast_model::config::lvs::{LvsCommon, RealServer};
    use standfast_model::config::witness::Witness;
    use standfast_model::ipvs::{Family, Forwarding, ServiceKey};

    fn slice(pools: &[u32]) -> CheckSlice {
        let server = |number: u32| RealServer::plain((number.to_be_bytes(), 80).into(), Forwarding::Nat);
        let service = |(mark, servers): (u32, &u32)| VirtualServer {
            real_servers: (0..*servers).map(server).collect(),
            ..VirtualServer::plain(ServiceKey::FirewallMark { mark, family: Family::Inet })
        };
        let virtual_servers = (1..).zip(pools).map(service).collect();
        let common = LvsCommon { share_checks: true, ..LvsCommon::default() };
        let global = Global { router_id: Some("a".to_owned()), ..Global::default() };
        CheckSlice { global, lvs: LvsConfig { virtual_servers, common }, witnesses: Vec::<Witness>::new() }
    }

    /// How many real servers each piece has, and the slice that all of them make.
    fn read(octets: &[u8], real_servers: usize) -> Result<(Vec<usize>, CheckSlice), DecodeError> {
        let (mut pieces, mut sizes, mut all) = (Pieces::new(Secret::new(octets.to_vec())), Vec::new(), Vec::new());
        loop {
            match pieces.next(real_servers)? {
                Piece::Servers(servers, rest) => {
                    sizes.push(servers.iter().map(|server| server.real_servers.len()).sum());
                    all.extend(servers);
                    pieces = rest;
                }
                Piece::Rest(mut slice) => {
                    assert_eq!(slice.lvs.virtual_servers, Vec::new());
                    slice.lvs.virtual_servers = all;
                    return Ok((sizes, *slice));
                }
            }
        }
    }

    #[test]
    fn a_piece_ends_with_the_service_that_fills_it() {
        let sizes = |pools: &[u32], most| read(&encode(&slice(pools)).unwrap(), most).unwrap().0;
        assert_eq!(sizes(&[4; 5], 8), [8, 8, 4]);
        assert_eq!(sizes(&[3, 20, 1, 1], 4), [23, 2]);
        assert_eq!(sizes(&[0; 3], 2), [0, 0]);
        assert_eq!(sizes(&[1, 1], 0), [1, 1]);
        assert_eq!(sizes(&[], 4), [0_usize; 0]);
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_whole_and_of_broken_octets_what_the_whole_is(
            pools in prop::collection::vec(0..4_u32, 0..6),
            most in 0..9_usize,
            broken in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut octets = encode(&slice(&pools)).unwrap();
            if let Some((at, octet)) = broken {
                let at = at.index(octets.len());
                octets[at] = octet;
            }
            if let Some(cut) = cut {
                octets.truncate(cut.index(octets.len()));
            }
            let whole = decode::<CheckSlice>(&octets);
            let pieces = read(&octets, most).map(|(_, slice)| slice);
            prop_assert_eq!(pieces.is_ok(), whole.is_ok(), "{:?} {:?}", pieces, whole);
            if let (Ok(pieces), Ok(whole)) = (pieces, whole) {
                prop_assert_eq!(pieces, whole);
            }
        }
    }
}
