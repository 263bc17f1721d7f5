//! Settings of the kernel below `/proc/sys`, given back at the end.
//!
//! It knows no setting by name but those of reverse path filtering, which have to be changed together. What it reads
//! and writes is that of the network namespace of the calling thread.

use standfast_net::Sysctl;
use std::collections::BTreeMap;
use std::fs;
use std::io;

const ROOT: &str = "/proc/sys/";
const LINKS: &str = "/proc/sys/net/ipv4/conf";

/// A setting that was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// Below `/proc/sys`.
    pub path: String,
    /// The value it had.
    pub before: u32,
    /// The value it was given.
    pub given: u32,
}

/// Settings that were changed, with the values they had and the values they were given.
#[derive(Debug, Default)]
pub struct Settings {
    changed: BTreeMap<String, (u32, u32)>,
}

impl Settings {
    /// What has been changed, by path.
    pub fn changed(&self) -> impl Iterator<Item = Changed> {
        self.changed.iter().map(|(path, (before, given))| Changed {
            path: path.clone(),
            before: *before,
            given: *given,
        })
    }

    /// Goes on from what a predecessor has changed that could not give it back: its first values are the first values.
    pub fn inherit(&mut self, changed: impl IntoIterator<Item = Changed>) {
        for Changed { path, before, given } in changed {
            self.changed.entry(path).or_insert((before, given));
        }
    }

    /// Changes a setting, unless it has the value already. The first value found is kept.
    ///
    /// # Errors
    ///
    /// `NotFound` if the link or the kernel has no such setting; `InvalidData` if it is no number; else the kernel's.
    pub fn set(&mut self, setting: &Sysctl) -> io::Result<()> {
        let path = format!("{ROOT}{}", setting.path);
        let before = read(&path)?;
        if before != setting.value {
            fs::write(&path, setting.value.to_string())?;
            let entry = self.changed.entry(setting.path.clone()).or_insert((before, setting.value));
            entry.1 = setting.value;
        }
        Ok(())
    }

    /// Lets single links choose how strictly they check the way back of a source address.
    ///
    /// The kernel takes the stricter of `all` and the link's own setting. So every link and `default` are first given what
    /// `all` has, if that is stricter, and then `all` is set to 0: nothing changes but that a link can be set to 0.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn release_reverse_path_filter(&mut self) -> io::Result<()> {
        let all = read(&format!("{LINKS}/all/rp_filter"))?;
        if all == 0 {
            return Ok(());
        }
        for link in fs::read_dir(LINKS)? {
            let Ok(link) = link?.file_name().into_string() else { continue };
            if link != "all" && read(&format!("{LINKS}/{link}/rp_filter")).is_ok_and(|own| own < all) {
                self.set(&Sysctl::inet(&link, "rp_filter", all))?;
            }
        }
        self.set(&Sysctl::inet("all", "rp_filter", 0))
    }

    /// Gives every setting its first value back, those excepted that somebody has changed since. Settings of links that
    /// are gone are gone with them.
    pub fn restore(&mut self) {
        for (path, (before, given)) in core::mem::take(&mut self.changed) {
            let path = format!("{ROOT}{path}");
            if read(&path).is_ok_and(|now| now == given) {
                // The link may vanish between the two.
                let _ = fs::write(&path, before.to_string());
            }
        }
    }
}

fn read(path: &str) -> io::Result<u32> {
    fs::read_to_string(path)?.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}
