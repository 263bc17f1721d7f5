//! The status page of the built daemon: what it answers to whom, and what a hostile client can do.

use crate::adoption::Wire;
use crate::machine::{Daemon, Machine, PAIR, kill, pid_in, runs, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use standfast_kernel::timer::boottime;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

const TOKEN: &str = "0123456789abcdef-token";

const AT: &str = "127.0.0.1:8112";

/// An answer: its status, its head in small letters, its body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn connect(at: &str) -> TcpStream {
    let at: SocketAddr = at.parse().unwrap();
    let stream = TcpStream::connect_timeout(&at, Duration::from_secs(5)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Sends these bytes and reads until the other side has had enough.
fn talk(at: &str, bytes: &[u8]) -> Option<Answer> {
    let mut stream = connect(at);
    // What is too long is not read to its end.
    let _ = stream.write_all(bytes);
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let host = if headers.contains("Host:") { String::new() } else { format!("Host: {AT}\r\n") };
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let text = format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}{length}\r\n{body}");
    talk(AT, text.as_bytes()).unwrap()
}

fn get(path: &str) -> Answer {
    request("GET", path, "", "")
}

fn status() -> serde_json::Value {
    serde_json::from_str(&get("/api/v1/status").body).unwrap()
}

fn with(words: &str) -> String {
    format!("global_defs {{\n router_id lb-east\n{words}\n}}\n{PAIR}")
}

/// A director of its own with a page.
fn start(words: &str) -> (Machine, Daemon) {
    let machine = Machine::with_pair();
    machine.write("token", TOKEN);
    std::fs::set_permissions(machine.path("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    machine.write("keepalived.conf", &with(words));
    let daemon = machine.start(&[]);
    (machine, daemon)
}

fn is_served(at: &str) -> bool {
    TcpStream::connect_timeout(&at.parse().unwrap(), Duration::from_secs(5)).is_ok()
}

#[test]
fn without_a_word_about_it_there_is_no_page() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    assert!(!is_served(AT));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_page_the_report_the_metrics_and_the_health_tell_of_the_same_mastership() {
    let (machine, mut daemon) = start("http_listen");
    wait_for("the mastership", || get("/healthz?master=VI_E").status == 200);
    assert_eq!(get("/healthz?master=VI_X").status, 404);
    let health = get("/healthz");
    assert_eq!((health.status, health.body.as_str()), (200, "OK\n"));
    let report = status();
    assert_eq!((&report["node"]["name"], &report["verdict"]), (&"lb-east".into(), &"ok".into()));
    let instance = &report["instances"][0];
    assert_eq!((&instance["state"], &instance["addresses"][0]), (&"MASTER".into(), &"192.0.2.100/24".into()));
    assert!(instance["last_change"]["cause"].as_str().unwrap().starts_with("no advertisement for 3."));
    let metrics = get("/metrics");
    assert!(metrics.body.contains("standfast_vrrp_state{vrrp_instance=\"VI_E\",state=\"MASTER\"} 1.0"));
    let page = get("/");
    assert!(page.body.contains("VI_E") && page.body.contains("MASTER from BACKUP: no advertisement for 3."));
    assert!(page.body.contains("Entering MASTER STATE"), "the change is on the time line");
    for header in
        ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff", "cache-control: no-store"]
    {
        assert!(page.head.contains(header), "{}", page.head);
    }
    assert!(request("HEAD", "/", "", "").body.is_empty());
    assert!(get("/page.css").head.contains("text/css") && get("/page.js").head.contains("text/javascript"));
    let events: serde_json::Value = serde_json::from_str(&get("/api/v1/events?last=1000").body).unwrap();
    let transition = events.as_array().unwrap().iter().find(|event| event["about"] == "transition").unwrap();
    assert_eq!((&transition["fields"]["instance"], &transition["fields"]["to"]), (&"VI_E".into(), &"BACKUP".into()));
    assert!(get("/api/v1/schema").body.contains("$schema"));
    // A link that is gone is an outage, to whoever asks.
    crate::machine::run("ip link set east down");
    wait_for("the fault", || get("/healthz").status == 503);
    assert!(get("/healthz").body.contains("CRITICAL: VI_E is in FAULT: link of east is down"));
    assert_eq!(daemon.stop(), 0);
    drop(machine);
    let history = std::fs::read_to_string("/var/lib/standfast/availability").unwrap();
    assert!(history.contains("\"k\":\"vrrp VI_E\",\"c\":\"here\"") && history.contains("\"c\":\"down\""), "{history}");
}

#[test]
fn what_is_no_path_of_the_page_is_nothing_and_foreign_names_are_not_ours() {
    let (_machine, mut daemon) = start("http_listen\nhttp_name status.example.org");
    for path in
        ["/../etc/passwd", "//", "/%2e%2e/etc/passwd", "/page.css/", "/api/v1/status/..", "/API/v1/status", "/\u{e9}"]
    {
        assert!([400, 404].contains(&get(path).status), "{path}");
    }
    for (method, path) in
        [("POST", "/"), ("DELETE", "/api/v1/status"), ("GET", "/api/v1/orders"), ("TRACE", "/metrics")]
    {
        assert_eq!(request(method, path, "", "").status, 405, "{method} {path}");
    }
    for (host, status) in [
        ("evil.example", 421),
        ("evil.example:8112", 421),
        ("localhost", 200),
        ("status.example.org:8112", 200),
        ("[::1]:8112", 200),
        ("", 421),
    ] {
        assert_eq!(request("GET", "/healthz", &format!("Host: {host}\r\n"), "").status, status, "{host:?}");
    }
    assert_eq!(daemon.stop(), 0);
}

const CONFIRM: &str = "\"confirm\"";

fn order(headers: &str, body: &str) -> Answer {
    request("POST", "/api/v1/orders", headers, body)
}

#[test]
fn orders_need_the_token_and_do_not_come_from_other_pages() {
    let (machine, mut daemon) = start(&format!("http_listen\nhttp_token {}", "/run/test/token"));
    let json = "Content-Type: application/json\r\n";
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let long = format!("\"{}\"", "x".repeat(5000));
    for (status, headers, body) in [
        (401, json.to_owned(), CONFIRM),
        (401, format!("{json}Authorization: Bearer wrong\r\n"), CONFIRM),
        (401, format!("{json}Authorization: Basic {TOKEN}\r\n"), CONFIRM),
        (415, token.clone(), CONFIRM),
        (415, format!("{token}Content-Type: application/x-www-form-urlencoded\r\n"), CONFIRM),
        (403, format!("{json}{token}Origin: http://evil.example\r\n"), CONFIRM),
        (403, format!("{json}{token}Origin: null\r\n"), CONFIRM),
        (403, format!("{json}{token}Sec-Fetch-Site: cross-site\r\n"), CONFIRM),
        (413, format!("{json}{token}"), long.as_str()),
        (400, format!("{json}{token}"), "{\"rm\":\"-rf\"}"),
        // It is an order, and there is nothing to confirm.
        (409, format!("{json}{token}Origin: http://{AT}\r\nSec-Fetch-Site: same-origin\r\n"), CONFIRM),
    ] {
        assert_eq!(order(&headers, body).status, status, "{headers} {body}");
    }
    let reload = r#"{"reload":{"force":false,"confirm_within_s":null}}"#;
    let answer = order(&format!("{json}{token}"), reload);
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"done":true,"text":"configuration 2 is in force"}"#));
    assert_eq!(status()["node"]["generation"], 2);
    // A token that others can read is none.
    std::fs::set_permissions(machine.path("token"), std::fs::Permissions::from_mode(0o644)).unwrap();
    daemon.signal(Signal::HUP);
    wait_for("the loss of the token", || order(&format!("{json}{token}"), CONFIRM).status == 403);
    assert!(!machine.read("stderr").contains(TOKEN), "a secret is not in the log");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_reload_moves_the_page_and_the_death_of_the_front_closes_no_door() {
    let (machine, mut daemon) = start("http_listen");
    let front = |report: &serde_json::Value| {
        let workers = report["node"]["workers"].as_array().unwrap().clone();
        workers.iter().find(|worker| worker["kind"] == "front").unwrap()["pid"].as_i64().unwrap()
    };
    let before = front(&status());
    machine.write("keepalived.conf", &with("http_listen\nhttp_listen 192.0.2.1 80"));
    daemon.signal(Signal::HUP);
    wait_for("the second place", || is_served("192.0.2.1:80"));
    assert_eq!(front(&status()), before, "nothing was restarted");
    let pid = i32::try_from(before).unwrap();
    kill(pid, Signal::KILL);
    wait_for("the successor", || !runs(pid));
    // Who connects now waits for the successor and is not refused.
    let after = front(&status());
    assert_ne!(after, before);
    machine.write("keepalived.conf", &with("http_listen 192.0.2.1 80"));
    daemon.signal(Signal::HUP);
    wait_for("the end of the first place", || !is_served(AT));
    assert!(is_served("192.0.2.1:80"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn other_directors_are_asked_and_believed_to_be_what_they_say() {
    // Another director that says it is master too, and one that says nothing of use.
    let machine = Machine::with_pair();
    let liar = TcpListener::bind("127.0.0.1:9001").unwrap();
    std::thread::spawn(move || {
        for mut stream in liar.incoming().flatten() {
            let _ = stream.read(&mut [0; 2000]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnonsense!");
        }
    });
    let peers =
        "http_listen\nhttp_peer self 127.0.0.1 8112\nhttp_peer liar 127.0.0.1 9001\nhttp_peer gone 127.0.0.1 9002";
    machine.write("keepalived.conf", &with(peers));
    let mut daemon = machine.start(&[]);
    wait_for("what the others say", || {
        let page = get("/").body;
        ["more than one master", "it sent no report", "gone</span> does not answer"]
            .iter()
            .all(|words| page.contains(words))
    });
    let metrics = get("/metrics").body;
    assert!(metrics.contains("standfast_vrrp_several_masters{vrrp_instance=\"VI_E\"} 1.0"), "{metrics}");
    assert!(metrics.contains("standfast_director_reachable{director=\"liar\"} 0.0"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_stream_tells_what_happens_and_one_that_is_resumed_leaves_nothing_out() {
    let (_machine, mut daemon) = start("http_listen");
    wait_for("the mastership", || get("/healthz?master=VI_E").status == 200);
    let follow = |headers: &str| {
        let mut stream = connect(AT);
        write!(stream, "GET /events HTTP/1.1\r\nHost: {AT}\r\n{headers}\r\n").unwrap();
        stream
    };
    let read_until = |stream: &mut TcpStream, words: &str| {
        let mut text = String::new();
        let mut bytes = [0; 4096];
        wait_for(words, || {
            let length = stream.read(&mut bytes).unwrap();
            text.push_str(&String::from_utf8_lossy(&bytes[..length]));
            text.contains(words)
        });
        text
    };
    let mut stream = follow("");
    assert!(read_until(&mut stream, "retry:").contains("content-type: text/event-stream"));
    daemon.signal(Signal::HUP);
    let told = read_until(&mut stream, "event: status");
    assert!(told.contains("event: happened") && !told.contains("MASTER"), "{told}");
    let told = read_until(&mut follow("Last-Event-ID: 1\r\n"), "configuration 2 is in force");
    assert!(told.contains("Entering MASTER STATE"), "{told}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_head_that_is_too_long_or_too_slow_ends_the_connection_and_nobody_else_waits() {
    let (_machine, mut daemon) = start("http_listen");
    let worker = pid_in("/run/vrrp.pid");
    let long = format!("GET / HTTP/1.1\r\nHost: {AT}\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert!(talk(AT, long.as_bytes()).is_none_or(|answer| answer.status == 431), "a head of 100 kB");
    let many = format!("GET / HTTP/1.1\r\nHost: {AT}\r\n{}\r\n", "X: y\r\n".repeat(500));
    assert!(talk(AT, many.as_bytes()).is_none_or(|answer| answer.status == 431), "500 header fields");
    assert!(talk(AT, b"\x16\x03\x01\x02\x00\x01\x00\x01").is_none_or(|answer| answer.status == 400), "TLS");
    // Half a request each, from one address: the rest are turned away, others are served.
    let slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = connect(AT);
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: ");
            stream
        })
        .collect();
    wait_for("the word that there are too many", || {
        talk(AT, b"GET /healthz HTTP/1.0\r\n\r\n").is_none_or(|answer| answer.status == 503)
    });
    let begun = boottime();
    wait_for("an end of their patience", || {
        talk(AT, b"GET /healthz HTTP/1.0\r\n\r\n").is_some_and(|answer| answer.status == 200)
    });
    assert!(boottime().since(begun) < Duration::from_secs(20));
    for mut stream in slow {
        let mut end = Vec::new();
        let _ = stream.read_to_end(&mut end);
    }
    assert_eq!(pid_in("/run/vrrp.pid"), worker);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn whoever_hammers_the_page_takes_no_time_from_advertisements() {
    let machine = Machine::with_pair();
    let fast = "vrrp_instance VI_E {\nversion 3\ninterface east\nvirtual_router_id 51\npriority 150\nadvert_int 0.5\n\
                virtual_ipaddress {\n192.0.2.100/24\n}\n}\n";
    machine.write("keepalived.conf", &format!("global_defs {{\nhttp_listen\n}}\n{fast}"));
    let mut daemon = machine.start(&[]);
    wait_for("the mastership", || get("/healthz?master=VI_E").status == 200);
    let wire = Wire::tap("east");
    let until = boottime() + Duration::from_secs(4);
    let clients: Vec<_> = (0..24)
        .map(|number: usize| {
            let path =
                ["/", "/metrics", "/api/v1/status", "/events", "/api/v1/events?last=1000", "/page.css"][number % 6];
            std::thread::spawn(move || {
                let mut answers = 0_u32;
                while boottime() < until {
                    let Ok(mut stream) = TcpStream::connect(AT) else { continue };
                    let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: {AT}\r\nConnection: close\r\n\r\n");
                    let mut bytes = [0; 1024];
                    answers += u32::from(stream.read(&mut bytes).is_ok_and(|length| length > 0));
                }
                answers
            })
        })
        .collect();
    let answers: u32 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    let (gap, sent) = wire.longest_gap();
    // A standby would take over after three intervals and its skew. The machine is shared: that nobody would have is what
    // is asked for.
    assert!(gap < Duration::from_millis(1500), "nothing was sent for {gap:?}, {answers} answers");
    assert!(sent >= 5 && answers > 50, "{sent} advertisements, {answers} answers");
    assert_eq!(daemon.stop(), 0);
}
