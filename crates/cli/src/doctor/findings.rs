//! How this machine is, as far as it concerns a director. Reads; judges nothing. What cannot be read is not there.

use core::time::Duration;
use standfast_model::Config;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    /// Settings by their names, as sysctl has them: `net.ipv4.ip_forward`.
    pub settings: BTreeMap<String, String>,
    /// Interfaces that exist.
    pub interfaces: BTreeMap<String, Interface>,
    /// Whether the kernel has IPVS now.
    pub has_ipvs: bool,
    /// The rules of the packet filter as `nft list ruleset` prints them, or `iptables-save`; none where neither is.
    pub firewall: Option<String>,
    /// Programs that run, by their names.
    pub programs: BTreeSet<String>,
    /// Since boot.
    pub uptime: Option<Duration>,
    /// Whether the kernel's clock is kept in time by something.
    pub clock_kept: Option<bool>,
    /// The kernel's release.
    pub kernel: String,
}

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Interface {
    /// Administratively up.
    pub up: bool,
    /// Has carrier.
    pub carrier: bool,
    /// Takes multicast.
    pub multicast: bool,
    /// The bridge it is a port of.
    pub bridge: Option<String>,
    /// `multicast_snooping` and `multicast_querier` of that bridge, or of itself if it is one.
    pub snooping: Option<(bool, bool)>,
}

/// `IFF_UP` and `IFF_MULTICAST` of Linux.
const UP: u32 = 0x1;
const MULTICAST: u32 = 0x1000;

/// Settings of the whole machine that are looked at.
const SETTINGS: [&str; 9] = [
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.all.arp_ignore",
    "net.ipv4.conf.all.arp_announce",
    "net.ipv4.ip_nonlocal_bind",
    "net.ipv4.vs.conntrack",
    "net.ipv4.vs.expire_nodest_conn",
    "net.ipv4.vs.conn_reuse_mode",
];

impl Findings {
    /// Looks at this machine with the eyes of that configuration.
    #[must_use]
    pub fn of_this_machine(config: &Config) -> Self {
        let mut settings: BTreeMap<String, String> =
            SETTINGS.iter().filter_map(|name| Some(((*name).to_owned(), setting(name)?))).collect();
        let mut interfaces = BTreeMap::new();
        for name in names(config) {
            if let Some(found) = interface(&name) {
                interfaces.insert(name.clone(), found);
            }
            for word in ["rp_filter", "arp_ignore", "arp_announce", "promote_secondaries"] {
                // A name with a dot in it is a directory with that name.
                if let Some(value) = read(&format!("/proc/sys/net/ipv4/conf/{name}/{word}")) {
                    settings.insert(format!("net.ipv4.conf.{name}.{word}"), value);
                }
            }
        }
        Self {
            settings,
            interfaces,
            has_ipvs: Path::new("/proc/net/ip_vs").exists(),
            firewall: printed("nft", &["list", "ruleset"]).or_else(|| printed("iptables-save", &[])),
            programs: programs(),
            uptime: read("/proc/uptime").and_then(|text| {
                let seconds = text.split('.').next()?.parse().ok()?;
                Some(Duration::from_secs(seconds))
            }),
            clock_kept: printed("timedatectl", &["show", "--property=NTPSynchronized", "--value"])
                .map(|said| said.trim() == "yes"),
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
        }
    }

    /// A setting as a number; none if it is not there.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.settings.get(name)?.parse().ok()
    }
}

/// The interfaces of instances and of their addresses.
fn names(config: &Config) -> BTreeSet<String> {
    let instances = &config.vrrp.instances;
    let own = instances.iter().map(|instance| instance.interface.to_string());
    let homes = instances.iter().flat_map(|instance| instance.addresses.iter().chain(&instance.excluded));
    own.chain(homes.filter_map(|address| address.interface.as_ref().map(ToString::to_string))).collect()
}

fn setting(name: &str) -> Option<String> {
    read(&format!("/proc/sys/{}", name.replace('.', "/")))
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn interface(name: &str) -> Option<Interface> {
    let at = |what: &str| format!("/sys/class/net/{name}/{what}");
    let flags = read(&at("flags"))?;
    let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or_default();
    let bridge = std::fs::read_link(at("master")).ok().filter(|_| Path::new(&at("brport")).exists());
    let bridge = bridge.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let over = bridge.as_deref().unwrap_or(name);
    let of_bridge = |what: &str| read(&format!("/sys/class/net/{over}/bridge/{what}")).map(|value| value == "1");
    Some(Interface {
        up: flags & UP != 0,
        carrier: read(&at("carrier")).as_deref() == Some("1"),
        multicast: flags & MULTICAST != 0,
        snooping: of_bridge("multicast_snooping").map(|snoops| (snoops, of_bridge("multicast_querier") == Some(true))),
        bridge,
    })
}

/// What a program prints, if it is there and succeeds.
fn printed(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The names of all processes, as the kernel keeps them.
fn programs() -> BTreeSet<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let pids = entries.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()));
    pids.filter_map(|entry| std::fs::read_to_string(entry.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}
