//! Admin work on database servers: roles, templates, tenants, workspaces, the marker of versions.
//!
//! Plain data in, no store: what is to be true on the server is said whole in each call. Every verb
//! may be repeated, also after a crash in its middle: it looks at what is there, then does the
//! rest. Admin logins run only statements written here; captured text runs as
//! a login that is made for it.

mod mysql;
mod postgres;
mod table;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::ServerTls;
use tenantsdb_codecs::secret::Secret;

#[cfg(test)]
pub(crate) use self::postgres::tests::server as test_server;
pub use self::table::{Column, Definition, Table};
use crate::blueprint::{LedgerRow, Version};

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
    /// The server's version, as it writes it: `15.18`.
    pub version: String,
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
    /// ([`Provisioner::template_ensure`]).
    pub ordinal: u32,
    /// Whether the tenant's login may change the schema.
    pub allow_ddl: bool,
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
    /// Shown in the server's `pg_stat_activity`, at most 63 bytes: `tdb-deploy-<id>`.
    pub application_name: &'a str,
    /// How long one statement may wait for a lock before the version is rolled back and tried
    /// again.
    pub lock_timeout: Duration,
    /// How long one statement may run.
    pub statement_timeout: Duration,
}

/// How far a database got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Ordinal it had before.
    pub from: u32,
    /// Ordinal it has now.
    pub to: u32,
}

/// Why a database did not get all versions. Those up to `to` are there, whole; nothing of the next
/// is.
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

/// A fingerprint of a schema: equal for schemas that nothing but owners and privileges tells apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub String);

/// The administrator of one server. One is made for each server and shared (clones share): it
/// bounds the admin connections and keeps template builders apart.
#[derive(Clone, Debug)]
pub struct Provisioner {
    server: Server,
}

#[derive(Clone, Debug)]
enum Server {
    Postgres(postgres::Postgres),
    MySql(mysql::MySql),
}

/// Calls the same verb of the server's engine.
macro_rules! on_engine {
    ($self:ident, $server:ident => $call:expr) => {
        match &$self.server {
            Server::Postgres($server) => $call,
            Server::MySql($server) => $call,
        }
    };
}

// === impl Provisioner ===

impl Provisioner {
    /// Makes the administrator of a server; connects when first used.
    #[must_use]
    pub fn new(engine: Engine, login: ServerLogin) -> Self {
        let server = match engine {
            Engine::Postgres => Server::Postgres(postgres::Postgres::new(login)),
            Engine::MySql => Server::MySql(mysql::MySql::new(login)),
        };
        Self { server }
    }

    #[cfg(test)]
    const fn postgres(&self) -> &postgres::Postgres {
        match &self.server {
            Server::Postgres(server) => server,
            Server::MySql(_) => panic!("a test of PostgreSQL was given another server"),
        }
    }

    /// Checks that the server can be used and closes its standing databases to tenants.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the login is no superuser, or the version is too old.
    pub async fn register(&self) -> Result<Facts, Error> {
        on_engine!(self, server => server.register().await)
    }

    /// Makes the blueprint's roles.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if roles of these names are there that are not ours.
    pub async fn ensure_blueprint(&self, blueprint: &str) -> Result<(), Error> {
        on_engine!(self, server => server.ensure_blueprint(blueprint).await)
    }

    /// Drops the blueprint's templates and roles. Its tenants and workspace must be gone.
    ///
    /// # Errors
    ///
    /// The server's, if something still depends on a role.
    pub async fn drop_blueprint(&self, blueprint: &str) -> Result<(), Error> {
        on_engine!(self, server => server.drop_blueprint(blueprint).await)
    }

    /// Makes the workspace: database, login, ledger. The blueprint's roles must be there.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if a database of that name is there that is no workspace.
    pub async fn workspace_create(&self, blueprint: &str, verifier: &str) -> Result<(), Error> {
        on_engine!(self, server => server.workspace_create(blueprint, verifier).await)
    }

    /// Drops the workspace's database and login.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn workspace_drop(&self, blueprint: &str) -> Result<(), Error> {
        on_engine!(self, server => server.workspace_drop(blueprint).await)
    }

    /// Makes the template of the last of `versions`, by replaying all of them into an empty
    /// database. Keeps the newest two templates. `versions` are 1.1 to 1.n without gaps; none of
    /// them means the empty 1.0.
    ///
    /// # Errors
    ///
    /// [`Error::Replay`] if a version cannot be replayed.
    pub async fn template_ensure(
        &self,
        blueprint: &str,
        versions: &[Version],
    ) -> Result<(), Error> {
        on_engine!(self, server => server.template_ensure(blueprint, versions).await)
    }

    /// Compares the template of version 1.`ordinal` with a workspace whose newest version that is.
    ///
    /// # Errors
    ///
    /// [`Error::NotDeployable`] with the names of what differs.
    pub async fn template_check(
        &self,
        blueprint: &str,
        ordinal: u32,
        workspace_database: &str,
    ) -> Result<(), Error> {
        on_engine!(self, server => server.template_check(blueprint, ordinal, workspace_database).await)
    }

    /// Makes a tenant's database and login.
    ///
    /// # Errors
    ///
    /// [`Error::NoTemplate`]; [`Error::Refused`] if a database of that name is there that is no
    /// tenant.
    pub async fn tenant_create(&self, tenant: TenantSpec<'_>) -> Result<(), Error> {
        on_engine!(self, server => server.tenant_create(tenant).await)
    }

    /// Drops a tenant's database and login.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn tenant_drop(&self, blueprint: &str, tenant: &str) -> Result<(), Error> {
        on_engine!(self, server => server.tenant_drop(blueprint, tenant).await)
    }

    /// Refuses new sessions of a login. Those that are open stay ([`Self::terminate`]).
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn login_disable(&self, user: &str) -> Result<(), Error> {
        on_engine!(self, server => server.login_disable(user).await)
    }

    /// Takes sessions of a login again.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn login_enable(&self, user: &str) -> Result<(), Error> {
        on_engine!(self, server => server.login_enable(user).await)
    }

    /// Gives a login another password, and takes back what it changed in its own settings.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn login_rotate(&self, user: &str, verifier: &str) -> Result<(), Error> {
        on_engine!(self, server => server.login_rotate(user, verifier).await)
    }

    /// Ends all sessions in a database, but the administrator's own.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn terminate(&self, database: &str) -> Result<(), Error> {
        on_engine!(self, server => server.terminate(database).await)
    }

    /// Reads what the ledger of a workspace holds and no version has yet, in one snapshot.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn ledger_read(&self, workspace_database: &str) -> Result<Vec<LedgerRow>, Error> {
        on_engine!(self, server => server.ledger_read(workspace_database).await)
    }

    /// Marks rows of the ledger as being part of a version.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn ledger_seal(&self, workspace_database: &str, ids: &[i64]) -> Result<(), Error> {
        on_engine!(self, server => server.ledger_seal(workspace_database, ids).await)
    }

    /// The tables of a database, by schema and name.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn tables(&self, database: &str) -> Result<Vec<Table>, Error> {
        on_engine!(self, server => server.tables(database).await)
    }

    /// The fingerprint of a database's schema, without the product's own and history tables.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn fingerprint(&self, database: &str) -> Result<Fingerprint, Error> {
        on_engine!(self, server => server.fingerprint(database).await)
    }

    /// Brings one database up to the last of the versions given, each in its own transaction.
    ///
    /// # Errors
    ///
    /// [`Failure`]: how far it got, and the server's words.
    pub async fn apply(&self, apply: Apply<'_>) -> Result<Applied, Failure> {
        on_engine!(self, server => server.apply(apply).await)
    }
}
