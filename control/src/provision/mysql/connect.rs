//! Connections to a server: few, bounded in time, and with settings of our own.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Either, Executor as _, Row as _};
use tenantsdb_codecs::feed::route::ServerTls;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, RwLock, Semaphore};

use crate::provision::locks::Locks;
use crate::provision::steps::Passing;
pub(super) use crate::provision::types::unreachable;
use crate::provision::{Error, ServerLogin};
use tenantsdb_codecs::mysql::Flavour;

/// Admin connections to one server at once.
const ADMIN_CONNECTIONS_MAX: usize = 4;
/// How long a verb waits for one of them.
const ADMIN_WAIT: Duration = Duration::from_secs(120);
/// How long connecting and logging in may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one statement of ours may take. DROP DATABASE unlinks a file for each table.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(600);
/// What holds in all our sessions. Texts in our statements count on this `sql_mode`, and SHOW
/// CREATE is written in its quotes.
const SETTINGS: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, \
    SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION', SESSION autocommit = 1, \
    SESSION sql_quote_show_create = 1, SESSION lock_wait_timeout = 60, \
    SESSION innodb_lock_wait_timeout = 60";

/// Errors that pass: too many connections, lock wait timeout, deadlock, server shutdown, query
/// interrupted, connection killed (MariaDB), too many connections of a user.
const PASSING: &[u16] = &[1040, 1205, 1213, 1053, 1317, 1927, 1203];

/// One MySQL or MariaDB server. Clones share its bounds.
#[derive(Clone)]
pub(in crate::provision) struct MySql {
    inner: Arc<Inner>,
}

struct Inner {
    login: ServerLogin,
    permits: Arc<Semaphore>,
    /// One for each blueprint: builders of templates hold it alone, those who copy share it.
    locks: Locks,
    /// One for each database that is worked on: two who work on one would end each other's
    /// sessions.
    #[cfg(test)]
    cut: super::tests::cut::Cut,
}

/// A session on the server. Dropped, its socket is closed; the server may be at its last statement
/// for longer.
pub(super) struct Session {
    connection: MySqlConnection,
    addr: String,
    pub(super) flavour: Flavour,
    /// The server's number of it.
    pub(super) thread: u64,
    _permit: Option<OwnedSemaphorePermit>,
}

/// A row of an answer, as text.
pub(super) type TextRow = Vec<Option<String>>;

/// What went wrong, with the server's own number for it.
#[derive(Debug)]
pub(in crate::provision) struct Fault {
    pub(super) error: Error,
    /// 0 if it is not the server's own error.
    pub(super) number: u16,
}

impl fmt::Debug for MySql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySql")
            .field("login", &self.inner.login)
            .finish_non_exhaustive()
    }
}

// === impl MySql ===

impl MySql {
    pub(in crate::provision) fn new(login: ServerLogin) -> Self {
        Self {
            inner: Arc::new(Inner {
                login,
                permits: Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX)),
                locks: Locks::default(),
                #[cfg(test)]
                cut: super::tests::cut::Cut::default(),
            }),
        }
    }

    /// A session of the administrator.
    pub(super) async fn admin(&self) -> Result<Session, Error> {
        let addr = &self.inner.login.addr;
        let permits = Arc::clone(&self.inner.permits);
        let permit = tokio::time::timeout(ADMIN_WAIT, permits.acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(unreachable(addr, "all admin connections are busy"));
        };
        let login = &self.inner.login;
        let options = self.options(&login.user, login.password.expose())?;
        Ok(Session::open(addr, &options, Some(permit)).await?)
    }

    /// Does something in a session of the administrator, and closes it.
    pub(super) async fn admin_once<T>(
        &self,
        work: impl AsyncFnOnce(&mut Session) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let mut admin = self.admin().await?;
        let done = work(&mut admin).await;
        admin.close().await;
        Ok(done?)
    }

    /// A session of another account. It is not one of the admin connections.
    pub(super) async fn session_of(
        &self,
        user: &str,
        password: &str,
        database: Option<&str>,
    ) -> Result<Session, Fault> {
        let mut options = self.options(user, password)?;
        if let Some(database) = database {
            options = options.database(database);
        }
        Session::open(&self.inner.login.addr, &options, None).await
    }

    pub(super) fn addr(&self) -> &str {
        &self.inner.login.addr
    }

    /// Name of the administrator's account.
    pub(super) fn admin_user(&self) -> &str {
        &self.inner.login.user
    }

    /// The lock that keeps builders of a blueprint's templates and their readers apart.
    pub(super) fn template_lock(&self, blueprint: &str) -> Arc<RwLock<()>> {
        self.inner.locks.template(blueprint)
    }

    /// Held by who works as a database's deploy account.
    pub(super) async fn database_alone(&self, database: &str) -> OwnedMutexGuard<()> {
        self.inner.locks.database(database).await
    }

    /// A place at which a test may cut the work off.
    #[cfg(test)]
    pub(super) async fn cut_here(&self) {
        self.inner.cut.here().await;
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_async, reason = "a place to wait at in tests")]
    pub(super) async fn cut_here(&self) {}

    #[cfg(test)]
    pub(super) fn cut(&self) -> &super::tests::cut::Cut {
        &self.inner.cut
    }

    fn options(&self, user: &str, password: &str) -> Result<MySqlConnectOptions, Error> {
        let login = &self.inner.login;
        let (host, port) = login
            .host_port()
            .ok_or_else(|| unreachable(&login.addr, "the address is not host:port"))?;
        let mode = match login.tls {
            ServerTls::Disable => MySqlSslMode::Disabled,
            ServerTls::Require => MySqlSslMode::Required,
            ServerTls::VerifyFull => MySqlSslMode::VerifyIdentity,
        };
        let options = match &login.ca {
            Some(ca) => MySqlConnectOptions::new().ssl_ca(ca),
            None => MySqlConnectOptions::new(),
        };
        Ok(options
            .host(host)
            .port(port)
            .username(user)
            .password(password)
            .ssl_mode(mode)
            .statement_cache_capacity(0)
            // sqlx's own settings; ours follow.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .set_names(false)
            // sqlx would write slow statements into the log as warnings, with their text.
            .disable_statement_logging())
    }
}

// === impl Session ===

impl Session {
    async fn open(
        addr: &str,
        options: &MySqlConnectOptions,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Self, Fault> {
        let connection = match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(fault_of(addr, &error)),
            Err(_) => return Err(unreachable(addr, "no answer in 10 s").into()),
        };
        let mut session = Self {
            connection,
            addr: addr.to_owned(),
            flavour: Flavour::MySql,
            thread: 0,
            _permit: permit,
        };
        session.run(SETTINGS).await?;
        let rows = session.rows("SELECT CONNECTION_ID(), VERSION()").await?;
        let row = rows.into_iter().next().unwrap_or_default();
        session.thread = text(&row, 0).parse().unwrap_or_default();
        session.flavour = Flavour::of_version(&text(&row, 1));
        Ok(session)
    }

    /// Runs one statement of ours, or several; gives the rows that the last one changed.
    pub(super) async fn run(&mut self, sql: &str) -> Result<u64, Fault> {
        let done = self.connection.execute(sqlx::raw_sql(AssertSqlSafe(sql)));
        let done = within(&self.addr, STATEMENT_TIMEOUT, done).await?;
        Ok(done.rows_affected())
    }

    /// Runs one statement; the errors listed mean that it is as it should be already.
    pub(super) async fn run_unless(&mut self, sql: &str, done: &[u16]) -> Result<(), Fault> {
        match self.run(sql).await {
            Err(fault) if done.contains(&fault.number) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// The rows of a query of ours, or of several, one after the other.
    pub(super) async fn rows(&mut self, sql: &str) -> Result<Vec<TextRow>, Fault> {
        self.first_columns(sql, usize::MAX).await
    }

    /// The first columns of a query's rows. Those behind them need not be text.
    pub(super) async fn first_columns(
        &mut self,
        sql: &str,
        columns: usize,
    ) -> Result<Vec<TextRow>, Fault> {
        let addr = self.addr.clone();
        let rows = self.connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql)));
        let rows = within(&addr, STATEMENT_TIMEOUT, rows).await?;
        let texts = |row: &sqlx::mysql::MySqlRow| {
            (0..row.len().min(columns))
                .map(|column| row.try_get_unchecked::<Option<String>, _>(column))
                .collect::<Result<TextRow, _>>()
        };
        let rows: Result<Vec<TextRow>, _> = rows.iter().map(texts).collect();
        rows.map_err(|error| fault_of(&addr, &error))
    }

    /// The first column of the first row, if there is a row.
    pub(super) async fn value(&mut self, sql: &str) -> Result<Option<String>, Fault> {
        let row = self.rows(sql).await?.into_iter().next();
        Ok(row.map(|row| text(&row, 0)))
    }

    /// Runs one captured statement, and says how many the server made of it.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves the statement running on the server: its thread is to be ended.
    pub(super) async fn captured(&mut self, sql: &str, limit: Duration) -> Result<usize, Fault> {
        let mut answers = self
            .connection
            .fetch_many(sqlx::raw_sql(AssertSqlSafe(sql)));
        let count = async {
            let mut count = 0;
            while let Some(answer) = answers.try_next().await? {
                if matches!(answer, Either::Left(_)) {
                    count += 1;
                }
            }
            Ok(count)
        };
        within(&self.addr, limit, count).await
    }

    pub(super) fn addr(&self) -> &str {
        &self.addr
    }

    /// Ends the session and waits until the socket is closed.
    pub(super) async fn close(self) {
        // The server ends the session at the latest when the socket is gone.
        let _ = tokio::time::timeout(CONNECT_TIMEOUT, self.connection.close()).await;
    }
}

// === impl Fault ===

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self { error, number: 0 }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        fault.error
    }
}

impl Passing for Fault {
    fn passes(&self) -> bool {
        matches!(self.error, Error::Unreachable { .. }) || PASSING.contains(&self.number)
    }
}

/// A column of a row; empty if it is NULL.
pub(super) fn text(row: &TextRow, column: usize) -> String {
    row.get(column).cloned().flatten().unwrap_or_default()
}

/// Bounds a query in time: a server that fell silent does not run into its own limits.
async fn within<T>(
    addr: &str,
    limit: Duration,
    query: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, query).await {
        Ok(result) => result.map_err(|error| fault_of(addr, &error)),
        Err(_) => Err(unreachable(addr, "the server fell silent").into()),
    }
}

/// Our word for what sqlx reports.
fn fault_of(addr: &str, error: &sqlx::Error) -> Fault {
    let error = match error {
        sqlx::Error::Database(database) => {
            let number = database
                .try_downcast_ref::<MySqlDatabaseError>()
                .map_or(0, MySqlDatabaseError::number);
            let error = Error::Server {
                sqlstate: database.code().unwrap_or_default().into_owned(),
                message: format!("{} ({number})", database.message()),
            };
            return Fault { error, number };
        }
        sqlx::Error::Io(io) => unreachable(addr, &io.to_string()),
        sqlx::Error::Tls(tls) => unreachable(addr, &format!("TLS: {tls}")),
        sqlx::Error::Protocol(text) => unreachable(addr, text),
        other => Error::Server {
            sqlstate: String::new(),
            message: other.to_string(),
        },
    };
    error.into()
}

pub(super) fn refused(text: impl Into<String>) -> Fault {
    Error::Refused(text.into()).into()
}
