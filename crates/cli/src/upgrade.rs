//! `standfast upgrade`: the program that is on the disk takes over. The order is answered before the program that answers
//! goes, so what came of it is asked of the one that follows.

use crate::control::{Conversation, Trouble};
use crate::operate::{Socket, Upgrade};
use crate::status::ask_within;
use core::time::Duration;
use rustix::event::{Timespec, poll};
use standfast_api::Snapshot;
use standfast_api::control::{Answer, Order, Request};
use std::io::{self, Write as _};

/// How often the new program is looked for, and for how long in all: twenty seconds. Reading the largest configurations
/// takes a few.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
const LOOKS: u32 = 400;

/// How long one look waits for an answer.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// Runs `standfast upgrade`.
///
/// # Errors
///
/// Standard output is closed.
pub fn run(words: &Upgrade) -> io::Result<u8> {
    let before = match ask_within(&words.socket, LOOK_WITHIN) {
        Ok(before) => before,
        Err(trouble) => return failed(&trouble.to_string()),
    };
    let order = Request::Order(Order::Upgrade { force: words.force });
    match Conversation::begin(&words.socket.path, order).and_then(|mut one| one.answer()) {
        Ok(Answer::Refused(refusal)) => return failed(&refusal.text),
        Ok(Answer::Status(_) | Answer::Event(_)) => return failed("the daemon gave another answer"),
        // Who would have told us may have gone before it could.
        Ok(Answer::Done(_)) | Err(Trouble::Broken(_)) => {}
        Err(trouble @ (Trouble::NoDaemon { .. } | Trouble::Denied)) => return failed(&trouble.to_string()),
    }
    match successor(&words.socket, &before)? {
        Ok(now) => {
            let (old, new) = (&before.daemon.version, &now.daemon.version);
            writeln!(io::stdout(), "upgraded from {old} to {new}")?;
            Ok(0)
        }
        Err(why) => failed(&why),
    }
}

/// What the new program says when all of its workers do their work.
fn successor(socket: &Socket, before: &Snapshot) -> io::Result<Result<Snapshot, String>> {
    let mut last = "it does not answer".to_owned();
    for _ in 0..LOOKS {
        match ask_within(socket, LOOK_WITHIN) {
            Ok(now) if now.daemon.started == before.daemon.started => {
                if let Some(why) = now.daemon.reload_refused.filter(|why| why.starts_with("upgrade: ")) {
                    return Ok(Err(why));
                }
                "the program of before still runs".clone_into(&mut last);
            }
            Ok(now) if now.daemon.workers.iter().all(|worker| worker.ready) => return Ok(Ok(now)),
            Ok(_) => "its workers are not ready".clone_into(&mut last),
            Err(trouble) => last = trouble.to_string(),
        }
        poll(&mut [], Some(&LOOK_AGAIN))?;
    }
    Ok(Err(format!("the new program has not taken over within the time: {last}")))
}

fn failed(why: &str) -> io::Result<u8> {
    eprintln!("standfast: {why}");
    Ok(1)
}
