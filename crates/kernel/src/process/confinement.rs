//! What the calling process gives up for good once it has what it needs: capabilities, rights by an exec, system calls,
//! and writing files.
//!
//! Everything concerns the calling thread and those that it starts later, so it is to be called before there is another.
//! What a kernel does not have is not an error: the rest holds all the same.

use super::identity::Capability;
use landlock::{
    ABI, Access as _, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus,
};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};
use seccompiler::{SeccompAction, SeccompFilter, TargetArch, apply_filter};
use std::collections::BTreeMap;
use std::io;

/// System calls are numbered upwards. What lies beyond is of another ABI of the same machine (x32 on x86-64), by which
/// the forbidden ones could be had. A C library tries new ones and falls back on the error that says "none such".
const LAST_SYSTEM_CALL: libc::c_long = 600;

/// Calls by which a process runs programs, becomes somebody else, leaves where it is, signals or looks into others,
/// changes the machine, or reaches parts of the kernel that nobody here needs.
const FORBIDDEN: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes.
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_pidfd_send_signal,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Somebody else.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_personality,
    // Somewhere else.
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_unshare,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_mknodat,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    // Large parts of the kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
];

/// Gives up every capability but these, in every set from which it could come back. One that the process does not have is
/// not had.
///
/// # Errors
///
/// None that the kernel documents.
pub fn keep_capabilities(kept: &[Capability]) -> io::Result<()> {
    let mut wanted = CapabilitySet::empty();
    kept.iter().for_each(|capability| wanted |= capability.bit());
    let held = capabilities(None)?.permitted;
    let kept = wanted & held;
    Ok(set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )?)
}

/// No exec gives more rights than the process has (`no_new_privs`), and children inherit that.
///
/// # Errors
///
/// None that the kernel documents.
pub fn gain_nothing() -> io::Result<()> {
    Ok(set_no_new_privs(true)?)
}

/// From now on some system calls fail with `EPERM`: running programs, signalling others, becoming another user, changing
/// mounts, the clock or the machine. `setns` says whether the process may go on moving between namespaces.
///
/// # Errors
///
/// In words: the kernel has no filters, or this is a machine that nobody has written them for.
pub fn forbid_system_calls(setns: bool) -> Result<(), String> {
    let machine = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let forbidden = |call: &libc::c_long| FORBIDDEN.contains(call) || (!setns && *call == libc::SYS_setns);
    let allowed = (0..=LAST_SYSTEM_CALL).filter(|call| !forbidden(call));
    let rules: BTreeMap<i64, Vec<_>> = allowed.map(|call| (call, Vec::new())).collect();
    let refusal = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, refusal, SeccompAction::Allow, machine);
    let program: seccompiler::BpfProgram = filter.and_then(TryInto::try_into).map_err(|error| error.to_string())?;
    apply_filter(&program).map_err(|error| error.to_string())
}

/// From now on the process makes, writes, removes and executes no file that it has not open already (Landlock). It may go
/// on reading. False if the kernel has no Landlock.
///
/// # Errors
///
/// In words: the rules were refused.
pub fn forbid_writing() -> Result<bool, String> {
    let words = |error: &dyn core::fmt::Display| error.to_string();
    let root = PathFd::new("/").map_err(|error| words(&error))?;
    let rules = Ruleset::default().handle_access(AccessFs::from_all(ABI::V3)).map_err(|error| words(&error))?;
    let reading = PathBeneath::new(root, AccessFs::ReadFile | AccessFs::ReadDir);
    let rules = rules.create().and_then(|rules| rules.add_rule(reading)).map_err(|error| words(&error))?;
    let status = rules.restrict_self().map_err(|error| words(&error))?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(key: &str) -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned()
    }

    /// In a thread of its own, which the confinement ends with.
    fn in_a_thread(test: fn()) {
        std::thread::spawn(test).join().unwrap();
    }

    #[test]
    fn capabilities_that_are_given_up_are_gone_for_good() {
        in_a_thread(|| {
            keep_capabilities(&[Capability::NetAdmin]).unwrap();
            let expected = format!("{:016x}", 1 << 12);
            assert_eq!(
                (status("CapEff:"), status("CapPrm:"), status("CapInh:")),
                (expected.clone(), expected, "0".repeat(16))
            );
            keep_capabilities(&[Capability::NetAdmin, Capability::NetRaw]).unwrap();
            assert_eq!(status("CapEff:"), format!("{:016x}", 1 << 12));
        });
    }

    #[test]
    fn what_is_forbidden_is_refused_and_the_rest_works_on() {
        in_a_thread(|| {
            gain_nothing().unwrap();
            forbid_system_calls(false).unwrap();
            assert_eq!((status("Seccomp:"), status("NoNewPrivs:")), ("2".to_owned(), "1".to_owned()));
            let refused = |outcome: io::Result<()>| outcome.unwrap_err().raw_os_error() == Some(libc::EPERM);
            assert!(refused(std::process::Command::new("/bin/true").status().map(drop)));
            assert!(refused(rustix::process::test_kill_process(rustix::process::getpid()).map_err(Into::into)));
            assert!(refused(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).map_err(Into::into)));
            let namespace = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
            let moved = rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), None);
            assert!(refused(moved.map_err(Into::into)));
            // Sockets, files, memory, threads.
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            std::thread::spawn(|| vec![0_u8; 1 << 20]).join().unwrap();
            std::fs::read("/etc/hostname").or_else(|_| std::fs::read("/proc/version")).unwrap();
        });
    }

    #[test]
    fn who_needs_to_move_between_namespaces_may() {
        in_a_thread(|| {
            gain_nothing().unwrap();
            forbid_system_calls(true).unwrap();
            let namespace = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
            rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), None).unwrap();
        });
    }

    #[test]
    fn nothing_is_written_any_more_but_what_is_open() {
        use std::io::Write as _;
        in_a_thread(|| {
            let place = std::env::temp_dir().join(format!("standfast-confined-{}", std::process::id()));
            let mut open = std::fs::File::create(&place).unwrap();
            let enforced = forbid_writing().unwrap();
            open.write_all(b"more").unwrap();
            assert_eq!(std::fs::read(&place).unwrap(), b"more");
            let refused =
                std::fs::write(&place, "").is_err() && std::fs::create_dir(place.with_extension("d")).is_err();
            // A kernel without Landlock lets it: then so does this.
            assert_eq!(refused, enforced);
            if !refused {
                std::fs::remove_dir(place.with_extension("d")).unwrap();
            }
        });
        let place = std::env::temp_dir().join(format!("standfast-confined-{}", std::process::id()));
        std::fs::remove_file(place).unwrap();
    }
}
