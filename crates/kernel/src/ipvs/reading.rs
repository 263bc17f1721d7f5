//! The whole table, read a piece at a time.
//!
//! A reader has a socket of its own, so what is written between two pieces does not get in its way. It decides neither
//! when the table is read nor what follows. What changes while it reads may be in what it has read, or not.

use super::Ipvs;
use super::decode::{decode_destination, decode_service};
use super::encode::Builder;
use super::names::Command;
use crate::netlink::{Channel, Refused};
use standfast_lvs::{Entry, Table};
use standfast_model::config::global::NetlinkBuffer;
use standfast_model::ipvs::{Destination, Service};
use std::collections::VecDeque;
use std::io;

/// What a piece costs at most, in rows: a datagram of a dump is counted as one, and so is each service and destination in
/// it. A row takes some microseconds, and the kernel puts at most some 150 into a datagram, so a piece takes about a
/// millisecond, however many servers a service has.
pub const ROWS_PER_PIECE: usize = 128;

/// See the module.
#[derive(Debug)]
pub struct Reader {
    channel: Channel,
    builder: Builder,
    stage: Stage,
    /// Services whose destinations have not been asked for.
    waiting: VecDeque<Service>,
    /// Those of the service that is being read.
    destinations: Vec<Destination>,
    table: Table,
}

/// What is being read.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Stage {
    Nothing,
    Services,
    /// Those of this service.
    Destinations(Service),
    /// The next of those that wait.
    Next,
}

impl Ipvs {
    /// A reader of the same table.
    ///
    /// # Errors
    ///
    /// No socket is left, or the network namespace may not be entered any more.
    pub fn reader(&self) -> io::Result<Reader> {
        Ok(Reader {
            channel: self.channel.another()?,
            builder: self.builder,
            stage: Stage::Nothing,
            waiting: VecDeque::new(),
            destinations: Vec::new(),
            table: Table::default(),
        })
    }
}

impl Reader {
    /// Gives the receive queue that size (`lvs_netlink_cmd_rcv_bufs`).
    ///
    /// # Errors
    ///
    /// As [`Ipvs::set_queue`].
    pub fn set_queue(&mut self, queue: NetlinkBuffer) -> io::Result<()> {
        self.channel.set_queue(queue)
    }

    /// Begins to read. What was being read is given up.
    ///
    /// # Errors
    ///
    /// As [`Ipvs::dump`].
    pub fn begin(&mut self) -> Result<(), Refused> {
        self.waiting.clear();
        self.destinations = Vec::new();
        self.table = Table::default();
        self.stage = Stage::Nothing;
        self.channel.dump_begin(&self.builder.plain(Command::GetService))?;
        self.stage = Stage::Services;
        Ok(())
    }

    /// Reads a piece: at most one datagram beyond [`ROWS_PER_PIECE`]. Some with the whole table when nothing is left to
    /// read; none while there is more. What no configuration could have made is left out.
    ///
    /// # Errors
    ///
    /// As [`Ipvs::dump`]. Nothing is being read then.
    pub fn read_on(&mut self) -> Result<Option<Table>, Refused> {
        let outcome = self.read_piece();
        if outcome.is_err() {
            self.stage = Stage::Nothing;
        }
        outcome
    }

    fn read_piece(&mut self) -> Result<Option<Table>, Refused> {
        let mut rows = 0;
        while rows < ROWS_PER_PIECE {
            match core::mem::replace(&mut self.stage, Stage::Nothing) {
                Stage::Nothing => return Ok(None),
                Stage::Services => rows += self.read_services()?,
                Stage::Destinations(service) => rows += self.read_destinations(service)?,
                Stage::Next => match self.waiting.pop_front() {
                    Some(service) => self.ask_for_destinations(service)?,
                    None => {
                        // Nothing waits for the next reading with room that it may not need.
                        self.waiting = VecDeque::new();
                        return Ok(Some(core::mem::take(&mut self.table)));
                    }
                },
            }
        }
        Ok(None)
    }

    fn read_services(&mut self) -> Result<usize, Refused> {
        let (rows, ended) = self.channel.dump_on()?;
        self.waiting.extend(rows.iter().filter_map(|(_, payload)| decode_service(payload)).map(|(service, _)| service));
        self.stage = if ended { Stage::Next } else { Stage::Services };
        Ok(1 + rows.len())
    }

    /// Of a service that has vanished meanwhile the kernel says that it has no destination.
    fn ask_for_destinations(&mut self, service: Service) -> Result<(), Refused> {
        self.channel.dump_begin(&self.builder.destinations_of(&service.key))?;
        self.stage = Stage::Destinations(service);
        Ok(())
    }

    fn read_destinations(&mut self, service: Service) -> Result<usize, Refused> {
        let (rows, ended) = self.channel.dump_on()?;
        let found = rows.iter().filter_map(|(_, payload)| decode_destination(payload, service.key.family()));
        self.destinations.extend(found.map(|(destination, _)| destination));
        self.stage = if ended {
            let destinations = core::mem::take(&mut self.destinations).into_iter().collect();
            self.table.services.insert(service.key, Entry { service, destinations }.into());
            Stage::Next
        } else {
            Stage::Destinations(service)
        };
        Ok(1 + rows.len())
    }
}
