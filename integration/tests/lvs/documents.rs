//! Two set-ups that users of LVS describe: NAT with four web servers of different weight, and a firewall mark with source
//! hashing whose servers a script checks.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::seed::Daemon;
use lab::{Lab, Machine, Plan, Process, Result, eventually, until};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The virtual address, as clients know it.
pub(crate) const VIP: &str = "192.168.1.100";

const SERVERS: [(&str, &str); 4] =
    [("web1", "10.0.100.2"), ("web2", "10.0.100.3"), ("web3", "10.0.100.4"), ("web4", "10.0.100.5")];

/// The director holds the address of the service outside, and that of the way back inside.
pub(crate) const ADDRESSES: &str = "vrrp_instance OUTSIDE {\n    state MASTER\n    interface eth0\n    virtual_router_id 51\n    \
    priority 255\n    virtual_ipaddress {\n        192.168.1.100/24\n    }\n}\n\
    vrrp_instance INSIDE {\n    state MASTER\n    interface eth1\n    virtual_router_id 52\n    \
    priority 255\n    virtual_ipaddress {\n        10.0.100.200/24\n    }\n}\n";

struct Farm {
    lab: Lab,
    director: Machine,
    clients: Vec<Machine>,
    servers: Vec<Process>,
}

impl Farm {
    fn start(name: &str) -> Result<Self> {
        let mut plan = Plan::new(name);
        let (outside, inside) = (plan.lan("outside"), plan.lan("inside"));
        plan.director("director").card(outside, ["192.168.1.11/24"]).card(inside, ["10.0.100.11/24"]);
        let clients = [("client1", "192.168.1.51/24"), ("client2", "192.168.1.52/24"), ("client3", "192.168.1.53/24")];
        for (client, address) in clients {
            plan.host(client).card(outside, [address]);
        }
        for (server, address) in SERVERS {
            plan.host(server).card(inside, [format!("{address}/24").as_str()]).gateway("10.0.100.200");
        }
        let lab = plan.start()?;
        let director = lab.machine("director")?;
        let clients = clients.into_iter().map(|(client, _)| lab.machine(client)).collect::<Result<_>>()?;
        let servers = SERVERS.into_iter().map(|(name, _)| lab.machine(name)?.serve_web(name)).collect::<Result<_>>()?;
        Ok(Self { lab, director, clients, servers })
    }

    fn serve(&self, services: &str) -> Result<Process> {
        let daemon = Daemon::standfastd()?.start(&self.director, &format!("{ADDRESSES}{services}"))?;
        eventually("the service answered", seconds(20), || self.answers(0, 1))?;
        Ok(daemon)
    }

    /// Who answers a client how often.
    fn answers(&self, client: usize, count: usize) -> Result<BTreeMap<String, usize>> {
        let line = format!(
            "for n in $(seq {count}); do curl --silent --show-error --fail --max-time 2 http://{VIP}/ || exit 1; done"
        );
        let client = self.clients.get(client).ok_or_else(|| lab::Error::Plan("no such client".to_owned()))?;
        let said = client.run(line)?;
        let mut answers = BTreeMap::new();
        for server in said.lines() {
            *answers.entry(server.to_owned()).or_insert(0) += 1;
        }
        Ok(answers)
    }

    fn kill(&self, server: &str) -> Result<()> {
        let at = SERVERS.iter().position(|(name, _)| *name == server);
        at.and_then(|at| self.servers.get(at)).map_or(Ok(()), Process::kill)
    }

    fn in_table(&self, service: &str) -> Result<usize> {
        Ok(self.director.ipvs()?.servers(service).len())
    }
}

fn shares(of: &[(&str, usize)]) -> BTreeMap<String, usize> {
    of.iter().map(|(server, count)| ((*server).to_owned(), *count)).collect()
}

#[test]
fn four_web_servers_behind_nat_get_requests_by_their_weight() -> Result<()> {
    let farm = Farm::start("wrr")?;
    let mut text =
        format!("virtual_server {VIP} 80 {{\n    delay_loop 1\n    lb_algo wrr\n    lb_kind NAT\n    protocol TCP\n");
    for ((_, address), weight) in SERVERS.into_iter().zip([4, 3, 2, 1]) {
        text += &format!(
            "    real_server {address} 80 {{\n        weight {weight}\n        HTTP_GET {{\n            url {{\n                \
             path /\n                status_code 200\n            }}\n            connect_timeout 1\n            \
             retry 1\n            delay_before_retry 1\n        }}\n    }}\n"
        );
    }
    farm.serve(&(text + "}\n"))?;
    // Whole rounds of the scheduler, wherever in one it stands.
    assert_eq!(farm.answers(0, 40)?, shares(&[("web1", 16), ("web2", 12), ("web3", 8), ("web4", 4)]));
    farm.kill("web1")?;
    let service = format!("TCP {VIP}:80");
    until("the killed server was out", seconds(10), || farm.in_table(&service).is_ok_and(|count| count == 3))?;
    assert_eq!(farm.answers(1, 30)?, shares(&[("web2", 15), ("web3", 10), ("web4", 5)]));
    farm.lab.finish()
}

#[test]
fn marked_packets_of_a_client_stay_with_their_server_until_it_dies() -> Result<()> {
    let farm = Farm::start("mark")?;
    farm.director.put_with_mode("/etc/lab/probe", "#!/bin/bash\nexec 3<>/dev/tcp/$1/80\n", 0o755)?;
    // The tables of nftables for IPv4 are not in every such kernel; those of iptables are.
    farm.director.run(format!(
        "iptables-legacy -t mangle -A PREROUTING -d {VIP} -p tcp -m multiport --dports 80,443 -j MARK --set-mark 7"
    ))?;
    let mut text = "global_defs {\n    script_user root\n    enable_script_security\n}\n\
                    virtual_server fwmark 7 {\n    delay_loop 1\n    lb_algo sh\n    lb_kind NAT\n"
        .to_owned();
    for (_, address) in SERVERS {
        text += &format!(
            "    real_server {address} 0 {{\n        weight 1\n        MISC_CHECK {{\n            \
             misc_path \"/etc/lab/probe {address}\"\n            misc_timeout 6\n        }}\n    }}\n"
        );
    }
    farm.serve(&(text + "}\n"))?;
    let mut served = Vec::new();
    for client in 0..3 {
        let answers = farm.answers(client, 10)?;
        assert_eq!(answers.len(), 1, "one server for a client: {answers:?}");
        served.extend(answers.into_keys());
    }
    let of_first = served.first().cloned().unwrap_or_default();
    farm.kill(&of_first)?;
    until("the killed server was out", seconds(15), || farm.in_table("FWM 7").is_ok_and(|count| count == 3))?;
    let after = farm.answers(0, 10)?;
    assert!(after.len() == 1 && !after.contains_key(&of_first), "{after:?} and not {of_first}");
    farm.lab.finish()
}
