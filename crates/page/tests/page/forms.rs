//! What programs get: a report that comes back as it went, a schema that says how it looks, metrics with steady names.

use crate::fixture::Site;
use standfast_page::metrics::{Own, text};
use standfast_page::{directors, schema};
use std::collections::BTreeSet;

#[test]
fn a_report_comes_back_as_it_went_and_one_of_a_future_form_is_refused() {
    let report = Site::new(20).report();
    let json = serde_json::to_vec(&report).unwrap();
    assert_eq!(directors::read(&json).unwrap(), report);
    let brief = report.clone().without_servers();
    assert!(serde_json::to_vec(&brief).unwrap().len() < json.len());
    assert!(brief.services.iter().all(|service| service.servers.is_empty()));
    let mut later = report;
    later.version = 2;
    assert!(directors::read(&serde_json::to_vec(&later).unwrap()).unwrap_err().contains("form 2"));
    for nonsense in [&b""[..], b"{}", b"[]", b"\xff", b"{\"version\":1}"] {
        assert!(directors::read(nonsense).is_err());
    }
}

/// Every name of a field in a value, with the way to it.
fn names(value: &serde_json::Value, way: &str, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let way = format!("{way}/{name}");
                names(value, &way, found);
                found.insert(way);
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| names(value, way, found)),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => {}
    }
}

#[test]
fn the_schema_describes_every_field_of_a_report() {
    let schema: serde_json::Value = serde_json::from_str(&schema::text()).unwrap();
    let definitions = schema["$defs"].as_object().unwrap();
    let described: BTreeSet<&str> = definitions
        .values()
        .flat_map(|definition| definition["properties"].as_object())
        .flatten()
        .inspect(|(name, property)| {
            assert!(property["description"].is_string() || property["$ref"].is_string(), "{name} says nothing");
        })
        .map(|(name, _)| name.as_str())
        .collect();
    let mut found = BTreeSet::new();
    names(&serde_json::to_value(Site::new(9).report()).unwrap(), "", &mut found);
    assert!(found.len() > 60, "{found:?}");
    for way in found {
        let name = way.rsplit('/').next().unwrap();
        assert!(described.contains(name), "{way} is not described");
    }
}

fn metrics() -> String {
    let site = Site::new(10);
    text(&site.report(), &site.directors, &Own { requests: 7, turned_away: 1, connections: 3 }).unwrap()
}

#[test]
fn the_metrics_have_the_values_of_the_report() {
    let metrics = metrics();
    for line in [
        "standfast_vrrp_state{vrrp_instance=\"VI_WEB\",state=\"MASTER\"} 1.0",
        "standfast_vrrp_state{vrrp_instance=\"VI_WEB\",state=\"BACKUP\"} 0.0",
        "standfast_vrrp_foreign_claims_total{vrrp_instance=\"VI_WEB\"} 3",
        "standfast_vrrp_adverts_sent_total{vrrp_instance=\"VI_WEB\"} 91234",
        "standfast_verdict 2.0",
        "standfast_service_servers_up{service=\"TCP 198.51.100.0:80\"} 4.0",
        "standfast_service_connections_active{service=\"TCP 198.51.100.0:80\"} 68.0",
        "standfast_server_up{service=\"TCP 198.51.100.0:8443\",server=\"10.0.0.56:8443\"} 0.0",
        "standfast_server_check_seconds{service=\"TCP 198.51.100.0:80\",server=\"10.0.0.0:80\"} 0.001",
        "standfast_director_reachable{director=\"lb-south\"} 0.0",
        "standfast_vrrp_several_masters{vrrp_instance=\"VI_WEB\"} 0.0",
        "standfast_http_requests_total 7",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard = include_str!("../../../../etc/grafana/standfast.json");
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    let metrics = metrics();
    let known: BTreeSet<&str> = metrics
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect();
    let expressions: Vec<&str> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    let asked: BTreeSet<&str> = expressions
        .iter()
        .flat_map(|expression| expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')))
        .filter(|word| word.starts_with("standfast_"))
        .collect();
    assert!(asked.len() >= 12, "{asked:?}");
    for name in asked {
        assert!(known.contains(name), "there is no metric {name}");
    }
}
