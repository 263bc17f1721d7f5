//! `vrrp_strict` and `strict_mode`: what RFC 9568 does not know is refused or adjusted, as in keepalived.

use crate::code::Code;
use crate::diagnostic::{Class, Diagnostic, Diagnostics};
use crate::lower::global::GlobalDraft;
use crate::lower::instance::InstanceDraft;
use crate::source::Span;
use core::time::Duration;
use standfast_model::config::instance::{Device, Peering};
use standfast_model::config::vrrp::{Authentication, InitialState, Instance, Preempt};

pub(super) fn apply(
    draft: &InstanceDraft,
    instance: &mut Instance,
    global: &GlobalDraft,
    diagnostics: &mut Diagnostics,
) {
    if !instance.options.strict {
        return;
    }
    let mut say = |headline: &str, span: Span| {
        diagnostics.push(Diagnostic::new(Code::StrictMode, headline, span, "this is adjusted"));
    };
    if instance.authentication != Authentication::None {
        say("strict mode knows no authentication", draft.authentication.span.unwrap_or(draft.head));
        instance.authentication = Authentication::None;
    }
    let owner = instance.priority.is_owner();
    if instance.initial_state == InitialState::Master && !owner {
        say("state MASTER is for the address owner, priority 255", draft.state.map_or(draft.head, |s| s.span));
        instance.initial_state = InitialState::Backup;
    }
    if let Some(delay) = draft.preempt_delay.filter(|_| instance.preempt != Preempt::Never) {
        say("strict mode knows no preempt_delay", delay.span);
        instance.preempt = Preempt::After(Duration::ZERO);
    }
    if instance.down_timer_adverts != 3 {
        say("strict mode waits for 3 advertisements", draft.head);
        instance.down_timer_adverts = 3;
    }
    if draft.lower_prio_no_advert == Some(false) {
        say("strict mode never answers a lower priority at once", draft.head);
    }
    if instance.higher_prio_send_advert && draft.higher_prio_send_advert.is_some() {
        say("strict mode sends no last advertisement", draft.head);
    }
    instance.lower_prio_no_advert = true;
    instance.higher_prio_send_advert = false;
    instance.garp.lower_prio_delay = Duration::ZERO;
    instance.garp.lower_prio_repeat = 0;
    // Traffic to the addresses is the owner's alone, unless an instance says otherwise.
    instance.options.accept = owner || draft.options.accept.unwrap_or(false);
    instance.options.owner_ignore_adverts = owner || global.owner_ignore_adverts;
    if let Device::Vmac(vmac) = &mut instance.options.device {
        vmac.address = None;
        vmac.transmit_base = false;
    }
    if let Peering::Unicast(_) = instance.options.peering {
        let span = draft.options.peer_list.unwrap_or(draft.head);
        let headline = "strict mode knows no unicast";
        diagnostics.push(Diagnostic::new(Code::StrictUnicast, headline, span, "this contradicts strict mode"));
    }
    if instance.addresses.is_empty() {
        let headline = format!("instance `{}` has no virtual_ipaddress", draft.name);
        let diagnostic = Diagnostic::new(Code::NoAddresses, headline, draft.head, "strict mode requires one");
        diagnostics.push(diagnostic.class(Class::Fatal));
    }
}
