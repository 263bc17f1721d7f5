//! What of the findings is bad for this configuration. Pure: the same findings, the same complaints.

use super::findings::{Findings, Interface};
use super::firewall::{self, Vrrp};
use super::{Complaint, Grade};
use core::time::Duration;
use standfast_kernel::release::{LEAST, Release};
use standfast_model::Config;
use standfast_model::config::instance::{Device, Peering};
use standfast_model::config::lvs::{Probe, VirtualServer};
use standfast_model::config::vrrp::Instance;
use standfast_model::ipvs::{Family, Forwarding, Protocol, ServiceKey};

/// Every complaint, in the order in which they were looked for.
#[must_use]
pub fn judge(config: &Config, findings: &Findings) -> Vec<Complaint> {
    let mut all = Vec::new();
    kernel(findings, &mut all);
    forwarding(config, findings, &mut all);
    reverse_path(config, findings, &mut all);
    arp(config, findings, &mut all);
    ipvs(config, findings, &mut all);
    packet_filter(config, findings, &mut all);
    interfaces(config, findings, &mut all);
    managers(config, findings, &mut all);
    clock(config, findings, &mut all);
    all
}

fn complain(all: &mut Vec<Complaint>, grade: Grade, what: &str, why: &str, mend: &str) {
    all.push(Complaint { grade, what: what.to_owned(), why: why.to_owned(), mend: mend.to_owned() });
}

fn kernel(findings: &Findings, all: &mut Vec<Complaint>) {
    if Release::parse(&findings.kernel).is_some_and(|release| release < LEAST) {
        complain(
            all,
            Grade::Problem,
            &format!("the kernel is Linux {}", findings.kernel),
            "standfastd relies on system calls that it does not have",
            &format!("run Linux {LEAST} or later"),
        );
    }
}

/// The forwarding methods in use.
fn methods(config: &Config) -> impl Iterator<Item = (&VirtualServer, Forwarding)> {
    config
        .lvs
        .virtual_servers
        .iter()
        .flat_map(|service| service.real_servers.iter().map(move |s| (service, s.forwarding)))
}

fn is_v6(service: &VirtualServer) -> bool {
    match service.key {
        ServiceKey::Address { address, .. } => address.is_ipv6(),
        ServiceKey::FirewallMark { family, .. } => family == Family::Inet6,
    }
}

fn forwarding(config: &Config, findings: &Findings, all: &mut Vec<Complaint>) {
    let nat = |v6: bool| methods(config).any(|(service, way)| way == Forwarding::Nat && is_v6(service) == v6);
    for (name, v6) in [("net.ipv4.ip_forward", false), ("net.ipv6.conf.all.forwarding", true)] {
        if nat(v6) && findings.number(name) == Some(0) {
            complain(
                all,
                Grade::Problem,
                &format!("{name} is 0"),
                "with lb_kind NAT the answers of real servers pass through this machine, and are dropped",
                &format!("sysctl -w {name}=1, and the same line in /etc/sysctl.d/"),
            );
        }
    }
}

/// 1 drops what comes in by another interface than answers leave by; the greater of `all` and the interface counts.
fn reverse_path(config: &Config, findings: &Findings, all: &mut Vec<Complaint>) {
    let of_all = findings.number("net.ipv4.conf.all.rp_filter").unwrap_or(0);
    let strict: Vec<&String> = findings
        .interfaces
        .keys()
        .filter(|name| {
            findings.number(&format!("net.ipv4.conf.{name}.rp_filter")).is_some_and(|own| own.max(of_all) == 1)
        })
        .collect();
    let several = findings.interfaces.len() > 1;
    let vmac = config.vrrp.instances.iter().any(|instance| instance.options.device != Device::Interface);
    let tunnel = methods(config).any(|(_, way)| matches!(way, Forwarding::Tunnel(_)));
    if let (Some(first), true) = (strict.first(), (several && !config.lvs.virtual_servers.is_empty()) || vmac || tunnel)
    {
        complain(
            all,
            if vmac { Grade::Hint } else { Grade::Warning },
            &format!("rp_filter is strict on {first} (net.ipv4.conf.all.rp_filter={of_all})"),
            "packets that come in by one interface and are answered by another are dropped without a word",
            &format!("sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.{first}.rp_filter=2"),
        );
    }
}

/// Directors of direct routing have real servers that hold the address too: on those, not here, ARP must be tamed.
fn arp(config: &Config, findings: &Findings, all: &mut Vec<Complaint>) {
    let direct: Vec<String> = methods(config)
        .filter(|(service, way)| *way == Forwarding::DirectRouting && !is_v6(service))
        .filter_map(|(service, _)| match service.key {
            ServiceKey::Address { address, .. } => Some(address.to_string()),
            ServiceKey::FirewallMark { .. } => None,
        })
        .collect();
    if let Some(address) = direct.first() {
        complain(
            all,
            Grade::Hint,
            &format!("{address} is served by direct routing"),
            "a real server that answers ARP for the address draws its clients away from the director",
            &format!(
                "on every real server: sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2, then ip \
                 address add {address}/32 dev lo"
            ),
        );
    }
    let ignore = findings.number("net.ipv4.conf.all.arp_ignore").unwrap_or(0);
    if ignore >= 3 && !config.vrrp.instances.is_empty() {
        complain(
            all,
            Grade::Problem,
            &format!("net.ipv4.conf.all.arp_ignore is {ignore}"),
            "this machine does not answer ARP for some or all of its addresses, so nobody finds its virtual ones",
            "sysctl -w net.ipv4.conf.all.arp_ignore=0",
        );
    }
}

fn ipvs(config: &Config, findings: &Findings, all: &mut Vec<Complaint>) {
    if config.lvs.virtual_servers.is_empty() {
        return;
    }
    if !findings.has_ipvs {
        complain(
            all,
            Grade::Problem,
            "the kernel has no IPVS",
            "virtual servers need the module ip_vs and one for each scheduler",
            "modprobe ip_vs, and ip_vs in /etc/modules-load.d/",
        );
        return;
    }
    connections(findings, all);
    let nat = methods(config).any(|(_, way)| way == Forwarding::Nat);
    let rules = findings.firewall.as_deref();
    let masqueraded = rules.is_some_and(|rules| rules.contains("masquerade") || rules.contains("MASQUERADE"));
    if nat && masqueraded && !tracks_connections(findings) {
        complain(
            all,
            Grade::Hint,
            "the packet filter masquerades, and net.ipv4.vs.conntrack is 0",
            "connections through IPVS are not seen by such rules",
            "sysctl -w net.ipv4.vs.conntrack=1",
        );
    }
}

fn tracks_connections(findings: &Findings) -> bool {
    findings.number("net.ipv4.vs.conntrack") == Some(1)
}

/// What IPVS does with connections whose server or port changes.
fn connections(findings: &Findings, all: &mut Vec<Complaint>) {
    if findings.number("net.ipv4.vs.expire_nodest_conn") == Some(0) {
        complain(
            all,
            Grade::Warning,
            "net.ipv4.vs.expire_nodest_conn is 0",
            "connections to a server that was taken out hang until their clients give up, instead of being reset",
            "sysctl -w net.ipv4.vs.expire_nodest_conn=1",
        );
    }
    let reuse = findings.number("net.ipv4.vs.conn_reuse_mode");
    // Before 5.9 the first packet of a port used again was dropped where connections are tracked: a second's delay.
    let old = Release::parse(&findings.kernel).is_some_and(|release| release < Release { major: 5, minor: 9 });
    if reuse == Some(1) && tracks_connections(findings) && old {
        complain(
            all,
            Grade::Warning,
            "net.ipv4.vs.conn_reuse_mode and conntrack are 1 on this kernel",
            "a client that uses a port again loses its first packet and waits a second (mended in Linux 5.9)",
            "sysctl -w net.ipv4.vs.conn_reuse_mode=0",
        );
    }
    if reuse == Some(0) {
        complain(
            all,
            Grade::Hint,
            "net.ipv4.vs.conn_reuse_mode is 0",
            "a client that uses a port again is kept at its old server, even one of weight 0: draining takes longer",
            "sysctl -w net.ipv4.vs.conn_reuse_mode=1",
        );
    }
}

fn packet_filter(config: &Config, findings: &Findings, all: &mut Vec<Complaint>) {
    let Some(rules) = findings.firewall.as_deref().filter(|_| !config.vrrp.instances.is_empty()) else { return };
    let allow = "nft insert rule inet filter input ip protocol 112 accept, or iptables -I INPUT -p 112 -j ACCEPT";
    match firewall::vrrp(rules) {
        Vrrp::Passes => {}
        Vrrp::Dropped(rule) => complain(
            all,
            Grade::Problem,
            &format!("the packet filter drops VRRP: {rule}"),
            "a director that does not hear its master becomes master as well",
            allow,
        ),
        Vrrp::Unnamed(chain) => complain(
            all,
            Grade::Problem,
            &format!("the packet filter drops what no rule accepts, and none accepts VRRP: {chain}"),
            "a director that does not hear its master becomes master as well",
            allow,
        ),
    }
}

fn interfaces(config: &Config, findings: &Findings, all: &mut Vec<Complaint>) {
    for instance in &config.vrrp.instances {
        let name = instance.interface.to_string();
        let Some(found) = findings.interfaces.get(&name) else {
            complain(
                all,
                Grade::Problem,
                &format!("{}: interface {name} does not exist", instance.name),
                "the instance stays in FAULT",
                "correct `interface`, or make the interface before standfastd starts",
            );
            continue;
        };
        interface(instance, found, findings, all);
    }
}

/// An instance's interface, which exists.
fn interface(instance: &Instance, found: &Interface, findings: &Findings, all: &mut Vec<Complaint>) {
    let name = &instance.interface;
    if !found.up || !found.carrier {
        complain(
            all,
            Grade::Problem,
            &format!("{}: interface {name} is down", instance.name),
            "the instance stays in FAULT",
            &format!("ip link set {name} up; if it is, look at the cable or the virtual switch"),
        );
    }
    let multicast = matches!(instance.options.peering, Peering::Multicast { .. });
    if multicast && !found.multicast {
        complain(
            all,
            Grade::Problem,
            &format!("{}: interface {name} takes no multicast", instance.name),
            "advertisements go to 224.0.0.18 or ff02::12",
            &format!("ip link set {name} multicast on, or use unicast_peer"),
        );
    }
    if let (true, Some((true, false))) = (multicast, found.snooping) {
        let bridge = found.bridge.clone().unwrap_or_else(|| name.to_string());
        complain(
            all,
            Grade::Hint,
            &format!("bridge {bridge} snoops multicast and nothing here asks who listens"),
            "without a querier on the LAN snooping may hold groups back after some minutes; 224.0.0.18 passes by \
                 RFC 4541, switches that do not keep to it make two masters",
            &format!("ip link set {bridge} type bridge mcast_querier 1"),
        );
    }
    if found.up
        && !instance.addresses.is_empty()
        && shares_subnet(instance)
        && findings.number(&format!("net.ipv4.conf.{name}.promote_secondaries")) == Some(0)
    {
        complain(
            all,
            Grade::Hint,
            &format!("net.ipv4.conf.{name}.promote_secondaries is 0"),
            "when the first address of a subnet goes the kernel removes the others of it for a moment",
            &format!("sysctl -w net.ipv4.conf.{name}.promote_secondaries=1, or promote_secondaries in the instance"),
        );
    }
}

/// Whether two of its addresses are in one subnet, by their own prefix lengths.
fn shares_subnet(instance: &Instance) -> bool {
    let nets: Vec<_> = instance.addresses.iter().map(|address| address.address.trunc()).collect();
    nets.iter()
        .enumerate()
        .any(|(place, net)| net.prefix_len() < 32 && nets.iter().skip(place + 1).any(|other| other == net))
}

fn managers(config: &Config, findings: &Findings, all: &mut Vec<Complaint>) {
    if config.vrrp.instances.is_empty() {
        return;
    }
    for (program, mend) in [
        ("NetworkManager", "nmcli device set INTERFACE managed no, or keep it and see that standfastd puts them back"),
        ("systemd-network", "KeepConfiguration=yes and ManageForeignRoutes=no in the .network file of the interface"),
        ("dhclient", "a static address on the interfaces of instances"),
        ("dhcpcd", "a static address on the interfaces of instances"),
        ("connmand", "NetworkInterfaceBlacklist in /etc/connman/main.conf"),
    ] {
        // The kernel keeps fifteen characters of a name.
        if findings.programs.contains(program) {
            complain(
                all,
                Grade::Hint,
                &format!("{program} runs"),
                "it may remove addresses that it has not set itself; standfastd puts them back, five times in ten seconds",
                mend,
            );
        }
    }
    if findings.programs.contains("keepalived") && !findings.programs.contains("standfastd") {
        complain(
            all,
            Grade::Warning,
            "a program called keepalived runs",
            "standfastd does not start beside keepalived: both would be master of the same addresses",
            "systemctl disable --now keepalived",
        );
    }
}

fn clock(config: &Config, findings: &Findings, all: &mut Vec<Complaint>) {
    let signed = config.vrrp.instances.iter().any(|instance| instance.options.hmac.is_some());
    let tls = config.lvs.virtual_servers.iter().flat_map(|service| &service.real_servers).any(|server| {
        server.checkers.iter().any(|checker| matches!(&checker.probe, Probe::Http(http) if http.tls.is_some()))
    });
    if findings.clock_kept == Some(false) && (signed || tls) {
        complain(
            all,
            if signed { Grade::Warning } else { Grade::Hint },
            "nothing keeps the clock in time",
            "auth_hmac refuses advertisements of a router whose clock is too far from this one's",
            "timedatectl set-ntp true, or chrony",
        );
    }
    let udp = config
        .lvs
        .virtual_servers
        .iter()
        .any(|service| matches!(service.key, ServiceKey::Address { protocol: Protocol::Udp, .. }));
    if findings.uptime.is_some_and(|uptime| uptime < Duration::from_secs(120))
        && (udp || !config.vrrp.instances.is_empty())
    {
        complain(
            all,
            Grade::Hint,
            "this machine has just been started",
            "a switch port may not forward yet (spanning tree), so that an instance becomes master beside another",
            "vrrp_startup_delay 30 in global_defs, or portfast on the switch",
        );
    }
}

#[cfg(test)]
mod tests;
