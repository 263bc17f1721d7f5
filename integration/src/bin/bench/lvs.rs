//! The programming of IPVS, in a kernel of its own: this machine's has no IPVS. A system call costs a hundred
//! times as much there, so the figures are for comparing the two programs and for nothing else.
//!
//! A director, and one host that answers for every real server. A table is taken for done when the daemon has come to
//! rest, and is counted then.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use lab::{Lab, Machine, Moment, Plan, Process, Result, pause, until};
use nix::libc;

use crate::Settings;
use crate::figures::{Book, Row};
use crate::pair::millis;

/// Virtual servers, real servers of each, repetitions, and whether a quick run has it.
const TABLES: [(usize, usize, usize, bool); 4] =
    [(100, 10, 3, true), (1000, 10, 1, false), (5000, 4, 1, false), (1, 20_000, 1, false)];

/// A daemon that has done nothing for so long has nothing to do. Shorter than the second after which ours gives memory
/// back that it needed for a while: nobody waits for that.
const QUIET: Duration = Duration::from_millis(900);

/// After so much longer it has given it back.
const GIVEN_BACK: Duration = Duration::from_secs(1);

/// The longest from one reading of the table to the next, of these tables.
const READING_WITHIN_S: u32 = 12;

/// More than anything here may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

pub(crate) const CONF: &str = "/etc/keepalived/keepalived.conf";

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    let chosen = |services: usize, servers: usize, quick: bool| match &settings.only {
        Some(only) => *only == format!("{services}x{servers}"),
        None => quick || !settings.quick,
    };
    for (services, servers, runs, _) in TABLES.into_iter().filter(|(a, b, _, quick)| chosen(*a, *b, *quick)) {
        let name = |what: &str| format!("{what}, {services} virtual servers of {servers} real servers");
        let mut rows = [
            Row::new(name("start until the table is done"), "ms"),
            Row::new(name("processor for it"), "ms"),
            Row::new(name("memory (PSS) of all processes"), "KiB"),
            Row::new(name("reload that changes one weight: processor for it"), "ms"),
            Row::new(name("reload that changes one weight: until the kernel has it"), "ms"),
            Row::new(name("reload that changes one weight: until it is done"), "ms"),
            Row::new(name("stop until the daemon is gone"), "ms"),
            Row::new(name("services left behind by the stop"), "services").bounded(0.0),
            Row::new(name("reload from one service to the whole table: until it is done"), "ms"),
            Row::new(name("reload from one service to the whole table: processor for it"), "ms"),
        ];
        for _ in 0..if settings.quick { 1 } else { runs } {
            for program in 0..settings.daemons.len() {
                let samples = table(settings, program, services, servers)?;
                for (row, sample) in rows.iter_mut().zip(samples) {
                    row.add(program, sample);
                }
            }
        }
        rows.into_iter().for_each(|row| book.add(row));
        if !settings.quick {
            let mut row =
                Row::new(name("ipvsadm --restore, which does nothing but program it: until the table is done"), "ms");
            row.add(0, restored(settings, services, servers)?);
            book.add(row);
        }
    }
    Ok(())
}

/// Processor and page faults of processes. In such a kernel a page fault costs as much as a system call.
type Spent = BTreeMap<String, (Duration, u64)>;

/// A director with its daemon, and the host behind it.
pub(crate) struct Director {
    pub(crate) lab: Lab,
    pub(crate) machine: Machine,
    pub(crate) name: String,
}

impl Director {
    pub(crate) fn start(settings: &Settings, program: usize) -> Result<(Self, String)> {
        let mut plan = Plan::new("lvs");
        let lan = plan.lan("lan");
        plan.director("director")
            .card(lan, ["10.0.0.1/8"])
            .memory(1536)
            .sysctl("net/ipv4/ip_local_port_range", "1024 65535");
        plan.host("servers").card(lan, ["10.255.0.1/8"]);
        let lab = plan.start()?;
        let machine = lab.machine("director")?;
        // Behind a router, as it were: thousands of neighbours are more than a kernel remembers.
        machine.run("ip route add 10.1.0.0/16 via 10.255.0.1")?;
        // keepalived asks for its own name, and would wait for a name server that is not there.
        machine.put("/etc/hosts", "127.0.0.1 localhost director\n")?;
        let path = settings.daemons.get(program).map(|daemon| daemon.program().to_owned()).unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        Ok((Self { lab, machine, name }, path))
    }

    /// Starts the daemon by a shell that says the time and becomes it. Returns it and that time.
    pub(crate) fn run(&self, program: &str) -> Result<(Process, u64)> {
        // Without syslog, which in such a kernel is the console, and slow.
        let line = format!("echo at $EPOCHREALTIME; exec {program} -n -l -G -f {CONF}");
        let process = self.machine.spawn(["bash", "-c", &line])?;
        process.wait_for("at ", Duration::from_secs(20))?;
        until("the shell had said the time", Duration::from_secs(5), || begun(&process).is_some())?;
        Ok((process.clone(), begun(&process).unwrap_or(0)))
    }

    /// Its CLOCK_REALTIME, in nanoseconds.
    fn now(&self) -> Result<u64> {
        Ok(self.machine.run("date +%s%N")?.trim().parse().unwrap_or(0))
    }

    fn services(&self) -> Result<usize> {
        let counted = self.machine.run(lab::Command::from("grep -c '^TCP' /proc/net/ip_vs || true").within(LIMIT))?;
        Ok(counted.trim().parse().unwrap_or(0))
    }

    pub(crate) fn servers(&self) -> Result<usize> {
        let counted =
            self.machine.run(lab::Command::from("grep -c -- '^  ->.*Masq' /proc/net/ip_vs || true").within(LIMIT))?;
        Ok(counted.trim().parse().unwrap_or(0))
    }

    /// How many system calls its processes make in a span, by name; all of them as `total`.
    pub(crate) fn calls(&self, span: Duration) -> Result<Vec<(String, f64)>> {
        let line = format!(
            "timeout --signal=INT {} strace -c -U name,calls -f $(pgrep {} | sed 's/^/-p /') 2>&1 || true",
            span.as_secs(),
            self.name
        );
        let said = self.machine.run(lab::Command::from(line).within(LIMIT))?;
        let counted = |line: &str| {
            let (name, calls) = line.trim().split_once(char::is_whitespace)?;
            Some((name.to_owned(), calls.trim().parse().ok()?))
        };
        Ok(said.lines().filter_map(counted).collect())
    }

    /// How long each of its processes has run and how many page faults it had, by what it is called.
    fn spent(&self) -> Result<Spent> {
        let line = format!(
            "for p in $(pgrep {}); do echo $(cut -d ' ' -f 1 /proc/$p/schedstat) $(sed 's/.*) //' /proc/$p/stat | \
             cut -d ' ' -f 8) $p $(tr '\\0' ' ' </proc/$p/cmdline | cut -d ' ' -f 1,2); done",
            self.name
        );
        let said = self.machine.run(line)?;
        let spent = said.lines().filter_map(|line| {
            let (nanos, rest) = line.split_once(' ')?;
            let (faults, process) = rest.split_once(' ')?;
            Some((process.to_owned(), (Duration::from_nanos(nanos.parse().ok()?), faults.parse().ok()?)))
        });
        Ok(spent.collect())
    }

    /// A daemon that looks at its table from time to time does so now and then for a while not: what is measured next is
    /// without it. One that does not keeps nobody waiting for longer.
    fn wait_for_a_reading(&self) -> Result<()> {
        let before = self.spent()?;
        for _ in 0..READING_WITHIN_S {
            pause(Duration::from_secs(1));
            if self.spent()? != before {
                break;
            }
        }
        self.say_spent("at rest", &before)?;
        pause(QUIET);
        Ok(())
    }

    /// Says how much that is since then.
    fn say_spent(&self, what: &str, since: &Spent) -> Result<()> {
        let spent = self.spent()?.into_iter().map(|(process, (ran, faults))| {
            let (ran_before, faults_before) = since.get(&process).copied().unwrap_or_default();
            format!(
                "{process} {:.0} ({})",
                millis(ran.saturating_sub(ran_before)),
                faults.saturating_sub(faults_before)
            )
        });
        println!("{what}, ms of processor (page faults): {}", spent.collect::<Vec<_>>().join(", "));
        Ok(())
    }

    /// The proportional memory of all its processes, in KiB; says which of them has how much, and how much of that is its
    /// own and how much is of files, which is the program.
    pub(crate) fn memory(&self) -> Result<f64> {
        let line = format!(
            "for p in $(pgrep {}); do echo $(sed -nE 's/^Pss(_Anon|_File)?: *([0-9]+) kB/\\2/p' /proc/$p/smaps_rollup) \
             $(tr '\\0' ' ' </proc/$p/cmdline | cut -d ' ' -f 1,2); done",
            self.name
        );
        let shown = self.machine.run(line)?;
        println!("memory in KiB (all, own, files): {}", shown.trim_end().replace('\n', ", "));
        Ok(shown.lines().filter_map(|line| line.split_whitespace().next()?.parse::<f64>().ok()).sum())
    }
}

fn begun(process: &Process) -> Option<u64> {
    let log = process.log();
    let (seconds, micros) = log.lines().next()?.strip_prefix("at ")?.trim().split_once('.')?;
    Some((seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?) * 1000)
}

fn real_address(number: usize) -> Ipv4Addr {
    let octet = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    Ipv4Addr::new(10, octet(1 + number / 62_500), octet(number / 250 % 250), octet(number % 250 + 1))
}

/// In milliseconds.
fn between(from: u64, to: u64) -> f64 {
    millis(Duration::from_nanos(to.saturating_sub(from)))
}

fn virtual_address(service: usize) -> Ipv4Addr {
    let octet = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    Ipv4Addr::new(172, octet(16 + service / 62_500), octet(service / 250 % 250), octet(service % 250 + 1))
}

/// The same table as [`many`], programmed by a program that has nothing else to do: what of it is the kernel's.
fn restored(settings: &Settings, services: usize, servers: usize) -> Result<f64> {
    let (director, _) = Director::start(settings, 0)?;
    let mut table = String::new();
    for service in 0..services {
        let address = virtual_address(service);
        table += &format!("-A -t {address}:80 -s rr\n");
        for number in service * servers..(service + 1) * servers {
            table += &format!("-a -t {address}:80 -r {}:80 -m -w 1\n", real_address(number));
        }
    }
    director.machine.put("/tmp/table", table)?;
    // The module is loaded by whoever comes first.
    director.machine.run("ipvsadm -L -n")?;
    let line = "begun=$EPOCHREALTIME; ipvsadm --restore </tmp/table; echo $(( ${EPOCHREALTIME/./} - ${begun/./} ))";
    let argv = ["bash", "-c", line].map(str::to_owned);
    let micros = director.machine.run(lab::Command::from(argv.to_vec()).within(LIMIT))?;
    let complete = (director.services()?, director.servers()?) == (services, services * servers);
    director.lab.finish()?;
    Ok(micros.trim().parse::<f64>().ok().filter(|_| complete).map_or(f64::NAN, |micros| micros / 1000.0))
}

/// Many services without checks; the last real server has the weight that is given.
fn many(services: usize, servers: usize, weight: u32) -> String {
    let mut text = String::new();
    for service in 0..services {
        text += &format!(
            "virtual_server {} 80 {{\n    delay_loop 5\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n",
            virtual_address(service)
        );
        for server in 0..servers {
            let number = service * servers + server;
            let weight = if number + 1 == services * servers { weight } else { 1 };
            text += &format!("    real_server {} 80 {{\n        weight {weight}\n    }}\n", real_address(number));
        }
        text += "}\n";
    }
    text
}

fn table(settings: &Settings, program: usize, services: usize, servers: usize) -> Result<[f64; 10]> {
    let (director, path) = Director::start(settings, program)?;
    director.machine.put(CONF, many(services, servers, 1))?;
    let watch = director.machine.watch(&director.name, QUIET, LIMIT)?;
    let (process, begun) = director.run(&path)?;
    let (ran_to_start, rested) = watch.rested()?;
    let found = (director.services()?, director.servers()?);
    let started = between(begun, rested);
    if found != (services, services * servers) {
        return Err(lab::Error::Plan(format!("{path}: {found:?} in the table\n{}", process.log())));
    }
    pause(GIVEN_BACK);
    let memory = director.memory()?;
    director.say_spent("start", &BTreeMap::new())?;

    if !settings.quick {
        director.wait_for_a_reading()?;
    }
    let before = director.spent()?;
    director.machine.put(CONF, many(services, servers, 2))?;
    let watch = director.machine.watch(&director.name, QUIET, LIMIT)?;
    let told = director.now()?;
    process.signal(libc::SIGHUP)?;
    let (ran, rested) = watch.rested()?;
    director.say_spent("reload", &before)?;
    let weights = director.machine.run("grep -c -- 'Masq    2' /proc/net/ip_vs || true")?;
    let done = weights.trim() == "1";
    let [reloaded, at_rest] = [millis(ran), between(told, rested)].map(|figure| if done { figure } else { f64::NAN });

    // Without the watch, which takes its share of the only processor.
    director.machine.put(CONF, many(services, servers, 3))?;
    let last = SocketAddrV4::new(virtual_address(services - 1), 80);
    let arrived = millis(director.machine.reload_until_weight(process.id(), last, 3, LIMIT)?);
    pause(Duration::from_secs(2));
    eprintln!();

    let stopping = Moment::now();
    process.signal(libc::SIGTERM)?;
    process.wait(LIMIT)?;
    let stopped = millis(Moment::now().since(stopping));
    let left = u32::try_from(director.services()?).map_or(f64::NAN, f64::from);
    director.lab.finish()?;
    let [grown, ran_to_grow] = grow(settings, program, services, servers)?;
    let ran_to_start = millis(ran_to_start);
    Ok([started, ran_to_start, memory, reloaded, arrived, at_rest, stopped, left, grown, ran_to_grow])
}

/// What the table costs without the start of processes: one that has a single service is told of all the others. In
/// another kernel: one that has just emptied its table looks through the servers that were in it whenever one is added,
/// for two minutes.
fn grow(settings: &Settings, program: usize, services: usize, servers: usize) -> Result<[f64; 2]> {
    let (director, path) = Director::start(settings, program)?;
    director.machine.put(CONF, many(1, 1, 1))?;
    let watch = director.machine.watch(&director.name, QUIET, LIMIT)?;
    let (process, _) = director.run(&path)?;
    watch.rested()?;
    director.machine.put(CONF, many(services, servers, 1))?;
    let before = director.spent()?;
    let watch = director.machine.watch(&director.name, QUIET, LIMIT)?;
    let told = director.now()?;
    process.signal(libc::SIGHUP)?;
    let (ran, rested) = watch.rested()?;
    director.say_spent("reload to the whole table", &before)?;
    let complete = (director.services()?, director.servers()?) == (services, services * servers);
    process.signal(libc::SIGTERM)?;
    process.wait(LIMIT)?;
    director.lab.finish()?;
    Ok([between(told, rested), millis(ran)].map(|figure| if complete { figure } else { f64::NAN }))
}
