//! SQL of Redis namespaces: what the keys of a database begin with, and on which server.

use sqlx::{FromRow, Row as _};
use tenantsdb_codecs::feed::id::Engine;

use super::{Conn, Row, json_opt};
use crate::blueprint::Settings;
use crate::error::Result;
use crate::provision::Account;

/// Where the keys of a workspace or a tenant are.
#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    pub(crate) database: String,
    pub(crate) server_id: String,
    /// `None` where the whole server is its own.
    pub(crate) prefix: Option<String>,
}

impl FromRow<'_, Row> for Namespace {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            database: row.try_get("database")?,
            server_id: row.try_get("server_id")?,
            prefix: prefix(row)?,
        })
    }
}

/// The store has no prefix as the empty one, so that one database has a whole server.
pub(super) fn prefix(row: &Row) -> Result<Option<String>, sqlx::Error> {
    let prefix: Option<String> = row.try_get("prefix")?;
    Ok(prefix.filter(|prefix| !prefix.is_empty()))
}

/// Adds a namespace. A prefix that is taken on the server is an error.
pub(crate) async fn insert(conn: &mut Conn, namespace: &Namespace, blueprint: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO redis_namespaces (database, blueprint, server_id, prefix)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(&namespace.database)
    .bind(blueprint)
    .bind(&namespace.server_id)
    .bind(namespace.prefix.as_deref().unwrap_or_default())
    .execute(conn)
    .await?;
    Ok(())
}

/// The namespace of a database; `None` also for what is not on Redis.
pub(crate) async fn fetch(conn: &mut Conn, database: &str) -> Result<Option<Namespace>> {
    Ok(
        sqlx::query_as("SELECT * FROM redis_namespaces WHERE database = $1")
            .bind(database)
            .fetch_optional(conn)
            .await?,
    )
}

/// Whether a prefix is taken on a server; none: whether anything is on it.
pub(crate) async fn is_taken(
    conn: &mut Conn,
    server_id: &str,
    prefix: Option<&str>,
) -> Result<bool> {
    let row = sqlx::query(
        "SELECT 1 FROM redis_namespaces
         WHERE server_id = $1 AND ($2 IS NULL OR prefix = $2 OR prefix = '') LIMIT 1",
    )
    .bind(server_id)
    .bind(prefix)
    .fetch_optional(conn)
    .await?;
    Ok(row.is_some())
}

/// The databases that have a namespace on a server.
pub(crate) async fn databases_on(conn: &mut Conn, server_id: &str) -> Result<Vec<String>> {
    Ok(
        sqlx::query_scalar("SELECT database FROM redis_namespaces WHERE server_id = $1")
            .bind(server_id)
            .fetch_all(conn)
            .await?,
    )
}

/// Forgets a namespace: its keys are gone.
pub(crate) async fn delete(conn: &mut Conn, database: &str) -> Result<()> {
    sqlx::query("DELETE FROM redis_namespaces WHERE database = $1")
        .bind(database)
        .execute(conn)
        .await?;
    Ok(())
}

macro_rules! select_accounts {
    ($rest:literal) => {
        concat!(
            "SELECT n.database, n.prefix, l.verifier, s.body,
                    COALESCE(t.status, '') <> 'suspended' AS open
             FROM redis_namespaces n
             JOIN logins l ON l.engine = $1 AND l.database = n.database
             JOIN blueprints b ON b.name = n.blueprint
             LEFT JOIN databases d ON d.engine = $1 AND d.name = n.database
             LEFT JOIN tenants t ON t.name = d.tenant
             LEFT JOIN redis_settings s ON s.blueprint = n.blueprint
                 AND s.ordinal = COALESCE(d.ordinal, b.ordinal)
             WHERE COALESCE(d.status, b.status) IN ('creating', 'active') ",
            $rest
        )
    };
}

fn account(row: &Row) -> Result<Account> {
    let settings: Option<Settings> = json_opt(row, "body")?;
    Ok(Account {
        database: row.try_get("database")?,
        verifier: row.try_get("verifier")?,
        open: row.try_get("open")?,
        prefix: prefix(row)?,
        commands: settings.unwrap_or_default().commands,
    })
}

/// What the account of a database is to be; `None` if it is being removed.
pub(crate) async fn account_fetch(conn: &mut Conn, database: &str) -> Result<Option<Account>> {
    let row = sqlx::query(select_accounts!("AND n.database = $2"))
        .bind(Engine::Redis.name())
        .bind(database)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(account).transpose()
}

/// What the accounts on a server are to be, behind `after` in the order of names.
pub(crate) async fn account_list(
    conn: &mut Conn,
    server_id: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<Account>> {
    let rows = sqlx::query(select_accounts!(
        "AND n.server_id = $2 AND n.database > $3 ORDER BY n.database LIMIT $4"
    ))
    .bind(Engine::Redis.name())
    .bind(server_id)
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?;
    rows.iter().map(account).collect()
}
