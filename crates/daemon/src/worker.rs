//! What all worker processes have in common: how one is named and labelled, what its loop is given, how it says that it
//! stops. What a worker does is its loop's business.

use crate::journal;
use crate::link::{StopReason, SupervisorLink};
use standfast_api::{PROTOCOL_VERSION, WorkerKind, WorkerOptions};
use standfast_kernel::memfd::Label;
use standfast_kernel::process::schedule::Schedule;
use standfast_model::config::global::Process;
use std::os::fd::OwnedFd;
use tracing::info;

/// What a process is called unless the configuration names it.
pub const PROCESS_NAME: &str = "standfastd";

/// What the first word of a worker's command line begins with; the second is the name of its process.
pub const ARGUMENT: &str = "--worker=";

/// What the memory file of a worker's slice is labelled with.
#[must_use]
pub const fn slice_label(kind: WorkerKind) -> Label {
    let kind = match kind {
        WorkerKind::Vrrp => 2,
        WorkerKind::Check => 3,
        WorkerKind::Runner => 4,
        WorkerKind::Bfd => 5,
        WorkerKind::Front => 6,
    };
    Label { kind, version: PROTOCOL_VERSION as u32 }
}

/// What a worker's loop is given.
#[derive(Debug)]
pub struct WorkerContext<S> {
    /// Its part of the configuration.
    pub slice: S,
    /// What of the command line concerns it.
    pub options: WorkerOptions,
    /// What else came with it, in the order of the supervisor: the file of the times of advertisements for `vrrp`.
    pub attached: Vec<OwnedFd>,
    /// Where commands come from and status and events go.
    pub supervisor: SupervisorLink,
}

/// Schedules this process as configured. What the kernel refuses is said, and is not worth not working.
pub(crate) fn set_schedule(schedule: &mut Schedule, process: &Process) {
    for refused in schedule.apply(process) {
        journal::trouble("schedule", &refused);
    }
}

/// Says why a worker stops, in one wording for all of them.
pub fn say_stopping(reason: StopReason) {
    info!(cause = %reason, "Stopping: {reason}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_api::{CheckSlice, VrrpSlice, encode};
    use standfast_kernel::memfd::{self, MemfdError};
    use std::path::Path;

    const TEXT: &str = "vrrp_instance VI_E {\n interface eth0\n virtual_router_id 51\n authentication {\n \
        auth_type PASS\n auth_pass s3cr3tpw\n }\n virtual_ipaddress {\n 192.0.2.1\n }\n}\n\
        virtual_server 192.0.2.1 80 {\n real_server 192.0.2.2 80 {\n TCP_CHECK {\n }\n }\n}\n";

    fn holds_password(bytes: &[u8]) -> bool {
        bytes.windows(8).any(|window| window == b"s3cr3tpw")
    }

    #[test]
    fn the_process_that_listens_to_back_ends_is_never_given_a_password() {
        let path = Path::new("/etc/keepalived/keepalived.conf");
        let host = standfast_conf::host::Memory::new().file(path, TEXT).with_interface("eth0");
        let config = standfast_conf::load(&host, path, &standfast_conf::Options::default()).config.unwrap();
        assert_eq!((config.vrrp.instances.len(), config.lvs.virtual_servers.len()), (1, 1));
        assert!(holds_password(&encode(&VrrpSlice::of(&config)).unwrap()), "it is not found where it is");
        assert!(!holds_password(&encode(&CheckSlice::of(&config)).unwrap()));
    }

    #[test]
    fn the_slice_of_one_worker_is_not_taken_for_that_of_another() {
        let slice = memfd::write("test", slice_label(WorkerKind::Vrrp), b"").unwrap();
        assert!(matches!(memfd::read(&slice, slice_label(WorkerKind::Check)), Err(MemfdError::Unexpected { .. })));
    }
}
