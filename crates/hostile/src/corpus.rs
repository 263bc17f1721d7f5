//! Inputs that are kept: seeds, made or recorded and named for what they are, and what long runs of the fuzzer found to
//! reach more (`integration/fuzz/corpus`, made small by it).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// An input and where it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Input {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub octets: Vec<u8>,
}

/// Where seeds and corpus are, each in a directory of the target's name.
#[must_use]
pub fn directories() -> [PathBuf; 2] {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integration/fuzz");
    [fuzz.join("seeds"), fuzz.join("corpus")]
}

/// The inputs of a target, seeds first, each by its name.
///
/// # Errors
///
/// Those of reading; a directory that is missing has no inputs.
pub fn of(target: &str) -> io::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for directory in directories() {
        inputs.extend(in_directory(&directory.join(target))?);
    }
    Ok(inputs)
}

fn in_directory(directory: &Path) -> io::Result<Vec<Input>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort_unstable();
    paths.into_iter().map(|path| Ok(Input { octets: fs::read(&path)?, path })).collect()
}
