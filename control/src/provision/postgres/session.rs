//! The session that versions are applied in: one connection of a deployer.

use std::future::Future;
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Executor as _, FromRow};

use super::connect::{error_of, unreachable};
use crate::provision::{Apply, Error};

/// Added to the server's own limit for a statement, after which a silent server is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// What stopped a version, and in which statement.
pub(super) struct Stop {
    pub(super) error: Error,
    pub(super) statement: Option<String>,
}

/// One attempt's connection and what holds for all its statements.
pub(super) struct Session<'a> {
    pub(super) connection: PgConnection,
    pub(super) addr: &'a str,
    pub(super) apply: &'a Apply<'a>,
    /// Quoted; what captured text runs as.
    pub(super) owner: String,
    /// Quoted; may write the marker. Captured text never runs as this role.
    pub(super) marker_role: String,
}

/// One statement to run.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) search_path: &'a str,
}

// === impl Session ===

impl Session<'_> {
    /// Runs one captured statement. Sent as a prepared statement: the server takes no second one in
    /// it.
    pub(super) async fn statement(&mut self, text: &str) -> Result<(), Stop> {
        let query = sqlx::query(AssertSqlSafe(text)).persistent(false);
        let limit = self.limit();
        let done = bounded(self.addr, limit, query.execute(&mut self.connection)).await;
        done.map(|_| ()).map_err(|stop| stop.within(Some(text)))
    }

    /// Runs statements of ours.
    pub(super) async fn run(&mut self, sql: &str) -> Result<(), Stop> {
        let limit = self.limit();
        let done = self.connection.execute(sqlx::raw_sql(AssertSqlSafe(sql)));
        bounded(self.addr, limit, done).await.map(|_| ())
    }

    /// The one row of a query of ours.
    pub(super) async fn row<T>(&mut self, sql: &str, parameter: Option<&str>) -> Result<T, Stop>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut query = sqlx::query_as(AssertSqlSafe(sql)).persistent(false);
        if let Some(parameter) = parameter {
            query = query.bind(parameter.to_owned());
        }
        let limit = self.limit();
        bounded(self.addr, limit, query.fetch_one(&mut self.connection)).await
    }

    /// The rows of a query of ours.
    pub(super) async fn rows<T>(&mut self, sql: &str) -> Result<Vec<T>, Stop>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let query = sqlx::query_as(AssertSqlSafe(sql)).persistent(false);
        let limit = self.limit();
        bounded(self.addr, limit, query.fetch_all(&mut self.connection)).await
    }

    /// How long any statement may take from here: the server should have ended it before.
    fn limit(&self) -> Duration {
        self.apply.statement_timeout + SILENCE
    }
}

async fn bounded<T>(
    addr: &str,
    limit: Duration,
    query: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Stop> {
    match tokio::time::timeout(limit, query).await {
        Ok(result) => result.map_err(|error| error_of(addr, &error).into()),
        Err(_) => Err(unreachable(addr, "the server fell silent").into()),
    }
}

// === impl Stop ===

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self {
            error,
            statement: None,
        }
    }
}

impl Stop {
    /// Says in which statement it happened, where that is not known yet.
    pub(super) fn within(mut self, statement: Option<&str>) -> Self {
        if self.statement.is_none() {
            self.statement = statement.map(str::to_owned);
        }
        self
    }
}
