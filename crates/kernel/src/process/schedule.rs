//! How the calling process is scheduled: processors, nice value, real-time priority with its limit, memory that is not
//! swapped, and how many files it may open (`vrrp_*`, `checker_*`, `bfd_*` of `global_defs`).
//!
//! It does what it is told and says in words what the kernel refused; none of it is worth not starting.

use core::time::Duration;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use standfast_model::config::global::Process;
use std::io;

/// Children start as usual ones: no script inherits a real-time priority (`SCHED_RESET_ON_FORK`).
const RESET_ON_FORK: libc::c_int = 0x4000_0000;

/// How long a real-time process may compute without waiting before the kernel ends it, where nothing is configured: a
/// loop that never ends must not take a processor for ever. keepalived has 10 ms, in which a master cannot take a
/// thousand addresses over.
const REALTIME_LIMIT: Duration = Duration::from_secs(10);

/// How a process is scheduled, and how it was before.
#[derive(Debug)]
pub struct Schedule {
    processors_before: Option<CpuSet>,
    nice_before: i32,
    /// The real-time priority now; 0 is none.
    realtime: u8,
}

impl Schedule {
    /// Remembers how the calling process is scheduled now.
    #[must_use]
    pub fn current() -> Self {
        Self {
            processors_before: sched_getaffinity(None).ok(),
            nice_before: rustix::process::getpriority_process(None).unwrap_or(0),
            realtime: 0,
        }
    }

    /// Does what the configuration says, and takes back what an earlier one said. Comes back with what the kernel refused,
    /// in words.
    pub fn apply(&mut self, process: &Process) -> Vec<String> {
        let mut refused = Vec::new();
        let mut note = |what: &str, outcome: io::Result<()>| {
            if let Err(error) = outcome {
                refused.push(format!("{what}: {error}"));
            }
        };
        note("processors", self.set_processors(&process.processors));
        if process.no_swap {
            note("locking memory", lock_memory());
        }
        match process.realtime {
            Some(priority) => {
                note("real-time limit", limit_realtime(process.realtime_limit.unwrap_or(REALTIME_LIMIT)));
                note("real-time priority", self.set_realtime(priority));
            }
            None => {
                if self.realtime > 0 {
                    note("usual priority", self.set_realtime(0));
                }
                let nice = process.nice.map_or(self.nice_before, i32::from);
                note("priority", rustix::process::setpriority_process(None, nice).map_err(Into::into));
            }
        }
        refused
    }

    /// One step up for a process whose timers run late (`max_auto_priority`): real-time priority 1, then 2 and so on up to
    /// `most`. True if there was a step to take.
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_SYS_NICE` or a limit that allows it.
    pub fn escalate(&mut self, most: u8) -> io::Result<bool> {
        if self.realtime >= most {
            return Ok(false);
        }
        limit_realtime(REALTIME_LIMIT)?;
        self.set_realtime(self.realtime + 1)?;
        Ok(true)
    }

    /// The real-time priority now; 0 is none.
    #[must_use]
    pub fn realtime(&self) -> u8 {
        self.realtime
    }

    fn set_processors(&self, processors: &[u32]) -> io::Result<()> {
        let mut set = CpuSet::new();
        for processor in processors {
            match usize::try_from(*processor) {
                Ok(processor) if processor < CpuSet::MAX_CPU => set.set(processor),
                Ok(_) | Err(_) => return Err(io::ErrorKind::InvalidInput.into()),
            }
        }
        let wanted = if processors.is_empty() { self.processors_before } else { Some(set) };
        wanted.map_or(Ok(()), |set| Ok(sched_setaffinity(None, &set)?))
    }

    /// 0 is the usual policy.
    fn set_realtime(&mut self, priority: u8) -> io::Result<()> {
        let policy = if priority == 0 { libc::SCHED_OTHER } else { libc::SCHED_RR | RESET_ON_FORK };
        let parameter = libc::sched_param { sched_priority: i32::from(priority) };
        #[expect(unsafe_code, reason = "no crate in use offers sched_setscheduler")]
        // SAFETY: the call reads one structure that lives until it returns, and concerns the calling thread only.
        let outcome = unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) };
        if outcome != 0 {
            return Err(io::Error::last_os_error());
        }
        self.realtime = priority;
        Ok(())
    }
}

/// Lets the process open so many files, as far as the hard limit allows.
///
/// # Errors
///
/// `EPERM` if the hard limit is lower: the soft one is raised to it.
pub fn allow_open_files(wanted: u64) -> io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = Rlimit { current: Some(wanted), maximum: maximum.map(|maximum| maximum.max(wanted)) };
    setrlimit(Resource::Nofile, raised).or_else(|refused| {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        Err(refused.into())
    })
}

/// The soft limit is the hard one: the signal of a lower soft limit would end the process as well.
fn limit_realtime(limit: Duration) -> io::Result<()> {
    let microseconds = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
    Ok(setrlimit(Resource::Rttime, Rlimit { current: Some(microseconds), maximum: Some(microseconds) })?)
}

/// Present and future pages stay in memory.
fn lock_memory() -> io::Result<()> {
    #[expect(unsafe_code, reason = "no crate in use offers mlockall")]
    // SAFETY: a flag word; no memory of ours is read or written.
    let outcome = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of `/proc/thread-self/stat` behind the name.
    fn stat() -> Vec<String> {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().map(str::to_owned).collect()
    }

    fn status(key: &str) -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned()
    }

    /// In a thread of its own, which the settings end with; a process-wide one (nice) is the thread's on Linux.
    fn in_a_thread(test: fn()) {
        std::thread::spawn(test).join().unwrap();
    }

    #[test]
    fn a_reload_without_the_words_gives_back_what_was_before() {
        in_a_thread(|| {
            let all = status("Cpus_allowed_list:");
            let mut schedule = Schedule::current();
            let process = Process { processors: vec![0], nice: Some(5), ..Process::default() };
            assert_eq!(schedule.apply(&process), Vec::<String>::new());
            assert_eq!(status("Cpus_allowed_list:"), "0");
            assert_eq!(stat()[16], "5");
            assert_eq!(schedule.apply(&Process { realtime: Some(7), ..Process::default() }), Vec::<String>::new());
            // Fields 40 and 41 of the manual: priority and policy (2 is round robin).
            assert_eq!((stat()[37].as_str(), stat()[38].as_str()), ("7", "2"));
            // In microseconds.
            assert_eq!(getrlimit(Resource::Rttime).current, Some(10_000_000));
            assert_eq!(schedule.apply(&Process::default()), Vec::<String>::new());
            assert_eq!((stat()[37].as_str(), stat()[38].as_str()), ("0", "0"));
            assert_eq!(status("Cpus_allowed_list:"), all);
        });
    }

    #[test]
    fn a_late_process_goes_up_by_one_to_the_most_it_may_have_and_its_children_do_not() {
        in_a_thread(|| {
            let mut schedule = Schedule::current();
            let steps: Vec<bool> = (0..3).map(|_| schedule.escalate(2).unwrap()).collect();
            assert_eq!((steps, schedule.realtime()), (vec![true, true, false], 2));
            let child = std::process::Command::new("cat").arg("/proc/self/stat").output().unwrap();
            let text = String::from_utf8(child.stdout).unwrap();
            assert_eq!(text.rsplit_once(')').unwrap().1.split_whitespace().nth(38), Some("0"));
        });
    }

    #[test]
    fn a_processor_that_is_not_there_is_refused_in_words() {
        in_a_thread(|| {
            let process = Process { processors: vec![4000], ..Process::default() };
            let refused = Schedule::current().apply(&process);
            assert!(refused.len() == 1 && refused[0].starts_with("processors: "), "{refused:?}");
        });
    }
}
