//! What is so: the only place with SQL. A file for each resource, named as in `api` and `app`.
//!
//! Functions take a [`Conn`], so that the caller decides what is one transaction. Reads use
//! [`Store::read`], changes [`Store::write`]: there is one writer, so what a write transaction has
//! read stays true until it commits.

pub(crate) mod api_keys;
pub(crate) mod blueprints;
pub(crate) mod captures;
pub(crate) mod databases;
pub(crate) mod deployments;
pub(crate) mod dialect;
pub(crate) mod idempotency;
pub(crate) mod logins;
mod migrate;
pub(crate) mod namespaces;
pub(crate) mod proxies;
pub(crate) mod routes;
pub(crate) mod servers;
pub(crate) mod settings;
pub(crate) mod snapshots;
pub(crate) mod tenants;
pub(crate) mod versions;

use std::ops::{Deref, DerefMut};
use std::path::Path;

use sqlx::Row as _;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};
use tokio::sync::watch;

use crate::error::{Error, Result};
use dialect::Db;
pub(crate) use dialect::{Conn, Row};

/// The store: one writer, several readers, and the newest revision for those who wait for it.
#[derive(Debug)]
pub(crate) struct Store {
    writer: sqlx::Pool<Db>,
    readers: sqlx::Pool<Db>,
    rev: watch::Sender<u64>,
    epoch: String,
}

/// A connection to read with.
pub(crate) struct Read(sqlx::pool::PoolConnection<Db>);

/// A write transaction: rolled back unless [`Write::commit`] is called.
pub(crate) struct Write<'a> {
    transaction: sqlx::Transaction<'static, Db>,
    store: &'a Store,
    rev: Option<u64>,
}

// === impl Store ===

impl Store {
    /// Makes an empty store at `path`, or opens the one that is there.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(crate) async fn create(path: &Path, epoch: &str) -> Result<Self> {
        let writer = dialect::open_writer(path, true).await?;
        migrate::run(&writer).await?;
        sqlx::query(
            "INSERT INTO meta (singleton, epoch, rev, rev_floor) VALUES (1, $1, 0, 0)
             ON CONFLICT DO NOTHING",
        )
        .bind(epoch)
        .execute(&writer)
        .await?;
        Self::load(path, writer).await
    }

    /// Opens the store at `path` and brings its tables up to date.
    ///
    /// # Errors
    ///
    /// There is none, or it was written by a newer version.
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(Error::not_found("store", &path.display().to_string())
                .hint("run `tenantsdb-control init` first"));
        }
        let writer = dialect::open_writer(path, false).await?;
        migrate::run(&writer).await?;
        Self::load(path, writer).await
    }

    async fn load(path: &Path, writer: sqlx::Pool<Db>) -> Result<Self> {
        let readers = dialect::open_readers(path).await?;
        let row = sqlx::query("SELECT epoch, rev FROM meta")
            .fetch_optional(&readers)
            .await?
            .ok_or_else(|| Error::not_found("store in", &path.display().to_string()))?;
        Ok(Self {
            writer,
            readers,
            rev: watch::Sender::new(natural(&row, "rev")?),
            epoch: row.try_get("epoch")?,
        })
    }

    /// A connection that sees what was committed.
    pub(crate) async fn read(&self) -> Result<Read> {
        Ok(Read(self.readers.acquire().await?))
    }

    /// Begins a write transaction; waits for the one before it.
    pub(crate) async fn write(&self) -> Result<Write<'_>> {
        Ok(Write {
            transaction: self.writer.begin_with(dialect::BEGIN_WRITE).await?,
            store: self,
            rev: None,
        })
    }

    /// The newest committed revision of the routes, to look at and to wait on.
    pub(crate) fn rev(&self) -> watch::Receiver<u64> {
        self.rev.subscribe()
    }

    /// Looks up the newest revision, for the case that a commit was not announced because the task
    /// that made it was dropped.
    pub(crate) async fn rev_refresh(&self) -> Result<()> {
        let row = sqlx::query("SELECT rev FROM meta")
            .fetch_one(&self.readers)
            .await?;
        self.announce(natural(&row, "rev")?);
        Ok(())
    }

    /// The name of this store: revisions of another epoch mean nothing here.
    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Writes back what is in the log and closes the files.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    fn announce(&self, rev: u64) {
        self.rev.send_if_modified(|newest| {
            let newer = rev > *newest;
            *newest = rev.max(*newest);
            newer
        });
    }
}

// === impl Read ===

impl Deref for Read {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl DerefMut for Read {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

// === impl Write ===

impl Write<'_> {
    /// Raises the revision by one, for one change of one route.
    pub(crate) async fn rev_next(&mut self) -> Result<u64> {
        let row = sqlx::query("UPDATE meta SET rev = rev + 1 RETURNING rev")
            .fetch_one(&mut *self.transaction)
            .await?;
        let rev = natural(&row, "rev")?;
        self.rev = Some(rev);
        Ok(rev)
    }

    /// Commits, and wakes the feed if routes changed. Gives the newest revision that this
    /// transaction made, or the newest there was.
    pub(crate) async fn commit(self) -> Result<u64> {
        self.transaction.commit().await?;
        if let Some(rev) = self.rev {
            self.store.announce(rev);
            return Ok(rev);
        }
        Ok(*self.store.rev.borrow())
    }
}

impl Deref for Write<'_> {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.transaction
    }
}

impl DerefMut for Write<'_> {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.transaction
    }
}

// === values ===

/// A moment as the store has it: RFC 3339, UTC, six decimals always, so that text order is time
/// order.
pub(crate) fn timestamp(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.microsecond()
    )
}

/// Now, as the store has it.
pub(crate) fn now() -> String {
    timestamp(OffsetDateTime::now_utc())
}

/// Reads a moment that the store holds.
pub(crate) fn parse_timestamp(text: &str) -> Result<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(Error::internal)
}

/// A column that is never negative.
pub(crate) fn natural<T: TryFrom<i64>>(row: &Row, column: &str) -> Result<T, sqlx::Error> {
    let value: i64 = row.try_get(column)?;
    T::try_from(value).map_err(|_| out_of_range(column))
}

/// A column that may be NULL and is never negative.
pub(crate) fn natural_opt<T: TryFrom<i64>>(
    row: &Row,
    column: &str,
) -> Result<Option<T>, sqlx::Error> {
    row.try_get::<Option<i64>, _>(column)?
        .map(|value| T::try_from(value).map_err(|_| out_of_range(column)))
        .transpose()
}

/// A column whose text is one of the names of `T`.
pub(crate) fn named<T: std::str::FromStr>(row: &Row, column: &str) -> Result<T, sqlx::Error> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|_| out_of_range(column))
}

/// A column that holds JSON.
pub(crate) fn json<T: serde::de::DeserializeOwned>(
    row: &Row,
    column: &str,
) -> Result<T, sqlx::Error> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|error| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: error.into(),
    })
}

/// A column that holds JSON or NULL.
pub(crate) fn json_opt<T: serde::de::DeserializeOwned>(
    row: &Row,
    column: &str,
) -> Result<Option<T>, sqlx::Error> {
    match row.try_get::<Option<String>, _>(column)? {
        Some(_) => json(row, column).map(Some),
        None => Ok(None),
    }
}

/// A count or a revision as the store's integer.
pub(crate) fn integer(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(Error::internal)
}

fn out_of_range(column: &str) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: "a value that this version does not know".into(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
