//! `witness NAME`, and `witness` in an instance or a sync group.

use super::named::begin;
use super::setting::{once, set};
use super::{Draft, Spanned, not_lowered};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use crate::source::Span;
use crate::value::shown;
use core::time::Duration;
use standfast_model::Secret;
use standfast_model::config::witness::{LeaseLost, Need, Unreachable};
use std::net::{IpAddr, SocketAddr};

/// What a `witness NAME` says.
#[derive(Debug, Default)]
pub(crate) struct WitnessDraft {
    pub(crate) kind: Option<KindDraft>,
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) rise: Option<u32>,
    pub(crate) fall: Option<u32>,
}

/// What is asked.
#[derive(Debug)]
pub(crate) enum KindDraft {
    Ping(IpAddr),
    Tcp(SocketAddr),
    Etcd(Box<EtcdDraft>),
}

/// What `etcd` says.
#[derive(Debug)]
pub(crate) struct EtcdDraft {
    pub(crate) head: Span,
    pub(crate) endpoints: Vec<Spanned<EndpointDraft>>,
    pub(crate) key: Option<String>,
    pub(crate) lease: Option<Duration>,
    pub(crate) holder: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) ca: Option<Spanned<String>>,
    pub(crate) certificate: Option<Spanned<String>>,
    pub(crate) private_key: Option<Spanned<String>>,
    pub(crate) server_name: Option<Spanned<String>>,
}

/// A member of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointDraft {
    pub(crate) address: SocketAddr,
    /// `https://`
    pub(crate) tls: bool,
}

/// What `witness` in an instance or a sync group says.
#[derive(Clone, Debug)]
pub(crate) struct PolicyDraft {
    pub(crate) head: Span,
    pub(crate) names: Vec<Spanned<String>>,
    pub(crate) need: Option<Need>,
    pub(crate) unreachable: Option<Unreachable>,
    pub(crate) lost: Option<LeaseLost>,
}

/// Reads a `witness NAME` block.
pub(crate) fn witness(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    let Some(name) = begin(parser, head, &draft.witnesses) else { return };
    let mut own = WitnessDraft::default();
    while let Some(statement) = parser.next() {
        match statement.keyword.name {
            "ping" => {
                let found = parser.address(&statement).map(KindDraft::Ping);
                once(parser, &statement, &mut own.kind, found);
            }
            "tcp" => {
                let found = place(parser, &statement).map(KindDraft::Tcp);
                once(parser, &statement, &mut own.kind, found);
            }
            "etcd" => {
                let found = etcd(parser, &statement).map(|etcd| KindDraft::Etcd(Box::new(etcd)));
                once(parser, &statement, &mut own.kind, found);
            }
            "interval" => set(&mut own.interval, parser.time(&statement)),
            "timeout" => set(&mut own.timeout, parser.time(&statement)),
            "rise" => set(&mut own.rise, parser.number(&statement)),
            "fall" => set(&mut own.fall, parser.number(&statement)),
            _ => not_lowered(parser, &statement),
        }
    }
    draft.witnesses.insert(name, head.span(), own);
}

/// `IP PORT`
fn place(parser: &mut Parser<'_>, statement: &Statement) -> Option<SocketAddr> {
    let (address, port) = (statement.arg(0)?, statement.arg(1)?);
    let address = parser.address_of(address, statement.arg_span(0))?;
    let port = parser.number_of(port, statement.arg_span(1), 1, 65535)?;
    Some(SocketAddr::new(address, u16::try_from(port).ok()?))
}

fn etcd(parser: &mut Parser<'_>, head: &Statement) -> Option<EtcdDraft> {
    if !parser.enter(head) {
        return None;
    }
    let mut own = EtcdDraft {
        head: head.span(),
        endpoints: Vec::new(),
        key: None,
        lease: None,
        holder: None,
        user: None,
        password: None,
        ca: None,
        certificate: None,
        private_key: None,
        server_name: None,
    };
    while let Some(statement) = parser.next() {
        let text = Some(statement.name());
        let placed = || Some(Spanned { value: statement.name(), span: statement.span() });
        match statement.keyword.name {
            "endpoint" => {
                let found = endpoint(parser, &statement);
                own.endpoints.extend(found.map(|value| Spanned { value, span: statement.span() }));
            }
            "lease_key" => own.key = text,
            "lease" => set(&mut own.lease, parser.time(&statement)),
            "holder" => own.holder = text,
            "user" => own.user = text,
            "password" => own.password = text.map(Secret::from),
            "ca" => own.ca = placed(),
            "certificate" => own.certificate = placed(),
            "private_key" => own.private_key = placed(),
            "server_name" => own.server_name = placed(),
            _ => not_lowered(parser, &statement),
        }
    }
    Some(own)
}

/// `http://192.0.2.1:2379`, `https://[2001:db8::1]:2379`
fn endpoint(parser: &mut Parser<'_>, statement: &Statement) -> Option<EndpointDraft> {
    let word = statement.arg(0)?;
    let parsed = core::str::from_utf8(word).ok().and_then(|text| {
        let (tls, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        Some(EndpointDraft { address: rest.strip_suffix('/').unwrap_or(rest).parse().ok()?, tls })
    });
    if parsed.is_none() {
        let headline = format!("`{}` is no endpoint", shown(word));
        let label = "http:// or https://, a numeric address, a colon and a port are wanted";
        parser.report(Diagnostic::new(Code::InvalidAddress, headline, statement.arg_span(0), label));
    }
    parsed
}

/// Reads `witness` of an instance or a sync group.
pub(crate) fn policy(parser: &mut Parser<'_>, head: &Statement) -> Option<PolicyDraft> {
    if !parser.enter(head) {
        return None;
    }
    let mut own = PolicyDraft { head: head.span(), names: Vec::new(), need: None, unreachable: None, lost: None };
    while let Some(statement) = parser.next() {
        match statement.keyword.name {
            "use" => own.names.extend((0..statement.args()).map(|at| Spanned {
                value: String::from_utf8_lossy(statement.arg(at).unwrap_or_default()).into_owned(),
                span: statement.arg_span(at),
            })),
            "need" => {
                own.need = parser.choice(&statement).map(|word| if word == "all" { Need::All } else { Need::Any });
            }
            "unreachable" => {
                let stay = |word| if word == "stay" { Unreachable::Stay } else { Unreachable::Take };
                own.unreachable = parser.choice(&statement).map(stay);
            }
            "lost" => {
                let keep = |word| if word == "keep" { LeaseLost::Keep } else { LeaseLost::StepDown };
                own.lost = parser.choice(&statement).map(keep);
            }
            _ => not_lowered(parser, &statement),
        }
    }
    Some(own)
}
