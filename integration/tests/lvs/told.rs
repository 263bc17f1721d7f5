//! Who is told what of real servers and their services: the pipe, the scripts and the mail of standfastd say the same as
//! keepalived's, in the same order, while the same happens to both on real IPVS. Only why a check failed or a quorum
//! was lost is in words of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::{Machine, Result, eventually};

use crate::same_tables::{SERVERS, World};

/// Appends what it reads from the pipe that it is given.
const READER: &str = "#!/bin/bash\nexec cat \"$1\" >>/run/told\n";

/// A mail server that writes down each message by the address it came from, in one line, its headers unfolded (RFC 5322
/// 2.2.3) and without those that differ between any two.
const MAIL: &str = r#"
import os, socketserver
class Mail(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")
    def handle(self):
        said = []
        self.say("220 mail.lab ESMTP")
        for line in self.rfile:
            line = line.decode().rstrip("\r\n")
            word = line.split(" ")[0].split(":")[0].upper()
            if word in ("MAIL", "RCPT"):
                said.append(line)
            if word == "DATA":
                self.say("354 go on")
                for line in self.rfile:
                    line = line.decode().rstrip("\r\n")
                    if line == ".":
                        break
                    if line.startswith("=> ") and line.endswith(" <=") and "quorum up" not in line and "Gained" not in line:
                        line = "=> the reason <="
                    if line.startswith(" "):
                        said[-1] += line
                    elif line and line.split(":")[0] not in ("Date", "Message-ID"):
                        said.append(line)
            self.say("221 bye" if word == "QUIT" else "250 fine")
            if word == "QUIT":
                break
        name = "/run/mail/" + self.client_address[0]
        with open(name, "a") as file:
            file.write(" | ".join(said) + "\n")
os.makedirs("/run/mail", exist_ok=True)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
server = Server(("10.0.100.20", 25), Mail)
print("serving", flush=True)
server.serve_forever()
"#;

fn conf() -> String {
    let mut text = "global_defs {\n    router_id LAB\n    script_user root\n    enable_script_security\n    \
        notification_email {\n        admin@lab.test\n        other@lab.test\n    }\n    \
        notification_email_from director@lab.test\n    smtp_server 10.0.100.20\n    smtp_connect_timeout 10\n    \
        smtp_helo_name director.lab.test\n    smtp_alert_checker\n    \
        lvs_notify_fifo /run/pipe\n    lvs_notify_fifo_script /etc/lab/reader\n}\n"
        .to_owned();
    for (vip, quorum) in [("192.0.2.100", 4), ("192.0.2.101", 1)] {
        text += &format!(
            "virtual_server {vip} 80 {{\n    delay_loop 1\n    lb_algo wrr\n    lb_kind NAT\n    protocol TCP\n    \
             quorum {quorum}\n    hysteresis 1\n    quorum_up \"/etc/lab/note {vip} quorum up\"\n    \
             quorum_down \"/etc/lab/note {vip} quorum down\"\n    sorry_server 10.0.100.9 80\n"
        );
        for ((name, address), weight) in SERVERS.into_iter().zip([4, 2, 1]) {
            text += &format!(
                "    real_server {address} 80 {{\n        weight {weight}\n        \
                 notify_up \"/etc/lab/note {vip} {name} up\"\n        \
                 notify_down \"/etc/lab/note {vip} {name} down\"\n        TCP_CHECK {{\n            \
                 connect_timeout 1\n            retry 1\n            delay_before_retry 1\n        }}\n    }}\n"
            );
        }
        text += "}\n";
    }
    text
}

/// What a director has told so far: the lines of its pipe of each service in their order, as services are checked
/// independently; and its scripts and mails, which run at the same time and so in any.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    pipe: BTreeMap<String, Vec<String>>,
    scripts: Vec<String>,
    mails: Vec<String>,
}

fn told(director: &Machine, mail: &Machine) -> Result<Told> {
    let address = if director.name() == "theirs" { "10.0.100.11" } else { "10.0.100.12" };
    let read = |machine: &Machine, path: &str| machine.run(format!("cat {path} 2>/dev/null || true"));
    let pieces = |text: String| text.lines().map(str::to_owned).collect::<Vec<String>>();
    let mut pipe: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in pieces(read(director, "/run/told")?) {
        // "RS [10.0.100.2]:tcp:80 [192.0.2.100]:tcp:80 DOWN" and "VS [192.0.2.100]:tcp:80 DOWN".
        let service = line.rsplit(' ').nth(1).unwrap_or_default().to_owned();
        pipe.entry(service).or_default().push(line);
    }
    let mut told = Told {
        pipe,
        scripts: pieces(read(director, "/run/noted")?),
        mails: pieces(read(mail, &format!("/run/mail/{address}"))?),
    };
    told.scripts.sort();
    told.mails.sort();
    Ok(told)
}

/// Waits until both have told the same, and so many mails of it.
fn same(world: &World, mails: usize) -> Result<Told> {
    let mail = world.lab.machine("mail")?;
    eventually(&format!("both had told the same and sent {mails} mails"), Duration::from_secs(20), || {
        let [theirs, ours] = world.directors.each_ref().map(|director| told(director, &mail));
        let (theirs, ours) = (theirs?, ours?);
        if theirs == ours && ours.mails.len() >= mails {
            Ok(ours)
        } else {
            Err(lab::Error::Missing(format!("keepalived {theirs:#?}\nstandfastd {ours:#?}")))
        }
    })
}

#[test]
fn pipe_scripts_and_mail_tell_of_servers_and_quorums_as_keepalived_does() -> Result<()> {
    let mut world = World::build("told")?;
    let mail = world.lab.machine("mail")?;
    mail.put("/run/mail.py", MAIL)?;
    mail.spawn(["python3", "/run/mail.py"])?.wait_for("serving", Duration::from_secs(20))?;
    for director in &world.directors {
        director.put_with_mode("/etc/lab/reader", READER, 0o755)?;
    }
    world.run(&conf())?;
    let rows = |count: usize| move |table: &str| table.matches(" -r 10.0.100.").count() == count;
    world.settled("all servers were in", rows(6))?;
    same(&world, 2)?;

    world.kill("web3")?;
    world.settled("the light server was out", rows(4))?;
    let first = same(&world, 4)?;
    // It bears the quorum of the first service, whose others give way to the server for bad times.
    world.kill("web1")?;
    world.settled("the heavy server was out", |table| table.contains("10.0.100.9:80") && rows(2)(table))?;
    same(&world, 7)?;
    world.kill("web2")?;
    world.settled("both services had the server for bad times", |table| table.matches("10.0.100.9:80").count() == 2)?;
    same(&world, 10)?;
    world.serve("web1")?;
    world.settled("the second service was back", |table| table.matches("10.0.100.2:80").count() == 1)?;
    same(&world, 13)?;
    world.serve("web2")?;
    world.settled("the first service was back", |table| !table.contains("10.0.100.9:80") && rows(4)(table))?;
    world.serve("web3")?;
    world.settled("all servers were in again", rows(6))?;
    let last = same(&world, 18)?;

    // They did not come to the same by saying nothing.
    assert!(
        first.pipe.values().all(|lines| lines.iter().any(|line| line.starts_with("RS [10.0.100.4]:tcp:80 "))),
        "{first:#?}"
    );
    for (vip, quorums) in [("192.0.2.100", 2), ("192.0.2.101", 2)] {
        let said = |word: &str| last.scripts.iter().filter(|line| **line == format!("{vip} {word}")).count();
        assert_eq!((said("quorum down"), said("web1 down"), said("web3 up") > 0), (quorums - 1, 1, true), "{last:#?}");
    }
    assert!(last.mails.iter().all(|mail| mail.contains("RCPT TO:<admin@lab.test> | RCPT TO:<other@lab.test>")));
    let lines: usize = last.pipe.values().map(Vec::len).sum();
    println!("{lines} lines through the pipe, {} scripts, {} mails", last.scripts.len(), last.mails.len());
    world.lab.finish()
}
