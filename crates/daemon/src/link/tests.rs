//! A worker's end of the channel, with the test as its supervisor.

use super::*;
use core::time::Duration;
use standfast_api::{CheckStatus, Facility, LogSettings, Setup, WorkerKind, WorkerOptions};
use standfast_kernel::channel;
use standfast_model::Instant;
use std::os::fd::AsFd;

fn linked() -> (SupervisorLink, Channel) {
    let (a, b) = channel::pair().unwrap();
    let link = SupervisorLink::new(Channel::new(a).unwrap(), Signals::catch().unwrap());
    (link, Channel::new(b).unwrap())
}

fn tell(supervisor: &Channel, message: &ToWorker) {
    supervisor.send(&encode(message).unwrap(), &[]).unwrap();
}

async fn command(link: &mut SupervisorLink) -> Option<Command> {
    tokio::time::timeout(Duration::from_millis(200), link.command()).await.ok()
}

async fn stopped(link: &mut SupervisorLink) -> StopReason {
    match command(link).await {
        Some(Command::Stop(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

async fn heard(supervisor: &Channel) -> FromWorker {
    let received = tokio::time::timeout(Duration::from_secs(5), supervisor.receive()).await.unwrap().unwrap();
    let Incoming::Message(message) = received else { panic!("closed") };
    decode(&message.bytes).unwrap()
}

fn event(number: u64) -> Event {
    Event { at: Instant::from_nanos(number), kind: EventKind::Lost { events: number } }
}

#[tokio::test]
async fn a_shutdown_and_the_end_of_the_supervisor_are_commands_and_stay_so() {
    let (mut link, supervisor) = linked();
    assert!(command(&mut link).await.is_none());
    tell(&supervisor, &ToWorker::Shutdown);
    for _ in 0..2 {
        assert_eq!(stopped(&mut link).await, StopReason::Asked);
    }
    let (mut link, supervisor) = linked();
    drop(supervisor);
    for _ in 0..2 {
        assert_eq!(stopped(&mut link).await, StopReason::SupervisorGone);
    }
}

#[tokio::test]
async fn the_end_of_the_supervisor_is_no_reason_to_leave_at_once_for_all_may_be_killed_one_after_the_other() {
    let (mut link, supervisor) = linked();
    drop(supervisor);
    for _ in 0..3 {
        // Whoever is called away in between does not begin to wait anew.
        assert!(tokio::time::timeout(Duration::from_millis(20), link.command()).await.is_err());
    }
    assert_eq!(stopped(&mut link).await, StopReason::SupervisorGone);
}

#[tokio::test]
async fn what_is_no_command_is_ignored_and_the_next_one_is_heard() {
    let (mut link, supervisor) = linked();
    supervisor.send(b"nonsense", &[]).unwrap();
    let log = LogSettings { console: false, system: false, facility: Facility::Daemon, detail: 0 };
    tell(&supervisor, &ToWorker::Setup(Setup { kind: WorkerKind::Vrrp, log, options: WorkerOptions::default() }));
    assert!(command(&mut link).await.is_none());
    tell(&supervisor, &ToWorker::Shutdown);
    assert_eq!(stopped(&mut link).await, StopReason::Asked);
}

#[tokio::test]
async fn a_supervisor_that_does_not_read_loses_the_oldest_states_and_the_newest_events_and_is_told_how_many() {
    let (mut link, supervisor) = linked();
    let told = WAITING_EVENTS as u64 + 2000;
    for number in 0..told {
        link.event(event(number));
        let none = CheckStatus { at: Instant::from_nanos(number), services: Vec::new(), traffic: Vec::new() };
        link.status(Status::Check((&none).into()));
    }
    // From here on the supervisor reads, and the worker does nothing but wait for commands.
    let reader = async {
        let (mut events, mut states) = (Vec::new(), Vec::new());
        loop {
            match heard(&supervisor).await {
                FromWorker::Event(Event { kind: EventKind::Lost { events: lost }, at }) if at.as_nanos() > told => {
                    return (events, states, lost);
                }
                FromWorker::Event(event) => events.push(event.at.as_nanos()),
                FromWorker::Status(Status::Check(told)) => states.push(told.status.get().unwrap().at.as_nanos()),
                FromWorker::Events(batch) => events.extend(batch.iter().map(|event| event.at.as_nanos())),
                other @ (FromWorker::Hello(_)
                | FromWorker::Ready
                | FromWorker::LongStatus
                | FromWorker::Status(_)
                | FromWorker::Bfd { .. }
                | FromWorker::Witness { .. }
                | FromWorker::Alive
                | FromWorker::Answer { .. }
                | FromWorker::Planned { .. }
                | FromWorker::Front(_)
                | FromWorker::Reloaded { .. }) => panic!("{other:?}"),
            }
        }
    };
    let (events, states, lost) = tokio::select! {
        everything = reader => everything,
        command = link.command() => panic!("{command:?}"),
    };
    assert!(events.is_sorted(), "events out of order");
    assert_eq!(events.len() as u64 + lost, told, "an event is neither told nor counted");
    assert!(lost > 0 && events.len() >= WAITING_EVENTS, "{lost}");
    assert_eq!(states.last(), Some(&(told - 1)), "the latest state is missing");
    assert!(states.len() < 1000, "{} states were kept", states.len());
}

#[tokio::test]
async fn telling_a_dead_supervisor_costs_no_time() {
    let (mut link, supervisor) = linked();
    drop(supervisor);
    for number in 0..10_000 {
        link.event(event(number));
    }
    link.ready();
    assert_eq!(stopped(&mut link).await, StopReason::SupervisorGone);
}

#[tokio::test]
async fn a_new_configuration_is_read_from_the_memory_file_it_came_in_and_answered_by_its_number() {
    let (mut link, supervisor) = linked();
    let label = Label { kind: 9, version: 1 };
    let memory = memfd::write("test", label, &encode(&"slice".to_owned()).unwrap()).unwrap();
    supervisor.send(&encode(&ToWorker::Reload(Generation(7))).unwrap(), &[memory.as_fd()]).unwrap();
    let Some(Command::Reload(slice)) = command(&mut link).await else { panic!("no reload") };
    assert_eq!(slice.generation(), Generation(7));
    assert_eq!(slice.read::<String>(label).unwrap(), "slice");
    assert!(slice.read::<String>(Label { kind: 8, ..label }).is_err(), "the slice of another worker");
    link.reloaded(Generation(7), Ok(()));
    assert_eq!(heard(&supervisor).await, FromWorker::Reloaded { generation: Generation(7), refused: None });
}

#[tokio::test]
async fn a_reload_without_configuration_is_refused_and_is_no_command() {
    let (mut link, supervisor) = linked();
    tell(&supervisor, &ToWorker::Reload(Generation(2)));
    tell(&supervisor, &ToWorker::Report);
    assert!(matches!(command(&mut link).await, Some(Command::Report)));
    let refused = Some("it came without configuration".to_owned());
    assert_eq!(heard(&supervisor).await, FromWorker::Reloaded { generation: Generation(2), refused });
}

#[test]
fn events_share_messages_in_their_order_and_every_message_can_be_sent() {
    let said = |length: usize| Event {
        at: boottime(),
        kind: EventKind::Said(standfast_api::Said {
            process: "Keepalived".to_owned(),
            severity: 6,
            message: "x".repeat(length),
            fields: vec![("service".to_owned(), "y".repeat(20))],
        }),
    };
    let events: Vec<Event> = (0..5000).map(|n| said(if n % 500 == 7 { 30_000 } else { n % 200 })).collect();
    let made = batches(events.clone());
    assert!(made.len() < 60, "{} messages", made.len());
    assert!(made.iter().all(|batch| encode(&FromWorker::Events(batch.clone())).unwrap().len() <= MAX_MESSAGE_BYTES));
    assert_eq!(made.concat(), events);
}
