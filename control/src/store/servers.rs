//! SQL of database servers.

use std::collections::BTreeMap;

use sqlx::{FromRow, Row as _};
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::{Mongo, Server as RouteServer, ServerTls};
use tenantsdb_codecs::mysql::Flavour;

use super::{Conn, Row, json, json_opt, named, natural, natural_opt};
use crate::error::{Error, Result};
use crate::name::flavour;

/// Whom a server is for.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Databases of several tenants.
    #[default]
    Shared,
    /// One tenant's, whole. Redis only.
    Dedicated,
}

// === impl Mode ===

impl Mode {
    /// The name in the store and in answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Dedicated => "dedicated",
        }
    }
}

impl std::str::FromStr for Mode {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Shared, Self::Dedicated]
            .into_iter()
            .find(|mode| mode.as_str() == name)
            .ok_or(())
    }
}

/// A registered database server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) engine: Engine,
    pub(crate) addr: String,
    pub(crate) tls: ServerTls,
    pub(crate) username: String,
    /// Sealed for `id`.
    pub(crate) password: String,
    pub(crate) mode: Mode,
    pub(crate) labels: BTreeMap<String, String>,
    /// How many databases may be placed here; `None`: no bound.
    pub(crate) capacity: Option<u32>,
    pub(crate) version: String,
    /// What it says of itself in its hello; MongoDB only.
    pub(crate) mongo: Option<Mongo>,
    pub(crate) created_at: String,
    /// Tenant databases here; counted, not stored.
    pub(crate) databases: u64,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT s.*, (SELECT COUNT(*) FROM databases d WHERE d.server_id = s.id) AS databases
             FROM servers s ",
            $rest
        )
    };
}

impl Server {
    /// Which of MySQL and MariaDB it is; `None` for other engines.
    pub(crate) fn flavour(&self) -> Option<Flavour> {
        flavour(self.engine, &self.version)
    }

    /// What a proxy needs to know of it.
    pub(crate) fn route(&self) -> RouteServer {
        RouteServer {
            id: self.id.clone(),
            addr: self.addr.clone(),
            tls: self.tls,
            version: (self.engine != Engine::Postgres).then(|| self.version.clone()),
            mongo: self.mongo,
        }
    }
}

impl FromRow<'_, Row> for Server {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            engine: named(row, "engine")?,
            addr: row.try_get("addr")?,
            tls: json(row, "tls")?,
            username: row.try_get("username")?,
            password: row.try_get("password")?,
            mode: named(row, "mode")?,
            labels: json(row, "labels")?,
            capacity: natural_opt(row, "capacity")?,
            version: row.try_get("version")?,
            mongo: json_opt(row, "mongo")?,
            created_at: row.try_get("created_at")?,
            databases: natural(row, "databases")?,
        })
    }
}

/// Adds a server.
pub(crate) async fn insert(conn: &mut Conn, server: &Server) -> Result<()> {
    let mongo = server.mongo.as_ref().map(serde_json::to_string);
    let mongo = mongo.transpose().map_err(Error::internal)?;
    sqlx::query(
        "INSERT INTO servers (id, name, engine, addr, tls, username, password, mode, labels,
                              capacity, version, created_at, mongo)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(&server.id)
    .bind(&server.name)
    .bind(server.engine.name())
    .bind(&server.addr)
    .bind(serde_json::to_string(&server.tls).map_err(Error::internal)?)
    .bind(&server.username)
    .bind(&server.password)
    .bind(server.mode.as_str())
    .bind(serde_json::to_string(&server.labels).map_err(Error::internal)?)
    .bind(server.capacity.map(i64::from))
    .bind(&server.version)
    .bind(&server.created_at)
    .bind(mongo)
    .execute(conn)
    .await?;
    Ok(())
}

/// The server of that id or name; an id goes before a name.
pub(crate) async fn fetch(conn: &mut Conn, id_or_name: &str) -> Result<Option<Server>> {
    let sql = select!("WHERE s.id = $1 OR s.name = $1 ORDER BY s.id = $1 DESC LIMIT 1");
    Ok(sqlx::query_as(sql)
        .bind(id_or_name)
        .fetch_optional(conn)
        .await?)
}

/// The server of that id, which another row names.
pub(crate) async fn of_id(conn: &mut Conn, id: &str) -> Result<Server> {
    fetch(conn, id)
        .await?
        .ok_or_else(|| Error::not_found("server", id))
}

/// The server at that address.
pub(crate) async fn at_address(
    conn: &mut Conn,
    engine: Engine,
    addr: &str,
) -> Result<Option<Server>> {
    let sql = select!("WHERE s.engine = $1 AND s.addr = $2");
    Ok(sqlx::query_as(sql)
        .bind(engine.name())
        .bind(addr)
        .fetch_optional(conn)
        .await?)
}

/// Servers behind `after` in the order of names.
pub(crate) async fn list(conn: &mut Conn, after: &str, limit: u32) -> Result<Vec<Server>> {
    let sql = select!("WHERE s.name > $1 ORDER BY s.name LIMIT $2");
    Ok(sqlx::query_as(sql)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?)
}

/// The servers of the engine that databases share and that have room, those with most of it first.
pub(crate) async fn with_room(conn: &mut Conn, engine: Engine) -> Result<Vec<Server>> {
    let sql = select!(
        "WHERE s.engine = $1 AND s.mode = 'shared' AND (s.capacity IS NULL OR s.capacity >
             (SELECT COUNT(*) FROM databases d WHERE d.server_id = s.id))
         ORDER BY COALESCE(s.capacity, 1000000000)
             - (SELECT COUNT(*) FROM databases d WHERE d.server_id = s.id) DESC, s.id"
    );
    Ok(sqlx::query_as(sql)
        .bind(engine.name())
        .fetch_all(conn)
        .await?)
}

/// The servers of the engine that are for one database each and have none, in the order of names.
pub(crate) async fn dedicated_free(conn: &mut Conn, engine: Engine) -> Result<Vec<Server>> {
    let sql = select!(
        "WHERE s.engine = $1 AND s.mode = 'dedicated' AND NOT EXISTS
             (SELECT 1 FROM redis_namespaces n WHERE n.server_id = s.id)
         ORDER BY s.name"
    );
    Ok(sqlx::query_as(sql)
        .bind(engine.name())
        .fetch_all(conn)
        .await?)
}

/// All servers of an engine.
pub(crate) async fn of_engine(conn: &mut Conn, engine: Engine) -> Result<Vec<Server>> {
    Ok(sqlx::query_as(select!("WHERE s.engine = $1 ORDER BY s.id"))
        .bind(engine.name())
        .fetch_all(conn)
        .await?)
}

/// Whether anything is placed on the server.
pub(crate) async fn in_use(conn: &mut Conn, id: &str) -> Result<bool> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM databases WHERE server_id = $1)
              + (SELECT COUNT(*) FROM blueprints WHERE server_id = $1)
              + (SELECT COUNT(*) FROM blueprint_servers WHERE server_id = $1) AS uses",
    )
    .bind(id)
    .fetch_one(conn)
    .await?;
    Ok(row.try_get::<i64, _>("uses")? > 0)
}

/// Forgets a server.
pub(crate) async fn delete(conn: &mut Conn, id: &str) -> Result<()> {
    sqlx::query("DELETE FROM servers WHERE id = $1")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}
