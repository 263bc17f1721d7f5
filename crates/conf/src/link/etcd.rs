//! `etcd` of a witness: whether the store can be asked with what is written, over TLS too.
//!
//! It looks at the files' permissions and never into them: what is in a key is the business of who shows it.

use super::scripts::open_to_others;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::host::{FileKind, Host};
use crate::lower::Spanned;
use crate::lower::witness::EtcdDraft;
use core::time::Duration;
use standfast_model::config::witness::{Etcd, EtcdTls, EtcdUser};
use std::path::Path;

/// `lease` when nobody says it: some seconds for an election inside the store, and some for the network.
const LEASE: Duration = Duration::from_secs(10);

/// The store; what it lacks is told, and fatal.
pub(super) fn store(written: &EtcdDraft, host: &dyn Host, diagnostics: &mut Diagnostics) -> Option<Etcd> {
    let mut lacks = |what: &str, help: &str| {
        let headline = format!("`etcd` is used without {what}");
        diagnostics.push(Diagnostic::new(Code::UselessWitness, headline, written.head, "it is needed here").help(help));
    };
    if written.endpoints.is_empty() {
        lacks("`endpoint`", "endpoint http://192.0.2.1:2379");
    }
    if written.key.is_none() {
        lacks("`lease_key`", "lease_key standfast/web");
    }
    if written.user.is_some() != written.password.is_some() {
        lacks("`user` and `password` together", "one is of no use without the other");
    }
    if written.certificate.is_some() != written.private_key.is_some() {
        lacks("`certificate` and `private_key` together", "one is of no use without the other");
    }
    if written.endpoints.len() > Etcd::MOST_ENDPOINTS {
        lacks("fewer endpoints", "seven are enough");
    }
    let tls = tls(written, host, diagnostics);
    let user = written.user.clone().zip(written.password.clone());
    Some(Etcd {
        endpoints: written.endpoints.iter().map(|endpoint| endpoint.value.address).collect(),
        key: written.key.clone()?,
        lease: written.lease.unwrap_or(LEASE),
        holder: written.holder.clone(),
        user: user.map(|(name, password)| EtcdUser { name, password }),
        tls,
    })
}

/// What is needed for `https://`; none where the endpoints do not say so.
fn tls(written: &EtcdDraft, host: &dyn Host, diagnostics: &mut Diagnostics) -> Option<EtcdTls> {
    let of_kind = |tls: bool| written.endpoints.iter().find(|endpoint| endpoint.value.tls == tls);
    let (plain, tls) = (of_kind(false), of_kind(true));
    if let (Some(plain), Some(tls)) = (plain, tls) {
        let headline = "`https://` and `http://` for one store";
        let label = "what is said here anybody could read and change";
        let diagnostic = Diagnostic::new(Code::UselessWitness, headline, plain.span, label);
        diagnostics.push(diagnostic.and(tls.span, "here nobody could"));
    }
    let words = [&written.ca, &written.server_name, &written.certificate, &written.private_key];
    if let (None, Some(useless)) = (tls, words.into_iter().flatten().next()) {
        let headline = "a word about TLS, and no endpoint that is reached over it";
        let diagnostic = Diagnostic::new(Code::UselessWitness, headline, useless.span, "this is of no use");
        diagnostics.push(diagnostic.help("begin the endpoints with https://"));
    }
    tls?;
    for path in [&written.ca, &written.certificate, &written.private_key].into_iter().flatten() {
        file(path, host, diagnostics);
    }
    if let Some(key) = &written.private_key {
        private(key, host, diagnostics);
    }
    let text = |word: &Option<Spanned<String>>| word.as_ref().map(|word| word.value.clone());
    let identity = text(&written.certificate).zip(text(&written.private_key));
    Some(EtcdTls { ca: text(&written.ca), identity, server_name: text(&written.server_name) })
}

/// Whether a file is there, by an absolute path: the worker that reads it begins elsewhere than the command.
fn file(path: &Spanned<String>, host: &dyn Host, diagnostics: &mut Diagnostics) {
    let name = Path::new(&path.value);
    let why = match host.metadata(name) {
        _ if !name.is_absolute() => "it is no absolute path".to_owned(),
        Ok(metadata) if metadata.kind != FileKind::File => "it is not a regular file".to_owned(),
        Ok(_) => return,
        Err(error) => error.to_string(),
    };
    let headline = format!("{} cannot be used: {why}", path.value);
    diagnostics.push(Diagnostic::new(Code::UselessWitness, headline, path.span, "the store is not reached without it"));
}

/// Whether nobody but root can change a key, and nobody but root read it.
fn private(key: &Spanned<String>, host: &dyn Host, diagnostics: &mut Diagnostics) {
    let (name, path) = (&key.value, Path::new(&key.value));
    if let Some(open) = path.ancestors().find(|part| host.metadata(part).is_ok_and(open_to_others)) {
        let headline = format!("the key in {name} can be changed by others than root");
        let label = format!("{} is writable", open.display());
        let diagnostic = Diagnostic::new(Code::InsecureKey, headline, key.span, label);
        diagnostics.push(diagnostic.help(format!("chown root {0} && chmod go-w {0}", open.display())));
    }
    if host.metadata(path).is_ok_and(|metadata| metadata.mode & 0o077 != 0) {
        let headline = format!("the key in {name} can be read by others");
        let label = "whoever reads it can speak for this director";
        let diagnostic = Diagnostic::new(Code::ReadableKey, headline, key.span, label);
        diagnostics.push(diagnostic.help(format!("chmod 600 {name}")));
    }
}
