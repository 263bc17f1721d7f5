//! `TCP_CHECK`: a connection can be made. And connections for the checks that say something over one.
//!
//! It sends no byte of its own: the handshake is the check.

use crate::connections::{Connection, Connections, Purpose};
use crate::deadline::Deadlines;
use crate::{errno, socket};
use core::pin::pin;
use standfast_lvs::{Reason, Verdict};
use standfast_model::config::lvs::Connect;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// The kernel takes no local port below this for a connection that named none, whatever
/// `net.ipv4.ip_local_port_range` says: it would need to be privileged ones.
const LEAST_EPHEMERAL_PORT: u16 = 1024;

/// Connects within `connect_timeout`, and hangs up.
pub(crate) async fn check(connect: &Connect, limits: &Deadlines, connections: &Connections) -> Verdict {
    let outcome = if Connections::serve(connect) {
        borrow(connect, Purpose::Knock, limits, connections).await.map(Connection::hang_up)
    } else {
        open(connect, limits).await.map(drop)
    };
    match outcome {
        Ok(()) => Verdict::Ok,
        Err(verdict) => verdict,
    }
}

/// As [`open`], with a socket that is used again.
pub(crate) async fn borrow(
    connect: &Connect,
    purpose: Purpose,
    limits: &Deadlines,
    connections: &Connections,
) -> Result<Connection, Verdict> {
    match limits.within(connect.timeout, pin!(connections.connect(connect, purpose))).await {
        None => Err(Verdict::Failed(Reason::TimedOut { after: connect.timeout })),
        Some(Err(none)) => Err(none.into()),
        Some(Ok(made)) if met_itself(|| made.local_address(), connect) => {
            Err(Verdict::Failed(Reason::ConnectedToItself))
        }
        Some(Ok(made)) => Ok(made),
    }
}

/// A connection made within `connect_timeout`, or the verdict that follows from there being none.
pub(crate) async fn open(connect: &Connect, limits: &Deadlines) -> Result<TcpStream, Verdict> {
    let socket = socket::tcp(connect).map_err(Verdict::Unable)?;
    match limits.within(connect.timeout, pin!(socket.connect(connect.target))).await {
        None => Err(Verdict::Failed(Reason::TimedOut { after: connect.timeout })),
        Some(Err(error)) => Err(errno::of_connect(&error)),
        Some(Ok(stream)) if met_itself(|| stream.local_addr().ok(), connect) => {
            Err(Verdict::Failed(Reason::ConnectedToItself))
        }
        Some(Ok(stream)) => Ok(stream),
    }
}

/// Whether the connection has both its ends in the same socket. TCP allows that (a simultaneous open with oneself),
/// and it can happen by chance where the target is an address of this machine and its port an ephemeral one. Where
/// that is out of the question the kernel is not asked: thousands of checks a second go to ports like 80.
fn met_itself(local: impl FnOnce() -> Option<SocketAddr>, connect: &Connect) -> bool {
    let port = connect.target.port();
    let may = match connect.bind_port {
        Some(own) => own == port,
        None => port >= LEAST_EPHEMERAL_PORT,
    };
    // Without a local address the connection is gone already, but it was made, and that is what was asked.
    may && local().is_some_and(|local| local.ip() == connect.target.ip() && local.port() == port)
}
