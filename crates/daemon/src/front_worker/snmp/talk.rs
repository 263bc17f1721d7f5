//! One session, from its connection to its end.

use super::super::client::{Errand, Wanted};
use super::shared::Shared;
use core::time::Duration;
use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;
use standfast_agentx::{Happened, Identity, Session, VarBind};
use standfast_kernel::timer::boottime;
use standfast_mib::notification;
use standfast_mib::view::subtrees;
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

/// How long the master agent may leave what we say unread.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// How long a status of now is waited for; what is there is shown then.
const STATUS_WITHIN: Duration = Duration::from_secs(2);

/// How long what a manager sets is waited for.
const ORDER_WITHIN: Duration = Duration::from_secs(5);

/// What a connection must be able to do.
pub(super) trait Both: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Both for T {}

/// A connection, whatever it goes over.
pub(super) type Stream = Box<dyn Both>;

/// The stream of a socket, which need not be connected yet.
pub(super) fn stream(socket: OwnedFd) -> io::Result<Stream> {
    if socket_domain(&socket)? == AddressFamily::UNIX {
        let stream = std::os::unix::net::UnixStream::from(socket);
        stream.set_nonblocking(true)?;
        return Ok(Box::new(UnixStream::from_std(stream)?));
    }
    let stream = std::net::TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    Ok(Box::new(TcpStream::from_std(stream)?))
}

/// Talks until the daemon stops. An error is any other end, in words.
pub(super) async fn talk(
    mut stream: Stream,
    shared: &Shared,
    errands: &mpsc::Sender<Errand>,
    said: &mut String,
) -> Result<(), String> {
    let identity = Identity { description: "standfast".to_owned(), subtrees: subtrees(&shared.slice()) };
    let mut session = Session::begin(identity, boottime());
    let mut buffer = vec![0; 4096];
    let mut leaving = false;
    loop {
        if shared.is_stopping() && !leaving {
            leaving = true;
            tell(&mut session, notification::of_stop(shared.view(boottime()).world()));
        }
        if leaving && session.is_calm() {
            session.close();
        }
        write(&mut stream, &mut session).await?;
        if leaving && session.is_calm() {
            return Ok(());
        }
        if let Some(ended) = session.ended() {
            return Err(ended.to_string());
        }
        if session.is_asked() && shared.wants_status(boottime()) {
            ask_for_status(errands).await;
        }
        let view = shared.view(boottime());
        match session.process(boottime(), view.as_ref()) {
            Some(Happened::Nothing) => continue,
            Some(Happened::Established) => {
                info!("SNMP: the session with the master agent is open");
                said.clear();
                continue;
            }
            Some(Happened::Unregistered { subtree, error }) => {
                warn!("SNMP: the master agent does not let us answer for {subtree}: error {error}");
                continue;
            }
            Some(Happened::Commit(objects)) => {
                let done = set(&view, &objects, errands).await;
                session.committed(done);
                continue;
            }
            None => {}
        }
        let lines = shared.take_lines(boottime());
        // Which mark a service goes by is in a status that may come behind the line about it.
        let view = if lines.iter().any(|line| line.field("service").is_some()) {
            ask_for_status(errands).await;
            shared.view(boottime())
        } else {
            view
        };
        for line in lines {
            tell(&mut session, notification::of(view.world(), &line));
        }
        write(&mut stream, &mut session).await?;
        wait(&mut stream, &mut session, shared, &mut buffer).await?;
    }
}

fn tell(session: &mut Session, notifications: Vec<notification::Notification>) {
    for objects in notifications {
        session.notify(boottime(), objects);
    }
}

async fn write(stream: &mut Stream, session: &mut Session) -> Result<(), String> {
    let output = session.take_output();
    if output.is_empty() {
        return Ok(());
    }
    match timeout(READ_WITHIN, stream.write_all(&output)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("the connection to the master agent broke: {error}")),
        Err(_) => Err(format!("the master agent reads nothing for {} s", READ_WITHIN.as_secs())),
    }
}

/// Waits for bytes, for news, or until something is due.
async fn wait(stream: &mut Stream, session: &mut Session, shared: &Shared, buffer: &mut [u8]) -> Result<(), String> {
    let room = session.room().min(buffer.len());
    let due = session.next_deadline().since(boottime());
    let buffer = buffer.get_mut(..room).unwrap_or_default();
    tokio::select! {
        read = stream.read(buffer) => match read {
            Ok(0) => return Err("the master agent has gone".to_owned()),
            Ok(length) => session.received(buffer.get(..length).unwrap_or_default()),
            Err(error) => return Err(format!("the connection to the master agent broke: {error}")),
        },
        () = sleep(due) => session.wake(boottime()),
        () = shared.news.notified() => {}
    }
    Ok(())
}

/// Has the workers tell how things are now. What does not come is done without.
async fn ask_for_status(errands: &mpsc::Sender<Errand>) {
    let (answer, waiting) = oneshot::channel();
    let asked = errands.send(Errand { wanted: Wanted::Refresh, answer });
    let outcome = timeout(STATUS_WITHIN, async {
        if asked.await.is_ok() {
            let _ = waiting.await;
        }
    });
    if outcome.await.is_err() {
        debug!("SNMP: no status of now came in time");
    }
}

/// Does what a manager wants. True if all of it was done.
async fn set(view: &standfast_mib::View, objects: &[VarBind], errands: &mpsc::Sender<Errand>) -> bool {
    let uid = rustix::process::geteuid().as_raw();
    for order in view.orders(objects) {
        info!("SNMP: a manager orders: {order}");
        let (answer, waiting) = oneshot::channel();
        let wanted = Wanted::Order { uid, order };
        if errands.send(Errand { wanted, answer }).await.is_err() {
            return false;
        }
        match timeout(ORDER_WITHIN, waiting).await {
            Ok(Ok(Ok(_))) => {}
            Ok(Ok(Err(why))) => {
                warn!("SNMP: it is not done: {why}");
                return false;
            }
            Ok(Err(_)) | Err(_) => return false,
        }
    }
    true
}
