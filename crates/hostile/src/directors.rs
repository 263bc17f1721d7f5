//! What programs on other machines say: a master agent of SNMP, and another director's status page.

use standfast_agentx::{Identity, Mib, Oid, Pdu, Session, SetError, Value};
use standfast_model::Instant;
use standfast_page::directors::{MAX_REPORT_BYTES, read};

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

/// What a master agent sends, read as AgentX and given to a session. What parses is written as it is read, and a session's
/// answers stay short.
pub fn agentx(octets: &[u8]) {
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
}

/// A report of another director. What is one is still the same after another way through text.
pub fn report(octets: &[u8]) {
    match read(octets) {
        Ok(report) => {
            let again = serde_json::to_vec(&report).expect("a report without text");
            assert!(
                again.len() > MAX_REPORT_BYTES
                    || read(&again).is_ok_and(|read| comparable(&read) == comparable(&report))
            );
        }
        Err(why) => assert!(!why.is_empty()),
    }
}

/// Numbers that are none are equal here.
fn comparable(report: &standfast_page::report::Report) -> String {
    format!("{report:?}")
}
