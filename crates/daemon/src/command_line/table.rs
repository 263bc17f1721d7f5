//! The options, one row each.

/// Whether an option does what it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// It does.
    Built,
    /// It concerns how keepalived was built or debugged; accepted for the sake of unit files, without effect, which is said
    /// on the log.
    Foreign,
}

/// Whether an option has an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// It has none.
    None,
    /// It has one, attached or as the next word.
    Required(&'static str),
    /// It may have one, attached only.
    Optional(&'static str),
}

/// What an option means to the parser.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    UseFile,
    NoCheckers,
    NoBfd,
    NoVrrp,
    All,
    LogConsole,
    LogDetail,
    LogFacility,
    LogFile,
    NoSyslog,
    Umask,
    ReleaseVips,
    DontReleaseVrrp,
    DontReleaseIpvs,
    DontRespawn,
    DontFork,
    DumpConf,
    Pid,
    VrrpPid,
    CheckersPid,
    BfdPid,
    Genhash,
    AddressMonitoring,
    Snmp,
    SnmpSocket,
    Namespace,
    CoreDump,
    CoreDumpPattern,
    AllConfig,
    ConfigId,
    IgnoreSigint,
    ConfigTest,
    Signum,
    Keywords,
    Version,
    Help,
    /// Nothing to note.
    Nothing,
}

/// One option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opt {
    /// The letter, if it has one.
    pub short: Option<char>,
    /// The long name.
    pub long: &'static str,
    /// Its argument.
    pub value: Value,
    /// Whether it works.
    pub readiness: Readiness,
    /// What it does, in one line.
    pub help: &'static str,
    pub(super) meaning: Meaning,
}

const fn row(
    short: char,
    long: &'static str,
    value: Value,
    meaning: Meaning,
    readiness: Readiness,
    help: &'static str,
) -> Opt {
    let short = if short == ' ' { None } else { Some(short) };
    Opt { short, long, value, readiness, help, meaning }
}

use Readiness::{Built, Foreign};
use Value::{None as No, Optional, Required};

/// Every option of keepalived 2.4, in the order of its manual.
#[rustfmt::skip]
pub const OPTIONS: &[Opt] = &[
    row('f', "use-file", Required("FILE"), Meaning::UseFile, Built, "read FILE, or the files matching a pattern; default /etc/keepalived/keepalived.conf"),
    row('P', "vrrp", No, Meaning::NoCheckers, Built, "run VRRP only, no checkers"),
    row('C', "check", No, Meaning::NoVrrp, Built, "run checkers only, no VRRP"),
    row('B', "no_bfd", No, Meaning::NoBfd, Built, "do not run BFD"),
    row(' ', "all", No, Meaning::All, Built, "run every worker, even without configuration for it"),
    row('l', "log-console", No, Meaning::LogConsole, Built, "log to standard error as well"),
    row('D', "log-detail", No, Meaning::LogDetail, Built, "log in detail; given twice, log everything"),
    row('S', "log-facility", Required("F"), Meaning::LogFacility, Built, "syslog facility: 0-7, local0-local7, user, daemon"),
    row('g', "log-file", Optional("FILE"), Meaning::LogFile, Built, "log to FILE too, in place of standard error; default /var/log/keepalived.log"),
    row(' ', "flush-log-file", No, Meaning::Nothing, Built, "write each message to the log file at once, which is always so"),
    row('G', "no-syslog", No, Meaning::NoSyslog, Built, "do not log to journald or syslog"),
    row('u', "umask", Required("MASK"), Meaning::Umask, Built, "permissions that new files never get"),
    row('X', "release-vips", No, Meaning::ReleaseVips, Built, "becoming BACKUP, remove virtual addresses even if something else added them"),
    row('V', "dont-release-vrrp", No, Meaning::DontReleaseVrrp, Built, "keep virtual addresses at stop, send no resignation"),
    row('I', "dont-release-ipvs", No, Meaning::DontReleaseIpvs, Built, "keep the IPVS table at stop"),
    row('R', "dont-respawn", No, Meaning::DontRespawn, Built, "stop when a worker dies instead of restarting it"),
    row('n', "dont-fork", No, Meaning::DontFork, Built, "stay in the foreground"),
    row('d', "dump-conf", No, Meaning::DumpConf, Built, "log the configuration as understood"),
    row('p', "pid", Required("FILE"), Meaning::Pid, Built, "pid file of the daemon"),
    row('r', "vrrp_pid", Required("FILE"), Meaning::VrrpPid, Built, "pid file of the VRRP worker"),
    row('c', "checkers_pid", Required("FILE"), Meaning::CheckersPid, Built, "pid file of the check worker"),
    row('b', "bfd_pid", Required("FILE"), Meaning::BfdPid, Built, "pid file of the BFD worker"),
    row('T', "genhash", No, Meaning::Genhash, Built, "genhash mode, as the first word: see standfast genhash"),
    row('a', "address-monitoring", No, Meaning::AddressMonitoring, Built, "log every change of an address"),
    row('x', "snmp", No, Meaning::Snmp, Built, "show everything over SNMP"),
    row('A', "snmp-agent-socket", Required("S"), Meaning::SnmpSocket, Built, "address of the AgentX master, unless snmp_socket says one"),
    row('s', "namespace", Required("NAME"), Meaning::Namespace, Built, "run in this network namespace"),
    row('m', "core-dump", No, Meaning::CoreDump, Built, "allow core files"),
    row('M', "core-dump-pattern", Optional("PAT"), Meaning::CoreDumpPattern, Built, "set the kernel's core pattern to PAT (default core); implies -m"),
    row('e', "all-config", No, Meaning::AllConfig, Built, "every failed include is an error"),
    row('i', "config-id", Required("ID"), Meaning::ConfigId, Built, "take the lines that begin with @ID"),
    row(' ', "signum", Required("NAME"), Meaning::Signum, Built, "print the number of a signal: STOP, RELOAD, DATA, STATS, ..."),
    row(' ', "keywords", Optional("json"), Meaning::Keywords, Built, "print every keyword of the configuration"),
    row('t', "config-test", Optional("FILE"), Meaning::ConfigTest, Built, "test the configuration and end; report to FILE or standard error"),
    row(' ', "config-fd", Required("N"), Meaning::Nothing, Foreign, "internal to keepalived"),
    row(' ', "ignore-sigint", No, Meaning::IgnoreSigint, Built, "do not stop on ^C"),
    row(' ', "perf", Optional("WHEN"), Meaning::Nothing, Foreign, "profiling of keepalived"),
    row(' ', "debug", Optional("LETTERS"), Meaning::Nothing, Foreign, "debugging of keepalived"),
    row(' ', "no-mem-check", No, Meaning::Nothing, Foreign, "memory checking of keepalived"),
    row('L', "mem-check-log", No, Meaning::Nothing, Foreign, "memory checking of keepalived"),
    row('O', "openssl-mem-check", No, Meaning::Nothing, Foreign, "memory checking of keepalived"),
    row('v', "version", No, Meaning::Version, Built, "print the version"),
    row('h', "help", No, Meaning::Help, Built, "print this"),
];
