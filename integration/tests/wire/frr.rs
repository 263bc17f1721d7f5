//! FRRouting's vrrpd on the other side: another reading of the RFCs than keepalived's. It knows no authentication and no
//! unicast, and wants the virtual hardware address on both sides.

use std::time::Duration;

use lab::seed::Daemon;
use lab::{Capture, Lab, Machine, Moment, Process, Result, pause, until};

use crate::form::{Form, GRACE, holds, plan, seconds};

/// The interface of the virtual router on FRR's side, which its administrator has to make: FRR finds it by its address.
fn frr_interface(form: Form) -> String {
    let (mac, length) = if form.is_inet6() { ("00:00:5e:00:02:33", 64) } else { ("00:00:5e:00:01:33", 24) };
    let mut lines = format!(
        "ip link add link eth0 name frr-vip type macvlan mode bridge\n\
         ip link set dev frr-vip address {mac}\n"
    );
    for vip in form.vips() {
        let nodad = if form.is_inet6() { " nodad" } else { "" };
        lines += &format!("ip address add {vip}/{length} dev frr-vip{nodad}\n");
    }
    lines + "ip link set dev frr-vip up\n"
}

fn frr_conf(form: Form, priority: u8) -> String {
    let version = if form == Form::V2Vmac { 2 } else { 3 };
    let word = if form.is_inet6() { "ipv6" } else { "ip" };
    let mut text = format!(
        "interface eth0\n vrrp 51 version {version}\n vrrp 51 priority {priority}\n vrrp 51 advertisement-interval {}\n",
        form.interval().as_millis()
    );
    for vip in form.vips() {
        text += &format!(" vrrp 51 {word} {vip}\n");
    }
    text
}

/// Starts FRR's two daemons on a machine; returns the one that speaks VRRP.
pub(crate) fn start_frr(machine: &Machine, form: Form, priority: u8) -> Result<Process> {
    machine.run(frr_interface(form))?;
    machine.put("/run/frr/zebra.conf", "")?;
    machine.put("/run/frr/vrrpd.conf", frr_conf(form, priority))?;
    machine.run("chown -R frr:frr /run/frr")?;
    let start = |daemon: &str| {
        machine.spawn(format!(
            "exec /usr/lib/frr/{daemon} -f /run/frr/{daemon}.conf -i /run/frr/{daemon}.pid \
             -z /run/frr/zserv.api --vty_socket /run/frr --log stdout"
        ))
    };
    start("zebra")?;
    until("zebra listened", seconds(10), || machine.run("test -S /run/frr/zserv.api").is_ok())?;
    start("vrrpd")
}

struct Mixed {
    form: Form,
    lab: Lab,
    capture: Capture,
    first: Machine,
    second: Machine,
}

impl Mixed {
    fn start(name: &str, form: Form) -> Result<Self> {
        let lab = plan(name).start()?;
        let capture = lab.lan("lan")?.capture_only("ip proto 112 or ip6 proto 112")?;
        let (first, second) = (lab.machine("first")?, lab.machine("second")?);
        Ok(Self { form, lab, capture, first, second })
    }

    fn speaks(&self, who: &str, after: Moment) -> Result<Moment> {
        let limit = self.form.down() * 2 + seconds(10);
        let seen =
            self.capture.wait_for_advert(who, after, limit, |seen| seen.from == who && seen.what.priority > 0)?;
        Ok(seen.at)
    }

    /// Only this one advertises, for longer than the other would be silent that does not believe it.
    fn only(&self, who: &str) -> Result<()> {
        let begin = self.speaks(who, Moment::now())?;
        pause(self.form.down() + self.form.interval());
        let adverts = self.capture.adverts()?;
        let since: Vec<_> = adverts.iter().filter(|seen| seen.at > begin).collect();
        assert!(since.len() >= 3 && since.iter().all(|seen| seen.from == who), "{since:#?}");
        Ok(())
    }

    fn last_of_first(&self, before: Moment) -> Result<Moment> {
        let adverts = self.capture.adverts()?;
        let last = adverts.iter().filter(|seen| seen.from == "first" && seen.at < before).map(|seen| seen.at).max();
        Ok(last.unwrap_or(Moment::from_nanos(0)))
    }
}

fn frr_stands_by_under_our_master(name: &str, form: Form) -> Result<()> {
    let mixed = Mixed::start(name, form)?;
    start_frr(&mixed.second, form, 100)?;
    let daemon = Daemon::standfastd()?;
    let ours = daemon.start(&mixed.first, &form.conf(true))?;
    mixed.only("first")?;
    assert!(!ours.log().contains("refused advertisement"), "{}", ours.log());
    let before = Moment::now();
    mixed.first.cut_power()?;
    let taken = mixed.speaks("second", before)?;
    let silence = taken.since(mixed.last_of_first(taken)?);
    println!("{form:?}: FRR took over {silence:?} after our last advertisement, due after {:?}", form.down());
    // FRR brings its interface up first, and over IPv6 its first advertisement does not leave.
    assert!(silence < form.down() + form.interval() + GRACE, "{silence:?}");
    mixed.first.power_on()?;
    let ours = daemon.start_again(&mixed.first)?;
    holds(form, &mixed.first, true, form.down() * 2 + seconds(5))?;
    mixed.only("first")?;
    assert!(!ours.log().contains("refused advertisement"), "{}", ours.log());
    mixed.lab.finish()
}

fn our_standby_serves_under_frr(name: &str, form: Form) -> Result<()> {
    let mixed = Mixed::start(name, form)?;
    let frr = start_frr(&mixed.first, form, 200)?;
    let ours = Daemon::standfastd()?.start(&mixed.second, &form.conf(false))?;
    mixed.only("first")?;
    holds(form, &mixed.second, false, seconds(1))?;
    assert!(!ours.log().contains("refused advertisement"), "{}", ours.log());
    let before = Moment::now();
    frr.stop(seconds(10))?;
    let taken = mixed.speaks("second", before)?;
    let last = mixed.last_of_first(taken)?;
    let adverts = mixed.capture.adverts()?;
    let resigned = adverts.iter().any(|seen| seen.at == last && seen.what.priority == 0);
    let due = if resigned { form.skew() } else { form.down() };
    let silence = taken.since(last);
    println!(
        "{form:?}: we took over {silence:?} after FRR's last advertisement (resigned: {resigned}), due after {due:?}"
    );
    assert!(silence + Duration::from_millis(1) > due && silence < due + GRACE, "{silence:?} and not {due:?}");
    holds(form, &mixed.second, true, seconds(2))?;
    mixed.lab.finish()
}

#[test]
fn frr_of_version_3_stands_by_under_our_master() -> Result<()> {
    frr_stands_by_under_our_master("frr-v3", Form::V3Vmac)
}

#[test]
fn our_standby_of_version_3_serves_under_frr() -> Result<()> {
    our_standby_serves_under_frr("frr-v3-1st", Form::V3Vmac)
}

#[test]
fn frr_of_version_2_stands_by_under_our_master() -> Result<()> {
    frr_stands_by_under_our_master("frr-v2", Form::V2Vmac)
}

#[test]
fn our_standby_of_version_2_serves_under_frr() -> Result<()> {
    our_standby_serves_under_frr("frr-v2-1st", Form::V2Vmac)
}

#[test]
fn frr_over_ipv6_stands_by_under_our_master() -> Result<()> {
    frr_stands_by_under_our_master("frr-v6", Form::V3Inet6Vmac)
}

#[test]
fn our_standby_over_ipv6_serves_under_frr() -> Result<()> {
    our_standby_serves_under_frr("frr-v6-1st", Form::V3Inet6Vmac)
}
