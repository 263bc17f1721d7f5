//! What of the kernel the `vrrp` worker has changed beside its routers' addresses, in a file that outlives the process that
//! wrote it: devices, the packet filter's table, addresses that may be held, and settings with the values they had.
//!
//! Who is killed leaves all of that behind. Its successor takes what its own configuration wants as it is, removes the
//! rest, and gives settings their first values back when it stops, not those that it found. Like the notes of
//! advertisements the file is worth something only in the same boot and the same network namespace. Nothing here touches
//! the kernel.

use crate::stamps;
use ipnet::IpNet;
use rustix::fs::{MemfdFlags, memfd_create};
use standfast_kernel::sysctl::Changed;
use standfast_model::{InterfaceIndex, InterfaceName};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use tracing::warn;

/// The most that is read: a line for each of ten thousand addresses and as many settings, several times over.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The last line: without it the file was not written to its end.
const END: &str = "end";

/// Opens the file, or memory in its place if there is another daemon's or nobody's.
///
/// # Errors
///
/// `EMFILE`, `ENOMEM`: not even memory can be had.
pub fn open_file(path: &Path) -> io::Result<OwnedFd> {
    match stamps::open_locked(path) {
        Ok(file) => Ok(file),
        Err(error) => {
            warn!("{}: {error}; what is changed in the kernel is remembered while the supervisor runs", path.display());
            Ok(memfd_create("standfast-kernel", MemfdFlags::CLOEXEC)?)
        }
    }
}

/// What is ours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Remains {
    /// Devices that were made or taken over.
    pub devices: BTreeMap<InterfaceIndex, InterfaceName>,
    /// The table of the packet filter.
    pub table: Option<String>,
    /// Addresses that the configuration may ask for, held or not.
    pub addresses: BTreeSet<(InterfaceIndex, IpNet)>,
    /// Settings that were changed.
    pub settings: Vec<Changed>,
}

/// The file, and what it says.
#[derive(Debug)]
pub struct Ledger {
    file: Option<File>,
    written: Remains,
    /// A file that cannot be written is said so once.
    complained: bool,
}

impl Ledger {
    /// Takes over the file: what a predecessor left comes back. Without a file everything works but for that.
    #[must_use]
    pub fn take_over(file: Option<OwnedFd>) -> (Self, Remains) {
        let file = file.map(File::from);
        let found = file.as_ref().and_then(|file| read(file).ok().flatten()).unwrap_or_default();
        (Self { file, written: found.clone(), complained: false }, found)
    }

    /// Writes down what is ours now, if that is something else than before.
    pub fn write(&mut self, remains: &Remains) {
        if self.written == *remains {
            return;
        }
        self.written.clone_from(remains);
        let Some(file) = &self.file else { return };
        let outcome = header().and_then(|header| {
            let text = format!("{header}\n{}{END}\n", words(remains));
            file.write_all_at(text.as_bytes(), 0)?;
            file.set_len(text.len() as u64)
        });
        if let Err(error) = outcome
            && !core::mem::replace(&mut self.complained, true)
        {
            warn!("what this node changes cannot be written down, a killed worker would leave it behind: {error}");
        }
    }
}

fn header() -> io::Result<String> {
    let bytes = stamps::header()?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

fn words(remains: &Remains) -> String {
    let devices = remains.devices.iter().map(|(index, name)| format!("device {} {name}\n", index.0));
    let table = remains.table.iter().map(|name| format!("table {name}\n"));
    let addresses = remains.addresses.iter().map(|(index, address)| format!("address {} {address}\n", index.0));
    let settings =
        remains.settings.iter().map(|Changed { path, before, given }| format!("setting {path} {before} {given}\n"));
    devices.chain(table).chain(addresses).chain(settings).collect()
}

fn read(file: &File) -> io::Result<Option<Remains>> {
    let length = file.metadata()?.len().min(MAX_BYTES);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    Ok(text.strip_prefix(&header()?).and_then(parsed))
}

/// None of what is no such text: nothing is touched on its word then.
fn parsed(text: &str) -> Option<Remains> {
    let text = text.strip_prefix('\n')?.strip_suffix('\n')?;
    let mut remains = Remains::default();
    let mut lines = text.lines();
    if lines.next_back()? != END {
        return None;
    }
    for line in lines {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["device", index, name] => {
                remains.devices.insert(InterfaceIndex(index.parse().ok()?), name.parse().ok()?);
            }
            ["table", name] => remains.table = Some((*name).to_owned()),
            ["address", index, address] => {
                remains.addresses.insert((InterfaceIndex(index.parse().ok()?), address.parse().ok()?));
            }
            ["setting", path, before, given] => {
                // What we change is below this, and nothing above it shall ever be written on the word of a file.
                if !path.starts_with("net/") || path.split('/').any(|part| part == "..") {
                    return None;
                }
                let (path, before, given) = ((*path).to_owned(), before.parse().ok()?, given.parse().ok()?);
                remains.settings.push(Changed { path, before, given });
            }
            _ => return None,
        }
    }
    Some(remains)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> OwnedFd {
        memfd_create("test", MemfdFlags::CLOEXEC).unwrap()
    }

    fn example() -> Remains {
        Remains {
            devices: BTreeMap::from([(InterfaceIndex(7), "vrrp.51".parse().unwrap())]),
            table: Some("keepalived".to_owned()),
            addresses: BTreeSet::from([(InterfaceIndex(2), "192.0.2.100/24".parse().unwrap())]),
            settings: vec![Changed { path: "net/ipv4/conf/all/rp_filter".to_owned(), before: 1, given: 0 }],
        }
    }

    #[test]
    fn a_successor_reads_what_was_written_last() {
        let (mut ledger, found) = Ledger::take_over(Some(memory()));
        assert_eq!(found, Remains::default());
        ledger.write(&example());
        let shorter = Remains { addresses: BTreeSet::new(), ..example() };
        ledger.write(&shorter);
        let again = ledger.file.as_ref().unwrap().try_clone().unwrap();
        assert_eq!(Ledger::take_over(Some(again.into())).1, shorter);
        assert_eq!(Ledger::take_over(None).1, Remains::default());
    }

    /// What a full disk is to a file: nothing can be written any more.
    #[test]
    fn a_file_that_takes_nothing_more_is_said_once_and_holds_nothing_up() {
        let file = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::fcntl_add_seals(&file, rustix::fs::SealFlags::GROW | rustix::fs::SealFlags::WRITE).unwrap();
        let (mut ledger, _) = Ledger::take_over(Some(file));
        ledger.write(&example());
        assert!(ledger.complained);
        ledger.write(&Remains::default());
        assert_eq!(ledger.written, Remains::default(), "it goes on with what it knows itself");
    }

    #[test]
    fn what_is_of_another_boot_or_cut_short_or_leads_elsewhere_is_nothing() {
        let (mut ledger, _) = Ledger::take_over(Some(memory()));
        ledger.write(&example());
        let file = ledger.file.as_ref().unwrap();
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let found = |bytes: &[u8]| {
            let file = File::from(memory());
            file.write_all_at(bytes, 0).unwrap();
            Ledger::take_over(Some(file.into())).1
        };
        assert_eq!(found(&bytes), example());
        for length in 0..bytes.len() {
            assert_eq!(found(&bytes[..length]), Remains::default(), "{length} bytes");
        }
        let mut other_boot = bytes.clone();
        other_boot[100] ^= 1;
        assert_eq!(found(&other_boot), Remains::default());
        let text = String::from_utf8(bytes).unwrap();
        for path in ["kernel/core_pattern", "net/../kernel/core_pattern"] {
            let elsewhere = text.replace("net/ipv4/conf/all/rp_filter", path);
            assert_eq!(found(elsewhere.as_bytes()), Remains::default(), "{path}");
        }
    }
}
