//! What of a running instance can be set over SNMP until the next reload, and when it can be: the master agent asks
//! before anything is done, so whoever answers it and whoever does it must judge alike.

use core::fmt;
use serde::{Deserialize, Serialize};
use standfast_model::config::VrrpConfig;
use standfast_model::config::script::Deleted;
use standfast_model::config::vrrp::Instance;
use standfast_model::{Priority, Version};

/// Adjustments in one order. One takes a name and two numbers, so that many go into a message to the supervisor.
pub const MAX_ADJUSTMENTS: usize = 64;

/// An instance is to be otherwise than its configuration says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Adjustment {
    /// The `vrrp_instance`.
    pub instance: String,
    /// In what.
    pub setting: Setting,
}

/// What can be set, as the word of the configuration with the same meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// `priority`, `vrrpInstanceBasePriority`
    Priority(Priority),
    /// `preempt` or `nopreempt`, `vrrpInstancePreempt`
    Preempt(bool),
    /// `accept` or `no_accept`, `vrrpInstanceAccept`
    Accept(bool),
    /// `promote_secondaries`, `vrrpInstancePromoteSecondaries`
    PromoteSecondaries(bool),
    /// `linkbeat_use_polling` of the instance, `vrrpInstanceUseLinkbeat`
    Linkbeat(bool),
    /// `notify_deleted`, `vrrpInstanceNotifyDeleted`
    NotifyDeleted(bool),
}

impl Setting {
    /// The same of an instance as it is configured.
    #[must_use]
    pub fn of(self, config: &VrrpConfig, instance: &Instance) -> Self {
        let options = &instance.options;
        match self {
            Self::Priority(_) => Self::Priority(instance.priority),
            Self::Preempt(_) => Self::Preempt(instance.preempt != standfast_model::config::vrrp::Preempt::Never),
            Self::Accept(_) => Self::Accept(options.accept),
            Self::PromoteSecondaries(_) => Self::PromoteSecondaries(options.promote_secondaries),
            Self::Linkbeat(_) => {
                let common = &config.common;
                let polled = common.linkbeat.iter().any(|entry| entry.interface == instance.interface);
                Self::Linkbeat(common.linkbeat_polling || polled)
            }
            Self::NotifyDeleted(_) => Self::NotifyDeleted(options.notify.deleted != Deleted::AsFault),
        }
    }
}

impl Adjustment {
    /// Whether the rest of the configuration allows it.
    ///
    /// # Errors
    ///
    /// Why not, in words.
    pub fn fits(&self, config: &VrrpConfig) -> Result<(), String> {
        let instance = config.instances.iter().find(|instance| instance.name == self.instance);
        let instance = instance.ok_or_else(|| format!("there is no instance {}", self.instance))?;
        if self.setting.of(config, instance) == self.setting {
            return Ok(());
        }
        let owner = instance.priority.is_owner();
        let why = match self.setting {
            // What the owner may not have, weights of trackers for one, was judged with the file.
            Setting::Priority(priority) if owner || priority.is_owner() => {
                "only the file makes an owner of the addresses, priority 255, or another router of one"
            }
            Setting::Preempt(false) if owner => "the owner of the addresses always preempts",
            Setting::Accept(_) if instance.version == Version::V2 => "accept is a word of version 3",
            Setting::Accept(false) if owner => "the owner of the addresses always accepts",
            Setting::PromoteSecondaries(false) => "promote_secondaries of a link is put back when the daemon stops",
            Setting::Linkbeat(false) if config.common.linkbeat_polling => "linkbeat_use_polling polls every link",
            Setting::NotifyDeleted(false) if matches!(instance.options.notify.deleted, Deleted::Run(_)) => {
                "notify_deleted names a script"
            }
            Setting::Priority(_)
            | Setting::Preempt(_)
            | Setting::Accept(true | false)
            | Setting::PromoteSecondaries(true)
            | Setting::Linkbeat(_)
            | Setting::NotifyDeleted(_) => return Ok(()),
        };
        Err(format!("({}) {why}", self.instance))
    }
}

/// As it stands in a configuration; what no word says is `no` with the word.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |f: &mut fmt::Formatter<'_>, word, on| write!(f, "{}{word}", if on { "" } else { "no " });
        match *self {
            Self::Priority(priority) => write!(f, "priority {}", priority.get()),
            Self::Preempt(on) => f.write_str(if on { "preempt" } else { "nopreempt" }),
            Self::Accept(on) => f.write_str(if on { "accept" } else { "no_accept" }),
            Self::PromoteSecondaries(on) => flag(f, "promote_secondaries", on),
            Self::Linkbeat(on) => flag(f, "linkbeat_use_polling", on),
            Self::NotifyDeleted(on) => flag(f, "notify_deleted", on),
        }
    }
}

impl fmt::Display for Adjustment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}) {}", self.instance, self.setting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_model::config::vrrp::Preempt;
    use standfast_model::{InterfaceName, Vrid};

    fn site() -> VrrpConfig {
        let link = "eth0".parse::<InterfaceName>().unwrap();
        let plain = |name, vrid| Instance::plain(name, link.clone(), Vrid::new(vrid).unwrap());
        let owner = Instance { priority: Priority::OWNER, ..plain("O", 2) };
        let third = Instance { version: Version::V3, ..plain("T", 3) };
        VrrpConfig { instances: vec![plain("A", 1), owner, third], ..VrrpConfig::default() }
    }

    fn fits(config: &VrrpConfig, instance: &str, setting: Setting) -> bool {
        Adjustment { instance: instance.to_owned(), setting }.fits(config).is_ok()
    }

    #[test]
    fn what_only_the_file_can_say_is_refused() {
        let mut config = site();
        let priority = |number| Setting::Priority(Priority::new(number).unwrap());
        assert!(fits(&config, "A", priority(1)) && fits(&config, "A", priority(254)));
        assert!(!fits(&config, "A", priority(255)) && !fits(&config, "O", priority(100)));
        assert!(fits(&config, "O", priority(255)), "it is so");
        assert!(fits(&config, "A", Setting::Preempt(false)) && !fits(&config, "O", Setting::Preempt(false)));
        assert!(fits(&config, "T", Setting::Accept(false)) && !fits(&config, "A", Setting::Accept(false)));
        assert!(fits(&config, "A", Setting::Linkbeat(true)) && fits(&config, "A", Setting::Linkbeat(false)));
        config.common.linkbeat_polling = true;
        assert!(!fits(&config, "A", Setting::Linkbeat(false)));
        assert!(fits(&config, "A", Setting::PromoteSecondaries(true)));
        config.instances[0].options.promote_secondaries = true;
        assert!(!fits(&config, "A", Setting::PromoteSecondaries(false)));
        assert!(!fits(&config, "B", Setting::Preempt(true)), "there is no such instance");
    }

    #[test]
    fn a_setting_is_read_from_the_configuration_and_said_in_its_words() {
        let mut config = site();
        config.instances[0].preempt = Preempt::Never;
        config.instances[0].options.notify.deleted = Deleted::AsDeleted;
        let instance = &config.instances[0];
        let said: Vec<String> = [
            Setting::Priority(Priority::OWNER),
            Setting::Preempt(true),
            Setting::Accept(false),
            Setting::PromoteSecondaries(true),
            Setting::Linkbeat(true),
            Setting::NotifyDeleted(false),
        ]
        .map(|setting| setting.of(&config, instance).to_string())
        .into();
        let words = [
            "priority 100",
            "nopreempt",
            "accept",
            "no promote_secondaries",
            "no linkbeat_use_polling",
            "notify_deleted",
        ];
        assert_eq!(said, words);
    }
}
