//! journald's native protocol: one datagram of fields per line.
//!
//! A field is `NAME=value` and a newline; a value with a newline in it is `NAME`, a newline, its length as a
//! little-endian 64 bit number, the value, a newline (systemd, `JOURNAL_NATIVE_PROTOCOL`).

use super::{Line, Sink, Written};
use crate::journal::EventName;
use std::os::unix::net::UnixDatagram;

const SOCKET: &str = "/run/systemd/journal/socket";

/// A socket of our own; the one of journald is named with each line, so a journald that was replaced is found.
pub(super) struct Journald {
    socket: UnixDatagram,
}

impl Journald {
    /// None if nobody listens there.
    pub(super) fn open() -> Option<Self> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        // journald ignores an empty datagram; a full queue also means that somebody is there.
        match socket.send_to(&[], SOCKET) {
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => None,
            Ok(_) | Err(_) => Some(Self { socket }),
        }
    }
}

impl Sink for Journald {
    fn write(&mut self, line: &Line<'_>) -> Written {
        match self.socket.send_to(&datagram(line), SOCKET) {
            Ok(_) => Written::Yes,
            Err(_) => Written::No,
        }
    }
}

fn datagram(line: &Line<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let own = [
        ("PRIORITY", line.severity.number().to_string()),
        ("SYSLOG_FACILITY", line.facility.to_string()),
        ("SYSLOG_IDENTIFIER", line.identifier.to_owned()),
        ("SYSLOG_PID", line.pid.to_string()),
        ("MESSAGE", line.message.clone()),
    ];
    for (name, value) in &own {
        field(&mut bytes, name, value);
    }
    for (name, value) in &line.fields {
        if let Some(kind) = (*name == EVENT).then(|| EventName::of(value)).flatten() {
            field(&mut bytes, "MESSAGE_ID", kind.message_id());
        }
        let mut name = journal_name(name);
        // A line has one severity: a field of ours by that name would be taken for another.
        if own.iter().any(|(taken, _)| *taken == name) {
            name.insert_str(0, "FIELD_");
        }
        field(&mut bytes, &name, value);
    }
    bytes
}

fn field(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        bytes.push(b'\n');
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        bytes.push(b'=');
    }
    bytes.extend_from_slice(value.as_bytes());
    bytes.push(b'\n');
}

/// The field that says which kind of event a line is, by [`EventName::name`].
const EVENT: &str = "event";

/// What our fields are called where the lines of all services lie together.
const NAMES: [(&str, &str); 8] = [
    (EVENT, "STANDFAST_EVENT"),
    ("instance", "VRRP_INSTANCE"),
    ("group", "VRRP_GROUP"),
    ("from", "FROM_STATE"),
    ("to", "TO_STATE"),
    ("service", "VIRTUAL_SERVER"),
    ("server", "REAL_SERVER"),
    ("up", "SERVERS_UP"),
];

/// journald takes names of capital letters, digits and underscores that begin with a letter, and drops the others.
fn journal_name(name: &str) -> String {
    if let Some((_, known)) = NAMES.iter().find(|(ours, _)| *ours == name) {
        return (*known).to_owned();
    }
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn a_line_becomes_the_fields_that_journald_reads() {
        let line = Line {
            identifier: "Keepalived_vrrp",
            pid: 4711,
            facility: 3,
            severity: Severity::Informational,
            message: "(VI_E) Entering MASTER STATE".to_owned(),
            fields: vec![
                ("event", "vrrp-master".to_owned()),
                ("instance", "VI_E".to_owned()),
                ("multi.line", "a\nb".to_owned()),
                ("priority", "150".to_owned()),
            ],
        };
        let expected = b"PRIORITY=6\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=Keepalived_vrrp\nSYSLOG_PID=4711\n\
            MESSAGE=(VI_E) Entering MASTER STATE\nMESSAGE_ID=47eaa0992cb6916d86dc283cf0480ff9\nSTANDFAST_EVENT=vrrp-master\n\
            VRRP_INSTANCE=VI_E\nMULTI_LINE\n\x03\0\0\0\0\0\0\0a\nb\nFIELD_PRIORITY=150\n";
        assert_eq!(datagram(&line), expected, "{}", String::from_utf8_lossy(&datagram(&line)));
    }
}
