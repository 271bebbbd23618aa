//! Connections to MySQL and MariaDB servers.
//!
//! - [`login`]: from the greeting to the OK, as the tenant's own account.
//! - [`command`]: commands of our own, each confirmed.
//! - [`secret`]: what logs in, for as long as a session or a connection of that login lives.

pub(crate) mod command;
pub(crate) mod login;
pub(crate) mod secret;

use std::io;
use std::sync::Arc;

use tenantsdb_codecs::mysql;
use tenantsdb_codecs::mysql::code::{Code, SqlState};
use tenantsdb_codecs::mysql::flags::Capabilities;
use tokio::net::TcpStream;

use super::Link;
use crate::fault::{Fault, FaultKind};
use crate::inbox;
use crate::stream::Stream;
use crate::tls::dial::DialError;
use secret::Known;

/// A connection to a server, logged in, between two commands whenever it is not in a session.
#[derive(Debug)]
pub(crate) struct Connection<T = TcpStream> {
    /// The bytes. Nothing that was read from it is anywhere else.
    pub(crate) stream: Stream<T>,
    /// What is known of the session behind them.
    pub(crate) session: ServerSession,
}

/// A session on a server, as it was begun.
#[derive(Debug)]
pub(crate) struct ServerSession {
    /// The server's id of the session: what KILL takes.
    pub(crate) thread: u32,
    /// What was agreed: it changes the form of results.
    pub(crate) capabilities: Capabilities,
    /// The default database.
    pub(crate) database: Box<str>,
    /// What the collation of the login made of the session's character sets.
    pub(crate) charsets: Charsets,
    /// Keeps what logged in from being wiped.
    pub(crate) known: Arc<Known>,
}

/// The three settings that SET NAMES sets, as the server says them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Charsets {
    /// `@@character_set_client`.
    pub(crate) client: Box<str>,
    /// `@@character_set_results`; `None` is NULL.
    pub(crate) results: Option<Box<str>>,
    /// `@@collation_connection`.
    pub(crate) collation: Box<str>,
}

/// Why there is no connection, or none any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No TCP connection.
    #[error("connect to server: {0}")]
    Connect(#[source] io::Error),
    /// No TLS as the route asks for.
    #[error(transparent)]
    Tls(#[from] DialError),
    /// Not done in time.
    #[error("server did not answer in time")]
    TimedOut,
    /// The server closed the connection.
    #[error("server closed the connection")]
    Closed,
    /// The connection broke.
    #[error("server connection: {0}")]
    Io(#[from] io::Error),
    /// The server's bytes are not its protocol.
    #[error("server: {0}")]
    Protocol(#[from] mysql::Error),
    /// A message that has no place where it came.
    #[error("server sent an unexpected message {0:#04x}")]
    Unexpected(u8),
    /// What was agreed with the client is more than the server can do.
    #[error("server lacks capabilities {0:#x} of the greeting that its clients get")]
    Lacks(u64),
    /// The server wants a proof that cannot be given.
    #[error("server asks for another authentication method than the account was made with")]
    Method,
    /// The server wants the password itself, and only its hash is known.
    #[error("server asks for the password of the account, which this proxy does not have")]
    PasswordUnknown,
    /// The server's public key cannot be used.
    #[error("server's RSA key cannot be used")]
    Key,
    /// The server's own error, as it sent it.
    #[error("server refused: {code} ({sqlstate}): {message}")]
    Refused {
        /// Its number.
        code: Code,
        /// Its SQLSTATE.
        sqlstate: SqlState,
        /// Its text.
        message: Box<str>,
    },
}

impl Error {
    /// Whether the server has all the connections that it may have.
    pub(crate) fn is_server_full(&self) -> bool {
        matches!(self, Self::Refused { code, .. }
            if [Code::TOO_MANY_CONNECTIONS, Code::USER_LIMIT_REACHED].contains(code))
    }

    /// Whether the server does not let in a login that the proxy's route lets in.
    pub(crate) fn is_login_refused(&self) -> bool {
        match self {
            Self::Refused { code, .. } => [
                Code::ACCESS_DENIED,
                Code::DATABASE_ACCESS_DENIED,
                Code::ACCESS_DENIED_NO_PASSWORD,
                Code::ACCOUNT_LOCKED_MYSQL,
                Code::ACCOUNT_LOCKED_MARIADB,
                Code::PASSWORD_EXPIRED,
            ]
            .contains(code),
            Self::Method => true,
            _ => false,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Connect(_) | Self::TimedOut | Self::Closed | Self::Io(_) => FaultKind::ServerGone,
            Self::Tls(error) => error.kind(),
            Self::PasswordUnknown => FaultKind::Limit,
            Self::Protocol(_)
            | Self::Unexpected(_)
            | Self::Lacks(_)
            | Self::Method
            | Self::Key
            | Self::Refused { .. } => FaultKind::Server,
        }
    }
}

impl From<inbox::Error<mysql::Error>> for Error {
    fn from(error: inbox::Error<mysql::Error>) -> Self {
        match error {
            inbox::Error::Closed => Self::Closed,
            inbox::Error::Io(error) => Self::Io(error),
            inbox::Error::Protocol(error) => Self::Protocol(error),
        }
    }
}

impl Link for Connection {
    type State = ServerSession;

    fn stream(&self) -> &Stream<TcpStream> {
        &self.stream
    }

    fn take_apart(self) -> (Stream<TcpStream>, ServerSession) {
        (self.stream, self.session)
    }

    fn put_together(stream: Stream<TcpStream>, session: ServerSession) -> Self {
        Self { stream, session }
    }
}
