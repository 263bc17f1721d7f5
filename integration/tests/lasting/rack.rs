//! The pair under traffic: two directors, two services behind NAT and one by direct routing, each with its real servers,
//! and a client that holds conversations and makes requests. Owns the network and the traffic; judges nothing
//! by itself.
//!
//! ```text
//!   client .50   dr1 .61  dr2 .62 ----- outside 192.168.1.0/24 -----  VIPs .202 (NAT), .203 (direct)
//!                                         | eth0         | eth0
//!                                      master .11     standby .12
//!                                         | eth1         | eth1
//!                                      inside 10.0.100.0/24 --------- VIP .200, the way back
//!                                         | nat1 .2  nat2 .3  nat3 .4
//! ```

use std::time::Duration;

use lab::seed::{CONF_PATH, Daemon};
use lab::{Lab, Machine, Plan, Process, Result, Talk, Talking, eventually, until};

use crate::wanted::Wanted;

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The service behind NAT, as a client reaches it.
pub(crate) const NAT: &str = "192.168.1.202:7007";

/// The service by direct routing, as a client reaches it.
pub(crate) const DIRECT: &str = "192.168.1.203:7007";

/// The pages of the servers behind NAT, as a client reaches them.
pub(crate) const WEB: &str = "192.168.1.202:80";

/// Where every real server repeats what it hears.
const PORT: u16 = 7007;

/// A standby waits for three intervals of a second and its skew (RFC 3768 6.1).
pub(crate) const DOWN: Duration = Duration::from_micros(3_609_375);

/// The real servers behind NAT.
pub(crate) const NAT_SERVERS: [(&str, &str); 3] =
    [("nat1", "10.0.100.2"), ("nat2", "10.0.100.3"), ("nat3", "10.0.100.4")];

/// The real servers that answer by themselves.
pub(crate) const DIRECT_SERVERS: [(&str, &str); 2] = [("dr1", "192.168.1.61"), ("dr2", "192.168.1.62")];

/// The virtual addresses, as `ip address` shows them.
const VIPS: [&str; 3] = ["192.168.1.202/32", "192.168.1.203/32", "10.0.100.200/32"];

/// The plan: cards, addresses, and the settings that direct routing asks of its servers.
fn plan(name: &str) -> Plan {
    let mut plan = Plan::new(name);
    let (outside, inside) = (plan.lan("outside"), plan.lan("inside"));
    plan.director("master").card(outside, ["192.168.1.11/24"]).card(inside, ["10.0.100.11/24"]);
    plan.director("standby").card(outside, ["192.168.1.12/24"]).card(inside, ["10.0.100.12/24"]);
    plan.host("client").card(outside, ["192.168.1.50/24"]);
    for (server, address) in NAT_SERVERS {
        plan.host(server).card(inside, [format!("{address}/24").as_str()]).gateway("10.0.100.200");
    }
    for (server, address) in DIRECT_SERVERS {
        // They have the virtual address themselves, and tell nobody.
        plan.host(server)
            .card(outside, [format!("{address}/24").as_str()])
            .sysctl("net/ipv4/conf/all/arp_ignore", "1")
            .sysctl("net/ipv4/conf/all/arp_announce", "2");
    }
    plan
}

/// The pair in service.
pub(crate) struct Rack {
    pub(crate) lab: Lab,
    pub(crate) master: Machine,
    pub(crate) standby: Machine,
    pub(crate) client: Machine,
    /// The daemon of each director that runs last.
    pub(crate) daemons: [Process; 2],
    /// The processes of the servers that run, by name.
    servers: Vec<(&'static str, Process)>,
    daemon: Daemon,
}

impl Rack {
    /// Starts everything and waits until the master serves and both tables are whole.
    pub(crate) fn start(name: &str, wanted: &Wanted) -> Result<Self> {
        let lab = plan(name).start()?;
        let [master, standby, client] = [lab.machine("master")?, lab.machine("standby")?, lab.machine("client")?];
        for (server, _) in DIRECT_SERVERS {
            lab.machine(server)?.run("ip address add 192.168.1.203/32 dev lo")?;
        }
        let daemon = Daemon::standfastd()?;
        let daemons =
            [daemon.start(&master, &wanted.conf("master"))?, daemon.start(&standby, &wanted.conf("standby"))?];
        let mut rack = Self { lab, master, standby, client, daemons, servers: Vec::new(), daemon };
        for (server, _) in NAT_SERVERS.into_iter().chain(DIRECT_SERVERS) {
            rack.start_server(server)?;
        }
        rack.holds(&rack.master, true)?;
        for director in [&rack.master, &rack.standby] {
            rack.table_becomes(director, wanted)?;
        }
        Ok(rack)
    }

    pub(crate) fn directors(&self) -> [&Machine; 2] {
        [&self.master, &self.standby]
    }

    /// Waits until a director has all virtual addresses, or none.
    pub(crate) fn holds(&self, director: &Machine, all: bool) -> Result<()> {
        let what = format!("{} had {} virtual addresses", director.name(), if all { "the" } else { "no" });
        until(&what, seconds(20), || {
            self.held(director).is_ok_and(|held| if all { held == VIPS.len() } else { held == 0 })
        })?;
        Ok(())
    }

    /// How many virtual addresses a director has.
    pub(crate) fn held(&self, director: &Machine) -> Result<usize> {
        let shown = director.run("ip -4 -oneline address show")?;
        Ok(VIPS.into_iter().filter(|vip| shown.split_whitespace().any(|word| word == *vip)).count())
    }

    /// Waits until a director's table is that of a configuration whose servers are all well.
    pub(crate) fn table_becomes(&self, director: &Machine, wanted: &Wanted) -> Result<()> {
        let expected = wanted.tables();
        eventually(&format!("{} had its table", director.name()), seconds(20), || {
            let found = self.tables(director)?;
            if found == expected { Ok(()) } else { Err(lab::Error::Missing(format!("{found:?} and not {expected:?}"))) }
        })
    }

    /// The servers of each service in a director's table, as `10.0.100.2:7007=1`.
    pub(crate) fn tables(&self, director: &Machine) -> Result<[Vec<String>; 3]> {
        let table = director.ipvs()?;
        Ok([NAT, WEB, DIRECT].map(|service| {
            let service = table.services.get(&format!("TCP {service}"));
            let servers = service.into_iter().flat_map(|service| &service.servers);
            servers.map(|(address, server)| format!("{address}={}", server.weight)).collect()
        }))
    }

    /// Begins `count` conversations with each of the two services.
    pub(crate) fn talk(&self, count: usize) -> Result<[Talking; 2]> {
        Ok([self.client.talk(&Talk::with(NAT, count)?)?, self.client.talk(&Talk::with(DIRECT, count)?)?])
    }

    /// Kills a worker of a director with SIGKILL and waits until its successor has been started.
    pub(crate) fn kill_worker(&self, director: &Machine, worker: &str) -> Result<()> {
        let daemon = self.daemon_of(director);
        let started = || daemon.log().matches(&format!("{worker} worker started, pid")).count();
        let before = started();
        director.run(format!("pkill -KILL -f '[s]tandfastd: {worker}'"))?;
        until(&format!("another {worker} worker of {} was started", director.name()), seconds(10), || {
            started() > before
        })?;
        Ok(())
    }

    /// Has a director read another configuration, and waits until it is in force.
    pub(crate) fn reload(&self, director: &Machine, wanted: &Wanted) -> Result<()> {
        director.put(CONF_PATH, wanted.conf(director.name()))?;
        director.run(format!("{} reload", self.daemon.program().trim_end_matches('d')))?;
        Ok(())
    }

    /// Starts a real server: both its programs behind NAT, else the one.
    pub(crate) fn start_server(&mut self, name: &'static str) -> Result<()> {
        let machine = self.lab.machine(name)?;
        self.servers.push((name, machine.serve_echo(PORT, name)?));
        if NAT_SERVERS.iter().any(|(behind, _)| *behind == name) {
            self.servers.push((name, machine.serve_web(name)?));
        }
        Ok(())
    }

    /// Starts the daemon of a director again, with the configuration that is there.
    pub(crate) fn start_daemon(&mut self, director: &Machine) -> Result<()> {
        let process = self.daemon.start_again(director)?;
        let [master, standby] = &mut self.daemons;
        *(if director.name() == self.master.name() { master } else { standby }) = process;
        Ok(())
    }

    pub(crate) fn daemon_of(&self, director: &Machine) -> &Process {
        let [master, standby] = &self.daemons;
        if director.name() == self.master.name() { master } else { standby }
    }

    /// Kills a real server. Its machine goes on and refuses connections.
    pub(crate) fn kill_server(&mut self, name: &str) -> Result<()> {
        for (_, process) in self.servers.extract_if(.., |(known, _)| *known == name) {
            process.kill()?;
        }
        Ok(())
    }
}
