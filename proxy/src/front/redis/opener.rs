//! What a server connection for a client that has proved itself is opened with: as its own user,
//! or as the one that only looks for names.

use std::sync::Arc;

use tenantsdb_codecs::feed::id::walk_user;
use tenantsdb_codecs::redis::server::Protocol;
use tokio::time::{Instant, timeout, timeout_at};

use super::login::Proved;
use super::refuse::CheckoutError;
use crate::back::redis::login::{Identity, open};
use crate::back::redis::{Connection, Error};
use crate::context::Context;
use crate::core::Core;
use crate::pool::key::Key;
use crate::pool::{self, Pooled, Request, checkout};

/// Connections of this process that look for the names of one database: they have a budget of their
/// own, so that a session that holds the last of its database's can still be told of its keys.
const WALK_CONNECTIONS_MAX: u32 = 2;

/// Opens connections as the user that the client has proved to be.
#[derive(Debug)]
pub(crate) struct Opener<'a> {
    context: &'a Context,
    proved: &'a Proved,
    protocol: Protocol,
    key: Arc<Key>,
    connections_max: Option<u32>,
}

// === impl Opener ===

impl<'a> Opener<'a> {
    /// As the client's own user, whose replies come in `protocol`.
    pub(crate) fn session(context: &'a Context, proved: &'a Proved, protocol: Protocol) -> Self {
        Self {
            context,
            proved,
            protocol,
            key: Arc::clone(&proved.key),
            connections_max: proved.route.limits.server_connections_max,
        }
    }

    /// As the user that may look for names and nothing else, whose replies come as RESP2.
    pub(crate) fn walk(context: &'a Context, proved: &'a Proved) -> Self {
        let user: Box<str> = walk_user(&proved.key.user).into();
        let key = Key {
            server: Arc::clone(&proved.key.server),
            database: walk_user(&proved.key.database).into(),
            user,
            generation: proved.key.generation,
            settings: Box::default(),
        };
        Self {
            context,
            proved,
            protocol: Protocol::Resp2,
            key: Arc::new(key),
            connections_max: Some(WALK_CONNECTIONS_MAX),
        }
    }

    /// An idle connection, or a new one, within the configured time, replying in the protocol that
    /// was asked for. Cancel safe.
    pub(crate) async fn checkout(
        mut self,
        core: &Core,
    ) -> Result<Pooled<Connection>, CheckoutError> {
        let request = Request {
            key: Arc::clone(&self.key),
            connections_max: self.connections_max,
            deadline: Instant::now() + self.context.config.checkout_timeout,
        };
        let protocol = self.protocol;
        let mut pooled = checkout(&core.context, &core.redis, request, &mut self).await?;
        let switch = pooled.connection.hello(protocol);
        confirmed(core, switch).await?;
        Ok(pooled)
    }

    /// A connection for a client that has the server to itself, and has said this name.
    pub(super) async fn dedicated(
        self,
        core: &Core,
        name: Option<&[u8]>,
    ) -> Result<Pooled<Connection>, CheckoutError> {
        let mut pooled = self.checkout(core).await?;
        if let Some(name) = name {
            confirmed(core, pooled.connection.set_name(name)).await?;
        }
        Ok(pooled)
    }
}

async fn confirmed(
    core: &Core,
    asked: impl Future<Output = Result<(), Error>>,
) -> Result<(), CheckoutError> {
    let answered = timeout(core.context.config.connect_timeout, asked).await;
    answered
        .unwrap_or(Err(Error::TimedOut))
        .map_err(pool::Error::Server)
}

impl pool::Opener for Opener<'_> {
    type Connection = Connection;
    type Error = Error;

    async fn open(&mut self, deadline: Instant) -> Result<Connection, Error> {
        let identity = Identity {
            user: &self.key.user,
            password: &self.proved.password,
            protocol: self.protocol,
        };
        let context = self.context;
        let opened = open(
            &self.key.server,
            context.tls.dialer(),
            &context.tables,
            identity,
        );
        let opened = timeout_at(deadline, opened).await;
        opened.unwrap_or(Err(Error::TimedOut))
    }

    fn is_server_full(error: &Error) -> bool {
        error.is_server_full()
    }
}
