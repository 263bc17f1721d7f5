//! BFD sessions.

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lower::Draft;
use crate::lower::bfd::BfdDraft;
use crate::source::Span;
use core::time::Duration;
use standfast_model::config::BfdConfig;
use standfast_model::config::bfd::BfdSession;

pub(super) fn link(draft: &Draft, diagnostics: &mut Diagnostics) -> BfdConfig {
    let sessions = draft.sessions.iter().filter_map(|(name, head, one)| session(name, head, one, diagnostics));
    BfdConfig { sessions: sessions.collect() }
}

fn session(name: &str, head: Span, draft: &BfdDraft, diagnostics: &mut Diagnostics) -> Option<BfdSession> {
    let Some(neighbor) = draft.neighbor else {
        let headline = format!("bfd_instance `{name}` has no neighbor_ip");
        diagnostics.push(Diagnostic::new(Code::NoNeighbor, headline, head, "it is removed"));
        return None;
    };
    let source = draft.source.filter(|source| {
        let fits = source.value.is_ipv4() == neighbor.value.is_ipv4();
        if !fits {
            let headline = format!("{} is of another family than the neighbour", source.value);
            let diagnostic = Diagnostic::new(Code::BfdAdjusted, headline, source.span, "this is ignored");
            diagnostics.push(diagnostic.and(neighbor.span, "the neighbour"));
        }
        fits
    });
    // keepalived sends 64 over IPv6 where nothing is written, which RFC 5881 section 5 has every other neighbour refuse: we
    // send 255. What comes is measured by its 64 all the same.
    let sent = draft.ttl.unwrap_or(255);
    let ttl = draft.ttl.unwrap_or(if neighbor.value.is_ipv4() { 255 } else { 64 });
    let mut max_hops = Some(0);
    if let Some(written) = draft.max_hops {
        max_hops = u8::try_from(written.value).ok();
        if max_hops.is_some_and(|hops| hops > ttl) {
            let headline = format!("max_hops {} is above the TTL of {ttl}", written.value);
            let label = format!("{ttl} is used");
            diagnostics.push(Diagnostic::new(Code::BfdAdjusted, headline, written.span, label));
            max_hops = Some(ttl);
        }
    }
    // Said alone, a word restricts; said both or not at all, both are told.
    let both = draft.vrrp == draft.checker;
    Some(BfdSession {
        name: name.to_owned(),
        neighbor: neighbor.value,
        source: source.map(|s| s.value),
        min_rx: draft.min_rx.unwrap_or(Duration::from_millis(10)),
        min_tx: draft.min_tx.unwrap_or(Duration::from_millis(10)),
        idle_tx: draft.idle_tx.unwrap_or(Duration::from_secs(1)),
        multiplier: draft.multiplier.unwrap_or(5),
        passive: draft.passive,
        ttl: sent,
        max_hops: max_hops.map(|hops| hops.saturating_add(sent - ttl)),
        multihop: draft.multihop,
        vrrp: both || draft.vrrp,
        checker: both || draft.checker,
    })
}

#[cfg(test)]
mod tests {
    use crate::host::Memory;
    use crate::{Options, load};
    use std::path::Path;

    #[test]
    fn over_ipv6_255_hops_are_sent_and_64_are_taken_where_nothing_is_written() {
        let of = |words: &str| {
            let text = format!("bfd_instance A {{\n neighbor_ip 2001:db8::2\n{words}}}\n");
            let loaded = load(&Memory::new().file("/f", text.as_str()), Path::new("/f"), &Options::default());
            let session = loaded.config.unwrap().bfd.sessions.remove(0);
            (session.ttl, session.max_hops.map(|hops| session.ttl - hops))
        };
        assert_eq!(of(""), (255, Some(64)));
        assert_eq!(of(" max_hops 2\n"), (255, Some(62)));
        assert_eq!(of(" max_hops -1\n"), (255, None));
        assert_eq!(of(" hoplimit 64\n"), (64, Some(64)));
        assert_eq!(of(" ttl 255\n"), (255, Some(255)));
    }
}
