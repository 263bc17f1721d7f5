//! The packet socket against the kernel of this machine.

use crate::namespace::{Cable, Capture, SOON, hex};
use standfast_kernel::packet_socket::{Frame, PacketSocket};
use standfast_model::InterfaceIndex;

/// W-GARP-PHYS: gratuitous ARP for 192.0.2.100.
const GARP: &str = "ffffffffffff02000000000a0806000108000604000102000000000ac0000264ffffffffffffc0000264";
/// W-NA-HOST: unsolicited neighbour advertisement for 2001:db8::100.
const NA: &str = "33330000000102000000000a86dd6000000000203aff20010db8000000000000000000000100ff0200000000000000000000000000018800f7232000000020010db8000000000000000000000100020102000000000a";

#[tokio::test]
async fn gratuitous_arp_and_neighbour_advertisement_leave_octet_by_octet() {
    let cable = Cable::new();
    let capture = Capture::start(&cable.b);
    let socket = {
        let _here = cable.a.enter();
        PacketSocket::open().unwrap()
    };
    let interface = cable.a.index("a0");
    let (arp, na) = (hex(GARP), hex(NA));
    let burst = socket.send(&[Frame { interface, bytes: &arp }, Frame { interface, bytes: &na }]);
    assert_eq!((burst.done, burst.refused.len()), (2, 0));
    assert_eq!(capture.next(|frame| frame[12..14] == [0x08, 0x06]).await, arp);
    assert_eq!(capture.next(|frame| frame == na).await, na);
    // What the neighbour makes of it.
    cable.b.ip("neigh add 192.0.2.100 lladdr 02:00:00:00:00:ff nud stale dev b0");
    socket.send(&[Frame { interface, bytes: &arp }]);
    let learned = async {
        while !cable.b.ip("neigh show 192.0.2.100").contains("02:00:00:00:00:0a") {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, learned).await.unwrap();
}

#[tokio::test]
async fn thousands_of_frames_leave_in_order() {
    let cable = Cable::new();
    let capture = Capture::start(&cable.b);
    let socket = {
        let _here = cable.a.enter();
        PacketSocket::open().unwrap()
    };
    let interface = cable.a.index("a0");
    let frames: Vec<Vec<u8>> = (0..5000_u32)
        .map(|n| {
            let mut frame = hex(GARP);
            frame[38..42].copy_from_slice(&n.to_be_bytes());
            frame
        })
        .collect();
    let burst: Vec<Frame<'_>> = frames.iter().map(|bytes| Frame { interface, bytes }).collect();
    let mut done = 0;
    while done < burst.len() {
        let progress = socket.send(&burst[done..]);
        assert!(progress.refused.is_empty(), "{:?}", progress.refused);
        done += progress.done;
        socket.writable().await.unwrap();
    }
    for frame in &frames {
        assert_eq!(&capture.next(|f| f[12..14] == [0x08, 0x06]).await, frame);
    }
}

#[tokio::test]
async fn a_frame_that_cannot_leave_does_not_stop_the_others() {
    let cable = Cable::new();
    cable.plug("a1", "b1", 4);
    cable.a.ip("link set a1 down");
    let capture = Capture::start(&cable.b);
    let socket = {
        let _here = cable.a.enter();
        PacketSocket::open().unwrap()
    };
    let (up, down, missing) = (cable.a.index("a0"), cable.a.index("a1"), InterfaceIndex(4_000_000));
    let arp = hex(GARP);
    let good = Frame { interface: up, bytes: &arp };
    let burst = socket.send(&[
        good,
        Frame { interface: down, bytes: &arp },
        Frame { interface: missing, bytes: &arp },
        Frame { interface: up, bytes: &arp[..13] },
        good,
    ]);
    assert_eq!(burst.done, 5);
    let refused: Vec<(usize, Option<i32>)> = burst.refused.iter().map(|(n, why)| (*n, why.raw_os_error())).collect();
    assert_eq!(refused, [(1, Some(libc::ENETDOWN)), (2, Some(libc::ENXIO)), (3, None)]);
    for _ in 0..2 {
        assert_eq!(capture.next(|f| f[12..14] == [0x08, 0x06]).await, arp);
    }
}

#[tokio::test]
async fn a_full_queue_stops_the_burst_and_tells_how_much_is_left() {
    let cable = Cable::new();
    // One kilobyte a second with room for some ten frames: no hardware is as slow.
    cable.a.run("tc qdisc add dev a0 root tbf rate 8kbit burst 1600 limit 600");
    let socket = {
        let _here = cable.a.enter();
        PacketSocket::open().unwrap()
    };
    let interface = cable.a.index("a0");
    let arp = hex(GARP);
    let frames = vec![Frame { interface, bytes: &arp }; 1000];
    let burst = socket.send(&frames);
    assert!(burst.refused.is_empty(), "{:?}", burst.refused);
    assert!((10..200).contains(&burst.done), "{} of 1000 dealt with", burst.done);
    // The queue is as full as it was: nothing more is taken, and nothing hangs.
    assert!(socket.send(&frames).done < 10);
}

#[tokio::test]
async fn nothing_is_ever_received_on_it() {
    let cable = Cable::new();
    let (ours, theirs) = {
        let _here = cable.b.enter();
        (PacketSocket::open().unwrap(), Capture::start(&cable.b))
    };
    let sender = {
        let _here = cable.a.enter();
        PacketSocket::open().unwrap()
    };
    let arp = hex(GARP);
    sender.send(&[Frame { interface: cable.a.index("a0"), bytes: &arp }]);
    theirs.next(|f| f == arp).await;
    let mut buffer = [0; 100];
    let received = rustix::net::recv(&ours, &mut buffer, rustix::net::RecvFlags::DONTWAIT);
    assert_eq!(received.unwrap_err(), rustix::io::Errno::AGAIN);
}
