//! The lab itself.

use std::time::{Duration, Instant};
use lab::seed::*;
use lab::*;

#[test]
fn smoke() -> Result<()> {
    let t = Instant::now();
    let mut seed = Seed::start("smoke")?;
    println!("start {:?}", t.elapsed());
    let outside = seed.lab.lan("outside")?.capture()?;
    println!("cap {:?}", t.elapsed());
    let keepalived = Daemon::keepalived();
    keepalived.start(&seed.master, MASTER_CONF)?;
    keepalived.start(&seed.standby, STANDBY_CONF)?;
    println!("ka {:?}", t.elapsed());
    seed.wait_for_service(Duration::from_secs(20))?;
    println!("service {:?}", t.elapsed());
    println!("{:?}", seed.master.ipvs()?);
    let web = seed.client.probe(&Seed::web_probe()?)?;
    let dns = seed.client.probe(&Seed::dns_probe()?)?;
    let ping = seed.client.probe(&Probe::ping("192.168.1.200")?)?;
    pause(Duration::from_secs(3));
    seed.master.cut_power()?;
    println!("cut {:?}", t.elapsed());
    pause(Duration::from_secs(5));
    for r in [web.stop()?, dns.stop()?, ping.stop()?] {
        println!("{} {} {:?} {:?}", r.samples.len(), r.lost(), r.answers_by_server(), r.longest_outage().map(|o| o.length()));
    }
    println!("{:?}", outside.adverts()?.last());
    println!("{:?}", outside.gratuitous_arps()?.last());
    seed.master.power_on()?;
    println!("on {:?}", t.elapsed());
    println!("{}", seed.master.run("ls -la /etc/keepalived; which mpstat top; head -3 /etc/keepalived/keepalived.conf")?);
    seed.lab.finish()?;
    println!("end {:?}", t.elapsed());
    Ok(())
}
