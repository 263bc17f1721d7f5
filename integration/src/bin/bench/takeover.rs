//! How long a standby needs to put many addresses into service: from its first advertisement until every address has been
//! announced once, as the LAN carries it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use lab::{Content, Moment, Result, pause};

use crate::Settings;
use crate::figures::{Book, Row};
use crate::pair::{Pair, Shape, between};

/// Instances in one sync group, addresses of each, and whether a quick run has it.
const SHAPES: [(usize, usize, bool); 5] =
    [(1, 1, false), (1, 10, false), (1, 100, false), (1, 1000, true), (250, 4, true)];

const RUNS: usize = 10;

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    for (instances, addresses, _) in SHAPES.into_iter().filter(|(_, _, quick)| *quick || !settings.quick) {
        let shape = Shape { interval: Duration::from_millis(400), instances, addresses };
        let what = format!(
            "takeover of {} addresses in {instances} instances: first advert to all announced",
            addresses * instances
        );
        let mut row = Row::new(what, "ms");
        for _ in 0..if settings.quick { 1 } else { RUNS } {
            for (program, daemon) in settings.daemons.iter().enumerate() {
                row.add(program, one(Pair::start(daemon, shape)?)?);
            }
        }
        book.add(row);
    }
    Ok(())
}

fn one(pair: Pair) -> Result<f64> {
    let capture = pair.lab.lan("lan")?.capture_only("ip proto 112 or arp")?;
    let begin = Moment::now();
    pair.master.signal(nix::libc::SIGTERM)?;
    pause(pair.shape.skew());
    pair.holds(&pair.second, true)?;
    pause(Duration::from_millis(500));
    let mut advert = None;
    let mut announced: BTreeMap<Ipv4Addr, Moment> = BTreeMap::new();
    for seen in capture.frames()?.into_iter().filter(|seen| seen.from == "second" && seen.at > begin) {
        match seen.what.content {
            Content::Advert(_) => advert = advert.or(Some(seen.at)),
            Content::Arp(arp) if arp.is_gratuitous() => {
                announced.entry(arp.sender_address).or_insert(seen.at);
            }
            Content::Arp(_) | Content::Neighbour(_) | Content::Other => {}
        }
    }
    let all = announced.len() == pair.shape.instances * pair.shape.addresses;
    let last = announced.into_values().max().filter(|_| all);
    pair.lab.finish()?;
    Ok(advert.zip(last).map_or(f64::NAN, |(advert, last)| between(advert, last)))
}
