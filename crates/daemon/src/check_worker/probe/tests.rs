//! What checks of commands and files come to, and what is kept from one attempt to the next.

use super::Probes;
use crate::runner_client::RunnerClient;
use core::time::Duration;
use standfast_api::runner::{RequestId, RunOutcome};
use standfast_kernel::timer::boottime;
use standfast_lvs::{CheckWeight, CheckerId, Reason, Verdict};
use standfast_model::Ended;
use standfast_model::config::lvs::{Connect, LvsCommon, Probe};
use standfast_model::config::probe::{Http, HttpVersion, Misc, Smtp, TrackedFile, Url};
use standfast_model::config::script::Script;
use standfast_model::config::track::{FileId, TrackFile};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// Probes of a worker whose runner has not come yet, which answers nothing.
struct Bench {
    runtime: tokio::runtime::Runtime,
    runner: RunnerClient,
    probes: Probes,
}

impl Bench {
    fn new(files: usize) -> Self {
        let file = TrackFile { name: "f".to_owned(), path: "/run/f".to_owned(), init: None };
        let common = LvsCommon { track_files: vec![file; files], ..LvsCommon::default() };
        let mut runner = RunnerClient::new();
        let mut probes = Probes::new(&common, 0, &mut runner);
        probes.most = 100;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, runner, probes }
    }

    fn start(&mut self, checker: usize, probe: &Probe) {
        let _inside = self.runtime.enter();
        self.probes.start(boottime(), CheckerId(checker), probe, &mut self.runner);
    }

    /// The next verdict; none if there is none within a moment.
    fn finished(&mut self) -> Option<(usize, Verdict)> {
        self.runtime.block_on(async {
            let finished = tokio::time::timeout(Duration::from_millis(500), self.probes.finished()).await.ok()?;
            let (checker, verdict, _) = finished.unwrap();
            Some((checker.0, verdict))
        })
    }

    fn ended(&mut self, request: u64, ended: Ended) {
        self.probes.ended(&RunOutcome { id: RequestId(request), ended, output: "lost its disk\n".to_owned() });
    }
}

fn command(dynamic: bool) -> Probe {
    let script = Script { words: vec![b"/bin/check".to_vec()], identity: None };
    Probe::Misc(Misc { script, timeout: Duration::from_secs(5), dynamic })
}

#[test]
fn a_command_is_judged_when_the_runner_says_how_it_ended() {
    let mut bench = Bench::new(0);
    bench.start(0, &command(false));
    bench.start(1, &command(true));
    assert_eq!(bench.finished(), None);
    bench.ended(2, Ended::Exited(12));
    assert_eq!(bench.finished(), Some((1, Verdict::OkWithWeight(CheckWeight::Absolute(10)))));
    bench.ended(1, Ended::Exited(12));
    let words = "exit status 12: lost its disk";
    assert_eq!(bench.finished(), Some((0, Verdict::Failed(Reason::Answer(words.into())))));
    // Each answer counts once.
    bench.ended(1, Ended::Exited(0));
    assert_eq!(bench.finished(), None);
}

#[test]
fn a_command_that_was_given_up_has_no_verdict() {
    let mut bench = Bench::new(0);
    bench.start(0, &command(false));
    bench.probes.cancel(CheckerId(0));
    bench.ended(1, Ended::Exited(0));
    assert_eq!(bench.finished(), None);
}

#[test]
fn a_check_of_a_file_waits_until_the_file_is_known_and_not_longer() {
    let mut bench = Bench::new(2);
    let probe = Probe::File(TrackedFile { file: FileId(1), weight: 2, reverse: false });
    bench.start(0, &probe);
    assert!(bench.probes.read(0, Some(9)), "news, for others");
    assert_eq!(bench.finished(), None);
    assert!(bench.probes.read(1, Some(-5)));
    let weight = |by| Verdict::OkWithWeight(CheckWeight::Relative(by));
    assert_eq!(bench.finished(), Some((0, weight(-10))));
    bench.start(0, &probe);
    assert_eq!(bench.finished(), Some((0, weight(-10))));
    assert!(!bench.probes.read(1, Some(-5)), "no news");
    assert!(bench.probes.read(1, None));
    bench.start(0, &probe);
    assert_eq!(bench.finished(), Some((0, weight(0))));
    assert!(!bench.probes.read(7, None), "no such file");
}

#[test]
fn whose_turn_it_is_among_the_pages_of_a_check_is_kept_between_attempts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let mut paths = String::new();
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1000];
            let _ = stream.read(&mut request).unwrap();
            paths.push(char::from(request[5]));
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
        }
        paths
    });
    let connect = Connect {
        target,
        bind_address: None,
        bind_port: None,
        bind_interface: None,
        timeout: Duration::from_secs(5),
        mark: 0,
    };
    let url = |path: &str| Url {
        path: path.to_owned(),
        virtual_host: None,
        status_codes: vec![(200, 200)],
        digest: None,
        regex: None,
        tls_compliant: false,
    };
    let urls = vec![url("/a"), url("/b")];
    let probe = Probe::Http(Http { connect, tls: None, version: HttpVersion::Http10, fast_recovery: false, urls });
    let mut bench = Bench::new(0);
    assert_eq!(bench.probes.took(CheckerId(3)), None);
    for verdict in [Verdict::OkSoFar, Verdict::Ok, Verdict::Ok] {
        bench.start(3, &probe);
        assert_eq!(bench.finished(), Some((3, verdict)));
    }
    assert_eq!(server.join().unwrap(), "aba");
    assert!(bench.probes.took(CheckerId(3)).is_some_and(|took| !took.is_zero() && took < Duration::from_secs(5)));
    bench.probes.cancel(CheckerId(3));
    assert_eq!(bench.probes.took(CheckerId(3)), None, "another check may get its place");
}

/// The worker waits for verdicts with its own timer, which nothing but the book of deadlines moves.
#[test]
fn a_check_that_is_not_answered_ends_when_its_deadline_is_passed_and_not_before() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = Connect {
        target: listener.local_addr().unwrap(),
        bind_address: None,
        bind_port: None,
        bind_interface: None,
        timeout: Duration::from_secs(60),
        mark: 0,
    };
    let smtp = Smtp { hosts: vec![connect], helo_name: "x".to_owned() };
    let mut bench = Bench::new(0);
    bench.start(0, &Probe::Smtp(smtp));
    assert_eq!(bench.finished(), None);
    let due = bench.probes.deadlines().next().unwrap();
    bench.probes.deadlines().pass(due - Duration::from_nanos(1));
    assert_eq!(bench.finished(), None);
    bench.probes.deadlines().pass(due);
    let timed_out = Verdict::Failed(Reason::TimedOut { after: Duration::from_secs(60) });
    assert_eq!(bench.finished(), Some((0, timed_out)));
}

#[test]
fn no_more_checks_are_under_way_than_there_are_descriptors_for_and_all_have_their_turn() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let connect = Connect {
        target,
        bind_address: None,
        bind_port: None,
        bind_interface: None,
        timeout: Duration::from_secs(5),
        mark: 0,
    };
    let mut bench = Bench::new(0);
    bench.probes.most = 2;
    for checker in 0..5 {
        bench.start(checker, &Probe::Tcp(connect.clone()));
    }
    assert_eq!((bench.probes.running.len(), bench.probes.queue.len()), (2, 3));
    // One that waits can be given up as well.
    bench.probes.cancel(CheckerId(3));
    let mut finished: Vec<usize> = core::iter::from_fn(|| {
        let (checker, verdict) = bench.finished()?;
        assert_eq!(verdict, Verdict::Failed(Reason::Refused));
        assert!(bench.probes.running.len() <= 2);
        Some(checker)
    })
    .collect();
    finished.sort_unstable();
    assert_eq!(finished, [0, 1, 2, 4]);
}
