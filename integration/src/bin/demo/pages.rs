//! The status pages of the two directors, and the doors by which a browser on this machine reaches them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use lab::seed::Seed;
use lab::{Error, Result};

use crate::timeline::Timeline;

/// The directors' addresses, and the ports of this machine that their pages would like to have.
const DIRECTORS: [(&str, &str, u16); 2] = [("master", "192.168.1.11", 8112), ("standby", "192.168.1.12", 8113)];

/// The port of a status page.
const PAGE: u16 = 8112;

/// A director's configuration with a status page, which asks the other director's.
pub(crate) fn with_page(name: &str, conf: &str) -> String {
    let mut words = format!("    router_id {name}\n");
    for (director, address, _) in DIRECTORS {
        let keyword = if director == name { "http_listen" } else { "http_peer other" };
        words.push_str(&format!("    {keyword} {address} {PAGE}\n"));
    }
    format!("global_defs {{\n{words}}}\n\n{conf}")
}

/// Where the pages are on this machine.
pub(crate) struct Pages {
    doors: Vec<(&'static str, SocketAddr)>,
}

impl Pages {
    /// Opens a door to each.
    pub(crate) fn open(seed: &Seed) -> Result<Self> {
        let mut doors = Vec::new();
        for (director, address, port) in DIRECTORS {
            let to =
                format!("{address}:{PAGE}").parse().map_err(|_| Error::Plan(format!("{address} is no address")))?;
            doors.push((director, seed.lab.machine(director)?.door(to, port)?));
        }
        Ok(Self { doors })
    }

    /// Says where they are.
    pub(crate) fn tell(&self, timeline: &Arc<Timeline>) {
        for (director, door) in &self.doors {
            timeline.say(director, &format!("status page: http://{door}/"));
        }
    }

    /// Where both directors can be seen, as long as one of them runs.
    pub(crate) fn address(&self) -> String {
        self.doors.last().map_or_else(String::new, |(_, door)| format!("http://{door}/"))
    }

    /// Whether the standby's page has it as master, with the reason.
    pub(crate) fn standby_is_master(&self) -> Result<bool> {
        let Some((_, door)) = self.doors.last() else { return Ok(false) };
        let page = get(*door).map_err(|source| Error::Io { what: "reading the status page".to_owned(), source })?;
        Ok(page.contains("MASTER from BACKUP: no advertisement for"))
    }
}

fn get(at: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}
