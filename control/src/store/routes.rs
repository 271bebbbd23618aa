//! SQL of routes: what proxies are told, and at which revision.

use sqlx::{FromRow, Row as _};
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::Route;
use tenantsdb_codecs::feed::stream::LINE_BYTES_MAX;

use super::{Conn, Row, Write, integer, named, natural};
use crate::error::{Error, Result};

/// Room in a line of the feed for what stands around a route.
const ENVELOPE_BYTES: usize = 128;

/// One change of one route.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) rev: u64,
    pub(crate) engine: Engine,
    pub(crate) database: String,
    pub(crate) dropped: bool,
    /// The route as JSON; empty if it was dropped.
    pub(crate) body: String,
}

/// Where the revisions stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Revisions {
    pub(crate) newest: u64,
    /// Changes up to this one are no longer complete: tombstones were removed.
    pub(crate) floor: u64,
    /// Routes that are not dropped.
    pub(crate) routes: u64,
}

impl FromRow<'_, Row> for Change {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            rev: natural(row, "rev")?,
            engine: named(row, "engine")?,
            database: row.try_get("database")?,
            dropped: row.try_get("dropped")?,
            body: row.try_get("body")?,
        })
    }
}

/// Puts a route, whole, at the next revision.
pub(crate) async fn put(write: &mut Write<'_>, route: &Route) -> Result<u64> {
    let body = serde_json::to_string(route).map_err(Error::internal)?;
    if body.len() + ENVELOPE_BYTES > LINE_BYTES_MAX {
        return Err(Error::internal(format!(
            "the route of {} is too long",
            route.database
        )));
    }
    change(write, route.engine, &route.database, Some(&body)).await
}

/// Drops a route at the next revision; its tombstone stays for proxies that are behind.
pub(crate) async fn drop(write: &mut Write<'_>, engine: Engine, database: &str) -> Result<u64> {
    change(write, engine, database, None).await
}

async fn change(
    write: &mut Write<'_>,
    engine: Engine,
    database: &str,
    body: Option<&str>,
) -> Result<u64> {
    let rev = write.rev_next().await?;
    sqlx::query(
        "INSERT INTO routes (engine, database, rev, dropped, body, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (engine, database) DO UPDATE
         SET rev = excluded.rev, dropped = excluded.dropped, body = excluded.body,
             changed_at = excluded.changed_at",
    )
    .bind(engine.name())
    .bind(database)
    .bind(integer(rev)?)
    .bind(body.is_none())
    .bind(body.unwrap_or_default())
    .bind(super::now())
    .execute(&mut **write)
    .await?;
    Ok(rev)
}

/// Where the revisions stand.
pub(crate) async fn revisions(conn: &mut Conn) -> Result<Revisions> {
    let row = sqlx::query(
        "SELECT rev, rev_floor, (SELECT COUNT(*) FROM routes WHERE NOT dropped) AS routes
         FROM meta",
    )
    .fetch_one(conn)
    .await?;
    Ok(Revisions {
        newest: natural(&row, "rev")?,
        floor: natural(&row, "rev_floor")?,
        routes: natural(&row, "routes")?,
    })
}

/// Changes after revision `after`, oldest first. A route that changed twice is there once.
pub(crate) async fn since(conn: &mut Conn, after: u64, limit: u32) -> Result<Vec<Change>> {
    Ok(
        sqlx::query_as("SELECT * FROM routes WHERE rev > $1 ORDER BY rev LIMIT $2")
            .bind(integer(after)?)
            .bind(i64::from(limit))
            .fetch_all(conn)
            .await?,
    )
}

/// Routes that are not dropped, after revision `after`, in the order of revisions.
pub(crate) async fn live_since(conn: &mut Conn, after: u64, limit: u32) -> Result<Vec<Change>> {
    Ok(
        sqlx::query_as("SELECT * FROM routes WHERE rev > $1 AND NOT dropped ORDER BY rev LIMIT $2")
            .bind(integer(after)?)
            .bind(i64::from(limit))
            .fetch_all(conn)
            .await?,
    )
}

/// Removes tombstones from before `before` and raises the floor to the highest of them.
pub(crate) async fn compact(write: &mut Write<'_>, before: &str) -> Result<u64> {
    sqlx::query(
        "UPDATE meta SET rev_floor = COALESCE(
             (SELECT MAX(rev) FROM routes WHERE dropped AND changed_at < $1), rev_floor)",
    )
    .bind(before)
    .execute(&mut **write)
    .await?;
    let done = sqlx::query("DELETE FROM routes WHERE dropped AND changed_at < $1")
        .bind(before)
        .execute(&mut **write)
        .await?;
    Ok(done.rows_affected())
}
