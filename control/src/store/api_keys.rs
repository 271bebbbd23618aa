//! SQL of API keys.

use sqlx::{FromRow, Row as _};

use super::{Conn, Row};
use crate::error::Result;

/// A key that callers of the REST API show. Only its hash is kept.
#[derive(Clone, Debug)]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) hash: String,
    pub(crate) created_at: String,
    pub(crate) last_used_at: Option<String>,
}

impl FromRow<'_, Row> for ApiKey {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            hash: row.try_get("hash")?,
            created_at: row.try_get("created_at")?,
            last_used_at: row.try_get("last_used_at")?,
        })
    }
}

/// Adds a key.
pub(crate) async fn insert(conn: &mut Conn, key: &ApiKey) -> Result<()> {
    sqlx::query("INSERT INTO api_keys (id, name, hash, created_at) VALUES ($1, $2, $3, $4)")
        .bind(&key.id)
        .bind(&key.name)
        .bind(&key.hash)
        .bind(&key.created_at)
        .execute(conn)
        .await?;
    Ok(())
}

/// The key of that id.
pub(crate) async fn fetch(conn: &mut Conn, id: &str) -> Result<Option<ApiKey>> {
    Ok(sqlx::query_as("SELECT * FROM api_keys WHERE id = $1")
        .bind(id)
        .fetch_optional(conn)
        .await?)
}

/// Keys behind `after` in the order of ids.
pub(crate) async fn list(conn: &mut Conn, after: &str, limit: u32) -> Result<Vec<ApiKey>> {
    Ok(
        sqlx::query_as("SELECT * FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(conn)
            .await?,
    )
}

/// How many keys there are.
pub(crate) async fn count(conn: &mut Conn) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT COUNT(*) FROM api_keys")
        .fetch_one(conn)
        .await?)
}

/// Notes when a key was used last.
pub(crate) async fn used(conn: &mut Conn, id: &str, at: &str) -> Result<()> {
    sqlx::query("UPDATE api_keys SET last_used_at = $2 WHERE id = $1")
        .bind(id)
        .bind(at)
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes a key; says whether there was one.
pub(crate) async fn delete(conn: &mut Conn, id: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM api_keys WHERE id = $1")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}
