//! More checks than the director's processor can make: the table is the kernel's all the same.

use std::time::Duration;

use lab::seed::{CONF_PATH, Daemon};
use lab::{Command, Machine, Plan, Result, until};
use nix::libc;

/// With a check of each every tenth of a second, several times as many as a user-mode kernel manages.
const SERVERS: usize = 2000;

const SOON: Duration = Duration::from_mins(1);

fn conf(weight: u32) -> String {
    let servers: String = (0..SERVERS)
        .map(|number| {
            format!(
                "    real_server 10.1.{}.{} 80 {{\n        weight {weight}\n        TCP_CHECK {{\n            connect_timeout 5\n        \
                 }}\n    }}\n",
                number / 250,
                number % 250 + 1
            )
        })
        .collect();
    format!(
        "virtual_server 192.0.2.100 80 {{\n    delay_loop 0.1\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n{servers}}}\n"
    )
}

fn all_have(director: &Machine, weight: u32) -> Result<()> {
    until("every server had its weight", SOON, || {
        let count =
            Command::from(format!("grep -c -- '^  ->.*Masq    {weight} ' /proc/net/ip_vs || true")).within(SOON);
        director.run(count).is_ok_and(|counted| counted.trim() == SERVERS.to_string())
    })
    .map(drop)
}

#[test]
fn a_worker_that_never_comes_to_rest_writes_its_table_and_takes_in_a_reload() -> Result<()> {
    let mut plan = Plan::new("overload");
    let lan = plan.lan("lan");
    plan.director("director").card(lan, ["10.0.0.1/8"]);
    plan.host("servers").card(lan, ["10.255.0.1/8"]);
    let lab = plan.start()?;
    let (director, servers) = (lab.machine("director")?, lab.machine("servers")?);
    director.run("ip route add 10.1.0.0/16 via 10.255.0.1")?;
    servers.run("ip route add local 10.1.0.0/16 dev lo")?;
    servers.serve_web("servers")?;
    let daemon = Daemon::standfastd()?.start(&director, &conf(1))?;
    all_have(&director, 1)?;
    director.put(CONF_PATH, conf(2))?;
    daemon.signal(libc::SIGHUP)?;
    all_have(&director, 2)?;
    daemon.signal(libc::SIGTERM)?;
    daemon.wait(SOON)?;
    lab.finish()
}
