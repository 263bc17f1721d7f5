//! The exchange of states of a pair: whether what one says reaches the other and is believed there.

use super::{Side, finding, place};
use crate::code::Code;
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use standfast_model::config::exchange::Exchange;
use std::net::SocketAddr;

pub(super) fn compare(sides: &[Side<'_>; 2], findings: &mut Diagnostics) {
    let [first, second] = sides;
    let (a, b) = match (&first.config.exchange, &second.config.exchange) {
        (None, None) => return,
        (Some(a), Some(b)) => (a, b),
        (one, _) => {
            let headline = "one director only names peers";
            let (here, there) = ("it tells its states", "nobody listens here");
            let labels = if one.is_some() { [here, there] } else { [there, here] };
            let [x, y] = labels.map(str::to_owned);
            findings.push(finding(Code::PairExchange, headline, (at(first, "peer"), x), (at(second, "peer"), y)));
            return;
        }
    };
    if a.peer_key != b.peer_key {
        let headline = "another peer_key on each director";
        let place = |side: &Side<'_>, label: &str| (at(side, "peer_key"), label.to_owned());
        findings.push(finding(Code::PairExchange, headline, place(first, "not the same"), place(second, "as this")));
    }
    for (from, to, sides, other) in [(a, b, [first, second], "second"), (b, a, [second, first], "first")] {
        if !reaches(from, to) {
            let headline = format!("no peer is where the {other} director listens");
            let listens: Vec<String> = to.listen.iter().map(SocketAddr::to_string).collect();
            let here = (at(sides[0], "peer"), "none of these".to_owned());
            let there = (at(sides[1], "peer_listen"), format!("it listens at {}", listens.join(", ")));
            findings.push(finding(Code::PairExchange, headline, there, here));
        }
    }
}

/// Whether one of the peers may be the other director: an unspecified address is every one of its family.
fn reaches(from: &Exchange, to: &Exchange) -> bool {
    let heard = |peer: SocketAddr| {
        let at = |place: &SocketAddr| {
            place.port() == peer.port()
                && place.is_ipv4() == peer.is_ipv4()
                && (place.ip().is_unspecified() || place.ip() == peer.ip())
        };
        to.listen.iter().any(at)
    };
    from.peers.iter().any(|peer| heard(peer.address) && !from.listen.contains(&peer.address))
}

/// Where the last statement of that keyword stands in `global_defs`.
fn at(side: &Side<'_>, keyword: &str) -> Option<Span> {
    let block = side.nodes.iter().rev().find(|node| node.is(&["global_defs"]) && node.last(&[keyword]).is_some());
    place(block.or_else(|| side.block("global_defs", |_| true)), &[keyword])
}
