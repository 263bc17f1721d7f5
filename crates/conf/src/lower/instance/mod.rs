//! `vrrp_instance`.

mod device;
mod hmac;
mod options;

pub(crate) use hmac::key_octets;
pub(crate) use options::OptionsDraft;

use super::garp::GarpDraft;
use super::setting::{set, version};
use super::{Draft, Spanned, address, named, not_lowered, track};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::parse::{Parser, Statement};
use crate::source::Span;
use core::time::Duration;
use standfast_model::config::vrrp::{InitialState, TrackedInterface};
use standfast_model::{InterfaceName, Password, Priority, Version, VirtualAddress, Vrid};
use std::net::IpAddr;

/// The types of `authentication`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AuthType {
    Pass,
    Ah,
}

/// What `authentication` says.
#[derive(Debug, Default)]
pub(crate) struct AuthenticationDraft {
    pub(crate) span: Option<Span>,
    pub(crate) kind: Option<Spanned<AuthType>>,
    pub(crate) password: Option<Password>,
}

/// What a `vrrp_instance` says; none is not said.
#[derive(Debug)]
pub(crate) struct InstanceDraft {
    pub(crate) name: String,
    /// The statement that opens the block.
    pub(crate) head: Span,
    pub(crate) state: Option<Spanned<InitialState>>,
    pub(crate) interface: Option<Spanned<InterfaceName>>,
    pub(crate) vrid: Option<Spanned<Vrid>>,
    /// A `virtual_router_id` was written and could not be used: told, and not to be told again as missing.
    pub(crate) bad_vrid: bool,
    /// The same of an `interface`.
    pub(crate) bad_interface: bool,
    /// The same of an address.
    pub(crate) bad_address: bool,
    pub(crate) version: Option<Spanned<Version>>,
    pub(crate) priority: Option<Spanned<Priority>>,
    pub(crate) advert_int: Option<Spanned<Duration>>,
    pub(crate) authentication: AuthenticationDraft,
    pub(crate) addresses: Vec<Spanned<VirtualAddress>>,
    /// Where `virtual_ipaddress` stands, if it does.
    pub(crate) address_list: Option<Span>,
    pub(crate) excluded: Vec<Spanned<VirtualAddress>>,
    pub(crate) no_addresses: bool,
    pub(crate) nopreempt: Option<Span>,
    pub(crate) preempt_delay: Option<Spanned<Duration>>,
    pub(crate) garp: GarpDraft,
    pub(crate) source: Option<Spanned<IpAddr>>,
    pub(crate) down_timer_adverts: Option<u8>,
    pub(crate) lower_prio_no_advert: Option<bool>,
    pub(crate) higher_prio_send_advert: Option<bool>,
    pub(crate) dont_track_primary: bool,
    pub(crate) track_interfaces: Vec<Spanned<TrackedInterface>>,
    pub(crate) options: OptionsDraft,
}

impl InstanceDraft {
    fn new(name: String, head: Span) -> Self {
        Self {
            name,
            head,
            state: None,
            interface: None,
            vrid: None,
            bad_vrid: false,
            bad_interface: false,
            bad_address: false,
            version: None,
            priority: None,
            advert_int: None,
            authentication: AuthenticationDraft::default(),
            addresses: Vec::new(),
            address_list: None,
            excluded: Vec::new(),
            no_addresses: false,
            nopreempt: None,
            preempt_delay: None,
            garp: GarpDraft::default(),
            source: None,
            down_timer_adverts: None,
            lower_prio_no_advert: None,
            higher_prio_send_advert: None,
            dont_track_primary: false,
            track_interfaces: Vec::new(),
            options: OptionsDraft::default(),
        }
    }
}

/// Reads a `vrrp_instance` block. One of a name that exists already is read past, as in keepalived.
pub(crate) fn vrrp_instance(parser: &mut Parser<'_>, head: &Statement, draft: &mut Draft) {
    let name = head.name();
    if let Some(first) = draft.instance_places.get(&name).and_then(|at| draft.instances.get(*at)) {
        return named::taken(parser, head, (Code::DuplicateInstance, "instance"), first.head);
    }
    if !parser.enter(head) {
        return;
    }
    let mut instance = InstanceDraft::new(name, head.span());
    while let Some(statement) = parser.next() {
        lower(parser, &statement, &mut instance, draft);
    }
    draft.instance_places.insert(instance.name.clone(), draft.instances.len());
    draft.instances.push(instance);
}

fn lower(parser: &mut Parser<'_>, statement: &Statement, instance: &mut InstanceDraft, draft: &mut Draft) {
    let taken = identity(parser, statement, instance, draft)
        || election(parser, statement, instance)
        || addresses(parser, statement, instance, draft)
        || instance.garp.take(parser, statement, statement.keyword.name)
        || instance.options.take(parser, statement, draft);
    if !taken {
        not_lowered(parser, statement);
    }
}

/// Takes what makes a virtual router the one it is, to itself and to others; false for another keyword.
fn identity(parser: &mut Parser<'_>, statement: &Statement, instance: &mut InstanceDraft, draft: &mut Draft) -> bool {
    let span = statement.span();
    match statement.keyword.name {
        "interface" => interface(parser, statement, instance, draft),
        "virtual_router_id" => match parser.number(statement).and_then(Vrid::new) {
            Some(value) => instance.vrid = Some(Spanned { value, span }),
            None => {
                parser.escalate();
                instance.bad_vrid = true;
            }
        },
        "version" => set(&mut instance.version, version(parser, statement).map(|value| Spanned { value, span })),
        "authentication" => authentication(parser, statement, &mut instance.authentication),
        "mcast_src_ip" => {
            let value = parser.address(statement);
            set(&mut instance.source, value.map(|value| Spanned { value, span: statement.arg_span(0) }));
        }
        _ => return false,
    }
    true
}

fn interface(parser: &mut Parser<'_>, statement: &Statement, instance: &mut InstanceDraft, draft: &mut Draft) {
    let Some(word) = statement.arg(0) else { return };
    let span = statement.arg_span(0);
    match parser.interface_of(word, span) {
        Some(value) => {
            draft.need(&value, span);
            instance.interface = Some(Spanned { value, span });
        }
        None => {
            parser.escalate();
            instance.bad_interface = true;
        }
    }
}

/// Takes what decides who is master; false for another keyword.
fn election(parser: &mut Parser<'_>, statement: &Statement, instance: &mut InstanceDraft) -> bool {
    let span = statement.span();
    match statement.keyword.name {
        "state" => state(parser, statement, instance),
        "priority" => {
            // A number that is none, or out of range, is the default and not a missing one: state MASTER would become
            // owner.
            let value = parser.number(statement).and_then(Priority::new).unwrap_or(Priority::DEFAULT);
            instance.priority = Some(Spanned { value, span });
        }
        "advert_int" => {
            let value = parser.time(statement);
            set(&mut instance.advert_int, value.map(|value| Spanned { value, span: statement.arg_span(0) }));
        }
        "preempt" => instance.nopreempt = None,
        "nopreempt" => instance.nopreempt = Some(span),
        "preempt_delay" => {
            let value = parser.time(statement);
            set(&mut instance.preempt_delay, value.map(|value| Spanned { value, span }));
        }
        "down_timer_adverts" => set(&mut instance.down_timer_adverts, parser.number(statement)),
        "lower_prio_no_advert" => set(&mut instance.lower_prio_no_advert, parser.boolean(statement)),
        "higher_prio_send_advert" => set(&mut instance.higher_prio_send_advert, parser.boolean(statement)),
        _ => return false,
    }
    true
}

/// Takes the addresses, and which interfaces they depend on; false for another keyword.
fn addresses(parser: &mut Parser<'_>, statement: &Statement, instance: &mut InstanceDraft, draft: &mut Draft) -> bool {
    match statement.keyword.name {
        "virtual_ipaddress" => {
            instance.address_list = Some(statement.span());
            let found = address::addresses(parser, statement, draft, &mut instance.bad_address);
            instance.addresses.extend(found);
        }
        "virtual_ipaddress_excluded" => {
            let found = address::addresses(parser, statement, draft, &mut instance.bad_address);
            instance.excluded.extend(found);
        }
        "no_virtual_ipaddress" => instance.no_addresses = true,
        "dont_track_primary" => instance.dont_track_primary = true,
        "track_interface" => {
            let found = track::interfaces(parser, statement, draft);
            instance.track_interfaces.extend(found);
        }
        _ => return false,
    }
    true
}

/// `state MASTER|BACKUP`; anything else is BACKUP, as in keepalived.
fn state(parser: &mut Parser<'_>, statement: &Statement, instance: &mut InstanceDraft) {
    let value = match parser.choice(statement) {
        Some("MASTER") => InitialState::Master,
        Some(_) | None => InitialState::Backup,
    };
    let span = statement.span();
    match instance.state {
        Some(Spanned { value: InitialState::Master, span: first }) if value == InitialState::Backup => {
            let headline = "state BACKUP after state MASTER is ignored";
            let diagnostic = Diagnostic::new(Code::Repeated, headline, span, "this is ignored");
            parser.report(diagnostic.and(first, "this counts"));
        }
        Some(_) | None => instance.state = Some(Spanned { value, span }),
    }
}

fn authentication(parser: &mut Parser<'_>, head: &Statement, draft: &mut AuthenticationDraft) {
    if !parser.enter(head) {
        return;
    }
    draft.span = Some(head.span());
    while let Some(statement) = parser.next() {
        match statement.keyword.name {
            "auth_type" => {
                let kind = match parser.choice(&statement) {
                    Some("PASS") => AuthType::Pass,
                    Some(_) => AuthType::Ah,
                    None => continue,
                };
                draft.kind = Some(Spanned { value: kind, span: statement.span() });
            }
            "auth_pass" => {
                let word = statement.arg(0).unwrap_or_default();
                if word.len() > 8 {
                    // The password itself must not appear in a message; where it stands is enough.
                    let headline = "a password longer than eight characters";
                    let label = "only the first eight are used";
                    parser.report(Diagnostic::new(Code::PasswordTruncated, headline, statement.keyword_span(), label));
                }
                draft.password = Some(Password::truncating(word));
            }
            _ => not_lowered(parser, &statement),
        }
    }
}
