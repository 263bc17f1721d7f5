//! Messages to bytes, in network byte order.

use super::{Body, Envelope, Pdu, SearchRange, VarBind};
use crate::{Oid, Value};

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn oid(name: &Oid, include: bool, out: &mut Vec<u8>) {
    // `1.3.6.1.N` has a short form; not alone, as net-snmp does it.
    let (prefix, rest) = match name.numbers() {
        [1, 3, 6, 1, prefix @ 1..=255, rest @ ..] => (u8::try_from(*prefix).unwrap_or(0), rest),
        all => (0, all),
    };
    // At most 128.
    let count = u8::try_from(rest.len()).unwrap_or(u8::MAX);
    out.extend([count, prefix, u8::from(include), 0]);
    for number in rest {
        out.extend(number.to_be_bytes());
    }
}

fn octets(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(number(bytes.len()).to_be_bytes());
    out.extend(bytes);
    out.resize(out.len() + bytes.len().next_multiple_of(4) - bytes.len(), 0);
}

fn ranges(ranges: &[SearchRange], out: &mut Vec<u8>) {
    for range in ranges {
        oid(&range.start, range.include, out);
        oid(&range.end, false, out);
    }
}

fn objects(objects: &[VarBind], out: &mut Vec<u8>) {
    for VarBind { name, value: held } in objects {
        out.extend(held.kind().to_be_bytes());
        out.extend([0, 0]);
        oid(name, false, out);
        value(held, out);
    }
}

fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Integer(number) => out.extend(number.to_be_bytes()),
        Value::Octets(bytes) | Value::Opaque(bytes) => octets(bytes, out),
        Value::Oid(name) => oid(name, false, out),
        Value::IpAddress(address) => octets(&address.octets(), out),
        Value::Counter32(number) | Value::Gauge32(number) | Value::TimeTicks(number) => {
            out.extend(number.to_be_bytes());
        }
        Value::Counter64(number) => out.extend(number.to_be_bytes()),
        Value::Null | Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView => {}
    }
}

pub(super) fn pdu(pdu: &Pdu, out: &mut Vec<u8>) {
    let header = pdu.header;
    let kind = match &pdu.body {
        Body::Open { .. } => 1,
        Body::Close(_) => 2,
        Body::Register { .. } => 3,
        Body::Unregister { .. } => 4,
        Body::Get(_) => 5,
        Body::GetNext(_) => 6,
        Body::GetBulk { .. } => 7,
        Body::TestSet(_) => 8,
        Body::CommitSet => 9,
        Body::UndoSet => 10,
        Body::CleanupSet => 11,
        Body::Notify(_) => 12,
        Body::Ping => 13,
        Body::Foreign(kind) => *kind,
        Body::Response { .. } => 18,
    };
    out.extend([1, kind, Envelope::BIG_ENDIAN, 0]);
    for field in [header.session, header.transaction, header.packet] {
        out.extend(field.to_be_bytes());
    }
    let mut payload = Vec::new();
    body(&pdu.body, &mut payload);
    out.extend(number(payload.len()).to_be_bytes());
    out.append(&mut payload);
}

fn body(body: &Body, out: &mut Vec<u8>) {
    match body {
        Body::Open { timeout, id, description } => {
            out.extend([*timeout, 0, 0, 0]);
            oid(id, false, out);
            octets(description.as_bytes(), out);
        }
        Body::Close(reason) => out.extend([reason.number(), 0, 0, 0]),
        Body::Register { timeout, priority, subtree } => {
            out.extend([*timeout, *priority, 0, 0]);
            oid(subtree, false, out);
        }
        Body::Unregister { priority, subtree } => {
            out.extend([0, *priority, 0, 0]);
            oid(subtree, false, out);
        }
        Body::Get(asked) | Body::GetNext(asked) => ranges(asked, out),
        Body::GetBulk { non_repeaters, max_repetitions, ranges: asked } => {
            out.extend(non_repeaters.to_be_bytes());
            out.extend(max_repetitions.to_be_bytes());
            ranges(asked, out);
        }
        Body::TestSet(list) | Body::Notify(list) => objects(list, out),
        Body::CommitSet | Body::UndoSet | Body::CleanupSet | Body::Ping | Body::Foreign(_) => {}
        Body::Response { uptime, error, index, objects: list } => {
            out.extend(uptime.to_be_bytes());
            out.extend(error.to_be_bytes());
            out.extend(index.to_be_bytes());
            objects(list, out);
        }
    }
}
