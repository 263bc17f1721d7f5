//! `lb_kind`, `lvs_method` and their like: how packets get to a real server.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use standfast_model::ipvs::{Forwarding, Tunnel, TunnelChecksum};

/// `NAT`, `DR`, or `TUN [type ipip|gue port N|gre] [nocsum|csum|remcsum]`.
pub(super) fn forwarding(parser: &mut Parser<'_>, statement: &Statement) -> Option<Forwarding> {
    let word = statement.arg(0)?;
    match parser.choice_of(word, statement.arg_span(0), &["NAT", "DR", "TUN"])? {
        "NAT" => Some(Forwarding::Nat),
        "DR" => Some(Forwarding::DirectRouting),
        _ => tunnel(parser, statement).map(Forwarding::Tunnel),
    }
}

fn tunnel(parser: &mut Parser<'_>, statement: &Statement) -> Option<Tunnel> {
    let mut kind = "ipip";
    let mut port = None;
    let mut checksum = None;
    let mut at = 1;
    while let Some(word) = statement.arg(at) {
        let next = statement.arg(at + 1).unwrap_or_default();
        let next_span = statement.arg_span(at + 1);
        match word {
            b"type" => {
                kind = parser.choice_of(next, next_span, &["ipip", "gue", "gre"])?;
                at += 1;
            }
            b"port" => {
                port = u16::try_from(parser.number_of(next, next_span, 1, 65535)?).ok();
                at += 1;
            }
            b"nocsum" => checksum = Some(TunnelChecksum::None),
            b"csum" => checksum = Some(TunnelChecksum::Checksum),
            b"remcsum" => checksum = Some(TunnelChecksum::Remote),
            other => {
                let words = ["type", "port", "nocsum", "csum", "remcsum"];
                let other = other.to_vec();
                parser.choice_of(&other, statement.arg_span(at), &words)?;
            }
        }
        at += 1;
    }
    tunnel_of(parser, statement, kind, port, checksum)
}

fn tunnel_of(
    parser: &mut Parser<'_>,
    statement: &Statement,
    kind: &str,
    port: Option<u16>,
    checksum: Option<TunnelChecksum>,
) -> Option<Tunnel> {
    let mut wrong = |headline: &str, label: &str| {
        parser.report(Diagnostic::new(Code::InvalidEntry, headline, statement.span(), label));
    };
    match kind {
        "gue" => {
            if port.is_none() {
                wrong("a GUE tunnel needs a port", "the statement is ignored: write type gue port N");
            }
            port.map(|port| Tunnel::Gue { port, checksum: checksum.unwrap_or_default() })
        }
        "gre" if checksum == Some(TunnelChecksum::Remote) => {
            wrong("GRE has no remote checksum", "the statement is ignored: write csum or nocsum");
            None
        }
        "gre" => Some(Tunnel::Gre { checksum: checksum.unwrap_or_default() }),
        _ => {
            if port.is_some() || checksum.is_some() {
                wrong("an IPIP tunnel has no port and no checksum", "these words are ignored");
            }
            Some(Tunnel::Ipip)
        }
    }
}
