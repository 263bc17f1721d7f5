//! The lab does what it says: its machines run things, its faults are real, and its instruments tell the truth.

use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use lab::{Backend, Command, Exit, Lab, Machine, Moment, Plan, Probe, Result, pause, until};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Two directors and a host on one LAN.
fn three_on_a_lan(name: &str, backend: Option<Backend>) -> Result<Lab> {
    let mut plan = Plan::new(name);
    if let Some(backend) = backend {
        plan.backend(backend);
    }
    let lan = plan.lan("lan");
    plan.director("one").card(lan, ["192.0.2.1/24", "2001:db8::1/64"]);
    plan.director("two").card(lan, ["192.0.2.2/24"]);
    plan.host("host").card(lan, ["192.0.2.3/24"]);
    plan.start()
}

fn hears(from: &Machine, address: &str) -> bool {
    from.try_run(["ping", "-c", "1", "-W", "1", address]).is_ok_and(|ping| ping.succeeded())
}

#[test]
fn a_command_returns_what_it_wrote_and_how_it_ended() -> Result<()> {
    let lab = three_on_a_lan("commands", None)?;
    for name in ["one", "host"] {
        let machine = lab.machine(name)?;
        assert_eq!(machine.run("cat; hostname")?, format!("{name}\n"), "its input is empty and its name its own");
        assert_eq!(machine.run(Command::from(["cat"]).input("through"))?, "through");
        let ended = machine.try_run("echo out; echo err >&2; exit 3")?;
        assert_eq!((ended.exit, ended.stdout.as_str(), ended.stderr.as_str()), (Exit::Status(3), "out\n", "err\n"));
        assert_eq!(machine.try_run("kill -9 $$")?.exit, Exit::Signal(9));
        let error = machine.run("echo why >&2; false").unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("status 1") && error.contains("why"), "{error}");
        assert!(machine.run(["no-such-program"]).unwrap_err().to_string().contains("no-such-program"));
        let error = machine.run(Command::from("echo before; sleep 60").within(millis(300))).unwrap_err().to_string();
        assert!(error.contains("300ms") && error.contains("before"), "{error}");
        until("the late command was dead", seconds(5), || {
            machine.run("ps ax -o args").is_ok_and(|processes| !processes.contains("sleep 60"))
        })?;
    }
    lab.finish()
}

#[test]
fn several_commands_run_side_by_side_on_one_director() -> Result<()> {
    let lab = three_on_a_lan("several", None)?;
    let director = lab.machine("one")?;
    let start = Moment::now();
    thread::scope(|scope| {
        let commands: Vec<_> = (0..5)
            .map(|number| {
                let director = &director;
                scope.spawn(move || director.run(format!("sleep 1; echo {number}")))
            })
            .collect();
        for (number, command) in commands.into_iter().enumerate() {
            assert_eq!(command.join().expect("no panic").unwrap(), format!("{number}\n"));
        }
    });
    assert!(Moment::now().since(start) < seconds(4), "one after the other they take five seconds");
    lab.finish()
}

#[test]
fn a_program_that_goes_on_is_followed_and_signalled() -> Result<()> {
    let lab = three_on_a_lan("follow", None)?;
    let director = lab.machine("one")?;
    let program = director.spawn("trap 'echo caught' HUP; echo ready; while :; do sleep 0.1; done")?;
    program.wait_for("ready", seconds(10))?;
    assert!(program.is_running());
    program.signal(nix::libc::SIGHUP)?;
    program.wait_for("caught", seconds(10))?;
    assert!(program.wait_for("ready", millis(200)).is_err(), "what was found is not found again");
    assert_eq!(program.stop(seconds(10))?, Exit::Signal(nix::libc::SIGTERM));
    assert!(program.log().starts_with("ready\n") && program.log().ends_with("caught\n"), "{}", program.log());
    lab.finish()
}

#[test]
fn files_go_in_and_out_of_a_machine_and_never_touch_this_one() -> Result<()> {
    let lab = three_on_a_lan("files", None)?;
    let large: Vec<u8> = (0..1_000_000u32).map(|number| number.to_le_bytes()[0]).collect();
    for name in ["one", "host"] {
        let machine = lab.machine(name)?;
        let start = Moment::now();
        machine.put("/etc/lab-was-here/large", &large)?;
        assert!(machine.get("/etc/lab-was-here/large")? == large);
        let taken = Moment::now().since(start);
        assert!(taken < seconds(5), "a megabyte there and back took {taken:?}: its frames get lost");
        machine.put_with_mode("/usr/local/bin/lab-hello", "#!/bin/sh\necho hello\n", 0o755)?;
        assert_eq!(machine.run(["lab-hello"])?, "hello\n");
        assert!(machine.get("/no/such/file").unwrap_err().to_string().contains("/no/such/file"));
        assert!(machine.put("/proc/lab", "x").is_err());
    }
    for path in ["/etc/lab-was-here", "/usr/local/bin/lab-hello"] {
        assert!(!std::path::Path::new(path).exists(), "{path}");
    }
    lab.finish()
}

#[test]
fn a_power_cut_ends_everything_and_leaves_the_disk() -> Result<()> {
    for backend in [Backend::UserMode, Backend::Namespaces] {
        let lab = three_on_a_lan("power", Some(backend))?;
        let (one, host) = (lab.machine("one")?, lab.machine("host")?);
        one.put("/etc/kept", "kept")?;
        let program = one.spawn("echo alive; while :; do sleep 1; done")?;
        program.wait_for("alive", seconds(10))?;
        assert!(hears(&host, "192.0.2.1"));

        one.cut_power()?;
        assert!(!one.is_on());
        assert!(!hears(&host, "192.0.2.1"), "{backend:?}");
        assert!(!program.is_running());
        assert_eq!(program.log(), "alive\n", "the log outlives the machine");
        assert!(one.run("true").unwrap_err().to_string().contains("switched off"));

        one.power_on()?;
        assert_eq!(one.get("/etc/kept")?, b"kept");
        assert!(!one.run("ps ax -o args")?.contains("echo alive"));
        until("the machine answered again", seconds(5), || hears(&host, "192.0.2.1"))?;
        lab.finish()?;
    }
    Ok(())
}

#[test]
fn a_pulled_cable_takes_the_carrier_and_a_plugged_one_gives_it_back() -> Result<()> {
    for backend in [Backend::UserMode, Backend::Namespaces] {
        let lab = three_on_a_lan("cable", Some(backend))?;
        let (one, host) = (lab.machine("one")?, lab.machine("host")?);
        let carrier = |machine: &Machine, state: &str| {
            until(&format!("the carrier was {state}"), seconds(5), || {
                machine.run("cat /sys/class/net/eth0/carrier").is_ok_and(|carrier| carrier.trim() == state)
            })
        };
        carrier(&one, "1")?;
        one.unplug("eth0")?;
        carrier(&one, "0")?;
        assert!(one.run("ip address show dev eth0")?.contains("192.0.2.1/24"), "pulling it configures nothing");
        assert!(!hears(&host, "192.0.2.1"));
        assert!(hears(&host, "192.0.2.2"), "the others do not notice");

        // Nobody puts it back while the machine is off.
        one.cut_power()?;
        one.power_on()?;
        carrier(&one, "0")?;
        one.plug("eth0")?;
        carrier(&one, "1")?;
        until("the machine answered again", seconds(5), || hears(&host, "192.0.2.1"))?;

        host.unplug("eth0")?;
        carrier(&host, "0")?;
        host.plug("eth0")?;
        carrier(&host, "1")?;
        assert!(one.unplug("eth1").is_err(), "it has one card");
        lab.finish()?;
    }
    Ok(())
}

#[test]
fn a_frozen_machine_does_nothing_and_goes_on_when_thawed() -> Result<()> {
    for backend in [Backend::UserMode, Backend::Namespaces] {
        let lab = three_on_a_lan("freeze", Some(backend))?;
        let one = lab.machine("one")?;
        let program = one.spawn("i=0; while :; do i=$((i+1)); echo tick; sleep 0.05; done")?;
        program.wait_for("tick", seconds(10))?;

        one.freeze()?;
        pause(millis(300));
        let frozen = program.log().len();
        pause(millis(500));
        assert_eq!(program.log().len(), frozen, "{backend:?}");
        assert!(one.run("true").unwrap_err().to_string().contains("frozen"));
        // A cable that is pulled from a frozen machine is found pulled when it goes on.
        one.unplug("eth0")?;

        one.thaw()?;
        until("it went on", seconds(5), || program.log().len() > frozen)?;
        until("the carrier was gone", seconds(5), || {
            one.run("cat /sys/class/net/eth0/carrier").is_ok_and(|carrier| carrier.trim() == "0")
        })?;
        // And a frozen one can lose its power.
        one.freeze()?;
        one.cut_power()?;
        assert!(!program.is_running());
        lab.finish()?;
    }
    Ok(())
}

#[test]
fn a_split_lan_carries_nothing_between_its_groups_and_keeps_its_carriers() -> Result<()> {
    let lab = three_on_a_lan("split", None)?;
    let (one, two, host) = (lab.machine("one")?, lab.machine("two")?, lab.machine("host")?);
    let lan = lab.lan("lan")?;
    assert!(hears(&host, "192.0.2.1") && hears(&host, "192.0.2.2"));

    lan.partition(&[&["one"], &["two", "host"]])?;
    assert!(!hears(&host, "192.0.2.1"));
    assert!(hears(&host, "192.0.2.2"));
    assert_eq!(one.run("cat /sys/class/net/eth0/carrier")?, "1\n");

    lan.partition(&[&["two"], &["one"]])?;
    assert!(hears(&host, "192.0.2.2"), "whom no group names stays with the first");
    assert!(!hears(&host, "192.0.2.1") && !hears(&two, "192.0.2.1"));

    lan.heal()?;
    assert!(hears(&host, "192.0.2.1") && hears(&two, "192.0.2.1"));
    assert!(lan.partition(&[&["nobody"]]).is_err());
    lab.finish()
}

#[test]
fn frames_get_lost_in_one_direction_only() -> Result<()> {
    let lab = three_on_a_lan("loss", None)?;
    let (one, host) = (lab.machine("one")?, lab.machine("host")?);
    let lan = lab.lan("lan")?;
    assert!(hears(&host, "192.0.2.1"));

    assert!(lan.capture_only("no such filter").unwrap_err().to_string().contains("syntax error"));
    let capture = lan.capture_only("icmp")?;
    lan.lose(100, "one", "host")?;
    assert!(!hears(&host, "192.0.2.1"));
    let heard = one.run("grep -h '^Icmp:' /proc/net/snmp")?;
    assert!(hears(&one, "192.0.2.2"), "the others are not touched");
    let sent_by = |name| capture.frames().map(|frames| frames.iter().filter(|frame| frame.from == name).count());
    until("the lost reply was seen on its way", seconds(5), || {
        sent_by("host").is_ok_and(|sent| sent == 1) && sent_by("one").is_ok_and(|sent| sent == 2)
    })?;
    assert!(heard.contains("Icmp:"));

    lan.heal()?;
    lan.lose(50, "one", "host")?;
    let probing = host.probe(&Probe::ping("192.0.2.1")?.every(millis(5)).patience(millis(200)))?;
    pause(seconds(2));
    let report = probing.stop()?;
    let share = report.lost() * 100 / report.samples.len();
    assert!((30..70).contains(&share), "{share} of a hundred got lost");

    lan.heal()?;
    assert!(hears(&host, "192.0.2.1"));
    assert!(lan.lose(101, "one", "host").is_err());
    lab.finish()
}

#[test]
fn a_capture_tells_who_sent_what_and_when() -> Result<()> {
    for backend in [Backend::UserMode, Backend::Namespaces] {
        let lab = three_on_a_lan("capture", Some(backend))?;
        let capture = lab.lan("lan")?.capture()?;
        let announce = "ip neighbour flush all; arping -V 2>/dev/null; ping -c 1 -W 1 192.0.2.2 >/dev/null";

        let before = Moment::now();
        lab.machine("host")?.run(announce)?;
        let after = Moment::now();
        let asked = |frames: &[lab::Seen<lab::Frame>]| {
            frames
                .iter()
                .find(|seen| matches!(&seen.what.content, lab::Content::Arp(arp) if arp.operation == 1))
                .cloned()
        };
        until("the question was captured", seconds(5), || {
            capture.frames().is_ok_and(|frames| asked(&frames).is_some())
        })?;
        let question = asked(&capture.frames()?).expect("just seen");
        assert_eq!(question.from, "host");
        assert_eq!(question.what.source.to_string(), "02:1a:b0:01:03:00");
        // The two clocks are read one after the other.
        assert!(question.at.after(millis(5)) > before && question.at < after.after(millis(5)), "{question:?}");

        // The cable of a machine made of namespaces is a new one after a power cut.
        let one = lab.machine("one")?;
        one.cut_power()?;
        one.power_on()?;
        let back = Moment::now();
        until("the director was heard after its power cut", seconds(10), || {
            hears(&one, "192.0.2.3");
            capture.frames().is_ok_and(|frames| frames.iter().any(|seen| seen.from == "one" && seen.at > back))
        })?;
        let file = std::env::temp_dir().join(format!("lab-capture-{}.pcap", lab.process_id()));
        capture.save(&file)?;
        let bytes = std::fs::read(&file).expect("it was just written");
        std::fs::remove_file(&file).expect("it is there");
        assert!(bytes.len() > 24 + 16 + 42, "{} bytes", bytes.len());
        lab.finish()?;
    }
    Ok(())
}

#[test]
fn a_probe_measures_an_outage_as_long_as_it_was() -> Result<()> {
    let lab = three_on_a_lan("probe", None)?;
    let (one, host) = (lab.machine("one")?, lab.machine("host")?);
    one.serve_web("the director")?;
    let web = host.probe(&Probe::http("192.0.2.1:80")?)?;
    let ping = host.probe(&Probe::ping("192.0.2.1")?.every(millis(5)))?;
    let lan = lab.lan("lan")?;
    pause(seconds(1));
    let from = Moment::now();
    lan.partition(&[&["one"], &["host"]])?;
    pause(millis(700));
    lan.heal()?;
    let to = Moment::now();
    pause(seconds(2));

    for report in [web.stop()?, ping.stop()?] {
        let outage = report.longest_outage().expect("it asked");
        assert!(outage.length() > millis(600), "{:?}", outage.length());
        assert!(from.since(outage.from) < millis(100) && outage.from < to, "{outage:?} {from}");
        assert!(outage.to.since(to) < millis(400), "{outage:?} {to}");
        assert!(report.lost() > 0);
        let servers: Vec<_> = report.answers_by_server().into_keys().collect();
        assert!(servers == ["the director"] || servers == [""], "{servers:?}");
    }
    if lab.backend() == Backend::UserMode {
        let error = one.probe(&Probe::ping("192.0.2.3")?).unwrap_err().to_string();
        assert!(error.contains("clock of its own"), "{error}");
    }
    lab.finish()
}

#[test]
fn large_transfers_pass_a_director_unharmed() -> Result<()> {
    let mut plan = Plan::new("large");
    let (left, right) = (plan.lan("left"), plan.lan("right"));
    plan.host("client").card(left, ["192.0.2.2/24"]).gateway("192.0.2.1");
    plan.director("router").card(left, ["192.0.2.1/24"]).card(right, ["198.51.100.1/24"]);
    plan.host("server").card(right, ["198.51.100.2/24"]).gateway("198.51.100.1");
    let lab = plan.start()?;
    let (client, server) = (lab.machine("client")?, lab.machine("server")?);
    server.run("mkdir -p /run/lab-web/pages; head -c 8000000 /dev/urandom >/run/lab-web/pages/large")?;
    server.serve_web("server")?;
    let sent = server.run("sha256sum </run/lab-web/pages/large")?;
    let received = client.run(Command::from("curl -sf http://198.51.100.2/large | sha256sum").within(seconds(60)))?;
    assert_eq!(received, sent);
    let back = server.run(Command::from("ping -c 20 -i 0.01 -s 8000 -q 192.0.2.2").within(seconds(60)))?;
    assert!(back.contains(" 0% packet loss"), "{back}");
    lab.finish()
}

#[test]
fn two_labs_with_the_same_names_and_addresses_do_not_meet() -> Result<()> {
    let left = three_on_a_lan("twin", None)?;
    let right = three_on_a_lan("twin", None)?;
    left.machine("one")?.put("/run/which", "left")?;
    right.machine("one")?.put("/run/which", "right")?;
    assert_eq!(left.machine("one")?.run("cat /run/which")?, "left");
    assert_eq!(right.machine("one")?.run("cat /run/which")?, "right");

    left.machine("one")?.cut_power()?;
    assert!(!hears(&left.machine("host")?, "192.0.2.1"));
    assert!(hears(&right.machine("host")?, "192.0.2.1"));
    left.finish()?;
    assert!(hears(&right.machine("host")?, "192.0.2.1"));
    right.finish()
}

#[test]
fn a_shell_on_a_director_can_be_had_from_another_terminal() -> Result<()> {
    let lab = three_on_a_lan("shell", None)?;
    for machine in ["one", "host"] {
        let command = lab.shell_command(machine);
        let mut words = command.split(' ');
        let mut shell = std::process::Command::new(words.next().expect("a program"))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command is there");
        shell.stdin.take().expect("piped").write_all(b"hostname; exit 7\n").expect("it reads");
        let output = shell.wait_with_output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{machine}\n"), "{output:?}");
        assert_eq!(output.status.code(), Some(7));

        // And in a terminal it is a terminal.
        let mut shell = std::process::Command::new("script")
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("every Debian has it");
        shell.stdin.take().expect("piped").write_all(b"tty\nexit 8\n").expect("it reads");
        let output = shell.wait_with_output().expect("it ends");
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(shown.contains(&format!("{machine}:/")) && shown.contains("/dev/pts/"), "{shown}");
        assert_eq!(output.status.code(), Some(8));
    }
    lab.finish()
}

#[test]
fn systemd_runs_a_director_with_units_and_a_journal() -> Result<()> {
    let mut plan = Plan::new("systemd");
    plan.backend(Backend::UserMode);
    let lan = plan.lan("lan");
    plan.director("one").card(lan, ["192.0.2.1/24"]).systemd();
    plan.host("host").card(lan, ["192.0.2.3/24"]);
    let lab = plan.start()?;
    let one = lab.machine("one")?;
    let state = one.try_run(Command::from("systemctl is-system-running --wait").within(seconds(60)))?;
    let failed = one.run("systemctl --failed")?;
    assert!(["running\n", "degraded\n"].contains(&state.stdout.as_str()), "{state:?} {failed}");
    assert_eq!(one.run("cat /proc/1/comm")?, "systemd\n");

    one.put(
        "/etc/systemd/system/hello.service",
        "[Service]\nType=notify\nNotifyAccess=all\n\
         ExecStart=/bin/sh -c 'echo hello from the unit; systemd-notify --ready; exec sleep 1000'\nRestart=always\n",
    )?;
    one.run(Command::from("systemctl daemon-reload && systemctl start hello").within(seconds(60)))?;
    assert_eq!(one.run("systemctl is-active hello")?, "active\n");
    let first = one.run("systemctl show --property=MainPID hello")?;
    one.run("systemctl kill --signal=KILL hello")?;
    until("the unit was started again", seconds(20), || {
        one.run("systemctl is-active hello; systemctl show --property=MainPID hello")
            .is_ok_and(|now| now.starts_with("active") && !now.contains(&first))
    })?;
    assert!(one.run("journalctl --unit=hello --output=cat")?.contains("hello from the unit"));
    let host = lab.machine("host")?;
    until("the director answered", seconds(5), || hears(&host, "192.0.2.1"))?;

    // What this machine has enabled is not started in a director.
    assert!(!one.run("systemctl list-units --type=service --state=running")?.contains("nginx"));
    lab.finish()
}

#[test]
fn a_director_forwards_and_a_host_does_not() -> Result<()> {
    let lab = three_on_a_lan("forward", None)?;
    assert_eq!(lab.machine("one")?.run("cat /proc/sys/net/ipv4/ip_forward")?, "1\n");
    assert_eq!(lab.machine("host")?.run("cat /proc/sys/net/ipv4/ip_forward")?, "0\n");
    assert!(lab.machine("one")?.run("ip -6 address show dev eth0")?.contains("2001:db8::1/64"));
    lab.finish()
}

#[test]
fn a_plan_that_cannot_be_is_refused_before_anything_starts() {
    let mut plan = Plan::new("wrong");
    let lan = plan.lan("lan");
    plan.host("host").card(lan, ["nowhere"]);
    assert!(plan.start().unwrap_err().to_string().contains("nowhere"));
}
