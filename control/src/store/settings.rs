//! SQL of the settings of Redis blueprints.

use super::{Conn, json};
use crate::blueprint::Settings;
use crate::error::{Error, Result};

/// Adds the settings of a version.
pub(crate) async fn insert(
    conn: &mut Conn,
    blueprint: &str,
    ordinal: u32,
    settings: &Settings,
) -> Result<()> {
    sqlx::query("INSERT INTO redis_settings (blueprint, ordinal, body) VALUES ($1, $2, $3)")
        .bind(blueprint)
        .bind(i64::from(ordinal))
        .bind(serde_json::to_string(settings).map_err(Error::internal)?)
        .execute(conn)
        .await?;
    Ok(())
}

/// The settings of a version; the defaults where nothing was set.
pub(crate) async fn fetch(conn: &mut Conn, blueprint: &str, ordinal: u32) -> Result<Settings> {
    let row = sqlx::query("SELECT body FROM redis_settings WHERE blueprint = $1 AND ordinal = $2")
        .bind(blueprint)
        .bind(i64::from(ordinal))
        .fetch_optional(conn)
        .await?;
    Ok(row
        .map(|row| json(&row, "body"))
        .transpose()?
        .unwrap_or_default())
}
