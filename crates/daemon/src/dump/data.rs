//! `keepalived.data` and `keepalived_check.data`: how things are, for people, in keepalived's sections and labels.

use super::words;
use core::fmt::Write as _;
use standfast_api::{DaemonStatus, InstanceStatus, ServiceStatus, Snapshot};
use standfast_model::config::track::Tracker;
use standfast_model::config::vrrp::{Authentication, Instance, Preempt};
use standfast_model::config::{Config, VrrpConfig};
use standfast_model::{State, Version};

/// A text of titles and `Label = value` lines, one blank and two a level.
#[derive(Default)]
struct Text(String);

impl Text {
    fn title(&mut self, title: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "------< {title} >------");
    }

    fn line(&mut self, level: usize, text: &str) {
        let _ = writeln!(self.0, " {:indent$}{text}", "", indent = 2 * level);
    }

    fn value(&mut self, level: usize, label: &str, value: impl core::fmt::Display) {
        self.line(level, &format!("{label} = {value}"));
    }
}

/// What the VRRP process of keepalived writes.
#[must_use]
pub fn vrrp_data(config: &Config, snapshot: &Snapshot) -> String {
    let mut text = Text::default();
    text.title("Global definitions");
    text.value(0, "Network namespace", config.global.net_namespace.as_deref().unwrap_or("(default)"));
    if let Some(router_id) = &config.global.router_id {
        text.value(0, "Router ID", router_id);
    }
    text.value(0, "Dynamic interfaces", config.global.dynamic_interfaces);
    text.title("VRRP Topology");
    for status in snapshot.vrrp.iter().flat_map(|vrrp| &vrrp.instances) {
        if let Some(instance) = config.vrrp.instances.iter().find(|instance| instance.name == status.name) {
            topology(&mut text, &config.vrrp, instance, status, &snapshot.daemon);
        }
    }
    if !config.vrrp.groups.is_empty() {
        text.title("VRRP Sync groups");
    }
    for group in &config.vrrp.groups {
        text.value(0, "VRRP Sync Group", &group.name);
        let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let members = group.members.iter().filter_map(|id| config.vrrp.instances.get(place(id.0)));
        text.line(1, &format!("VRRP member instances ({}):", group.members.len()));
        members.for_each(|member| text.line(2, &member.name));
    }
    if !config.vrrp.common.scripts.is_empty() {
        text.title("VRRP Scripts");
    }
    for script in &config.vrrp.common.scripts {
        text.value(0, "VRRP Script", &script.name);
        text.value(1, "Command", words::command(&script.script));
        text.value(1, "Interval", format!("{} sec", words::seconds(script.interval)));
        text.value(1, "Timeout", format!("{} sec", words::seconds(script.timeout)));
        text.value(1, "Rise", script.rise);
        text.value(1, "Fall", script.fall);
    }
    text.0
}

fn topology(text: &mut Text, config: &VrrpConfig, instance: &Instance, status: &InstanceStatus, daemon: &DaemonStatus) {
    text.value(0, "VRRP Instance", &instance.name);
    text.value(1, "VRRP Version", if instance.version == Version::V2 { 2 } else { 3 });
    text.value(1, "State", status.state);
    text.value(1, "Wantstate", status.state);
    text.value(1, "Last transition", words::unix(daemon, status.since));
    if let Some(last) = &status.last_transition {
        text.value(1, "Cause of last transition", &last.cause);
    }
    if let Some(master) = status.master {
        text.value(1, "Master router", master);
    }
    text.value(1, "Interface", &instance.interface);
    settings(text, instance, status.priority);
    addresses(text, instance, status.state == State::Master);
    trackers(text, config, instance);
    text.value(1, "Using smtp notification", if instance.options.smtp_alert { "yes" } else { "no" });
}

/// What is configured, and the priority that is in force.
fn settings(text: &mut Text, instance: &Instance, effective_priority: u8) {
    text.value(1, "Gratuitous ARP delay", words::seconds(instance.garp.master_delay));
    text.value(1, "Gratuitous ARP repeat", instance.garp.master_repeat);
    text.value(1, "Gratuitous ARP refresh", words::seconds(instance.garp.master_refresh));
    text.value(1, "Gratuitous ARP refresh repeat", instance.garp.master_refresh_repeat);
    text.value(1, "Gratuitous ARP lower priority delay", words::seconds(instance.garp.lower_prio_delay));
    text.value(1, "Gratuitous ARP lower priority repeat", instance.garp.lower_prio_repeat);
    text.value(1, "Down timer adverts", instance.down_timer_adverts);
    text.value(1, "Send advert after receive lower priority advert", !instance.lower_prio_no_advert);
    text.value(1, "Send advert after receive higher priority advert", instance.higher_prio_send_advert);
    text.value(1, "Virtual Router ID", instance.vrid.get());
    text.value(1, "Priority", instance.priority.get());
    text.value(1, "Effective priority", effective_priority);
    text.value(1, "Advert interval", format!("{} sec", words::seconds(instance.advert_interval.as_duration())));
    text.value(1, "Accept", enabled(instance.options.accept));
    text.value(1, "Preempt", enabled(instance.preempt != Preempt::Never));
    text.value(1, "Promote_secondaries", enabled(instance.options.promote_secondaries));
    match instance.authentication {
        Authentication::None => {}
        Authentication::Pass(_) => text.value(1, "Authentication type", "SIMPLE_PASSWORD"),
        Authentication::Ah(_) => text.value(1, "Authentication type", "IPSEC_AH"),
    }
    if instance.authentication != Authentication::None {
        text.value(1, "Password", "********");
    }
}

fn addresses(text: &mut Text, instance: &Instance, held: bool) {
    let counted = format!("Virtual IP ({}):", instance.addresses.len());
    // keepalived counts the former and not the latter.
    for (label, list) in [(counted.as_str(), &instance.addresses), ("Virtual IP Excluded :", &instance.excluded)] {
        if !list.is_empty() {
            text.line(1, label);
            list.iter().for_each(|entry| text.line(2, &words::address(instance, entry, held)));
        }
    }
}

fn trackers(text: &mut Text, config: &VrrpConfig, instance: &Instance) {
    if !instance.track_interfaces.is_empty() {
        text.line(1, "Tracked interfaces :");
        for entry in &instance.track_interfaces {
            text.line(2, &format!("{} weight {}", entry.interface, entry.weight));
        }
    }
    let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let scripts: Vec<String> = instance
        .options
        .trackers
        .iter()
        .filter_map(|entry| match entry.tracker {
            Tracker::Script(id) => {
                let script = config.common.scripts.get(place(id.0))?;
                Some(format!("{} weight {}", script.name, entry.weight))
            }
            Tracker::File(_) | Tracker::Process(_) | Tracker::Bfd(_) | Tracker::Service(_) => None,
        })
        .collect();
    if !scripts.is_empty() {
        text.line(1, "Tracked scripts :");
        scripts.iter().for_each(|script| text.line(2, script));
    }
}

const fn enabled(so: bool) -> &'static str {
    if so { "enabled" } else { "disabled" }
}

/// What the checker process of keepalived writes.
#[must_use]
pub fn check_data(snapshot: &Snapshot) -> String {
    let mut text = Text::default();
    text.title("LVS Topology");
    for service in snapshot.check().into_iter().flat_map(|check| &check.services) {
        virtual_server(&mut text, service);
    }
    text.0
}

fn virtual_server(text: &mut Text, service: &ServiceStatus) {
    text.value(0, "VS", service.key);
    text.value(1, "Quorum", service.quorum);
    text.value(1, "Quorum status", if service.has_quorum { "up" } else { "down" });
    text.value(1, "Using sorry server", if service.on_sorry_server { "yes" } else { "no" });
    text.value(1, "Weight of real servers up", service.weight);
    for server in &service.servers {
        text.value(1, "RIP", server.key);
        text.value(2, "Weight", server.weight);
        text.value(2, "Alive", if server.up { "yes" } else { "no" });
        if let Some(trouble) = &server.remarks.trouble {
            text.value(2, "Trouble", trouble);
        }
    }
}
