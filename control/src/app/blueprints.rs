//! Rules of blueprints: what they are now, and what tenants lack.

use tenantsdb_codecs::feed::id::{Engine, workspace_database};
use tenantsdb_codecs::sql::mysql;

use crate::blueprint::Statement;
use crate::blueprint::mongo::search;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::provision::Table;
use crate::store::blueprints::{self, Blueprint};
use crate::store::{Conn, databases, versions};

use super::seal::seal;

/// A statement that some tenant lacks.
pub(crate) struct Pending {
    pub(crate) ordinal: u32,
    /// From 1, within the version.
    pub(crate) place: usize,
    pub(crate) statement: Statement,
    /// Whether it can be told afterwards if it ran.
    pub(crate) crash_safe: bool,
}

/// The blueprint of that name.
pub(crate) async fn fetch(conn: &mut Conn, name: &str) -> Result<Blueprint> {
    blueprints::fetch(conn, name)
        .await?
        .ok_or_else(|| Error::not_found("blueprint", name))
}

/// What the workspace holds now.
pub(crate) async fn tables(context: &Context, blueprint: &Blueprint) -> Result<Vec<Table>> {
    let provisioner = context.provisioner(&blueprint.server_id).await?;
    Ok(provisioner
        .tables(&workspace_database(&blueprint.name))
        .await?)
}

/// The statements that some live tenant of the blueprint lacks; with no tenant, all.
///
/// # Errors
///
/// The workspace cannot be read: then nobody knows.
pub(crate) async fn pending(context: &Context, name: &str) -> Result<Vec<Pending>> {
    let blueprint = fetch(&mut *context.store.read().await?, name).await?;
    let newest = seal(context, name).await?;
    let mut read = context.store.read().await?;
    let lowest = databases::ordinal_min(&mut read, name).await?.unwrap_or(0);
    let missing = versions::list(&mut read, name, (Some(lowest), newest), u32::MAX).await?;
    let mut pending = Vec::new();
    for dated in missing {
        let ordinal = dated.version.ordinal;
        for (place, statement) in (1..).zip(dated.version.statements) {
            if statement.deploy {
                pending.push(Pending {
                    ordinal,
                    place,
                    crash_safe: is_crash_safe(blueprint.engine, &statement),
                    statement,
                });
            }
        }
    }
    Ok(pending)
}

/// On PostgreSQL a statement and its mark are one transaction, or the schema shows what became of
/// it. On MongoDB it shows but for search indexes that the server does not list; of these it is
/// known only when the statement has been replayed.
pub(crate) fn is_crash_safe(engine: Engine, statement: &Statement) -> bool {
    match engine {
        Engine::Postgres | Engine::Redis => true,
        Engine::MongoDb => search::is_derivable(&statement.tag, statement.probe.as_ref()),
        Engine::MySql => mysql::is_crash_safe(&statement.ddl),
    }
}
