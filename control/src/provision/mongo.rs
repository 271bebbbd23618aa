//! MongoDB: databases with users of their own. What a user may do is the wall between tenants; each
//! piece of it is tried against a real server in the tests.
//!
//! A blueprint is commands (`create`, `createIndexes`, …), each about collections of one database.
//! They are data: nothing in them runs in the name of who sends them, so the administrator does.
//!
//! - [`connect`]: bounded commands, errors in our terms.
//! - [`register`]: may this server be used?
//! - [`users`]: logins of tenants and workspaces, and their roles.
//! - [`database`], [`workspace`], [`tenant`], [`template`]: databases, and the three kinds of them.
//! - [`schema`]: all objects of a database, for comparison.
//! - [`marker`]: the collection that says which versions a database has.
//! - [`apply`], [`step`]: versions into one database, command by command.
//! - [`verbs`]: what only MongoDB servers are asked.

mod apply;
mod connect;
mod database;
mod marker;
mod register;
mod schema;
mod step;
mod template;
mod tenant;
mod users;
mod verbs;
mod workspace;

pub(super) use self::connect::Mongo;
use super::Error;
use crate::blueprint::LedgerRow;

#[expect(clippy::unused_async, reason = "verbs")]
impl Mongo {
    pub(super) async fn ledger_read(&self, _database: &str) -> Result<Vec<LedgerRow>, Error> {
        // There is none: what took effect shows in snapshots.
        Ok(Vec::new())
    }

    pub(super) async fn ledger_seal(&self, _database: &str, _ids: &[i64]) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
