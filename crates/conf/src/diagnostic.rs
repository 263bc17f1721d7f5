//! What is wrong with a configuration: code, headline, places, help. How it looks is `render`'s business.

use crate::code::{Class, Code};
use crate::source::{FileId, Span};
use std::collections::BTreeMap;

/// A place with what is to be said about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What, in a phrase; may be empty for the primary place.
    pub text: String,
}

/// One mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// What it does.
    pub class: Class,
    /// What it is, stable over releases.
    pub code: Code,
    /// One phrase.
    pub headline: String,
    /// The place to look at first; none when there is no text at all (a missing main file).
    pub primary: Option<Label>,
    /// Places that explain it.
    pub secondary: Vec<Label>,
    /// What to do, if that is known.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake of the code's own class at a place.
    pub(crate) fn new(code: Code, headline: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        let primary = Some(Label { span, text: label.into() });
        Self { primary, ..Self::placeless(code, headline) }
    }

    /// A mistake without a place.
    pub(crate) fn placeless(code: Code, headline: impl Into<String>) -> Self {
        let headline = headline.into();
        Self { class: code.class(), code, headline, primary: None, secondary: Vec::new(), help: None }
    }

    pub(crate) fn and(mut self, span: Span, label: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: label.into() });
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }
}

/// How many diagnostics of one load are kept: enough for every wrong line of a file a person wrote. A file that is no
/// configuration at all would otherwise cost memory and a reader's patience without limit.
pub(crate) const KEPT: usize = 1000;

/// The diagnostics of one load.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    kept: Vec<Diagnostic>,
    dropped: usize,
    /// One that was only counted stops a start.
    lost_fatal: bool,
    /// What was told of which text: a mistake in a definition or a repetition is told once, however often it is read.
    told: BTreeMap<(Code, FileId, u32, u32), Vec<String>>,
    /// The last one pushed was such a repetition.
    repeated: bool,
}

impl Diagnostics {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.repeated = self.is_repeated(&diagnostic);
        if self.repeated {
            return;
        }
        if self.is_full() {
            // The first fatal one is always shown: it is why a start is refused.
            if diagnostic.class == Class::Fatal && !self.has_fatal() {
                self.kept.push(diagnostic);
                return;
            }
            self.lost_fatal |= diagnostic.class == Class::Fatal;
            self.dropped += 1;
        } else {
            self.kept.push(diagnostic);
        }
    }

    /// Whether the same was said of the same text, read for another use or another round.
    pub(crate) fn is_told(&self, code: Code, span: Span, headline: &str) -> bool {
        let headlines = self.told.get(&(code, span.file, span.start, span.end));
        headlines.is_some_and(|headlines| headlines.iter().any(|one| one == headline))
    }

    /// Remembers a mistake; true if it was told before.
    fn is_repeated(&mut self, diagnostic: &Diagnostic) -> bool {
        let Some(span) = diagnostic.primary.as_ref().map(|label| label.span) else { return false };
        let (code, headline) = (diagnostic.code, &diagnostic.headline);
        let known = self.is_told(code, span, headline);
        // Beyond what is shown nothing is remembered, so that there is a limit, too.
        if !known && !self.is_full() {
            self.told.entry((code, span.file, span.start, span.end)).or_default().push(headline.clone());
        }
        known
    }

    /// Whether more would only be counted: what is costly to say need not be computed.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= KEPT
    }

    /// The name that was probably meant, as long as somebody will read it.
    pub(crate) fn nearest<'c>(&self, word: &[u8], names: impl Iterator<Item = &'c [u8]>) -> Option<String> {
        let near = if self.is_full() { None } else { crate::nearest::nearest(word, names) };
        near.map(|near| String::from_utf8_lossy(near).into_owned())
    }

    /// Counts one that was not made because there are enough.
    pub(crate) fn count(&mut self) {
        self.dropped += 1;
    }

    pub(crate) fn has_fatal(&self) -> bool {
        self.lost_fatal || self.kept.iter().any(|d| d.class == Class::Fatal)
    }

    /// Makes the last one fatal: what it dropped cannot be done without.
    pub(crate) fn escalate(&mut self) {
        if self.repeated {
            // The first of them was made fatal.
        } else if self.is_full() {
            self.lost_fatal = true;
        } else if let Some(last) = self.kept.last_mut() {
            last.class = Class::Fatal;
        }
    }

    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        if self.dropped > 0 {
            let headline = format!("{} more mistakes are not shown", self.dropped);
            // A fatal one must not get lost: a start is refused because of what is in this list.
            let class = if self.lost_fatal { Class::Fatal } else { Code::TooManyMistakes.class() };
            self.kept.push(Diagnostic::placeless(Code::TooManyMistakes, headline).class(class));
        }
        self.kept
    }
}
