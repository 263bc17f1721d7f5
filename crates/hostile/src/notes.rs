//! What a killed daemon, or somebody else, has left in the files of `/run/standfast`.

use crate::kept::CONFIG;
use crate::processes::text_comes_back;
use rustix::fs::{MemfdFlags, memfd_create};
use standfast_daemon::remains::{Ledger, Remains};
use standfast_daemon::stamps::{Note, Stamps};
use standfast_daemon::succession::Legacy;
use standfast_daemon::verdicts::Verdicts;
use standfast_model::config::vrrp::{Instance, InstanceId};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::LazyLock;

/// The head of a file of this boot and this network namespace, which chance would not find.
static STAMPS_HEAD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let file = file(&[]);
    let _ = Stamps::take_over(again(&file), &[]);
    content(&file)
});
static REMAINS_HEAD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let file = file(&[]);
    let (mut ledger, _) = Ledger::take_over(Some(again(&file)));
    ledger.write(&Remains { table: Some("t".to_owned()), ..Remains::default() });
    let text = content(&file);
    let end = text.iter().position(|octet| *octet == b'\n').expect("a line");
    text[..=end].to_vec()
});

fn file(octets: &[u8]) -> File {
    let file = File::from(memfd_create("hostile", MemfdFlags::CLOEXEC).expect("memory"));
    file.write_all_at(octets, 0).expect("memory");
    file
}

fn again(file: &File) -> OwnedFd {
    file.try_clone().expect("a descriptor").into()
}

fn content(file: &File) -> Vec<u8> {
    let length = file.metadata().expect("its length").len();
    let mut octets = vec![0; usize::try_from(length).expect("a short file")];
    file.read_exact_at(&mut octets, 0).expect("its octets");
    octets
}

/// The times of advertisements, with and without a head that fits: what is taken over is of instances that there are,
/// and there for the next one as well.
pub fn stamps(octets: &[u8]) {
    let instances: &[Instance] = &CONFIG.vrrp.instances;
    assert_eq!(Stamps::take_over(again(&file(octets)), instances).1.len(), 0, "nobody knows the boot");
    let file = file(&[&STAMPS_HEAD[..], octets].concat());
    let (stamps, found) = Stamps::take_over(again(&file), instances);
    assert!(
        found
            .iter()
            .all(|(id, note)| usize::try_from(id.0).is_ok_and(|id| id < instances.len()) && *note != Note::default())
    );
    drop(stamps);
    let (mut stamps, once_more) = Stamps::take_over(again(&file), instances);
    assert_eq!(once_more, found);
    stamps.note(InstanceId(u32::MAX), Note::default());
}

/// What of the kernel was changed: what is found is of settings of the network only, and found again when it is
/// written.
pub fn remains(octets: &[u8]) {
    assert_eq!(Ledger::take_over(Some(again(&file(octets)))).1, Remains::default(), "nobody knows the boot");
    let (_, found) = Ledger::take_over(Some(again(&file(&[&REMAINS_HEAD[..], octets].concat()))));
    assert!(found.settings.iter().all(|one| one.path.starts_with("net/") && !one.path.contains("/../")));
    let file = file(&[]);
    let (mut ledger, _) = Ledger::take_over(Some(again(&file)));
    ledger.write(&found);
    assert_eq!(Ledger::take_over(Some(again(&file))).1, found);
}

/// What the `check` worker knew: nothing of it without its sums.
pub fn verdicts(octets: &[u8]) {
    let taken = Verdicts::take_over(file(octets).into()).expect("a boot");
    assert!(taken.1.is_none(), "nobody knows the sums");
}

/// What a daemon hands to the program that takes its place.
pub fn legacy(octets: &[u8]) {
    text_comes_back::<Legacy>(octets);
}
