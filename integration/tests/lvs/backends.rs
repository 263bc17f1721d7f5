//! Servers that people run, behind the director and under its checks: OpenSMTPD, unbound, and a haproxy before an nginx.
//! A client is served through each; one that dies leaves the table, and comes back to it.

use std::time::Duration;

use lab::seed::Daemon;
use lab::{Lab, Machine, Plan, Process, Result, WHO, eventually, until};

use crate::documents::{ADDRESSES, VIP};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A round of checks, a retry, and a machine that does other work too.
const SETTLES: Duration = seconds(20);

/// Name servers that refuse are asked but a moment: OpenSMTPD wants to know who greets it.
const RESOLVER: &str = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";

const SMTPD: &str = "listen on 0.0.0.0 hostname mail.lab\naction \"keep\" maildir \"/var/mail/lab\"\n\
    match from any for any action \"keep\"\n";

const UNBOUND: &str = "server:\n  interface: 0.0.0.0\n  access-control: 0.0.0.0/0 allow\n  chroot: \"\"\n  username: \"\"\n  \
    pidfile: \"\"\n  directory: \"/run\"\n  use-syslog: no\n  module-config: \"iterator\"\n  \
    local-zone: \"lab.\" static\n  local-data: 'who.lab. TXT \"unbound\"'\n\
    remote-control:\n  control-enable: no\n";

const HAPROXY: &str = "defaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n\
    frontend web\n  bind *:8080\n  default_backend servers\nbackend servers\n  server own 127.0.0.1:80\n";

/// A mail from the client through the virtual address.
const SEND: &str = "import smtplib\n\
    mail = smtplib.SMTP('192.168.1.100', 25, timeout=4)\n\
    print(mail.ehlo('client.lab')[0], mail.noop()[0], mail.quit()[0])\n";

/// The kinds of server: what each is called in a director's table, and what starts it and says that it has.
const SERVERS: [(&str, &str, &str, &str); 3] = [
    ("TCP 192.168.1.100:25", "mail", "exec smtpd -d -f /etc/lab/smtpd.conf", "starting"),
    ("UDP 192.168.1.100:53", "dns", "exec unbound -d -d -v -c /etc/lab/unbound.conf", "start of service"),
    ("TCP 192.168.1.100:80", "proxy", "echo starting; exec haproxy -db -f /etc/lab/haproxy.cfg", "starting"),
];

fn conf() -> String {
    let service = |port: u16, protocol: &str, server: &str, check: &str| {
        format!(
            "virtual_server {VIP} {port} {{\n    delay_loop 1\n    lb_algo rr\n    lb_kind NAT\n    protocol {protocol}\n    \
             connect_timeout 3\n    retry 1\n    delay_before_retry 1\n    real_server {server} {{\n        weight 1\n        \
             {check}\n    }}\n}}\n"
        )
    };
    let mail = "SMTP_CHECK {\n            helo_name director.lab\n        }";
    let dns = "DNS_CHECK {\n            type TXT\n            name who.lab\n        }";
    let web = "HTTP_GET {\n            url {\n                path /\n                status_code 200\n            }\n        }";
    [
        ADDRESSES.to_owned(),
        service(25, "TCP", "10.0.100.20 25", mail),
        service(53, "UDP", "10.0.100.21 53", dns),
        service(80, "TCP", "10.0.100.22 8080", web),
    ]
    .concat()
}

fn start(lab: &Lab, (_, host, line, ready): (&str, &str, &str, &str)) -> Result<Process> {
    let server = lab.machine(host)?.spawn(line)?;
    server.wait_for(ready, SETTLES)?;
    Ok(server)
}

/// What a client hears through the virtual address from each of [`SERVERS`].
fn ask(client: &Machine, host: &str) -> Result<String> {
    match host {
        "mail" => client.run("python3 /etc/lab/send"),
        "dns" => client.run(["dig", &format!("@{VIP}"), "+short", "+timeout=1", "+tries=1", WHO, "TXT"]),
        _ => client.run(["curl", "--silent", "--fail", "--max-time", "2", &format!("http://{VIP}/")]),
    }
    .map(|said| said.trim().to_owned())
}

#[test]
fn mail_names_and_pages_of_real_servers_are_served_checked_and_missed_when_they_die() -> Result<()> {
    let mut plan = Plan::new("backends");
    let (outside, inside) = (plan.lan("outside"), plan.lan("inside"));
    plan.director("director").card(outside, ["192.168.1.11/24"]).card(inside, ["10.0.100.11/24"]);
    plan.host("client").card(outside, ["192.168.1.51/24"]);
    for (host, address) in [("mail", "10.0.100.20/24"), ("dns", "10.0.100.21/24"), ("proxy", "10.0.100.22/24")] {
        plan.host(host).card(inside, [address]).gateway("10.0.100.200");
    }
    let lab = plan.start()?;
    let [director, client, mail, dns, proxy] = [
        lab.machine("director")?,
        lab.machine("client")?,
        lab.machine("mail")?,
        lab.machine("dns")?,
        lab.machine("proxy")?,
    ];
    client.put("/etc/lab/send", SEND)?;
    mail.put("/etc/resolv.conf", RESOLVER)?;
    mail.put("/etc/lab/smtpd.conf", SMTPD)?;
    dns.put("/etc/lab/unbound.conf", UNBOUND)?;
    proxy.put("/etc/lab/haproxy.cfg", HAPROXY)?;
    proxy.serve_web("nginx")?;
    let daemon = Daemon::standfastd()?;
    let mut servers = Vec::new();
    for server in SERVERS {
        servers.push((server, start(&lab, server)?));
    }
    let daemon = daemon.start(&director, &conf())?;
    let in_table = |service: &str| director.ipvs().map(|table| table.servers(service).len()).unwrap_or_default();
    for (((service, host, line, ready), process), answer) in
        servers.into_iter().zip(["250 250 221", "\"unbound\"", "nginx"])
    {
        assert_eq!(eventually(&format!("{host} served"), SETTLES, || ask(&client, host))?, answer);
        assert_eq!(in_table(service), 1);
        process.kill()?;
        until(&format!("the dead {host} was out"), SETTLES, || in_table(service) == 0)?;
        assert!(ask(&client, host).is_err(), "nobody serves");
        start(&lab, (service, host, line, ready))?;
        until(&format!("{host} was in again"), SETTLES, || in_table(service) == 1)?;
        assert_eq!(eventually(&format!("{host} served again"), SETTLES, || ask(&client, host))?, answer);
    }
    let log = daemon.log();
    for words in ["SMTP_CHECK", "DNS_CHECK", "HTTP_GET"] {
        assert!(log.contains(words), "{words} is nowhere in\n{log}");
    }
    lab.finish()
}
