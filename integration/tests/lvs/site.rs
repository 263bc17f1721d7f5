//! A site of ten thousand real servers: what an operator asks and orders there is answered whole and within the ten
//! seconds that the command gives a daemon, also while a reload is under way.

use std::time::Duration;

use lab::seed::{CONF_PATH, Daemon};
use lab::{Lab, Machine, Result, until};

const SERVICES: usize = 500;
const SERVERS_OF_EACH: usize = 20;

/// For the start of a build without optimisation in a kernel that shares two processors.
const START: Duration = Duration::from_secs(90);

fn conf(weight_of_last: u32) -> String {
    let service = |service: usize| {
        let (high, low) = (service / 250, service % 250 + 1);
        let servers: String = (0..SERVERS_OF_EACH)
            .map(|server| {
                let last = service == SERVICES - 1 && server == SERVERS_OF_EACH - 1;
                let weight = if last { weight_of_last } else { 1 };
                format!(" real_server 10.9.{}.{low} 80 {{\n  weight {weight}\n }}\n", high * SERVERS_OF_EACH + server)
            })
            .collect();
        format!("virtual_server 10.8.{high}.{low} 80 {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n{servers}}}\n")
    };
    (0..SERVICES).map(service).collect()
}

/// The operator's command: what it says, if it does not fail. Neither status 1 of a monitoring plugin nor status 2 of a plan
/// that changes something is a failure.
fn standfast(director: &Machine, words: &str) -> Result<String> {
    let command = Daemon::standfastd()?.command();
    let ended = director.try_run(format!("{command} {words} 2>&1").as_str())?;
    assert!(!ended.stdout.contains("standfast:"), "{words}: {}", ended.stdout);
    Ok(ended.stdout)
}

#[test]
fn ten_thousand_servers_are_told_planned_and_steered() -> Result<()> {
    let (lab, director) = Lab::of_one_director("site", "192.0.2.1/24", 512)?;
    Daemon::standfastd()?.start(&director, &conf(1))?;
    until("every server was up", START, || {
        standfast(&director, "status").is_ok_and(|said| said.contains("500 virtual servers, 10000 real servers up"))
    })?;
    until("every server was in the table", START, || {
        director.run("ipvsadm -Ln").is_ok_and(|table| table.matches("->").count() == SERVICES * SERVERS_OF_EACH + 1)
    })?;

    director.put(CONF_PATH, conf(7))?;
    let changes = standfast(&director, "plan")?;
    let expected = "Configuration:\n  virtual_server TCP 10.8.1.250:80: real_server 10.9.39.250:80: weight 1 -> 7\n\
         At once:\n  edit real server 10.9.39.250:80 of TCP 10.8.1.250:80: weight 1 -> 7\n\
         Traffic:\n  nothing that traffic would notice\n";
    assert_eq!(changes, expected);
    let fewer = conf(1).split_inclusive("\n}\n").skip(1).collect::<String>();
    director.put("/etc/keepalived/fewer.conf", fewer)?;
    let changes = standfast(&director, "plan /etc/keepalived/fewer.conf")?;
    assert!(changes.contains("  virtual_server TCP 10.8.0.1:80 with 20 real servers removed\n"), "{changes}");

    let both = "sh -c '{0} reload & {0} status; wait'";
    let both = director.run(both.replace("{0}", &Daemon::standfastd()?.command()).as_str())?;
    assert!(both.contains("configuration 2 is in force") && both.contains("10000 real servers up"), "{both}");
    let row = standfast(&director, "ipvs")?.lines().find(|line| line.contains("10.9.39.250:80")).map(str::to_owned);
    assert!(row.as_deref().is_some_and(|row| row.contains(" 7 ")), "{row:?}");

    assert_eq!(standfast(&director, "drain 10.9.0.1")?, "10.9.0.1:80 of TCP 10.8.0.1:80 drains\n");
    until("nobody was connected to it", START, || {
        director.run("ipvsadm -Ln").is_ok_and(|table| !table.contains("10.9.0.1:80"))
    })?;
    assert!(standfast(&director, "why 10.9.0.1:80")?.contains("10.9.0.1"));
    assert!(standfast(&director, "doctor")?.contains("mend:"));
    lab.finish()
}
