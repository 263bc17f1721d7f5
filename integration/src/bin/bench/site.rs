//! The evaluation that the project began with: a site of one to three web servers and as many name servers behind a
//! director, asked by `ab` and `dnsperf`, through standfastd, through the other, and without any director.
//!
//! The director only forwards: what differs between the programs is the machine's mood, and the row "straight to one
//! server" says how much of it is the director's kernel.

use std::time::Duration;

use lab::seed::{self, CONF_PATH, DNS_SERVICE, WEB_SERVICE};
use lab::{Command, Machine, Process, Result, WHO, until};

use crate::Settings;
use crate::figures::{Book, Row, Summary};

/// Requests at a time.
const CONCURRENCIES: [(u32, bool); 4] = [(1, false), (8, false), (24, false), (48, true)];

/// How often everything is asked, in turns.
const ROUNDS: usize = 1;

/// Servers behind the virtual addresses.
const SERVERS: [usize; 3] = [1, 2, 3];

/// How long each question is asked.
const WINDOW: Duration = Duration::from_secs(2);
const QUICK_WINDOW: Duration = Duration::from_secs(1);

/// What a page costs its server: nothing, or ten milliseconds in which it serves nobody else.
const PAGES: [(&str, &str); 2] = [("a trivial page", "/"), ("a page that takes 10 ms of its server", "/work")];

/// Without a director between them the client is here on the servers' own LAN.
const STRAIGHT: &str = "10.0.100.50/24";

const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    let concurrencies: Vec<u32> = CONCURRENCIES
        .into_iter()
        .filter(|(_, quick)| *quick || !settings.quick)
        .map(|(at_a_time, _)| at_a_time)
        .collect();
    let window = if settings.quick { QUICK_WINDOW } else { WINDOW };
    let questions = questions(&concurrencies);
    let mut rows: Vec<[Row; 2]> = questions.iter().map(Question::rows).collect();
    for _ in 0..if settings.quick { 1 } else { ROUNDS } {
        for (program, daemon) in settings.daemons.iter().enumerate() {
            let figures = round(daemon, &questions, window)?;
            for (rows, figures) in rows.iter_mut().zip(figures) {
                rows.iter_mut().zip(figures).for_each(|(row, figure)| row.add(program, figure));
            }
        }
    }
    let gains = gains(&questions, &rows);
    rows.into_iter().flatten().chain(gains).for_each(|row| book.add(row));
    Ok(())
}

/// The answers a second and the mean time of one, of each question.
fn round(daemon: &seed::Daemon, questions: &[Question], window: Duration) -> Result<Vec<[f64; 2]>> {
    let site = Site::start()?;
    let mut figures = Vec::new();
    for asked in questions.chunk_by(|one, next| one.servers == next.servers) {
        let servers = asked.first().map_or(0, |question| question.servers);
        let running = site.run(daemon, servers)?;
        for question in asked {
            figures.push(site.ask(question, window)?);
        }
        running.stop(LIMIT)?;
    }
    site.finish()?;
    Ok(figures)
}

/// What is asked, by how many at a time, of how many servers.
#[derive(Clone, Debug, PartialEq)]
struct Question {
    kind: Kind,
    at_a_time: u32,
    /// Behind the virtual addresses; one where there is no director between.
    servers: usize,
    straight: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// A page: how it is called, and its path.
    Web(&'static str, &'static str),
    Dns,
}

/// In the order in which the director is given another configuration the least often.
fn questions(concurrencies: &[u32]) -> Vec<Question> {
    let kinds = || PAGES.into_iter().map(|(name, path)| Kind::Web(name, path)).chain([Kind::Dns]);
    let mut all = Vec::new();
    for servers in SERVERS {
        for straight in [true, false].into_iter().filter(|straight| !straight || servers == 1) {
            for kind in kinds() {
                let of = |at_a_time: &u32| Question { kind, at_a_time: *at_a_time, servers, straight };
                all.extend(concurrencies.iter().map(of));
            }
        }
    }
    all
}

impl Question {
    fn name(&self) -> String {
        let what = match self.kind {
            Kind::Web(page, _) => page,
            Kind::Dns => "a name",
        };
        let of = match (self.straight, self.servers) {
            (true, _) => "straight to one server".to_owned(),
            (false, 1) => "through the VIP, 1 server".to_owned(),
            (false, servers) => format!("through the VIP, {servers} servers"),
        };
        format!("{what}, {} at a time, {of}", self.at_a_time)
    }

    fn rows(&self) -> [Row; 2] {
        let name = self.name();
        [
            Row::new(format!("{name}: answers a second"), "1/s"),
            Row::new(format!("{name}: time of an answer, mean"), "ms"),
        ]
    }
}

/// How many times the answers of one server several give, at the most that was asked at a time.
fn gains(questions: &[Question], rows: &[[Row; 2]]) -> Vec<Row> {
    let most = questions.iter().map(|question| question.at_a_time).max().unwrap_or(0);
    let of = |kind: Kind, servers: usize| {
        let wanted = Question { kind, at_a_time: most, servers, straight: false };
        let at = questions.iter().position(|question| *question == wanted)?;
        rows.get(at).map(|[rate, _]| rate)
    };
    let gain = |kind: Kind, what: &str, servers: usize| {
        let (one, several) = (of(kind, 1)?, of(kind, servers)?);
        let name = format!("{what}, {most} at a time: {servers} servers' answers to one server's");
        let mut row = Row::new(name, "times").bounded(u32::try_from(servers).map_or(f64::NAN, f64::from));
        for program in 0..row.samples.len() {
            let sample = |row: &Row| Summary::of(row.samples.get(program)?).map(|summary| summary.median);
            row.add(program, sample(several).zip(sample(one)).map_or(f64::NAN, |(several, one)| several / one));
        }
        Some(row)
    };
    PAGES
        .into_iter()
        .map(|(name, path)| (Kind::Web(name, path), name))
        .chain([(Kind::Dns, "a name")])
        .flat_map(|(kind, what)| SERVERS.into_iter().skip(1).filter_map(move |servers| gain(kind, what, servers)))
        .collect()
}

/// One director, the servers of the pair, and a client that is on both LANs.
struct Site {
    lab: lab::Lab,
    director: Machine,
    client: Machine,
}

impl Site {
    fn start() -> Result<Self> {
        let mut plan = lab::Plan::new("site");
        let (outside, inside) = (plan.lan("outside"), plan.lan("inside"));
        plan.director("director").card(outside, ["192.168.1.11/24"]).card(inside, ["10.0.100.11/24"]);
        plan.host("client").card(outside, ["192.168.1.50/24"]).card(inside, [STRAIGHT]);
        for number in SERVERS {
            plan.host(&format!("web{number}")).card(inside, [(web(number) + "/24").as_str()]).gateway("10.0.100.200");
            plan.host(&format!("dns{number}")).card(inside, [(dns(number) + "/24").as_str()]).gateway("10.0.100.200");
        }
        let lab = plan.start()?;
        for number in SERVERS {
            serve_pages(&lab.machine(&format!("web{number}"))?)?;
            lab.machine(&format!("dns{number}"))?.serve_dns(&format!("dns{number}"))?;
        }
        let [director, client] = [lab.machine("director")?, lab.machine("client")?];
        // The client's second card is for asking straight; it answers for that address alone.
        client.run("sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.rp_filter=0")?;
        client.put("/tmp/names", format!("{WHO} TXT\n"))?;
        Ok(Self { lab, director, client })
    }

    /// Starts the daemon with so many servers and waits until they are all in the table.
    fn run(&self, daemon: &seed::Daemon, servers: usize) -> Result<Process> {
        self.director.put(CONF_PATH, conf(servers))?;
        let process = daemon.start_again(&self.director)?;
        until("the servers were in the table", LIMIT, || {
            self.director.ipvs().is_ok_and(|table| {
                [WEB_SERVICE, DNS_SERVICE].into_iter().all(|service| table.servers(service).len() == servers)
            })
        })?;
        until("a page came through the director", LIMIT, || {
            self.client.run("curl --silent --fail --max-time 1 http://192.168.1.202/").is_ok()
        })?;
        Ok(process)
    }

    /// Answers a second, and the mean time of one in milliseconds.
    fn ask(&self, question: &Question, window: Duration) -> Result<[f64; 2]> {
        let (seconds, at_a_time) = (window.as_secs(), question.at_a_time);
        let (line, rate, time) = match question.kind {
            Kind::Web(_, path) => {
                let host = if question.straight { web(1) } else { "192.168.1.202".to_owned() };
                let line = format!("ab -q -t {seconds} -n 1000000 -c {at_a_time} http://{host}{path}");
                (line, "Requests per second:", "Time per request:")
            }
            Kind::Dns => {
                let host = if question.straight { dns(1) } else { "192.168.1.200".to_owned() };
                let line = format!("dnsperf -s {host} -d /tmp/names -l {seconds} -c {at_a_time} -q {at_a_time}");
                (line, "Queries per second:", "Average Latency (s):")
            }
        };
        let said = self.client.run(Command::from(line).within(window + LIMIT))?;
        let to_millis = if question.kind == Kind::Dns { 1000.0 } else { 1.0 };
        Ok([number_after(&said, rate), number_after(&said, time) * to_millis])
    }

    fn finish(self) -> Result<()> {
        self.lab.finish()
    }
}

fn web(number: usize) -> String {
    format!("10.0.100.{}", 1 + number)
}

fn dns(number: usize) -> String {
    format!("10.0.100.{}", 4 + number)
}

/// One worker, so that a page that takes its time is all that its server does meanwhile.
fn serve_pages(server: &Machine) -> Result<Process> {
    server.serve_web_as(
        "load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;\n",
        "    listen 80;\n    location = / { return 200 \"served\\n\"; }\n    location = /work { echo_blocking_sleep 0.01; echo \
         served; }\n",
    )
}

/// The pair's configuration with so many servers of each kind.
fn conf(servers: usize) -> String {
    let service = |at: &str, protocol: &str, port: u16, address: fn(usize) -> String| {
        let real: String = SERVERS
            .into_iter()
            .take(servers)
            .map(|number| {
                let address = address(number);
                format!("    real_server {address} {port} {{\n        weight 1\n        TCP_CHECK {{\n            connect_timeout 3\n        }}\n    }}\n")
            })
            .collect();
        format!(
            "virtual_server {at} {port} {{\n    delay_loop 3\n    lb_algo rr\n    lb_kind NAT\n    protocol {protocol}\n{real}}}\n"
        )
    };
    let instance = |name: &str, card: &str, vrid: u8, addresses: &str| {
        format!(
            "vrrp_instance {name} {{\n    state MASTER\n    interface {card}\n    virtual_router_id {vrid}\n    \
             priority 150\n    virtual_ipaddress {{\n        {addresses}\n    }}\n}}\n"
        )
    };
    instance("VI_E", "eth0", 51, "192.168.1.200\n        192.168.1.202")
        + &instance("VI_I", "eth1", 52, "10.0.100.200")
        + "vrrp_sync_group VG1 {\n    group {\n        VI_E\n        VI_I\n    }\n}\n"
        + &service("192.168.1.202", "TCP", 80, web)
        + &service("192.168.1.200", "UDP", 53, dns)
}

/// The first number behind a word; not a number where there is none.
fn number_after(text: &str, word: &str) -> f64 {
    let rest = text.split_once(word).map_or("", |(_, rest)| rest);
    rest.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_ab_and_of_dnsperf_are_read() {
        let ab = "Requests per second:    5012.34 [#/sec] (mean)\nTime per request:       1.596 [ms] (mean)\n\
                  Time per request:       0.200 [ms] (mean, across all concurrent requests)\n";
        assert!((number_after(ab, "Requests per second:") - 5012.34).abs() < 1e-9);
        assert!((number_after(ab, "Time per request:") - 1.596).abs() < 1e-9);
        let dnsperf = "  Queries per second:   9123.4\n\n  Average Latency (s):  0.000104 (min 0.00004, max 0.002)\n";
        assert!((number_after(dnsperf, "Average Latency (s):") - 0.000_104).abs() < 1e-9);
        assert!(number_after(ab, "Queries per second:").is_nan());
    }

    #[test]
    fn the_gain_is_of_what_was_asked_the_most_at_a_time() {
        let questions = questions(&[1, 48]);
        let mut rows: Vec<[Row; 2]> = questions.iter().map(Question::rows).collect();
        for (question, rows) in questions.iter().zip(&mut rows) {
            let servers = u32::try_from(question.servers).expect("three");
            rows[0].add(0, f64::from(servers * 100 * question.at_a_time));
            rows[0].add(1, f64::from(100 * question.at_a_time));
        }
        let gains = gains(&questions, &rows);
        assert_eq!(gains.len(), 6);
        assert_eq!(gains[1].samples, [vec![3.0], vec![1.0]], "{}", gains[1].measure);
    }

    #[test]
    fn the_director_is_told_of_as_many_servers_as_are_asked() {
        assert_eq!(conf(2).matches("real_server").count(), 4);
        assert!(conf(3).contains("real_server 10.0.100.7 53 {"));
    }
}
