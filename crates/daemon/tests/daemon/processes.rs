//! How the processes are scheduled, each worker by its own words and by others after a reload, and what their sockets hold.

use crate::adoption::pause;
use crate::machine::{Machine, PAIR, kill, pid_in, wait_for};
use crate::scripts::runner_of;
use core::time::Duration;
use rustix::process::Signal;
use standfast_kernel::timer::boottime;

fn configured(words: &str) -> String {
    format!("global_defs {{\n{words}\n}}\nbfd_instance peer {{\n neighbor_ip 192.0.2.2\n}}\n{PAIR}")
}

/// Nice value, real-time priority and policy of a process (proc(5), stat).
fn scheduled(pid: i32) -> (i32, u32, u32) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[16].parse().unwrap(), fields[37].parse().unwrap(), fields[38].parse().unwrap())
}

fn status_line(pid: i32, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

#[test]
fn each_worker_is_scheduled_by_its_own_words_and_by_others_after_a_reload() {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", &configured("vrrp_priority -7\nbfd_priority -4\nbfd_cpu_affinity 0\nbfd_no_swap"));
    let mut daemon = machine.start(&[]);
    let (vrrp, bfd) = (pid_in("/run/vrrp.pid").unwrap(), pid_in("/run/bfd.pid").unwrap());
    assert_eq!(scheduled(vrrp), (-7, 0, 0));
    assert_eq!(scheduled(bfd), (-4, 0, 0));
    assert_eq!(scheduled(daemon.pid()), (0, 0, 0));
    assert_eq!(status_line(bfd, "Cpus_allowed_list"), "0");
    assert_ne!(status_line(vrrp, "Cpus_allowed_list"), "0", "a machine of one processor cannot tell");
    assert_ne!(status_line(bfd, "VmLck"), "0 kB");
    machine.write("keepalived.conf", &configured("bfd_rt_priority 3\nbfd_rlimit_rttime 20000"));
    daemon.signal(Signal::HUP);
    const ROUND_ROBIN: u32 = 2;
    wait_for("the reload", || scheduled(bfd).1 == 3 && scheduled(vrrp).0 == 0);
    assert_eq!(scheduled(bfd).2, ROUND_ROBIN);
    assert_eq!((pid_in("/run/vrrp.pid"), pid_in("/run/bfd.pid")), (Some(vrrp), Some(bfd)), "a worker was restarted");
    let limits = std::fs::read_to_string(format!("/proc/{bfd}/limits")).unwrap();
    let limit = limits.lines().find(|line| line.starts_with("Max realtime timeout")).unwrap();
    assert!(limit.contains("20000"), "{limit}");
    assert_eq!(daemon.stop(), 0);
    assert!(pid_in("/run/bfd.pid").is_none());
}

#[test]
fn a_worker_whose_timers_run_late_asks_for_more_of_the_processor() {
    let machine = Machine::with_pair();
    // 0.9 s, in microseconds: this machine is busy, and a timer is late by some of that without a reason.
    let words = "global_defs {\n max_auto_priority 3\n min_auto_priority_delay 900000\n}\n";
    machine.write("keepalived.conf", &format!("{words}{PAIR}"));
    let mut daemon = machine.start(&[]);
    wait_for("a master", || machine.read("stderr").contains("(VI_E) Entering MASTER STATE"));
    let vrrp = pid_in("/run/vrrp.pid").unwrap();
    let before = scheduled(vrrp).1;
    kill(vrrp, Signal::STOP);
    pause(Duration::from_millis(2500));
    kill(vrrp, Signal::CONT);
    wait_for("the step up", || scheduled(vrrp).1 == before + 1);
    assert!(machine.read("stderr").contains("ms late, real-time priority is"), "{}", machine.read("stderr"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_startup_delay_is_waited_before_anything_becomes_master() {
    const DELAY: Duration = Duration::from_secs(7);
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", &format!("global_defs {{\n vrrp_startup_delay {}\n}}\n{PAIR}", DELAY.as_secs()));
    let started = boottime();
    let mut daemon = machine.start(&[]);
    wait_for("a master", || machine.read("stderr").contains("(VI_E) Entering MASTER STATE"));
    // Without it: three intervals and the skew, less than four seconds.
    assert!(boottime().since(started) >= DELAY, "{:?}", boottime().since(started));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn bfd_that_is_not_wanted_does_not_run() {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", &configured(""));
    let mut daemon = machine.start(&["-B"]);
    assert!(pid_in("/run/bfd.pid").is_none());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_pid_file_of_the_bfd_worker_is_where_it_is_told() {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", &configured(""));
    let mut daemon = machine.start(&["-b", "/run/test/other.pid"]);
    assert!(pid_in("/run/bfd.pid").is_none());
    assert!(pid_in("/run/test/other.pid").is_some());
    assert_eq!(daemon.stop(), 0);
    assert!(pid_in("/run/test/other.pid").is_none());
}

/// The receive queues of a process's netlink sockets of a protocol, as the kernel counts them: twice what was asked for.
fn queues(pid: i32, protocol: u32) -> Vec<usize> {
    use rustix::net::{AddressFamily, sockopt};
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
    let process = pidfd_open(rustix::process::Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    let held = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|entry| entry.unwrap().path());
    let sockets =
        held.filter(|path| std::fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:")));
    let numbers = sockets.map(|path| path.file_name().unwrap().to_string_lossy().parse().unwrap());
    let ours = numbers.filter_map(|number| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok());
    let of_protocol = ours.filter(|socket| {
        sockopt::socket_domain(socket) == Ok(AddressFamily::NETLINK)
            && sockopt::socket_protocol(socket)
                .is_ok_and(|found| found.map_or(0, |found| found.as_raw().get()) == protocol)
    });
    of_protocol.map(|socket| sockopt::socket_recv_buffer_size(&socket).unwrap()).collect()
}

#[test]
fn queues_of_netlink_are_as_long_as_the_configuration_says() {
    const ROUTE: u32 = 0;
    const CONNECTOR: u32 = 11;
    let machine = Machine::with_pair();
    let tracked = "vrrp_track_process sleeper {\n process sleep\n weight 1\n}\n";
    let pair = PAIR.replace("    advert_int 1\n", "    advert_int 1\n    track_process {\n        sleeper\n    }\n");
    let words = |words: &str| machine.write("keepalived.conf", &format!("global_defs {{\n{words}}}\n{tracked}{pair}"));
    words("vrrp_netlink_cmd_rcv_bufs 61000\nvrrp_netlink_monitor_rcv_bufs 62000\nprocess_monitor_rcv_bufs 63000\n");
    let mut daemon = machine.start(&[]);
    wait_for("a master", || machine.read("stderr").contains("(VI_E) Entering MASTER STATE"));
    let vrrp = queues(pid_in("/run/vrrp.pid").unwrap(), ROUTE);
    assert!(vrrp.contains(&122_000) && vrrp.contains(&124_000), "{vrrp:?}");
    let counted = machine.read("stderr").contains("are counted every second");
    let runner = queues(runner_of(daemon.pid()).unwrap(), CONNECTOR);
    assert!(counted || runner == [126_000], "{runner:?}");
    assert_eq!(daemon.stop(), 0);
    std::fs::write(machine.path("stderr"), "").unwrap();
    // Beyond the limit of the system, which holds without the other word.
    let limit = {
        let ours = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        rustix::net::sockopt::set_socket_recv_buffer_size(&ours, 1 << 30).unwrap();
        rustix::net::sockopt::socket_recv_buffer_size(&ours).unwrap() / 2
    };
    let beyond = limit + 1000;
    words(&format!(
        "vrrp_netlink_cmd_rcv_bufs {beyond}\nvrrp_netlink_cmd_rcv_bufs_force\nvrrp_netlink_monitor_rcv_bufs {beyond}\n\
         process_monitor_rcv_bufs {beyond}\nprocess_monitor_rcv_bufs_force\n"
    ));
    let mut daemon = machine.start(&[]);
    wait_for("a master", || machine.read("stderr").contains("(VI_E) Entering MASTER STATE"));
    let vrrp = queues(pid_in("/run/vrrp.pid").unwrap(), ROUTE);
    assert!(vrrp.contains(&(2 * beyond)) && vrrp.contains(&(2 * limit)), "{vrrp:?}, the limit is {limit}");
    let runner = queues(runner_of(daemon.pid()).unwrap(), CONNECTOR);
    assert!(counted || runner == [2 * beyond], "{runner:?}");
    assert_eq!(daemon.stop(), 0);
}
