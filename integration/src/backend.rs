//! What directors are made of, and what this machine must have for it. Looks around; installs and loads nothing except,
//! where it was chosen, the kernel's own IPVS.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// What the directors of a lab are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Kernels of their own, as processes of this machine (user-mode Linux).
    UserMode,
    /// Namespaces of this machine's kernel, which must have IPVS for whatever balances.
    Namespaces,
}

/// The environment variable that chooses for all labs: `uml` or `namespaces`.
const VARIABLE: &str = "LAB_BACKEND";

/// The user-mode kernel, as Debian installs it.
pub(crate) const KERNEL: &str = "/usr/bin/linux.uml";

impl Backend {
    /// What suits this machine, or what the environment says: namespaces where the kernel has IPVS already, a user-mode
    /// kernel where one is installed, and otherwise namespaces if IPVS can be loaded.
    ///
    /// # Errors
    /// The environment names something else, or nothing suits.
    pub fn choose() -> Result<Self> {
        match std::env::var(VARIABLE).as_deref() {
            Ok("uml") => return Ok(Self::UserMode),
            Ok("namespaces") => return Ok(Self::Namespaces),
            Ok("") | Err(_) => {}
            Ok(other) => return Err(Error::Missing(format!("{VARIABLE}={other}: it may be uml or namespaces"))),
        }
        if Path::new("/proc/net/ip_vs").exists() {
            Ok(Self::Namespaces)
        } else if Path::new(KERNEL).exists() {
            Ok(Self::UserMode)
        } else if modprobe(&["--dry-run", "ip_vs"]) {
            modprobe(&["ip_vs"]);
            Ok(Self::Namespaces)
        } else {
            Err(Error::Missing(
                "its kernel has no IPVS and Debian's package user-mode-linux is not installed \
                 (scripts/test installs what the lab needs)"
                    .to_owned(),
            ))
        }
    }

    /// # Errors
    /// Something is missing; the error names every tool and where it comes from.
    pub(crate) fn check_tools(self) -> Result<()> {
        if !nix::unistd::geteuid().is_root() {
            return Err(Error::Missing("it makes namespaces and network devices, which takes root".to_owned()));
        }
        let mut needed =
            vec![("ip", "iproute2"), ("nft", "nftables"), ("tcpdump", "tcpdump"), ("setsid", "util-linux")];
        if self == Self::UserMode {
            needed.extend([("linux.uml", "user-mode-linux"), ("modprobe", "kmod"), ("mkfs.ext4", "e2fsprogs")]);
        }
        if self == Self::UserMode && !Path::new("/dev/net/tun").exists() {
            return Err(Error::Missing("its kernel has no /dev/net/tun".to_owned()));
        }
        check_installed(&needed)
    }
}

/// # Errors
/// One of these tools, given with their Debian packages, is missing; the error names all that are.
pub(crate) fn check_installed(tools: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<String> = tools
        .iter()
        .filter(|(tool, _)| !is_installed(tool))
        .map(|(tool, package)| format!("{tool} (Debian's package {package})"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Missing(format!("no {}; scripts/test installs what the lab needs", missing.join(", no "))))
}

/// Whether `tool` is on the search path of the lab's machines, and so on this machine's.
fn is_installed(tool: &str) -> bool {
    crate::agent::PATH.split(':').any(|directory| Path::new(directory).join(tool).exists())
}

fn modprobe(arguments: &[&str]) -> bool {
    Command::new("modprobe")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_tool_is_named_with_its_package() {
        check_installed(&[("sh", "dash")]).unwrap();
        let tools = [("no-such-tool", "one-package"), ("sh", "dash"), ("nor-this-one", "another")];
        let error = check_installed(&tools).unwrap_err().to_string();
        assert_eq!(
            error,
            "the lab cannot run here: no no-such-tool (Debian's package one-package), \
             no nor-this-one (Debian's package another); scripts/test installs what the lab needs"
        );
    }
}
