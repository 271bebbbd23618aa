//! SQL of blueprints and their workspaces, and of the servers that have databases of a blueprint.

use sqlx::{FromRow, Row as _};
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::mysql::Flavour;

use super::{Conn, Row, named, natural};
use crate::error::Result;
use crate::name::flavour;

/// Where a database is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its row is there, the server may or may not have it.
    Creating,
    /// In use.
    Active,
    /// No client gets in any more; what is on the server is being removed.
    Deleting,
    /// It could not be made, nor cleaned up; the row says why.
    Failed,
}

/// A blueprint and its workspace.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    pub(crate) name: String,
    pub(crate) engine: Engine,
    /// Where the workspace is.
    pub(crate) server_id: String,
    /// Of the current version.
    pub(crate) ordinal: u32,
    pub(crate) stage: Stage,
    pub(crate) reason: String,
    pub(crate) created_at: String,
    /// Tenant databases made from it; counted, not stored.
    pub(crate) tenants: u64,
    /// What the workspace's keys begin with on Redis; joined, not stored here.
    pub(crate) prefix: Option<String>,
    /// The name of the workspace's server; joined, not stored here.
    pub(crate) server: String,
    /// The version of the workspace's server; joined, not stored here.
    pub(crate) server_version: String,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT b.*, s.name AS server, s.version AS server_version, n.prefix AS prefix,
                 (SELECT COUNT(*) FROM databases d WHERE d.blueprint = b.name) AS tenants
             FROM blueprints b JOIN servers s ON s.id = b.server_id
             LEFT JOIN redis_namespaces n ON n.database = b.name || '_dev' ",
            $rest
        )
    };
}

// === impl Stage ===

impl Stage {
    /// The name in the store and in answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Active => "active",
            Self::Deleting => "deleting",
            Self::Failed => "failed",
        }
    }
}

impl std::str::FromStr for Stage {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Creating, Self::Active, Self::Deleting, Self::Failed]
            .into_iter()
            .find(|stage| stage.as_str() == name)
            .ok_or(())
    }
}

// === impl Blueprint ===

impl Blueprint {
    /// Which of MySQL and MariaDB its workspace's server is; `None` for other engines.
    pub(crate) fn flavour(&self) -> Option<Flavour> {
        flavour(self.engine, &self.server_version)
    }
}

impl FromRow<'_, Row> for Blueprint {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: row.try_get("name")?,
            engine: named(row, "engine")?,
            server_id: row.try_get("server_id")?,
            ordinal: natural(row, "ordinal")?,
            stage: named(row, "status")?,
            reason: row.try_get("reason")?,
            created_at: row.try_get("created_at")?,
            tenants: natural(row, "tenants")?,
            prefix: super::namespaces::prefix(row)?,
            server: row.try_get("server")?,
            server_version: row.try_get("server_version")?,
        })
    }
}

/// Adds a blueprint at version 1.0, its workspace yet to be made.
pub(crate) async fn insert(
    conn: &mut Conn,
    name: &str,
    engine: Engine,
    server_id: &str,
) -> Result<()> {
    let now = super::now();
    sqlx::query(
        "INSERT INTO blueprints (name, engine, server_id, ordinal, status, created_at)
         VALUES ($1, $2, $3, 0, 'creating', $4)",
    )
    .bind(name)
    .bind(engine.name())
    .bind(server_id)
    .bind(&now)
    .execute(&mut *conn)
    .await?;
    super::versions::insert(conn, name, 0, &now).await
}

/// The blueprint of that name.
pub(crate) async fn fetch(conn: &mut Conn, name: &str) -> Result<Option<Blueprint>> {
    Ok(sqlx::query_as(select!("WHERE b.name = $1"))
        .bind(name)
        .fetch_optional(conn)
        .await?)
}

/// Blueprints behind `after` in the order of names.
pub(crate) async fn list(conn: &mut Conn, after: &str, limit: u32) -> Result<Vec<Blueprint>> {
    Ok(
        sqlx::query_as(select!("WHERE b.name > $1 ORDER BY b.name LIMIT $2"))
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(conn)
            .await?,
    )
}

/// Blueprints at a stage.
pub(crate) async fn at_stage(conn: &mut Conn, stage: Stage) -> Result<Vec<Blueprint>> {
    Ok(
        sqlx::query_as(select!("WHERE b.status = $1 ORDER BY b.name"))
            .bind(stage.as_str())
            .fetch_all(conn)
            .await?,
    )
}

/// Moves a blueprint to another stage.
pub(crate) async fn stage_set(
    conn: &mut Conn,
    name: &str,
    stage: Stage,
    reason: &str,
) -> Result<()> {
    sqlx::query("UPDATE blueprints SET status = $2, reason = $3 WHERE name = $1")
        .bind(name)
        .bind(stage.as_str())
        .bind(reason)
        .execute(conn)
        .await?;
    Ok(())
}

/// Sets the current version.
pub(crate) async fn ordinal_set(conn: &mut Conn, name: &str, ordinal: u32) -> Result<()> {
    sqlx::query("UPDATE blueprints SET ordinal = $2 WHERE name = $1")
        .bind(name)
        .bind(i64::from(ordinal))
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets a blueprint, its versions, captures and deployments.
pub(crate) async fn delete(conn: &mut Conn, name: &str) -> Result<()> {
    for sql in [
        "DELETE FROM deployment_targets
         WHERE deployment IN (SELECT id FROM deployments WHERE blueprint = $1)",
        "DELETE FROM deployments WHERE blueprint = $1",
        "DELETE FROM captures WHERE blueprint = $1",
        "DELETE FROM sealed_transactions WHERE blueprint = $1",
        "DELETE FROM workspace_snapshots WHERE blueprint = $1",
        "DELETE FROM redis_settings WHERE blueprint = $1",
        "DELETE FROM redis_namespaces WHERE blueprint = $1",
        "DELETE FROM statements WHERE blueprint = $1",
        "DELETE FROM versions WHERE blueprint = $1",
        "DELETE FROM blueprint_servers WHERE blueprint = $1",
        "DELETE FROM blueprints WHERE name = $1",
    ] {
        sqlx::query(sql).bind(name).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Whether a server has, or may have, the blueprint's roles.
pub(crate) async fn server_known(
    conn: &mut Conn,
    blueprint: &str,
    server_id: &str,
) -> Result<bool> {
    let row =
        sqlx::query("SELECT 1 FROM blueprint_servers WHERE blueprint = $1 AND server_id = $2")
            .bind(blueprint)
            .bind(server_id)
            .fetch_optional(conn)
            .await?;
    Ok(row.is_some())
}

/// Records that a server is to have the blueprint's roles.
pub(crate) async fn server_insert(conn: &mut Conn, blueprint: &str, server_id: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO blueprint_servers (blueprint, server_id)
         VALUES ($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind(blueprint)
    .bind(server_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// The servers that have, or may have, the blueprint's roles.
pub(crate) async fn server_ids(conn: &mut Conn, blueprint: &str) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "SELECT server_id FROM blueprint_servers WHERE blueprint = $1 ORDER BY server_id",
    )
    .bind(blueprint)
    .fetch_all(conn)
    .await?)
}
