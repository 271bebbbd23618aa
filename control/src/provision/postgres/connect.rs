//! Connections to a server: few, bounded in time, and with settings that no user's objects can
//! bend.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tenantsdb_codecs::feed::route::ServerTls;
use tokio::sync::{MutexGuard, OwnedSemaphorePermit, RwLock, Semaphore};

use super::MAINTENANCE_DATABASE;
use super::deployer::Logins;
pub(super) use crate::provision::types::unreachable;
use crate::provision::{Error, ServerLogin};

/// Admin connections to one server at once: its `superuser_reserved_connections` is 3 by default,
/// and what is left belongs to applications.
const ADMIN_CONNECTIONS_MAX: usize = 4;
/// Of these, how many stay open between the databases of a deployment.
const ADMIN_KEPT_MAX: usize = 2;
/// How long a verb waits for one of them.
const ADMIN_WAIT: Duration = Duration::from_secs(120);
/// How long connecting and logging in may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one admin statement may take. DROP DATABASE waits for a checkpoint: 59 s were seen.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(600);
/// How long an admin statement waits for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// One PostgreSQL server. Clones share its bounds.
#[derive(Clone)]
pub(in crate::provision) struct Postgres {
    inner: Arc<Inner>,
}

struct Inner {
    login: ServerLogin,
    permits: Arc<Semaphore>,
    /// One for each blueprint: builders of templates hold it alone, those who clone share it.
    templates: Mutex<HashMap<String, Arc<RwLock<()>>>>,
    /// Two sessions that alter one role at once fail with "tuple concurrently updated".
    roles: tokio::sync::Mutex<()>,
    /// Connections to the maintenance database that a deployment uses again for its next database.
    kept: Mutex<Vec<Admin>>,
    logins: Logins,
}

/// An admin connection. Dropped, it is closed.
pub(super) struct Admin {
    connection: PgConnection,
    addr: String,
    _permit: OwnedSemaphorePermit,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("login", &self.inner.login)
            .finish_non_exhaustive()
    }
}

// === impl Postgres ===

impl Postgres {
    pub(in crate::provision) fn new(login: ServerLogin) -> Self {
        Self {
            inner: Arc::new(Inner {
                login,
                permits: Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX)),
                templates: Mutex::default(),
                roles: tokio::sync::Mutex::default(),
                kept: Mutex::default(),
                logins: Logins::default(),
            }),
        }
    }

    /// An admin connection to the maintenance database.
    pub(super) async fn admin(&self) -> Result<Admin, Error> {
        self.admin_in(MAINTENANCE_DATABASE).await
    }

    /// An admin connection to any database.
    pub(super) async fn admin_in(&self, database: &str) -> Result<Admin, Error> {
        let permits = Arc::clone(&self.inner.permits);
        if permits.available_permits() == 0 {
            self.close_kept().await;
        }
        let addr = &self.inner.login.addr;
        let permit = tokio::time::timeout(ADMIN_WAIT, permits.acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(unreachable(addr, "all admin connections are busy"));
        };
        let login = &self.inner.login;
        let options = self
            .options(database, &login.user, login.password.expose())?
            .application_name("tenantsdb-control")
            .options([
                (
                    "statement_timeout",
                    STATEMENT_TIMEOUT.as_millis().to_string(),
                ),
                ("lock_timeout", LOCK_TIMEOUT.as_millis().to_string()),
            ]);
        Ok(Admin {
            connection: connect(addr, &options).await?,
            addr: addr.clone(),
            _permit: permit,
        })
    }

    /// An admin connection to the maintenance database, kept or new.
    pub(super) async fn admin_kept(&self) -> Result<Admin, Error> {
        let kept = self.kept().pop();
        match kept {
            Some(admin) => Ok(admin),
            None => self.admin().await,
        }
    }

    /// Keeps a connection, unless there are some, or somebody waits for one.
    pub(super) async fn keep(&self, admin: Admin) {
        {
            let mut kept = self.kept();
            if kept.len() < ADMIN_KEPT_MAX && self.inner.permits.available_permits() > 0 {
                kept.push(admin);
                return;
            }
        }
        admin.close().await;
    }

    pub(super) async fn close_kept(&self) {
        let kept = std::mem::take(&mut *self.kept());
        for admin in kept {
            admin.close().await;
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Admin>> {
        let kept = self.inner.kept.lock();
        kept.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn logins(&self) -> &Logins {
        &self.inner.logins
    }

    /// Does something over an admin connection to the maintenance database, and closes it.
    pub(super) async fn admin_once<T>(
        &self,
        work: impl AsyncFnOnce(&mut Admin) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut admin = self.admin().await?;
        let done = work(&mut admin).await;
        admin.close().await;
        done
    }

    /// A connection of a deployer. It is not one of the admin connections.
    pub(super) async fn deployer_in(
        &self,
        database: &str,
        user: &str,
        password: &str,
        application_name: &str,
    ) -> Result<PgConnection, Error> {
        let options = self
            .options(database, user, password)?
            .application_name(application_name);
        connect(&self.inner.login.addr, &options).await
    }

    /// Held while a blueprint's roles are changed.
    pub(super) async fn roles_alone(&self) -> MutexGuard<'_, ()> {
        self.inner.roles.lock().await
    }

    pub(super) fn addr(&self) -> &str {
        &self.inner.login.addr
    }

    /// The lock that keeps builders of a blueprint's templates and their readers apart.
    pub(super) fn template_lock(&self, blueprint: &str) -> Arc<RwLock<()>> {
        let mut locks = self
            .inner
            .templates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(blueprint.to_owned()).or_default())
    }

    fn options(
        &self,
        database: &str,
        user: &str,
        password: &str,
    ) -> Result<PgConnectOptions, Error> {
        let login = &self.inner.login;
        let (host, port) = login
            .host_port()
            .ok_or_else(|| unreachable(&login.addr, "the address is not host:port"))?;
        let mode = match login.tls {
            ServerTls::Disable => PgSslMode::Disable,
            ServerTls::Require => PgSslMode::Require,
            ServerTls::VerifyFull => PgSslMode::VerifyFull,
        };
        let options = match &login.ca {
            Some(ca) => PgConnectOptions::new_without_pgpass().ssl_root_cert(ca),
            None => PgConnectOptions::new_without_pgpass(),
        };
        Ok(options
            .host(host)
            .port(port)
            .username(user)
            .password(password)
            .database(database)
            .ssl_mode(mode)
            // Captured text and catalogue queries are run once each.
            .statement_cache_capacity(0)
            // sqlx would write slow statements into the log as warnings, with their text.
            .disable_statement_logging()
            .options([
                // Users' objects must never stand in for the server's own in our statements.
                // Unless it is named, pg_temp is looked into first.
                ("search_path", "pg_catalog, pg_temp"),
                ("standard_conforming_strings", "on"),
                ("client_min_messages", "warning"),
                // Compiling a catalogue query takes longer than running it.
                ("jit", "off"),
            ]))
    }
}

// === impl Admin ===

impl Admin {
    /// Runs one statement of ours, or several in one implicit transaction.
    pub(super) async fn run(&mut self, sql: &str) -> Result<(), Error> {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql));
        let done = self.connection.execute(statement);
        within(&self.addr, done).await.map(|_| ())
    }

    /// Runs one statement; the errors listed mean that somebody else did it just before.
    pub(super) async fn run_unless(&mut self, sql: &str, done: &[&str]) -> Result<(), Error> {
        match self.run(sql).await {
            Err(Error::Server { sqlstate, .. }) if done.contains(&sqlstate.as_str()) => Ok(()),
            other => other,
        }
    }

    /// The rows of a query with text parameters.
    pub(super) async fn rows<T>(&mut self, sql: &str, parameters: &[&str]) -> Result<Vec<T>, Error>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
    {
        let mut query = sqlx::query_as(AssertSqlSafe(sql)).persistent(false);
        for parameter in parameters {
            query = query.bind((*parameter).to_owned());
        }
        let rows = query.fetch_all(&mut self.connection);
        within(&self.addr, rows).await
    }

    /// The first column of the first row of a query with text parameters, if there is a row.
    pub(super) async fn value<T>(
        &mut self,
        sql: &str,
        parameters: &[&str],
    ) -> Result<Option<T>, Error>
    where
        (T,): for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
    {
        let rows = self.rows::<(T,)>(sql, parameters).await?;
        Ok(rows.into_iter().next().map(|(value,)| value))
    }

    /// The connection, for queries with other parameters.
    pub(super) const fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Ends the session and waits until the socket is closed.
    pub(super) async fn close(self) {
        // The server ends the session at the latest when the socket is gone.
        let _ = tokio::time::timeout(CONNECT_TIMEOUT, self.connection.close()).await;
    }
}

/// Bounds a query of ours in time: a server that fell silent does not run into its own timeout.
pub(super) async fn within<T>(
    addr: &str,
    query: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Error> {
    let limit = STATEMENT_TIMEOUT + Duration::from_secs(10);
    match tokio::time::timeout(limit, query).await {
        Ok(result) => result.map_err(|error| error_of(addr, &error)),
        Err(_) => Err(unreachable(addr, "the server fell silent")),
    }
}

/// Our word for what sqlx reports.
pub(super) fn error_of(addr: &str, error: &sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(database) => Error::Server {
            sqlstate: database.code().unwrap_or_default().into_owned(),
            message: server_text(database.as_ref()),
        },
        sqlx::Error::Io(io) => unreachable(addr, &io.to_string()),
        sqlx::Error::Tls(tls) => unreachable(addr, &format!("TLS: {tls}")),
        sqlx::Error::Protocol(text) => unreachable(addr, text),
        other => Error::Server {
            sqlstate: String::new(),
            message: other.to_string(),
        },
    }
}

/// The server's message, with its detail: `could not create unique index "i" (Key (a)=(1) is
/// duplicated.)`.
fn server_text(error: &dyn sqlx::error::DatabaseError) -> String {
    let detail = error
        .try_downcast_ref::<PgDatabaseError>()
        .and_then(PgDatabaseError::detail);
    match detail {
        Some(detail) => format!("{} ({detail})", error.message()),
        None => error.message().to_owned(),
    }
}

async fn connect(addr: &str, options: &PgConnectOptions) -> Result<PgConnection, Error> {
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(error_of(addr, &error)),
        Err(_) => Err(unreachable(addr, "no answer in 10 s")),
    }
}
