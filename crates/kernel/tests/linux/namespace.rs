//! Network namespaces of this process for tests: a pair of them joined by a cable.
//!
//! They have no name and no process, only descriptors: they vanish with the test, however it ends. Nothing is ever
//! done in the namespace of the machine.

use nix::sched::{CloneFlags, setns, unshare};
use socket2::{Domain, Protocol, Socket, Type};
use standfast_kernel::async_fd::AsyncFd;
use standfast_model::InterfaceIndex;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

/// How long anything that should happen may take.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// How long one waits for what should not happen: two hundred times the way through a veth pair.
pub(crate) const A_WHILE: Duration = Duration::from_millis(50);

const MY_NAMESPACE: &str = "/proc/thread-self/ns/net";

/// A network namespace with `lo` up.
pub(crate) struct Namespace {
    handle: File,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests make network namespaces and raw sockets: run them as root"
        );
        let handle = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("unshare(CLONE_NEWNET)");
            File::open(MY_NAMESPACE).unwrap()
        })
        .join()
        .unwrap();
        let namespace = Self { handle };
        namespace.ip("link set lo up");
        namespace
    }

    /// What is done until the result is dropped is done in this namespace, by this thread.
    #[must_use]
    pub(crate) fn enter(&self) -> Entered {
        let before = File::open(MY_NAMESPACE).unwrap();
        setns(&self.handle, CloneFlags::CLONE_NEWNET).unwrap();
        Entered { before }
    }

    /// `sh -c COMMAND` in it; its output. Fails the test if the command fails.
    pub(crate) fn run(&self, command: &str) -> String {
        let _here = self.enter();
        let output = Command::new("sh").args(["-c", command]).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}: {}{printed}", String::from_utf8_lossy(&output.stderr));
        printed
    }

    /// `ip ARGUMENTS` in it.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        self.run(&format!("ip {arguments}"))
    }

    pub(crate) fn index(&self, name: &str) -> InterfaceIndex {
        let _here = self.enter();
        InterfaceIndex(nix::net::if_::if_nametoindex(name).unwrap())
    }

    /// A path by which other processes can name it.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.handle.as_raw_fd())
    }
}

/// Takes the thread back to where it was.
pub(crate) struct Entered {
    before: File,
}

impl Drop for Entered {
    fn drop(&mut self) {
        setns(&self.before, CloneFlags::CLONE_NEWNET).unwrap();
    }
}

/// Two namespaces joined by a cable: `a0` with 02:00:00:00:00:0a, 192.0.2.1/24 and fe80::1/64, `b0` with ...:0b,
/// 192.0.2.2/24 and fe80::2/64, as in the wire vectors.
pub(crate) struct Cable {
    pub(crate) a: Namespace,
    pub(crate) b: Namespace,
}

impl Cable {
    pub(crate) fn new() -> Self {
        let cable = Self { a: Namespace::new(), b: Namespace::new() };
        cable.plug("a0", "b0", 2);
        cable
    }

    /// A cable more between the two; its addresses end in `host` - 1 and `host`.
    pub(crate) fn plug(&self, at_a: &str, at_b: &str, host: u8) {
        self.a.ip(&format!(
            "link add {at_a} address 02:00:00:00:{:02x}:0a type veth peer name {at_b} address 02:00:00:00:{:02x}:0b \
             netns {}",
            host - 2,
            host - 2,
            self.b.path()
        ));
        for (side, name, host) in [(&self.a, at_a, host - 1), (&self.b, at_b, host)] {
            // Without address generation there is no duplicate address detection to wait for.
            side.ip(&format!("link set {name} addrgenmode none"));
            side.ip(&format!("addr add 192.0.2.{host}/24 dev {name}"));
            side.ip(&format!("addr add fe80::{host}/64 dev {name} nodad"));
            side.ip(&format!("link set {name} up"));
        }
        // The kernel tells IPv6 of the carrier up to a second later, and until then it hears no group.
        for (side, name) in [(&self.a, at_a), (&self.b, at_b)] {
            side.run(&format!(
                "for i in $(seq 500); do ip -6 route show table local dev {name} | grep -q ff00:: && exit; sleep 0.01; \
                 done; exit 1"
            ));
        }
    }
}

/// Everything that passes the links of a namespace, as frames.
pub(crate) struct Capture {
    socket: AsyncFd<Socket>,
}

impl Capture {
    pub(crate) fn start(namespace: &Namespace) -> Self {
        let _here = namespace.enter();
        let every_protocol = Protocol::from(i32::from(0x0003_u16.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(every_protocol)).unwrap();
        socket.set_recv_buffer_size(16 << 20).unwrap();
        Self { socket: AsyncFd::new(socket).unwrap() }
    }

    /// The next frame that `wanted` likes.
    pub(crate) async fn next(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let wait = async {
            loop {
                while let Some(frame) = self.try_next() {
                    if wanted(&frame) {
                        return frame;
                    }
                }
                self.socket.readable().await.unwrap();
            }
        };
        tokio::time::timeout(SOON, wait).await.expect("no such frame was seen")
    }

    pub(crate) fn try_next(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0; 65_536];
        let read = |socket: &Socket| Ok(rustix::net::recv(socket, &mut *frame, rustix::net::RecvFlags::empty())?.0);
        let length = self.socket.try_read(read).unwrap()?;
        frame.truncate(length);
        Some(frame)
    }
}

/// Octets of a hexadecimal string.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
