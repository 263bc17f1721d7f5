//! `standfast genhash`: the digest of a page, for `digest` of a `url`.
//!
//! It takes genhash's words and prints what genhash prints. It fetches the page with the code of `HTTP_GET` and
//! `SSL_GET`, so that the digest is the one that the check will see.

use crate::arguments::{Genhash, Protocol};
use core::fmt::Write as _;
use core::time::Duration;
use standfast_check::{Hashed, Verdict, genhash};
use standfast_model::config::lvs::Connect;
use standfast_model::config::probe::{Http, HttpVersion, Tls, Url};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::Instant;

/// Bytes in a line of a listing.
const LINE_BYTES: usize = 16;

/// Fetches the page and prints its digest.
///
/// # Errors
///
/// Standard output cannot be written to.
pub fn run(words: &Genhash) -> io::Result<u8> {
    let check = check(words);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    #[expect(clippy::disallowed_methods, reason = "the command says how long the server took")]
    let start = Instant::now();
    match runtime.block_on(genhash(&check)) {
        Ok(hashed) => {
            let mut out = io::stdout().lock();
            if words.verbose {
                let micros = start.elapsed().as_micros();
                write!(out, "{}", listing(&hashed))?;
                writeln!(out, "\nGlobal response time for [{}] = {micros} usecs", words.url)?;
            } else {
                writeln!(out, "{}", hexadecimal(&hashed.digest))?;
            }
            Ok(0)
        }
        Err(Verdict::Failed(reason)) => failed(&reason.to_string()),
        Err(Verdict::Unable(inability)) => failed(&inability.to_string()),
        Err(Verdict::Ok | Verdict::OkSoFar | Verdict::OkWithWeight(_)) => failed("no page"),
    }
}

fn failed(why: &str) -> io::Result<u8> {
    writeln!(io::stderr(), "standfast genhash: {why}")?;
    Ok(1)
}

fn check(words: &Genhash) -> Http {
    let connect = Connect {
        target: SocketAddr::new(words.server, words.port),
        bind_address: None,
        bind_port: None,
        bind_interface: None,
        timeout: Duration::from_secs(words.timeout.into()),
        mark: words.fwmark,
    };
    let url = Url {
        path: words.url.clone(),
        virtual_host: words.use_virtualhost.clone(),
        status_codes: Vec::new(),
        digest: None,
        regex: None,
        tls_compliant: false,
    };
    let version = match words.protocol {
        Protocol::Http10 => HttpVersion::Http10,
        Protocol::Http10Close => HttpVersion::Http10Close,
        Protocol::Http11 => HttpVersion::Http11,
    };
    let tls = words.use_ssl.then_some(Tls { sni: words.use_sni });
    Http { connect, tls, version, fast_recovery: false, urls: vec![url] }
}

/// What came, as genhash lists it.
fn listing(hashed: &Hashed) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let head = |title: &str, text: &mut String| _ = writeln!(text, "{title}");
    head("-----------------------[    HTTP Header Buffer    ]-----------------------", &mut text);
    text.push_str(&bytes(&hashed.head));
    head("-----------------------[ HTTP Header Ascii Buffer ]-----------------------", &mut text);
    let shown = |byte: &u8| match byte {
        b'\n' | b' '..=b'~' => Some(char::from(*byte)),
        b'\r' => None,
        _ => Some('.'),
    };
    text.extend(hashed.head.iter().filter_map(shown));
    text.push('\n');
    head("-----------------------[        HTML Buffer        ]-----------------------", &mut text);
    text.push_str(&bytes(&hashed.body));
    text.push('\n');
    head("-----------------------[    HTML hash resulting    ]-----------------------", &mut text);
    text.push_str(&bytes(&hashed.digest));
    head("-----------------------[ HTML hash final resulting ]-----------------------", &mut text);
    head(&hexadecimal(&hashed.digest), &mut text);
    text
}

/// Lines of an offset, sixteen bytes in two halves, and the same as text.
fn bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, chunk) in bytes.chunks(LINE_BYTES).enumerate() {
        let mut digits = String::new();
        for place in 0..LINE_BYTES {
            // Writing to a String cannot fail.
            let _ = match chunk.get(place) {
                Some(byte) => write!(digits, "{byte:02x} "),
                None => write!(digits, "   "),
            };
            if place == LINE_BYTES / 2 - 1 {
                digits.push_str("- ");
            }
        }
        let shown = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
        let letters: String = chunk.iter().map(shown).collect();
        let _ = writeln!(text, "{:04}  {digits}  {letters:LINE_BYTES$}", line * LINE_BYTES);
    }
    text
}

fn hexadecimal(digest: &[u8; 16]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::listing;
    use standfast_check::Hashed;

    #[test]
    fn the_listing_is_the_one_that_genhash_2_2_7_prints() {
        let digest = [0x5d, 0x41, 0x40, 0x2a, 0xbc, 0x4b, 0x2a, 0x76, 0xb9, 0x71, 0x9d, 0x91, 0x10, 0x17, 0xc5, 0x92];
        let hashed = Hashed { digest, head: b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), body: b"hello".to_vec() };
        let expected = "\
-----------------------[    HTTP Header Buffer    ]-----------------------
0000  48 54 54 50 2f 31 2e 31 - 20 32 30 30 20 4f 4b 0d   HTTP/1.1 200 OK.
0016  0a 0d 0a                -                           ...             
-----------------------[ HTTP Header Ascii Buffer ]-----------------------
HTTP/1.1 200 OK


-----------------------[        HTML Buffer        ]-----------------------
0000  68 65 6c 6c 6f          -                           hello           

-----------------------[    HTML hash resulting    ]-----------------------
0000  5d 41 40 2a bc 4b 2a 76 - b9 71 9d 91 10 17 c5 92   ]A@*.K*v.q......
-----------------------[ HTML hash final resulting ]-----------------------
5d41402abc4b2a76b9719d911017c592
";
        assert_eq!(listing(&hashed), expected);
    }
}
