//! `TCP_CHECK`: a connection can be made.
//!
//! It sends no byte of its own: the handshake is the check.

use crate::{deadline, errno, socket};
use standfast_lvs::{Reason, Verdict};
use standfast_model::config::lvs::Connect;
use tokio::net::TcpStream;

/// Connects within `connect_timeout`, and hangs up.
pub(crate) async fn check(connect: &Connect) -> Verdict {
    let socket = match socket::tcp(connect) {
        Ok(socket) => socket,
        Err(inability) => return Verdict::Unable(inability),
    };
    match deadline::within(connect.timeout, socket.connect(connect.target)).await {
        None => Verdict::Failed(Reason::TimedOut { after: connect.timeout }),
        Some(Err(error)) => errno::of_connect(&error),
        Some(Ok(stream)) if met_itself(&stream) => Verdict::Failed(Reason::ConnectedToItself),
        Some(Ok(_)) => Verdict::Ok,
    }
}

/// Whether the connection has both its ends in the same socket. TCP allows that (a simultaneous open with oneself),
/// and it can happen by chance where the target is an address of this machine and its port an ephemeral one.
fn met_itself(stream: &TcpStream) -> bool {
    match (stream.local_addr(), stream.peer_addr()) {
        (Ok(local), Ok(peer)) => local == peer,
        // Without a peer the connection is gone already, but it was made, and that is what was asked.
        (Err(_), _) | (_, Err(_)) => false,
    }
}
