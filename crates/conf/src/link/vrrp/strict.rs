//! `vrrp_strict` and `strict_mode`: what RFC 9568 does not know is refused or adjusted, as in keepalived.

use crate::code::{Class, Code};
use crate::diagnostic::{Diagnostic, Diagnostics};
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
    // REQ: VRRP3-6.1-05
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Memory;
    use standfast_model::Version;
    use standfast_model::config::instance::HmacMode;
    use standfast_model::ipvs::Family;
    use std::path::Path;

    fn instance(globals: &str, options: &str, address: &str) -> Instance {
        let text = format!(
            "global_defs {{\n{globals}\n}}\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n{options}\n\
             {address}\n}}\n"
        );
        let path = Path::new("/k.conf");
        let host = Memory::new().with_interface("eth0").file(path, text);
        crate::load(&host, path, &crate::Options::default()).config.unwrap().vrrp.instances.remove(0)
    }

    const ADDRESS: &str = "virtual_ipaddress {\n192.0.2.1\n}";

    /// Whatever keepalived lets an administrator turn, and the RFC does not.
    const KNOBS: &str = "state MASTER\npriority 150\npreempt_delay 9\ndown_timer_adverts 5\nlower_prio_no_advert off\n\
         higher_prio_send_advert on\ngarp_lower_prio_delay 7\ngarp_lower_prio_repeat 4\n\
         authentication {\nauth_type PASS\nauth_pass secret\n}";

    // REQ: VRRP3-6.1-05
    #[test]
    fn strict_mode_puts_every_knob_where_the_rfc_has_it_and_nothing_else_does() {
        for (globals, switch) in [("", "strict_mode"), ("vrrp_strict", ""), ("vrrp_strict off", "strict_mode on")] {
            let strict = instance(globals, &format!("{switch}\n{KNOBS}"), ADDRESS);
            assert_eq!(strict.authentication, Authentication::None);
            assert_eq!((strict.initial_state, strict.preempt), (InitialState::Backup, Preempt::After(Duration::ZERO)));
            assert_eq!(strict.down_timer_adverts, 3);
            assert!(strict.lower_prio_no_advert && !strict.higher_prio_send_advert);
            assert_eq!((strict.garp.lower_prio_delay, strict.garp.lower_prio_repeat), (Duration::ZERO, 0));
            assert!(!strict.options.accept && !strict.options.owner_ignore_adverts);
        }
        for (globals, switch) in [("", ""), ("vrrp_strict", "strict_mode off")] {
            let free = instance(globals, &format!("{switch}\n{KNOBS}"), ADDRESS);
            assert!(matches!(free.authentication, Authentication::Pass(_)));
            assert_eq!(free.down_timer_adverts, 5);
            assert!(!free.lower_prio_no_advert && free.higher_prio_send_advert && free.options.accept);
            assert_eq!((free.garp.lower_prio_delay, free.garp.lower_prio_repeat), (Duration::from_secs(7), 4));
        }
    }

    #[test]
    fn a_strict_owner_accepts_what_is_sent_to_its_addresses_and_hears_nobody() {
        let owner = instance("", "strict_mode\npriority 255", ADDRESS);
        assert!(owner.options.accept && owner.options.owner_ignore_adverts);
        let accepting = instance("", "strict_mode\naccept", ADDRESS);
        assert!(accepting.options.accept && !accepting.options.owner_ignore_adverts);
    }

    #[test]
    fn strict_mode_enforces_signatures() {
        let key = "0123456789abcdef0123456789abcdef";
        let hmac = format!("auth_hmac {{\nmode permissive\nactive_key 1\nkey 1 {key}\n}}");
        let mode =
            |switch: &str| instance("", &format!("{switch}\n{hmac}"), ADDRESS).options.hmac.map(|hmac| hmac.mode);
        assert_eq!((mode("strict_mode"), mode("")), (Some(HmacMode::Enforce), Some(HmacMode::Permissive)));
    }

    #[test]
    fn native_ipv6_makes_an_instance_without_addresses_one_of_ipv6() {
        let found = |options: &str| {
            let one = instance("", options, "virtual_ipaddress_excluded {\n192.0.2.1\n}\nno_virtual_ipaddress");
            (one.family, one.version)
        };
        assert_eq!(found(""), (Family::Inet, Version::V2));
        assert_eq!(found("native_ipv6"), (Family::Inet6, Version::V3));
    }
}
