//! Identity of one connection, for logs and captures. Nothing is decided by it.

use std::fmt;
use std::net::SocketAddr;

use tracing::{Span, field, info_span};

use crate::nonce::random_hex;

/// Bytes of an identity: enough that two sessions of a fleet never share one.
const ID_BYTES: usize = 12;

/// The identity of one client connection.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    id: String,
}

impl Session {
    /// A new one.
    pub(crate) fn new() -> Self {
        Self {
            id: random_hex::<ID_BYTES>(),
        }
    }

    /// What everything that is logged about this session stands in. Database and user follow once
    /// they are known.
    pub(crate) fn span(&self, engine: &'static str, peer: SocketAddr) -> Span {
        info_span!(
            "session", id = %self, engine, %peer,
            database = field::Empty, user = field::Empty
        )
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}
