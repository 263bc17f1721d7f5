//! Scripts of the configuration, run by the real daemon: what they are given, what their end means, what they cannot do.

use crate::machine::{Machine, becomes, run, runs, wait_for};
use core::time::Duration;
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt;

/// One instance without a rival: it is a standby for 0.4 s and a master then.
pub(crate) fn instance(more: &str) -> String {
    format!(
        "vrrp_instance VI_E {{\n interface east\n virtual_router_id 51\n priority 150\n version 3\n advert_int 0.1\n \
         virtual_ipaddress {{\n 192.0.2.100/24\n }}\n{more}\n}}\n"
    )
}

pub(crate) fn with_globals(globals: &str, rest: &str) -> String {
    format!("global_defs {{\n script_user root\n enable_script_security\n{globals}\n}}\n{rest}")
}

impl Machine {
    /// An executable of the test.
    pub(crate) fn script(&self, name: &str, text: &str) -> String {
        self.write(name, &format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn says(&self, text: &str) -> bool {
        self.read("stderr").contains(text)
    }
}

/// The processes whose command line is this.
fn processes(line: &[u8]) -> Vec<i32> {
    let is_it = |pid: i32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|found| found == line);
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|pid| is_it(*pid)).collect()
}

/// Those of them that have this parent.
fn children_of(parent: i32, line: &[u8]) -> Vec<i32> {
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().unwrap().split_whitespace().nth(1) == Some(&parent.to_string())
    };
    processes(line).into_iter().filter(is_child).collect()
}

/// The runner of a daemon.
pub(crate) fn runner_of(daemon: i32) -> Option<i32> {
    children_of(daemon, b"standfastd: runner\x00--worker=runner\x00standfastd\x00").pop()
}

/// Appends its arguments to a file, one line per run, in one write.
fn recorder(machine: &Machine) -> String {
    machine.script("record", "echo \"$0 $*\" >> /run/test/record.log")
}

#[test]
fn scripts_of_states_run_in_order_with_keepalived_s_arguments() {
    let machine = Machine::with_pair();
    let record = recorder(&machine);
    let keyword = |word: &str| format!(" notify_{word} \"{record} {word} 'two words'\"\n");
    let words = ["master", "backup", "fault", "stop"].map(keyword).concat();
    let group = format!("vrrp_sync_group G {{\n group {{\n VI_E\n }}\n notify {record}\n}}\n");
    let text = group + &instance(&format!("{words} notify \"{record} all\""));
    machine.write("keepalived.conf", &with_globals("", &text));
    let mut daemon = machine.start(&[]);
    let told = |count| wait_for("the scripts", || machine.lines("record.log").len() >= count);
    told(6);
    run("ip link set west down");
    told(9);
    assert_eq!(daemon.stop(), 0);
    let lines = machine.lines("record.log");
    let of = |part: &str| lines.iter().filter(|line| line.contains(part)).cloned().collect::<Vec<_>>();
    let expected = |what: &str| ["BACKUP", "MASTER", "FAULT", "STOP"].map(|state| format!("{record} {what} {state}"));
    let all = of(" all ").into_iter().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<Vec<_>>();
    assert_eq!(all, expected("all INSTANCE VI_E"));
    assert!(of(" all ").iter().all(|line| line.ends_with(" 150")), "{lines:?}");
    let groups: Vec<String> = of(" GROUP ");
    assert_eq!(groups, expected("GROUP G").map(|line| line + " 0"));
    for (word, count) in [("backup", 1), ("master", 1), ("fault", 1), ("stop", 1)] {
        assert_eq!(of(&format!("record {word} two words")).len(), count, "{word}: {lines:?}");
    }
}

#[test]
fn a_script_gets_a_clean_place_to_run_in() {
    let machine = Machine::with_pair();
    let look = machine.script(
        "look",
        "exec 9>/run/test/look.new\n{ env; echo \"umask $(umask) id $(id -u) $(id -g) $(id -G) cwd $(pwd)\"\n\
         ls -l /proc/$$/fd | sed -n 's/.* \\([0-9]* ->.*\\)/fd \\1/p'\nwhile read -r line; do case $line in SigBlk*|SigIgn*|CapEff*) echo \"$line\";; esac; done < /proc/$$/status\n\
         awk '{print \"own group\", $1 == $5, \"nice\", $19}' /proc/$$/stat; } >&9 2>&1\nmv /run/test/look.new /run/test/look.out",
    );
    std::fs::set_permissions("/run/test", std::fs::Permissions::from_mode(0o777)).unwrap();
    let text = instance(&format!(" notify_master \"{look}\" nobody nogroup"));
    machine.write("keepalived.conf", &format!("global_defs {{\n script_user root\n umask 026\n}}\n{text}"));
    let mut command = machine.command(&["-n"]);
    for (name, value) in [("FOO", "bar"), ("IFS", ","), ("LD_LIBRARY_PATH", "/x"), ("LD_PRELOAD", "")] {
        command.env(name, value);
    }
    let mut daemon = machine.start_command(&mut command);
    wait_for("the script", || machine.path("look.out").exists());
    let seen = machine.lines("look.out");
    let has = |line: &str| seen.iter().any(|one| one == line);
    assert!(has("FOO=bar"), "{seen:?}");
    for variable in ["IFS=", "LD_", "NOTIFY_SOCKET="] {
        assert!(!seen.iter().any(|line| line.starts_with(variable)), "{variable}: {seen:?}");
    }
    assert!(has("umask 0026 id 65534 65534 65534 cwd /run/test"), "{seen:?}");
    let fds: Vec<&String> = seen.iter().filter(|line| line.starts_with("fd ")).collect();
    for fd in &fds {
        let known = ["null", "/look", "/proc/"].iter().any(|end| fd.contains(end));
        assert!(known || fd.contains("pipe:"), "a descriptor that is none of its business: {fds:?}");
    }
    assert!(has("SigBlk:\t0000000000000000") && has("SigIgn:\t0000000000000000"), "{seen:?}");
    assert!(has("CapEff:\t0000000000000000"), "{seen:?}");
    assert!(has("own group 1 nice 0"), "{seen:?}");
    assert_eq!(daemon.stop(), 0);
}

/// A master that a script makes a FAULT of.
fn tracking(machine: &Machine, script: &str, more: &str) {
    let text = format!(
        "vrrp_script chk {{\n script \"{script}\"\n interval 0.2\n fall 1\n rise 1\n{more}\n}}\n{}",
        instance(" track_script {\n chk\n }\n")
    );
    machine.write("keepalived.conf", &with_globals("", &text));
}

#[test]
fn a_track_script_decides_over_fault_and_the_log_says_how_it_ended() {
    let machine = Machine::with_pair();
    let script = machine.script("check", "test -e /run/test/good || { echo no such thing; exit 3; }");
    machine.write("good", "");
    tracking(&machine, &script, "");
    let mut daemon = machine.start(&[]);
    wait_for("MASTER", || machine.says("Entering MASTER STATE"));
    std::fs::remove_file(machine.path("good")).unwrap();
    wait_for("FAULT", || machine.says("Entering FAULT STATE: script chk exited 3"));
    let words = "VRRP_Script(chk) exited 3, and said: no such thing";
    assert_eq!(machine.read("stderr").matches(words).count(), 1, "once, however often it runs");
    machine.write("good", "");
    wait_for("MASTER again", || machine.read("stderr").matches("Entering MASTER STATE").count() == 2);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_hung_script_and_what_it_started_are_killed_when_their_time_is_up() {
    let machine = Machine::with_pair();
    let script = machine.script(
        "check",
        "test -e /run/test/hang || exit 0\ntrap '' TERM\nsh -c 'trap \"\" TERM; echo $$ >> /run/test/pids; exec sleep 777' &\n\
         echo $$ >> /run/test/pids\nsleep 777; sleep 777",
    );
    tracking(&machine, &script, " timeout 0.3");
    let mut daemon = machine.start(&[]);
    wait_for("MASTER", || machine.says("Entering MASTER STATE"));
    machine.write("hang", "");
    wait_for("FAULT", || machine.says("script chk timed out"));
    std::fs::remove_file(machine.path("hang")).unwrap();
    let pids: Vec<i32> = machine.lines("pids").iter().filter_map(|line| line.parse().ok()).collect();
    assert!(pids.len() >= 2, "{pids:?}");
    for pid in &pids {
        assert!(becomes(Duration::from_secs(5), || !runs(*pid)), "process {pid} is still there");
    }
    assert_eq!(pids.len(), 2, "it was started while it ran: {pids:?}");
    wait_for("MASTER again", || machine.read("stderr").matches("Entering MASTER STATE").count() == 2);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_script_that_multiplies_is_gone_when_its_time_is_up() {
    let machine = Machine::with_pair();
    // Bounded by itself as well: the machine is shared.
    let script = machine.script(
        "check",
        "test -e /run/test/hang || exit 0\nmany() { i=0; while test $i -lt 6; do sh -c 'exec -a bomb_of_test sleep 778' & i=$((i+1)); done; }\n\
         for round in 1 2 3 4 5; do many; done\nbash -c 'exec -a bomb_of_test sleep 778'",
    );
    tracking(&machine, &script, " timeout 1");
    let bombs = || {
        std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
            .filter(|line| line.ends_with(b"sleep\x00778\x00") || line.starts_with(b"bomb_of_test"))
            .count()
    };
    let mut daemon = machine.start(&[]);
    wait_for("MASTER", || machine.says("Entering MASTER STATE"));
    machine.write("hang", "");
    wait_for("the processes", || bombs() > 0);
    wait_for("FAULT", || machine.says("script chk timed out"));
    std::fs::remove_file(machine.path("hang")).unwrap();
    wait_for("their end", || bombs() == 0);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_program_that_disappears_or_becomes_unsafe_is_a_failure_and_is_not_run() {
    let machine = Machine::with_pair();
    let script = machine.script("check", "echo ran >> /run/test/ran");
    tracking(&machine, &script, "");
    let mut daemon = machine.start(&[]);
    wait_for("MASTER", || machine.says("Entering MASTER STATE"));
    std::fs::set_permissions(machine.path("check"), std::fs::Permissions::from_mode(0o757)).unwrap();
    wait_for("FAULT", || machine.says("could not be run: unsafe: /run/test/check can be written by others than root"));
    let ran = machine.lines("ran").len();
    assert!(!becomes(Duration::from_millis(500), || machine.lines("ran").len() > ran), "it ran all the same");
    std::fs::set_permissions(machine.path("check"), std::fs::Permissions::from_mode(0o755)).unwrap();
    wait_for("MASTER again", || machine.read("stderr").matches("Entering MASTER STATE").count() == 2);
    std::fs::remove_file(machine.path("check")).unwrap();
    wait_for("FAULT again", || machine.says("could not be run: /run/test/check: No such file"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_killed_runner_changes_no_state_and_its_successor_goes_on() {
    let machine = Machine::with_pair();
    let record = recorder(&machine);
    let script = machine.script("check", "test ! -e /run/test/bad");
    let text = format!(
        "vrrp_script chk {{\n script \"{script}\"\n interval 0.2\n fall 1\n rise 1\n}}\n{}",
        instance(&format!(" track_script {{\n chk\n }}\n notify \"{record}\"\n"))
    );
    machine.write("keepalived.conf", &with_globals("", &text));
    let mut daemon = machine.start(&[]);
    wait_for("MASTER", || machine.says("Entering MASTER STATE"));
    let runner = runner_of(daemon.pid()).unwrap();
    crate::machine::kill(runner, Signal::KILL);
    wait_for("another runner", || runner_of(daemon.pid()).is_some_and(|pid| pid != runner));
    machine.write("bad", "");
    wait_for("FAULT", || machine.says("Entering FAULT STATE: script chk exited 1"));
    assert_eq!(machine.read("stderr").matches("Entering FAULT STATE").count(), 1);
    wait_for("the notification", || machine.lines("record.log").iter().any(|line| line.contains(" FAULT ")));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_daemon_s_own_scripts_run_before_everything_and_behind_everything() {
    let machine = Machine::with_pair();
    let (record, slow) =
        (recorder(&machine), machine.script("slow", "sleep 0.5; echo startup >> /run/test/record.log; exit 4"));
    let globals = format!(" startup_script \"{slow}\"\n shutdown_script \"{record} shutdown\"");
    machine.write("keepalived.conf", &with_globals(&globals, &instance(&format!(" notify \"{record}\""))));
    let mut daemon = machine.start(&[]);
    wait_for("MASTER", || machine.lines("record.log").iter().any(|line| line.contains("MASTER")));
    assert_eq!(daemon.stop(), 0);
    let lines = machine.lines("record.log");
    assert_eq!(lines.first().unwrap(), "startup");
    assert!(lines.last().unwrap().ends_with(" shutdown"), "{lines:?}");
    assert!(lines[lines.len() - 2].contains(" STOP "), "{lines:?}");
    assert!(machine.says("startup_script") && machine.says("exited 4"));
}

#[test]
fn what_hangs_at_the_stop_does_not_hold_the_daemon_up() {
    let machine = Machine::with_pair();
    let script = machine.script("stop", "echo $$ > /run/test/pid; sleep 779");
    machine.write("keepalived.conf", &with_globals("", &instance(&format!(" notify_stop \"{script}\""))));
    let mut daemon = machine.start(&[]);
    wait_for("MASTER", || machine.says("Entering MASTER STATE"));
    let begun = standfast_kernel::timer::boottime();
    assert_eq!(daemon.stop(), 0);
    let took = standfast_kernel::timer::boottime().since(begun);
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(4), "{took:?}");
    let pid: i32 = machine.lines("pid")[0].parse().unwrap();
    wait_for("the end of the script", || !runs(pid));
    // What it had started is left alone, as by keepalived; here it is ours to end.
    for pid in processes(b"sleep\x00779\x00") {
        crate::machine::kill(pid, Signal::KILL);
    }
}

#[test]
fn the_fifo_has_every_state_in_order_and_its_reader_is_told_again_when_it_is_restarted() {
    let machine = Machine::with_pair();
    let reader = machine.script("reader", "echo \"start $1\" >> /run/test/read\nexec cat \"$1\" >> /run/test/read");
    let globals = format!(" vrrp_notify_fifo /run/test/fifo\n vrrp_notify_fifo_script {reader}");
    machine.write("keepalived.conf", &with_globals(&globals, &instance("")));
    let mut daemon = machine.start(&[]);
    let lines = |count| {
        wait_for("the lines", || machine.lines("read").len() >= count);
        machine.lines("read")
    };
    let line = |state: &str| format!("INSTANCE \"VI_E\" {state} 150");
    let start = "start /run/test/fifo".to_owned();
    assert_eq!(lines(3), [start.clone(), line("BACKUP"), line("MASTER")]);
    // Others of this test's name run beside it, in a directory that is called the same.
    for pid in children_of(runner_of(daemon.pid()).unwrap(), b"cat\x00/run/test/fifo\x00") {
        crate::machine::kill(pid, Signal::KILL);
    }
    assert_eq!(lines(5)[3..], [start, line("MASTER")]);
    run("ip link set west down");
    assert_eq!(lines(6)[5], line("FAULT"));
    assert_eq!(daemon.stop(), 0);
    assert!(machine.says("the reader of /run/test/fifo"));
    assert!(!machine.path("fifo").exists(), "it was made by the daemon");
}

#[test]
fn a_fifo_that_nobody_reads_does_no_harm_and_keeps_the_last_states() {
    let machine = Machine::with_pair();
    machine.write("keepalived.conf", &with_globals(" notify_fifo /run/test/fifo", &instance("")));
    let mut daemon = machine.start(&[]);
    wait_for("MASTER", || machine.says("Entering MASTER STATE"));
    let fifo = std::fs::File::options().read(true).write(true).open(machine.path("fifo")).unwrap();
    rustix::io::ioctl_fionbio(&fifo, true).unwrap();
    let first_lines = "INSTANCE \"VI_E\" BACKUP 150\nINSTANCE \"VI_E\" MASTER 150\n".len() as u64;
    wait_for("the first lines", || rustix::io::ioctl_fionread(&fifo).is_ok_and(|octets| octets >= first_lines));
    // Filled by somebody else: what follows finds no room.
    for size in [4096, 1] {
        while rustix::io::write(&fifo, &[0; 4096][..size]).is_ok() {}
    }
    run("ip link set west down");
    wait_for("FAULT", || machine.says("Entering FAULT STATE"));
    run("ip link set west up");
    wait_for("MASTER again", || machine.read("stderr").matches("Entering MASTER STATE").count() == 2);
    let mut seen = Vec::new();
    wait_for("the last state", || {
        let mut buffer = [0; 65536];
        while let Ok(length) = rustix::io::read(&fifo, &mut buffer) {
            seen.extend(buffer[..length].iter().filter(|byte| **byte != 0));
        }
        seen.ends_with(b"INSTANCE \"VI_E\" MASTER 150\n") && seen.len() > 70
    });
    let text = String::from_utf8(seen).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.first().unwrap(), &"INSTANCE \"VI_E\" BACKUP 150");
    assert_eq!(lines.iter().filter(|line| line.contains("FAULT")).count(), 0, "of states the latest: {lines:?}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_fifo_that_is_something_else_is_not_written_to() {
    let machine = Machine::with_pair();
    machine.write("fifo", "");
    machine.write("keepalived.conf", &with_globals(" notify_fifo /run/test/fifo", &instance("")));
    let mut daemon = machine.start(&[]);
    wait_for("MASTER", || machine.says("Entering MASTER STATE"));
    assert!(machine.says("notify FIFO /run/test/fifo cannot be used: it is there and no FIFO"));
    assert_eq!(daemon.stop(), 0);
    assert_eq!(machine.read("fifo"), "");
}

#[test]
fn a_track_file_and_a_track_process_move_the_priority_and_decide_over_fault() {
    let machine = Machine::with_pair();
    machine.write("number", "1");
    let program = machine.copy("/bin/sleep", "watched_by_me");
    let text = format!(
        "track_file file {{\n file /run/test/number\n}}\nvrrp_track_process process {{\n process watched_by_me\n \
         quorum 1\n}}\n{}",
        instance(" notify_priority_changes\n track_file {\n file weight 10\n }\n track_process {\n process\n }\n")
    );
    machine.write("keepalived.conf", &with_globals(" notify_fifo /run/test/fifo", &text));
    let child = || std::process::Command::new(&program).arg("100").spawn().unwrap();
    let mut watched = child();
    let mut daemon = machine.start(&[]);
    wait_for("MASTER", || machine.says("Entering MASTER STATE"));
    machine.write("number", "-2");
    wait_for("another priority", || machine.says("from 160 to 130: track file file says -2"));
    watched.kill().unwrap();
    watched.wait().unwrap();
    wait_for("FAULT", || machine.says("Entering FAULT STATE: 0 processes of process run"));
    let mut watched = child();
    wait_for("MASTER again", || machine.read("stderr").matches("Entering MASTER STATE").count() == 2);
    watched.kill().unwrap();
    watched.wait().unwrap();
    assert_eq!(daemon.stop(), 0);
}

/// Takes one mail: every line that the sender says.
fn take_mail(server: &std::net::TcpListener) -> Vec<String> {
    use std::io::{BufRead, BufReader, Write};
    let (stream, _) = server.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut heard = Vec::new();
    let mut reader = BufReader::new(&stream);
    let answer = |text: &str| (&stream).write_all(text.as_bytes()).unwrap();
    answer("220 sink\r\n");
    let mut in_data = false;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_owned();
        match (line.as_str(), in_data) {
            ("DATA", false) => {
                in_data = true;
                answer("354 go\r\n");
            }
            (".", true) => {
                in_data = false;
                answer("250 ok\r\n");
            }
            ("QUIT", false) => break,
            (_, false) => answer("250 ok\r\n"),
            (_, true) => {}
        }
        heard.push(line);
    }
    heard
}

#[test]
fn mails_arrive_once_per_state_in_keepalived_s_words_and_a_dead_server_harms_nobody() {
    let machine = Machine::with_pair();
    let server = std::net::TcpListener::bind("127.0.0.1:2525").unwrap();
    let mail = " router_id LB1\n notification_email {\n a@example.org\n }\n notification_email_from lb@example.org\n \
        smtp_server 127.0.0.1 2525\n smtp_helo_name lb1.example.org\n smtp_alert";
    machine.write("keepalived.conf", &with_globals(mail, &instance("")));
    let mut daemon = machine.start(&[]);
    let mut heard = take_mail(&server);
    heard.retain(|line| !line.starts_with("Date: "));
    let expected = [
        "HELO lb1.example.org",
        "MAIL FROM:<lb@example.org>",
        "RCPT TO:<a@example.org>",
        "DATA",
        "From: lb@example.org",
        "Subject: [LB1] VRRP Instance VI_E - Entering MASTER state",
        "X-Mailer: Keepalived",
        "To: a@example.org",
        "",
        "=> VRRP Instance is now owning VRRP VIPs <=",
        "",
        ".",
    ];
    assert_eq!(heard, expected);
    // From here on nobody answers.
    run("ip link set west down");
    wait_for("FAULT", || machine.says("Entering FAULT STATE"));
    let begun = standfast_kernel::timer::boottime();
    assert_eq!(daemon.stop(), 0);
    assert!(standfast_kernel::timer::boottime().since(begun) < Duration::from_secs(5));
    drop(server);
}

#[test]
fn a_file_that_can_be_opened_is_a_check_of_its_own() {
    let machine = Machine::with_pair();
    machine.write("there", "");
    tracking(&machine, "</run/test/there", "");
    let mut daemon = machine.start(&[]);
    wait_for("MASTER", || machine.says("Entering MASTER STATE"));
    std::fs::remove_file(machine.path("there")).unwrap();
    wait_for("FAULT", || machine.says("Entering FAULT STATE: script chk exited"));
    assert_eq!(daemon.stop(), 0);
}

/// Reloads and waits until it is done.
fn reload(machine: &Machine, daemon: &crate::machine::Daemon) {
    let done = || machine.read("stderr").matches("Reload finished").count();
    let before = done();
    daemon.signal(Signal::HUP);
    wait_for("the reload", || done() > before);
}

#[test]
fn a_reload_tells_of_what_it_removes_and_tells_the_rest_again_where_that_is_wanted() {
    let machine = Machine::with_pair();
    let record = recorder(&machine);
    let other = |deleted: &str| {
        format!(
            "vrrp_instance VI_2 {{\n interface east\n virtual_router_id 52\n priority 120\n version 3\n advert_int 0.1\n \
             virtual_ipaddress {{\n 192.0.2.102/24\n }}\n notify \"{record} two\"\n notify_fault \"{record} fault\"\n{deleted}}}\n"
        )
    };
    let reader = machine.script("reader", "exec cat \"$1\" >> /run/test/read");
    let globals = format!(
        " vrrp_notify_fifo /run/test/fifo\n vrrp_notify_fifo_script {reader}\n fifo_write_vrrp_states_on_reload"
    );
    let first = with_globals(&globals, &instance(&format!(" notify \"{record} one\"\n")));
    let write = |deleted: &str| machine.write("keepalived.conf", &format!("{first}{}", other(deleted)));
    write("");
    let mut daemon = machine.start(&[]);
    wait_for("MASTER", || machine.lines("record.log").len() >= 4);
    let words = format!("{record} two INSTANCE VI_2");
    let told = |line: &str| machine.lines("record.log").iter().filter(|told| *told == line).count();
    machine.write("keepalived.conf", &first);
    reload(&machine, &daemon);
    wait_for("FAULT", || told(&format!("{words} FAULT 120")) == 1);
    write(&format!(" notify_deleted \"{record} deleted\"\n"));
    reload(&machine, &daemon);
    wait_for("MASTER again", || told(&format!("{words} MASTER 120")) == 2);
    machine.write("keepalived.conf", &first);
    reload(&machine, &daemon);
    wait_for("DELETED", || told(&format!("{words} DELETED 120")) == 1 && told(&format!("{record} deleted")) == 1);
    assert_eq!(daemon.stop(), 0);
    assert_eq!(told(&format!("{record} fault")), 0, "keepalived runs it for none of them");
    assert_eq!(told(&format!("{words} STOP 120")), 0);
    assert_eq!(told(&format!("{record} one INSTANCE VI_E MASTER 150")), 1, "scripts are not told again");
    let lines = machine.lines("read");
    let of = |line: &str| lines.iter().filter(|found| *found == line).count();
    assert_eq!(of("INSTANCE \"VI_E\" MASTER 150"), 4, "once, and at each of three reloads: {lines:?}");
    assert_eq!((of("INSTANCE \"VI_2\" FAULT 120"), of("INSTANCE \"VI_2\" DELETED 120")), (1, 1), "{lines:?}");
}

#[test]
fn a_rival_of_lower_priority_and_changes_of_the_own_one_are_told() {
    let machine = Machine::with_pair();
    let record = recorder(&machine);
    machine.write("number", "0");
    let more =
        format!(" notify_master_rx_lower_pri \"{record} lower 'own words'\"\n track_file {{\n file weight 1\n }}\n");
    let reader = machine.script("reader", "exec cat \"$1\" >> /run/test/read");
    let globals =
        format!(" notify_fifo /run/test/fifo nobody\n notify_fifo_script {reader}\n vrrp_notify_priority_changes");
    let text = format!("track_file file {{\n file /run/test/number\n}}\n{}", instance(&more));
    machine.write("keepalived.conf", &with_globals(&globals, &text));
    // A router of its own at the other end of the wire, which does not hear us.
    let rival = "vrrp_instance VI_R {\n interface west\n virtual_router_id 51\n priority 90\n version 3\n advert_int 0.1\n \
                 virtual_ipaddress {\n 192.0.2.100/24\n }\n}\n";
    machine.write("rival.conf", rival);
    let script = format!(
        "until ip link show west; do sleep 0.01; done; ip address add 192.0.2.2/24 dev west; ip link set west up\n\
         nft 'table ip deaf {{ chain input {{ type filter hook input priority 0; ip protocol 112 drop; }}; }}'\n\
         exec {} -n -f /run/test/rival.conf -p /run/rival -r /run/rival-vrrp -c /run/rival-check",
        env!("CARGO_BIN_EXE_standfastd")
    );
    let mut rival = std::process::Command::new("unshare");
    rival.args(["-n", "sh", "-c", &script]).stdout(std::process::Stdio::null());
    rival.stderr(std::fs::File::create(machine.path("rival.log")).unwrap());
    let mut rival = crate::machine::Daemon::of(rival.spawn().unwrap());
    let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let apart = || std::fs::read_link(format!("/proc/{}/ns/net", rival.pid())).is_ok_and(|other| other != own);
    wait_for("its namespace", apart);
    run(&format!("ip link set west netns {}", rival.pid()));
    wait_for("the rival's MASTER", || machine.read("rival.log").contains("Entering MASTER STATE"));
    let mut daemon = machine.start(&[]);
    wait_for("the script", || {
        machine.lines("record.log").iter().any(|line| *line == format!("{record} lower own words"))
    });
    machine.write("number", "7");
    let has = |line: &str| machine.lines("read").iter().any(|found| found == line);
    wait_for("the priority", || has("INSTANCE \"VI_E\" MASTER_PRIORITY 157"));
    assert!(has("INSTANCE \"VI_E\" MASTER_RX_LOWER_PRI 150"), "{:?}", machine.lines("read"));
    use std::os::unix::fs::MetadataExt as _;
    let fifo = std::fs::metadata(machine.path("fifo")).unwrap();
    assert_eq!((fifo.uid(), fifo.mode() & 0o777), (65534, 0o600));
    assert_eq!((daemon.stop(), rival.stop()), (0, 0));
}

#[test]
fn a_startup_script_that_hangs_is_killed_and_the_daemon_starts() {
    let machine = Machine::with_pair();
    let script = machine.script("slow", "echo $$ > /run/test/pid; exec sleep 776");
    let globals = format!(
        " startup_script {script}\n startup_script_timeout 1\n shutdown_script {script}\n shutdown_script_timeout 1"
    );
    machine.write("keepalived.conf", &with_globals(&globals, &instance("")));
    let mut daemon = machine.start(&[]);
    let pid = |machine: &Machine| machine.lines("pid")[0].parse::<i32>().unwrap();
    let first = pid(&machine);
    assert!(!runs(first));
    assert!(machine.says(&format!("startup_script {script} timed out")));
    wait_for("MASTER", || machine.says("Entering MASTER STATE"));
    assert_eq!(daemon.stop(), 0);
    assert!(pid(&machine) != first && !runs(pid(&machine)));
    assert!(machine.says(&format!("shutdown_script {script} timed out")));
}

#[test]
fn mails_of_the_stop_are_delivered() {
    let machine = Machine::with_pair();
    let server = std::net::TcpListener::bind("127.0.0.1:2525").unwrap();
    let mail =
        " router_id LB1\n notification_email {\n a@example.org\n }\n smtp_server 127.0.0.1 2525\n smtp_alert_vrrp";
    machine.write("keepalived.conf", &with_globals(mail, &instance("")));
    let mut daemon = machine.start(&[]);
    let subject = |mail: &[String]| mail.iter().find(|line| line.starts_with("Subject: ")).cloned().unwrap();
    assert!(subject(&take_mail(&server)).ends_with("VRRP Instance VI_E - Entering MASTER state"));
    daemon.signal(Signal::TERM);
    assert_eq!(subject(&take_mail(&server)), "Subject: [LB1] VRRP Instance VI_E - Stopping");
    assert_eq!(daemon.end().code(), Some(0));
}
