//! What operators want of real servers: which servers are meant, and what came of it in words.
//!
//! What a wish does to a server is the director's business.

use core::time::Duration;
use standfast_api::control::{ServerOrder, ServerWish};
use standfast_lvs::{Duty, Order, ServerName, ServiceStatus};
use standfast_model::ipvs::ServiceKey;

/// The greatest weight that IPVS takes.
const MAX_WEIGHT: u32 = 2_147_483_647;

/// The wish as the director has it.
pub(super) fn wish(wish: ServerWish) -> Result<Order, String> {
    match wish {
        ServerWish::Ready => Ok(Order::Ready),
        ServerWish::Disable => Ok(Order::Disable),
        ServerWish::Drain { within_s } => {
            Ok(Order::Drain { within: within_s.map(|seconds| Duration::from_secs(seconds.into())) })
        }
        ServerWish::Weight(weight) if weight <= MAX_WEIGHT => Ok(Order::SetWeight(weight)),
        ServerWish::Weight(weight) => Err(format!("weight {weight} is greater than {MAX_WEIGHT}")),
    }
}

/// The servers that are meant.
pub(super) fn choose(
    services: impl Iterator<Item = ServiceStatus>,
    order: &ServerOrder,
) -> Result<Vec<ServerName>, String> {
    let mut chosen = Vec::new();
    for service in services.filter(|service| order.of.as_deref().is_none_or(|of| is_service(service.key, of))) {
        for server in service.servers {
            if server.key.to_string() == order.server || server.key.address.to_string() == order.server {
                chosen.push(ServerName { service: service.key, server: server.key });
            }
        }
    }
    match (chosen.is_empty(), &order.of) {
        (false, _) => Ok(chosen),
        (true, None) => Err(format!("no virtual server has a real server {}", order.server)),
        (true, Some(of)) => Err(format!("no virtual server {of} has a real server {}", order.server)),
    }
}

/// By its whole name, with single blanks, by the part behind the protocol, or by its address.
fn is_service(key: ServiceKey, name: &str) -> bool {
    let whole = key.to_string();
    let words: Vec<&str> = whole.split_whitespace().collect();
    let by_address = match key {
        ServiceKey::Address { address, .. } => address.to_string() == name,
        ServiceKey::FirewallMark { .. } => false,
    };
    by_address || words.join(" ") == name || words.get(1) == Some(&name)
}

/// What was done, one line a server.
pub(super) fn words(servers: &[ServerName], wish: ServerWish) -> String {
    let what = match wish {
        ServerWish::Ready => "serves when its checks say so".to_owned(),
        ServerWish::Disable => "is out".to_owned(),
        ServerWish::Drain { within_s: None } => "drains".to_owned(),
        ServerWish::Drain { within_s: Some(seconds) } => format!("drains, for {seconds} s at most"),
        ServerWish::Weight(weight) => format!("has weight {weight}"),
    };
    let name = |service: ServiceKey| service.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> =
        servers.iter().map(|server| format!("{} of {} {what}", server.server, name(server.service))).collect();
    lines.join("\n")
}

/// A word for what is wanted of it, unless that it serves.
pub(super) fn duty(duty: Duty) -> Option<String> {
    match duty {
        Duty::Active => None,
        Duty::Draining => Some("draining".to_owned()),
        Duty::Off => Some("disabled".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_conf::host::Memory;
    use standfast_lvs::Director;
    use std::path::Path;

    const TEXT: &str = "virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 10.0.0.1 80 {\n }\n \
        real_server 10.0.0.2 80 {\n }\n}\nvirtual_server 192.0.2.1 443 {\n protocol TCP\n real_server 10.0.0.1 443 {\n \
        }\n}\nvirtual_server fwmark 7 {\n protocol TCP\n real_server 2001:db8::1 80 {\n }\n}\n";

    fn chosen(server: &str, of: Option<&str>) -> Result<Vec<String>, String> {
        let path = Path::new("/k");
        let host = Memory::new().file(path, TEXT);
        let config = standfast_conf::load(&host, path, &standfast_conf::Options::default()).config.unwrap();
        let director = Director::new(config.lvs, 0);
        let order = ServerOrder { server: server.to_owned(), of: of.map(str::to_owned), wish: ServerWish::Ready };
        let servers = choose(director.status(), &order)?;
        Ok(servers.iter().map(|name| words(&[*name], ServerWish::Disable)).collect())
    }

    #[test]
    fn a_server_is_known_by_its_address_with_and_without_its_port_and_by_its_virtual_server() {
        let first = "10.0.0.1:80 of TCP 192.0.2.1:80 is out";
        let second = "10.0.0.1:443 of TCP 192.0.2.1:443 is out";
        assert_eq!(chosen("10.0.0.1", None).unwrap(), [first, second]);
        assert_eq!(chosen("10.0.0.1:80", None).unwrap(), [first]);
        for of in ["192.0.2.1:443", "TCP 192.0.2.1:443"] {
            assert_eq!(chosen("10.0.0.1", Some(of)).unwrap(), [second], "{of}");
        }
        assert_eq!(chosen("10.0.0.1", Some("192.0.2.1")).unwrap().len(), 2);
        for of in ["7", "FWM 7 IPv6"] {
            assert_eq!(chosen("2001:db8::1", Some(of)).unwrap().len(), 1, "{of}");
        }
        assert_eq!(chosen("10.0.0.9", None).unwrap_err(), "no virtual server has a real server 10.0.0.9");
        assert!(chosen("10.0.0.2", Some("192.0.2.1:443")).is_err());
    }

    #[test]
    fn a_weight_that_ipvs_does_not_take_is_refused() {
        assert!(wish(ServerWish::Weight(MAX_WEIGHT)).is_ok());
        assert!(wish(ServerWish::Weight(MAX_WEIGHT + 1)).is_err());
    }
}
