//! The keyword table as rows: what `--keywords`, the manual page and the coverage figure are made of.
//!
//! It adds nothing to the table and knows no keyword by name.

use crate::keyword::entry::{ADDRESS_OPTIONS, ROUTE_OPTIONS, RULE_OPTIONS};
use crate::keyword::{Args, BLOCKS, Block, Entries, Keyword, Kind, Stage, Status};
use crate::value::TimeUnit;
use core::fmt::Write as _;
use serde_json::{Value, json};

/// One keyword of one block, or the entries of a list (`<entry>`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The keywords that lead to it and its own name, joined by `/`.
    pub path: String,
    /// The path of its block; empty at the top level.
    pub block: &'static str,
    /// Its name.
    pub name: &'static str,
    /// `flag`, `value`, `block`, `list` or `entry`.
    pub kind: &'static str,
    /// The words behind it; empty if there are none.
    pub synopsis: String,
    /// Smallest and largest value, or the words to choose from; empty if there is no range.
    pub range: String,
    /// The unit of a number: `s`, `ms`, or empty.
    pub unit: &'static str,
    /// What holds without it; empty if there is nothing to say.
    pub default: &'static str,
    /// What it is for, in a sentence.
    pub help: &'static str,
    /// Whether it is a name of today.
    pub status: Status,
    /// Whether this release acts upon it.
    pub live: bool,
    /// Whether there is nothing for it to do here, now or later; the help says why.
    pub moot: bool,
}

/// Everything that may be written in keepalived.conf, block by block, the top level first, entries of lists last.
#[must_use]
pub fn rows() -> Vec<Row> {
    let blocks = BLOCKS.into_iter().flat_map(|block| block.keywords.iter().map(|keyword| row(block, keyword)));
    let entries = [&ADDRESS_OPTIONS, &ROUTE_OPTIONS, &RULE_OPTIONS];
    let options = entries.into_iter().flat_map(|block| {
        let options = block.keywords.iter().map(|keyword| row(block, keyword));
        entry(block).into_iter().chain(options)
    });
    blocks.chain(respelled()).chain(options).chain(services()).collect()
}

/// The statements of a block that has another name too, under that name.
fn respelled() -> impl Iterator<Item = Row> {
    let named = BLOCKS.into_iter().filter(|block| block.path.is_empty()).flat_map(|root| root.keywords);
    let blocks = named.filter_map(|keyword| match keyword.kind {
        Kind::Block(_, block) if block.path != keyword.name => Some((keyword.name, block)),
        Kind::Block(..) | Kind::Value(_) | Kind::List(..) => None,
    });
    blocks.flat_map(|(name, block)| {
        let under = move |keyword: &'static Keyword| Row {
            path: format!("{name}/{}", keyword.name),
            block: name,
            ..row(block, keyword)
        };
        block.keywords.iter().map(under)
    })
}

fn row(block: &'static Block, keyword: &'static Keyword) -> Row {
    let path = if block.path.is_empty() { keyword.name.to_owned() } else { format!("{}/{}", block.path, keyword.name) };
    let args = keyword.args();
    Row {
        path,
        block: block.path,
        name: keyword.name,
        kind: kind(keyword),
        synopsis: synopsis(keyword),
        range: range(args),
        unit: unit(args),
        default: keyword.default,
        help: keyword.help,
        status: keyword.status,
        live: block.canonical(keyword).stage == Stage::Live,
        moot: match block.canonical(keyword).stage {
            Stage::Live => false,
            Stage::Moot => true,
            Stage::NotYet => keyword.status == Status::Removed,
        },
    }
}

/// The form of the entries that a block of options belongs to; none for a block that is no list's.
fn entry(block: &'static Block) -> Option<Row> {
    let (entries, list) = match block.path.split('/').next()? {
        "virtual_ipaddress" => (Entries::Addresses, "virtual_ipaddress"),
        "virtual_routes" => (Entries::Routes, "virtual_routes"),
        "virtual_rules" => (Entries::Rules, "virtual_rules"),
        _ => return None,
    };
    Some(entry_row(block.path, entries, live_list("vrrp_instance", list), "One entry a line; its words are below."))
}

fn services() -> Option<Row> {
    let help = "An address or a range of addresses with a port, or a firewall mark.";
    Some(entry_row("virtual_server_group/<entry>", Entries::Services, live_list("", "virtual_server_group"), help))
}

fn live_list(path: &str, name: &str) -> bool {
    let block = BLOCKS.into_iter().find(|block| block.path == path);
    block.and_then(|block| block.find(name.as_bytes())).is_some_and(|keyword| keyword.stage == Stage::Live)
}

fn entry_row(path: &'static str, entries: Entries, live: bool, help: &'static str) -> Row {
    Row {
        path: path.to_owned(),
        block: path,
        name: "<entry>",
        kind: "entry",
        synopsis: entry_synopsis(entries),
        range: String::new(),
        unit: "",
        default: "",
        help,
        status: Status::Current,
        live,
        moot: false,
    }
}

fn kind(keyword: &Keyword) -> &'static str {
    match keyword.kind {
        Kind::Value(Args::Flag) => "flag",
        Kind::Value(_) => "value",
        Kind::Block(..) => "block",
        Kind::List(..) => "list",
    }
}

fn synopsis(keyword: &Keyword) -> String {
    let words = keyword.args().synopsis();
    let block = match keyword.kind {
        Kind::Value(_) => return words,
        Kind::Block(..) => "{ ... }".to_owned(),
        Kind::List(_, entries) => format!("{{ {} }}", entry_synopsis(entries)),
    };
    if words.is_empty() { block } else { format!("{words} {block}") }
}

/// How the entries of a list are written, as in a manual page.
fn entry_synopsis(entries: Entries) -> String {
    match entries {
        Entries::Names(name) => format!("<{name}> ..."),
        Entries::Addresses => "<IP>[/<LEN>] [<OPTION> ...]".to_owned(),
        Entries::Routes => "<DESTINATION>[/<LEN>] [<OPTION> ...]".to_owned(),
        Entries::Rules => "[<OPTION> ...] <ACTION>".to_owned(),
        Entries::Tracked(name, most, noreverse) => {
            let reverse = if noreverse { "[reverse|noreverse]" } else { "[reverse]" };
            format!("<{name}> [weight -{most}..{most} {reverse}]")
        }
        Entries::VirtualServers => {
            "<IP> [<PORT>] | fwmark <N> | group <NAME> [weight -253..253 [reverse|noreverse]]".to_owned()
        }
        Entries::Peers => "<IP> [min_ttl <N>] [max_ttl <N>]".to_owned(),
        Entries::Services => "<IP>[-<IP>|/<LEN>] [<PORT>] | fwmark <N> [inet|inet6]".to_owned(),
        Entries::Delays => "<INTERFACE> <DOWN> [<UP>]".to_owned(),
        Entries::Linkbeat => "<INTERFACE> [MII|ETHTOOL|IOCTL]".to_owned(),
    }
}

/// Smallest and largest value in the unit of the keyword, or the words to choose from; empty if there is no range.
fn range(args: Args) -> String {
    match args {
        Args::Number(least, most) | Args::OptionalNumber(least, most, _) => format!("{least}..{most}"),
        Args::Seconds(least, most) => format!("{}..{}", TimeUnit::Seconds.show(least), TimeUnit::Seconds.show(most)),
        Args::Milliseconds(least, most) => {
            format!("{}..{}", TimeUnit::Milliseconds.show(least), TimeUnit::Milliseconds.show(most))
        }
        Args::Choice(words) => words.join("|"),
        Args::Bool => "true|on|yes|false|off|no".to_owned(),
        Args::Flag
        | Args::Word(_)
        | Args::OneWord(_)
        | Args::OptionalWord(_)
        | Args::Words(_)
        | Args::Address
        | Args::Interface
        | Args::Script
        | Args::OptionalScript
        | Args::Command
        | Args::User
        | Args::Other(..) => String::new(),
    }
}

fn unit(args: Args) -> &'static str {
    TimeUnit::of(args).map_or("", |(unit, ..)| unit.symbol())
}

/// What the status says, for a person; empty for a name of today.
#[must_use]
pub fn status_note(status: Status) -> String {
    match status {
        Status::Current => String::new(),
        Status::Alias(of) => format!("another spelling of {of}"),
        Status::Old(of) => format!("the old spelling of {of}"),
        Status::Deprecated(instead) | Status::Outdated(instead) => format!("deprecated: {instead}"),
        Status::Removed => "does nothing any more".to_owned(),
        Status::Own => "beyond keepalived, which does not know it".to_owned(),
    }
}

/// The table for a person: `standfastd --keywords`.
#[must_use]
pub fn text() -> String {
    let mut out = String::new();
    let mut block = None;
    for row in rows() {
        if block != Some(row.block) {
            let title = if row.block.is_empty() { "(top level)" } else { row.block };
            let gap = if block.is_some() { "\n" } else { "" };
            _ = writeln!(out, "{gap}{title}");
            block = Some(row.block);
        }
        _ = writeln!(out, "  {}", format!("{} {}", row.name, row.synopsis).trim_end());
        _ = writeln!(out, "      {}", row.help);
        let mut facts = Vec::new();
        if !row.range.is_empty() {
            facts.push(format!("range {} {}", row.range, row.unit).trim_end().to_owned());
        }
        if !row.default.is_empty() {
            facts.push(format!("default {}", row.default));
        }
        facts.extend(Some(status_note(row.status)).filter(|note| !note.is_empty()));
        if !row.live && row.status != Status::Removed {
            facts.push("not acted upon yet".to_owned());
        }
        if !facts.is_empty() {
            _ = writeln!(out, "      [{}]", facts.join("; "));
        }
    }
    out
}

/// The table for a program: `standfastd --keywords=json`. `{"format": 1, "keywords": [{"path", "block", "name", "kind",
/// "synopsis", "range", "unit", "default", "help", "status", "instead", "live"}]}`; new members may be added, these
/// stay.
#[must_use]
pub fn json() -> String {
    let keywords: Vec<Value> = rows().iter().map(json_row).collect();
    format!("{:#}\n", json!({ "format": 1, "keywords": keywords }))
}

fn json_row(row: &Row) -> Value {
    let (status, instead) = match row.status {
        Status::Current => ("current", None),
        Status::Alias(of) => ("alias", Some(of)),
        Status::Old(of) => ("old", Some(of)),
        Status::Deprecated(instead) | Status::Outdated(instead) => ("deprecated", Some(instead)),
        Status::Removed => ("removed", None),
        Status::Own => ("own", None),
    };
    json!({
        "path": row.path,
        "block": row.block,
        "name": row.name,
        "kind": row.kind,
        "synopsis": row.synopsis,
        "range": row.range,
        "unit": row.unit,
        "default": row.default,
        "help": row.help,
        "status": status,
        "instead": instead,
        "live": row.live,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_unique_and_each_is_in_both_listings() {
        let rows = rows();
        let paths: std::collections::BTreeSet<_> = rows.iter().map(|row| row.path.as_str()).collect();
        assert_eq!(paths.len(), rows.len());
        let listed: Value = serde_json::from_str(&json()).unwrap();
        assert_eq!(listed["keywords"].as_array().unwrap().len(), rows.len());
        let text = text();
        let names = text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).count();
        assert_eq!(names, rows.len());
        assert!(text.contains("\nvrrp_script\n  script <SCRIPT>\n      Command to run"), "{text}");
    }
}
