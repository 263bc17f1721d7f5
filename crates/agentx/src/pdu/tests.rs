use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn oid() -> impl Strategy<Value = Oid> {
    prop_oneof![
        vec(any::<u32>(), 0..20).prop_map(|numbers| Oid::new(&numbers)),
        vec(any::<u32>(), 0..20).prop_map(|numbers| Oid::new(&[1, 3, 6, 1, 4]).with(&numbers)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i32>().prop_map(Value::Integer),
        vec(any::<u8>(), 0..40).prop_map(Value::Octets),
        Just(Value::Null),
        oid().prop_map(Value::Oid),
        any::<[u8; 4]>().prop_map(|octets| Value::IpAddress(octets.into())),
        any::<u32>().prop_map(Value::Counter32),
        any::<u32>().prop_map(Value::Gauge32),
        any::<u32>().prop_map(Value::TimeTicks),
        vec(any::<u8>(), 0..40).prop_map(Value::Opaque),
        any::<u64>().prop_map(Value::Counter64),
        Just(Value::NoSuchObject),
        Just(Value::NoSuchInstance),
        Just(Value::EndOfMibView),
    ]
}

fn objects() -> impl Strategy<Value = Vec<VarBind>> {
    vec((oid(), value()).prop_map(|(name, value)| VarBind { name, value }), 0..6)
}

fn ranges() -> impl Strategy<Value = Vec<SearchRange>> {
    let range = (oid(), any::<bool>(), oid()).prop_map(|(start, include, end)| SearchRange { start, include, end });
    vec(range, 0..6)
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        (any::<u8>(), oid(), "[a-z ]{0,20}").prop_map(|(timeout, id, description)| Body::Open {
            timeout,
            id,
            description
        }),
        any::<u8>().prop_map(|reason| Body::Close(CloseReason::of(reason))),
        (any::<u8>(), any::<u8>(), oid()).prop_map(|(timeout, priority, subtree)| Body::Register {
            timeout,
            priority,
            subtree
        }),
        (any::<u8>(), oid()).prop_map(|(priority, subtree)| Body::Unregister { priority, subtree }),
        ranges().prop_map(Body::Get),
        ranges().prop_map(Body::GetNext),
        (any::<u16>(), any::<u16>(), ranges()).prop_map(|(non_repeaters, max_repetitions, ranges)| Body::GetBulk {
            non_repeaters,
            max_repetitions,
            ranges
        }),
        objects().prop_map(Body::TestSet),
        Just(Body::CommitSet),
        Just(Body::UndoSet),
        Just(Body::CleanupSet),
        objects().prop_map(Body::Notify),
        Just(Body::Ping),
        (any::<u32>(), any::<u16>(), any::<u16>(), objects())
            .prop_map(|(uptime, error, index, objects)| Body::Response { uptime, error, index, objects }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(session: u32, transaction: u32, packet: u32, body in body()) {
        let pdu = Pdu { header: Header { session, transaction, packet }, body };
        let mut bytes = Vec::new();
        pdu.encode(&mut bytes);
        let length = bytes.len();
        prop_assert_eq!(Pdu::decode(&bytes), Ok(Some((pdu.clone(), length))));
        // What is not there yet is waited for; what follows is left alone.
        for cut in [0, 1, HEADER_BYTES - 1, length - 1] {
            if cut < length {
                prop_assert_eq!(Pdu::decode(&bytes[..cut]), Ok(None));
            }
        }
        bytes.extend([7; 9]);
        prop_assert_eq!(Pdu::decode(&bytes), Ok(Some((pdu, length))));
    }

    #[test]
    fn no_bytes_panic(mut bytes in vec(any::<u8>(), 0..200), kind in 0_u8..20, flags: u8, length in 0_u8..200) {
        let _ = Pdu::decode(&bytes);
        // As before, behind a header that lets them be looked at.
        let mut message = vec![1, kind, flags & 0x17, 0];
        message.extend([0; 12]);
        let length = length / 4 * 4;
        message.extend(if flags & 0x10 == 0 { [length, 0, 0, 0] } else { [0, 0, 0, length] });
        message.append(&mut bytes);
        let _ = Pdu::decode(&message);
    }
}

/// The open message of a subagent, octet for octet as RFC 2741 section 6.2.1 draws it.
const OPEN: [u8; 48] = [
    1, 1, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 28, // header
    5, 0, 0, 0, // timeout
    2, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9, // 1.3.6.1.4.1.9
    0, 0, 0, 5, b's', b'n', b'm', b'p', b'd', 0, 0, 0, // description, filled up
];

fn open() -> Pdu {
    Pdu {
        header: Header { session: 0, transaction: 7, packet: 9 },
        body: Body::Open { timeout: 5, id: "1.3.6.1.4.1.9".parse().unwrap(), description: "snmpd".to_owned() },
    }
}

#[test]
fn the_octets_are_those_of_the_rfc() {
    let mut bytes = Vec::new();
    open().encode(&mut bytes);
    assert_eq!(bytes, OPEN);
}

#[test]
fn the_other_byte_order_is_read_too() {
    // net-snmp writes numbers as its machine has them.
    let response = [
        1, 18, 0, 0, 2, 1, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 32, 0, 0, 0, // header
        0x10, 0x27, 0, 0, 0, 0, 0, 0, // uptime, no error
        66, 0, 0, 0, // Gauge32
        3, 2, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, // 1.3.6.1.2.1.2.3
        0x39, 0x30, 0, 0,
    ];
    let (pdu, _) = Pdu::decode(&response).unwrap().unwrap();
    assert_eq!(pdu.header, Header { session: 258, transaction: 7, packet: 9 });
    let objects = vec![VarBind { name: "1.3.6.1.2.1.2.3".parse().unwrap(), value: Value::Gauge32(12345) }];
    assert_eq!(pdu.body, Body::Response { uptime: 10_000, error: 0, index: 0, objects });
}

#[test]
fn hostile_messages_are_refused_for_what_is_wrong_with_them() {
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = OPEN.to_vec();
        change(&mut bytes);
        Pdu::decode(&bytes).map(|found| found.map(|(pdu, _)| pdu))
    };
    assert_eq!(with(&|_| {}), Ok(Some(open())));
    assert_eq!(with(&|bytes| bytes[0] = 2), Err(DecodeError::Version(2)));
    assert_eq!(with(&|bytes| bytes[1] = 0), Err(DecodeError::Kind(0)));
    assert_eq!(with(&|bytes| bytes[1] = 19), Err(DecodeError::Kind(19)));
    assert_eq!(with(&|bytes| bytes[2] |= 8), Err(DecodeError::Context));
    assert_eq!(with(&|bytes| bytes[19] = 27), Err(DecodeError::Length(27)));
    assert_eq!(with(&|bytes| bytes[16] = 0xff), Err(DecodeError::Length(0xff00_001c)));
    assert_eq!(with(&|bytes| bytes[19] = 24), Err(DecodeError::Short));
    assert_eq!(with(&|bytes| (bytes[19], _) = (32, bytes.extend([0; 4]))), Err(DecodeError::Long));
    // An object identifier that promises more numbers than there may be, or than there are.
    assert_eq!(with(&|bytes| bytes[24] = 200), Err(DecodeError::Oid));
    assert_eq!(with(&|bytes| bytes[24] = 100), Err(DecodeError::Short));
    // A text of four thousand million octets.
    assert_eq!(with(&|bytes| bytes[36] = 0xff), Err(DecodeError::Short));
    assert_eq!(
        with(&|bytes| bytes[39] = 6),
        Ok(Some(Pdu {
            body: Body::Open { timeout: 5, id: "1.3.6.1.4.1.9".parse().unwrap(), description: "snmpd\0".to_owned() },
            ..open()
        }))
    );
}

#[test]
fn a_value_of_a_wrong_length_or_type_is_none() {
    let mut bytes = Vec::new();
    let object = VarBind { name: Oid::new(&[1, 3]), value: Value::Octets(vec![1, 2, 3]) };
    Pdu { header: Header::default(), body: Body::TestSet(vec![object]) }.encode(&mut bytes);
    for (kind, error) in [(64, DecodeError::Value(64)), (3, DecodeError::Value(3)), (69, DecodeError::Value(69))] {
        bytes[21] = kind;
        assert_eq!(Pdu::decode(&bytes), Err(error));
    }
    // What has no value has no octets either.
    bytes[21] = 5;
    assert!(Pdu::decode(&bytes).is_err());
}
