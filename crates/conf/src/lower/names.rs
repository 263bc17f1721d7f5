//! Names for numbers as iproute2 keeps them: routing tables, protocols, scopes, types of service, realms, groups.

use crate::host::Host;
use crate::reader::c_number;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files of iproute2, by what they name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Names {
    /// `rt_tables`
    Tables,
    /// `rt_protos`
    Protocols,
    /// `rt_scopes`
    Scopes,
    /// `rt_dsfield`
    Services,
    /// `rt_realms`
    Realms,
    /// `group`
    Groups,
}

/// A file of names has a few hundred bytes; more is taken for another file.
const FILE_LIMIT: usize = 1 << 20;

impl Names {
    const fn file(self) -> &'static str {
        match self {
            Self::Tables => "rt_tables",
            Self::Protocols => "rt_protos",
            Self::Scopes => "rt_scopes",
            Self::Services => "rt_dsfield",
            Self::Realms => "rt_realms",
            Self::Groups => "group",
        }
    }

    /// What the kernel's headers name, where no file is.
    const fn known(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::Tables => &[("default", 253), ("main", 254), ("local", 255)],
            Self::Protocols => &[
                ("redirect", 1),
                ("kernel", 2),
                ("boot", 3),
                ("static", 4),
                ("ra", 9),
                ("zebra", 11),
                ("bird", 12),
                ("dhcp", 16),
                ("keepalived", 18),
                ("babel", 42),
                ("bgp", 186),
                ("isis", 187),
                ("ospf", 188),
                ("rip", 189),
                ("eigrp", 192),
            ],
            Self::Scopes => &[("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)],
            Self::Services => &[("default", 0)],
            Self::Realms => &[("cosmos", 0)],
            Self::Groups => &[("default", 0)],
        }
    }
}

/// The names of this machine, read when first asked for.
#[derive(Debug)]
pub(crate) struct NameFiles {
    /// Later directories overrule earlier ones.
    pub(crate) vendor: PathBuf,
    pub(crate) local: PathBuf,
    read: BTreeMap<Names, BTreeMap<Vec<u8>, u32>>,
}

impl Default for NameFiles {
    fn default() -> Self {
        Self { vendor: "/usr/share/iproute2".into(), local: "/etc/iproute2".into(), read: BTreeMap::new() }
    }
}

impl NameFiles {
    /// The number a name or a number stands for; none if it is neither.
    pub(crate) fn find(&mut self, host: &dyn Host, names: Names, word: &[u8]) -> Option<u32> {
        if word.first().is_some_and(u8::is_ascii_digit) {
            return c_number(word).and_then(|n| u32::try_from(n).ok());
        }
        if let Some((_, number)) = names.known().iter().find(|(name, _)| name.as_bytes() == word) {
            return Some(*number);
        }
        let Self { vendor, local, read } = self;
        let known = read.entry(names).or_insert_with(|| {
            let mut known = BTreeMap::new();
            for directory in [Path::new("/usr/lib/iproute2"), vendor, local] {
                let text = host.read(&directory.join(names.file()), FILE_LIMIT).unwrap_or_default();
                known.extend(entries(&text));
            }
            known
        });
        known.get(word).copied()
    }
}

/// `NUMBER NAME` lines with comments.
fn entries(text: &[u8]) -> impl Iterator<Item = (Vec<u8>, u32)> {
    text.split(|b| *b == b'\n').filter_map(|line| {
        let line = line.split(|b| *b == b'#').next()?;
        let mut words = line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
        let number = c_number(words.next()?).and_then(|n| u32::try_from(n).ok())?;
        Some((words.next()?.to_vec(), number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Memory;

    #[test]
    fn local_names_overrule_the_vendors() {
        let host = Memory::new()
            .file("/usr/share/iproute2/rt_tables", "# tables\n100 isp1\n0x65 isp2 # comment\nnonsense\n")
            .file("/etc/iproute2/rt_tables", "200 isp1\n");
        let mut names = NameFiles::default();
        let mut find = |word: &str| names.find(&host, Names::Tables, word.as_bytes());
        assert_eq!(find("isp1"), Some(200));
        assert_eq!(find("isp2"), Some(101));
        assert_eq!(find("main"), Some(254));
        assert_eq!(find("17"), Some(17));
        assert_eq!(find("unknown"), None);
    }
}
