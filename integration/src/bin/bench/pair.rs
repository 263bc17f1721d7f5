//! The pair that is measured: two directors and a client on one LAN, in namespaces of this machine's kernel, and the
//! configuration that they get. Measures nothing.

use std::time::Duration;

use lab::seed::Daemon;
use lab::{Backend, Lab, Machine, Moment, Plan, Probe, Process, Result, pause, until};

/// The priority of the director that is master where nothing is broken.
const FIRST_PRIORITY: u8 = 200;

/// And of the other.
const SECOND_PRIORITY: u8 = 100;

/// The address that the client asks.
pub(crate) const VIP: &str = "192.0.2.100";

/// How often the client asks: the outage is known to this much.
const ASK_EVERY: Duration = Duration::from_micros(250);

/// An answer takes a tenth of a millisecond; what is not there after this is not coming.
const PATIENCE: Duration = Duration::from_millis(20);

/// What the two directors are configured with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The advertisement interval; version 3 whatever it is.
    pub(crate) interval: Duration,
    /// How many instances, in one sync group if there are several.
    pub(crate) instances: usize,
    /// How many addresses each of them has.
    pub(crate) addresses: usize,
}

impl Shape {
    pub(crate) fn skew(self) -> Duration {
        self.interval * (256 - u32::from(SECOND_PRIORITY)) / 256
    }

    pub(crate) fn down(self) -> Duration {
        self.interval * 3 + self.skew()
    }

    /// The last address of the last instance, in the order of the configuration.
    pub(crate) fn last_address(self) -> String {
        address(self.instances * self.addresses - 1)
    }

    pub(crate) fn conf(self, is_first: bool) -> String {
        let priority = if is_first { FIRST_PRIORITY } else { SECOND_PRIORITY };
        self.conf_of(priority)
    }

    pub(crate) fn conf_of(self, priority: u8) -> String {
        // Twenty in the advertisement, the others held beside it: more than some hundred do not fit into a packet.
        const ADVERTISED: usize = 20;
        let mut text = String::new();
        let mut names = String::new();
        for instance in 0..self.instances {
            let list = |from: usize, to: usize| -> String {
                (from..to)
                    .map(|number| format!("        {}/16\n", address(instance * self.addresses + number)))
                    .collect()
            };
            names += &format!("        V{instance}\n");
            text += &format!(
                "vrrp_instance V{instance} {{\n    state BACKUP\n    interface eth0\n    virtual_router_id {}\n    \
                 priority {priority}\n    version 3\n    advert_int {}\n    virtual_ipaddress {{\n{}    }}\n",
                instance + 1,
                self.interval.as_secs_f64(),
                list(0, self.addresses.min(ADVERTISED)),
            );
            if self.addresses > ADVERTISED {
                let others = list(ADVERTISED, self.addresses);
                text += &format!("    virtual_ipaddress_excluded {{\n{others}    }}\n");
            }
            text += "}\n";
        }
        if self.instances > 1 {
            text += &format!("vrrp_sync_group G {{\n    group {{\n{names}    }}\n}}\n");
        }
        text
    }
}

/// The virtual addresses by number: the first is [`VIP`], the others lie in a network of their own.
fn address(number: usize) -> String {
    if number == 0 { VIP.to_owned() } else { format!("10.9.{}.{}", number / 250, number % 250 + 1) }
}

/// A pair in service.
pub(crate) struct Pair {
    pub(crate) shape: Shape,
    pub(crate) lab: Lab,
    pub(crate) first: Machine,
    pub(crate) second: Machine,
    pub(crate) client: Machine,
    daemon: Daemon,
    pub(crate) master: Process,
}

impl Pair {
    /// Starts both directors under the same daemon and waits until the first is master of everything.
    pub(crate) fn start(daemon: &Daemon, shape: Shape) -> Result<Self> {
        Self::start_with(daemon, shape, [&shape.conf(true), &shape.conf(false)])
    }

    /// The same with these configurations, in which there may be more than the shape says.
    pub(crate) fn start_with(daemon: &Daemon, shape: Shape, [of_first, of_second]: [&str; 2]) -> Result<Self> {
        let mut plan = Plan::new("bench");
        plan.backend(Backend::Namespaces);
        let lan = plan.lan("lan");
        plan.director("first").card(lan, ["192.0.2.1/24"]);
        plan.director("second").card(lan, ["192.0.2.2/24"]);
        plan.host("client").card(lan, ["192.0.2.50/24"]);
        let lab = plan.start()?;
        let [first, second, client] = [lab.machine("first")?, lab.machine("second")?, lab.machine("client")?];
        let master = daemon.start(&first, of_first)?;
        daemon.start(&second, of_second)?;
        let pair = Self { shape, lab, first, second, client, daemon: daemon.clone(), master };
        pair.holds(&pair.first, true)?;
        pair.settle();
        Ok(pair)
    }

    pub(crate) fn start_first(&mut self) -> Result<()> {
        self.master = self.daemon.start_again(&self.first)?;
        Ok(())
    }

    /// Waits until a director has the last address, or not.
    pub(crate) fn holds(&self, director: &Machine, has: bool) -> Result<()> {
        let word = format!(" {}/", self.shape.last_address());
        let what = format!("{} had{} the last address", director.name(), if has { "" } else { " not" });
        until(&what, self.shape.down() * 3 + Duration::from_secs(20), || {
            director.run("ip -oneline -4 address show dev eth0").is_ok_and(|shown| shown.contains(&word) == has)
        })?;
        Ok(())
    }

    /// Lets what has just happened come to rest.
    pub(crate) fn settle(&self) {
        pause(self.shape.interval * 2 + Duration::from_millis(300));
    }

    pub(crate) fn probe(&self) -> Result<lab::Probing> {
        let probe = Probe::ping(VIP)?.every(ASK_EVERY).patience(PATIENCE);
        let probing = self.client.probe(&probe)?;
        until("the client was answered", Duration::from_secs(10), || {
            probing.report().is_ok_and(|report| report.answered().count() > 10)
        })?;
        Ok(probing)
    }
}

/// In milliseconds.
pub(crate) fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

/// From `from` to `to` in milliseconds, negative when `to` is the earlier.
pub(crate) fn between(from: Moment, to: Moment) -> f64 {
    millis(to.since(from)) - millis(from.since(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_a_shape_is_its_own() {
        let shape = Shape { interval: Duration::from_millis(100), instances: 250, addresses: 4 };
        let text = shape.conf(true);
        let mut addresses: Vec<&str> = text.lines().filter(|line| line.ends_with("/16")).collect();
        assert_eq!(addresses.len(), 1000);
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 1000);
        assert!(text.contains("advert_int 0.1\n") && text.contains(&shape.last_address()));
        assert_eq!(shape.down(), Duration::from_micros(360_937) + Duration::from_nanos(500));
    }
}
