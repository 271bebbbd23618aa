//! A server connection for a client that has proved who it is: a place first, then what fills it.

use std::sync::Arc;

use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::budget::{Acquired, Grant, Permit};
use super::key::Key;
use super::{Open, Pooled, Pools};
use crate::back::Link;
use crate::context::Context;
use crate::fault::{Fault, FaultKind};
use crate::metrics::{Checkout, Outcome};

/// After a full server's idle connections were closed, until it is asked again: other cores close
/// theirs, and the server's processes end, within some milliseconds.
const SERVER_ROOM_WAIT: Duration = Duration::from_millis(100);

/// Who needs a connection.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) key: Arc<Key>,
    /// Server connections of the database, if its route says how many.
    pub(crate) connections_max: Option<u32>,
    /// When there must be one.
    pub(crate) deadline: Instant,
}

/// How connections of one engine are opened.
pub(crate) trait Opener {
    /// What is opened.
    type Connection: Link;
    /// Why it is not.
    type Error;

    /// Dials and logs in, before the deadline. Dropped before it is done, nothing is left open.
    async fn open(&mut self, deadline: Instant) -> Result<Self::Connection, Self::Error>;

    /// Whether the server has all the connections that it may have.
    fn is_server_full(error: &Self::Error) -> bool;
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPlace {
    /// All of the database's connections stayed in use.
    #[error("no server connection became free in time")]
    Exhausted,
    /// Too many clients wait already.
    #[error("too many clients wait for a server connection")]
    QueueFull,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error<E: Fault + 'static> {
    /// No place for one.
    #[error(transparent)]
    NoPlace(#[from] NoPlace),
    /// The server.
    #[error("{0}")]
    Server(#[source] E),
}

/// An idle connection, or a place to open one in.
#[derive(Debug)]
pub(crate) enum Reserved<C: Link> {
    Connection(Pooled<C>),
    Place(Place<C>),
}

/// A place in the database's budget. Dropped, it goes to the next.
#[derive(Debug)]
pub(crate) struct Place<C: Link> {
    key: Arc<Key>,
    permit: Permit<C>,
    deadline: Instant,
}

impl<E: Fault + 'static> Fault for Error<E> {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NoPlace(_) => FaultKind::Limit,
            Self::Server(error) => error.kind(),
        }
    }
}

/// An idle connection, or a new one. Cancel safe: what has been granted meanwhile is closed, and
/// its place goes to the next.
pub(crate) async fn checkout<O>(
    context: &Arc<Context>,
    pools: &Pools<O::Connection>,
    request: Request,
    opener: &mut O,
) -> Result<Pooled<O::Connection>, Error<O::Error>>
where
    O: Opener<Error: Fault + 'static>,
{
    match reserve(context, pools, request).await? {
        Reserved::Connection(pooled) => Ok(pooled),
        Reserved::Place(place) => place
            .fill(context, pools, opener)
            .await
            .map_err(Error::Server),
    }
}

/// An idle connection, or a place for a new one. Cancel safe, as [`checkout`].
pub(crate) async fn reserve<C: Link>(
    context: &Arc<Context>,
    pools: &Pools<C>,
    request: Request,
) -> Result<Reserved<C>, NoPlace> {
    let reserved = pools.reserve(request).await;
    let outcome = match &reserved {
        Ok(Reserved::Connection(_)) => Checkout::Reused,
        Err(_) => Checkout::TimedOut,
        Ok(Reserved::Place(_)) => return reserved,
    };
    context.metrics.checkouts.increment(outcome);
    reserved
}

// === impl Place ===

impl<C: Link> Place<C> {
    /// Opens a connection in this place; asks once more where the server was full of connections
    /// that this process keeps idle. Cancel safe: dropped, the place goes to the next.
    pub(crate) async fn fill<O: Opener<Connection = C>>(
        self,
        context: &Arc<Context>,
        pools: &Pools<C>,
        opener: &mut O,
    ) -> Result<Pooled<C>, O::Error> {
        let opened = match self.open(context, opener).await {
            Err(error) if O::is_server_full(&error) && pools.make_server_room(&self.key) => {
                sleep(SERVER_ROOM_WAIT).await;
                self.open(context, opener).await
            }
            opened => opened,
        };
        let outcome = if opened.is_ok() {
            Checkout::Opened
        } else {
            Checkout::Failed
        };
        context.metrics.checkouts.increment(outcome);
        Ok(Pooled {
            connection: opened?,
            key: self.key,
            permit: self.permit,
            _open: Open::new(context),
        })
    }

    async fn open<O: Opener<Connection = C>>(
        &self,
        context: &Context,
        opener: &mut O,
    ) -> Result<C, O::Error> {
        let connect = Instant::now() + context.config.connect_timeout;
        let opened = opener.open(self.deadline.min(connect)).await;
        let outcome = if opened.is_ok() {
            Outcome::Ok
        } else {
            Outcome::Failed
        };
        context.metrics.server_connects.increment(outcome);
        opened
    }
}

// === impl Pools ===

impl<C: Link> Pools<C> {
    async fn reserve(&self, request: Request) -> Result<Reserved<C>, NoPlace> {
        let Request {
            key,
            connections_max,
            deadline,
        } = request;
        while let Some(outdated) = self.take_outdated(&key) {
            drop(outdated);
        }
        loop {
            if let Some(pooled) = self.take_idle(&key) {
                return Ok(Reserved::Connection(pooled));
            }
            match self.place(&key, connections_max, deadline).await? {
                Grant::Permit(permit) => {
                    return Ok(Reserved::Place(Place {
                        key,
                        permit,
                        deadline,
                    }));
                }
                other => match other.into_pooled() {
                    Some(pooled) if pooled.connection.stream().is_quiet() => {
                        return Ok(Reserved::Connection(pooled));
                    }
                    _ => {}
                },
            }
        }
    }

    /// Closes what this process keeps idle to a server that takes no more, or has it closed.
    /// Answers whether there is any.
    fn make_server_room(&self, key: &Key) -> bool {
        let server = key.server.id.as_str();
        let room = self.budgets.clear_server(server);
        self.clear_server(server);
        room
    }

    fn take_outdated(&self, key: &Key) -> Option<Pooled<C>> {
        let outdated = self.idle.borrow_mut().take_outdated(key)?;
        outdated.permit.budget().idle_taken(self.seat.core);
        Some(outdated)
    }

    /// A place in the database's budget, or a connection of someone who has just ended.
    async fn place(
        &self,
        key: &Arc<Key>,
        connections_max: Option<u32>,
        deadline: Instant,
    ) -> Result<Grant<C>, NoPlace> {
        let budget = self.budgets.of(key, connections_max);
        let granted = match budget.acquire(self.seat.core, key) {
            Acquired::Now(permit) => return Ok(Grant::Permit(permit)),
            Acquired::Full => return Err(NoPlace::QueueFull),
            Acquired::Later(granted) => granted,
        };
        // One that rests under another key, or on another core, makes room.
        if !self.evict(&budget) {
            self.budgets.make_room(&budget);
        }
        match timeout_at(deadline, granted).await {
            Ok(Ok(grant)) => Ok(grant),
            // A budget that clients wait for is not forgotten.
            Ok(Err(_)) | Err(_) => Err(NoPlace::Exhausted),
        }
    }
}
