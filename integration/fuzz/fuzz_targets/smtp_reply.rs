//! What a mail server says, whole and cut in two at any place: the same replies come of both, and none is longer than
//! the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_check::smtp::{Reader, Reply, Wrong};

fn replies(pieces: &[&[u8]]) -> (Vec<Reply>, Option<Wrong>) {
    let (mut reader, mut replies) = (Reader::default(), Vec::new());
    for piece in pieces {
        reader.take(piece);
        loop {
            match reader.reply() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(wrong) => return (replies, Some(wrong)),
            }
        }
    }
    (replies, None)
}

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, octets) = input;
    let (one, other) = octets.split_at(usize::from(cut).min(octets.len()));
    let whole = replies(&[octets]);
    assert_eq!(replies(&[one, other]), whole);
    assert!(whole.0.iter().all(|reply| reply.code < 1000 && reply.last_line.len() < 4096));
});
