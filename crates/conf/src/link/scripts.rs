//! Whether scripts can be run, and whether others could change what is run.

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::host::{FileKind, Host, HostError, Metadata};
use crate::lower::notify::NotifyDraft;
use crate::lower::script::{RunAs, ScriptDraft};
use crate::source::Span;
use crate::value::shown;
use standfast_model::config::script::{Deleted, Identity, Notify, Script};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Where a bare name is searched when the environment says nothing.
const PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The judge of scripts, which asks about each path once.
pub(super) struct Scripts<'h> {
    host: &'h dyn Host,
    security: bool,
    asked: BTreeMap<PathBuf, Result<Metadata, HostError>>,
    /// The first script that can be run, whoever runs it.
    first: Option<Span>,
}

impl<'h> Scripts<'h> {
    pub(super) fn new(host: &'h dyn Host, security: bool) -> Self {
        Self { host, security, asked: BTreeMap::new(), first: None }
    }

    /// What trackers and checkers run: none if it cannot be, and then that is told.
    pub(super) fn tracker(&mut self, draft: &ScriptDraft, diagnostics: &mut Diagnostics) -> Option<Script> {
        self.judge(draft, Code::MissingScript, diagnostics)
    }

    /// What notifications run: none if it cannot be, and then that is told.
    pub(super) fn notification(&mut self, draft: &ScriptDraft, diagnostics: &mut Diagnostics) -> Option<Script> {
        self.judge(draft, Code::MissingNotify, diagnostics)
    }

    pub(super) fn optional(&mut self, draft: Option<&ScriptDraft>, diagnostics: &mut Diagnostics) -> Option<Script> {
        draft.and_then(|draft| self.notification(draft, diagnostics))
    }

    pub(super) fn notify(&mut self, draft: &NotifyDraft, diagnostics: &mut Diagnostics) -> Notify {
        let deleted_script = self.optional(draft.deleted_script.as_ref(), diagnostics);
        let deleted = match deleted_script {
            Some(script) => Deleted::Run(script),
            None if draft.deleted => Deleted::AsDeleted,
            None => Deleted::AsFault,
        };
        Notify {
            master: self.optional(draft.master.as_ref(), diagnostics),
            backup: self.optional(draft.backup.as_ref(), diagnostics),
            fault: self.optional(draft.fault.as_ref(), diagnostics),
            stop: self.optional(draft.stop.as_ref(), diagnostics),
            any: self.optional(draft.any.as_ref(), diagnostics),
            master_rx_lower_pri: self.optional(draft.master_rx_lower_pri.as_ref(), diagnostics),
            conflict: self.optional(draft.conflict.as_ref(), diagnostics),
            deleted,
        }
    }

    /// Says once that scripts run without being looked at.
    pub(super) fn finish(self, diagnostics: &mut Diagnostics) {
        if let (Some(first), false) = (self.first, self.security) {
            let headline = "scripts run whatever their permissions are";
            let diagnostic = Diagnostic::new(Code::NoScriptSecurity, headline, first, "this is one of them");
            diagnostics.push(diagnostic.help("say enable_script_security in global_defs"));
        }
    }

    fn judge(&mut self, draft: &ScriptDraft, missing: Code, diagnostics: &mut Diagnostics) -> Option<Script> {
        let identity = match draft.identity {
            RunAs::Named(identity) | RunAs::Default(Some(identity)) => Some(identity),
            RunAs::Default(None) if self.security => {
                let headline = format!("`{}` has no user to run as", draft.keyword);
                let diagnostic = Diagnostic::new(Code::NoScriptUser, headline, draft.span, "it is not run");
                diagnostics.push(diagnostic.help("add the account keepalived_script, or say script_user"));
                return None;
            }
            RunAs::Default(None) => None,
        };
        let script = Script { words: draft.words.clone(), identity };
        let program = draft.words.first()?;
        // `<FILE` is a shell's way to ask whether a file can be opened, which is answered when it is run.
        if program.starts_with(b"<") {
            self.first.get_or_insert(draft.span);
            return Some(script);
        }
        let runner = identity.unwrap_or(Identity { uid: 0, gid: 0 });
        let Some((path, metadata)) = self.find(program, runner) else {
            let headline = format!("`{}` cannot be run", shown(program));
            let label = "there is no such program, or it may not be executed";
            diagnostics.push(Diagnostic::new(missing, headline, draft.span, label));
            return None;
        };
        if let Some(open) = self.insecure(&path, metadata, runner) {
            let headline = format!("`{}` can be changed by others than root", shown(program));
            let (code, what) = if self.security {
                (Code::InsecureScript, "so this is disabled")
            } else {
                (Code::WritableScript, "and this runs as root")
            };
            let label = format!("{} is writable, {what}", open.display());
            let diagnostic = Diagnostic::new(code, headline, draft.span, label);
            diagnostics.push(diagnostic.help(format!("chmod go-w {}", open.display())));
            if self.security {
                return None;
            }
        }
        self.first.get_or_insert(draft.span);
        Some(script)
    }

    fn ask(&mut self, path: &Path) -> Result<Metadata, HostError> {
        if let Some(known) = self.asked.get(path) {
            return known.clone();
        }
        let answer = self.host.metadata(path);
        self.asked.insert(path.to_owned(), answer.clone());
        answer
    }

    /// The program, if the runner can execute it.
    fn find(&mut self, program: &[u8], runner: Identity) -> Option<(PathBuf, Metadata)> {
        let name = PathBuf::from(std::ffi::OsString::from_vec(program.to_vec()));
        let candidates: Vec<PathBuf> = if program.contains(&b'/') {
            vec![self.host.current_dir().join(name)]
        } else {
            let path = self.host.environment(b"PATH").unwrap_or_else(|| PATH.to_vec());
            let directories = path.split(|b| *b == b':').filter(|d| !d.is_empty());
            directories.map(|d| PathBuf::from(std::ffi::OsString::from_vec(d.to_vec())).join(&name)).collect()
        };
        candidates.into_iter().find_map(|path| {
            let metadata = self.ask(&path).ok()?;
            executable(metadata, runner).then_some((path, metadata))
        })
    }

    /// What others than root could write, of the program and the directories that lead to it.
    fn insecure(&mut self, path: &Path, metadata: Metadata, runner: Identity) -> Option<PathBuf> {
        let set_id =
            (metadata.mode & 0o4000 != 0 && metadata.uid == 0) || (metadata.mode & 0o2000 != 0 && metadata.gid == 0);
        if runner.uid != 0 && runner.gid != 0 && !set_id {
            return None;
        }
        path.ancestors().find(|part| self.ask(part).is_ok_and(open_to_others)).map(Path::to_owned)
    }
}

fn executable(metadata: Metadata, runner: Identity) -> bool {
    if metadata.kind != FileKind::File {
        return false;
    }
    let bits = if runner.uid == 0 {
        0o111
    } else if runner.uid == metadata.uid {
        0o100
    } else if runner.gid == metadata.gid {
        0o010
    } else {
        0o001
    };
    metadata.mode & bits != 0
}

/// Whether somebody else than root can write it. In a directory with the sticky bit nobody can replace what is root's.
pub(super) fn open_to_others(metadata: Metadata) -> bool {
    let sticky = metadata.kind == FileKind::Directory && metadata.mode & 0o1000 != 0;
    let owner = metadata.uid != 0 && metadata.mode & 0o200 != 0;
    let group = metadata.gid != 0 && metadata.mode & 0o020 != 0;
    let others = metadata.mode & 0o002 != 0;
    owner || ((group || others) && !sticky)
}
