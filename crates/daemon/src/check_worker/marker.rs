//! The packet filter's table that marks the packets of groups (`nftables_ipvs`): written as the director says, looked at
//! whenever the table of IPVS is, and set right where someone else has changed it.
//!
//! A kernel without nftables leaves the services of groups without packets; that is told, and nothing else stops for it.

use standfast_kernel::nftables::{Inspection, Nftables};
use standfast_lvs::Marking;
use tracing::{info, warn};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Marker {
    nftables: Option<Nftables>,
    wanted: Option<Marking>,
    /// What the kernel had when it was as wanted: the number of changes of all tables, and ours.
    known: Option<(u32, Inspection)>,
    /// That it cannot be so was told, and is not told again until it can.
    complained: bool,
}

impl Marker {
    /// Makes the table so, from now on.
    pub(super) fn set(&mut self, marking: Marking) {
        self.wanted = Some(marking);
        self.write();
    }

    /// Removes the tables of that name.
    pub(super) fn remove(&mut self, table: &str) {
        if self.wanted.as_ref().is_some_and(|marking| marking.table == table) {
            self.wanted = None;
            self.known = None;
        }
        let removed = self.open().and_then(|nftables| nftables.remove(table).map_err(|refused| refused.to_string()));
        if let Err(problem) = removed {
            // Without nftables there is no table to be removed.
            if !self.complained {
                warn!("nftables will not remove the table {table}: {problem}");
            }
        }
    }

    /// Looks whether the table is as it should be, and makes it so.
    pub(super) fn look(&mut self) {
        let Some(wanted) = self.wanted.clone() else { return };
        let known = self.known.take();
        let Ok(nftables) = self.open() else { return };
        let now = nftables.generation();
        if let (Ok(now), Some((then, _))) = (&now, &known)
            && now == then
        {
            self.known = known;
            return;
        }
        let found = nftables.inspect(&wanted);
        match (now, found, known) {
            (Ok(now), Ok(found), Some((_, ours))) if found == ours => self.known = Some((now, ours)),
            (_, _, known) => {
                if known.is_some() {
                    info!("nftables table {} was changed by someone else, set right", wanted.table);
                }
                self.write();
            }
        }
    }

    fn open(&mut self) -> Result<&mut Nftables, String> {
        if self.nftables.is_none() {
            self.nftables = Some(Nftables::open().map_err(|error| error.to_string())?);
        }
        self.nftables.as_mut().ok_or_else(String::new)
    }

    fn write(&mut self) {
        let Some(wanted) = self.wanted.clone() else { return };
        self.known = None;
        let written = self.open().and_then(|nftables| {
            nftables.mark(&wanted).map_err(|refused| refused.to_string())?;
            let seen = nftables.generation().and_then(|now| Ok((now, nftables.inspect(&wanted)?)));
            // What cannot be read is written again at the next look, which does no harm.
            Ok(seen.ok())
        });
        match written {
            Ok(known) => {
                self.known = known;
                self.complained = false;
            }
            Err(problem) => {
                if !core::mem::replace(&mut self.complained, true) {
                    warn!("nftables will not mark the packets of groups, which no service gets now: {problem}");
                }
            }
        }
    }
}
