//! What may happen to a pair: each fault with what it does, how it is mended, and how long a client may go without an
//! answer because of it. Judges nothing by itself.

use std::time::Duration;

use lab::{Chance, Machine, Result, pause};

use crate::rack::{DOWN, NAT_SERVERS, Rack, millis, seconds};
use crate::reloaded::change;
use crate::wanted::Wanted;

/// (256 - 100) / 256 s: what the standby waits for after a resignation (RFC 3768 6.1).
const SKEW: Duration = Duration::from_micros(609_375);

/// For the takeover itself, the neighbours, and a machine that does other work too.
const GRACE: Duration = seconds(1);

/// For what nobody should notice: what a busy machine needs for a start of a program in a director, as in between faults.
const UNSEEN: Duration = seconds(1);

/// Until a dead server is out: the longest interval between checks, and the retry. A client whose scheduler knows no
/// other server has no answer for so long.
const NOTICED: Duration = seconds(3 + 1);

/// The processes of the daemon that a fault may kill.
const WORKERS: [&str; 4] = ["vrrp", "check", "runner", "front"];

/// Something that happens; `true` where it happens to the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power goes, and comes back when the other serves.
    PowerCut(bool),
    /// Nothing moves for this long.
    Freeze(bool, Duration),
    /// A cable is out for this long.
    Cable(bool, &'static str, Duration),
    /// A cable has a bad contact: out and in so often, each for this long.
    Flap(bool, &'static str, u64, Duration),
    /// A worker is killed.
    Worker(bool, &'static str),
    /// The supervisor is killed, and what it leaves ends in order; then it is started again.
    Supervisor(bool),
    /// All processes are killed, and the daemon is started again at once.
    Everything(bool),
    /// The daemon is stopped in order and started again.
    Stop(bool),
    /// Both directors get another configuration.
    Reload,
    /// A real server dies, and returns when both directors have noticed.
    Server(&'static str),
}

impl Fault {
    /// Any of them.
    pub(crate) fn any(chance: &mut Chance) -> Self {
        let master = chance.below(3) > 0;
        let card = chance.one_of(&["eth0", "eth1"]);
        match chance.below(12) {
            0 => Self::PowerCut(master),
            1 => Self::Freeze(master, chance.between(millis(100), DOWN)),
            2 => Self::Freeze(master, chance.between(DOWN, DOWN * 2)),
            3 => Self::Cable(master, card, chance.between(millis(500), seconds(6))),
            4 => Self::Flap(master, card, 2 + chance.below(3), chance.between(millis(50), millis(800))),
            5 => Self::Supervisor(master),
            6 => Self::Everything(master),
            7 => Self::Stop(master),
            8 => Self::Server(chance.one_of(&NAT_SERVERS).0),
            9 => Self::Reload,
            _ => Self::Worker(master, chance.one_of(&WORKERS)),
        }
    }

    /// Between two answers that follow each other there may be so much.
    pub(crate) fn bound(&self) -> Duration {
        match self {
            Self::PowerCut(true) | Self::Cable(true, ..) | Self::Flap(true, ..) | Self::Everything(true) => {
                DOWN + GRACE
            }
            Self::Freeze(true, span) => DOWN.min(*span) + GRACE,
            Self::Supervisor(true) | Self::Stop(true) => SKEW + GRACE,
            Self::Server(_) => NOTICED + GRACE,
            // The master answers when something happens to the standby.
            Self::Reload
            | Self::Worker(..)
            | Self::PowerCut(false)
            | Self::Cable(false, ..)
            | Self::Flap(false, ..)
            | Self::Freeze(false, _)
            | Self::Everything(false)
            | Self::Supervisor(false)
            | Self::Stop(false) => UNSEEN,
        }
    }

    /// Whether some requests may get no answer while others do or until another director has taken over.
    pub(crate) fn may_lose(&self) -> bool {
        matches!(self, Self::Server(_)) || self.parts_master()
    }

    /// Whether the master may serve no more, so that the standby has to.
    pub(crate) fn parts_master(&self) -> bool {
        match self {
            Self::Server(_) | Self::Reload | Self::Worker(..) => false,
            Self::PowerCut(master)
            | Self::Freeze(master, _)
            | Self::Cable(master, ..)
            | Self::Flap(master, ..)
            | Self::Supervisor(master)
            | Self::Everything(master)
            | Self::Stop(master) => *master,
        }
    }

    /// Lets it happen, and mends it. What is wanted may be another configuration afterwards.
    pub(crate) fn happen(&self, rack: &mut Rack, wanted: &mut Wanted, chance: &mut Chance) -> Result<()> {
        let of = |rack: &Rack, master: bool| if master { rack.master.clone() } else { rack.standby.clone() };
        match self {
            Self::PowerCut(master) => {
                let director = of(rack, *master);
                director.cut_power()?;
                rack.holds(&of(rack, !master), true)?;
                director.power_on()?;
                rack.start_daemon(&director)
            }
            Self::Freeze(master, span) => {
                let director = of(rack, *master);
                director.freeze()?;
                pause(*span);
                director.thaw()
            }
            Self::Cable(master, card, span) => out_and_in(&of(rack, *master), card, *span),
            Self::Flap(master, card, times, span) => (0..*times).try_for_each(|_| {
                out_and_in(&of(rack, *master), card, *span)?;
                pause(*span);
                Ok(())
            }),
            Self::Worker(master, worker) => rack.kill_worker(&of(rack, *master), worker),
            Self::Supervisor(master) => {
                let director = of(rack, *master);
                director.run("kill -KILL $(cat /run/keepalived.pid)")?;
                ended(&director)?;
                rack.start_daemon(&director)
            }
            Self::Everything(master) => {
                let director = of(rack, *master);
                director.run("pkill -STOP standfastd; pkill -KILL standfastd")?;
                rack.start_daemon(&director)
            }
            Self::Stop(master) => {
                let director = of(rack, *master);
                rack.daemon_of(&director).stop(seconds(20))?;
                rack.start_daemon(&director)
            }
            Self::Reload => {
                *wanted = change(wanted, chance);
                rack.directors().into_iter().try_for_each(|director| rack.reload(director, wanted))
            }
            Self::Server(name) => {
                rack.kill_server(name)?;
                let left = wanted.without(name);
                rack.directors().into_iter().try_for_each(|director| rack.table_becomes(director, &left))?;
                rack.start_server(name)
            }
        }
    }
}

fn out_and_in(director: &Machine, card: &str, span: Duration) -> Result<()> {
    director.unplug(card)?;
    pause(span);
    director.plug(card)
}

/// Waits until no process of the daemon is left.
fn ended(director: &Machine) -> Result<()> {
    lab::until(&format!("the daemon of {} had gone", director.name()), seconds(20), || {
        director.run("pgrep -c standfastd || true").is_ok_and(|count| count.trim() == "0")
    })?;
    Ok(())
}
