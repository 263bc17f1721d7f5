//! A virtual server below its quorum moves the addresses (`track_virtual_server`): a director that cannot reach the
//! servers is no good master, however well its links are.

use std::time::Duration;

use lab::Result;
use lab::seed::{Daemon, MASTER_CONF, STANDBY_CONF, Seed, held_vips, wait_for_vips};

const SERVERS: [&str; 3] = ["10.0.100.2", "10.0.100.3", "10.0.100.4"];

fn tracked(conf: &str) -> String {
    let instance = "vrrp_instance VI_E {\n";
    let track = "    track_virtual_server {\n        192.168.1.202 80\n    }\n";
    assert!(conf.contains(instance));
    conf.replace(instance, &format!("{instance}{track}"))
}

#[test]
fn addresses_move_to_the_director_that_reaches_its_servers_and_return_with_the_quorum() -> Result<()> {
    let seed = Seed::start("quorum")?;
    let daemon = Daemon::standfastd()?;
    let master = daemon.start(&seed.master, &tracked(MASTER_CONF))?;
    daemon.start(&seed.standby, &tracked(STANDBY_CONF))?;
    wait_for_vips(&seed.master, true, Duration::from_secs(30))?;
    seed.wait_for_service(Duration::from_secs(30))?;
    for server in SERVERS {
        seed.master.run(["ip", "route", "add", "unreachable", server])?;
    }
    // Three checks fail, each at the end of its interval and its retries.
    wait_for_vips(&seed.standby, true, Duration::from_secs(40))?;
    master.wait_for(
        "(VI_E) Entering FAULT STATE: virtual server 192.168.1.202 80 is below its quorum",
        Duration::from_secs(2),
    )?;
    wait_for_vips(&seed.master, false, Duration::from_secs(2))?;
    seed.wait_for_service(Duration::from_secs(10))?;
    for server in SERVERS {
        seed.master.run(["ip", "route", "delete", "unreachable", server])?;
    }
    wait_for_vips(&seed.master, true, Duration::from_secs(40))?;
    wait_for_vips(&seed.standby, false, Duration::from_secs(2))?;
    assert_eq!(held_vips(&seed.standby)?, [""; 0]);
    seed.lab.finish()
}
