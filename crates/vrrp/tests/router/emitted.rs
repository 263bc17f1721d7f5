//! What is sent, octet for octet as keepalived sends it.

use crate::lan::{FIRST, World, alone, frame_of, ms, v2, v3, v6, vip, with_password, with_priority};
use standfast_model::config::vrrp::Instance;
use standfast_model::{AdvertInterval, Version, Vrid};
use standfast_vrrp::Event;
use std::time::Duration;

fn sent(world: &World) -> Vec<u8> {
    world.nodes[0].sent().pop().unwrap()
}

/// Runs an instance until its first advertisement.
fn first(instance: Instance) -> Vec<u8> {
    let mut world = World::of([alone(instance)]);
    // The longest wait is that of 40.95 s: one advertisement, and the second is not due yet.
    for _ in 0..1_700 {
        world.run(Duration::from_millis(100));
        if !world.nodes[0].adverts(FIRST).is_empty() {
            return sent(&world);
        }
    }
    panic!("never master")
}

/// Sends three advertisements as owner and resigns with the fourth.
fn resignation(instance: Instance) -> Vec<u8> {
    let mut world = World::of([alone(with_priority(instance, 255))]);
    world.run_until(ms(2_500));
    world.event(0, Event::Shutdown);
    sent(&world)
}

fn numbered(vrid: u8, instance: Instance) -> Instance {
    Instance { vrid: Vrid::new(vrid).unwrap(), ..with_priority(instance, 255) }
}

fn addresses(list: &[&str], instance: Instance) -> Instance {
    Instance { addresses: list.iter().map(|text| vip(text)).collect(), ..instance }
}

// REQ: VRRP2-5.2.1-01 VRRP2-5.2.2-01 VRRP2-5.2.3-01 VRRP2-5.2.4-01 VRRP2-5.3.1-01 VRRP2-5.3.4-01 VRRP2-5.3.7-01
// REQ: VRRP2-5.3.8-01 VRRP2-5.3.9-01 VRRP2-5.3.10-01 VRRP2-7.2-01 VRRP2-7.2-03 VRRP2A-5.3.6-01 VRRP2A-5.3.6-02
// REQ: VRRP3-5.1.1.2-01 VRRP3-5.2.1-01 VRRP3-5.2.7-01 VRRP3-5.2.8-03 VRRP3-7.2-01 KA-CNT0-01
#[test]
fn ipv4_advertisements_are_keepalived_s_octet_for_octet() {
    let centis =
        |cs, instance| Instance { advert_interval: AdvertInterval::from_centiseconds(cs).unwrap(), ..instance };
    let three = ["192.0.2.9/32", "192.0.2.8/32", "192.0.2.10/32"];
    let five_seconds = Instance { advert_interval: AdvertInterval::from_seconds(5).unwrap(), ..v2() };
    for (name, packet) in [
        ("W-V2-100", first(v2())),
        ("W-V2-255", first(with_priority(v2(), 255))),
        ("W-V2-PRIO0", resignation(v2())),
        ("W-V2-3ADDR", first(addresses(&three, numbered(1, five_seconds)))),
        (
            "W-V2-PASS-3",
            first(addresses(
                &["192.0.2.101/32", "192.0.2.102/32", "198.51.100.7/32"],
                numbered(52, with_password(v2(), "s3cr3t")),
            )),
        ),
        ("W-V2-PASS-LONG", first(numbered(54, with_password(v2(), "abcdefghijk")))),
        ("W-V2-COUNT0", first(addresses(&[], numbered(55, v2())))),
        ("W-V3-4-100", first(v3())),
        ("W-V3-4-1", first(with_priority(v3(), 255))),
        ("W-V3-4-PRIO0", resignation(v3())),
        ("W-V3-4-25CS", first(addresses(&["192.0.2.100/32", "192.0.2.101/32"], numbered(7, centis(25, v3()))))),
        ("W-V3-4-MAX", first(numbered(255, centis(4095, v3())))),
    ] {
        assert_eq!(packet, frame_of(name)[14..], "{name}");
    }
}

// REQ: VRRP3-5.1.2.1-01 VRRP3-5.1.2.2-01 VRRP3-5.2.8-02 KA-V2V6-01
#[test]
fn ipv6_advertisements_are_keepalived_s_octet_for_octet() {
    let version_2 = Instance { version: Version::V2, ..numbered(52, v6()) };
    for (name, message) in [
        ("W-V3-6-LL", first(with_priority(v6(), 255))),
        ("W-V3-6-PRIO0", resignation(v6())),
        ("W-V2-IN-V6", first(with_password(version_2, "ignored"))),
    ] {
        assert_eq!(message, frame_of(name)[54..], "{name}");
    }
}
