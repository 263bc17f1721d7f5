//! What the checkers do, in detail.

use super::script::Script;
use super::track::{BfdId, FileId};
use crate::InterfaceName;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// The common words of every check that connects (`connect_ip`, `connect_port`, `bindto`, ...).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Connect {
    /// Where to: the real server unless `connect_ip` or `connect_port` say otherwise.
    pub target: SocketAddr,
    /// `bindto`: local address.
    pub bind_address: Option<IpAddr>,
    /// `bind_port`: local port, none is any.
    pub bind_port: Option<u16>,
    /// `bind_if`: local interface.
    pub bind_interface: Option<InterfaceName>,
    /// `connect_timeout`, 1 us ..= 4294.967295 s.
    pub timeout: Duration,
    /// `fwmark` put on the probe's packets, 0 is none.
    pub mark: u32,
}

/// `HTTP_GET` and `SSL_GET`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Http {
    /// Where to.
    pub connect: Connect,
    /// `SSL_GET`: over TLS.
    pub tls: Option<Tls>,
    /// `http_protocol`
    pub version: HttpVersion,
    /// `fast_recovery`: after a failure all pages at once.
    pub fast_recovery: bool,
    /// At least one; all must succeed.
    pub urls: Vec<Url>,
}

/// The words of `SSL_GET` alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Tls {
    /// `enable_sni`
    pub sni: bool,
}

/// `http_protocol`
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum HttpVersion {
    /// `1.0`
    #[default]
    Http10,
    /// `1.0C`: with `Connection: close`.
    Http10Close,
    /// `1.1`, with `Connection: close`.
    Http11,
}

/// One page.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Url {
    /// `path`
    pub path: String,
    /// `virtualhost` of the page, the checker, the real or the virtual server.
    pub virtual_host: Option<String>,
    /// `status_code`: ranges, both ends included; 200..=299 when nothing is said.
    pub status_codes: Vec<(u16, u16)>,
    /// `digest`: MD5 of the body.
    pub digest: Option<[u8; 16]>,
    /// `regex` and its words.
    pub regex: Option<Regex>,
    /// `tls_compliant`: an end without close_notify is an error.
    pub tls_compliant: bool,
}

/// `regex` and its words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Regex {
    /// The pattern, PCRE2.
    pub pattern: Vec<u8>,
    /// `regex_no_match`: the body must not match.
    pub no_match: bool,
    /// `regex_options`: PCRE2 names in lower case.
    pub options: Vec<String>,
    /// `regex_min_offset`
    pub min_offset: u64,
    /// `regex_max_offset`
    pub max_offset: Option<u64>,
    /// `regex_stack`: first and largest size in bytes.
    pub stack: Option<(u64, u64)>,
}

/// `SMTP_CHECK`
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Smtp {
    /// Where to, at least one; all must succeed (`host` blocks).
    pub hosts: Vec<Connect>,
    /// `helo_name`
    pub helo_name: String,
}

/// `DNS_CHECK`
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Dns {
    /// Where to.
    pub connect: Connect,
    /// `type`, as the number of the query.
    pub kind: DnsType,
    /// `name`; the root is `.`.
    pub name: String,
}

/// The query types of `DNS_CHECK`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum DnsType {
    /// 1
    A,
    /// 2
    Ns,
    /// 5
    Cname,
    /// 6
    #[default]
    Soa,
    /// 15
    Mx,
    /// 16
    Txt,
    /// 28
    Aaaa,
    /// 46
    Rrsig,
    /// 48
    Dnskey,
}

impl DnsType {
    /// The number in the query.
    #[must_use]
    pub const fn get(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ns => 2,
            Self::Cname => 5,
            Self::Soa => 6,
            Self::Mx => 15,
            Self::Txt => 16,
            Self::Aaaa => 28,
            Self::Rrsig => 46,
            Self::Dnskey => 48,
        }
    }
}

/// `MISC_CHECK`
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Misc {
    /// `misc_path` with `user`.
    pub script: Script,
    /// `misc_timeout`; by default the `delay_loop` of the virtual server.
    pub timeout: Duration,
    /// `misc_dynamic`: status 2..=255 is a weight of status - 2.
    pub dynamic: bool,
}

/// `UDP_CHECK`
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Udp {
    /// Where to.
    pub connect: Connect,
    /// `payload`; none is keepalived's text.
    pub payload: Option<Vec<u8>>,
    /// `require_reply`
    pub reply: Option<UdpReply>,
}

/// `require_reply` and its words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct UdpReply {
    /// What it must hold; empty is anything.
    pub pattern: Vec<MaskedByte>,
    /// `min_reply_length`
    pub min_length: u16,
    /// `max_reply_length`
    pub max_length: u16,
}

/// A byte of a reply of which only the masked bits count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct MaskedByte {
    /// Its bits.
    pub value: u8,
    /// Those that count: 0xff, 0xf0, 0x0f or 0.
    pub mask: u8,
}

/// `FILE_CHECK`
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct TrackedFile {
    /// The file, of the LVS slice.
    pub file: FileId,
    /// `weight`: multiplier of the number in it; 0 makes any number but 0 a failure.
    pub weight: i32,
    /// `reverse`
    pub reverse: bool,
}

/// `BFD_CHECK`
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct TrackedSession {
    /// The session.
    pub session: BfdId,
}
