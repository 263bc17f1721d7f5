//! What the lines say, word for word, and how often they are said.

use super::*;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

/// Every line as `name=value` pairs in order, the message first.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Vec<String>>>>);

impl<S: Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut pairs = Pairs(vec![event.metadata().level().to_string()]);
        event.record(&mut pairs);
        self.0.lock().unwrap().push(pairs.0);
    }
}

struct Pairs(Vec<String>);

impl Visit for Pairs {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push(format!("{}={value}", field.name()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn core::fmt::Debug) {
        self.0.push(format!("{}={value:?}", field.name()));
    }
}

/// What is said while `speak` runs, in a thread of its own because the limit is the thread's.
fn heard(speak: impl FnOnce() + Send + 'static) -> Vec<Vec<String>> {
    let heard = Heard::default();
    let copy = heard.clone();
    let speaker = move || tracing::subscriber::with_default(Registry::default().with(copy), speak);
    std::thread::spawn(speaker).join().unwrap();
    std::mem::take(&mut *heard.0.lock().unwrap())
}

fn message(line: &[String]) -> &str {
    line.iter().find_map(|pair| pair.strip_prefix("message=")).unwrap()
}

fn names() -> Vec<(String, InterfaceName)> {
    ["VI_E", "VI_I"].map(|name| (name.to_owned(), "eth0".parse().unwrap())).to_vec()
}

fn change(from: State, to: State, cause: Cause) -> Transition {
    let (interface, at) = ("eth0".parse().unwrap(), standfast_model::Instant::ZERO);
    Transition { instance: "VI_E".to_owned(), interface, from, to, cause, at, priority: 150 }
}

#[test]
fn a_transition_is_keepalived_s_phrase_with_its_cause_and_fields() {
    let waited = Duration::from_millis(3414);
    let cause = Cause::MasterSilent { waited };
    let lines = heard(move || transition(&change(State::Backup, State::Master, cause)));
    assert_eq!(
        lines,
        [[
            "INFO",
            "message=(VI_E) Entering MASTER STATE: no advertisement for 3.414 s",
            "event=vrrp-master",
            "instance=VI_E",
            "interface=eth0",
            "from=BACKUP",
            "to=MASTER",
            "cause=no advertisement for 3.414 s",
            "vrrp_priority=150",
        ]]
    );
}

#[test]
fn the_first_state_is_marked_and_a_fault_is_a_warning() {
    let lines = heard(|| {
        transition(&change(State::Init, State::Backup, Cause::Started));
        let cause = Cause::LinkDown { interface: "eth0".parse().unwrap() };
        transition(&change(State::Backup, State::Fault, cause));
    });
    assert_eq!(message(&lines[0]), "(VI_E) Entering BACKUP STATE (init): started");
    assert_eq!(message(&lines[1]), "(VI_E) Entering FAULT STATE: link of eth0 is down");
    assert_eq!((lines[0][0].as_str(), lines[1][0].as_str()), ("INFO", "WARN"));
}

#[test]
fn a_flood_of_refused_packets_is_one_line_per_instance_and_reason() {
    let lines = heard(|| {
        for _ in 0..1000 {
            for id in [0, 1] {
                for reason in [Refusal::AuthFailure, Refusal::Ttl] {
                    let source = "192.0.2.9".parse().unwrap();
                    let refused =
                        Notice::Refused { instance: Some(InstanceId(id)), source, reason, detail: String::new() };
                    notice(&refused, &names());
                }
            }
        }
    });
    let messages: Vec<&str> = lines.iter().map(|line| message(line)).collect();
    assert_eq!(
        messages,
        [
            "(VI_E) refused advertisement from 192.0.2.9: wrong password",
            "(VI_E) refused advertisement from 192.0.2.9: TTL is not 255",
            "(VI_I) refused advertisement from 192.0.2.9: wrong password",
            "(VI_I) refused advertisement from 192.0.2.9: TTL is not 255",
        ]
    );
}

#[test]
fn transitions_are_never_held_back() {
    let lines = heard(|| {
        for _ in 0..100 {
            transition(&change(State::Backup, State::Master, Cause::Owner));
        }
    });
    assert_eq!(lines.len(), 100);
}

#[test]
fn an_instance_that_is_not_in_the_list_is_no_panic() {
    let lines = heard(|| {
        let source = "192.0.2.9".parse().unwrap();
        notice(&Notice::OwnerClash { instance: InstanceId(7), source }, &names());
    });
    assert!(message(&lines[0]).starts_with("(unknown instance) 192.0.2.9 has priority 255"), "{lines:?}");
}

#[test]
fn a_pool_s_line_has_its_server_and_cause_apart() {
    let lines = heard(|| {
        let address = "192.0.2.1".parse().unwrap();
        let protocol = standfast_model::ipvs::Protocol::Tcp;
        let service = standfast_model::ipvs::ServiceKey::Address { address, port: 80, protocol };
        let server = standfast_model::ipvs::DestinationKey { address: "10.0.0.2".parse().unwrap(), port: 80 };
        let server = standfast_lvs::notice::ServerName { service, server };
        let reason = standfast_lvs::Reason::Refused;
        let down = standfast_lvs::notice::Notice::ServerDown { server, inhibited: false, check: "TCP_CHECK", reason };
        pool(&down, |of| (*of == service).then_some(3));
    });
    assert_eq!(
        lines,
        [[
            "WARN",
            "message=Removing service [10.0.0.2]:tcp:80 from VS [192.0.2.1]:tcp:80: TCP_CHECK failed: connection refused",
            "event=server-down",
            "service=TCP  192.0.2.1:80",
            "server=10.0.0.2:80",
            "up=3",
            "cause=connection refused",
        ]]
    );
}
