//! The loop of the `front`: serves the control socket with what the supervisor tells it.
//!
//! Anyone in the right group may talk to it, and anyone at all where a page is configured, so it has no capability and a
//! user of its own, knows no configuration but its own, and waits for no client: each is a task with limits. It decides
//! nothing but who may ask for what.

mod book;
mod client;
#[cfg(feature = "dbus")]
mod dbus;
#[cfg(not(feature = "dbus"))]
#[path = "dbus_absent.rs"]
mod dbus;
mod exchange;
mod history;
mod http;
mod identity;
mod snmp;
mod store;

use crate::confinement::confine;
use crate::exit_status::ExitStatus;
use crate::link::{Command, NewSlice};
use crate::tidiness::Tidiness;
use crate::worker::{WorkerContext, say_stopping, slice_label};
use book::Book;
use client::{Errand, Wanted};
use dbus::Bus;
use exchange::Exchange;
use http::{Ledger, Server};
use rustix::fs::{FileType, fstat};
use snmp::Snmp;
use standfast_api::{FromFront, FromWorker, FrontSlice, ToFront, WorkerKind};
use standfast_kernel::process::memory::give_back_memory;
use standfast_kernel::timer::boottime;
use std::cell::RefCell;
use std::fs::File;
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
    let WorkerContext { slice, options: _, attached, mut supervisor } = context;
    let Attached { control: listener, events, availability, page, exchange: peers } = sort(attached)?;
    identity::give_up_rights()?;
    confine(WorkerKind::Front, false)?;
    let book = Rc::new(RefCell::new(Book::new(events)));
    let (errands, mut wanted) = mpsc::channel::<Errand>(ERRANDS);
    let clients = Rc::new(());
    let server = Server::new(Ledger::new(availability), Rc::clone(&book), errands.clone());
    let mut bus = Bus::new(errands.clone());
    bus.configure(slice.dbus.clone());
    let mut snmp = Snmp::new(Rc::clone(&book), errands.clone());
    snmp.configure(slice.snmp.clone());
    let exchange = Exchange::new(Rc::clone(&book), errands.clone());
    exchange.configure(&slice, peers);
    server.configure(slice, page);
    supervisor.ready();
    // Thousands of events have been read.
    give_back_memory();
    let mut tidiness = Tidiness::default();
    loop {
        let tidies = tidiness.next_deadline().map(|at| at.since(boottime()));
        tokio::select! {
            command = supervisor.command() => match command {
                Command::Stop(reason) => {
                    say_stopping(reason);
                    snmp.stop().await;
                    bus.stop().await;
                    // Its own last words go the way of all others, which is closed: they are in the journal only.
                    return Ok(());
                }
                Command::Front(message) => {
                    if matches!(message, ToFront::Snapshot(_)) {
                        tidiness.disturb(boottime());
                    }
                    let message = book.borrow_mut().complete(message);
                    let is_snapshot = matches!(message, ToFront::Snapshot(_));
                    bus.told(&message);
                    snmp.told(&message);
                    book.borrow_mut().told(message);
                    if is_snapshot {
                        exchange.told();
                        server.told();
                    }
                }
                Command::Reload(new) => {
                    let generation = new.generation();
                    supervisor.reloaded(generation, reload(&server, &exchange, &mut bus, &mut snmp, new));
                }
                Command::Agent(socket) => snmp.connection(socket),
                // It has nothing that it could report.
                Command::Server { .. } | Command::Peer(..) | Command::Report | Command::Bfd { .. } | Command::Quorum { .. } | Command::Witness { .. } | Command::Lease { .. } | Command::SyncInstance { .. } | Command::Maintenance { .. } | Command::Switchover { .. } | Command::Announce { .. } | Command::Conflict(_) | Command::Plan { .. } => {}
            },
            Some(errand) = wanted.recv() => {
                let number = book.borrow_mut().expect(errand.answer);
                supervisor.tell(&FromWorker::Front(match errand.wanted {
                    Wanted::Refresh => FromFront::Refresh { number },
                    Wanted::Agent => FromFront::Agent { number },
                    Wanted::Conflict(conflict) => FromFront::Conflict { number, conflict },
                    Wanted::Order { uid, order } => FromFront::Order { number, uid, order },
                }));
            }
            () = tokio::time::sleep(tidies.unwrap_or_default()), if tidies.is_some() => {
                _ = tidiness.wake(boottime());
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

/// Serves the page by other settings from now on.
fn reload(
    server: &Rc<Server>,
    exchange: &Rc<Exchange>,
    bus: &mut Bus,
    snmp: &mut Snmp,
    mut new: NewSlice,
) -> Result<(), String> {
    let slice = new.read::<FrontSlice>(slice_label(WorkerKind::Front))?;
    let attached = sort(new.take_attached()).map_err(|error| error.to_string())?;
    bus.configure(slice.dbus.clone());
    snmp.configure(slice.snmp.clone());
    exchange.configure(&slice, attached.exchange);
    server.configure(slice, attached.page);
    Ok(())
}

/// What came along.
struct Attached {
    /// The control socket, if it could be had.
    control: Option<UnixListener>,
    /// The file of events, if there is one.
    events: Option<Store>,
    /// The file of what was served, if there is one.
    availability: Option<File>,
    /// Where the page is served.
    page: Vec<OwnedFd>,
    /// Where other directors are heard.
    exchange: Vec<OwnedFd>,
}

/// Three in their places, each perhaps replaced by something of no use, and then sockets.
fn sort(attached: Vec<OwnedFd>) -> io::Result<Attached> {
    let mut attached = attached.into_iter();
    let mut next = |wanted| -> io::Result<Option<OwnedFd>> {
        let Some(descriptor) = attached.next() else { return Ok(None) };
        let found = FileType::from_raw_mode(fstat(&descriptor)?.st_mode);
        Ok((found == wanted).then_some(descriptor))
    };
    let control = next(FileType::Socket)?.map(listener).transpose()?;
    let events = next(FileType::RegularFile)?.map(|file| Store::new(file.into()));
    let availability = next(FileType::RegularFile)?.map(File::from);
    let (exchange, page) = attached.partition(exchange::is_socket);
    Ok(Attached { control, events, availability, page, exchange })
}

fn listener(descriptor: OwnedFd) -> io::Result<UnixListener> {
    let socket = std::os::unix::net::UnixListener::from(descriptor);
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket)
}
