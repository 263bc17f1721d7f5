//! genhash: the digest of a page, as `digest` of a `url` wants it.
//!
//! It fetches one page the way `HTTP_GET` and `SSL_GET` do, and judges nothing of it.

use crate::{Prober, http};
use core::pin::pin;
use standfast_lvs::{Inability, Verdict};
use standfast_model::config::probe::Http;

/// What a page came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hashed {
    /// The MD5 digest of its body.
    pub digest: [u8; 16],
    /// The header of the answer as it came, the empty line included.
    pub head: Vec<u8>,
    /// As much of the body as is kept, at most 1 MiB.
    pub body: Vec<u8>,
}

/// Fetches the first page of a check. Its certificate, if the server asks for one, is none.
///
/// # Errors
///
/// The verdict of a check that cannot fetch the page. Status, digest and pattern are not asked for.
pub async fn genhash(check: &Http) -> Result<Hashed, Verdict> {
    let unable = |words: String| Verdict::Unable(Inability::NotPossible(words.into()));
    let prober = Prober::new(None);
    let pages = http::Pages::new(check, &prober).map_err(unable)?;
    let limits = prober.deadlines();
    let answer = limits.kept(pin!(pages.all_of_first(limits))).await?;
    let (head, body) = (answer.head().to_vec(), answer.text().to_vec());
    Ok(Hashed { digest: answer.digest().unwrap_or_default(), head, body })
}
