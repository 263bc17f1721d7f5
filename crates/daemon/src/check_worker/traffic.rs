//! What the kernel's load balancer counted, for whoever asks over SNMP.
//!
//! It reads the whole table with its counters when a status is asked for, at most once in an interval: a director of
//! ten thousand services pays some tenths of a second for it, and none that is not asked pays anything.

use core::time::Duration;
use standfast_api::snmp::{DestinationTraffic, ServiceTraffic, TRAFFIC_INTERVAL, Traffic as Counted, TrafficTable};
use standfast_kernel::ipvs::{Ipvs, Traffic as Counters};
use standfast_model::Instant;
use standfast_model::config::global::Snmp;
use tracing::debug;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// None: nobody is shown any.
    interval: Option<Duration>,
    read: Option<Instant>,
    table: TrafficTable,
}

impl Traffic {
    /// `enable_snmp_checker`, and the shorter of `snmp_vs_stats_update_interval` and `snmp_rs_stats_update_interval`: both
    /// come with one reading.
    pub(super) fn new(snmp: &Snmp) -> Self {
        let asked = [snmp.virtual_server_interval, snmp.real_server_interval].into_iter().flatten().min();
        Self { interval: snmp.checker.then(|| asked.unwrap_or(TRAFFIC_INTERVAL)), ..Self::default() }
    }

    /// Reads the counters, unless they are young enough.
    pub(super) fn refresh(&mut self, now: Instant, ipvs: &mut Ipvs) {
        let Some(interval) = self.interval else { return };
        if self.read.is_some_and(|read| now < read + interval) {
            return;
        }
        self.read = Some(now);
        match ipvs.dump_with_counters() {
            Ok((_, counters)) => {
                let services = counters.into_iter().map(|(key, service)| {
                    let destinations = service.destinations.into_iter().map(|(key, destination)| {
                        let connections = [
                            destination.active_connections,
                            destination.inactive_connections,
                            destination.persistent_connections,
                        ];
                        (key, DestinationTraffic { total: counted(&destination.traffic), connections })
                    });
                    let destinations = destinations.collect();
                    (key, ServiceTraffic { total: counted(&service.traffic), destinations })
                });
                self.table = services.collect();
            }
            Err(refused) => debug!("no counters of IPVS: {refused}"),
        }
    }

    /// What was read last.
    pub(super) fn table(&self) -> &TrafficTable {
        &self.table
    }
}

const fn counted(traffic: &Counters) -> Counted {
    Counted {
        connections: traffic.connections,
        packets: [traffic.packets_in, traffic.packets_out],
        bytes: [traffic.bytes_in, traffic.bytes_out],
        connections_per_second: traffic.connections_per_second,
        packets_per_second: [traffic.packets_in_per_second, traffic.packets_out_per_second],
        bytes_per_second: [traffic.bytes_in_per_second, traffic.bytes_out_per_second],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_only_where_they_are_shown_and_as_often_as_is_said() {
        assert_eq!(Traffic::new(&Snmp::default()).interval, None);
        let snmp = Snmp { checker: true, ..Snmp::default() };
        assert_eq!(Traffic::new(&snmp).interval, Some(Duration::from_secs(5)));
        let snmp = Snmp {
            virtual_server_interval: Some(Duration::from_secs(9)),
            real_server_interval: Some(Duration::from_millis(700)),
            ..snmp
        };
        assert_eq!(Traffic::new(&snmp).interval, Some(Duration::from_millis(700)));
    }
}
