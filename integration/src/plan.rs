//! The description of a lab: its LANs, its machines, and which card is on which LAN. Plain data with its rules; starts
//! nothing.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// The longest name of a LAN or a machine in bytes. Interface names of the lab are made of them (`master.eth0`, of at
/// most 15 bytes), and so are file names.
const NAME_LIMIT: usize = 10;

/// How many machines a lab may have; their number is one byte of their hardware addresses and of their management
/// addresses, and two processors carry far fewer.
const MACHINE_LIMIT: usize = 60;

/// How many cards a machine may have. Their index is a digit of their name.
const CARD_LIMIT: usize = 9;

/// The memory of a director's kernel in megabytes, unless told.
const DIRECTOR_MEGABYTES: u32 = 256;

/// A LAN of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LanId(pub(crate) usize);

/// A lab to be.
///
/// ```no_run
/// # fn main() -> lab::Result<()> {
/// let mut plan = lab::Plan::new("pair");
/// let lan = plan.lan("lan");
/// plan.director("master").card(lan, ["192.168.1.11/24"]);
/// plan.director("standby").card(lan, ["192.168.1.12/24"]);
/// plan.host("client").card(lan, ["192.168.1.50/24"]);
/// let lab = plan.start()?;
/// lab.machine("client")?.run("ping -c 1 192.168.1.11")?;
/// lab.finish()
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) name: String,
    pub(crate) lans: Vec<String>,
    pub(crate) machines: Vec<MachinePlan>,
    pub(crate) backend: Option<crate::Backend>,
    pub(crate) visible: Vec<PathBuf>,
}

/// A machine to be.
#[derive(Clone, Debug)]
pub struct MachinePlan {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) cards: Vec<CardPlan>,
    pub(crate) gateways: Vec<String>,
    pub(crate) sysctls: Vec<(String, String)>,
    pub(crate) megabytes: u32,
    pub(crate) systemd: bool,
}

/// What a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A load balancer: forwards, has IPVS, and has a kernel of its own where the backend says so.
    Director,
    /// Everything else, in namespaces of this machine's kernel.
    Host,
}

#[derive(Clone, Debug)]
pub(crate) struct CardPlan {
    pub(crate) lan: LanId,
    pub(crate) addresses: Vec<String>,
}

impl Plan {
    /// An empty lab. The name appears in messages only; labs of the same name do not disturb each other.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), lans: Vec::new(), machines: Vec::new(), backend: None, visible: Vec::new() }
    }

    /// Adds a LAN: an Ethernet switch.
    pub fn lan(&mut self, name: &str) -> LanId {
        self.lans.push(name.to_owned());
        LanId(self.lans.len() - 1)
    }

    /// The LAN of that name, for who adds to a plan that another made.
    ///
    /// # Errors
    /// There is none.
    pub fn lan_named(&self, name: &str) -> Result<LanId> {
        let found = self.lans.iter().position(|known| known == name);
        found.map(LanId).ok_or_else(|| Error::Plan(format!("there is no LAN {name:?}")))
    }

    /// Adds a director: a machine that forwards and has IPVS, whose power can be cut.
    pub fn director(&mut self, name: &str) -> &mut MachinePlan {
        self.machine(name, Role::Director)
    }

    /// Adds a host: a client or a real server. It runs in namespaces of this machine's kernel.
    pub fn host(&mut self, name: &str) -> &mut MachinePlan {
        self.machine(name, Role::Host)
    }

    /// The directors that it has so far, for who adds to a plan that another made.
    pub fn directors(&mut self) -> impl Iterator<Item = &mut MachinePlan> {
        self.machines.iter_mut().filter(|machine| machine.role == Role::Director)
    }

    /// Chooses what directors are made of, instead of what suits this machine.
    pub fn backend(&mut self, backend: crate::Backend) -> &mut Self {
        self.backend = Some(backend);
        self
    }

    /// Makes a directory of this machine visible, read-only, in every machine of the lab. Needed only for what does not
    /// lie on the root file system, or lies below /run or /tmp; the directory of the running program is always visible.
    pub fn visible(&mut self, directory: impl Into<PathBuf>) -> &mut Self {
        self.visible.push(directory.into());
        self
    }

    /// Sets what lies below /proc/sys on every machine that the plan has so far; see [`MachinePlan::sysctl`].
    pub fn sysctl_of_all(&mut self, name: &str, value: &str) -> &mut Self {
        for machine in &mut self.machines {
            machine.sysctl(name, value);
        }
        self
    }

    /// Starts it: every machine is up when this returns.
    ///
    /// # Errors
    /// The plan contradicts itself, this machine lacks something, or a machine does not come up.
    pub fn start(&self) -> Result<crate::Lab> {
        crate::Lab::start(self)
    }

    #[expect(clippy::indexing_slicing, reason = "the last machine is the one that was pushed a line above")]
    fn machine(&mut self, name: &str, role: Role) -> &mut MachinePlan {
        let (cards, gateways) = (Vec::new(), Vec::new());
        let mut sysctls = Vec::new();
        let forward = if role == Role::Director { "1" } else { "0" };
        // What a namespace starts with depends on this machine's own settings: the lab wants to be the same everywhere.
        for (setting, value) in [
            ("net/ipv4/ip_forward", forward),
            ("net/ipv6/conf/all/forwarding", forward),
            ("net/ipv4/conf/all/rp_filter", "0"),
            ("net/ipv4/conf/default/rp_filter", "0"),
            ("net/ipv4/conf/all/arp_ignore", "0"),
            ("net/ipv4/conf/all/arp_announce", "0"),
            ("net/ipv4/icmp_ratelimit", "0"),
        ] {
            sysctls.push((setting.to_owned(), value.to_owned()));
        }
        self.machines.push(MachinePlan {
            name: name.to_owned(),
            role,
            cards,
            gateways,
            sysctls,
            megabytes: DIRECTOR_MEGABYTES,
            systemd: false,
        });
        let last = self.machines.len() - 1;
        &mut self.machines[last]
    }

    /// # Errors
    /// A name is taken, too long or odd, an address is none, or there is too much of something.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |why: String| Err(Error::Plan(why));
        let mut names = BTreeSet::new();
        for name in self.lans.iter().chain(self.machines.iter().map(|machine| &machine.name)) {
            let odd = |byte: u8| !(byte.is_ascii_alphanumeric() || byte == b'-');
            if name.is_empty() || name.len() > NAME_LIMIT || name.bytes().any(odd) {
                return wrong(format!("{name:?} is no name of 1 to {NAME_LIMIT} letters, digits and dashes"));
            }
            if !names.insert(name) || name == crate::agent::inits::WIRES {
                return wrong(format!("the name {name:?} is taken"));
            }
        }
        if self.machines.len() > MACHINE_LIMIT {
            return wrong(format!("more than {MACHINE_LIMIT} machines"));
        }
        for MachinePlan { name, cards, gateways, .. } in &self.machines {
            if cards.len() > CARD_LIMIT {
                return wrong(format!("{name} has more than {CARD_LIMIT} cards"));
            }
            for card in cards {
                if card.lan.0 >= self.lans.len() {
                    return wrong(format!("{name} has a card on a LAN of another plan"));
                }
                if let Some(odd) = card.addresses.iter().find(|address| !is_prefix(address)) {
                    return wrong(format!("{name}: {odd:?} is no address with a prefix length"));
                }
            }
            if let Some(odd) = gateways.iter().find(|gateway| gateway.parse::<IpAddr>().is_err()) {
                return wrong(format!("{name}: {odd:?} is no address"));
            }
        }
        Ok(())
    }
}

impl MachinePlan {
    /// Adds a network card, named `eth0`, `eth1` and so on, on a LAN, with these addresses (`192.168.1.11/24`).
    pub fn card<'a>(&mut self, lan: LanId, addresses: impl IntoIterator<Item = &'a str>) -> &mut Self {
        let addresses = addresses.into_iter().map(str::to_owned).collect();
        self.cards.push(CardPlan { lan, addresses });
        self
    }

    /// Adds a default route.
    pub fn gateway(&mut self, address: &str) -> &mut Self {
        self.gateways.push(address.to_owned());
        self
    }

    /// Sets what lies below /proc/sys at every boot, for instance `net/ipv4/vs/conntrack`.
    pub fn sysctl(&mut self, name: &str, value: &str) -> &mut Self {
        self.sysctls.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The memory of a director with a kernel of its own, in megabytes. 256 unless told.
    pub fn memory(&mut self, megabytes: u32) -> &mut Self {
        self.megabytes = megabytes;
        self
    }

    /// Makes systemd the first process of a director, with an empty set of services: for unit files, the watchdog and the
    /// journal. Only a director with a kernel of its own can have it.
    pub fn systemd(&mut self) -> &mut Self {
        self.systemd = true;
        self
    }

    /// Lines for `ip -batch` that bring its cards up with their addresses and routes.
    pub(crate) fn addressing(&self) -> String {
        let mut lines = "link set dev lo up\n".to_owned();
        for (index, card) in self.cards.iter().enumerate() {
            for address in &card.addresses {
                // An address of version 6 would otherwise be tentative for a second or two.
                let nodad = if address.contains(':') { " nodad" } else { "" };
                lines += &format!("address add {address} dev eth{index}{nodad}\n");
            }
            lines += &format!("link set dev eth{index} up\n");
        }
        for gateway in &self.gateways {
            lines += &format!("route add default via {gateway}\n");
        }
        lines
    }
}

fn is_prefix(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    match (address.parse(), length.parse::<u8>()) {
        (Ok(IpAddr::V4(_)), Ok(length)) => length <= 32,
        (Ok(IpAddr::V6(_)), Ok(length)) => length <= 128,
        (Err(_), _) | (_, Err(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(build: impl FnOnce(&mut Plan)) -> String {
        let mut plan = Plan::new("test");
        build(&mut plan);
        plan.check().unwrap_err().to_string()
    }

    #[test]
    fn a_sound_plan_passes_and_its_cards_get_their_addresses_in_order() {
        let mut plan = Plan::new("test");
        let (left, right) = (plan.lan("left"), plan.lan("right"));
        plan.director("d").card(left, ["192.0.2.1/24", "2001:db8::1/64"]).card(right, []).gateway("192.0.2.254");
        plan.check().unwrap();
        assert_eq!(
            plan.machines[0].addressing(),
            "link set dev lo up\n\
             address add 192.0.2.1/24 dev eth0\n\
             address add 2001:db8::1/64 dev eth0 nodad\n\
             link set dev eth0 up\n\
             link set dev eth1 up\n\
             route add default via 192.0.2.254\n"
        );
    }

    #[test]
    fn names_that_could_not_be_told_apart_are_refused() {
        let two_lans = |plan: &mut Plan| {
            plan.lan("a");
            plan.lan("a");
        };
        let lan_and_host = |plan: &mut Plan| {
            plan.lan("a");
            plan.host("a");
        };
        let host = |name: &'static str| {
            move |plan: &mut Plan| {
                plan.host(name);
            }
        };
        assert!(refusal(two_lans).contains("taken"));
        assert!(refusal(lan_and_host).contains("taken"));
        assert!(refusal(host("wires")).contains("taken"));
        assert!(refusal(host("much-too-long")).contains("no name"));
        assert!(refusal(host("a/b")).contains("no name"));
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for odd in ["192.0.2.1", "192.0.2.1/33", "2001:db8::1/129", "x/24"] {
            let why = refusal(|plan| {
                let lan = plan.lan("a");
                plan.host("h").card(lan, [odd]);
            });
            assert!(why.contains(odd), "{why}");
        }
        let why = refusal(|plan| {
            plan.host("h").gateway("nowhere");
        });
        assert!(why.contains("nowhere"), "{why}");
    }

    #[test]
    fn more_cards_than_names_for_them_are_refused() {
        let why = refusal(|plan| {
            let lan = plan.lan("a");
            let host = plan.host("h");
            for _ in 0..=CARD_LIMIT {
                host.card(lan, []);
            }
        });
        assert!(why.contains("more than 9 cards"), "{why}");
    }
}
