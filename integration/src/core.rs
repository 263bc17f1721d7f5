//! A running lab as its handles share it: the wires, the machines and what is known of each. Owns the power of machines
//! and the order of their boot; the handles in `machine` and `lan` are its face.
//!
//! Everything of a lab lives in namespaces below those of the wires' first process, so no name here can meet a name of
//! this machine or of another lab.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::agent::guest::{GuestCard, GuestSetup, PORT, SETUP_VARIABLE, SYSTEMD, socket_end, systemd_parameters};
use crate::agent::inits::{READY, STATE, Setup, WIRES, socket_name};
use crate::agent::protocol::Place;
use crate::agent::shell::lab_directory;
use crate::backend::{Backend, KERNEL};
use crate::command::Command;
use crate::error::{Error, Result};
use crate::plan::{LanId, MachinePlan, Plan, Role};
use crate::process::{Exit, Finished, Process};
use crate::remote::Route;
use crate::switch::Switch;
use crate::wait::eventually;

/// How long a machine may take to come up: a director's kernel boots in two or three seconds on a machine that has
/// nothing else to do, and this much on one that builds the project at the same time.
const BOOT: Duration = Duration::from_secs(60);

/// How long the kernel may take to kill all processes of a machine.
const DEATH: Duration = Duration::from_secs(20);

/// The size of a director's disk in megabytes. It is sparse: only what is written takes memory.
const DISK_MEGABYTES: u32 = 512;

/// Directors come before everything else of the lab, and the lab before other work of the machine: a busy machine shall
/// not look like a slow daemon.
const DIRECTOR_NICE: i32 = -10;
const HOST_NICE: i32 = -6;

/// Modules of a director's kernel that are loaded at boot. Others (schedulers, macvlan, nftables) the kernel loads when
/// they are asked for.
const MODULES: [&str; 4] = ["ipv6", "veth", "bridge", "ip_vs"];

/// The kernel of a director takes frames, not what network cards make frames of: it drops most of those.
const ONE_FRAME: &str = "gso_max_segs 1";

/// What all handles of a lab share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) plan: Plan,
    pub(crate) backend: Backend,
    /// The program that runs inside the machines.
    pub(crate) agent: PathBuf,
    /// The process id of the wires' first process, as this machine counts.
    pub(crate) wires_pid: u32,
    pub(crate) nodes: Vec<Node>,
    pub(crate) switch: Mutex<Switch>,
    wires: Route,
}

/// A machine of the lab.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) plan: MachinePlan,
    pub(crate) life: Mutex<Life>,
    /// Every program that a test has started on it and has not waited for, and what its kernel printed.
    pub(crate) processes: Mutex<Vec<Process>>,
}

/// What may change about a machine.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) power: Power,
    /// Which of its cables are in.
    pub(crate) plugged: Vec<bool>,
}

/// The power of a machine.
#[derive(Debug)]
pub(crate) enum Power {
    Off,
    /// On, with the process whose death is the machine's.
    On(Process),
    /// On, and stopped.
    Frozen(Process),
}

impl Core {
    pub(crate) fn new(plan: &Plan, backend: Backend, agent: PathBuf, wires_pid: u32) -> Self {
        let nodes = plan
            .machines
            .iter()
            .map(|plan| Node {
                plan: plan.clone(),
                life: Mutex::new(Life { power: Power::Off, plugged: vec![true; plan.cards.len()] }),
                processes: Mutex::default(),
            })
            .collect();
        let wires = Route::Socket(lab_directory(wires_pid).join(socket_name(WIRES)));
        Self {
            plan: plan.clone(),
            backend,
            agent,
            wires_pid,
            nodes,
            switch: Mutex::new(Switch::new(plan.lans.clone())),
            wires,
        }
    }

    /// Starts a program among the wires.
    pub(crate) fn start_at_wires(&self, command: &Command) -> Result<Process> {
        Process::start(WIRES, &self.wires, command)
    }

    /// Runs a command among the wires.
    ///
    /// # Errors
    /// It fails.
    pub(crate) fn run_at_wires(&self, command: impl Into<Command>) -> Result<String> {
        let command = command.into();
        let finished = self.start_at_wires(&command)?.finish(command.limit())?;
        succeeded(WIRES, &command, finished)
    }

    /// Runs lines of `ip -batch` among the wires.
    pub(crate) fn ip(&self, lines: impl Into<Vec<u8>>) -> Result<()> {
        self.run_at_wires(Command::from(["ip", "-batch", "-"]).input(lines)).map(|_| ())
    }

    /// Makes what exists for as long as the lab does: the bridges, and the ends of the directors' cables and their
    /// disks.
    pub(crate) fn lay_wires(&self) -> Result<()> {
        let mut lines = "link set dev lo up\n".to_owned();
        for lan in &self.plan.lans {
            lines += &Switch::bridge(lan);
        }
        let mut disks = String::new();
        for (index, node) in self.nodes.iter().enumerate().filter(|(index, _)| self.has_kernel(*index)) {
            let name = &node.plan.name;
            for (card, plan) in node.plan.cards.iter().enumerate() {
                let port = port(name, card);
                lines += &format!("tuntap add dev {port} mode tap\nlink set dev {port} {ONE_FRAME} up\n");
                lines += &self.switch().attach(self.lan_name(plan.lan), name, &port);
            }
            let Management { port, lab_address, address, lab_mac, mac } = Management::of(index, name);
            lines += &format!("tuntap add dev {port} mode tap\nlink set dev {port} address {lab_mac} {ONE_FRAME} up\n");
            lines += &format!("address add {lab_address}/30 dev {port}\n");
            lines += &format!("neighbour add {address} lladdr {mac} nud permanent dev {port}\n");
            disks += &format!(
                "truncate -s {DISK_MEGABYTES}M {STATE}/{name}.disk && \
                 mkfs.ext4 -q -F -m 0 -E nodiscard,lazy_itable_init=1,lazy_journal_init=1 {STATE}/{name}.disk || exit 1\n"
            );
        }
        self.ip(lines)?;
        if !disks.is_empty() {
            self.run_at_wires(disks)?;
        }
        Ok(())
    }

    /// Whether this machine has a kernel of its own.
    pub(crate) fn has_kernel(&self, index: usize) -> bool {
        self.backend == Backend::UserMode && self.nodes.get(index).is_some_and(|node| node.plan.role == Role::Director)
    }

    /// Switches a machine on and waits until it is up.
    pub(crate) fn power_on(&self, index: usize) -> Result<()> {
        let node = self.node(index)?;
        let mut life = node.lock();
        if let Power::On(_) | Power::Frozen(_) = life.power {
            return Ok(());
        }
        let init =
            if self.has_kernel(index) { self.boot_kernel(index, &life)? } else { self.boot_namespaces(index, &life)? };
        life.power = Power::On(init);
        self.await_ports(node, &life)
    }

    /// Waits until the switch forwards for the cards of a machine that has come up. The kernel looks at carriers once a
    /// second when it is in no hurry.
    fn await_ports(&self, node: &Node, life: &Life) -> Result<()> {
        let ports = (life.plugged.iter().enumerate()).filter(|(_, plugged)| **plugged);
        let ports: Vec<String> = ports.map(|(card, _)| port(&node.plan.name, card)).collect();
        eventually(&format!("the switch forwarded for {}", node.plan.name), BOOT, || {
            let links = self.run_at_wires(["ip", "-brief", "link", "show"])?;
            let state = |port: &str| {
                let words = links.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
                // A port is named with its other end: "web1.eth0@if2".
                words.into_iter().find_map(|words| match words.as_slice() {
                    [name, state, ..] if name.split('@').next() == Some(port) => Some((*state).to_owned()),
                    _ => None,
                })
            };
            match ports.iter().find(|port| state(port).as_deref() != Some("UP")) {
                None => Ok(()),
                Some(port) => Err(Error::agent(WIRES, format!("{port} is {:?}", state(port)))),
            }
        })
    }

    /// Cuts the power: no process of the machine does anything any more when this returns.
    pub(crate) fn cut_power(&self, index: usize) -> Result<()> {
        let node = self.node(index)?;
        let mut life = node.lock();
        let init = match std::mem::replace(&mut life.power, Power::Off) {
            Power::Off => return Ok(()),
            Power::On(init) | Power::Frozen(init) => init,
        };
        init.signal(nix::libc::SIGKILL)?;
        if !self.has_kernel(index) {
            // The kernel of a namespace would go on answering for its addresses until it is taken apart, a while later.
            let lines: String = (0..node.plan.cards.len())
                .map(|card| format!("link delete dev {}\n", port(&node.plan.name, card)))
                .collect();
            // It may have been taken apart already; a port that is there still would be in the way at the next boot.
            let delete = Command::from(["ip", "-force", "-batch", "-"]).input(lines);
            self.start_at_wires(&delete)?.finish(delete.limit())?;
        }
        init.wait(DEATH)?;
        for process in node.processes().iter() {
            process.lose("its machine lost power");
        }
        Ok(())
    }

    /// Stops all processes of a machine, or lets them go on.
    pub(crate) fn set_frozen(&self, index: usize, freeze: bool) -> Result<()> {
        let node = self.node(index)?;
        let mut life = node.lock();
        let init = match (&life.power, freeze) {
            (Power::On(init), true) | (Power::Frozen(init), false) => init.clone(),
            (Power::Off, _) => return Err(Error::Off(node.plan.name.clone())),
            (Power::On(_), false) | (Power::Frozen(_), true) => return Ok(()),
        };
        let word = if freeze { "freeze" } else { "thaw" };
        self.run_at_wires(vec![self.agent_path(), word.to_owned(), init.id().to_string()])?;
        life.power = if freeze { Power::Frozen(init) } else { Power::On(init) };
        if !freeze && self.has_kernel(index) {
            // Cables that were pulled or plugged meanwhile.
            self.move_socket_ends(index, &life)?;
        }
        Ok(())
    }

    /// Pulls or plugs the cable of a machine's card: its carrier goes or comes, and no frame passes a pulled cable.
    pub(crate) fn set_plugged(&self, index: usize, card: usize, plugged: bool) -> Result<()> {
        let node = self.node(index)?;
        let mut life = node.lock();
        let name = &node.plan.name;
        let (Some(state), Some(plan)) = (life.plugged.get_mut(card), node.plan.cards.get(card)) else {
            return Err(Error::Plan(format!("{name} has no card eth{card}")));
        };
        *state = plugged;
        let port = port(name, card);
        let mut lines = {
            let mut switch = self.switch();
            switch.set_plugged(&port, plugged);
            switch.attach(self.lan_name(plan.lan), name, &port)
        };
        match (self.has_kernel(index), &life.power) {
            // Its end of the cable must stay up: its kernel would take a card that is down for one that is broken.
            (true, Power::On(_)) => self.ip(lines).and_then(|()| self.move_socket_ends(index, &life)),
            (true, Power::Frozen(_) | Power::Off) => self.ip(lines),
            (false, Power::On(_) | Power::Frozen(_)) => {
                lines += &format!("link set dev {port} {}\n", if plugged { "up" } else { "down" });
                self.ip(lines)
            }
            // There is no port before it is switched on.
            (false, Power::Off) => Ok(()),
        }
    }

    /// How to reach the agent of a machine.
    ///
    /// # Errors
    /// The machine is off or frozen.
    pub(crate) fn route(&self, index: usize) -> Result<Route> {
        let node = self.node(index)?;
        match node.lock().power {
            Power::Off => Err(Error::Off(node.plan.name.clone())),
            Power::Frozen(_) => Err(Error::agent(&node.plan.name, "it is frozen")),
            Power::On(_) => Ok(self.route_when_on(index, node)),
        }
    }

    /// The name of a LAN.
    pub(crate) fn lan_name(&self, lan: LanId) -> &str {
        self.plan.lans.get(lan.0).map_or("", String::as_str)
    }

    /// The lab's directory, as this machine reaches it.
    pub(crate) fn state_directory(&self) -> PathBuf {
        lab_directory(self.wires_pid)
    }

    pub(crate) fn node(&self, index: usize) -> Result<&Node> {
        self.nodes.get(index).ok_or_else(|| Error::Plan(format!("no machine of number {index}")))
    }

    pub(crate) fn switch(&self) -> MutexGuard<'_, Switch> {
        self.switch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn agent_path(&self) -> String {
        self.agent.to_string_lossy().into_owned()
    }

    /// Where the agent of a machine listens, if it is not a socket in the lab's directory.
    pub(crate) fn agent_at(&self, index: usize) -> Option<SocketAddr> {
        self.has_kernel(index).then(|| SocketAddr::from((Management::of(index, "").address, PORT)))
    }

    fn route_when_on(&self, index: usize, node: &Node) -> Route {
        let socket = |name: &str| self.state_directory().join(socket_name(name));
        match self.agent_at(index) {
            Some(to) => Route::Through { wires: socket(WIRES), to },
            None => Route::Socket(socket(&node.plan.name)),
        }
    }

    fn setup(&self, node: &Node) -> Setup {
        let name = node.plan.name.clone();
        let layers = PathBuf::from(format!("{STATE}/{name}"));
        Setup { name, layers, visible: self.plan.visible.clone(), sysctls: node.plan.sysctls.clone() }
    }

    /// Writes what a machine is told, and returns where the machine finds it.
    fn write_setup(&self, name: &str, setup: &impl serde::Serialize) -> Result<String> {
        let file = format!("{name}.json");
        let written = serde_json::to_vec(setup)
            .map_err(std::io::Error::from)
            .and_then(|bytes| fs::write(self.state_directory().join(&file), bytes));
        written.map_err(Error::io(format!("writing the setup of {name}")))?;
        Ok(format!("{STATE}/{file}"))
    }

    fn boot_namespaces(&self, index: usize, life: &Life) -> Result<Process> {
        let node = self.node(index)?;
        let name = &node.plan.name;
        if node.plan.systemd {
            return Err(Error::Plan(format!("{name} has no kernel of its own, and so no systemd")));
        }
        let setup = self.write_setup(name, &self.setup(node))?;
        let nice = if node.plan.role == Role::Director { DIRECTOR_NICE } else { HOST_NICE };
        let command = Command::from(vec![self.agent_path(), "machine".to_owned(), setup]);
        let init = self.start_at_wires(&command.at(Place::NewMachine).nice(nice))?;
        init.wait_for(READY, BOOT)?;
        let mut lines = String::new();
        for (card, plan) in node.plan.cards.iter().enumerate() {
            let (port, mac) = (port(name, card), mac(plan.lan, index, card));
            let state = if life.plugged.get(card).copied().unwrap_or(true) { "up" } else { "down" };
            lines += &format!("link add name {port} type veth peer name eth{card} address {mac} netns {}\n", init.id());
            lines += &format!("link set dev {port} {state}\n");
            lines += &self.switch().attach(self.lan_name(plan.lan), name, &port);
        }
        self.ip(lines)?;
        let addressing = Command::from(["ip", "-batch", "-"]).input(node.plan.addressing());
        let finished =
            Process::start(name, &self.route_when_on(index, node), &addressing)?.finish(addressing.limit())?;
        succeeded(name, &addressing, finished)?;
        Ok(init)
    }

    fn boot_kernel(&self, index: usize, life: &Life) -> Result<Process> {
        let node = self.node(index)?;
        let name = &node.plan.name;
        if node.plan.systemd && !Path::new(SYSTEMD).exists() {
            return Err(Error::Missing(format!("no {SYSTEMD} (Debian's package systemd)")));
        }
        let cards = (node.plan.cards.iter().zip(&life.plugged).enumerate())
            .map(|(card, (plan, plugged))| GuestCard {
                name: format!("eth{card}"),
                mac: mac(plan.lan, index, card),
                plugged: *plugged,
            })
            .collect();
        let Management { port: management, lab_address, address, lab_mac, mac } = Management::of(index, name);
        let setup = GuestSetup {
            machine: self.setup(node),
            modules: MODULES.map(str::to_owned).to_vec(),
            cards,
            address,
            lab_address,
            lab_mac,
            addressing: node.plan.addressing(),
            systemd: node.plan.systemd,
        };
        let setup = self.write_setup(name, &setup)?;
        let agent = self.agent_path();
        // The kernels of one lab take the processors in turn, and those of several labs do not all begin with the same.
        let turn = (std::process::id() as usize).wrapping_add(index);
        let mut argv = vec![agent.clone(), "power".to_owned(), turn.to_string(), KERNEL.to_owned()];
        argv.push(format!("mem={}M", node.plan.megabytes));
        argv.push(format!("ubd0={STATE}/{name}.disk"));
        for card in 0..node.plan.cards.len() {
            argv.push(format!("vec{card}:transport=tap,ifname={},depth=64", port(name, card)));
        }
        argv.push(format!("vec{}:transport=tap,ifname={management},mac={mac},depth=64", node.plan.cards.len()));
        // Its root is this machine's, read-only; the first process lays the disk over it.
        argv.extend(["rootfstype=hostfs", "rootflags=/", "ro", "quiet", "panic=-1"].map(str::to_owned));
        argv.extend(["con=null", "con0=null,fd:1", "ssl=null"].map(str::to_owned));
        argv.push(format!("uml_dir={STATE}/"));
        if node.plan.systemd {
            argv.extend(systemd_parameters());
        }
        argv.push(format!("{SETUP_VARIABLE}={setup}"));
        argv.push(format!("init={agent}"));
        let command = Command::from(argv).env("HOME", STATE).env("TMPDIR", STATE).called("the kernel's console");
        let init = self.start_at_wires(&command.at(Place::NewProcesses).nice(DIRECTOR_NICE))?;
        node.processes().push(init.clone());
        init.wait_for(READY, BOOT)?;
        Ok(init)
    }

    /// Sets the socket ends of a director's cables as `life` says.
    fn move_socket_ends(&self, index: usize, life: &Life) -> Result<()> {
        let node = self.node(index)?;
        let lines: String = (life.plugged.iter().enumerate())
            .map(|(card, plugged)| {
                format!("link set dev {} {}\n", socket_end(card), if *plugged { "up" } else { "down" })
            })
            .collect();
        let command = Command::from(["ip", "-batch", "-"]).input(lines).at(Place::Wall);
        let name = &node.plan.name;
        let finished = Process::start(name, &self.route_when_on(index, node), &command)?.finish(command.limit())?;
        succeeded(name, &command, finished).map(|_| ())
    }
}

impl Node {
    pub(crate) fn is_on(&self) -> bool {
        !matches!(self.lock().power, Power::Off)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn processes(&self) -> MutexGuard<'_, Vec<Process>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a command that had to succeed wrote.
pub(crate) fn succeeded(machine: &str, command: &Command, finished: Finished) -> Result<String> {
    match finished.exit {
        Exit::Status(0) => Ok(finished.stdout),
        Exit::Status(_) | Exit::Signal(_) => Err(Error::Failed {
            machine: machine.to_owned(),
            command: command.to_string(),
            end: finished.exit.to_string(),
            output: finished.stdout + &finished.stderr,
        }),
    }
}

/// The interface among the wires that a machine's card is connected to.
pub(crate) fn port(machine: &str, card: usize) -> String {
    format!("{machine}.eth{card}")
}

/// The hardware address of a card. It tells LAN, machine and card to whoever reads a capture.
pub(crate) fn mac(lan: LanId, machine: usize, card: usize) -> String {
    format!("02:1a:b0:{:02x}:{:02x}:{card:02x}", lan.0 + 1, machine + 1)
}

/// The private cable between the lab and a director's agent.
struct Management {
    port: String,
    lab_address: Ipv4Addr,
    address: Ipv4Addr,
    lab_mac: String,
    mac: String,
}

impl Management {
    fn of(index: usize, name: &str) -> Self {
        // Four addresses each, in a network that belongs to nobody; the plan's limit on machines keeps this in one
        // byte.
        let block = u8::try_from(index * 4).unwrap_or(u8::MAX - 3);
        let address = |host: u8| Ipv4Addr::new(169, 254, 100, block + host);
        let mac = |end: u8| format!("02:1a:b1:00:{:02x}:{end:02x}", index + 1);
        Self {
            port: format!("{name}.mgmt"),
            lab_address: address(1),
            address: address(2),
            lab_mac: mac(1),
            mac: mac(2),
        }
    }
}
