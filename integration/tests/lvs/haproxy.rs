//! The other half of what users do with a pair: a haproxy on the virtual address of both directors, beside the services
//! of IPVS. When it dies on the master the addresses move, and clients of both go on being served.

use std::time::Duration;

use lab::seed::{Daemon, MASTER_CONF, STANDBY_CONF, Seed, held_vips, wait_for_vips};
use lab::{Machine, Moment, Probe, Process, Result, eventually, pause};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// (256 - 100) / 256 s: what the standby waits for after a resignation (RFC 3768 6.1).
const SKEW: Duration = Duration::from_micros(609_375);

/// The takeover itself, the first request after it, and a busy machine.
const GRACE: Duration = Duration::from_millis(250);

/// A proxied request costs a director's kernel several milliseconds: as many as IPVS carries would be a load of their own.
const PROXY_EVERY: Duration = Duration::from_millis(50);

/// Where haproxy listens: a port of the address that IPVS serves on another.
const PORT: &str = "192.168.1.202:8080";

const SETTINGS: &str = "defaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n\
    frontend web\n  bind *:8080\n  default_backend servers\n\
    backend servers\n  balance roundrobin\n  server web1 10.0.100.2:80\n  server web2 10.0.100.3:80\n";

/// It answers on its port, whatever it answers.
const ALIVE: &str = "#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/8080\n";

const BY_PROCESS: (&str, &str) =
    ("vrrp_track_process haproxy {\n    process haproxy\n}\n", "    track_process {\n        haproxy\n    }\n");

const BY_SCRIPT: (&str, &str) = (
    "global_defs {\n    script_user root\n    enable_script_security\n}\nvrrp_script haproxy {\n    \
     script \"/etc/lab/alive\"\n    interval 1\n    timeout 4\n    fall 1\n    rise 1\n}\n",
    "    track_script {\n        haproxy\n    }\n",
);

/// The pair's configuration, whose outer instance is tied to haproxy.
fn tied(conf: &str, (tracker, track): (&str, &str)) -> String {
    let instance = "vrrp_instance VI_E {\n";
    format!("{tracker}{}", conf.replace(instance, &format!("{instance}{track}")))
}

fn start_haproxy(director: &Machine) -> Result<Process> {
    director.put("/etc/lab/haproxy.cfg", SETTINGS)?;
    director.put_with_mode("/etc/lab/alive", ALIVE, 0o755)?;
    let haproxy = director.spawn(["haproxy", "-db", "-f", "/etc/lab/haproxy.cfg"])?;
    // Served once: the first request of a new process waits for its pages, in such a kernel for a second.
    let served = || director.run(["curl", "--silent", "--fail", "--max-time", "5", "http://127.0.0.1:8080/"]);
    eventually("haproxy served", seconds(20), served)?;
    Ok(haproxy)
}

/// How long a client of either goes without an answer when haproxy dies on the master, and when it is back there.
fn moves_with_haproxy(name: &str, tracker: (&str, &str), noticed: Duration) -> Result<()> {
    let seed = Seed::start(name)?;
    let daemon = Daemon::standfastd()?;
    let haproxy = start_haproxy(&seed.master)?;
    start_haproxy(&seed.standby)?;
    let master = daemon.start(&seed.master, &tied(MASTER_CONF, tracker))?;
    daemon.start(&seed.standby, &tied(STANDBY_CONF, tracker))?;
    wait_for_vips(&seed.master, true, seconds(30))?;
    seed.wait_for_service(seconds(30))?;
    pause(seconds(2));
    assert_eq!(held_vips(&seed.standby)?, [""; 0]);

    let probes = || -> Result<_> {
        Ok([seed.client.probe(&Seed::web_probe()?)?, seed.client.probe(&Probe::http(PORT)?.every(PROXY_EVERY))?])
    };
    let [ipvs, proxy] = probes()?;
    pause(Duration::from_millis(500));
    let killed = Moment::now();
    haproxy.kill()?;
    wait_for_vips(&seed.standby, true, noticed + SKEW + seconds(3))?;
    wait_for_vips(&seed.master, false, seconds(1))?;
    println!("{name}: {:?} from the kill until the standby has the addresses", Moment::now().since(killed));
    master.wait_for("(VI_E) Entering FAULT STATE", seconds(1))?;
    // However soon the addresses have moved, a second of answers is looked at.
    let moved_by_now = killed.after(noticed + SKEW + GRACE);
    pause(moved_by_now.after(seconds(1)).since(Moment::now()));
    for (service, probing) in [("IPVS", ipvs), ("haproxy", proxy)] {
        let report = probing.stop()?;
        let outage = report.longest_outage().map(|outage| outage.length()).unwrap_or(Duration::MAX);
        println!("{name}: {service} without an answer for {outage:?}");
        assert!(outage < noticed + SKEW + GRACE, "{service}: {outage:?}");
        let servers = report.between(moved_by_now, Moment::now()).answers_by_server();
        assert!(servers.len() >= 2, "{service} is spread over its servers: {servers:?}");
    }

    let [ipvs, proxy] = probes()?;
    start_haproxy(&seed.master)?;
    wait_for_vips(&seed.master, true, seconds(20))?;
    wait_for_vips(&seed.standby, false, seconds(2))?;
    pause(seconds(1));
    for (service, probing) in [("IPVS", ipvs), ("haproxy", proxy)] {
        let outage = probing.stop()?.longest_outage().map(|outage| outage.length()).unwrap_or(Duration::MAX);
        println!("{name}: {service} without an answer for {outage:?} at the return");
        assert!(outage < Duration::from_millis(400), "{service}: {outage:?}");
    }
    seed.lab.finish()
}

#[test]
fn addresses_move_when_the_tracked_process_dies_and_return_with_it() -> Result<()> {
    // The kernels of directors tell nobody of processes: they are counted every second.
    moves_with_haproxy("process", BY_PROCESS, Duration::from_millis(1_100))
}

#[test]
fn addresses_move_when_the_script_fails_and_return_when_it_succeeds() -> Result<()> {
    moves_with_haproxy("script", BY_SCRIPT, Duration::from_millis(1_500))
}
