//! `virtual_server_group`: addresses, ranges and marks that are one virtual server.

use super::Draft;
use super::named::begin;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Line, Parser, Statement};
use crate::source::Span;
use crate::value::{address, integer, shown};
use ipnet::IpNet;
use standfast_model::ipvs::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Services of one entry: each is a service of the kernel's table, so a range is limited to what a table can hold.
const ADDRESSES_LIMIT: u128 = 65_536;

/// One entry of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Services {
    /// Addresses from the first to the last, and a port; 0 is every port.
    Addresses { first: IpAddr, last: IpAddr, port: u16, span: Span },
    /// `fwmark N [inet|inet6]`
    Mark { mark: u32, family: Option<Family>, span: Span },
}

impl Services {
    /// Every address of the entry; empty for a mark.
    pub(crate) fn addresses(self) -> Vec<(IpAddr, u16)> {
        match self {
            Self::Mark { .. } => Vec::new(),
            Self::Addresses { first: IpAddr::V4(first), last: IpAddr::V4(last), port, .. } => {
                (u32::from(first)..=u32::from(last)).map(|a| (IpAddr::V4(Ipv4Addr::from(a)), port)).collect()
            }
            Self::Addresses { first: IpAddr::V6(first), last: IpAddr::V6(last), port, .. } => {
                (u128::from(first)..=u128::from(last)).map(|a| (IpAddr::V6(Ipv6Addr::from(a)), port)).collect()
            }
            Self::Addresses { .. } => Vec::new(),
        }
    }
}

/// Reads a `virtual_server_group`.
pub(crate) fn virtual_server_group(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    let Some(name) = begin(parser, head, &draft.service_groups) else { return };
    let mut services = Vec::new();
    while let Some(line) = parser.next_entry() {
        services.extend(entry(parser, &line));
    }
    if services.is_empty() {
        let headline = format!("virtual_server_group `{name}` is empty");
        parser.report(Diagnostic::new(Code::EmptyList, headline, head.span(), "it is removed"));
    }
    draft.service_groups.insert(name, head.span(), services);
}

fn entry(parser: &mut Parser<'_>, line: &Line) -> Option<Services> {
    let word = line.word(0)?;
    if word == b"fwmark" {
        return mark(parser, line);
    }
    let span = line.span_of(0);
    let Some((first, last)) = addresses(word) else {
        let headline = format!("`{}` is no address, range or prefix", shown(word));
        let diagnostic = Diagnostic::new(Code::InvalidAddress, headline, span, "this entry is ignored");
        parser.report(diagnostic.help("write an address, A.B.C.D-N, A-B or A/LEN with no host bits"));
        return None;
    };
    if count(first, last) > ADDRESSES_LIMIT {
        let headline = format!("{} addresses are more than one entry can be", count(first, last));
        let label = format!("at most {ADDRESSES_LIMIT} are possible; this entry is ignored");
        parser.report(Diagnostic::new(Code::OutOfRange, headline, span, label));
        return None;
    }
    let port = match line.word(1) {
        None => 0,
        Some(port) => u16::try_from(parser.number_of(port, line.span_of(1), 0, 65535)?).ok()?,
    };
    Some(Services::Addresses { first, last, port, span })
}

fn mark(parser: &mut Parser<'_>, line: &Line) -> Option<Services> {
    let Some(word) = line.word(1) else {
        super::track::missing(parser, line, "fwmark");
        return None;
    };
    let mark = parser.number_of(word, line.span_of(1), 0, crate::keyword::U32)?;
    let family = match line.word(2) {
        None => None,
        Some(word) => match parser.choice_of(word, line.span_of(2), &["inet", "inet6"])? {
            "inet" => Some(Family::Inet),
            _ => Some(Family::Inet6),
        },
    };
    Some(Services::Mark { mark: u32::try_from(mark).ok()?, family, span: line.span() })
}

fn count(first: IpAddr, last: IpAddr) -> u128 {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => u128::from(u32::from(last) - u32::from(first)) + 1,
        (IpAddr::V6(first), IpAddr::V6(last)) => (u128::from(last) - u128::from(first)).saturating_add(1),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
    }
}

/// First and last address of `A`, `A.B.C.D-N`, `A:B::C-N`, `A-B` or `A/LEN`.
fn addresses(word: &[u8]) -> Option<(IpAddr, IpAddr)> {
    if word.contains(&b'/') {
        let net: IpNet = core::str::from_utf8(word).ok()?.parse().ok()?;
        return (net.addr() == net.network()).then(|| (net.network(), net.broadcast()));
    }
    let Some(dash) = word.iter().position(|b| *b == b'-') else {
        let one = address(word)?;
        return Some((one, one));
    };
    let (first, end) = (address(word.get(..dash)?)?, word.get(dash + 1..)?);
    if let Some(last) = address(end) {
        return (first.is_ipv4() == last.is_ipv4() && first <= last).then_some((first, last));
    }
    let last = match first {
        IpAddr::V4(first) => {
            let [a, b, c, d] = first.octets();
            let end = u8::try_from(integer(end).ok()?).ok().filter(|end| *end > d)?;
            IpAddr::V4(Ipv4Addr::new(a, b, c, end))
        }
        IpAddr::V6(first) => {
            let plain = !end.is_empty() && end.len() <= 4 && end.iter().all(u8::is_ascii_hexdigit);
            let end = plain.then(|| u16::from_str_radix(core::str::from_utf8(end).ok()?, 16).ok())??;
            let low = u16::try_from(u128::from(first) & 0xffff).ok().filter(|low| end > *low)?;
            IpAddr::V6(Ipv6Addr::from(u128::from(first) - u128::from(low) + u128::from(end)))
        }
    };
    Some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_six_spellings() {
        let range = |word: &str| addresses(word.as_bytes()).map(|(a, b)| format!("{a} {b}"));
        assert_eq!(range("192.0.2.10").unwrap(), "192.0.2.10 192.0.2.10");
        assert_eq!(range("192.0.2.10-20").unwrap(), "192.0.2.10 192.0.2.20");
        assert_eq!(range("192.0.2.10-192.0.3.20").unwrap(), "192.0.2.10 192.0.3.20");
        assert_eq!(range("192.0.2.0/28").unwrap(), "192.0.2.0 192.0.2.15");
        assert_eq!(range("2001:db8::10-1f").unwrap(), "2001:db8::10 2001:db8::1f");
        assert_eq!(range("2001:db8::1-2001:db8::9").unwrap(), "2001:db8::1 2001:db8::9");
        for bad in ["192.0.2.10-9", "192.0.2.1/28", "192.0.2.10-256", "192.0.2.9-192.0.2.1", "a", "2001:db8::10-0x1f"] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }
}
