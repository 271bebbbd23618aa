//! What the verbs of a [`super::Provisioner`] are told, and what they answer.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tenantsdb_codecs::feed::route::{Mongo, ServerTls};
use tenantsdb_codecs::secret::Secret;

use crate::blueprint::{Probe, Version};

/// How to log in to a server as its administrator.
#[derive(Clone)]
pub struct ServerLogin {
    /// `host:port`.
    pub addr: String,
    /// Protection of the connection.
    pub tls: ServerTls,
    /// A superuser.
    pub user: String,
    /// Its password.
    pub password: Secret<String>,
    /// PEM file of the authorities that [`ServerTls::VerifyFull`] trusts; the public ones if left
    /// out.
    pub ca: Option<PathBuf>,
}

impl ServerLogin {
    /// The address in two: `host:port`, or `[v6]:port`.
    pub(super) fn host_port(&self) -> Option<(&str, u16)> {
        let (host, port) = self.addr.rsplit_once(':')?;
        let host = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        Some((host, port.parse().ok()?))
    }
}

impl fmt::Debug for ServerLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLogin")
            .field("addr", &self.addr)
            .field("tls", &self.tls)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What a server says about itself when it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The server's version, as it writes it: `15.18`, `7.0.15`; of Valkey `valkey 8.0.1`.
    pub version: String,
    /// MongoDB: what it says of itself in its hello.
    pub mongo: Option<Mongo>,
    /// Redis: the registration whose accounts are on the server, if there are any.
    pub mark: Option<String>,
}

/// By what it is told that a Redis server lost its accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The registration whose accounts are there; `None` if they are not, or not all.
    pub of: Option<String>,
    /// Whether they were said in this run of the server, rather than read from an ACL file.
    pub fresh: bool,
    /// The server's run: another after each start.
    pub run: String,
}

/// What a database's account on a Redis server is to be. A Redis server knows nothing else of a
/// database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Name of the database, and of the account.
    pub database: String,
    /// `sha256$` and SHA-256(password) in hexadecimal.
    pub verifier: String,
    /// Whether it may log in.
    pub open: bool,
    /// What its keys and channels begin with; `None` where the whole server is its own.
    pub prefix: Option<String>,
    /// The blueprint's rules of which commands there are.
    pub commands: Vec<String>,
}

/// A tenant's database, as it is to be.
#[derive(Clone, Copy, Debug)]
pub struct TenantSpec<'a> {
    /// The blueprint it is made from.
    pub blueprint: &'a str,
    /// The tenant's name.
    pub tenant: &'a str,
    /// The login's password verifier, stored by the server byte for byte.
    pub verifier: &'a str,
    /// The version it is born at: `n` of `1.n`. Its template must be there
    /// ([`super::Provisioner::template_ensure`]).
    pub ordinal: u32,
    /// Whether the tenant's login may change the schema.
    pub allow_ddl: bool,
    /// Whether it may empty tables by TRUNCATE, which on MySQL needs the right to drop them.
    /// PostgreSQL's logins always may.
    pub allow_truncate: bool,
}

/// One tenant's (or template's) part of a deployment.
#[derive(Clone, Copy, Debug)]
pub struct Apply<'a> {
    /// The database to bring up to date.
    pub database: &'a str,
    /// Its blueprint.
    pub blueprint: &'a str,
    /// Versions in ascending order, without gaps; those that the database has are passed over.
    pub versions: &'a [Version],
    /// Shown in PostgreSQL's `pg_stat_activity`, at most 63 bytes: `tdb-deploy-<id>`.
    pub application_name: &'a str,
    /// How long one statement may wait for a lock before the version is rolled back and tried
    /// again.
    pub lock_timeout: Duration,
    /// How long one statement may run.
    pub statement_timeout: Duration,
    /// The ordinal that control has recorded for this database. MySQL: the marker lies where the
    /// tenant can write, so one below this is not believed.
    pub known: u32,
    /// The highest ordinal that control may have begun on this database. MySQL: a marker above it
    /// is not believed.
    pub begun: u32,
    /// Whether only statements that leave the table open to others are run. MySQL:
    /// `ALGORITHM=INSTANT`, else `INPLACE` with `LOCK=NONE`, else the statement fails.
    pub online: bool,
}

/// How far a database got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Ordinal it had before.
    pub from: u32,
    /// Ordinal it has now.
    pub to: u32,
}

/// Why a database did not get all versions. Those up to `to` are there, whole; of the next, nothing
/// is (PostgreSQL), or as many statements as the marker says (MySQL).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Ordinal before, if it could be read.
    pub from: Option<u32>,
    /// Ordinal now, if known.
    pub to: Option<u32>,
    /// SQLSTATE, if the server gave one.
    pub sqlstate: Option<String>,
    /// The server's own words, or ours where it gave none.
    pub message: String,
    /// The statement that failed.
    pub statement: Option<String>,
    /// The server could not be reached, in all the attempts that were made.
    pub unreachable: bool,
    /// What the database says and what control knows cannot both be true, or it cannot be told
    /// whether a statement took effect: nothing is run there until a person has looked.
    pub needs_attention: bool,
}

/// Why a verb could not do its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection, or it broke. Trying again later may help.
    #[error("server {addr} cannot be reached: {reason}")]
    Unreachable {
        /// `host:port`.
        addr: String,
        /// In the words of the system.
        reason: String,
    },
    /// The server is not fit for the work, or something of that name is there that is not ours.
    #[error("{0}")]
    Refused(String),
    /// Replaying the blueprint does not give the workspace's schema.
    #[error(
        "replaying the blueprint does not give the workspace's schema; different: {}",
        .0.join(", ")
    )]
    NotDeployable(Vec<String>),
    /// The template that a tenant is to be cloned from is not there (any more).
    #[error("there is no template of version 1.{0}")]
    NoTemplate(u32),
    /// A version could not be replayed into the template.
    #[error("version 1.{ordinal} cannot be replayed: {failure}")]
    Replay {
        /// The version that failed.
        ordinal: u32,
        /// What the server said.
        failure: Box<Failure>,
    },
    /// The server answered with an error.
    #[error("{message}")]
    Server {
        /// SQLSTATE; empty where the error is not the server's own.
        sqlstate: String,
        /// The server's own words.
        message: String,
    },
}

/// What a statement of a version left, found while the template was built: ordinal, the statement's
/// place in the version (from 1), the objects that it changed.
pub type Found = (u32, u32, Probe);

/// A fingerprint of a schema: equal for schemas that nothing but owners and privileges tells apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub String);

/// The server at `addr` cannot be reached.
pub(super) fn unreachable(addr: &str, reason: &str) -> Error {
    Error::Unreachable {
        addr: addr.to_owned(),
        reason: reason.to_owned(),
    }
}

impl Error {
    /// Why a template cannot be built: the version behind the last one that went in.
    pub(super) fn of_replay(failure: Failure) -> Self {
        let ordinal = failure.to.map_or(0, |ordinal| ordinal.saturating_add(1));
        Self::Replay {
            ordinal,
            failure: Box::new(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_at_the_last_colon() {
        for (addr, parts) in [
            ("db:5432", Some(("db", 5432))),
            ("[::1]:5432", Some(("::1", 5432))),
            ("db", None),
            ("db:port", None),
        ] {
            let login = ServerLogin {
                addr: addr.to_owned(),
                tls: ServerTls::Disable,
                user: String::new(),
                password: Secret::new(String::new()),
                ca: None,
            };
            assert_eq!(login.host_port(), parts);
        }
    }
}
