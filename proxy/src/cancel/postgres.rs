//! Which session a CancelRequest means, and that it hits no other.
//!
//! A client is given a key of the proxy's own, which is worth nothing once its session has ended. A
//! request with it goes to the server with the server's key.

use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use subtle::ConstantTimeEq;
use tenantsdb_codecs::feed::route::Server;
use tenantsdb_codecs::limits::CANCEL_SECRET_BYTES_MIN;
use tenantsdb_codecs::postgres::server::BackendKeyData;
use tenantsdb_codecs::postgres::startup::ProtocolVersion;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::{CANCEL_TIMEOUT, Requests, UnderWay};
use crate::back::postgres::CancelKey;
use crate::back::postgres::cancel::cancel;
use crate::context::Context;
use crate::metrics::Outcome;
use crate::nonce::random;

/// Bytes of a secret from protocol 3.2 on. Before, there is only room for 4.
const SECRET_BYTES: usize = 32;

/// The cancel keys of the sessions of this process.
#[derive(Debug, Default)]
pub struct CancelKeys {
    sessions: DashMap<i32, Arc<Session>>,
}

/// A session that can be cancelled.
struct Session {
    secret: Box<[u8]>,
    server: Arc<Server>,
    server_key: CancelKey,
    requests: Requests,
}

/// A session's place among the keys. Dropped, its key is worth nothing.
#[derive(Debug)]
#[must_use = "the key is worth nothing once this is dropped"]
pub(crate) struct Registration {
    context: Arc<Context>,
    session: Arc<Session>,
    pid: i32,
}

// === impl CancelKeys ===

impl CancelKeys {
    /// Makes a key for a session whose client speaks this version of the protocol.
    pub(crate) fn register(
        context: &Arc<Context>,
        version: ProtocolVersion,
        server: &Arc<Server>,
        server_key: &CancelKey,
    ) -> Registration {
        let mut secret = Vec::from(random::<SECRET_BYTES>());
        if version < ProtocolVersion::V3_2 {
            secret.truncate(CANCEL_SECRET_BYTES_MIN);
        }
        let session = Arc::new(Session {
            secret: secret.into_boxed_slice(),
            server: Arc::clone(server),
            server_key: server_key.clone(),
            requests: Requests::default(),
        });
        let pid = context.cancel.insert(&session);
        Registration {
            context: Arc::clone(context),
            session,
            pid,
        }
    }

    /// Finds a process id that no session has. They say nothing about the server's.
    fn insert(&self, session: &Arc<Session>) -> i32 {
        loop {
            // Positive, as a process id is.
            let pid = i32::from_be_bytes(random()) & i32::MAX;
            if let Entry::Vacant(place) = self.sessions.entry(pid) {
                place.insert(Arc::clone(session));
                return pid;
            }
        }
    }

    /// Does what a CancelRequest asks for; nothing if its key is not a session's. The client is
    /// told nothing either way but the end of its connection, which tells it that the server has
    /// acted.
    pub(crate) async fn cancel(context: &Context, pid: i32, secret: &[u8]) {
        let session = context.cancel.find(pid, secret);
        let outcome = if session.is_some() {
            Outcome::Ok
        } else {
            Outcome::Failed
        };
        context.metrics.cancels.increment(outcome);
        let Some(session) = session else {
            debug!("cancel request with an unknown key");
            return;
        };
        let Some(under_way) = session.begin() else {
            return;
        };
        let request = cancel(&session.server, context.tls.dialer(), &session.server_key);
        match timeout(CANCEL_TIMEOUT, request).await {
            Ok(Ok(())) => under_way.acted(),
            Ok(Err(error)) => warn!(%error, "cancel request not delivered"),
            Err(_) => warn!("server did not act on a cancel request in time"),
        }
    }

    fn find(&self, pid: i32, secret: &[u8]) -> Option<Arc<Session>> {
        let session = Arc::clone(&*self.sessions.get(&pid)?);
        bool::from(session.secret.ct_eq(secret)).then_some(session)
    }
}

// === impl Session ===

impl Session {
    fn begin(&self) -> Option<UnderWay<&Self>> {
        Requests::begin(self)
    }
}

impl AsRef<Requests> for Session {
    fn as_ref(&self) -> &Requests {
        &self.requests
    }
}

/// Shows no secret.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("server_key", &self.server_key)
            .finish_non_exhaustive()
    }
}

// === impl Registration ===

impl Registration {
    /// What the client is told.
    pub(crate) fn key(&self) -> BackendKeyData<'_> {
        BackendKeyData {
            pid: self.pid,
            secret: &self.session.secret,
        }
    }

    /// Ends the key. Answers, when no request for it is under way any more, whether the server
    /// connection may be used again: whether the server has acted on all of them. Cancel safe.
    pub(crate) async fn close(self) -> bool {
        self.context.cancel.sessions.remove(&self.pid);
        self.session.requests.close().await
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.context.cancel.sessions.remove(&self.pid);
        self.session.requests.end();
    }
}

#[cfg(test)]
mod tests;
