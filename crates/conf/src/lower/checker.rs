//! The health checkers of a real server.

use super::global::set;
use super::{Spanned, not_lowered};
use crate::parse::{Parser, Statement};
use crate::source::Span;
use core::time::Duration;
use standfast_model::InterfaceName;
use std::net::IpAddr;

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
    /// Takes a statement of the family; false for another.
    pub(crate) fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement, name: &str) -> bool {
        match name {
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
}

impl ConnectDraft {
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
    pub(crate) head: Span,
    pub(crate) timing: TimingDraft,
    pub(crate) alpha: Option<bool>,
    pub(crate) log_all_failures: bool,
    pub(crate) probe: ProbeDraft,
}

/// What a checker does.
#[derive(Clone, Debug)]
pub(crate) enum ProbeDraft {
    Tcp(ConnectDraft),
}

/// Reads a `TCP_CHECK` block.
pub(crate) fn tcp_check(parser: &mut Parser<'_>, head: &Statement) -> Option<CheckerDraft> {
    if !parser.enter(head) {
        return None;
    }
    let mut connect = ConnectDraft::default();
    let mut timing = TimingDraft::default();
    let mut alpha = None;
    let mut log_all_failures = false;
    while let Some(statement) = parser.next() {
        let name = statement.keyword.name;
        match name {
            "alpha" => set(&mut alpha, parser.boolean(&statement)),
            "log_all_failures" => log_all_failures = parser.boolean(&statement).unwrap_or(log_all_failures),
            _ => {
                let taken = timing.take(parser, &statement, name) || connect.take(parser, &statement);
                if !taken {
                    not_lowered(parser, &statement);
                }
            }
        }
    }
    Some(CheckerDraft { head: head.span(), timing, alpha, log_all_failures, probe: ProbeDraft::Tcp(connect) })
}
