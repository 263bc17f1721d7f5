//! Who is on the LAN and means no good: packets that are none, and floods of them. They move no state and no timer, they
//! are told once by reason, and our own advertisements leave in time.

use std::time::Duration;

use lab::seed::Daemon;
use lab::{Lab, Machine, Moment, Process, Result, eventually, pause};

use crate::form::{GRACE, millis, plan, seconds};

/// Packets from router B to router A, by name.
const VECTORS: &str = include_str!("../../../crates/wire/tests/refused.txt");

/// What the log says of each, as far as a raw socket sees it. A reason is told once however many packets have it.
const REFUSED: [(&str, &[&str]); 11] = [
    ("TTL is not 255", &["V2-TTL254", "V2-TTL1", "V3-TTL254", "V6-HL254"]),
    (
        "length does not fit its contents",
        &[
            "V2-VER4",
            "V2-NOTRAILER",
            "V2-7OCTETS",
            "V2-8OCTETS",
            "V2-TRAILING4",
            "V2-COUNT2",
            "V2-COUNT0",
            "V3-TRAILING8",
            "V3-COUNT2",
            "V6-TRUNC",
            "V6-8OCTETS",
            "V6-TRAILING16",
        ],
    ),
    ("wrong version", &["V2-VER3", "V3-V2", "V3-VER0", "V6-V2"]),
    ("not an advertisement", &["V2-TYPE2", "V2-TYPE0", "V3-TYPE0", "V3-TYPE2"]),
    ("wrong checksum", &["V2-CSUM", "V2-CSUM0", "V3-MSGONLY", "V3-CSUM"]),
    ("authentication type is not ours", &["V2-AUTH1", "V2-PASS-NONE"]),
    ("unknown authentication type", &["V2-AUTH3"]),
    ("wrong password", &["V2-PASS-CASE", "V2-PASS-PREFIX", "V2-PASS-TAIL", "V2-PASS-PRIO0"]),
    ("advertisement interval is not ours", &["V2-INT2", "V2-INT0", "V3-INT0"]),
    ("no address in it", &["V3-COUNT0"]),
    ("sent to the wrong kind of address", &["V2-UNICAST"]),
];

/// What no instance is told of: another virtual router, and what the kernel drops.
const SILENT: [&str; 7] = [
    "V2-VRID52",
    "V2-VRID0",
    "V3-VRID9",
    "V2-OWNSRC",
    "V2-FRAG",
    // The kernel looks at the checksums of IPv6.
    "V6-CSUM",
    "V6-MSGONLY",
];

/// The packets of a name in hexadecimal.
fn packet(name: &str) -> Option<Vec<u8>> {
    let line = VECTORS.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    let digits = line.split_whitespace().nth(1)?;
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect()
}

/// Whom the packets are for: how their names begin, and the instance that is to refuse them.
#[derive(Clone, Copy)]
struct Target {
    names: &'static [&'static str],
    options: &'static str,
    vips: &'static str,
}

/// An instance says eight reasons in a row and then is quiet for a minute: version 2 has more, and so two turns.
const V2: Target = Target {
    names: &["V2-T", "V2-VER", "V2-VRID", "V2-NO", "V2-7", "V2-8", "V2-C", "V2-O", "V2-F"],
    options: "version 2",
    vips: "192.0.2.100",
};

const V2_NOT_OURS: Target =
    Target { names: &["V2-AUTH", "V2-INT", "V2-UNICAST"], options: "version 2", vips: "192.0.2.100" };

const V2_PASS: Target = Target {
    names: &["V2-PASS-"],
    options: "version 2\n    authentication {\n        auth_type PASS\n        auth_pass s3cr3t\n    }",
    vips: "192.0.2.100",
};

const V3: Target = Target { names: &["V3-"], options: "version 3", vips: "192.0.2.100" };

const V6: Target = Target { names: &["V6-"], options: "version 3", vips: "fe80::100\n        2001:db8::100" };

const TARGETS: [Target; 5] = [V2, V2_NOT_OURS, V2_PASS, V3, V6];

impl Target {
    fn is_mine(self, name: &str) -> bool {
        self.names.iter().any(|beginning| name.starts_with(beginning))
    }

    fn conf(self, priority: u8) -> String {
        format!(
            "vrrp_instance VI {{\n    state BACKUP\n    interface eth0\n    virtual_router_id 51\n    \
             priority {priority}\n    advert_int 1\n    {}\n    virtual_ipaddress {{\n        {}\n    }}\n}}\n",
            self.options, self.vips
        )
    }

    /// The packets that must move nothing, and the reasons that they are to be refused for.
    fn packets(self) -> (Vec<Vec<u8>>, Vec<&'static str>) {
        let mut reasons = Vec::new();
        let mut names: Vec<&str> = SILENT.into_iter().filter(|name| self.is_mine(name)).collect();
        for (reason, vectors) in REFUSED {
            let mine = vectors.iter().copied().filter(|name| self.is_mine(name));
            let before = names.len();
            names.extend(mine);
            if names.len() > before {
                reasons.push(reason);
            }
        }
        (names.into_iter().filter_map(packet).collect(), reasons)
    }
}

/// The times at which a director has sent an advertisement.
fn sent(capture: &lab::Capture, who: &str, from: Moment) -> Result<Vec<Moment>> {
    Ok(capture.adverts()?.into_iter().filter(|seen| seen.from == who && seen.at > from).map(|seen| seen.at).collect())
}

/// How much longer than the interval it took from each advertisement to the next, sorted.
fn lateness(times: &[Moment], interval: Duration) -> Vec<Duration> {
    let gaps = times.iter().zip(times.iter().skip(1)).map(|(one, next)| next.since(*one));
    let mut late: Vec<_> = gaps.map(|gap| gap.saturating_sub(interval)).collect();
    late.sort();
    late
}

fn lines_about<'a>(log: &'a str, reason: &str) -> Vec<&'a str> {
    let told = format!("refused advertisement from 192.0.2.2: {reason}:");
    let told_inet6 = format!("refused advertisement from fe80::2: {reason}:");
    log.lines().filter(|line| line.contains(&told) || line.contains(&told_inet6)).collect()
}

fn a_master_is_not_moved(name: &str, target: Target) -> Result<()> {
    let lab = plan(name).start()?;
    let capture = lab.lan("lan")?.capture_only("src host 192.0.2.1 or src host fe80::1")?;
    let (first, second) = (lab.machine("first")?, lab.machine("second")?);
    let begin = Moment::now();
    let daemon = Daemon::standfastd()?.start(&first, &target.conf(255))?;
    capture.wait_for_advert("the owner", begin, seconds(10), |seen| seen.what.priority == 255)?;
    let (packets, reasons) = target.packets();
    assert!(packets.len() >= 4 && !reasons.is_empty());
    let attack = Moment::now();
    // Every packet several times before the first second is over, and between two advertisements.
    second.send_packets("eth0", &packets, 200, seconds(4))?.wait_for("sent", seconds(20))?;
    let times = sent(&capture, "first", attack)?;
    assert!((3..=5).contains(&times.len()), "{} advertisements in four seconds", times.len());
    let late = lateness(&times, seconds(1));
    assert!(late.iter().all(|late| *late < millis(100)), "{late:?}");
    let held = first.run("ip -oneline address show dev eth0")?;
    assert!(target.vips.split_whitespace().all(|vip| held.contains(vip)), "{held}");
    for reason in reasons {
        let log = eventually(&format!("it had told of {reason:?}"), seconds(5), || {
            let log = daemon.log();
            let told = lines_about(&log, reason).len();
            if told > 0 { Ok(log) } else { Err(lab::Error::Missing(log)) }
        })?;
        let told = lines_about(&log, reason);
        assert_eq!(told.len(), 1, "{told:#?}");
    }
    lab.finish()
}

#[test]
fn packets_that_are_none_do_not_move_a_master_of_version_2() -> Result<()> {
    a_master_is_not_moved("bad-v2", V2)
}

#[test]
fn packets_of_others_do_not_move_a_master_of_version_2() -> Result<()> {
    a_master_is_not_moved("other-v2", V2_NOT_OURS)
}

#[test]
fn packets_that_are_none_do_not_move_a_master_with_a_password() -> Result<()> {
    a_master_is_not_moved("bad-pass", V2_PASS)
}

#[test]
fn packets_that_are_none_do_not_move_a_master_of_version_3() -> Result<()> {
    a_master_is_not_moved("bad-v3", V3)
}

#[test]
fn packets_that_are_none_do_not_move_a_master_over_ipv6() -> Result<()> {
    a_master_is_not_moved("bad-v6", V6)
}

#[test]
fn every_vector_is_refused_is_silent_or_is_an_advertisement() {
    // Valid ones, of another pair: what is done with them is the simulator's to prove.
    let valid = [
        "V2-ADDR",
        "V2-ADDR-OWNER",
        "V2-ADDR2",
        "V3-ADDR",
        "V6-GLOBALFIRST",
        "V6-COUNT1",
        "V6-ADDR",
        "V6-SRCGLOBAL",
        // The sender's kernel sets right what is wrong with these.
        "V2-TOTLEN39",
        "V2-IPCSUM",
    ];
    for line in VECTORS.lines().filter(|line| line.starts_with('V')) {
        let name = line.split_whitespace().next().unwrap_or_default();
        let refused = REFUSED.iter().any(|(_, names)| names.contains(&name));
        assert!(refused || SILENT.contains(&name) || valid.contains(&name), "{name}");
        assert!(valid.contains(&name) || TARGETS.iter().any(|target| target.is_mine(name)), "{name} is sent to nobody");
    }
}

/// A standby hears a real master and, from somebody else under the master's name, packets that are none: it keeps still,
/// and takes over when its time has come.
fn a_standby_is_neither_woken_nor_held_back(name: &str, target: Target) -> Result<()> {
    let lab = plan(name).start()?;
    let capture = lab.lan("lan")?.capture_only("src host 192.0.2.1 or src host 192.0.2.2")?;
    let (first, second, client) = (lab.machine("first")?, lab.machine("second")?, lab.machine("client")?);
    let begin = Moment::now();
    Daemon::keepalived().start(&second, &target.conf(255))?;
    capture.wait_for_advert("the master", begin, seconds(10), |seen| seen.from == "second")?;
    Daemon::standfastd()?.start(&first, &target.conf(100))?.wait_for("BACKUP STATE", seconds(10))?;
    let (packets, _) = target.packets();
    client.send_packets("eth0", &packets, 100, seconds(12))?;
    pause(seconds(5));
    assert_eq!(sent(&capture, "first", begin)?.len(), 0, "the standby keeps still");
    second.cut_power()?;
    let cut = Moment::now();
    let by_first = |seen: &lab::Seen<lab::Advert>| seen.what.source.to_string() == "192.0.2.1";
    let taken = capture.wait_for_advert("the standby", cut, seconds(6), by_first)?.at;
    // The capture tells machines by their cables: what the client says under another's name is the client's.
    let last = sent(&capture, "second", begin)?.into_iter().max().unwrap_or(begin);
    let due = Duration::from_micros(3_609_375);
    let silence = taken.since(last);
    assert!(silence > due - millis(1) && silence < due + GRACE, "taken over {silence:?} after the last advertisement");
    lab.finish()
}

#[test]
fn packets_that_are_none_neither_wake_a_standby_nor_hold_it_back() -> Result<()> {
    a_standby_is_neither_woken_nor_held_back("stand-v3", V3)
}

#[test]
fn forged_resignations_with_a_wrong_password_do_not_wake_a_standby() -> Result<()> {
    a_standby_is_neither_woken_nor_held_back("stand-pass", V2_PASS)
}

/// Resident memory of all processes of the daemon in KiB.
fn resident_kib(machine: &Machine) -> Result<u64> {
    let shown = machine.run("ps -C standfastd -o rss= ")?;
    Ok(shown.split_whitespace().filter_map(|word| word.parse::<u64>().ok()).sum())
}

struct Flooded {
    lab: Lab,
    capture: lab::Capture,
    first: Machine,
    second: Machine,
    _daemon: Process,
}

/// How often the flooded master advertises: so often that a hundredth of its advertisements in ten seconds is several.
const FLOODED_INTERVAL: Duration = millis(20);

/// A master of version 3 that owns its address and advertises fifty times a second.
fn flooded(name: &str) -> Result<Flooded> {
    let lab = plan(name).start()?;
    let capture = lab.lan("lan")?.capture_only("src host 192.0.2.1 and ip proto 112")?;
    let (first, second) = (lab.machine("first")?, lab.machine("second")?);
    let begin = Moment::now();
    let daemon = Daemon::standfastd()?.start(&first, &V3.conf(255).replace("advert_int 1\n", "advert_int 0.02\n"))?;
    capture.wait_for_advert("the owner", begin, seconds(10), |seen| seen.what.priority == 255)?;
    Ok(Flooded { lab, capture, first, second, _daemon: daemon })
}

/// What a flood did to the master: the lateness of its advertisements, sorted, and by how many KiB it grew.
fn under(flood: &Flooded, packets: &[Vec<u8>]) -> Result<(Vec<Duration>, u64)> {
    const PER_SECOND: u64 = 20_000;
    // The first moments of the flood take the memory that it may take.
    flood.second.send_packets("eth0", packets, PER_SECOND, seconds(1))?.wait_for("sent", seconds(20))?;
    let before = resident_kib(&flood.first)?;
    let begin = Moment::now();
    let attack = flood.second.send_packets("eth0", packets, PER_SECOND, seconds(10))?;
    attack.wait_for("sent", seconds(30))?;
    let said = attack.log();
    let left: u64 = said.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
    assert!(left > PER_SECOND * 9, "it was a flood: {said}");
    let grown = resident_kib(&flood.first)?.saturating_sub(before);
    let late = lateness(&sent(&flood.capture, "first", begin)?, FLOODED_INTERVAL);
    println!("{left} packets, {} advertisements; most late {:?}; grown {grown} KiB", late.len(), late.last());
    Ok((late, grown))
}

/// The 99th percentile of what is sorted.
fn percentile_99<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get((sorted.len() * 99).div_ceil(100).saturating_sub(1)).copied()
}

#[test]
fn twenty_thousand_forged_packets_a_second_delay_no_advertisement_and_fill_no_memory() -> Result<()> {
    let flood = flooded("flood")?;
    let (mut packets, _) = V3.packets();
    // What is no packet of version 2 either; the whole one of version 3 among them would be heard.
    packets.extend(["V2-TTL1", "V2-CSUM", "V2-TYPE2", "V2-8OCTETS", "V2-VRID52"].into_iter().filter_map(packet));
    // How late the machine makes it by itself, with what else it does.
    let begin = Moment::now();
    pause(seconds(5));
    let alone = percentile_99(&lateness(&sent(&flood.capture, "first", begin)?, FLOODED_INTERVAL)).unwrap_or_default();
    let (late, grown) = under(&flood, &packets)?;
    println!("99th percentile {:?}, {alone:?} without the flood", percentile_99(&late));
    assert!((480..=510).contains(&late.len()), "{} advertisements in ten seconds", late.len());
    assert!(percentile_99(&late) < Some(millis(5) + alone), "{late:?}");
    assert!(grown < 1024, "{grown} KiB");
    flood.lab.finish()
}

#[test]
fn twenty_thousand_whole_packets_of_lower_priority_a_second_do_not_silence_a_master() -> Result<()> {
    let flood = flooded("lower")?;
    let packets: Vec<_> = packet("V2-VER3").into_iter().collect();
    let (late, grown) = under(&flood, &packets)?;
    assert!(percentile_99(&late) < Some(millis(5)), "{late:?}");
    assert!(grown < 1024, "{grown} KiB");
    flood.lab.finish()
}
