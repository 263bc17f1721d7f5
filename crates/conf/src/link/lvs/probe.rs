//! Checkers: what they do, and when.

use super::Surroundings;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keyword::Stage;
use crate::link::trackers::track_file;
use crate::lower::Spanned;
use crate::lower::checker::{
    CheckerDraft, ConnectDraft, DnsDraft, FileDraft, HttpDraft, MiscDraft, ProbeDraft, SmtpDraft, TimingDraft,
    UdpDraft, UrlDraft,
};
use crate::source::Span;
use core::time::Duration;
use standfast_model::config::lvs::{Checker, Connect, Probe, Timing};
use standfast_model::config::probe::{
    Dns, Http, Misc, Regex, Smtp, Tls, TrackedFile, TrackedSession, Udp, UdpReply, Url,
};
use standfast_model::config::track::{BfdId, FileId};
use std::net::SocketAddr;

/// `delay_loop` when nobody says it.
pub(super) const DELAY_LOOP: Duration = Duration::from_secs(60);

/// `connect_timeout` when nobody says it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// keepalived's own name in HELO.
const HELO: &str = "smtpchecker.keepalived.org";

/// The longest reply of `UDP_CHECK` when nobody says it.
const REPLY_LENGTH: u16 = 255;

/// What the blocks around a checker say.
pub(super) struct Outer<'o> {
    pub(super) server: SocketAddr,
    pub(super) timing: TimingDraft,
    pub(super) alpha: bool,
    pub(super) virtual_host: Option<&'o String>,
    pub(super) service_delay_loop: Duration,
}

/// One checker; none if it checks nothing, which is told, or if this release does not perform it, which was told.
pub(super) fn checker(
    draft: &CheckerDraft,
    outer: &Outer<'_>,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> Option<Checker> {
    let said = draft.timing.within(outer.timing);
    let delay_loop = said.delay_loop.unwrap_or(DELAY_LOOP);
    let (retry, pause) = match &draft.probe {
        ProbeDraft::Dns(_) => (3, delay_loop),
        ProbeDraft::Misc(_) => (0, Duration::from_secs(1)),
        ProbeDraft::Http(_) => (1, Duration::from_secs(3)),
        ProbeDraft::Tcp | ProbeDraft::Ping | ProbeDraft::Udp(_) | ProbeDraft::Smtp(_) => (1, Duration::from_secs(1)),
        ProbeDraft::File(_) | ProbeDraft::Bfd(_) => (1, Duration::from_secs(1)),
    };
    // Nobody is heard to say alpha to a checker that has the state of something else.
    let alpha = match &draft.probe {
        ProbeDraft::File(_) => false,
        ProbeDraft::Bfd(_)
        | ProbeDraft::Tcp
        | ProbeDraft::Ping
        | ProbeDraft::Udp(_)
        | ProbeDraft::Smtp(_)
        | ProbeDraft::Http(_)
        | ProbeDraft::Dns(_)
        | ProbeDraft::Misc(_) => draft.alpha.unwrap_or(outer.alpha),
    };
    let timing = Timing {
        delay_loop,
        retry: said.retry.unwrap_or(retry),
        delay_before_retry: said.delay_before_retry.unwrap_or(pause),
        warmup: said.warmup.unwrap_or(delay_loop),
        alpha,
        log_all_failures: draft.log_all_failures || around.draft.global.model.checker_log_all_failures,
    };
    let timeout = said.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
    let probe = probe(draft, outer, timeout, around, diagnostics)?;
    (around.not_yet || draft.keyword.stage == Stage::Live).then_some(Checker { probe, timing })
}

fn probe(
    draft: &CheckerDraft,
    outer: &Outer<'_>,
    timeout: Duration,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> Option<Probe> {
    let connect = |diagnostics: &mut Diagnostics| connect(draft.connect(), outer.server, timeout, diagnostics);
    match &draft.probe {
        ProbeDraft::Tcp => {
            let connect = connect(diagnostics);
            no_port(draft, &connect, diagnostics);
            Some(Probe::Tcp(connect))
        }
        ProbeDraft::Ping => Some(Probe::Ping(connect(diagnostics))),
        ProbeDraft::Udp(udp) => {
            let connect = connect(diagnostics);
            Some(Probe::Udp(udp_of(draft.head, udp, connect, diagnostics)))
        }
        ProbeDraft::Smtp(smtp) => Some(Probe::Smtp(smtp_of(smtp, connect(diagnostics), timeout, diagnostics))),
        ProbeDraft::Dns(dns) => Some(Probe::Dns(dns_of(dns, connect(diagnostics)))),
        ProbeDraft::Http(http) => http_of(draft, http, outer, connect(diagnostics), diagnostics).map(Probe::Http),
        ProbeDraft::Misc(misc) => misc_of(draft, misc, outer, around, diagnostics).map(Probe::Misc),
        ProbeDraft::File(file) => file_of(draft, file, around, diagnostics).map(Probe::File),
        ProbeDraft::Bfd(name) => session_of(draft, name.as_deref(), around, diagnostics).map(Probe::Bfd),
    }
}

fn no_port(draft: &CheckerDraft, connect: &Connect, diagnostics: &mut Diagnostics) {
    if connect.target.port() == 0 {
        let headline = format!("`{}` has no port to connect to", draft.keyword.name);
        let diagnostic = Diagnostic::new(Code::NoCheckPort, headline, draft.head, "it will fail");
        diagnostics.push(diagnostic.help("say connect_port"));
    }
}

fn connect(draft: &ConnectDraft, server: SocketAddr, timeout: Duration, diagnostics: &mut Diagnostics) -> Connect {
    let target = SocketAddr::new(draft.ip.unwrap_or(server.ip()), draft.port.unwrap_or(server.port()));
    let mut bind_address = draft.bind_address.map(|b| b.value);
    if let Some(bind) = draft.bind_address
        && bind.value.is_ipv4() != target.is_ipv4()
    {
        let headline = format!("{} is of another family than {}", bind.value, target.ip());
        diagnostics.push(Diagnostic::new(Code::MixedFamilies, headline, bind.span, "this is ignored"));
        bind_address = None;
    }
    Connect {
        target,
        bind_address,
        bind_port: draft.bind_port,
        bind_interface: draft.bind_interface.clone(),
        timeout: draft.timeout.unwrap_or(timeout),
        mark: draft.mark,
    }
}

/// A checker that checks nothing.
fn useless<T>(draft: &CheckerDraft, what: &str, diagnostics: &mut Diagnostics) -> Option<T> {
    let headline = format!("`{}` {what}", draft.keyword.name);
    diagnostics.push(Diagnostic::new(Code::UselessChecker, headline, draft.head, "it is removed"));
    None
}

fn udp_of(head: Span, draft: &UdpDraft, connect: Connect, diagnostics: &mut Diagnostics) -> Udp {
    let (least, most) = (draft.min_length.unwrap_or(0), draft.max_length.unwrap_or(REPLY_LENGTH));
    if least > most {
        let headline = format!("no reply is at least {least} and at most {most} bytes long");
        diagnostics.push(Diagnostic::new(Code::Adjusted, headline, head, "this check always fails"));
    }
    let reply =
        draft.reply.as_ref().map(|pattern| UdpReply { pattern: pattern.clone(), min_length: least, max_length: most });
    Udp { connect, payload: draft.payload.clone(), reply }
}

/// The checker's own host, unless `host` blocks name others.
fn smtp_of(draft: &SmtpDraft, own: Connect, timeout: Duration, diagnostics: &mut Diagnostics) -> Smtp {
    let server = own.target;
    let mut hosts: Vec<Connect> = draft.hosts.iter().map(|host| connect(host, server, timeout, diagnostics)).collect();
    if hosts.is_empty() {
        hosts.push(own);
    }
    Smtp { hosts, helo_name: draft.helo_name.clone().unwrap_or_else(|| HELO.to_owned()) }
}

fn dns_of(draft: &DnsDraft, connect: Connect) -> Dns {
    Dns { connect, kind: draft.kind, name: draft.name.clone().unwrap_or_else(|| ".".to_owned()) }
}

fn http_of(
    draft: &CheckerDraft,
    http: &HttpDraft,
    outer: &Outer<'_>,
    connect: Connect,
    diagnostics: &mut Diagnostics,
) -> Option<Http> {
    no_port(draft, &connect, diagnostics);
    let virtual_host = http.virtual_host.as_ref().or(outer.virtual_host);
    let urls: Vec<Url> = http.urls.iter().filter_map(|url| url_of(url, http, virtual_host, diagnostics)).collect();
    if urls.is_empty() {
        // What made each url useless has been told.
        return if http.urls.is_empty() { useless(draft, "has no url", diagnostics) } else { None };
    }
    let tls = http.tls.then_some(Tls { sni: http.sni });
    Some(Http { connect, tls, version: http.version, fast_recovery: http.fast_recovery, urls })
}

fn url_of(
    draft: &UrlDraft,
    http: &HttpDraft,
    virtual_host: Option<&String>,
    diagnostics: &mut Diagnostics,
) -> Option<Url> {
    let Some(path) = draft.path.clone() else {
        let headline = "`url` has no path";
        diagnostics.push(Diagnostic::new(Code::UselessChecker, headline, draft.head, "it is removed"));
        return None;
    };
    let regex = draft.regex.as_ref().map(|regex: &Spanned<Vec<u8>>| Regex {
        pattern: regex.value.clone(),
        no_match: draft.no_match,
        options: draft.regex_options.clone(),
        min_offset: draft.min_offset,
        max_offset: draft.max_offset,
        stack: draft.stack,
    });
    let nothing_said = draft.status_codes.is_empty() && draft.digest.is_none() && regex.is_none();
    Some(Url {
        path,
        virtual_host: draft.virtual_host.as_ref().or(virtual_host).cloned(),
        status_codes: if nothing_said { vec![(200, 299)] } else { draft.status_codes.clone() },
        digest: draft.digest,
        regex,
        tls_compliant: draft.tls_compliant.unwrap_or(http.tls_compliant),
    })
}

fn misc_of(
    draft: &CheckerDraft,
    misc: &MiscDraft,
    outer: &Outer<'_>,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> Option<Misc> {
    if misc.bad {
        return None;
    }
    let Some(script) = &misc.script else { return useless(draft, "has no misc_path", diagnostics) };
    let script = around.scripts.notification(script, diagnostics)?;
    let timeout = misc.timeout.filter(|t| !t.is_zero()).unwrap_or(outer.service_delay_loop);
    Some(Misc { script, timeout, dynamic: misc.dynamic })
}

fn file_of(
    draft: &CheckerDraft,
    file: &FileDraft,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> Option<TrackedFile> {
    let Some(name) = &file.file else { return useless(draft, "has no track_file", diagnostics) };
    let Some((at, defined)) = around.draft.files.get(&name.value) else {
        let headline = format!("no track_file is called `{}`", name.value);
        diagnostics.push(Diagnostic::new(Code::UnknownTracker, headline, name.span, "this checker is removed"));
        return None;
    };
    let common = &mut around.common;
    let id = *around.files.entry(at).or_insert_with(|| {
        common.track_files.push(track_file(&name.value, defined)?);
        Some(FileId(u32::try_from(common.track_files.len() - 1).unwrap_or(u32::MAX)))
    });
    let default = defined.weight.map_or((1, false), |w| (i32::from(w.value), w.reverse));
    let (weight, reverse) = file.weight.unwrap_or(default);
    id.map(|file| TrackedFile { file, weight, reverse })
}

fn session_of(
    draft: &CheckerDraft,
    name: Option<&Spanned<String>>,
    around: &mut Surroundings<'_, '_>,
    diagnostics: &mut Diagnostics,
) -> Option<TrackedSession> {
    let Some(name) = name else { return useless(draft, "has no name", diagnostics) };
    let Some(at) = around.sessions.get(name.value.as_str()).copied() else {
        let headline = format!("no bfd_instance is called `{}`", name.value);
        diagnostics.push(Diagnostic::new(Code::UnknownTracker, headline, name.span, "this checker is removed"));
        return None;
    };
    if !around.bfd.sessions.get(at).is_some_and(|session| session.checker) {
        let headline = format!("the session `{}` is for VRRP only", name.value);
        let diagnostic = Diagnostic::new(Code::UnknownTracker, headline, name.span, "this checker is removed");
        diagnostics.push(diagnostic.help("say checker in the bfd_instance as well"));
        return None;
    }
    let used = &mut around.common.bfd_sessions;
    let place = used.iter().position(|used| *used == name.value).unwrap_or_else(|| {
        used.push(name.value.clone());
        used.len() - 1
    });
    Some(TrackedSession { session: BfdId(u32::try_from(place).unwrap_or(u32::MAX)) })
}
