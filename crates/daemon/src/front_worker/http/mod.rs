//! The page's server: who may connect, and what the answers are made of.
//!
//! Everything about a client has a limit: connections of one address and of all, the time and the length of a request,
//! the time in which it reads an answer. What is expensive is made at most twice a second, however many ask. The front
//! gives way to every other process, so that whoever hammers the page takes no time from advertisements.

mod answer;
mod body;
mod directors;
mod gate;
mod ledger;
mod orders;
mod stream;
mod view;

use super::book::Book;
use super::client::Errand;
use crate::front_sockets::{Purpose, use_of};
use body::Body;
use core::convert::Infallible;
use core::time::Duration;
use gate::{Gate, Pass};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
pub(super) use ledger::Ledger;
use rustix::net::sockopt;
use standfast_api::FrontSlice;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, info, warn};
use view::View;

/// For the head of a request, and for the next one to come: a browser and a scraper send theirs in one packet.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// What is not acknowledged for so long was not read: the kernel ends the connection.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// After this a connection ends whatever it does; a stream of events begins again where it was.
const LIFE: Duration = Duration::from_secs(3600);

/// The longest head of a request, in bytes: browsers send one or two thousand.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Header fields in it.
const MAX_HEADERS: usize = 64;

/// How often the kernel's connections are looked at, and the history is told that all is as it was.
const LOOK_EVERY: Duration = Duration::from_millis(standfast_page::traffic::SAMPLE_EVERY_MS);

/// How much the front gives way (nice): nine of ten parts go to whoever else wants to run.
const NICE: i32 = 10;

/// See the module.
pub(super) struct Server {
    slice: RefCell<Rc<FrontSlice>>,
    book: Rc<RefCell<Book>>,
    errands: mpsc::Sender<Errand>,
    view: RefCell<View>,
    gate: Gate,
    /// Counts changes of what the page shows.
    changes: watch::Sender<u64>,
    /// Streams of events that are open.
    streams: Rc<()>,
    requests: Cell<u64>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
}

impl Server {
    /// A server that serves nothing yet.
    pub(super) fn new(ledger: Ledger, book: Rc<RefCell<Book>>, errands: mpsc::Sender<Errand>) -> Rc<Self> {
        Rc::new(Self {
            slice: RefCell::default(),
            book,
            errands,
            view: RefCell::new(View::new(ledger)),
            gate: Gate::default(),
            changes: watch::Sender::new(0),
            streams: Rc::new(()),
            requests: Cell::new(0),
            tasks: RefCell::default(),
        })
    }

    /// Serves by these settings at these sockets, and no longer by others. Connections that are open go on.
    pub(super) fn configure(self: &Rc<Self>, slice: FrontSlice, sockets: Vec<OwnedFd>) {
        self.tasks.take().iter().for_each(JoinHandle::abort);
        self.view.borrow_mut().configure(&slice);
        let peers = slice.http.peers.clone();
        self.slice.replace(Rc::new(slice));
        if sockets.is_empty() {
            return;
        }
        if let Err(error) = rustix::process::nice(0).and_then(|now| rustix::process::nice((NICE - now).max(0))) {
            debug!("the front cannot give way: {error}");
        }
        let mut tasks: Vec<JoinHandle<()>> = sockets.into_iter().filter_map(|socket| self.listen(socket)).collect();
        tasks.extend(
            peers
                .into_iter()
                .enumerate()
                .map(|(index, peer)| tokio::task::spawn_local(directors::watch(Rc::clone(self), index, peer.address))),
        );
        tasks.push(tokio::task::spawn_local(Rc::clone(self).look()));
        self.tasks.replace(tasks);
    }

    /// The book has something new.
    pub(super) fn told(&self) {
        if self.tasks.borrow().is_empty() {
            return;
        }
        if let Some(snapshot) = self.book.borrow().snapshot() {
            self.view.borrow_mut().observe(&snapshot);
        }
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Looks at what nobody tells of.
    async fn look(self: Rc<Self>) {
        loop {
            if let Some(snapshot) = self.book.borrow().snapshot() {
                self.view.borrow_mut().look(&snapshot);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn listen(self: &Rc<Self>, socket: OwnedFd) -> Option<JoinHandle<()>> {
        let (_, address) = use_of(&socket).filter(|(purpose, _)| *purpose == Purpose::Page)?;
        let listener = std::net::TcpListener::from(socket);
        let listener = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
        let listener = listener.inspect_err(|error| warn!("the page cannot be served at {address}: {error}")).ok()?;
        info!("status page at http://{address}/");
        Some(tokio::task::spawn_local(Rc::clone(self).accept(listener)))
    }

    async fn accept(self: Rc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => match self.gate.enter(from.ip()) {
                    Some(pass) => _ = tokio::task::spawn_local(Rc::clone(&self).serve(stream, from, pass)),
                    None => turn_away(&stream),
                },
                // No descriptor is left, or the client has gone already: whoever waits is served in a moment.
                Err(error) => {
                    debug!("no client can be taken: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn serve(self: Rc<Self>, stream: TcpStream, from: SocketAddr, pass: Pass) {
        let patience = u32::try_from(READ_WITHIN.as_millis()).unwrap_or(u32::MAX);
        if let Err(error) = sockopt::set_tcp_user_timeout(&stream, patience) {
            debug!("{error}: a client that does not read is not noticed");
        }
        let service = service_fn(|request| {
            let server = Rc::clone(&self);
            async move { Ok::<hyper::Response<Body>, Infallible>(server.answer(request, from).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        match timeout(LIFE, connection).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!("client {from}: {error}"),
            Err(_) => debug!("client {from} was here long enough"),
        }
        drop(pass);
    }
}

/// Says that there is no room. One try: a client that does not read it sees the end.
fn turn_away(stream: &TcpStream) {
    let answer = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 17\r\n\r\ntoo many clients\n";
    let _ = stream.try_write(answer);
}
