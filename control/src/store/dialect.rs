//! The few things that depend on which database the store is in. Today that is SQLite; all SQL
//! elsewhere is text that PostgreSQL takes too.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::error::Result;

/// The database that the store is in.
pub(crate) type Db = sqlx::Sqlite;
/// A connection to it.
pub(crate) type Conn = sqlx::SqliteConnection;
/// A row of it.
pub(crate) type Row = sqlx::sqlite::SqliteRow;

/// Takes the write lock at once: a transaction that reads first and locks later can fail half way.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
/// A consistent view for several reads.
pub(crate) const BEGIN_READ: &str = "BEGIN DEFERRED";

/// How long SQLite waits for a lock of another process (a backup, say).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for a connection before it fails.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Readers do not wait for each other or for the writer; more than this gains nothing.
const READERS_MAX: u32 = 8;

/// The one connection that writes.
pub(crate) async fn open_writer(path: &Path, create: bool) -> Result<sqlx::Pool<Db>> {
    let options = options(path).create_if_missing(create);
    Ok(SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await?)
}

/// Connections that read.
pub(crate) async fn open_readers(path: &Path) -> Result<sqlx::Pool<Db>> {
    Ok(SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options(path).pragma("query_only", "1"))
        .await?)
}

/// synchronous=FULL: what was acknowledged survives a loss of power, also in WAL mode
/// (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
}
