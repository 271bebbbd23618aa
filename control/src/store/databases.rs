//! SQL of tenants' databases.

use sqlx::{FromRow, Row as _};
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::PoolMode;

use super::blueprints::Stage;
use super::{Conn, Row, named, natural};
use crate::error::Result;

/// A tenant's database of one blueprint.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) engine: Engine,
    pub(crate) name: String,
    pub(crate) tenant: String,
    pub(crate) blueprint: String,
    pub(crate) server_id: String,
    /// Of the version that it has.
    pub(crate) ordinal: u32,
    pub(crate) stage: Stage,
    pub(crate) reason: String,
    pub(crate) allow_ddl: bool,
    /// MySQL only.
    pub(crate) allow_truncate: bool,
    /// MySQL only.
    pub(crate) allow_local_infile: bool,
    /// MongoDB only.
    pub(crate) pool_mode: PoolMode,
    pub(crate) created_at: String,
    /// What its keys begin with, on a Redis server that it shares; joined, not stored here.
    pub(crate) prefix: Option<String>,
    /// The server's name; joined, not stored here.
    pub(crate) server: String,
    /// The server's version; joined, not stored here.
    pub(crate) server_version: String,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT d.*, s.name AS server, s.version AS server_version, n.prefix AS prefix
             FROM databases d JOIN servers s ON s.id = d.server_id
             LEFT JOIN redis_namespaces n ON n.database = d.name ",
            $rest
        )
    };
}

// === impl Database ===

impl FromRow<'_, Row> for Database {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            engine: named(row, "engine")?,
            name: row.try_get("name")?,
            tenant: row.try_get("tenant")?,
            blueprint: row.try_get("blueprint")?,
            server_id: row.try_get("server_id")?,
            ordinal: natural(row, "ordinal")?,
            stage: named(row, "status")?,
            reason: row.try_get("reason")?,
            allow_ddl: row.try_get("allow_ddl")?,
            allow_truncate: row.try_get("allow_truncate")?,
            allow_local_infile: row.try_get("allow_local_infile")?,
            pool_mode: named(row, "pool_mode")?,
            created_at: row.try_get("created_at")?,
            prefix: super::namespaces::prefix(row)?,
            server: row.try_get("server")?,
            server_version: row.try_get("server_version")?,
        })
    }
}

/// Adds a database.
pub(crate) async fn insert(conn: &mut Conn, database: &Database) -> Result<()> {
    sqlx::query(
        "INSERT INTO databases (engine, name, tenant, blueprint, server_id, ordinal, status,
                                reason, allow_ddl, created_at, allow_truncate,
                                allow_local_infile, ordinal_begun, pool_mode)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $6, $13)",
    )
    .bind(database.engine.name())
    .bind(&database.name)
    .bind(&database.tenant)
    .bind(&database.blueprint)
    .bind(&database.server_id)
    .bind(i64::from(database.ordinal))
    .bind(database.stage.as_str())
    .bind(&database.reason)
    .bind(database.allow_ddl)
    .bind(&database.created_at)
    .bind(database.allow_truncate)
    .bind(database.allow_local_infile)
    .bind(database.pool_mode.name())
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets when a database's server connections are given back.
pub(crate) async fn pool_mode_set(conn: &mut Conn, database: &Database) -> Result<()> {
    sqlx::query("UPDATE databases SET pool_mode = $1 WHERE engine = $2 AND name = $3")
        .bind(database.pool_mode.name())
        .bind(database.engine.name())
        .bind(&database.name)
        .execute(conn)
        .await?;
    Ok(())
}

/// The database of that name.
pub(crate) async fn fetch(conn: &mut Conn, name: &str) -> Result<Option<Database>> {
    Ok(sqlx::query_as(select!("WHERE d.name = $1"))
        .bind(name)
        .fetch_optional(conn)
        .await?)
}

/// The databases of a tenant, by blueprint.
pub(crate) async fn of_tenant(conn: &mut Conn, tenant: &str) -> Result<Vec<Database>> {
    Ok(
        sqlx::query_as(select!("WHERE d.tenant = $1 ORDER BY d.blueprint"))
            .bind(tenant)
            .fetch_all(conn)
            .await?,
    )
}

/// The databases at a stage.
pub(crate) async fn at_stage(conn: &mut Conn, stage: Stage) -> Result<Vec<Database>> {
    Ok(
        sqlx::query_as(select!("WHERE d.status = $1 ORDER BY d.name"))
            .bind(stage.as_str())
            .fetch_all(conn)
            .await?,
    )
}

/// The lowest version that a live database of the blueprint has; `None` without any.
pub(crate) async fn ordinal_min(conn: &mut Conn, blueprint: &str) -> Result<Option<u32>> {
    let row = sqlx::query(
        "SELECT MIN(ordinal) AS ordinal FROM databases
         WHERE blueprint = $1 AND status = 'active'",
    )
    .bind(blueprint)
    .fetch_one(conn)
    .await?;
    Ok(super::natural_opt(&row, "ordinal")?)
}

/// The highest version that a deployment of the blueprint, unfinished at `since` or begun later,
/// goes to.
pub(crate) async fn deployment_target(
    conn: &mut Conn,
    blueprint: &str,
    since: &str,
) -> Result<Option<u32>> {
    let row = sqlx::query(
        "SELECT MAX(ordinal) AS ordinal FROM deployments
         WHERE blueprint = $1 AND reason = '' AND (finished_at IS NULL OR finished_at >= $2)",
    )
    .bind(blueprint)
    .bind(since)
    .fetch_one(conn)
    .await?;
    Ok(super::natural_opt(&row, "ordinal")?)
}

/// Moves a database to another stage.
pub(crate) async fn stage_set(
    conn: &mut Conn,
    database: &Database,
    stage: Stage,
    reason: &str,
) -> Result<()> {
    sqlx::query("UPDATE databases SET status = $3, reason = $4 WHERE engine = $1 AND name = $2")
        .bind(database.engine.name())
        .bind(&database.name)
        .bind(stage.as_str())
        .bind(reason)
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes the version that a database has now.
pub(crate) async fn ordinal_set(
    conn: &mut Conn,
    engine: Engine,
    name: &str,
    ordinal: u32,
) -> Result<()> {
    sqlx::query("UPDATE databases SET ordinal = $3 WHERE engine = $1 AND name = $2")
        .bind(engine.name())
        .bind(name)
        .bind(i64::from(ordinal))
        .execute(&mut *conn)
        .await?;
    begun_raise(conn, engine, name, ordinal).await
}

/// Notes that statements of versions up to `ordinal` may be begun in a database from now on. To be
/// committed before the first of them is.
pub(crate) async fn begun_raise(
    conn: &mut Conn,
    engine: Engine,
    name: &str,
    ordinal: u32,
) -> Result<()> {
    sqlx::query(
        "UPDATE databases SET ordinal_begun = $3
         WHERE engine = $1 AND name = $2 AND ordinal_begun < $3",
    )
    .bind(engine.name())
    .bind(name)
    .bind(i64::from(ordinal))
    .execute(conn)
    .await?;
    Ok(())
}

/// The version that a database is known to have, and the highest of which a statement may have been
/// begun in it.
pub(crate) async fn ordinals(
    conn: &mut Conn,
    engine: Engine,
    name: &str,
) -> Result<Option<(u32, u32)>> {
    let row =
        sqlx::query("SELECT ordinal, ordinal_begun FROM databases WHERE engine = $1 AND name = $2")
            .bind(engine.name())
            .bind(name)
            .fetch_optional(conn)
            .await?;
    row.map(|row| Ok((natural(&row, "ordinal")?, natural(&row, "ordinal_begun")?)))
        .transpose()
}

/// Forgets a database, its logins and its namespace.
pub(crate) async fn delete(conn: &mut Conn, engine: Engine, name: &str) -> Result<()> {
    super::logins::delete(conn, engine, name).await?;
    if engine == Engine::Redis {
        super::namespaces::delete(conn, name).await?;
    }
    sqlx::query("DELETE FROM databases WHERE engine = $1 AND name = $2")
        .bind(engine.name())
        .bind(name)
        .execute(conn)
        .await?;
    Ok(())
}
