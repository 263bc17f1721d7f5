//! TLS: for `SSL_GET`, handshakes as keepalived makes them; for witnesses, such as hold with nobody else.
//!
//! It owns the contexts and our own certificates (`SSL` block, `etcd`). Of a checked server's certificate nothing is judged:
//! a health check asks whether the server works, and what it says is believed no further than that. A witness decides who
//! is master, so it has to prove who it is. Which versions and ciphers are offered is the policy of this machine's OpenSSL,
//! as for keepalived.

use crate::{errno, words};
use standfast_kernel::openssl::{Connection, Context, Expected, Refused, Trouble};
use standfast_lvs::{Reason, Verdict};
use standfast_model::Secret;
use standfast_model::config::lvs::TlsMaterial;
use std::io;
use std::sync::{Arc, OnceLock};
use tokio::io::Interest;
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
    context: Arc<Context>,
}

impl Tls {
    pub(crate) fn new(material: Option<TlsMaterial>) -> Self {
        Self { material, session: OnceLock::new() }
    }

    /// # Errors
    ///
    /// The certificate or key of the configuration cannot be used: in OpenSSL's words.
    pub(crate) fn session(&self) -> Result<Session, String> {
        self.session.get_or_init(|| session(self.material.as_ref())).clone()
    }
}

fn session(material: Option<&TlsMaterial>) -> Result<Session, String> {
    let mut context = Context::client().map_err(|e| format!("OpenSSL: {}", shown(&e)))?;
    let Some(material) = material else { return Ok(Session { context: Arc::new(context) }) };
    equip(&mut context, material, "the SSL block")?;
    Ok(Session { context: Arc::new(context) })
}

/// Authorities and our own certificate, from the files of a block.
fn equip(context: &mut Context, material: &TlsMaterial, block: &str) -> Result<(), String> {
    let explain = |what: &str, path: &str, why: String| format!("{what} {path} of {block}: {why}");
    if let Some(path) = &material.ca {
        context.trust(path).map_err(|e| explain("ca", path, shown(&e)))?;
    }
    if let Some(path) = &material.certificate {
        context.show_certificate(path).map_err(|e| explain("certificate", path, shown(&e)))?;
    }
    if let Some(path) = &material.key {
        let pem = std::fs::read(path).map_err(|e| explain("key", path, e.to_string().to_lowercase()))?;
        let pem = Secret::new(pem);
        let password = material.password.as_ref().map_or(&[][..], Secret::octets);
        context.use_key(pem.octets(), password).map_err(|e| explain("key", path, shown(&e)))?;
        if material.certificate.is_some() {
            context.check_key().map_err(|e| explain("key", path, shown(&e)))?;
        }
    }
    Ok(())
}

impl Session {
    /// For handshakes with who is vouched for by the `ca`, else by the authorities of this machine.
    ///
    /// # Errors
    ///
    /// A file cannot be used: in words.
    pub(crate) fn verifying(material: &TlsMaterial) -> Result<Self, String> {
        let mut context = Context::client().map_err(|e| format!("OpenSSL: {}", shown(&e)))?;
        context.verify(material.ca.is_none()).map_err(|e| format!("OpenSSL: {}", shown(&e)))?;
        equip(&mut context, material, "etcd")?;
        Ok(Self { context: Arc::new(context) })
    }

    /// A handshake with whoever has the expected name or address, and with nobody else. The caller bounds it in time.
    pub(crate) async fn shake_hands_with(
        &self,
        stream: TcpStream,
        expected: Expected<'_>,
    ) -> Result<Encrypted, Verdict> {
        let name = match expected {
            Expected::Name(name) => Some(name),
            Expected::Address(_) => None,
        };
        let mut encrypted = self.prepared(stream, name)?;
        encrypted.connection.expect(expected).map_err(|e| handshake_failed(&shown(&e)))?;
        let outcome = encrypted.connect().await;
        let refused = encrypted.connection.not_verified();
        outcome.map_err(|verdict| refused.map_or(verdict, |why| handshake_failed(&words::shown(why.as_bytes()))))?;
        Ok(encrypted)
    }

    /// A handshake over the connection, with this name if one is to be shown. The caller bounds it in time.
    pub(crate) async fn shake_hands(&self, stream: TcpStream, server_name: Option<&str>) -> Result<Encrypted, Verdict> {
        let mut encrypted = self.prepared(stream, server_name)?;
        encrypted.connect().await?;
        Ok(encrypted)
    }

    fn prepared(&self, stream: TcpStream, server_name: Option<&str>) -> Result<Encrypted, Verdict> {
        let stream = Arc::new(stream);
        let connection = Connection::new(&self.context, Arc::clone(&stream), server_name);
        Ok(Encrypted { connection: connection.map_err(|e| handshake_failed(&shown(&e)))?, stream })
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

/// A connection, which nothing is sent over before its handshake.
#[derive(Debug)]
pub(crate) struct Encrypted {
    connection: Connection<TcpStream>,
    stream: Arc<TcpStream>,
}

impl Encrypted {
    async fn connect(&mut self) -> Result<(), Verdict> {
        match self.when_ready(Connection::connect).await? {
            Ok(()) => Ok(()),
            Err(Trouble::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                Err(Verdict::Failed(Reason::Reset))
            }
            Err(Trouble::Io(error)) => Err(words::failed(&words::shown(error.to_string().as_bytes()))),
            Err(Trouble::Refused(why)) => Err(handshake_failed(&shown(&why))),
            Err(Trouble::Closed | Trouble::Cut | Trouble::WantRead | Trouble::WantWrite) => {
                Err(handshake_failed("the connection was closed"))
            }
        }
    }

    /// Sends all of it.
    pub(crate) async fn send(&mut self, mut bytes: &[u8]) -> Result<(), Verdict> {
        while !bytes.is_empty() {
            let written = self.when_ready(|connection| connection.write(bytes)).await?;
            bytes = bytes.get(written.map_err(broken)?..).unwrap_or_default();
        }
        Ok(())
    }

    /// Waits for something to read, and reads it with `take`, which is called once more for each time that there was
    /// nothing yet.
    pub(crate) async fn read<T>(
        &mut self,
        mut take: impl FnMut(&mut dyn FnMut(&mut [u8]) -> Option<Read>) -> Option<T>,
    ) -> Result<T, Verdict> {
        let taken = self.when_ready(|connection| {
            loop {
                let mut trouble = None;
                let taken = take(&mut |space| match connection.read(space) {
                    Ok(length) => Some(Read::Bytes(length)),
                    Err(Trouble::Closed) => Some(Read::Closed),
                    Err(Trouble::Cut) => Some(Read::Cut),
                    Err(error) => {
                        trouble = Some(error);
                        None
                    }
                });
                match (taken, trouble) {
                    (Some(taken), _) => return Ok(taken),
                    (None, Some(trouble)) => return Err(trouble),
                    (None, None) => {}
                }
            }
        });
        taken.await?.map_err(broken)
    }

    /// Does this step, as often as the socket has to become ready for it first.
    async fn when_ready<T>(
        &mut self,
        mut step: impl FnMut(&mut Connection<TcpStream>) -> Result<T, Trouble>,
    ) -> Result<Result<T, Trouble>, Verdict> {
        let Self { connection, stream } = self;
        let mut outcome = step(connection);
        loop {
            let awaited = match &outcome {
                Err(Trouble::WantRead) => Interest::READABLE,
                Err(Trouble::WantWrite) => Interest::WRITABLE,
                Ok(_) | Err(Trouble::Closed | Trouble::Cut | Trouble::Io(_) | Trouble::Refused(_)) => {
                    return Ok(outcome);
                }
            };
            // The runtime is told by the step itself that the socket is not ready, so that no wake is lost.
            let again = stream.async_io(awaited, || match step(connection) {
                Err(Trouble::WantRead) if awaited == Interest::READABLE => Err(io::ErrorKind::WouldBlock.into()),
                Err(Trouble::WantWrite) if awaited == Interest::WRITABLE => Err(io::ErrorKind::WouldBlock.into()),
                outcome => Ok(outcome),
            });
            outcome = again.await.map_err(|e| errno::of_connect(&e))?;
        }
    }
}

fn broken(trouble: Trouble) -> Verdict {
    match trouble {
        Trouble::Io(error) => errno::of_connect(&error),
        Trouble::Refused(why) => words::failed(&format!("TLS failed: {}", shown(&why))),
        Trouble::Closed | Trouble::Cut | Trouble::WantRead | Trouble::WantWrite => Verdict::Failed(Reason::Reset),
    }
}

/// OpenSSL's words for what went wrong last.
fn shown(refused: &Refused) -> String {
    words::shown(refused.0.as_bytes())
}
