//! A machine for one test: mount and network namespaces of its own for the calling thread and what it starts, empty
//! `/run` and `/dev`, and a daemon that is gone when the test is.

use core::time::Duration;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use standfast_kernel::timer::boottime;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// How long anything may take before the test fails. Generous: the machine is shared.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two instances on one veth pair; the other end of it is up as well, so the link has a carrier.
pub(crate) const PAIR: &str = "
vrrp_instance VI_E {
    state MASTER
    interface east
    virtual_router_id 51
    priority 150
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass s3cr3tpw
    }
    virtual_ipaddress {
        192.0.2.100/24
    }
}
";

/// The namespaces. Made by the thread of the test, which never leaves them.
pub(crate) struct Machine {
    /// A directory that nobody else sees, for the files of the test.
    pub(crate) directory: PathBuf,
}

impl Machine {
    pub(crate) fn new() -> Self {
        // A daemon that leaves the terminal becomes our child again, so that we can take leave of it.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).expect("namespaces need root");
        let nothing = None::<&str>;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
        mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), nothing).unwrap();
        // What outlives a boot is kept there, and must not outlive a test.
        mount(Some("tmpfs"), "/var/lib", Some("tmpfs"), MsFlags::empty(), nothing).unwrap();
        std::fs::create_dir("/var/lib/standfast").unwrap();
        let devices = Path::new("/run/devices");
        std::fs::create_dir(devices).unwrap();
        for device in ["null", "zero", "urandom"] {
            let place = devices.join(device);
            File::create(&place).unwrap();
            mount(Some(&Path::new("/dev").join(device)), &place, nothing, MsFlags::MS_BIND, nothing).unwrap();
        }
        mount(Some(devices), "/dev", nothing, MsFlags::MS_BIND | MsFlags::MS_REC, nothing).unwrap();
        let directory = PathBuf::from("/run/test");
        std::fs::create_dir(&directory).unwrap();
        let machine = Self { directory };
        machine.write("keepalived.conf", "");
        machine
    }

    /// A machine with the interface that [`PAIR`] wants and that configuration.
    pub(crate) fn with_pair() -> Self {
        let machine = Self::new();
        run("ip link set lo up");
        run("ip link add east type veth peer name west");
        run("ip address add 192.0.2.1/24 dev east");
        run("ip link set west up");
        run("ip link set east up");
        machine.write("keepalived.conf", PAIR);
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Copies a program. By another process: a child that another test forks while we have the copy open for writing
    /// would keep it from being executed.
    pub(crate) fn copy(&self, program: &str, name: &str) -> PathBuf {
        let place = self.path(name);
        run(&format!("cp {program} {}", place.display()));
        place
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program with the machine's configuration and these words; what it says goes into the file `stderr`.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_standfastd")), words)
    }

    pub(crate) fn command_of(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.arg("-f").arg(self.path("keepalived.conf")).args(words);
        command.env_remove("NOTIFY_SOCKET").current_dir(&self.directory).stdin(Stdio::null());
        let stderr = File::options().append(true).create(true).open(self.path("stderr")).unwrap();
        command.stdout(stderr.try_clone().unwrap()).stderr(stderr);
        command
    }

    /// Runs the program to its end.
    pub(crate) fn status(&self, words: &[&str]) -> i32 {
        let mut child = Daemon { child: self.command(words).spawn().unwrap() };
        child.end().code().expect("killed")
    }

    /// Starts the daemon in the foreground and waits until its workers run.
    pub(crate) fn start(&self, words: &[&str]) -> Daemon {
        self.start_command(&mut self.command(&[&["-n"], words].concat()))
    }

    /// Starts the daemon in the background and returns its number.
    pub(crate) fn start_in_background(&self, words: &[&str]) -> i32 {
        assert_eq!(self.status(words), 0, "{}", self.read("stderr"));
        pid_in("/run/keepalived.pid").expect("the pid file was not there yet")
    }

    /// Stops a daemon in the background.
    pub(crate) fn stop_in_background(&self, pid: i32) {
        kill(pid, Signal::TERM);
        self.take_leave_of(pid);
    }

    /// Waits for the end of a daemon in the background.
    pub(crate) fn take_leave_of(&self, pid: i32) {
        wait_for("the end", || !runs(pid));
        let _ = waitpid(Pid::from_raw(pid), WaitOptions::NOHANG);
    }

    pub(crate) fn start_command(&self, command: &mut Command) -> Daemon {
        let daemon = Daemon { child: command.spawn().unwrap() };
        wait_for("the start", || self.read("stderr").contains("Startup complete"));
        daemon
    }
}

impl Drop for Machine {
    /// Ends what a failed test has left running, in the order supervisor, worker.
    fn drop(&mut self) {
        for file in ["/run/keepalived.pid", "/run/vrrp.pid", "/run/checkers.pid"] {
            let Some(pid) = pid_in(file).filter(|pid| runs(*pid)) else { continue };
            if is_ours(pid) {
                let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
                let _ = becomes(Duration::from_secs(5), || !runs(pid));
                let _ = waitpid(Pid::from_raw(pid), WaitOptions::NOHANG);
            }
        }
    }
}

/// A number in a file may have become somebody else's.
fn is_ours(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "standfastd\n")
}

/// The number in a pid file.
pub(crate) fn pid_in(path: &str) -> Option<i32> {
    std::fs::read_to_string(path).ok()?.strip_suffix('\n')?.parse().ok()
}

/// Whether a process runs, rather than being gone or a zombie.
pub(crate) fn runs(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

pub(crate) fn kill(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Runs a command that has to succeed.
pub(crate) fn run(command: &str) {
    let mut words = command.split_whitespace();
    let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
    assert!(status.success(), "{command}");
}

/// Waits until it is so.
pub(crate) fn wait_for(what: &str, so: impl FnMut() -> bool) {
    assert!(becomes(PATIENCE, so), "waited for {what} in vain");
}

/// Whether it becomes so in that time.
pub(crate) fn becomes(within: Duration, mut so: impl FnMut() -> bool) -> bool {
    let begun = boottime();
    loop {
        if so() {
            return true;
        }
        if boottime().since(begun) > within {
            return false;
        }
        #[expect(clippy::disallowed_methods, reason = "a test has nothing else to wait on")]
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A daemon in the foreground, killed with its workers when the test ends.
pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    pub(crate) const fn of(child: Child) -> Self {
        Self { child }
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    pub(crate) fn end(&mut self) -> ExitStatus {
        let mut status = None;
        wait_for("the end of the daemon", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Stops it in order and returns its exit status.
    pub(crate) fn stop(&mut self) -> i32 {
        self.signal(Signal::TERM);
        self.end().code().expect("killed")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Daemon {
    /// Its worker leaves with it, or is ended with the machine.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// journald's end of the native protocol.
pub(crate) struct Journal {
    socket: UnixDatagram,
    pub(crate) entries: Vec<BTreeMap<String, String>>,
}

impl Journal {
    /// To be made before the daemon starts.
    pub(crate) fn listen() -> Self {
        std::fs::create_dir_all("/run/systemd/journal").unwrap();
        let socket = UnixDatagram::bind("/run/systemd/journal/socket").unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, entries: Vec::new() }
    }

    /// Reads what has come.
    pub(crate) fn read(&mut self) {
        let mut buffer = [0; 65536];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            if length > 0 {
                self.entries.push(fields(&buffer[..length]));
            }
        }
    }

    /// Waits for an entry whose message contains the text.
    pub(crate) fn wait_for(&mut self, text: &str) -> BTreeMap<String, String> {
        let mut found = None;
        wait_for(text, || {
            self.read();
            found = self.entries.iter().find(|entry| entry["MESSAGE"].contains(text)).cloned();
            found.is_some()
        });
        found.unwrap()
    }
}

/// The fields of a datagram of the native protocol.
fn fields(mut datagram: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while !datagram.is_empty() {
        let end = datagram.iter().position(|byte| *byte == b'\n').expect("a field without an end");
        let line = std::str::from_utf8(&datagram[..end]).unwrap();
        datagram = &datagram[end + 1..];
        if let Some((name, value)) = line.split_once('=') {
            fields.insert(name.to_owned(), value.to_owned());
        } else {
            let (length, rest) = datagram.split_first_chunk::<8>().unwrap();
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap();
            fields.insert(line.to_owned(), String::from_utf8(rest[..length].to_vec()).unwrap());
            assert_eq!(rest[length], b'\n');
            datagram = &rest[length + 1..];
        }
    }
    fields
}
