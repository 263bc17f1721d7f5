//! What is kept from one process to the next, as values: memories and histories that a person, a power cut or another
//! release has written.

use core::time::Duration;
use standfast_api::{PROTOCOL_VERSION, decode};
use standfast_bfd::{Note, Speaker};
use standfast_conf::Options;
use standfast_conf::host::Memory as Files;
use standfast_lvs::{Director, Event, Output};
use standfast_model::config::track::BfdId;
use standfast_model::{Config, Instant};
use standfast_page::history::History;
use standfast_page::traffic::Traffic;
use std::path::Path;
use std::sync::LazyLock;

/// Two instances, a virtual server with two servers, and a BFD session.
pub(crate) static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = "bfd_instance N {\n neighbor_ip 192.0.2.9\n min_rx 300\n min_tx 300\n multiplier 3\n}\n\
                vrrp_instance A {\n interface eth0\n virtual_router_id 1\n}\n\
                vrrp_instance B {\n interface eth1\n virtual_router_id 2\n}\n\
                virtual_server 192.0.2.1 80 {\n protocol TCP\n \
                real_server 10.0.0.1 80 {\n TCP_CHECK {\n }\n }\n real_server 10.0.0.2 80 {\n TCP_CHECK {\n }\n }\n}\n";
    let host = Files::new().with_any_interface().file("/k.conf", text);
    standfast_conf::load(&host, Path::new("/k.conf"), &Options::default()).config.expect("a good configuration")
});

/// What the `check` worker knew: a memory of any content is one that a director goes on from, whatever it says.
pub fn memory(octets: &[u8]) {
    let Ok(memory) = decode(&[&PROTOCOL_VERSION.to_le_bytes(), octets].concat()) else { return };
    let mut director = Director::new(CONFIG.lvs.clone(), 1);
    director.remember(memory);
    let mut output = Output::default();
    director.handle(Instant::ZERO, Event::Start, &mut output);
    director.handle(Instant::ZERO, Event::Observed(director.desired().clone()), &mut output);
    director.handle(Instant::ZERO, Event::Wake, &mut output);
    assert_eq!(director.memory().services.len(), 1);
    director.handle(Instant::ZERO, Event::Shutdown { keep_table: false }, &mut output);
}

/// What the `bfd` worker noted of a session: a successor goes on with it under its names or begins another, and loses in
/// time whoever says nothing, whatever the note says.
pub fn bfd_note(octets: &[u8]) {
    let Ok(note) = decode::<Note>(&[&PROTOCOL_VERSION.to_le_bytes(), octets].concat()) else { return };
    let mut speaker = Speaker::new(&CONFIG.bfd, [1; 32]);
    let mut output = standfast_bfd::Output::default();
    let session = BfdId(0);
    let mut now = note.heard.max(note.sent) + Duration::from_millis(1);
    speaker.handle(now, standfast_bfd::Event::Adopt { session, note: &note }, &mut output);
    for adopted in speaker.notes().flatten() {
        assert_eq!(adopted.local_discriminator, note.local_discriminator);
    }
    for _ in 0..100 {
        speaker.handle(now, standfast_bfd::Event::Wake, &mut output);
        let Some(next) = speaker.next_deadline() else { break };
        assert!(next > now || now == Instant::from_nanos(u64::MAX), "a deadline is left behind");
        now = next;
    }
}

/// Histories: what is read is gone on from, and the kernel's table of connections is read as far as it makes sense.
pub fn history(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let mut history = History::read(&text);
    let lines = history.observe(1 << 40, &[]);
    assert!(lines.lines().count() <= text.lines().count() + 1);
    assert!(History::read(&history.write()).write().lines().count() <= 2 * history.write().lines().count());
    let _ = Traffic::read(&text);
}
