//! Words of `global_defs` about the status page, which keepalived does not have.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::lower::setting::once;
use crate::parse::{Parser, Statement};
use crate::value::{address, shown};
use standfast_model::config::global::{Http, HttpPeer};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The port of the page, unless another is said.
const PORT: u16 = 8112;

/// Takes a statement about the page; false for another.
pub(super) fn take(parser: &mut Parser<'_>, statement: &Statement, http: &mut Http) -> bool {
    match statement.keyword.name {
        "http_listen" => {
            if let Some(place) = listen(parser, statement)
                && !http.listen.contains(&place)
                && has_room(parser, statement, http.listen.len(), Http::MAX_LISTEN)
            {
                http.listen.push(place);
            }
        }
        "http_token" => once(parser, statement, &mut http.token_file, Some(statement.name())),
        "http_peer" => {
            if let Some(peer) = peer(parser, statement)
                && is_new(parser, statement, &http.peers, &peer.name)
                && has_room(parser, statement, http.peers.len(), Http::MAX_PEERS)
            {
                http.peers.push(peer);
            }
        }
        "http_name" => {
            for at in 0..statement.args() {
                let name = statement.arg(at).unwrap_or_default();
                if name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')) {
                    http.names.push(String::from_utf8_lossy(name).to_ascii_lowercase());
                } else {
                    let headline = format!("`{}` is no host name", shown(name));
                    let span = statement.arg_span(at);
                    parser.report(Diagnostic::new(Code::InvalidAddress, headline, span, "this is ignored"));
                }
            }
        }
        _ => return false,
    }
    true
}

/// `[ADDRESS] [PORT]`: a number alone is a port.
fn listen(parser: &mut Parser<'_>, statement: &Statement) -> Option<SocketAddr> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    match (statement.arg(0), statement.arg(1)) {
        (None, _) => Some(SocketAddr::new(loopback, PORT)),
        (Some(word), None) if word.iter().all(u8::is_ascii_digit) => {
            Some(SocketAddr::new(loopback, port(parser, statement, 0)?))
        }
        (Some(word), second) => {
            let found = address(word);
            if found.is_none() {
                not_an_address(parser, statement, 0, word);
            }
            let port = if second.is_some() { port(parser, statement, 1)? } else { PORT };
            Some(SocketAddr::new(found?, port))
        }
    }
}

/// `NAME ADDRESS [PORT]`
fn peer(parser: &mut Parser<'_>, statement: &Statement) -> Option<HttpPeer> {
    let word = statement.arg(1)?;
    let Some(found) = address(word) else {
        not_an_address(parser, statement, 1, word);
        return None;
    };
    let port = if statement.arg(2).is_some() { port(parser, statement, 2)? } else { PORT };
    Some(HttpPeer { name: statement.name(), address: SocketAddr::new(found, port) })
}

fn port(parser: &mut Parser<'_>, statement: &Statement, at: usize) -> Option<u16> {
    let word = statement.arg(at)?;
    u16::try_from(parser.number_of(word, statement.arg_span(at), 1, 65535)?).ok()
}

fn not_an_address(parser: &mut Parser<'_>, statement: &Statement, at: usize, word: &[u8]) {
    let headline = format!("`{}` is not an address", shown(word));
    parser.report(Diagnostic::new(Code::InvalidAddress, headline, statement.arg_span(at), "this is ignored"));
}

fn is_new(parser: &mut Parser<'_>, statement: &Statement, peers: &[HttpPeer], name: &str) -> bool {
    let new = peers.iter().all(|peer| peer.name != name);
    if !new {
        let headline = format!("a second peer `{name}` is ignored");
        parser.report(Diagnostic::new(Code::Repeated, headline, statement.arg_span(0), "this is ignored"));
    }
    new
}

fn has_room(parser: &mut Parser<'_>, statement: &Statement, held: usize, most: usize) -> bool {
    if held >= most {
        let headline = format!("more than {most} times `{}`", statement.keyword.name);
        parser.report(Diagnostic::new(Code::OutOfRange, headline, statement.span(), "this is ignored"));
    }
    held < most
}
