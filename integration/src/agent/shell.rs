//! An interactive shell on a machine of a running lab, from any terminal of this machine. Owns the terminal's raw mode
//! for as long as it runs, and the list of machines by which it finds its way.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use serde::{Deserialize, Serialize};

use super::inits::{STATE, WIRES, socket_name};
use super::protocol::{Exec, Exit, Frame, Request, Size};
use crate::clock::pause;
use crate::remote::Route;

/// How often the size of the terminal is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long the machine may take to start a shell.
const START: Duration = Duration::from_secs(10);

/// The machines of a lab, in a file of the lab's directory.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Directory {
    /// Each machine's name and the address of its agent; none when its agent has a socket in the lab's directory.
    machines: BTreeMap<String, Option<SocketAddr>>,
}

impl Directory {
    pub(crate) fn new(machines: impl IntoIterator<Item = (String, Option<SocketAddr>)>) -> Self {
        Self { machines: machines.into_iter().collect() }
    }

    /// Writes the list of the lab whose first process is `wires`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&self, wires: u32) -> io::Result<()> {
        std::fs::write(lab_directory(wires).join("machines"), serde_json::to_vec(self)?)
    }

    fn read(wires: u32) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(lab_directory(wires).join("machines"))?)?)
    }
}

/// The directory of the lab whose first process is `wires`, from outside.
pub(crate) fn lab_directory(wires: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{wires}/root{STATE}"))
}

/// Runs `command`, or a shell, on `machine` of the lab whose first process is `wires`, in this terminal.
///
/// # Errors
/// There is no such lab or machine, or it does not answer.
pub(crate) fn shell(wires: u32, machine: &str, command: &[String]) -> io::Result<ExitCode> {
    let route = find(wires, machine)?;
    let terminal = io::stdin().is_terminal().then(size).transpose()?;
    let mut argv = command.to_vec();
    if argv.is_empty() {
        // Without the settings of this machine's user, which were not made for a kernel where every fork is dear.
        argv = ["/bin/bash", "--norc", "-i"].map(str::to_owned).to_vec();
    }
    let mut env = vec![("PATH".to_owned(), super::PATH.to_owned()), ("HOME".to_owned(), "/root".to_owned())];
    env.push(("TERM".to_owned(), std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned())));
    env.push(("PS1".to_owned(), format!("{machine}:\\w\\$ ")));
    let exec = Exec { argv, env, terminal, ..Exec::default() };
    let (stream, _) = route.request(&Request::Exec(exec), START).map_err(io::Error::other)?;
    let raw = terminal.map(|_| Raw::enter()).transpose()?;
    let (mut input, mut sizes) = (stream.try_clone()?, stream.try_clone()?);
    thread::Builder::new().spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = io::stdin().lock().read(&mut bytes) {
            let typed = bytes.get(..length).unwrap_or_default().to_vec();
            if Frame::Stdin(typed).write(&mut input).is_err() {
                return;
            }
        }
        // The connection may be gone: then nobody waits for more.
        let _ = Frame::StdinEnd.write(&mut input);
    })?;
    if let Some(mut last) = terminal {
        thread::Builder::new().spawn(move || {
            loop {
                pause(LOOK);
                if let Ok(now) = size()
                    && now != last
                {
                    last = now;
                    if Frame::Resize(now).write(&mut sizes).is_err() {
                        return;
                    }
                }
            }
        })?;
    }
    let exit = show(stream)?;
    drop(raw);
    Ok(match exit {
        Exit::Status(status) => ExitCode::from(u8::try_from(status).unwrap_or(1)),
        Exit::Signal(signal) => ExitCode::from(u8::try_from(128 + signal).unwrap_or(255)),
    })
}

fn show(mut stream: super::stream::Stream) -> io::Result<Exit> {
    loop {
        match Frame::read(&mut stream)? {
            Some(Frame::Stdout(bytes)) => {
                let mut out = io::stdout().lock();
                out.write_all(&bytes)?;
                out.flush()?;
            }
            Some(Frame::Stderr(bytes)) => io::stderr().lock().write_all(&bytes)?,
            Some(Frame::Exit(exit)) => return Ok(exit),
            Some(_) => return Err(io::Error::other("the agent talks nonsense")),
            None => return Err(io::Error::other("the machine is gone")),
        }
    }
}

fn find(wires: u32, machine: &str) -> io::Result<Route> {
    let directory =
        Directory::read(wires).map_err(|error| io::Error::other(format!("no lab of process {wires}: {error}")))?;
    let socket = |name: &str| lab_directory(wires).join(socket_name(name));
    if machine == WIRES {
        return Ok(Route::Socket(socket(WIRES)));
    }
    match directory.machines.get(machine) {
        Some(Some(to)) => Ok(Route::Through { wires: socket(WIRES), to: *to }),
        Some(None) => Ok(Route::Socket(socket(machine))),
        None => {
            let names: Vec<&str> = directory.machines.keys().map(String::as_str).collect();
            Err(io::Error::other(format!("no machine {machine:?}; there are {}", names.join(", "))))
        }
    }
}

fn size() -> io::Result<Size> {
    let size = tcgetwinsize(io::stdin())?;
    Ok(Size { rows: size.ws_row, columns: size.ws_col })
}

/// The terminal in raw mode, until this value goes.
struct Raw {
    before: Termios,
}

impl Raw {
    fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // When the terminal is gone there is nothing to restore.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}
