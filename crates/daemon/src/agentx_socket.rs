//! The connection to SNMP's master agent, which only the supervisor may open: its socket is root's.
//!
//! It waits for nothing: a connection over TCP is handed on while it is still being made.

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

/// Where the master agent listens unless `snmp_socket` says otherwise (RFC 2741 section 8.2.2).
const DEFAULT_PATH: &str = "/var/agentx/master";

/// The port of AgentX (RFC 2741 section 8.1.1).
const PORT: u16 = 705;

/// Where a master agent listens.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    Path(String),
    Tcp(SocketAddr),
}

/// Reads `snmp_socket`, as net-snmp writes it: `/PATH`, `unix:PATH`, `tcp:ADDRESS:PORT`. A name other than `localhost`
/// would have to be asked for, and the supervisor waits for nobody.
fn place(text: Option<&str>) -> Result<Place, String> {
    let Some(text) = text else { return Ok(Place::Path(DEFAULT_PATH.to_owned())) };
    if let Some(path) = text.strip_prefix("unix:").or(text.starts_with('/').then_some(text)) {
        return Ok(Place::Path(path.to_owned()));
    }
    let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
    let rest = match scheme {
        "tcp" | "tcp6" => rest,
        "udp" | "udp6" | "ssh" | "dtlsudp" | "tlstcp" => return Err(format!("AgentX does not go over {scheme}")),
        _ => text,
    };
    let local = rest.strip_prefix("localhost").map(|port| format!("{}{port}", Ipv4Addr::LOCALHOST));
    let rest = local.as_deref().unwrap_or(rest);
    let address = rest.parse::<SocketAddr>().ok();
    let alone = || rest.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, PORT));
    let port = || rest.parse::<u16>().ok().map(|port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    let found = address.or_else(alone).or_else(port).map(Place::Tcp);
    found.ok_or_else(|| format!("{text:?} is neither a path nor an address and port"))
}

/// Connects, or begins to.
///
/// # Errors
///
/// What is wrong with the place, or why there is no connection, in words.
pub(crate) fn open(snmp_socket: Option<&str>) -> Result<OwnedFd, String> {
    let place = place(snmp_socket)?;
    let name = match &place {
        Place::Path(path) => path.clone(),
        Place::Tcp(address) => address.to_string(),
    };
    begin(&place).map_err(|error| format!("no connection to the master agent at {name}: {error}"))
}

fn begin(place: &Place) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    match place {
        Place::Path(path) => {
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            // A master agent that does not accept has a full queue: that is no connection.
            connect(&socket, &SocketAddrUnix::new(path.as_str())?)?;
            Ok(socket)
        }
        Place::Tcp(address) => {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = socket_with(family, SocketType::STREAM, flags, None)?;
            match connect(&socket, address) {
                Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
                Err(error) => Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn places_are_read_as_net_snmp_writes_them() {
        let path = |text: &str| Ok(Place::Path(text.to_owned()));
        let tcp = |text: &str| Ok(Place::Tcp(text.parse().unwrap()));
        assert_eq!(place(None), path("/var/agentx/master"));
        assert_eq!(place(Some("/run/x")), path("/run/x"));
        assert_eq!(place(Some("unix:/run/x")), path("/run/x"));
        assert_eq!(place(Some("tcp:192.0.2.1:7000")), tcp("192.0.2.1:7000"));
        assert_eq!(place(Some("tcp:localhost:7000")), tcp("127.0.0.1:7000"));
        assert_eq!(place(Some("tcp:192.0.2.1")), tcp("192.0.2.1:705"));
        assert_eq!(place(Some("tcp6:[::1]:7000")), tcp("[::1]:7000"));
        assert_eq!(place(Some("localhost:7000")), tcp("127.0.0.1:7000"));
        assert_eq!(place(Some("tcp:705")), tcp("127.0.0.1:705"));
        for bad in ["udp:127.0.0.1:161", "tcp:agent.example.com:705", "nowhere", ""] {
            assert!(place(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_master_agent_that_does_not_accept_is_not_waited_for() {
        let path = std::env::temp_dir().join(format!("standfast-agentx-{}", std::process::id()));
        let name = path.to_str().unwrap().to_owned();
        assert!(open(Some(&name)).unwrap_err().contains(&name), "there is none");
        let listener = UnixListener::bind(&path).unwrap();
        // Its queue fills up, and then there is no connection.
        let held: Vec<_> = (0..5000).map_while(|_| open(Some(&name)).ok()).collect();
        assert!(!held.is_empty() && held.len() < 5000, "{}", held.len());
        drop(listener);
        std::fs::remove_file(&path).unwrap();
    }
}
