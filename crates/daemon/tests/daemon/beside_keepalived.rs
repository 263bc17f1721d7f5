//! The same configuration under keepalived and under standfastd, on the same machine, one after the other: what scripts
//! and readers of the FIFO get must be the same. Without keepalived on the machine there is nothing to compare.

use crate::machine::{Machine, run, wait_for};
use crate::scripts::{instance, with_globals};
use core::time::Duration;
use rustix::process::Signal;
use std::path::Path;
use std::process::{Child, Command};

const KEEPALIVED: &str = "/usr/sbin/keepalived";

/// What one daemon let others know.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// Every call of a script, by the script's first argument, in order.
    calls: Vec<(String, Vec<String>)>,
    /// The lines of the FIFO, those of the instance and those of the group.
    fifo: [Vec<String>; 2],
    /// Environment, umask, identity and rights of the first script.
    place: Vec<String>,
}

/// Ends a child of the test whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn prepare(machine: &Machine) {
    let record = machine.script(
        "record",
        "kind=$1\nline=\"$kind|$0\"\nfor word in \"$@\"; do line=\"$line<$word>\"; done\necho \"$line\" >> /run/test/calls\n\
         test -e /run/test/place && exit\n{ tr '\\0' '\\n' < /proc/$$/environ | sort; umask; id; pwd\n\
         while read -r line; do case $line in SigBlk*|Cap???:*|NoNew*) echo \"$line\";; esac; done < /proc/$$/status\nls -l /proc/$$/fd/0 | sed 's/.*->//'\n\
         awk '{print $1 == $5, $19}' /proc/$$/stat; } > /run/test/place.new; mv /run/test/place.new /run/test/place",
    );
    let notify = |kind: &str, word: &str| format!(" notify{kind} \"{record} {word} 'two words'\"\n");
    let states: String = ["_master", "_backup", "_fault", "_stop"].map(|kind| notify(kind, kind)).concat();
    let group = format!("vrrp_sync_group G {{\n group {{\n VI_E\n }}\n{}}}\n", notify("", "group"));
    let text = group + &instance(&(states + &notify("", "all")));
    machine.write("keepalived.conf", &with_globals(" vrrp_notify_fifo /run/test/fifo", &text));
}

/// Starts it, lets it become master, takes its link away and gives it back, stops it.
fn story(machine: &Machine, command: &mut Command) -> Told {
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("FOO", "bar baz").env("LANG", "C");
    for file in ["calls", "place", "fifo.log"] {
        let _ = std::fs::remove_file(machine.path(file));
    }
    let mut daemon = Running(command.spawn().unwrap());
    wait_for("the FIFO", || machine.path("fifo").exists());
    let log = std::fs::File::create(machine.path("fifo.log")).unwrap();
    let _reader = Running(Command::new("cat").arg(machine.path("fifo")).stdout(log).spawn().unwrap());
    let calls = |count| wait_for("scripts", || machine.lines("calls").len() >= count);
    calls(6);
    run("ip link set west down");
    calls(9);
    run("ip link set west up");
    calls(15);
    let pid = i32::try_from(daemon.0.id()).unwrap();
    crate::machine::kill(pid, Signal::TERM);
    calls(18);
    wait_for("the end", || daemon.0.try_wait().unwrap().is_some());
    wait_for("the last line", || machine.lines("fifo.log").len() >= 12);
    assert!(!crate::machine::becomes(Duration::from_millis(200), || machine.lines("calls").len() > 18));
    let kinds = ["_master", "_backup", "_fault", "_stop", "all", "group"];
    let calls = machine.lines("calls");
    let of_kind = |kind: &str| {
        let of_it = calls.iter().filter_map(|line| line.split_once('|')).filter(|(of, _)| *of == kind);
        (kind.to_owned(), of_it.map(|(_, words)| words.to_owned()).collect())
    };
    let fifo = machine.lines("fifo.log");
    let of_fifo = |kind: &str| fifo.iter().filter(|line| line.starts_with(kind)).cloned().collect();
    Told {
        calls: kinds.iter().map(|kind| of_kind(kind)).collect(),
        fifo: [of_fifo("INSTANCE "), of_fifo("GROUP ")],
        place: machine.lines("place"),
    }
}

#[test]
fn scripts_and_the_reader_of_the_fifo_get_byte_for_byte_what_keepalived_gives_them() {
    if !Path::new(KEEPALIVED).exists() {
        eprintln!("not compared: there is no {KEEPALIVED}");
        return;
    }
    let machine = Machine::with_pair();
    prepare(&machine);
    let mut keepalived =
        machine.command_of(Path::new(KEEPALIVED), &["-n", "-l", "-p", "/run/k", "-r", "/run/r", "-c", "/run/c"]);
    let theirs = story(&machine, &mut keepalived);
    let ours = story(&machine, &mut machine.command(&["-n", "-l"]));
    assert_eq!(theirs.calls.iter().map(|(_, calls)| calls.len()).sum::<usize>(), 18, "{theirs:?}");
    assert_eq!(theirs.fifo.each_ref().map(Vec::len), [6, 6], "{theirs:?}");
    assert!(theirs.place.len() > 10, "{theirs:?}");
    assert_eq!(ours, theirs);
}
