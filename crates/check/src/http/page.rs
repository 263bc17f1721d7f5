//! One page: what is sent for it, and what an answer must be.
//!
//! It owns the judgement and its words. It reads nothing.

use super::answer::{Answer, Wanted};
use super::pattern::{Outcome, Pattern};
use super::request::request;
use crate::budget::Budget;
use crate::words;
use core::fmt::Write as _;
use standfast_lvs::{Inability, Verdict};
use standfast_model::config::probe::{Http, Url};

/// See the module.
#[derive(Debug)]
pub(crate) struct Page {
    path: String,
    request: Vec<u8>,
    server_name: Option<String>,
    tls_compliant: bool,
    status_codes: Vec<(u16, u16)>,
    digest: Option<[u8; 16]>,
    /// A pattern that cannot be tried says why at every attempt.
    pattern: Option<Result<Pattern, Inability>>,
}

impl Page {
    pub(crate) fn new(url: &Url, http: &Http) -> Self {
        let virtual_host = url.virtual_host.as_deref();
        Self {
            path: url.path.clone(),
            request: request(&url.path, virtual_host, http.version, &http.connect),
            server_name: http.tls.filter(|tls| tls.sni).and(virtual_host).map(ToOwned::to_owned),
            tls_compliant: url.tls_compliant && http.tls.is_some(),
            status_codes: url.status_codes.clone(),
            digest: url.digest,
            pattern: url.regex.as_ref().map(|regex| {
                Pattern::new(regex)
                    .map_err(|why| Inability::NotPossible(format!("regex of {}: {why}", url.path).into()))
            }),
        }
    }

    pub(crate) fn request(&self) -> &[u8] {
        &self.request
    }

    /// The name that the handshake shows (`enable_sni`).
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// An end of the connection without TLS's own is an error (`tls_compliant`).
    pub(crate) fn tls_compliant(&self) -> bool {
        self.tls_compliant
    }

    /// An answer that reads what this page is judged by.
    pub(crate) fn expect(&self, memory: &Budget) -> Answer {
        let wanted = Wanted {
            digest: self.digest.is_some(),
            text: self.pattern.is_some(),
            head: false,
            end_of_connection: self.tls_compliant,
        };
        Answer::new(wanted, memory)
    }

    /// Status, digest and pattern, in keepalived's order.
    pub(crate) fn judge(&self, answer: Answer) -> Result<(), Verdict> {
        let path = || words::shown(self.path.as_bytes());
        let code = answer.code().unwrap_or(0);
        if !self.status_codes.is_empty() && !self.status_codes.iter().any(|(low, high)| (*low..=*high).contains(&code))
        {
            let wanted = ranges(&self.status_codes);
            return Err(words::failed(&format!("HTTP status {code} from {}, wanted {wanted}", path())));
        }
        let matched = match &self.pattern {
            None => Outcome::AsWanted,
            Some(Err(inability)) => return Err(Verdict::Unable(inability.clone())),
            Some(Ok(pattern)) => pattern.judge(answer.text()),
        };
        if let Some(wanted) = &self.digest
            && let Some(digest) = answer.digest()
            && digest != *wanted
        {
            let (digest, wanted) = (hexadecimal(&digest), hexadecimal(wanted));
            return Err(words::failed(&format!("digest {digest} of {}, wanted {wanted}", path())));
        }
        match matched {
            Outcome::AsWanted => Ok(()),
            Outcome::NoMatch => Err(words::failed(&format!("the regex matches nothing in {}", path()))),
            Outcome::Match => Err(words::failed(&format!("the regex matches in {}, and must not", path()))),
            Outcome::GaveUp(why) => Err(words::failed(&format!("the regex was given up on {}: {why}", path()))),
        }
    }
}

/// Status codes as the configuration writes them.
fn ranges(codes: &[(u16, u16)]) -> String {
    let mut text = String::new();
    for (low, high) in codes {
        let blank = if text.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = if low == high { write!(text, "{blank}{low}") } else { write!(text, "{blank}{low}-{high}") };
    }
    text
}

/// Lower case, as genhash prints it.
pub(crate) fn hexadecimal(digest: &[u8; 16]) -> String {
    digest.iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
