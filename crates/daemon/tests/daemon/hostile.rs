//! Everybody who is hostile at once, at the control socket and at the status page, and a master whose advertisements have
//! to come in time meanwhile.

use crate::adoption::Wire;
use crate::machine::{Machine, becomes, pid_in, wait_for};
use core::time::Duration;
use standfast_kernel::timer::boottime;
use standfast_model::Instant;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

const SOCKET: &str = "/run/standfast/control";
const PAGE: &str = "127.0.0.1:8112";

/// Four intervals of the instance: long enough for a standby to have taken over twice.
const SIEGE: Duration = Duration::from_secs(6);

const CONF: &str = "
global_defs {
    http_listen
}
vrrp_instance VI_E {
    version 3
    interface east
    virtual_router_id 51
    priority 150
    advert_int 0.5
    virtual_ipaddress {
        192.0.2.100/24
    }
}
";

const STATUS: &[u8] = b"{\"version\":1,\"request\":{\"status\":{\"fresh\":true}}}\n";
const FOLLOW: &[u8] = b"{\"version\":1,\"request\":{\"events\":{\"last\":1000,\"follow\":true}}}\n";

/// Where a connection goes.
trait Door: Read + Write + Sized {
    fn open() -> std::io::Result<Self>;
    fn patience(&self, time: Duration);
}

impl Door for UnixStream {
    fn open() -> std::io::Result<Self> {
        Self::connect(SOCKET)
    }

    fn patience(&self, time: Duration) {
        self.set_read_timeout(Some(time)).unwrap();
        self.set_write_timeout(Some(time)).unwrap();
    }
}

impl Door for TcpStream {
    fn open() -> std::io::Result<Self> {
        Self::connect(PAGE)
    }

    fn patience(&self, time: Duration) {
        self.set_read_timeout(Some(time)).unwrap();
        self.set_write_timeout(Some(time)).unwrap();
    }
}

/// Does it again and again until the siege is over, and says how often something came of it.
fn again(until: Instant, mut attack: impl FnMut() -> bool + Send + 'static) -> JoinHandle<u32> {
    std::thread::spawn(move || {
        let mut times = 0;
        while boottime() < until {
            times += u32::from(attack());
        }
        times
    })
}

fn opened<D: Door>() -> Option<D> {
    let stream = D::open().ok()?;
    stream.patience(Duration::from_secs(2));
    Some(stream)
}

/// A request, and the first of its answer.
fn asks<D: Door>(request: &[u8]) -> bool {
    let Some(mut stream) = opened::<D>() else { return false };
    // Who is turned away is so before it has said anything.
    let _ = stream.write_all(request);
    stream.read(&mut [0; 512]).is_ok_and(|length| length > 0)
}

/// Ten megabytes without an end of the line.
fn sends_ten_megabytes<D: Door>() -> bool {
    let Some(mut stream) = opened::<D>() else { return false };
    let piece = [b'x'; 65_536];
    (0..160).take_while(|_| stream.write_all(&piece).is_ok()).count() > 0
}

/// A letter now and then.
fn sends_slowly<D: Door>(request: &'static [u8]) -> bool {
    let Some(mut stream) = opened::<D>() else { return false };
    let sent = request
        .iter()
        .take_while(|letter| !becomes(Duration::from_millis(200), || false) && stream.write_all(&[**letter]).is_ok());
    sent.take(12).count() > 0
}

/// Asks for much, and reads nothing of it.
fn does_not_read<D: Door>(request: &[u8]) -> bool {
    let Some(mut stream) = opened::<D>() else { return false };
    let asked = (0..200).take_while(|_| stream.write_all(request).is_ok()).count() > 0;
    becomes(Duration::from_secs(1), || false);
    asked
}

/// A connection, and its end.
fn comes_and_goes<D: Door>() -> bool {
    D::open().is_ok()
}

#[test]
fn a_siege_of_the_socket_and_the_page_takes_no_time_from_advertisements() {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", CONF);
    let mut daemon = machine.start(&[]);
    wait_for("the mastership", || machine.read("stderr").contains("Entering MASTER STATE"));
    let worker = pid_in("/run/vrrp.pid");
    let wire = Wire::tap("east");
    let until = boottime() + SIEGE;
    const GET: &[u8] = b"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1:8112\r\n\r\n";
    let mut attacks = Vec::new();
    for _ in 0..2 {
        attacks.extend([
            ("asks the socket", again(until, || asks::<UnixStream>(STATUS))),
            ("asks the page", again(until, || asks::<TcpStream>(GET))),
            ("no request", again(until, || asks::<UnixStream>(b"\xff\x00{[\n"))),
            ("half a request", again(until, || asks::<UnixStream>(b"{\"version\":1,\"requ"))),
            ("ten megabytes for the socket", again(until, sends_ten_megabytes::<UnixStream>)),
            ("ten megabytes for the page", again(until, sends_ten_megabytes::<TcpStream>)),
            ("a letter at a time for the socket", again(until, || sends_slowly::<UnixStream>(STATUS))),
            ("a letter at a time for the page", again(until, || sends_slowly::<TcpStream>(GET))),
            ("reads nothing of the socket", again(until, || does_not_read::<UnixStream>(FOLLOW))),
            ("reads nothing of the page", again(until, || does_not_read::<TcpStream>(GET))),
            ("comes to the socket and goes", again(until, comes_and_goes::<UnixStream>)),
            ("comes to the page and goes", again(until, comes_and_goes::<TcpStream>)),
        ]);
    }
    for (attack, thread) in attacks {
        // Half a request is never answered, and that is all that it is.
        assert!(thread.join().unwrap() > 0 || attack == "half a request", "{attack}: nothing came of it");
    }
    let (gap, sent) = wire.longest_gap();
    // A standby would take over after three intervals and its skew. The machine is shared: that nobody would have is what
    // is asked for.
    assert!(gap < Duration::from_millis(1500), "nothing was sent for {gap:?}");
    assert!(sent >= 8, "{sent} advertisements");
    assert_eq!(pid_in("/run/vrrp.pid"), worker);
    // It is over, and whoever asks is answered.
    wait_for("an answer", || {
        let Some(mut stream) = opened::<UnixStream>() else { return false };
        let mut line = String::new();
        stream.write_all(STATUS).is_ok() && BufReader::new(stream).read_line(&mut line).is_ok() && line.contains("VI_E")
    });
    assert!(!machine.read("stderr").contains("panicked"), "{}", machine.read("stderr"));
    assert_eq!(daemon.stop(), 0);
}
