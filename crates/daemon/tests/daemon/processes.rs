//! How the processes are scheduled: each worker by its own words, and by others after a reload.

use crate::adoption::pause;
use crate::machine::{Machine, PAIR, kill, pid_in, wait_for};
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
