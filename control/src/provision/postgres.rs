//! PostgreSQL: databases, roles and the ledger. The arrangement of roles and rights is the wall
//! between tenants; each piece of it is tried against a real server in the tests.
//!
//! Every database of ours is made with `ALLOW_CONNECTIONS false` and opened only after PUBLIC's
//! rights on it are gone, so that no other login can enter between the two.
//!
//! - [`connect`]: bounded admin connections, errors in our terms.
//! - [`register`]: may this server be used?
//! - [`roles`]: a blueprint's roles, and the logins of tenants and workspaces.
//! - [`database`]: closed creation, opening, dropping.
//! - [`template`], [`tenant`], [`workspace`]: the three kinds of database.
//! - [`ledger`]: the workspace's record of what took effect.
//! - [`deployer`]: the login that captured text runs in, made for one database and dropped after.
//! - [`apply`], [`step`], [`session`]: versions into one database, exactly once.
//! - [`introspect`], [`schema`]: tables as people look at them; everything, for the fingerprint.

mod apply;
mod connect;
mod database;
mod deployer;
mod introspect;
mod ledger;
mod quote;
mod register;
mod roles;
mod schema;
mod session;
mod step;
mod template;
mod tenant;
mod workspace;

pub(super) use self::connect::Postgres;

/// The database that admin connections use for what concerns the whole server.
const MAINTENANCE_DATABASE: &str = "postgres";

/// Owner of every object of a blueprint; cannot log in.
fn owner_role(blueprint: &str) -> String {
    format!("{blueprint}_owner")
}

/// Rights on data, and nothing else; cannot log in.
fn data_role(blueprint: &str) -> String {
    format!("{blueprint}_rw")
}

/// May write the version marker; cannot log in. Its members are the logins of [`deployer`].
fn deploy_role(blueprint: &str) -> String {
    format!("{blueprint}_deploy")
}

#[cfg(test)]
pub(crate) mod tests;
