//! What a master agent sends, read as AgentX and given to a session. Nothing panics, what parses is written as it is
//! read, and a session's answers stay short.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_agentx::{Identity, Mib, Oid, Pdu, Session, SetError, Value};
use standfast_model::Instant;

struct Nothing;

impl Mib for Nothing {
    fn get(&self, _: &Oid) -> Value {
        Value::NoSuchObject
    }

    fn next(&self, name: &Oid, _: bool) -> Option<(Oid, Value)> {
        Some((name.with(&[1]), Value::Integer(1)))
    }

    fn test(&self, _: &Oid, _: &Value) -> Result<(), SetError> {
        Ok(())
    }
}

fuzz_target!(|octets: &[u8]| {
    if let Ok(Some((pdu, _))) = Pdu::decode(octets) {
        let mut written = Vec::new();
        pdu.encode(&mut written);
        assert_eq!(Pdu::decode(&written).map(|found| found.map(|(pdu, _)| pdu)), Ok(Some(pdu)));
    }
    let subtrees = vec![Oid::new(&[1, 3, 6, 1, 4, 1, 9586])];
    let mut session = Session::begin(Identity { description: String::new(), subtrees }, Instant::ZERO);
    session.received(octets);
    while session.process(Instant::ZERO, &Nothing).is_some() {
        session.committed(true);
    }
    assert!(session.take_output().len() < 64 * octets.len() + (1 << 20));
});
