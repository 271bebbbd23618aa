//! Connections to Redis and Valkey servers.

use tokio::net::TcpStream;

use super::Link;
use crate::stream::Stream;

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
pub(crate) struct ServerSession {}

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
