//! The local syslog socket, for machines without journald.

use super::{Line, Sink, Written, plain_lines};
use std::os::unix::net::UnixDatagram;

const SOCKET: &str = "/dev/log";

/// A socket of our own; the one of syslogd is named with each line, so one that was restarted is found.
pub(super) struct Syslog {
    socket: UnixDatagram,
}

impl Syslog {
    /// None if nobody listens there.
    pub(super) fn open() -> Option<Self> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        // Connecting asks without sending anything. It needs a socket of its own: this one stays free to follow a
        // syslogd that is restarted.
        UnixDatagram::unbound().ok()?.connect(SOCKET).ok()?;
        Some(Self { socket })
    }
}

impl Sink for Syslog {
    fn write(&mut self, line: &Line<'_>) -> Written {
        let mut written = Written::Yes;
        for message in plain_lines(&line.message) {
            if self.socket.send_to(datagram(line, &message).as_bytes(), SOCKET).is_err() {
                written = Written::No;
            }
        }
        written
    }
}

/// `<PRI>IDENTIFIER[PID]: MESSAGE`. RFC 3164 lets the sender leave out the time, which every syslogd then adds: it
/// would be in local time, and no two programs need to agree on that.
fn datagram(line: &Line<'_>, message: &str) -> String {
    let priority = u16::from(line.facility) * 8 + u16::from(line.severity.number());
    format!("<{priority}>{}[{}]: {message}", line.identifier, line.pid)
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn a_line_carries_facility_and_severity_in_front() {
        let line = Line {
            identifier: "Keepalived",
            pid: 12,
            facility: 16,
            severity: Severity::Warning,
            message: String::new(),
            fields: Vec::new(),
        };
        assert_eq!(datagram(&line, "stopping"), "<132>Keepalived[12]: stopping");
    }
}
