//! The exit status of a configuration test, as keepalived computes it, and whether a start is refused.

use crate::code::Class;
use crate::code::Verdict;
use crate::diagnostic::Diagnostic;

/// The status of `standfastd --config-test`: 0 when there is nothing but hints, else keepalived's own.
///
/// keepalived remembers the numerically highest of its error classes, in which a missing interface is low: together
/// with any other report it gives 5 and not 4. A missing parameter ends its reading, so it gives 2 whatever else is wrong.
/// One status differs: a missing main file is 4 here (keepalived: 0 without `-e`).
#[must_use]
pub fn exit_code_for_test(diagnostics: &[Diagnostic]) -> u8 {
    let verdicts = || diagnostics.iter().filter(|d| said(d.class)).map(|d| d.code.verdict());
    let any = |verdict| verdicts().any(|v| v == verdict);
    if any(Verdict::NoFile) {
        4
    } else if any(Verdict::GivesUp) {
        0
    } else if any(Verdict::Parameter) {
        2
    } else if any(Verdict::Security) {
        6
    } else if any(Verdict::Report) || fatal_of_ours(diagnostics) {
        5
    } else if any(Verdict::Interface) {
        4
    } else {
        0
    }
}

/// Whether a start is refused: no `Config` can be made while a fatal mistake stands.
#[must_use]
pub fn start_refused(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.class == Class::Fatal)
}

fn said(class: Class) -> bool {
    match class {
        Class::Hint | Class::NotYet => false,
        Class::Deprecated | Class::Warning | Class::Security | Class::Dropped | Class::Fatal => true,
    }
}

/// What is fatal to us and nothing to keepalived must not end a test with 0.
fn fatal_of_ours(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.class == Class::Fatal && d.code.verdict() == Verdict::Silent)
}
