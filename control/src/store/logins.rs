//! SQL of logins: verifiers, never passwords.

use std::fmt;

use sqlx::{FromRow, Row as _};
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::Login as RouteLogin;
use tenantsdb_codecs::mysql::account_name;

use super::{Conn, Row, named, natural};
use crate::error::Result;

/// Who may log in to one database.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) engine: Engine,
    pub(crate) database: String,
    pub(crate) username: String,
    pub(crate) verifier: String,
    pub(crate) generation: u64,
    /// Whether the server has been told what this row (and the tenant's status) says.
    pub(crate) applied: bool,
}

impl Login {
    /// Whether it has no verifier yet: MongoDB's servers make it of a password, and this one was
    /// not told.
    pub(crate) fn is_pending(&self) -> bool {
        self.engine == Engine::MongoDb && !self.verifier.starts_with("SCRAM-SHA-256$")
    }

    /// What a proxy needs to know of it. What only the server is to have of a MySQL verifier (the
    /// third part: what its account is made with) stays here.
    pub(crate) fn route(&self) -> RouteLogin {
        let (server_user, verifier) = match self.engine {
            Engine::Postgres | Engine::MongoDb | Engine::Redis => (None, self.verifier.clone()),
            Engine::MySql => {
                let account = account_name(&self.username);
                let other = (*account != *self.username).then(|| account.into_owned());
                let parts: Vec<&str> = self.verifier.splitn(3, '$').take(2).collect();
                (other, parts.join("$"))
            }
        };
        RouteLogin {
            user: self.username.clone(),
            server_user,
            verifier,
            generation: self.generation,
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("database", &self.database)
            .field("username", &self.username)
            .field("generation", &self.generation)
            .field("applied", &self.applied)
            .finish_non_exhaustive()
    }
}

impl FromRow<'_, Row> for Login {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            engine: named(row, "engine")?,
            database: row.try_get("database")?,
            username: row.try_get("username")?,
            verifier: row.try_get("verifier")?,
            generation: natural(row, "generation")?,
            applied: row.try_get("applied")?,
        })
    }
}

/// Adds the login of a new database: the user of the database's own name.
///
/// Its generation is behind the newest revision of the routes. Each rotation raises both, and the
/// end of a database raises the revision; so no login of a database, of this life or an earlier
/// one, has had it. Proxies tell logins apart by it.
pub(crate) async fn insert(
    conn: &mut Conn,
    engine: Engine,
    database: &str,
    verifier: &str,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO logins (engine, database, username, verifier, generation, applied)
         VALUES ($1, $2, $2, $3, (SELECT rev + 1 FROM meta), FALSE)",
    )
    .bind(engine.name())
    .bind(database)
    .bind(verifier)
    .execute(conn)
    .await?;
    Ok(())
}

/// The logins of a database.
pub(crate) async fn of_database(
    conn: &mut Conn,
    engine: Engine,
    database: &str,
) -> Result<Vec<Login>> {
    Ok(
        sqlx::query_as(
            "SELECT * FROM logins WHERE engine = $1 AND database = $2 ORDER BY username",
        )
        .bind(engine.name())
        .bind(database)
        .fetch_all(conn)
        .await?,
    )
}

/// Databases with a login that the server has not been told of.
pub(crate) async fn unapplied(conn: &mut Conn) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT database FROM logins WHERE NOT applied ORDER BY database",
    )
    .fetch_all(conn)
    .await?)
}

/// Gives the logins of a database another verifier and the next generation.
pub(crate) async fn rotate(
    conn: &mut Conn,
    engine: Engine,
    database: &str,
    verifier: &str,
) -> Result<()> {
    sqlx::query(
        "UPDATE logins SET verifier = $3, generation = generation + 1, applied = FALSE
         WHERE engine = $1 AND database = $2",
    )
    .bind(engine.name())
    .bind(database)
    .bind(verifier)
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts what the server made of a password in the place of the sealed one.
pub(crate) async fn verifier_set(conn: &mut Conn, login: &Login, verifier: &str) -> Result<()> {
    sqlx::query(
        "UPDATE logins SET verifier = $3 WHERE engine = $1 AND database = $2 AND verifier = $4",
    )
    .bind(login.engine.name())
    .bind(&login.database)
    .bind(verifier)
    .bind(&login.verifier)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes whether the server has been told.
pub(crate) async fn applied_set(
    conn: &mut Conn,
    engine: Engine,
    database: &str,
    applied: bool,
) -> Result<()> {
    sqlx::query("UPDATE logins SET applied = $3 WHERE engine = $1 AND database = $2")
        .bind(engine.name())
        .bind(database)
        .bind(applied)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets the logins of a database.
pub(crate) async fn delete(conn: &mut Conn, engine: Engine, database: &str) -> Result<()> {
    sqlx::query("DELETE FROM logins WHERE engine = $1 AND database = $2")
        .bind(engine.name())
        .bind(database)
        .execute(conn)
        .await?;
    Ok(())
}
