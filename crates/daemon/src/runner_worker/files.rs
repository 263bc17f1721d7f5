//! Files with a number in them (`track_file`): read at once, and again whenever one was written, replaced or removed.
//!
//! A file system that does not tell of changes made elsewhere is refused, as in keepalived.

use crate::file_watch::{FileWatch, Touched};
use rustix::fs::{Mode, OFlags, fstatfs, open};
use standfast_api::runner::FromRunner;
use standfast_model::config::track::TrackFile;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use tokio::sync::mpsc;
use tracing::warn;

/// What of a file is read (keepalived).
const MAX_BYTES: u64 = 127;

/// `f_type` of file systems on which a change is not seen, or a read may take for ever: NFS, SMB, SMB2, CIFS, FUSE,
/// procfs, sysfs, Ceph, AFS, 9p.
const REFUSED: [u32; 10] =
    [0x6969, 0x517b, 0xfe53_4d42, 0xff53_4d42, 0x6573_5546, 0x9fa0, 0x6265_6572, 0x00c3_6400, 0x5346_414f, 0x0102_1997];

/// Watches files and tells the number in each, until its task is ended.
pub(super) async fn watch(watch: u32, files: Vec<TrackFile>, answers: mpsc::UnboundedSender<FromRunner>) {
    let places = 0..u32::try_from(files.len()).unwrap_or(u32::MAX);
    let mut changes = match FileWatch::new(files.iter().map(|file| Path::new(&file.path))) {
        Ok(changes) => changes,
        Err(error) => {
            warn!("track files are not watched: {error}");
            // Whoever waits for a first number shall not wait for ever.
            places.for_each(|index| drop(answers.send(FromRunner::File { watch, index, value: None })));
            return;
        }
    };
    let mut watcher = Watcher { watch, told: vec![None; files.len()], files, answers };
    watcher.look(&Touched::Any);
    while let Ok(touched) = changes.touched().await {
        watcher.look(&touched);
    }
}

#[derive(Debug)]
struct Watcher {
    watch: u32,
    files: Vec<TrackFile>,
    /// What was last told of each: none is nothing yet.
    told: Vec<Option<Option<i32>>>,
    answers: mpsc::UnboundedSender<FromRunner>,
}

impl Watcher {
    /// Reads these files, or all, and tells of those that say something else than before.
    fn look(&mut self, touched: &Touched) {
        for (index, (file, told)) in (0..).zip(self.files.iter().zip(&mut self.told)) {
            let path = Path::new(&file.path);
            if !touched.includes(path) {
                continue;
            }
            let value = match read(path) {
                Ok(Content::Number(number)) => Some(number),
                Ok(Content::Nothing) => None,
                Ok(Content::TooLarge) => {
                    warn!("track file {}: the number in {} is out of range, ignored", file.name, file.path);
                    match told {
                        Some(_) => continue,
                        None => None,
                    }
                }
                Err(error) => {
                    warn!("track file {}: {}: {error}", file.name, file.path);
                    None
                }
            };
            if *told != Some(value) {
                *told = Some(value);
                let _ = self.answers.send(FromRunner::File { watch: self.watch, index, value });
            }
        }
    }
}

/// What a file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Content {
    Number(i32),
    /// It is missing, empty, or begins with no number.
    Nothing,
    /// More than 32 bits.
    TooLarge,
}

fn read(path: &Path) -> io::Result<Content> {
    // Without waiting, so that a FIFO in that place does not stop us for ever.
    let file = match open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(Content::Nothing),
        Err(error) => return Err(error.into()),
    };
    if u32::try_from(fstatfs(&file)?.f_type).is_ok_and(|kind| REFUSED.contains(&kind)) {
        return Err(io::Error::other("changes on this kind of file system are not seen, so it is not used"));
    }
    let file = File::from(file);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(number(&bytes))
}

/// The number at the beginning, in C's notation: decimal, `0` octal, `0x` hexadecimal.
fn number(bytes: &[u8]) -> Content {
    let text = bytes.trim_ascii_start();
    let (negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        Some(_) | None => (false, text),
    };
    let is_hex = |rest: &[u8]| rest.first().is_some_and(u8::is_ascii_hexdigit);
    let (radix, digits) = match text {
        [b'0', b'x' | b'X', rest @ ..] if is_hex(rest) => (16, rest),
        [b'0', ..] => (8, text),
        _ => (10, text),
    };
    let mut value: Option<i64> = None;
    for digit in digits.iter().map_while(|byte| char::from(*byte).to_digit(radix)) {
        let next = value.unwrap_or(0).saturating_mul(i64::from(radix)).saturating_add(i64::from(digit));
        // Saturating at a number that no more digits bring back into range.
        value = Some(next.min(1 << 40));
    }
    match value {
        None => Content::Nothing,
        Some(value) => {
            let value = if negative { -value } else { value };
            i32::try_from(value).map_or(Content::TooLarge, Content::Number)
        }
    }
}

/// Writes the first number into a file (`init_file`). One that is there stays, unless it is to be overwritten.
pub(super) fn initialise(file: &TrackFile) {
    let Some(init) = file.init else { return };
    let path = Path::new(&file.path);
    let overwrite = init.overwrite;
    let mut options = File::options();
    options.write(true);
    if overwrite {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o644).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    match options.open(path) {
        Ok(mut opened) => {
            if let Err(error) = writeln!(opened, "{}", init.value) {
                warn!("track file {}: cannot write to {}: {error}", file.name, file.path);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !overwrite => {}
        Err(error) => warn!("track file {}: cannot make {}: {error}", file.name, file.path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use std::path::PathBuf;

    #[test]
    fn the_number_is_read_as_c_reads_it() {
        for (text, expected) in [
            ("12\n", Content::Number(12)),
            ("  -7 and more", Content::Number(-7)),
            ("+0x1F", Content::Number(31)),
            ("017", Content::Number(15)),
            ("0", Content::Number(0)),
            ("08", Content::Number(0)),
            ("0x", Content::Number(0)),
            ("", Content::Nothing),
            ("-", Content::Nothing),
            ("up", Content::Nothing),
            ("2147483647", Content::Number(i32::MAX)),
            ("-2147483648", Content::Number(i32::MIN)),
            ("2147483648", Content::TooLarge),
            ("99999999999999999999999999", Content::TooLarge),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
    }

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = PathBuf::from(format!("/tmp/standfast-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str) -> TrackFile {
            let path = self.0.join(name).to_str().unwrap().to_owned();
            TrackFile { name: name.to_owned(), path, init: None }
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    async fn next(values: &mut mpsc::UnboundedReceiver<FromRunner>) -> Option<(u32, Option<i32>)> {
        let answer = tokio::time::timeout(Duration::from_secs(3), values.recv()).await.ok()?;
        match answer? {
            FromRunner::File { watch: 7, index, value } => Some((index, value)),
            other @ (FromRunner::Ended(_)
            | FromRunner::Told(_)
            | FromRunner::File { .. }
            | FromRunner::Processes { .. }) => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn every_way_to_change_a_file_is_seen_and_nothing_is_told_twice() {
        let directory = Directory::new("files");
        let at = |name: &str| directory.0.join(name);
        std::fs::write(at("a"), "1").unwrap();
        let (answers, mut values) = mpsc::unbounded_channel();
        let files = vec![directory.file("a"), directory.file("b"), directory.file("sub/c")];
        let watching = tokio::spawn(watch(7, files, answers));
        for expected in [(0, Some(1)), (1, None), (2, None)] {
            assert_eq!(next(&mut values).await, Some(expected));
        }
        std::fs::write(at("a"), "2").unwrap();
        assert_eq!(next(&mut values).await, Some((0, Some(2))));
        std::fs::write(at("a"), "2\n").unwrap();
        std::fs::write(at("new"), "3").unwrap();
        std::fs::rename(at("new"), at("b")).unwrap();
        assert_eq!(next(&mut values).await, Some((1, Some(3))), "replaced by a rename");
        std::fs::write(at("a"), "4294967296").unwrap();
        std::fs::remove_file(at("b")).unwrap();
        assert_eq!(next(&mut values).await, Some((1, None)), "what is out of range is ignored");
        std::fs::create_dir(at("sub")).unwrap();
        std::fs::write(at("sub/c"), "5").unwrap();
        assert_eq!(next(&mut values).await, Some((2, Some(5))), "a directory that came late");
        std::fs::rename(at("sub"), at("gone")).unwrap();
        assert_eq!(next(&mut values).await, Some((2, None)), "a directory that went");
        watching.abort();
    }

    #[test]
    fn a_fifo_a_directory_and_a_file_of_the_kernel_are_refused() {
        let directory = Directory::new("refused");
        let fifo = directory.0.join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(read(&fifo).unwrap_err().to_string().contains("no regular file"));
        assert!(read(&directory.0).unwrap_err().to_string().contains("no regular file"));
        assert!(read(Path::new("/proc/uptime")).unwrap_err().to_string().contains("not seen"));
        assert_eq!(read(&directory.0.join("missing")).unwrap(), Content::Nothing);
    }

    #[test]
    fn the_first_number_is_written_where_there_is_none_or_where_it_is_to_be_overwritten() {
        use standfast_model::config::track::InitFile;
        let directory = Directory::new("init");
        let read = |file: &TrackFile| std::fs::read_to_string(&file.path).unwrap();
        let mut file = TrackFile { init: Some(InitFile { value: 5, overwrite: false }), ..directory.file("a") };
        initialise(&file);
        assert_eq!(read(&file), "5\n");
        file.init = Some(InitFile { value: 6, overwrite: false });
        initialise(&file);
        assert_eq!(read(&file), "5\n");
        file.init = Some(InitFile { value: 7, overwrite: true });
        initialise(&file);
        assert_eq!(read(&file), "7\n");
        let elsewhere = directory.file("elsewhere");
        std::fs::write(&elsewhere.path, "8").unwrap();
        let link = TrackFile { init: file.init, ..directory.file("link") };
        std::os::unix::fs::symlink(&elsewhere.path, &link.path).unwrap();
        initialise(&link);
        assert_eq!(read(&elsewhere), "8", "a link is not followed");
    }
}
