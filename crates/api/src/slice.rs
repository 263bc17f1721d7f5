//! The part of the configuration that one worker gets. What is not in its type cannot leak into its process.

use crate::code::{EncodeError, encode_counted};
use crate::exchange::ExchangeSlice;
use crate::snmp::SnmpSlice;
use serde::{Deserialize, Serialize};
use standfast_model::config::global::Http;
use standfast_model::config::lvs::Probe;
use standfast_model::config::script::{Deleted, Fifo, Notify, Script};
use standfast_model::config::witness::Witness;
use standfast_model::config::{BfdConfig, Config, Global, LvsConfig, VrrpConfig};
use standfast_model::ipvs::Family;
use standfast_model::{InterfaceName, Secret, Vrid};

/// What the `vrrp` worker knows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct VrrpSlice {
    /// Process-wide settings.
    pub global: Global,
    /// Virtual routers, passwords included: nobody else has them.
    pub vrrp: VrrpConfig,
}

/// What the `check` worker knows. It reads bytes from back-end servers, so it gets no password of VRRP.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CheckSlice {
    /// Process-wide settings.
    pub global: Global,
    /// Virtual servers.
    pub lvs: LvsConfig,
    /// Whom the instances ask before they take over.
    pub witnesses: Vec<Witness>,
}

/// What the `runner` knows: what may be run for whom, and where events are told. It gets no password.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RunnerSlice {
    /// Process-wide settings.
    pub global: Global,
    /// `notify_fifo`
    pub fifo: Option<Fifo>,
    /// `vrrp_notify_fifo`
    pub vrrp_fifo: Option<Fifo>,
    /// `lvs_notify_fifo`
    pub lvs_fifo: Option<Fifo>,
    /// Every script that the `vrrp` worker may have run.
    pub vrrp_scripts: Vec<Script>,
    /// Every script that the `check` worker may have run.
    pub check_scripts: Vec<Script>,
    /// Files or processes are watched for a worker.
    pub watches: bool,
}

/// What the `bfd` worker knows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BfdSlice {
    /// Process-wide settings.
    pub global: Global,
    /// Sessions.
    pub bfd: BfdConfig,
}

impl BfdSlice {
    /// The slice of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { global: config.global.clone(), bfd: config.bfd.clone() }
    }
}

/// What the `front` knows, which anyone on the host may talk to: nothing but its own settings.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FrontSlice {
    /// What this node is called on the page: `router_id`, or the name of the host.
    pub name: String,
    /// `http_*`
    pub http: Http,
    /// What is in the file of `http_token`, if it can be used.
    pub token: Option<Token>,
    /// What is published on D-Bus; none without `enable_dbus`.
    pub dbus: Option<DbusSlice>,
    /// What is exchanged with other directors; none without `peer`.
    pub exchange: Option<ExchangeSlice>,
    /// What is shown over SNMP; none without an `enable_snmp_*`.
    pub snmp: Option<SnmpSlice>,
}

/// What is published on D-Bus.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DbusSlice {
    /// `dbus_service_name`
    pub service_name: Option<String>,
    /// `dbus_no_interface_name`
    pub no_interface_name: Option<String>,
    /// The network namespace and the `instance` of the daemon, as far as it has them: parts of every path.
    pub place: Vec<String>,
    /// In the order of the configuration.
    pub instances: Vec<DbusInstance>,
}

/// A `vrrp_instance` on D-Bus.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DbusInstance {
    /// Its name.
    pub name: String,
    /// Its interface; none for one that has a VRF in the place of it.
    pub interface: Option<InterfaceName>,
    /// The virtual router id.
    pub vrid: Vrid,
    /// The family of its advertisements.
    pub family: Family,
    /// Its removal is told as such (`notify_deleted`), and not as FAULT.
    pub tells_deletion: bool,
}

impl DbusSlice {
    fn of(config: &Config) -> Option<Self> {
        let (global, dbus) = (&config.global, &config.global.dbus);
        let instances = config.vrrp.instances.iter().map(|instance| DbusInstance {
            name: instance.name.clone(),
            interface: Some(&instance.interface).filter(|own| instance.options.vrf.as_ref() != Some(own)).cloned(),
            vrid: instance.vrid,
            family: instance.family,
            tells_deletion: instance.options.notify.deleted != Deleted::AsFault,
        });
        dbus.enabled.then(|| Self {
            service_name: dbus.service_name.clone(),
            no_interface_name: dbus.no_interface_name.clone(),
            place: [&global.net_namespace, &global.instance].into_iter().flatten().cloned().collect(),
            instances: instances.collect(),
        })
    }
}

impl FrontSlice {
    /// The slice of a configuration, on a host of this name, with what is in the file of the token.
    #[must_use]
    pub fn of(config: &Config, host: &str, token: Option<Token>) -> Self {
        let name = config.global.router_id.clone().unwrap_or_else(|| host.to_owned());
        Self {
            name,
            http: config.global.http.clone(),
            token,
            dbus: DbusSlice::of(config),
            exchange: ExchangeSlice::of(config),
            snmp: SnmpSlice::of(config, host),
        }
    }
}

/// A word that gives the right to give orders.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Token(Secret);

impl Token {
    /// Shorter ones could be guessed.
    pub const MIN_BYTES: usize = 16;

    /// Longer ones do not fit into a header with room for others.
    pub const MAX_BYTES: usize = 256;

    /// A token of a text, which may end in a newline: letters, digits and signs of ASCII.
    ///
    /// # Errors
    ///
    /// Why it cannot be used, in words.
    pub fn new(text: &Secret) -> Result<Self, String> {
        let text = text.octets();
        let end = text.iter().rposition(|octet| !matches!(octet, b'\r' | b'\n')).map_or(0, |last| last + 1);
        let token = text.get(..end).unwrap_or_default();
        if !(Self::MIN_BYTES..=Self::MAX_BYTES).contains(&token.len()) {
            return Err(format!("a token has {} to {} characters", Self::MIN_BYTES, Self::MAX_BYTES));
        }
        if !token.iter().all(u8::is_ascii_graphic) {
            return Err("a token has no blanks, and only characters of ASCII".to_owned());
        }
        Ok(Self(Secret::new(token.to_vec())))
    }

    /// Whether it is this word. How long that takes does not tell how much of it was right.
    #[must_use]
    pub fn is(&self, word: &[u8]) -> bool {
        self.0.is(word)
    }
}

impl VrrpSlice {
    /// The slice of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { global: config.global.clone(), vrrp: config.vrrp.clone() }
    }
}

impl CheckSlice {
    /// The slice of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { global: config.global.clone(), lvs: config.lvs.clone(), witnesses: config.witnesses.clone() }
    }

    /// The bytes of the slice of a configuration, without a copy of its twenty thousand servers in between.
    ///
    /// # Errors
    ///
    /// As [`encode_counted`].
    pub fn encode_of(config: &Config) -> Result<Vec<u8>, EncodeError> {
        /// Field by field what the slice is: bytes have no names.
        #[derive(Serialize)]
        struct Borrowed<'a> {
            global: &'a Global,
            lvs: &'a LvsConfig,
            witnesses: &'a [Witness],
        }
        encode_counted(&Borrowed { global: &config.global, lvs: &config.lvs, witnesses: &config.witnesses })
    }
}

impl RunnerSlice {
    /// The slice of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let (vrrp, lvs) = (&config.vrrp.common, &config.lvs.common);
        Self {
            global: config.global.clone(),
            fifo: common_fifo(vrrp.fifo.as_ref(), lvs.fifo.as_ref()),
            vrrp_fifo: vrrp.vrrp_fifo.clone(),
            lvs_fifo: lvs.lvs_fifo.clone(),
            vrrp_scripts: vrrp_scripts(&config.vrrp),
            check_scripts: check_scripts(&config.lvs),
            watches: !(vrrp.files.is_empty() && vrrp.processes.is_empty() && lvs.track_files.is_empty()),
        }
    }

    /// Whether there is anything for a runner to do.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        let Self { global, fifo, vrrp_fifo, lvs_fifo, vrrp_scripts, check_scripts, watches } = self;
        let scripts = !(vrrp_scripts.is_empty() && check_scripts.is_empty());
        let fifos = fifo.is_some() || vrrp_fifo.is_some() || lvs_fifo.is_some();
        let mail = global.mail.server.is_some() && !global.mail.to.is_empty();
        scripts || fifos || *watches || mail || global.startup.is_some() || global.shutdown.is_some()
    }
}

/// Both workers have the same one; its reader, of which there is one, is said to one of them.
fn common_fifo(vrrp: Option<&Fifo>, lvs: Option<&Fifo>) -> Option<Fifo> {
    let fifo = vrrp.or(lvs)?.clone();
    let reader = [vrrp, lvs].into_iter().flatten().find_map(|fifo| fifo.reader.clone());
    Some(Fifo { reader, ..fifo })
}

fn vrrp_scripts(config: &VrrpConfig) -> Vec<Script> {
    let notified = config.instances.iter().map(|instance| &instance.options.notify);
    let notified = notified.chain(config.groups.iter().map(|group| &group.options.notify));
    let tracked = config.common.scripts.iter().map(|tracked| &tracked.script);
    tracked.chain(notified.flat_map(scripts_of)).cloned().collect()
}

fn scripts_of(notify: &Notify) -> impl Iterator<Item = &Script> {
    let Notify { master, backup, fault, stop, any, master_rx_lower_pri, conflict, deleted } = notify;
    let deleted = match deleted {
        Deleted::Run(script) => Some(script),
        Deleted::AsFault | Deleted::AsDeleted => None,
    };
    let configured = [master, backup, fault, stop, any, master_rx_lower_pri, conflict].map(Option::as_ref);
    configured.into_iter().chain([deleted]).flatten()
}

fn check_scripts(config: &LvsConfig) -> Vec<Script> {
    let mut scripts = Vec::new();
    for service in &config.virtual_servers {
        scripts.extend([&service.options.quorum_up, &service.options.quorum_down].into_iter().flatten().cloned());
        for server in &service.real_servers {
            scripts.extend([&server.options.notify_up, &server.options.notify_down].into_iter().flatten().cloned());
            scripts.extend(server.checkers.iter().filter_map(|checker| match &checker.probe {
                Probe::Misc(misc) => Some(misc.script.clone()),
                Probe::Tcp(_)
                | Probe::Http(_)
                | Probe::Smtp(_)
                | Probe::Dns(_)
                | Probe::Ping(_)
                | Probe::Udp(_)
                | Probe::File(_)
                | Probe::Bfd(_) => None,
            }));
        }
    }
    scripts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, encode};
    use standfast_model::config::lvs::{RealServer, VirtualServer};
    use standfast_model::ipvs::{Family, Forwarding};

    #[test]
    fn the_bytes_of_a_slice_that_was_never_made_are_those_of_one_that_was() {
        let key = standfast_model::ipvs::ServiceKey::FirewallMark { mark: 7, family: Family::Inet };
        let server = RealServer::plain(([10, 0, 0, 1], 80).into(), Forwarding::Nat);
        let service = VirtualServer { real_servers: vec![server], ..VirtualServer::plain(key) };
        let lvs = LvsConfig { virtual_servers: vec![service], ..LvsConfig::default() };
        let global = Global { router_id: Some("a".to_owned()), ..Global::default() };
        let config = Config { global, lvs, ..Config::default() };
        let bytes = CheckSlice::encode_of(&config).unwrap();
        assert_eq!(bytes, encode(&CheckSlice::of(&config)).unwrap());
        assert_eq!(decode(&bytes), Ok(CheckSlice::of(&config)));
    }

    #[test]
    fn a_token_is_itself_and_nothing_else_and_is_not_shown() {
        let token = Token::new(&"0123456789abcdef\n".to_owned().into()).unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for other in [&b"0123456789abcdeF"[..], b"0123456789abcde", b"0123456789abcdef0", b""] {
            assert!(!token.is(other), "{other:?}");
        }
        assert!(!format!("{token:?}").contains("0123"));
        for bad in ["", "short", "0123456789 abcdef", &"x".repeat(257), "0123456789abcd\u{e9}f"] {
            assert!(Token::new(&bad.to_owned().into()).is_err(), "{bad:?}");
        }
    }
}
