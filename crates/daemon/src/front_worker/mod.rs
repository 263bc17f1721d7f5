//! The loop of the `front`: serves the control socket with what the supervisor tells it.
//!
//! Anyone in the right group may talk to it, so it has no capability and a user of its own, knows no configuration, and
//! waits for no client: each is a task with limits. It decides nothing but who may ask for what.

mod book;
mod client;
mod identity;
mod store;

use crate::exit_status::ExitStatus;
use crate::link::Command;
use crate::worker::{WorkerContext, say_stopping};
use book::Book;
use client::{Errand, Wanted};
use rustix::fs::{FileType, fstat};
use standfast_api::{FromFront, FromWorker, FrontSlice};
use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use store::Store;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tracing::{error, warn};

/// Clients served at once. An operator has a few terminals and a monitor; more is a mistake or an attack, and costs a
/// descriptor and a task each.
const CLIENTS: usize = 64;

/// Errands that wait for the loop: no client has more than one.
const ERRANDS: usize = CLIENTS;

/// Runs the worker until it is told to stop.
pub async fn run(context: WorkerContext<FrontSlice>) -> ExitStatus {
    match LocalSet::new().run_until(serve(context)).await {
        Ok(()) => ExitStatus::Ok,
        Err(problem) => {
            error!("the front cannot go on: {problem}");
            ExitStatus::INTERNAL
        }
    }
}

async fn serve(context: WorkerContext<FrontSlice>) -> io::Result<()> {
    let WorkerContext { slice: FrontSlice, options: _, attached, mut supervisor } = context;
    let (listener, history) = sort(attached)?;
    identity::give_up_rights()?;
    let book = Rc::new(RefCell::new(Book::new(history)));
    let (errands, mut wanted) = mpsc::channel::<Errand>(ERRANDS);
    let clients = Rc::new(());
    supervisor.ready();
    loop {
        tokio::select! {
            command = supervisor.command() => match command {
                Command::Stop(reason) => {
                    say_stopping(reason);
                    // Its own last words go the way of all others, which is closed: they are in the journal only.
                    return Ok(());
                }
                Command::Front(message) => book.borrow_mut().told(message),
                // It knows nothing of the configuration, and nothing that it could report.
                Command::Reload(slice) => supervisor.reloaded(slice.generation(), Ok(())),
                Command::Server { .. } | Command::Peer(..) | Command::Report | Command::Bfd { .. } | Command::SyncInstance { .. } => {}
            },
            Some(errand) = wanted.recv() => {
                let number = book.borrow_mut().expect(errand.answer);
                supervisor.tell(&FromWorker::Front(match errand.wanted {
                    Wanted::Refresh => FromFront::Refresh { number },
                    Wanted::Order { uid, order } => FromFront::Order { number, uid, order },
                }));
            }
            accepted = accept(listener.as_ref()) => match accepted {
                Ok(stream) => welcome(stream, &clients, &book, &errands),
                // No descriptor is left: whoever waits is served when a client has gone.
                Err(error) => {
                    warn!("no client can be taken: {error}");
                    tokio::time::sleep(core::time::Duration::from_millis(100)).await;
                }
            },
        }
    }
}

fn welcome(stream: UnixStream, clients: &Rc<()>, book: &Rc<RefCell<Book>>, errands: &mpsc::Sender<Errand>) {
    if Rc::strong_count(clients) > CLIENTS {
        client::turn_away(&stream);
        return;
    }
    let (place, book, errands) = (Rc::clone(clients), Rc::clone(book), errands.clone());
    tokio::task::spawn_local(async move {
        client::serve(stream, book, errands).await;
        drop(place);
    });
}

async fn accept(listener: Option<&UnixListener>) -> io::Result<UnixStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => core::future::pending().await,
    }
}

/// What came along: a listening socket if one could be had, a regular file if a history can be kept.
fn sort(attached: Vec<OwnedFd>) -> io::Result<(Option<UnixListener>, Option<Store>)> {
    let (mut listener, mut history) = (None, None);
    for descriptor in attached {
        if FileType::from_raw_mode(fstat(&descriptor)?.st_mode) == FileType::Socket {
            let socket = std::os::unix::net::UnixListener::from(descriptor);
            socket.set_nonblocking(true)?;
            listener = Some(UnixListener::from_std(socket)?);
        } else {
            history = Some(Store::new(descriptor.into()));
        }
    }
    Ok((listener, history))
}
