//! `standfast reload`, `confirm`, `switchover`, `maintenance`, `log-level`, `ready`, `drain`, `disable`, `weight`:
//! something is to be done, and the exit status says whether it was.

use crate::control::{Conversation, Trouble};
use crate::operate::{Confirm, Level, Maintenance, Reload, Server, Socket, Switch, Switchover};
use standfast_api::control::{Answer, Order, Request, ServerOrder, ServerWish, SwitchoverOrder};
use std::io::{self, Write as _};

/// Runs `standfast reload`.
///
/// # Errors
///
/// Standard output is closed.
pub fn reload(words: &Reload) -> io::Result<u8> {
    give(&words.socket, Order::Reload { force: words.force, confirm_within_s: words.confirm })
}

/// Runs `standfast confirm`.
///
/// # Errors
///
/// Standard output is closed.
pub fn confirm(words: &Confirm) -> io::Result<u8> {
    give(&words.socket, Order::Confirm)
}

/// Runs `standfast switchover`.
///
/// # Errors
///
/// Standard output is closed.
pub fn switchover(words: &Switchover) -> io::Result<u8> {
    let order = SwitchoverOrder { of: words.of.clone(), undo: words.undo, for_s: words.for_s };
    give(&words.socket, Order::Switchover(order))
}

/// Runs `standfast maintenance`.
///
/// # Errors
///
/// Standard output is closed.
pub fn maintenance(words: &Maintenance) -> io::Result<u8> {
    give(&words.socket, Order::Maintenance { on: words.switch == Switch::On })
}

/// Runs `standfast log-level`.
///
/// # Errors
///
/// Standard output is closed.
pub fn log_level(words: &Level) -> io::Result<u8> {
    give(&words.socket, Order::LogLevel(words.level.level()))
}

/// Runs `standfast ready`, `drain`, `disable` and `weight`.
///
/// # Errors
///
/// Standard output is closed.
pub fn server(words: &Server, wish: ServerWish) -> io::Result<u8> {
    let order = ServerOrder { server: words.server.clone(), of: words.of.clone(), wish };
    give(&words.socket, Order::Server(order))
}

fn give(socket: &Socket, order: Order) -> io::Result<u8> {
    let answer = Conversation::begin(&socket.path, Request::Order(order)).and_then(|mut one| one.answer());
    match answer {
        Ok(Answer::Done(text)) => {
            if !text.is_empty() {
                writeln!(io::stdout(), "{text}")?;
            }
            Ok(0)
        }
        Ok(Answer::Refused(refusal)) => failed(&refusal.text),
        Ok(Answer::Status(_) | Answer::Event(_)) => failed(&Trouble::Broken("another answer".to_owned()).to_string()),
        Err(trouble) => failed(&trouble.to_string()),
    }
}

fn failed(why: &str) -> io::Result<u8> {
    eprintln!("standfast: {why}");
    Ok(1)
}
