//! Bytes to messages.

use super::{Body, CloseReason, DecodeError, Envelope, HEADER_BYTES, Header, MAX_PAYLOAD_BYTES, SearchRange, VarBind};
use crate::oid::MAX_LEN;
use crate::{Oid, Value};
use std::net::Ipv4Addr;

/// What is left to read, and how its numbers are written.
struct Reader<'a> {
    rest: &'a [u8],
    big_endian: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        let bytes = self.array()?;
        Ok(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        let bytes = self.array()?;
        Ok(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        let bytes = self.array()?;
        Ok(if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    /// An object identifier and its flag.
    fn oid(&mut self) -> Result<(Oid, bool), DecodeError> {
        let [count, prefix, include, _] = self.array()?;
        // `1.3.6.1.prefix` is not written out.
        let mut numbers = if prefix == 0 { Vec::new() } else { vec![1, 3, 6, 1, u32::from(prefix)] };
        if numbers.len() + usize::from(count) > MAX_LEN {
            return Err(DecodeError::Oid);
        }
        for _ in 0..count {
            numbers.push(self.u32()?);
        }
        Ok((Oid::new(&numbers), include != 0))
    }

    fn octets(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.u32()?).map_err(|_| DecodeError::Short)?;
        let octets = self.take(length)?;
        self.take(length.next_multiple_of(4) - length)?;
        Ok(octets)
    }

    fn ranges(&mut self) -> Result<Vec<SearchRange>, DecodeError> {
        let mut ranges = Vec::new();
        while !self.rest.is_empty() {
            let (start, include) = self.oid()?;
            let (end, _) = self.oid()?;
            ranges.push(SearchRange { start, include, end });
        }
        Ok(ranges)
    }

    fn objects(&mut self) -> Result<Vec<VarBind>, DecodeError> {
        let mut objects = Vec::new();
        while !self.rest.is_empty() {
            let kind = self.u16()?;
            self.u16()?;
            let (name, _) = self.oid()?;
            let value = self.value(kind)?;
            objects.push(VarBind { name, value });
        }
        Ok(objects)
    }

    fn value(&mut self, kind: u16) -> Result<Value, DecodeError> {
        Ok(match kind {
            2 => Value::Integer(self.u32()?.cast_signed()),
            4 => Value::Octets(self.octets()?.to_vec()),
            5 => Value::Null,
            6 => Value::Oid(self.oid()?.0),
            64 => {
                let octets: [u8; 4] = self.octets()?.try_into().map_err(|_| DecodeError::Value(kind))?;
                Value::IpAddress(Ipv4Addr::from(octets))
            }
            65 => Value::Counter32(self.u32()?),
            66 => Value::Gauge32(self.u32()?),
            67 => Value::TimeTicks(self.u32()?),
            68 => Value::Opaque(self.octets()?.to_vec()),
            70 => Value::Counter64(self.u64()?),
            128 => Value::NoSuchObject,
            129 => Value::NoSuchInstance,
            130 => Value::EndOfMibView,
            other => return Err(DecodeError::Value(other)),
        })
    }
}

pub(super) fn envelope(bytes: &[u8; HEADER_BYTES]) -> Result<Envelope, DecodeError> {
    let [version, kind, flags, _, rest @ ..] = bytes;
    if *version != 1 {
        return Err(DecodeError::Version(*version));
    }
    let mut reader = Reader { rest, big_endian: flags & Envelope::BIG_ENDIAN != 0 };
    let header = Header { session: reader.u32()?, transaction: reader.u32()?, packet: reader.u32()? };
    let length = reader.u32()?;
    let payload_bytes = usize::try_from(length).map_err(|_| DecodeError::Length(length))?;
    if payload_bytes > MAX_PAYLOAD_BYTES || payload_bytes % 4 != 0 {
        return Err(DecodeError::Length(length));
    }
    Ok(Envelope { header, kind: *kind, flags: *flags, payload_bytes })
}

pub(super) fn body(envelope: &Envelope, payload: &[u8]) -> Result<Body, DecodeError> {
    if !(1..=18).contains(&envelope.kind) {
        return Err(DecodeError::Kind(envelope.kind));
    }
    if envelope.flags & Envelope::CONTEXT != 0 {
        return Err(DecodeError::Context);
    }
    let mut reader = Reader { rest: payload, big_endian: envelope.flags & Envelope::BIG_ENDIAN != 0 };
    let body = match envelope.kind {
        1 => {
            let [timeout, _, _, _] = reader.array()?;
            let (id, _) = reader.oid()?;
            Body::Open { timeout, id, description: String::from_utf8_lossy(reader.octets()?).into_owned() }
        }
        2 => {
            let [reason, _, _, _] = reader.array()?;
            Body::Close(CloseReason::of(reason))
        }
        3 => {
            let [timeout, priority, range, _] = reader.array()?;
            let (subtree, _) = reader.oid()?;
            if range != 0 {
                reader.u32()?;
            }
            Body::Register { timeout, priority, subtree }
        }
        4 => {
            let [_, priority, range, _] = reader.array()?;
            let (subtree, _) = reader.oid()?;
            if range != 0 {
                reader.u32()?;
            }
            Body::Unregister { priority, subtree }
        }
        5 => Body::Get(reader.ranges()?),
        6 => Body::GetNext(reader.ranges()?),
        7 => Body::GetBulk { non_repeaters: reader.u16()?, max_repetitions: reader.u16()?, ranges: reader.ranges()? },
        8 => Body::TestSet(reader.objects()?),
        9 => Body::CommitSet,
        10 => Body::UndoSet,
        11 => Body::CleanupSet,
        12 => Body::Notify(reader.objects()?),
        13 => Body::Ping,
        18 => Body::Response {
            uptime: reader.u32()?,
            error: reader.u16()?,
            index: reader.u16()?,
            objects: reader.objects()?,
        },
        // Indices and capabilities: their payload is nobody's business here.
        other => return Ok(Body::Foreign(other)),
    };
    if reader.rest.is_empty() { Ok(body) } else { Err(DecodeError::Long) }
}
