//! Tables, sets, chains and rules of nftables as octets.

use crate::netlink::Request;
use standfast_model::ipvs::Family;
use standfast_net::Filter;
use standfast_net::filter::Port;
use std::net::IpAddr;

const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
/// `NFNL_SUBSYS_NFTABLES`, as the subject of a batch and as the upper octet of message types.
pub(super) const SUBSYSTEM: u16 = 10;
const NEWTABLE: u16 = SUBSYSTEM << 8;
const DELTABLE: u16 = SUBSYSTEM << 8 | 2;
pub(super) const NEWCHAIN: u16 = SUBSYSTEM << 8 | 3;
pub(super) const NEWRULE: u16 = SUBSYSTEM << 8 | 6;
pub(super) const NEWSET: u16 = SUBSYSTEM << 8 | 9;
pub(super) const NEWSETELEM: u16 = SUBSYSTEM << 8 | 12;

pub(super) const NLM_F_CREATE: u16 = 0x400;
pub(super) const NLM_F_APPEND: u16 = 0x800;

/// `NFTA_LIST_ELEM`
pub(super) const LIST_ELEMENT: u16 = 1;
/// `NFTA_DATA_VALUE`, `NFTA_DATA_VERDICT`
pub(super) const DATA_VALUE: u16 = 1;
pub(super) const DATA_VERDICT: u16 = 2;

/// `NFT_REG_1`, `NFT_REG_VERDICT`
pub(super) const REGISTER: u32 = 1;
pub(super) const REGISTER_VERDICT: u32 = 0;

/// `NFT_PAYLOAD_NETWORK_HEADER`, `NFT_PAYLOAD_TRANSPORT_HEADER`
pub(super) const NETWORK: u32 = 1;
pub(super) const TRANSPORT: u32 = 2;

const META_IIF: u32 = 4;
const META_OIF: u32 = 5;
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_L4PROTO: u32 = 16;

const NF_DROP: u32 = 0;
pub(super) const NF_ACCEPT: u32 = 1;

/// `NF_INET_LOCAL_IN`, `NF_INET_LOCAL_OUT`
pub(super) const HOOK_IN: u32 = 1;
const HOOK_OUT: u32 = 3;

const IGMP: u8 = 2;
const ICMPV6: u8 = 58;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Multicast listener reports of version 1 and 2, done, and router solicitations.
const REPORTS: [u8; 4] = [131, 132, 143, 133];

const IFNAMSIZ: usize = 16;

/// What `nft` calls the types of set keys: it shows elements by it, the kernel does not look at it.
pub(super) const KEY_IPV4: u32 = 7;
pub(super) const KEY_IPV6: u32 = 8;
const KEY_IFINDEX: u32 = 20;
const KEY_IFNAME: u32 = 41;
const KEY_ICMPV6: u32 = 29;

/// For `nft`, which shows names and numbers of links upside down without it: the keys are in the machine's byte order
/// (`NFTNL_UDATA_SET_KEYBYTEORDER` 0, four octets, `BYTEORDER_HOST_ENDIAN` 1).
const HOST_ORDER: [u8; 6] = {
    let [a, b, c, d] = 1_u32.to_ne_bytes();
    [0, 4, a, b, c, d]
};

const SET_CLOSED: &str = "closed";
const SET_DEVICES: &str = "vmacs";
const SET_REPORTS: &str = "reports";
pub(super) const CHAIN_IN: &str = "in";
const CHAIN_OUT: &str = "out";

/// Elements per message: an attribute holds 64 KiB, an element of ours takes 28 octets.
const ELEMENTS_PER_MESSAGE: usize = 1000;

pub(super) fn begin() -> Vec<u8> {
    Request::new(BATCH_BEGIN, 0, &header(0, SUBSYSTEM)).finish()
}

pub(super) fn end() -> Vec<u8> {
    Request::new(BATCH_END, 0, &header(0, SUBSYSTEM)).finish()
}

pub(super) fn make_table(family: Family, name: &str) -> Vec<u8> {
    let mut request = message(NEWTABLE, NLM_F_CREATE, family);
    request.put_text(1, name);
    request.finish()
}

pub(super) fn remove_table(family: Family, name: &str) -> Vec<u8> {
    let mut request = message(DELTABLE, 0, family);
    request.put_text(1, name);
    request.finish()
}

/// The table of one family.
pub(super) fn table(family: Family, filter: &Filter, messages: &mut Vec<Vec<u8>>) {
    messages.push(make_table(family, &filter.table));
    let to = Table { family, filter };
    for (chain, hook) in [(CHAIN_IN, HOOK_IN), (CHAIN_OUT, HOOK_OUT)] {
        messages.push(to.chain(chain, hook));
    }
    let closed = filter.closed.iter().filter(|address| Family::from(**address) == family);
    let closed: Vec<Vec<u8>> = closed.map(|address| octets(*address)).collect();
    let key = match family {
        Family::Inet => KEY_IPV4,
        Family::Inet6 => KEY_IPV6,
    };
    to.set(SET_CLOSED, key, &closed, messages);
    let devices: Vec<Vec<u8>> = filter.devices.iter().map(|port| port_octets(port, filter.by_index)).collect();
    to.set(SET_DEVICES, if filter.by_index { KEY_IFINDEX } else { KEY_IFNAME }, &devices, messages);
    if family == Family::Inet6 {
        let reports: Vec<Vec<u8>> = REPORTS.iter().map(|kind| vec![*kind]).collect();
        to.set(SET_REPORTS, KEY_ICMPV6, &reports, messages);
        // REQ: VRRP3-6.1-06
        // Neighbour discovery goes on for a closed address: others must find the router (RFC 9568 6.1).
        for (chain, kind) in [CHAIN_IN, CHAIN_OUT]
            .into_iter()
            .flat_map(|chain| [NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT].map(|kind| (chain, kind)))
        {
            messages.push(to.rule(chain, NF_ACCEPT, |rule| {
                protocol(rule, ICMPV6);
                payload(rule, TRANSPORT, 0, 1);
                equals(rule, &[kind]);
            }));
        }
    }
    to.close(&closed, messages);
    if !devices.is_empty() {
        messages.push(to.silence());
    }
}

struct Table<'a> {
    family: Family,
    filter: &'a Filter,
}

impl Table<'_> {
    fn chain(&self, name: &str, hook: u32) -> Vec<u8> {
        let mut request = message(NEWCHAIN, NLM_F_CREATE, self.family);
        request.put_text(1, &self.filter.table);
        request.put_text(3, name);
        request.nest(4, |at| {
            at.put_be32(1, hook);
            at.put(2, &self.filter.priority.to_be_bytes());
        });
        request.put_be32(5, NF_ACCEPT);
        request.put_text(7, "filter");
        request.finish()
    }

    /// A set and its elements; none if there are no elements.
    fn set(&self, name: &str, key: u32, elements: &[Vec<u8>], messages: &mut Vec<Vec<u8>>) {
        let Some(length) = elements.first().and_then(|first| u32::try_from(first.len()).ok()) else { return };
        let mut request = message(NEWSET, NLM_F_CREATE, self.family);
        request.put_text(1, &self.filter.table);
        request.put_text(2, name);
        request.put_be32(3, 0);
        request.put_be32(4, key);
        request.put_be32(5, length);
        if key == KEY_IFNAME || key == KEY_IFINDEX {
            request.put(13, &HOST_ORDER);
        }
        // A number within the transaction, which the kernel wants and nobody uses: sets are found by name.
        request.put_be32(10, key);
        messages.push(request.finish());
        for part in elements.chunks(ELEMENTS_PER_MESSAGE) {
            let mut request = message(NEWSETELEM, NLM_F_CREATE, self.family);
            request.put_text(1, &self.filter.table);
            request.put_text(2, name);
            request.nest(3, |list| {
                for element in part {
                    list.nest(LIST_ELEMENT, |one| one.nest(1, |key| key.put(DATA_VALUE, element)));
                }
            });
            messages.push(request.finish());
        }
    }

    /// Nothing in to a closed address, nothing out from one.
    fn close(&self, closed: &[Vec<u8>], messages: &mut Vec<Vec<u8>>) {
        let (source, destination, length) = match self.family {
            Family::Inet => (12, 16, 4),
            Family::Inet6 => (8, 24, 16),
        };
        for (chain, offset) in [(CHAIN_IN, destination), (CHAIN_OUT, source)] {
            if !closed.is_empty() {
                messages.push(self.rule(chain, NF_DROP, |rule| {
                    payload(rule, NETWORK, offset, length);
                    lookup(rule, SET_CLOSED);
                }));
            }
            let local = self.filter.closed_on.iter().filter(|_| self.family == Family::Inet6);
            for (port, address) in local {
                messages.push(self.rule(chain, NF_DROP, |rule| {
                    let key = match (chain == CHAIN_IN, self.filter.by_index) {
                        (true, true) => META_IIF,
                        (true, false) => META_IIFNAME,
                        (false, true) => META_OIF,
                        (false, false) => META_OIFNAME,
                    };
                    meta(rule, key);
                    equals(rule, &port_octets(port, self.filter.by_index));
                    payload(rule, NETWORK, offset, length);
                    equals(rule, &address.octets());
                }));
            }
        }
    }

    /// No membership report and no router solicitation from a virtual MAC: switches would believe that it lives behind
    /// a standby.
    fn silence(&self) -> Vec<u8> {
        self.rule(CHAIN_OUT, NF_DROP, |rule| {
            meta(rule, if self.filter.by_index { META_OIF } else { META_OIFNAME });
            lookup(rule, SET_DEVICES);
            match self.family {
                Family::Inet => protocol(rule, IGMP),
                Family::Inet6 => {
                    protocol(rule, ICMPV6);
                    payload(rule, TRANSPORT, 0, 1);
                    lookup(rule, SET_REPORTS);
                }
            }
        })
    }

    fn rule(&self, chain: &str, verdict: u32, conditions: impl FnOnce(&mut Request)) -> Vec<u8> {
        let mut request = message(NEWRULE, NLM_F_CREATE | NLM_F_APPEND, self.family);
        request.put_text(1, &self.filter.table);
        request.put_text(2, chain);
        request.nest(4, |rule| {
            conditions(rule);
            if self.filter.counters {
                expression(rule, "counter", |_| {});
            }
            expression(rule, "immediate", |data| {
                data.put_be32(1, REGISTER_VERDICT);
                data.nest(2, |value| value.nest(DATA_VERDICT, |code| code.put_be32(1, verdict)));
            });
        });
        request.finish()
    }
}

pub(super) fn expression(rule: &mut Request, name: &str, data: impl FnOnce(&mut Request)) {
    rule.nest(LIST_ELEMENT, |one| {
        one.put_text(1, name);
        one.nest(2, data);
    });
}

fn payload(rule: &mut Request, base: u32, offset: u32, length: u32) {
    payload_into(rule, REGISTER, (base, offset, length));
}

/// Octets of a header: which header, from where, how many.
pub(super) fn payload_into(rule: &mut Request, register: u32, (base, offset, length): (u32, u32, u32)) {
    expression(rule, "payload", |data| {
        data.put_be32(1, register);
        data.put_be32(2, base);
        data.put_be32(3, offset);
        data.put_be32(4, length);
    });
}

fn meta(rule: &mut Request, key: u32) {
    expression(rule, "meta", |data| {
        data.put_be32(1, REGISTER);
        data.put_be32(2, key);
    });
}

pub(super) fn protocol(rule: &mut Request, number: u8) {
    meta(rule, META_L4PROTO);
    equals(rule, &[number]);
}

fn equals(rule: &mut Request, value: &[u8]) {
    expression(rule, "cmp", |data| {
        data.put_be32(1, REGISTER);
        // `NFT_CMP_EQ`
        data.put_be32(2, 0);
        data.nest(3, |inner| inner.put(DATA_VALUE, value));
    });
}

fn lookup(rule: &mut Request, set: &str) {
    expression(rule, "lookup", |data| {
        data.put_text(1, set);
        data.put_be32(2, REGISTER);
    });
}

pub(super) fn message(kind: u16, flags: u16, family: Family) -> Request {
    let family = match family {
        Family::Inet => 2,
        Family::Inet6 => 10,
    };
    Request::new(kind, flags, &header(family, 0))
}

/// `struct nfgenmsg`
pub(super) fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn port_octets(port: &Port, by_index: bool) -> Vec<u8> {
    if by_index {
        return port.index.0.to_ne_bytes().to_vec();
    }
    let mut name = port.name.as_str().as_bytes().to_vec();
    name.resize(IFNAMSIZ, 0);
    name
}
