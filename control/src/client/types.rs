//! What the service answers, as far as a client looks at it. Fields that the service adds later are
//! ignored; fields that an older service leaves out are empty.
//!
//! What may hold a secret has no `Debug`.

mod drift;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::drift::{Difference, Drift, DriftedDatabase};
pub use crate::provision::{Column, Definition, Table};

/// Words that a user put on a server or tenant.
pub type Labels = BTreeMap<String, String>;

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) items: Vec<Value>,
    #[serde(default)]
    pub(super) next: Option<String>,
}

/// A registered database server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Server {
    /// `srv_…`.
    pub id: String,
    /// The name it goes by.
    pub name: Option<String>,
    /// `PostgreSQL`, `MySQL`, `MongoDB` or `Redis`.
    pub engine: String,
    /// `host:port`.
    pub address: String,
    /// How connections to it are protected.
    pub tls: String,
    /// `shared` or `dedicated`.
    pub mode: String,
    /// The server's own version.
    pub version: Option<String>,
    /// Words to find it by.
    pub labels: Labels,
    /// Most tenants it may hold.
    pub capacity: Option<u64>,
    /// Tenants it holds.
    pub tenants: u64,
    /// RFC 3339.
    pub created_at: String,
}

/// A workspace.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Workspace {
    /// Its name, and the name of its blueprint.
    pub name: String,
    /// `PostgreSQL`, `MySQL`, `MongoDB` or `Redis`.
    pub engine: String,
    /// `{name}_dev`.
    pub database: String,
    /// The blueprint that it defines.
    pub blueprint: String,
    /// The blueprint's version.
    pub version: String,
    /// The server that has it.
    pub server: String,
    /// What its keys begin with on the server. Redis only.
    pub prefix: Option<String>,
    /// `creating`, `active`, `deleting` or `failed`.
    pub status: String,
    /// Why it failed.
    pub reason: String,
    /// Holds a password only in the answer that issued it.
    pub connection_string: Option<String>,
    /// Whether every live proxy knows it.
    pub routed: Option<bool>,
    /// Proxies that do not know it yet.
    pub behind: Vec<String>,
    /// RFC 3339.
    pub created_at: String,
}

/// The settings of a Redis workspace. What the service knows besides them is not sent back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Settings {
    /// The version that these are.
    #[serde(skip_serializing)]
    pub version: String,
    /// Most keys.
    pub keys_max: Option<u64>,
    /// Most bytes of keys and values.
    pub memory_bytes_max: Option<u64>,
    /// Most bytes of one argument.
    pub value_bytes_max: Option<u64>,
    /// Rules of which commands there are.
    pub commands: Vec<String>,
    /// `session` or `transaction`.
    pub pool_mode: String,
    /// Whether every live proxy knows them.
    #[serde(skip_serializing)]
    pub routed: Option<bool>,
    /// Proxies that do not know them yet.
    #[serde(skip_serializing)]
    pub behind: Vec<String>,
}

/// What some tenant of the blueprint lacks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Diff {
    /// In commit order.
    pub pending: Vec<PendingStatement>,
}

/// One statement that took effect in the workspace.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PendingStatement {
    /// The version it is part of.
    pub version: String,
    /// Text without a final semicolon.
    pub ddl: String,
    /// RFC 3339.
    pub captured_at: String,
    /// `wire`, `ledger` or `inferred`.
    pub origin: String,
    /// `false` where it cannot be told afterwards whether it ran.
    pub crash_safe: Option<bool>,
}

/// A blueprint. Versions and tables are empty in lists.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Blueprint {
    /// Its name.
    pub name: String,
    /// `PostgreSQL`, `MySQL`, `MongoDB` or `Redis`.
    pub engine: String,
    /// The workspace's database.
    pub database: String,
    /// The last version.
    pub version: String,
    /// All versions, oldest first.
    pub versions: Vec<BlueprintVersion>,
    /// What the workspace holds now.
    pub tables: Vec<Table>,
    /// How many tenants were made from it.
    pub tenants: u64,
    /// RFC 3339.
    pub created_at: String,
}

/// One version of a blueprint.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct BlueprintVersion {
    /// `1.7`.
    pub version: String,
    /// RFC 3339.
    pub created_at: String,
    /// What made it from the version before.
    pub statements: Vec<VersionStatement>,
}

/// A statement of a version.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct VersionStatement {
    /// Text without a final semicolon.
    pub ddl: String,
    /// `false` for what is recorded and never deployed: roles, owners, privileges.
    pub deploy: bool,
    /// `wire`, `ledger` or `inferred`.
    pub origin: String,
}

/// A tenant.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// `creating`, `active`, `suspended`, `deleting` or `failed`.
    pub status: String,
    /// Why it failed.
    pub reason: String,
    /// Whether every live proxy knows of the change that was asked for.
    pub routed: Option<bool>,
    /// Proxies that do not know yet.
    pub behind: Vec<String>,
    /// One for each blueprint.
    pub databases: Vec<TenantDatabase>,
    /// The customer's id in the user's own books.
    pub external_id: Option<String>,
    /// Words to find it by.
    pub labels: Labels,
    /// RFC 3339.
    pub created_at: String,
}

/// A tenant's database.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct TenantDatabase {
    /// The blueprint it was made from.
    pub blueprint: String,
    /// `PostgreSQL`, `MySQL`, `MongoDB` or `Redis`.
    pub engine: String,
    /// `{blueprint}__{tenant}`.
    pub database: String,
    /// The version it is at.
    pub version: String,
    /// The server that has it.
    pub server: String,
    /// What its keys begin with on the server. Redis only.
    pub prefix: Option<String>,
    /// Why it failed.
    pub reason: String,
    /// Whether its login may change the schema.
    pub allow_ddl: bool,
    /// Whether its login may truncate tables. MySQL only.
    pub allow_truncate: bool,
    /// Whether its server may ask clients for their files. MySQL only.
    pub allow_local_infile: bool,
    /// `session` or `transaction`. MongoDB only.
    pub pool_mode: Option<String>,
    /// Holds a password only in the answer that issued it.
    pub connection_string: Option<String>,
}

/// A new password.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct CredentialRotated {
    /// The database whose login it is.
    pub database: String,
    /// The login.
    pub user: String,
    /// Raised by each rotation.
    pub generation: u64,
    /// Whether every live proxy knows it.
    pub routed: Option<bool>,
    /// Proxies that do not know it yet.
    pub behind: Vec<String>,
    /// With the password, unless this is the replay of an earlier answer.
    pub connection_string: Option<String>,
}

/// A deployment. Results are empty in lists.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Deployment {
    /// `dep_…`.
    pub id: String,
    /// The blueprint.
    pub blueprint: String,
    /// The version to bring tenants to.
    pub version: String,
    /// `pending`, `running`, `completed` or `failed`.
    pub status: String,
    /// Tenants in it.
    pub total: u64,
    /// Tenants that are at the version now.
    pub completed: u64,
    /// Tenants that were not brought to it.
    pub failed: u64,
    /// Tenants that were at the version before.
    pub skipped: u64,
    /// Why nothing could be deployed at all.
    pub error: Option<String>,
    /// The outcome for each tenant.
    pub results: Vec<DeploymentResult>,
    /// Where the results go on, if these are not all.
    pub next: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339; when the last tenant was done.
    pub finished_at: Option<String>,
}

/// What became of one tenant.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeploymentResult {
    /// The tenant.
    pub tenant: String,
    /// `pending`, `running`, `completed`, `failed`, `needs_attention` or `skipped`.
    pub status: String,
    /// The version it was at.
    pub from_version: Option<String>,
    /// The version it is at now.
    pub to_version: Option<String>,
    /// The server's own text.
    pub error: Option<String>,
    /// The server's own code.
    pub sqlstate: Option<String>,
    /// The statement that failed.
    pub statement: Option<String>,
    /// Time that its statements took.
    pub duration_ms: Option<u64>,
}

/// A proxy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Proxy {
    /// The name it gave itself.
    pub id: String,
    /// Whether it follows the feed now.
    pub live: bool,
    /// The last revision of the routes that it has.
    pub acked_rev: u64,
    /// How many revisions it lacks.
    pub behind: u64,
    /// RFC 3339.
    pub last_ack_at: Option<String>,
    /// The last route that it could not use.
    pub refused: Option<RefusedRoute>,
}

/// A route that a proxy could not use; it kept the one before.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RefusedRoute {
    /// The database.
    pub database: String,
    /// The proxy's own text.
    pub reason: String,
}

/// An API key, without its secret.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ApiKey {
    /// `key_…`.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub last_used_at: Option<String>,
}

/// A new API key.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct ApiKeyIssued {
    /// `key_…`.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The secret; it is shown this once. Empty in the replay of an earlier answer.
    pub key: String,
    /// RFC 3339.
    pub created_at: String,
}

// === impl Deployment ===

impl Deployment {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "failed")
    }

    /// Tenants whose outcome is known.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.completed
            .saturating_add(self.failed)
            .saturating_add(self.skipped)
    }
}
