//! Orders in the words of the command `standfast`, as the journal repeats them.

use super::{Files, LogLevel, Order, ServerOrder, ServerWish, SwitchoverOrder};
use core::fmt::{Display, Formatter, Result};

/// What an operator would type for the same.
impl Display for Order {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Reload { force, confirm_within_s } => {
                write!(f, "reload{}", if *force { " --force" } else { "" })?;
                option(f, "--confirm", *confirm_within_s)
            }
            Self::Confirm => f.write_str("confirm"),
            Self::Server(order) => order.fmt(f),
            Self::Switchover(order) => order.fmt(f),
            Self::Maintenance { on } => write!(f, "maintenance {}", if *on { "on" } else { "off" }),
            Self::LogLevel(level) => write!(f, "log-level {level}"),
            Self::Upgrade { force } => write!(f, "upgrade{}", if *force { " --force" } else { "" }),
            Self::Announce { instance } => write!(f, "announce {instance}"),
            Self::Write(files) => write!(f, "write {files}"),
            Self::Adjust(adjustments) => {
                let words: Vec<String> = adjustments.iter().map(ToString::to_string).collect();
                write!(f, "set {}", words.join(", "))
            }
            Self::Plan { file: None } => f.write_str("plan"),
            Self::Plan { file: Some(file) } => write!(f, "plan {file}"),
        }
    }
}

impl Display for ServerOrder {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { server, of, wish } = self;
        match wish {
            ServerWish::Ready => write!(f, "ready {server}")?,
            ServerWish::Drain { within_s } => {
                write!(f, "drain {server}")?;
                option(f, "--within", *within_s)?;
            }
            ServerWish::Disable => write!(f, "disable {server}")?,
            ServerWish::Weight(weight) => write!(f, "weight {server} {weight}")?,
        }
        option(f, "--of", of.as_deref())
    }
}

impl Display for SwitchoverOrder {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("switchover")?;
        if let Some(of) = &self.of {
            write!(f, " {of}")?;
        }
        option(f, "--for", self.for_s)?;
        f.write_str(if self.undo { " --undo" } else { "" })
    }
}

impl Display for Files {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Data => "data",
            Self::Stats { clear: false } => "stats",
            Self::Stats { clear: true } => "stats --clear",
        })
    }
}

impl Display for LogLevel {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

fn option(f: &mut Formatter<'_>, word: &str, value: Option<impl Display>) -> Result {
    value.map_or(Ok(()), |value| write!(f, " {word} {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_reads_as_it_is_typed() {
        let server = |wish, of: Option<&str>| {
            let of = of.map(str::to_owned);
            Order::Server(ServerOrder { server: "10.0.0.1:80".to_owned(), of, wish })
        };
        for (order, words) in [
            (Order::Reload { force: false, confirm_within_s: None }, "reload"),
            (Order::Reload { force: true, confirm_within_s: Some(30) }, "reload --force --confirm 30"),
            (server(ServerWish::Drain { within_s: Some(60) }, None), "drain 10.0.0.1:80 --within 60"),
            (server(ServerWish::Weight(3), Some("192.0.2.1")), "weight 10.0.0.1:80 3 --of 192.0.2.1"),
            (
                Order::Switchover(SwitchoverOrder { of: Some("VG".to_owned()), undo: true, for_s: None }),
                "switchover VG --undo",
            ),
            (Order::Maintenance { on: true }, "maintenance on"),
            (Order::LogLevel(LogLevel::Debug), "log-level debug"),
            (Order::Upgrade { force: true }, "upgrade --force"),
            (Order::Plan { file: Some("/etc/new.conf".to_owned()) }, "plan /etc/new.conf"),
        ] {
            assert_eq!(order.to_string(), words);
        }
    }
}
