//! The samples of Debian's keepalived package, read where the package puts them.

use crate::common::Files;
use std::path::Path;

/// Where Debian 12 puts them.
const SAMPLES: &str = "/usr/share/doc/keepalived/samples";

/// Samples that have mistakes, which keepalived reports as well: the codes of ours, hints left out.
const MISTAKEN: [(&str, &[&str]); 6] = [
    ("conditional_conf", &["K0532"]),
    ("fwmark", &["K0614"]),
    ("vrrp", &["K0506"]),
    ("vrrp.lvs_syncd", &["K0401", "K0401", "K0412", "K0511"]),
    ("vrrp.routes", &["K0412", "K0412"]),
    ("vrrp.rules", &["K0408", "K0408", "K0530", "K0530"]),
];

/// What depends on the machine: scripts and users that it has or has not.
const OF_THE_MACHINE: &str = "K07";

#[test]
fn every_sample_of_debians_keepalived_loads() {
    if !Path::new(SAMPLES).is_dir() {
        // Where everything is tested nothing is left out unseen.
        assert!(std::env::var_os("CI").is_none(), "{SAMPLES} is missing: install the package keepalived");
        eprintln!("not tested: {SAMPLES} is missing, install the package keepalived");
        return;
    }
    let mut seen = 0;
    for entry in std::fs::read_dir(SAMPLES).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) =
            path.file_name().unwrap().to_str().unwrap().strip_prefix("keepalived.conf.").map(str::to_owned)
        else {
            continue;
        };
        seen += 1;
        let words = ["check", "--elsewhere", "--format", "json", path.to_str().unwrap()];
        let ran = Files::new(&[]).run(&words);
        let printed: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let file = &printed["files"][0];
        assert_eq!(file["starts"], true, "{name}: {}", ran.out);
        let told = |d: &&serde_json::Value| !matches!(d["class"].as_str(), Some("hint" | "not-yet"));
        let codes = file["diagnostics"].as_array().unwrap().iter().filter(told).map(|d| d["code"].as_str().unwrap());
        let mut codes: Vec<&str> = codes.filter(|code| !code.starts_with(OF_THE_MACHINE)).collect();
        codes.sort_unstable();
        let expected = MISTAKEN.iter().find(|(mistaken, _)| *mistaken == name).map(|(_, codes)| *codes);
        assert_eq!(codes, expected.unwrap_or_default(), "{name}: {}", ran.out);
    }
    assert!(seen >= 25, "{seen} samples: Debian 12 has 25");
}
