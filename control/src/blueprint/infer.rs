//! From two snapshots of a MySQL schema to the DDL that makes the second of the first. Pure.

use tenantsdb_codecs::feed::capture::Context;

use super::Snapshot;

/// A statement that was made from a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inferred {
    /// What it makes, changes or drops.
    pub key: String,
    /// One statement, without final semicolon.
    pub ddl: String,
    /// The settings that it is to be run with.
    pub context: Context,
}

/// DDL that turns the objects `keys` from what they are in `before` into what they are in `after`,
/// in an order in which it can be run.
#[must_use]
pub fn infer(_before: &Snapshot, _after: &Snapshot, _keys: &[String]) -> Vec<Inferred> {
    Vec::new()
}
