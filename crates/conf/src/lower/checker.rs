//! The health checkers of a real server.

mod http;
mod udp;

use super::script::{self, RunAs, ScriptDraft};
use super::setting::{set, set_flag};
use super::{Draft, Spanned, not_lowered};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keyword::Keyword;
use crate::parse::{Parser, Statement};
use crate::source::Span;
use crate::value::shown;
use core::time::Duration;
use standfast_model::InterfaceName;
use standfast_model::config::probe::DnsType;
use std::net::IpAddr;

pub(crate) use http::{HttpDraft, UrlDraft};
pub(crate) use udp::UdpDraft;

/// The timing words that virtual servers, real servers and checkers share; each inherits from the one around it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimingDraft {
    pub(crate) delay_loop: Option<Duration>,
    pub(crate) retry: Option<u32>,
    pub(crate) delay_before_retry: Option<Duration>,
    pub(crate) warmup: Option<Duration>,
    pub(crate) connect_timeout: Option<Duration>,
}

impl TimingDraft {
    pub(crate) const NOTHING: Self =
        Self { delay_loop: None, retry: None, delay_before_retry: None, warmup: None, connect_timeout: None };

    /// Takes a statement of the family; false for another.
    pub(crate) fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement) -> bool {
        match statement.keyword.name {
            "delay_loop" => set(&mut self.delay_loop, parser.time(statement)),
            "retry" => set(&mut self.retry, parser.number(statement)),
            "delay_before_retry" => set(&mut self.delay_before_retry, parser.time(statement)),
            "warmup" => set(&mut self.warmup, parser.time(statement)),
            "connect_timeout" => set(&mut self.connect_timeout, parser.time(statement)),
            _ => return false,
        }
        true
    }

    /// This, and what the block around it says where this says nothing.
    pub(crate) fn within(self, outer: Self) -> Self {
        Self {
            delay_loop: self.delay_loop.or(outer.delay_loop),
            retry: self.retry.or(outer.retry),
            delay_before_retry: self.delay_before_retry.or(outer.delay_before_retry),
            warmup: self.warmup.or(outer.warmup),
            connect_timeout: self.connect_timeout.or(outer.connect_timeout),
        }
    }
}

/// Where a checker connects to and from.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectDraft {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: Option<u16>,
    pub(crate) bind_address: Option<Spanned<IpAddr>>,
    pub(crate) bind_port: Option<u16>,
    pub(crate) bind_interface: Option<InterfaceName>,
    pub(crate) mark: u32,
    /// Of this place alone (`host` of `SMTP_CHECK`).
    pub(crate) timeout: Option<Duration>,
}

impl ConnectDraft {
    const NOTHING: Self = Self {
        ip: None,
        port: None,
        bind_address: None,
        bind_port: None,
        bind_interface: None,
        mark: 0,
        timeout: None,
    };

    /// Takes a statement of the family; false for another.
    fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement) -> bool {
        match statement.keyword.name {
            "connect_ip" => set(&mut self.ip, parser.address(statement)),
            "connect_port" => set(&mut self.port, parser.number(statement)),
            "bindto" => {
                let span = statement.arg_span(0);
                set(&mut self.bind_address, parser.address(statement).map(|value| Spanned { value, span }));
            }
            "bind_port" => set(&mut self.bind_port, parser.number(statement)),
            "bind_if" => {
                if let Some(word) = statement.arg(0) {
                    set(&mut self.bind_interface, parser.interface_of(word, statement.arg_span(0)));
                }
            }
            "fwmark" => self.mark = parser.number(statement).unwrap_or(self.mark),
            _ => return false,
        }
        true
    }
}

/// What a checker says.
#[derive(Clone, Debug)]
pub(crate) struct CheckerDraft {
    pub(crate) keyword: &'static Keyword,
    pub(crate) head: Span,
    pub(crate) timing: TimingDraft,
    pub(crate) alpha: Option<bool>,
    pub(crate) log_all_failures: bool,
    pub(crate) probe: ProbeDraft,
    /// Few checkers connect elsewhere than to their real server.
    connect: Option<Box<ConnectDraft>>,
}

impl CheckerDraft {
    pub(crate) fn connect(&self) -> &ConnectDraft {
        static NOTHING: ConnectDraft = ConnectDraft::NOTHING;
        self.connect.as_deref().unwrap_or(&NOTHING)
    }
}

/// What a checker does.
#[derive(Clone, Debug)]
pub(crate) enum ProbeDraft {
    Tcp,
    Ping,
    Udp(Box<UdpDraft>),
    Smtp(Box<SmtpDraft>),
    Http(Box<HttpDraft>),
    Dns(Box<DnsDraft>),
    Misc(Box<MiscDraft>),
    File(Box<FileDraft>),
    Bfd(Option<Box<Spanned<String>>>),
}

/// What `SMTP_CHECK` says.
#[derive(Clone, Debug, Default)]
pub(crate) struct SmtpDraft {
    pub(crate) helo_name: Option<String>,
    pub(crate) hosts: Vec<ConnectDraft>,
    /// What `host` blocks say of the whole check, which has one rhythm.
    timing: TimingDraft,
    alpha: Option<bool>,
    log_all_failures: bool,
}

/// What `DNS_CHECK` says.
#[derive(Clone, Debug, Default)]
pub(crate) struct DnsDraft {
    pub(crate) kind: DnsType,
    pub(crate) name: Option<String>,
}

/// What `MISC_CHECK` says.
#[derive(Clone, Debug, Default)]
pub(crate) struct MiscDraft {
    pub(crate) script: Option<ScriptDraft>,
    /// A script or a user was written and could not be used.
    pub(crate) bad: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) dynamic: bool,
}

/// What `FILE_CHECK` says.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileDraft {
    pub(crate) file: Option<Spanned<String>>,
    pub(crate) weight: Option<(i32, bool)>,
}

impl ProbeDraft {
    /// The empty probe of a checker's keyword; none if the keyword is no checker's.
    fn new(name: &str) -> Option<Self> {
        Some(match name {
            "TCP_CHECK" => Self::Tcp,
            "PING_CHECK" => Self::Ping,
            "UDP_CHECK" => Self::Udp(Box::default()),
            "SMTP_CHECK" => Self::Smtp(Box::default()),
            "HTTP_GET" => Self::Http(Box::default()),
            "SSL_GET" => Self::Http(Box::new(HttpDraft { tls: true, ..HttpDraft::default() })),
            "DNS_CHECK" => Self::Dns(Box::default()),
            "MISC_CHECK" => Self::Misc(Box::default()),
            "FILE_CHECK" => Self::File(Box::default()),
            "BFD_CHECK" => Self::Bfd(None),
            _ => return None,
        })
    }

    /// Takes a statement of the probe's own; false for another.
    fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement, draft: &Draft) -> bool {
        match self {
            Self::Tcp | Self::Ping => false,
            Self::Udp(udp) => udp.take(parser, statement),
            Self::Smtp(smtp) => smtp.take(parser, statement),
            Self::Http(http) => http.take(parser, statement),
            Self::Dns(dns) => dns.take(parser, statement),
            Self::Misc(misc) => misc.take(parser, statement, draft),
            Self::File(file) => file.take(parser, statement),
            Self::Bfd(name) => {
                let named = statement.keyword.name == "name";
                if named {
                    *name = Some(Box::new(Spanned { value: statement.name(), span: statement.arg_span(0) }));
                }
                named
            }
        }
    }
}

/// Reads a checker's block; none if the keyword is no checker's, or there is no block.
pub(crate) fn checker(parser: &mut Parser<'_>, head: &Statement, draft: &Draft) -> Option<CheckerDraft> {
    let probe = ProbeDraft::new(head.keyword.name)?;
    if !parser.enter(head) {
        return None;
    }
    let mut checker = CheckerDraft {
        keyword: head.keyword,
        head: head.span(),
        timing: TimingDraft::default(),
        alpha: None,
        log_all_failures: false,
        probe,
        connect: None,
    };
    let mut user = None;
    while let Some(statement) = parser.next() {
        match statement.keyword.name {
            "alpha" => set(&mut checker.alpha, parser.boolean(&statement)),
            "log_all_failures" => set_flag(&mut checker.log_all_failures, parser.boolean(&statement)),
            "user" => {
                user = script::user(parser, &statement);
                if let ProbeDraft::Misc(misc) = &mut checker.probe {
                    misc.bad |= user.is_none();
                }
            }
            _ => {
                let taken = checker.timing.take(parser, &statement)
                    || checker.connect.get_or_insert_default().take(parser, &statement)
                    || checker.probe.take(parser, &statement, draft);
                if !taken {
                    not_lowered(parser, &statement);
                }
            }
        }
    }
    if let ProbeDraft::Smtp(smtp) = &checker.probe {
        checker.timing = smtp.timing.within(checker.timing);
        checker.alpha = smtp.alpha.or(checker.alpha);
        checker.log_all_failures |= smtp.log_all_failures;
    }
    // `user` may stand before or behind the script.
    if let (ProbeDraft::Misc(misc), Some(user)) = (&mut checker.probe, user)
        && let Some(script) = &mut misc.script
    {
        script.identity = RunAs::Named(user.value);
    }
    Some(checker)
}

impl SmtpDraft {
    fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement) -> bool {
        match statement.keyword.name {
            "helo_name" => self.helo_name = Some(statement.name()),
            "host" => {
                if !parser.enter(statement) {
                    return true;
                }
                let mut host = ConnectDraft::default();
                while let Some(statement) = parser.next() {
                    match statement.keyword.name {
                        "connect_timeout" => set(&mut host.timeout, parser.time(&statement)),
                        "alpha" => set(&mut self.alpha, parser.boolean(&statement)),
                        "log_all_failures" => set_flag(&mut self.log_all_failures, parser.boolean(&statement)),
                        _ => {
                            if !host.take(parser, &statement) && !self.timing.take(parser, &statement) {
                                not_lowered(parser, &statement);
                            }
                        }
                    }
                }
                self.hosts.push(host);
            }
            _ => return false,
        }
        true
    }
}

impl DnsDraft {
    fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement) -> bool {
        match statement.keyword.name {
            "type" => {
                self.kind = match parser.choice(statement) {
                    Some("A") => DnsType::A,
                    Some("NS") => DnsType::Ns,
                    Some("CNAME") => DnsType::Cname,
                    Some("MX") => DnsType::Mx,
                    Some("TXT") => DnsType::Txt,
                    Some("AAAA") => DnsType::Aaaa,
                    Some("RRSIG") => DnsType::Rrsig,
                    Some("DNSKEY") => DnsType::Dnskey,
                    Some(_) => DnsType::Soa,
                    None => self.kind,
                };
            }
            "name" => self.name = Some(statement.name()),
            _ => return false,
        }
        true
    }
}

impl MiscDraft {
    fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement, draft: &Draft) -> bool {
        match statement.keyword.name {
            "misc_path" => {
                let found = script::command(parser, statement, draft);
                self.bad |= found.is_none();
                script::keep(parser, &mut self.script, found);
            }
            "misc_timeout" => set(&mut self.timeout, parser.time(statement)),
            "misc_dynamic" => self.dynamic = true,
            _ => return false,
        }
        true
    }
}

impl FileDraft {
    fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement) -> bool {
        match statement.keyword.name {
            "track_file" => self.file = Some(Spanned { value: statement.name(), span: statement.arg_span(0) }),
            "weight" => {
                let word = statement.arg(0).unwrap_or_default();
                let most = crate::keyword::I32;
                let Some(value) = parser.number_of(word, statement.arg_span(0), -most, most) else { return true };
                let reverse = match statement.arg(1) {
                    None | Some(b"noreverse") => false,
                    Some(b"reverse") => true,
                    Some(other) => {
                        let headline = format!("`{}` is no word of a weight", shown(other));
                        let span = statement.arg_span(1);
                        parser.report(Diagnostic::new(Code::InvalidEntry, headline, span, "this is ignored"));
                        false
                    }
                };
                self.weight = i32::try_from(value).ok().map(|value| (value, reverse));
            }
            _ => return false,
        }
        true
    }
}
