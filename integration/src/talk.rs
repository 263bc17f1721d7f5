//! Connections that last, as a client sees them: some conversations with a service, an exchange each so many
//! milliseconds, and which of them broke. Owns what a talk is and how its report is read; the talking is done by
//! `lab-agent talk` inside the client's namespaces, the answering by `lab-agent echo` on the real servers.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use nix::libc;

use crate::clock::Moment;
use crate::command::Command;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::process::Process;

/// How often each conversation has an exchange, unless told.
const USUAL_PERIOD: Duration = Duration::from_millis(50);

/// How long an answer may take before a conversation counts as broken: TCP doubles its patience at every loss, so after
/// an outage of four seconds the next attempt may be six seconds after its begin.
const USUAL_PATIENCE: Duration = Duration::from_secs(15);

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(20);

/// Some conversations to be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Talk {
    pub(crate) server: SocketAddr,
    pub(crate) count: usize,
    pub(crate) period: Duration,
    pub(crate) patience: Duration,
}

/// Conversations that are being held.
#[derive(Debug)]
pub struct Talking {
    process: Process,
    patience: Duration,
}

/// What happened in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A connection was made; the name of the server.
    Opened(String),
    /// This server repeated what it was told.
    Repeated(String),
    /// The connection to this server broke, and why.
    Broke(String, String),
    /// No connection could be made, and why.
    Refused(String),
}

/// One exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Of which conversation, from zero.
    pub number: usize,
    /// When it began.
    pub sent: Moment,
    /// When its outcome was known.
    pub done: Moment,
    /// The outcome.
    pub said: Said,
}

/// Every exchange of all conversations, in the order of their outcomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The exchanges.
    pub words: Vec<Word>,
}

impl Talk {
    /// `count` conversations with a service (`192.0.2.100:7`).
    ///
    /// # Errors
    /// It is no address with a port.
    pub fn with(server: &str, count: usize) -> Result<Self> {
        let server = server.parse().map_err(|_| Error::Plan(format!("{server:?} is no address to talk to")))?;
        Ok(Self { server, count, period: USUAL_PERIOD, patience: USUAL_PATIENCE })
    }

    /// How often each has an exchange. 50 ms unless told.
    #[must_use]
    pub fn every(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// How long an answer may take before the conversation counts as broken. 15 seconds unless told.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// As arguments of `lab-agent talk`.
    fn arguments(&self) -> [String; 4] {
        let nanos = |span: Duration| span.as_nanos().to_string();
        [self.server.to_string(), self.count.to_string(), nanos(self.period), nanos(self.patience)]
    }

    /// From the arguments of `lab-agent talk`.
    pub(crate) fn from_arguments(arguments: &[&str]) -> Option<Self> {
        let [server, count, period, patience] = arguments else { return None };
        let span = |nanos: &str| nanos.parse().ok().map(Duration::from_nanos);
        let (period, patience) = (span(period)?, span(patience)?);
        Some(Self { server: server.parse().ok()?, count: count.parse().ok()?, period, patience })
    }
}

impl Machine {
    /// Starts a server for [`Machine::talk`] on a TCP port, which says `name`, and waits until it listens.
    ///
    /// # Errors
    /// It does not start.
    pub fn serve_echo(&self, port: u16, name: &str) -> Result<Process> {
        let argv = [self.agent_path(), "echo".to_owned(), port.to_string(), name.to_owned()];
        let process = self.spawn(argv.to_vec())?;
        process.wait_for("serving", START)?;
        Ok(process)
    }

    /// Begins conversations from this machine, and waits until all of them have been opened. They go on until
    /// [`Talking::stop`].
    ///
    /// # Errors
    /// Not all can be opened within twenty seconds, or this is a director with a clock of its own.
    pub fn talk(&self, talk: &Talk) -> Result<Talking> {
        if self.has_kernel() {
            return Err(Error::Plan(format!("{} has a clock of its own: talk from a host", self.name())));
        }
        let mut argv = vec![self.agent_path(), "talk".to_owned()];
        argv.extend(talk.arguments());
        let process = self.start(&Command::from(argv))?;
        let talking = Talking { process, patience: talk.patience };
        crate::wait::until("all conversations had begun", START, || {
            talking.transcript().is_ok_and(|transcript| transcript.servers().len() == talk.count)
        })?;
        Ok(talking)
    }
}

impl Talking {
    /// What has been said so far.
    ///
    /// # Errors
    /// It has ended by itself.
    pub fn transcript(&self) -> Result<Transcript> {
        let transcript = self.read();
        if !self.process.is_running() {
            return Err(Error::agent("talk", self.process.tail()));
        }
        transcript
    }

    /// Lets every exchange that is under way come to its end, ends the conversations and returns all that was said.
    ///
    /// # Errors
    /// It has ended by itself, or does not stop.
    pub fn stop(self) -> Result<Transcript> {
        self.process.signal(libc::SIGTERM)?;
        self.process.wait(self.patience.saturating_add(Duration::from_secs(10)))?;
        self.read()
    }

    fn read(&self) -> Result<Transcript> {
        let written = String::from_utf8_lossy(&self.process.stdout()).into_owned();
        // The last line may not be complete yet.
        let complete = written.rfind('\n').and_then(|end| written.get(..end)).unwrap_or_default();
        let word = |line: &str| line.parse().map_err(|()| Error::agent("talk", format!("it wrote {line:?}")));
        Ok(Transcript { words: complete.lines().map(word).collect::<Result<_>>()? })
    }
}

impl Transcript {
    /// With whom each conversation was held last.
    #[must_use]
    pub fn servers(&self) -> BTreeMap<usize, String> {
        let mut servers = BTreeMap::new();
        for word in &self.words {
            if let Said::Opened(server) = &word.said {
                servers.insert(word.number, server.clone());
            }
        }
        servers
    }

    /// The exchanges whose connection broke.
    pub fn broken(&self) -> impl Iterator<Item = &Word> {
        self.words.iter().filter(|word| matches!(word.said, Said::Broke(..)))
    }

    /// The exchanges that began at `from` or later and were answered.
    pub fn repeated_since(&self, from: Moment) -> impl Iterator<Item = &Word> {
        self.words.iter().filter(move |word| word.sent >= from && matches!(word.said, Said::Repeated(_)))
    }

    /// How long the slowest answer took.
    #[must_use]
    pub fn slowest(&self) -> Option<Duration> {
        let answered = self.words.iter().filter(|word| matches!(word.said, Said::Repeated(_)));
        answered.map(|word| word.done.since(word.sent)).max()
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.number, self.sent.as_nanos(), self.done.as_nanos())?;
        match &self.said {
            Said::Opened(server) => write!(f, "opened {server}"),
            Said::Repeated(server) => write!(f, "repeated {server}"),
            Said::Broke(server, why) => write!(f, "broke {server} {}", why.replace('\n', " ")),
            Said::Refused(why) => write!(f, "refused {}", why.replace('\n', " ")),
        }
    }
}

impl FromStr for Word {
    type Err = ();

    fn from_str(line: &str) -> std::result::Result<Self, ()> {
        let mut words = line.splitn(5, ' ');
        let mut next = || words.next().ok_or(());
        let number = next()?.parse().map_err(drop)?;
        let mut moment = || next()?.parse().map(Moment::from_nanos).map_err(drop);
        let (sent, done) = (moment()?, moment()?);
        let (kind, rest) = (next()?, next()?.to_owned());
        let said = match kind {
            "opened" => Said::Opened(rest),
            "repeated" => Said::Repeated(rest),
            "broke" => rest.split_once(' ').map(|(who, why)| Said::Broke(who.to_owned(), why.to_owned())).ok_or(())?,
            "refused" => Said::Refused(rest),
            _ => return Err(()),
        };
        Ok(Self { number, sent, done, said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(number: usize, sent: u64, done: u64, said: Said) -> Word {
        Word { number, sent: Moment::from_nanos(sent), done: Moment::from_nanos(done), said }
    }

    #[test]
    fn words_survive_the_way_from_the_talker() {
        for said in [
            Said::Opened("web1".to_owned()),
            Said::Repeated("web1".to_owned()),
            Said::Broke("web1".to_owned(), "connection reset by peer".to_owned()),
            Said::Refused("no answer in time".to_owned()),
        ] {
            let word = word(3, 1, 2, said);
            assert_eq!(word.to_string().parse(), Ok(word));
        }
        assert!("1 2 3 broke web1".parse::<Word>().is_err());
        assert!("1 2 3 sang web1".parse::<Word>().is_err());
        assert!("1 2".parse::<Word>().is_err());
    }

    #[test]
    fn a_talk_survives_the_way_to_the_talker() {
        let talk = Talk::with("192.0.2.100:7", 4).unwrap().every(Duration::from_millis(20));
        let arguments = talk.arguments();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert_eq!(Talk::from_arguments(&words), Some(talk));
        assert!(Talk::with("192.0.2.100", 1).is_err(), "a port is missing");
    }

    #[test]
    fn a_transcript_tells_who_was_talked_to_and_what_broke() {
        let (one, two) = (|| "one".to_owned(), || "two".to_owned());
        let transcript = Transcript {
            words: vec![
                word(0, 0, 1, Said::Opened(one())),
                word(1, 0, 1, Said::Opened(two())),
                word(0, 2, 9, Said::Repeated(one())),
                word(1, 2, 3, Said::Broke(two(), "reset".to_owned())),
                word(1, 4, 5, Said::Opened(one())),
                word(1, 6, 7, Said::Repeated(one())),
            ],
        };
        assert_eq!(transcript.servers(), BTreeMap::from([(0, one()), (1, one())]));
        assert_eq!(transcript.broken().count(), 1);
        assert_eq!(transcript.slowest(), Some(Duration::from_nanos(7)));
        assert_eq!(transcript.repeated_since(Moment::from_nanos(3)).count(), 1);
    }
}
