//! Who is told of instances and sync groups, and what: scripts with their arguments, lines for FIFOs, mails, in
//! keepalived's words.
//!
//! It hands all of it to the runner; it runs, writes and sends nothing itself.

use crate::journal;
use crate::runner_client::RunnerClient;
use standfast_api::Conflict;
use standfast_api::runner::{Line, Mail};
use standfast_model::config::script::{Deleted, Notify, Script};
use standfast_model::config::vrrp::{Instance, InstanceId};
use standfast_model::config::{Global, VrrpConfig};
use standfast_model::{Cause, Claim, GroupTransition, PriorityChange, State, Transition};
use standfast_node::Record;
use standfast_vrrp::{Notice, Router};
use std::collections::{BTreeMap, BTreeSet};

/// What an instance or a group wants told.
#[derive(Clone, Debug, Default)]
struct Interest {
    notify: Notify,
    mail: bool,
    /// The last state that was told, with its priority.
    told: Option<(State, u8)>,
    /// The last state that a mail was sent of. That an instance begins as a standby is worth none.
    mailed: Option<State>,
    /// Whom it is in conflict with: an address that another host has too, or a peer. Told when the first comes and when
    /// the last goes, so that whoever shouts under ever new names starts no script for each.
    conflicts: BTreeSet<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct VrrpNotifier {
    instances: BTreeMap<String, Interest>,
    groups: BTreeMap<String, Interest>,
    /// In the order of the configuration.
    names: Vec<String>,
    fifo: bool,
    mail: bool,
    no_email_faults: bool,
    states_on_reload: bool,
    /// In FAULT only because a script has no result yet, which nobody is told of.
    silent: BTreeSet<String>,
}

impl VrrpNotifier {
    /// For this configuration.
    pub(super) fn new(global: &Global, config: &VrrpConfig) -> Self {
        let mut notifier = Self::default();
        notifier.configure(global, config);
        notifier
    }

    fn configure(&mut self, global: &Global, config: &VrrpConfig) {
        let (instances, groups) = (core::mem::take(&mut self.instances), core::mem::take(&mut self.groups));
        let interest = |known: Option<&Interest>, notify: &Notify, mail| Interest {
            notify: notify.clone(),
            mail,
            told: known.and_then(|known| known.told),
            mailed: known.map_or(Some(State::Backup), |known| known.mailed),
            conflicts: known.map(|known| known.conflicts.clone()).unwrap_or_default(),
        };
        let of_instance = |i: &Instance| interest(instances.get(&i.name), &i.options.notify, i.options.smtp_alert);
        self.instances = config.instances.iter().map(|i| (i.name.clone(), of_instance(i))).collect();
        let of_group = config.groups.iter().map(|group| {
            let interest = interest(groups.get(&group.name), &group.options.notify, group.options.smtp_alert);
            (group.name.clone(), interest)
        });
        self.groups = of_group.collect();
        self.names = config.instances.iter().map(|instance| instance.name.clone()).collect();
        self.fifo = config.common.fifo.is_some() || config.common.vrrp_fifo.is_some();
        self.mail = global.mail.server.is_some() && !global.mail.to.is_empty();
        self.no_email_faults = config.common.no_email_faults;
        self.states_on_reload = config.common.states_on_reload;
    }

    /// Goes on with another configuration. What stays in its state is told to FIFOs again if they are to be told
    /// (`fifo_write_vrrp_states_on_reload`).
    pub(super) fn reload(&mut self, global: &Global, config: &VrrpConfig, runner: &mut RunnerClient) {
        self.configure(global, config);
        if !(self.states_on_reload && self.fifo) {
            return;
        }
        let told = |(name, interest): (&String, &Interest)| Some((name.clone(), interest.told?));
        let instances: Vec<(String, (State, u8))> = self.instances.iter().filter_map(told).collect();
        let groups: Vec<(String, (State, u8))> = self.groups.iter().filter_map(told).collect();
        for (name, (state, priority)) in instances {
            let line = self.line(&instance_line(&name, &state.to_string(), priority), true);
            runner.notify(&subject_of_instance(&name), Vec::new(), line, None);
        }
        for (name, (state, _)) in groups {
            let line = self.line(&group_line(&name, state), true);
            runner.notify(&subject_of_group(&name), Vec::new(), line, None);
        }
    }

    /// Tells of what happened, if anybody wants to know.
    pub(super) fn record(&mut self, record: &Record, runner: &mut RunnerClient) {
        match record {
            Record::Transition(transition) => self.transition(transition, runner),
            Record::GroupTransition(transition) => self.group(transition, runner),
            Record::Priority(change) => self.priority(change, runner),
            Record::LowerPriorityReceived { instance, theirs: _ } => {
                if let Some(name) = self.name(*instance) {
                    self.lower_priority(&name, runner);
                }
            }
            Record::Deleted(instance) => self.deleted(instance, runner),
            Record::Notice(notice @ Notice::Claimed { instance, claim }) => {
                self.claim(*instance, claim, false, notice, runner);
            }
            Record::Notice(notice @ Notice::ClaimOver { instance, claim }) => {
                self.claim(*instance, claim, true, notice, runner);
            }
            Record::Notice(_) | Record::Restored { .. } | Record::StaticRestored { .. } | Record::Refused { .. } => {}
        }
    }

    /// Instances whose FAULT was not told, because a script had no result, and who have one now that keeps them there.
    pub(super) fn look_at_faults(&mut self, router: &Router, runner: &mut RunnerClient) {
        if self.silent.is_empty() {
            return;
        }
        for (place, name) in (0..).zip(self.names.clone()) {
            let status = router.status(InstanceId(place));
            let Some(status) = status.filter(|_| self.silent.contains(&name)) else { continue };
            match status.fault {
                Some(Cause::ScriptPending { .. }) => {}
                Some(_) => {
                    self.silent.remove(&name);
                    self.entered(&name, State::Fault, status.priority, runner);
                }
                None => drop(self.silent.remove(&name)),
            }
        }
    }

    fn transition(&mut self, transition: &Transition, runner: &mut RunnerClient) {
        let Transition { instance, to, cause, priority, .. } = transition;
        self.silent.remove(instance);
        match (to, cause) {
            (State::Fault, Cause::ScriptPending { .. }) => {
                self.silent.insert(instance.clone());
            }
            // What a reload removes is told of as deleted.
            (State::Stop, Cause::Reloaded) | (State::Init, _) => {}
            _ => self.entered(instance, *to, *priority, runner),
        }
    }

    fn entered(&mut self, name: &str, state: State, priority: u8, runner: &mut RunnerClient) {
        let line = self.line(&instance_line(name, &state.to_string(), priority), true);
        let (mail_wanted, no_faults) = (self.mail, self.no_email_faults);
        let Some(interest) = self.instances.get_mut(name) else { return };
        interest.told = Some((state, priority));
        if state != State::Master {
            // It has let go: the state says so, and that a conflict is over would be no news.
            interest.conflicts.clear();
        }
        let scripts = scripts(&interest.notify, "INSTANCE", name, state, priority);
        let wanted = mail_wanted && interest.mail && !(no_faults && state == State::Fault);
        let mail = (wanted && interest.mailed != Some(state)).then(|| {
            interest.mailed = Some(state);
            instance_mail(name, state)
        });
        runner.notify(&subject_of_instance(name), scripts, line, mail);
    }

    fn group(&mut self, transition: &GroupTransition, runner: &mut RunnerClient) {
        let GroupTransition { group, to, cause, .. } = transition;
        if *to == State::Init || matches!((to, cause), (State::Fault, Cause::ScriptPending { .. })) {
            return;
        }
        let line = self.line(&group_line(group, *to), true);
        let (mail_wanted, no_faults) = (self.mail, self.no_email_faults);
        let Some(interest) = self.groups.get_mut(group) else { return };
        interest.told = Some((*to, 0));
        let scripts = scripts(&interest.notify, "GROUP", group, *to, 0);
        let wanted = mail_wanted && interest.mail && !(no_faults && *to == State::Fault);
        let mail = (wanted && interest.mailed != Some(*to)).then(|| {
            interest.mailed = Some(*to);
            let text = format!("All VRRP group instances are now in {to} state");
            mail(format!("VRRP Group {group} - {}", words(*to)), &text)
        });
        runner.notify(&subject_of_group(group), scripts, line, mail);
    }

    fn priority(&mut self, change: &PriorityChange, runner: &mut RunnerClient) {
        if let Some(told) = self.instances.get_mut(&change.instance).and_then(|interest| interest.told.as_mut()) {
            told.1 = change.to;
        }
        let kind = match change.state {
            State::Master => "MASTER_PRIORITY",
            State::Backup => "BACKUP_PRIORITY",
            State::Init | State::Fault | State::Stop => return,
        };
        let line = self.line(&instance_line(&change.instance, kind, change.to), false);
        runner.notify(&subject_of_instance(&change.instance), Vec::new(), line, None);
    }

    fn lower_priority(&self, name: &str, runner: &mut RunnerClient) {
        let Some(interest) = self.instances.get(name) else { return };
        let priority = interest.told.map_or(0, |(_, priority)| priority);
        let line = self.line(&instance_line(name, "MASTER_RX_LOWER_PRI", priority), false);
        let scripts = interest.notify.master_rx_lower_pri.iter().cloned().collect();
        runner.notify(&subject_of_instance(name), scripts, line, None);
    }

    fn claim(&mut self, id: InstanceId, claim: &Claim, over: bool, notice: &Notice, runner: &mut RunnerClient) {
        let (Some(instance), Some(text)) = (self.name(id), journal::text(notice)) else { return };
        self.conflict(&Conflict { instance, with: claim.address.to_string(), over, text }, runner);
    }

    /// Somebody else has what is ours, or has it no more.
    pub(super) fn conflict(&mut self, conflict: &Conflict, runner: &mut RunnerClient) {
        let Conflict { instance: name, with, over, text } = conflict;
        let Some(interest) = self.instances.get_mut(name) else { return };
        let was_none = interest.conflicts.is_empty();
        let is_news = if *over {
            interest.conflicts.remove(with) && interest.conflicts.is_empty()
        } else {
            interest.conflicts.insert(with.clone());
            was_none
        };
        if !is_news {
            return;
        }
        let (kind, subject) = if *over { ("CONFLICT_OVER", "Conflict over") } else { ("CONFLICT", "Conflict") };
        let priority = interest.told.map_or(0, |(_, priority)| priority);
        let script = interest.notify.conflict.as_ref().map(|script| {
            let mut script = appended(script, "INSTANCE", name, kind, priority);
            script.words.push(text.clone().into_bytes());
            script
        });
        let wanted = self.mail && interest.mail;
        let mail = wanted.then(|| mail(format!("VRRP Instance {name} - {subject}"), text));
        let line = self.line(&instance_line(name, kind, priority), false);
        runner.notify(&subject_of_instance(name), script.into_iter().collect(), line, mail);
    }

    fn name(&self, id: InstanceId) -> Option<String> {
        usize::try_from(id.0).ok().and_then(|place| self.names.get(place)).cloned()
    }

    /// Its interest is in itself: the configuration does not know it any more.
    fn deleted(&mut self, instance: &Instance, runner: &mut RunnerClient) {
        let name = &instance.name;
        let notify = &instance.options.notify;
        let (state, own) = match &notify.deleted {
            // keepalived runs `notify_fault` for none of them.
            Deleted::AsFault => ("FAULT", None),
            Deleted::AsDeleted => ("DELETED", None),
            Deleted::Run(script) => ("DELETED", Some(script.clone())),
        };
        let priority = instance.priority.get();
        let any = notify.any.as_ref().map(|script| appended(script, "INSTANCE", name, state, priority));
        let line = self.line(&instance_line(name, state, priority), true);
        let wanted = self.mail && instance.options.smtp_alert && !(self.no_email_faults && state == "FAULT");
        let what = if state == "FAULT" { words(State::Fault) } else { "Deleted".to_owned() };
        let mail = wanted.then(|| mail(format!("VRRP Instance {name} - {what}"), NOT_OWNING));
        runner.notify(&subject_of_instance(name), own.into_iter().chain(any).collect(), line, mail);
    }

    fn line(&self, text: &str, state: bool) -> Option<Line> {
        self.fifo.then(|| Line { text: text.to_owned(), state })
    }
}

/// A mail whose text is one line, in keepalived's frame.
fn mail(subject: String, text: &str) -> Mail {
    Mail { subject, body: format!("=> {text} <=") }
}

const NOT_OWNING: &str = "VRRP Instance is no longer owning VRRP VIPs";

fn subject_of_instance(name: &str) -> String {
    format!("INSTANCE {name}")
}

fn subject_of_group(name: &str) -> String {
    format!("GROUP {name}")
}

fn instance_line(name: &str, state: &str, priority: u8) -> String {
    format!("INSTANCE \"{name}\" {state} {priority}")
}

fn group_line(name: &str, state: State) -> String {
    format!("GROUP \"{name}\" {state} 0")
}

/// The script of the state, as it is configured, and the one for all of them with four words behind it.
fn scripts(notify: &Notify, kind: &str, name: &str, state: State, priority: u8) -> Vec<Script> {
    let own = match state {
        State::Init => None,
        State::Backup => notify.backup.as_ref(),
        State::Master => notify.master.as_ref(),
        State::Fault => notify.fault.as_ref(),
        State::Stop => notify.stop.as_ref(),
    };
    let any = notify.any.as_ref().map(|script| appended(script, kind, name, &state.to_string(), priority));
    own.cloned().into_iter().chain(any).collect()
}

fn appended(script: &Script, kind: &str, name: &str, state: &str, priority: u8) -> Script {
    let words = [kind, name, state, &priority.to_string()].map(|word| word.as_bytes().to_vec());
    Script { words: script.words.iter().cloned().chain(words).collect(), identity: script.identity }
}

fn words(state: State) -> String {
    match state {
        State::Stop => "Stopping".to_owned(),
        State::Init | State::Backup | State::Master | State::Fault => format!("Entering {state} state"),
    }
}

fn instance_mail(name: &str, state: State) -> Mail {
    let text = match state {
        State::Master => "VRRP Instance is now owning VRRP VIPs",
        State::Init | State::Backup | State::Fault | State::Stop => NOT_OWNING,
    };
    mail(format!("VRRP Instance {name} - {}", words(state)), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_api::decode;
    use standfast_api::runner::{Notification, ToRunner};
    use standfast_conf::host::{FileKind, Memory, Metadata};
    use standfast_kernel::channel::{self, Channel, Incoming};
    use standfast_model::Instant;

    const TEXT: &str = "
global_defs {
    router_id LB1
    smtp_server 192.0.2.9
    notification_email { a@example.org }
    smtp_alert_vrrp
    notify_fifo /run/fifo
}
vrrp_sync_group G {
    group { VI_1 }
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 120
    virtual_ipaddress { 192.0.2.1 }
}
";

    struct Told {
        notifier: VrrpNotifier,
        client: RunnerClient,
        runner: Channel,
    }

    impl Told {
        fn new(text: &str) -> Self {
            let path = std::path::Path::new("/etc/keepalived/keepalived.conf");
            let program = Metadata { kind: FileKind::File, mode: 0o755, uid: 0, gid: 0 };
            let host = Memory::new().file(path, text).with_interface("eth0").entry("/bin/true", program, "");
            let config = standfast_conf::load(&host, path, &standfast_conf::Options::default()).config.unwrap();
            let (ours, theirs) = channel::pair().unwrap();
            let mut client = RunnerClient::new();
            client.connect(theirs);
            let notifier = VrrpNotifier::new(&config.global, &config.vrrp);
            Self { notifier, client, runner: Channel::new(ours).unwrap() }
        }

        fn record(&mut self, record: &Record) -> Option<Notification> {
            self.notifier.record(record, &mut self.client);
            match self.runner.try_receive().unwrap()? {
                Incoming::Message(message) => match decode(&message.bytes).unwrap() {
                    ToRunner::Notify(notification) => Some(notification),
                    other @ (ToRunner::Run(_) | ToRunner::Watch(_)) => panic!("{other:?}"),
                },
                Incoming::Closed => panic!("closed"),
            }
        }

        fn subject(&mut self, record: &Record) -> Option<String> {
            self.record(record)?.mail.map(|mail| mail.subject)
        }
    }

    fn entered(to: State, cause: Cause) -> Record {
        let (instance, interface) = ("VI_1".to_owned(), "eth0".parse().unwrap());
        let from = State::Init;
        Record::Transition(Transition { instance, interface, from, to, cause, at: Instant::ZERO, priority: 120 })
    }

    fn group(to: State) -> Record {
        let (group, from, cause) = ("G".to_owned(), State::Init, Cause::Started);
        Record::GroupTransition(GroupTransition { group, from, to, cause, at: Instant::ZERO })
    }

    #[tokio::test]
    async fn a_state_is_mailed_once_in_succession_and_that_it_began_as_a_standby_never() {
        let mut told = Told::new(TEXT);
        let mut subjects = Vec::new();
        for state in [State::Backup, State::Master, State::Fault, State::Fault, State::Backup, State::Stop] {
            subjects.push(told.subject(&entered(state, Cause::Started)));
        }
        let expected = |words: &str| Some(format!("VRRP Instance VI_1 - {words}"));
        let states = [
            None,
            expected("Entering MASTER state"),
            expected("Entering FAULT state"),
            None,
            expected("Entering BACKUP state"),
            expected("Stopping"),
        ];
        assert_eq!(subjects, states);
        let mail = told.record(&group(State::Master)).unwrap().mail.unwrap();
        assert_eq!(mail.subject, "VRRP Group G - Entering MASTER state");
        assert_eq!(mail.body, "=> All VRRP group instances are now in MASTER state <=");
    }

    #[tokio::test]
    async fn faults_are_not_mailed_where_nobody_wants_that_and_nothing_is_without_recipients() {
        let mut quiet = Told::new(&TEXT.replace("smtp_alert_vrrp", "smtp_alert_vrrp\n no_email_faults"));
        assert_eq!(quiet.subject(&entered(State::Fault, Cause::Recovered)), None);
        assert_eq!(quiet.subject(&group(State::Fault)), None);
        assert!(quiet.subject(&entered(State::Master, Cause::Recovered)).is_some());
        for missing in ["smtp_server 192.0.2.9", "notification_email { a@example.org }", "smtp_alert_vrrp"] {
            let mut nobody = Told::new(&TEXT.replace(missing, ""));
            assert_eq!(nobody.subject(&entered(State::Master, Cause::Recovered)), None, "{missing}");
        }
    }

    #[tokio::test]
    async fn a_fault_for_want_of_a_first_result_is_told_to_nobody() {
        let mut told = Told::new(TEXT);
        let pending = Cause::ScriptPending { script: "chk".to_owned() };
        assert_eq!(told.record(&entered(State::Fault, pending)), None);
        assert!(told.notifier.silent.contains("VI_1"));
        let line = told.record(&entered(State::Backup, Cause::Recovered)).unwrap().line.unwrap();
        assert_eq!(line, Line { text: "INSTANCE \"VI_1\" BACKUP 120".to_owned(), state: true });
        assert!(told.notifier.silent.is_empty());
    }
    #[tokio::test]
    async fn a_conflict_is_told_when_it_begins_and_when_nobody_is_left_in_it_and_not_for_each_who_shouts() {
        let mut told = Told::new(&TEXT.replace("priority 120", "priority 120\n notify_conflict \"/bin/true own\""));
        told.record(&entered(State::Master, Cause::Started));
        let claimed = |address: &str, over: bool| {
            let (instance, mac) = (InstanceId(0), standfast_model::MacAddress([2, 0, 0, 0, 0, 9]));
            let interface = "eth0".parse().unwrap();
            let (since, last) = (Instant::ZERO, Instant::ZERO);
            let claim = Claim { address: address.parse().unwrap(), interface, mac, since, last, times: 1 };
            Record::Notice(if over {
                Notice::ClaimOver { instance, claim }
            } else {
                Notice::Claimed { instance, claim }
            })
        };
        let begun = told.record(&claimed("192.0.2.1", false)).unwrap();
        let line = |text: &str| Line { text: text.to_owned(), state: false };
        assert_eq!(begun.line.unwrap(), line("INSTANCE \"VI_1\" CONFLICT 120"));
        let words: Vec<String> =
            begun.scripts[0].words.iter().map(|word| String::from_utf8(word.clone()).unwrap()).collect();
        let sentence =
            "another host says that 192.0.2.1 is its own: 02:00:00:00:00:09 on eth0; it is announced again".to_owned();
        assert_eq!(words[..6], ["/bin/true", "own", "INSTANCE", "VI_1", "CONFLICT", "120"]);
        assert_eq!((words.len(), &words[6]), (7, &sentence));
        let mail = begun.mail.unwrap();
        assert_eq!((mail.subject.as_str(), mail.body), ("VRRP Instance VI_1 - Conflict", format!("=> {sentence} <=")));
        for again in ["192.0.2.1", "192.0.2.2"] {
            assert_eq!(told.record(&claimed(again, false)), None, "{again}");
        }
        assert_eq!(told.record(&claimed("192.0.2.1", true)), None, "the other is still there");
        let over = told.record(&claimed("192.0.2.2", true)).unwrap();
        assert_eq!(over.line.unwrap(), line("INSTANCE \"VI_1\" CONFLICT_OVER 120"));
        assert_eq!(over.mail.unwrap().subject, "VRRP Instance VI_1 - Conflict over");
        // Who is master no more is in no conflict, and the next one is news again.
        assert!(told.record(&claimed("192.0.2.1", false)).is_some());
        told.record(&entered(State::Backup, Cause::Started));
        assert_eq!(told.record(&claimed("192.0.2.1", true)), None);
        told.record(&entered(State::Master, Cause::Started));
        assert!(told.record(&claimed("192.0.2.1", false)).is_some());
    }
}
