//! What scripts, named pipes and mails are told of pools: each change of a server or of a quorum, in keepalived's words.
//!
//! It owns what is told. Who is told, and how, is for others: nothing is run, written or sent here.

use crate::notice::{ServerName, Virtual};
use standfast_model::config::lvs::VirtualServer;
use standfast_model::config::script::Script;
use standfast_model::ipvs::{DestinationKey, ServiceKey};

/// Something that happened to a server, or to the quorum of a virtual server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Occasion {
    /// The virtual server.
    pub service: ServiceKey,
    /// The real server; none: it is about the quorum.
    pub server: Option<DestinationKey>,
    /// The virtual server as scripts and mails know it: `[192.0.2.1]:tcp:80`, `FWM 7`, `[group]:0`.
    pub service_name: String,
    /// The real server as they know it: `[10.0.0.1]:tcp:80`; empty for the quorum.
    pub server_name: String,
    /// It is up now, or there is a quorum now.
    pub up: bool,
    /// The server or the quorum changed. If not, one of several checkers of a server did, which only mails tell.
    pub changed: bool,
    /// Why, in a few words: those of the check, `Gained quorum 1+0=1 <= 2`, `Shutting down`.
    pub reason: String,
    /// What is to be run: `notify_up`, `notify_down`, `quorum_up` or `quorum_down`.
    pub script: Option<Script>,
    /// A mail is wanted (`smtp_alert`, `no_checker_emails`).
    pub mail: bool,
    /// It happens because the daemon stops: who runs scripts does not wait for them for long.
    pub stopping: bool,
}

impl Occasion {
    /// The line for `notify_fifo` and `lvs_notify_fifo`, without its end; none for what only mails tell.
    #[must_use]
    pub fn fifo_line(&self) -> Option<String> {
        let Self { service_name, server_name, up, changed, server, .. } = self;
        let state = if *up { "UP" } else { "DOWN" };
        changed.then(|| match server {
            Some(_) => format!("RS {server_name} {service_name} {state}"),
            None => format!("VS {service_name} {state}"),
        })
    }

    /// The subject of the mail, without the `[router_id] ` before it.
    #[must_use]
    pub fn subject(&self) -> String {
        let Self { service_name, server_name, up, server, .. } = self;
        let state = if *up { "UP" } else { "DOWN" };
        match server {
            Some(_) => format!("Realserver {server_name} of virtual server {service_name} - {state}"),
            None => format!("Virtualserver {service_name} - {state}"),
        }
    }
}

/// What a virtual server is called outside.
pub(crate) fn service_name(config: &VirtualServer) -> String {
    match &config.options.group {
        Some(group) => format!("[{}]:0", group.name),
        None => Virtual(config.key).to_string().trim_start_matches("VS ").to_owned(),
    }
}

/// What a real server is called outside.
pub(crate) fn server_name(name: &ServerName) -> String {
    name.real().to_string()
}
