//! One login of one database, and psql with it.

use std::process::Command;

use postgres::{Client, NoTls};
use serde_json::Value;

use crate::connection_string::ConnectionString;
use crate::{Run, paths};

/// What a connection string says.
#[derive(Clone)]
pub struct Database {
    /// User name; the same as the database's.
    pub user: String,
    /// Its password.
    pub password: String,
    /// `host:port` that control printed: the first proxy's.
    pub address: String,
    /// Database name.
    pub name: String,
}

impl Database {
    /// Reads the connection string in an answer of control.
    ///
    /// # Panics
    ///
    /// If there is none, or it is of another form.
    #[must_use]
    #[track_caller]
    pub fn issued(connection_string: &Value) -> Self {
        let ConnectionString {
            user,
            password,
            address,
            name,
        } = ConnectionString::issued(connection_string, "postgresql");
        Self {
            user,
            password,
            address,
            name,
        }
    }

    /// The same login at another address: another proxy, or the server itself.
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        Self {
            address: address.to_owned(),
            ..self.clone()
        }
    }

    /// The same login asking for another database.
    #[must_use]
    pub fn in_database(&self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self.clone()
        }
    }

    /// The connection string.
    #[must_use]
    pub fn url(&self) -> String {
        let Self {
            user,
            password,
            address,
            name,
        } = self;
        format!("postgresql://{user}:{password}@{address}/{name}")
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// The server's or proxy's.
    pub fn try_connect(&self) -> Result<Client, postgres::Error> {
        Client::connect(&self.url(), NoTls)
    }

    /// Connects.
    ///
    /// # Panics
    ///
    /// If it is refused.
    #[must_use]
    #[track_caller]
    pub fn connect(&self) -> Client {
        match self.try_connect() {
            Ok(client) => client,
            Err(e) => panic!("{} at {}: {e:?}", self.name, self.address),
        }
    }

    /// SQLSTATE and text with which a login is refused.
    ///
    /// # Panics
    ///
    /// If it is not refused, or without a word.
    #[must_use]
    #[track_caller]
    pub fn refused(&self) -> (String, String) {
        match self.try_connect() {
            Ok(_) => panic!("{} got into {} at {}", self.user, self.name, self.address),
            Err(e) => match e.as_db_error() {
                Some(error) => (error.code().code().to_owned(), error.message().to_owned()),
                None => panic!("{} at {}: {e:?}", self.name, self.address),
            },
        }
    }

    /// Runs SQL with psql in one Query message, as `psql -c` does. Prints rows bare, columns
    /// separated by `|`; the first error ends it.
    #[must_use]
    pub fn psql(&self, sql: &str) -> Run {
        self.psql_with(&["-c", sql])
    }

    /// Runs psql with these arguments.
    #[must_use]
    pub fn psql_with(&self, args: &[&str]) -> Run {
        Run::of(self.psql_command().args(args))
    }

    /// psql without anybody's settings.
    #[must_use]
    pub fn psql_command(&self) -> Command {
        let mut command = Command::new(paths::postgres_bin().join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        command.args(["-v", "VERBOSITY=verbose", "-d", &self.url()]);
        command.env("PGPASSFILE", "/dev/null").env("LC_ALL", "C");
        command
    }
}

/// SQLSTATE of a query that failed.
///
/// # Panics
///
/// If it did not fail, or not by the server's word.
#[must_use]
#[track_caller]
pub fn sqlstate<T>(result: Result<T, postgres::Error>) -> String {
    match result {
        Ok(_) => panic!("this should have failed"),
        Err(e) => match e.code() {
            Some(state) => state.code().to_owned(),
            None => panic!("no SQLSTATE: {e:?}"),
        },
    }
}
