//! The kinds of events that the journal tells apart, each with a name and a number that never change.
//!
//! `STANDFAST_EVENT` and `MESSAGE_ID` of a line are these; the catalog that explains them (`journalctl --catalog`) is
//! `etc/systemd/standfast.catalog`, and a test holds the two together. A number that was given is never given again.

macro_rules! kinds {
    ($($variant:ident $name:literal $id:literal $what:literal)*) => {
        /// A kind of event.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum EventName {
            $(#[doc = $what] $variant,)*
        }

        impl EventName {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// `STANDFAST_EVENT`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// `MESSAGE_ID`: 128 bits in hexadecimal.
            #[must_use]
            pub const fn message_id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)*
                }
            }
        }
    };
}

kinds! {
    VrrpMaster "vrrp-master" "47eaa0992cb6916d86dc283cf0480ff9" "An instance became MASTER: this node holds its addresses."
    VrrpBackup "vrrp-backup" "1509bb0a9bf13331ca118783593942a4" "An instance became BACKUP: another router is master, or none yet."
    VrrpFault "vrrp-fault" "f5ec52ed0108847512e1bc7656670b14" "An instance is in FAULT: it cannot be master."
    VrrpStop "vrrp-stop" "59ba1b0d5c9061582909406c2e416788" "An instance stopped with the daemon."
    VrrpGroup "vrrp-group" "5d32fe61985fb4e72a095ee82bb29976" "A sync group changed its state with all of its members."
    VrrpPriority "vrrp-priority" "9a1e40b458151a9959e2d15364c7a500" "The effective priority of an instance changed."
    VrrpSet "vrrp-set" "b83d0f6e5a1c4b27930f7de2a64c8157" "A value of an instance was set over SNMP, until the next reload."
    VrrpRemoved "vrrp-removed" "68b4aef73eaabe171d8a4eace693ae2d" "A reload removed an instance."
    Tracked "tracked" "142c83647806857713e783e7eb04b39b" "Something that is tracked became good or bad."
    AdvertRefused "advert-refused" "3b041641178854f2260df25453fe2e85" "An advertisement was refused."
    AdvertLower "advert-lower" "00a154d85ed8abcc35c719c2add9ca88" "A router of lower priority advertises beside this master."
    PeerDiffers "peer-differs" "c0290103855dbf5559ec8712e8e3574f" "A peer is configured differently."
    PeerAgrees "peer-agrees" "6e704245a4ff91e3e7949b80dcb0b82e" "A peer is configured as this node is, again."
    TwoMasters "two-masters" "de1b1471320a88ea37a788d106762832" "Two routers were master of the same addresses."
    HeldBack "held-back" "b3f1c62d84e74a0c9b7d51e60f2a98d4" "A standby hears no master, and its witnesses stand against a takeover."
    PeerTwoMasters "peer-two-masters" "0e4d7a95c1b84f6293ad58e7f6104cb2" "Another director says that it is master of the same router, or says so no more."
    AddressClaimed "address-claimed" "7a5be2f0c94d4e1b8d36c1f7a0e95b42" "Another host says that an address which this node holds is its own, or says so no more."
    AddressRestored "address-restored" "4350cc1721e52f212cd552a09ddbef12" "Something else changed what this node holds, and it was set right."
    Trouble "trouble" "9ed89eddd6846325b600e6129ec04ece" "Something did not work, and is tried again or done without."
    ServerDown "server-down" "627bf3225fac9cb6e34acb115ee347dd" "A real server is out: its checks fail."
    ServerUp "server-up" "a930d55d9545f0f3ee889fe46f2c7a8c" "A real server is back: its checks pass."
    ServerCheck "server-check" "43f2f1936e85df0875927b0fe339d309" "A check of a real server failed, passed again or cannot be performed."
    ServerChanged "server-changed" "990d3cd8381df22f050c86bd84e0164b" "The weight or the duty of a real server changed."
    QuorumLost "quorum-lost" "e07cb5793e7fb97bfcc1c0c8b0cdf20a" "A virtual server lost its quorum."
    QuorumGained "quorum-gained" "78f6d82486ea0214b5c34e7e77ca4499" "A virtual server has its quorum."
    SorryServer "sorry-server" "1dcd327f761e07cb7b7e8913655c1d15" "A sorry server came into use, or is used no more."
    ServiceChanged "service-changed" "9672be1a7fed0bb9a92fa271dbc52933" "A virtual server rests, is checked again, was adopted or removed."
    TableMended "table-mended" "c44a66f4cf25e3465cbe4f50bdbcda98" "The IPVS table was not as it should be, or could not be read or written."
    PoolReloaded "pool-reloaded" "1e2ed6cb6470ff1f134b8db4b18fbdb1" "A reload was applied to the virtual servers, or checks are shared."
    Reloaded "reloaded" "4f859933fdf0a45f57e485b6761978dd" "A new configuration is in force."
    ReloadRefused "reload-refused" "2e460a9618949a23d9855162fd0b00ea" "A reload was refused, and the running configuration stays."
    WorkerDied "worker-died" "310a853eec9a72f24ea9877af376bc25" "A process of the daemon died and is started again."
    Upgraded "upgraded" "5c1d8fb06e2a4f0f9a37d2e4b1806c5d" "Another program took over from the running one."
    Maintenance "maintenance" "64e752cc93a9b8b601f72b0a43c20f56" "An operator began or ended maintenance."
}

impl EventName {
    /// The kind of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const CATALOG: &str = include_str!("../../../../etc/systemd/standfast.catalog");

    #[test]
    fn every_kind_has_one_entry_in_the_catalog_and_the_reverse() {
        let ids = CATALOG.lines().filter_map(|line| line.strip_prefix("-- "));
        let ids: Vec<&str> = ids.map(|line| line.split_whitespace().next().unwrap()).collect();
        let listed: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(listed.len(), ids.len(), "an entry twice");
        let known: BTreeSet<&str> = EventName::ALL.iter().map(|kind| kind.message_id()).collect();
        assert_eq!(known.len(), EventName::ALL.len(), "a number twice");
        assert_eq!(listed, known);
        assert!(known.iter().all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())));
    }

    #[test]
    fn every_entry_has_a_subject_and_a_text() {
        let entries: Vec<&str> = CATALOG.split("\n-- ").skip(1).collect();
        assert_eq!(entries.len(), EventName::ALL.len());
        for entry in entries {
            let (head, text) = entry.split_once("\n\n").unwrap();
            assert!(head.contains("\nSubject: ") && head.contains("\nDefined-By: standfast"), "{entry}");
            assert!(!text.trim().is_empty(), "{entry}");
        }
    }

    #[test]
    fn a_kind_is_found_by_its_name() {
        for kind in EventName::ALL {
            assert_eq!(EventName::of(kind.name()), Some(*kind));
        }
        assert_eq!(EventName::of("nothing"), None);
    }
}
