//! What the supervisor says to the `vrrp` worker, and what operators want of it through the supervisor: maintenance,
//! switchover, and to know what a reload would do.

use super::{Worker, options_of};
use crate::link::{Command, SupervisorLink};
use crate::plan;
use crate::worker::{say_stopping, slice_label};
use core::time::Duration;
use standfast_api::control::SwitchoverOrder;
use standfast_api::plan::Part;
use standfast_api::{Status, VrrpSlice, WorkerKind, WorkerOptions};
use standfast_kernel::timer::boottime;
use standfast_model::config::VrrpConfig;
use standfast_model::config::vrrp::InstanceId;
use standfast_model::{Instant, State};
use standfast_node::{Input, Reload, prepared};

/// What the loop does after a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// What it did before.
    GoOn,
    /// It tells how things are now.
    Tell,
    /// It ends.
    Leave,
}

impl Worker {
    /// Does what the supervisor says.
    pub(super) async fn obey(
        &mut self,
        command: Command,
        supervisor: &mut SupervisorLink,
        options: WorkerOptions,
    ) -> Next {
        match command {
            Command::Stop(reason) => {
                say_stopping(reason);
                self.stop(options);
                self.run_errands();
                self.stamp();
                supervisor.status(Status::Vrrp(self.status()));
                self.errands.last_words().await;
                return Next::Leave;
            }
            Command::Reload(slice) => {
                let outcome = slice.read(slice_label(WorkerKind::Vrrp)).map(|slice| self.reload(slice));
                supervisor.reloaded(slice.generation(), outcome);
                return Next::Tell;
            }
            Command::Peer(_, way) => self.errands.connect(way),
            Command::Bfd { session, up } => self.bfd(&session, up),
            Command::Maintenance { on } => {
                self.maintain(on);
                return Next::Tell;
            }
            Command::Switchover { number, order } => {
                let outcome = self.switchover(&order);
                supervisor.answer(number, outcome);
                return Next::Tell;
            }
            Command::Announce { number, instance } => supervisor.answer(number, self.announce(&instance)),
            Command::Conflict(conflict) => self.errands.conflict(&conflict),
            Command::Plan { number, slice } => {
                let outcome = slice.read(slice_label(WorkerKind::Vrrp)).map(|slice| self.plan(slice));
                supervisor.planned(number, outcome);
            }
            Command::Quorum { service, has_quorum } => self.quorum(&service, has_quorum),
            Command::Witness { witness, said } => self.witness(&witness, said),
            Command::Report => supervisor.status(Status::Vrrp(self.status())),
            // Not for this worker.
            Command::Server { .. }
            | Command::Front(_)
            | Command::Agent(_)
            | Command::SyncInstance { .. }
            | Command::Lease { .. } => {}
        }
        Next::GoOn
    }

    /// This node is to be master of nothing, or may take part again.
    pub(super) fn maintain(&mut self, on: bool) {
        self.maintenance = on;
        self.node.handle(boottime(), Input::Maintenance { on }, &mut self.machine);
        self.run_errands();
    }

    /// What a reload to that slice would do now.
    pub(super) fn plan(&self, slice: VrrpSlice) -> Part {
        let options = options_of(&slice.global);
        let reload = Reload { config: prepared(slice.vrrp), options };
        let rehearsal = self.node.rehearse(boottime(), reload.clone());
        plan::vrrp(self.node.config(), &reload.config, &rehearsal)
    }

    /// Announces every address that the instance holds, once. One that is not master holds none.
    pub(super) fn announce(&mut self, name: &str) -> Result<String, String> {
        let place = self.node.config().instances.iter().position(|instance| instance.name == name);
        let place = place.and_then(|place| u32::try_from(place).ok());
        let instance = place.map(InstanceId).ok_or_else(|| format!("there is no instance {name}"))?;
        if self.node.router().state(instance) != State::Master {
            return Ok(format!("{name} is not master, so it has nothing to announce"));
        }
        self.node.handle(boottime(), Input::Announce { instance }, &mut self.machine);
        Ok(format!("{name}: its addresses are announced"))
    }

    /// Hands over, or takes part again; in words what it did.
    pub(super) fn switchover(&mut self, order: &SwitchoverOrder) -> Result<String, String> {
        let meant = meant(self.node.config(), order.of.as_deref())?;
        let status = |worker: &Self, id: InstanceId, what: fn(standfast_vrrp::Status<'_>) -> bool| {
            worker.node.router().status(id).is_some_and(what)
        };
        let name = |worker: &Self, id: InstanceId| {
            let place = usize::try_from(id.0).ok();
            place
                .and_then(|place| worker.node.config().instances.get(place))
                .map(|i| i.name.clone())
                .unwrap_or_default()
        };
        let concerned: Vec<InstanceId> = match order.undo {
            true => meant.into_iter().filter(|id| status(self, *id, |status| status.stands_back.is_some())).collect(),
            false => meant.into_iter().filter(|id| status(self, *id, |s| s.state == State::Master)).collect(),
        };
        let names: Vec<String> = concerned.iter().map(|id| name(self, *id)).collect();
        let names = names.join(", ");
        if order.undo {
            if concerned.is_empty() {
                return Err("nothing was handed over".to_owned());
            }
            for instance in concerned {
                self.node.handle(boottime(), Input::TakePart { instance }, &mut self.machine);
            }
            self.machine.stamps().note_all(self.node.router());
            self.run_errands();
            return Ok(format!("{names}: preempts again as configured"));
        }
        if concerned.is_empty() {
            return Err("this node is not master of it, so there is nothing to hand over".to_owned());
        }
        if let Some(deaf) = concerned.iter().find(|id| self.hears_nobody(**id)) {
            return Err(format!("{}: with owner_ignore_adverts it would not hear who takes over", name(self, *deaf)));
        }
        let until = order.for_s.map(|seconds| boottime() + Duration::from_secs(seconds.into()));
        for instance in concerned {
            // The sync group of an earlier one may have taken it along.
            if self.node.router().state(instance) == State::Master {
                self.node.handle(boottime(), Input::HandOver { instance, until }, &mut self.machine);
            }
        }
        self.run_errands();
        Ok(format!(
            "{names}: resigned, and does not preempt {}; a master cannot hear standbys: if there is none, this node is \
             master again after its master down interval",
            order.for_s.map_or("until --undo".to_owned(), |seconds| format!("for {seconds} s")),
        ))
    }

    fn hears_nobody(&self, id: InstanceId) -> bool {
        let place = usize::try_from(id.0).ok();
        place
            .and_then(|place| self.node.config().instances.get(place))
            .is_some_and(|instance| instance.options.owner_ignore_adverts && instance.priority.is_owner())
    }
}

/// What an operator wants of an instance, in words.
pub(super) fn ordered(now: Instant, status: &standfast_vrrp::Status<'_>, maintenance: bool) -> Option<String> {
    if maintenance {
        return Some("maintenance".to_owned());
    }
    let until = status.stands_back.filter(|until| now < *until)?;
    Some(match until {
        end if end == Instant::from_nanos(u64::MAX) => "handed over".to_owned(),
        end => format!("handed over, for {} s more", end.since(now).as_secs()),
    })
}

/// The instances that a name means: of an instance, of a sync group, or without a name all.
fn meant(config: &VrrpConfig, name: Option<&str>) -> Result<Vec<InstanceId>, String> {
    let ids = || (0..).map(InstanceId).zip(&config.instances);
    let Some(name) = name else { return Ok(ids().map(|(id, _)| id).collect()) };
    if let Some((id, _)) = ids().find(|(_, instance)| instance.name == name) {
        return Ok(vec![id]);
    }
    let group = config.groups.iter().find(|group| group.name == name);
    group.map(|group| group.members.clone()).ok_or_else(|| format!("there is no instance and no sync group {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_conf::host::Memory;
    use std::path::Path;

    #[test]
    fn a_name_means_an_instance_or_a_group_and_no_name_means_all() {
        let path = Path::new("/k");
        let one = |name: &str, vrid: u8| {
            format!(
                "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n virtual_ipaddress {{\n 192.0.2.{vrid}\n }}\n}}\n"
            )
        };
        let text =
            format!("{}{}{}vrrp_sync_group G {{\n group {{\n A\n B\n }}\n}}\n", one("A", 1), one("B", 2), one("C", 3));
        let host = Memory::new().file(path, text).with_interface("eth0");
        let config = standfast_conf::load(&host, path, &standfast_conf::Options::default()).config.unwrap().vrrp;
        assert_eq!(meant(&config, Some("C")).unwrap(), [InstanceId(2)]);
        assert_eq!(meant(&config, Some("G")).unwrap(), [InstanceId(0), InstanceId(1)]);
        assert_eq!(meant(&config, None).unwrap().len(), 3);
        assert_eq!(meant(&config, Some("X")).unwrap_err(), "there is no instance and no sync group X");
    }
}
