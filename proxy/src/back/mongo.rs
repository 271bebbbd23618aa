//! Connections to MongoDB servers.
//!
//! - [`login`]: from TCP to the answer that ends SCRAM.
//! - [`command`]: commands of our own, each answered before the next.

pub(crate) mod command;
pub(crate) mod login;

use std::io;

use tenantsdb_codecs::mongo;
use tenantsdb_codecs::mongo::auth::client::Failure;
use tokio::net::TcpStream;

use super::Link;
use crate::fault::{Fault, FaultKind};
use crate::inbox;
use crate::stream::Stream;
use crate::tls::dial::DialError;

/// A connection to a server, logged in, between two requests whenever it is not in a session.
#[derive(Debug)]
pub(crate) struct Connection<T = TcpStream> {
    /// The bytes. Nothing that was read from it is anywhere else.
    pub(crate) stream: Stream<T>,
    /// What is known of the session behind them.
    pub(crate) session: ServerSession,
}

/// A session on a server, as it stands. MongoDB keeps nothing else with a connection: cursors and
/// transactions belong to logical sessions, which any connection of the user may name.
#[derive(Debug, Default)]
pub(crate) struct ServerSession {
    /// Number of the last request. Each has another, so that a reply is known for what it is.
    last: i32,
    /// What the server calls the connection; 0 if it does not say.
    pub(crate) connection_id: i64,
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
    Protocol(#[from] mongo::Error),
    /// SCRAM came to nothing.
    #[error("login to server: {0}")]
    Sasl(#[from] Failure),
    /// A reply to another request than the one that was sent.
    #[error("server replied to {0}, which was not asked")]
    Stray(i32),
    /// It is not the primary of its replica set, or any more.
    #[error("the server takes no writes")]
    NotWritable,
    /// The server's own error.
    #[error("server refused: {code} {text}")]
    Refused {
        /// Its number.
        code: i64,
        /// What it says, without anything secret.
        text: Box<str>,
    },
}

/// "Authentication failed", and "no such user".
const LOGIN_REFUSED: &[i64] = &[11, 18];
/// Out of connections, or of memory.
const SERVER_FULL: &[i64] = &[146, 202, 402];

// === impl ServerSession ===

impl ServerSession {
    /// The number of the next request.
    pub(crate) const fn next(&mut self) -> i32 {
        self.last = if self.last == i32::MAX {
            1
        } else {
            self.last + 1
        };
        self.last
    }
}

// === impl Error ===

impl Error {
    /// Whether the server has all the connections, or the memory, that it may have.
    pub(crate) fn is_server_full(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if SERVER_FULL.contains(code))
    }

    /// Whether the server does not let in a login that the proxy's route lets in.
    pub(crate) fn is_login_refused(&self) -> bool {
        match self {
            Self::Refused { code, .. } => LOGIN_REFUSED.contains(code),
            Self::Sasl(_) => true,
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
            | Self::Sasl(_)
            | Self::Stray(_)
            | Self::NotWritable
            | Self::Refused { .. } => FaultKind::Server,
        }
    }
}

impl From<inbox::Error<mongo::Error>> for Error {
    fn from(error: inbox::Error<mongo::Error>) -> Self {
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
