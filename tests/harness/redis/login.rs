//! One login of one Redis database.

use std::io;
use std::path::Path;

use serde_json::Value as Json;

use super::session::Session;
use super::{Protocol, Value};
use crate::connection_string::ConnectionString;

/// What a connection string says.
#[derive(Clone, Debug)]
pub struct Login {
    /// User name; the same as the database's.
    pub user: String,
    /// Its password.
    pub password: String,
    /// `host:port` that control printed: the first proxy's.
    pub address: String,
}

impl Login {
    /// Reads the connection string in an answer of control.
    ///
    /// # Panics
    ///
    /// If there is none, it is of another form, or names another database than the only one.
    #[must_use]
    #[track_caller]
    pub fn issued(connection_string: &Json) -> Self {
        let issued = ConnectionString::issued(connection_string, "redis");
        assert_eq!(issued.name, "0", "{connection_string}");
        Self {
            user: issued.user,
            password: issued.password,
            address: issued.address,
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

    /// The same password under another name.
    #[must_use]
    pub fn as_user(&self, user: &str) -> Self {
        Self {
            user: user.to_owned(),
            ..self.clone()
        }
    }

    /// The same name with another password.
    #[must_use]
    pub fn with_password(&self, password: &str) -> Self {
        Self {
            password: password.to_owned(),
            ..self.clone()
        }
    }

    /// The connection string of a scheme: `redis`, or `rediss` for TLS.
    #[must_use]
    pub fn url(&self, scheme: &str) -> String {
        let Self {
            user,
            password,
            address,
        } = self;
        format!("{scheme}://{user}:{password}@{address}/0")
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

    /// Connects in the clear and logs in with AUTH; the reply of a refusal.
    ///
    /// # Errors
    ///
    /// The connection's. A connection that is closed before any reply is one.
    pub fn try_session(&self) -> io::Result<Result<Session, Value>> {
        let mut session = Session::connect(&self.address)?;
        session.send(&["AUTH", &self.user, &self.password]);
        let reply = session.try_read()?;
        Ok(match reply {
            Value::Error(_) => Err(reply),
            _ => Ok(session),
        })
    }

    /// Connects in the clear and logs in.
    ///
    /// # Panics
    ///
    /// If it is refused.
    #[must_use]
    #[track_caller]
    pub fn session(&self) -> Session {
        match self.try_session() {
            Ok(Ok(session)) => session,
            other => panic!("{} at {}: {:?}", self.user, self.address, other.map(drop)),
        }
    }

    /// Connects in the clear and logs in with HELLO.
    ///
    /// # Panics
    ///
    /// If it is refused.
    #[must_use]
    #[track_caller]
    pub fn session_with(&self, protocol: Protocol) -> Session {
        self.hello(Session::connect(&self.address), protocol)
    }

    /// Connects over TLS and logs in with HELLO.
    ///
    /// # Panics
    ///
    /// If it is refused.
    #[must_use]
    #[track_caller]
    pub fn session_tls(&self, ca: &Path, protocol: Protocol) -> Session {
        self.hello(Session::connect_tls(&self.address, ca), protocol)
    }

    #[track_caller]
    fn hello(&self, session: io::Result<Session>, protocol: Protocol) -> Session {
        let mut session = session.unwrap_or_else(|e| panic!("{}: {e}", self.address));
        let number = protocol.number();
        let hello = session.call(&["HELLO", number, "AUTH", &self.user, &self.password]);
        assert!(
            hello.error().is_none(),
            "{} at {}: {hello:?}",
            self.user,
            self.address
        );
        session
    }

    /// The error with which a login is refused.
    ///
    /// # Panics
    ///
    /// If it is not refused, or without a word.
    #[must_use]
    #[track_caller]
    pub fn refused(&self) -> String {
        match self.try_session() {
            Ok(Ok(_)) => panic!("{} got in at {}", self.user, self.address),
            Ok(Err(reply)) => reply.text(),
            Err(e) => panic!("{} at {}: {e}", self.user, self.address),
        }
    }

    /// One command, given as words, in a session of its own.
    ///
    /// # Panics
    ///
    /// If the login is refused.
    #[track_caller]
    pub fn run(&self, words: &str) -> Value {
        self.session().run(words)
    }
}
