//! A connection on its way from one core to another.

use std::net::TcpStream as StdStream;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::budget::Permit;
use super::key::Key;
use super::{Open, Pooled};
use crate::back::Link;
use crate::stream::Stream;

/// A connection at rest that no core watches. Dropped, it is closed and its place is free.
#[derive(Debug)]
pub(crate) struct Moving<C: Link> {
    stream: StdStream,
    state: C::State,
    key: Arc<Key>,
    permit: Permit<C>,
    open: Open,
}

impl<C: Link> Moving<C> {
    /// Takes a connection off this core. One that cannot be is closed, and its place given back:
    /// one inside TLS, whose session cannot be taken apart.
    pub(super) fn leave(pooled: Pooled<C>) -> Result<Self, Permit<C>> {
        let Pooled {
            connection,
            key,
            permit,
            _open: open,
        } = pooled;
        let (stream, state) = connection.take_apart();
        let Stream::Plain(stream) = stream else {
            return Err(permit);
        };
        let Ok(stream) = stream.into_std() else {
            return Err(permit);
        };
        Ok(Self {
            stream,
            state,
            key,
            permit,
            open,
        })
    }

    /// Brings it to this core; `None` if the core cannot watch it.
    pub(super) fn arrive(self) -> Option<Pooled<C>> {
        let stream = TcpStream::from_std(self.stream).ok()?;
        Some(Pooled {
            connection: C::put_together(Stream::Plain(stream), self.state),
            key: self.key,
            permit: self.permit,
            _open: self.open,
        })
    }
}
