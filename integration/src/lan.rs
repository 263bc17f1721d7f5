//! The handle to a LAN of a running lab: split it, lose frames on it, listen on it.

use std::sync::Arc;

use crate::command::Command;
use crate::core::{Core, port};
use crate::error::{Error, Result};
use crate::switch::{Loss, Switch};

/// A LAN of a running lab.
#[derive(Clone, Debug)]
pub struct Lan {
    core: Arc<Core>,
    name: String,
}

impl Lan {
    pub(crate) fn new(core: Arc<Core>, name: String) -> Self {
        Self { core, name }
    }

    /// Its name in the plan.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Splits it into groups of machines that hear each other and nobody else. Machines that no group names stay with the
    /// first group. No card loses its carrier.
    ///
    /// # Errors
    /// A machine has no card on this LAN.
    pub fn partition(&self, groups: &[&[&str]]) -> Result<()> {
        for machine in groups.iter().copied().flatten() {
            self.ports_of(machine)?;
        }
        let bridges = self.core.switch().partition(&self.name, groups);
        // A bridge of an earlier partition may stand already, which is as good as a new one.
        for bridge in bridges {
            if self.core.run_at_wires(["ip", "link", "show", "dev", &bridge]).is_err() {
                self.core.ip(Switch::bridge(&bridge))?;
            }
        }
        self.apply()
    }

    /// Joins it again and loses no more frames.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn heal(&self) -> Result<()> {
        {
            let mut switch = self.core.switch();
            switch.heal_partition(&self.name);
            switch.heal_losses(&self.name);
        }
        self.apply()?;
        self.apply_losses()
    }

    /// Loses `percent` of a hundred frames that `from` sends and `to` should get on this LAN. The other direction is not
    /// touched.
    ///
    /// # Errors
    /// A machine has no card on this LAN, or the percentage is above 100.
    pub fn lose(&self, percent: u8, from: &str, to: &str) -> Result<()> {
        if percent > 100 {
            return Err(Error::Plan(format!("{percent} of a hundred frames cannot get lost")));
        }
        let loss = Loss { lan: self.name.clone(), from: self.ports_of(from)?, to: self.ports_of(to)?, percent };
        self.core.switch().lose(loss);
        self.apply_losses()
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Machine and port of every card on this LAN.
    pub(crate) fn ports(&self) -> Vec<(String, String)> {
        let mut ports = Vec::new();
        for node in &self.core.nodes {
            for (card, plan) in node.plan.cards.iter().enumerate() {
                if self.core.lan_name(plan.lan) == self.name {
                    ports.push((node.plan.name.clone(), port(&node.plan.name, card)));
                }
            }
        }
        ports
    }

    fn ports_of(&self, machine: &str) -> Result<Vec<String>> {
        let ports: Vec<String> =
            self.ports().into_iter().filter(|(owner, _)| owner == machine).map(|(_, port)| port).collect();
        if ports.is_empty() {
            Err(Error::Plan(format!("{machine:?} has no card on the LAN {}", self.name)))
        } else {
            Ok(ports)
        }
    }

    /// Puts every port on the bridge of its group.
    fn apply(&self) -> Result<()> {
        let mut lines = String::new();
        for (machine, port) in self.ports() {
            lines += &self.core.switch().attach(&self.name, &machine, &port);
        }
        // The ports of a machine made of namespaces that has no power do not exist: they find their bridge at boot.
        self.core.run_at_wires(Command::from(["ip", "-force", "-batch", "-"]).input(lines)).map(|_| ()).or_else(
            |error| {
                if self.core.nodes.iter().all(crate::core::Node::is_on) { Err(error) } else { Ok(()) }
            },
        )
    }

    fn apply_losses(&self) -> Result<()> {
        let script = self.core.switch().ruleset();
        self.core.run_at_wires(Command::from(["nft", "-f", "-"]).input(script)).map(|_| ())
    }
}
