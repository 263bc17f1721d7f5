//! What is published: one object for the daemon and one for each instance, their paths, their description, their state,
//! and which signals follow from what is told. It knows no bus.

use super::transition;
use core::fmt::Write as _;
use standfast_api::{DbusInstance, DbusSlice, Event, Snapshot, WorkerKind};
use standfast_model::ipvs::Family;
use standfast_model::{Instant, State};
use std::collections::BTreeSet;

/// The path that all others begin with.
const ROOT: &str = "/org/keepalived/Vrrp1";

/// What an instance without interface has in the place of its name, where `dbus_no_interface_name` says nothing.
const NO_INTERFACE: &str = "none";

/// What is signalled to everybody who listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Signal {
    /// `VrrpStarted`
    Started {
        /// Of the daemon.
        path: String,
    },
    /// `VrrpReloaded`
    Reloaded {
        /// Of the daemon.
        path: String,
    },
    /// `VrrpStopped`
    Stopped {
        /// Of the daemon.
        path: String,
    },
    /// `VrrpStatusChange`
    Changed {
        /// Of the instance.
        path: String,
        /// The number of its state.
        state: u32,
    },
}

/// An instance as it is published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Published {
    pub(super) path: String,
    pub(super) name: String,
    /// Its removal is told as such (`notify_deleted`), and not as FAULT.
    tells_deletion: bool,
    /// What was told of it, and when it was so.
    state: Option<(State, Instant)>,
}

/// What is at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Node<'a> {
    /// The daemon.
    Vrrp,
    /// An instance.
    Instance(&'a Published),
    /// Nothing, but perhaps something below.
    Other,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Objects {
    vrrp: String,
    instances: Vec<Published>,
    /// How often the `vrrp` worker was started, and which configuration is in force, as it was told last.
    starts: Option<u32>,
    generation: Option<standfast_api::Generation>,
}

/// Numbers of keepalived for what is no state of an instance that runs.
const DELETED: u32 = 97;
const STOP: u32 = 98;

/// The number and the word of a state.
pub(super) const fn number(state: State) -> (u32, &'static str) {
    match state {
        State::Init => (0, "Init"),
        State::Backup => (1, "Backup"),
        State::Master => (2, "Master"),
        State::Fault => (3, "Fault"),
        State::Stop => (STOP, "Stop"),
    }
}

impl Published {
    /// What was told last; nothing yet is INIT.
    pub(super) fn state(&self) -> State {
        self.state.map_or(State::Init, |(state, _)| state)
    }

    /// A change, if it is one. What is older than what is known is none.
    fn becomes(&mut self, state: State, at: Instant) -> Option<Signal> {
        match self.state {
            Some((_, known)) if at < known => return None,
            Some((known, _)) if known == state => {
                self.state = Some((state, at));
                return None;
            }
            Some(_) => {}
            // How it began is no change.
            None => {
                self.state = Some((state, at));
                return None;
            }
        }
        self.state = Some((state, at));
        Some(Signal::Changed { path: self.path.clone(), state: number(state).0 })
    }
}

/// A part of a path: what may not be in it becomes `_`.
fn part(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    if text.is_empty() { "_".to_owned() } else { text.chars().map(allowed).collect() }
}

fn root(slice: &DbusSlice) -> String {
    slice.place.iter().fold(ROOT.to_owned(), |path, place| format!("{path}/{}", part(place)))
}

fn path_of(slice: &DbusSlice, instance: &DbusInstance) -> String {
    let nowhere = slice.no_interface_name.as_deref().unwrap_or(NO_INTERFACE);
    let interface = instance.interface.as_ref().map_or(nowhere, |interface| interface.as_str());
    let family = match instance.family {
        Family::Inet => "IPv4",
        Family::Inet6 => "IPv6",
    };
    format!("{}/Instance/{}/{}/{family}", root(slice), part(interface), instance.vrid)
}

impl Objects {
    pub(super) fn new(slice: &DbusSlice) -> Self {
        let mut objects = Self { vrrp: String::new(), instances: Vec::new(), starts: None, generation: None };
        objects.configure(slice);
        objects
    }

    /// Publishes that from now on. An instance is known by its path, so it may be renamed.
    pub(super) fn configure(&mut self, slice: &DbusSlice) -> Vec<Signal> {
        self.vrrp = format!("{}/Vrrp", root(slice));
        let former = core::mem::take(&mut self.instances);
        for instance in &slice.instances {
            let path = path_of(slice, instance);
            // Two names of interfaces may be one part of a path; then the first has it.
            if self.instances.iter().all(|known| known.path != path) {
                let state = former.iter().find(|known| known.path == path).and_then(|known| known.state);
                let (name, tells_deletion) = (instance.name.clone(), instance.tells_deletion);
                self.instances.push(Published { path, name, tells_deletion, state });
            }
        }
        let gone = former.into_iter().filter(|known| self.instances.iter().all(|kept| kept.path != known.path));
        let removed = |known: Published| {
            let state = if known.tells_deletion { DELETED } else { number(State::Fault).0 };
            Signal::Changed { path: known.path, state }
        };
        gone.map(removed).collect()
    }

    /// What follows from how things are. Lost events are made up for by it.
    pub(super) fn snapshot(&mut self, snapshot: &Snapshot) -> Vec<Signal> {
        let mut signals = Vec::new();
        let vrrp = snapshot.daemon.workers.iter().find(|worker| worker.kind == WorkerKind::Vrrp);
        if let Some(starts) = vrrp.map(|worker| worker.starts)
            && self.starts.replace(starts).is_some_and(|known| known != starts)
        {
            signals.push(self.started());
        }
        for status in snapshot.vrrp.iter().flat_map(|vrrp| &vrrp.instances) {
            let at = snapshot.vrrp.as_ref().map_or(Instant::ZERO, |vrrp| vrrp.at);
            signals.extend(self.becomes(&status.name, status.state, at));
        }
        if !snapshot.daemon.reloading {
            let generation = snapshot.daemon.generation;
            if self.generation.replace(generation).is_some_and(|known| known != generation) {
                signals.push(Signal::Reloaded { path: self.vrrp.clone() });
            }
        }
        signals
    }

    /// What follows from what has happened.
    pub(super) fn events(&mut self, events: &[Event]) -> Vec<Signal> {
        let mut signals = Vec::new();
        for event in events {
            let Some((instance, word)) = transition(&event.kind) else { continue };
            let states = [State::Init, State::Backup, State::Master, State::Fault, State::Stop];
            if let Some(state) = states.into_iter().find(|state| state.to_string() == word) {
                signals.extend(self.becomes(instance, state, event.at));
            }
        }
        signals
    }

    fn becomes(&mut self, name: &str, state: State, at: Instant) -> Option<Signal> {
        self.instances.iter_mut().find(|known| known.name == name)?.becomes(state, at)
    }

    /// What is said as soon as there is somebody to say it to.
    pub(super) fn started(&self) -> Signal {
        Signal::Started { path: self.vrrp.clone() }
    }

    /// What is said at last: every instance stops with the daemon.
    pub(super) fn end(&self) -> Vec<Signal> {
        let running = self.instances.iter().filter(|known| known.state() != State::Stop);
        let stops = running.map(|known| Signal::Changed { path: known.path.clone(), state: STOP });
        stops.chain([Signal::Stopped { path: self.vrrp.clone() }]).collect()
    }

    /// What is at that path.
    pub(super) fn at(&self, path: &str) -> Node<'_> {
        if path == self.vrrp {
            return Node::Vrrp;
        }
        self.instances.iter().find(|known| known.path == path).map_or(Node::Other, Node::Instance)
    }

    /// The description of what is at that path and the names of what is below it.
    pub(super) fn introspect(&self, path: &str) -> String {
        let mut text = String::from(HEAD);
        match self.at(path) {
            Node::Vrrp => text.push_str(&[STANDARD, VRRP].concat()),
            Node::Instance(_) => text.push_str(&[STANDARD, INSTANCE].concat()),
            Node::Other => {}
        }
        for child in self.below(path) {
            let _ = writeln!(text, "  <node name=\"{child}\"/>");
        }
        text.push_str("</node>\n");
        text
    }

    fn below(&self, path: &str) -> BTreeSet<&str> {
        let all = self.instances.iter().map(|known| known.path.as_str()).chain([self.vrrp.as_str()]);
        let below = all.filter_map(|known| known.strip_prefix(path.trim_end_matches('/'))?.strip_prefix('/'));
        below.filter_map(|rest| rest.split('/').next()).filter(|name| !name.is_empty()).collect()
    }
}

const HEAD: &str = "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"
 \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">
<node>
";

/// What every object has.
const STANDARD: &str = r#"  <interface name="org.freedesktop.DBus.Properties">
    <method name="Get">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="s" name="property_name" direction="in"/>
      <arg type="v" name="value" direction="out"/>
    </method>
    <method name="GetAll">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="a{sv}" name="properties" direction="out"/>
    </method>
    <method name="Set">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="s" name="property_name" direction="in"/>
      <arg type="v" name="value" direction="in"/>
    </method>
    <signal name="PropertiesChanged">
      <arg type="s" name="interface_name"/>
      <arg type="a{sv}" name="changed_properties"/>
      <arg type="as" name="invalidated_properties"/>
    </signal>
  </interface>
  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect">
      <arg type="s" name="xml_data" direction="out"/>
    </method>
  </interface>
  <interface name="org.freedesktop.DBus.Peer">
    <method name="Ping"/>
    <method name="GetMachineId">
      <arg type="s" name="machine_uuid" direction="out"/>
    </method>
  </interface>
"#;

/// What the daemon has.
const VRRP: &str = r#"  <interface name="org.keepalived.Vrrp1.Vrrp">
    <method name="PrintData"/>
    <method name="PrintStats"/>
    <method name="PrintStatsClear"/>
    <method name="ReloadConfig"/>
    <signal name="VrrpStarted"/>
    <signal name="VrrpReloaded"/>
    <signal name="VrrpStopped"/>
  </interface>
"#;

/// What an instance has. That the name is a structure of one text is keepalived's doing, and so is the lack of a
/// `PropertiesChanged`.
const INSTANCE: &str = r#"  <interface name="org.keepalived.Vrrp1.Instance">
    <method name="SendGarp"/>
    <signal name="VrrpStatusChange">
      <arg type="u" name="status"/>
    </signal>
    <property type="(s)" name="Name" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
    </property>
    <property type="(us)" name="State" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
    </property>
  </interface>
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_api::{EventKind, Said};

    fn slice(names: &[(&str, &str, u8)]) -> DbusSlice {
        let instance = |(name, interface, vrid): &(&str, &str, u8)| DbusInstance {
            name: (*name).to_owned(),
            interface: interface.parse().ok(),
            vrid: standfast_model::Vrid::new(*vrid).unwrap(),
            family: Family::Inet,
            tells_deletion: *name == "TOLD",
        };
        DbusSlice { instances: names.iter().map(instance).collect(), ..DbusSlice::default() }
    }

    fn event(at: u64, instance: &str, to: &str) -> Event {
        let fields = [("instance", instance), ("from", "BACKUP"), ("to", to)];
        let said = Said {
            process: "Keepalived_vrrp".to_owned(),
            severity: 6,
            message: String::new(),
            fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        };
        Event { at: Instant::from_nanos(at), kind: EventKind::Said(said) }
    }

    fn paths(objects: &Objects) -> Vec<&str> {
        objects.instances.iter().map(|known| known.path.as_str()).collect()
    }

    #[test]
    fn a_path_is_made_of_place_interface_vrid_and_family_and_of_nothing_that_a_path_may_not_hold() {
        let names = [("A", "eth0.1", 51), ("B", "br-lan", 52), ("C", "", 53), ("D", "eth0-1", 51)];
        let named = slice(&names);
        // The last would have the path of the first.
        let objects = Objects::new(&named);
        let root = "/org/keepalived/Vrrp1/Instance";
        let [a, b] = [format!("{root}/eth0_1/51/IPv4"), format!("{root}/br_lan/52/IPv4")];
        assert_eq!(paths(&objects), [a.as_str(), b.as_str(), &format!("{root}/none/53/IPv4")]);
        let elsewhere = DbusSlice {
            place: vec!["blue.net".to_owned(), "one".to_owned()],
            no_interface_name: Some("any".to_owned()),
            ..slice(&names[2..3])
        };
        let objects = Objects::new(&elsewhere);
        assert_eq!(paths(&objects), ["/org/keepalived/Vrrp1/blue_net/one/Instance/any/53/IPv4"]);
        assert_eq!(objects.at("/org/keepalived/Vrrp1/blue_net/one/Vrrp"), Node::Vrrp);
        assert_eq!(objects.below("/org/keepalived/Vrrp1/blue_net/one"), BTreeSet::from(["Instance", "Vrrp"]));
        assert_eq!(objects.below("/"), BTreeSet::from(["org"]));
        assert!(objects.below("/org/keepalived/Vrrp1/blue").is_empty(), "half a name");
    }

    #[test]
    fn a_change_is_signalled_once_and_what_is_older_than_what_is_known_never() {
        let mut objects = Objects::new(&slice(&[("A", "eth0", 51)]));
        let path = "/org/keepalived/Vrrp1/Instance/eth0/51/IPv4".to_owned();
        let changed = |state| vec![Signal::Changed { path: path.clone(), state }];
        assert!(objects.events(&[event(1, "A", "BACKUP")]).is_empty(), "how it began");
        assert_eq!(objects.events(&[event(5, "A", "MASTER")]), changed(2));
        assert!(objects.events(&[event(6, "A", "MASTER"), event(3, "A", "FAULT"), event(7, "B", "FAULT")]).is_empty());
        assert_eq!(
            objects.events(&[event(8, "A", "FAULT"), event(9, "A", "BACKUP")]),
            [changed(3), changed(1)].concat()
        );
        assert_eq!(objects.end(), [changed(98), vec![Signal::Stopped { path: objects.vrrp.clone() }]].concat());
    }

    #[test]
    fn what_a_reload_removes_is_in_fault_unless_its_removal_is_told_and_what_stays_keeps_its_state() {
        let mut objects = Objects::new(&slice(&[("A", "eth0", 51), ("B", "eth0", 52), ("TOLD", "eth0", 53)]));
        objects.events(&[event(1, "A", "MASTER")]);
        let signals = objects.configure(&slice(&[("RENAMED", "eth0", 51)]));
        let states: Vec<u32> = signals
            .iter()
            .filter_map(|signal| match signal {
                Signal::Changed { state, .. } => Some(*state),
                Signal::Started { .. } | Signal::Reloaded { .. } | Signal::Stopped { .. } => None,
            })
            .collect();
        assert_eq!(states, [3, 97]);
        let Node::Instance(renamed) = objects.at("/org/keepalived/Vrrp1/Instance/eth0/51/IPv4") else {
            panic!("{objects:?}")
        };
        assert_eq!((renamed.name.as_str(), renamed.state()), ("RENAMED", State::Master));
    }
}
