//! The command as an operator types it: what it prints and how it ends.

use crate::common::Files;
use serde_json::Value;

const GOOD: &str = "vrrp_instance A {\n    interface lo\n    virtual_router_id 51\n    virtual_ipaddress {\n        192.0.2.1\n    }\n}\n";

fn bad() -> String {
    GOOD.replace("interface lo", "interface lo\n    prioritty 7")
}

#[test]
fn a_good_file_is_told_so_in_one_line() {
    let files = Files::new(&[("a.conf", GOOD)]);
    let ran = files.run(&["check", "a.conf"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, "a.conf: nothing to say\n"));
}

#[test]
fn a_mistake_is_shown_where_it_stands_with_the_status_of_a_configuration_test() {
    let files = Files::new(&[("a.conf", &bad())]);
    let ran = files.run(&["check", "a.conf"]);
    assert_eq!(ran.status, 5);
    let expected = "\
error[K0401]: unknown keyword `prioritty`
 --> a.conf:3:5
  |
1 | vrrp_instance A {
  | --------------- in this block
2 |     interface lo
3 |     prioritty 7
  |     ^^^^^^^^^ no statement of `vrrp_instance` begins so
  |
  = help: did you mean `priority`?

a.conf: 1 error
";
    assert_eq!(ran.out, expected);
    assert!(!ran.out.contains('\u{1b}'), "no colour where nobody looks");
}

#[test]
fn the_worst_of_several_files_decides() {
    let files = Files::new(&[("good.conf", GOOD), ("bad.conf", &bad()), ("fatal.conf", "vrrp_instance A {\n")]);
    assert_eq!(files.run(&["check", "good.conf", "bad.conf"]).status, 5);
    assert_eq!(files.run(&["check", "bad.conf", "nowhere.conf"]).status, 4);
    let fatal = files.run(&["check", "fatal.conf", "good.conf"]);
    assert!(fatal.out.contains("fatal.conf: ") && fatal.out.contains("; standfastd would not start"), "{}", fatal.out);
}

#[test]
fn strict_makes_a_hint_count() {
    let files = Files::new(&[("a.conf", &format!("include nowhere.conf\n{GOOD}"))]);
    assert_eq!(files.run(&["check", "a.conf"]).status, 0);
    assert_eq!(files.run(&["check", "--strict", "a.conf"]).status, 5);
}

#[test]
fn interfaces_of_another_machine_exist_on_demand() {
    let files = Files::new(&[("a.conf", &GOOD.replace("interface lo", "interface nosuch0"))]);
    assert_eq!(files.run(&["check", "a.conf"]).status, 4);
    assert_eq!(files.run(&["check", "--elsewhere", "a.conf"]).status, 0);
}

#[test]
fn a_configuration_id_chooses_lines() {
    let files = Files::new(&[("a.conf", &GOOD.replace("virtual_router_id 51", "@lb1 virtual_router_id 51"))]);
    assert_eq!(files.run(&["check", "-i", "lb1", "a.conf"]).status, 0);
    assert_eq!(files.run(&["check", "-i", "lb2", "a.conf"]).status, 5);
}

#[test]
fn json_has_the_documented_members() {
    let files = Files::new(&[("a.conf", &bad())]);
    let ran = files.run(&["check", "--format", "json", "a.conf"]);
    assert_eq!(ran.status, 5);
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    let expected = serde_json::json!({ "format": 1, "files": [{
        "file": "a.conf", "status": 5, "starts": true,
        "diagnostics": [{
            "code": "K0401", "class": "dropped", "headline": "unknown keyword `prioritty`", "help": "did you mean `priority`?",
            "places": [
                { "primary": true, "label": "no statement of `vrrp_instance` begins so", "file": "a.conf",
                  "line": 3, "column": 5, "end_line": 3, "end_column": 14 },
                { "primary": false, "label": "in this block", "file": "a.conf",
                  "line": 1, "column": 1, "end_line": 1, "end_column": 16 },
            ],
        }],
    }] });
    assert_eq!(printed, expected);
}

#[test]
fn sarif_names_rule_level_and_region() {
    let files = Files::new(&[("a b.conf", &bad())]);
    let ran = files.run(&["check", "--format", "sarif", "a b.conf"]);
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed["version"], "2.1.0");
    let run = &printed["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "standfast");
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "K0401");
    let result = &run["results"][0];
    assert_eq!(
        (&result["ruleId"], &result["ruleIndex"], &result["level"]),
        (&"K0401".into(), &0.into(), &"error".into())
    );
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20b.conf");
    assert_eq!(place["region"], serde_json::json!({ "startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 14 }));
    assert_eq!(result["relatedLocations"][0]["message"]["text"], "in this block");
}

#[test]
fn sarif_counts_letters_where_json_counts_bytes() {
    let files = Files::new(&[("a.conf", "vrrp_script \"\u{e4}\u{f6}\" {\n}\n\u{e4}\u{f6} x\n\u{e4} { prioritty\n}\n")]);
    let sarif: Value = serde_json::from_str(&files.run(&["check", "--format", "sarif", "a.conf"]).out).unwrap();
    let json: Value = serde_json::from_str(&files.run(&["check", "--format", "json", "a.conf"]).out).unwrap();
    let unknown = |code: &Value| code == "K0401";
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let result = results.iter().find(|r| unknown(&r["ruleId"])).unwrap();
    let diagnostics = json["files"][0]["diagnostics"].as_array().unwrap();
    let diagnostic = diagnostics.iter().find(|d| unknown(&d["code"])).unwrap();
    let region = &result["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startColumn"], &region["endColumn"]), (&1.into(), &3.into()));
    assert_eq!(diagnostic["places"][0]["end_column"], 5);
}

#[test]
fn every_code_is_explained_and_an_unknown_one_meets_its_neighbour() {
    let files = Files::new(&[]);
    let all = files.run(&["explain"]);
    assert_eq!(all.status, 0);
    assert!(all.out.lines().any(|l| l == "K0301  fatal       a closing brace too many"), "{}", all.out);
    for line in all.out.lines() {
        let code = line.split(' ').next().unwrap();
        let one = files.run(&["explain", code]);
        assert_eq!(one.status, 0, "{code}");
        assert!(one.out.starts_with(&format!("{code} (")) && one.out.lines().count() >= 3, "{}", one.out);
    }
    assert_eq!(files.run(&["explain", "k301"]).out, files.run(&["explain", "K0301"]).out);
    let unknown = files.run(&["explain", "K0399"]);
    assert_eq!(unknown.status, 1);
    assert!(unknown.err.contains("no diagnostic has the code `K0399`; did you mean K03"), "{}", unknown.err);
}

#[test]
fn fmt_rewrites_what_check_names_and_keeps_mode_and_link() {
    use std::os::unix::fs::PermissionsExt as _;
    let files = Files::new(&[("a.conf", "a   {\nb\n}\n"), ("good.conf", GOOD)]);
    let path = files.directory.join("a.conf");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("a.conf", files.directory.join("link.conf")).unwrap();
    let checked = files.run(&["fmt", "--check", "link.conf", "good.conf"]);
    assert_eq!((checked.status, checked.out.as_str()), (1, "link.conf\n"));
    assert_eq!(files.read("a.conf"), "a   {\nb\n}\n", "check changes nothing");
    assert_eq!(files.run(&["fmt", "link.conf", "good.conf"]).status, 0);
    assert_eq!(files.read("a.conf"), "a {\n    b\n}\n");
    assert!(files.directory.join("link.conf").is_symlink());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(files.run(&["fmt", "--check", "a.conf", "good.conf"]).status, 0);
    assert_eq!(std::fs::read_dir(&files.directory).unwrap().count(), 3, "nothing is left beside the files");
}

#[test]
fn fmt_leaves_a_file_whose_braces_do_not_fit() {
    let files = Files::new(&[("a.conf", "a {\n}}\n")]);
    let ran = files.run(&["fmt", "a.conf"]);
    assert_eq!(ran.status, 1);
    assert_eq!(ran.err, "a.conf: line 2: this `}` closes nothing; a file is formatted when its braces fit\n");
    assert_eq!(files.read("a.conf"), "a {\n}}\n");
}

#[test]
fn config_show_expands_masks_and_names_origins() {
    let text = GOOD.replace(
        "    virtual_ip",
        "    authentication {\nauth_type PASS\nauth_pass hunter2\n}\n    include more.conf\n    virtual_ip",
    );
    let files = Files::new(&[("a.conf", &text), ("more.conf", "$P=7\npriority $P\n")]);
    let ran = files.run(&["config", "show", "a.conf"]);
    assert_eq!(ran.status, 0);
    assert!(ran.out.contains("        auth_pass ********\n") && !ran.out.contains("hunter2"), "{}", ran.out);
    assert!(ran.out.contains("\n    priority 7\n"), "{}", ran.out);
    let origin = files.run(&["config", "show", "--origin", "a.conf"]);
    let line = origin.out.lines().find(|line| line.contains("priority 7")).unwrap();
    assert!(line.ends_with("# more.conf:2"), "{line}");
    let fatal = files.run(&["config", "show", "nowhere.conf"]);
    assert_eq!(
        (fatal.status, fatal.err.as_str()),
        (1, "fatal\n".replace("fatal", "error[K0001]: nowhere.conf: no such file").as_str())
    );
}

#[test]
fn keywords_are_listed_for_people_and_for_programs() {
    let files = Files::new(&[]);
    let text = files.run(&["keywords"]).out;
    assert!(text.contains("\n  virtual_router_id <N>\n"), "{text}");
    let json: Value = serde_json::from_str(&files.run(&["keywords", "--json"]).out).unwrap();
    let keywords = json["keywords"].as_array().unwrap();
    let vrid = keywords.iter().find(|k| k["path"] == "vrrp_instance/virtual_router_id").unwrap();
    assert_eq!((&vrid["range"], &vrid["live"], &vrid["status"]), (&"1..255".into(), &true.into(), &"current".into()));
}

#[test]
fn wrong_words_end_with_2_and_a_usage() {
    let files = Files::new(&[]);
    for words in [&["nonsense"][..], &["check"], &["check-pair", "a"], &["check", "--format", "xml", "a"]] {
        let ran = files.run(words);
        assert_eq!(ran.status, 2, "{words:?}");
        assert!(ran.err.contains("--help"), "{}", ran.err);
    }
}

#[test]
fn help_is_asked_for_in_both_ways() {
    let files = Files::new(&[]);
    for (asked, said) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "drain"], &["drain", "--help"]),
        (&["help", "config", "show"], &["config", "show", "--help"]),
    ] {
        let (asked, said) = (files.run(asked), files.run(said));
        assert_eq!((asked.status, said.status), (0, 0), "{} {}", asked.err, said.err);
        assert!(asked.out.contains("Usage: standfast"), "{}", asked.out);
        assert_eq!(asked.out, said.out);
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_standfast"))
        .arg("keywords")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
