//! The pair that the project began with: two directors, three web servers and three DNS servers behind NAT, and a
//! client. The configurations are `etc/examples`; this is the network they were written for.
//!
//! ```text
//!   client .50 ----- outside 192.168.1.0/24 -----  VIPs .200 (DNS), .202 (web)
//!                     | eth0         | eth0
//!                  master .11     standby .12
//!                     | eth1         | eth1
//!                  inside 10.0.100.0/24 ---------  VIP .200, the servers' default route
//!                     | web1 .2  web2 .3  web3 .4  dns1 .5  dns2 .6  dns3 .7
//! ```

use std::path::Path;
use std::time::Duration;

use crate::backend::check_installed;
use crate::error::{Error, Result};
use crate::lab::Lab;
use crate::machine::Machine;
use crate::plan::Plan;
use crate::probe::Probe;
use crate::process::Process;
use crate::servers::WHO;
use crate::wait::eventually;

/// The configuration of the director that is preferred.
pub const MASTER_CONF: &str = include_str!("../../etc/examples/master.conf");

/// The configuration of the other director.
pub const STANDBY_CONF: &str = include_str!("../../etc/examples/standby.conf");

/// The web service, as a client reaches it.
pub const WEB: &str = "192.168.1.202:80";

/// The DNS service, as a client reaches it.
pub const DNS: &str = "192.168.1.200:53";

/// The web service, as a director's IPVS table names it.
pub const WEB_SERVICE: &str = "TCP 192.168.1.202:80";

/// The DNS service, as a director's IPVS table names it.
pub const DNS_SERVICE: &str = "UDP 192.168.1.200:53";

/// The virtual addresses of the pair, as `ip address` shows them.
pub const VIPS: [&str; 3] = ["192.168.1.200/32", "192.168.1.202/32", "10.0.100.200/32"];

/// Where a daemon finds its configuration.
pub const CONF_PATH: &str = "/etc/keepalived/keepalived.conf";

/// The plan of the pair. More may be added before it is started with [`Seed::start_plan`].
#[must_use]
pub fn plan(name: &str) -> Plan {
    let mut plan = Plan::new(name);
    let outside = plan.lan("outside");
    let inside = plan.lan("inside");
    plan.director("master").card(outside, ["192.168.1.11/24"]).card(inside, ["10.0.100.11/24"]);
    plan.director("standby").card(outside, ["192.168.1.12/24"]).card(inside, ["10.0.100.12/24"]);
    plan.host("client").card(outside, ["192.168.1.50/24"]);
    for (server, address) in SERVERS {
        plan.host(server).card(inside, [address]).gateway("10.0.100.200");
    }
    plan
}

const SERVERS: [(&str, &str); 6] = [
    ("web1", "10.0.100.2/24"),
    ("web2", "10.0.100.3/24"),
    ("web3", "10.0.100.4/24"),
    ("dns1", "10.0.100.5/24"),
    ("dns2", "10.0.100.6/24"),
    ("dns3", "10.0.100.7/24"),
];

/// The running pair, with its real servers, and without a daemon on the directors.
#[derive(Debug)]
pub struct Seed {
    /// The lab; to be ended with [`Lab::finish`].
    pub lab: Lab,
    /// The director that is preferred.
    pub master: Machine,
    /// The other director.
    pub standby: Machine,
    /// The client.
    pub client: Machine,
    /// The real servers that run, by name: `web1` to `web3`, `dns1` to `dns3`.
    servers: Vec<(&'static str, Process)>,
}

impl Seed {
    /// Starts the pair.
    ///
    /// # Errors
    /// As [`Plan::start`], or a real server does not start.
    pub fn start(name: &str) -> Result<Self> {
        Self::start_plan(&plan(name))
    }

    /// Starts a plan that was made from [`plan`].
    ///
    /// # Errors
    /// As [`Plan::start`], or a real server does not start.
    pub fn start_plan(plan: &Plan) -> Result<Self> {
        check_installed(&[
            ("nginx", "nginx-light"),
            ("named", "bind9"),
            ("curl", "curl"),
            ("dig", "bind9-dnsutils"),
            ("ipvsadm", "ipvsadm"),
        ])?;
        let lab = plan.start()?;
        let (master, standby, client) = (lab.machine("master")?, lab.machine("standby")?, lab.machine("client")?);
        let mut seed = Self { lab, master, standby, client, servers: Vec::new() };
        for (name, _) in SERVERS {
            seed.start_server(name)?;
        }
        Ok(seed)
    }

    /// Starts a real server again, by its name.
    ///
    /// # Errors
    /// There is none of this name, or it does not start.
    pub fn start_server(&mut self, name: &str) -> Result<()> {
        let (name, _) = SERVERS
            .into_iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| Error::Plan(format!("no server {name:?}")))?;
        let machine = self.lab.machine(name)?;
        let server = if name.starts_with("web") { machine.serve_web(name)? } else { machine.serve_dns(name)? };
        self.servers.retain(|(other, _)| *other != name);
        self.servers.push((name, server));
        Ok(())
    }

    /// Kills a real server, by its name. Its machine goes on and refuses connections.
    ///
    /// # Errors
    /// There is none of this name, or it does not die.
    pub fn kill_server(&mut self, name: &str) -> Result<()> {
        let at = self.servers.iter().position(|(running, _)| *running == name);
        let (_, server) = self.servers.swap_remove(at.ok_or_else(|| Error::Plan(format!("no server {name:?} runs")))?);
        server.kill()
    }

    /// The web server that answers a client's single request now.
    ///
    /// # Errors
    /// None answers within a second.
    pub fn web_answer(&self) -> Result<String> {
        let page = self.client.run([
            "curl",
            "--silent",
            "--show-error",
            "--fail",
            "--max-time",
            "1",
            &format!("http://{WEB}/"),
        ])?;
        Ok(page.trim().to_owned())
    }

    /// The DNS server that answers a client's single question now.
    ///
    /// # Errors
    /// None answers within a second.
    pub fn dns_answer(&self) -> Result<String> {
        let (address, _port) = DNS.split_once(':').unwrap_or((DNS, ""));
        let server = format!("@{address}");
        let text = self.client.run(["dig", &server, "+short", "+timeout=1", "+tries=1", WHO, "TXT"])?;
        Ok(text.trim().trim_matches('"').to_owned())
    }

    /// Waits until both services answer through the VIPs.
    ///
    /// # Errors
    /// They do not within `limit`.
    pub fn wait_for_service(&self, limit: Duration) -> Result<()> {
        eventually("both services answered through the VIPs", limit, || self.web_answer().and(self.dns_answer()))?;
        Ok(())
    }

    /// A probe of the web service.
    ///
    /// # Errors
    /// Never for this address.
    pub fn web_probe() -> Result<Probe> {
        Probe::http(WEB)
    }

    /// A probe of the DNS service.
    ///
    /// # Errors
    /// Never for this address.
    pub fn dns_probe() -> Result<Probe> {
        Probe::dns(DNS, WHO)
    }
}

/// Those of [`VIPS`] that a director has now, in their order.
///
/// # Errors
/// The director cannot be asked.
pub fn held_vips(director: &Machine) -> Result<Vec<&'static str>> {
    let shown = director.run("ip -4 -oneline address show")?;
    Ok(VIPS.into_iter().filter(|vip| shown.split_whitespace().any(|word| word == *vip)).collect())
}

/// Waits until the director has all of [`VIPS`] (or none, for `false`).
///
/// # Errors
/// It does not come to that within `limit`.
pub fn wait_for_vips(director: &Machine, all: bool, limit: Duration) -> Result<()> {
    let wanted: &[&str] = if all { &VIPS } else { &[] };
    let what = format!("{} had {}", director.name(), if all { "all virtual addresses" } else { "no virtual address" });
    crate::wait::until(&what, limit, || held_vips(director).is_ok_and(|held| held == wanted))?;
    Ok(())
}

/// A daemon that reads `keepalived.conf`.
#[derive(Clone, Debug)]
pub struct Daemon {
    program: String,
    arguments: Vec<String>,
}

impl Daemon {
    /// Debian's keepalived.
    #[must_use]
    pub fn keepalived() -> Self {
        Self::at("keepalived")
    }

    /// The daemon of this project, as built beside the program that runs now.
    ///
    /// # Errors
    /// It is not built.
    pub fn standfastd() -> Result<Self> {
        let here = std::env::current_exe().map_err(Error::io("finding this program"))?;
        // Tests lie one directory below the programs.
        let found =
            here.ancestors().skip(1).take(2).map(|directory| directory.join("standfastd")).find(|path| path.exists());
        let path =
            found.ok_or_else(|| Error::Missing("standfastd is not built: cargo build --workspace".to_owned()))?;
        Ok(Self::at(path.to_string_lossy()))
    }

    /// The daemon at a path, which takes keepalived's command line.
    #[must_use]
    pub fn at(program: impl Into<String>) -> Self {
        Self { program: program.into(), arguments: Vec::new() }
    }

    /// Its program.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The operator's command, which lies beside it.
    #[must_use]
    pub fn command(&self) -> String {
        Path::new(&self.program).with_file_name("standfast").display().to_string()
    }

    /// Gives it one more argument, for instance `--vrrp`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Writes a director's configuration and starts the daemon in the foreground, with a detailed log.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, director: &Machine, conf: &str) -> Result<Process> {
        director.put(CONF_PATH, conf)?;
        self.start_again(director)
    }

    /// Starts the daemon with the configuration that is there, for instance after a power cut.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_again(&self, director: &Machine) -> Result<Process> {
        let mut argv = vec![self.program.clone()];
        argv.extend(["--dont-fork", "--log-console", "--log-detail", "--use-file", CONF_PATH].map(str::to_owned));
        argv.extend_from_slice(&self.arguments);
        director.spawn(argv)
    }
}

/// What keepalived and standfastd write when they do not take a packet for what it should be.
const REFUSALS: [&str; 9] = [
    "refused advertisement",
    "other addresses than ours",
    "Invalid",
    "invalid",
    "mismatch",
    "bogus",
    "not present in",
    "unexpected ip number",
    "expecting",
];

/// Fails where a daemon, of either kind, has written that it did not take a packet for what it should be.
///
/// # Panics
/// It has.
pub fn nothing_was_refused(daemon: &Process) {
    let log = daemon.log();
    let refused: Vec<&str> = log.lines().filter(|line| REFUSALS.iter().any(|word| line.contains(word))).collect();
    assert!(refused.is_empty(), "{}: {refused:#?}", daemon.command());
}
