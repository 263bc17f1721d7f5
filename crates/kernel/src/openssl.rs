//! This machine's OpenSSL: a client's side of TLS over sockets that never block.
//!
//! The library is loaded when the first context is made, so that only a process with such checks has it in its memory:
//! its tables alone are half a megabyte of each process's own, and as much time to start as all the rest. It judges no
//! certificate and waits for nothing; who calls decides both.

mod library;
mod verified;

pub use verified::Expected;

use core::ffi::{c_int, c_long};
use core::ptr::{null, null_mut};
use library::{Library, Raw, library};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::sync::Arc;
use zeroize::Zeroizing;

/// `SSL_CTRL_SET_READ_AHEAD`
const SET_READ_AHEAD: c_int = 41;
/// `SSL_CTRL_SET_TLSEXT_HOSTNAME`, and `TLSEXT_NAMETYPE_host_name`
const SET_NAME: (c_int, c_long) = (55, 0);
/// `SSL_VERIFY_NONE`
const VERIFY_NONE: c_int = 0;

/// What OpenSSL has refused, in its words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl Refused {
    fn by(library: &Library) -> Self {
        Self(library.last_error().map_or_else(|| "the library gave no reason".to_owned(), library::Complaint::words))
    }
}

/// What connections of clients are made with: versions and ciphers as this machine's OpenSSL is configured.
#[derive(Debug)]
pub struct Context {
    library: &'static Library,
    raw: Raw,
}

#[expect(
    unsafe_code,
    reason = "OpenSSL counts who uses a context by itself, and only what has no other user is changed"
)]
// SAFETY: a context may be used by many threads at once once it is made; what changes it takes it exclusively.
unsafe impl Send for Context {}
#[expect(unsafe_code, reason = "as above")]
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    /// A client's context that judges no certificate. It reads records whole: half as many system calls.
    ///
    /// # Errors
    ///
    /// OpenSSL is not on this machine, or its configuration is not usable.
    pub fn client() -> Result<Self, Refused> {
        let library = library().map_err(|why| Refused(why.to_owned()))?;
        library.forget_errors();
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: the method is a constant of the library.
        let raw = unsafe { (library.context)((library.method)()) };
        if raw.is_null() {
            return Err(Refused::by(library));
        }
        #[expect(unsafe_code, reason = "functions of OpenSSL")]
        // SAFETY: the context is this one; neither takes a pointer here.
        unsafe {
            (library.context_verify)(raw, VERIFY_NONE, null_mut());
            (library.context_control)(raw, SET_READ_AHEAD, 1, null_mut());
        }
        Ok(Self { library, raw })
    }

    /// Believes the authorities of this file.
    ///
    /// # Errors
    ///
    /// In OpenSSL's words.
    pub fn trust(&mut self, path: &str) -> Result<(), Refused> {
        let path = text(path)?;
        self.library.forget_errors();
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: the context is this one, the path ends with a zero, and no directory is given.
        self.done(unsafe { (self.library.context_trust)(self.raw, path.as_ptr(), null()) })
    }

    /// Shows the certificate of this file, and those that lead to its authority.
    ///
    /// # Errors
    ///
    /// In OpenSSL's words.
    pub fn show_certificate(&mut self, path: &str) -> Result<(), Refused> {
        let path = text(path)?;
        self.library.forget_errors();
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: the context is this one, and the path ends with a zero.
        self.done(unsafe { (self.library.context_chain)(self.raw, path.as_ptr()) })
    }

    /// Uses this key, in PEM. Without a password one that needs it is refused; nobody is asked at a terminal.
    ///
    /// # Errors
    ///
    /// In OpenSSL's words.
    pub fn use_key(&mut self, pem: &[u8], password: &[u8]) -> Result<(), Refused> {
        let password = Zeroizing::new([password, &[0]].concat());
        let length = c_int::try_from(pem.len()).map_err(|_| Refused("too long".to_owned()))?;
        self.library.forget_errors();
        #[expect(unsafe_code, reason = "functions of OpenSSL")]
        // SAFETY: the text is only read, and freed before `pem` can go. Without a function that asks, the last parameter
        // is a password that ends with the first zero, and there is one.
        let key = unsafe {
            let text = (self.library.text)(pem.as_ptr().cast(), length);
            if text.is_null() {
                return Err(Refused::by(self.library));
            }
            let key = (self.library.key)(text, null_mut(), null_mut(), password.as_ptr().cast_mut().cast());
            (self.library.text_free)(text);
            key
        };
        if key.is_null() {
            return Err(Refused::by(self.library));
        }
        #[expect(unsafe_code, reason = "functions of OpenSSL")]
        // SAFETY: the context takes its own share of the key.
        let used = unsafe {
            let used = (self.library.context_key)(self.raw, key);
            (self.library.key_free)(key);
            used
        };
        self.done(used)
    }

    /// Whether the key is that of the certificate.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn check_key(&self) -> Result<(), Refused> {
        self.library.forget_errors();
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: the context is this one.
        self.done(unsafe { (self.library.context_check_key)(self.raw) })
    }

    fn done(&self, answer: c_int) -> Result<(), Refused> {
        if answer == 1 { Ok(()) } else { Err(Refused::by(self.library)) }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: connections have their own share of the context; nobody else has this one.
        unsafe {
            (self.library.context_free)(self.raw);
        }
    }
}

/// Why a step of a connection was not done.
#[derive(Debug)]
pub enum Trouble {
    /// The socket has to be readable first.
    WantRead,
    /// The socket has to be writable first.
    WantWrite,
    /// The other side has ended the connection in TLS's own way.
    Closed,
    /// The connection has ended beneath TLS: anyone on the way could have ended it.
    Cut,
    /// The socket's error.
    Io(io::Error),
    /// In OpenSSL's words.
    Refused(Refused),
}

/// A client's side of one connection over a socket that never blocks.
#[derive(Debug)]
pub struct Connection<S> {
    library: &'static Library,
    raw: Raw,
    /// It outlives what OpenSSL does with its descriptor.
    socket: Arc<S>,
}

#[expect(unsafe_code, reason = "OpenSSL lets a connection move between threads")]
// SAFETY: only whoever has it exclusively does anything with it.
unsafe impl<S: Send + Sync> Send for Connection<S> {}

impl<S: AsFd> Connection<S> {
    /// A connection over this socket, which shows this name if there is one. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// In OpenSSL's words.
    pub fn new(context: &Context, socket: Arc<S>, name: Option<&str>) -> Result<Self, Refused> {
        let name = name.map(text).transpose()?;
        let library = context.library;
        library.forget_errors();
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: the context is whole; the connection takes its own share of it.
        let raw = unsafe { (library.connection)(context.raw) };
        if raw.is_null() {
            return Err(Refused::by(library));
        }
        let connection = Self { library, raw, socket };
        let fd = connection.socket.as_fd().as_raw_fd();
        #[expect(unsafe_code, reason = "functions of OpenSSL")]
        // SAFETY: the socket stays open as long as the connection, which does not close it. The name is copied.
        let done = unsafe {
            let (set, kind) = SET_NAME;
            name.is_none_or(|name| (library.connection_control)(raw, set, kind, name.as_ptr().cast_mut().cast()) == 1)
                && (library.connection_socket)(raw, fd) == 1
        };
        if done { Ok(connection) } else { Err(Refused::by(library)) }
    }
}

impl<S> Connection<S> {
    /// Goes on with the handshake.
    ///
    /// # Errors
    ///
    /// [`Trouble`]; after one that wants something it goes on where it was.
    pub fn connect(&mut self) -> Result<(), Trouble> {
        self.library.forget_errors();
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: the connection is this one.
        let answer = unsafe { (self.library.connect)(self.raw) };
        self.length(answer).map(drop)
    }

    /// Reads what there is, at least one byte.
    ///
    /// # Errors
    ///
    /// [`Trouble`]; after one that wants something it goes on where it was.
    pub fn read(&mut self, space: &mut [u8]) -> Result<usize, Trouble> {
        // OpenSSL counts in `int`, and would take nothing to be read for the end.
        let room = c_int::try_from(space.len()).unwrap_or(c_int::MAX);
        if room == 0 {
            return Ok(0);
        }
        self.library.forget_errors();
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: it writes at most so many bytes there.
        let answer = unsafe { (self.library.read)(self.raw, space.as_mut_ptr().cast(), room) };
        self.length(answer)
    }

    /// Sends a part of it. After a trouble that wants something the same bytes are to be sent again.
    ///
    /// # Errors
    ///
    /// [`Trouble`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, Trouble> {
        let length = c_int::try_from(bytes.len()).unwrap_or(c_int::MAX);
        if length == 0 {
            return Ok(0);
        }
        self.library.forget_errors();
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: it reads at most so many bytes from there.
        let answer = unsafe { (self.library.write)(self.raw, bytes.as_ptr().cast(), length) };
        self.length(answer)
    }

    fn length(&self, answer: c_int) -> Result<usize, Trouble> {
        // Before anything else is called that could fail.
        let error = io::Error::last_os_error();
        if let Some(length) = usize::try_from(answer).ok().filter(|length| *length > 0) {
            return Ok(length);
        }
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: the connection is this one, and the answer its last.
        let outcome = unsafe { (self.library.outcome)(self.raw, answer) };
        Err(match outcome {
            WANT_READ => Trouble::WantRead,
            WANT_WRITE => Trouble::WantWrite,
            ZERO_RETURN => Trouble::Closed,
            _ => match self.library.last_error() {
                Some(complaint) if complaint.is_end_of_file() => Trouble::Cut,
                Some(complaint) => Trouble::Refused(Refused(complaint.words())),
                None if outcome == SYSCALL && answer < 0 && error.raw_os_error() != Some(0) => Trouble::Io(error),
                None => Trouble::Cut,
            },
        })
    }
}

/// `SSL_ERROR_WANT_READ`
const WANT_READ: c_int = 2;
/// `SSL_ERROR_WANT_WRITE`
const WANT_WRITE: c_int = 3;
/// `SSL_ERROR_SYSCALL`
const SYSCALL: c_int = 5;
/// `SSL_ERROR_ZERO_RETURN`
const ZERO_RETURN: c_int = 6;

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: nobody else has this connection; its socket is closed by its owner, later.
        unsafe {
            (self.library.connection_free)(self.raw);
        }
    }
}

/// Text as C has it.
fn text(text: &str) -> Result<CString, Refused> {
    CString::new(text).map_err(|_| Refused("holds a zero byte".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    /// A connection with somebody who does this with his end.
    fn connected(other: impl FnOnce(TcpStream) + Send + 'static) -> (Arc<TcpStream>, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || other(listener.accept().unwrap().0));
        (Arc::new(TcpStream::connect(address).unwrap()), thread)
    }

    #[test]
    fn a_handshake_begins_with_a_hello_that_shows_the_name_and_waits_without_blocking() {
        let (socket, server) = connected(|mut stream| {
            let mut hello = [0; 4096];
            let length = stream.read(&mut hello).unwrap();
            assert_eq!(hello[..2], [22, 3], "a handshake record");
            assert!(hello[..length].windows(15).any(|window| window == b"www.example.org"));
            assert_eq!(stream.read(&mut hello).unwrap(), 0, "nothing more until it is gone");
        });
        socket.set_nonblocking(true).unwrap();
        let mut connection = Connection::new(&Context::client().unwrap(), socket, Some("www.example.org")).unwrap();
        assert!(matches!(connection.connect(), Err(Trouble::WantRead)));
        drop(connection);
        server.join().unwrap();
    }

    #[test]
    fn who_speaks_no_tls_is_refused_in_words_and_who_hangs_up_has_cut_it() {
        let (socket, server) = connected(|mut stream| stream.write_all(b"220 mail.example.org ESMTP\r\n").unwrap());
        let context = Context::client().unwrap();
        let refused = Connection::new(&context, socket, None).unwrap().connect().unwrap_err();
        assert!(matches!(&refused, Trouble::Refused(Refused(why)) if why == "wrong version number"), "{refused:?}");
        server.join().unwrap();

        let (socket, server) = connected(|mut stream| {
            let _read = stream.read(&mut [0; 4096]).unwrap();
        });
        let cut = Connection::new(&context, socket, None).unwrap().connect().unwrap_err();
        assert!(matches!(cut, Trouble::Cut), "{cut:?}");
        server.join().unwrap();
    }

    #[test]
    fn what_cannot_be_used_is_said_in_words() {
        let mut context = Context::client().unwrap();
        for refused in [
            context.trust("/nowhere/ca.pem").unwrap_err(),
            context.show_certificate("/nowhere/own.pem").unwrap_err(),
            context.use_key(b"no key", b"").unwrap_err(),
            context.trust("/nowhere\0/ca.pem").unwrap_err(),
            context.check_key().unwrap_err(),
        ] {
            assert!(!refused.0.is_empty());
        }
        assert_eq!(context.check_key().unwrap_err().0, "no certificate assigned");
    }
}
