//! The packet filter's table that marks the packets of groups (`nftables_ipvs`): written as the director says, looked at
//! whenever the table of IPVS is, and set right where someone else has changed it.
//!
//! A kernel without nftables leaves the services of groups without packets; that is told, and nothing else stops for it.

use standfast_kernel::nftables::{Inspection, Nftables};
use standfast_lvs::Marking;
use std::os::fd::OwnedFd;
use tracing::{info, warn};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Marker {
    /// Where IPVS is; none is where the process is.
    namespace: Option<OwnedFd>,
    nftables: Option<Nftables>,
    wanted: Option<Marking>,
    /// What the kernel had when it was as wanted: the number of changes of all tables, and ours.
    known: Option<(u32, Inspection)>,
    /// That it cannot be so was told, and is not told again until it can.
    complained: bool,
}

impl Marker {
    /// Marks nothing yet, in the network namespace of IPVS.
    pub(super) fn new(namespace: Option<OwnedFd>) -> Self {
        Self { namespace, ..Self::default() }
    }

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
            let namespace = self.namespace.as_ref().map(OwnedFd::try_clone).transpose();
            self.nftables = Some(namespace.and_then(Nftables::open_in).map_err(|error| error.to_string())?);
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

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sched::{CloneFlags, unshare};
    use standfast_lvs::Marked;
    use standfast_model::ipvs::Protocol;
    use std::process::Command;

    fn nft(line: &str) -> String {
        let done = Command::new("nft").args(line.split(' ')).output().unwrap();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// In a network namespace of the thread alone, which goes with it.
    #[test]
    fn a_table_that_someone_changed_is_set_right_at_the_next_look_and_one_that_nobody_did_is_left_alone() {
        let looks = || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let marked = |host: u8, mark| Marked {
                protocol: Protocol::Tcp,
                port: Some(80),
                first: [192, 0, 2, host].into(),
                last: [192, 0, 2, host + 4].into(),
                mark,
            };
            let marking = Marking {
                table: "marks".to_owned(),
                priority: -1,
                counters: true,
                marked: vec![marked(10, 1000), marked(20, 1001)],
            };
            let mut marker = Marker::default();
            marker.set(marking.clone());
            let (shown, numbered) = (nft("list table ip marks"), nft("-a list table ip marks"));
            marker.look();
            nft("add table ip other");
            marker.look();
            assert_eq!(nft("-a list table ip marks"), numbered, "written again for nothing");
            for change in [
                "flush chain ip marks in",
                "delete element ip marks tcp_map { 192.0.2.10-192.0.2.14 . 80 }",
                "delete table ip marks",
            ] {
                let whole = nft("list ruleset");
                nft(change);
                assert_ne!(nft("list ruleset"), whole, "{change}");
                marker.look();
                assert_eq!(nft("list table ip marks"), shown, "{change}");
            }
            marker.set(Marking { table: "others".to_owned(), ..marking });
            marker.remove("marks");
            marker.look();
            let tables = nft("list tables");
            assert!(!tables.contains("ip marks") && tables.contains("ip others"), "{tables}");
            marker.remove("others");
            marker.look();
            assert_eq!(nft("list tables"), "table ip other\n");
        };
        std::thread::spawn(looks).join().unwrap();
    }
}
