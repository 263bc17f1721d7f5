//! What a worker says arrives, short or long, and what it cannot have said is refused.

use super::*;
use crate::link::outgoing;
use standfast_api::{CheckStatus, ServiceStatus};
use standfast_kernel::channel::Outbox;
use standfast_model::ipvs::{Family, ServiceKey};

fn status(services: u32) -> FromWorker {
    let service = |mark| ServiceStatus {
        key: ServiceKey::FirewallMark { mark, family: Family::Inet },
        live: 1,
        total: 2,
        has_quorum: true,
        on_sorry_server: false,
        weight: 1,
        quorum: 1,
        servers: Vec::new(),
    };
    let services = (1..=services).map(service).collect();
    FromWorker::Status(Status::Check((&CheckStatus { at: Instant::ZERO, services, traffic: Vec::new() }).into()))
}

async fn sent_and_read(message: &FromWorker) -> Result<FromWorker, String> {
    let (a, b) = channel::pair().unwrap();
    let (a, b) = (Channel::new(a).unwrap(), Channel::new(b).unwrap());
    let mut outbox = Outbox::new(1);
    outbox.state(outgoing(message).unwrap());
    assert!(outbox.flush(&a).unwrap());
    let Incoming::Message(received) = b.receive().await.unwrap() else { panic!("closed") };
    read(&received)
}

#[tokio::test]
async fn a_status_arrives_whole_however_long_it_is() {
    for services in [0, 1, 10_000, 100_000] {
        let message = status(services);
        let long = encode(&message).unwrap().len() > channel::MAX_MESSAGE_BYTES;
        assert_eq!(long, services >= 10_000);
        assert_eq!(sent_and_read(&message).await.unwrap(), message);
    }
}

#[tokio::test]
async fn a_long_status_without_memory_file_or_with_a_false_one_is_refused() {
    let (a, b) = channel::pair().unwrap();
    let (a, b) = (Channel::new(a).unwrap(), Channel::new(b).unwrap());
    let word = encode(&FromWorker::LongStatus).unwrap();
    let wrong_kind = memfd::write("test", slice_label(WorkerKind::Check), b"").unwrap();
    let empty = memfd::write("test", LONG_STATUS, b"").unwrap();
    let no_memfd = std::fs::File::open("/dev/null").unwrap();
    let descriptors = [None, Some(wrong_kind.as_fd()), Some(empty.as_fd()), Some(no_memfd.as_fd())];
    for descriptor in descriptors {
        a.send(&word, descriptor.as_slice()).unwrap();
        let Incoming::Message(received) = b.receive().await.unwrap() else { panic!("closed") };
        assert!(read(&received).is_err(), "{descriptor:?}");
    }
}
