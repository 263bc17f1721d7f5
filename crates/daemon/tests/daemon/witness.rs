//! Witnesses, as the built daemon asks them: a ping over a cable, a connection to a port.

use crate::front::status;
use crate::machine::{Machine, PAIR, becomes, pid_in, run, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use standfast_model::State;
use std::net::TcpListener;

/// The pair's instance with a witness that is asked five times a second.
fn with(witness: &str) -> String {
    let policy = "witness {\n use far\n need all\n unreachable stay\n }\n virtual_ipaddress";
    let asked = format!("witness far {{\n {witness}\n interval 0.2\n timeout 0.2\n}}\n");
    format!("{asked}{}", PAIR.replace("virtual_ipaddress", policy))
}

fn state() -> State {
    status().vrrp.unwrap().instances[0].state
}

fn held() -> Option<String> {
    status().vrrp.unwrap().instances[0].held.clone()
}

/// Long enough for two rounds of the timer.
const PATIENTLY: Duration = Duration::from_secs(5);

#[test]
fn a_standby_whose_witness_does_not_answer_a_ping_stays_and_takes_over_when_it_does() {
    let machine = Machine::with_pair();
    run("ip netns add far");
    run("ip link set west netns far");
    run("ip -n far link set west up");
    machine.write("keepalived.conf", &with("ping 192.0.2.254"));
    let mut daemon = machine.start(&[]);
    wait_for("being held back", || held().is_some());
    assert!(held().unwrap().starts_with("witness far cannot be reached"), "{:?}", held());
    assert!(!becomes(PATIENTLY, || state() == State::Master), "{}", machine.read("stderr"));
    let said = machine.read("stderr");
    assert!(said.contains("(VI_E) hears no master and does not take over: witness far"), "{said}");
    run("ip -n far address add 192.0.2.254/24 dev west");
    wait_for("the takeover", || state() == State::Master);
    assert_eq!(held(), None);
    // A witness that is lost later costs a master nothing.
    run("ip -n far address del 192.0.2.254/24 dev west");
    assert!(!becomes(PATIENTLY, || state() != State::Master));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_standby_whose_witness_takes_no_connection_stays_and_takes_over_when_it_does() {
    let machine = Machine::with_pair();
    run("ip netns add far");
    run("ip link set west netns far");
    run("ip -n far link set west up");
    run("ip -n far address add 192.0.2.254/24 dev west");
    machine.write("keepalived.conf", &with("tcp 192.0.2.254 7707"));
    let mut daemon = machine.start(&[]);
    let said = |text: &str| machine.read("stderr").contains(text);
    // Its kernel answers that nobody listens there.
    wait_for("being held back", || held().is_some_and(|held| held.contains("refused")));
    assert!(!becomes(PATIENTLY, || state() == State::Master), "{}", machine.read("stderr"));
    assert!(said("(VI_E) hears no master and does not take over: witness far"), "{}", machine.read("stderr"));
    // Nothing answers at all, although somebody listens now.
    for rule in ["add table inet cut", "add chain inet cut in { type filter hook input priority 0 ; }"] {
        run(&format!("ip netns exec far nft {rule}"));
    }
    run("ip netns exec far nft add rule inet cut in tcp dport 7707 drop");
    let mut listener = far_listener();
    assert!(!becomes(PATIENTLY, || state() == State::Master), "{:?}", held());
    run("ip netns exec far nft delete table inet cut");
    wait_for("the takeover", || state() == State::Master);
    assert_eq!(held(), None);
    // A witness that is lost later costs a master nothing.
    listener.kill().unwrap();
    listener.wait().unwrap();
    assert!(!becomes(PATIENTLY, || state() != State::Master));
    assert_eq!(daemon.stop(), 0);
}

/// A program that listens in the far namespace, and does so when this returns.
fn far_listener() -> std::process::Child {
    let text = "import socket, time; s = socket.create_server((\"192.0.2.254\", 7707)); time.sleep(60)";
    let mut command = std::process::Command::new("ip");
    command.args(["netns", "exec", "far", "python3", "-c", text]).stdin(std::process::Stdio::null());
    let child = command.spawn().unwrap();
    wait_for("the listener", || {
        let mut shown = std::process::Command::new("ip");
        shown.args(["netns", "exec", "far", "ss", "-Hltn", "sport", "=", "7707"]);
        !shown.output().unwrap().stdout.is_empty()
    });
    child
}

#[test]
fn a_worker_that_only_asks_witnesses_leaves_ipvs_alone_and_its_successor_asks_again() {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", &with("tcp 127.0.0.1 7707"));
    let mut daemon = machine.start(&[]);
    wait_for("being held back", || held().is_some());
    let check = pid_in("/run/checkers.pid").unwrap();
    crate::machine::kill(check, Signal::KILL);
    wait_for("another check worker", || pid_in("/run/checkers.pid").is_some_and(|pid| pid != check));
    let listener = TcpListener::bind("127.0.0.1:7707").unwrap();
    wait_for("the takeover", || state() == State::Master);
    drop(listener);
    // Without a witness nobody is asked, and the worker that did is gone.
    machine.write("keepalived.conf", PAIR);
    daemon.signal(Signal::HUP);
    wait_for("the reload", || machine.read("stderr").contains("Reload finished"));
    wait_for("the end of the worker", || pid_in("/run/checkers.pid").is_none());
    assert_eq!(state(), State::Master);
    assert_eq!(daemon.stop(), 0);
}
