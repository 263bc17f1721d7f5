//! The operator's command on a director with IPVS: servers are drained, disabled, weighed and given back by word, and
//! neither a killed check worker nor a reload forgets it.

use std::time::Duration;

use lab::seed::{CONF_PATH, Daemon};
use lab::{Lab, Machine, Result, until};

const CONF: &str = "
virtual_server 192.0.2.50 80 {
    delay_loop 1
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    real_server 192.0.2.1 22 {
        weight 5
    }
    real_server 192.0.2.1 80 {
        weight 7
    }
}
";

/// Generous: the guest shares two processors with everything else.
const SOON: Duration = Duration::from_secs(20);

/// The operator's command beside the daemon: whether it succeeded, and what it said.
fn standfast(director: &Machine, words: &str) -> Result<(bool, String)> {
    let command = Daemon::standfastd()?.command();
    let ended = director.try_run(format!("{command} {words} 2>&1").as_str())?;
    Ok((ended.succeeded(), ended.stdout))
}

fn weights(director: &Machine) -> Result<String> {
    let (_, listing) = standfast(director, "ipvs")?;
    let lines = listing.lines().filter(|line| line.contains("->") && !line.contains("RemoteAddress"));
    let rows = lines.map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        format!("{}={}", words.get(1).unwrap_or(&""), words.get(3).unwrap_or(&""))
    });
    Ok(rows.collect::<Vec<_>>().join(" "))
}

/// The capabilities that the document gives a container, for `setpriv`.
fn of_a_container() -> String {
    let names = include_str!("../../etc/doc/container.md").split("--cap-add ").skip(1);
    let names = names.filter_map(|rest| rest.split_whitespace().next());
    names.fold("-all".to_owned(), |set, name| format!("{set},+{}", name.to_lowercase()))
}

#[test]
fn the_capabilities_of_a_container_are_enough_for_ipvs() -> Result<()> {
    let (lab, director) = Lab::of_one_director("operate", "192.0.2.1/24", 256)?;
    director.put(CONF_PATH, CONF)?;
    let daemon = Daemon::standfastd()?;
    let set = of_a_container();
    let confined = ["setpriv", "--bounding-set", &set, daemon.program(), "-n", "-l", "-D", "-f", CONF_PATH];
    let process = director.spawn(confined)?;
    let comes_to = |expected: &str| until(expected, SOON, || weights(&director).is_ok_and(|found| found == expected));
    comes_to("192.0.2.1:22=5 192.0.2.1:80=7")?;
    assert!(standfast(&director, "weight 192.0.2.1:80 3")?.0);
    comes_to("192.0.2.1:22=5 192.0.2.1:80=3")?;
    process.stop(SOON)?;
    assert_eq!(director.ipvs()?.services.len(), 0, "it takes its services away");
    lab.finish()
}

/// A service with a listener behind it, and somebody who has a connection to it for as long as his process lives.
const TALK: &str = "ip address add 192.0.2.50/32 dev lo; \
     python3 -c 'import socket, time; s = socket.socket(); s.bind((\"192.0.2.1\", 80)); s.listen(); time.sleep(600)' & \
     until (exec 3<>/dev/tcp/192.0.2.1/80) 2>/dev/null; do sleep 0.2; done; exec 3<>/dev/tcp/192.0.2.50/80; sleep 600";

#[test]
fn a_drain_that_is_under_way_outlives_an_upgrade_and_ends_when_the_last_connection_does() -> Result<()> {
    let (lab, director) = Lab::of_one_director("operate", "192.0.2.1/24", 256)?;
    let process = Daemon::standfastd()?.start(&director, CONF)?;
    let comes_to = |expected: &str| until(expected, SOON, || weights(&director).is_ok_and(|found| found == expected));
    comes_to("192.0.2.1:22=5 192.0.2.1:80=7")?;
    let talk = director.spawn(["bash", "-c", TALK])?;
    let established = || director.run("ipvsadm -Lcn | grep -c ESTABLISHED || true");
    until("a connection", SOON, || established().is_ok_and(|count| count.trim() == "1"))?;
    assert!(standfast(&director, "drain 192.0.2.1:80 --within 300")?.0);
    comes_to("192.0.2.1:22=5 192.0.2.1:80=0")?;
    let (upgraded, said) = standfast(&director, "upgrade --force")?;
    assert!(upgraded, "{said}");
    assert_eq!(weights(&director)?, "192.0.2.1:22=5 192.0.2.1:80=0", "its connection goes on");
    assert_eq!(established()?.trim(), "1");
    // The new workers count the connection too: it ends, and the server leaves long before its time is up.
    talk.stop(SOON)?;
    director.run("pkill -f '[s]leep 600' || true")?;
    until("the end of the drain", Duration::from_secs(60), || {
        weights(&director).is_ok_and(|found| found == "192.0.2.1:22=5")
    })?;
    assert!(standfast(&director, "ready 192.0.2.1:80")?.0);
    comes_to("192.0.2.1:22=5 192.0.2.1:80=7")?;
    process.stop(SOON)?;
    lab.finish()
}

#[test]
fn servers_leave_and_come_back_by_word_and_nothing_forgets_it() -> Result<()> {
    let (lab, director) = Lab::of_one_director("operate", "192.0.2.1/24", 256)?;
    let process = Daemon::standfastd()?.start(&director, CONF)?;
    let comes_to = |expected: &str| {
        let is_so = || weights(&director).is_ok_and(|found| found == expected);
        until(expected, SOON, is_so).map(drop)
    };
    comes_to("192.0.2.1:22=5 192.0.2.1:80=7")?;
    let listing = director.run("ipvsadm -Ln")?;
    assert_eq!(standfast(&director, "ipvs")?, (true, listing));

    let (done, said) = standfast(&director, "weight 192.0.2.1:80 3")?;
    assert!(done && said == "192.0.2.1:80 of TCP 192.0.2.50:80 has weight 3\n", "{said}");
    comes_to("192.0.2.1:22=5 192.0.2.1:80=3")?;
    assert!(standfast(&director, "disable 192.0.2.1:22 --of 192.0.2.50")?.0);
    comes_to("192.0.2.1:80=3")?;
    assert!(standfast(&director, "status")?.1.contains("192.0.2.1:22 weight 5 up, disabled"));
    let (done, said) = standfast(&director, "drain 192.0.2.77")?;
    assert!(!done && said.contains("no virtual server has a real server 192.0.2.77"), "{said}");

    // The successor of a killed worker knows it, and so does the next configuration.
    director.run("pkill -KILL -f '[s]tandfastd: check'")?;
    until("another worker", SOON, || {
        standfast(&director, "status --json").is_ok_and(|(_, said)| said.contains("\"starts\": 2"))
    })?;
    comes_to("192.0.2.1:80=3")?;
    assert!(standfast(&director, "reload")?.0);
    comes_to("192.0.2.1:80=3")?;

    // Nobody is connected, so the drained server leaves at once.
    assert!(standfast(&director, "ready 192.0.2.1:22")?.0);
    comes_to("192.0.2.1:22=5 192.0.2.1:80=3")?;
    assert!(standfast(&director, "drain 192.0.2.1:80 --within 60")?.0);
    comes_to("192.0.2.1:22=5")?;
    assert!(standfast(&director, "ready 192.0.2.1:80")?.0);
    comes_to("192.0.2.1:22=5 192.0.2.1:80=7")?;

    // What a reload would do is said before, from what the kernel has, and is what it does then.
    director.put(CONF_PATH, CONF.replace("weight 7", "weight 9").replace("192.0.2.1 22", "192.0.2.1 25"))?;
    let (_, said) = standfast(&director, "plan")?;
    for line in [
        "  virtual_server TCP 192.0.2.50:80: real_server 192.0.2.1:80: weight 7 -> 9\n",
        "  add real server 192.0.2.1:25 to TCP 192.0.2.50:80, Masq weight 5\n",
        "  edit real server 192.0.2.1:80 of TCP 192.0.2.50:80: weight 7 -> 9\n",
        "  remove real server 192.0.2.1:22 from TCP 192.0.2.50:80\n",
        "  connections to 192.0.2.1:22 of TCP 192.0.2.50:80 end; with `drain` they could run out\n",
    ] {
        assert!(said.contains(line), "{line}{said}");
    }
    assert_eq!(weights(&director)?, "192.0.2.1:22=5 192.0.2.1:80=7", "a plan is no deed");
    assert!(standfast(&director, "reload")?.0);
    comes_to("192.0.2.1:25=5 192.0.2.1:80=9")?;
    assert_eq!(standfast(&director, "plan")?, (true, "A reload would change nothing.\n".to_owned()));
    let events = standfast(&director, "events -n 100")?.1;
    assert!(events.contains("order of user 0"), "{events}");

    // A connection is counted even if nobody takes it, and shows a little later.
    director.run("timeout 1 bash -c '</dev/tcp/192.0.2.50/80' || true")?;
    let counts = || director.run("ipvsadm -Ln --stats --exact");
    let counted = |shown: &str| shown.lines().any(|line| line.starts_with("TCP") && line.contains(" 1 "));
    until("a connection was counted", SOON, || counts().is_ok_and(|shown| counted(&shown)))?;
    assert_eq!(standfast(&director, "ipvs --stats")?, (true, counts()?));
    process.stop(SOON)?;
    lab.finish()
}
