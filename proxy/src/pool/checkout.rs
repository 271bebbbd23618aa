//! A server connection for a client that has proved who it is.

use std::sync::Arc;

use tenantsdb_codecs::scram::{ClientKey, Credential};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::budget::{Acquired, Grant};
use super::key::Key;
use super::{Open, Pooled, Pools};
use crate::back::postgres::login::{Identity, login};
use crate::back::postgres::{self, Connection, dial};
use crate::context::Context;
use crate::core::Core;
use crate::fault::{Fault, FaultKind};
use crate::metrics::{Checkout, Outcome};
use crate::route::{Login, Route};

/// After a full server's idle connections were closed, until it is asked again: other cores close
/// theirs, and the server's processes end, within some milliseconds.
const SERVER_ROOM_WAIT: Duration = Duration::from_millis(100);

/// Who needs a connection.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) route: &'a Route,
    pub(crate) login: &'a Login,
    /// What the login revealed.
    pub(crate) client_key: &'a ClientKey,
    /// Startup parameters but `user`, `database` and `application_name`; in any order.
    pub(crate) settings: Vec<(String, String)>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// All of the database's connections stayed in use.
    #[error("no server connection became free in time")]
    Exhausted,
    /// Too many clients wait already.
    #[error("too many clients wait for a server connection")]
    QueueFull,
    /// The server.
    #[error(transparent)]
    Server(#[from] postgres::Error),
}

impl Fault for Error {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Exhausted | Self::QueueFull => FaultKind::Limit,
            Self::Server(error) => error.kind(),
        }
    }
}

/// An idle connection, or a new one, within the configured time. Cancel safe: what has been granted
/// meanwhile is closed, and its place goes to the next.
pub(crate) async fn checkout(core: &Core, request: Request<'_>) -> Result<Pooled, Error> {
    let context = &core.context;
    let deadline = Instant::now() + context.config.checkout_timeout;
    let found = core.pools.find(context, &request, deadline).await;
    let outcome = match &found {
        Ok((_, Origin::Reused)) => Checkout::Reused,
        Ok((_, Origin::Opened)) => Checkout::Opened,
        Err(Error::Exhausted | Error::QueueFull) => Checkout::TimedOut,
        Err(Error::Server(_)) => Checkout::Failed,
    };
    context.metrics.checkouts.increment(outcome);
    found.map(|(pooled, _)| pooled)
}

/// Where a connection came from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Reused,
    Opened,
}

impl Pools {
    async fn find(
        &self,
        context: &Arc<Context>,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<(Pooled, Origin), Error> {
        let key = Arc::new(request.key());
        while let Some(outdated) = self.take_outdated(&key) {
            drop(outdated);
        }
        loop {
            if let Some(pooled) = self.take_idle(&key) {
                return Ok((pooled, Origin::Reused));
            }
            let permit = match self.place(context, request, &key, deadline).await? {
                Grant::Permit(permit) => permit,
                other => match other.into_pooled() {
                    Some(pooled) if pooled.connection.is_quiet() => {
                        return Ok((pooled, Origin::Reused));
                    }
                    _ => continue,
                },
            };
            let connection = match open(context, request, &key, deadline).await {
                Err(error) if error.is_server_full() && self.make_server_room(context, &key) => {
                    sleep(SERVER_ROOM_WAIT).await;
                    open(context, request, &key, deadline).await?
                }
                opened => opened?,
            };
            let pooled = Pooled {
                connection,
                key,
                permit,
                _open: Open::new(context),
            };
            return Ok((pooled, Origin::Opened));
        }
    }

    /// Closes what this process keeps idle to a server that takes no more, or has it closed.
    /// Answers whether there is any.
    fn make_server_room(&self, context: &Context, key: &Key) -> bool {
        let server = key.server.id.as_str();
        let room = context.budgets.clear_server(server);
        self.clear_server(server);
        room
    }

    fn take_outdated(&self, key: &Key) -> Option<Pooled> {
        let outdated = self.idle.borrow_mut().take_outdated(key)?;
        outdated.permit.budget().idle_taken(self.seat.core);
        Some(outdated)
    }

    /// A place in the database's budget, or a connection of someone who has just ended.
    async fn place(
        &self,
        context: &Arc<Context>,
        request: &Request<'_>,
        key: &Arc<Key>,
        deadline: Instant,
    ) -> Result<Grant, Error> {
        let budget = context
            .budgets
            .of(key, request.route.limits.server_connections_max);
        let granted = match budget.acquire(self.seat.core, key) {
            Acquired::Now(permit) => return Ok(Grant::Permit(permit)),
            Acquired::Full => return Err(Error::QueueFull),
            Acquired::Later(granted) => granted,
        };
        // One that rests under another key, or on another core, makes room.
        if !self.evict(&budget) {
            context.budgets.make_room(&budget);
        }
        match timeout_at(deadline, granted).await {
            Ok(Ok(grant)) => Ok(grant),
            // A budget that clients wait for is not forgotten.
            Ok(Err(_)) | Err(_) => Err(Error::Exhausted),
        }
    }
}

async fn open(
    context: &Arc<Context>,
    request: &Request<'_>,
    key: &Key,
    deadline: Instant,
) -> Result<Connection, postgres::Error> {
    let Request {
        route,
        login: who,
        client_key,
        ..
    } = request;
    let identity = Identity {
        database: &route.database,
        user: &who.user,
        settings: &key.settings,
        credential: Credential::Key {
            client: client_key,
            verifier: &who.verifier,
        },
    };
    let deadline = deadline.min(Instant::now() + context.config.connect_timeout);
    let opened = timeout_at(deadline, async {
        let stream = dial::dial(&route.server, context.tls.dialer()).await?;
        login(stream, identity).await
    });
    let opened = opened.await.unwrap_or(Err(postgres::Error::TimedOut));
    let outcome = if opened.is_ok() {
        Outcome::Ok
    } else {
        Outcome::Failed
    };
    context.metrics.server_connects.increment(outcome);
    opened
}

impl Request<'_> {
    fn key(&self) -> Key {
        let mut settings = self.settings.clone();
        settings.sort_unstable();
        Key {
            server: Arc::clone(&self.route.server),
            database: self.route.database.clone(),
            user: self.login.user.clone(),
            generation: self.login.generation,
            settings: settings.into_boxed_slice(),
        }
    }
}
