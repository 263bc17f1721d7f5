//! The keyword table: every statement of keepalived.conf with its words, range, default, a sentence of help, and whether
//! this release acts upon it.
//!
//! The table is the one place that knows names and ranges: the parser dispatches by it, values are checked against it, and
//! help is printed from it. What a statement does is typed code in `lower`; a test ties the two.

mod bfd;
mod check;
pub(crate) mod entry;
mod global;
mod lvs;
mod root;
mod track;
mod vrrp;
mod witness;

pub use root::ROOT;

pub(crate) use {
    bfd::BFD_INSTANCE,
    check::{
        BFD_CHECK, DNS_CHECK, FILE_CHECK, HTTP_GET, HTTP_URL, MISC_CHECK, PING_CHECK, SMTP_CHECK, SMTP_HOST, SSL_GET,
        SSL_URL, TCP_CHECK, UDP_CHECK,
    },
    global::GLOBAL_DEFS,
    lvs::{REAL_SERVER, SSL, VIRTUAL_SERVER},
    track::{TRACK_FILE, VRRP_SCRIPT, VRRP_TRACK_PROCESS},
    vrrp::{AUTH_HMAC, AUTHENTICATION, GARP_GROUP, TRACK_GROUP, VRRP_INSTANCE, VRRP_SYNC_GROUP},
    witness::{GROUP_WITNESS, INSTANCE_WITNESS, WITNESS, WITNESS_ETCD},
};

/// One keyword of one block.
#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// The word.
    pub name: &'static str,
    /// What follows it.
    pub kind: Kind,
    /// What holds without the statement, in words; empty if there is nothing to say.
    pub default: &'static str,
    /// What it is for, in a sentence.
    pub help: &'static str,
    /// Whether it is a name of today.
    pub status: Status,
    /// Whether this release acts upon it.
    pub stage: Stage,
}

/// What follows a keyword.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Words on the same line.
    Value(Args),
    /// Words, and a block with keywords of its own.
    Block(Args, &'static Block),
    /// Words, and a block of entries, one a line or several.
    List(Args, Entries),
}

/// A block with keywords.
#[derive(Debug)]
pub struct Block {
    /// The keywords that lead to it, joined by `/`; empty for the root.
    pub path: &'static str,
    /// What may stand in it.
    pub keywords: &'static [Keyword],
}

/// The words a keyword takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Args {
    /// None: the keyword is a flag, and words behind it are not looked at.
    Flag,
    /// `[<BOOL>]`: on without a word.
    Bool,
    /// A decimal number, smallest and largest.
    Number(i128, i128),
    /// A decimal number, or nothing for the value named last.
    OptionalNumber(i128, i128, i128),
    /// Seconds, smallest and largest in microseconds; up to six decimals.
    Seconds(u64, u64),
    /// Milliseconds, smallest and largest in microseconds; up to three decimals.
    Milliseconds(u64, u64),
    /// One word, shown by this name.
    Word(&'static str),
    /// One word, and no more: with further words the statement is left out.
    OneWord(&'static str),
    /// One word or none.
    OptionalWord(&'static str),
    /// One or more words.
    Words(&'static str),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A numeric IPv4 or IPv6 address.
    Address,
    /// An interface name.
    Interface,
    /// A command line in one word, a user, a group.
    Script,
    /// The same, or nothing.
    OptionalScript,
    /// A command line in one word.
    Command,
    /// A user, a group.
    User,
    /// A form of its own, read by typed code: how it is written, and how many words it has at least.
    Other(&'static str, usize),
}

/// What the entries of a list are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entries {
    /// Names, several a line: shown by this name.
    Names(&'static str),
    /// `ADDRESS[/LEN] [OPTION ...]`
    Addresses,
    /// `DESTINATION[/LEN] [OPTION ...]`
    Routes,
    /// `[OPTION ...] ACTION`
    Rules,
    /// `NAME [weight N [reverse]]`: what is named, largest weight either way, and whether `noreverse` is understood.
    Tracked(&'static str, i16, bool),
    /// `ADDRESS [PORT] | fwmark N | group NAME`, as the head of a `virtual_server`, `[weight N [reverse|noreverse]]`.
    VirtualServers,
    /// `ADDRESS [min_ttl N] [max_ttl N]`
    Peers,
    /// Addresses, ranges and marks of a `virtual_server_group`.
    Services,
    /// `INTERFACE DOWN [UP]`
    Delays,
    /// `INTERFACE [MII|ETHTOOL|IOCTL]`
    Linkbeat,
}

/// Whether a keyword is a name of today.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// It is.
    Current,
    /// Another spelling of the named keyword of the same block; keepalived does not mind.
    Alias(&'static str),
    /// An old spelling of the named keyword; keepalived reports it.
    Old(&'static str),
    /// It works and is reported; what to write instead, in words.
    Deprecated(&'static str),
    /// It works, there is better, and keepalived says nothing; what to write instead, in words.
    Outdated(&'static str),
    /// It does nothing any more.
    Removed,
    /// It is ours: keepalived does not know it.
    Own,
}

/// Whether this release acts upon a keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// It does.
    Live,
    /// It is understood, and nothing follows from it.
    NotYet,
    /// There is nothing for it to do here, now or later.
    Moot,
}

/// What the network's largest timer holds: 18446744073709.551614 s.
pub(crate) const MAX_TIMER: u64 = u64::MAX - 1;

/// The largest number of microseconds in keepalived's 32-bit timers: 4294.967295 s.
pub(crate) const MAX_32: u64 = 4_294_967_295;

/// One second, in the unit of [`Args::Seconds`].
pub(crate) const SECOND: u64 = 1_000_000;

/// The largest 32-bit number.
pub(crate) const U32: i128 = 4_294_967_295;

/// The largest signed 32-bit number.
pub(crate) const I32: i128 = 2_147_483_647;

const fn keyword(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Keyword {
    Keyword { name, kind, default, help, status: Status::Current, stage: Stage::NotYet }
}

pub(crate) const fn flag(name: &'static str, help: &'static str) -> Keyword {
    keyword(name, Kind::Value(Args::Flag), "off", help)
}

pub(crate) const fn value(name: &'static str, args: Args, default: &'static str, help: &'static str) -> Keyword {
    keyword(name, Kind::Value(args), default, help)
}

pub(crate) const fn block(name: &'static str, args: Args, block: &'static Block, help: &'static str) -> Keyword {
    keyword(name, Kind::Block(args, block), "", help)
}

pub(crate) const fn list(name: &'static str, entries: Entries, help: &'static str) -> Keyword {
    keyword(name, Kind::List(Args::Flag, entries), "", help)
}

impl Keyword {
    /// This release acts upon it.
    pub(crate) const fn live(self) -> Self {
        Self { stage: Stage::Live, ..self }
    }

    /// It is ours, and this release acts upon it.
    pub(crate) const fn own(self) -> Self {
        self.status(Status::Own).live()
    }

    /// There is nothing for it to do here.
    pub(crate) const fn moot(self) -> Self {
        Self { stage: Stage::Moot, ..self }
    }

    const fn status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// The words it takes.
    #[must_use]
    pub const fn args(&self) -> Args {
        match self.kind {
            Kind::Value(args) | Kind::Block(args, _) | Kind::List(args, _) => args,
        }
    }

    /// Whether its words are a script with user and group.
    pub(crate) const fn has_script(&self) -> bool {
        matches!(self.args(), Args::Script | Args::OptionalScript)
    }

    /// Whether `{` follows.
    #[must_use]
    pub const fn has_block(&self) -> bool {
        match self.kind {
            Kind::Value(_) => false,
            Kind::Block(..) | Kind::List(..) => true,
        }
    }
}

impl Block {
    /// The keyword of that name.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&'static Keyword> {
        self.keywords.iter().find(|k| k.name.as_bytes() == name)
    }

    /// The keyword's own, and the one it is another spelling of.
    pub(crate) fn canonical(&self, keyword: &'static Keyword) -> &'static Keyword {
        match keyword.status {
            Status::Alias(of) | Status::Old(of) => self.find(of.as_bytes()).unwrap_or(keyword),
            Status::Current | Status::Deprecated(_) | Status::Outdated(_) | Status::Removed | Status::Own => keyword,
        }
    }

    /// What the block is called in a sentence.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("the file")
    }
}

impl Args {
    /// How the words are written, as in a manual page.
    #[must_use]
    pub fn synopsis(self) -> String {
        match self {
            Self::Flag => String::new(),
            Self::Bool => "[<BOOL>]".to_owned(),
            Self::Number(..) => "<N>".to_owned(),
            Self::OptionalNumber(..) => "[<N>]".to_owned(),
            Self::Seconds(..) => "<SECONDS>".to_owned(),
            Self::Milliseconds(..) => "<MILLISECONDS>".to_owned(),
            Self::Word(name) | Self::OneWord(name) => format!("<{name}>"),
            Self::OptionalWord(name) => format!("[<{name}>]"),
            Self::Words(name) => format!("<{name}> ..."),
            Self::Choice(words) => words.join("|"),
            Self::Address => "<IP>".to_owned(),
            Self::Interface => "<INTERFACE>".to_owned(),
            Self::Script => "<SCRIPT> [<USER> [<GROUP>]]".to_owned(),
            Self::OptionalScript => "[<SCRIPT> [<USER> [<GROUP>]]]".to_owned(),
            Self::Command => "<SCRIPT>".to_owned(),
            Self::User => "<USER> [<GROUP>]".to_owned(),
            Self::Other(synopsis, _) => synopsis.to_owned(),
        }
    }

    /// How many words are looked at; none is no limit.
    #[must_use]
    pub const fn most(self) -> Option<usize> {
        match self {
            Self::Flag => Some(0),
            Self::Bool
            | Self::Number(..)
            | Self::OptionalNumber(..)
            | Self::Seconds(..)
            | Self::Milliseconds(..)
            | Self::Word(_)
            | Self::OneWord(_)
            | Self::OptionalWord(_)
            | Self::Choice(_)
            | Self::Address
            | Self::Interface
            | Self::Command => Some(1),
            Self::User => Some(2),
            Self::Script | Self::OptionalScript => Some(3),
            Self::Words(_) | Self::Other(..) => None,
        }
    }

    /// How many words there must be.
    #[must_use]
    pub const fn least(self) -> usize {
        match self {
            Self::Flag | Self::Bool | Self::OptionalNumber(..) | Self::OptionalWord(_) | Self::OptionalScript => 0,
            Self::Number(..)
            | Self::Seconds(..)
            | Self::Milliseconds(..)
            | Self::Word(_)
            | Self::OneWord(_)
            | Self::Words(_)
            | Self::Choice(_)
            | Self::Address
            | Self::Interface
            | Self::Script
            | Self::Command
            | Self::User => 1,
            Self::Other(_, least) => least,
        }
    }
}

/// All blocks of the language, the root first.
pub static BLOCKS: [&Block; 32] = [
    &ROOT,
    &GLOBAL_DEFS,
    &VRRP_SYNC_GROUP,
    &VRRP_INSTANCE,
    &AUTHENTICATION,
    &AUTH_HMAC,
    &GARP_GROUP,
    &TRACK_GROUP,
    &VRRP_SCRIPT,
    &VRRP_TRACK_PROCESS,
    &TRACK_FILE,
    &VIRTUAL_SERVER,
    &REAL_SERVER,
    &SSL,
    &MISC_CHECK,
    &SMTP_CHECK,
    &SMTP_HOST,
    &TCP_CHECK,
    &PING_CHECK,
    &UDP_CHECK,
    &HTTP_GET,
    &HTTP_URL,
    &SSL_GET,
    &SSL_URL,
    &DNS_CHECK,
    &FILE_CHECK,
    &BFD_CHECK,
    &BFD_INSTANCE,
    &WITNESS,
    &WITNESS_ETCD,
    &INSTANCE_WITNESS,
    &GROUP_WITNESS,
];

/// The blocks that have a keyword of that name, for the help of an unknown one; at most three.
pub(crate) fn places_of(word: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for block in BLOCKS.into_iter().filter(|b| b.find(word).is_some()) {
        let name = if block.path.is_empty() { "the top level".to_owned() } else { format!("`{}`", block.name()) };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.truncate(3);
    names
}
