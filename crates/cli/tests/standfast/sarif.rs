//! SARIF as the schema of version 2.1.0 wants it: for each object which members it must have, which it may have (the
//! schema allows no others), and what they hold. Only what we write is described.

#![expect(
    clippy::indexing_slicing,
    reason = "a member that is missing is null, and a place out of range fails the test"
)]

use crate::common::Files;
use serde_json::Value;

/// What a member holds.
enum Holds {
    Text(&'static [&'static str]),
    AnyText,
    Number { least: i64 },
    Object(&'static Shape),
    List(&'static Shape),
}

/// An object of the schema: name, members it must have, members it may have beside them.
struct Shape {
    name: &'static str,
    required: &'static [(&'static str, Holds)],
    optional: &'static [(&'static str, Holds)],
}

static MESSAGE: Shape = Shape { name: "message", required: &[("text", Holds::AnyText)], optional: &[] };

static REGION: Shape = Shape {
    name: "region",
    required: &[
        ("startLine", Holds::Number { least: 1 }),
        ("startColumn", Holds::Number { least: 1 }),
        ("endLine", Holds::Number { least: 1 }),
        ("endColumn", Holds::Number { least: 1 }),
    ],
    optional: &[],
};

static ARTIFACT: Shape = Shape { name: "artifactLocation", required: &[("uri", Holds::AnyText)], optional: &[] };

static PHYSICAL: Shape = Shape {
    name: "physicalLocation",
    required: &[("artifactLocation", Holds::Object(&ARTIFACT)), ("region", Holds::Object(&REGION))],
    optional: &[],
};

static LOCATION: Shape = Shape {
    name: "location",
    required: &[("physicalLocation", Holds::Object(&PHYSICAL))],
    optional: &[("message", Holds::Object(&MESSAGE))],
};

const LEVELS: &[&str] = &["none", "note", "warning", "error"];

static LEVEL: Shape =
    Shape { name: "reportingConfiguration", required: &[("level", Holds::Text(LEVELS))], optional: &[] };

static RULE: Shape = Shape {
    name: "reportingDescriptor",
    required: &[("id", Holds::AnyText)],
    optional: &[
        ("shortDescription", Holds::Object(&MESSAGE)),
        ("fullDescription", Holds::Object(&MESSAGE)),
        ("defaultConfiguration", Holds::Object(&LEVEL)),
    ],
};

static RESULT: Shape = Shape {
    name: "result",
    required: &[("message", Holds::Object(&MESSAGE))],
    optional: &[
        ("ruleId", Holds::AnyText),
        ("ruleIndex", Holds::Number { least: 0 }),
        ("level", Holds::Text(LEVELS)),
        ("locations", Holds::List(&LOCATION)),
        ("relatedLocations", Holds::List(&LOCATION)),
    ],
};

static DRIVER: Shape = Shape {
    name: "toolComponent",
    required: &[("name", Holds::AnyText)],
    optional: &[("semanticVersion", Holds::AnyText), ("rules", Holds::List(&RULE))],
};

static TOOL: Shape = Shape { name: "tool", required: &[("driver", Holds::Object(&DRIVER))], optional: &[] };

static RUN: Shape = Shape {
    name: "run",
    required: &[("tool", Holds::Object(&TOOL))],
    optional: &[
        ("columnKind", Holds::Text(&["utf16CodeUnits", "unicodeCodePoints"])),
        ("results", Holds::List(&RESULT)),
    ],
};

static LOG: Shape = Shape {
    name: "sarifLog",
    required: &[("version", Holds::Text(&["2.1.0"])), ("runs", Holds::List(&RUN))],
    optional: &[("$schema", Holds::AnyText)],
};

/// What is wrong with a value, with the way to it.
fn flaws(value: &Value, shape: &'static Shape, found: &mut Vec<String>) {
    let Some(members) = value.as_object() else {
        found.push(format!("{} is no object", shape.name));
        return;
    };
    for (name, _) in shape.required.iter().filter(|(name, _)| !members.contains_key(*name)) {
        found.push(format!("{} has no {name}", shape.name));
    }
    for (name, value) in members {
        let known = shape.required.iter().chain(shape.optional).find(|(known, _)| known == name);
        let Some((_, holds)) = known else {
            found.push(format!("{} has a member {name}", shape.name));
            continue;
        };
        let right = match holds {
            Holds::Text(words) => value.as_str().is_some_and(|text| words.contains(&text)),
            Holds::AnyText => value.as_str().is_some_and(|text| !text.is_empty()),
            Holds::Number { least } => value.as_i64().is_some_and(|number| number >= *least),
            Holds::Object(shape) => {
                flaws(value, shape, found);
                true
            }
            Holds::List(shape) => {
                value.as_array().into_iter().flatten().for_each(|item| flaws(item, shape, found));
                value.is_array()
            }
        };
        if !right {
            found.push(format!("{name} of {} is {value}", shape.name));
        }
    }
}

/// Members whose values depend on each other.
fn contradictions(log: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for run in log["runs"].as_array().into_iter().flatten() {
        let rules: Vec<&Value> =
            run["tool"]["driver"]["rules"].as_array().into_iter().flatten().map(|r| &r["id"]).collect();
        if (1..rules.len()).any(|at| rules[..at].contains(&rules[at])) {
            found.push("a rule twice".to_owned());
        }
        for result in run["results"].as_array().into_iter().flatten() {
            let index = result["ruleIndex"].as_u64().and_then(|index| usize::try_from(index).ok());
            if index.and_then(|index| rules.get(index)) != Some(&&result["ruleId"]) {
                found.push(format!("ruleIndex of {}", result["ruleId"]));
            }
            let places = result["locations"].as_array().into_iter().chain(result["relatedLocations"].as_array());
            for place in places.flatten() {
                let region = &place["physicalLocation"]["region"];
                let at = |line: &str, column: &str| (region[line].as_u64(), region[column].as_u64());
                if at("endLine", "endColumn") < at("startLine", "startColumn") {
                    found.push(format!("a region that ends before it begins: {region}"));
                }
            }
        }
    }
    found
}

fn checked(text: &str) -> Value {
    let log: Value = serde_json::from_str(text).unwrap();
    let mut found = Vec::new();
    flaws(&log, &LOG, &mut found);
    found.append(&mut contradictions(&log));
    assert!(found.is_empty(), "{found:?}\n{text}");
    log
}

/// Fatal, dropped, deprecated, hint, with and without a place, in a definition, at the end of the file.
const MISTAKES: &str = "$A=x\nglobal_defs {\nrouter_id ${NONE}\nvrrp_skip_check_adv_addr\nlvs_timeouts\n}\n\
    vrrp_instance A {\npriority ${A}\nprioritty 1\nvirtual_ipaddress {\n192.0.2.1/99\n";

#[test]
fn every_document_has_the_members_of_the_schema_and_no_others() {
    let good = "global_defs {\nrouter_id a\n}\n";
    let files = Files::new(&[("bad.conf", MISTAKES), ("good.conf", good), ("a \u{e4}.conf", "}\n")]);
    let log =
        checked(&files.run(&["check", "--format", "sarif", "bad.conf", "good.conf", "a \u{e4}.conf", "none"]).out);
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert!(results.len() >= 8, "{results:#?}");
    assert!(results.iter().any(|result| result["locations"] == serde_json::json!([])), "a missing file has no place");
    assert!(results.iter().any(|result| result.get("relatedLocations").is_some()));
    let instance = |vrid: u8| {
        format!("vrrp_instance A {{\ninterface lo\nvirtual_router_id {vrid}\nvirtual_ipaddress {{\n192.0.2.1\n}}\n}}\n")
    };
    let pair = Files::new(&[("a.conf", &instance(1)), ("b.conf", &instance(2))]);
    let log = checked(&pair.run(&["check-pair", "--format", "sarif", "a.conf", "b.conf"]).out);
    assert_ne!(log["runs"][0]["results"], serde_json::json!([]));
}

#[test]
fn a_document_that_is_wrong_is_found_to_be() {
    let files = Files::new(&[("bad.conf", MISTAKES)]);
    let log = checked(&files.run(&["check", "--format", "sarif", "bad.conf"]).out);
    let wrong = |change: fn(&mut Value)| {
        let mut log = log.clone();
        change(&mut log["runs"][0]);
        let mut found = Vec::new();
        flaws(&log, &LOG, &mut found);
        found.append(&mut contradictions(&log));
        found.len()
    };
    assert_eq!(wrong(|_| {}), 0);
    assert_eq!(wrong(|run| run["tool"]["driver"]["name"] = Value::Null), 1);
    assert_eq!(wrong(|run| run["results"][0]["rule"] = "K0001".into()), 1);
    assert_eq!(wrong(|run| run["results"][0]["level"] = "fatal".into()), 1);
    assert_eq!(wrong(|run| run["results"][0]["ruleIndex"] = 99.into()), 1);
    assert_eq!(wrong(|run| run["results"][0]["message"] = serde_json::json!({})), 1);
    let region =
        |run: &mut Value| run["results"][0]["locations"][0]["physicalLocation"]["region"]["endLine"] = 0.into();
    assert_eq!(wrong(region), 2);
}
