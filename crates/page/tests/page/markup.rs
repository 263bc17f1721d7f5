//! What stands on the page, and what can not.

use crate::fixture::{Site, instance};
use standfast_api::Packed;
use standfast_model::State;

#[test]
fn the_page_says_who_is_master_of_what_and_since_when_and_why() {
    let page = Site::new(8).document(false);
    for text in [
        "lb-east.example.org",
        "VI_WEB",
        "198.51.100.10/24 198.51.100.11/24 2001:db8:100::10/64",
        "for 3 h 3 min",
        "MASTER from BACKUP: no advertisement for 3.414 s",
        "this node",
        "192.0.2.3",
        "lb-south",
        "does not answer: no answer within 2 s",
        "link of eth1 is down",
        "connection refused",
        "02:00:00:00:00:66",
        "master of 1 of 3 virtual routers; ",
        "CRITICAL",
        "(VI_WEB) Entering MASTER STATE",
        "2026-11-21 10:21:40",
    ] {
        assert!(page.contains(text), "{text} is not on the page");
    }
}

#[test]
fn two_masters_are_called_so_and_silence_of_a_director_is_not_taken_for_its_absence() {
    let mut site = Site::new(0);
    assert!(!site.document(false).contains("more than one master"));
    assert!(!site.document(false).contains("no master<"), "a director that does not answer may be it");
    site.directors.pop();
    let mut both = site.directors[0].said.clone().unwrap();
    "MASTER".clone_into(&mut both.instances[0].state);
    site.directors[0].said = Ok(both.clone());
    assert_eq!(site.document(false).matches("more than one master").count(), 1);
    both.instances.iter_mut().for_each(|instance| "BACKUP".clone_into(&mut instance.state));
    site.directors[0].said = Ok(both);
    assert_eq!(site.document(false).matches("</i>no master<").count(), 2);
}

#[test]
fn whatever_a_name_or_another_director_says_stays_text() {
    let mut site = Site::new(1);
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    site.snapshot.vrrp.as_mut().unwrap().instances.push(instance(evil, 9, State::Master, &[]));
    let mut check = site.snapshot.check().unwrap().clone();
    check.services[0].servers[0].remarks.trouble = Some(evil.to_owned());
    site.snapshot.check = Some(Packed::new(&check));
    site.snapshot.daemon.reload_refused = Some(evil.to_owned());
    let mut other = site.report();
    evil.clone_into(&mut other.instances[0].state);
    site.directors[0].said = Ok(other);
    evil.clone_into(&mut site.directors[1].name);
    site.directors[1].said = Err(evil.to_owned());
    evil.clone_into(&mut site.events[0].message);
    let page = site.document(true);
    assert!(page.matches("&lt;script&gt;").count() >= 7, "it is shown");
    assert!(!page.contains("<img") && !page.contains("<script>"), "and is no markup");
}

#[test]
fn nothing_on_the_page_is_from_elsewhere_or_inline() {
    let page = Site::new(60).document(true);
    for source in ["src=\"", "href=\""] {
        for (at, _) in page.match_indices(source) {
            let target = &page[at + source.len()..][..2];
            let is_own = target.starts_with('/') && target != "//";
            assert!(is_own || target == "da", "{}", &page[at..][..40]);
        }
    }
    assert!(!page.contains(" style=") && !page.contains("<style"), "the policy forbids it");
    assert!(!page.contains(" onclick") && page.matches("<script").count() == 1);
    assert!(!standfast_page::STYLE.contains("url(") && !standfast_page::STYLE.contains("@import"));
}

#[test]
fn orders_are_offered_only_where_they_are_taken() {
    assert!(!Site::new(3).document(false).contains("<button"));
    let page = Site::new(3).document(true);
    assert!(page.contains("data-wish=\"drain\"") && page.contains("type=\"password\""));
}

#[test]
fn many_virtual_servers_come_in_groups_and_too_many_are_left_to_programs() {
    let page = Site::new(500).document(false);
    assert_eq!(page.matches("<details class=\"vs\"").count(), 500);
    assert_eq!(page.matches("<details class=\"group\"").count(), 20);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    let page = Site::new(3000).document(false);
    assert_eq!(page.matches("<details class=\"vs\"").count(), 2000);
    assert!(page.contains("the first 2000 of them here"));
}
