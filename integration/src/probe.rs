//! The client's view of a service: a request every few milliseconds, each with its outcome and its time, and from them
//! the longest outage. Owns what a probe is and how its report is read; the requests are made by `lab-agent probe`
//! inside the client's namespaces.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use nix::libc;

use crate::clock::Moment;
use crate::command::Command;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::process::Process;

/// How often a probe asks unless told: ten times as often as the shortest outage that a user would notice.
const USUAL_PERIOD: Duration = Duration::from_millis(10);

/// How long a request may take unless told before it counts as failed.
const USUAL_PATIENCE: Duration = Duration::from_secs(1);

/// Prober before the lab's other programs: a late prober would be an outage that is none.
const NICE: i32 = -15;

/// What a probe asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// An ICMP echo request.
    Ping(IpAddr),
    /// A new TCP connection, and `GET /` over it.
    Http(SocketAddr),
    /// A UDP query for the TXT record of a name, from a new port each time.
    Dns(SocketAddr, String),
}

/// A probe to be started on a machine.
#[derive(Clone, Debug)]
pub struct Probe {
    pub(crate) question: Question,
    pub(crate) period: Duration,
    pub(crate) patience: Duration,
}

/// A probe that runs.
#[derive(Debug)]
pub struct Probing {
    process: Process,
    patience: Duration,
}

/// One request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was sent.
    pub sent: Moment,
    /// When its outcome was known.
    pub done: Moment,
    /// What answered (the first line of a page, the text of a record, nothing for a ping), or why nothing did.
    pub outcome: std::result::Result<String, String>,
}

/// What a probe found, in the order of sending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Every request.
    pub samples: Vec<Sample>,
}

/// A time without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The last answer before.
    pub from: Moment,
    /// The first answer after.
    pub to: Moment,
}

impl Probe {
    /// Pings an address.
    ///
    /// # Errors
    /// It is no address.
    pub fn ping(address: &str) -> Result<Self> {
        Ok(Self::new(Question::Ping(parse(address)?)))
    }

    /// Gets a page from a web server (`192.168.1.202:80`).
    ///
    /// # Errors
    /// It is no address with a port.
    pub fn http(server: &str) -> Result<Self> {
        Ok(Self::new(Question::Http(parse(server)?)))
    }

    /// Asks a DNS server (`192.168.1.200:53`) for a TXT record.
    ///
    /// # Errors
    /// It is no address with a port.
    pub fn dns(server: &str, name: &str) -> Result<Self> {
        Ok(Self::new(Question::Dns(parse(server)?, name.to_owned())))
    }

    /// How often it asks, whether or not earlier requests have been answered. 10 ms unless told; a tenth of a
    /// millisecond at least.
    #[must_use]
    pub fn every(mut self, period: Duration) -> Self {
        self.period = period.max(Duration::from_micros(100));
        self
    }

    /// How long a request may take before it counts as failed. One second unless told.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn new(question: Question) -> Self {
        Self { question, period: USUAL_PERIOD, patience: USUAL_PATIENCE }
    }

    /// As arguments of `lab-agent probe`.
    fn arguments(&self) -> Vec<String> {
        let (kind, target, name) = match &self.question {
            Question::Ping(address) => ("ping", address.to_string(), String::new()),
            Question::Http(server) => ("http", server.to_string(), String::new()),
            Question::Dns(server, name) => ("dns", server.to_string(), name.clone()),
        };
        let nanos = |span: Duration| span.as_nanos().to_string();
        vec![kind.to_owned(), nanos(self.period), nanos(self.patience), target, name]
    }

    /// From the arguments of `lab-agent probe`.
    pub(crate) fn from_arguments(arguments: &[&str]) -> Option<Self> {
        let [kind, period, patience, target, name] = arguments else { return None };
        let question = match *kind {
            "ping" => Question::Ping(target.parse().ok()?),
            "http" => Question::Http(target.parse().ok()?),
            "dns" => Question::Dns(target.parse().ok()?, (*name).to_owned()),
            _ => return None,
        };
        let span = |nanos: &str| nanos.parse().ok().map(Duration::from_nanos);
        Some(Self { question, period: span(period)?, patience: span(patience)? })
    }
}

impl Machine {
    /// Starts a probe on this machine, a host. It asks until [`Probing::stop`].
    ///
    /// # Errors
    /// It cannot be started, or this is a director with a kernel of its own, whose clock is not the lab's.
    pub fn probe(&self, probe: &Probe) -> Result<Probing> {
        if self.has_kernel() {
            return Err(Error::Plan(format!("{} has a clock of its own: probe from a host", self.name())));
        }
        let mut argv = vec![self.agent_path(), "probe".to_owned()];
        argv.extend(probe.arguments());
        let process = self.start(&Command::from(argv).nice(NICE))?;
        Ok(Probing { process, patience: probe.patience })
    }
}

impl Probing {
    /// What it has found so far.
    ///
    /// # Errors
    /// It has ended by itself.
    pub fn report(&self) -> Result<Report> {
        if !self.process.is_running() {
            return Err(Error::agent("probe", self.process.log()));
        }
        self.read()
    }

    /// Stops it, waits for the requests that are under way, and returns what it found.
    ///
    /// # Errors
    /// It has ended by itself, or does not stop.
    pub fn stop(self) -> Result<Report> {
        self.process.signal(libc::SIGTERM)?;
        self.process.wait(self.patience.saturating_add(Duration::from_secs(10)))?;
        self.read()
    }

    fn read(&self) -> Result<Report> {
        let written = String::from_utf8_lossy(&self.process.stdout()).into_owned();
        let mut samples = Vec::new();
        // The last line may not be complete yet.
        let complete = written.rfind('\n').and_then(|end| written.get(..end)).unwrap_or_default();
        for line in complete.lines() {
            let sample = line.parse().map_err(|()| Error::agent("probe", format!("it wrote {line:?}")))?;
            samples.push(sample);
        }
        samples.sort_by_key(|sample: &Sample| sample.sent);
        Ok(Report { samples })
    }
}

impl Report {
    /// The requests that were answered.
    pub fn answered(&self) -> impl Iterator<Item = (&Sample, &str)> {
        self.samples.iter().filter_map(|sample| Some((sample, sample.outcome.as_deref().ok()?)))
    }

    /// How many requests were not answered.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.samples.iter().filter(|sample| sample.outcome.is_err()).count()
    }

    /// How often each server answered.
    #[must_use]
    pub fn answers_by_server(&self) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for (_, server) in self.answered() {
            *count.entry(server.to_owned()).or_insert(0) += 1;
        }
        count
    }

    /// Only what was sent from `from` on and before `to`.
    #[must_use]
    pub fn between(&self, from: Moment, to: Moment) -> Self {
        let samples = self.samples.iter().filter(|sample| (from..to).contains(&sample.sent)).cloned().collect();
        Self { samples }
    }

    /// The longest time between two answers that follow each other, the first and the last request included.
    ///
    /// It is never shorter than the period of the probe; a value of a few periods is the scheduler's, not the
    /// service's.
    #[must_use]
    pub fn longest_outage(&self) -> Option<Outage> {
        // What was still open at the end is judged up to the last request: nothing was asked after it.
        let (first, last) = (self.samples.first()?.sent, self.samples.last()?.sent);
        let mut answers: Vec<Moment> = self.answered().map(|(sample, _)| sample.done).collect();
        answers.extend([first, last]);
        answers.sort();
        let gaps = answers.windows(2).filter_map(|pair| match pair {
            [from, to] => Some(Outage { from: *from, to: *to }),
            _ => None,
        });
        gaps.max_by_key(Outage::length)
    }
}

impl Outage {
    /// How long.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.to.since(self.from)
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, text) = match &self.outcome {
            Ok(server) => ("ok", server),
            Err(why) => ("no", why),
        };
        // One line for each sample, whatever the server sends.
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        write!(f, "{} {} {word} {text}", self.sent.as_nanos(), self.done.as_nanos())
    }
}

impl FromStr for Sample {
    type Err = ();

    fn from_str(line: &str) -> std::result::Result<Self, ()> {
        let mut words = line.splitn(4, ' ');
        let mut moment = || words.next().and_then(|nanos| nanos.parse().ok()).map(Moment::from_nanos).ok_or(());
        let (sent, done) = (moment()?, moment()?);
        let outcome = match (words.next(), words.next()) {
            (Some("ok"), Some(text)) => Ok(text.to_owned()),
            (Some("no"), Some(text)) => Err(text.to_owned()),
            (Some(_) | None, _) => return Err(()),
        };
        Ok(Self { sent, done, outcome })
    }
}

fn parse<T: FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| Error::Plan(format!("{text:?} is no address to probe")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sent: u64, done: u64, outcome: std::result::Result<&str, &str>) -> Sample {
        Sample {
            sent: Moment::from_nanos(sent),
            done: Moment::from_nanos(done),
            outcome: outcome.map(str::to_owned).map_err(str::to_owned),
        }
    }

    #[test]
    fn the_outage_lies_between_the_answers_around_it() {
        let report = Report {
            samples: vec![
                sample(0, 1, Ok("a")),
                sample(10, 11, Ok("b")),
                sample(20, 1020, Err("timed out")),
                sample(30, 1030, Err("timed out")),
                sample(40, 45, Ok("a")),
                sample(50, 51, Ok("a")),
                sample(60, 1060, Err("timed out")),
            ],
        };
        let outage = report.longest_outage().unwrap();
        assert_eq!((outage.from, outage.to), (Moment::from_nanos(11), Moment::from_nanos(45)));
        let early = report.between(Moment::from_nanos(0), Moment::from_nanos(40)).longest_outage().unwrap();
        assert_eq!((early.from, early.to), (Moment::from_nanos(11), Moment::from_nanos(30)), "an open end counts");
        assert_eq!(report.lost(), 3);
        assert_eq!(report.answers_by_server(), BTreeMap::from([("a".to_owned(), 3), ("b".to_owned(), 1)]));
    }

    #[test]
    fn a_probe_that_sent_nothing_has_no_outage() {
        assert_eq!(Report::default().longest_outage(), None);
    }

    #[test]
    fn samples_survive_the_way_from_the_prober() {
        for sample in [sample(1, 2, Ok("web1")), sample(3, 4, Err("connection refused")), sample(5, 6, Ok(""))] {
            assert_eq!(sample.to_string().parse(), Ok(sample));
        }
        assert!("1 2 maybe x".parse::<Sample>().is_err());
        assert!("1".parse::<Sample>().is_err());
    }

    #[test]
    fn probes_survive_the_way_to_the_prober() {
        let probe = Probe::dns("192.0.2.1:53", "who.lab").unwrap().every(Duration::from_millis(5));
        let arguments = probe.arguments();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let back = Probe::from_arguments(&words).unwrap();
        assert_eq!((back.question, back.period, back.patience), (probe.question, probe.period, probe.patience));
        assert!(Probe::http("192.0.2.1").is_err(), "a port is missing");
    }
}
