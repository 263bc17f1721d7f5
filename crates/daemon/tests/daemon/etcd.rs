//! A lease in a real etcd between two directors that do not hear each other: whoever has it is master, and nobody else.

use crate::adoption::Peer;
use crate::front::status;
use crate::machine::{Machine, PAIR, becomes, run, wait_for};
use crate::upgrade::{replace, started, upgrade};
use core::time::Duration;
use rustix::process::{Pid, Signal, kill_process};
use standfast_model::State;
use std::fs::File;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// The store, on the address of this director; the other one reaches it over the cable.
struct Store(Child);

impl Store {
    fn start(machine: &Machine) -> Self {
        Self::start_at(machine, "http://192.0.2.1:2379", &[])
    }

    /// One that shows the member's certificate and asks whoever comes for one of the same authority.
    fn start_over_tls(machine: &Machine) -> Self {
        let [cert, key, ca] = ["member.pem", "member.key", "ca.pem"].map(|name| machine.path(name));
        let files = [("--cert-file", cert), ("--key-file", key), ("--trusted-ca-file", ca)];
        let words = files.map(|(word, file)| format!("{word}={}", file.display()));
        let [cert, key, ca] = words.each_ref().map(String::as_str);
        Self::start_at(machine, "https://192.0.2.1:2379", &[cert, key, ca, "--client-cert-auth"])
    }

    fn start_at(machine: &Machine, url: &str, words: &[&str]) -> Self {
        let log = File::create(machine.path("store")).unwrap();
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(machine.path("data")).args(words);
        for (word, url) in [
            ("--listen-client-urls", url),
            ("--advertise-client-urls", url),
            ("--listen-peer-urls", "http://127.0.0.1:2380"),
        ] {
            command.args([word, url]);
        }
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let store = Self(child.expect("this test needs Debian's etcd-server"));
        wait_for("the store", || TcpStream::connect("192.0.2.1:2379").is_ok());
        store
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text() -> String {
    let policy = "witness {\n use store\n need all\n unreachable stay\n lost step_down\n }\n virtual_ipaddress";
    let etcd = "etcd {\n endpoint http://192.0.2.1:2379\n lease_key standfast/web\n lease 3\n holder lb-east\n }";
    let store = format!("witness store {{\n {etcd}\n interval 0.5\n timeout 0.5\n}}\n");
    format!("{store}{}", PAIR.replace("virtual_ipaddress", policy))
}

fn state() -> State {
    status().vrrp.unwrap().instances[0].state
}

/// Drops protocol 112 on its way in at the peer: the directors are parted, and both reach the store.
fn part() {
    run("ip netns exec peer nft add table inet cut");
    run("ip netns exec peer nft add chain inet cut in { type filter hook input priority 0 ; }");
    run("ip netns exec peer nft add rule inet cut in meta l4proto 112 drop");
}

#[test]
fn of_two_directors_that_are_parted_the_one_with_the_lease_is_master_until_it_gives_it_back() {
    let machine = Machine::with_pair();
    let _store = Store::start(&machine);
    machine.write("keepalived.conf", &text());
    let mut daemon = machine.start(&[]);
    wait_for("the lease and the mastership", || state() == State::Master);
    let _peer = Peer::start_with(&machine, &text());
    part();
    let refused = "hears no master and does not take over: witness store says that lb-east has the lease";
    wait_for("the refusal", || machine.read("peer").contains(refused));
    let both = || Peer::takeovers(&machine) > 0 || state() != State::Master;
    assert!(!becomes(Duration::from_secs(6), both), "{}{}", machine.read("peer"), machine.read("stderr"));
    // It leaves in order; that it resigns is not heard, that the lease is free is.
    assert_eq!(daemon.stop(), 0);
    wait_for("the takeover", || Peer::takeovers(&machine) == 1);
}

#[test]
fn a_master_that_cannot_renew_its_lease_steps_down_and_one_is_master_again_when_the_store_is_back() {
    let machine = Machine::with_pair();
    let store = Store::start(&machine);
    machine.write("keepalived.conf", &text());
    let mut daemon = machine.start(&[]);
    wait_for("the mastership", || state() == State::Master);
    // Renewed more than once.
    assert!(!becomes(Duration::from_secs(5), || state() != State::Master), "{}", machine.read("stderr"));
    store.signal(Signal::STOP);
    wait_for("the step down", || {
        machine.read("stderr").contains("Entering BACKUP STATE: witness store cannot be reached")
    });
    assert!(!becomes(Duration::from_secs(5), || state() == State::Master), "{}", machine.read("stderr"));
    store.signal(Signal::CONT);
    wait_for("the mastership again", || state() == State::Master);
    assert_eq!(daemon.stop(), 0);
}

/// An authority, and what it has signed: a certificate of the store for its address, and one of ours.
fn certificates(machine: &Machine) {
    let path = |name: &str| machine.path(name).display().to_string();
    let new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    run(&format!("{new} -subj /CN=authority -keyout {} -out {}", path("ca.key"), path("ca.pem")));
    let signed = format!("-CA {} -CAkey {}", path("ca.pem"), path("ca.key"));
    for (name, address) in [("member", "192.0.2.1"), ("own", "192.0.2.77")] {
        let files = format!("-keyout {} -out {}", path(&format!("{name}.key")), path(&format!("{name}.pem")));
        run(&format!("{new} {signed} -subj /CN={name} -addext subjectAltName=IP:{address} {files}"));
    }
}

fn over_tls(machine: &Machine, words: &str) -> String {
    let ca = machine.path("ca.pem").display().to_string();
    text().replace("endpoint http://192.0.2.1:2379", &format!("endpoint https://192.0.2.1:2379\n ca {ca}\n {words}"))
}

/// What keeps this director from being master.
fn held_by(words: &str) -> bool {
    status().vrrp.unwrap().instances[0].held.as_ref().is_some_and(|held| held.contains(words))
}

#[test]
fn over_tls_a_lease_is_taken_only_from_the_store_that_is_meant_and_given_only_to_who_has_a_certificate() {
    let machine = Machine::with_pair();
    certificates(&machine);
    let _store = Store::start_over_tls(&machine);
    let [own, key] = ["own.pem", "own.key"].map(|name| machine.path(name).display().to_string());
    let identity = format!("certificate {own}\n private_key {key}");
    // The certificate is one of the authority's, and another's.
    let impostor = over_tls(&machine, &format!("{identity}\n server_name store.example.org"));
    machine.write("keepalived.conf", &impostor);
    let mut daemon = machine.start(&[]);
    wait_for("the other name", || held_by("ostname mismatch"));
    let reload = |text: &str| {
        machine.write("keepalived.conf", text);
        daemon.signal(Signal::HUP);
    };
    // Not one of this authority's.
    reload(&over_tls(&machine, &identity).replace("ca.pem", "own.pem"));
    wait_for("the other authority", || held_by("certificate in certificate chain") || held_by("issuer certificate"));
    // The store does not know who asks.
    reload(&over_tls(&machine, ""));
    wait_for("the refusal", || held_by("certificate required") || held_by("bad certificate"));
    assert_eq!(state(), State::Backup);
    reload(&over_tls(&machine, &identity));
    wait_for("the lease and the mastership", || state() == State::Master);
    // Renewed more than once.
    assert!(!becomes(Duration::from_secs(5), || state() != State::Master), "{}", machine.read("stderr"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn an_upgrade_keeps_the_lease_and_with_it_the_mastership() {
    let machine = Machine::with_pair();
    let _store = Store::start(&machine);
    machine.write("keepalived.conf", &text());
    let (mut daemon, program) = started(&machine, &[]);
    for _ in 0..2 {
        replace(&machine, &program);
        upgrade(&machine);
    }
    // Longer than the last lease that was asked for before lives.
    assert!(!becomes(Duration::from_secs(5), || state() != State::Master), "{}", machine.read("stderr"));
    let said = machine.read("stderr");
    assert_eq!(
        said.matches("Entering BACKUP STATE").count(),
        said.matches("(VI_E) Entering BACKUP STATE (init)").count()
    );
    assert_eq!(daemon.stop(), 0);
}
