//! The state of the LANs: who hears whom, and what gets lost. Turns it into lines for `ip` and `nft`; runs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// All LANs of a lab.
#[derive(Debug)]
pub(crate) struct Switch {
    lans: Vec<String>,
    /// The group of each machine that is apart from the rest of its LAN: (LAN, machine) to a number from 1.
    apart: BTreeMap<(String, String), usize>,
    losses: Vec<Loss>,
    /// The ports whose cables are pulled.
    unplugged: BTreeSet<String>,
}

/// Frames of one direction that get lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) lan: String,
    /// The ports where the frames come from.
    pub(crate) from: Vec<String>,
    /// The ports where they do not arrive.
    pub(crate) to: Vec<String>,
    /// How many of a hundred.
    pub(crate) percent: u8,
}

impl Switch {
    pub(crate) fn new(lans: Vec<String>) -> Self {
        Self { lans, apart: BTreeMap::new(), losses: Vec::new(), unplugged: BTreeSet::new() }
    }

    /// Lines for `ip` that make a bridge: one that forwards from the first moment and knows no multicast groups, like a
    /// plain switch.
    pub(crate) fn bridge(name: &str) -> String {
        format!(
            "link add name {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set dev {name} up\n"
        )
    }

    /// Remembers whether a port's cable is in.
    pub(crate) fn set_plugged(&mut self, port: &str, plugged: bool) {
        if plugged {
            self.unplugged.remove(port);
        } else {
            self.unplugged.insert(port.to_owned());
        }
    }

    /// A line for `ip` that puts a machine's port where it belongs: on the bridge of its group, or on none.
    pub(crate) fn attach(&self, lan: &str, machine: &str, port: &str) -> String {
        if self.unplugged.contains(port) {
            format!("link set dev {port} nomaster\n")
        } else {
            format!("link set dev {port} master {}\n", self.bridge_of(lan, machine))
        }
    }

    /// The bridge that a machine's cards on a LAN belong to.
    fn bridge_of(&self, lan: &str, machine: &str) -> String {
        match self.apart.get(&(lan.to_owned(), machine.to_owned())) {
            Some(group) => apart(lan, *group),
            None => lan.to_owned(),
        }
    }

    /// Splits a LAN: machines of the first group stay with those of no group, every other group is alone.
    /// Returns the names of the bridges that must exist.
    pub(crate) fn partition(&mut self, lan: &str, groups: &[&[&str]]) -> Vec<String> {
        self.heal_partition(lan);
        let mut bridges = Vec::new();
        for (number, group) in groups.iter().enumerate().skip(1) {
            bridges.push(apart(lan, number));
            for machine in *group {
                self.apart.insert((lan.to_owned(), (*machine).to_owned()), number);
            }
        }
        bridges
    }

    /// Joins a LAN again.
    pub(crate) fn heal_partition(&mut self, lan: &str) {
        self.apart.retain(|(of, _), _| of != lan);
    }

    /// Adds a loss; one with the same ends replaces the earlier.
    pub(crate) fn lose(&mut self, loss: Loss) {
        self.losses.retain(|old| (&old.lan, &old.from, &old.to) != (&loss.lan, &loss.from, &loss.to));
        self.losses.push(loss);
    }

    /// Forgets all losses of a LAN.
    pub(crate) fn heal_losses(&mut self, lan: &str) {
        self.losses.retain(|loss| loss.lan != lan);
    }

    /// A script for `nft` that makes all losses, and only them, happen.
    pub(crate) fn ruleset(&self) -> String {
        // Added first, so that deleting it never fails.
        let mut script = "add table bridge lab\ndelete table bridge lab\n".to_owned();
        if !self.losses.is_empty() {
            script += "add table bridge lab\nadd chain bridge lab loss { type filter hook forward priority 0; }\n";
        }
        for Loss { from, to, percent, .. } in &self.losses {
            let quoted = |ports: &[String]| ports.iter().map(|port| format!("{port:?}")).collect::<Vec<_>>().join(", ");
            let (from, to) = (quoted(from), quoted(to));
            let chance = if *percent >= 100 { String::new() } else { format!("numgen random mod 100 < {percent} ") };
            // Writing to a string cannot fail.
            let _ = writeln!(script, "add rule bridge lab loss iifname {{ {from} }} oifname {{ {to} }} {chance}drop");
        }
        script
    }

    pub(crate) fn knows(&self, lan: &str) -> bool {
        self.lans.iter().any(|known| known == lan)
    }
}

fn apart(lan: &str, group: usize) -> String {
    format!("{lan}~{group}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_group_stays_and_the_others_get_bridges_of_their_own() {
        let mut switch = Switch::new(vec!["lan".to_owned()]);
        let bridges = switch.partition("lan", &[&["a", "b"], &["c"], &["d", "e"]]);
        assert_eq!(bridges, ["lan~1", "lan~2"]);
        let of = |machine| switch.bridge_of("lan", machine);
        assert_eq!([of("a"), of("c"), of("d"), of("e"), of("unnamed")], ["lan", "lan~1", "lan~2", "lan~2", "lan"]);
        assert_eq!(switch.bridge_of("other", "c"), "other");
        switch.heal_partition("lan");
        assert_eq!(switch.bridge_of("lan", "c"), "lan");
    }

    #[test]
    fn a_pulled_cable_stays_out_of_every_group() {
        let mut switch = Switch::new(vec!["lan".to_owned()]);
        switch.set_plugged("a.eth0", false);
        switch.partition("lan", &[&["b"], &["a"]]);
        assert_eq!(switch.attach("lan", "a", "a.eth0"), "link set dev a.eth0 nomaster\n");
        switch.set_plugged("a.eth0", true);
        assert_eq!(switch.attach("lan", "a", "a.eth0"), "link set dev a.eth0 master lan~1\n");
    }

    #[test]
    fn a_loss_replaces_one_with_the_same_ends_and_healing_leaves_no_rule() {
        let mut switch = Switch::new(vec!["lan".to_owned()]);
        let loss = |percent| Loss {
            lan: "lan".to_owned(),
            from: vec!["a.eth0".to_owned()],
            to: vec!["b.eth0".to_owned(), "b.eth1".to_owned()],
            percent,
        };
        switch.lose(loss(30));
        assert!(
            switch
                .ruleset()
                .contains(r#"iifname { "a.eth0" } oifname { "b.eth0", "b.eth1" } numgen random mod 100 < 30 drop"#)
        );
        switch.lose(loss(100));
        let rules = switch.ruleset();
        assert_eq!(rules.matches("add rule").count(), 1);
        assert!(rules.contains(r#"oifname { "b.eth0", "b.eth1" } drop"#));
        switch.heal_losses("lan");
        assert_eq!(switch.ruleset(), "add table bridge lab\ndelete table bridge lab\n");
    }
}
