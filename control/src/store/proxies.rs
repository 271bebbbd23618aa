//! SQL of proxies and of the tokens they show.

use sqlx::{FromRow, Row as _};

use super::{Conn, Row, integer, natural};
use crate::error::Result;

/// What a proxy acknowledged last.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) id: String,
    pub(crate) acked_rev: u64,
    pub(crate) last_ack_at: String,
}

impl FromRow<'_, Row> for Proxy {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            acked_rev: natural(row, "acked_rev")?,
            last_ack_at: row.try_get("last_ack_at")?,
        })
    }
}

/// Notes what a proxy acknowledged.
pub(crate) async fn put(conn: &mut Conn, proxy: &Proxy) -> Result<()> {
    sqlx::query(
        "INSERT INTO proxies (id, acked_rev, last_ack_at) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE
         SET acked_rev = excluded.acked_rev, last_ack_at = excluded.last_ack_at",
    )
    .bind(&proxy.id)
    .bind(integer(proxy.acked_rev)?)
    .bind(&proxy.last_ack_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Every proxy that was ever seen and not forgotten.
pub(crate) async fn all(conn: &mut Conn) -> Result<Vec<Proxy>> {
    Ok(sqlx::query_as("SELECT * FROM proxies ORDER BY id")
        .fetch_all(conn)
        .await?)
}

/// Forgets proxies that were not seen since `before`.
pub(crate) async fn prune(conn: &mut Conn, before: &str) -> Result<()> {
    sqlx::query("DELETE FROM proxies WHERE last_ack_at < $1")
        .bind(before)
        .execute(conn)
        .await?;
    Ok(())
}

/// Adds a token that proxies may show.
pub(crate) async fn token_insert(conn: &mut Conn, id: &str, hash: &str) -> Result<()> {
    sqlx::query("INSERT INTO proxy_tokens (id, hash, created_at) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(hash)
        .bind(super::now())
        .execute(conn)
        .await?;
    Ok(())
}

/// The hash of the token of that id.
pub(crate) async fn token_hash(conn: &mut Conn, id: &str) -> Result<Option<String>> {
    Ok(
        sqlx::query_scalar("SELECT hash FROM proxy_tokens WHERE id = $1")
            .bind(id)
            .fetch_optional(conn)
            .await?,
    )
}
