//! A lease in a real etcd between two directors that do not hear each other: whoever has it is master, and nobody else.

use crate::adoption::Peer;
use crate::front::status;
use crate::machine::{Machine, PAIR, becomes, run, wait_for};
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
        let log = File::create(machine.path("store")).unwrap();
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(machine.path("data"));
        for (word, url) in [
            ("--listen-client-urls", "http://192.0.2.1:2379"),
            ("--advertise-client-urls", "http://192.0.2.1:2379"),
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
