//! The exchange of states with named directors (`peer`): every second, and whenever a mastership changes, each is told the
//! states of our instances, and what it says is compared with them.
//!
//! It finds two masters that do not hear each other's advertisements. It moves no state: it says so, shows it, and has the
//! addresses announced again when it is over. The sockets come from the supervisor; this process has no right to open any
//! at low ports or in other namespaces.

mod ledger;

use super::book::Book;
use super::client::{Errand, Wanted};
use crate::journal::{self, EventName};
use core::time::Duration;
use ledger::{Ledger, News, Refusal};
use rustix::net::{SocketType, sockopt};
use standfast_api::control::Order;
use standfast_api::{Conflict, FrontSlice};
use standfast_kernel::timer::boottime;
use standfast_model::State;
use standfast_wire::exchange::{MAX_LEN, Nonce};
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

/// How often the others are told.
const EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Exchange {
    ledger: RefCell<Option<Ledger>>,
    sockets: RefCell<Vec<Rc<UdpSocket>>>,
    book: Rc<RefCell<Book>>,
    errands: mpsc::Sender<Errand>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
    /// The masterships that were told last.
    masters: RefCell<Vec<String>>,
}

/// Whether a descriptor is a socket of the exchange.
pub(super) fn is_socket(descriptor: &OwnedFd) -> bool {
    sockopt::socket_type(descriptor.as_fd()).is_ok_and(|kind| kind == SocketType::DGRAM)
}

fn nonce() -> Nonce {
    let mut nonce = Nonce::default();
    // The pool is filled long before any daemon runs; should it fail, whoever echoes zeros is still asked for the key.
    if let Err(error) = rustix::rand::getrandom(&mut nonce, rustix::rand::GetRandomFlags::empty()) {
        journal::trouble("random", &format!("no random number: {error}"));
    }
    nonce
}

impl Exchange {
    /// An exchange with nobody yet.
    pub(super) fn new(book: Rc<RefCell<Book>>, errands: mpsc::Sender<Errand>) -> Rc<Self> {
        Rc::new(Self {
            ledger: RefCell::new(None),
            sockets: RefCell::default(),
            book,
            errands,
            tasks: RefCell::default(),
            masters: RefCell::default(),
        })
    }

    /// Exchanges by these settings from now on, through these sockets.
    pub(super) fn configure(self: &Rc<Self>, slice: &FrontSlice, sockets: Vec<OwnedFd>) {
        self.tasks.take().iter().for_each(JoinHandle::abort);
        let before = self.ledger.take();
        self.sockets.take();
        let Some(settings) = slice.exchange.clone() else {
            self.book.borrow_mut().peers(Vec::new());
            return;
        };
        let mut ledger = Ledger::new(settings, &slice.name, nonce(), nonce);
        if let Some(before) = before {
            ledger.inherit(before);
        }
        self.ledger.replace(Some(ledger));
        let sockets: Vec<Rc<UdpSocket>> =
            sockets.into_iter().filter_map(|socket| opened(socket).map(Rc::new)).collect();
        let mut tasks: Vec<JoinHandle<()>> =
            sockets.iter().map(|socket| tokio::task::spawn_local(Rc::clone(self).listen(Rc::clone(socket)))).collect();
        self.sockets.replace(sockets);
        tasks.push(tokio::task::spawn_local(Rc::clone(self).tick()));
        self.tasks.replace(tasks);
    }

    /// How things are has changed: a new mastership is told at once.
    pub(super) fn told(&self) {
        if self.ledger.borrow().is_none() {
            return;
        }
        let masters = self.masters_now();
        if *self.masters.borrow() != masters {
            self.speak();
        }
        self.judge();
    }

    fn masters_now(&self) -> Vec<String> {
        let snapshot = self.book.borrow().snapshot();
        let instances = snapshot.iter().filter_map(|snapshot| snapshot.vrrp.as_ref()).flat_map(|vrrp| &vrrp.instances);
        let masters = instances.filter(|instance| instance.state == State::Master);
        masters.map(|instance| instance.name.clone()).collect()
    }

    async fn tick(self: Rc<Self>) {
        loop {
            self.speak();
            self.judge();
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Tells everybody. What finds no room is told again in a second.
    fn speak(&self) {
        self.masters.replace(self.masters_now());
        let snapshot = self.book.borrow().snapshot();
        let vrrp = snapshot.as_ref().and_then(|snapshot| snapshot.vrrp.as_ref());
        let mut ledger = self.ledger.borrow_mut();
        let Some(ledger) = ledger.as_mut() else { return };
        let sockets = self.sockets.borrow();
        for (to, octets) in ledger.speak(boottime(), vrrp, env!("CARGO_PKG_VERSION")) {
            let fits = |socket: &&Rc<UdpSocket>| socket.local_addr().is_ok_and(|own| own.is_ipv4() == to.is_ipv4());
            let Some(socket) = sockets.iter().find(fits) else { continue };
            if let Err(error) = socket.try_send_to(&octets, to) {
                debug!("peer {to} not told: {error}");
            }
        }
    }

    async fn listen(self: Rc<Self>, socket: Rc<UdpSocket>) {
        // One octet more, so that what is too long is seen to be.
        let mut buffer = vec![0; MAX_LEN + 1];
        loop {
            match socket.recv_from(&mut buffer).await {
                Ok((length, from)) => self.heard(from, buffer.get(..length).unwrap_or_default()),
                // What ICMP says of a peer that does not run comes out here, once for each datagram.
                Err(error) => {
                    debug!("exchange: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn heard(&self, from: SocketAddr, octets: &[u8]) {
        let outcome = {
            let mut ledger = self.ledger.borrow_mut();
            let Some(ledger) = ledger.as_mut() else { return };
            let outcome = ledger.hear(boottime(), from.ip().to_canonical(), octets, nonce());
            if let (Some(Err(refusal @ (Refusal::Octets(_) | Refusal::Replayed))), Some(peer)) =
                (&outcome, ledger.peer_of(from.ip().to_canonical()))
            {
                journal::trouble("exchange", &format!("datagram of peer {peer} refused: {refusal}"));
            }
            outcome
        };
        match outcome {
            Some(Ok(())) => self.judge(),
            Some(Err(_)) => {}
            None => debug!("datagram from {from}, who is no peer"),
        }
    }

    /// Says what follows from what is known, and shows it.
    fn judge(&self) {
        let snapshot = self.book.borrow().snapshot();
        let vrrp = snapshot.as_ref().and_then(|snapshot| snapshot.vrrp.as_ref());
        let now = boottime();
        let (news, status) = {
            let mut ledger = self.ledger.borrow_mut();
            let Some(ledger) = ledger.as_mut() else { return };
            (ledger.judge(now, vrrp), ledger.status(now))
        };
        drop(snapshot);
        self.book.borrow_mut().peers(status);
        for news in news {
            self.say(news);
        }
    }

    fn say(&self, news: News) {
        let event = EventName::PeerTwoMasters.name();
        match news {
            News::TwoMasters { instance, peer, theirs, ours } => {
                let text = format!(
                    "two masters: seen by peer exchange: {peer} is master with priority {theirs}, we with {ours}, and the \
                     advertisements do not arrive"
                );
                warn!(event, instance, peer, "({instance}) {text}");
                self.ask(Wanted::Conflict(Conflict { instance, with: peer, over: false, text }));
            }
            News::Over { instance, peer, lasted, ours } => {
                let text = format!("two masters no more: {peer} and we were for {:.1} s", lasted.as_secs_f64());
                info!(event, instance, peer, "({instance}) {text}");
                if ours {
                    // The neighbours may have believed the other.
                    self.ask(Wanted::Order { uid: 0, order: Order::Announce { instance: instance.clone() } });
                }
                self.ask(Wanted::Conflict(Conflict { instance, with: peer, over: true, text }));
            }
        }
    }

    /// Nobody waits for the answer: what comes of it is in the journal.
    fn ask(&self, wanted: Wanted) {
        let (answer, _) = oneshot::channel();
        if self.errands.try_send(Errand { wanted, answer }).is_err() {
            journal::trouble("exchange", "two masters: too many orders wait, so nobody is told and nothing announced");
        }
    }
}

fn opened(socket: OwnedFd) -> Option<UdpSocket> {
    let socket = std::net::UdpSocket::from(socket);
    let opened: io::Result<UdpSocket> = socket.set_nonblocking(true).and_then(|()| UdpSocket::from_std(socket));
    opened.inspect_err(|error| warn!("no exchange with peers: {error}")).ok()
}
