//! What the other directors say about themselves, and who is master of what among all of them.
//!
//! A report of another director is bytes from outside: it is read with limits, and whatever it says is only shown.

use crate::report::{Instance, Report, VERSION};

/// The longest report that is taken from another director: one of some thousand virtual servers without their servers.
pub const MAX_REPORT_BYTES: usize = 4 * 1024 * 1024;

/// Another director.
#[derive(Clone, PartialEq, Debug)]
pub struct Director {
    /// What the configuration calls it.
    pub name: String,
    /// Where it was asked.
    pub address: String,
    /// What it said last, or why it said nothing.
    pub said: Result<Report, String>,
    /// When it last answered, in milliseconds since 1970; none if never.
    pub answered_unix_ms: Option<u64>,
}

/// Reads what another director says.
///
/// # Errors
///
/// It is no report, or one of a form of the future.
pub fn read(bytes: &[u8]) -> Result<Report, String> {
    if bytes.len() > MAX_REPORT_BYTES {
        return Err(format!("its report is longer than {MAX_REPORT_BYTES} bytes"));
    }
    let report: Report = serde_json::from_slice(bytes).map_err(|error| format!("it sent no report: {error}"))?;
    if report.version != VERSION {
        return Err(format!("its report has form {}, this is form {VERSION}", report.version));
    }
    Ok(report)
}

/// Who is master of one virtual router, as far as the directors say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mastership {
    /// One of them.
    One,
    /// Several: the addresses are in two places.
    Several,
    /// None of those that answer, and all answer.
    Nobody,
    /// None of those that answer.
    Unknown,
}

/// The same virtual router on another director: the same VRID, and the same name or an address in common.
#[must_use]
pub fn counterpart<'a>(report: &'a Report, instance: &Instance) -> Option<&'a Instance> {
    let same = |other: &&Instance| {
        other.vrid == instance.vrid
            && (other.name == instance.name
                || other.addresses.iter().any(|address| instance.addresses.contains(address)))
    };
    report.instances.iter().find(same)
}

/// Who is master of this node's instance.
#[must_use]
pub fn mastership(instance: &Instance, others: &[Director]) -> Mastership {
    let is_master = |instance: &Instance| instance.state == "MASTER";
    let mut masters = usize::from(is_master(instance));
    let mut silent = false;
    for director in others {
        match &director.said {
            Ok(report) => {
                masters = masters.saturating_add(usize::from(counterpart(report, instance).is_some_and(is_master)));
            }
            Err(_) => silent = true,
        }
    }
    match masters {
        0 if silent || others.is_empty() => Mastership::Unknown,
        0 => Mastership::Nobody,
        1 => Mastership::One,
        _ => Mastership::Several,
    }
}

/// Whether another director says that it is master of the instance of this name and VRID.
#[must_use]
pub fn is_master_elsewhere(others: &[Director], name: &str, vrid: u8) -> bool {
    let reports = others.iter().filter_map(|director| director.said.as_ref().ok());
    reports
        .flat_map(|report| &report.instances)
        .any(|other| other.vrid == vrid && other.name == name && other.state == "MASTER")
}
