//! What a reload would do, in words: the difference of two configurations, and what a rehearsal of the reload asked of
//! the kernel.
//!
//! The rehearsals themselves are the cores' (`VrrpNode::rehearse`, `Director::rehearse`). Nothing here changes anything.

mod configuration;
mod lvs;
mod offline;
mod vrrp;

pub use configuration::differences;
pub use lvs::lvs;
pub use offline::offline;
pub use vrrp::vrrp;
