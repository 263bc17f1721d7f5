//! What is set over SNMP: the running configuration is changed in memory and handed over as at a reload, until the next
//! reload reads the file.
//!
//! Whatever is set is remembered with what the file says in its place, which is what status and journal tell, and what
//! is put back where a value of SNMP cannot say it: `preempt` has a delay, polling a method.

use super::Supervisor;
use super::kept::Kept;
use super::reload::Wish;
use crate::journal::EventName;
use core::time::Duration;
use standfast_api::InstanceStatus;
use standfast_api::adjust::{Adjustment, MAX_ADJUSTMENTS, Setting};
use standfast_model::config::VrrpConfig;
use standfast_model::config::instance::Linkbeat;
use standfast_model::config::script::Deleted;
use standfast_model::config::vrrp::{Instance, Preempt};
use tracing::info;

/// Something that is otherwise than the file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Adjusted {
    adjustment: Adjustment,
    /// The same as the file has it.
    file: Setting,
    /// `preempt` of the file, with its delay.
    preempt: Preempt,
    /// How the link of the instance is polled as the file has it.
    linkbeat: Vec<Linkbeat>,
}

impl Adjusted {
    fn new(adjustment: Adjustment, config: &VrrpConfig, instance: &Instance) -> Self {
        let polled = config.common.linkbeat.iter().filter(|entry| entry.interface == instance.interface);
        Self {
            file: adjustment.setting.of(config, instance),
            preempt: instance.preempt,
            linkbeat: polled.cloned().collect(),
            adjustment,
        }
    }

    fn is_of(&self, adjustment: &Adjustment) -> bool {
        let kind = core::mem::discriminant(&adjustment.setting);
        self.adjustment.instance == adjustment.instance && core::mem::discriminant(&self.adjustment.setting) == kind
    }

    /// `priority 120 instead of priority 150 over SNMP`
    fn words(&self) -> String {
        format!("{} instead of {} over SNMP", self.adjustment.setting, self.file)
    }
}

/// Changes a configuration and what is known to differ from its file.
///
/// # Errors
///
/// Why that cannot be, in words. The configuration is of no use then.
fn change(config: &mut VrrpConfig, known: &mut Vec<Adjusted>, adjustment: &Adjustment) -> Result<(), String> {
    adjustment.fits(config)?;
    let place = config.instances.iter().position(|instance| instance.name == adjustment.instance);
    let Some(instance) = place.and_then(|place| config.instances.get(place)) else { return Ok(()) };
    let before = known.iter().position(|known| known.is_of(adjustment)).map(|place| known.remove(place));
    let mut adjusted = before.unwrap_or_else(|| Adjusted::new(adjustment.clone(), config, instance));
    adjusted.adjustment = adjustment.clone();
    let interface = instance.interface.clone();
    let Some(instance) = place.and_then(|place| config.instances.get_mut(place)) else { return Ok(()) };
    let options = &mut instance.options;
    match adjustment.setting {
        Setting::Priority(priority) => instance.priority = priority,
        Setting::Preempt(false) => instance.preempt = Preempt::Never,
        Setting::Preempt(true) => {
            instance.preempt = match adjusted.preempt {
                Preempt::Never => Preempt::After(Duration::ZERO),
                after @ Preempt::After(_) => after,
            };
        }
        Setting::Accept(on) => options.accept = on,
        Setting::PromoteSecondaries(on) => options.promote_secondaries = on,
        Setting::Linkbeat(on) => {
            let entries = &mut config.common.linkbeat;
            entries.retain(|entry| entry.interface != interface);
            match (on, adjusted.linkbeat.is_empty()) {
                (true, true) => entries.push(Linkbeat { interface, method: None }),
                (true, false) => entries.extend(adjusted.linkbeat.iter().cloned()),
                (false, _) => {}
            }
        }
        Setting::NotifyDeleted(_) if adjustment.setting == adjusted_of(&options.notify.deleted) => {}
        Setting::NotifyDeleted(true) => options.notify.deleted = Deleted::AsDeleted,
        Setting::NotifyDeleted(false) => options.notify.deleted = Deleted::AsFault,
    }
    if adjusted.file != adjustment.setting {
        known.push(adjusted);
    }
    Ok(())
}

/// Whether a removal is told as such. A script that is there stays the one to be run.
fn adjusted_of(deleted: &Deleted) -> Setting {
    Setting::NotifyDeleted(*deleted != Deleted::AsFault)
}

impl Supervisor {
    /// Hands over a configuration in which instances are set. The order is answered when every worker has it.
    pub(super) fn adjust(&mut self, number: u64, adjustments: &[Adjustment]) {
        if let Err(why) = self.try_adjust(number, adjustments) {
            self.publisher.answer(number, Err(why));
        }
    }

    fn try_adjust(&mut self, number: u64, adjustments: &[Adjustment]) -> Result<(), String> {
        if self.stopping.is_some() || self.reloading.is_some() {
            return Err("the daemon is stopping, or a reload is under way".to_owned());
        }
        if adjustments.len() > MAX_ADJUSTMENTS {
            return Err(format!("more than {MAX_ADJUSTMENTS} settings at once"));
        }
        let mut config = self.config.whole()?;
        let mut adjusted = self.config.adjusted().to_vec();
        for adjustment in adjustments {
            change(&mut config.vrrp, &mut adjusted, adjustment)?;
        }
        let wish = Wish { number: Some(number), adjusts: true, ..Wish::of_signal("SNMP".to_owned()) };
        self.begin_adjusting(config, adjusted, wish)?;
        for adjustment in adjustments {
            let (event, instance) = (EventName::VrrpSet.name(), &adjustment.instance);
            let setting = adjustment.setting;
            info!(event, instance, "({instance}) {setting} from now on until the next reload, set over SNMP");
        }
        Ok(())
    }
}

impl Kept {
    /// Says in the status of an instance what is otherwise than its file says.
    pub(super) fn explain(&self, status: &mut InstanceStatus) {
        let ours = self.adjusted().iter().filter(|adjusted| adjusted.adjustment.instance == status.name);
        let words: Vec<String> = status.ordered.take().into_iter().chain(ours.map(Adjusted::words)).collect();
        status.ordered = (!words.is_empty()).then(|| words.join("; "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_model::{InterfaceName, Priority, Vrid};

    fn site() -> VrrpConfig {
        let link: InterfaceName = "eth0".parse().unwrap();
        let mut instance = Instance::plain("A", link.clone(), Vrid::new(1).unwrap());
        instance.preempt = Preempt::After(Duration::from_secs(7));
        let mut config = VrrpConfig { instances: vec![instance], ..VrrpConfig::default() };
        config.common.linkbeat.push(Linkbeat { interface: link, method: None });
        config
    }

    fn set(config: &mut VrrpConfig, known: &mut Vec<Adjusted>, setting: Setting) -> Result<(), String> {
        change(config, known, &Adjustment { instance: "A".to_owned(), setting })
    }

    #[test]
    fn what_is_set_back_is_as_the_file_says_with_what_no_value_could_tell() {
        let (mut config, mut known) = (site(), Vec::new());
        for on in [false, true] {
            for setting in [Setting::Preempt(on), Setting::Linkbeat(on), Setting::NotifyDeleted(!on)] {
                set(&mut config, &mut known, setting).unwrap();
            }
            assert_eq!(known.len(), if on { 0 } else { 3 });
            assert_eq!(config == site(), on);
        }
    }

    #[test]
    fn a_value_that_is_set_twice_is_told_once_beside_that_of_the_file() {
        let (mut config, mut known) = (site(), Vec::new());
        for number in [120, 130] {
            set(&mut config, &mut known, Setting::Priority(Priority::new(number).unwrap())).unwrap();
        }
        let words: Vec<String> = known.iter().map(Adjusted::words).collect();
        assert_eq!(words, ["priority 130 instead of priority 100 over SNMP"]);
        assert_eq!(config.instances[0].priority.get(), 130);
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let (mut config, mut known) = (site(), Vec::new());
        assert!(set(&mut config, &mut known, Setting::Priority(Priority::OWNER)).is_err());
        assert_eq!((config, known), (site(), Vec::new()));
    }
}
