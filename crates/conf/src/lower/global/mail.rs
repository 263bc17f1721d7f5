//! Mail words of `global_defs`.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::lower::setting::{set, set_flag};
use crate::lower::{Draft, entry};
use crate::parse::{Parser, Statement};
use crate::value::{address, shown};

/// Takes a statement about mail; false for another.
pub(super) fn take(parser: &mut Parser<'_>, statement: &Statement, draft: &mut Draft) -> bool {
    let global = &mut draft.global;
    let mail = &mut global.model.mail;
    match statement.keyword.name {
        "notification_email" => {
            let found = entry::names(parser, statement);
            if found.is_empty() {
                let headline = "an empty list of recipients";
                parser.report(Diagnostic::new(Code::EmptyList, headline, statement.span(), "nobody gets mail by this"));
            }
            mail.to.extend(found.into_iter().map(|name| name.value));
        }
        "notification_email_from" => mail.from = Some(statement.name()),
        "smtp_server" => set(&mut mail.server, server(parser, statement)),
        "smtp_helo_name" => mail.helo_name = Some(statement.name()),
        "smtp_connect_timeout" => {
            let time = parser.time(statement);
            if time.is_some_and(|t| t.is_zero()) {
                let headline = "a mail server cannot answer in no time";
                parser.report(Diagnostic::new(Code::Adjusted, headline, statement.arg_span(0), "1 s is used"));
            }
            set(&mut mail.timeout, time.map(|t| t.max(core::time::Duration::from_secs(1))));
        }
        "smtp_alert" => set(&mut global.smtp_alert, parser.boolean(statement)),
        "smtp_alert_vrrp" => set(&mut global.smtp_alert_vrrp, parser.boolean(statement)),
        "smtp_alert_checker" => set(&mut global.smtp_alert_checker, parser.boolean(statement)),
        "no_email_faults" => draft.vrrp.no_email_faults = true,
        "no_checker_emails" => set_flag(&mut draft.lvs.no_checker_emails, parser.boolean(statement)),
        _ => return false,
    }
    true
}

/// A name or an address, and a port. Whether the name has an address is asked when there is mail to send.
fn server(parser: &mut Parser<'_>, statement: &Statement) -> Option<(String, u16)> {
    let word = statement.arg(0)?;
    let named = word.first().is_some_and(u8::is_ascii_alphanumeric)
        && word.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if !named && address(word).is_none() {
        let headline = format!("`{}` is neither a host name nor an address", shown(word));
        parser.report(Diagnostic::new(Code::InvalidAddress, headline, statement.arg_span(0), "this is ignored"));
        return None;
    }
    let port = match statement.arg(1) {
        None => 25,
        Some(port) => u16::try_from(parser.number_of(port, statement.arg_span(1), 1, 65535)?).ok()?,
    };
    Some((statement.name(), port))
}
