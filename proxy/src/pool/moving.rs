//! A connection on its way from one core to another.

use std::net::TcpStream as StdStream;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::budget::Permit;
use super::key::Key;
use super::{Open, Pooled};
use crate::back::postgres::{CancelKey, Connection, Parameters};
use crate::stream::Stream;

/// A connection at rest that no core watches. Dropped, it is closed and its place is free.
#[derive(Debug)]
pub(crate) struct Moving {
    stream: StdStream,
    parameters: Parameters,
    cancel_key: CancelKey,
    key: Arc<Key>,
    permit: Permit,
    open: Open,
}

impl Moving {
    /// Takes a connection off this core. One that cannot be is closed, and its place given back:
    /// one inside TLS, whose session cannot be taken apart.
    pub(super) fn leave(pooled: Pooled) -> Result<Self, Permit> {
        let Pooled {
            connection,
            key,
            permit,
            _open: open,
        } = pooled;
        let Stream::Plain(stream) = connection.stream else {
            return Err(permit);
        };
        let Ok(stream) = stream.into_std() else {
            return Err(permit);
        };
        Ok(Self {
            stream,
            parameters: connection.parameters,
            cancel_key: connection.key,
            key,
            permit,
            open,
        })
    }

    /// Brings it to this core; `None` if the core cannot watch it.
    pub(super) fn arrive(self) -> Option<Pooled> {
        let stream = TcpStream::from_std(self.stream).ok()?;
        Some(Pooled {
            connection: Connection {
                stream: Stream::Plain(stream),
                parameters: self.parameters,
                key: self.cancel_key,
            },
            key: self.key,
            permit: self.permit,
            _open: self.open,
        })
    }
}
