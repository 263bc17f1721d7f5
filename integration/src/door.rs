//! A door into a lab: a port of this machine's loopback, behind which is a port of a machine of the lab. For a browser that
//! is to see a status page; no test counts on how fast it is.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::agent::protocol::Request;
use crate::agent::stream::{Stream, pass_on};
use crate::core::Core;

/// How long a connection may take on the other side: one hop.
const CONNECT: Duration = Duration::from_secs(2);

/// Opens a door to a port of a machine, at this port of loopback if it is free, otherwise at another one, and returns
/// where. It is open until the program ends; who comes while the machine is off is turned away.
///
/// # Errors
/// There is no port.
pub(crate) fn open(core: Arc<Core>, index: usize, to: SocketAddr, port: u16) -> io::Result<SocketAddr> {
    let loopback = Ipv4Addr::LOCALHOST;
    let listener = TcpListener::bind((loopback, port)).or_else(|_| TcpListener::bind((loopback, 0)))?;
    let place = listener.local_addr()?;
    thread::Builder::new().spawn(move || {
        for near in listener.incoming().flatten() {
            let core = Arc::clone(&core);
            // Without a thread for it the visitor is turned away.
            let _ = thread::Builder::new().spawn(move || let_in(&core, index, to, near));
        }
    })?;
    Ok(place)
}

/// Whoever cannot be let in sees the connection end.
fn let_in(core: &Core, index: usize, to: SocketAddr, near: TcpStream) -> Option<()> {
    let within_millis = u64::try_from(CONNECT.as_millis()).ok()?;
    let request = Request::Connect { to, within_millis };
    let (far, _) = core.route(index).ok()?.request(&request, CONNECT.saturating_mul(2)).ok()?;
    let near = Stream::Tcp(near);
    let (back_from, back_to) = (far.try_clone().ok()?, near.try_clone().ok()?);
    let back = thread::Builder::new()
        .spawn(move || {
            let end = back_to.try_clone();
            pass_on(back_from, back_to);
            // Nobody waits for the rest of a question whose answer is complete.
            if let Ok(end) = end {
                end.shut_down(Shutdown::Both);
            }
        })
        .ok()?;
    pass_on(near, far);
    back.join().ok()
}
