//! The forms of VRRP that a pair may speak, and a pair of directors that speaks one: with which configuration, on which
//! LAN, and what takes how long. Judges nothing.

use std::time::Duration;

use lab::seed::Daemon;
use lab::{Backend, Capture, Content, Lab, Machine, Moment, Plan, Process, Result, until};

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Everything of VRRP, and what announces an address, in both families.
const FILTER: &str = "ip proto 112 or ip6 proto 112 or ip proto 51 or arp or icmp6";

/// The priority of the director `first`, which is the master where nothing is broken.
const FIRST_PRIORITY: u8 = 200;

/// And of `second`.
const SECOND_PRIORITY: u8 = 100;

/// For the wake, the packet and its capture on a machine that does other work too. Far below an interval.
pub(crate) const GRACE: Duration = millis(120);

/// What is spoken, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Version 2 to the group, as most of the world has it.
    V2,
    /// Version 2 with a password, to the peer alone.
    V2Unicast,
    /// Version 2 to the group behind an authentication header.
    V2Ah,
    /// Version 2 to the peer alone behind an authentication header, which then leaves out the TTL.
    V2AhUnicast,
    /// Version 3 to the group.
    V3,
    /// Version 3 to the peer alone.
    V3Unicast,
    /// Version 3 over IPv6 to the group.
    V3Inet6,
    /// Version 3 over IPv6 to the peer alone.
    V3Inet6Unicast,
    /// Version 2 from the virtual router's own hardware address.
    V2Vmac,
    /// Version 3 from the virtual router's own hardware address.
    V3Vmac,
    /// Version 3 over IPv6 from the virtual router's own hardware address.
    V3Inet6Vmac,
}

impl Form {
    const fn is_version_2(self) -> bool {
        matches!(self, Self::V2 | Self::V2Unicast | Self::V2Ah | Self::V2AhUnicast | Self::V2Vmac)
    }

    pub(crate) const fn is_inet6(self) -> bool {
        matches!(self, Self::V3Inet6 | Self::V3Inet6Unicast | Self::V3Inet6Vmac)
    }

    const fn is_unicast(self) -> bool {
        matches!(self, Self::V2Unicast | Self::V2AhUnicast | Self::V3Unicast | Self::V3Inet6Unicast)
    }

    pub(crate) const fn has_vmac(self) -> bool {
        matches!(self, Self::V2Vmac | Self::V3Vmac | Self::V3Inet6Vmac)
    }

    /// The advertisement interval: as short as the version allows without making the test a race.
    pub(crate) const fn interval(self) -> Duration {
        if self.is_version_2() { seconds(1) } else { millis(250) }
    }

    /// (256 - priority) / 256 of a second, or of the interval in version 3.
    pub(crate) fn skew(self) -> Duration {
        let unit = if self.is_version_2() { seconds(1) } else { self.interval() };
        unit * (256 - u32::from(SECOND_PRIORITY)) / 256
    }

    /// What `second` waits for after the last advertisement that it has heard.
    pub(crate) fn down(self) -> Duration {
        self.interval() * 3 + self.skew()
    }

    /// The virtual addresses in the order of the configuration.
    pub(crate) const fn vips(self) -> [&'static str; 2] {
        if self.is_inet6() { ["fe80::100", "2001:db8::100"] } else { ["192.0.2.100", "192.0.2.101"] }
    }

    /// The configuration of `first` or `second`.
    pub(crate) fn conf(self, is_first: bool) -> String {
        let priority = if is_first { FIRST_PRIORITY } else { SECOND_PRIORITY };
        let (own, peer) = match (self.is_inet6(), is_first) {
            (false, true) => ("192.0.2.1", "192.0.2.2"),
            (false, false) => ("192.0.2.2", "192.0.2.1"),
            (true, true) => ("fe80::1", "fe80::2"),
            (true, false) => ("fe80::2", "fe80::1"),
        };
        let mut options = String::new();
        if self.is_unicast() {
            options += &format!("    unicast_src_ip {own}\n    unicast_peer {{\n        {peer}\n    }}\n");
        }
        if self == Self::V2Unicast {
            options += "    authentication {\n        auth_type PASS\n        auth_pass s3cr3t\n    }\n";
        }
        if matches!(self, Self::V2Ah | Self::V2AhUnicast) {
            options += "    authentication {\n        auth_type AH\n        auth_pass s3cr3t\n    }\n";
        }
        if self.has_vmac() {
            options += "    use_vmac\n";
        }
        let version = if self.is_version_2() { 2 } else { 3 };
        let length = if self.is_inet6() { 64 } else { 24 };
        let [one, other] = self.vips();
        format!(
            "vrrp_instance VI {{\n    state BACKUP\n    interface eth0\n    virtual_router_id 51\n    \
             priority {priority}\n    version {version}\n    advert_int {}\n    garp_master_delay 1\n{options}    \
             virtual_ipaddress {{\n        {one}/{length}\n        {other}/{length}\n    }}\n}}\n",
            self.interval().as_secs_f64(),
        )
    }
}

/// Two directors of this machine's kernel on one LAN, and a client.
pub(crate) fn plan(name: &str) -> Plan {
    let mut plan = Plan::new(name);
    plan.backend(Backend::Namespaces);
    let lan = plan.lan("lan");
    plan.director("first").card(lan, ["192.0.2.1/24", "fe80::1/64", "2001:db8::1/64"]);
    plan.director("second").card(lan, ["192.0.2.2/24", "fe80::2/64", "2001:db8::2/64"]);
    plan.host("client").card(lan, ["192.0.2.50/24", "2001:db8::50/64"]);
    // One link-local address each, and known: it is the source of what IPv6 sends.
    plan.sysctl_of_all("net/ipv6/conf/default/addr_gen_mode", "1");
    plan
}

/// A pair in service.
pub(crate) struct Duel {
    pub(crate) form: Form,
    pub(crate) lab: Lab,
    pub(crate) capture: Capture,
    pub(crate) first: Machine,
    pub(crate) second: Machine,
    /// The daemon of `first`, and of `second`.
    daemons: [Daemon; 2],
    pub(crate) master: Process,
    pub(crate) standby: Process,
}

impl Duel {
    /// Starts both and waits until `first` is master.
    pub(crate) fn start(name: &str, form: Form, daemons: [Daemon; 2]) -> Result<Self> {
        let lab = plan(name).start()?;
        let capture = lab.lan("lan")?.capture_only(FILTER)?;
        let (first, second) = (lab.machine("first")?, lab.machine("second")?);
        let [one, other] = &daemons;
        let begin = Moment::now();
        let master = one.start(&first, &form.conf(true))?;
        let standby = other.start(&second, &form.conf(false))?;
        let duel = Self { form, lab, capture, first, second, daemons, master, standby };
        duel.speaks("first", begin)?;
        duel.holds(&duel.first, true)?;
        Ok(duel)
    }

    /// Starts the daemon of `first` again.
    pub(crate) fn start_first(&mut self) -> Result<()> {
        let [one, _] = &self.daemons;
        self.master = one.start_again(&self.first)?;
        Ok(())
    }

    /// When a director advertises for the first time after `after`. It has two down intervals and a start for it.
    pub(crate) fn speaks(&self, who: &str, after: Moment) -> Result<Moment> {
        let limit = self.form.down() * 2 + seconds(5);
        let what = format!("an advertisement of {who}");
        let seen =
            self.capture.wait_for_advert(&what, after, limit, |seen| seen.from == who && seen.what.priority > 0)?;
        Ok(seen.at)
    }

    /// How many advertisements a director has sent from `from` to `to`.
    pub(crate) fn said(&self, who: &str, from: Moment, to: Moment) -> Result<usize> {
        let adverts = self.capture.adverts()?;
        Ok(adverts.iter().filter(|seen| seen.from == who && seen.at > from && seen.at < to).count())
    }

    /// From the last advertisement of `first` before `moment` until `moment`.
    pub(crate) fn silence_before(&self, moment: Moment) -> Result<Duration> {
        let adverts = self.capture.adverts()?;
        let last = adverts.iter().filter(|seen| seen.from == "first" && seen.at < moment).map(|seen| seen.at).max();
        Ok(moment.since(last.unwrap_or(Moment::from_nanos(0))))
    }

    /// Waits until a director has all virtual addresses, or none.
    pub(crate) fn holds(&self, director: &Machine, all: bool) -> Result<()> {
        holds(self.form, director, all, self.form.down() * 2 + seconds(5))
    }
}

/// Waits until a director has all virtual addresses of a form, or none.
pub(crate) fn holds(form: Form, director: &Machine, all: bool, limit: Duration) -> Result<()> {
    let what = format!("{} had {} virtual addresses", director.name(), if all { "the" } else { "no" });
    until(&what, limit, || {
        director.run("ip -oneline address show").is_ok_and(|shown| {
            let has = |vip: &&str| shown.contains(&format!(" {vip}/"));
            if all { form.vips().iter().all(&has) } else { !form.vips().iter().any(&has) }
        })
    })?;
    Ok(())
}

/// A frame as it was on the wire.
pub(crate) struct Raw {
    pub(crate) content: Content,
    /// The octets, without what is free to differ: see [`raw`].
    pub(crate) octets: String,
}

/// The frames that a director has sent, from `after` on, in hexadecimal. The flow label of IPv6 is left out: the kernel
/// picks it.
pub(crate) fn raw(capture: &Capture, who: &str, after: Moment) -> Result<Vec<Raw>> {
    let sent = capture.octets()?.into_iter().filter(|seen| seen.from == who && seen.at > after);
    let frames = sent.filter_map(|seen| {
        let content = lab::Frame::parse(&seen.what)?.content;
        let mut octets = seen.what;
        if let [_, _, _, _, _, _, _, _, _, _, _, _, 0x86, 0xdd, _, label_high, label_middle, label_low, ..] =
            octets.as_mut_slice()
        {
            *label_high &= 0xf0;
            (*label_middle, *label_low) = (0, 0);
        }
        let octets = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        Some(Raw { content, octets })
    });
    Ok(frames.collect())
}
