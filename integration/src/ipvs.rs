//! A director's IPVS table as `ipvsadm` prints it. Reads it; never changes it.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::machine::Machine;

/// The IPVS table of a director: for each service (`TCP 192.168.1.202:80`) its real servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpvsTable {
    /// The services.
    pub services: BTreeMap<String, IpvsService>,
}

/// A service of an IPVS table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpvsService {
    /// The scheduler and the flags, as printed: `rr`, `wlc persistent 50`.
    pub scheduler: String,
    /// The real servers (`10.0.100.2:80`).
    pub servers: BTreeMap<String, IpvsServer>,
}

/// A real server of an IPVS table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpvsServer {
    /// `Masq`, `Route` or `Tunnel`.
    pub forward: String,
    /// Its weight.
    pub weight: u32,
}

impl Machine {
    /// Its IPVS table.
    ///
    /// # Errors
    /// It has none, or `ipvsadm` prints something new.
    pub fn ipvs(&self) -> Result<IpvsTable> {
        let printed = self.run("ipvsadm --list --numeric")?;
        parse(&printed).ok_or_else(|| Error::agent(self.name(), format!("ipvsadm printed\n{printed}")))
    }
}

impl IpvsTable {
    /// The real servers of a service, and none when there is no such service.
    #[must_use]
    pub fn servers(&self, service: &str) -> Vec<&str> {
        let servers = self.services.get(service).map(|service| service.servers.keys());
        servers.into_iter().flatten().map(String::as_str).collect()
    }
}

fn parse(printed: &str) -> Option<IpvsTable> {
    let mut table = IpvsTable::default();
    let mut current: Option<&mut IpvsService> = None;
    // Version, headings of services, headings of servers.
    for line in printed.lines().skip(3) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["->", server, forward, weight, _active, _inactive] => {
                let server = (*server).to_owned();
                let entry = IpvsServer { forward: (*forward).to_owned(), weight: weight.parse().ok()? };
                current.as_mut()?.servers.insert(server, entry);
            }
            [protocol, address, scheduler @ ..] => {
                let service = table.services.entry(format!("{protocol} {address}")).or_default();
                service.scheduler = scheduler.join(" ");
                current = Some(service);
            }
            [] | [_] => return None,
        }
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_their_servers_are_read() {
        let table = parse(
            "IP Virtual Server version 1.2.1 (size=4096)\n\
             Prot LocalAddress:Port Scheduler Flags\n\
             \x20 -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n\
             TCP  192.168.1.202:80 rr\n\
             \x20 -> 10.0.100.2:80                Masq    1      0          12\n\
             \x20 -> 10.0.100.3:80                Masq    0      1          0\n\
             UDP  192.168.1.200:53 wlc persistent 50\n",
        )
        .unwrap();
        assert_eq!(table.servers("TCP 192.168.1.202:80"), ["10.0.100.2:80", "10.0.100.3:80"]);
        let web = &table.services["TCP 192.168.1.202:80"];
        assert_eq!(web.servers["10.0.100.3:80"], IpvsServer { forward: "Masq".to_owned(), weight: 0 });
        assert_eq!(table.services["UDP 192.168.1.200:53"].scheduler, "wlc persistent 50");
        assert_eq!(table.servers("UDP 192.168.1.1:53"), [""; 0]);
    }

    #[test]
    fn a_table_of_another_form_is_not_guessed_at() {
        assert_eq!(parse("a\nb\nc\n  -> 10.0.100.2:80 Masq 1 0 12\n"), None);
    }
}
