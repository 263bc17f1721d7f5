//! The cluster in the reader's hands: a few words at a prompt cut the power of a machine, pull its cables and give them
//! back.

use std::io::BufRead;
use std::sync::Arc;

use lab::seed::{Daemon, Seed};
use lab::{Machine, Result};

use crate::timeline::Timeline;

/// What can be typed.
const WORDS: &str = "type: cut NAME, power NAME, freeze NAME, thaw NAME, unplug NAME eth0, plug NAME eth0, quit";

/// Says how to play, and does what is typed until `quit`. Without a terminal to read from it stays until it is
/// interrupted.
pub(crate) fn play(timeline: &Arc<Timeline>, seed: &Seed, daemon: &Daemon) -> Result<()> {
    for machine in seed.lab.machines() {
        timeline.say(machine.name(), &format!("shell: {}", seed.lab.shell_command(machine.name())));
    }
    timeline.say("", WORDS);
    for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words == ["quit"] {
            return Ok(());
        }
        if let Err(error) = obey(timeline, seed, daemon, &words) {
            timeline.say("", &error.to_string());
        }
    }
    seed.lab.keep()
}

fn obey(timeline: &Arc<Timeline>, seed: &Seed, daemon: &Daemon, words: &[&str]) -> Result<()> {
    let machine = |name: &str| -> Result<Machine> { seed.lab.machine(name) };
    match words {
        ["cut", name] => machine(name)?.cut_power()?,
        ["power", name] => {
            let machine = machine(name)?;
            machine.power_on()?;
            for (director, known) in [("master", &seed.master), ("standby", &seed.standby)] {
                if machine.name() == director {
                    timeline.follow(director, daemon.start_again(known)?);
                }
            }
        }
        ["freeze", name] => machine(name)?.freeze()?,
        ["thaw", name] => machine(name)?.thaw()?,
        ["unplug", name, card] => machine(name)?.unplug(card)?,
        ["plug", name, card] => machine(name)?.plug(card)?,
        [] => return Ok(()),
        _ => {
            timeline.say("", WORDS);
            return Ok(());
        }
    }
    timeline.say("", &format!("done: {}", words.join(" ")));
    Ok(())
}
