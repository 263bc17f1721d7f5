//! Random pairs of configurations, one after the other on both directors under traffic: who is served goes on being
//! served, and no virtual router moves.

use std::collections::BTreeMap;

use lab::{Chance, Machine, Moment, Probe, Result, Said, Talk, Word, pause, times};

use crate::rack::{DIRECT, DIRECT_SERVERS, NAT, NAT_SERVERS, Rack, WEB, millis, seconds};
use crate::wanted::Wanted;

/// How long a new virtual router may need until it has found its place: its down interval and a moment.
const SETTLED: std::time::Duration = seconds(6);

/// A conversation with a server that went is given up after this.
const PATIENCE: std::time::Duration = seconds(3);

/// Below the first retransmission of a connection whose packet was lost, twice over.
const UNSEEN: std::time::Duration = millis(500);

/// One to four changes.
pub(crate) fn change(wanted: &Wanted, chance: &mut Chance) -> Wanted {
    let mut next = wanted.clone();
    for _ in 0..=chance.below(4) {
        match chance.below(9) {
            0 => comes_or_goes(&mut next.nat, &NAT_SERVERS, chance),
            1 => comes_or_goes(&mut next.direct, &DIRECT_SERVERS, chance),
            2 => weigh(&mut next.nat, 1, chance),
            // The last one is all that serves new requests sometimes; none is ever taken out, since a request that is
            // on its way through it would be lost.
            3 => weigh(next.web.get_mut(1..).unwrap_or_default(), 0, chance),
            4 => next.scheduler = chance.one_of(&["wrr", "rr", "wlc", "lc", "sh"]),
            5 => next.delay_loop = 1 + chance.below(3),
            6 => toggle(&mut next.routers, 161 + chance.below(3)),
            7 => toggle(&mut next.addresses, 221 + chance.below(3)),
            _ => toggle(&mut next.services, 8001 + chance.below(3)),
        }
    }
    if next.nat.len() > 1 && chance.below(3) == 0 {
        next.nat.reverse();
    }
    next
}

fn comes_or_goes(servers: &mut Vec<(String, u32)>, known: &[(&str, &str)], chance: &mut Chance) {
    let (_, address) = chance.one_of(known);
    match servers.iter().position(|(there, _)| there == address) {
        Some(at) if servers.len() > 1 => drop(servers.remove(at)),
        Some(_) => {}
        None => servers.push((address.to_owned(), 1)),
    }
}

fn weigh(servers: &mut [(String, u32)], least: u32, chance: &mut Chance) {
    let which = usize::try_from(chance.below(servers.len() as u64)).unwrap_or_default();
    if let Some((_, weight)) = servers.get_mut(which) {
        *weight = least + u32::try_from(chance.below(5)).unwrap_or_default();
    }
}

fn toggle(set: &mut std::collections::BTreeSet<u64>, number: u64) {
    if !set.remove(&number) {
        set.insert(number);
    }
}

/// When a server was not in the configuration of both directors, by its name.
#[derive(Default)]
struct Absences(BTreeMap<&'static str, Vec<(Moment, Option<Moment>)>>);

impl Absences {
    fn note(&mut self, wanted: &Wanted, from: Moment, now: Moment) {
        for (name, address) in NAT_SERVERS.into_iter().chain(DIRECT_SERVERS) {
            let is_there = wanted.nat.iter().chain(&wanted.direct).any(|(there, _)| there == address);
            let spans = self.0.entry(name).or_default();
            match (spans.last_mut(), is_there) {
                (Some((_, end @ None)), true) => *end = Some(now),
                (Some((_, Some(_))) | None, false) => spans.push((from, None)),
                (Some((_, Some(_))) | None, true) | (Some((_, None)), false) => {}
            }
        }
    }

    /// Whether the server was always there while this was said, and for the patience of who said it before.
    fn excuse(&self, server: &str, word: &Word) -> bool {
        let spans = self.0.get(server);
        spans
            .into_iter()
            .flatten()
            .any(|(from, to)| to.is_none_or(|to| to.after(PATIENCE) >= word.sent) && *from <= word.done)
    }
}

/// How often each virtual router has changed its state on both directors, as their daemons say.
fn transitions(rack: &Rack, router: &str) -> usize {
    rack.daemons.iter().map(|daemon| daemon.log().matches(&format!("({router}) Entering")).count()).sum()
}

#[test]
fn reloads_at_random_lose_no_request_break_no_conversation_and_move_no_router() -> Result<()> {
    let mut chance = Chance::new();
    let mut wanted = Wanted::all();
    let rack = Rack::start("reloaded", &wanted)?;
    let talk = |service| rack.client.talk(&Talk::with(service, 6)?.patience(PATIENCE));
    let talking = [talk(NAT)?, talk(DIRECT)?];
    let requests = rack.client.probe(&Probe::http(WEB)?.every(millis(20)).patience(seconds(3)))?;
    let (mut absences, mut routers) =
        (Absences::default(), BTreeMap::from([("VI_E".to_owned(), Moment::now()), ("VI_I".to_owned(), Moment::now())]));
    let pairs = times(6);
    for _ in 0..pairs {
        pause(chance.between(millis(100), seconds(1)));
        let next = change(&wanted, &mut chance);
        let begin = Moment::now();
        let lasting: Vec<(String, usize)> = (routers.iter())
            .filter(|(name, since)| begin.since(**since) > SETTLED && stays(name, &next))
            .map(|(name, _)| (name.clone(), transitions(&rack, name)))
            .collect();
        let mut order = rack.directors();
        if chance.below(2) == 0 {
            order.reverse();
        }
        reload(&rack, order, &next)?;
        absences.note(&next, begin, Moment::now());
        pause(millis(300));
        for (name, before) in lasting {
            assert_eq!(transitions(&rack, &name), before, "{name} is in both configurations\n{wanted:#?}\n{next:#?}");
        }
        let now = Moment::now();
        routers.retain(|name, _| stays(name, &next));
        for vrid in &next.routers {
            routers.entry(format!("VX{vrid}")).or_insert(now);
        }
        wanted = next;
    }
    pause(seconds(1));
    assert_eq!([rack.held(&rack.master)?, rack.held(&rack.standby)?], [3, 0]);

    let report = requests.stop()?;
    let lost: Vec<_> = report.samples.iter().filter(|sample| sample.outcome.is_err()).collect();
    assert!(lost.is_empty(), "{lost:#?}");
    let (mut exchanges, mut broken) = (0, 0);
    for transcript in talking {
        let transcript = transcript.stop()?;
        for word in &transcript.words {
            match &word.said {
                Said::Repeated(server) if !absences.excuse(server, word) => {
                    exchanges += 1;
                    assert!(word.done.since(word.sent) < UNSEEN, "{word:?}");
                }
                Said::Broke(server, _) if !absences.excuse(server, word) => panic!("{word:?}"),
                Said::Broke(..) => broken += 1,
                Said::Repeated(_) | Said::Opened(_) => {}
                Said::Refused(_) => panic!("the service is there: {word:?}"),
            }
        }
    }
    assert!(exchanges > 100, "{exchanges}");
    println!(
        "{pairs} reload pairs: {} requests, none lost; {exchanges} exchanges with servers that stayed, none late or \
         broken; {broken} conversations broke with their server",
        report.samples.len()
    );
    rack.lab.finish()
}

fn stays(router: &str, next: &Wanted) -> bool {
    router.strip_prefix("VX").is_none_or(|vrid| next.routers.iter().any(|there| there.to_string() == vrid))
}

fn reload(rack: &Rack, order: [&Machine; 2], next: &Wanted) -> Result<()> {
    for director in order {
        rack.reload(director, next)?;
    }
    order.into_iter().try_for_each(|director| rack.table_becomes(director, next))
}
