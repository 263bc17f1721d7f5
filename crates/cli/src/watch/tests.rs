//! What a terminal shows after what has come, cell by cell, without one.

use super::model::{Input, Key, Watch};
use super::theme::Theme;
use core::num::NonZeroU32;
use core::time::Duration;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use standfast_api::control::Recorded;
use standfast_api::{
    CheckStatus, DaemonStatus, Event, EventKind, Generation, InstanceStatus, Packed, Remarks, Said, ServerStatus,
    ServiceStatus, Snapshot, VrrpStatus, WorkerKind, WorkerStatus,
};
use standfast_model::ipvs::{DestinationKey, Protocol, ServiceKey};
use standfast_model::{AddressOptions, Cause, Instant, Scope, State, Transition, VirtualAddress, Vrid, VrrpCounters};

/// 2026-11-21 10:21:40 UTC.
const NOON: Duration = Duration::from_secs(1_795_256_500);

fn instance(name: &str, state: State) -> InstanceStatus {
    let at = Instant::from_nanos(1_000_000_000_000);
    let cause = Cause::MasterSilent { waited: Duration::from_millis(3414) };
    InstanceStatus {
        name: name.to_owned(),
        interface: "eth0".parse().unwrap(),
        vrid: Vrid::new(51).unwrap(),
        state,
        since: at,
        priority: 150,
        base_priority: 150,
        master: (state == State::Backup).then(|| "192.0.2.3".parse().unwrap()),
        master_priority: None,
        group: None,
        addresses: vec![VirtualAddress {
            address: "192.0.2.100/24".parse().unwrap(),
            interface: None,
            label: None,
            scope: Scope::Global,
            broadcast: None,
            options: AddressOptions::default(),
        }],
        ordered: None,
        fault: (state == State::Fault).then(|| cause.clone()),
        last_transition: Some(Transition {
            instance: name.to_owned(),
            interface: "eth0".parse().unwrap(),
            from: State::Backup,
            to: state,
            cause,
            at,
            priority: 150,
        }),
        held: None,
        mismatches: Vec::new(),
        rival: None,
        claims: Vec::new(),
        counters: VrrpCounters::default(),
    }
}

/// Two real servers each, of which the second is up or not.
fn service(number: u8, up: bool) -> ServiceStatus {
    let server = |last: u8, up: bool| ServerStatus {
        key: DestinationKey { address: format!("10.0.{number}.{last}").parse().unwrap(), port: 80 },
        weight: 5,
        up,
        check_micros: NonZeroU32::new(1234),
        remarks: Remarks { ordered: None, trouble: (!up).then(|| "connection refused".to_owned()) }.into(),
    };
    ServiceStatus {
        key: ServiceKey::Address {
            address: format!("192.0.2.{number}").parse().unwrap(),
            port: 80,
            protocol: Protocol::Tcp,
        },
        live: 1 + u32::from(up),
        total: 2,
        has_quorum: true,
        on_sorry_server: false,
        weight: 5 + 5 * u64::from(up),
        quorum: 1,
        servers: vec![server(1, true), server(2, up)],
    }
}

fn snapshot(instances: Vec<InstanceStatus>, services: Vec<ServiceStatus>) -> Snapshot {
    let at = Instant::from_nanos(1_070_000_000_000);
    let worker = WorkerStatus { kind: WorkerKind::Vrrp, pid: Some(4243), ready: true, starts: 1, trouble: None };
    Snapshot {
        daemon: DaemonStatus {
            at,
            unix: NOON,
            version: "0.1.0".to_owned(),
            pid: 4242,
            started: Instant::from_nanos(1_000_000_000_000),
            configuration: "/etc/keepalived/keepalived.conf".to_owned(),
            generation: Generation(1),
            in_force_since: Instant::from_nanos(1_000_000_000_000),
            reload_refused: None,
            reloading: false,
            confirm_until: None,
            workers: vec![worker],
        },
        vrrp: (!instances.is_empty()).then_some(VrrpStatus { at, instances, tracked: Default::default() }),
        peers: Vec::new(),
        check: (!services.is_empty()).then(|| Packed::new(&CheckStatus { at, services, traffic: Vec::new() })),
    }
}

fn event(number: u64, message: &str) -> Input {
    let said =
        Said { process: "Keepalived_vrrp".to_owned(), severity: 6, message: message.to_owned(), fields: Vec::new() };
    let event = Event { at: Instant::ZERO, kind: EventKind::Said(said) };
    Input::Event(Box::new(Recorded { number, unix: NOON + Duration::from_millis(number), event }))
}

/// A terminal of some size, with a view in it.
struct Screen {
    terminal: Terminal<TestBackend>,
    watch: Watch,
}

impl Screen {
    fn new(width: u16, height: u16) -> Self {
        let terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        Self { terminal, watch: Watch::new(Theme::of(true)) }
    }

    /// What is shown after this has come.
    fn after(&mut self, inputs: impl IntoIterator<Item = Input>) -> Vec<String> {
        inputs.into_iter().for_each(|input| self.watch.take(input));
        self.terminal.draw(|frame| self.watch.draw(frame)).unwrap();
        let buffer = self.terminal.backend().buffer();
        let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..buffer.area.height).map(row).collect()
    }

    fn typed(&mut self, keys: &str) -> Vec<String> {
        self.after(keys.chars().map(|letter| Input::Key(Key::Letter(letter))))
    }

    fn key(&mut self, key: Key) -> Vec<String> {
        self.after([Input::Key(key)])
    }

    fn resize(&mut self, width: u16, height: u16) -> Vec<String> {
        self.terminal.backend_mut().resize(width, height);
        self.after([Input::Resized])
    }

    /// Colour and modifiers of the first letter of a text in sight.
    fn look(&self, text: &str) -> (Color, Modifier) {
        let buffer = self.terminal.backend().buffer();
        for y in 0..buffer.area.height {
            let row: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
            if let Some(at) = row.find(text) {
                let x = row[..at].chars().count();
                let cell = &buffer[(u16::try_from(x).unwrap(), y)];
                return (cell.fg, cell.modifier);
            }
        }
        panic!("{text} is not in sight");
    }
}

fn status(snapshot: Snapshot) -> Input {
    Input::Status(Box::new(snapshot))
}

/// Whether a line in sight contains all of these.
fn has(rows: &[String], words: &[&str]) -> bool {
    rows.iter().any(|row| words.iter().all(|word| row.contains(word)))
}

#[test]
fn a_terminal_of_80_by_24_shows_who_is_master_the_servers_and_the_events() {
    let mut screen = Screen::new(80, 24);
    let now = snapshot(vec![instance("VI_1", State::Master)], vec![service(1, true), service(2, false)]);
    let rows = screen.after([status(now), event(1, "(VI_1) Entering MASTER STATE")]);
    let expected = " WARNING  TCP 192.0.2.2:80: 1 of 2 servers up
10:21:40 UTC  standfastd 0.1.0, pid 4242, up 1 min 10 s; configuration 1; vrrp 4
 Instances ─────────────────────────────────────────────────────────────────────
INSTANCE  STATE   SINCE       PRIO  MASTER     IFACE  VRID  ADDRESSES
VI_1      MASTER  1 min 10 s  150   this node  eth0   51    192.0.2.100/24
    MASTER from BACKUP: no advertisement for 3.414 s
 Virtual servers ───────────────────────────────────────────────────────────────
TCP  192.0.2.1:80  2/2 up  weight 10 of 1: quorum
  -> 10.0.1.1:80  up  weight 5  in 1.23 ms
  -> 10.0.1.2:80  up  weight 5  in 1.23 ms
TCP  192.0.2.2:80  1/2 up  weight 5 of 1: quorum
  -> 10.0.2.1:80  up    weight 5  in 1.23 ms
  -> 10.0.2.2:80  DOWN  weight 5  in 1.23 ms, connection refused
 Events ────────────────────────────────────────────────────────────────────────
10:21:40.001  vrrp        (VI_1) Entering MASTER STATE
";
    assert_eq!(rows[..15].join("\n") + "\n", expected);
    assert_eq!(rows[23], "q quit  tab pane  arrows scroll  z one pane  / filter  space freeze  ? keys");
}

#[test]
fn colours_are_few_never_a_background_and_absent_on_demand() {
    let now =
        || snapshot(vec![instance("VI_1", State::Master), instance("VI_2", State::Fault)], vec![service(2, false)]);
    let mut screen = Screen::new(80, 24);
    screen.after([status(now())]);
    assert_eq!(screen.look("MASTER  1 min").0, Color::Green);
    assert_eq!(screen.look("FAULT ").0, Color::Red);
    assert_eq!(screen.look("DOWN").0, Color::Red);
    assert_eq!(screen.look(" CRITICAL "), (Color::Red, Modifier::REVERSED));
    let cells = |screen: &Screen| screen.terminal.backend().buffer().content.clone();
    for cell in cells(&screen) {
        assert_eq!(cell.bg, Color::Reset, "{cell:?}");
        assert!([Color::Reset, Color::Green, Color::Red, Color::Magenta].contains(&cell.fg), "{cell:?}");
        assert!(cell.fg == Color::Reset || !cell.modifier.contains(Modifier::BOLD), "pale on white: {cell:?}");
    }
    let mut screen = Screen { watch: Watch::new(Theme::of(false)), ..Screen::new(80, 24) };
    screen.after([status(now())]);
    assert!(cells(&screen).iter().all(|cell| cell.fg == Color::Reset));
}

#[test]
fn keys_go_from_pane_to_pane_and_scroll_the_one_in_focus() {
    let mut screen = Screen::new(80, 24);
    let services = (1..=40).map(|number| service(number, true)).collect();
    let mut inputs = vec![status(snapshot(vec![instance("VI_1", State::Master)], services))];
    inputs.extend((1..=100).map(|number| event(number, &format!("event number {number}."))));
    let rows = screen.after(inputs);
    assert!(has(&rows, &["event number 100."]), "the newest event is in sight: {rows:?}");
    assert_eq!(screen.look(" Instances ").1, Modifier::REVERSED);
    let rows = screen.key(Key::Tab);
    assert_eq!(screen.look(" Virtual servers ").1, Modifier::REVERSED);
    assert!(has(&rows, &["TCP  192.0.2.1:80"]) && has(&rows, &["lines 1 to", "of 120"]), "{rows:?}");
    let rows = screen.key(Key::Down);
    assert!(!has(&rows, &["TCP  192.0.2.1:80"]) && has(&rows, &["lines 2 to"]), "{rows:?}");
    let rows = screen.key(Key::End);
    assert!(has(&rows, &["TCP  192.0.2.40:80"]) && has(&rows, &["to 120 of 120"]), "{rows:?}");
    let rows = screen.key(Key::PageUp);
    assert!(!has(&rows, &["TCP  192.0.2.40:80"]), "{rows:?}");
    assert!(has(&screen.key(Key::Home), &["TCP  192.0.2.1:80"]));
    // Among events, up is to older ones; what comes meanwhile does not move them.
    screen.key(Key::Tab);
    let rows = screen.key(Key::PageUp);
    assert!(!has(&rows, &["event number 100."]), "{rows:?}");
    let before: Vec<&String> = rows.iter().filter(|row| row.contains("event number")).collect();
    let later = screen.after([event(101, "event number 101.")]);
    let after: Vec<&String> = later.iter().filter(|row| row.contains("event number")).collect();
    assert_eq!(before, after);
    assert!(has(&screen.key(Key::End), &["event number 101."]));
    assert!(has(&screen.key(Key::Home), &["event number 1."]));
    screen.key(Key::Tab);
    assert_eq!(screen.look(" Instances ").1, Modifier::REVERSED, "once around");
    screen.key(Key::BackTab);
    assert_eq!(screen.look(" Events ").1, Modifier::REVERSED, "and back");
    let whole = screen.typed("z");
    assert!(
        !has(&whole, &["Virtual servers"]) && has(&whole, &["event number 1."]) && has(&whole, &["event number 15."])
    );
    assert!(has(&screen.typed("z"), &["Virtual servers"]));
    assert!(has(&screen.typed("?"), &["page up, page down"]) && !has(&screen.typed("?"), &["page up, page down"]));
    assert!(!screen.watch.is_over());
    screen.typed("q");
    assert!(screen.watch.is_over());
}

#[test]
fn a_filter_leaves_what_contains_it_in_every_pane() {
    let mut screen = Screen::new(80, 24);
    let instances = vec![instance("VI_web", State::Master), instance("VI_dns", State::Backup)];
    let now = snapshot(instances, vec![service(1, true), service(2, false)]);
    screen.after([status(now), event(1, "of the WEB"), event(2, "of something else")]);
    // Letters that are keys otherwise are letters here.
    let rows = screen.typed("/webq");
    assert!(rows[23].starts_with("/webq_"), "{rows:?}");
    assert!(!has(&rows, &["VI_web"]) && !screen.watch.is_over(), "{rows:?}");
    screen.key(Key::Backspace);
    let rows = screen.key(Key::Enter);
    assert!(has(&rows, &["VI_web"]) && !has(&rows, &["VI_dns"]), "{rows:?}");
    assert!(has(&rows, &["of the WEB"]) && !has(&rows, &["something else"]), "{rows:?}");
    assert!(rows[23].contains("only lines with \"web\""), "{rows:?}");
    assert!(has(&screen.key(Key::Escape), &["something else"]));
    // A server keeps its virtual server, a virtual server all of its servers.
    let rows = screen.typed("/10.0.2.2");
    assert!(has(&rows, &["TCP  192.0.2.2:80"]) && has(&rows, &["10.0.2.2:80  DOWN"]), "{rows:?}");
    assert!(!has(&rows, &["10.0.2.1:80"]) && !has(&rows, &["192.0.2.1:80"]), "{rows:?}");
    screen.key(Key::Escape);
    let rows = screen.typed("/192.0.2.1:80");
    assert!(has(&rows, &["10.0.1.1:80"]) && has(&rows, &["10.0.1.2:80"]) && !has(&rows, &["10.0.2."]), "{rows:?}");
}

#[test]
fn what_is_frozen_stands_still_and_nothing_that_happens_meanwhile_is_lost() {
    let mut screen = Screen::new(80, 24);
    let master = || snapshot(vec![instance("VI_1", State::Master)], Vec::new());
    let fault = || snapshot(vec![instance("VI_1", State::Fault)], Vec::new());
    screen.after([status(master()), event(1, "before")]);
    screen.typed(" ");
    let rows = screen.after([status(fault()), event(2, "meanwhile")]);
    assert!(rows[0].contains("FROZEN, 1 events since"), "{rows:?}");
    assert!(has(&rows, &["VI_1", "MASTER"]) && !has(&rows, &["VI_1", "FAULT"]), "{rows:?}");
    assert!(!has(&rows, &["meanwhile"]), "{rows:?}");
    let rows = screen.typed(" ");
    assert!(has(&rows, &["VI_1", "FAULT"]) && has(&rows, &["meanwhile"]) && !has(&rows, &["FROZEN"]), "{rows:?}");
}

#[test]
fn a_daemon_that_is_gone_is_missed_and_its_successor_is_greeted() {
    let mut screen = Screen::new(80, 24);
    let rows = screen.after([Input::Lost("no daemon answers: No such file".to_owned())]);
    assert_eq!(rows[0], " NO DAEMON  asked every second; no daemon answers: No such file");
    let first = snapshot(vec![instance("VI_1", State::Master)], Vec::new());
    let rows = screen.after([status(first.clone()), event(1, "first")]);
    assert!(rows[0].starts_with(" OK  1 MASTER, 0 BACKUP"), "{rows:?}");
    assert!(!has(&rows, &["connected again"]), "there was nothing before");
    let rows = screen.after([Input::Lost("no daemon answers: refused".to_owned())]);
    assert!(rows[0].starts_with(" NO DAEMON ") && rows[0].contains("below is what was so at 10:21:40"), "{rows:?}");
    assert!(has(&rows, &["VI_1", "MASTER"]), "{rows:?}");
    let rows = screen.after([status(first.clone())]);
    assert!(has(&rows, &["--- connected again: the daemon goes on ---"]), "{rows:?}");
    let mut second = first;
    second.daemon.pid = 5000;
    // Its history is told again from the beginning, and is not shown twice.
    let rows = screen.after([status(second), event(1, "first"), event(2, "second")]);
    assert!(has(&rows, &["connected again: restarted, pid 4242 is 5000 now"]), "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row.contains("first")).count(), 1, "{rows:?}");
    assert!(has(&rows, &["second"]), "{rows:?}");
}

#[test]
fn any_size_will_do_and_a_wide_terminal_has_the_events_beside_the_rest() {
    let mut screen = Screen::new(200, 50);
    let now = snapshot(vec![instance("VI_1", State::Master)], (1..=9).map(|number| service(number, true)).collect());
    let rows = screen.after([status(now), event(1, "the event")]);
    assert!(has(&rows, &[" Instances ─", " Events ─"]) && has(&rows, &["INSTANCE", "the event"]), "{rows:?}");
    let rows = screen.resize(80, 24);
    assert!(!has(&rows, &[" Instances ─", " Events ─"]) && has(&rows, &["the event"]), "{rows:?}");
    let rows = screen.resize(40, 10);
    assert!(has(&rows, &["VI_1"]) && !has(&rows, &["Events"]), "one pane in a low window: {rows:?}");
    for (width, height) in [(1, 1), (2, 3), (0, 0), (300, 1), (1, 100), (80, 4), (500, 200)] {
        screen.resize(width, height);
        screen.key(Key::Tab);
        screen.typed("z?");
        screen.key(Key::End);
        screen.typed("?");
    }
}

#[test]
fn what_a_back_end_says_does_not_reach_the_terminal_as_an_order() {
    let mut screen = Screen::new(80, 24);
    let mut now = snapshot(vec![instance("VI_1", State::Master)], vec![service(1, false)]);
    let mut check = now.check().unwrap().clone();
    check.services[0].servers[1].remarks.trouble = Some("\u{1b}]0;pwned\u{7}\u{9b}31m\r\nbad".to_owned());
    now.check = Some(Packed::new(&check));
    screen.after([status(now), event(1, "said \u{1b}[2Jnothing\n")]);
    let cells = &screen.terminal.backend().buffer().content;
    assert!(cells.iter().all(|cell| !cell.symbol().chars().any(char::is_control)), "{:?}", screen.terminal.backend());
}

#[test]
fn a_long_stream_keeps_its_end() {
    let mut screen = Screen::new(80, 24);
    let many = (1..=3000).map(|number| event(number, &format!("event number {number}.")));
    screen.after([status(snapshot(Vec::new(), Vec::new()))].into_iter().chain(many));
    let rows = screen.key(Key::Home);
    assert!(has(&rows, &["event number 2001."]) && !has(&rows, &["event number 2000."]), "{rows:?}");
}
