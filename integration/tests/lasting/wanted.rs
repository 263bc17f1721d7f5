//! The configuration of the pair, as a value that a test changes. Owns its text; knows no machine.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::rack::{DIRECT, DIRECT_SERVERS, NAT, NAT_SERVERS, WEB};

/// What a director is configured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Real servers behind NAT by address, with their weights: those that are talked to.
    pub(crate) nat: Vec<(String, u32)>,
    /// Those whose pages are got.
    pub(crate) web: Vec<(String, u32)>,
    /// Those that answer by themselves.
    pub(crate) direct: Vec<(String, u32)>,
    /// How servers are chosen.
    pub(crate) scheduler: &'static str,
    /// Seconds between checks.
    pub(crate) delay_loop: u64,
    /// Virtual routers besides the two, by their number.
    pub(crate) routers: BTreeSet<u64>,
    /// Addresses of the first router that it does not advertise, by their last octet.
    pub(crate) addresses: BTreeSet<u64>,
    /// Virtual servers that nobody uses, by their port.
    pub(crate) services: BTreeSet<u64>,
}

impl Wanted {
    /// Every real server, with the weight 1.
    pub(crate) fn all() -> Self {
        let all = |servers: &[(&str, &str)]| servers.iter().map(|(_, address)| ((*address).to_owned(), 1)).collect();
        Self {
            nat: all(&NAT_SERVERS),
            web: all(&NAT_SERVERS),
            direct: all(&DIRECT_SERVERS),
            scheduler: "wrr",
            delay_loop: 1,
            routers: BTreeSet::new(),
            addresses: BTreeSet::new(),
            services: BTreeSet::new(),
        }
    }

    /// The servers of each service in the table that comes of it when all are well, as `10.0.100.2:7007=1`.
    pub(crate) fn tables(&self) -> [Vec<String>; 3] {
        [(&self.nat, 7007), (&self.web, 80), (&self.direct, 7007)].map(|(servers, port)| {
            let rows = servers.iter().map(|(address, weight)| format!("{address}:{port}={weight}"));
            let mut rows: Vec<String> = rows.collect();
            rows.sort();
            rows
        })
    }

    /// Without a server, which is dead.
    pub(crate) fn without(&self, name: &str) -> Self {
        let all = NAT_SERVERS.into_iter().chain(DIRECT_SERVERS);
        let dead: Vec<&str> = all.filter(|(known, _)| *known == name).map(|(_, address)| address).collect();
        let mut left = self.clone();
        for servers in [&mut left.nat, &mut left.web, &mut left.direct] {
            servers.retain(|(address, _)| !dead.contains(&address.as_str()));
        }
        left
    }

    /// The configuration of `master` or `standby`.
    pub(crate) fn conf(&self, director: &str) -> String {
        let priority = if director == "master" { 150 } else { 100 };
        let mut text = "global_defs {\n    lvs_sync_daemon eth1 inst VI_E id 7\n    script_user root\n    \
            enable_script_security\n}\nvrrp_script well {\n    script \"/bin/true\"\n    interval 2\n    timeout 5\n}\n\
            vrrp_sync_group VG {\n    group {\n        VI_E\n        VI_I\n    }\n}\n"
            .to_owned();
        let mut excluded = String::new();
        for host in &self.addresses {
            let _ = write!(excluded, "    virtual_ipaddress_excluded {{\n        192.168.1.{host}\n    }}\n");
        }
        let both = "192.168.1.202\n        192.168.1.203";
        text += &router("VI_E", "eth0", 51, priority, both, &excluded);
        text += &router("VI_I", "eth1", 52, priority, "10.0.100.200", "");
        for vrid in &self.routers {
            text += &router(&format!("VX{vrid}"), "eth0", *vrid, priority, &format!("192.168.1.{vrid}"), "");
        }
        text += &self.service(NAT, "NAT", &self.nat);
        text += &self.service(WEB, "NAT", &self.web);
        text += &self.service(DIRECT, "DR", &self.direct);
        for port in &self.services {
            let _ = write!(
                text,
                "virtual_server 192.168.1.202 {port} {{\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n    \
                 real_server 10.0.100.2 80 {{\n    }}\n}}\n"
            );
        }
        text
    }

    fn service(&self, place: &str, kind: &str, servers: &[(String, u32)]) -> String {
        let (address, port) = place.split_once(':').unwrap_or((place, ""));
        let Self { scheduler, delay_loop, .. } = self;
        let mut text = format!(
            "virtual_server {address} {port} {{\n    delay_loop {delay_loop}\n    lb_algo {scheduler}\n    \
             lb_kind {kind}\n    protocol TCP\n"
        );
        for (server, weight) in servers {
            let _ = write!(
                text,
                "    real_server {server} {port} {{\n        weight {weight}\n        TCP_CHECK {{\n            \
                 connect_timeout 2\n            retry 1\n            delay_before_retry 1\n        }}\n    }}\n"
            );
        }
        text + "}\n"
    }
}

fn router(name: &str, interface: &str, vrid: u64, priority: u8, vips: &str, more: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n    state BACKUP\n    interface {interface}\n    virtual_router_id {vrid}\n    \
         priority {priority}\n    advert_int 1\n    track_script {{\n        well\n    }}\n    \
         virtual_ipaddress {{\n        {vips}\n    }}\n{more}}}\n"
    )
}
