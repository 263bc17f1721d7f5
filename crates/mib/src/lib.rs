//! What is shown over SNMP: a slice of the configuration and a status in, objects in the order of their names out.
//!
//! - [`world`]: what the objects are made of
//! - [`view`]: all objects, and which of them can be set
//! - [`notification`]: what is told of itself
//!
//! KEEPALIVED-MIB, VRRP-MIB (RFC 2787) and VRRPV3-MIB (RFC 6527), with keepalived's numbers and types: whoever watches
//! keepalived watches this. No cell is made before somebody asks for it, so a director of ten thousand services costs an
//! index and not a million values. It does no I/O.

mod address;
mod check;
mod keepalived;
pub mod notification;
mod rfc2787;
mod rfc6527;
mod table;
pub mod view;
pub mod world;

pub use view::View;
pub use world::{Interface, Interfaces, World};
