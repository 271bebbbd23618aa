//! Connections to PostgreSQL servers.
//!
//! - [`dial`]: TCP and TLS.
//! - [`login`]: from the startup packet to the first ReadyForQuery, as the tenant's own role.
//! - [`command`]: one statement of our own, confirmed.
//! - [`parameters`]: the settings that the server reports.
//! - [`cancel`]: a CancelRequest on a connection of its own.

pub(crate) mod cancel;
pub(crate) mod command;
pub(crate) mod dial;
pub(crate) mod login;
pub(crate) mod parameters;

use std::io;

use tenantsdb_codecs::postgres::sqlstate::SqlState;
use tenantsdb_codecs::{postgres, scram};
use tokio::net::TcpStream;

use super::Link;
use crate::fault::{Fault, FaultKind};
use crate::inbox;
use crate::stream::Stream;
use crate::tls::dial::DialError;
pub(crate) use parameters::Parameters;

/// A connection to a server, logged in, between two batches whenever it is not in a session.
#[derive(Debug)]
pub(crate) struct Connection<T = TcpStream> {
    /// The bytes. Nothing that was read from it is anywhere else.
    pub(crate) stream: Stream<T>,
    /// What the server reports of its settings.
    pub(crate) parameters: Parameters,
    /// What cancels what it runs.
    pub(crate) key: CancelKey,
}

/// What a CancelRequest to the server must hold. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CancelKey {
    /// Process id of the server's backend.
    pub(crate) pid: i32,
    /// 4 to 256 bytes.
    pub(crate) secret: Box<[u8]>,
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
    Protocol(#[from] postgres::Error),
    /// A message that has no place where it came.
    #[error("server sent an unexpected message {:?}", char::from(*.0))]
    Unexpected(u8),
    /// The server wants a proof that cannot be given without the password.
    #[error("server asks for an authentication method other than SCRAM-SHA-256")]
    Method,
    /// The exchange with the server failed.
    #[error("server login: {0}")]
    Scram(#[from] scram::Error),
    /// The server's own error, as it sent it.
    #[error("server refused: {0}")]
    Refused(Refused),
}

/// An ErrorResponse of a server.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Its code, if it has one.
    pub(crate) sqlstate: Option<SqlState>,
    /// Its text, if that can be read.
    pub(crate) message: Option<Box<str>>,
    /// The body of the message.
    pub(crate) body: Box<[u8]>,
}

impl Error {
    /// Whether the server has all the connections that it may have.
    pub(crate) fn is_server_full(&self) -> bool {
        matches!(self, Self::Refused(refused)
            if refused.sqlstate == Some(SqlState::TOO_MANY_CONNECTIONS))
    }

    /// Whether the server does not let in a login that the proxy's route lets in.
    pub(crate) fn is_login_refused(&self) -> bool {
        match self {
            Self::Refused(refused) => refused
                .sqlstate
                .is_some_and(|sqlstate| sqlstate.class() == "28"),
            Self::Scram(scram::Error::SaltChanged | scram::Error::Refused) | Self::Method => true,
            _ => false,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Connect(_) | Self::TimedOut | Self::Closed | Self::Io(_) => FaultKind::ServerGone,
            Self::Tls(error) => error.kind(),
            Self::Protocol(_)
            | Self::Unexpected(_)
            | Self::Method
            | Self::Scram(_)
            | Self::Refused(_) => FaultKind::Server,
        }
    }
}

impl From<inbox::Error> for Error {
    fn from(error: inbox::Error) -> Self {
        match error {
            inbox::Error::Closed => Self::Closed,
            inbox::Error::Io(error) => Self::Io(error),
            inbox::Error::Protocol(error) => Self::Protocol(error),
        }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.sqlstate {
            Some(sqlstate) => write!(f, "{sqlstate}: ")?,
            None => f.write_str("no SQLSTATE: ")?,
        }
        f.write_str(self.message.as_deref().unwrap_or("no text"))
    }
}

impl std::fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelKey")
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

impl Link for Connection {
    type State = (Parameters, CancelKey);

    fn stream(&self) -> &Stream<TcpStream> {
        &self.stream
    }

    fn take_apart(self) -> (Stream<TcpStream>, Self::State) {
        (self.stream, (self.parameters, self.key))
    }

    fn put_together(stream: Stream<TcpStream>, (parameters, key): Self::State) -> Self {
        Self {
            stream,
            parameters,
            key,
        }
    }
}
