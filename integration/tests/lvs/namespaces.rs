//! `net_namespace_ipvs`: the table is in another network namespace than the checks, as under keepalived.

use std::time::Duration;

use lab::{Error, Result, eventually};

use crate::same_tables::{SERVERS, World};

fn conf(head: &str) -> String {
    let mut text = format!(
        "{head}\nvirtual_server 192.0.2.100 80 {{\n    delay_loop 1\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n"
    );
    for (_, address) in SERVERS {
        text += &format!(
            "    real_server {address} 80 {{\n        weight 1\n        TCP_CHECK {{\n            connect_timeout 1\n            \
             retry 0\n        }}\n    }}\n"
        );
    }
    text + "}\n"
}

/// Waits until both directors have the same table in that namespace, and it is as it should be.
fn settled(world: &World, what: &str, holds: impl Fn(&str) -> bool) -> Result<()> {
    eventually(what, Duration::from_secs(30), || {
        let table = |director: usize| match world.directors.get(director) {
            Some(director) => director.run("ip netns exec tables ipvsadm --save --numeric | sort"),
            None => Err(Error::Missing("director".to_owned())),
        };
        let (theirs, ours) = (table(0)?, table(1)?);
        if theirs == ours && holds(&ours) {
            Ok(())
        } else {
            Err(Error::Missing(format!("keepalived\n{theirs}standfastd\n{ours}")))
        }
    })
}

#[test]
fn the_table_is_in_the_namespace_that_is_named_and_the_checks_are_made_from_the_one_of_the_daemon() -> Result<()> {
    let mut world = World::build("namespaces")?;
    for director in &world.directors {
        director.run("ip netns add tables")?;
        // A namespace in which nothing was ever up has no table of local addresses, and IPVS takes no server there.
        director.run("ip -n tables link set lo up")?;
    }
    world.run(&conf("net_namespace_ipvs tables"))?;
    settled(&world, "all servers were in", |table| table.matches("-w 1").count() == 3)?;
    world.kill("web2")?;
    settled(&world, "the second server was out", |table| {
        table.matches("-w 1").count() == 2 && !table.contains("10.0.100.3:80")
    })?;
    for director in &world.directors {
        assert_eq!(director.run("ipvsadm --save --numeric")?, "", "{}: a table where the daemon is", director.name());
    }
    // A worker in its place finds the same table.
    let [_, ours] = &world.directors;
    ours.run("kill -KILL $(cat /run/checkers.pid)")?;
    world.serve("web2")?;
    settled(&world, "the second server was back", |table| table.matches("-w 1").count() == 3)?;
    for daemon in &world.daemons {
        daemon.signal(nix::libc::SIGTERM)?;
    }
    settled(&world, "the tables were empty", str::is_empty)?;
    world.lab.finish()
}
