//! `SSL_GET` against TLS servers of this process, with certificates that nobody should trust.
#![expect(clippy::unwrap_used, reason = "a socket that cannot be had is a failed test")]
#![expect(dead_code, reason = "what tests share is not all used by each")]

mod support;

use core::time::Duration;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{NameType, Ssl, SslContext, SslContextBuilder, SslMethod, SslStream, SslVersion};
use openssl::x509::{X509, X509Name};
use standfast_check::{Prober, Reason, Verdict};
use standfast_model::config::lvs::{Probe, TlsMaterial};
use standfast_model::config::probe::{Http, HttpVersion, Tls, Url};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use support::server::Server;
use support::{block_on, says, to};

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A key, and a certificate for another name that has expired, signed by itself.
fn worthless() -> (PKey<Private>, X509) {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", "someone.else").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(1000).unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (key, builder.build())
}

/// What a server has seen of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Seen {
    name: Option<String>,
    certificate: bool,
    request: String,
}

struct TlsServer {
    server: Server,
    seen: Arc<Mutex<Vec<Seen>>>,
}

fn serve(
    configure: impl FnOnce(&mut SslContextBuilder),
    deal: impl Fn(SslStream<TcpStream>) + Send + Sync + 'static,
) -> TlsServer {
    let (key, certificate) = worthless();
    let mut builder = SslContext::builder(SslMethod::tls_server()).unwrap();
    builder.set_private_key(&key).unwrap();
    builder.set_certificate(&certificate).unwrap();
    configure(&mut builder);
    let context = builder.build();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = Server::new(move |peer| {
        let ssl = Ssl::new(&context).unwrap();
        let mut stream = SslStream::new(ssl, peer.stream.try_clone().unwrap()).unwrap();
        if stream.accept().is_err() {
            return;
        }
        let mut request = [0; 1000];
        let length = stream.read(&mut request).unwrap_or(0);
        log.lock().unwrap().push(Seen {
            name: stream.ssl().servername(NameType::HOST_NAME).map(ToOwned::to_owned),
            certificate: stream.ssl().peer_certificate().is_some(),
            request: String::from_utf8_lossy(request.get(..length).unwrap()).into_owned(),
        });
        deal(stream);
    });
    TlsServer { server, seen }
}

fn polite(mut stream: SslStream<TcpStream>) {
    let _ = stream.write_all(PAGE);
    let _ = stream.shutdown();
}

fn rude(mut stream: SslStream<TcpStream>) {
    let _ = stream.write_all(PAGE);
}

fn http(server: &Server, sni: bool, tls_compliant: bool) -> Http {
    let url = Url {
        path: "/".to_owned(),
        virtual_host: Some("www.example.org".to_owned()),
        status_codes: vec![(200, 299)],
        digest: None,
        regex: None,
        tls_compliant,
    };
    let connect = to(server.address);
    Http { connect, tls: Some(Tls { sni }), version: HttpVersion::Http10, fast_recovery: false, urls: vec![url] }
}

fn check(http: Http) -> Verdict {
    block_on(standfast_check::run(&Probe::Http(http)))
}

#[test]
fn a_certificate_that_nobody_should_trust_is_taken() {
    let tls = serve(|_| {}, polite);
    assert_eq!(check(http(&tls.server, false, false)), Verdict::Ok);
    let seen = tls.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].request.starts_with("GET / HTTP/1.0\r\n"), "{seen:?}");
    assert_eq!((seen[0].name.as_deref(), seen[0].certificate), (None, false));
}

#[test]
fn the_name_is_shown_with_enable_sni_only() {
    let tls = serve(|_| {}, polite);
    assert_eq!(check(http(&tls.server, true, false)), Verdict::Ok);
    assert_eq!(tls.seen.lock().unwrap()[0].name.as_deref(), Some("www.example.org"));
}

#[test]
fn servers_without_forward_secrecy_are_reached() {
    let tls = serve(
        |builder| {
            builder.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
            builder.set_cipher_list("AES128-SHA").unwrap();
        },
        polite,
    );
    assert_eq!(check(http(&tls.server, false, false)), Verdict::Ok);
}

#[test]
fn an_end_without_close_notify_matters_with_tls_compliant_only() {
    let tls = serve(|_| {}, rude);
    assert_eq!(check(http(&tls.server, false, false)), Verdict::Ok);
    assert_eq!(check(http(&tls.server, false, true)), says("the connection ended without TLS's close_notify"));
    assert_eq!(check(http(&serve(|_| {}, polite).server, false, true)), Verdict::Ok);
}

#[test]
fn a_server_without_tls_says_so() {
    let plain = Server::answering("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(check(http(&plain, false, false)), says("TLS handshake failed: wrong version number"));
}

#[test]
fn a_server_with_other_ciphers_says_so() {
    let tls = serve(
        |builder| {
            builder.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
            builder.set_cipher_list("ADH-AES128-SHA256:@SECLEVEL=0").unwrap();
        },
        polite,
    );
    let Verdict::Failed(reason) = check(http(&tls.server, false, false)) else { unreachable!() };
    assert!(reason.to_string().starts_with("TLS handshake failed: "), "{reason}");
    assert!(reason.to_string().contains("handshake failure"), "{reason}");
}

#[test]
fn a_server_that_closes_or_hangs_in_the_handshake_fails() {
    let closes = Server::new(|peer| _ = peer.hear());
    assert_eq!(check(http(&closes, false, false)), says("TLS handshake failed: the connection was closed"));
    let resets = Server::new(|peer| {
        peer.hear();
        peer.reset();
    });
    assert_eq!(check(http(&resets, false, false)), Verdict::Failed(Reason::Reset));
    let hangs = Server::new(support::server::Peer::wait);
    let mut hurried = http(&hangs, false, false);
    hurried.connect.timeout = Duration::from_millis(200);
    assert_eq!(check(hurried), Verdict::Failed(Reason::TimedOut { after: Duration::from_millis(200) }));
}

/// A file of its own in the directory that Cargo gives to tests.
fn file(name: &str, contents: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, contents).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_certificate_of_the_ssl_block_is_shown_to_a_server_that_asks() {
    let (key, certificate) = worthless();
    let cipher = openssl::symm::Cipher::aes_128_cbc();
    let material = TlsMaterial {
        password: Some("secret".to_owned().into()),
        ca: None,
        certificate: Some(file("certificate.pem", &certificate.to_pem().unwrap())),
        key: Some(file("key.pem", &key.private_key_to_pem_pkcs8_passphrase(cipher, b"secret").unwrap())),
    };
    let tls = serve(|builder| builder.set_verify_callback(openssl::ssl::SslVerifyMode::PEER, |_, _| true), polite);
    let probe = Probe::Http(http(&tls.server, false, false));
    let attempt = |material: &TlsMaterial| block_on(Prober::new(Some(material)).prepare(&probe).attempt());
    assert_eq!(attempt(&material), Verdict::Ok);
    assert!(tls.seen.lock().unwrap()[0].certificate);

    let Verdict::Unable(inability) = attempt(&TlsMaterial { password: None, ..material.clone() }) else {
        unreachable!()
    };
    assert!(inability.to_string().contains("key.pem of the SSL block: "), "{inability}");
    let gone = TlsMaterial { ca: Some("/nonexistent/ca.pem".to_owned()), ..TlsMaterial::default() };
    let Verdict::Unable(inability) = attempt(&gone) else { unreachable!() };
    assert!(inability.to_string().starts_with("ca /nonexistent/ca.pem of the SSL block: "), "{inability}");
    for path in [material.certificate.unwrap(), material.key.unwrap()] {
        std::fs::remove_file(path).unwrap();
    }
}
