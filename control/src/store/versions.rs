//! SQL of a blueprint's versions, their statements, and the transactions they were made of.

use sqlx::Row as _;

use super::{Conn, Row, named, natural, parse_timestamp, timestamp};
use crate::blueprint::{Statement, Version};
use crate::error::Result;

/// A version and when it was made.
#[derive(Clone, Debug)]
pub(crate) struct Dated {
    pub(crate) version: Version,
    pub(crate) created_at: String,
}

/// Adds a version.
pub(crate) async fn insert(
    conn: &mut Conn,
    blueprint: &str,
    ordinal: u32,
    created_at: &str,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO versions (blueprint, ordinal, verified, created_at)
         VALUES ($1, $2, FALSE, $3)",
    )
    .bind(blueprint)
    .bind(i64::from(ordinal))
    .bind(created_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds the statement at `place` (from 1) of a version.
pub(crate) async fn statement_insert(
    conn: &mut Conn,
    blueprint: &str,
    ordinal: u32,
    place: u32,
    statement: &Statement,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO statements (blueprint, ordinal, place, ddl, tag, search_path, deploy,
                                 origin, captured_at, username, application_name)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(blueprint)
    .bind(i64::from(ordinal))
    .bind(i64::from(place))
    .bind(&statement.ddl)
    .bind(&statement.tag)
    .bind(&statement.search_path)
    .bind(statement.deploy)
    .bind(statement.origin.as_str())
    .bind(timestamp(statement.captured_at))
    .bind(&statement.user)
    .bind(&statement.application_name)
    .execute(conn)
    .await?;
    Ok(())
}

/// Versions with ordinals in `after..=last`, whole, at most `limit`. Without gaps.
pub(crate) async fn list(
    conn: &mut Conn,
    blueprint: &str,
    (after, last): (Option<u32>, u32),
    limit: u32,
) -> Result<Vec<Dated>> {
    let after = after.map_or(-1, i64::from);
    let heads = sqlx::query(
        "SELECT ordinal, created_at FROM versions
         WHERE blueprint = $1 AND ordinal > $2 AND ordinal <= $3 ORDER BY ordinal LIMIT $4",
    )
    .bind(blueprint)
    .bind(after)
    .bind(i64::from(last))
    .bind(i64::from(limit))
    .fetch_all(&mut *conn)
    .await?;
    let mut versions = Vec::with_capacity(heads.len());
    for head in heads {
        versions.push(Dated {
            version: Version {
                ordinal: natural(&head, "ordinal")?,
                statements: Vec::new(),
            },
            created_at: head.try_get("created_at")?,
        });
    }
    let Some(newest) = versions.last().map(|dated| dated.version.ordinal) else {
        return Ok(versions);
    };
    let rows = sqlx::query(
        "SELECT * FROM statements WHERE blueprint = $1 AND ordinal > $2 AND ordinal <= $3
         ORDER BY ordinal, place",
    )
    .bind(blueprint)
    .bind(after)
    .bind(i64::from(newest))
    .fetch_all(conn)
    .await?;
    for row in rows {
        let ordinal: u32 = natural(&row, "ordinal")?;
        let found = versions.binary_search_by_key(&ordinal, |dated| dated.version.ordinal);
        if let Some(dated) = found.ok().and_then(|at| versions.get_mut(at)) {
            dated.version.statements.push(statement(&row)?);
        }
    }
    Ok(versions)
}

/// Versions 1.1 to 1.`last`, as replay takes them.
pub(crate) async fn up_to(conn: &mut Conn, blueprint: &str, last: u32) -> Result<Vec<Version>> {
    let dated = list(conn, blueprint, (Some(0), last), u32::MAX).await?;
    Ok(dated.into_iter().map(|dated| dated.version).collect())
}

fn statement(row: &Row) -> Result<Statement> {
    Ok(Statement {
        ddl: row.try_get("ddl")?,
        tag: row.try_get("tag")?,
        search_path: row.try_get("search_path")?,
        deploy: row.try_get("deploy")?,
        origin: named(row, "origin")?,
        captured_at: parse_timestamp(&row.try_get::<String, _>("captured_at")?)?,
        user: row.try_get("username")?,
        application_name: row.try_get("application_name")?,
        context: None,
        probe: None,
    })
}

/// Whether replaying up to this version was seen to give the workspace's schema.
pub(crate) async fn verified(conn: &mut Conn, blueprint: &str, ordinal: u32) -> Result<bool> {
    let row = sqlx::query("SELECT verified FROM versions WHERE blueprint = $1 AND ordinal = $2")
        .bind(blueprint)
        .bind(i64::from(ordinal))
        .fetch_optional(conn)
        .await?;
    Ok(row
        .map(|row| row.try_get("verified"))
        .transpose()?
        .unwrap_or(false))
}

/// Whether that was seen for this version or a later one: replaying to a later one goes through it.
pub(crate) async fn verified_from(conn: &mut Conn, blueprint: &str, ordinal: u32) -> Result<bool> {
    let row = sqlx::query(
        "SELECT 1 FROM versions WHERE blueprint = $1 AND ordinal >= $2 AND verified LIMIT 1",
    )
    .bind(blueprint)
    .bind(i64::from(ordinal))
    .fetch_optional(conn)
    .await?;
    Ok(row.is_some())
}

/// Remembers that it was.
pub(crate) async fn verified_set(conn: &mut Conn, blueprint: &str, ordinal: u32) -> Result<()> {
    sqlx::query("UPDATE versions SET verified = TRUE WHERE blueprint = $1 AND ordinal = $2")
        .bind(blueprint)
        .bind(i64::from(ordinal))
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether a transaction of the workspace is in the blueprint already.
pub(crate) async fn is_sealed(conn: &mut Conn, blueprint: &str, xid: &str) -> Result<bool> {
    let row = sqlx::query("SELECT 1 FROM sealed_transactions WHERE blueprint = $1 AND xid = $2")
        .bind(blueprint)
        .bind(xid)
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// Records that a transaction of the workspace made version `ordinal`, or none.
pub(crate) async fn seal(
    conn: &mut Conn,
    blueprint: &str,
    xid: &str,
    ordinal: Option<u32>,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO sealed_transactions (blueprint, xid, ordinal, sealed_at)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(blueprint)
    .bind(xid)
    .bind(ordinal.map(i64::from))
    .bind(super::now())
    .execute(conn)
    .await?;
    Ok(())
}
