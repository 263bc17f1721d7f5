//! What a director tells of what happened: lines for the journal, and occasions for scripts, pipes and mails.
//!
//! It owns the words of occasions. It changes nothing.

use crate::notice::{Notice, ServerName, Weights};
use crate::occasion::{Occasion, server_name, service_name};
use crate::output::Output;
use crate::pool::{PanicChange, Pool, QuorumChange, key_of};
use standfast_model::config::lvs::{RealServer, VirtualServer};

/// Why a whole pool or one of its servers goes, in keepalived's words.
pub(super) const REMOVING: &str = "Removing";
pub(super) const STOPPING: &str = "Shutting down";

/// The name of a server in its pool.
pub(super) fn name(pool: &Pool, server: &RealServer) -> ServerName {
    ServerName { service: pool.key(), server: key_of(server.address) }
}

pub(super) fn weights(pool: &Pool) -> Weights {
    let VirtualServer { quorum, hysteresis, .. } = *pool.config();
    Weights { quorum, hysteresis, live: pool.live_weight() }
}

/// A server came or went.
pub(super) fn server_occasion(service: &VirtualServer, server: &RealServer, up: bool, reason: String) -> Occasion {
    let name = ServerName { service: service.key, server: key_of(server.address) };
    let options = &server.options;
    Occasion {
        service: name.service,
        server: Some(name.server),
        service_name: service_name(service),
        server_name: server_name(&name),
        up,
        changed: true,
        reason,
        script: if up { options.notify_up.clone() } else { options.notify_down.clone() },
        mail: server.smtp_alert,
        stopping: false,
    }
}

/// A quorum came or went.
pub(super) fn quorum_occasion(service: &VirtualServer, up: bool, reason: String) -> Occasion {
    let options = &service.options;
    Occasion {
        service: service.key,
        server: None,
        service_name: service_name(service),
        server_name: String::new(),
        up,
        changed: true,
        reason,
        script: if up { options.quorum_up.clone() } else { options.quorum_down.clone() },
        mail: options.smtp_alert,
        stopping: false,
    }
}

/// The quorum of a pool changed, and with it what its sorry server does.
pub(super) fn quorum_changed(pool: &Pool, change: QuorumChange, out: &mut Output) {
    let (service, weights) = (pool.key(), weights(pool));
    let (notice, up, reason) = match change {
        QuorumChange::Gained => {
            let reason = format!("Gained quorum {}", weights.gained());
            (Notice::QuorumGained { service, weights }, true, reason)
        }
        QuorumChange::Lost => {
            let reason = format!("Lost quorum {}", weights.lost());
            (Notice::QuorumLost { service, weights }, false, reason)
        }
    };
    out.notice(notice);
    out.notify(quorum_occasion(pool.config(), up, reason));
    sorry_server(pool, change, out);
}

/// Where a pool stands when it begins.
pub(super) fn quorum_begins(pool: &Pool, out: &mut Output) {
    let (service, weights) = (pool.key(), weights(pool));
    let reason = if pool.has_quorum() {
        out.notice(Notice::QuorumGained { service, weights });
        // The line of the log has another word for it than mails have, as keepalived's has.
        format!("Starting with quorum up {}", weights.gained())
    } else {
        out.notice(Notice::StartedWithoutQuorum { service, weights });
        format!("Starting with quorum down {}", weights.missing())
    };
    out.notify(quorum_occasion(pool.config(), pool.has_quorum(), reason));
    if !pool.has_quorum() {
        sorry_server(pool, QuorumChange::Lost, out);
    }
}

/// What a change of the quorum means for the sorry server, if there is one.
fn sorry_server(pool: &Pool, change: QuorumChange, out: &mut Output) {
    if let Some(sorry) = &pool.config().sorry_server {
        let server = ServerName { service: pool.key(), server: key_of(sorry.address) };
        let inhibited = sorry.inhibit;
        out.notice(match change {
            QuorumChange::Lost => Notice::SorryServerIn { server, inhibited },
            QuorumChange::Gained => Notice::SorryServerOut { server, inhibited },
        });
    }
}

/// The checks of a pool are believed no more, or again.
pub(super) fn panic_changed(pool: &Pool, change: PanicChange, out: &mut Output) {
    let (service, (up, of)) = (pool.key(), pool.up_of());
    out.notice(match change {
        PanicChange::Began => {
            let threshold = pool.config().options.panic_threshold.unwrap_or(0);
            Notice::PanicBegan { service, up, of, threshold }
        }
        PanicChange::Ended => Notice::PanicEnded { service, up, of },
    });
}
