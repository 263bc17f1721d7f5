//! Servers of this process, honest and hostile: each connection is a script of what to do with it.

use core::time::Duration;
use socket2::{SockRef, Socket};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A server on loopback, which lives as long as the process of the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// What each connection sent, in the order of their ends.
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Deals with each connection in a thread of its own.
    pub(crate) fn new(deal: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (deal, log) = (Arc::new(deal), Arc::clone(&heard));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (deal, log) = (Arc::clone(&deal), Arc::clone(&log));
                thread::spawn(move || {
                    let mut peer = Peer { stream: stream.unwrap(), heard: String::new(), log };
                    deal(&mut peer);
                });
            }
        });
        Self { address, heard }
    }

    /// Reads a request, answers this, and closes.
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |peer| {
            peer.hear();
            peer.say(&answer);
        })
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// The other side of a connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    heard: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Reads once.
    pub(crate) fn hear(&mut self) -> String {
        let mut bytes = [0; 4096];
        let length = self.stream.read(&mut bytes).unwrap_or(0);
        let heard = String::from_utf8_lossy(bytes.get(..length).unwrap()).into_owned();
        self.log.lock().unwrap().push(heard.clone());
        self.heard.push_str(&heard);
        heard
    }

    /// Writes; false when the other side has gone.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Waits until the other side goes away.
    pub(crate) fn wait(&mut self) {
        while self.stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {}
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(&mut self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Says no more, and goes on reading.
    pub(crate) fn half_close(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }
}

/// A socket that nobody answers on, bound to loopback.
pub(crate) fn bound(kind: socket2::Type) -> (Socket, SocketAddr) {
    let socket = Socket::new(socket2::Domain::IPV4, kind, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[expect(clippy::disallowed_methods, reason = "a server that drips waits between its drops")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}
