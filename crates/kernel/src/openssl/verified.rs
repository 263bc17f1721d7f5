//! Handshakes that hold only with whom they are meant: the other side's certificate must be signed by who is believed, and
//! be that of the expected name or address.

use super::library::text as shown;
use super::{Connection, Context, Refused, text};
use core::ptr::null_mut;
use std::net::IpAddr;

/// `SSL_VERIFY_PEER`
const VERIFY_PEER: core::ffi::c_int = 1;

/// `X509_V_OK`
const VERIFIED: core::ffi::c_long = 0;

/// Whose certificate the other side must show.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// Of this name, which is also what it is asked for.
    Name(&'a str),
    /// Of this address.
    Address(IpAddr),
}

impl Context {
    /// Refuses whoever is not vouched for by an authority that is believed: those of [`Context::trust`], or of this machine.
    ///
    /// # Errors
    ///
    /// In OpenSSL's words.
    pub fn verify(&mut self, authorities_of_this_machine: bool) -> Result<(), Refused> {
        self.library.forget_errors();
        #[expect(unsafe_code, reason = "functions of OpenSSL")]
        // SAFETY: the context is this one; no function is given that would be called.
        unsafe {
            (self.library.context_verify)(self.raw, VERIFY_PEER, null_mut());
            if authorities_of_this_machine { self.done((self.library.context_trust_default)(self.raw)) } else { Ok(()) }
        }
    }
}

impl<S> Connection<S> {
    /// Whose certificate it must be; for a context that verifies, and before the handshake.
    ///
    /// # Errors
    ///
    /// In OpenSSL's words.
    pub fn expect(&mut self, expected: Expected<'_>) -> Result<(), Refused> {
        let name = match expected {
            Expected::Name(name) => text(name)?,
            Expected::Address(address) => text(&address.to_string())?,
        };
        self.library.forget_errors();
        #[expect(unsafe_code, reason = "functions of OpenSSL")]
        // SAFETY: the parameters are the connection's own and live as long as it; the text ends with a zero and is copied.
        let done = unsafe {
            let parameters = (self.library.verification)(self.raw);
            match expected {
                // A length of 0 is that of the text up to its zero.
                Expected::Name(_) => (self.library.verification_name)(parameters, name.as_ptr(), 0),
                Expected::Address(_) => (self.library.verification_address)(parameters, name.as_ptr()),
            }
        };
        if done == 1 { Ok(()) } else { Err(Refused::by(self.library)) }
    }

    /// Why the certificate of the other side was refused, if it was.
    #[must_use]
    pub fn not_verified(&self) -> Option<String> {
        #[expect(unsafe_code, reason = "functions of OpenSSL")]
        // SAFETY: the connection is this one; the words are constant text of the library's.
        unsafe {
            let outcome = (self.library.verified)(self.raw);
            (outcome != VERIFIED).then(|| shown((self.library.verified_words)(outcome)))?
        }
    }
}
