//! The lease of a witness: asked for while it is wanted, renewed while it is held, given back when it is wanted no more.
//!
//! It says until when the lease is ours, counted from before the request that got it, and so never too late. Who relies on
//! it stops by itself when nobody says more: this process may hang.

use core::time::Duration;
use standfast_check::etcd::{Acquired, Client, LeaseId};
use standfast_kernel::timer::boottime;
use standfast_model::config::witness::{Etcd, Witness};
use standfast_model::{Instant, Witnessed};
use tokio::sync::{mpsc, watch};

/// How much earlier a lease ends for us than in the store: a resignation needs a moment, and two clocks are never alike.
const MARGIN_PARTS: u32 = 10;

/// What a witness says now, by its name.
pub(super) type Said = (String, Witnessed);

/// What the lease goes through, until it is dropped or nobody listens.
pub(super) async fn keep(
    config: &Witness,
    etcd: &Etcd,
    own_name: &str,
    orders: watch::Receiver<bool>,
    tell: mpsc::Sender<Said>,
) {
    let holder = etcd.holder.clone().unwrap_or_else(|| own_name.to_owned());
    let client = Client::new(etcd.clone(), holder, config.timeout);
    let speaker = Speaker { name: config.name.clone(), tell, last: Witnessed::Unasked };
    let mut keeper = Keeper { client, speaker, orders, interval: config.interval, lease: etcd.lease };
    while keeper.wanted().await && keeper.hold().await {}
}

struct Keeper {
    client: Client,
    speaker: Speaker,
    orders: watch::Receiver<bool>,
    interval: Duration,
    lease: Duration,
}

impl Keeper {
    /// Waits until the lease is wanted. False when nobody will want it any more.
    async fn wanted(&mut self) -> bool {
        self.orders.wait_for(|wanted| *wanted).await.is_ok()
    }

    /// Asks for the lease and keeps it, as long as it is wanted. False when nobody listens.
    async fn hold(&mut self) -> bool {
        while *self.orders.borrow_and_update() {
            let begun = boottime();
            let said = match self.client.acquire().await {
                Ok(Acquired::Held(lease)) => {
                    if !self.speaker.say(self.held_since(begun)).await {
                        return false;
                    }
                    self.renew(lease, begun).await
                }
                Ok(Acquired::Refused { holder }) => Witnessed::Refused { holder },
                Err(why) => Witnessed::Unreachable { why },
            };
            if !self.speaker.say(said).await {
                return false;
            }
            self.pause(self.interval.saturating_sub(boottime().since(begun))).await;
        }
        self.speaker.say(Witnessed::Unasked).await
    }

    /// Renews until that is wanted no more, and gives back; or until it cannot be done, and says why.
    async fn renew(&mut self, lease: LeaseId, mut begun: Instant) -> Witnessed {
        loop {
            // Three attempts in the life of a lease, and more when one has failed.
            self.pause((self.lease / 3).saturating_sub(boottime().since(begun))).await;
            if !*self.orders.borrow_and_update() {
                // Whoever relies on it knows before it is another's.
                self.speaker.say(Witnessed::Unasked).await;
                let _ = self.client.revoke(lease).await;
                return Witnessed::Unasked;
            }
            loop {
                let asked = boottime();
                match self.client.renew(lease).await {
                    Ok(true) => {
                        begun = asked;
                        self.speaker.say(self.held_since(begun)).await;
                        break;
                    }
                    Ok(false) => return Witnessed::Unreachable { why: "the lease is gone from the store".to_owned() },
                    Err(why) if asked >= self.end(begun) => return Witnessed::Unreachable { why },
                    Err(_) => self.pause(self.interval.min(self.lease / 6)).await,
                }
                if !*self.orders.borrow() {
                    break;
                }
            }
        }
    }

    fn end(&self, begun: Instant) -> Instant {
        begun + (self.lease - self.lease / MARGIN_PARTS)
    }

    fn held_since(&self, begun: Instant) -> Witnessed {
        Witnessed::Held { until: self.end(begun) }
    }

    /// Waits that long, or until the lease is wanted no more.
    async fn pause(&mut self, span: Duration) {
        // That nobody can say so any more is found out by who is told next.
        let _ = tokio::time::timeout(span, self.orders.wait_for(|wanted| !*wanted)).await;
    }
}

/// Says what is news.
struct Speaker {
    name: String,
    tell: mpsc::Sender<Said>,
    last: Witnessed,
}

impl Speaker {
    /// False when nobody listens.
    async fn say(&mut self, said: Witnessed) -> bool {
        if self.last == said {
            return true;
        }
        self.last = said.clone();
        self.tell.send((self.name.clone(), said)).await.is_ok()
    }
}
