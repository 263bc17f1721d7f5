//! As much of DNS as a prober needs: a question for a TXT record, and its answer. Opens no socket; never panics on an
//! answer.

use crate::frames::Cursor;

const TXT: u16 = 16;
const IN: u16 = 1;

/// A question for the TXT record of `name` (RFC 1035 section 4). Labels are cut at 63 bytes.
pub(crate) fn question(id: u16, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Recursion is not desired: the servers of a lab answer for themselves.
    for word in [id, 0, 1, 0, 0, 0] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = label.as_bytes().get(..label.len().min(63)).unwrap_or_default();
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend_from_slice(label);
    }
    bytes.push(0);
    for word in [TXT, IN] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// The text of the first TXT record in the answer to question `id`, or why there is none.
pub(crate) fn answer(id: u16, bytes: &[u8]) -> Result<String, String> {
    read(id, bytes).unwrap_or_else(|| Err("the answer breaks off".to_owned()))
}

fn read(id: u16, bytes: &[u8]) -> Option<Result<String, String>> {
    let mut rest = Cursor(bytes);
    let (found, flags, questions, answers) = (rest.u16()?, rest.u16()?, rest.u16()?, rest.u16()?);
    rest.skip(4)?;
    if found != id || flags & 0x8000 == 0 {
        return Some(Err("an answer to another question".to_owned()));
    }
    if flags & 0x000f != 0 {
        return Some(Err(format!("the server answers with code {}", flags & 0x000f)));
    }
    for _ in 0..questions {
        skip_name(&mut rest)?;
        rest.skip(4)?;
    }
    for _ in 0..answers {
        skip_name(&mut rest)?;
        let kind = rest.u16()?;
        rest.skip(6)?;
        let length = usize::from(rest.u16()?);
        let mut data = Cursor(rest.take(length)?);
        if kind == TXT {
            let length = usize::from(data.u8()?);
            return Some(Ok(String::from_utf8_lossy(data.take(length)?).into_owned()));
        }
    }
    Some(Err("no TXT record in the answer".to_owned()))
}

/// Moves past a name, which ends with an empty label or with a pointer to the rest of it.
fn skip_name(rest: &mut Cursor<'_>) -> Option<()> {
    loop {
        match rest.u8()? {
            0 => return Some(()),
            length @ 1..=63 => rest.skip(usize::from(length))?,
            _ => return rest.skip(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(id: u16, flags: u16, text: &str) -> Vec<u8> {
        let mut bytes = question(id, "who.lab");
        bytes[2..4].copy_from_slice(&flags.to_be_bytes());
        bytes[7] = 1;
        bytes.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0, 0]);
        bytes.push(u8::try_from(text.len() + 1).unwrap());
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    #[test]
    fn a_question_is_laid_out_as_the_standard_says() {
        assert_eq!(
            question(0x1234, "who.lab"),
            b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03who\x03lab\x00\x00\x10\x00\x01"
        );
    }

    #[test]
    fn the_text_of_an_answer_is_found_behind_the_question() {
        assert_eq!(answer(7, &reply(7, 0x8400, "dns2")), Ok("dns2".to_owned()));
    }

    #[test]
    fn an_answer_to_another_question_or_a_refusal_is_none() {
        assert!(answer(8, &reply(7, 0x8400, "dns2")).unwrap_err().contains("another question"));
        assert!(answer(7, &reply(7, 0x0400, "dns2")).unwrap_err().contains("another question"));
        assert!(answer(7, &reply(7, 0x8402, "dns2")).unwrap_err().contains("code 2"));
    }

    #[test]
    fn an_answer_that_breaks_off_anywhere_is_an_error() {
        let whole = reply(7, 0x8400, "dns2");
        for cut in 0..whole.len() {
            assert!(answer(7, &whole[..cut]).is_err(), "cut at {cut}");
        }
    }
}
