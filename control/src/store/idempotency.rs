//! SQL of answers to repeat.

use sqlx::Row as _;

use super::{Conn, natural_opt};
use crate::error::Result;

/// What an idempotency key belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) api_key: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// The key, as the caller chose it.
    pub(crate) name: String,
}

/// What is known of a key.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) request_hash: String,
    /// `None` while the first request runs.
    pub(crate) status: Option<u16>,
    pub(crate) body: String,
}

/// What is known of the key, if anything.
pub(crate) async fn fetch(conn: &mut Conn, scope: &Scope) -> Result<Option<Known>> {
    let row = sqlx::query(
        "SELECT request_hash, status, body FROM idempotency_keys
         WHERE api_key = $1 AND method = $2 AND path = $3 AND name = $4",
    )
    .bind(&scope.api_key)
    .bind(&scope.method)
    .bind(&scope.path)
    .bind(&scope.name)
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Known {
        request_hash: row.try_get("request_hash")?,
        status: natural_opt(&row, "status")?,
        body: row.try_get("body")?,
    }))
}

/// Notes that a request with the key runs.
pub(crate) async fn begin(conn: &mut Conn, scope: &Scope, request_hash: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO idempotency_keys (api_key, method, path, name, request_hash, body, created_at)
         VALUES ($1, $2, $3, $4, $5, '', $6)",
    )
    .bind(&scope.api_key)
    .bind(&scope.method)
    .bind(&scope.path)
    .bind(&scope.name)
    .bind(request_hash)
    .bind(super::now())
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps the answer. `body` must hold no secret.
pub(crate) async fn finish(conn: &mut Conn, scope: &Scope, status: u16, body: &str) -> Result<()> {
    sqlx::query(
        "UPDATE idempotency_keys SET status = $5, body = $6
         WHERE api_key = $1 AND method = $2 AND path = $3 AND name = $4",
    )
    .bind(&scope.api_key)
    .bind(&scope.method)
    .bind(&scope.path)
    .bind(&scope.name)
    .bind(i64::from(status))
    .bind(body)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets a key whose request did nothing.
pub(crate) async fn forget(conn: &mut Conn, scope: &Scope) -> Result<()> {
    sqlx::query(
        "DELETE FROM idempotency_keys
         WHERE api_key = $1 AND method = $2 AND path = $3 AND name = $4",
    )
    .bind(&scope.api_key)
    .bind(&scope.method)
    .bind(&scope.path)
    .bind(&scope.name)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets the keys of requests that a crash cut off.
pub(crate) async fn forget_running(conn: &mut Conn) -> Result<()> {
    sqlx::query("DELETE FROM idempotency_keys WHERE status IS NULL")
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets answers from before `before`.
pub(crate) async fn prune(conn: &mut Conn, before: &str) -> Result<()> {
    sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1 AND status IS NOT NULL")
        .bind(before)
        .execute(conn)
        .await?;
    Ok(())
}
