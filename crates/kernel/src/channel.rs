//! The channel between the supervisor and a worker: a connected pair of SEQPACKET sockets.
//!
//! Messages keep their boundaries and may carry descriptors. A sender never blocks: what does not fit is either kept
//! in an [`Outbox`], where the latest state wins and the queue of records has a limit, or refused to the caller.
//! The death of the peer is the end of the channel. It knows nothing of what the messages mean.

use crate::async_fd::AsyncFd;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The longest message in bytes. What is longer travels in a [memfd](crate::memfd) whose descriptor the message
/// carries: the kernel copies a message in one piece of memory, and a larger piece may not be there to have.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Descriptors that one message may carry: the most goes to the front, which gets its configuration, the control socket,
/// two files of history and at most four listening sockets.
pub const MAX_DESCRIPTORS: usize = 8;

/// Room for a few messages of the greatest length. The kernel's default holds three, and an administrator may have
/// lowered it below one.
const SEND_BUFFER_BYTES: usize = 4 * MAX_MESSAGE_BYTES;

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The peer has not read what was sent before. Nothing of this message was sent.
    #[error("channel is full")]
    Full,
    /// The peer has closed its end, or is dead.
    #[error("peer has gone")]
    Closed,
    /// Empty (it would look like the end of the channel) or longer than [`MAX_MESSAGE_BYTES`], or with too many
    /// descriptors.
    #[error("message of {bytes} bytes with {descriptors} descriptors is outside the limits of the channel")]
    Limits {
        /// Its length.
        bytes: usize,
        /// The descriptors with it.
        descriptors: usize,
    },
    /// Anything else the kernel says.
    #[error("cannot send: {0}")]
    Io(#[from] io::Error),
}

/// Why no message was received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// A message was longer than [`MAX_MESSAGE_BYTES`] or carried more than [`MAX_DESCRIPTORS`]; it is lost.
    #[error("message is longer than the channel allows")]
    Truncated,
    /// Anything else the kernel says.
    #[error("cannot receive: {0}")]
    Io(#[from] io::Error),
}

/// One message as it arrived.
#[derive(Debug)]
pub struct Received {
    /// Its bytes, 1..=[`MAX_MESSAGE_BYTES`].
    pub bytes: Vec<u8>,
    /// The descriptors that came with it, at most [`MAX_DESCRIPTORS`], closed on exec.
    pub descriptors: Vec<OwnedFd>,
}

/// What the channel has for its reader.
#[derive(Debug)]
pub enum Incoming {
    /// A message.
    Message(Received),
    /// The peer closed its end or is dead, and everything it sent before has been read.
    Closed,
}

/// A connected pair. One end stays, the other becomes the standard input of a worker.
///
/// # Errors
///
/// `EMFILE` and `ENFILE`: no descriptor is left.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    for end in [&ours, &theirs] {
        if sockopt::set_socket_send_buffer_size_force(end, SEND_BUFFER_BYTES).is_err() {
            // Without CAP_NET_ADMIN the system's limit holds; long messages may then be refused, which is reported.
            sockopt::set_socket_send_buffer_size(end, SEND_BUFFER_BYTES)?;
        }
    }
    Ok((ours, theirs))
}

/// Whether a descriptor is one end of such a pair: a worker started by hand has something else there.
#[must_use]
pub fn is_channel(fd: impl AsFd) -> bool {
    sockopt::socket_domain(&fd) == Ok(AddressFamily::UNIX) && sockopt::socket_type(&fd) == Ok(SocketType::SEQPACKET)
}

/// Sends one message without waiting.
///
/// # Errors
///
/// See [`SendError`].
pub fn send(fd: impl AsFd, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), SendError> {
    if message.is_empty() || message.len() > MAX_MESSAGE_BYTES || descriptors.len() > MAX_DESCRIPTORS {
        return Err(SendError::Limits { bytes: message.len(), descriptors: descriptors.len() });
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(SendError::Limits { bytes: message.len(), descriptors: descriptors.len() });
    }
    loop {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        return match sendmsg(&fd, &[IoSlice::new(message)], &mut control, flags) {
            // A SEQPACKET message goes whole or not at all.
            Ok(_) => Ok(()),
            Err(rustix::io::Errno::INTR) => continue,
            // `AGAIN` is the same number as `WOULDBLOCK`. `NOBUFS` is a moment's lack of memory: as good as full.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOBUFS) => Err(SendError::Full),
            Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET | rustix::io::Errno::NOTCONN) => {
                Err(SendError::Closed)
            }
            Err(rustix::io::Errno::MSGSIZE) => {
                Err(SendError::Limits { bytes: message.len(), descriptors: descriptors.len() })
            }
            Err(error) => Err(SendError::Io(error.into())),
        };
    }
}

/// What is there now, without a runtime; `None` is nothing.
///
/// # Errors
///
/// See [`ReceiveError`].
pub fn receive_now(end: &OwnedFd) -> Result<Option<Incoming>, ReceiveError> {
    match receive(end) {
        Ok(incoming) => Ok(Some(incoming)),
        Err(ReceiveError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// One end of a channel, watched by the current runtime.
#[derive(Debug)]
pub struct Channel {
    fd: AsyncFd<OwnedFd>,
}

impl Channel {
    /// Takes one end of a [`pair`].
    ///
    /// # Errors
    ///
    /// Those of `epoll_ctl`.
    pub fn new(end: OwnedFd) -> io::Result<Self> {
        Ok(Self { fd: AsyncFd::new(end)? })
    }

    /// The end itself, once more.
    ///
    /// # Errors
    ///
    /// `EMFILE`: no descriptor is left.
    pub fn try_clone(&self) -> io::Result<OwnedFd> {
        self.fd.get_ref().try_clone()
    }

    /// Sends one message without waiting.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), SendError> {
        let mut closed = None;
        let sent = self.fd.try_write(|fd| match send(fd, message, descriptors) {
            Ok(()) => Ok(()),
            Err(SendError::Full) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => {
                closed = Some(error);
                Ok(())
            }
        })?;
        match (sent, closed) {
            (_, Some(error)) => Err(error),
            (Some(()), None) => Ok(()),
            (None, None) => Err(SendError::Full),
        }
    }

    /// Waits until there may be room to send again. Cancel-safe.
    ///
    /// # Errors
    ///
    /// If the runtime is shutting down.
    pub async fn writable(&self) -> io::Result<()> {
        self.fd.writable().await
    }

    /// What is there now, without waiting; `None` is nothing.
    ///
    /// # Errors
    ///
    /// See [`ReceiveError`].
    pub fn try_receive(&self) -> Result<Option<Incoming>, ReceiveError> {
        let outcome = self.fd.try_read(|fd| match receive(fd) {
            Ok(incoming) => Ok(Ok(incoming)),
            Err(ReceiveError::Io(error)) => Err(error),
            Err(error @ ReceiveError::Truncated) => Ok(Err(error)),
        })?;
        outcome.transpose()
    }

    /// Waits for a message or the end. Cancel-safe: a message is either returned or still there.
    ///
    /// # Errors
    ///
    /// See [`ReceiveError`].
    pub async fn receive(&self) -> Result<Incoming, ReceiveError> {
        loop {
            // Not the other way round: a loop that waits for many things asks here in every round.
            self.fd.readable().await?;
            if let Some(incoming) = self.try_receive()? {
                return Ok(incoming);
            }
        }
    }
}

/// One message without waiting: its length first, so that a channel at rest needs no memory.
fn receive(fd: &OwnedFd) -> Result<Incoming, ReceiveError> {
    let length = receive_into(fd, &mut [], RecvFlags::PEEK)?.1;
    // What is too long is taken out and lost, or it would stand in the way for ever.
    let mut bytes = vec![0; if length > MAX_MESSAGE_BYTES { 0 } else { length }];
    let (descriptors, length, truncated) = receive_into(fd, &mut bytes, RecvFlags::empty())?;
    if truncated {
        return Err(ReceiveError::Truncated);
    }
    // Nobody sends an empty message: `send` refuses it.
    if length == 0 { Ok(Incoming::Closed) } else { Ok(Incoming::Message(Received { bytes, descriptors })) }
}

/// One nonblocking `recvmsg`: the descriptors, the length of the whole message, and whether some of it did not fit.
fn receive_into(fd: &OwnedFd, buffer: &mut [u8], more: RecvFlags) -> Result<(Vec<OwnedFd>, usize, bool), ReceiveError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC | RecvFlags::TRUNC | more;
    let received = loop {
        match recvmsg(fd, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
            Ok(received) => break received,
            Err(rustix::io::Errno::INTR) => {}
            // The peer went without having read everything of ours: gone is gone, and the next call says so again.
            Err(rustix::io::Errno::CONNRESET) => return Ok((Vec::new(), 0, false)),
            Err(error) => return Err(ReceiveError::Io(error.into())),
        }
    };
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let truncated = received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC);
    Ok((descriptors, received.bytes, truncated))
}

/// A message that waits to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// A descriptor that goes with it.
    pub descriptor: Option<OwnedFd>,
}

impl From<Vec<u8>> for Outgoing {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, descriptor: None }
    }
}

/// What a sender keeps while the channel is full: a queue of records up to a limit, and one state of which only the
/// latest counts.
///
/// The kernel itself holds as few as eleven messages of a channel (`net.unix.max_dgram_qlen`), so a burst needs this.
#[derive(Debug)]
pub struct Outbox {
    records: VecDeque<Outgoing>,
    limit: usize,
    state: Option<Outgoing>,
    dropped: u64,
}

impl Outbox {
    /// An empty box that keeps at most `limit` records.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { records: VecDeque::new(), limit, state: None, dropped: 0 }
    }

    /// Queues a record; one too many is dropped and counted.
    pub fn record(&mut self, message: Outgoing) {
        if self.records.len() < self.limit {
            self.records.push_back(message);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Sets the state to be sent; one that still waited is replaced.
    pub fn state(&mut self, message: Outgoing) {
        self.state = Some(message);
    }

    /// Records dropped since the box was made.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many records wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.state.is_none()
    }

    /// Sends what there is room for: records in their order, then the state. Returns whether the box is empty now.
    ///
    /// A message that the channel refuses for its size is dropped and counted, or it would stand in the way for ever.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] and [`SendError::Io`]; the message stays.
    pub fn flush(&mut self, channel: &Channel) -> Result<bool, SendError> {
        while let Some(message) = self.records.front().or(self.state.as_ref()) {
            match message.send(channel) {
                Ok(()) => {}
                Err(SendError::Full) => return Ok(false),
                Err(SendError::Limits { .. }) => self.dropped = self.dropped.saturating_add(1),
                Err(error @ (SendError::Closed | SendError::Io(_))) => return Err(error),
            }
            if self.records.pop_front().is_none() {
                self.state = None;
            }
        }
        Ok(true)
    }
}

impl Outgoing {
    fn send(&self, channel: &Channel) -> Result<(), SendError> {
        match &self.descriptor {
            Some(descriptor) => channel.send(&self.bytes, &[descriptor.as_fd()]),
            None => channel.send(&self.bytes, &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use std::io::Read;

    fn channels() -> (Channel, Channel) {
        let (a, b) = pair().unwrap();
        (Channel::new(a).unwrap(), Channel::new(b).unwrap())
    }

    fn bytes(incoming: Incoming) -> Vec<u8> {
        match incoming {
            Incoming::Message(received) => received.bytes,
            Incoming::Closed => panic!("closed"),
        }
    }

    fn fill(channel: &Channel) -> usize {
        let mut sent = 0;
        loop {
            match channel.send(&[7; 100], &[]) {
                Ok(()) => sent += 1,
                Err(SendError::Full) => return sent,
                Err(error) => panic!("{error}"),
            }
            assert!(sent < 1_000_000, "a channel without a limit");
        }
    }

    #[tokio::test]
    async fn messages_keep_their_boundaries_and_order() {
        let (a, b) = channels();
        for length in [1, MAX_MESSAGE_BYTES, 3] {
            a.send(&vec![1; length], &[]).unwrap();
        }
        for length in [1, MAX_MESSAGE_BYTES, 3] {
            assert_eq!(bytes(b.receive().await.unwrap()).len(), length);
        }
    }

    #[tokio::test]
    async fn empty_and_overlong_messages_are_refused_by_the_sender() {
        let (a, b) = channels();
        for length in [0, MAX_MESSAGE_BYTES + 1] {
            assert!(matches!(a.send(&vec![1; length], &[]), Err(SendError::Limits { .. })), "{length}");
        }
        let descriptor = pair().unwrap().0;
        let many = vec![descriptor.as_fd(); MAX_DESCRIPTORS + 1];
        assert!(matches!(a.send(b"x", &many), Err(SendError::Limits { .. })));
        assert!(b.try_receive().unwrap().is_none());
    }

    #[tokio::test]
    async fn a_hostile_peer_that_sends_too_much_is_an_error_and_not_the_end() {
        let (end, other) = pair().unwrap();
        let ours = Channel::new(other).unwrap();
        rustix::net::send(&end, &vec![1; MAX_MESSAGE_BYTES + 1], SendFlags::DONTWAIT).unwrap();
        rustix::net::send(&end, b"good", SendFlags::DONTWAIT).unwrap();
        assert!(matches!(ours.receive().await, Err(ReceiveError::Truncated)));
        assert_eq!(bytes(ours.receive().await.unwrap()), b"good");
    }

    #[tokio::test]
    async fn a_descriptor_arrives_open_and_closed_on_exec() {
        let (a, b) = channels();
        let (reader, writer) = io::pipe().unwrap();
        a.send(b"take", &[writer.as_fd()]).unwrap();
        drop(writer);
        let Incoming::Message(mut received) = b.receive().await.unwrap() else { panic!("closed") };
        let descriptor = received.descriptors.pop().unwrap();
        assert!(received.descriptors.is_empty());
        assert!(rustix::io::fcntl_getfd(&descriptor).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        rustix::io::write(&descriptor, b"through").unwrap();
        drop(descriptor);
        let mut text = String::new();
        io::BufReader::new(reader).read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
    }

    #[tokio::test]
    async fn the_death_of_the_peer_is_the_end_after_its_last_message() {
        let (a, b) = channels();
        a.send(b"last", &[]).unwrap();
        drop(a);
        assert_eq!(bytes(b.receive().await.unwrap()), b"last");
        assert!(matches!(b.receive().await.unwrap(), Incoming::Closed));
        assert!(matches!(b.send(b"x", &[]), Err(SendError::Closed)));
    }

    #[tokio::test]
    async fn a_peer_that_dies_with_our_messages_unread_is_gone_too() {
        let (a, b) = channels();
        b.send(b"never read", &[]).unwrap();
        drop(a);
        assert!(matches!(b.receive().await.unwrap(), Incoming::Closed));
    }

    #[tokio::test]
    async fn a_full_channel_is_said_at_once_and_room_wakes_the_sender() {
        let (a, b) = channels();
        let sent = fill(&a);
        assert!(sent > 0);
        let early = tokio::time::timeout(Duration::from_millis(20), a.writable()).await;
        assert!(early.is_err() || matches!(a.send(b"x", &[]), Err(SendError::Full)));
        for _ in 0..sent {
            b.receive().await.unwrap();
        }
        tokio::time::timeout(Duration::from_secs(5), a.writable()).await.unwrap().unwrap();
        a.send(b"again", &[]).unwrap();
        assert_eq!(bytes(b.receive().await.unwrap()), b"again");
    }

    #[tokio::test]
    async fn of_states_the_latest_wins_and_records_stay_in_order_up_to_the_limit() {
        let (a, b) = channels();
        let sent = fill(&a);
        let mut outbox = Outbox::new(2);
        for record in [b"r1", b"r2", b"r3"] {
            outbox.record(record.to_vec().into());
        }
        for state in [b"s1", b"s2"] {
            outbox.state(state.to_vec().into());
        }
        assert!(!outbox.flush(&a).unwrap(), "the channel was full");
        assert_eq!(outbox.dropped(), 1);
        for _ in 0..sent {
            b.receive().await.unwrap();
        }
        assert!(outbox.flush(&a).unwrap());
        assert!(outbox.is_empty());
        for expected in [b"r1", b"r2", b"s2"] {
            assert_eq!(bytes(b.receive().await.unwrap()), expected);
        }
        assert!(b.try_receive().unwrap().is_none());
    }

    #[tokio::test]
    async fn an_overlong_record_does_not_stand_in_the_way() {
        let (a, b) = channels();
        let mut outbox = Outbox::new(8);
        outbox.record(vec![0; MAX_MESSAGE_BYTES + 1].into());
        outbox.record(b"next".to_vec().into());
        assert!(outbox.flush(&a).unwrap());
        assert_eq!(outbox.dropped(), 1);
        assert_eq!(bytes(b.receive().await.unwrap()), b"next");
    }

    #[test]
    fn other_descriptors_are_no_channel() {
        let (end, _other) = pair().unwrap();
        assert!(is_channel(&end));
        let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(!is_channel(&stream));
        assert!(!is_channel(std::fs::File::open("/dev/null").unwrap()));
    }
}
