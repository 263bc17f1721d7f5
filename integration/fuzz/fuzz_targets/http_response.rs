//! What a web server sends, whole and cut in two at any place: the reader says the same of both, keeps to its limits and
//! panics at nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use standfast_check::http::answer::{Answer, Step, Wanted, Wrong};

fn read(pieces: &[&[u8]], wanted: Wanted) -> (Result<Step, Wrong>, Option<u16>, Vec<u8>, Option<[u8; 16]>) {
    let mut answer = Answer::alone(wanted);
    let mut result = Ok(Step::More);
    for piece in pieces {
        result = answer.take(piece);
        if result != Ok(Step::More) {
            break;
        }
    }
    if result == Ok(Step::More) {
        result = answer.end();
    }
    let (code, text) = (answer.code(), answer.text().to_vec());
    assert!(text.len() <= 1 << 20);
    (result, code, text, answer.digest())
}

fuzz_target!(|input: (u16, bool, &[u8])| {
    let (cut, end_of_connection, octets) = input;
    let wanted = Wanted { digest: true, text: true, head: true, end_of_connection };
    let (one, other) = octets.split_at(usize::from(cut).min(octets.len()));
    let whole = read(&[octets], wanted);
    assert_eq!(read(&[one, other], wanted), whole);
    if let Err(wrong) = whole.0 {
        assert!(!wrong.to_string().is_empty());
    }
});
