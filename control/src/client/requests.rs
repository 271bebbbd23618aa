//! What a client asks the service to make.

use serde::Serialize;

use super::types::Labels;

/// A database server to register. No `Debug`: it holds a password.
#[derive(Clone, Serialize)]
pub struct ServerAdd {
    /// Name to speak of it by; the service makes one up if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `PostgreSQL`, `MySQL`, `MongoDB` or `Redis`.
    pub engine: String,
    /// `host:port`.
    pub address: String,
    /// Admin login.
    pub user: String,
    /// Its password.
    pub password: String,
    /// `disable`, `require` or `verify-full`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// `dedicated` for a Redis server that one tenant gets whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Most tenants it may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
}

/// A workspace to make.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WorkspaceCreate {
    /// Its name.
    pub name: String,
    /// `PostgreSQL`, `MySQL`, `MongoDB` or `Redis`.
    pub engine: String,
    /// The server to put it on; the service chooses if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// A tenant to make.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TenantCreate {
    /// Its name.
    pub name: String,
    /// The blueprint that its database is made from.
    pub blueprint: String,
    /// Whether its login may change the schema.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_ddl: bool,
    /// Whether its login may truncate tables. MySQL only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_truncate: bool,
    /// Whether its clients may load local files. MySQL only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_local_infile: bool,
    /// When its server connections are given back: `session` or `transaction`. MongoDB only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_mode: Option<String>,
    /// The customer's id in the user's own books.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The server to put it on; the service chooses if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Whether it gets a server of its own. Redis only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dedicated: bool,
}

/// A deployment to start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeploymentCreate {
    /// The blueprint.
    pub blueprint: String,
    /// The version to bring tenants to; the last one if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// All tenants of the blueprint.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Or these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<String>,
    /// Refuse what would lock a table for writing. MySQL only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub online: bool,
}
