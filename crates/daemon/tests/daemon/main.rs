//! The built daemon on this machine's kernel, in namespaces made for each test, with everything it writes to (`/run`,
//! `/dev`, the journal) replaced. Needs root.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the helpers of tests fail a test by panicking"
)]

mod adoption;
mod answers;
mod appearance;
mod beside_keepalived;
mod browser;
mod claims;
mod confinement;
mod container;
#[cfg(feature = "dbus")]
mod dbus;
mod dumps;
mod etcd;
mod exchange;
mod front;
mod hostile;
mod kernel_state;
mod lifecycle;
mod logging;
mod machine;
mod page;
mod places;
mod processes;
mod published_flaws;
mod refusals;
mod reload;
mod remains;
mod scarcity;
mod scripts;
mod snmp;
mod succession;
mod supervision;
mod upgrade;
mod witness;
