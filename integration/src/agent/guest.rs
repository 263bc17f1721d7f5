//! The first process of a director's kernel: gives it a root file system on its disk, cables that can be pulled, and an
//! agent that the lab reaches over a card of its own. Runs inside the director; knows nothing of the lab around it.
//!
//! The director's network cards are not those of its kernel. Those stand in a network namespace of their own, the wall,
//! each bridged to the socket end of a cable whose other end is the director's `eth0`, `eth1`, ... Pulling the cable
//! means setting the socket end down: then the director's card loses its carrier, as a real one does, which no driver
//! of this kernel's can show by itself. The management card is in the wall too, where no routing daemon sees it.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde::{Deserialize, Serialize};

use super::inits::{Setup, say_ready};
use super::root;
use super::serve::Agent;
use crate::clock::pause;

/// Where the agent of every director listens.
pub(crate) const PORT: u16 = 7;

/// The variable in which the kernel hands the path of the setup to its first process.
pub(crate) const SETUP_VARIABLE: &str = "lab_guest";

/// What a director's kernel is told before it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GuestSetup {
    /// What every machine is told.
    pub(crate) machine: Setup,
    /// Kernel modules that are loaded at boot because nothing asks the kernel for them in time.
    pub(crate) modules: Vec<String>,
    /// The cards on cables, in order.
    pub(crate) cards: Vec<GuestCard>,
    /// The address of the management card, which is the kernel's last.
    pub(crate) address: Ipv4Addr,
    /// The lab's end of the management cable.
    pub(crate) lab_address: Ipv4Addr,
    /// The hardware address of the lab's end, so that the first packet need not ask.
    pub(crate) lab_mac: String,
    /// Lines for `ip -batch` that give the cards their addresses.
    pub(crate) addressing: String,
    /// Whether systemd becomes the first process.
    pub(crate) systemd: bool,
}

/// The service manager, as Debian installs it.
pub(crate) const SYSTEMD: &str = "/lib/systemd/systemd";

/// Where systemd listens for `systemctl` once it has begun.
const SYSTEMD_SOCKET: &str = "/run/systemd/private";

/// What the kernel's command line tells systemd: start nothing of what this machine has enabled, mount nothing of what
/// it mounts, and leave the cards their names.
const SYSTEMD_PARAMETERS: [&str; 5] =
    ["systemd.unit=basic.target", "systemd.show_status=no", "systemd.gpt_auto=no", "fstab=no", "net.ifnames=0"];

/// Units that every boot would start and no test looks at. Each costs half a second or more.
const SYSTEMD_MASKED: [&str; 14] = [
    "dbus.service",
    "dbus.socket",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "kmod-static-nodes.service",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "systemd-binfmt.service",
    "systemd-modules-load.service",
    "systemd-random-seed.service",
    "systemd-sysusers.service",
    "systemd-timesyncd.service",
    "systemd-udevd.service",
];

/// What a director whose first process is systemd has on its kernel's command line besides.
pub(crate) fn systemd_parameters() -> impl Iterator<Item = String> {
    let masked = SYSTEMD_MASKED.into_iter().map(|unit| format!("systemd.mask={unit}"));
    SYSTEMD_PARAMETERS.into_iter().map(str::to_owned).chain(masked)
}

/// A card of a director.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GuestCard {
    /// Its name in the director.
    pub(crate) name: String,
    /// Its hardware address.
    pub(crate) mac: String,
    /// Whether the cable is in.
    pub(crate) plugged: bool,
}

/// The name of the socket end of the cable of the director's card number `index`.
pub(crate) fn socket_end(index: usize) -> String {
    format!("socket{index}")
}

/// The life of a director's kernel. Returns only when it could not begin.
pub(crate) fn guest() -> ExitCode {
    give_up(live())
}

/// The part of a director's life that is a program among others when systemd is the first process.
pub(crate) fn guest_service() -> ExitCode {
    give_up(setup().and_then(|setup| serve(&setup)))
}

fn give_up(ended: io::Result<std::convert::Infallible>) -> ExitCode {
    let Err(error) = ended;
    // The console is all there is to tell it to.
    let _ = writeln!(io::stderr(), "lab-agent guest: {error}");
    let _ = rustix::system::reboot(rustix::system::RebootCommand::PowerOff);
    ExitCode::FAILURE
}

fn setup() -> io::Result<GuestSetup> {
    let path = std::env::var_os(SETUP_VARIABLE).ok_or_else(|| io::Error::other("no setup"))?;
    Setup::read(Path::new(&path))
}

fn live() -> io::Result<std::convert::Infallible> {
    root::mount_new("proc", Path::new("/proc"), None)?;
    let setup = setup()?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let modules = Path::new("/usr/lib/uml/modules").join(release.trim());
    load(&modules.join("kernel/fs/overlayfs/overlay.ko"))?;
    let layered = layered_root(&setup.machine, &modules)?;
    let own = std::env::current_exe()?;
    // Not chroot: the kernel's own modprobe must find its modules too.
    root::enter(&layered)?;
    nix::unistd::sethostname(&setup.machine.name)?;
    if !setup.systemd {
        return serve(&setup);
    }
    // The setup lies where the new root does not show it.
    let copy = Path::new("/run/lab-guest.json");
    fs::write(copy, serde_json::to_vec(&setup)?)?;
    Command::new(own).arg("guest-service").env(SETUP_VARIABLE, copy).spawn()?;
    Err(Command::new(SYSTEMD).env_clear().exec())
}

/// Everything that can wait for the root file system.
fn serve(setup: &GuestSetup) -> io::Result<std::convert::Infallible> {
    run("modprobe", &[&["-a"], setup.modules.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat(), "")?;
    let (wall, listener) = build_wall(setup)?;
    root::set_sysctls(&setup.machine.sysctls)?;
    run("ip", &["-batch", "-"], &setup.addressing)?;
    let agent = Agent::new(Some(wall))?;
    while setup.systemd && !Path::new(SYSTEMD_SOCKET).exists() {
        // Whoever waits for the machine has a limit.
        pause(Duration::from_millis(20));
    }
    say_ready();
    Err(agent.serve_tcp(&listener))
}

fn layered_root(setup: &Setup, modules: &Path) -> io::Result<PathBuf> {
    // /mnt is a place that every Debian has; the disk hides what is there.
    let disk = Path::new("/mnt");
    // The disk cannot write zeroes by itself, so nothing shall try in the background.
    mount(Some("/dev/ubda"), disk, Some("ext4"), MsFlags::MS_NOATIME, Some("noinit_itable"))?;
    let layered = root::overlay(disk)?;
    root::mount_new("devtmpfs", &layered.join("dev"), None)?;
    root::furnish(&layered)?;
    fs::write(layered.join("etc/hostname"), &setup.name)?;
    // Where this machine is a container, its director is none.
    match fs::remove_file(layered.join(".dockerenv")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    if let Some(name) = modules.file_name() {
        // Debian keeps them where modprobe does not look.
        root::link(modules, &layered.join("usr/lib/modules").join(name))?;
    }
    for directory in setup.visible.iter().filter(|directory| root::is_hidden(directory)) {
        let target = root::below(&layered, directory);
        fs::create_dir_all(&target)?;
        let directory = directory.to_string_lossy();
        mount(Some("none"), &target, Some("hostfs"), MsFlags::MS_RDONLY, Some(directory.as_ref()))?;
    }
    Ok(layered)
}

fn load(module: &Path) -> io::Result<()> {
    let file = File::open(module).map_err(|error| io::Error::other(format!("{}: {error}", module.display())))?;
    nix::kmod::finit_module(&file, &CString::default(), nix::kmod::ModuleInitFlags::empty())?;
    Ok(())
}

/// Moves the kernel's cards into a namespace of their own and leads cables from there to the director.
fn build_wall(setup: &GuestSetup) -> io::Result<(OwnedFd, TcpListener)> {
    let (tell_thread, thread_number) = channel();
    let (tell_moved, moved) = channel();
    let for_thread = setup.clone();
    let builder = thread::Builder::new().name("wall".to_owned()).spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let number = rustix::thread::gettid().as_raw_nonzero();
        tell_thread.send(number).map_err(io::Error::other)?;
        // The kernel's cards arrive before anything is done with them.
        moved.recv().map_err(io::Error::other)?;
        wall_up(&for_thread)?;
        let wall = File::open("/proc/thread-self/ns/net")?;
        let listener = TcpListener::bind(SocketAddr::from((for_thread.address, PORT)))?;
        Ok::<_, io::Error>((OwnedFd::from(wall), listener))
    })?;
    if let Ok(number) = thread_number.recv() {
        let moves: Vec<String> =
            (0..=setup.cards.len()).map(|index| format!("link set dev vec{index} netns {number}\n")).collect();
        run("ip", &["-batch", "-"], &moves.concat())?;
        tell_moved.send(()).map_err(io::Error::other)?;
    }
    builder.join().unwrap_or_else(|_| Err(io::Error::other("the thread in the wall panicked")))
}

fn wall_up(setup: &GuestSetup) -> io::Result<()> {
    root::set_sysctls(&[("net/ipv6/conf/default/disable_ipv6".to_owned(), "1".to_owned())])?;
    let own = std::process::id();
    let mut lines = String::new();
    let management = setup.cards.len();
    let GuestSetup { address, lab_address, lab_mac, .. } = setup;
    lines += &format!("link set dev vec{management} name management up\naddress add {address}/30 dev management\n");
    lines += &format!("neighbour replace {lab_address} lladdr {lab_mac} nud permanent dev management\n");
    for (index, GuestCard { name, mac, plugged }) in setup.cards.iter().enumerate() {
        let (socket, state) = (socket_end(index), if *plugged { "up" } else { "down" });
        // With an ageing time of zero the bridge is a plain wire: it learns nothing that could get old.
        lines += &format!(
            "link add name wire{index} type bridge stp_state 0 forward_delay 0 mcast_snooping 0 ageing_time 0\n"
        );
        lines += &format!("link add name {socket} type veth peer name {name} address {mac} netns {own}\n");
        lines += &format!(
            "link set dev vec{index} master wire{index} up\nlink set dev {socket} master wire{index} {state}\n"
        );
        lines += &format!("link set dev wire{index} up\n");
    }
    run("ip", &["-batch", "-"], &lines)
}

fn run(program: &str, arguments: &[&str], input: &str) -> io::Result<()> {
    let failed = |why: String| io::Error::other(format!("{program} {}: {why}", arguments.join(" ")));
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", super::PATH)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    match child.wait()? {
        status if status.success() => Ok(()),
        status => Err(failed(status.to_string())),
    }
}
