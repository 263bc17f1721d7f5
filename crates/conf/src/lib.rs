//! keepalived.conf: from files to a validated [`Config`] and diagnostics.
//!
//! The text is read once, line by line and block by block: `reader` gives statements and braces with their origin,
//! `parse` knows the blocks and mends braces, `lower` makes drafts of statements by the `keyword` table, `link` makes the
//! configuration of the drafts. What is wrong becomes a [`Diagnostic`]; `render` shows it.
//!
//! This crate does no I/O: a [`Host`] answers for files, interfaces, users and the environment.

pub mod code;
pub mod diagnostic;
mod exit;
mod format;
pub mod host;
pub mod keyword;
mod link;
mod lower;
mod nearest;
mod outline;
pub mod pair;
mod parse;
mod reader;
pub mod reference;
mod render;
mod show;
pub mod source;
mod text;
mod value;

pub use code::{Class, Code};
pub use diagnostic::Diagnostic;
pub use exit::{exit_code_for_test, start_refused};
pub use format::{FormatError, format};
pub use host::Host;
pub use nearest::nearest;
pub use reader::Checks;
pub use render::{render, render_line};
pub use show::show;
pub use source::Sources;

use parse::Parser;
use reader::Reader;
use standfast_model::Config;
use std::path::Path;

/// What the command line says about reading a configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `-i`: the id that `@NAME` lines are compared with; none is the host name up to its first dot.
    pub config_id: Option<String>,
    /// `-e`: which include problems are errors.
    pub include_checks: Checks,
}

impl Options {
    /// The id that `@NAME` lines are compared with.
    fn id(&self, host: &dyn Host) -> String {
        self.config_id.clone().unwrap_or_else(|| {
            let name = host.host_name();
            name.split('.').next().unwrap_or_default().to_owned()
        })
    }
}

/// What became of a configuration.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration; none while a fatal mistake stands.
    pub config: Option<Config>,
    /// All mistakes, in the order in which they were found.
    pub diagnostics: Vec<Diagnostic>,
    /// The text, for showing places.
    pub sources: Sources,
}

/// Reads a configuration. `root` is the main file or a pattern for several (`-f`).
#[must_use]
pub fn load(host: &dyn Host, root: &Path, options: &Options) -> Loaded {
    read(host, root, options, false)
}

/// As [`load`], and what this release does not act upon is in the configuration, too: for tools that read and do not
/// run.
#[must_use]
pub fn load_everything(host: &dyn Host, root: &Path, options: &Options) -> Loaded {
    read(host, root, options, true)
}

fn read(host: &dyn Host, root: &Path, options: &Options, not_yet: bool) -> Loaded {
    let mut reader = Reader::new(host, options.id(host).into_bytes(), options.include_checks);
    reader.open_main(root);
    let mut parser = Parser::new(reader);
    let draft = lower::lower(&mut parser);
    let (sources, mut diagnostics) = parser.into_reader().finish();
    let config = link::link(draft, host, not_yet, &mut diagnostics);
    let fatal = diagnostics.has_fatal();
    Loaded { config: (!fatal).then_some(config), diagnostics: diagnostics.finish(), sources }
}
