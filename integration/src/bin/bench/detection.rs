//! How soon a dead server is out of the table and a living one is in again, by the table of the director's own kernel,
//! which has IPVS. From the moment at which the server dies, whenever that is between two checks.

use std::time::Duration;

use lab::seed::{CONF_PATH, Daemon};
use lab::{Chance, Lab, Machine, Moment, Process, Result, pause};

use crate::Settings;
use crate::figures::{Book, Row};
use crate::pair::millis;

const RUNS: usize = 3;
const QUICK_RUNS: usize = 1;

/// Between two checks of a server, and as long as a connection may take.
const INTERVAL: Duration = Duration::from_secs(1);

const LIMIT: Duration = Duration::from_secs(30);

/// Prints `servers N` whenever the kernel's table has another number of real servers. Uses nothing but the shell itself,
/// since starting a program costs such a kernel a twentieth of a second.
const WATCH: &str = "mkfifo /tmp/never; exec 9<>/tmp/never; last=
while :; do
  mapfile -t rows </proc/net/ip_vs; now=0
  for row in \"${rows[@]}\"; do [[ $row == *Masq* ]] && ((++now)); done
  [[ $now == \"$last\" ]] || { echo \"servers $now\"; last=$now; }
  read -rt 0.005 -u 9
done";

/// A way to check, with the default of its repetitions and without any. A quick run has the first.
const CHECKS: [(&str, &str); 3] = [
    ("TCP_CHECK without retry", "TCP_CHECK {\n            connect_timeout 1\n            retry 0\n        }"),
    (
        "HTTP_GET without retry",
        "HTTP_GET {\n            url {\n                path /\n                status_code 200\n            }\n            \
         connect_timeout 1\n            retry 0\n        }",
    ),
    (
        "HTTP_GET with its defaults",
        "HTTP_GET {\n            url {\n                path /\n                status_code 200\n            }\n            \
         connect_timeout 1\n        }",
    ),
];

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    for (name, checker) in CHECKS.into_iter().take(if settings.quick { 1 } else { CHECKS.len() }) {
        let row = |what: &str| Row::new(format!("{name} every {INTERVAL:?}: {what}"), "ms");
        let (refuses, silent, back) =
            ("a server that refuses is out", "a silent server is out", "a server is in again");
        let mut rows = [row(refuses), row(silent), row(back)];
        if name.ends_with("without retry") {
            let [refused, silent, back] = rows;
            rows = [
                refused.bounded(millis(INTERVAL)),
                silent.bounded(millis(INTERVAL * 2)),
                back.bounded(millis(INTERVAL)),
            ];
        }
        for (program, daemon) in settings.daemons.iter().enumerate() {
            let mut site = Site::start(daemon, checker)?;
            // The same moments for both programs.
            let mut chance = Chance::from_seed(1);
            for _ in 0..if settings.quick { QUICK_RUNS } else { RUNS } {
                for (row, sample) in rows.iter_mut().zip(site.once(&mut chance)?) {
                    row.add(program, sample);
                }
            }
            site.finish()?;
        }
        rows.into_iter().for_each(|row| book.add(row));
    }
    Ok(())
}

/// A director with one service of two servers, of which the second dies.
struct Site {
    lab: Lab,
    table: Process,
    daemon: Process,
    second: Machine,
    web: Process,
}

impl Site {
    fn start(daemon: &Daemon, checker: &str) -> Result<Self> {
        let mut plan = lab::Plan::new("detection");
        let lan = plan.lan("lan");
        plan.director("director").card(lan, ["10.0.0.1/24"]);
        plan.host("first").card(lan, ["10.0.0.2/24"]);
        plan.host("second").card(lan, ["10.0.0.3/24"]);
        let lab = plan.start()?;
        let [director, first, second] = [lab.machine("director")?, lab.machine("first")?, lab.machine("second")?];
        first.serve_web("first")?;
        let web = second.serve_web("second")?;
        let server =
            |last: u8| format!("    real_server 10.0.0.{last} 80 {{\n        weight 1\n        {checker}\n    }}\n");
        let conf = format!(
            "virtual_server 192.0.2.1 80 {{\n    delay_loop {}\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n{}{}}}\n",
            INTERVAL.as_secs(),
            server(2),
            server(3),
        );
        let table = director.spawn(["bash", "-c", WATCH])?;
        director.put(CONF_PATH, conf)?;
        let daemon = daemon.start_again(&director)?;
        table.wait_for("servers 2", LIMIT)?;
        Ok(Self { lab, table, daemon, second, web })
    }

    /// The second server refuses and comes back, then is silent and comes back. How long each took in milliseconds, the
    /// return by the slower of the two.
    fn once(&mut self, chance: &mut Chance) -> Result<[f64; 3]> {
        let (refused, ()) = self.until(chance, "servers 1", || self.web.kill())?;
        let (back, web) = self.until(chance, "servers 2", || self.second.serve_web("second"))?;
        self.web = web;
        let (silent, ()) = self.until(chance, "servers 1", || self.second.unplug("eth0"))?;
        let (plugged, ()) = self.until(chance, "servers 2", || self.second.plug("eth0"))?;
        Ok([refused, silent, back.max(plugged)])
    }

    /// What is done at any moment of the interval between two checks, until the table says so.
    fn until<T>(&self, chance: &mut Chance, says: &str, done: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
        pause(INTERVAL * 2 + Duration::from_millis(chance.below(1000)));
        self.table.skip();
        let from = Moment::now();
        let made = done()?;
        Ok((millis(self.table.wait_for(says, LIMIT)?.since(from)), made))
    }

    fn finish(self) -> Result<()> {
        self.daemon.stop(LIMIT)?;
        self.lab.finish()
    }
}
