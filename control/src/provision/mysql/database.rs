//! Schemas: made, looked at, dropped.

use super::accounts::drop_account;
use super::connect::{Fault, Session, refused, text};
use super::marker::{self, Marker};
use super::names::deploy_account_name;
use super::quote::{ident, literal};
use super::threads::{Threads, end_threads};
use tenantsdb_codecs::mysql::account_name;

/// What is there under a schema's name.
pub(super) enum Found {
    Nothing,
    /// A schema in which nothing is.
    Empty,
    /// One of ours.
    Ours(Marker),
    /// One that has objects and no marker.
    Foreign,
}

/// Default character set and collation; the server's own if left out.
pub(super) type Defaults<'a> = Option<(&'a str, &'a str)>;

/// Looks what is there.
pub(super) async fn look(admin: &mut Session, database: &str) -> Result<Found, Fault> {
    if !exists(admin, database).await? {
        return Ok(Found::Nothing);
    }
    if let Some(marker) = Marker::read_of(admin, database).await? {
        return Ok(Found::Ours(marker));
    }
    let schema = literal(database);
    let sql = format!(
        "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = {schema} UNION ALL \
         SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {schema} UNION ALL \
         SELECT 1 FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {schema} LIMIT 1"
    );
    Ok(match admin.value(&sql).await? {
        Some(_) => Found::Foreign,
        None => Found::Empty,
    })
}

pub(super) async fn exists(admin: &mut Session, database: &str) -> Result<bool, Fault> {
    let sql = format!(
        "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}",
        literal(database)
    );
    Ok(admin.value(&sql).await?.is_some())
}

pub(super) async fn create(
    admin: &mut Session,
    database: &str,
    defaults: Defaults<'_>,
) -> Result<(), Fault> {
    let defaults = defaults.map_or_else(String::new, |(character_set, collation)| {
        format!(
            " CHARACTER SET {} COLLATE {}",
            literal(character_set),
            literal(collation)
        )
    });
    let sql = format!(
        "CREATE DATABASE IF NOT EXISTS {}{defaults}",
        ident(database)
    );
    admin.run(&sql).await?;
    check_alone(admin, database).await
}

/// Makes a schema with a marker that says what is being made there.
pub(super) async fn create_marked(
    admin: &mut Session,
    database: &str,
    defaults: Defaults<'_>,
    (ordinal, digest): (u32, &str),
) -> Result<(), Fault> {
    create(admin, database, defaults).await?;
    Marker::create(admin, database).await?;
    admin
        .run(&marker::making(database, ordinal, digest))
        .await
        .map(|_| ())
}

/// Drops a schema that may be gone, whoever is in it, and its deploy account.
pub(super) async fn drop_database(admin: &mut Session, database: &str) -> Result<(), Fault> {
    let deployer = deploy_account_name(database);
    let lock = format!(
        "ALTER USER IF EXISTS {}@'%' ACCOUNT LOCK",
        literal(&deployer)
    );
    admin.run(&lock).await?;
    end_threads(admin, &Threads::Of(&deployer)).await?;
    end_threads(admin, &Threads::Using(database)).await?;
    admin
        .run(&format!("DROP DATABASE IF EXISTS {}", ident(database)))
        .await?;
    drop_account(admin, &deployer).await
}

pub(super) fn foreign(database: &str) -> Fault {
    refused(format!(
        "the server has a schema {database} that was not made by TenantsDB"
    ))
}

/// Refuses a schema that accounts of others have rights on by its name.
async fn check_alone(admin: &mut Session, database: &str) -> Result<(), Fault> {
    let escaped = database.replace('_', "\\_");
    let sql = format!(
        "SELECT User, Host FROM mysql.db WHERE Db IN ({}, {}) AND User NOT IN ({}, {})",
        literal(database),
        literal(&escaped),
        literal(&account_name(database)),
        literal(&deploy_account_name(database))
    );
    match admin.rows(&sql).await?.first() {
        None => Ok(()),
        Some(row) => {
            let account = format!("{}@{}", literal(&text(row, 0)), literal(&text(row, 1)));
            Err(refused(format!(
                "the account {account} has rights on the schema {database}; run on the server: \
                 REVOKE ALL PRIVILEGES ON {}.* FROM {account}",
                ident(database)
            )))
        }
    }
}
