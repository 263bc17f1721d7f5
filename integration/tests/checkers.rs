//! Every kind of check against real servers (nginx, BIND, a mail server), by standfastd and by Debian's keepalived at the
//! same time on two directors: both tables must come to the same after every change.

use std::time::Duration;

use lab::seed::Daemon;
use lab::{Machine, Plan, Process, Result, until};

/// Check intervals of a second, a connection's time of a second, keepalived's pause of three seconds after a failed
/// page, and what a busy machine adds.
const SETTLES: Duration = Duration::from_secs(20);

const SCRIPT: &str = "#!/bin/sh\nexit \"$(cat /run/lab/status)\"\n";

/// Greets, takes HELO and QUIT, and hears several at once.
const MAIL: &str = r#"
import socketserver
class Mail(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 mail.lab ESMTP\r\n")
        for line in self.rfile:
            if line.startswith(b"HELO checker.lab"):
                self.wfile.write(b"250 hello\r\n")
            elif line.startswith(b"QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"501 what\r\n")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
print("serving", flush=True)
Server(("192.0.2.20", 25), Mail).serve_forever()
"#;

const WEB: &str = "    listen 80;
    listen 443 ssl;
    ssl_certificate /run/lab-web/cert.pem;
    ssl_certificate_key /run/lab-web/key.pem;
    root /run/lab-web/pages;
    location = /who { return 200 $host; }
";

/// One service for each kind of check. `md5sum` of the page `ready` is its digest.
const CONF: &str = r#"
global_defs {
    script_user root
    enable_script_security
}
track_file level {
    file /run/lab/level
}
virtual_server 198.51.100.1 80 {
    delay_loop 1
    connect_timeout 1
    retry 1
    delay_before_retry 1
    warmup 0
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 192.0.2.20 80 {
        HTTP_GET {
            url {
                path /page
                digest 28854bafa79a455c3ecdb40ef8b1149a
                status_code 200
            }
            url {
                path /who
                virtualhost www.lab
                regex "WWW\.(lab|moon)"
                regex_options caseless
            }
            http_protocol 1.1
            fast_recovery
        }
    }
}
virtual_server 198.51.100.1 443 {
    delay_loop 1
    connect_timeout 1
    retry 1
    delay_before_retry 1
    warmup 0
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 192.0.2.20 443 {
        SSL_GET {
            url {
                path /page
            }
        }
    }
}
virtual_server 198.51.100.1 25 {
    delay_loop 1
    connect_timeout 1
    retry 1
    delay_before_retry 1
    warmup 0
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 192.0.2.20 25 {
        SMTP_CHECK {
            helo_name checker.lab
        }
    }
}
virtual_server 198.51.100.1 53 {
    delay_loop 1
    connect_timeout 1
    retry 1
    delay_before_retry 1
    warmup 0
    lb_algo rr
    lb_kind NAT
    protocol UDP
    real_server 192.0.2.20 53 {
        DNS_CHECK {
            type TXT
            name who.lab
        }
    }
}
virtual_server 198.51.100.2 53 {
    delay_loop 1
    connect_timeout 1
    retry 1
    delay_before_retry 1
    warmup 0
    lb_algo rr
    lb_kind NAT
    protocol UDP
    real_server 192.0.2.20 53 {
        UDP_CHECK {
            payload 0000
        }
    }
}
virtual_server 198.51.100.3 80 {
    delay_loop 1
    connect_timeout 1
    retry 1
    delay_before_retry 1
    warmup 0
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 192.0.2.21 80 {
        PING_CHECK {
        }
    }
}
virtual_server 198.51.100.4 80 {
    delay_loop 1
    retry 1
    delay_before_retry 1
    warmup 0
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 192.0.2.20 8080 {
        weight 3
        MISC_CHECK {
            misc_path /etc/lab-check
            misc_timeout 2
            misc_dynamic
        }
    }
}
virtual_server 198.51.100.5 80 {
    delay_loop 1
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 192.0.2.20 8081 {
        weight 10
        FILE_CHECK {
            track_file level
            weight 2
        }
    }
}
"#;

/// What the services are called in what follows, in the order of [`CONF`].
const SERVICES: [(&str, &str); 8] = [
    ("http", "TCP 198.51.100.1:80"),
    ("ssl", "TCP 198.51.100.1:443"),
    ("smtp", "TCP 198.51.100.1:25"),
    ("dns", "UDP 198.51.100.1:53"),
    ("udp", "UDP 198.51.100.2:53"),
    ("ping", "TCP 198.51.100.3:80"),
    ("misc", "TCP 198.51.100.4:80"),
    ("file", "TCP 198.51.100.5:80"),
];

/// The weight of the only server of each service that has it: `http=1 ssl=1 ...`.
fn table(director: &Machine) -> Result<String> {
    let table = director.ipvs()?;
    let weights = SERVICES.iter().filter_map(|(name, service)| {
        let server = table.services.get(*service)?.servers.values().next()?;
        Some(format!("{name}={}", server.weight))
    });
    Ok(weights.collect::<Vec<_>>().join(" "))
}

struct Two {
    directors: [Machine; 2],
    daemons: [Process; 2],
}

impl Two {
    /// Waits until both tables are this one.
    fn both(&self, what: &str, wanted: &str) -> Result<()> {
        let tables = || -> Vec<String> {
            self.directors.iter().map(|director| table(director).unwrap_or_else(|error| error.to_string())).collect()
        };
        let settled = until(what, SETTLES, || tables().iter().all(|table| table == wanted));
        let logs = || self.daemons.iter().map(Process::log).collect::<Vec<_>>().join("\n---- keepalived\n");
        assert!(settled.is_ok(), "{what}: wanted {wanted}\ncame to {:?}\n{}", tables(), logs());
        Ok(())
    }

    fn put(&self, path: &str, contents: &str) -> Result<()> {
        self.directors.iter().try_for_each(|director| director.put(path, contents))
    }
}

fn serve_mail(servers: &Machine) -> Result<Process> {
    let mail = servers.spawn(["python3", "/run/lab-web/mail.py"])?;
    mail.wait_for("serving", SETTLES)?;
    Ok(mail)
}

/// The servers of every kind of check, each of which can be stopped.
struct Servers {
    machine: Machine,
    web: Process,
    names: Process,
    mail: Process,
}

impl Servers {
    fn start(machine: Machine) -> Result<Self> {
        machine.put("/run/lab-web/pages/page", "ready\n")?;
        machine.put("/run/lab-web/mail.py", MAIL)?;
        machine.run(
            "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=nobody \
             -keyout /run/lab-web/key.pem -out /run/lab-web/cert.pem 2>/dev/null",
        )?;
        let web = machine.serve_web_as("", WEB)?;
        let names = machine.serve_dns("servers")?;
        let mail = serve_mail(&machine)?;
        Ok(Self { machine, web, names, mail })
    }
}

/// With every server in, as configured.
const ALL: &str = "http=1 ssl=1 smtp=1 dns=1 udp=1 ping=1 misc=3 file=10";

/// Each server goes and comes back, and one gives another page.
fn servers_go_and_come(two: &Two, servers: &Servers) -> Result<()> {
    let Servers { machine, web, names, mail } = servers;
    web.kill()?;
    two.both("the web server was out", "smtp=1 dns=1 udp=1 ping=1 misc=3 file=10")?;
    machine.serve_web_as("", WEB)?;
    two.both("the web server was in again", ALL)?;

    machine.put("/run/lab-web/pages/page", "broken\n")?;
    two.both("a page with another digest took the server out, over TLS nothing was asked of it", &ALL[7..])?;
    machine.put("/run/lab-web/pages/page", "ready\n")?;
    two.both("the page was right again", ALL)?;

    names.kill()?;
    two.both("the name server was out", "http=1 ssl=1 smtp=1 ping=1 misc=3 file=10")?;
    machine.serve_dns("servers")?;
    two.both("the name server was in again", ALL)?;

    mail.kill()?;
    two.both("the mail server was out", "http=1 ssl=1 dns=1 udp=1 ping=1 misc=3 file=10")?;
    serve_mail(machine)?;
    two.both("the mail server was in again", ALL)?;

    machine.run("ip address del 192.0.2.21/24 dev eth0")?;
    two.both("the host that answers no echo was out", "http=1 ssl=1 smtp=1 dns=1 udp=1 misc=3 file=10")?;
    machine.run("ip address add 192.0.2.21/24 dev eth0")?;
    two.both("the host was in again", ALL)
}

/// A command's status and a file's number change weights, and take servers out.
fn weights_are_what_scripts_and_files_say(two: &Two) -> Result<()> {
    two.put("/run/lab/status", "9")?;
    two.both("the command set the weight", "http=1 ssl=1 smtp=1 dns=1 udp=1 ping=1 misc=7 file=10")?;
    two.put("/run/lab/status", "0")?;
    two.both("the command left the configured weight", ALL)?;
    two.put("/run/lab/status", "1")?;
    two.both("the command took the server out", "http=1 ssl=1 smtp=1 dns=1 udp=1 ping=1 file=10")?;
    two.put("/run/lab/status", "0")?;
    two.put("/run/lab/level", "-3")?;
    two.both("the file took from the weight", "http=1 ssl=1 smtp=1 dns=1 udp=1 ping=1 misc=3 file=4")?;
    two.put("/run/lab/level", "-2000000000")?;
    two.both("the file took the server out", "http=1 ssl=1 smtp=1 dns=1 udp=1 ping=1 misc=3")?;
    two.put("/run/lab/level", "4")?;
    two.both("the file added to the weight", "http=1 ssl=1 smtp=1 dns=1 udp=1 ping=1 misc=3 file=18")
}

#[test]
fn every_check_takes_servers_out_and_in_as_keepalived_does() -> Result<()> {
    let mut plan = Plan::new("checkers");
    let lan = plan.lan("lan");
    plan.director("ours").card(lan, ["192.0.2.1/24"]);
    plan.director("theirs").card(lan, ["192.0.2.2/24"]);
    plan.host("servers").card(lan, ["192.0.2.20/24", "192.0.2.21/24"]);
    let lab = plan.start()?;
    let servers = Servers::start(lab.machine("servers")?)?;
    let directors = [lab.machine("ours")?, lab.machine("theirs")?];
    for director in &directors {
        director.put("/run/lab/status", "0")?;
        director.put("/run/lab/level", "0")?;
        director.put_with_mode("/etc/lab-check", SCRIPT, 0o755)?;
    }
    let [ours, theirs] = &directors;
    let daemons = [Daemon::standfastd()?.start(ours, CONF)?, Daemon::keepalived().start(theirs, CONF)?];
    let two = Two { directors, daemons };

    two.both("all servers were in", ALL)?;
    servers_go_and_come(&two, &servers)?;
    weights_are_what_scripts_and_files_say(&two)?;

    for daemon in &two.daemons {
        daemon.stop(SETTLES)?;
    }
    lab.finish()
}
