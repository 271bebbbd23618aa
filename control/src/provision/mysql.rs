//! MySQL and MariaDB: schemas and accounts. What the accounts may do is the wall between tenants;
//! each piece of it is tried against real servers of both in the tests.
//!
//! The administrator runs statements written here, and reads no table of a tenant's schema but by
//! SHOW and `information_schema`: a view there could be anybody's code. Captured text, and all else
//! that is written into such a schema, runs as its deploy account.
//!
//! - [`connect`]: bounded sessions, errors in our terms.
//! - [`names`], [`quote`]: how things of ours are called; names and texts in statements.
//! - [`register`]: may this server be used?
//! - [`accounts`]: logins of tenants and workspaces.
//! - [`threads`]: sessions on the server, to be found and ended.
//! - [`deployer`]: the account that owns a schema's objects and runs captured text.
//! - [`database`], [`template`], [`tenant`], [`workspace`]: schemas, and the three kinds of them.
//! - [`schema`], [`normal`]: all objects of a schema, for comparison and for [`copy`].
//! - [`marker`]: the table that says which versions a schema has.
//! - [`apply`], [`step`], [`session`]: versions into one schema, statement by statement.
//! - [`introspect`]: tables as people look at them.

mod accounts;
mod apply;
mod connect;
mod copy;
mod database;
mod deployer;
mod introspect;
mod marker;
mod names;
mod normal;
mod quote;
mod register;
mod schema;
mod session;
mod step;
mod template;
mod tenant;
mod threads;
mod workspace;

pub(super) use self::connect::MySql;
use super::Error;
use crate::blueprint::LedgerRow;

impl MySql {
    #[expect(clippy::unused_async, reason = "a verb")]
    pub(super) async fn ledger_read(&self, _database: &str) -> Result<Vec<LedgerRow>, Error> {
        // There is none: what took effect shows in snapshots.
        Ok(Vec::new())
    }

    #[expect(clippy::unused_async, reason = "a verb")]
    pub(super) async fn ledger_seal(&self, _database: &str, _ids: &[i64]) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
