//! Answers to what a manager wants, in the order of RFC 2741 section 7.2.3.

use super::{Happened, Session, Wanted};
use crate::mib::Mib;
use crate::pdu::{Body, Header, SearchRange, VarBind, error};
use crate::{Oid, Value};

/// Objects in one answer, at most: a manager asks again for what is missing.
const MAX_OBJECTS: usize = 512;

impl Session {
    pub(super) fn requested(&mut self, header: Header, body: Body, mib: &dyn Mib) -> Happened {
        match body {
            Body::Get(ranges) => {
                let found = ranges.into_iter().map(|range| get(range, mib)).collect();
                self.respond(header, error::NO_ERROR, 0, found);
            }
            Body::GetNext(ranges) => {
                let found = ranges.iter().map(|range| next(range, mib)).collect();
                self.respond(header, error::NO_ERROR, 0, found);
            }
            Body::GetBulk { non_repeaters, max_repetitions, ranges } => {
                let found = bulk(non_repeaters, max_repetitions, ranges, mib);
                self.respond(header, error::NO_ERROR, 0, found);
            }
            Body::TestSet(objects) => self.test(header, objects, mib),
            Body::CommitSet => {
                if let Some(wanted) = self.wanted.take_if(|wanted| wanted.transaction == header.transaction) {
                    self.committing = Some(header);
                    return Happened::Commit(wanted.objects);
                }
                self.respond(header, error::COMMIT_FAILED, 0, Vec::new());
            }
            Body::UndoSet => {
                // What was done has gone its way.
                self.wanted = None;
                self.respond(header, error::UNDO_FAILED, 0, Vec::new());
            }
            Body::CleanupSet => self.wanted = None,
            // Not requests.
            Body::Open { .. }
            | Body::Close(_)
            | Body::Register { .. }
            | Body::Unregister { .. }
            | Body::Notify(_)
            | Body::Ping
            | Body::Foreign(_)
            | Body::Response { .. } => {}
        }
        Happened::Nothing
    }

    fn test(&mut self, header: Header, objects: Vec<VarBind>, mib: &dyn Mib) {
        let refused = objects.iter().enumerate().find_map(|(at, object)| {
            let why = mib.test(&object.name, &object.value).err()?;
            Some((why.code(), u16::try_from(at + 1).unwrap_or(u16::MAX)))
        });
        let (code, index) = refused.unwrap_or((error::NO_ERROR, 0));
        if code == error::NO_ERROR {
            self.wanted = Some(Wanted { transaction: header.transaction, objects });
        }
        self.respond(header, code, index, Vec::new());
    }
}

fn get(range: SearchRange, mib: &dyn Mib) -> VarBind {
    let value = mib.get(&range.start);
    VarBind { name: range.start, value }
}

fn next(range: &SearchRange, mib: &dyn Mib) -> VarBind {
    match mib.next(&range.start, range.include) {
        Some((name, value)) if range.end.is_empty() || name < range.end => VarBind { name, value },
        Some(_) | None => VarBind { name: range.start.clone(), value: Value::EndOfMibView },
    }
}

fn bulk(non_repeaters: u16, max_repetitions: u16, ranges: Vec<SearchRange>, mib: &dyn Mib) -> Vec<VarBind> {
    let once = usize::from(non_repeaters).min(ranges.len());
    let mut found: Vec<VarBind> = ranges.iter().take(once).map(|range| next(range, mib)).collect();
    let mut repeated: Vec<SearchRange> = ranges.into_iter().skip(once).collect();
    for _ in 0..max_repetitions {
        if repeated.is_empty() || found.len() + repeated.len() > MAX_OBJECTS {
            break;
        }
        let mut at_end = true;
        for range in &mut repeated {
            let object = next(range, mib);
            at_end &= object.value == Value::EndOfMibView;
            let from: &Oid = &object.name;
            (range.start, range.include) = (from.clone(), false);
            found.push(object);
        }
        if at_end {
            break;
        }
    }
    found
}
