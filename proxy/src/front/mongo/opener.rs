//! What a server connection for a client that has proved itself is opened with.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::login::Proved;
use super::refuse::CheckoutError;
use crate::back::mongo::login::{Identity, open};
use crate::back::mongo::{Connection, Error};
use crate::context::Context;
use crate::core::Core;
use crate::pool::{self, Pooled, Request, checkout};

/// Opens connections as the user that the client has proved to be.
#[derive(Debug)]
struct Opener<'a> {
    context: &'a Context,
    proved: &'a Proved,
}

/// An idle connection, or a new one, within the configured time. Cancel safe.
pub(crate) async fn take(
    core: &Core,
    proved: &Proved,
) -> Result<Pooled<Connection>, CheckoutError> {
    let context = &core.context;
    let request = Request {
        key: Arc::clone(&proved.key),
        connections_max: proved.route.limits.server_connections_max,
        deadline: Instant::now() + context.config.checkout_timeout,
    };
    let mut opener = Opener { context, proved };
    checkout(context, &core.mongo, request, &mut opener).await
}

impl pool::Opener for Opener<'_> {
    type Connection = Connection;
    type Error = Error;

    async fn open(&mut self, deadline: Instant) -> Result<Connection, Error> {
        let key = &self.proved.key;
        let identity = Identity {
            user: &key.user,
            database: &key.database,
            client_key: &self.proved.client_key,
            verifier: &self.proved.verifier,
        };
        let opened = open(&key.server, self.context.tls.dialer(), identity);
        let opened = timeout_at(deadline, opened).await;
        opened.unwrap_or(Err(Error::TimedOut))
    }

    fn is_server_full(error: &Error) -> bool {
        error.is_server_full()
    }
}
