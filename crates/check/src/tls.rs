//! TLS for `SSL_GET`: handshakes as keepalived makes them.
//!
//! It owns the context and its own certificate (`SSL` block). Nothing of the server's certificate is judged: a health
//! check asks whether the server works, and what it says is believed no further than that. Which versions and ciphers
//! are offered is the policy of this machine's OpenSSL, as for keepalived.

use crate::{errno, words};
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{self, ErrorCode, Ssl, SslContext, SslMethod, SslStream, SslVerifyMode};
use standfast_lvs::{Reason, Verdict};
use standfast_model::config::lvs::TlsMaterial;
use std::io;
use std::sync::OnceLock;
use tokio::net::TcpStream;

/// The context, made when the first check needs it.
#[derive(Debug)]
pub(crate) struct Tls {
    material: Option<TlsMaterial>,
    session: OnceLock<Result<Session, String>>,
}

/// What handshakes are made with.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    context: SslContext,
}

impl Tls {
    pub(crate) fn new(material: Option<TlsMaterial>) -> Self {
        Self { material, session: OnceLock::new() }
    }

    /// # Errors
    ///
    /// The certificate or key of the configuration cannot be used: in OpenSSL's words.
    pub(crate) fn session(&self) -> Result<Session, String> {
        self.session.get_or_init(|| context(self.material.as_ref()).map(|context| Session { context })).clone()
    }
}

fn context(material: Option<&TlsMaterial>) -> Result<SslContext, String> {
    let mut builder = SslContext::builder(SslMethod::tls_client()).map_err(|e| shown(&e))?;
    builder.set_verify(SslVerifyMode::NONE);
    // Records are read whole: half as many system calls.
    builder.set_read_ahead(true);
    let Some(material) = material else { return Ok(builder.build()) };
    let explain = |what: &str, path: &str, why: String| format!("{what} {path} of the SSL block: {why}");
    if let Some(path) = &material.ca {
        builder.set_ca_file(path).map_err(|e| explain("ca", path, shown(&e)))?;
    }
    if let Some(path) = &material.certificate {
        builder.set_certificate_chain_file(path).map_err(|e| explain("certificate", path, shown(&e)))?;
    }
    if let Some(path) = &material.key {
        let pem = std::fs::read(path).map_err(|e| explain("key", path, e.to_string().to_lowercase()))?;
        // Without a password a key that needs one is refused; the library would ask at the terminal.
        let password = material.password.as_deref().unwrap_or_default().as_bytes();
        let key = PKey::private_key_from_pem_passphrase(&pem, password).map_err(|e| explain("key", path, shown(&e)))?;
        builder.set_private_key(&key).map_err(|e| explain("key", path, shown(&e)))?;
        if material.certificate.is_some() {
            builder.check_private_key().map_err(|e| explain("key", path, shown(&e)))?;
        }
    }
    Ok(builder.build())
}

impl Session {
    /// A handshake over the connection, with this name if one is to be shown. The caller bounds it in time.
    pub(crate) async fn shake_hands(&self, stream: TcpStream, server_name: Option<&str>) -> Result<Encrypted, Verdict> {
        let mut encrypted = self.prepared(stream, server_name).map_err(|e| handshake_failed(&shown(&e)))?;
        loop {
            let Err(error) = encrypted.0.connect() else { return Ok(encrypted) };
            if encrypted.wait(&error).await? {
                continue;
            }
            return Err(match (error.io_error().map(io::Error::kind), error.ssl_error()) {
                (Some(io::ErrorKind::ConnectionReset), _) => Verdict::Failed(Reason::Reset),
                (Some(_), _) => words::failed(&words::shown(error.to_string().as_bytes())),
                (None, Some(stack)) => handshake_failed(&shown(stack)),
                (None, None) => handshake_failed("the connection was closed"),
            });
        }
    }

    fn prepared(&self, stream: TcpStream, server_name: Option<&str>) -> Result<Encrypted, ErrorStack> {
        let mut ssl = Ssl::new(&self.context)?;
        if let Some(name) = server_name {
            ssl.set_hostname(name)?;
        }
        SslStream::new(ssl, Socket(stream)).map(Encrypted)
    }
}

fn handshake_failed(words: &str) -> Verdict {
    words::failed(&format!("TLS handshake failed: {words}"))
}

/// How a reading ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Read {
    /// So many bytes.
    Bytes(usize),
    /// The other side ended the connection in TLS's own way.
    Closed,
    /// It ended the connection beneath TLS: anyone on the way could have.
    Cut,
}

/// A connection after its handshake.
#[derive(Debug)]
pub(crate) struct Encrypted(SslStream<Socket>);

impl Encrypted {
    /// Sends all of it.
    pub(crate) async fn send(&mut self, mut bytes: &[u8]) -> Result<(), Verdict> {
        while !bytes.is_empty() {
            match self.0.ssl_write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if self.wait(&error).await? => {}
                Err(error) => return Err(broken(&error)),
            }
        }
        Ok(())
    }

    /// Waits for something to read, and reads it with `take`, which is called once more for each time that there was
    /// nothing yet.
    pub(crate) async fn read<T>(
        &mut self,
        mut take: impl FnMut(&mut dyn FnMut(&mut [u8]) -> Option<Read>) -> Option<T>,
    ) -> Result<T, Verdict> {
        loop {
            let mut trouble = None;
            let taken = take(&mut |space| match self.0.ssl_read(space) {
                Ok(length) => Some(Read::Bytes(length)),
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => Some(Read::Closed),
                Err(error) if error.code() == ErrorCode::SYSCALL && error.io_error().is_none() => Some(Read::Cut),
                Err(error) => {
                    trouble = Some(error);
                    None
                }
            });
            match (taken, trouble) {
                (Some(taken), _) => return Ok(taken),
                (None, Some(error)) if !self.wait(&error).await? => return Err(broken(&error)),
                (None, _) => {}
            }
        }
    }

    /// If the error says that the socket is not ready, waits until it is. False for any other error.
    async fn wait(&self, error: &ssl::Error) -> Result<bool, Verdict> {
        let stream = &self.0.get_ref().0;
        let ready = match error.code() {
            ErrorCode::WANT_READ => stream.readable().await,
            ErrorCode::WANT_WRITE => stream.writable().await,
            _ => return Ok(false),
        };
        ready.map(|()| true).map_err(|e| errno::of_connect(&e))
    }
}

fn broken(error: &ssl::Error) -> Verdict {
    match (error.io_error(), error.ssl_error()) {
        (Some(error), _) => errno::of_connect(error),
        (None, Some(stack)) => words::failed(&format!("TLS failed: {}", shown(stack))),
        (None, None) => Verdict::Failed(Reason::Reset),
    }
}

/// A socket as OpenSSL wants it: it answers at once, if only that it is not ready.
#[derive(Debug)]
struct Socket(TcpStream);

impl io::Read for Socket {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(space)
    }
}

impl io::Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// OpenSSL's words for what went wrong last.
fn shown(stack: &ErrorStack) -> String {
    let last = stack.errors().last();
    words::shown(last.and_then(openssl::error::Error::reason).unwrap_or("the library gave no reason").as_bytes())
}
