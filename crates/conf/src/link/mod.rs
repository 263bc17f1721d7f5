//! From drafts to the `Config`: what one block says about another, defaults, and the checks that need both.

mod bfd;
mod etcd;
mod lvs;
mod scripts;
mod trackers;
mod vrrp;
mod witness;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::host::Host;
use crate::lower::global::FifoDraft;
use crate::lower::script::ScriptDraft;
use crate::lower::{Draft, NamedInterface};
use core::time::Duration;
use scripts::Scripts;
use standfast_model::Config;
use standfast_model::config::Global;
use standfast_model::config::global::{Mail, TimedScript};
use standfast_model::config::script::Fifo;
use std::collections::BTreeSet;
use std::path::Path;

/// `startup_script_timeout` and `shutdown_script_timeout` when nobody says them.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes the configuration; what is wrong is reported, and the caller throws the result away if that was fatal. With
/// `not_yet`, what this release does not act upon is in it too.
pub(crate) fn link(mut draft: Draft, host: &dyn Host, not_yet: bool, diagnostics: &mut Diagnostics) -> Config {
    namespace(&draft, host, diagnostics);
    interfaces(&draft, host, diagnostics);
    let mut scripts = Scripts::new(host, draft.global.model.script_security);
    let bfd = bfd::link(&draft, diagnostics);
    let vrrp = vrrp::link(&draft, &mut scripts, diagnostics);
    let witnesses = witness::used(&draft, &vrrp, host, diagnostics);
    let exchange = draft.global.exchange.finish(diagnostics);
    let servers = core::mem::take(&mut draft.servers);
    let lvs = lvs::link(&draft, servers, not_yet, &vrrp, &bfd, &mut scripts, diagnostics);
    let global = global(&draft, &mut scripts, diagnostics);
    scripts.finish(diagnostics);
    Config { global, vrrp, lvs, bfd, witnesses, exchange }
}

fn global(draft: &Draft, scripts: &mut Scripts<'_>, diagnostics: &mut Diagnostics) -> Global {
    let written = &draft.global;
    let mut timed = |script: Option<&ScriptDraft>, timeout: Option<Duration>| {
        let script = scripts.optional(script, diagnostics)?;
        Some(TimedScript { script, timeout: timeout.unwrap_or(SCRIPT_TIMEOUT) })
    };
    let startup = timed(written.startup.as_ref(), written.startup_timeout);
    let shutdown = timed(written.shutdown.as_ref(), written.shutdown_timeout);
    let alerts = [written.smtp_alert, written.smtp_alert_vrrp, written.smtp_alert_checker];
    let mail = Mail { alerts, ..written.model.mail.clone() };
    Global { startup, shutdown, mail, ..written.model.clone() }
}

/// A FIFO with its reader; a reader alone is reported.
fn fifo(draft: &FifoDraft, scripts: &mut Scripts<'_>, diagnostics: &mut Diagnostics) -> Option<Fifo> {
    let Some(path) = &draft.path else {
        if let Some(reader) = &draft.reader {
            let headline = format!("`{}` has no FIFO to read", reader.keyword);
            diagnostics.push(Diagnostic::new(Code::NoFifo, headline, reader.span, "this is ignored"));
        }
        return None;
    };
    let reader = scripts.optional(draft.reader.as_ref(), diagnostics);
    Some(Fifo { path: path.value.clone(), owner: draft.owner, reader })
}

/// Where `ip netns` keeps namespaces, and keepalived looks for them.
const NAMESPACES: &str = "/run/netns";

fn namespace(draft: &Draft, host: &dyn Host, diagnostics: &mut Diagnostics) {
    let Some(named) = &draft.global.namespace else { return };
    let name = named.value.as_str();
    if host.metadata(&Path::new(NAMESPACES).join(name)).is_err() {
        let headline = format!("network namespace `{name}` does not exist");
        let label = format!("{NAMESPACES}/{name} is missing");
        let diagnostic = Diagnostic::new(Code::NoNamespace, headline, named.span, label);
        diagnostics.push(diagnostic.help(format!("ip netns add {name}")));
    }
}

/// Each missing interface once, at its first use.
fn interfaces(draft: &Draft, host: &dyn Host, diagnostics: &mut Diagnostics) {
    // In another namespace there are other interfaces, and this process cannot see them.
    if draft.global.model.dynamic_interfaces || draft.global.namespace.is_some() {
        return;
    }
    let mut asked = BTreeSet::new();
    let homeless = draft.static_addresses.iter().filter(|a| a.value.interface.is_none());
    let homes = homeless.filter_map(|a| Some(NamedInterface { name: draft.default_interface()?, span: a.span }));
    let homes: Vec<_> = homes.collect();
    for named in draft.interfaces.iter().chain(&homes) {
        let name = named.name.as_str();
        if draft.made_interfaces.contains(&named.name) || !asked.insert(name) || host.interface(name).is_some() {
            continue;
        }
        let headline = format!("interface `{name}` does not exist");
        let label = "this host has no such interface";
        let diagnostic = Diagnostic::new(Code::MissingInterface, headline, named.span, label);
        diagnostics.push(diagnostic.help("if it appears later, say dynamic_interfaces in global_defs"));
    }
}
