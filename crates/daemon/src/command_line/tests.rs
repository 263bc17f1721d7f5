//! The table of the command line, row by row: words in, meaning out.

use super::*;
use std::collections::BTreeSet;

fn run(words: &[&str]) -> Options {
    match parse(words.iter().copied()) {
        Ok(Invocation::Run(options)) => *options,
        other => panic!("{words:?}: {other:?}"),
    }
}

/// What the words change against no words at all.
fn changed(words: &[&str], change: impl FnOnce(&mut Options)) {
    let mut expected = Options::default();
    change(&mut expected);
    assert_eq!(run(words), expected, "{words:?}");
    assert_ne!(expected, Options::default(), "{words:?} change nothing: the row proves nothing");
}

#[test]
fn no_words_run_everything_in_the_background_from_the_default_file() {
    let options = run(&[]);
    assert_eq!(options.configuration, PathBuf::from("/etc/keepalived/keepalived.conf"));
    assert!(options.daemonize && options.respawn && options.vrrp && options.checkers && !options.all);
    assert!(options.log.system && !options.log.console);
}

#[test]
fn each_built_option_means_what_keepalived_says() {
    changed(&["-f", "a.conf"], |o| o.configuration = "a.conf".into());
    changed(&["-fa.conf"], |o| o.configuration = "a.conf".into());
    changed(&["--use-file=a.conf"], |o| o.configuration = "a.conf".into());
    changed(&["--use-file", "a.conf"], |o| o.configuration = "a.conf".into());
    changed(&["-P"], |o| o.checkers = false);
    changed(&["--vrrp"], |o| o.checkers = false);
    changed(&["-C"], |o| o.vrrp = false);
    changed(&["--check"], |o| o.vrrp = false);
    changed(&["--all"], |o| o.all = true);
    changed(&["-l"], |o| o.log.console = true);
    changed(&["-D"], |o| o.log.detail = 1);
    changed(&["-DD"], |o| o.log.detail = 2);
    changed(&["-D", "--log-detail"], |o| o.log.detail = 2);
    changed(&["-S", "7"], |o| o.log.facility = Facility::Local(7));
    changed(&["-S", "local0"], |o| o.log.facility = Facility::Local(0));
    changed(&["-Suser"], |o| o.log.facility = Facility::User);
    changed(&["-G"], |o| o.log.system = false);
    changed(&["-u", "0177"], |o| o.umask = Some(0o177));
    changed(&["-u", "0x3f"], |o| o.umask = Some(0o77));
    changed(&["--umask=18"], |o| o.umask = Some(0o22));
    changed(&["-X"], |o| o.worker.release_vips = true);
    changed(&["-V"], |o| o.worker.dont_release_vrrp = true);
    changed(&["-I"], |o| o.worker.dont_release_ipvs = true);
    changed(&["-R"], |o| o.respawn = false);
    changed(&["-n"], |o| o.daemonize = false);
    changed(&["--dont-fork"], |o| o.daemonize = false);
    changed(&["-d"], |o| o.dump_configuration = true);
    changed(&["-p", "/p"], |o| o.pid_files.main = Some("/p".into()));
    changed(&["--pid=/p"], |o| o.pid_files.main = Some("/p".into()));
    changed(&["-r/p"], |o| o.pid_files.vrrp = Some("/p".into()));
    changed(&["--vrrp_pid=/p"], |o| o.pid_files.vrrp = Some("/p".into()));
    changed(&["-c", "/p"], |o| o.pid_files.checkers = Some("/p".into()));
    changed(&["-a"], |o| o.worker.address_monitoring = true);
    changed(&["-s", "blue"], |o| o.namespace = Some("blue".to_owned()));
    changed(&["-m"], |o| o.worker.core_file = true);
    for (word, pattern) in [("-M", "core"), ("-M/var/core.%p", "/var/core.%p"), ("--core-dump-pattern=x", "x")] {
        changed(&[word], |o| (o.worker.core_file, o.core_pattern) = (true, Some(pattern.to_owned())));
    }
    for (word, file) in [("-g", "/var/log/keepalived.log"), ("-g/l", "/l"), ("--log-file=/l", "/l")] {
        changed(&[word], |o| o.log_file = Some(file.into()));
    }
    changed(&["-e"], |o| o.include_errors = true);
    changed(&["-i", "lb1"], |o| o.configuration_id = Some("lb1".to_owned()));
    changed(&["--ignore-sigint"], |o| o.ignore_interrupt = true);
    changed(&["-t"], |o| o.test = Some(None));
    changed(&["-t/tmp/report"], |o| o.test = Some(Some("/tmp/report".into())));
    changed(&["--config-test=/tmp/report"], |o| o.test = Some(Some("/tmp/report".into())));
}

#[test]
fn letters_can_be_bundled_as_unit_files_do() {
    changed(&["-nlDf", "x"], |o| {
        o.daemonize = false;
        o.log.console = true;
        o.log.detail = 1;
        o.configuration = "x".into();
    });
}

#[test]
fn an_optional_argument_must_be_attached() {
    let options = run(&["-t", "report"]);
    assert_eq!(options.test, Some(None));
    assert_eq!(options.remarks, ["Unexpected argument(s): report"]);
}

#[test]
fn surplus_words_are_told_and_ignored_wherever_they_stand() {
    let options = run(&["start", "-n", "now"]);
    assert_eq!(options.remarks, ["Unexpected argument(s): start now"]);
    assert!(!options.daemonize, "an option after a surplus word counts");
}

#[test]
fn the_beginning_of_one_long_name_is_that_name() {
    changed(&["--dont-f"], |o| o.daemonize = false);
    changed(&["--use=x"], |o| o.configuration = "x".into());
    let error = parse(["--dont-re"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "option '--dont-re' is the beginning of dont-release-vrrp, dont-release-ipvs, dont-respawn"
    );
    changed(&["--vrrp"], |o| o.checkers = false);
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    for (words, text) in [
        (vec!["-Z"], "unknown option \"-Z\""),
        (vec!["-nZ"], "unknown option \"-Z\""),
        (vec!["-n", "-T"], "genhash mode is chosen with the first word"),
        (vec!["--nonsense"], "unknown option \"--nonsense\""),
        (vec!["--nonsense=3"], "unknown option \"--nonsense\""),
        (vec!["-f"], "missing argument for option '-f'"),
        (vec!["--pid"], "missing argument for option '--pid'"),
        (vec!["--dont-fork=yes"], "unexpected argument for option '--dont-fork': \"yes\""),
        (
            vec!["--signum=KILL"],
            "unknown signal name \"KILL\": STOP, RELOAD, DATA, STATS, STATS_CLEAR, JSON and TDUMP are known",
        ),
    ] {
        let error = parse(words.clone()).unwrap_err();
        assert_eq!(error.to_string(), text, "{words:?}");
    }
}

#[test]
fn a_wrong_facility_or_umask_is_only_told() {
    for (words, remark) in [
        (["-S", "9"], "Invalid log facility '9'"),
        (["-S", "local8"], "Invalid log facility 'local8'"),
        (["-S", "mail"], "Invalid log facility 'mail'"),
        (["-S", ""], "Invalid log facility ''"),
        (["-u", "089"], "Invalid umask '089'"),
        (["-u", "01000"], "Invalid umask '01000'"),
        (["-u", "-1"], "Invalid umask '-1'"),
    ] {
        changed(&words, |o| o.remarks = vec![remark.to_owned()]);
    }
}

#[test]
fn what_ends_the_reading_does_so_where_it_stands() {
    assert_eq!(parse(["-n", "-v", "-Z"]), Ok(Invocation::Version));
    assert_eq!(parse(["-h"]), Ok(Invocation::Help));
    assert_eq!(parse(["--signum=RELOAD"]), Ok(Invocation::SignalNumber(Request::Reload)));
    assert_eq!(parse(["--keywords"]), Ok(Invocation::Keywords { json: false }));
    assert_eq!(parse(["--keywords=json", "-Z"]), Ok(Invocation::Keywords { json: true }));
    let error = parse(["--keywords=xml"]).unwrap_err().to_string();
    assert_eq!(error, "unknown form \"xml\": --keywords and --keywords=json are known");
    assert!(parse(["-Z", "-v"]).is_err());
}

#[test]
fn an_argument_that_is_not_text_is_a_path_or_an_error() {
    use std::os::unix::ffi::OsStringExt;
    let odd = OsString::from_vec(vec![b'/', 0xff]);
    let Ok(Invocation::Run(options)) = parse([OsString::from("-f"), odd.clone()]) else { panic!("a path is no text") };
    assert_eq!(options.configuration, PathBuf::from(&odd));
    let error = parse([OsString::from("-i"), odd]).unwrap_err();
    assert_eq!(error, CommandLineError::NotText { option: "config-id" });
}

#[test]
fn what_is_shown_over_snmp_is_added_to_what_the_configuration_says() {
    let Ok(Invocation::Run(options)) = parse(["-x", "-A", "/run/agent"]) else { panic!("refused") };
    let mut snmp = Snmp { socket: Some("tcp:705".to_owned()), ..Snmp::default() };
    options.snmp.add_to(&mut snmp);
    assert!(snmp.vrrp && snmp.checker && snmp.rfc_v2 && snmp.rfc_v3 && !snmp.traps);
    assert_eq!(snmp.socket.as_deref(), Some("tcp:705"));
    let mut snmp = Snmp::default();
    options.snmp.add_to(&mut snmp);
    assert_eq!(snmp.socket.as_deref(), Some("/run/agent"));
}

#[test]
fn options_that_do_nothing_here_are_accepted_and_told() {
    for option in OPTIONS.iter().filter(|option| option.readiness == Readiness::Foreign) {
        let mut words = vec![format!("--{}", option.long)];
        if matches!(option.value, Value::Required(_)) {
            words.push("value".to_owned());
        }
        let Ok(Invocation::Run(options)) = parse(words) else { panic!("--{} is refused", option.long) };
        let told = format!("option --{} is for keepalived's own processes and does nothing", option.long);
        assert_eq!(options.remarks, [told]);
    }
    // What is always so needs no remark.
    assert_eq!(parse(["--flush-log-file"]), parse(Vec::<OsString>::new()));
}

#[test]
fn names_are_unique_and_each_is_in_the_help() {
    let letters: BTreeSet<char> = OPTIONS.iter().filter_map(|option| option.short).collect();
    let names: BTreeSet<&str> = OPTIONS.iter().map(|option| option.long).collect();
    assert_eq!(letters.len(), OPTIONS.iter().filter(|option| option.short.is_some()).count());
    assert_eq!(names.len(), OPTIONS.len());
    let help = help();
    for option in OPTIONS {
        assert!(help.contains(&format!("--{}", option.long)), "--{} is not in the help", option.long);
    }
    assert!(help.lines().all(|line| line.len() <= 120), "a line of the help is too long");
}
