//! Lines about pools of real servers. Their words are the core's own; the fields and the severity are given here.

use super::EventName;
use standfast_lvs::notice::{Notice, ServerName};
use standfast_model::ipvs::ServiceKey;
use tracing::{Level, debug, info, warn};

/// Says what the pool policy has to say. `servers_up` is how many servers of a service are up now: whoever is told that one
/// of them went is told how many are left, and need not ask when that may be another number already.
pub fn pool(notice: &Notice, servers_up: impl FnOnce(&ServiceKey) -> Option<usize>) {
    let Fields { level, service, server, cause } = fields(notice);
    let kind = kind(notice);
    let counts = [EventName::ServerUp, EventName::ServerDown, EventName::QuorumGained, EventName::QuorumLost];
    let up = service.as_ref().filter(|_| counts.contains(&kind)).and_then(servers_up);
    let service = service.map(|key| key.to_string());
    let (service, server) = (service.as_deref(), server.as_deref());
    let cause = cause.as_deref();
    let event = kind.name();
    if level == Level::WARN {
        warn!(event, service, server, up, cause, "{notice}");
    } else if level == Level::INFO {
        info!(event, service, server, up, cause, "{notice}");
    } else {
        debug!(event, service, server, up, cause, "{notice}");
    }
}

const fn kind(notice: &Notice) -> EventName {
    match notice {
        Notice::ServerDown { .. } => EventName::ServerDown,
        Notice::ServerUp { .. } => EventName::ServerUp,
        Notice::CheckFailed { .. }
        | Notice::CheckerDown { .. }
        | Notice::CheckerUp { .. }
        | Notice::CheckUnable { .. }
        | Notice::CheckAble { .. } => EventName::ServerCheck,
        Notice::WeightChanged { .. }
        | Notice::Ordered { .. }
        | Notice::ServerRemoved { .. }
        | Notice::Drained { .. } => EventName::ServerChanged,
        Notice::QuorumLost { .. } | Notice::StartedWithoutQuorum { .. } => EventName::QuorumLost,
        Notice::QuorumGained { .. } => EventName::QuorumGained,
        Notice::SorryServerIn { .. } | Notice::SorryServerOut { .. } => EventName::SorryServer,
        Notice::PanicBegan { .. }
        | Notice::PanicEnded { .. }
        | Notice::Suspended { .. }
        | Notice::Resumed { .. }
        | Notice::Adopted { .. }
        | Notice::ServiceRemoved { .. } => EventName::ServiceChanged,
        Notice::DumpFailed { .. } | Notice::Refused { .. } | Notice::TableMended { .. } => EventName::TableMended,
        Notice::Reloaded(_) | Notice::ChecksShared { .. } => EventName::PoolReloaded,
    }
}

struct Fields {
    level: Level,
    service: Option<ServiceKey>,
    server: Option<String>,
    cause: Option<String>,
}

fn fields(notice: &Notice) -> Fields {
    let of_server = |level, name: &ServerName, cause: Option<String>| Fields {
        level,
        service: Some(name.service),
        server: Some(name.server.to_string()),
        cause,
    };
    let of_service = |level, key: &ServiceKey| Fields { level, service: Some(*key), server: None, cause: None };
    let of_table = |level, cause: Option<String>| Fields { level, service: None, server: None, cause };
    match notice {
        Notice::CheckFailed { server, reason, .. } => of_server(Level::INFO, server, Some(reason.to_string())),
        Notice::CheckerDown { server, reason, .. } | Notice::ServerDown { server, reason, .. } => {
            of_server(Level::WARN, server, Some(reason.to_string()))
        }
        Notice::CheckerUp { server, .. } | Notice::ServerUp { server, .. } | Notice::SorryServerOut { server, .. } => {
            of_server(Level::INFO, server, None)
        }
        Notice::WeightChanged { server, .. }
        | Notice::Ordered { server, .. }
        | Notice::ServerRemoved { server, .. } => of_server(Level::INFO, server, None),
        Notice::Drained { server, cut, .. } => {
            of_server(if *cut == 0 { Level::INFO } else { Level::WARN }, server, None)
        }
        Notice::PanicBegan { service, .. } => of_service(Level::WARN, service),
        Notice::PanicEnded { service, .. }
        | Notice::Suspended { service }
        | Notice::Resumed { service }
        | Notice::ServiceRemoved { service } => of_service(Level::INFO, service),
        Notice::Reloaded(_) | Notice::ChecksShared { .. } => of_table(Level::INFO, None),
        Notice::CheckUnable { server, inability, .. } => of_server(Level::WARN, server, Some(inability.to_string())),
        Notice::CheckAble { inability } => of_table(Level::INFO, Some(inability.to_string())),
        Notice::SorryServerIn { server, .. } => of_server(Level::WARN, server, None),
        Notice::Adopted { service, .. } | Notice::QuorumGained { service, .. } => of_service(Level::INFO, service),
        Notice::StartedWithoutQuorum { service, .. } | Notice::QuorumLost { service, .. } => {
            of_service(Level::WARN, service)
        }
        Notice::DumpFailed { error } | Notice::Refused { error, .. } => of_table(Level::WARN, Some(error.clone())),
        Notice::TableMended { .. } => of_table(Level::WARN, None),
    }
}
