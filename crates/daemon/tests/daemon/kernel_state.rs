//! What a master does to the kernel, and that nothing of it is left: addresses, routes, rules, devices, settings, filter.

use crate::machine::{Machine, PAIR, becomes, kill, pid_in, run, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use standfast_kernel::route::Route;
use standfast_kernel::timer::boottime;
use standfast_model::InterfaceIndex;
use standfast_net::Operation;
use std::process::Command;

/// Advertisements ten times a second, so that a test need not wait for seconds.
const QUICK: &str = "state MASTER\n interface east\n version 3\n advert_int 0.1\n priority 150\n";

/// What a command prints, words apart by one space.
fn shown(command: &str) -> String {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn setting(path: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/net/{path}")).unwrap().trim().to_owned()
}

/// Everything that a master may change.
fn everything() -> Vec<String> {
    let mut all: Vec<String> = [
        "ip -o link show",
        "ip -4 -o addr show",
        "ip -6 -o addr show scope global",
        "ip -4 route show table all proto keepalived",
        "ip -6 route show table all proto keepalived",
        "ip -4 rule show",
        "ip -6 rule show",
        "nft list tables",
    ]
    .map(shown)
    .to_vec();
    let conf = ["all/rp_filter", "default/rp_filter", "east/rp_filter", "east/arp_ignore", "east/arp_filter"];
    all.extend(conf.map(|key| format!("{key} {}", setting(&format!("ipv4/conf/{key}")))));
    all.push(setting("ipv4/conf/east/promote_secondaries"));
    all
}

fn has(interface: &str, address: &str) -> bool {
    shown(&format!("ip -o addr show dev {interface}")).contains(address)
}

fn index(name: &str) -> InterfaceIndex {
    InterfaceIndex(nix::net::if_::if_nametoindex(name).unwrap())
}

#[test]
fn a_master_on_a_vmac_with_routes_rules_and_a_filter_leaves_nothing_behind() {
    let machine = Machine::with_pair();
    std::fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "1").unwrap();
    machine.write(
        "keepalived.conf",
        &format!(
            "global_defs {{\n default_interface west\n}}\nstatic_ipaddress {{\n 198.51.100.1/24\n}}\nstatic_routes {{\n 10.8.0.0/16 via 198.51.100.9 dev west\n}}\n\
             static_rules {{\n from 10.8.0.0/16 table 108 preference 108\n}}\n\
             vrrp_instance VI_E {{\n {QUICK} virtual_router_id 51\n use_vmac\n no_accept\n promote_secondaries\n \
             virtual_ipaddress {{\n 192.0.2.100/24\n 192.0.2.101/32 dev west label west:1\n }}\n \
             virtual_ipaddress_excluded {{\n 2001:db8::100/128\n }}\n \
             virtual_routes {{\n 10.9.0.0/16 via 192.0.2.9 dev east mtu 1400\n blackhole 10.10.0.0/16 table 109\n }}\n \
             virtual_rules {{\n from 192.0.2.100 table 109 preference 109\n }}\n}}\n"
        ),
    );
    let before = everything();
    let mut daemon = machine.start(&[]);
    wait_for("the rule, which comes last", || shown("ip rule show").contains("109: from 192.0.2.100 lookup 109"));
    let device = shown("ip -d link show vrrp.51");
    assert!(
        device.contains("vrrp.51@east") && device.contains("00:00:5e:00:01:33") && device.contains("private"),
        "{device}"
    );
    assert!(has("vrrp.51", "192.0.2.100/24") && has("east", "2001:db8::100/128"));
    assert!(has("west", "192.0.2.101/32 scope global west:1") && has("west", "198.51.100.1/24"));
    let routes = shown("ip route show table all proto keepalived");
    for part in [
        "10.9.0.0/16 via 192.0.2.9 dev east mtu 1400",
        "blackhole 10.10.0.0/16 table 109",
        "10.8.0.0/16 via 198.51.100.9 dev west",
    ] {
        assert!(routes.contains(part), "{part}: {routes}");
    }
    let filter = shown("nft list ruleset");
    for part in ["table ip keepalived", "table ip6 keepalived", "192.0.2.100", "2001:db8::100", "vrrp.51"] {
        assert!(filter.contains(part), "{part}: {filter}");
    }
    let set = ["all/rp_filter", "east/rp_filter", "east/arp_ignore", "vrrp.51/rp_filter", "vrrp.51/accept_local"];
    assert_eq!(set.map(|key| setting(&format!("ipv4/conf/{key}"))), ["0", "1", "1", "0", "1"]);
    assert_eq!(daemon.stop(), 0);
    assert_eq!(everything(), before);
}

#[test]
fn the_packet_filter_is_written_as_the_words_about_it_say() {
    let ruleset = |words: &str| {
        let machine = Machine::with_pair();
        let instance = "vrrp_instance VI_E {\n version 3\n state MASTER\n interface east\n priority 150\n advert_int 0.1\n \
                        virtual_router_id 51\n no_accept\n virtual_ipaddress {\n fe80::100\n 2001:db8::100/64\n }\n}\n";
        machine.write("keepalived.conf", &format!("global_defs {{\n{words}\n}}\n{instance}"));
        let mut daemon = machine.start(&[]);
        wait_for("the filter", || shown("nft list ruleset").contains("fe80::100"));
        let found = shown("nft list ruleset");
        assert_eq!(daemon.stop(), 0);
        found
    };
    let plain = ruleset("");
    let worded = ruleset("nftables words\nnftables_priority -37\nnftables_counters\nnftables_ifindex");
    for (word, with, without) in [
        ("nftables", "table ip6 words {", "table ip6 keepalived {"),
        ("nftables_priority", "priority -37;", "priority filter - 1;"),
        ("nftables_counters", "counter", ""),
        ("nftables_ifindex", "iif \"east\"", "iifname \"east\""),
    ] {
        assert!(worded.contains(with) && !plain.contains(with), "{word}: {worded}\n{plain}");
        assert!(plain.contains(without), "{word}: {plain}");
        assert!(without.is_empty() || !worded.contains(without), "{word}: {worded}");
    }
}

#[test]
fn what_a_killed_daemon_has_left_goes_when_the_next_configuration_does_not_want_it() {
    let machine = Machine::with_pair();
    std::fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "1").unwrap();
    // To send from.
    run("ip address add 198.51.100.1/24 dev west");
    let before = everything();
    let instance = |more: &str| {
        format!(
            "vrrp_instance VI_E {{\n {QUICK} virtual_router_id 51\n {more}\n virtual_ipaddress {{\n 192.0.2.100/24\n }}\n}}\n"
        )
    };
    let other = "vrrp_instance VI_W {\n state MASTER\n interface west\n version 3\n advert_int 0.1\n virtual_router_id 52\n \
                 virtual_ipaddress {\n 192.0.2.200/32\n }\n}\n";
    machine.write("keepalived.conf", &(instance("use_vmac\n no_accept") + other));
    let mut daemon = machine.start(&[]);
    wait_for("the addresses", || has("vrrp.51", "192.0.2.100/24") && has("west", "192.0.2.200/32"));
    assert!(shown("nft list tables").contains("keepalived"));
    let worker = pid_in("/run/vrrp.pid").unwrap();
    // The supervisor first, so that it starts no other; then the worker, before it has learned of that.
    kill(worker, Signal::STOP);
    kill(daemon.pid(), Signal::KILL);
    kill(worker, Signal::KILL);
    daemon.end();
    assert!(has("west", "192.0.2.200/32") && !shown("ip link show vrrp.51").is_empty(), "nobody has tidied up");
    machine.write("keepalived.conf", &instance(""));
    let mut successor = machine.start(&[]);
    wait_for("the address", || has("east", "192.0.2.100/24"));
    wait_for("the end of the device", || shown("ip link show vrrp.51").is_empty());
    wait_for("the end of the address of the instance that is no more", || !has("west", "192.0.2.200/32"));
    wait_for("the end of the filter", || shown("nft list tables").is_empty());
    assert_eq!(successor.stop(), 0);
    assert_eq!(everything(), before, "settings have the values of before the first");
}

#[test]
fn a_link_whose_driver_is_asked_counts_as_its_driver_says() {
    let machine = Machine::with_pair();
    // The kernel does not call it running, and its driver says that it has a carrier.
    run("ip link set east mode dormant");
    run("ip link set east state dormant");
    let instance = |more: &str| {
        format!(
            "vrrp_instance VI_E {{\n {QUICK} virtual_router_id 51\n {more}\n virtual_ipaddress {{\n 192.0.2.100/24\n }}\n}}\n"
        )
    };
    machine.write("keepalived.conf", &instance(""));
    let mut unasked = machine.start(&[]);
    assert!(!becomes(Duration::from_millis(700), || has("east", "192.0.2.100/24")), "it is in FAULT");
    assert_eq!(unasked.stop(), 0);
    let list = |method: &str| format!("linkbeat_interfaces {{\n east {method}\n}}\n");
    let ways = [
        list("ETHTOOL") + &instance(""),
        list("") + &instance(""),
        "linkbeat_use_polling\n".to_owned() + &instance(""),
        instance("linkbeat_use_polling"),
    ];
    for text in ways {
        machine.write("keepalived.conf", &text);
        let mut daemon = machine.start(&[]);
        wait_for(&text, || has("east", "192.0.2.100/24"));
        // What the kernel tells of the link meanwhile changes nothing.
        run("ip link set east txqueuelen 500");
        run("ip link set east txqueuelen 1000");
        assert!(!becomes(Duration::from_millis(300), || !has("east", "192.0.2.100/24")), "{text}");
        assert_eq!(daemon.stop(), 0);
    }
    // The flags are what the kernel says.
    machine.write("keepalived.conf", &(list("IOCTL") + &instance("")));
    let mut daemon = machine.start(&[]);
    assert!(!becomes(Duration::from_millis(700), || has("east", "192.0.2.100/24")));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_removal_whose_notice_was_lost_is_found_and_undone() {
    let machine = Machine::with_pair();
    // The smallest queue that the kernel has holds a few notices.
    machine.write("keepalived.conf", &format!("global_defs {{\n vrrp_netlink_monitor_rcv_bufs 1\n}}\n{PAIR}"));
    let mut daemon = machine.start(&[]);
    wait_for("the address", || has("east", "192.0.2.100/24"));
    let worker = pid_in("/run/vrrp.pid").unwrap();
    let many: String = (0..200).map(|length| format!("link set west txqueuelen {}\n", 500 + length)).collect();
    machine.write("many", &(many + "addr del 192.0.2.100/24 dev east\n"));
    kill(worker, Signal::STOP);
    run(&format!("ip -batch {}", machine.path("many").display()));
    assert!(!has("east", "192.0.2.100/24"));
    kill(worker, Signal::CONT);
    // Before its advertisements have been missing for so long that it would begin anew.
    assert!(becomes(Duration::from_secs(2), || has("east", "192.0.2.100/24")), "{}", machine.read("stderr"));
    assert_eq!(machine.read("stderr").matches("Entering MASTER STATE").count(), 1, "it was master all the time");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn advertisements_of_a_vmac_leave_with_the_virtual_address_and_no_membership_report_does() {
    let machine = Machine::with_pair();
    for link in ["east", "west"] {
        run(&format!("ip link set {link} addrgenmode none"));
    }
    run("ip addr add fe80::1/64 dev east nodad");
    let instance = |name: &str, vrid: u8, more: &str, address: &str| {
        format!(
            "vrrp_instance {name} {{\n {QUICK} virtual_router_id {vrid}\n use_vmac\n {more}\n virtual_ipaddress {{\n {address}\n }}\n}}\n"
        )
    };
    machine.write(
        "keepalived.conf",
        &[
            instance("VI_4", 51, "", "192.0.2.100/24"),
            instance("VI_6", 52, "", "fe80::100/64"),
            instance("VI_B", 53, "vmac_xmit_base", "192.0.2.101/24"),
        ]
        .concat(),
    );
    let capture = Capture::start();
    let mut daemon = machine.start(&[]);
    for (name, address) in [("vrrp.51", "192.0.2.100"), ("vrrp.52", "fe80::100"), ("vrrp.53", "192.0.2.101")] {
        wait_for(name, || has(name, address));
    }
    let is =
        |frame: &[u8], mac: [u8; 6], at: usize, protocol: u8| frame[6..12] == mac && frame.get(at) == Some(&protocol);
    let mac = |family: u8, vrid: u8| [0, 0, 0x5e, 0, family, vrid];
    let mut frames = Vec::new();
    let mut seen = |what: &str, wanted: &dyn Fn(&[u8]) -> bool| {
        wait_for(what, || {
            frames.extend(capture.read());
            frames.iter().any(|frame| wanted(frame))
        });
    };
    seen("IPv4 by its VMAC", &|frame| is(frame, mac(1, 51), 23, 112) && frame[35] == 51);
    seen("IPv6 by its VMAC, from the address of the interface", &|frame| {
        is(frame, mac(2, 52), 20, 112) && frame[22..38] == [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    });
    seen("IPv4 by the interface", &|frame| {
        frame[6..11] != mac(1, 53)[..5] && frame.get(23) == Some(&112) && frame[35] == 53
    });
    seen("ARP of the address of the third", &|frame| is(frame, mac(1, 53), 13, 6) && frame[28..32] == [192, 0, 2, 101]);
    seen("the report from below", &|frame| frame[6..10] != [0, 0, 0x5e, 0] && frame.get(23) == Some(&2));
    assert!(!frames.iter().any(|frame| frame[6..10] == [0, 0, 0x5e, 0] && frame.get(23) == Some(&2)), "a report");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn an_address_and_a_route_that_something_removes_are_back_within_ten_milliseconds() {
    let machine = Machine::with_pair();
    machine.write(
        "keepalived.conf",
        &format!(
            "vrrp_instance VI_E {{\n {QUICK} virtual_router_id 51\n virtual_ipaddress {{\n 192.0.2.100/32\n }}\n \
             virtual_routes {{\n 10.9.0.0/16 via 192.0.2.9 dev east\n }}\n}}\n"
        ),
    );
    let mut daemon = machine.start(&[]);
    wait_for("the route", || shown("ip route show 10.9.0.0/16").contains("192.0.2.9"));
    let mut route = Route::open().unwrap();
    let east = index("east");
    let address = "192.0.2.100/32".parse().unwrap();
    let mut times = Vec::new();
    for _ in 0..5 {
        let removed = boottime();
        route.apply(&[Operation::Remove { interface: east, address, peer: None }])[0].as_ref().unwrap();
        while !route.dump().unwrap().has(east, address) {
            assert!(boottime().since(removed) < Duration::from_secs(5), "it does not come back");
        }
        times.push(boottime().since(removed));
    }
    times.sort_unstable();
    // The machine is shared: of five, the middle one.
    assert!(times[2] < Duration::from_millis(10), "{times:?}");
    run("ip route del 10.9.0.0/16");
    assert!(becomes(Duration::from_secs(5), || shown("ip route show 10.9.0.0/16").contains("192.0.2.9")));
    assert!(!machine.read("stderr").contains("FAULT"), "{}", machine.read("stderr"));
    // The sixth within ten seconds is one too many.
    route.apply(&[Operation::Remove { interface: east, address, peer: None }])[0].as_ref().unwrap();
    wait_for("the word for it", || {
        machine.read("stderr").contains("something else removed 192.0.2.100/32 5 times in 10 s")
    });
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn of_a_bridge_that_became_promiscuous_for_a_vmac_the_kernel_tells_if_that_is_wanted() {
    for (word, told) in [("", false), ("netlink_notify_msg", true)] {
        let machine = Machine::new();
        for command in
            ["link set lo up", "link add east type bridge", "link set east up", "address add 192.0.2.1/24 dev east"]
        {
            run(&format!("ip {command}"));
        }
        machine.write(
            "keepalived.conf",
            &format!(
                "vrrp_instance VI_E {{\n {QUICK} virtual_router_id 51\n use_vmac {word}\n virtual_ipaddress {{\n \
                 192.0.2.100/32\n }}\n}}\n"
            ),
        );
        let log = std::fs::File::create(machine.path("links")).unwrap();
        let mut monitor = Command::new("ip");
        let _monitor = crate::machine::Daemon::of(monitor.args(["-d", "monitor", "link"]).stdout(log).spawn().unwrap());
        let mut daemon = machine.start(&[]);
        wait_for("the address", || has("vrrp.51", "192.0.2.100"));
        assert!(shown("ip -d link show dev east").contains("promiscuity 1"));
        let said = || machine.read("links").split("\n").any(|line| line.contains("promiscuity 1 "));
        if told {
            wait_for("the word of it", said);
        } else {
            assert!(!becomes(Duration::from_secs(1), said), "{}", machine.read("links"));
        }
        assert_eq!(daemon.stop(), 0);
    }
}

#[test]
fn an_interface_that_comes_late_is_renamed_or_made_anew_is_served() {
    let machine = Machine::new();
    run("ip link set lo up");
    machine.write(
        "keepalived.conf",
        &format!(
            "global_defs {{\n dynamic_interfaces\n}}\nvrrp_instance VI_E {{\n {QUICK} virtual_router_id 51\n use_vmac\n \
             virtual_ipaddress {{\n 192.0.2.100/32\n }}\n}}\n"
        ),
    );
    let mut daemon = machine.start(&[]);
    wait_for("FAULT", || machine.read("stderr").contains("interface east does not exist"));
    let plug = || {
        run("ip link add east type veth peer name west");
        run("ip address add 192.0.2.1/24 dev east");
        run("ip link set west up");
        run("ip link set east up");
    };
    plug();
    wait_for("the address", || has("vrrp.51", "192.0.2.100"));
    run("ip link del east");
    wait_for("the end of the device", || shown("ip -o link show dev vrrp.51").is_empty());
    plug();
    wait_for("the address again", || has("vrrp.51", "192.0.2.100"));
    // Another name is another interface; with its own name it is ours again.
    run("ip link set east name elsewhere");
    wait_for("FAULT without it", || !has("vrrp.51", "192.0.2.100"));
    run("ip link set elsewhere name east");
    wait_for("the address a third time", || has("vrrp.51", "192.0.2.100"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_killed_worker_finds_its_device_its_addresses_and_its_routes_and_touches_none() {
    let machine = Machine::with_pair();
    machine.write(
        "keepalived.conf",
        &format!(
            "vrrp_instance VI_E {{\n {} virtual_router_id 51\n use_vmac\n no_accept\n virtual_ipaddress {{\n 192.0.2.100/32\n }}\n \
             virtual_routes {{\n 10.9.0.0/16 via 192.0.2.9 dev east\n }}\n}}\n",
            QUICK.replace("0.1", "1")
        ),
    );
    let mut daemon = machine.start(&[]);
    wait_for("the route", || shown("ip route show 10.9.0.0/16").contains("192.0.2.9"));
    let before = (index("vrrp.51"), everything());
    let worker = pid_in("/run/vrrp.pid").unwrap();
    let mut monitor = Command::new("ip")
        .args(["monitor", "link", "address", "route"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    kill(worker, Signal::KILL);
    wait_for("another worker", || pid_in("/run/vrrp.pid").is_some_and(|pid| pid != worker));
    wait_for("its adoption", || machine.read("stderr").matches("MASTER STATE").count() >= 2);
    assert_eq!((index("vrrp.51"), everything()), before);
    monitor.kill().unwrap();
    let heard = monitor.wait_with_output().unwrap();
    let heard = String::from_utf8_lossy(&heard.stdout).into_owned();
    assert!(!heard.contains("Deleted"), "{heard}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_worker_has_the_processors_the_priority_and_the_memory_that_are_configured() {
    let machine = Machine::with_pair();
    let instance =
        format!("vrrp_instance VI_E {{\n {QUICK} virtual_router_id 51\n virtual_ipaddress {{\n 192.0.2.100\n }}\n}}\n");
    let words = |words: &str| machine.write("keepalived.conf", &format!("global_defs {{\n {words}\n}}\n{instance}"));
    let of_worker = |file: &str| {
        let pid = pid_in("/run/vrrp.pid").unwrap();
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
    };
    let fields = || {
        let stat = of_worker("stat");
        let fields: Vec<String> = stat.rsplit_once(')').unwrap().1.split_whitespace().map(str::to_owned).collect();
        // Nice value, real-time priority and policy.
        [16, 37, 38].map(|place: usize| fields[place].clone())
    };
    words("vrrp_priority -7\n vrrp_cpu_affinity 0\n vrrp_no_swap");
    let mut daemon = machine.start(&[]);
    assert_eq!(fields(), ["-7", "0", "0"]);
    let status = of_worker("status");
    assert!(status.contains("Cpus_allowed_list:\t0\n"), "{status}");
    assert!(!status.contains("VmLck:\t       0 kB"), "{status}");
    assert_eq!(daemon.stop(), 0);
    std::fs::write(machine.path("stderr"), "").unwrap();
    words("vrrp_rt_priority 3\n vrrp_rlimit_rttime 4000000");
    let mut daemon = machine.start(&[]);
    assert_eq!(fields()[1..], ["3", "2"]);
    let limits = of_worker("limits");
    let limit = limits.lines().find(|line| line.starts_with("Max realtime timeout")).unwrap();
    assert!(limit.contains("4000000"), "{limit}");
    assert_eq!(daemon.stop(), 0);
}

/// What passes the links of the machine, as frames.
pub(crate) struct Capture(std::os::fd::OwnedFd);

impl Capture {
    pub(crate) fn start() -> Self {
        use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).unwrap();
        rustix::net::sockopt::set_socket_recv_buffer_size(&fd, 1 << 20).unwrap();
        Self(fd)
    }

    /// Every frame that has come, long enough for the offsets above.
    pub(crate) fn read(&self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut buffer = [0; 2048];
        while let Ok((_, length)) = rustix::net::recv(&self.0, &mut buffer, rustix::net::RecvFlags::empty()) {
            let mut frame = buffer[..length].to_vec();
            frame.resize(length.max(64), 0);
            frames.push(frame);
        }
        frames
    }
}
