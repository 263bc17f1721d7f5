//! Start and stop: pid files, the terminal, the service manager, what processes look like.

use crate::machine::{Machine, becomes, pid_in, runs, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::path::Path;

#[test]
fn pid_files_come_with_the_processes_and_go_with_them() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let worker = pid_in("/run/vrrp.pid").unwrap();
    assert_eq!(pid_in("/run/keepalived.pid"), Some(daemon.pid()));
    assert!(runs(worker) && worker != daemon.pid());
    assert!(!Path::new("/run/checkers.pid").exists(), "no virtual_server, no check worker");
    for file in ["/run/keepalived.pid", "/run/vrrp.pid"] {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o644, "{file}");
    }
    assert_eq!(daemon.stop(), 0);
    let said = machine.read("stderr");
    assert!(said.contains("Stopping: told to stop"), "a worker that listens needs no signal: {said}");
    assert!(!runs(worker));
    for file in ["/run/keepalived.pid", "/run/vrrp.pid"] {
        assert!(!Path::new(file).exists(), "{file}");
    }
}

#[test]
fn pid_files_are_where_the_words_say_with_the_permissions_of_keepalived() {
    let machine = Machine::with_pair();
    // A relative name means the directory of the start, also when the file is removed.
    let mut daemon = machine.start(&["-p", "main.pid", "--vrrp_pid=/run/test/worker.pid", "-u", "0777"]);
    assert_eq!(pid_in("/run/test/main.pid"), Some(daemon.pid()));
    assert!(runs(pid_in("/run/test/worker.pid").unwrap()));
    assert_eq!(std::fs::metadata("/run/test/main.pid").unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(daemon.stop(), 0);
    assert!(!machine.path("main.pid").exists() && !machine.path("worker.pid").exists());
}

#[test]
fn an_interrupt_stops_it_like_a_termination_unless_it_is_to_be_ignored() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    daemon.signal(Signal::INT);
    assert_eq!(daemon.end().code(), Some(0));
    std::fs::write(machine.path("stderr"), "").unwrap();
    let mut daemon = machine.start(&["--ignore-sigint"]);
    daemon.signal(Signal::INT);
    wait_for("the word for it", || machine.read("stderr").contains("ignored"));
    assert!(daemon.is_running());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn every_signal_that_keepalived_gives_a_meaning_is_survived_by_daemon_and_worker() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let worker = pid_in("/run/vrrp.pid").unwrap();
    for (name, words) in [
        ("RELOAD", "SIGHUP"),
        ("DATA", "SIGUSR1"),
        ("STATS", "SIGUSR2"),
        ("STATS_CLEAR", "SIGRTMAX-1"),
        ("JSON", "SIGRTMIN+2"),
        ("TDUMP", "SIGRTMAX"),
    ] {
        let output = machine.command(&[&format!("--signum={name}")]).stdout(std::process::Stdio::piped()).output();
        let number = String::from_utf8(output.unwrap().stdout).unwrap();
        for pid in [daemon.pid(), worker] {
            crate::machine::run(&format!("kill -{} {pid}", number.trim()));
        }
        wait_for(words, || {
            let said = machine.read("stderr");
            let from = format!("{words} from process");
            ["Keepalived[", "Keepalived_vrrp["]
                .iter()
                .all(|process| said.lines().any(|line| line.contains(process) && line.contains(&from)))
        });
    }
    assert!(daemon.is_running());
    assert_eq!(pid_in("/run/vrrp.pid"), Some(worker));
    assert_eq!(daemon.stop(), 0);
}

/// From `/proc`, which also knows the session 0: that of a caller outside of our process namespace.
fn session_and_terminal(pid: i32) -> (i32, i32) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[3].parse().unwrap(), fields[4].parse().unwrap())
}

#[test]
fn without_n_the_command_returns_when_the_pid_files_are_there() {
    let machine = Machine::with_pair();
    let mut journal = crate::machine::Journal::listen();
    let daemon = machine.start_in_background(&[]);
    assert!(runs(daemon));
    let (session, terminal) = session_and_terminal(daemon);
    assert_eq!(terminal, 0, "it has a terminal");
    assert_ne!(session, daemon, "it leads a session and could acquire a terminal");
    let (ours, _) = session_and_terminal(std::process::id().cast_signed());
    assert_ne!(session, ours, "it is still in the session of its caller");
    assert_eq!(std::fs::read_link(format!("/proc/{daemon}/cwd")).unwrap(), Path::new("/"));
    for fd in 0..3 {
        let target = std::fs::read_link(format!("/proc/{daemon}/fd/{fd}")).unwrap();
        assert!(target.ends_with("null"), "{fd}: {}", target.display());
    }
    journal.wait_for("Startup complete");
    let worker = pid_in("/run/vrrp.pid").unwrap();
    machine.stop_in_background(daemon);
    assert!(!runs(worker));
    assert!(!Path::new("/run/keepalived.pid").exists());
}

#[test]
fn the_service_manager_hears_when_it_is_ready_and_when_it_stops() {
    let machine = Machine::with_pair();
    let name = format!("standfast-test-notify-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut daemon = machine.start_command(machine.command(&["-n"]).env("NOTIFY_SOCKET", format!("@{name}")));
    let worker = pid_in("/run/vrrp.pid").unwrap();
    let environment = std::fs::read(format!("/proc/{worker}/environ")).unwrap();
    assert!(!environment.windows(13).any(|window| window == b"NOTIFY_SOCKET"), "the worker could speak in its name");
    let hear = || {
        let mut bytes = [0; 1000];
        let length = loop {
            match socket.recv(&mut bytes) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                outcome => break outcome.unwrap(),
            }
        };
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let ready = format!("READY=1\nMAINPID={}", daemon.pid());
    let mut heard = Vec::new();
    while heard.last() != Some(&ready) {
        heard.push(hear());
        assert!(heard.len() < 20, "{heard:?}");
    }
    assert!(heard.iter().rev().skip(1).all(|text| text.starts_with("STATUS=")), "{heard:?}");
    // The worker's own words arrive: one instance, which takes over after its master down interval.
    while !heard.last().unwrap().contains("MASTER 1, BACKUP 0") {
        heard.push(hear());
        assert!(heard.len() < 20, "{heard:?}");
    }
    assert_eq!(daemon.stop(), 0);
    while !heard.last().unwrap().starts_with("STOPPING=1") {
        heard.push(hear());
        assert!(heard.len() < 20, "{heard:?}");
    }
}

#[test]
fn a_worker_inherits_no_descriptor_that_someone_left_open() {
    let machine = Machine::with_pair();
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut command = machine.command(&["-n"]);
    let inherited = reader.as_raw_fd();
    #[expect(unsafe_code, reason = "a descriptor survives an exec only if the child clears its flag")]
    // SAFETY: fcntl on a descriptor that is open in the child; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            let reader = std::os::fd::BorrowedFd::borrow_raw(inherited);
            Ok(rustix::io::fcntl_setfd(reader, rustix::io::FdFlags::empty())?)
        });
    }
    let mut daemon = machine.start_command(&mut command);
    let worker = pid_in("/run/vrrp.pid").unwrap();
    let descriptors = |pid: i32| -> Vec<String> {
        let directory = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        directory.filter_map(|entry| Some(std::fs::read_link(entry.ok()?.path()).ok()?.display().to_string())).collect()
    };
    let pipe = std::fs::read_link(format!("/proc/self/fd/{inherited}")).unwrap().display().to_string();
    assert!(descriptors(daemon.pid()).contains(&pipe), "the daemon itself has not got it: nothing is proven");
    assert_eq!(std::fs::read_link(format!("/proc/{worker}/fd/0")).unwrap(), Path::new("/dev/null"));
    let of_worker = descriptors(worker);
    assert!(!of_worker.contains(&pipe), "{of_worker:?}");
    for stray in [".pid", "standfastd"] {
        assert!(!of_worker.iter().any(|target| target.contains(stray)), "{stray}: {of_worker:?}");
    }
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn processes_have_names_that_a_person_understands() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let worker = pid_in("/run/vrrp.pid").unwrap();
    let words = std::fs::read(format!("/proc/{worker}/cmdline")).unwrap();
    assert!(words.starts_with(b"standfastd: vrrp\0"), "{}", String::from_utf8_lossy(&words));
    for pid in [daemon.pid(), worker] {
        assert_eq!(std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap(), "standfastd\n");
    }
    // ^C at a terminal reaches the group of the daemon only.
    let group = |pid: i32| rustix::process::getpgid(rustix::process::Pid::from_raw(pid)).unwrap();
    assert_ne!(group(worker), group(daemon.pid()));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn memory_with_passwords_cannot_be_dumped_unless_core_files_are_wanted() {
    let machine = Machine::with_pair();
    for (words, expected) in [(&["-n"][..], false), (&["-n", "-m"], true)] {
        std::fs::write(machine.path("stderr"), "").unwrap();
        let mut daemon = machine.start_command(machine.command(words).gid(SOME_GROUP));
        for pid in [daemon.pid(), pid_in("/run/vrrp.pid").unwrap()] {
            assert_eq!(is_dumpable(pid), expected, "{words:?} {pid}");
        }
        assert_eq!(daemon.stop(), 0);
    }
}

/// The files in /proc of a process that can be dumped belong to its group, those of another to root.
fn is_dumpable(pid: i32) -> bool {
    let group = std::fs::metadata(format!("/proc/{pid}/environ")).unwrap().gid();
    assert!(group == 0 || group == SOME_GROUP, "{group}");
    group == SOME_GROUP
}

/// A group that nobody has.
const SOME_GROUP: u32 = 54_321;

#[test]
fn the_vrrp_worker_does_its_work_and_takes_its_address_away_at_the_end() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let has_address = || {
        let output = std::process::Command::new("ip").args(["address", "show", "dev", "east"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().contains("192.0.2.100/24")
    };
    wait_for("the virtual address", has_address);
    assert_eq!(daemon.stop(), 0);
    assert!(!has_address());
}

#[test]
fn a_daemon_at_rest_sleeps() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let worker = pid_in("/run/vrrp.pid").unwrap();
    // User and system time so far, in ticks of ten milliseconds.
    let ticks = |pid: i32| -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = [daemon.pid(), worker].map(ticks);
    assert!(!becomes(Duration::from_secs(3), || !daemon.is_running()));
    let after = [daemon.pid(), worker].map(ticks);
    for (before, after) in before.into_iter().zip(after) {
        assert!(after - before <= 10, "{} ms of processor time in three idle seconds", (after - before) * 10);
    }
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn nothing_to_do_is_a_warning_and_a_running_daemon() {
    let machine = Machine::new();
    for words in [&[][..], &["-C", "-P"]] {
        std::fs::write(machine.path("stderr"), "").unwrap();
        let mut daemon = machine.start(words);
        assert!(machine.read("stderr").contains("nothing to run"), "{}", machine.read("stderr"));
        assert!(!Path::new("/run/vrrp.pid").exists());
        assert_eq!(daemon.stop(), 0);
    }
}

#[test]
fn it_runs_in_a_named_network_namespace() {
    let machine = Machine::new();
    crate::machine::run("ip netns add blue");
    for command in [
        "link add east type veth peer name west",
        "address add 192.0.2.1/24 dev east",
        "link set west up",
        "link set east up",
    ] {
        crate::machine::run(&format!("ip -n blue {command}"));
    }
    machine.write("keepalived.conf", crate::machine::PAIR);
    let mut daemon = machine.start(&["-s", "blue"]);
    let worker = pid_in("/run/vrrp.pid").unwrap();
    let space = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    assert_eq!(space(&worker.to_string()), space(&daemon.pid().to_string()));
    assert_ne!(space(&worker.to_string()), space("thread-self"));
    wait_for("the virtual address in the namespace", || {
        let words = ["-n", "blue", "address", "show", "dev", "east"];
        let output = std::process::Command::new("ip").args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap().contains("192.0.2.100/24")
    });
    assert_eq!(daemon.stop(), 0);
    assert!(becomes(Duration::from_secs(1), || !runs(worker)));
}

/// Half a megabyte of each process's own and half the time of its start, for checks that are not configured.
#[test]
fn a_process_without_checks_over_tls_has_no_openssl_in_its_memory() {
    let machine = Machine::with_pair();
    let mut daemon = machine.start(&[]);
    let maps = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    for pid in [daemon.pid(), pid_in("/run/vrrp.pid").unwrap()] {
        let maps = maps(pid);
        assert!(maps.contains("/libc.so"), "what is loaded is seen");
        assert!(!maps.contains("/libcrypto.so") && !maps.contains("/libssl.so"), "{maps}");
    }
    assert_eq!(daemon.stop(), 0);
}
