//! What the reader asks the machine for, as a trait, so that this crate does no I/O; and a machine that is a value.
//!
//! The real machine is implemented by the daemon. Nothing here decides what an answer means.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Why a question about a file has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HostError {
    /// There is nothing of that name.
    #[error("no such file or directory")]
    NotFound,
    /// The system refuses.
    #[error("permission denied")]
    Denied,
    /// It has more bytes than were asked for.
    #[error("too large")]
    TooLarge,
    /// Anything else, in the system's words.
    #[error("{0}")]
    Other(String),
}

/// What kind of thing a path names, after following symbolic links.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A pipe, a socket or a device.
    Special,
}

/// What a path names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// The kind.
    pub kind: FileKind,
    /// Permission bits, set-id bits included (0o7777).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A user of the system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
}

/// What is asked about an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InterfaceFacts {
    /// It is a loopback interface.
    pub loopback: bool,
}

/// The machine a configuration is for.
pub trait Host {
    /// What a path names, symbolic links followed.
    ///
    /// # Errors
    /// The path names nothing, or the system does not tell.
    fn metadata(&self, path: &Path) -> Result<Metadata, HostError>;

    /// The bytes of a regular file.
    ///
    /// # Errors
    /// It cannot be read, or has more than `limit` bytes ([`HostError::TooLarge`]).
    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, HostError>;

    /// The names in a directory, in any order, without `.` and `..`.
    ///
    /// # Errors
    /// It is none, or cannot be read.
    fn read_dir(&self, path: &Path) -> Result<Vec<OsString>, HostError>;

    /// The directory that relative paths of the command line begin at, absolute.
    fn current_dir(&self) -> PathBuf;

    /// An interface, if the machine has it.
    fn interface(&self, name: &str) -> Option<InterfaceFacts>;

    /// A user by name.
    fn user(&self, name: &str) -> Option<User>;

    /// The id of a group by name.
    fn group(&self, name: &str) -> Option<u32>;

    /// A variable of the daemon's environment.
    fn environment(&self, name: &[u8]) -> Option<Vec<u8>>;

    /// The node name (`uname -n`).
    fn host_name(&self) -> String;

    /// A random number for `${_RANDOM}`; another one each time.
    fn random(&self) -> u32;

    /// How many processors are online, for the `*_cpu_affinity` words.
    fn processors(&self) -> u32;
}

/// A machine that is a value, for tests and for checking a configuration meant for elsewhere.
#[derive(Clone, Debug)]
pub struct Memory {
    files: BTreeMap<PathBuf, (Metadata, Vec<u8>)>,
    interfaces: BTreeMap<String, InterfaceFacts>,
    users: BTreeMap<String, User>,
    groups: BTreeMap<String, u32>,
    environment: BTreeMap<Vec<u8>, Vec<u8>>,
    host_name: String,
    any_interface: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty machine called `node1.example.org`, with the user root and no interface but lo.
    #[must_use]
    pub fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            interfaces: BTreeMap::from([("lo".to_owned(), InterfaceFacts { loopback: true })]),
            users: BTreeMap::from([("root".to_owned(), User { uid: 0, gid: 0 })]),
            groups: BTreeMap::from([("root".to_owned(), 0)]),
            environment: BTreeMap::new(),
            host_name: "node1.example.org".to_owned(),
            any_interface: false,
        }
    }

    /// With a regular file, mode 0644, owned by root. Relative paths begin at `/`.
    #[must_use]
    pub fn file(self, path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> Self {
        let metadata = Metadata { kind: FileKind::File, mode: 0o644, uid: 0, gid: 0 };
        self.entry(path, metadata, text)
    }

    /// With anything a path can name.
    #[must_use]
    pub fn entry(mut self, path: impl Into<PathBuf>, metadata: Metadata, text: impl Into<Vec<u8>>) -> Self {
        self.files.insert(normal(&path.into()), (metadata, text.into()));
        self
    }

    /// With an interface.
    #[must_use]
    pub fn with_interface(mut self, name: &str) -> Self {
        self.interfaces.insert(name.to_owned(), InterfaceFacts::default());
        self
    }

    /// With every interface anybody asks for.
    #[must_use]
    pub fn with_any_interface(mut self) -> Self {
        self.any_interface = true;
        self
    }

    /// With a user whose group has the same name and number.
    #[must_use]
    pub fn with_user(mut self, name: &str, id: u32) -> Self {
        self.users.insert(name.to_owned(), User { uid: id, gid: id });
        self.groups.insert(name.to_owned(), id);
        self
    }

    /// Without a user.
    #[must_use]
    pub fn without_user(mut self, name: &str) -> Self {
        self.users.remove(name);
        self
    }

    /// With a variable in the environment.
    #[must_use]
    pub fn with_environment(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Called so.
    #[must_use]
    pub fn called(mut self, host_name: &str) -> Self {
        host_name.clone_into(&mut self.host_name);
        self
    }

    fn is_directory(&self, path: &Path) -> bool {
        path == Path::new("/") || self.files.keys().any(|f| f != path && f.starts_with(path))
    }
}

/// The path from `/` without `.` and `..`: there are no symbolic links in memory.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    out
}

impl Host for Memory {
    fn metadata(&self, path: &Path) -> Result<Metadata, HostError> {
        let path = normal(path);
        match self.files.get(&path) {
            Some((metadata, _)) => Ok(*metadata),
            None if self.is_directory(&path) => Ok(Metadata { kind: FileKind::Directory, mode: 0o755, uid: 0, gid: 0 }),
            None => Err(HostError::NotFound),
        }
    }

    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, HostError> {
        let (metadata, text) = self.files.get(&normal(path)).ok_or(HostError::NotFound)?;
        if metadata.mode & 0o444 == 0 {
            return Err(HostError::Denied);
        }
        if text.len() > limit { Err(HostError::TooLarge) } else { Ok(text.clone()) }
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<OsString>, HostError> {
        let path = normal(path);
        let below = self.files.keys().filter_map(|f| f.strip_prefix(&path).ok());
        let names: BTreeSet<_> =
            below.filter_map(|f| f.components().next().map(|c| c.as_os_str().to_owned())).collect();
        if names.is_empty() && !self.is_directory(&path) {
            return Err(HostError::NotFound);
        }
        Ok(names.into_iter().collect())
    }

    fn current_dir(&self) -> PathBuf {
        PathBuf::from("/")
    }

    fn interface(&self, name: &str) -> Option<InterfaceFacts> {
        self.interfaces.get(name).copied().or_else(|| self.any_interface.then(InterfaceFacts::default))
    }

    fn user(&self, name: &str) -> Option<User> {
        self.users.get(name).copied()
    }

    fn group(&self, name: &str) -> Option<u32> {
        self.groups.get(name).copied()
    }

    fn environment(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.environment.get(name).cloned()
    }

    fn host_name(&self) -> String {
        self.host_name.clone()
    }

    fn random(&self) -> u32 {
        // Always the same, so that tests say what they mean.
        4
    }

    fn processors(&self) -> u32 {
        4
    }
}
