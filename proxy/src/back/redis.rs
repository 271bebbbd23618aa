//! Connections to Redis and Valkey servers.
//!
//! - [`login`]: from TCP to the answer to `HELLO n AUTH user password`.
//! - [`command`]: commands of our own, each confirmed.
//! - [`tables`]: what each server says of its commands, asked once.

pub(crate) mod command;
pub(crate) mod login;
pub(crate) mod tables;

use std::io;
use std::sync::Arc;

use tenantsdb_codecs::redis;
use tenantsdb_codecs::redis::server::Protocol;
use tenantsdb_codecs::redis::table::Table;
use tokio::net::TcpStream;

use super::Link;
use crate::fault::{Fault, FaultKind};
use crate::inbox;
use crate::stream::Stream;
use crate::tls::dial::DialError;

/// A connection to a server, logged in, between two commands whenever it is not in a session.
#[derive(Debug)]
pub(crate) struct Connection<T = TcpStream> {
    /// The bytes. Nothing that was read from it is anywhere else.
    pub(crate) stream: Stream<T>,
    /// What is known of the session behind them.
    pub(crate) session: ServerSession,
}

/// A session on a server, as it stands.
#[derive(Debug)]
pub(crate) struct ServerSession {
    /// The server's own id of this connection.
    pub(crate) id: i64,
    /// What the server replies in.
    pub(crate) protocol: Protocol,
    /// What it says of its commands.
    pub(crate) table: Arc<Table>,
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
    Protocol(#[from] redis::Error),
    /// A reply that is none to what was asked.
    #[error("server sent an unexpected reply to {0}")]
    Unexpected(&'static str),
    /// A reply of more than is taken.
    #[error("server sent too long a reply")]
    TooLong,
    /// The server's own error, as it sent it, without the minus.
    #[error("server refused: {0}")]
    Refused(Box<str>),
}

impl Error {
    /// Whether the server has all the connections, or the memory, that it may have.
    pub(crate) fn is_server_full(&self) -> bool {
        matches!(self, Self::Refused(text)
            if text.starts_with("OOM ") || text.contains("max number of clients"))
    }

    /// Whether the server does not let in a login that the proxy's route lets in.
    pub(crate) fn is_login_refused(&self) -> bool {
        matches!(self, Self::Refused(text)
            if ["WRONGPASS", "NOAUTH", "NOPERM"].iter().any(|code| text.starts_with(code)))
    }
}

impl Fault for Error {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Connect(_) | Self::TimedOut | Self::Closed | Self::Io(_) => FaultKind::ServerGone,
            Self::Tls(error) => error.kind(),
            Self::Protocol(_) | Self::Unexpected(_) | Self::TooLong | Self::Refused(_) => {
                FaultKind::Server
            }
        }
    }
}

impl From<inbox::Error<redis::Error>> for Error {
    fn from(error: inbox::Error<redis::Error>) -> Self {
        match error {
            inbox::Error::Closed => Self::Closed,
            inbox::Error::Io(error) => Self::Io(error),
            inbox::Error::Protocol(error) => Self::Protocol(error),
        }
    }
}

/// The server's own error, for logs and, without anything secret, for clients.
fn refused(text: &[u8]) -> Error {
    Error::Refused(String::from_utf8_lossy(text).into())
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
