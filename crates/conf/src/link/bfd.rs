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
        ttl,
        max_hops,
        multihop: draft.multihop,
        vrrp: both || draft.vrrp,
        checker: both || draft.checker,
    })
}
