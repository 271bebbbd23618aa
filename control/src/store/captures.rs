//! SQL of the inbox of captures.

use sqlx::Row as _;
use tenantsdb_codecs::feed::capture::Capture;
use time::OffsetDateTime;

use super::{Conn, json, parse_timestamp};
use crate::error::{Error, Result};

/// Takes a capture in; one whose id was taken before changes nothing.
pub(crate) async fn insert(conn: &mut Conn, blueprint: &str, capture: &Capture) -> Result<()> {
    sqlx::query(
        "INSERT INTO captures (id, blueprint, body, spent, received_at)
         VALUES ($1, $2, $3, FALSE, $4) ON CONFLICT DO NOTHING",
    )
    .bind(&capture.id)
    .bind(blueprint)
    .bind(serde_json::to_string(capture).map_err(Error::internal)?)
    .bind(super::now())
    .execute(conn)
    .await?;
    Ok(())
}

/// What no sealing has used yet, in the order of arrival.
pub(crate) async fn unspent(conn: &mut Conn, blueprint: &str) -> Result<Vec<Capture>> {
    let rows = sqlx::query(
        "SELECT body FROM captures WHERE blueprint = $1 AND NOT spent
         ORDER BY received_at, id",
    )
    .bind(blueprint)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| json(row, "body").map_err(Error::from))
        .collect()
}

/// The same, each with the moment of its arrival.
pub(crate) async fn received(
    conn: &mut Conn,
    blueprint: &str,
) -> Result<Vec<(Capture, OffsetDateTime)>> {
    let rows = sqlx::query(
        "SELECT body, received_at FROM captures WHERE blueprint = $1 AND NOT spent
         ORDER BY received_at, id",
    )
    .bind(blueprint)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let at: String = row.try_get("received_at")?;
            Ok((json(row, "body")?, parse_timestamp(&at)?))
        })
        .collect()
}

/// Leaves of a capture only what is still to be used.
pub(crate) async fn reduce(conn: &mut Conn, rest: &Capture) -> Result<()> {
    sqlx::query("UPDATE captures SET body = $2 WHERE id = $1 AND NOT spent")
        .bind(&rest.id)
        .bind(serde_json::to_string(rest).map_err(Error::internal)?)
        .execute(conn)
        .await?;
    Ok(())
}

/// Marks a capture as used. Its text is in the version now, if it took effect.
pub(crate) async fn spend(conn: &mut Conn, id: &str) -> Result<()> {
    sqlx::query("UPDATE captures SET spent = TRUE, body = '' WHERE id = $1")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets the ids of captures that were used before `before`: no proxy sends them again.
pub(crate) async fn prune(conn: &mut Conn, before: &str) -> Result<u64> {
    let done = sqlx::query("DELETE FROM captures WHERE spent AND received_at < $1")
        .bind(before)
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

/// How many wait to be used.
pub(crate) async fn waiting(conn: &mut Conn) -> Result<i64> {
    let row = sqlx::query("SELECT COUNT(*) AS n FROM captures WHERE NOT spent")
        .fetch_one(conn)
        .await?;
    Ok(row.try_get("n")?)
}
