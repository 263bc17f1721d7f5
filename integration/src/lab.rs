//! A lab that runs: its start, its end, and the way to its parts.
//!
//! The lab's first process, the wires, is the first process of a process namespace in which everything else of the lab
//! lives. It dies with the connection to whoever made the lab, and the kernel then kills the rest and takes the
//! namespaces, interfaces and mounts apart. So nothing is left behind, whether the lab ends in order, its user panics,
//! or its user is killed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};

use crate::agent::inits::READY;
use crate::agent::shell::Directory;
use crate::backend::Backend;
use crate::clock::pause;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::lan::Lan;
use crate::machine::Machine;
use crate::plan::Plan;

/// The environment variable that keeps a lab, instead of tearing it down, until its program is interrupted.
const KEEP: &str = "LAB_KEEP";

/// The environment variable that names the agent's program, for a program that does not lie beside it.
const AGENT: &str = "LAB_AGENT";

/// A running lab. It is torn down when this value goes.
#[derive(Debug)]
pub struct Lab {
    core: Arc<Core>,
    wires: Child,
    /// While this end of a pipe is open the wires live. The kernel closes it when this process ends.
    lifeline: Option<ChildStdin>,
    finished: bool,
}

impl Lab {
    /// Starts what `plan` describes; see [`Plan::start`].
    pub(crate) fn start(plan: &Plan) -> Result<Self> {
        plan.check()?;
        let backend = match plan.backend {
            Some(backend) => backend,
            None => Backend::choose()?,
        };
        backend.check_tools()?;
        let agent = find_agent()?;
        let mut plan = plan.clone();
        plan.visible.extend(agent.parent().map(Path::to_owned));
        let mut wires = start_wires(&agent)?;
        let lifeline = wires.stdin.take();
        let ready = await_ready(&mut wires);
        let core = Arc::new(Core::new(&plan, backend, agent, wires.id()));
        // From here on the lab is torn down when anything goes wrong, because its value goes.
        let lab = Self { core, wires, lifeline, finished: false };
        ready?;
        lab.core.lay_wires()?;
        lab.write_directory()?;
        lab.boot_all()?;
        Ok(lab)
    }

    /// A lab of one director, at this address of a LAN without anybody else.
    ///
    /// # Errors
    /// As [`Plan::start`].
    pub fn of_one_director(name: &str, address: &str, megabytes: u32) -> Result<(Self, Machine)> {
        let mut plan = Plan::new(name);
        let lan = plan.lan("lan");
        plan.director("director").card(lan, [address]).memory(megabytes);
        let lab = plan.start()?;
        let director = lab.machine("director")?;
        Ok((lab, director))
    }

    /// The name of its plan.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.core.plan.name
    }

    /// What its directors are made of.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.core.backend
    }

    /// A machine.
    ///
    /// # Errors
    /// The plan has none of that name.
    pub fn machine(&self, name: &str) -> Result<Machine> {
        let index = self.core.nodes.iter().position(|node| node.plan.name == name);
        match index {
            Some(index) => Ok(Machine::new(Arc::clone(&self.core), index)),
            None => Err(Error::Plan(format!("there is no machine {name:?}"))),
        }
    }

    /// All machines, in the order of the plan.
    #[must_use]
    pub fn machines(&self) -> Vec<Machine> {
        (0..self.core.nodes.len()).map(|index| Machine::new(Arc::clone(&self.core), index)).collect()
    }

    /// A LAN.
    ///
    /// # Errors
    /// The plan has none of that name.
    pub fn lan(&self, name: &str) -> Result<Lan> {
        if self.core.switch().knows(name) {
            Ok(Lan::new(Arc::clone(&self.core), name.to_owned()))
        } else {
            Err(Error::Plan(format!("there is no LAN {name:?}")))
        }
    }

    /// The process id of its first process. When that process dies, everything of the lab dies.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.core.wires_pid
    }

    /// The command that gives a shell on a machine from any terminal of this machine, for as long as the lab runs.
    #[must_use]
    pub fn shell_command(&self, machine: &str) -> String {
        format!("{} shell {} {machine}", self.core.agent.display(), self.core.wires_pid)
    }

    /// Prints how to get a shell on each machine, and waits until this program is interrupted.
    pub fn keep(&self) -> ! {
        let mut out = std::io::stderr().lock();
        // Nobody may be reading any more; then there is nobody to wait for either, but waiting is what was asked for.
        let _ = writeln!(
            out,
            "lab {} keeps running until this program is interrupted; a shell on each machine:",
            self.name()
        );
        for node in &self.core.nodes {
            let _ = writeln!(out, "  {}", self.shell_command(&node.plan.name));
        }
        drop(out);
        loop {
            pause(Duration::from_hours(1));
        }
    }

    /// Ends the lab in order. A lab that goes without this is taken for a failure, and what its machines wrote is
    /// printed.
    ///
    /// # Errors
    /// Its first process cannot be ended.
    pub fn finish(mut self) -> Result<()> {
        self.finished = true;
        if keep_wanted() {
            self.keep();
        }
        self.tear_down().map_err(Error::io("ending the lab"))
    }

    fn boot_all(&self) -> Result<()> {
        let core = &self.core;
        thread::scope(|scope| {
            let boots: Vec<_> = (0..core.nodes.len()).map(|index| scope.spawn(move || core.power_on(index))).collect();
            boots.into_iter().try_for_each(|boot| {
                boot.join().unwrap_or_else(|_| Err(Error::Plan("a booting thread panicked".to_owned())))
            })
        })
    }

    fn write_directory(&self) -> Result<()> {
        let routes = self.core.nodes.iter().enumerate();
        let directory = Directory::new(routes.map(|(index, node)| (node.plan.name.clone(), self.core.agent_at(index))));
        directory.write(self.core.wires_pid).map_err(Error::io("writing the list of machines"))
    }

    fn tear_down(&mut self) -> std::io::Result<()> {
        self.lifeline = None;
        // The wires die by themselves now; this is for wires that cannot run.
        let killed = self.wires.kill();
        // Returns when every process of the lab is dead, because the first of a namespace dies last.
        self.wires.wait()?;
        killed
    }

    fn tell_what_happened(&self) {
        let mut out = std::io::stderr().lock();
        for node in &self.core.nodes {
            for process in node.processes().iter() {
                let tail = process.tail();
                if !tail.is_empty() {
                    let _ = writeln!(out, "--- {}: {}\n{tail}", node.plan.name, process.command());
                }
            }
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.finished {
            self.tell_what_happened();
            if keep_wanted() {
                self.keep();
            }
            // An error would be that it is gone already.
            let _ = self.tear_down();
        }
    }
}

fn keep_wanted() -> bool {
    std::env::var_os(KEEP).is_some_and(|value| !value.is_empty())
}

/// The agent's program: it is built into the directory of this program, or the one above when this is a test.
fn find_agent() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(AGENT) {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::current_exe().map_err(Error::io("finding this program"))?;
    own.ancestors().skip(1).take(2).map(|directory| directory.join("lab-agent")).find(|path| path.exists()).ok_or_else(
        || Error::Missing(format!("there is no lab-agent beside {}; build it, or name it in {AGENT}", own.display())),
    )
}

fn start_wires(agent: &Path) -> Result<Child> {
    let flags = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    let mut command = std::process::Command::new(agent);
    command.arg("wires").stdin(Stdio::piped()).stdout(Stdio::piped()).env("PATH", crate::agent::PATH);
    // A thread of its own, because what it enters it can never leave.
    let started = thread::scope(|scope| {
        let starter = scope.spawn(|| {
            unshare(flags)?;
            command.spawn()
        });
        starter.join().unwrap_or_else(|_| Err(std::io::Error::other("the starting thread panicked")))
    });
    started.map_err(Error::io(format!("starting {} in namespaces of its own", agent.display())))
}

fn await_ready(wires: &mut Child) -> Result<()> {
    let mut line = String::new();
    if let Some(stdout) = wires.stdout.take() {
        BufReader::new(stdout).read_line(&mut line).map_err(Error::io("waiting for the wires"))?;
    }
    if line.trim_end() == READY {
        Ok(())
    } else {
        Err(Error::Missing("its kernel does not let the lab's first process set itself up; it has said why".to_owned()))
    }
}
