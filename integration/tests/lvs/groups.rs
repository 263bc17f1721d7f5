//! `virtual_server_group`: every address, range and mark of a group is a service with the same servers, as under
//! keepalived. And the receive queues of netlink that the same configuration asks for.

use lab::Result;
use lab::seed::CONF_PATH;
use nix::libc;

use crate::same_tables::{SERVERS, World};

/// Two groups: of IPv4 with a mark, checked, and of IPv6; `last` is the end of the range of the first.
fn conf(last: u8) -> String {
    let mut text = format!(
        "virtual_server_group web {{\n    192.0.2.100 80\n    192.0.2.110-{last} 80\n    fwmark 9\n}}\n\
         virtual_server group web {{\n    delay_loop 1\n    lb_algo wrr\n    lb_kind NAT\n    protocol TCP\n    \
         persistence_timeout 60\n    quorum 2\n    sorry_server 10.0.100.9 80\n"
    );
    for (_, address) in SERVERS {
        text += &format!(
            "    real_server {address} 80 {{\n        weight 1\n        TCP_CHECK {{\n            connect_timeout 1\n            \
             retry 0\n        }}\n    }}\n"
        );
    }
    text + "}\nvirtual_server_group six {\n    2001:db8::1-3 443\n    2001:db8::9 443\n}\n\
            virtual_server group six {\n    lb_algo rr\n    lb_kind DR\n    protocol TCP\n    \
            real_server 2001:db8:1::2 443 {\n        weight 1\n    }\n}\n"
}

#[test]
fn every_service_of_a_group_has_the_same_servers_as_under_keepalived_whatever_happens_to_them() -> Result<()> {
    let mut world = World::build("groups")?;
    world.run(&conf(112))?;
    let services = |table: &str| table.lines().filter(|line| line.starts_with("-A")).count();
    world.settled("five and four services were there", |table| {
        services(table) == 9 && table.matches("10.0.100.3:80").count() == 5
    })?;
    world.kill("web2")?;
    world.settled("the second server was out of all five", |table| !table.contains("10.0.100.3:80"))?;
    world.kill("web1")?;
    world.settled("the last resort stood in for all", |table| table.matches("10.0.100.9:80").count() == 5)?;
    world.serve("web1")?;
    world.serve("web2")?;
    world.settled("all were back", |table| {
        table.matches("10.0.100.3:80").count() == 5 && !table.contains("10.0.100.9:80")
    })?;
    for (director, daemon) in world.directors.iter().zip(&world.daemons) {
        director.put(CONF_PATH, conf(114))?;
        daemon.signal(libc::SIGHUP)?;
    }
    world.settled("two more services were there", |table| services(table) == 11)?;
    world.lab.finish()
}

/// Groups that nftables is to mark; another one before them, if it is wanted.
fn marked(other: bool) -> String {
    let group = |name: &str, addresses: &str, head: &str, servers: &str| {
        format!(
            "virtual_server_group {name} {{\n{addresses}\n}}\n\
             virtual_server group {name} {{\n    delay_loop 1\n    {head}\n{servers}}}\n"
        )
    };
    let server = |address: &str, port: u16, check: &str| {
        format!("    real_server {address} {port} {{\n        weight 1\n{check}    }}\n")
    };
    let check = "        TCP_CHECK {\n            connect_timeout 1\n            retry 0\n        }\n";
    let mut text = "global_defs {\n    nftables_ipvs\n    nftables_ipvs_start_fwmark 2000\n}\n".to_owned();
    if other {
        text += &group(
            "other",
            "192.0.3.1-2 80",
            "lb_algo lc\n    lb_kind NAT\n    protocol TCP",
            &server("10.0.100.9", 80, ""),
        );
    }
    let [one, two, _] = SERVERS.map(|(_, address)| server(address, 80, check));
    let nat =
        "lb_algo wrr\n    lb_kind NAT\n    protocol TCP\n    persistence_timeout 60\n    sorry_server 10.0.100.9 80";
    text += &group("web", "192.0.2.110-112 80\n192.0.2.120 443", nat, &(one + &two));
    let direct = "lb_algo rr\n    lb_kind DR\n    protocol UDP\n    ops";
    text += &group("six", "2001:db8::1-3 53", direct, &server("2001:db8:1::2", 53, ""));
    let tunnel = "lb_algo rr\n    lb_kind TUN\n    protocol TCP";
    text += &group("both", "192.0.2.130 80\n2001:db8::130 80", tunnel, &server("10.0.100.8", 80, ""));
    // With a mark of its own a group stays as it is written.
    let plain = "lb_algo rr\n    lb_kind NAT\n    protocol TCP";
    text + &group("own", "192.0.2.140 80\nfwmark 9", plain, &server("10.0.100.7", 80, ""))
}

/// This kernel has nftables, but not for IPv4 and IPv6: what is in the table of IPVS shows all the same.
#[test]
fn with_nftables_ipvs_groups_go_by_the_marks_that_keepalived_gives_them_and_keep_them() -> Result<()> {
    let mut world = World::build("marks")?;
    world.run(&marked(false))?;
    let lines =
        |table: &str, word: &str| table.lines().filter(|line| line.starts_with("-A") && line.contains(word)).count();
    world.settled("three groups were four marks", |table| {
        let found = ["-f 2000 ", "-f 2001 -6 ", "-f 2002 ", "-f 9 ", "192.0.2.140:80"].map(|word| lines(table, word));
        found == [1, 1, 2, 1, 1] && lines(table, "") == 6 && table.contains("-f 2000 -r 10.0.100.3:80 -m")
    })?;
    world.kill("web2")?;
    world.settled("a dead server was out", |table| !table.contains("10.0.100.3:80"))?;
    for other in [true, false] {
        for (director, daemon) in world.directors.iter().zip(&world.daemons) {
            director.put(CONF_PATH, marked(other))?;
            daemon.signal(libc::SIGHUP)?;
        }
        let is_so =
            |table: &str| lines(table, "-f 2003 ") == usize::from(other) && lines(table, "-f 2000 -s wrr -p 60") == 1;
        let settled = world.settled("the other group came and went with a mark of its own", is_so);
        // At this reload keepalived's checker dies now and then, and its successor leaves other tables than it had: then
        // there is nothing to compare ours with.
        let [theirs, ours] =
            [0, 1].map(|place| world.daemons.get(place).map(|daemon| daemon.log()).unwrap_or_default());
        assert!(!ours.contains("Respawning"), "{ours}");
        if theirs.contains("Respawning") {
            let table = world.directors[1].run("ipvsadm --save --numeric | sort")?;
            assert!(is_so(&table), "{table}");
        } else {
            settled?;
        }
    }
    let said = world.daemons.last().map(|daemon| daemon.log()).unwrap_or_default();
    assert_eq!(said.matches("nftables will not mark").count(), 1, "{said}");
    world.lab.finish()
}

#[test]
fn the_check_worker_and_its_queues_of_netlink_are_as_the_configuration_says() -> Result<()> {
    let mut world = World::build("queues")?;
    let queues = "global_defs {\n    lvs_netlink_cmd_rcv_bufs 60000\n    lvs_netlink_monitor_rcv_bufs 70000000\n    \
                  lvs_netlink_monitor_rcv_bufs_force true\n    checker_priority -6\n    checker_no_swap\n}\n";
    // The second queue is there only for a service that wants to know the addresses of this host.
    let alone = "virtual_server 192.0.2.150 80 {\n    ha_suspend\n    protocol TCP\n    real_server 10.0.100.2 80 {\n    }\n}\n";
    world.run(&format!("{queues}{}{alone}", conf(111)))?;
    world.settled("the services were there", |table| table.contains("192.0.2.150:80"))?;
    let [_, ours] = &world.directors;
    // The kernel doubles what it is told.
    let shown = ours.run("ss --family=netlink --memory --numeric")?;
    assert!(shown.contains("rb120000,"), "of commands to IPVS\n{shown}");
    assert!(shown.contains("rb140000000,"), "of news about addresses, beyond the limit for everybody\n{shown}");
    let process = ours.run("p=$(cat /run/checkers.pid); ps -o ni= -p $p; grep VmLck /proc/$p/status")?;
    assert!(process.trim_start().starts_with("-6\n") && !process.contains(" 0 kB"), "{process}");
    world.lab.finish()
}
