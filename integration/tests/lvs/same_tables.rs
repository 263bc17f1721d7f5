//! keepalived and standfastd in two identical kernels, with the same configuration, check the same servers at the same
//! time. Whatever happens to the servers, every service goes through the same states in the same order on both.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::seed::{CONF_PATH, Daemon};
use lab::{Command, Lab, Machine, Plan, Process, Result, eventually, pause, until};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The director under keepalived, and the one under standfastd.
const DIRECTORS: [&str; 2] = ["theirs", "ours"];

pub(crate) const SERVERS: [(&str, &str); 3] = [("web1", "10.0.100.2"), ("web2", "10.0.100.3"), ("web3", "10.0.100.4")];

/// A state that lasts as long as this is seen at least twice.
const SEEN_TWICE: Duration = Duration::from_millis(800);

/// Writes the table of every tenth of a second or so, a blank line behind each.
const SAMPLER: &str = "while :; do ipvsadm --save --numeric | sort; echo; sleep 0.1; done";

/// A check by a program: the server accepts a connection.
const PROBE: &str = "#!/bin/bash\nexec 3<>/dev/tcp/$1/80\n";

/// Where a mail server may stand.
const MAIL: &str = "10.0.100.20/24";

/// Notes what it is told.
const NOTE: &str = "#!/bin/bash\necho \"$*\" >>/run/noted\n";

/// What is common to all real servers but the checker.
fn server(address: &str, weight: u32, inside: &str) -> String {
    format!("    real_server {address} 80 {{\n        weight {weight}\n        {inside}\n    }}\n")
}

const GET: &str = "HTTP_GET {\n            url {\n                path /\n                status_code 200\n            }\n            \
                   connect_timeout 1\n            retry 1\n            delay_before_retry 1\n        }";

const CONNECT: &str =
    "TCP_CHECK {\n            connect_timeout 1\n            retry 1\n            delay_before_retry 1\n        }";

/// Four services, each with its own checker and its own policy.
fn conf(change: bool) -> String {
    let misc = |address: &str| {
        format!(
            "MISC_CHECK {{\n            misc_path \"/etc/lab/probe {address}\"\n            misc_timeout 6\n        }}"
        )
    };
    let [one, two, three] = SERVERS.map(|(_, address)| address);
    let mut text = "global_defs {\n    script_user root\n    enable_script_security\n}\n".to_owned();
    // A quorum of weight, a server for bad times, and scripts that are told.
    text += "virtual_server 192.0.2.100 80 {\n    delay_loop 1\n    lb_algo wrr\n    lb_kind NAT\n    protocol TCP\n    \
             quorum 4\n    quorum_up \"/etc/lab/note quorum up\"\n    quorum_down \"/etc/lab/note quorum down\"\n    \
             sorry_server 10.0.100.9 80\n";
    let weight = if change { 7 } else { 3 };
    text += &[server(one, weight, GET), server(two, 2, GET), server(three, 1, GET)].concat();
    // Persistence, and servers that stay in the table without weight.
    text += "}\nvirtual_server 192.0.2.101 80 {\n    delay_loop 1\n    lb_algo wlc\n    lb_kind NAT\n    protocol TCP\n    \
             persistence_timeout 60\n";
    for address in [one, two, three] {
        text += &server(address, 1, &format!("inhibit_on_failure\n        {CONNECT}"));
    }
    // A firewall mark, source hashing with flags, servers checked by a program.
    text += "}\nvirtual_server fwmark 7 {\n    delay_loop 1\n    lb_algo sh\n    lb_kind NAT\n    sh-port\n    sh-fallback\n";
    for address in [one, two, three] {
        text += &server(address, 1, &misc(address));
    }
    // UDP, tunnelling, no checker; present only before the change, and another in its place after it.
    let port = if change { 54 } else { 53 };
    text += &format!("}}\nvirtual_server 192.0.2.102 {port} {{\n    lb_algo rr\n    lb_kind DR\n    protocol UDP\n");
    for address in [one, two] {
        text += &format!("    real_server {address} {port} {{\n        weight 1\n    }}\n");
    }
    text + "}\n"
}

/// Both directors in the same world.
pub(crate) struct World {
    pub(crate) lab: Lab,
    /// Under keepalived, and under standfastd.
    pub(crate) directors: [Machine; 2],
    pub(crate) daemons: Vec<Process>,
    samplers: Vec<Process>,
    servers: BTreeMap<&'static str, Process>,
}

impl World {
    /// Without daemons, with all real servers.
    pub(crate) fn build(name: &str) -> Result<Self> {
        let mut plan = Plan::new(name);
        let lan = plan.lan("inside");
        for (director, address) in DIRECTORS.into_iter().zip(["10.0.100.11/24", "10.0.100.12/24"]) {
            plan.director(director).card(lan, [address]);
        }
        for (server, address) in SERVERS {
            plan.host(server).card(lan, [format!("{address}/24").as_str()]);
        }
        plan.host("mail").card(lan, [MAIL]);
        let lab = plan.start()?;
        let [theirs, ours] = DIRECTORS.map(|name| lab.machine(name));
        let directors = [theirs?, ours?];
        let (daemons, samplers) = (Vec::new(), Vec::new());
        let mut world = Self { lab, directors, daemons, samplers, servers: BTreeMap::new() };
        for (server, _) in SERVERS {
            world.serve(server)?;
        }
        Ok(world)
    }

    /// Starts both daemons with the same configuration.
    pub(crate) fn run(&mut self, conf: &str) -> Result<()> {
        for (director, daemon) in self.directors.iter().zip([Daemon::keepalived(), Daemon::standfastd()?]) {
            // keepalived asks for its own name, and would wait for a name server that is not there.
            director.put("/etc/hosts", format!("127.0.0.1 localhost {}\n", director.name()))?;
            director.put_with_mode("/etc/lab/probe", PROBE, 0o755)?;
            director.put_with_mode("/etc/lab/note", NOTE, 0o755)?;
            self.daemons.push(daemon.start(director, conf)?);
        }
        Ok(())
    }

    fn start(name: &str) -> Result<Self> {
        let mut world = Self::build(name)?;
        world.run(&conf(false))?;
        world.settled("all servers were in", |table| table.matches("10.0.100.3:80").count() == 3)?;
        // What is on the way to the first whole table depends on the moment at which one looks.
        for director in &world.directors {
            let sampler = director.spawn(SAMPLER)?;
            sampler.wait_for("\n\n", seconds(10))?;
            world.samplers.push(sampler);
        }
        pause(SEEN_TWICE);
        Ok(world)
    }

    pub(crate) fn serve(&mut self, server: &'static str) -> Result<()> {
        let process = self.lab.machine(server)?.serve_web(server)?;
        self.servers.insert(server, process);
        Ok(())
    }

    pub(crate) fn kill(&mut self, server: &str) -> Result<()> {
        self.servers.remove(server).map_or(Ok(()), |process| process.kill())
    }

    /// Waits until both directors have the same table, and it is as it should be.
    pub(crate) fn settled(&self, what: &str, holds: impl Fn(&str) -> bool) -> Result<String> {
        let table = eventually(&format!("{what} on both directors"), seconds(30), || {
            let [theirs, ours] =
                self.directors.each_ref().map(|director| director.run("ipvsadm --save --numeric | sort"));
            let (theirs, ours) = (theirs?, ours?);
            if theirs == ours && holds(&ours) {
                Ok(ours)
            } else {
                Err(lab::Error::Missing(format!("keepalived\n{theirs}standfastd\n{ours}")))
            }
        })?;
        pause(SEEN_TWICE);
        Ok(table)
    }

    /// The states that each service went through on a director, in their order. What is seen only once is the middle of
    /// a change.
    fn history(&self, director: usize) -> BTreeMap<String, Vec<Vec<String>>> {
        let mut history: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        let mut before: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let text = self.samplers.get(director).map(Process::log).unwrap_or_default();
        let mut samples: Vec<&str> = text.split("\n\n").collect();
        // The last one may not be complete.
        samples.pop();
        for sample in samples {
            let mut state: BTreeMap<String, Vec<String>> =
                history.keys().map(|key| (key.clone(), Vec::new())).collect();
            for line in sample.lines() {
                // "-a -t 192.0.2.100:80 -r ..." and "-A -t 192.0.2.100:80 -s ...".
                let service = line.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join(" ");
                state.entry(service).or_default().push(line.to_owned());
            }
            for (service, lines) in &state {
                let states = history.entry(service.clone()).or_default();
                if before.get(service) == Some(lines) && states.last() != Some(lines) {
                    states.push(lines.clone());
                }
            }
            before = state;
        }
        history
    }
}

#[test]
fn servers_die_and_return_and_every_service_has_the_same_states_as_under_keepalived() -> Result<()> {
    let mut world = World::start("tables")?;
    let out = |server: &'static str| move |table: &str| table.matches(server).count() == 1 && table.contains("-w 0");
    let back = |server: &'static str| move |table: &str| table.matches(server).count() == 3 && !table.contains("-w 0");

    world.kill("web2")?;
    world.settled("the second server was out", out("10.0.100.3:80"))?;
    world.serve("web2")?;
    world.settled("the second server was back", back("10.0.100.3:80"))?;

    // It bears half of the weight: the quorum goes with it.
    world.kill("web1")?;
    world
        .settled("the heavy server was out", |table| out("10.0.100.2:80")(table) && table.contains("10.0.100.9:80"))?;
    world.kill("web3")?;
    world.settled("one server was left", |table| table.matches("-w 0").count() == 2)?;
    world.serve("web3")?;
    world.settled("two servers were there again", out("10.0.100.2:80"))?;
    world.serve("web1")?;
    world.settled("all were back", |table| back("10.0.100.2:80")(table) && !table.contains("10.0.100.9:80"))?;

    for (director, daemon) in world.directors.iter().zip(&world.daemons) {
        director.put(CONF_PATH, conf(true))?;
        daemon.signal(nix::libc::SIGHUP)?;
    }
    world.settled("the changed configuration was in force", |table| {
        table.contains("192.0.2.102:54") && !table.contains("192.0.2.102:53") && table.contains("-w 7")
    })?;

    let [noted_theirs, noted] = world.directors.each_ref().map(|director| director.run("cat /run/noted"));
    let noted = noted?;
    assert_eq!(noted, noted_theirs?, "the same scripts were told the same");
    assert_eq!(noted, "quorum up\nquorum down\nquorum up\n");

    let (theirs, ours) = (world.history(0), world.history(1));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (service, states) in &theirs {
        assert_eq!(ours.get(service), Some(states), "{service}: standfastd, and keepalived");
    }
    assert!(theirs.get("-t 192.0.2.100:80").is_some_and(|states| states.len() == 6), "{theirs:#?}");

    for daemon in &world.daemons {
        daemon.stop(seconds(20))?;
    }
    for director in &world.directors {
        let empty = || director.run(Command::from("ipvsadm --save --numeric")).is_ok_and(|table| table.is_empty());
        until("the table was empty", seconds(5), empty)?;
    }
    world.lab.finish()
}
