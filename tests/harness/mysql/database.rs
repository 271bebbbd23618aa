//! One login of one MySQL database.

use std::path::Path;

use serde_json::Value;

use super::login::Login;
use super::reply::{Failed, Refused};
use super::session::Session;
use crate::connection_string::ConnectionString;

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
        } = ConnectionString::issued(connection_string, "mysql");
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

    /// The same login with another password.
    #[must_use]
    pub fn with_password(&self, password: &str) -> Self {
        Self {
            password: password.to_owned(),
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
        format!("mysql://{user}:{password}@{address}/{name}")
    }

    /// Host and port.
    ///
    /// # Panics
    ///
    /// If the address is none.
    #[must_use]
    pub fn host_port(&self) -> (&str, &str) {
        self.address.rsplit_once(':').expect("host:port")
    }

    /// What a client of this login says.
    #[must_use]
    pub fn login(&self) -> Login {
        Login::new(&self.user, &self.password, Some(&self.name))
    }

    /// Connects in the clear.
    ///
    /// # Errors
    ///
    /// The server's or proxy's.
    pub fn try_session(&self) -> Result<Session, Refused> {
        self.login().connect(&self.address)
    }

    /// Connects in the clear.
    ///
    /// # Panics
    ///
    /// If it is refused.
    #[must_use]
    #[track_caller]
    pub fn session(&self) -> Session {
        match self.try_session() {
            Ok(session) => session,
            Err(e) => panic!("{} at {}: {e:?}", self.name, self.address),
        }
    }

    /// Connects over TLS.
    ///
    /// # Panics
    ///
    /// If it is refused.
    #[must_use]
    #[track_caller]
    pub fn session_tls(&self, ca: &Path) -> Session {
        let login = Login {
            ca: Some(ca.to_owned()),
            ..self.login()
        };
        match login.connect(&self.address) {
            Ok(session) => session,
            Err(e) => panic!("{} at {} over TLS: {e:?}", self.name, self.address),
        }
    }

    /// The error with which a login is refused.
    ///
    /// # Panics
    ///
    /// If it is not refused, or without a word.
    #[must_use]
    #[track_caller]
    pub fn refused(&self) -> Failed {
        match self.try_session() {
            Ok(_) => panic!("{} got into {} at {}", self.user, self.name, self.address),
            Err(e) => e.failed(),
        }
    }

    /// Runs SQL in a session of its own.
    ///
    /// # Panics
    ///
    /// If any of it fails.
    #[track_caller]
    pub fn run(&self, sql: &str) {
        self.session().query(sql);
    }

    /// The first column of the only row, in a session of its own.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[must_use]
    #[track_caller]
    pub fn one(&self, sql: &str) -> String {
        self.session().one(sql)
    }
}
