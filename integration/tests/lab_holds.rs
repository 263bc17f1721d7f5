//! The lab itself.

use std::time::{Duration, Instant};
use lab::{Plan, Result};

#[test]
fn smoke() -> Result<()> {
    let mut plan = Plan::new("smoke");
    let outside = plan.lan("outside");
    let inside = plan.lan("inside");
    plan.director("master").card(outside, ["192.168.1.11/24"]).card(inside, ["10.0.100.11/24"]);
    plan.director("standby").card(outside, ["192.168.1.12/24"]).card(inside, ["10.0.100.12/24"]);
    plan.host("client").card(outside, ["192.168.1.50/24"]);
    let lab = plan.start()?;
    let client = lab.machine("client")?;
    let master = lab.machine("master")?;
    println!("{}", client.run("ip addr; mount; ps ax; ping -c 3 -i 0.1 192.168.1.11")?);
    println!("{}", master.run("ip addr; mount; lsmod; dmesg | tail -30; ping -c 3 -i 0.1 192.168.1.12; ls /root /dev; df")?);
    let _ = Duration::ZERO;
    lab.finish()
}
