//! The server side: one module for each protocol that servers speak.

pub(crate) mod dial;
pub(crate) mod mongo;
pub(crate) mod mysql;
pub(crate) mod postgres;
pub(crate) mod redis;

use std::fmt;

use tokio::net::TcpStream;

use crate::stream::Stream;

/// A server connection, as the pool sees it: its bytes, and what is known of the session behind
/// them.
pub(crate) trait Link: fmt::Debug + 'static {
    /// What is known of the session; it goes with the socket from core to core.
    type State: fmt::Debug + Send;

    /// The bytes.
    fn stream(&self) -> &Stream<TcpStream>;

    /// The two parts.
    fn take_apart(self) -> (Stream<TcpStream>, Self::State);

    /// The connection of these two parts.
    fn put_together(stream: Stream<TcpStream>, state: Self::State) -> Self;
}
