//! Sealed memory files: how a configuration or a long status reaches another process.
//!
//! A writer makes one, seals it and hands out its descriptor; from then on nobody can change it, so a reader that has
//! checked the seals may trust what it measured. The header names the kind and the version of the contents. What the
//! bytes mean is the caller's business.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// The largest contents in bytes: a configuration of 10,000 services with 16 servers each takes less than a quarter.
pub const MAX_CONTENT_BYTES: u64 = 64 * 1024 * 1024;

const MAGIC: [u8; 8] = *b"standfst";
const HEADER_BYTES: u64 = 24;

/// What is compared at a time: little enough for the stack, and not many calls for some megabytes.
const PIECE_BYTES: usize = 16 * 1024;

/// Nobody may write, resize or unseal it.
const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// What a memory file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label {
    /// Which type of value.
    pub kind: u32,
    /// Which version of that type's encoding.
    pub version: u32,
}

/// Why a memory file was not read.
#[derive(Debug, thiserror::Error)]
pub enum MemfdError {
    /// It can still be changed, so nothing about it can be trusted.
    #[error("not a sealed memory file")]
    NotSealed,
    /// No header of ours, or its length is not that of the file.
    #[error("not a memory file of standfast")]
    Malformed,
    /// It holds something else than was expected.
    #[error("holds kind {} version {}, expected kind {} version {}", found.kind, found.version, expected.kind, expected.version)]
    Unexpected {
        /// What it says.
        found: Label,
        /// What was asked for.
        expected: Label,
    },
    /// More than [`MAX_CONTENT_BYTES`].
    #[error("holds {0} bytes, more than the limit")]
    TooLong(u64),
    /// Anything else the kernel says.
    #[error("cannot use memory file: {0}")]
    Io(#[from] io::Error),
}

/// Writes `content` into a new memory file and seals it.
///
/// `name` shows in `/proc/PID/fd` only.
///
/// # Errors
///
/// [`MemfdError::TooLong`], and `EMFILE`, `ENFILE`, `ENOMEM`.
pub fn write(name: &str, label: Label, content: &[u8]) -> Result<OwnedFd, MemfdError> {
    let length = content.len() as u64;
    if length > MAX_CONTENT_BYTES {
        return Err(MemfdError::TooLong(length));
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // A kernel before 6.3 does not know that a memory file may be declared no program, and says so.
    let fd = match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(rustix::io::Errno::INVAL) => memfd_create(name, flags),
        outcome => outcome,
    }
    .map_err(io::Error::from)?;
    let mut file = File::from(fd);
    file.write_all(&MAGIC)?;
    file.write_all(&label.kind.to_le_bytes())?;
    file.write_all(&label.version.to_le_bytes())?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(content)?;
    fcntl_add_seals(&file, SEALS).map_err(io::Error::from)?;
    Ok(file.into())
}

/// Reads the contents of a sealed memory file that must hold what `expected` says.
///
/// The position of the descriptor does not matter and does not move: the same descriptor can be read again by a
/// worker that is started anew.
///
/// # Errors
///
/// See [`MemfdError`].
pub fn read(fd: &OwnedFd, expected: Label) -> Result<Vec<u8>, MemfdError> {
    let (file, length) = open(fd, expected)?;
    let mut content = vec![0; usize::try_from(length).map_err(|_| MemfdError::TooLong(length))?];
    file.read_exact_at(&mut content, HEADER_BYTES)?;
    Ok(content)
}

/// Whether a sealed memory file holds just these bytes. No further than to the first that differs is it read, and never
/// whole: a configuration that is handed out again may be some megabytes.
///
/// # Errors
///
/// See [`MemfdError`].
pub fn holds(fd: &OwnedFd, expected: Label, content: &[u8]) -> Result<bool, MemfdError> {
    let (file, length) = open(fd, expected)?;
    if length != content.len() as u64 {
        return Ok(false);
    }
    // There are passwords in it.
    let mut held = zeroize::Zeroizing::new([0; PIECE_BYTES]);
    let mut place = HEADER_BYTES;
    for piece in content.chunks(PIECE_BYTES) {
        let Some(held) = held.get_mut(..piece.len()) else { return Ok(false) };
        file.read_exact_at(held, place)?;
        if held != piece {
            return Ok(false);
        }
        place += piece.len() as u64;
    }
    Ok(true)
}

/// The file behind the descriptor, and the length of its contents, once seals and header are as they must be.
fn open(fd: &OwnedFd, expected: Label) -> Result<(File, u64), MemfdError> {
    let seals = fcntl_get_seals(fd).map_err(|_| MemfdError::NotSealed)?;
    if !seals.contains(SEALS) {
        return Err(MemfdError::NotSealed);
    }
    let size = u64::try_from(fstat(fd).map_err(io::Error::from)?.st_size).unwrap_or(0);
    let Some(length) = size.checked_sub(HEADER_BYTES) else { return Err(MemfdError::Malformed) };
    if length > MAX_CONTENT_BYTES {
        return Err(MemfdError::TooLong(length));
    }
    let file = File::from(fd.as_fd().try_clone_to_owned()?);
    if read_array::<8>(&file, 0)? != MAGIC || u64::from_le_bytes(read_array(&file, 16)?) != length {
        return Err(MemfdError::Malformed);
    }
    let found =
        Label { kind: u32::from_le_bytes(read_array(&file, 8)?), version: u32::from_le_bytes(read_array(&file, 12)?) };
    if found != expected {
        return Err(MemfdError::Unexpected { found, expected });
    }
    Ok((file, length))
}

fn read_array<const N: usize>(file: &File, offset: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = Label { kind: 3, version: 1 };

    fn unsealed(content: &[u8], seals: SealFlags) -> OwnedFd {
        let fd = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        let mut file = File::from(fd);
        file.write_all(content).unwrap();
        fcntl_add_seals(&file, seals).unwrap();
        file.into()
    }

    #[test]
    fn what_was_written_is_read_as_often_as_wanted() {
        let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let fd = write("test", LABEL, &content).unwrap();
        for _ in 0..2 {
            assert_eq!(read(&fd, LABEL).unwrap(), content);
        }
        assert_eq!(read(&write("test", LABEL, b"").unwrap(), LABEL).unwrap(), b"");
    }

    #[test]
    fn it_holds_what_was_written_and_nothing_that_differs_anywhere() {
        let content: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        let fd = write("test", LABEL, &content).unwrap();
        assert!(holds(&fd, LABEL, &content).unwrap());
        for place in [0, PIECE_BYTES - 1, PIECE_BYTES, content.len() - 1] {
            let mut other = content.clone();
            other[place] ^= 1;
            assert!(!holds(&fd, LABEL, &other).unwrap(), "byte {place}");
        }
        assert!(!holds(&fd, LABEL, &content[1..]).unwrap());
        assert!(holds(&fd, Label { version: 2, ..LABEL }, &content).is_err());
    }

    #[test]
    fn nobody_can_change_it_afterwards() {
        let fd = write("test", LABEL, b"content").unwrap();
        assert!(rustix::io::pwrite(&fd, b"x", HEADER_BYTES).is_err());
        assert!(rustix::fs::ftruncate(&fd, 3).is_err());
        assert!(rustix::fs::ftruncate(&fd, 300).is_err());
    }

    #[test]
    fn another_kind_or_version_is_refused_by_name() {
        let fd = write("test", LABEL, b"content").unwrap();
        let expected = Label { version: 2, ..LABEL };
        let error = read(&fd, expected).unwrap_err();
        assert!(matches!(error, MemfdError::Unexpected { .. }));
        assert_eq!(error.to_string(), "holds kind 3 version 1, expected kind 3 version 2");
    }

    #[test]
    fn what_can_still_be_changed_is_refused() {
        let sealed = read_all(&write("test", LABEL, b"content").unwrap());
        for seal in [SealFlags::SEAL, SealFlags::SHRINK, SealFlags::GROW, SealFlags::WRITE] {
            let fd = unsealed(&sealed, SEALS.difference(seal));
            assert!(matches!(read(&fd, LABEL), Err(MemfdError::NotSealed)), "without {seal:?}");
        }
        assert!(read(&unsealed(&sealed, SEALS), LABEL).is_ok());
        let file = File::open("/proc/self/exe").unwrap();
        assert!(matches!(read(&file.into(), LABEL), Err(MemfdError::NotSealed)));
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let good = read_all(&write("test", LABEL, b"content").unwrap());
        for length in 0..good.len() {
            let fd = unsealed(&good[..length], SEALS);
            assert!(matches!(read(&fd, LABEL), Err(MemfdError::Malformed)), "{length} bytes of it");
        }
        for at in [0, 7, 16, 23] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(matches!(read(&unsealed(&bad, SEALS), LABEL), Err(MemfdError::Malformed)), "byte {at} changed");
        }
    }

    fn read_all(fd: &OwnedFd) -> Vec<u8> {
        let file = File::from(fd.try_clone().unwrap());
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }
}
