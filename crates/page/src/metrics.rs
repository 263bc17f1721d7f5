//! The metrics, in the text form of OpenMetrics.
//!
//! Names and labels are a promise. The label of a virtual router is not `instance`, which is Prometheus' own for whom it
//! asked. Labels have as many values as the configuration has routers and servers; no label has
//! values that somebody else chooses.

use crate::directors::{Director, Mastership, mastership};
use crate::report::{Connections, Instance, Report, Server, Service};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

/// What `Content-Type` says.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The states of a virtual router: one sample each, 1 for the one it is in.
const STATES: [&str; 5] = ["INIT", "BACKUP", "MASTER", "FAULT", "STOP"];

/// The metrics of a report.
///
/// # Errors
///
/// None: what is written to is memory.
pub fn text(report: &Report, directors: &[Director], own: &Own) -> Result<String, core::fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics { report: report.clone(), directors: directors.to_vec(), own: *own }));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// What the server of the page counts about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Own {
    /// Requests answered.
    pub requests: u64,
    /// Connections that were turned away because there were too many.
    pub turned_away: u64,
    /// Connections open now.
    pub connections: u64,
}

#[derive(Debug)]
struct Metrics {
    report: Report,
    directors: Vec<Director>,
    own: Own,
}

type Outcome = Result<(), core::fmt::Error>;

/// Labels of a sample.
type Labels<'a> = Vec<(&'a str, &'a str)>;

/// A gauge with one sample for each of some things.
fn gauges<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl Iterator<Item = (Labels<'a>, f64)>,
) -> Outcome {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        let metric = ConstGauge::new(value);
        if labels.is_empty() {
            return metric.encode(family);
        }
        metric.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// As [`gauges`], of a length or a moment of time.
fn seconds<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl Iterator<Item = (Labels<'a>, u64)>,
) -> Outcome {
    let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
    for (labels, ms) in samples {
        let metric = ConstGauge::new(number(ms) / 1000.0);
        if labels.is_empty() {
            return metric.encode(family);
        }
        metric.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// A counter with one sample for each of some things; its name gets `_total`.
fn counters<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl Iterator<Item = (Labels<'a>, u64)>,
) -> Outcome {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in samples {
        let metric = ConstCounter::new(value);
        if labels.is_empty() {
            return metric.encode(family);
        }
        metric.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a sample is a float in this format, exact up to 2^53")]
const fn number(value: u64) -> f64 {
    value as f64
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Outcome {
        self.daemon(&mut encoder)?;
        self.instances(&mut encoder)?;
        self.availability(&mut encoder)?;
        self.services(&mut encoder)?;
        self.servers(&mut encoder)?;
        self.directors(&mut encoder)?;
        self.peers(&mut encoder)?;
        self.page(&mut encoder)
    }
}

impl Metrics {
    /// The exchange of states with named directors.
    fn peers(&self, encoder: &mut DescriptorEncoder<'_>) -> Outcome {
        let peers = || self.report.peers.iter().map(|peer| (vec![("peer", peer.name.as_str())], peer));
        let help = "Whether a peer of the exchange is heard";
        gauges(encoder, "standfast_peer_up", help, peers().map(|(labels, peer)| (labels, flag(peer.alive))))?;
        let help = "Virtual routers of which a peer is master while this node is";
        let clashes = peers()
            .map(|(labels, peer)| (labels, f64::from(u32::try_from(peer.two_masters.len()).unwrap_or(u32::MAX))));
        gauges(encoder, "standfast_peer_two_masters", help, clashes)?;
        let help = "Datagrams of a peer that were believed";
        counters(encoder, "standfast_peer_datagrams", help, peers().map(|(labels, peer)| (labels, peer.accepted)))?;
        let refused = peers().flat_map(|(labels, peer)| {
            peer.refused.iter().map(move |one| {
                let mut labels = labels.clone();
                labels.push(("reason", one.reason.as_str()));
                (labels, one.packets)
            })
        });
        let help = "Datagrams from the address of a peer that were refused";
        counters(encoder, "standfast_peer_datagrams_refused", help, refused)
    }

    fn daemon(&self, encoder: &mut DescriptorEncoder<'_>) -> Outcome {
        let node = &self.report.node;
        let build = vec![("version", node.release.as_str())];
        gauges(encoder, "standfast_build_info", "The release", [(build, 1.0)].into_iter())?;
        let started = (Labels::new(), node.started_unix_ms);
        seconds(encoder, "standfast_start_time", "When the daemon was started", [started].into_iter())?;
        let generation = (Labels::new(), f64::from(node.generation));
        let help = "Edition of the configuration in force";
        gauges(encoder, "standfast_config_generation", help, [generation].into_iter())?;
        let help = "Whether the last reload was taken";
        let successful = (Labels::new(), flag(node.reload_refused.is_none()));
        gauges(encoder, "standfast_config_last_reload_successful", help, [successful].into_iter())?;
        let verdict = (Labels::new(), f64::from(self.report.verdict as u8));
        let help = "How bad things are: 0 ok, 1 warning, 2 critical";
        gauges(encoder, "standfast_verdict", help, [verdict].into_iter())?;
        let workers = || node.workers.iter().map(|worker| (vec![("worker", worker.kind.as_str())], worker));
        let ready = workers().map(|(labels, worker)| (labels, flag(worker.ready)));
        gauges(encoder, "standfast_worker_ready", "Whether a process of the daemon does its work", ready)?;
        let starts = workers().map(|(labels, worker)| (labels, u64::from(worker.starts)));
        counters(encoder, "standfast_worker_starts", "Starts of a process of the daemon", starts)
    }

    fn each_instance(&self) -> impl Iterator<Item = (Labels<'_>, &Instance)> {
        self.report.instances.iter().map(|one| (vec![("vrrp_instance", one.name.as_str())], one))
    }

    fn instances(&self, encoder: &mut DescriptorEncoder<'_>) -> Outcome {
        let states = self.each_instance().flat_map(|(labels, one)| {
            STATES.into_iter().map(move |state| {
                let mut labels = labels.clone();
                labels.push(("state", state));
                (labels, flag(one.state == state))
            })
        });
        gauges(encoder, "standfast_vrrp_state", "The state of a virtual router: 1 for the one it is in", states)?;
        let since = self.each_instance().map(|(labels, one)| (labels, one.since_unix_ms));
        seconds(encoder, "standfast_vrrp_state_since", "When the virtual router entered its state", since)?;
        let priority = self.each_instance().map(|(labels, one)| (labels, f64::from(one.priority)));
        gauges(encoder, "standfast_vrrp_priority", "The effective priority", priority)?;
        type Count = fn(&Instance) -> u64;
        let counts: [(&str, &str, Count); 7] = [
            ("standfast_vrrp_adverts_sent", "Advertisements sent", |one| one.counters.adverts_sent),
            ("standfast_vrrp_adverts_received", "Accepted advertisements", |one| one.counters.adverts_received),
            ("standfast_vrrp_became_master", "Times MASTER was entered", |one| one.counters.became_master),
            ("standfast_vrrp_released_master", "Times MASTER was left", |one| one.counters.released_master),
            ("standfast_vrrp_priority_zero_sent", "Resignations sent", |one| one.counters.priority_zero_sent),
            ("standfast_vrrp_foreign_claims", "Times another host claimed an address held here", |one| {
                one.counters.foreign_claims
            }),
            ("standfast_vrrp_priority_zero_received", "Resignations received", |one| {
                one.counters.priority_zero_received
            }),
        ];
        for (name, help, count) in counts {
            counters(encoder, name, help, self.each_instance().map(|(labels, one)| (labels, count(one))))?;
        }
        let refused = self.each_instance().flat_map(|(labels, one)| {
            one.counters.refused.iter().map(move |refused| {
                let mut labels = labels.clone();
                labels.push(("reason", refused.reason.as_str()));
                (labels, refused.packets)
            })
        });
        counters(encoder, "standfast_vrrp_refused", "Packets that were not acted upon, by the reason", refused)
    }

    fn availability(&self, encoder: &mut DescriptorEncoder<'_>) -> Outcome {
        let instances = self.report.instances.iter().map(|one| ("vrrp_instance", one.name.as_str(), one.availability));
        let services = self.report.services.iter().map(|one| ("service", one.name.as_str(), one.availability));
        let known = instances.chain(services).filter_map(|(kind, name, known)| Some((kind, name, known?)));
        let all: Vec<_> = known
            .flat_map(|(kind, name, known)| {
                [("day", known.day), ("month", known.month)].map(|(window, of)| (kind, name, window, of))
            })
            .collect();
        fn labels<'a>(kind: &'a str, name: &'a str, window: &'a str) -> Labels<'a> {
            vec![("kind", kind), ("name", name), ("window", window)]
        }
        let ratios = all.iter().filter_map(|(kind, name, window, of)| Some((labels(kind, name, window), of.ratio()?)));
        let help = "Part of the known time in which it was served, of the last day and month";
        gauges(encoder, "standfast_availability_ratio", help, ratios)?;
        let outages = all.iter().map(|(kind, name, window, of)| (labels(kind, name, window), f64::from(of.outages)));
        gauges(encoder, "standfast_availability_outages", "Outages in the last day and month", outages)
    }

    fn each_service(&self) -> impl Iterator<Item = (Labels<'_>, &Service)> {
        self.report.services.iter().map(|one| (vec![("service", one.name.as_str())], one))
    }

    fn services(&self, encoder: &mut DescriptorEncoder<'_>) -> Outcome {
        type Value = fn(&Service) -> f64;
        let values: [(&str, &str, Value); 6] = [
            ("standfast_service_servers", "Real servers that are configured", |one| f64::from(one.total)),
            ("standfast_service_servers_up", "Real servers that are up", |one| f64::from(one.live)),
            ("standfast_service_weight", "Summed weight of the servers that are up", |one| number(one.weight)),
            ("standfast_service_quorum", "The weight that is needed", |one| f64::from(one.quorum)),
            ("standfast_service_has_quorum", "Whether the weight is reached", |one| flag(one.has_quorum)),
            ("standfast_service_on_sorry_server", "Whether the sorry server stands in", |one| {
                flag(one.on_sorry_server)
            }),
        ];
        for (name, help, value) in values {
            gauges(encoder, name, help, self.each_service().map(|(labels, one)| (labels, value(one))))?;
        }
        let counted = || self.each_service().filter_map(|(labels, one)| Some((labels, one.connections?)));
        let active = counted().map(|(labels, found): (_, Connections)| (labels, number(found.active)));
        gauges(encoder, "standfast_service_connections_active", "Established connections through this node", active)?;
        let inactive = counted().map(|(labels, found): (_, Connections)| (labels, number(found.inactive)));
        let help = "Connections through this node that are remembered and not established";
        gauges(encoder, "standfast_service_connections_inactive", help, inactive)
    }

    fn each_server(&self) -> impl Iterator<Item = (Labels<'_>, &Server)> {
        self.report.services.iter().flat_map(|service| {
            service
                .servers
                .iter()
                .map(|server| (vec![("service", service.name.as_str()), ("server", server.name.as_str())], server))
        })
    }

    fn servers(&self, encoder: &mut DescriptorEncoder<'_>) -> Outcome {
        let up = self.each_server().map(|(labels, one)| (labels, flag(one.up)));
        gauges(encoder, "standfast_server_up", "Whether all checks of a real server are good", up)?;
        let weight = self.each_server().map(|(labels, one)| (labels, f64::from(one.weight)));
        gauges(encoder, "standfast_server_weight", "The weight of a real server when it is up", weight)?;
        let took = self
            .each_server()
            .filter_map(|(labels, one)| Some((labels, one.check_us?)))
            .map(|(labels, us)| (labels, us.div_ceil(1000)));
        seconds(encoder, "standfast_server_check", "How long the last check of a real server took", took)?;
        let ordered = self.each_server().map(|(labels, one)| (labels, flag(one.ordered.is_some())));
        let help = "Whether an operator took the real server out";
        gauges(encoder, "standfast_server_taken_out", help, ordered)?;
        let active = self.each_server().filter_map(|(labels, one)| Some((labels, number(one.connections?.active))));
        gauges(encoder, "standfast_server_connections_active", "Established connections through this node", active)
    }

    fn directors(&self, encoder: &mut DescriptorEncoder<'_>) -> Outcome {
        let known = self.directors.iter().map(|one| (vec![("director", one.name.as_str())], flag(one.said.is_ok())));
        gauges(encoder, "standfast_director_reachable", "Whether another director answers", known)?;
        let several = self
            .each_instance()
            .map(|(labels, one)| (labels, flag(mastership(one, &self.directors) == Mastership::Several)));
        let help = "Whether more than one director says that it is master";
        gauges(encoder, "standfast_vrrp_several_masters", help, several)
    }

    fn page(&self, encoder: &mut DescriptorEncoder<'_>) -> Outcome {
        let Own { requests, turned_away, connections } = self.own;
        let one = |value| [(Labels::new(), value)].into_iter();
        counters(encoder, "standfast_http_requests", "Requests answered", one(requests))?;
        counters(encoder, "standfast_http_turned_away", "Connections refused for their number", one(turned_away))?;
        let open = [(Labels::new(), number(connections))].into_iter();
        gauges(encoder, "standfast_http_connections", "Connections open now", open)
    }
}
