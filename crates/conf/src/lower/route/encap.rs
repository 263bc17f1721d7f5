//! `encap` of routes and next hops.

use crate::code::Code;
use crate::lower::entry::Entry;
use crate::lower::names::Names;
use crate::reader::c_number;
use crate::value::shown;
use standfast_model::config::route::Encap;
use standfast_model::ipvs::Family;

/// Labels of one packet: the kernel takes no more (`MAX_NEW_LABELS` is 30, older ones 2; 16 is keepalived's).
const LABELS: usize = 16;

/// A label has 20 bits.
const LABEL_LIMIT: i64 = 1 << 20;

/// Reads what stands behind `encap`; none drops the route.
pub(super) fn encap(entry: &mut Entry<'_, '_>) -> Option<Encap> {
    match entry.choice("encap", &["mpls", "ip", "ip6", "ila"])? {
        "mpls" => mpls(entry),
        "ip" => ip(entry, Family::Inet),
        "ip6" => ip(entry, Family::Inet6),
        _ => ila(entry),
    }
}

fn mpls(entry: &mut Entry<'_, '_>) -> Option<Encap> {
    let word = entry.parameter("encap mpls")?;
    let label =
        |part: &[u8]| c_number(part).filter(|n| (0..LABEL_LIMIT).contains(n)).and_then(|n| u32::try_from(n).ok());
    let labels: Option<Vec<u32>> = word.split(|b| *b == b'/').map(label).collect();
    let labels = labels.filter(|labels| labels.len() <= LABELS);
    if labels.is_none() {
        let headline = format!("`{}` is no list of labels", shown(word));
        entry.report(Code::InvalidNumber, headline, "at most 16 numbers below 1048576, joined by /, are wanted");
    }
    labels.map(Encap::Mpls)
}

/// The words of an outer IP header; the first other word ends them.
fn ip(entry: &mut Entry<'_, '_>, family: Family) -> Option<Encap> {
    let (mut id, mut destination, mut source, mut tos, mut ttl, mut flags) = (None, None, None, None, None, None);
    while let Some(word) = entry.peek() {
        match (word, family) {
            (b"id", _) => {
                entry.take();
                id = Some(entry.number("id", 0, i128::from(u64::MAX))?);
            }
            (b"dst", _) => {
                entry.take();
                destination = Some(entry.address("dst")?);
            }
            (b"src", _) => {
                entry.take();
                source = Some(entry.address("src")?);
            }
            (b"tos", Family::Inet) | (b"tc", Family::Inet6) => {
                entry.take();
                tos = Some(entry.named("tos", Names::Services, 255).and_then(|n| u8::try_from(n).ok())?);
            }
            (b"ttl", Family::Inet) | (b"hoplimit", Family::Inet6) => {
                entry.take();
                ttl = Some(entry.number("ttl", 0, 255)?);
            }
            (b"flags", _) => {
                entry.take();
                flags = Some(entry.number("flags", 0, 65535)?);
            }
            _ => break,
        }
    }
    Some(Encap::Ip { family, id, destination, source, tos, ttl, flags })
}

/// Four groups of 16 bits joined by `:`.
fn ila(entry: &mut Entry<'_, '_>) -> Option<Encap> {
    let word = entry.parameter("encap ila")?;
    let groups: Option<Vec<u64>> = word
        .split(|b| *b == b':')
        .map(|group| {
            let text =
                core::str::from_utf8(group).ok().filter(|t| !t.is_empty() && t.len() <= 4 && !t.starts_with('+'))?;
            u64::from_str_radix(text, 16).ok()
        })
        .collect();
    let locator = groups.filter(|g| g.len() == 4).map(|g| g.iter().fold(0, |sum, group| (sum << 16) | group));
    if locator.is_none() {
        let headline = format!("`{}` is no locator", shown(word));
        entry.report(Code::InvalidAddress, headline, "four groups of hexadecimal digits joined by : are wanted");
    }
    locator.map(Encap::Ila)
}
