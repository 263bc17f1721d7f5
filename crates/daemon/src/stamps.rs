//! When each instance last sent an advertisement, in a file that outlives the process that wrote it.
//!
//! The `vrrp` worker notes the time of every advertisement. Its successor reads the notes, and the core decides by their
//! age whether to adopt what the predecessor held or to listen first. What an operator has handed over stands beside it,
//! so that it stays handed over. The file is in `/run`, so that the notes also outlive a supervisor; they are worth
//! something only in the same boot and the same network namespace, which is written beside them. Nothing here judges an
//! age.

use core::time::Duration;
use rustix::event::{Timespec, poll};
use rustix::fs::{FileType, FlockOperation, MemfdFlags, Mode, OFlags, flock, fstat, memfd_create, open};
use rustix::io::Errno;
use standfast_kernel::timer::boottime;
use standfast_model::Instant;
use standfast_model::config::vrrp::{Instance, InstanceId};
use standfast_model::ipvs::Family;
use standfast_vrrp::Router;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use tracing::warn;

const MAGIC: [u8; 8] = *b"stndfSTP";
const VERSION: u64 = 3;

/// Magic, version, boot id, network namespace; the rest is zero.
const HEADER_BYTES: usize = 64;

/// Interface name, VRID, family, two bytes unused, the sequence number of `auth_type AH`, two times in nanoseconds of
/// `CLOCK_BOOTTIME` (of the last advertisement, and until when it is handed over), 0 for none; the rest is zero, so that
/// no record crosses a page.
const RECORD_BYTES: usize = 64;

/// Where in a record the sequence number is, and behind it the times.
const NOTE_AT: usize = 20;

/// The most that is read: records of 32,000 instances, far beyond what a kernel has sockets for.
const MAX_BYTES: u64 = 2 * 1024 * 1024;

/// Octets of a note: sequence number and times.
const NOTE_BYTES: usize = 20;

type Key = [u8; NOTE_AT];

/// How long the lock is waited for. A second daemon is refused before it comes here, so whoever has the lock was killed
/// and is on its way out: the kernel takes a process's memory first and its files last.
const DYING: Duration = Duration::from_millis(300);

/// How often it is tried meanwhile.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// What is noted of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Note {
    /// When it sent its last advertisement as a master; none if it is none.
    pub sent: Option<Instant>,
    /// The highest sequence number of `auth_type AH`, 0 with any other authentication.
    pub sequence: u32,
    /// Until when it preempts nobody, because an operator had it hand over; the end of time is until it may again.
    pub stands_back: Option<Instant>,
}

impl Note {
    /// What is to be noted of an instance of the router.
    fn of_instance(router: &Router, id: InstanceId) -> Self {
        router.status(id).map_or(Self::default(), |status| Self {
            sent: status.advert_sent,
            sequence: status.sequence.unwrap_or(0),
            stands_back: status.stands_back,
        })
    }

    fn octets(self) -> [u8; NOTE_BYTES] {
        let mut octets = [0; NOTE_BYTES];
        let times = [self.sent, self.stands_back].map(|time| time.map_or(0, Instant::as_nanos).to_le_bytes());
        for (place, octet) in octets.iter_mut().zip(self.sequence.to_le_bytes().iter().chain(times.as_flattened())) {
            *place = *octet;
        }
        octets
    }

    fn of(octets: &[u8; NOTE_BYTES]) -> Option<Self> {
        let (sequence, times) = octets.split_first_chunk::<4>()?;
        let (sent, stands_back) = times.split_first_chunk::<8>()?;
        let time =
            |octets: &[u8; 8]| Some(u64::from_le_bytes(*octets)).filter(|time| *time != 0).map(Instant::from_nanos);
        Some(Self {
            sent: time(sent),
            sequence: u32::from_le_bytes(*sequence),
            stands_back: time(stands_back.first_chunk()?),
        })
    }
}

/// Opens the file, or memory in its place if there is another daemon's or nobody's. Never fails for that: without it, a
/// restart of everything at once listens before it speaks.
///
/// # Errors
///
/// `EMFILE`, `ENOMEM`: not even memory can be had.
pub fn open_file(path: &Path) -> io::Result<OwnedFd> {
    match open_locked(path) {
        Ok(file) => Ok(file),
        Err(error) => {
            warn!("{}: {error}; the times of advertisements are kept in memory only", path.display());
            Ok(memfd_create("standfast-stamps", MemfdFlags::CLOEXEC)?)
        }
    }
}

/// A file of our own, locked for as long as it or a copy of it is open.
pub(crate) fn open_locked(path: &Path) -> io::Result<OwnedFd> {
    if let Some(directory) = path.parent() {
        crate::run_state::make_directory(directory)?;
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = open(path, flags, Mode::from_raw_mode(0o600))?;
    let found = fstat(&file)?;
    // Whoever else could write it could make us master: it must be ours alone.
    let ours = found.st_uid == rustix::process::geteuid().as_raw() && found.st_mode & 0o077 == 0;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_nlink != 1 || !ours {
        return Err(io::Error::other("not a regular file of our own"));
    }
    // The lock belongs to the open file, which the worker has as well: it ends with the last of them.
    let given_up = boottime() + DYING;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) if boottime() < given_up => poll(&mut [], Some(&LOOK_AGAIN)).map(drop)?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// The notes of the running worker.
#[derive(Debug)]
pub struct Stamps {
    file: File,
    /// What is written, by instance, and by what the instance is known.
    written: Vec<(Key, Note)>,
    /// A file that cannot be written is said so once.
    complained: bool,
}

impl Stamps {
    /// Takes over the file: what a predecessor noted for these instances comes back, and room for them is made.
    #[must_use]
    pub fn take_over(file: OwnedFd, instances: &[Instance]) -> (Self, Vec<(InstanceId, Note)>) {
        let mut stamps = Self { file: File::from(file), written: Vec::new(), complained: false };
        let mut found = stamps.read().unwrap_or_default();
        let notes: Vec<Note> =
            instances.iter().map(|instance| found.remove(&key(instance)).unwrap_or_default()).collect();
        let adopted = (0..).map(InstanceId).zip(notes.iter().copied());
        let adopted = adopted.filter(|(_, note)| *note != Note::default()).collect();
        stamps.lay_out(instances, notes);
        (stamps, adopted)
    }

    /// The instances are others from now on. Those that were there before keep their notes; who is to go is a master no
    /// more, and what it says about that comes after this.
    pub fn renumber(&mut self, instances: &[Instance]) {
        let before: BTreeMap<Key, Note> = core::mem::take(&mut self.written).into_iter().collect();
        let notes = instances.iter().map(|instance| before.get(&key(instance)).copied().unwrap_or_default());
        self.lay_out(instances, notes.collect());
    }

    /// Notes how it stands with every instance of the router, which numbers them as the notes do.
    pub fn note_all(&mut self, router: &Router) {
        for id in (0..).map(InstanceId).take(self.written.len()) {
            self.note(id, Note::of_instance(router, id));
        }
    }

    /// Notes how it stands with an instance. What is written already costs nothing.
    pub fn note(&mut self, id: InstanceId, note: Note) {
        let Some(index) = usize::try_from(id.0).ok() else { return };
        let Some((_, written)) = self.written.get_mut(index).filter(|(_, written)| *written != note) else { return };
        *written = note;
        let at = HEADER_BYTES + index * RECORD_BYTES + NOTE_AT;
        let outcome = self.file.write_all_at(&note.octets(), at as u64);
        self.complain(outcome);
    }

    /// Written in one piece. A process killed in the middle of it leaves records that are whole each, for they do not
    /// cross a page, and its successor then adopts some and listens for others.
    fn lay_out(&mut self, instances: &[Instance], notes: Vec<Note>) {
        let mut bytes = header().unwrap_or([0; HEADER_BYTES]).to_vec();
        self.written = instances.iter().map(key).zip(notes).collect();
        for (key, note) in &self.written {
            bytes.extend(key);
            bytes.extend(note.octets());
            bytes.resize(bytes.len().next_multiple_of(RECORD_BYTES), 0);
        }
        let outcome = self.file.write_all_at(&bytes, 0).and_then(|()| self.file.set_len(bytes.len() as u64));
        self.complain(outcome);
    }

    fn complain(&mut self, outcome: io::Result<()>) {
        if let Err(error) = outcome
            && !core::mem::replace(&mut self.complained, true)
        {
            warn!("times of advertisements cannot be kept, a successor will listen first: {error}");
        }
    }

    /// What is noted of instances in this boot and this network namespace.
    fn read(&self) -> io::Result<BTreeMap<Key, Note>> {
        let length = self.file.metadata()?.len().min(MAX_BYTES);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, 0)?;
        let expected = header()?;
        let Some((found, records)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Ok(BTreeMap::new()) };
        if *found != expected {
            return Ok(BTreeMap::new());
        }
        let records = records.as_chunks::<RECORD_BYTES>().0;
        Ok(records.iter().filter_map(parted).collect())
    }
}

fn parted(record: &[u8; RECORD_BYTES]) -> Option<(Key, Note)> {
    let (key, note) = record.split_first_chunk::<NOTE_AT>()?;
    Some((*key, Note::of(note.first_chunk()?)?))
}

/// By what other routers know an instance: its name may change.
fn key(instance: &Instance) -> Key {
    let mut key = [0; NOTE_AT];
    // A name has at most 15 bytes.
    for (place, byte) in key.iter_mut().zip(instance.interface.as_str().bytes().take(15)) {
        *place = byte;
    }
    let family = match instance.family {
        Family::Inet => 4,
        Family::Inet6 => 6,
    };
    if let Some(place) = key.get_mut(16..18) {
        place.copy_from_slice(&[instance.vrid.get(), family]);
    }
    key
}

/// What must be the same for the notes to mean anything: our format, the boot, the network namespace.
pub(crate) fn header() -> io::Result<[u8; HEADER_BYTES]> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let namespace = std::fs::metadata("/proc/self/ns/net")?.ino();
    let boot: Vec<u8> = boot.bytes().filter(u8::is_ascii_hexdigit).take(32).collect();
    let parts = [&MAGIC[..], &VERSION.to_le_bytes(), &namespace.to_le_bytes(), &boot];
    let mut header = [0; HEADER_BYTES];
    for (place, byte) in header.iter_mut().zip(parts.concat()) {
        *place = byte;
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_conf::host::Memory;

    fn instances(text: &str) -> Vec<Instance> {
        let path = Path::new("/k");
        let host = Memory::new().file(path, text).with_interface("eth0").with_interface("eth1");
        standfast_conf::load(&host, path, &standfast_conf::Options::default()).config.unwrap().vrrp.instances
    }

    fn instance(name: &str, interface: &str, vrid: u8) -> String {
        format!(
            "vrrp_instance {name} {{\n interface {interface}\n virtual_router_id {vrid}\n virtual_ipaddress {{\n \
             192.0.2.{vrid}\n }}\n}}\n"
        )
    }

    fn reopened(stamps: &Stamps) -> OwnedFd {
        stamps.file.try_clone().unwrap().into()
    }

    fn at(seconds: u64) -> Note {
        Note { sent: Some(Instant::from_nanos(seconds * 1_000_000_000)), ..Note::default() }
    }

    #[test]
    fn a_successor_reads_what_was_noted_for_the_same_virtual_router_whatever_its_name_and_place() {
        let before =
            instances(&[instance("A", "eth0", 1), instance("B", "eth0", 2), instance("C", "eth1", 1)].concat());
        let memory = memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
        let (mut stamps, adopted) = Stamps::take_over(memory, &before);
        assert_eq!(adopted, [], "nothing was ever noted");
        for (id, time) in [(0, at(5)), (1, at(6)), (2, Note { sequence: 70_000, ..at(7) }), (1, Note::default())] {
            stamps.note(InstanceId(id), time);
        }
        let after = instances(&[instance("X", "eth1", 1), instance("Y", "eth0", 3), instance("Z", "eth0", 1)].concat());
        let (_, adopted) = Stamps::take_over(reopened(&stamps), &after);
        assert_eq!(adopted, [(InstanceId(0), Note { sequence: 70_000, ..at(7) }), (InstanceId(2), at(5))]);
        // What was not taken over is gone for good.
        let (_, adopted) = Stamps::take_over(reopened(&stamps), &before);
        assert_eq!(adopted, [(InstanceId(0), at(5)), (InstanceId(2), Note { sequence: 70_000, ..at(7) })]);
    }

    #[test]
    fn a_reload_leaves_every_note_with_its_virtual_router_and_none_of_who_is_to_go() {
        let before = instances(&[instance("A", "eth0", 1), instance("B", "eth0", 2)].concat());
        let (mut stamps, _) = Stamps::take_over(memfd_create("test", MemfdFlags::CLOEXEC).unwrap(), &before);
        let handed_over = Note { stands_back: Some(Instant::from_nanos(u64::MAX)), sequence: 9, sent: None };
        stamps.note(InstanceId(0), at(5));
        stamps.note(InstanceId(1), handed_over);
        let after = instances(&[instance("C", "eth1", 7), instance("B", "eth0", 2)].concat());
        stamps.renumber(&after);
        let (_, adopted) = Stamps::take_over(reopened(&stamps), &after);
        assert_eq!(adopted, [(InstanceId(1), handed_over)]);
        let (_, adopted) = Stamps::take_over(reopened(&stamps), &before);
        assert_eq!(adopted, [(InstanceId(1), handed_over)], "the one that went is a master no more");
    }

    #[test]
    fn notes_of_another_boot_or_another_network_namespace_or_of_no_form_are_nothing() {
        let ours = instances(&instance("A", "eth0", 1));
        let (mut stamps, _) = Stamps::take_over(memfd_create("test", MemfdFlags::CLOEXEC).unwrap(), &ours);
        stamps.note(InstanceId(0), at(5));
        let mut good = vec![0; HEADER_BYTES + RECORD_BYTES];
        stamps.file.read_exact_at(&mut good, 0).unwrap();
        let adopted_of = |bytes: &[u8]| {
            let file = File::from(memfd_create("test", MemfdFlags::CLOEXEC).unwrap());
            file.write_all_at(bytes, 0).unwrap();
            Stamps::take_over(file.into(), &ours).1
        };
        assert_eq!(adopted_of(&good), [(InstanceId(0), at(5))]);
        // Magic, version, namespace, boot id, interface, VRID.
        for index in [0, 8, 16, 24, 55, 64, 80] {
            let mut bad = good.clone();
            bad[index] ^= 1;
            assert_eq!(adopted_of(&bad), [], "byte {index}");
        }
        for length in 0..good.len() {
            assert_eq!(adopted_of(&good[..length]), [], "{length} bytes");
        }
    }

    #[test]
    fn a_file_that_takes_nothing_more_is_said_once_and_holds_nothing_up() {
        let ours = instances(&instance("A", "eth0", 1));
        let file = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::fcntl_add_seals(&file, rustix::fs::SealFlags::GROW | rustix::fs::SealFlags::WRITE).unwrap();
        let (stamps, adopted) = Stamps::take_over(file, &ours);
        assert!(adopted.is_empty() && stamps.complained);
    }

    #[test]
    fn the_lock_of_a_killed_predecessor_that_is_still_on_its_way_out_is_waited_for() {
        let path = std::env::temp_dir().join(format!("standfast-lock-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let file = path.join("stamps");
        let held = open_locked(&file).unwrap();
        let dying = std::thread::spawn(move || {
            poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 50_000_000 })).unwrap();
            drop(held);
        });
        assert!(open_locked(&file).is_ok());
        dying.join().unwrap();
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_file_that_is_not_ours_alone_is_not_used_and_one_daemon_uses_it_at_a_time() {
        let directory = std::env::temp_dir().join(format!("standfast-stamps-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("stamps");
        let first = open_locked(&path).unwrap();
        assert!(open_locked(&path).is_err(), "locked");
        drop(first);
        assert!(open_locked(&path).is_ok());
        std::os::unix::fs::symlink(&path, directory.join("link")).unwrap();
        assert!(open_locked(&directory.join("link")).is_err());
        let mode = |mode| {
            let permissions = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(mode);
            std::fs::set_permissions(&path, permissions).unwrap();
        };
        mode(0o620);
        assert!(open_locked(&path).is_err(), "others may write it");
        mode(0o600);
        std::fs::hard_link(&path, directory.join("second")).unwrap();
        assert!(open_locked(&path).is_err(), "it has another name");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
