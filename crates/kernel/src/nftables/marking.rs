//! The table that marks the packets of IPVS services (`nftables_ipvs`) as octets: in each family a chain behind routing
//! in, before IPVS, and for each transport a map from address and port to the mark.
//!
//! The names are keepalived's, so that what shows or watches its table shows ours.

use super::encode::{
    CHAIN_IN, DATA_VALUE, DATA_VERDICT, HOOK_IN, KEY_IPV4, KEY_IPV6, LIST_ELEMENT, NETWORK, NEWCHAIN, NEWRULE, NEWSET,
    NEWSETELEM, NF_ACCEPT, NLM_F_APPEND, NLM_F_CREATE, REGISTER, REGISTER_VERDICT, SUBSYSTEM, TRANSPORT, expression,
    header, make_table, message, octets, payload_into, protocol,
};
use crate::netlink::{Dumped, Request, attributes};
use standfast_lvs::{Marked, Marking};
use standfast_model::ipvs::{Family, Protocol};

const GETCHAIN: u16 = SUBSYSTEM << 8 | 4;
const GETRULE: u16 = SUBSYSTEM << 8 | 7;
const GETSETELEM: u16 = SUBSYSTEM << 8 | 13;
const NEWGEN: u16 = SUBSYSTEM << 8 | 15;
const GETGEN: u16 = SUBSYSTEM << 8 | 16;

/// `NFT_SET_INTERVAL | NFT_SET_MAP | NFT_SET_CONCAT`
const MAP_OF_RANGES: u32 = 0x4 | 0x8 | 0x80;

/// What `nft` calls a port and a mark, and the width of one in a type that is put together of several.
const KEY_PORT: u32 = 13;
const DATA_MARK: u32 = 19;
const TYPE_BITS: u32 = 6;

/// `NFT_META_MARK`
const META_MARK: u32 = 3;

/// Back from a chain, which for one at a hook means its policy.
const NFT_RETURN: u32 = u32::MAX - 4;

/// `NFT_REG_2` behind an address of 16 octets, `NFT_REG32_01` behind one of four.
const SECOND_OF_16: u32 = 2;
const SECOND_OF_4: u32 = 9;

/// For `nft`: the data are in the machine's byte order (`NFTNL_UDATA_SET_DATABYTEORDER` 1).
const HOST_ORDER: [u8; 6] = {
    let [a, b, c, d] = 1_u32.to_ne_bytes();
    [1, 4, a, b, c, d]
};

/// Elements per message: an attribute holds 64 KiB, an element of ours takes up to 80 octets.
const ELEMENTS_PER_MESSAGE: usize = 500;

const TRANSPORTS: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

/// The maps of a family in the order of their rules: a port that is named counts before every port. A rule that finds
/// nothing in its map leaves the packet to the next.
pub(super) fn maps(family: Family, marking: &Marking) -> Vec<(&'static str, Protocol, Vec<Marked>)> {
    let one = |(protocol, every): (Protocol, bool)| {
        let ours = |m: &&Marked| m.protocol == protocol && Family::from(m.first) == family && m.port.is_none() == every;
        let marked: Vec<Marked> = marking.marked.iter().filter(ours).copied().collect();
        (!marked.is_empty()).then(|| (map_name(protocol, every), protocol, marked))
    };
    let named = TRANSPORTS.map(|protocol| (protocol, false));
    named.into_iter().chain(TRANSPORTS.map(|protocol| (protocol, true))).filter_map(one).collect()
}

fn map_name(protocol: Protocol, every_port: bool) -> &'static str {
    match (protocol, every_port) {
        (Protocol::Tcp, false) => "tcp_map",
        (Protocol::Udp, false) => "udp_map",
        (Protocol::Sctp, false) => "sctp_map",
        (Protocol::Tcp, true) => "tcp_every_port",
        (Protocol::Udp, true) => "udp_every_port",
        (Protocol::Sctp, true) => "sctp_every_port",
    }
}

/// The table of one family; nothing if no packet of it is marked.
pub(super) fn table(family: Family, marking: &Marking, messages: &mut Vec<Vec<u8>>) {
    let maps = maps(family, marking);
    if maps.is_empty() {
        return;
    }
    messages.push(make_table(family, &marking.table));
    messages.push(chain(family, marking));
    for (id, (name, protocol, marked)) in (1..).zip(&maps) {
        messages.push(map(family, marking, name, id));
        messages.extend(marked.chunks(ELEMENTS_PER_MESSAGE).map(|part| elements(family, marking, name, part)));
        messages.push(rule(family, marking, name, *protocol));
    }
}

fn chain(family: Family, marking: &Marking) -> Vec<u8> {
    let mut request = message(NEWCHAIN, NLM_F_CREATE, family);
    request.put_text(1, &marking.table);
    request.put_text(3, CHAIN_IN);
    request.nest(4, |at| {
        at.put_be32(1, HOOK_IN);
        at.put(2, &marking.priority.to_be_bytes());
    });
    request.put_be32(5, NF_ACCEPT);
    request.put_text(7, "filter");
    request.finish()
}

/// Octets of an address, and what `nft` calls it.
fn address_of(family: Family) -> (u32, u32) {
    match family {
        Family::Inet => (4, KEY_IPV4),
        Family::Inet6 => (16, KEY_IPV6),
    }
}

fn map(family: Family, marking: &Marking, name: &str, id: u32) -> Vec<u8> {
    let (length, kind) = address_of(family);
    let mut request = message(NEWSET, NLM_F_CREATE, family);
    request.put_text(1, &marking.table);
    request.put_text(2, name);
    request.put_be32(3, MAP_OF_RANGES);
    request.put_be32(4, kind << TYPE_BITS | KEY_PORT);
    // A part of a key takes whole registers of four octets.
    request.put_be32(5, length + 4);
    request.put_be32(6, DATA_MARK);
    request.put_be32(7, 4);
    request.put_be32(10, id);
    request.nest(9, |about| {
        about.nest(2, |parts| {
            for part in [length, 2] {
                parts.nest(LIST_ELEMENT, |one| one.put_be32(1, part));
            }
        });
    });
    request.put(13, &HOST_ORDER);
    if marking.counters {
        // Each element gets one.
        request.nest(17, |each| {
            each.put_text(1, "counter");
            each.nest(2, |_| {});
        });
    }
    request.finish()
}

fn elements(family: Family, marking: &Marking, name: &str, part: &[Marked]) -> Vec<u8> {
    let mut request = message(NEWSETELEM, NLM_F_CREATE, family);
    request.put_text(1, &marking.table);
    request.put_text(2, name);
    request.nest(3, |list| {
        for marked in part {
            let (low, high) = marked.port.map_or((0, u16::MAX), |port| (port, port));
            let key = |address, port: u16| {
                let mut octets = octets(address);
                octets.extend(port.to_be_bytes());
                octets.extend([0; 2]);
                octets
            };
            list.nest(LIST_ELEMENT, |one| {
                one.nest(1, |from| from.put(DATA_VALUE, &key(marked.first, low)));
                one.nest(10, |to| to.put(DATA_VALUE, &key(marked.last, high)));
                one.nest(2, |data| data.put(DATA_VALUE, &marked.mark.to_ne_bytes()));
            });
        }
    });
    request.finish()
}

/// `meta mark set ip daddr . tcp dport map @tcp_map return`
fn rule(family: Family, marking: &Marking, name: &str, transport: Protocol) -> Vec<u8> {
    let (offset, second) = match family {
        Family::Inet => (16, SECOND_OF_4),
        Family::Inet6 => (24, SECOND_OF_16),
    };
    let (length, _) = address_of(family);
    let mut request = message(NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family);
    request.put_text(1, &marking.table);
    request.put_text(2, CHAIN_IN);
    request.nest(4, |rule| {
        protocol(rule, transport.get());
        payload_into(rule, REGISTER, (NETWORK, offset, length));
        // The port that packets go to stands behind the one they come from, in each of the three.
        payload_into(rule, second, (TRANSPORT, 2, 2));
        expression(rule, "lookup", |data| {
            data.put_text(1, name);
            data.put_be32(2, REGISTER);
            data.put_be32(3, REGISTER);
        });
        expression(rule, "meta", |data| {
            data.put_be32(2, META_MARK);
            data.put_be32(3, REGISTER);
        });
        if marking.counters {
            expression(rule, "counter", |_| {});
        }
        expression(rule, "immediate", |data| {
            data.put_be32(1, REGISTER_VERDICT);
            data.nest(2, |value| value.nest(DATA_VERDICT, |code| code.put_be32(1, NFT_RETURN)));
        });
    });
    request.finish()
}

/// Asks how often the rules of this namespace have changed.
pub(super) fn get_generation() -> Vec<u8> {
    Request::new(GETGEN, 0, &header(0, 0)).finish()
}

/// The answer.
pub(super) fn generation((kind, payload): &Dumped) -> Option<u32> {
    let answer = payload.get(4..).filter(|_| *kind == NEWGEN)?;
    let number = attributes(answer).find(|attribute| attribute.kind() == 1)?;
    number.value().try_into().ok().map(u32::from_be_bytes)
}

/// Asks for all chains and all rules of a family; what is not of our table is passed over in [`of_table`].
pub(super) fn get_chains_and_rules(family: Family) -> [Vec<u8>; 2] {
    [GETCHAIN, GETRULE].map(|kind| message(kind, 0, family).finish())
}

/// Asks for the elements of a map.
pub(super) fn get_elements(family: Family, table: &str, name: &str) -> Vec<u8> {
    let mut request = message(GETSETELEM, 0, family);
    request.put_text(1, table);
    request.put_text(2, name);
    request.finish()
}

/// What tells a chain or rule of that table from every other: its handle, which is not given twice. Nothing for those
/// of other tables.
pub(super) fn of_table((kind, payload): &Dumped, table: &str) -> Vec<u8> {
    // The handle of a chain is its second attribute, that of a rule its third.
    let place = if kind & 0xff == 3 { 2 } else { 3 };
    let attributes: Vec<_> = attributes(payload.get(4..).unwrap_or_default()).collect();
    let ours = attributes.iter().any(|a| a.kind() == 1 && a.value().strip_suffix(&[0]) == Some(table.as_bytes()));
    attributes.iter().filter(|a| ours && a.kind() == place).flat_map(|a| a.value().to_vec()).collect()
}

/// The keys, their ends and the data of the elements in a message, without what is counted. Their order is the kernel's.
pub(super) fn of_elements((_, payload): &Dumped) -> Vec<Vec<u8>> {
    let lists = attributes(payload.get(4..).unwrap_or_default()).filter(|attribute| attribute.kind() == 3);
    let lists: Vec<Vec<u8>> = lists.map(|list| list.value().to_vec()).collect();
    let elements = lists.iter().flat_map(|list| attributes(list));
    elements
        .map(|element| {
            let parts = attributes(element.value()).filter(|part| matches!(part.kind(), 1 | 2 | 10));
            parts.flat_map(|part| [&part.kind().to_ne_bytes(), part.value()].concat()).collect()
        })
        .collect()
}
