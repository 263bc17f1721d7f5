//! What concerns IPVS as a whole: opening and emptying it, its timeouts, the connection sync daemon.

use crate::support::{destination, ipvs, key, listing, round_trip, run, service};
use nix::sched::{CloneFlags, unshare};
use standfast_kernel::ipvs::{Ipvs, OpenError, SyncState};
use standfast_lvs::{SyncRole, Table};
use standfast_model::config::global::NetlinkBuffer;
use standfast_model::config::lvs::{SyncDaemon, Timeouts};
use standfast_model::ipvs::{Destination, Forwarding, Protocol};
use std::process::Command;

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn it_opens_with_a_version_and_an_empty_table() {
    let mut ipvs = ipvs();
    assert_eq!((ipvs.version().major, ipvs.version().minor), (1, 2));
    assert!(ipvs.version().connection_table_size >= 256);
    assert_eq!(ipvs.dump().unwrap(), Table::default());
    assert!(listing().is_empty());
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn a_flush_leaves_nothing() {
    let mut ipvs = ipvs();
    let web = service(key(Protocol::Tcp, "192.0.2.1", 80), "rr");
    round_trip(&mut ipvs, &[(&web, &[destination("10.0.0.1", 80, Forwarding::Nat)])]);
    ipvs.flush().unwrap();
    assert_eq!(ipvs.dump().unwrap(), Table::default());
    assert!(listing().is_empty());
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn timeouts_are_set_and_0_leaves_what_was() {
    let mut ipvs = ipvs();
    let before = ipvs.timeouts().unwrap();
    assert!(before.tcp > 0 && before.tcp_fin > 0 && before.udp > 0);
    ipvs.set_timeouts(Timeouts { tcp: 900, tcp_fin: 0, udp: 300 }).unwrap();
    assert_eq!(ipvs.timeouts().unwrap(), Timeouts { tcp: 900, tcp_fin: before.tcp_fin, udp: 300 });
    let expected = format!("Timeout (tcp tcpfin udp): 900 {} 300", before.tcp_fin);
    assert_eq!(run("ipvsadm -L --timeout").trim(), expected);
    assert_eq!(ipvs.set_timeouts(Timeouts { tcp: u32::MAX, tcp_fin: 0, udp: 0 }).unwrap_err().errno, libc::EINVAL);
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn the_sync_daemon_is_the_one_that_is_wanted_and_no_other() {
    let mut ipvs = ipvs();
    run("ip link add lan type dummy; ip addr add 192.0.2.1/24 dev lan; ip link set lan up");
    assert_eq!(ipvs.sync_daemons().unwrap(), []);
    let config = SyncDaemon {
        interface: "lan".parse().unwrap(),
        instance: None,
        id: 51,
        max_length: Some(1400),
        port: Some(8848),
        ttl: Some(3),
        group: Some([224, 0, 0, 99].into()),
    };
    let expected = |sends| SyncState {
        sends,
        interface: "lan".to_owned(),
        id: 51,
        max_length: Some(1400),
        port: Some(8848),
        ttl: Some(3),
        group: Some([224, 0, 0, 99].into()),
    };
    for sends in [false, true, true, false] {
        let role = SyncRole { sends, config: config.clone() };
        ipvs.set_sync_daemon(Some(&role)).unwrap();
        assert_eq!(ipvs.sync_daemons().unwrap(), [expected(sends)]);
        let listed = run("ipvsadm -L --daemon");
        let word = if sends { "master sync daemon" } else { "backup sync daemon" };
        assert!(listed.contains(word) && listed.lines().count() == 1, "{listed}");
        assert!(listed.contains("mcast=lan") && listed.contains("syncid=51"), "{listed}");
    }
    // With another id it is another daemon, and what is not said is the kernel's.
    let plain = SyncDaemon { id: 7, max_length: None, port: None, ttl: None, group: None, ..config };
    ipvs.set_sync_daemon(Some(&SyncRole { sends: false, config: plain })).unwrap();
    let daemons = ipvs.sync_daemons().unwrap();
    assert_eq!((daemons.len(), daemons[0].id, daemons[0].port, daemons[0].ttl), (1, 7, Some(8848), Some(1)));
    ipvs.set_sync_daemon(None).unwrap();
    assert_eq!(ipvs.sync_daemons().unwrap(), []);
    // An interface that is not there is refused, and the refusal has its reason.
    let nowhere = SyncDaemon {
        interface: "nowhere".parse().unwrap(),
        instance: None,
        id: 1,
        max_length: None,
        port: None,
        ttl: None,
        group: None,
    };
    let refused = ipvs.set_sync_daemon(Some(&SyncRole { sends: true, config: nowhere })).unwrap_err();
    assert_eq!(refused.errno, libc::ENODEV);
}

/// Says what open says; the test below runs it without the capability.
#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn helper_opens_without_permission() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    if std::env::var_os("STANDFAST_WITHOUT_NET_ADMIN").is_some() {
        let why = Ipvs::open().unwrap_err();
        assert!(matches!(why, OpenError::NoPermission), "{why:?}");
    }
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn without_the_capability_open_says_so() {
    let status = Command::new("setpriv")
        .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "whole::helper_opens_without_permission"])
        .env("STANDFAST_WITHOUT_NET_ADMIN", "1")
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
#[ignore = "needs root and a kernel with IPVS"]
fn a_table_is_read_whole_through_the_smallest_receive_queue() {
    let mut ipvs = ipvs();
    // The kernel makes it a few kilobytes: a dump that does not fit goes on when there is room.
    ipvs.set_queue(NetlinkBuffer { bytes: 1, force: false }).unwrap();
    let web = service(key(Protocol::Tcp, "192.0.2.1", 80), "rr");
    let destinations: Vec<Destination> =
        (1..=200).map(|n| destination(&format!("10.0.0.{n}"), 80, Forwarding::Nat)).collect();
    round_trip(&mut ipvs, &[(&web, &destinations)]);
}
