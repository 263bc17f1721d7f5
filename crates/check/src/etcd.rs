//! A lease in etcd v3, by its JSON interface over HTTP or HTTPS: one holder of a key at a time.
//!
//! It asks and understands answers. When a lease is renewed and what follows from losing it is decided elsewhere. What a
//! member sends is bounded in bytes, every request in time, and nothing is followed or repeated.

use crate::tls::{Read, Session};
use crate::words;
use core::time::Duration;
use serde_json::{Value, json};
use standfast_kernel::openssl::Expected;
use standfast_lvs::Verdict;
use standfast_model::Secret;
use standfast_model::config::lvs::TlsMaterial;
use standfast_model::config::witness::{Etcd, EtcdTls};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest answer: one key with a name in it takes some hundred bytes.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Header fields of an answer.
const MAX_HEADERS: usize = 64;

/// A lease that was granted to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaseId(i64);

/// What came of asking for the key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Acquired {
    /// The key is ours, as long as this lease is kept.
    Held(LeaseId),
    /// It is somebody else's.
    Refused {
        /// Whose, as it stands in the key.
        holder: String,
    },
}

/// Asks the members of one store for one key.
#[derive(Clone, Debug)]
pub struct Client {
    config: Etcd,
    holder: String,
    timeout: Duration,
    /// The member that answered last is asked first.
    first: usize,
    /// The token of `user`, once there is one.
    token: Option<Secret>,
    /// What handshakes are made with, once there was one. Made anew after a failure, so that certificates that were renewed
    /// in their files are used without a reload.
    session: Option<Session>,
}

impl Client {
    /// For a key that `holder` writes its name into; each request may take that long.
    #[must_use]
    pub fn new(config: Etcd, holder: String, timeout: Duration) -> Self {
        Self { config, holder, timeout, first: 0, token: None, session: None }
    }

    /// Tries to get the key. A key that has our own name in it is taken over: a predecessor of this process left it.
    ///
    /// # Errors
    ///
    /// No member answered, or one said what cannot be understood; in words.
    pub async fn acquire(&mut self) -> Result<Acquired, String> {
        if let Some(holder) = self.holder_now().await?.filter(|holder| *holder != self.holder) {
            return Ok(Acquired::Refused { holder });
        }
        let granted = self.ask("lease/grant", &json!({ "TTL": self.config.lease.as_secs() })).await?;
        let lease = lease_of(&granted).ok_or("it grants a lease without a number")?;
        match self.take(lease).await {
            Ok(true) => Ok(Acquired::Held(lease)),
            Ok(false) => {
                self.revoke(lease).await?;
                let holder = self.holder_now().await?.unwrap_or_else(|| "somebody".to_owned());
                Ok(Acquired::Refused { holder })
            }
            Err(why) => Err(why),
        }
    }

    /// Keeps the lease for another time. False if it is gone, or the key is not ours any more.
    ///
    /// # Errors
    ///
    /// As [`Client::acquire`].
    pub async fn renew(&mut self, lease: LeaseId) -> Result<bool, String> {
        let answer = self.ask("lease/keepalive", &json!({ "ID": lease.0 })).await?;
        let left = answer.get("result").and_then(|result| number(result.get("TTL")?)).unwrap_or(0);
        if left <= 0 {
            return Ok(false);
        }
        // The lease outlives a key that somebody removed by hand, and then it keeps nobody out.
        Ok(self.holder_now().await?.is_some_and(|holder| holder == self.holder))
    }

    /// Gives the lease back, and with it the key.
    ///
    /// # Errors
    ///
    /// As [`Client::acquire`]; the lease then ends by itself.
    pub async fn revoke(&mut self, lease: LeaseId) -> Result<(), String> {
        self.ask("lease/revoke", &json!({ "ID": lease.0 })).await.map(|_| ())
    }

    async fn holder_now(&mut self) -> Result<Option<String>, String> {
        let answer = self.ask("kv/range", &json!({ "key": base64(self.config.key.as_bytes()) })).await?;
        let value = answer.get("kvs").and_then(|kvs| kvs.get(0)?.get("value")?.as_str());
        Ok(value.map(|value| words::shown(&from_base64(value))))
    }

    /// Writes our name into the key if nobody's is there, or ours already.
    async fn take(&mut self, lease: LeaseId) -> Result<bool, String> {
        let (key, value) = (base64(self.config.key.as_bytes()), base64(self.holder.as_bytes()));
        let compare = [
            json!({ "key": key, "target": "CREATE", "result": "EQUAL", "create_revision": 0 }),
            json!({ "key": key, "target": "VALUE", "result": "EQUAL", "value": value }),
        ];
        for compare in compare {
            let put = json!({ "request_put": { "key": key, "value": value, "lease": lease.0 } });
            let answer = self.ask("kv/txn", &json!({ "compare": [compare], "success": [put] })).await?;
            if answer.get("succeeded").and_then(Value::as_bool).unwrap_or(false) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks the members in turn until one answers.
    async fn ask(&mut self, what: &str, question: &Value) -> Result<Value, String> {
        let members = self.config.endpoints.clone();
        let mut trouble = "it has no members".to_owned();
        for step in 0..members.len() {
            let place = (self.first + step) % members.len();
            let Some(member) = members.get(place).copied() else { continue };
            match timeout(self.timeout, self.ask_member(member, what, question)).await {
                Ok(Ok(answer)) => {
                    self.first = place;
                    return Ok(answer);
                }
                Ok(Err(why)) => trouble = format!("{member}: {why}"),
                Err(_) => trouble = format!("{member}: no answer within {} ms", self.timeout.as_millis()),
            }
            // Another member may know of another token.
            (self.token, self.session) = (None, None);
        }
        Err(trouble)
    }

    async fn ask_member(&mut self, member: SocketAddr, what: &str, question: &Value) -> Result<Value, String> {
        if let (Some(user), None) = (&self.config.user, &self.token) {
            let password = String::from_utf8_lossy(user.password.octets());
            let question = json!({ "name": user.name, "password": password });
            let answer = self.exchange(member, "auth/authenticate", &question).await?;
            let token = answer.get("token").and_then(Value::as_str).ok_or("it gives no token")?;
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err("it gives a token that is none".to_owned());
            }
            self.token = Some(token.to_owned().into());
        }
        self.exchange(member, what, question).await
    }

    /// One request, and the answer to it.
    async fn exchange(&mut self, member: SocketAddr, what: &str, question: &Value) -> Result<Value, String> {
        let request = request(member, what, question, self.token.as_ref());
        let stream = TcpStream::connect(member).await.map_err(|error| in_words(&error))?;
        let answer = match self.config.tls.clone() {
            None => over_tcp(stream, request.octets()).await?,
            Some(tls) => {
                let session = self.session(&tls)?;
                let expected = tls.server_name.as_deref().map_or(Expected::Address(member.ip()), Expected::Name);
                over_tls(&session, stream, expected, request.octets()).await.map_err(|verdict| of_verdict(&verdict))?
            }
        };
        understand(&answer)
    }

    fn session(&mut self, tls: &EtcdTls) -> Result<Session, String> {
        if let Some(session) = &self.session {
            return Ok(session.clone());
        }
        let (certificate, key) = tls.identity.clone().unzip();
        let made = Session::verifying(&TlsMaterial { password: None, ca: tls.ca.clone(), certificate, key })?;
        Ok(self.session.insert(made).clone())
    }
}

/// HTTP/1.0, so that the answer ends with the connection and comes in one piece.
fn request(member: SocketAddr, what: &str, question: &Value, token: Option<&Secret>) -> Secret {
    let body = Secret::from(question.to_string());
    let head = format!(
        "POST /v3/{what} HTTP/1.0\r\nHost: {member}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.octets().len()
    );
    let authorization = match token {
        Some(token) => [&b"Authorization: "[..], token.octets(), b"\r\n"].concat(),
        None => Vec::new(),
    };
    let authorization = Secret::new(authorization);
    Secret::new([head.as_bytes(), authorization.octets(), b"\r\n", body.octets()].concat())
}

async fn over_tcp(mut stream: TcpStream, request: &[u8]) -> Result<Vec<u8>, String> {
    stream.write_all(request).await.map_err(|error| in_words(&error))?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await.map_err(|error| in_words(&error))?;
    Ok(answer)
}

/// The same with somebody who proves who it is. What ends beneath TLS is no answer: anyone on the way could have ended it.
async fn over_tls(
    session: &Session,
    stream: TcpStream,
    expected: Expected<'_>,
    request: &[u8],
) -> Result<Vec<u8>, Verdict> {
    let mut encrypted = session.shake_hands_with(stream, expected).await?;
    encrypted.send(request).await?;
    let (mut answer, mut space) = (Vec::new(), [0; 4096]);
    loop {
        let read = encrypted.read(|read| {
            let outcome = read(&mut space)?;
            if let Read::Bytes(length) = outcome {
                answer.extend_from_slice(space.get(..length).unwrap_or_default());
            }
            Some(outcome)
        });
        match read.await? {
            Read::Bytes(_) if (answer.len() as u64) < MAX_ANSWER_BYTES => {}
            Read::Bytes(_) | Read::Closed => return Ok(answer),
            Read::Cut => return Err(words::failed("the connection was cut off")),
        }
    }
}

fn in_words(error: &std::io::Error) -> String {
    words::shown(error.to_string().to_lowercase().as_bytes())
}

fn of_verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Failed(reason) => reason.to_string(),
        Verdict::Unable(inability) => inability.to_string(),
        Verdict::Ok | Verdict::OkWithWeight(_) | Verdict::OkSoFar => "no answer".to_owned(),
    }
}

/// The JSON in a whole answer of HTTP, if it says that all went well.
///
/// # Errors
///
/// Why not, in words. What the other side said is in them, made harmless.
pub fn understand(answer: &[u8]) -> Result<Value, String> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut fields);
    let parsed = head.parse(answer).map_err(|error| format!("no answer of HTTP: {error}"))?;
    let httparse::Status::Complete(length) = parsed else { return Err("the answer is cut off".to_owned()) };
    let status = head.code.unwrap_or(0);
    let body = answer.get(length..).unwrap_or_default();
    if status != 200 {
        return Err(format!("status {status}: {}", words::shown(body.get(..body.len().min(200)).unwrap_or_default())));
    }
    // A stream of answers, one a line, of which the first is the one to this request.
    let first = body.split(|byte| *byte == b'\n').find(|line| !line.is_empty()).unwrap_or_default();
    serde_json::from_slice(first).map_err(|error| format!("no JSON: {error}"))
}

fn lease_of(granted: &Value) -> Option<LeaseId> {
    granted.get("ID").and_then(number).filter(|id| *id != 0).map(LeaseId)
}

/// 64-bit numbers are strings in this JSON.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    let digit = |value: u32| char::from(*ALPHABET.get(usize::try_from(value & 63).unwrap_or(0)).unwrap_or(&b'A'));
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            text.push(if place <= chunk.len() { digit(word >> (18 - 6 * place)) } else { '=' });
        }
    }
    text
}

/// The same backwards; what is no digit is passed over.
fn from_base64(text: &str) -> Vec<u8> {
    let values = text.bytes().filter_map(|byte| ALPHABET.iter().position(|digit| *digit == byte));
    let (mut bytes, mut word, mut bits) = (Vec::new(), 0_u32, 0_u32);
    for value in values {
        word = word << 6 | u32::try_from(value).unwrap_or(0);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(word >> bits & 0xff).unwrap_or(0));
            word &= (1 << bits) - 1;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_through_base64_and_back() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
            assert_eq!(from_base64(text), bytes.as_bytes());
        }
        assert_eq!(from_base64("\u{e9}*=="), b"");
    }

    #[test]
    fn only_a_whole_answer_with_status_200_and_json_is_one() {
        let ok = understand(b"HTTP/1.0 200 OK\r\n\r\n{\"result\":{\"TTL\":\"10\"}}\n{\"result\":{}}\n").unwrap();
        assert_eq!(ok["result"]["TTL"], "10");
        for bad in [
            &b""[..],
            b"HTTP/1.0 200 OK\r\n",
            b"HTTP/1.0 200 OK\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\nhello",
            b"HTTP/1.0 503 no\r\n\r\n{}",
            b"\x16\x03\x01\x02",
        ] {
            assert!(understand(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_lease_has_a_number_that_is_a_string_or_a_number_and_not_zero() {
        assert_eq!(lease_of(&json!({ "ID": "7587862094", "TTL": "10" })), Some(LeaseId(7_587_862_094)));
        assert_eq!(lease_of(&json!({ "ID": 5 })), Some(LeaseId(5)));
        for none in [json!({}), json!({ "ID": "0" }), json!({ "ID": [] }), json!([])] {
            assert_eq!(lease_of(&none), None);
        }
    }
}
