//! SQL of the schemas of workspaces that have no ledger, as far as they are in the blueprint.

use super::{Conn, json};
use crate::blueprint::Snapshot;
use crate::error::{Error, Result};

/// What of a workspace's schema is in the blueprint. `None` before the workspace was made.
pub(crate) async fn fetch(conn: &mut Conn, blueprint: &str) -> Result<Option<Snapshot>> {
    let row = sqlx::query("SELECT body FROM workspace_snapshots WHERE blueprint = $1")
        .bind(blueprint)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| json(&row, "body")).transpose()?)
}

/// Replaces it.
pub(crate) async fn put(conn: &mut Conn, blueprint: &str, snapshot: &Snapshot) -> Result<()> {
    sqlx::query(
        "INSERT INTO workspace_snapshots (blueprint, body) VALUES ($1, $2)
         ON CONFLICT (blueprint) DO UPDATE SET body = excluded.body",
    )
    .bind(blueprint)
    .bind(serde_json::to_string(snapshot).map_err(Error::internal)?)
    .execute(conn)
    .await?;
    Ok(())
}
