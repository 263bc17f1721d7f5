//! The witnesses (`witness NAME`): asks each as often as it is configured, and says when one says something else.
//!
//! It decides nothing about an instance. It is here because a witness answers over the network: what comes back is
//! parsed where a mistake costs least.

use super::lease::{self, Said};
use crate::http_listen::host_name;
use core::time::Duration;
use standfast_api::CheckSlice;
use standfast_check::{Prober, Verdict};
use standfast_kernel::timer::boottime;
use standfast_model::Witnessed;
use standfast_model::config::lvs::{Connect, Probe};
use standfast_model::config::witness::{Witness, WitnessKind};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Answers that wait for the loop: two of each witness.
const WAITING: usize = 2 * Witness::MOST;

/// How long the return of leases may delay the end of the process: several times what a store in reach takes.
const RELEASE_WITHIN: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(super) struct Witnesses {
    asked: BTreeMap<String, Asked>,
    /// What this director calls itself in a store, unless a witness says otherwise.
    own_name: String,
    news: mpsc::Receiver<Said>,
    tell: mpsc::Sender<Said>,
}

/// A witness that is asked.
#[derive(Debug)]
struct Asked {
    config: Witness,
    /// Whether its lease is wanted.
    wanted: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Witnesses {
    /// Asks those of a configuration from now on. Needs a runtime.
    pub(super) fn of(slice: &CheckSlice) -> Self {
        let (tell, news) = mpsc::channel(WAITING);
        let own_name = slice.global.router_id.clone().unwrap_or_else(host_name);
        let mut witnesses = Self { asked: BTreeMap::new(), own_name, news, tell };
        witnesses.configure(slice);
        witnesses
    }

    /// Goes on with another configuration: a witness that is in both as it was is not asked anew, and whose lease was wanted
    /// is wanted still.
    pub(super) fn configure(&mut self, slice: &CheckSlice) {
        let is_wanted = |asked: &Asked| *asked.wanted.borrow();
        let wanted: BTreeMap<String, bool> =
            self.asked.iter().map(|(name, asked)| (name.clone(), is_wanted(asked))).collect();
        self.asked.retain(|_, asked| slice.witnesses.contains(&asked.config));
        for config in &slice.witnesses {
            if !self.asked.contains_key(&config.name) {
                let (wanted, orders) = watch::channel(wanted.get(&config.name).copied().unwrap_or(false));
                let task = tokio::spawn(ask(config.clone(), self.own_name.clone(), orders, self.tell.clone()));
                self.asked.insert(config.name.clone(), Asked { config: config.clone(), wanted, task });
            }
        }
    }

    /// The lease of a witness is wanted, or wanted no more. One that is held is given back then.
    pub(super) fn want(&self, witness: &str, wanted: bool) {
        if let Some(asked) = self.asked.get(witness) {
            asked.wanted.send_replace(wanted);
        }
    }

    /// Gives all leases back, as far as that can be done in a moment: what is left ends by itself.
    pub(super) async fn release(&mut self) {
        for asked in self.asked.values().filter(|asked| asked.config.kind.is_lease()) {
            asked.wanted.send_replace(false);
        }
        let leases: Vec<String> =
            self.asked.values().filter(|a| a.config.kind.is_lease()).map(|a| a.config.name.clone()).collect();
        let mut left = leases.len();
        let all = async {
            while left > 0 {
                let (witness, said) = self.next().await;
                if said == Witnessed::Unasked && leases.contains(&witness) {
                    left -= 1;
                }
            }
        };
        let _ = tokio::time::timeout(RELEASE_WITHIN, all).await;
    }

    /// The next thing that a witness says; waits for ever while they say nothing new. Cancel-safe.
    pub(super) async fn next(&mut self) -> Said {
        loop {
            match self.news.recv().await {
                // Of one that was taken out of the configuration nobody wants to know.
                Some(said) if self.asked.contains_key(&said.0) => return said,
                Some(_) => {}
                None => core::future::pending().await,
            }
        }
    }
}

/// Asks again and again, until it is dropped or nobody listens.
async fn ask(config: Witness, own_name: String, orders: watch::Receiver<bool>, tell: mpsc::Sender<Said>) {
    let target = match &config.kind {
        WitnessKind::Ping(address) => Probe::Ping(connect(SocketAddr::new(*address, 0), config.timeout)),
        WitnessKind::Tcp(place) => Probe::Tcp(connect(*place, config.timeout)),
        WitnessKind::Etcd(etcd) => return lease::keep(&config, etcd, &own_name, orders, tell).await,
    };
    let check = Prober::new(None).prepare(&target);
    let mut judge = Judge::new(config.rise, config.fall);
    loop {
        let begun = boottime();
        let verdict = check.attempt().await;
        if let Some(said) = judge.answered(&verdict)
            && tell.send((config.name.clone(), said)).await.is_err()
        {
            return;
        }
        tokio::time::sleep(config.interval.saturating_sub(boottime().since(begun))).await;
    }
}

fn connect(target: SocketAddr, timeout: Duration) -> Connect {
    let bind_address: Option<IpAddr> = None;
    Connect { target, bind_address, bind_port: None, bind_interface: None, timeout, mark: 0 }
}

/// Counts answers, so that one lost packet is no witness lost.
#[derive(Clone, Copy, Debug)]
struct Judge {
    rise: u32,
    fall: u32,
    /// What was said last; none before the first answer, of which one is enough.
    reached: Option<bool>,
    /// Answers in a row that contradict it.
    against: u32,
}

impl Judge {
    const fn new(rise: u32, fall: u32) -> Self {
        Self { rise, fall, reached: None, against: 0 }
    }

    /// What is to be said, if that is news.
    fn answered(&mut self, verdict: &Verdict) -> Option<Witnessed> {
        let trouble = match verdict {
            Verdict::Ok | Verdict::OkWithWeight(_) | Verdict::OkSoFar => None,
            Verdict::Failed(reason) => Some(reason.to_string()),
            Verdict::Unable(inability) => Some(inability.to_string()),
        };
        let reached = trouble.is_none();
        if self.reached == Some(reached) {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let enough = match (self.reached, reached) {
            (None, _) => 1,
            (Some(_), true) => self.rise,
            (Some(_), false) => self.fall,
        };
        if self.against < enough {
            return None;
        }
        (self.reached, self.against) = (Some(reached), 0);
        Some(trouble.map_or(Witnessed::Reached, |why| Witnessed::Unreachable { why }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standfast_check::Reason;

    #[test]
    fn the_first_answer_counts_and_then_as_many_in_a_row_as_are_wanted() {
        let failed = Verdict::Failed(Reason::TimedOut { after: Duration::from_secs(1) });
        let mut judge = Judge::new(2, 3);
        let said =
            |judge: &mut Judge, verdict: &Verdict| judge.answered(verdict).map(|said| said == Witnessed::Reached);
        assert_eq!(said(&mut judge, &Verdict::Ok), Some(true));
        assert_eq!(said(&mut judge, &Verdict::Ok), None);
        assert_eq!([said(&mut judge, &failed), said(&mut judge, &failed)], [None, None]);
        assert_eq!(said(&mut judge, &Verdict::Ok), None, "that begins the count anew");
        assert_eq!([said(&mut judge, &failed), said(&mut judge, &failed)], [None, None]);
        assert_eq!(said(&mut judge, &failed), Some(false));
        assert_eq!([said(&mut judge, &Verdict::Ok), said(&mut judge, &Verdict::Ok)], [None, Some(true)]);
        assert_eq!(said(&mut Judge::new(9, 9), &failed), Some(false), "nothing was known before");
    }
}
