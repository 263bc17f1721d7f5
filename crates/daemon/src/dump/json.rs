//! `keepalived.json`: instances with their data and statistics, members in keepalived's order.

use super::words;
use serde::Serialize;
use standfast_api::{DaemonStatus, InstanceStatus, Snapshot};
use standfast_model::config::script::Deleted;
use standfast_model::config::track::{TrackProcess, Tracker};
use standfast_model::config::vrrp::{Authentication, Instance, Preempt};
use standfast_model::config::{Config, VrrpConfig};
use standfast_model::{Refusal, State, Version};

/// An object, or the members of one, in the order in which they were added.
#[derive(Default)]
struct Object(Vec<String>);

impl Object {
    fn add(&mut self, name: &str, value: impl Serialize) {
        // No value of ours has no form.
        let value = serde_json::to_string(&value).unwrap_or_default();
        self.raw(name, &value);
    }

    /// A number that is written already.
    fn raw(&mut self, name: &str, value: &str) {
        self.0.push(format!("\"{name}\":{value}"));
    }

    fn text(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    fn list(&mut self, name: &str, values: Vec<String>) {
        if !values.is_empty() {
            self.add(name, values);
        }
    }

    fn finish(self) -> String {
        format!("{{{}}}", self.0.join(","))
    }
}

/// The whole file: one line. Version 2 of it (`json_version 2`) names what it lists.
#[must_use]
pub fn json(config: &Config, snapshot: &Snapshot) -> String {
    let statuses = snapshot.vrrp.iter().flat_map(|vrrp| &vrrp.instances);
    let instances: Vec<String> = statuses
        .filter_map(|status| {
            let instance = config.vrrp.instances.iter().find(|instance| instance.name == status.name)?;
            let mut object = Object::default();
            object.raw("data", &data(&config.vrrp, instance, status, &snapshot.daemon));
            object.raw("stats", &stats(status));
            Some(object.finish())
        })
        .collect();
    let list = format!("[{}]", instances.join(","));
    let text = if config.global.json_version == 2 {
        let mut object = Object::default();
        object.raw("vrrp", &list);
        let processes: Vec<String> = config.vrrp.common.processes.iter().map(process).collect();
        if !processes.is_empty() {
            object.raw("track_process", &format!("[{}]", processes.join(",")));
        }
        object.finish()
    } else {
        list
    };
    // keepalived's writer escapes slashes, and a reader of bytes may expect that.
    format!("{}\n", text.replace('/', "\\/"))
}

fn data(config: &VrrpConfig, instance: &Instance, status: &InstanceStatus, daemon: &DaemonStatus) -> String {
    let options = &instance.options;
    let is_master = status.state == State::Master;
    let mut object = Object::default();
    object.add("iname", &instance.name);
    object.add("dont_track_primary", u8::from(instance.dont_track_primary));
    object.add("skip_check_adv_addr", u8::from(options.skip_check_adv_addr));
    object.add("strict_mode", u8::from(options.strict));
    object.add("vmac_ifname", "");
    object.add("ifp_ifname", instance.interface.as_str());
    object.add("master_priority", status.master_priority.unwrap_or(0));
    object.raw("last_transition", &words::unix(daemon, status.since));
    object.raw("garp_delay", &words::seconds(instance.garp.master_delay));
    object.add("garp_refresh", instance.garp.master_refresh.as_secs());
    object.add("garp_rep", instance.garp.master_repeat);
    object.add("garp_refresh_rep", instance.garp.master_refresh_repeat);
    object.add("garp_lower_prio_delay", instance.garp.lower_prio_delay.as_secs());
    object.add("garp_lower_prio_rep", instance.garp.lower_prio_repeat);
    object.add("lower_prio_no_advert", u8::from(instance.lower_prio_no_advert));
    object.add("higher_prio_send_advert", u8::from(instance.higher_prio_send_advert));
    object.add("vrid", instance.vrid.get());
    object.add("base_priority", instance.priority.get());
    object.add("effective_priority", status.priority);
    object.add("vipset", is_master);
    object.add("promote_secondaries", options.promote_secondaries);
    let interval = words::seconds(instance.advert_interval.as_duration());
    object.raw("adver_int", &interval);
    object.raw("master_adver_int", &interval);
    object.add("accept", u8::from(options.accept));
    let (nopreempt, delay) = match instance.preempt {
        Preempt::After(delay) => (false, delay.as_secs()),
        Preempt::Never => (true, 0),
    };
    object.add("nopreempt", nopreempt);
    object.add("preempt_delay", delay);
    object.add("state", number(status.state));
    object.add("wantstate", number(status.state));
    object.add("version", if instance.version == Version::V2 { 2 } else { 3 });
    object.add("smtp_alert", options.smtp_alert);
    scripts(instance, &mut object);
    let addresses = |list: &[_]| list.iter().map(|entry| words::address(instance, entry, is_master)).collect();
    object.list("vips", addresses(&instance.addresses));
    object.list("evips", addresses(&instance.excluded));
    tracked(config, instance, &mut object);
    let authentication = match instance.authentication {
        Authentication::None => 0,
        Authentication::Pass(_) => 1,
        Authentication::Ah(_) => 2,
    };
    object.add("auth_type", authentication);
    object.text("auth_data", (authentication != 0).then(|| "********".to_owned()));
    object.finish()
}

fn scripts(instance: &Instance, object: &mut Object) {
    let notify = &instance.options.notify;
    let (deleted, script_deleted) = match &notify.deleted {
        Deleted::AsFault => (false, None),
        Deleted::AsDeleted => (true, None),
        Deleted::Run(script) => (true, Some(script)),
    };
    object.add("notify_deleted", deleted);
    for (name, script) in [
        ("script_backup", notify.backup.as_ref()),
        ("script_master", notify.master.as_ref()),
        ("script_fault", notify.fault.as_ref()),
        ("script_stop", notify.stop.as_ref()),
        ("script_deleted", script_deleted),
        ("script", notify.any.as_ref()),
        ("script_master_rx_lower_pri", notify.master_rx_lower_pri.as_ref()),
    ] {
        object.text(name, script.map(words::command));
    }
}

fn tracked(config: &VrrpConfig, instance: &Instance, object: &mut Object) {
    let interfaces = instance.track_interfaces.iter().map(|entry| entry.interface.to_string()).collect();
    object.list("track_ifp", interfaces);
    let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let (mut commands, mut processes) = (Vec::new(), Vec::new());
    for entry in &instance.options.trackers {
        match entry.tracker {
            Tracker::Script(id) => {
                commands.extend(config.common.scripts.get(place(id.0)).map(|script| words::command(&script.script)));
            }
            Tracker::Process(id) => {
                processes.extend(config.common.processes.get(place(id.0)).map(|process| process.name.clone()));
            }
            // keepalived's JSON knows nothing of these.
            Tracker::File(_) | Tracker::Bfd(_) | Tracker::Service(_) => {}
        }
    }
    object.list("track_script", commands);
    object.list("track_process", processes);
}

/// What the configuration says of a tracked process: how many run is the runner's knowledge.
fn process(process: &TrackProcess) -> String {
    let text = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
    let mut object = Object::default();
    object.text("process", process.words.first().map(text));
    let parameters: Vec<String> = process.words.iter().skip(1).map(text).collect();
    object.text("parameters", (!parameters.is_empty()).then(|| parameters.join(" ")));
    object.add("min_processes", process.quorum);
    if let Some(most) = process.quorum_max {
        object.add("max_processes", most);
    }
    object.add("terminate_delay", process.terminate_delay.as_secs());
    object.add("fork_delay", process.fork_delay.as_secs());
    object.finish()
}

fn stats(status: &InstanceStatus) -> String {
    let counters = &status.counters;
    let of = |reason| counters.refused(reason);
    let mut object = Object::default();
    for (name, count) in [
        ("advert_rcvd", counters.advert_received),
        ("advert_sent", counters.advert_sent),
        ("become_master", counters.become_master),
        ("release_master", counters.release_master),
        ("packet_len_err", of(Refusal::Length)),
        ("advert_interval_err", of(Refusal::Interval)),
        ("ip_ttl_err", of(Refusal::Ttl)),
        ("invalid_type_rcvd", of(Refusal::Type)),
        ("addr_list_err", counters.address_list_differs),
        ("invalid_authtype", of(Refusal::AuthTypeUnknown)),
        ("authtype_mismatch", of(Refusal::AuthTypeMismatch)),
        ("auth_failure", of(Refusal::AuthFailure)),
        ("auth_ext_missing", of(Refusal::ProofMissing)),
        ("auth_ext_malformed", of(Refusal::ProofMalformed)),
        ("auth_ext_unknown_key", of(Refusal::ProofKey)),
        ("auth_ext_invalid_hmac", of(Refusal::ProofInvalid)),
        ("auth_ext_stale", of(Refusal::ProofStale)),
        ("auth_ext_replay", of(Refusal::ProofReplay)),
        ("pri_zero_rcvd", counters.priority_zero_received),
        ("pri_zero_sent", counters.priority_zero_sent),
    ] {
        object.add(name, count);
    }
    object.finish()
}

/// keepalived's numbers of the states.
const fn number(state: State) -> u8 {
    match state {
        State::Init => 0,
        State::Backup => 1,
        State::Master => 2,
        State::Fault => 3,
        State::Stop => 98,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use core::time::Duration;
    use standfast_api::VrrpStatus;
    use standfast_conf::host::Memory;
    use standfast_model::tracking::Known;
    use standfast_model::{Instant, VrrpCounters};
    use std::path::Path;

    fn written(globals: &str) -> String {
        let path = Path::new("/k");
        let text = format!(
            "global_defs {{\n{globals}\n}}\nvrrp_instance A {{\n interface eth0\n virtual_router_id 7\n \
             nopreempt\n advert_int 2\n virtual_ipaddress {{\n 192.0.2.7\n }}\n}}\n"
        );
        let host = Memory::new().file(path, text).with_interface("eth0");
        let config = standfast_conf::load(&host, path, &standfast_conf::Options::default()).config.unwrap();
        let instance = &config.vrrp.instances[0];
        let status = InstanceStatus {
            name: instance.name.clone(),
            interface: instance.interface.clone(),
            vrid: instance.vrid,
            state: State::Backup,
            since: Instant::from_nanos(2_500_000_000),
            priority: 100,
            base_priority: 100,
            master: None,
            master_priority: Some(200),
            group: None,
            addresses: instance.addresses.clone(),
            ordered: None,
            held: None,
            fault: None,
            last_transition: None,
            mismatches: Vec::new(),
            rival: None,
            claims: Vec::new(),
            counters: VrrpCounters::default(),
        };
        let daemon = DaemonStatus {
            at: Instant::from_nanos(5_000_000_000),
            unix: Duration::from_secs(1_000_000),
            ..fixtures::daemon()
        };
        let vrrp = VrrpStatus { at: Instant::ZERO, instances: vec![status], tracked: Known::default() };
        json(&config, &Snapshot { daemon, vrrp: Some(vrrp), check: None, peers: Vec::new() })
    }

    #[test]
    fn the_second_form_names_what_it_lists() {
        let first: serde_json::Value = serde_json::from_str(&written("")).unwrap();
        let second: serde_json::Value = serde_json::from_str(&written("json_version 2")).unwrap();
        assert_eq!(first[0]["data"]["iname"], "A");
        assert_eq!(second["vrrp"], first);
        assert!(second.get("track_process").is_none(), "there is none");
    }

    #[test]
    fn a_standby_holds_nothing_and_numbers_are_written_as_keepalived_does() {
        let text = written("");
        for part in [
            "\"master_priority\":200,\"last_transition\":999997.500000,\"garp_delay\":5,",
            "\"vipset\":false,\"promote_secondaries\":false,\"adver_int\":2,",
            "\"nopreempt\":true,\"preempt_delay\":0,\"state\":1,",
            "\"vips\":[\"192.0.2.7 dev eth0 scope global\"]",
            "\"auth_type\":0},\"stats\":{\"advert_rcvd\":0,",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
