//! What a session asks for its answers.

use crate::{Oid, Value};

/// Why an object is not set, by the number of SNMP (RFC 3416 section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetError {
    /// `wrongType` (7)
    WrongType,
    /// `wrongValue` (10)
    WrongValue,
    /// `noCreation` (11): there is no such object.
    NoCreation,
    /// `inconsistentValue` (12): what else is so stands against it.
    InconsistentValue,
    /// `notWritable` (17)
    NotWritable,
}

impl SetError {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::WrongType => 7,
            Self::WrongValue => 10,
            Self::NoCreation => 11,
            Self::InconsistentValue => 12,
            Self::NotWritable => 17,
        }
    }
}

/// Objects in the order of their names.
pub trait Mib {
    /// The value of that object, or that there is none.
    fn get(&self, name: &Oid) -> Value;

    /// The first object behind `name`, or at it if `include`.
    fn next(&self, name: &Oid, include: bool) -> Option<(Oid, Value)>;

    /// Whether that object could be set to that value now.
    ///
    /// # Errors
    ///
    /// Why not.
    fn test(&self, name: &Oid, value: &Value) -> Result<(), SetError>;
}
