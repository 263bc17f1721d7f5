//! The status page of the built daemon in Chromium: what happens to a director is on the screen without anybody loading the
//! page again. Needs Debian's `chromium`.
//!
//! The browser is spoken to by its own protocol through a pair of pipes, a JSON object and a zero byte each way.

use crate::adoption::{Peer, has_address};
use crate::machine::{Machine, PAIR, kill, pid_in, run, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The browser reads its orders from descriptor 3 and writes its answers to descriptor 4.
const BROWSER: &str = "exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
    --disable-extensions --disable-background-networking --user-data-dir=\"$HOME\" --remote-debugging-pipe \
    3<&0 4>&1 </dev/null >/dev/null 2>&1";

struct Browser {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    number: u64,
    session: Value,
}

impl Browser {
    fn open(machine: &Machine, url: &str) -> Self {
        let home = machine.path("browser");
        std::fs::create_dir(&home).unwrap();
        std::fs::create_dir_all("/run/tmp").unwrap();
        let mut child = Command::new("sh")
            .args(["-c", BROWSER])
            .env("HOME", &home)
            .env("TMPDIR", "/run/tmp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (orders, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser = Self { child, orders, answers, number: 0, session: Value::Null };
        let target = browser.order("Target.createTarget", &json!({ "url": url }))["targetId"].clone();
        let attached = browser.order("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].clone();
        browser
    }

    /// Gives an order and waits for its answer, which is null if it was refused: a page that is not there yet has no values.
    /// What else is told meanwhile is passed over.
    fn order(&mut self, method: &str, parameters: &Value) -> Value {
        self.number += 1;
        let mut order = json!({ "id": self.number, "method": method, "params": parameters });
        if !self.session.is_null() {
            order["sessionId"] = self.session.clone();
        }
        let text = format!("{order}\0");
        self.orders.write_all(text.as_bytes()).unwrap();
        loop {
            let mut bytes = Vec::new();
            let length = self.answers.read_until(0, &mut bytes).unwrap();
            assert!(length > 0, "chromium has ended; is it installed?");
            let answer: Value = serde_json::from_slice(&bytes[..length - 1]).unwrap();
            if answer["id"] == self.number {
                return answer["result"].clone();
            }
        }
    }

    /// The value of an expression in the page.
    fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        self.order("Runtime.evaluate", &parameters)["result"]["value"].clone()
    }

    fn text(&mut self) -> String {
        self.value("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page shows all of these.
    fn shows(&mut self, words: &[&str]) {
        let mut last = String::new();
        let seen = crate::machine::becomes(core::time::Duration::from_secs(20), || {
            last = self.text();
            words.iter().all(|word| last.contains(word))
        });
        assert!(seen, "waited for {words:?} on the page in vain:\n{last}");
    }
}

impl Drop for Browser {
    /// The browser's other processes end with its first.
    fn drop(&mut self) {
        let _ = self.orders.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let mut is_over = false;
        wait_for("the end of the browser", || {
            is_over = self.child.try_wait().is_ok_and(|status| status.is_some());
            is_over
        });
    }
}

/// As an operator orders it, or takes it back.
fn switchover(undo: bool) {
    let mut stream = UnixStream::connect("/run/standfast/control").unwrap();
    let order = json!({ "switchover": { "of": null, "undo": undo, "for_s": null } });
    writeln!(stream, "{}", json!({ "version": 1, "request": { "order": order } })).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("{\"done\""), "{answer}");
}

#[test]
fn a_page_that_is_open_follows_an_address_that_moves_and_a_worker_that_is_killed() {
    let machine = Machine::with_pair();
    let quick = PAIR.replace("state MASTER", "state BACKUP").replace("advert_int 1", "advert_int 0.5");
    let quick = quick.replace(
        "    authentication {\n        auth_type PASS\n        auth_pass s3cr3tpw\n    }\n",
        "    version 3\n",
    );
    machine.write("keepalived.conf", &format!("global_defs {{\n router_id lb-east\n http_listen\n}}\n{quick}"));
    let mut daemon = machine.start(&[]);
    let _peer = Peer::start_with(&machine, &quick);
    let mut browser = Browser::open(&machine, "http://127.0.0.1:8112/");
    browser.shows(&["VI_E", "MASTER", "this node", "live"]);
    // What is set now is gone if the page is loaded again.
    browser.value("window.same = 'page'");
    run("ip link set east down");
    browser.shows(&["FAULT", "link of east is down", "master of 0 of 1 virtual router"]);
    run("ip link set east up");
    browser.shows(&["master of 1 of 1 virtual router"]);
    // The address goes to the other end of the cable, and is there until it is handed back.
    switchover(false);
    browser.shows(&["BACKUP from MASTER: operator: switchover", "master of 0 of 1 virtual router", "192.0.2.2"]);
    wait_for("the standby's turn", || Peer::takeovers(&machine) == 1);
    assert!(!has_address());
    switchover(true);
    browser.shows(&["master of 1 of 1 virtual router"]);
    assert!(has_address());
    let before = pid_in("/run/vrrp.pid").unwrap();
    kill(before, Signal::KILL);
    browser.shows(&["MASTER from INIT: "]);
    assert_eq!(browser.value("window.same"), "page");
    assert_eq!(browser.value("document.getElementById('live').dataset.state"), "live");
    drop(browser);
    assert_eq!(daemon.stop(), 0);
}
