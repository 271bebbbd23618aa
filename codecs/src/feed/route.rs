//! A route: where one database lives, who may log in to it, and what it may use.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::Engine;

/// What a database is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The development database of a blueprint: its DDL is recorded.
    Workspace,
    /// A customer's database.
    Tenant,
}

/// Whether clients may use the database now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Open to its logins.
    Active,
    /// Closed by the operator: a client that proves itself is told so.
    Suspended,
}

/// How the connection from proxy to server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerTls {
    /// Plain TCP: for loopback and private networks only.
    #[default]
    Disable,
    /// TLS without looking at the server's certificate.
    Require,
    /// TLS; the certificate must be valid for the host of the address.
    VerifyFull,
}

/// A database server, as a proxy needs to know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Server {
    /// Control's id of the server.
    pub id: String,
    /// `host:port`.
    pub addr: String,
    /// Protection of the connection to it.
    #[serde(default)]
    pub tls: ServerTls,
    /// The server's version as it writes it (`10.11.14-MariaDB-0+deb12u2`, `9.7.0`). Not of
    /// PostgreSQL: with the others the proxy speaks for its servers before it has asked one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// MongoDB only, where it is always there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mongo: Option<Mongo>,
}

/// What a MongoDB server says of itself in its hello, and the proxy to clients that have not logged
/// in yet (<https://www.mongodb.com/docs/manual/reference/command/hello/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mongo {
    /// `minWireVersion`.
    pub min_wire_version: i32,
    /// `maxWireVersion`.
    pub max_wire_version: i32,
    /// What it is a part of.
    pub topology: Topology,
    /// `logicalSessionTimeoutMinutes`; `None` where it has no sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_timeout_minutes: Option<i32>,
}

/// What a MongoDB server is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// Nothing: neither transactions nor change streams.
    Standalone,
    /// A replica set, of which it is the primary.
    ReplicaSet,
    /// A sharded cluster: it is a mongos.
    Sharded,
}

/// One login of a database. Holds a verifier, never a password: it can check a proof and cannot
/// make one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// User name towards the client; towards the server too, unless `server_user` says otherwise.
    pub user: String,
    /// The account's name on the server, where that keeps shorter names than ours (MySQL: 32
    /// characters).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_user: Option<String>,
    /// PostgreSQL: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, byte for byte what
    /// the server's role has. MariaDB: `mysql_native_password$` and SHA1(SHA1(password)), MySQL:
    /// `caching_sha2_password$` and SHA256(SHA256(password)), in hexadecimal. Redis: `sha256$` and
    /// SHA256(password), in hexadecimal.
    pub verifier: String,
    /// Raised by each rotation; pooled connections of another generation are not used.
    pub generation: u64,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// What one database may use, on each proxy. `None` is the proxy's own default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Server connections, idle ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_connections_max: Option<u32>,
    /// Client connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_connections_max: Option<u32>,
}

/// When a server connection goes back to its pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolMode {
    /// At the end of the client's session.
    #[default]
    Session,
    /// As soon as nothing of the session depends on it. Redis: all is answered, and no MULTI,
    /// WATCH, subscription or tracking is open. MongoDB: the request is answered, and no
    /// transaction or exhaust cursor is open.
    Transaction,
}

impl PoolMode {
    /// As people write it, and as the feed has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
        }
    }
}

impl std::str::FromStr for PoolMode {
    type Err = UnknownPoolMode;

    fn from_str(name: &str) -> Result<Self, UnknownPoolMode> {
        let modes = [Self::Session, Self::Transaction];
        let known = modes.into_iter().find(|mode| mode.name() == name);
        known.ok_or_else(|| UnknownPoolMode(name.to_owned()))
    }
}

/// No name of a pool mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no pool mode {0:?}: it is session or transaction")]
pub struct UnknownPoolMode(pub String);

/// What is so only of a Redis database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redis {
    /// What each of its keys and channels begins with on a server that it shares with others:
    /// `acme:`. `None` where the whole server is its own: nothing is rewritten there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Keys beyond which commands that may add data are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_max: Option<u64>,
    /// Estimated bytes of keys and values beyond which commands that may add data are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes_max: Option<u64>,
    /// Bytes of the longest argument of a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_bytes_max: Option<u64>,
    /// Which commands there are, as rules of Redis's access lists, applied in order behind what
    /// every database may do: `-eval`, `-@scripting`, `+get`, `-client|list`. They take away, or
    /// give back what one before has taken; they give nothing that is not there without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

/// Where one database lives and who may use it. The key is `(engine, database)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The engine whose protocol the client speaks.
    pub engine: Engine,
    /// The name that clients ask for; on the server it is the same.
    pub database: String,
    /// Workspace or tenant.
    pub kind: Kind,
    /// The blueprint it was made from.
    pub blueprint: String,
    /// The customer; `None` for a workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Whether clients may use it now.
    pub status: Status,
    /// The server that has it.
    pub server: Server,
    /// Who may log in.
    pub logins: Vec<Login>,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
    /// When server connections are given back.
    #[serde(default)]
    pub pool_mode: PoolMode,
    /// Whether the server may ask clients for their local files (MySQL's LOAD DATA LOCAL).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local_infile: bool,
    /// Whether a tenant may change its schema (`--allow-ddl`). Only the proxy of MongoDB looks at
    /// it; with the other engines the server's own rights say it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_ddl: bool,
    /// Redis only, where it is always there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
}
