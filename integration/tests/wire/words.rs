//! What standfastd says on the wire is, octet for octet, what keepalived says with the same configuration in the same
//! place.

use lab::seed::Daemon;
use lab::{Content, Machine, Moment, Result, until};

use crate::form::{Form, Raw, holds, plan, raw, seconds};

/// Five rounds at the takeover and five a second later, for two addresses.
const ANNOUNCEMENTS: usize = 2 * 5 * 2;

/// So many advertisements are compared one by one.
const ADVERTS: usize = 6;

/// What one daemon says, in hexadecimal.
#[derive(Debug, PartialEq, Eq)]
struct Words {
    /// The first advertisement and the announcements that follow it at once, in the order of the wire.
    takeover: Vec<String>,
    /// The first advertisements, which the IPv4 identification numbers.
    adverts: Vec<String>,
    /// Every announcement.
    announcements: Vec<String>,
    /// The resignation, without identification and header checksum: how many were sent before it is chance.
    resignation: Vec<String>,
}

fn is_advert(frame: &Raw) -> bool {
    matches!(frame.content, Content::Advert(_))
}

fn is_resignation(frame: &Raw) -> bool {
    matches!(&frame.content, Content::Advert(advert) if advert.priority == 0)
}

/// Gratuitous ARPs, and neighbour advertisements that nobody asked for.
fn is_announcement(frame: &Raw) -> bool {
    match &frame.content {
        Content::Arp(arp) => arp.is_gratuitous(),
        Content::Neighbour(neighbour) => !neighbour.solicited,
        Content::Advert(_) | Content::Other => false,
    }
}

fn without_count(form: Form, octets: &str) -> String {
    if form.is_inet6() {
        return octets.to_owned();
    }
    let part = |from: usize, to: usize| octets.get(from * 2..to * 2).unwrap_or_default();
    let payload = match form {
        // The sequence number counts as well, and the value covers it.
        Form::V2Ah | Form::V2AhUnicast => format!("{}....{}", part(26, 42), part(58, octets.len() / 2)),
        Form::V2
        | Form::V2Unicast
        | Form::V2Vmac
        | Form::V3
        | Form::V3Unicast
        | Form::V3Vmac
        | Form::V3Inet6
        | Form::V3Inet6Unicast
        | Form::V3Inet6Vmac => part(26, octets.len() / 2).to_owned(),
    };
    format!("{}....{}....{payload}", part(0, 18), part(20, 24))
}

fn words(form: Form, daemon: &Daemon, director: &Machine, capture: &lab::Capture) -> Result<Words> {
    let begin = Moment::now();
    let process = daemon.start(director, &form.conf(true))?;
    let frames = || raw(capture, director.name(), begin);
    until("all had been announced twice, and some advertisements been sent", form.down() + seconds(12), || {
        frames().is_ok_and(|frames| {
            frames.iter().filter(|frame| is_announcement(frame)).count() >= ANNOUNCEMENTS
                && frames.iter().filter(|frame| is_advert(frame)).count() >= ADVERTS
        })
    })?;
    process.stop(seconds(10))?;
    until("it had resigned", seconds(5), || frames().is_ok_and(|frames| frames.iter().any(is_resignation)))?;
    holds(form, director, false, seconds(5))?;
    let frames = frames()?;
    let octets = |frames: &mut dyn Iterator<Item = &Raw>| frames.map(|frame| frame.octets.clone()).collect();
    let takeover = frames.iter().filter(|frame| is_advert(frame) || is_announcement(frame));
    Ok(Words {
        takeover: octets(&mut takeover.take(1 + ANNOUNCEMENTS / 2)),
        adverts: octets(&mut frames.iter().filter(|frame| is_advert(frame)).take(ADVERTS)),
        announcements: octets(&mut frames.iter().filter(|frame| is_announcement(frame))),
        resignation: (frames.iter().filter(|frame| is_resignation(frame)))
            .map(|frame| without_count(form, &frame.octets))
            .collect(),
    })
}

fn both_say_the_same(name: &str, form: Form) -> Result<()> {
    let lab = plan(name).start()?;
    let capture = lab.lan("lan")?.capture_only("ip proto 112 or ip proto 51 or ip6 proto 112 or arp or icmp6")?;
    let director = lab.machine("first")?;
    let theirs = words(form, &Daemon::keepalived(), &director, &capture)?;
    let ours = words(form, &Daemon::standfastd()?, &director, &capture)?;
    assert_eq!(ours, theirs);
    assert_eq!((theirs.adverts.len(), theirs.announcements.len()), (ADVERTS, ANNOUNCEMENTS));
    assert_eq!(theirs.resignation.len(), 1);
    lab.finish()
}

#[test]
fn version_2_to_the_group_in_the_same_octets() -> Result<()> {
    both_say_the_same("v2-words", Form::V2)
}

#[test]
fn version_2_with_a_password_to_a_peer_in_the_same_octets() -> Result<()> {
    both_say_the_same("v2uni-words", Form::V2Unicast)
}

// REQ: VRRP2A-AH-01 VRRP2A-AH-02 VRRP2A-AH-03
#[test]
fn version_2_behind_an_authentication_header_to_the_group_in_the_same_octets() -> Result<()> {
    both_say_the_same("v2ah-words", Form::V2Ah)
}

// REQ: VRRP2A-AH-02
#[test]
fn version_2_behind_an_authentication_header_to_a_peer_in_the_same_octets() -> Result<()> {
    both_say_the_same("v2ahuni-words", Form::V2AhUnicast)
}

#[test]
fn version_3_to_the_group_in_the_same_octets() -> Result<()> {
    both_say_the_same("v3-words", Form::V3)
}

#[test]
fn version_3_to_a_peer_in_the_same_octets() -> Result<()> {
    both_say_the_same("v3uni-words", Form::V3Unicast)
}

// REQ: VRRP3-7.2-02
#[test]
fn version_3_over_ipv6_to_the_group_in_the_same_octets() -> Result<()> {
    both_say_the_same("v6-words", Form::V3Inet6)
}

#[test]
fn version_3_over_ipv6_to_a_peer_in_the_same_octets() -> Result<()> {
    both_say_the_same("v6uni-words", Form::V3Inet6Unicast)
}

// REQ: VRRP2-8.2-02
#[test]
fn version_2_from_a_virtual_hardware_address_in_the_same_octets() -> Result<()> {
    both_say_the_same("v2vmac-words", Form::V2Vmac)
}

#[test]
fn version_3_from_a_virtual_hardware_address_in_the_same_octets() -> Result<()> {
    both_say_the_same("v3vmac-words", Form::V3Vmac)
}

#[test]
fn version_3_over_ipv6_from_a_virtual_hardware_address_in_the_same_octets() -> Result<()> {
    both_say_the_same("v6vmac-words", Form::V3Inet6Vmac)
}
