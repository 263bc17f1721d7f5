//! Sessions over a router: packets that come from as far as is allowed, and no farther; and a worker that stands still
//! longer than it would wait for a neighbour, which has said that it lives meanwhile.

use lab::seed::Daemon;
use lab::{Backend, Plan, Result, pause, until};

use crate::{millis, seconds};

/// Two sessions between the two addresses of each side. Ours is lost by its neighbour after three seconds only, and loses a
/// neighbour after 300 ms.
fn conf(own: &str, peer: &str, multiplier: u8, words: &str) -> String {
    let session = |host: u8| {
        format!(
            "bfd_instance S{host} {{\n    source_ip {own}.{host}\n    neighbor_ip {peer}.{host}\n    min_rx 100\n    \
             min_tx 100\n    multiplier {multiplier}\n    {words}\n}}\n"
        )
    };
    session(1) + &session(2)
}

#[test]
fn sessions_over_a_router_are_up_if_it_is_allowed_and_outlive_a_worker_that_stands_still() -> Result<()> {
    let mut plan = Plan::new("bfd-far");
    plan.backend(Backend::Namespaces);
    let (near, far) = (plan.lan("near"), plan.lan("far"));
    plan.director("first").card(near, ["10.1.0.1/24", "10.1.0.2/24"]);
    plan.director("second").card(far, ["10.2.0.1/24", "10.2.0.2/24"]);
    plan.director("router").card(near, ["10.1.0.9/24"]).card(far, ["10.2.0.9/24"]);
    let lab = plan.start()?;
    let (first, second) = (lab.machine("first")?, lab.machine("second")?);
    first.run("ip route add 10.2.0.0/24 via 10.1.0.9")?;
    second.run("ip route add 10.1.0.0/24 via 10.2.0.9")?;
    let daemon = Daemon::standfastd()?;
    daemon.start(&second, &conf("10.2.0", "10.1.0", 3, "multihop\n    max_hops 5"))?;
    // One hop is more than none.
    let ours = daemon.start(&first, &conf("10.1.0", "10.2.0", 30, "multihop"))?;
    ours.wait_for("refused: ", seconds(10))?;
    assert!(!ours.log().contains("Entering Up state"), "{}", ours.log());
    ours.stop(seconds(10))?;
    let ours = daemon.start(&first, &conf("10.1.0", "10.2.0", 30, "multihop\n    max_hops 1"))?;
    let times = |word: &str| ours.log().matches(word).count();
    until("both sessions are up", seconds(10), || times("Entering Up state") == 2)?;
    // Four times as long as it waits for a neighbour.
    first.run("kill -STOP $(cat /run/bfd.pid)")?;
    pause(millis(1200));
    first.run("kill -CONT $(cat /run/bfd.pid)")?;
    pause(seconds(2));
    assert_eq!(times("Entering Down state"), 0, "{}", ours.log());
    // And whoever is silent is lost all the same.
    second.run("pkill -KILL standfastd")?;
    until("both sessions are lost", seconds(10), || times("Entering Down state") == 2)?;
    lab.finish()
}
