//! TLS for `SSL_GET`: handshakes as keepalived makes them.
//!
//! It owns the context and its own certificate (`SSL` block). Nothing of the server's certificate is judged: a health
//! check asks whether the server works, and what it says is believed no further than that. Which versions and ciphers
//! are offered is the policy of this machine's OpenSSL, as for keepalived.

use crate::words;
use core::pin::Pin;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslVerifyMode};
use standfast_lvs::{Reason, Verdict};
use standfast_model::config::lvs::TlsMaterial;
use std::sync::OnceLock;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

/// The context, made when the first check needs it.
#[derive(Debug)]
pub(crate) struct Tls {
    material: Option<TlsMaterial>,
    session: OnceLock<Result<Session, String>>,
}

/// What handshakes are made with.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// For connections that may end without TLS's own end, as most servers' do.
    lenient: SslContext,
    /// For `tls_compliant`.
    compliant: SslContext,
}

impl Tls {
    pub(crate) fn new(material: Option<TlsMaterial>) -> Self {
        Self { material, session: OnceLock::new() }
    }

    /// # Errors
    ///
    /// The certificate or key of the configuration cannot be used: in OpenSSL's words.
    pub(crate) fn session(&self) -> Result<Session, String> {
        let make = || {
            let [lenient, compliant] = [false, true].map(|compliant| context(self.material.as_ref(), compliant));
            Ok(Session { lenient: lenient?, compliant: compliant? })
        };
        self.session.get_or_init(make).clone()
    }
}

fn context(material: Option<&TlsMaterial>, compliant: bool) -> Result<SslContext, String> {
    let mut builder = SslContext::builder(SslMethod::tls_client()).map_err(|e| shown(&e))?;
    builder.set_verify(SslVerifyMode::NONE);
    if !compliant {
        builder.set_options(SslOptions::IGNORE_UNEXPECTED_EOF);
    }
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
    pub(crate) async fn shake_hands(
        &self,
        stream: TcpStream,
        server_name: Option<&str>,
        compliant: bool,
    ) -> Result<SslStream<TcpStream>, Verdict> {
        let failed = |words: &str| words::failed(&format!("TLS handshake failed: {words}"));
        let mut stream = self.prepared(stream, server_name, compliant).map_err(|e| failed(&shown(&e)))?;
        match Pin::new(&mut stream).connect().await {
            Ok(()) => Ok(stream),
            Err(error) => Err(match (error.io_error().and_then(std::io::Error::raw_os_error), error.ssl_error()) {
                (Some(libc::ECONNRESET), _) => Verdict::Failed(Reason::Reset),
                (_, Some(stack)) => failed(&shown(stack)),
                _ if error.code() == ErrorCode::SYSCALL || error.code() == ErrorCode::ZERO_RETURN => {
                    failed("the connection was closed")
                }
                _ => failed(&words::shown(error.to_string().as_bytes())),
            }),
        }
    }

    fn prepared(
        &self,
        stream: TcpStream,
        server_name: Option<&str>,
        compliant: bool,
    ) -> Result<SslStream<TcpStream>, ErrorStack> {
        let mut ssl = Ssl::new(if compliant { &self.compliant } else { &self.lenient })?;
        if let Some(name) = server_name {
            ssl.set_hostname(name)?;
        }
        SslStream::new(ssl, stream)
    }
}

/// OpenSSL's words for what went wrong last.
fn shown(stack: &ErrorStack) -> String {
    let last = stack.errors().last();
    words::shown(last.and_then(openssl::error::Error::reason).unwrap_or("the library gave no reason").as_bytes())
}
