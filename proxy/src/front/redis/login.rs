//! Whether a client is who it says: its password against the verifier that the route has.
//!
//! Wrong password and unknown user are one: one hash, one comparison, one answer.

use std::sync::Arc;

use tenantsdb_codecs::secret::Secret;

use super::handshake::Login as Asked;
use crate::auth::redis::Verifier;
use crate::context::Context;
use crate::pool::key::Key;
use crate::route::{Login, Route};

/// A client that has proved who it is.
#[derive(Debug, Clone)]
pub(crate) struct Proved {
    pub(crate) route: Arc<Route>,
    /// Place in the route's logins.
    login: usize,
    /// What logs in to the server, wiped when the last session that knows it is gone. Connections
    /// need it no more once they are open; the generation in their key says whose they are.
    pub(crate) password: Arc<Secret<Vec<u8>>>,
    /// Of the connections that it may use.
    pub(crate) key: Arc<Key>,
}

// === impl Proved ===

impl Proved {
    /// Who it is.
    pub(crate) fn login(&self) -> &Login {
        self.route
            .logins
            .get(self.login)
            .expect("a route does not change, and it was there")
    }

    /// What each of the database's keys begins with on its server.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.route.redis.as_ref()?.prefix.as_deref()
    }

    /// Whether the whole server is its own.
    pub(crate) fn is_dedicated(&self) -> bool {
        self.prefix().is_none()
    }
}

/// Checks who a client says it is. `None`: it is not, or there is no such user.
pub(crate) fn check(context: &Context, asked: &Asked) -> Option<Proved> {
    let user = std::str::from_utf8(&asked.user).unwrap_or_default();
    let found = find(context, user);
    // Made for every login, so that the time it takes tells nothing.
    let mock = Verifier::of_hash(context.mock.bytes(user, "redis"));
    let verifier = found
        .as_ref()
        .and_then(|(route, login)| route.logins.get(*login)?.verifier.redis());
    let fits = verifier.unwrap_or(&mock).fits(asked.password.expose());
    let (route, login) = found.filter(|_| fits)?;
    let account = route.logins.get(login)?;
    let key = Key {
        server: Arc::clone(&route.server),
        database: route.database.clone(),
        user: account.server_user().into(),
        generation: account.generation,
        settings: Box::default(),
    };
    Some(Proved {
        key: Arc::new(key),
        login,
        password: Arc::new(asked.password.clone()),
        route,
    })
}

/// The database of a user, and which of its logins it is. Who comes by the tenant's name alone is
/// the database's own user.
fn find(context: &Context, user: &str) -> Option<(Arc<Route>, usize)> {
    let route = context.routes.redis(user)?;
    let login = route
        .logins
        .iter()
        .position(|login| *login.user == *route.database)?;
    Some((route, login))
}
