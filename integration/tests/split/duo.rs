//! Two directors on one LAN with a client, and a second LAN on which the directors tell each other their states. Judges
//! nothing.
//!
//! ```text
//!   client .50 ------ lan 192.0.2.0/24 ------  VIPs .100 and on
//!                | eth0          | eth0
//!             first .1        second .2
//!                | eth1          | eth1
//!                 side 198.51.100.0/24         the exchange, which no loss on the LAN touches
//! ```

use std::time::Duration;

use lab::seed::{CONF_PATH, Daemon};
use lab::{Lab, Machine, Moment, Plan, Process, Result, until};

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// For what is no matter of the protocol: a program that is started in a guest of a busy machine.
pub(crate) const PATIENCE: Duration = seconds(20);

/// One of the two directors, as its configuration has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    pub(crate) name: &'static str,
    /// The last octet of its addresses, and that of the other's.
    own: u8,
    other: u8,
    priority: u8,
}

/// The preferred director.
pub(crate) const FIRST: Role = Role { name: "first", own: 1, other: 2, priority: 150 };

/// The other one.
pub(crate) const SECOND: Role = Role { name: "second", own: 2, other: 1, priority: 100 };

impl Role {
    /// The exchange with the other director.
    pub(crate) fn exchange(self) -> String {
        let Self { own, other, .. } = self;
        let name = if own == FIRST.own { SECOND.name } else { FIRST.name };
        format!(
            "global_defs {{\n    peer {name} 198.51.100.{other}\n    peer_listen 198.51.100.{own}\n    \
             peer_key 0123456789abcdef0123456789abcdef\n}}\n"
        )
    }

    /// The instance of a virtual router, with these lines of its own and these addresses.
    pub(crate) fn instance(self, vrid: u8, lines: &str, vips: &[u8]) -> String {
        let vips: String = vips.iter().map(|vip| format!("        192.0.2.{vip}/24\n")).collect();
        format!(
            "vrrp_instance V{vrid} {{\n    state BACKUP\n    interface eth0\n    virtual_router_id {vrid}\n    \
             priority {}\n    garp_master_delay 1\n{lines}    virtual_ipaddress {{\n{vips}    }}\n}}\n",
            self.priority
        )
    }

    /// What makes an instance speak to the other director alone.
    pub(crate) fn unicast(self) -> String {
        format!(
            "    unicast_src_ip 192.0.2.{}\n    unicast_peer {{\n        192.0.2.{}\n    }}\n",
            self.own, self.other
        )
    }
}

/// The pair with its daemons.
pub(crate) struct Duo {
    pub(crate) lab: Lab,
    pub(crate) first: Machine,
    pub(crate) second: Machine,
    pub(crate) client: Machine,
    /// The daemons of `first` and of `second`.
    pub(crate) ones: Process,
    pub(crate) others: Process,
    command: String,
}

impl Duo {
    /// Starts both with their configurations.
    pub(crate) fn start(name: &str, conf: impl Fn(Role) -> String) -> Result<Self> {
        let mut plan = Plan::new(name);
        let (lan, side) = (plan.lan("lan"), plan.lan("side"));
        plan.director("first").card(lan, ["192.0.2.1/24"]).card(side, ["198.51.100.1/24"]);
        plan.director("second").card(lan, ["192.0.2.2/24"]).card(side, ["198.51.100.2/24"]);
        plan.host("client").card(lan, ["192.0.2.50/24"]);
        let lab = plan.start()?;
        let [first, second, client] = [lab.machine("first")?, lab.machine("second")?, lab.machine("client")?];
        let daemon = Daemon::standfastd()?;
        let ones = daemon.start(&first, &conf(FIRST))?;
        let others = daemon.start(&second, &conf(SECOND))?;
        Ok(Self { lab, first, second, client, ones, others, command: daemon.command() })
    }

    /// Waits until a director has a virtual address, or has it no more.
    pub(crate) fn holds(&self, director: &Machine, vip: u8, so: bool, limit: Duration) -> Result<Moment> {
        let what = format!("{} {} 192.0.2.{vip}", director.name(), if so { "had" } else { "had no more" });
        until(&what, limit, || self.has(director, vip).is_ok_and(|has| has == so))
    }

    /// Whether a director has a virtual address.
    pub(crate) fn has(&self, director: &Machine, vip: u8) -> Result<bool> {
        Ok(director.run("ip -4 -oneline address show dev eth0")?.contains(&format!(" 192.0.2.{vip}/")))
    }

    /// What `standfast status` says on a director, whatever its exit status.
    pub(crate) fn status(&self, director: &Machine) -> Result<String> {
        Ok(director.try_run(format!("{} status 2>&1", self.command))?.stdout)
    }

    /// Waits until `standfast status` of a director says something.
    pub(crate) fn shows(&self, director: &Machine, text: &str) -> Result<()> {
        let mut shown = String::new();
        let found = until(&format!("{} showed {text:?}", director.name()), PATIENCE, || {
            shown = self.status(director).unwrap_or_default();
            shown.contains(text)
        });
        found.inspect_err(|_| println!("{shown}")).map(drop)
    }

    /// Waits until `standfast status` of a director no longer says something.
    pub(crate) fn shows_no_more(&self, director: &Machine, text: &str) -> Result<()> {
        until(&format!("{} no longer showed {text:?}", director.name()), PATIENCE, || {
            self.status(director).is_ok_and(|shown| !shown.contains(text))
        })?;
        Ok(())
    }

    /// Has a director read another configuration.
    pub(crate) fn reload(&self, director: &Machine, conf: &str) -> Result<()> {
        director.put(CONF_PATH, conf)?;
        director.run(format!("{} reload", self.command)).map(drop)
    }

    /// Waits until the client sends what is for a virtual address to that director.
    pub(crate) fn client_believes(&self, director: &Machine, vip: u8) -> Result<()> {
        let mac = director.run("cat /sys/class/net/eth0/address")?;
        until(&format!("the client believed 192.0.2.{vip} at {}", director.name()), PATIENCE, || {
            let known = self.client.run(format!("ip neighbour show 192.0.2.{vip}"));
            known.is_ok_and(|known| known.contains(mac.trim()))
        })?;
        Ok(())
    }
}

/// How often a daemon has said something.
pub(crate) fn times(daemon: &Process, text: &str) -> usize {
    daemon.log().matches(text).count()
}
