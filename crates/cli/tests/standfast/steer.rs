//! The subcommands that say what would be, and that steer a daemon: plan, switchover, maintenance, log-level.

use crate::common::Files;
use crate::operate::Daemon;

const OLD: &str = "
vrrp_instance VI_E {
    interface east
    virtual_router_id 51
    priority 255
    virtual_ipaddress {
        192.0.2.100/24
    }
}
";

const POOL: &str = "
virtual_server 192.0.2.100 80 {
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 10.0.0.1 80 {
        weight 1
    }
    real_server 10.0.0.2 80 {
        weight 1
    }
}
";

/// The lines below a title of a plan.
fn part(text: &str, title: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| *line != title).skip(1);
    lines.take_while(|line| line.starts_with(' ')).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn a_plan_of_two_files_has_the_change_the_operations_and_what_traffic_notices() {
    let new = OLD.replace("192.0.2.100/24", "192.0.2.100/24\n 192.0.2.101/24");
    let pool = POOL.replace("10.0.0.2", "10.0.0.3").replace("rr", "wlc");
    let files = Files::new(&[
        ("old.conf", &format!("{OLD}{POOL}")),
        ("address.conf", &format!("{new}{POOL}")),
        ("pool.conf", &format!("{OLD}{pool}")),
        ("less.conf", POOL),
        ("comment.conf", &format!("# why\n{OLD}{POOL}")),
        ("bad.conf", &format!("no_such_keyword\n{OLD}")),
    ]);
    let plan = |to: &str| files.run(&["plan", "--from", "old.conf", to]);

    let same = plan("comment.conf");
    assert_eq!((same.status, same.out.as_str()), (0, "A reload would change nothing.\n"), "{same:?}");

    let address = plan("address.conf");
    assert_eq!(address.status, 2, "{address:?}");
    assert_eq!(part(&address.out, "Configuration:"), ["vrrp_instance VI_E: virtual_ipaddress 192.0.2.101/24 added"]);
    assert_eq!(part(&address.out, "At once:"), ["add address 192.0.2.101/24 to east (VI_E)"]);
    assert_eq!(part(&address.out, "Traffic:"), ["nothing that traffic would notice"]);

    let pool = plan("pool.conf");
    assert_eq!(
        part(&pool.out, "At once:"),
        [
            "edit virtual server TCP 192.0.2.100:80: scheduler rr -> wlc",
            "add real server 10.0.0.3:80 to TCP 192.0.2.100:80, Masq weight 1",
            "remove real server 10.0.0.2:80 from TCP 192.0.2.100:80"
        ]
    );
    assert_eq!(
        part(&pool.out, "Traffic:"),
        ["connections to 10.0.0.2:80 of TCP 192.0.2.100:80 end; with `drain` they could run out"]
    );

    let less = plan("less.conf");
    assert_eq!(part(&less.out, "Configuration:"), ["vrrp_instance VI_E removed"]);
    assert_eq!(
        part(&less.out, "At once:"),
        ["remove address 192.0.2.100/24 from east (VI_E)", "VI_E: ends", "listen on east no more"],
    );
    let traffic = part(&less.out, "Traffic:");
    assert!(traffic[0].starts_with("192.0.2.100 leaves this node with VI_E, which resigns"), "{traffic:?}");

    let bad = plan("bad.conf");
    assert_eq!((bad.status, bad.err.contains("bad.conf:1:1")), (1, true), "{bad:?}");
    let json: serde_json::Value =
        serde_json::from_str(&files.run(&["plan", "--json", "--from", "old.conf", "address.conf"]).out).unwrap();
    assert_eq!(json["operations"][0], "add address 192.0.2.101/24 to east (VI_E)");
}

#[test]
fn a_plan_of_a_daemon_says_what_a_reload_does_then_and_changes_nothing() {
    let daemon = Daemon::start();
    let addresses = || daemon.inside(&["ip", "-oneline", "address", "show", "dev", "east"]);
    let same = daemon.run(&["plan"]);
    assert_eq!((same.status, same.out.as_str()), (0, "A reload would change nothing.\n"), "{same:?}");

    let before = addresses();
    daemon.write(&OLD.replace("192.0.2.100/24", "192.0.2.101/24").replace("priority 255", "priority 254"));
    let planned = daemon.run(&["plan"]);
    assert_eq!(planned.status, 2, "{planned:?}");
    assert_eq!(
        part(&planned.out, "Configuration:"),
        [
            "vrrp_instance VI_E: priority 255 -> 254",
            "vrrp_instance VI_E: state MASTER -> BACKUP",
            "vrrp_instance VI_E: virtual_ipaddress 192.0.2.100/24 removed",
            "vrrp_instance VI_E: virtual_ipaddress 192.0.2.101/24 added"
        ]
    );
    assert_eq!(
        part(&planned.out, "At once:"),
        ["remove address 192.0.2.100/24 from east (VI_E)", "add address 192.0.2.101/24 to east (VI_E)"]
    );
    assert_eq!(part(&planned.out, "Traffic:"), ["192.0.2.100 is served no more: its connections end"]);
    assert_eq!(addresses(), before, "a plan is no deed");
    let json: serde_json::Value = serde_json::from_str(&daemon.run(&["status", "--json"]).out).unwrap();
    assert_eq!(json["daemon"]["generation"], 1);
    assert_eq!(json["vrrp"]["instances"][0]["priority"], 255);

    assert_eq!(daemon.run(&["reload"]).status, 0);
    daemon.wait_for("what was planned", |_| {
        let now = addresses();
        now.contains("192.0.2.101/24") && !now.contains("192.0.2.100/24")
    });
    assert_eq!(daemon.run(&["plan"]).status, 0);

    std::fs::write(daemon.files.directory.join("other.conf"), "nonsense\n").unwrap();
    let refused = daemon.run(&["plan", "other.conf"]);
    assert_eq!((refused.status, refused.err.contains("other.conf:1:1")), (1, true), "{refused:?}");
}

#[test]
fn a_master_hands_over_and_is_master_again_where_nobody_takes_over() {
    let daemon = Daemon::start();
    assert!(daemon.run(&["switchover", "--undo"]).err.contains("nothing was handed over"));
    assert!(daemon.run(&["switchover", "VI_X"]).err.contains("no instance and no sync group VI_X"));
    let done = daemon.run(&["switchover", "VI_E"]);
    assert_eq!(done.status, 0, "{done:?}");
    assert!(done.out.starts_with("VI_E: resigned, and does not preempt until --undo; a master cannot"), "{done:?}");
    let shown = daemon.run(&["status"]);
    assert!(shown.out.starts_with("WARNING: VI_E: handed over\n"), "{}", shown.out);
    assert!(shown.out.contains("BACKUP from MASTER: operator: switchover"), "{}", shown.out);
    assert!(daemon.run(&["switchover"]).err.contains("not master of it"));
    daemon.wait_for("mastership again", |daemon| daemon.run(&["status"]).out.starts_with("OK: 1 MASTER"));
    assert_eq!(daemon.run(&["switchover", "--for", "60"]).status, 0);
    assert!(daemon.run(&["status"]).out.contains("VI_E: handed over, for "));
    assert_eq!(daemon.run(&["switchover", "--undo"]).out, "VI_E: preempts again as configured\n");
    assert!(!daemon.run(&["status"]).out.contains("handed over"));
}

#[test]
fn maintenance_outlives_the_worker_and_is_told_as_an_operator_s_order() {
    let daemon = Daemon::start();
    assert_eq!(daemon.run(&["maintenance", "on"]).out, "in maintenance: master of nothing, also after a restart\n");
    let in_it = |daemon: &Daemon| daemon.run(&["status"]).out.starts_with("WARNING: VI_E: maintenance\n");
    daemon.wait_for("maintenance", in_it);
    assert!(daemon.run(&["why", "VI_E"]).out.contains("Entering FAULT STATE: operator: maintenance"));
    assert!(!daemon.inside(&["ip", "address", "show", "dev", "east"]).contains("192.0.2.100"));
    let json: serde_json::Value = serde_json::from_str(&daemon.run(&["status", "--json"]).out).unwrap();
    let worker = |json: &serde_json::Value| {
        let workers = json["daemon"]["workers"].as_array().unwrap().clone();
        workers.into_iter().find(|worker| worker["kind"] == "Vrrp").unwrap()
    };
    let pid = worker(&json)["pid"].to_string();
    daemon.inside(&["kill", "-KILL", &pid]);
    daemon.wait_for("another worker", |daemon| {
        let json: serde_json::Value = serde_json::from_str(&daemon.run(&["status", "--json"]).out).unwrap();
        worker(&json)["starts"] == 2 && worker(&json)["ready"] == true
    });
    daemon.wait_for("its maintenance", in_it);
    assert_eq!(daemon.inside(&["ls", "/var/lib/standfast"]).trim(), "maintenance");
    assert_eq!(daemon.run(&["maintenance", "off"]).out, "takes part again\n");
    assert_eq!(daemon.inside(&["ls", "/var/lib/standfast"]).trim(), "");
    daemon.wait_for("mastership", |daemon| daemon.run(&["status"]).out.starts_with("OK: 1 MASTER"));
}

#[test]
fn the_log_says_more_when_it_is_told_to() {
    let daemon = Daemon::start();
    let detailed = |daemon: &Daemon| daemon.files.read("log").matches("a client went").count();
    let go_away = || {
        let stream = std::os::unix::net::UnixStream::connect(&daemon.socket).unwrap();
        drop(stream);
    };
    go_away();
    assert_eq!(daemon.run(&["log-level", "debug"]).status, 0);
    daemon.wait_for("a detail", |daemon| {
        go_away();
        detailed(daemon) > 0
    });
    assert_eq!(daemon.run(&["log-level", "info"]).status, 0);
    assert!(daemon.files.read("log").contains("Log level is info from now on, by order of user 0"));
}
