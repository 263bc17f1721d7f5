//! From drafts to the `Config`: what one block says about another, defaults, and the checks that need both.

mod lvs;
mod vrrp;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::host::Host;
use crate::lower::Draft;
use crate::lower::global::GlobalDraft;
use standfast_model::Config;
use standfast_model::config::Global;
use std::collections::BTreeSet;

/// Makes the configuration; what is wrong is reported, and the caller throws the result away if that was fatal.
pub(crate) fn link(draft: Draft, host: &dyn Host, diagnostics: &mut Diagnostics) -> Config {
    interfaces(&draft, host, diagnostics);
    let global = global(&draft.global);
    let vrrp = vrrp::link(&draft, diagnostics);
    let lvs = lvs::link(draft.servers, global.checker_log_all_failures, diagnostics);
    Config { global, vrrp, lvs, ..Config::default() }
}

fn global(draft: &GlobalDraft) -> Global {
    let default = Global::default();
    Global {
        router_id: draft.router_id.clone(),
        dynamic_interfaces: draft.dynamic_interfaces,
        vrrp_startup_delay: draft.vrrp_startup_delay.unwrap_or(default.vrrp_startup_delay),
        checker_log_all_failures: draft.checker_log_all_failures.unwrap_or(default.checker_log_all_failures),
        child_wait_time: draft.child_wait_time.unwrap_or(default.child_wait_time),
        ..default
    }
}

/// Each missing interface once, at its first use.
fn interfaces(draft: &Draft, host: &dyn Host, diagnostics: &mut Diagnostics) {
    if draft.global.dynamic_interfaces {
        return;
    }
    let mut asked = BTreeSet::new();
    for named in &draft.interfaces {
        let name = named.name.as_str();
        if asked.insert(name) && host.interface(name).is_none() {
            let headline = format!("interface `{name}` does not exist");
            let label = "this host has no such interface";
            let diagnostic = Diagnostic::new(Code::MissingInterface, headline, named.span, label);
            diagnostics.push(diagnostic.help("if it appears later, say dynamic_interfaces in global_defs"));
        }
    }
}
