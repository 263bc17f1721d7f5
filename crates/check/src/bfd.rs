//! `BFD_CHECK`: what a BFD session says of the server.
//!
//! It holds no session: the worker that does tells.

use crate::words;
use standfast_lvs::Verdict;

/// The verdict while the session of this name is up or down.
#[must_use]
pub fn judge(session: &str, up: bool) -> Verdict {
    if up { Verdict::Ok } else { words::failed(&format!("BFD session {session} is down")) }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use standfast_lvs::Verdict;

    #[test]
    fn a_session_that_is_down_fails_its_server_in_words() {
        assert_eq!(judge("peer", true), Verdict::Ok);
        let Verdict::Failed(reason) = judge("peer", false) else { unreachable!() };
        assert_eq!(reason.to_string(), "BFD session peer is down");
    }
}
