//! Admin work on database servers: roles, templates, tenants, workspaces, the marker of versions.
//!
//! Plain data in, no store: what is to be true on the server is said whole in each call. Every verb
//! may be repeated, also after a crash in its middle: it looks at what is there, then does the
//! rest. Admin logins run only statements written here; captured text runs as
//! a login that is made for it.

mod drift;
mod locks;
mod marker;
mod mongo;
mod mysql;
mod postgres;
mod redis;
mod steps;
mod table;
mod types;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::secret::Secret;

pub use self::drift::{Difference, How};
#[cfg(test)]
pub(crate) use self::mongo::tests::server as mongo_test_server;
#[cfg(test)]
pub(crate) use self::mysql::tests::server as mysql_test_server;
#[cfg(test)]
pub(crate) use self::postgres::tests::server as test_server;
#[cfg(test)]
pub(crate) use self::redis::tests::server as redis_test_server;
pub use self::table::{Column, Definition, Table};
pub use self::types::{
    Account, Applied, Apply, Error, Facts, Failure, Fingerprint, Found, Mark, ServerLogin,
    TenantSpec,
};
use crate::blueprint::{LedgerRow, Snapshot, Version};

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
    Mongo(mongo::Mongo),
    Redis(redis::Redis),
}

/// Calls the same verb of the server's engine.
macro_rules! on_engine {
    ($self:ident, $server:ident => $call:expr) => {
        match &$self.server {
            Server::Postgres($server) => $call,
            Server::MySql($server) => $call,
            Server::Mongo($server) => $call,
            Server::Redis($server) => $call,
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
            Engine::MongoDb => Server::Mongo(mongo::Mongo::new(login)),
            Engine::Redis => Server::Redis(redis::Redis::new(login)),
        };
        Self { server }
    }

    #[cfg(test)]
    const fn postgres(&self) -> &postgres::Postgres {
        match &self.server {
            Server::Postgres(server) => server,
            _ => panic!("a test of PostgreSQL was given another server"),
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
    /// Gives what the statements that were replayed left, where a deployment needs to know it
    /// (MySQL): control keeps it with the statements ([`crate::blueprint::Statement::probe`]).
    ///
    /// # Errors
    ///
    /// [`Error::Replay`] if a version cannot be replayed.
    pub async fn template_ensure(
        &self,
        blueprint: &str,
        versions: &[Version],
    ) -> Result<Vec<Found>, Error> {
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
        on_engine!(self, server => {
            server.template_check(blueprint, ordinal, workspace_database).await
        })
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

    /// A login that is logged in once, so that the server knows its password from then on: MySQL's
    /// `caching_sha2_password` lets nobody in by proof alone before that. Nothing on other servers.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn login_warm(&self, user: &str, password: &Secret<String>) -> Result<(), Error> {
        match &self.server {
            Server::Postgres(_) | Server::Mongo(_) | Server::Redis(_) => Ok(()),
            Server::MySql(server) => server.login_warm(user, password).await,
        }
    }

    /// All objects of a database, without the product's own and history tables. MySQL and MongoDB
    /// only.
    ///
    /// # Errors
    ///
    /// The server's; [`Error::Refused`] elsewhere.
    pub async fn snapshot(&self, database: &str) -> Result<Snapshot, Error> {
        match &self.server {
            Server::Postgres(_) | Server::Redis(_) => Err(only("MySQL and MongoDB")),
            Server::MySql(server) => server.snapshot(database).await,
            Server::Mongo(server) => server.snapshot(database).await,
        }
    }

    /// All objects of the template of version 1.`ordinal`, which must be there. MySQL and
    /// MongoDB only.
    ///
    /// # Errors
    ///
    /// The server's; [`Error::Refused`] elsewhere.
    pub async fn template_snapshot(
        &self,
        blueprint: &str,
        ordinal: u32,
    ) -> Result<Snapshot, Error> {
        match &self.server {
            Server::Postgres(_) | Server::Redis(_) => Err(only("MySQL and MongoDB")),
            Server::MySql(server) => server.template_snapshot(blueprint, ordinal).await,
            Server::Mongo(server) => server.template_snapshot(blueprint, ordinal).await,
        }
    }

    /// Which of these threads still run on the server: what they were at may take effect yet. MySQL
    /// and MongoDB only.
    ///
    /// # Errors
    ///
    /// The server's; [`Error::Refused`] elsewhere.
    pub async fn threads_alive(&self, threads: &[i64]) -> Result<Vec<i64>, Error> {
        match &self.server {
            Server::Postgres(_) | Server::Redis(_) => Err(only("MySQL and MongoDB")),
            Server::MySql(server) => server.threads_alive(threads).await,
            Server::Mongo(server) => server.threads_alive(threads).await,
        }
    }

    /// Threads that execute something in the database just now, events among them. MySQL and
    /// MongoDB only.
    ///
    /// # Errors
    ///
    /// The server's; [`Error::Refused`] elsewhere.
    pub async fn threads_busy(&self, database: &str) -> Result<Vec<i64>, Error> {
        match &self.server {
            Server::Postgres(_) | Server::Redis(_) => Err(only("MySQL and MongoDB")),
            Server::MySql(server) => server.threads_busy(database).await,
            Server::Mongo(server) => server.threads_busy(database).await,
        }
    }

    /// Brings one database up to the last of the versions given. PostgreSQL: each in its own
    /// transaction. MySQL: statement by statement, each with its mark.
    ///
    /// # Errors
    ///
    /// [`Failure`]: how far it got, and the server's words.
    pub async fn apply(&self, apply: Apply<'_>) -> Result<Applied, Failure> {
        on_engine!(self, server => server.apply(apply).await)
    }
}

fn only(engine: &str) -> Error {
    Error::Refused(format!("only {engine} servers are asked this"))
}
