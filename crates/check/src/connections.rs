//! TCP connections of checks, made with sockets that are used again.
//!
//! A socket whose server has said all it had to say is disconnected and waits here for the next check that wants one like
//! it: thousands of checks a second need not make as many sockets, each with its options and its place among what is
//! waited for. Disconnecting resets what the server has not closed, so whoever has only knocked hangs up instead, and the
//! socket is closed. All are in one epoll set of their own, and each is looked at only while somebody waits for it. Who
//! has nothing else to do can wait in that set itself ([`Connections::linger`]). It knows sockets and readiness, and
//! nothing of checks.

use crate::errno;
use crate::socket;
use core::future::poll_fn;
use core::mem::MaybeUninit;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;
use standfast_kernel::async_fd::AsyncFd;
use standfast_lvs::{Inability, Verdict};
use standfast_model::config::lvs::Connect;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::task::AbortHandle;

/// Sockets that a prober keeps for later at most, of all kinds together: as many as are under way at a time on a director
/// of thousands of checks a second. Each is a descriptor, and takes the kernel some kilobytes.
pub const KEPT_SOCKETS: usize = 256;

/// Sockets whose news are taken in one look.
const NEWS_AT_ONCE: usize = 64;

/// The number of what is none of ours in the epoll set. Seats have the numbers above.
const CALL: u64 = 0;

/// What ended the wait in `Connections::linger`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lingered {
    /// Attempts have something to go on with, once the runtime has given them their turns.
    News,
    /// What else ends it is there, or nobody can wait here.
    Called,
    /// The time was up.
    Late,
}

/// The sockets of a prober. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<Mutex<Hall>>);

#[derive(Debug, Default)]
struct Hall {
    /// Made with the first connection, since it needs the runtime.
    set: Option<Set>,
    /// By their numbers in the epoll set.
    seats: HashMap<u64, Seat>,
    last: u64,
    idle: HashMap<Kind, Vec<u64>>,
    idle_count: usize,
    /// Seats whose news somebody waits for.
    awaited: usize,
    /// What else ends a wait in the set.
    call: Option<OwnedFd>,
}

/// What is waited for, and the task that waits.
#[derive(Debug)]
struct Set {
    epoll: Arc<AsyncFd<OwnedFd>>,
    usher: AbortHandle,
}

impl Drop for Set {
    fn drop(&mut self) {
        self.usher.abort();
    }
}

/// Sockets that may stand in for one another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Kind {
    inet6: bool,
    mark: u32,
}

#[derive(Debug)]
struct Seat {
    socket: OwnedFd,
    /// It is in the epoll set, and stays in it until it is closed.
    enrolled: bool,
    /// News of it would be told.
    awaited: bool,
    news: Option<EventFlags>,
    waker: Option<Waker>,
}

/// A connection; dropping it resets it, if the server has not closed it.
#[derive(Debug)]
pub(crate) struct Connection {
    hall: Connections,
    seat: u64,
    kind: Kind,
    /// It was made, has not failed and is not to be closed: its socket can serve again.
    sound: bool,
    /// Something was sent, and nothing can have come back yet.
    asked: bool,
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// To be made, and hung up at once.
    Knock,
    /// To say something and hear the answer.
    Talk,
}

/// Why there is no connection.
pub(crate) enum NoConnection {
    /// For a reason that lies here.
    Here(Inability),
    /// It was tried.
    Tried(io::Error),
}

impl From<Errno> for NoConnection {
    fn from(error: Errno) -> Self {
        Self::Tried(error.into())
    }
}

impl From<NoConnection> for Verdict {
    fn from(none: NoConnection) -> Self {
        match none {
            NoConnection::Here(inability) => Self::Unable(inability),
            NoConnection::Tried(error) => errno::of_connect(&error),
        }
    }
}

impl Connections {
    /// Whether a connection that is asked for in these words can come from here: one that says where it comes from needs
    /// a socket of its own, and so does one that says by which link, which may be another one of that name tomorrow.
    pub(crate) fn serve(connect: &Connect) -> bool {
        connect.bind_address.is_none() && connect.bind_port.is_none() && connect.bind_interface.is_none()
    }

    /// Connects, however long it takes. Dropping the future gives up.
    pub(crate) async fn connect(&self, connect: &Connect, purpose: Purpose) -> Result<Connection, NoConnection> {
        let mut connection = self.take(connect)?;
        let begun = self.hall().with(connection.seat, |seat| {
            if purpose == Purpose::Knock {
                // The end, which follows at once, acknowledges the server's answer by itself: of the segments that is one
                // in six, for both sides. Who talks is better off without: what a server says in small pieces would come
                // one piece every forty milliseconds. Where this is refused there is one segment more.
                let _ = rustix::net::sockopt::set_tcp_quickack(&seat.socket, false);
            }
            rustix::net::connect(&seat.socket, &connect.target)
        });
        match begun {
            Ok(()) => {}
            Err(Errno::INPROGRESS) => {
                let news = connection.ready(EventFlags::OUT).await?;
                // The kernel says so if it failed, and need not be asked for the reason if it did not.
                if news.intersects(EventFlags::ERR | EventFlags::HUP) {
                    self.hall().with(connection.seat, |seat| {
                        rustix::net::sockopt::socket_error(&seat.socket).and_then(|outcome| outcome)
                    })?;
                }
            }
            Err(error) => return Err(error.into()),
        }
        connection.sound = true;
        Ok(connection)
    }

    fn take(&self, connect: &Connect) -> Result<Connection, NoConnection> {
        let kind = Kind { inet6: connect.target.is_ipv6(), mark: connect.mark };
        let mut hall = self.hall();
        // Whose runtime has ended tells nobody anything any more.
        if hall.set.as_ref().is_none_or(|set| set.usher.is_finished()) {
            *hall = Hall { last: hall.last, call: hall.call.take(), ..Hall::default() };
            let set = self.set(hall.call.as_ref());
            hall.set = Some(set.map_err(|error| NoConnection::Here(errno::of_set_up(&error)))?);
        }
        let idle = hall.idle.get_mut(&kind).and_then(Vec::pop);
        let seat = if let Some(seat) = idle {
            hall.idle_count -= 1;
            seat
        } else {
            let socket = socket::plain_tcp(connect).map_err(NoConnection::Here)?;
            let seat = Seat { socket: socket.into(), enrolled: false, awaited: false, news: None, waker: None };
            hall.last += 1;
            let number = hall.last;
            hall.seats.insert(number, seat);
            number
        };
        Ok(Connection { hall: self.clone(), seat, kind, sound: false, asked: false })
    }

    /// An epoll set, and a task that tells who waits of the news in it. It lives as long as the sockets do.
    fn set(&self, call: Option<&OwnedFd>) -> io::Result<Set> {
        let epoll = Arc::new(AsyncFd::new(epoll::create(epoll::CreateFlags::CLOEXEC)?)?);
        if let Some(call) = call {
            epoll::add(epoll.get_ref(), call, EventData::new_u64(CALL), EventFlags::IN)?;
        }
        let usher = tokio::spawn(usher(Arc::clone(&epoll), Arc::downgrade(&self.0))).abort_handle();
        Ok(Set { epoll, usher })
    }

    /// Ends each [`Self::linger`] from the first connection on while there is something to be read from that.
    pub(crate) fn heed(&self, call: OwnedFd) {
        self.hall().call = Some(call);
    }

    /// How many wait for news of their connections here.
    pub(crate) fn awaited(&self) -> usize {
        self.hall().awaited
    }

    /// Waits on this thread until one of them can go on, for so long at most, rounded up to milliseconds. What the runtime
    /// waits for besides is not noticed meanwhile. It saves who has nothing but connections to wait for the way through
    /// the runtime, which reads the clock three times whenever it waits.
    pub(crate) fn linger(&self, patience: Duration) -> Lingered {
        let mut hall = self.hall();
        let Some(set) = hall.set.as_ref().filter(|_| hall.call.is_some()) else { return Lingered::Called };
        let epoll = Arc::clone(&set.epoll);
        match tell(epoll.get_ref(), &mut hall, patience) {
            Told { called: true, .. } => Lingered::Called,
            Told { count: 0, .. } => Lingered::Late,
            Told { .. } => Lingered::News,
        }
    }

    fn hall(&self) -> MutexGuard<'_, Hall> {
        // Nothing in here can be left half done, and nobody else is on this thread.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells of news, for as long as there is anybody to tell.
async fn usher(epoll: Arc<AsyncFd<OwnedFd>>, hall: Weak<Mutex<Hall>>) {
    while epoll.readable_once().await.is_ok() {
        let Some(hall) = hall.upgrade() else { return };
        let mut hall = hall.lock().unwrap_or_else(PoisonError::into_inner);
        // Fewer than there was room for are all.
        while tell(epoll.get_ref(), &mut hall, Duration::ZERO).count == NEWS_AT_ONCE {}
    }
}

/// What came of a look at the set.
#[derive(Clone, Copy, Default, Debug)]
struct Told {
    count: usize,
    called: bool,
}

/// Tells of what is new now or within that time.
fn tell(epoll: &OwnedFd, hall: &mut Hall, patience: Duration) -> Told {
    let mut space = [MaybeUninit::<epoll::Event>::uninit(); NEWS_AT_ONCE];
    let Ok(patience) = Timespec::try_from(patience) else { return Told::default() };
    let Ok((news, _)) = epoll::wait(epoll, &mut space[..], Some(&patience)) else { return Told::default() };
    let mut called = false;
    for event in news.iter() {
        let (number, flags) = (event.data.u64(), event.flags);
        called |= number == CALL;
        if let Some(seat) = hall.seats.get_mut(&number) {
            hall.awaited -= usize::from(core::mem::take(&mut seat.awaited));
            seat.news = Some(flags);
            seat.waker.take().into_iter().for_each(Waker::wake);
        }
    }
    Told { count: news.len(), called }
}

impl Hall {
    /// Does something with a socket that somebody has, and which is therefore there.
    fn with<T>(&mut self, seat: u64, act: impl FnOnce(&mut Seat) -> Result<T, Errno>) -> Result<T, Errno> {
        self.seats.get_mut(&seat).map_or(Err(Errno::BADF), act)
    }

    /// Puts it among those whose news are told, once.
    fn await_news(&mut self, number: u64, wanted: EventFlags) -> Result<(), Errno> {
        let epoll = self.set.as_ref().map(|set| Arc::clone(&set.epoll)).ok_or(Errno::BADF)?;
        self.with(number, |seat| {
            let (data, flags) = (EventData::new_u64(number), wanted | EventFlags::ONESHOT);
            if seat.enrolled {
                epoll::modify(epoll.get_ref(), &seat.socket, data, flags)?;
            } else {
                epoll::add(epoll.get_ref(), &seat.socket, data, flags)?;
            }
            (seat.enrolled, seat.awaited) = (true, true);
            Ok(())
        })?;
        self.awaited += 1;
        Ok(())
    }
}

impl Connection {
    /// Waits until there is something to be done, or wrong. Cancel-safe; one waits at a time.
    async fn ready(&self, wanted: EventFlags) -> Result<EventFlags, Errno> {
        poll_fn(|context| self.poll_ready(context, wanted)).await
    }

    fn poll_ready(&self, context: &Context<'_>, wanted: EventFlags) -> Poll<Result<EventFlags, Errno>> {
        let mut hall = self.hall.hall();
        let Some(seat) = hall.seats.get_mut(&self.seat) else { return Poll::Ready(Err(Errno::BADF)) };
        if let Some(news) = seat.news.take() {
            return Poll::Ready(Ok(news));
        }
        seat.waker = Some(context.waker().clone());
        if seat.awaited {
            return Poll::Pending;
        }
        match hall.await_news(self.seat, wanted) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Where it comes from.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        let found = self.hall.hall().with(self.seat, |seat| rustix::net::getsockname(&seat.socket));
        found.ok().and_then(|address| address.try_into().ok())
    }

    /// Sends all of it.
    pub(crate) async fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent =
                self.hall.hall().with(self.seat, |seat| rustix::net::send(&seat.socket, bytes, SendFlags::NOSIGNAL));
            match sent {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(Errno::AGAIN) => drop(self.ready(EventFlags::OUT).await?),
                Err(Errno::INTR) => {}
                Err(error) => return self.failed(error),
            }
        }
        self.asked = true;
        Ok(())
    }

    /// Reads by `take` what is there, and waits while nothing is.
    pub(crate) async fn read<T>(&mut self, mut take: impl FnMut(&OwnedFd) -> Result<T, Errno>) -> io::Result<T> {
        if core::mem::take(&mut self.asked) {
            self.ready(EventFlags::IN | EventFlags::RDHUP).await?;
        }
        loop {
            let read = self.hall.hall().with(self.seat, |seat| take(&seat.socket));
            match read {
                Ok(taken) => return Ok(taken),
                Err(Errno::AGAIN) => drop(self.ready(EventFlags::IN | EventFlags::RDHUP).await?),
                Err(Errno::INTR) => {}
                Err(error) => return self.failed(error),
            }
        }
    }

    /// Ends it in order: the server reads its end, as it would of any client. Its socket serves nobody after that.
    pub(crate) fn hang_up(mut self) {
        self.sound = false;
    }

    fn failed<T>(&mut self, error: Errno) -> io::Result<T> {
        self.sound = false;
        Err(error.into())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut hall = self.hall.hall();
        let hall = &mut *hall;
        let Some(seat) = hall.seats.get_mut(&self.seat) else { return };
        // One that failed, or of which news may still come, is closed; so is one too many.
        let kept = self.sound
            && !seat.awaited
            && hall.idle_count < KEPT_SOCKETS
            && rustix::net::connect_unspec(seat.socket.as_fd()).is_ok();
        if kept {
            (seat.news, seat.waker) = (None, None);
            hall.idle.entry(self.kind).or_default().push(self.seat);
            hall.idle_count += 1;
        } else if let Some(seat) = hall.seats.remove(&self.seat) {
            hall.awaited -= usize::from(seat.awaited);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    /// Answers what it is sent, and closes.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut bytes = [0; 4];
                let mut stream = stream.unwrap();
                stream.read_exact(&mut bytes).unwrap();
                stream.write_all(&bytes).unwrap();
            }
        });
        address
    }

    fn to(target: SocketAddr) -> Connect {
        Connect {
            target,
            bind_address: None,
            bind_port: None,
            bind_interface: None,
            mark: 0,
            timeout: Duration::from_secs(5),
        }
    }

    async fn ask(connections: &Connections, target: SocketAddr, words: &[u8; 4]) -> [u8; 4] {
        let mut connection = connections.connect(&to(target), Purpose::Talk).await.ok().unwrap();
        connection.send(words).await.unwrap();
        let mut heard = [0; 4];
        connection.read(|socket| rustix::io::read(socket, &mut heard)).await.unwrap();
        heard
    }

    #[test]
    fn a_socket_that_served_serves_any_other_server_also_after_one_that_refused() {
        let servers: Vec<_> = (0..10).map(|_| echo()).collect();
        let refuses = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let connections = Connections::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            for (server, words) in servers.iter().zip([b"one.", b"two.", b"last"].into_iter().cycle()) {
                assert_eq!(ask(&connections, *server, words).await, *words, "and nothing of the one before");
            }
            assert_eq!(connections.hall().seats.len(), 1, "one after the other they need one socket");
            assert!(connections.connect(&to(refuses), Purpose::Talk).await.is_err());
            assert_eq!(&ask(&connections, servers[0], b"more").await, b"more");
        });
    }

    #[test]
    fn who_lingers_hears_of_connections_and_of_a_call_and_otherwise_waits_its_time() {
        let connections = Connections::default();
        let (call, other) = std::os::unix::net::UnixStream::pair().unwrap();
        connections.heed(call.into());
        assert_eq!(connections.linger(Duration::from_secs(60)), Lingered::Called, "there is no set yet");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let server = echo();
            let target = to(server);
            let mut connection = connections.connect(&target, Purpose::Talk).await.ok().unwrap();
            assert_eq!((connections.awaited(), connections.linger(Duration::from_millis(1))), (0, Lingered::Late));
            connection.send(b"here").await.unwrap();
            let mut heard = [0; 4];
            {
                let mut reading = core::pin::pin!(connection.read(|socket| rustix::io::read(socket, &mut heard)));
                let mut context = Context::from_waker(Waker::noop());
                assert!(reading.as_mut().poll(&mut context).is_pending());
                assert_eq!(connections.awaited(), 1);
                assert_eq!(connections.linger(Duration::from_secs(60)), Lingered::News);
                assert_eq!(connections.awaited(), 0);
                assert!(reading.as_mut().poll(&mut context).is_ready());
            }
            assert_eq!(&heard, b"here");
            (&other).write_all(b"!").unwrap();
            assert_eq!(connections.linger(Duration::from_secs(60)), Lingered::Called);
        });
    }

    #[test]
    fn who_is_given_up_is_waited_for_no_more() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = to(silent.local_addr().unwrap());
        let connections = Connections::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let mut connection = connections.connect(&target, Purpose::Talk).await.ok().unwrap();
            connection.send(b"here").await.unwrap();
            {
                let mut reading = core::pin::pin!(connection.read(|socket| rustix::io::read(socket, &mut [0; 4])));
                assert!(reading.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
            assert_eq!(connections.awaited(), 1);
            drop(connection);
            assert_eq!(connections.awaited(), 0);
        });
    }
}
