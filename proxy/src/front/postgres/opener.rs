//! What a server connection for a client that has proved itself is opened with.

use std::sync::Arc;

use tenantsdb_codecs::scram::{ClientKey, Credential, Verifier};
use tokio::time::{Instant, timeout_at};

use super::login::Proved;
use super::refuse::CheckoutError;
use super::startup::Startup;
use crate::back::postgres::login::{Identity, login};
use crate::back::postgres::{Connection, Error, dial};
use crate::context::Context;
use crate::core::Core;
use crate::pool::key::Key;
use crate::pool::{self, Pooled, Request, checkout};
use crate::route::{Login, Route};

/// Opens connections as the role that the client has proved to be.
#[derive(Debug)]
pub(super) struct Opener<'a> {
    context: &'a Context,
    route: &'a Route,
    login: &'a Login,
    verifier: &'a Verifier,
    /// What the login revealed.
    client_key: &'a ClientKey,
    key: Arc<Key>,
}

// === impl Opener ===

impl<'a> Opener<'a> {
    pub(super) fn new(context: &'a Context, proved: &'a Proved, startup: &Startup) -> Self {
        let login = proved.login();
        let mut settings = startup.settings.clone();
        settings.sort_unstable();
        Self {
            context,
            route: &proved.route,
            login,
            verifier: &proved.verifier,
            client_key: &proved.client_key,
            key: Arc::new(Key {
                server: Arc::clone(&proved.route.server),
                database: proved.route.database.clone(),
                user: login.user.clone(),
                generation: login.generation,
                settings: settings.into_boxed_slice(),
            }),
        }
    }

    /// An idle connection, or a new one, within the configured time. Cancel safe.
    pub(super) async fn checkout(
        mut self,
        core: &Core,
    ) -> Result<Pooled<Connection>, CheckoutError> {
        let request = Request {
            key: Arc::clone(&self.key),
            connections_max: self.route.limits.server_connections_max,
            deadline: Instant::now() + self.context.config.checkout_timeout,
        };
        checkout(&core.context, &core.postgres, request, &mut self).await
    }
}

impl pool::Opener for Opener<'_> {
    type Connection = Connection;
    type Error = Error;

    async fn open(&mut self, deadline: Instant) -> Result<Connection, Error> {
        let identity = Identity {
            database: &self.route.database,
            user: &self.login.user,
            settings: &self.key.settings,
            credential: Credential::Key {
                client: self.client_key,
                verifier: self.verifier,
            },
        };
        let opened = timeout_at(deadline, async {
            let stream = dial::dial(&self.route.server, self.context.tls.dialer()).await?;
            login(stream, identity).await
        });
        opened.await.unwrap_or(Err(Error::TimedOut))
    }

    fn is_server_full(error: &Error) -> bool {
        error.is_server_full()
    }
}
