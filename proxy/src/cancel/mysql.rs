//! Which session a KILL means.
//!
//! A client is told a connection id of the proxy's own, with the highest bit set, which no server's
//! has before it has had two thousand million sessions. KILL with such an id is sent on with the
//! server's own id, if it means a session of the same account; any other goes on as it is, and the
//! server answers it: an id of the server's own (CONNECTION_ID()) means what it says there, and the
//! server lets an account kill nothing but its own sessions.

use std::sync::{Arc, OnceLock};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::{Requests, UnderWay};
use crate::context::Context;
use crate::metrics::Outcome;
use crate::nonce::random;
use crate::pool::key::Key;

/// Set in every id of ours.
pub(crate) const OURS: u32 = 1 << 31;

/// The connection ids that the clients of this process were told.
#[derive(Debug, Default)]
pub struct ConnectionIds {
    sessions: DashMap<u32, Arc<Session>>,
}

/// A client's connection, and the server's session once it has one.
#[derive(Debug, Default)]
pub(crate) struct Session {
    server: OnceLock<Target>,
    requests: Requests,
}

/// A session on a server.
#[derive(Debug)]
struct Target {
    key: Arc<Key>,
    thread: u32,
}

/// A connection's place among the ids. Dropped, its id means nothing.
#[derive(Debug)]
#[must_use = "the id means nothing once this is dropped"]
pub(crate) struct Registration {
    context: Arc<Context>,
    session: Arc<Session>,
    id: u32,
}

/// A KILL that is to be sent on with another id.
#[derive(Debug)]
pub(crate) struct Kill {
    /// The server's own id of the session.
    pub(crate) thread: u32,
    pub(crate) under_way: UnderWay<Arc<Session>>,
}

// === impl ConnectionIds ===

impl ConnectionIds {
    /// Finds an id that no connection has. They say nothing about the server's.
    pub(crate) fn register(context: &Arc<Context>) -> Registration {
        let session = Arc::<Session>::default();
        loop {
            let id = u32::from_be_bytes(random()) | OURS;
            if let Entry::Vacant(place) = context.connection_ids.sessions.entry(id) {
                place.insert(Arc::clone(&session));
                return Registration {
                    context: Arc::clone(context),
                    session,
                    id,
                };
            }
        }
    }

    /// The session that `id` means, for a client whose server connection has this key. `None` if
    /// it means none of that account's.
    pub(crate) fn kill(context: &Context, id: u64, key: &Key) -> Option<Kill> {
        let kill = context.connection_ids.find(id, key);
        let outcome = if kill.is_some() {
            Outcome::Ok
        } else {
            Outcome::Failed
        };
        context.metrics.cancels.increment(outcome);
        kill
    }

    fn find(&self, id: u64, key: &Key) -> Option<Kill> {
        let session = Arc::clone(&*self.sessions.get(&u32::try_from(id).ok()?)?);
        let target = session.server.get()?;
        let thread = target.thread;
        let same = target.key.server.id == key.server.id
            && target.key.database == key.database
            && target.key.user == key.user;
        let under_way = same.then(|| Requests::begin(session)).flatten()?;
        Some(Kill { thread, under_way })
    }
}

// === impl Registration ===

impl Registration {
    /// What the client is told.
    pub(crate) const fn id(&self) -> u32 {
        self.id
    }

    /// The connection has a session on a server now.
    pub(crate) fn attach(&self, key: &Arc<Key>, thread: u32) {
        let key = Arc::clone(key);
        let _ = self.session.server.set(Target { key, thread }); // it has one, once
    }

    /// Ends the id. Answers, when no KILL with it is under way any more, whether the server
    /// connection may be used again. Cancel safe.
    pub(crate) async fn close(self) -> bool {
        self.context.connection_ids.sessions.remove(&self.id);
        self.session.requests.close().await
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.context.connection_ids.sessions.remove(&self.id);
        self.session.requests.end();
    }
}

impl AsRef<Requests> for Session {
    fn as_ref(&self) -> &Requests {
        &self.requests
    }
}

impl AsRef<Requests> for Arc<Session> {
    fn as_ref(&self) -> &Requests {
        &self.requests
    }
}

#[cfg(test)]
mod tests {
    use tenantsdb_codecs::feed::route::{Server, ServerTls};

    use super::*;
    use crate::fake;

    fn key(user: &str) -> Arc<Key> {
        Arc::new(Key {
            server: Arc::new(Server {
                id: "srv_1".to_owned(),
                addr: "127.0.0.1:1".to_owned(),
                tls: ServerTls::Disable,
                version: None,
                mongo: None,
            }),
            database: user.into(),
            user: user.into(),
            generation: 1,
            settings: Box::default(),
        })
    }

    #[tokio::test]
    async fn an_id_means_a_session_of_the_same_account_only() {
        let context = fake::context(fake::config());
        let acme = ConnectionIds::register(&context);
        assert_ne!(acme.id() & OURS, 0);
        let (id, key_of_acme) = (u64::from(acme.id()), key("app__acme"));
        assert!(ConnectionIds::kill(&context, id, &key_of_acme).is_none());
        acme.attach(&key_of_acme, 7);
        assert!(ConnectionIds::kill(&context, id, &key("app__globex")).is_none());
        assert!(ConnectionIds::kill(&context, id + (1 << 32), &key_of_acme).is_none());
        let kill = ConnectionIds::kill(&context, id, &key_of_acme).unwrap();
        assert_eq!(kill.thread, 7);
        kill.under_way.acted();
        assert!(acme.close().await);
        assert!(ConnectionIds::kill(&context, id, &key_of_acme).is_none());
        assert!(context.connection_ids.sessions.is_empty());
    }

    #[tokio::test]
    async fn a_connection_is_not_used_again_while_a_kill_may_hit_it() {
        let context = fake::context(fake::config());
        let session = ConnectionIds::register(&context);
        let key = key("app__acme");
        session.attach(&key, 7);
        let kill = ConnectionIds::kill(&context, session.id().into(), &key).unwrap();
        drop(kill); // nobody knows whether the server has acted
        assert!(!session.close().await);
    }
}
