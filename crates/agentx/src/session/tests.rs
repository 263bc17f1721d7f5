use super::*;
use crate::pdu::SearchRange;
use crate::{SetError, Value};
use std::collections::BTreeMap;

/// Three objects, of which the last can be set to a number.
struct Three(BTreeMap<Oid, Value>);

fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}

fn three() -> Three {
    let objects = [("1.3.6.1.4.1.9.1.0", 1), ("1.3.6.1.4.1.9.2.0", 2), ("1.3.6.1.4.1.9.3.0", 3)];
    Three(objects.map(|(name, value)| (oid(name), Value::Integer(value))).into())
}

impl Mib for Three {
    fn get(&self, name: &Oid) -> Value {
        self.0.get(name).cloned().unwrap_or(Value::NoSuchObject)
    }

    fn next(&self, name: &Oid, include: bool) -> Option<(Oid, Value)> {
        let found = self.0.iter().find(|(known, _)| *known > name || include && *known == name)?;
        Some((found.0.clone(), found.1.clone()))
    }

    fn test(&self, name: &Oid, value: &Value) -> Result<(), SetError> {
        match (name.numbers().ends_with(&[3, 0]), value) {
            (true, Value::Integer(_)) => Ok(()),
            (true, _) => Err(SetError::WrongType),
            (false, _) => Err(SetError::NotWritable),
        }
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn bytes(session: u32, packet: u32, body: Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    Pdu { header: Header { session, transaction: packet, packet }, body }.encode(&mut bytes);
    bytes
}

fn said(session: &mut Session) -> Vec<Pdu> {
    let output = session.take_output();
    let mut rest = output.as_slice();
    let mut said = Vec::new();
    while let Some((pdu, length)) = Pdu::decode(rest).unwrap() {
        said.push(pdu);
        rest = &rest[length..];
    }
    assert!(rest.is_empty());
    said
}

fn ok() -> Body {
    Body::Response { uptime: 1, error: 0, index: 0, objects: Vec::new() }
}

fn begin() -> Session {
    let identity =
        Identity { description: "us".to_owned(), subtrees: vec![oid("1.3.6.1.4.1.9"), oid("1.3.6.1.2.1.68")] };
    Session::begin(identity, at(0))
}

fn open() -> Session {
    let mut session = begin();
    for packet in 1..=3 {
        said(&mut session);
        session.received(&bytes(77, packet, ok()));
        let happened = session.process(at(1), &three());
        assert_eq!(happened, Some(if packet == 3 { Happened::Established } else { Happened::Nothing }));
    }
    assert!(said(&mut session).is_empty());
    session
}

/// What is answered to a request.
fn answer(session: &mut Session, body: Body) -> (u16, u16, Vec<VarBind>) {
    session.received(&bytes(77, 500, body));
    assert_eq!(session.process(at(2), &three()), Some(Happened::Nothing));
    match said(session).pop() {
        Some(Pdu { header, body: Body::Response { uptime: _, error, index, objects } }) => {
            assert_eq!((header.session, header.packet), (77, 500));
            (error, index, objects)
        }
        other => panic!("{other:?}"),
    }
}

fn from(name: &str) -> SearchRange {
    SearchRange { start: oid(name), ..SearchRange::default() }
}

fn numbers(objects: &[VarBind]) -> Vec<(String, Value)> {
    objects.iter().map(|object| (object.name.to_string(), object.value.clone())).collect()
}

#[test]
fn a_session_opens_and_registers_one_part_after_the_other() {
    let mut session = begin();
    assert!(matches!(said(&mut session)[..], [Pdu { body: Body::Open { .. }, .. }]));
    session.received(&bytes(77, 1, ok()));
    session.process(at(1), &three());
    let first = said(&mut session);
    let Body::Register { subtree, priority, .. } = &first[0].body else { panic!("{first:?}") };
    assert_eq!((first.len(), first[0].header.session, subtree, *priority), (1, 77, &oid("1.3.6.1.4.1.9"), 127));
    // Somebody else has the first part: the second is registered all the same.
    let taken = Body::Response { uptime: 0, error: 263, index: 0, objects: Vec::new() };
    session.received(&bytes(77, 2, taken));
    let refused = Happened::Unregistered { subtree: oid("1.3.6.1.4.1.9"), error: 263 };
    assert_eq!(session.process(at(1), &three()), Some(refused));
    session.received(&bytes(77, 3, ok()));
    assert_eq!(session.process(at(1), &three()), Some(Happened::Established));
}

#[test]
fn a_session_is_there_for_notifications_though_the_last_part_is_refused() {
    let mut session = begin();
    for (packet, error) in [(1, 0), (2, 0), (3, 263)] {
        said(&mut session);
        session.received(&bytes(77, packet, Body::Response { uptime: 0, error, index: 0, objects: Vec::new() }));
        session.process(at(1), &three());
    }
    session.notify(at(2), Vec::new());
    assert!(matches!(said(&mut session)[..], [Pdu { body: Body::Notify(_), .. }]));
}

#[test]
fn a_master_agent_that_wants_no_session_gets_none() {
    let mut session = begin();
    session.received(&bytes(0, 1, Body::Response { uptime: 0, error: 256, index: 0, objects: Vec::new() }));
    session.process(at(1), &three());
    assert_eq!(session.ended(), Some(&Ended::Refused(256)));
}

#[test]
fn objects_are_found_by_name_and_in_their_order() {
    let mut session = open();
    let (error, _, found) = answer(&mut session, Body::Get(vec![from("1.3.6.1.4.1.9.2.0"), from("1.3.6.1.4.1.9.2")]));
    assert_eq!(error, 0);
    let expected = [("1.3.6.1.4.1.9.2.0", Value::Integer(2)), ("1.3.6.1.4.1.9.2", Value::NoSuchObject)];
    assert_eq!(numbers(&found), expected.map(|(name, value)| (name.to_owned(), value)));
    let until = SearchRange { end: oid("1.3.6.1.4.1.9.2"), ..from("1.3.6.1.4.1.9.1.0") };
    let at_it = SearchRange { include: true, ..from("1.3.6.1.4.1.9.1.0") };
    let (_, _, found) = answer(&mut session, Body::GetNext(vec![from("1.3.6.1.4.1.9"), at_it, until]));
    let expected = [
        ("1.3.6.1.4.1.9.1.0", Value::Integer(1)),
        ("1.3.6.1.4.1.9.1.0", Value::Integer(1)),
        ("1.3.6.1.4.1.9.1.0", Value::EndOfMibView),
    ];
    assert_eq!(numbers(&found), expected.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn many_are_asked_for_at_once_and_no_more_than_the_limit_are_answered() {
    let mut session = open();
    let ranges = || vec![from("1.3.6.1.4.1.9"), from("1.3.6.1.4.1.9.1.0")];
    let (_, _, found) = answer(&mut session, Body::GetBulk { non_repeaters: 1, max_repetitions: 9, ranges: ranges() });
    let values: Vec<Value> = found.into_iter().map(|object| object.value).collect();
    assert_eq!(values, [Value::Integer(1), Value::Integer(2), Value::Integer(3), Value::EndOfMibView]);
    let many = vec![from("1.3"); 400];
    let (_, _, found) =
        answer(&mut session, Body::GetBulk { non_repeaters: 0, max_repetitions: u16::MAX, ranges: many });
    assert_eq!(found.len(), 400);
}

#[test]
fn what_is_set_is_tested_first_and_done_by_whoever_can() {
    let mut session = open();
    let want = |name: &str, value| Body::TestSet(vec![VarBind { name: oid(name), value }]);
    assert_eq!(answer(&mut session, want("1.3.6.1.4.1.9.1.0", Value::Integer(9))), (17, 1, Vec::new()));
    assert_eq!(answer(&mut session, want("1.3.6.1.4.1.9.3.0", Value::Null)), (7, 1, Vec::new()));
    assert_eq!(answer(&mut session, Body::CommitSet).0, error::COMMIT_FAILED, "nothing was tested");
    for done in [true, false] {
        assert_eq!(answer(&mut session, want("1.3.6.1.4.1.9.3.0", Value::Integer(9))), (0, 0, Vec::new()));
        session.received(&bytes(77, 500, Body::CommitSet));
        let object = VarBind { name: oid("1.3.6.1.4.1.9.3.0"), value: Value::Integer(9) };
        assert_eq!(session.process(at(3), &three()), Some(Happened::Commit(vec![object])));
        // Nothing else is answered meanwhile.
        session.received(&bytes(77, 501, Body::Get(Vec::new())));
        assert_eq!(session.process(at(3), &three()), None);
        session.committed(done);
        let Body::Response { error, .. } = said(&mut session)[0].body else { panic!() };
        assert_eq!(error, if done { 0 } else { error::COMMIT_FAILED });
        assert_eq!(session.process(at(3), &three()), Some(Happened::Nothing));
        said(&mut session);
    }
    // A test that is not followed by a commit is forgotten, and of another transaction it is none.
    answer(&mut session, want("1.3.6.1.4.1.9.3.0", Value::Integer(9)));
    session.received(&bytes(77, 501, Body::CommitSet));
    assert_eq!(session.process(at(3), &three()), Some(Happened::Nothing));
    said(&mut session);
    session.received(&bytes(77, 500, Body::CleanupSet));
    assert_eq!(session.process(at(3), &three()), Some(Happened::Nothing));
    assert!(said(&mut session).is_empty(), "this one is not answered");
    assert_eq!(answer(&mut session, Body::CommitSet).0, error::COMMIT_FAILED);
    assert_eq!(answer(&mut session, Body::UndoSet).0, error::UNDO_FAILED);
}

#[test]
fn notifications_wait_for_their_turn_and_the_oldest_give_way() {
    let mut session = begin();
    let note = |number| vec![VarBind { name: oid("1.3.1"), value: Value::Integer(number) }];
    for number in 0..1026 {
        session.notify(at(0), note(number));
    }
    assert_eq!(session.dropped(), 2);
    assert_eq!(said(&mut session).len(), 1, "there is no session yet");
    for packet in 1..=3 {
        session.received(&bytes(77, packet, ok()));
        session.process(at(1), &three());
    }
    for number in 2..6 {
        let last = said(&mut session).pop().unwrap();
        assert_eq!(last.body, Body::Notify(note(number)));
        assert!(said(&mut session).is_empty(), "one at a time");
        session.received(&bytes(77, last.header.packet, ok()));
        session.process(at(2), &three());
    }
}

#[test]
fn a_master_agent_that_is_silent_is_asked_and_then_given_up() {
    let mut session = begin();
    assert_eq!(session.next_deadline(), at(20_000));
    session.wake(at(19_999));
    assert_eq!(session.ended(), None);
    session.wake(at(20_000));
    assert_eq!(session.ended(), Some(&Ended::Silent));
    let mut session = open();
    assert_eq!(session.next_deadline(), at(15_001));
    session.wake(at(15_001));
    let ping = said(&mut session);
    assert_eq!((ping.len(), &ping[0].body), (1, &Body::Ping));
    session.received(&bytes(77, ping[0].header.packet, ok()));
    session.process(at(15_002), &three());
    assert_eq!(session.next_deadline(), at(30_002));
    session.wake(at(30_002));
    session.wake(at(50_002));
    assert_eq!(session.ended(), Some(&Ended::Silent));
}

#[test]
fn a_master_agent_that_has_forgotten_us_is_left() {
    let mut session = open();
    session.wake(at(15_001));
    let ping = said(&mut session).pop().unwrap();
    let unknown = Body::Response { uptime: 0, error: error::NOT_OPEN, index: 0, objects: Vec::new() };
    session.received(&bytes(77, ping.header.packet, unknown));
    session.process(at(15_002), &three());
    assert_eq!(session.ended(), Some(&Ended::Refused(error::NOT_OPEN)));
}

#[test]
fn nonsense_ends_the_session_and_a_malformed_request_does_not() {
    let mut session = open();
    session.received(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(session.process(at(2), &three()), None);
    assert_eq!(session.ended(), Some(&Ended::Nonsense(DecodeError::Version(b'H'))));
    assert_eq!(session.process(at(2), &three()), None);

    let mut session = open();
    let mut get = bytes(77, 9, Body::Get(vec![from("1.3.6")]));
    get[20] = 200;
    session.received(&get);
    assert_eq!(session.process(at(2), &three()), Some(Happened::Nothing));
    let Body::Response { error, .. } = said(&mut session)[0].body else { panic!() };
    assert_eq!((error, session.ended()), (error::PARSE_ERROR, None));
    // A context is none of ours, nor is somebody else's session, nor what only a master agent answers.
    let mut context = bytes(77, 9, Body::Get(Vec::new()));
    context[2] |= 8;
    for (message, expected) in [
        (context, error::UNSUPPORTED_CONTEXT),
        (bytes(78, 9, Body::Get(Vec::new())), error::NOT_OPEN),
        (bytes(77, 9, Body::Ping), error::PROCESSING_ERROR),
    ] {
        session.received(&message);
        session.process(at(2), &three());
        let Body::Response { error, .. } = said(&mut session)[0].body else { panic!() };
        assert_eq!(error, expected);
    }
    session.received(&bytes(77, 9, Body::Close(CloseReason::Shutdown)));
    session.process(at(2), &three());
    assert_eq!(session.ended(), Some(&Ended::Closed(CloseReason::Shutdown)));
}

#[test]
fn every_malformed_request_is_answered_so() {
    let objects = vec![VarBind { name: oid("1.3.6.1.4.1.9.3.0"), value: Value::Integer(9) }];
    let requests = [
        Body::Get(vec![from("1.3.6")]),
        Body::GetNext(vec![from("1.3.6")]),
        Body::GetBulk { non_repeaters: 0, max_repetitions: 1, ranges: vec![from("1.3.6")] },
        Body::TestSet(objects),
        Body::CommitSet,
        Body::UndoSet,
    ];
    for request in requests {
        let mut session = open();
        // Four octets more than it has room for.
        let mut message = bytes(77, 500, request);
        message.extend([0xff; 4]);
        let length = u32::try_from(message.len() - HEADER_BYTES).unwrap();
        message[16..20].copy_from_slice(&length.to_be_bytes());
        session.received(&message);
        assert_eq!(session.process(at(3), &three()), Some(Happened::Nothing));
        let said = said(&mut session);
        let [Pdu { body: Body::Response { error, .. }, .. }] = &said[..] else { panic!("{said:?}") };
        assert_eq!((*error, session.ended()), (error::PARSE_ERROR, None));
    }
}

#[test]
fn more_than_a_message_is_not_kept() {
    let mut session = open();
    assert_eq!(session.room(), MAX_INPUT_BYTES);
    session.received(&bytes(77, 9, Body::Get(vec![from("1.3.6")]))[..30]);
    assert!(!session.is_asked(), "it is not whole");
    session.received(&vec![0; MAX_INPUT_BYTES - 29]);
    assert_eq!(session.ended(), Some(&Ended::TooMuch));
}

#[test]
fn an_answer_that_is_too_long_says_so() {
    struct Long;
    impl Mib for Long {
        fn get(&self, _: &Oid) -> Value {
            Value::Octets(vec![b'x'; 60_000])
        }
        fn next(&self, _: &Oid, _: bool) -> Option<(Oid, Value)> {
            None
        }
        fn test(&self, _: &Oid, _: &Value) -> Result<(), SetError> {
            Err(SetError::NoCreation)
        }
    }
    let mut session = open();
    session.received(&bytes(77, 9, Body::Get(vec![from("1.3.6"), from("1.3.7")])));
    assert!(session.is_asked());
    session.process(at(2), &Long);
    let Body::Response { error, .. } = said(&mut session)[0].body else { panic!() };
    assert_eq!(error, error::TOO_BIG);
}

#[test]
fn no_bytes_however_cut_do_any_harm() {
    let message = bytes(77, 9, Body::GetNext(vec![from("1.3.6"), from("1.3.6.1.4.1.9.2.0")]));
    for place in 0..message.len() {
        for value in [0, 1, 7, 18, 0x7f, 0x80, 0xff] {
            let mut session = open();
            let mut broken = message.clone();
            broken[place] = value;
            for byte in broken {
                session.received(&[byte]);
                while session.process(at(2), &three()).is_some() {}
            }
            assert!(session.take_output().len() < 1000);
        }
    }
}

#[test]
fn as_much_as_there_is_room_for_is_taken() {
    let mut session = open();
    session.received(&vec![0; session.room()]);
    assert_eq!((session.ended(), session.room()), (None, 0));
}

#[test]
fn values_are_brought_up_to_date_before_a_test_of_what_is_to_be_set() {
    let mut session = open();
    session.received(&bytes(77, 5, Body::TestSet(Vec::new())));
    assert!(session.is_asked());
}

#[test]
fn an_answer_to_another_question_is_not_the_one_that_is_waited_for() {
    let mut session = begin();
    said(&mut session);
    session.received(&bytes(77, 99, ok()));
    session.process(at(1), &three());
    assert!(said(&mut session).is_empty(), "nothing is registered before the session is open");
}

#[test]
fn a_session_without_a_number_is_refused() {
    let mut session = begin();
    said(&mut session);
    session.received(&bytes(0, 1, ok()));
    session.process(at(1), &three());
    assert_eq!(session.ended(), Some(&Ended::Refused(0)));
}

#[test]
fn the_end_of_a_range_is_not_in_it() {
    let range = SearchRange { end: oid("1.3.6.1.4.1.9.2.0"), ..from("1.3.6.1.4.1.9.1.0") };
    let (_, _, objects) = answer(&mut open(), Body::GetNext(vec![range]));
    assert_eq!(objects[0].value, Value::EndOfMibView);
}
