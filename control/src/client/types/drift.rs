//! What no version put into a tenant's databases.

use serde::Deserialize;

/// How a tenant's databases differ from the versions that they have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Drift {
    /// One for each blueprint.
    pub databases: Vec<DriftedDatabase>,
}

/// How a database differs from its version.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DriftedDatabase {
    /// `{blueprint}__{tenant}`.
    pub database: String,
    /// The version that it has.
    pub version: String,
    /// Empty if it is as the version says.
    pub drift: Vec<Difference>,
}

/// An object that is not as the version has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Difference {
    /// Kind and name.
    pub object: String,
    /// `extra`, `missing` or `different`.
    pub how: String,
}
