//! `real_server`.

use super::address_and_port;
use super::forwarding::forwarding;
use crate::lower::checker::{self, CheckerDraft, TimingDraft};
use crate::lower::script::{self, ScriptDraft};
use crate::lower::setting::set;
use crate::lower::{Draft, not_lowered};
use crate::parse::{Parser, Statement};
use crate::source::Span;
use standfast_model::ipvs::Forwarding;
use std::net::IpAddr;

/// What a `real_server` says. There are more of them than of anything else, so what few say stands apart.
#[derive(Debug)]
pub(crate) struct RealDraft {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) head: Span,
    pub(crate) weight: Option<u32>,
    pub(crate) forwarding: Option<Forwarding>,
    pub(crate) inhibit_on_failure: Option<bool>,
    pub(crate) alpha: Option<bool>,
    pub(crate) smtp_alert: Option<bool>,
    pub(crate) checkers: Vec<CheckerDraft>,
    rare: Option<Box<RareRealDraft>>,
}

/// What few real servers say.
#[derive(Debug)]
pub(crate) struct RareRealDraft {
    pub(crate) upper_threshold: u32,
    pub(crate) lower_threshold: u32,
    pub(crate) timing: TimingDraft,
    pub(crate) notify_up: Option<ScriptDraft>,
    pub(crate) notify_down: Option<ScriptDraft>,
    pub(crate) virtual_host: Option<String>,
    pub(crate) snmp_name: Option<String>,
}

impl RareRealDraft {
    const NOTHING: Self = Self {
        upper_threshold: 0,
        lower_threshold: 0,
        timing: TimingDraft::NOTHING,
        notify_up: None,
        notify_down: None,
        virtual_host: None,
        snmp_name: None,
    };
}

impl RealDraft {
    pub(crate) fn rare(&self) -> &RareRealDraft {
        static NOTHING: RareRealDraft = RareRealDraft::NOTHING;
        self.rare.as_deref().unwrap_or(&NOTHING)
    }

    fn rare_mut(&mut self) -> &mut RareRealDraft {
        self.rare.get_or_insert_with(|| Box::new(RareRealDraft::NOTHING))
    }
}

/// Reads a `real_server` block; none if its address cannot be understood, which was told.
pub(super) fn real_server(parser: &mut Parser<'_>, head: &Statement, draft: &Draft) -> Option<RealDraft> {
    let Some((address, port)) = address_and_port(parser, head) else {
        parser.skip_block(head);
        return None;
    };
    if !parser.enter(head) {
        return None;
    }
    let mut real = RealDraft {
        address,
        port,
        head: head.span(),
        weight: None,
        forwarding: None,
        inhibit_on_failure: None,
        alpha: None,
        smtp_alert: None,
        checkers: Vec::new(),
        rare: None,
    };
    while let Some(statement) = parser.next() {
        lower(parser, &statement, &mut real, draft);
    }
    real.checkers.shrink_to_fit();
    Some(real)
}

fn lower(parser: &mut Parser<'_>, statement: &Statement, real: &mut RealDraft, draft: &Draft) {
    match statement.keyword.name {
        "weight" => set(&mut real.weight, parser.number(statement)),
        "lvs_method" => set(&mut real.forwarding, forwarding(parser, statement)),
        "uthreshold" => {
            let rare = real.rare_mut();
            rare.upper_threshold = parser.number(statement).unwrap_or(rare.upper_threshold);
        }
        "lthreshold" => {
            let rare = real.rare_mut();
            rare.lower_threshold = parser.number(statement).unwrap_or(rare.lower_threshold);
        }
        "inhibit_on_failure" => set(&mut real.inhibit_on_failure, parser.boolean(statement)),
        "alpha" => set(&mut real.alpha, parser.boolean(statement)),
        "notify_up" | "notify_down" => {
            let found = script::script(parser, statement, draft);
            let up = statement.keyword.name == "notify_up";
            let rare = real.rare_mut();
            script::keep(parser, if up { &mut rare.notify_up } else { &mut rare.notify_down }, found);
        }
        "smtp_alert" => set(&mut real.smtp_alert, parser.boolean(statement)),
        "virtualhost" => real.rare_mut().virtual_host = Some(statement.name()),
        "snmp_name" => real.rare_mut().snmp_name = Some(statement.name()),
        _ if statement.keyword.has_block() => {
            if let Some(checker) = checker::checker(parser, statement, draft) {
                // Nearly every real server has one.
                real.checkers.reserve_exact(usize::from(real.checkers.is_empty()));
                real.checkers.push(checker);
            }
        }
        _ => {
            if !real.rare_mut().timing.take(parser, statement) {
                not_lowered(parser, statement);
            }
        }
    }
}
