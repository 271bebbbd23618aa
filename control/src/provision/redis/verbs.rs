//! The verbs that only Redis servers have. Asked of another one, each is refused.

use std::collections::HashSet;

use crate::provision::{Account, Error, Mark, Provisioner, Server, only};

impl Provisioner {
    /// Says what these accounts are to be. All at once.
    ///
    /// # Errors
    ///
    /// The server's; [`Error::Refused`] elsewhere.
    pub async fn account_put(&self, accounts: &[Account]) -> Result<(), Error> {
        redis(self)?.account_put(accounts).await
    }

    /// Shuts the accounts of a database and ends their sessions.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn account_shut(&self, database: &str) -> Result<(), Error> {
        redis(self)?.account_shut(database).await
    }

    /// Removes the accounts of a database.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn account_drop(&self, database: &str) -> Result<(), Error> {
        redis(self)?.account_drop(database).await
    }

    /// Deletes all keys that begin with `prefix`, and says how many there were. May be dropped at
    /// any time and begun again.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn keys_drop(&self, prefix: &str) -> Result<u64, Error> {
        redis(self)?.keys_drop(prefix).await
    }

    /// Empties a server that was one database's own.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn server_empty(&self) -> Result<(), Error> {
        redis(self)?.server_empty().await
    }

    /// Whether no key is on the server.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn server_is_empty(&self) -> Result<bool, Error> {
        redis(self)?.server_is_empty().await
    }

    /// Whose accounts are on the server.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn mark(&self) -> Result<Mark, Error> {
        redis(self)?.mark().await
    }

    /// Notes on the server whose accounts it has. To be done when all of them are there, said in
    /// that run of the server.
    ///
    /// # Errors
    ///
    /// The server's; [`Error::Unreachable`] if it was started again meanwhile.
    pub async fn mark_set(&self, mark: &str, run: &str) -> Result<(), Error> {
        redis(self)?.mark_set(mark, run).await
    }

    /// Removes accounts of databases that are none of `known`, and says how many there were.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn strays_drop(&self, known: &HashSet<String>) -> Result<usize, Error> {
        redis(self)?.strays_drop(known).await
    }

    /// Takes that back.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn mark_drop(&self) -> Result<(), Error> {
        redis(self)?.mark_drop().await
    }

    /// Why one of these rules is none that the server understands, if there is such a one.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn rules_refused(&self, rules: &[String]) -> Result<Option<String>, Error> {
        redis(self)?.rules_refused(rules).await
    }
}

fn redis(provisioner: &Provisioner) -> Result<&super::Redis, Error> {
    match &provisioner.server {
        Server::Redis(server) => Ok(server),
        Server::Postgres(_) | Server::MySql(_) | Server::Mongo(_) => Err(only("Redis")),
    }
}
