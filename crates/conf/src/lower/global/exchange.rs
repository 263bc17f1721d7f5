//! Words of `global_defs` about the exchange of states with named directors, which keepalived does not have.

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lower::setting::once;
use crate::lower::{Spanned, instance};
use crate::parse::{Parser, Statement};
use crate::source::Span;
use crate::value::shown;
use standfast_model::Secret;
use standfast_model::config::exchange::{Exchange, ExchangePeer};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What is said about the exchange.
#[derive(Debug, Default)]
pub(crate) struct ExchangeDraft {
    peers: Vec<Spanned<ExchangePeer>>,
    listen: Vec<SocketAddr>,
    key: Option<Secret>,
    /// A key was written and is none, which was told.
    bad_key: bool,
}

impl ExchangeDraft {
    /// Takes a statement of the family; false for another.
    pub(super) fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement) -> bool {
        match statement.keyword.name {
            "peer" => self.peer(parser, statement),
            "peer_listen" => {
                let address = statement.arg(0).and_then(|word| parser.address_of(word, statement.arg_span(0)));
                let Some(address) = address else { return true };
                let Some(port) = port(parser, statement, 1) else { return true };
                let place = SocketAddr::new(address, port);
                if !self.listen.contains(&place) && has_room(parser, statement, self.listen.len(), Exchange::MAX_LISTEN)
                {
                    self.listen.push(place);
                }
            }
            "peer_key" => {
                let word = statement.arg(0).unwrap_or_default();
                let found = instance::key_octets(parser, word, statement.keyword_span());
                let found = found.filter(|octets| (32..=64).contains(&octets.len())).map(Secret::new);
                if found.is_none() {
                    let headline = "peer_key is no key";
                    let label = "32 to 64 octets are wanted: text, hex: and two digits for each, or file: and a path";
                    parser.report(Diagnostic::new(Code::InvalidKey, headline, statement.keyword_span(), label));
                    self.bad_key = true;
                }
                once(parser, statement, &mut self.key, found);
            }
            _ => return false,
        }
        true
    }

    /// `NAME ADDRESS [PORT]`
    fn peer(&mut self, parser: &mut Parser<'_>, statement: &Statement) {
        let Some(word) = statement.arg(1) else { return };
        let Some(address) = parser.address_of(word, statement.arg_span(1)) else { return };
        let Some(port) = port(parser, statement, 2) else { return };
        let peer = ExchangePeer { name: statement.name(), address: SocketAddr::new(address, port) };
        let same = |known: &&Spanned<ExchangePeer>| {
            known.value.name == peer.name || known.value.address.ip() == peer.address.ip()
        };
        if let Some(first) = self.peers.iter().find(same) {
            let headline = format!("a second peer `{}` at {address}", shown(peer.name.as_bytes()));
            let diagnostic = Diagnostic::new(Code::Repeated, headline, statement.span(), "this is ignored");
            return parser.report(diagnostic.and(first.span, "this one counts"));
        }
        if has_room(parser, statement, self.peers.len(), Exchange::MAX_PEERS) {
            self.peers.push(Spanned { value: peer, span: statement.span() });
        }
    }

    /// The exchange, if there is anybody to exchange with.
    pub(crate) fn finish(&self, diagnostics: &mut Diagnostics) -> Option<Exchange> {
        let span: Span = self.peers.first()?.span;
        let Some(key) = &self.key else {
            if !self.bad_key {
                let headline = "a peer without peer_key";
                let label = "what it says could not be told from what anybody says";
                let diagnostic = Diagnostic::new(Code::NoPeerKey, headline, span, label);
                diagnostics.push(diagnostic.help("write peer_key with the same 32 to 64 characters on all directors"));
            }
            return None;
        };
        let families = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let named = |any: &IpAddr| self.peers.iter().any(|peer| peer.value.address.is_ipv4() == any.is_ipv4());
        let everywhere = families.into_iter().filter(named).map(|any| SocketAddr::new(any, Exchange::PORT));
        let listen = if self.listen.is_empty() { everywhere.collect() } else { self.listen.clone() };
        let peers = self.peers.iter().map(|peer| peer.value.clone()).collect();
        Some(Exchange { listen, peers, peer_key: key.clone() })
    }
}

/// The port in that place, or the one that all use.
fn port(parser: &mut Parser<'_>, statement: &Statement, at: usize) -> Option<u16> {
    let Some(word) = statement.arg(at) else { return Some(Exchange::PORT) };
    u16::try_from(parser.number_of(word, statement.arg_span(at), 1, 65535)?).ok()
}

fn has_room(parser: &mut Parser<'_>, statement: &Statement, held: usize, most: usize) -> bool {
    if held >= most {
        let headline = format!("more than {most} times `{}`", statement.keyword.name);
        parser.report(Diagnostic::new(Code::OutOfRange, headline, statement.span(), "this is ignored"));
    }
    held < most
}
