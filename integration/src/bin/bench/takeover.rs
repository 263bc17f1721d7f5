//! How long a standby needs to put many addresses into service: from its first advertisement until every address has been
//! announced once, as the LAN carries it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use lab::{Content, Moment, Result, pause};

use crate::Settings;
use crate::figures::{Book, Row};
use crate::pair::{Pair, Shape, between};

/// Instances in one sync group, addresses of each, and how often each is measured, in a whole run and in a quick one.
const SHAPES: [((usize, usize), u32, u32); 5] =
    [((1, 1), 3, 0), ((1, 10), 3, 0), ((1, 100), 3, 0), ((1, 1000), 5, 1), ((250, 4), 5, 0)];

pub(crate) fn measure(settings: &Settings, book: &mut Book) -> Result<()> {
    for ((instances, addresses), runs) in settings.runs(SHAPES) {
        let shape = Shape { interval: Duration::from_millis(400), instances, addresses };
        let what = format!(
            "takeover of {} addresses in {instances} instances: first advert to all announced",
            addresses * instances
        );
        let mut row = Row::new(what, "ms");
        for _ in 0..runs {
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
