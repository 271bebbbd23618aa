//! What all protocols do alike on a client's way in and on its server connection's way out.

use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};
use tracing::debug;

use super::has_begun;
use crate::back::Link;
use crate::context::Context;
use crate::limits::{DatabasePermit, HandshakePermit, SourcePermit};
use crate::metrics::Outcome;
use crate::pool::{Pooled, Pools};
use crate::route::{Login, Route};
use tenantsdb_codecs::feed::route::Status;

/// How long the server may take to confirm the reset, and to act on the ending of what a client
/// left behind.
pub(super) const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a client has no place among those that log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSeat {
    /// It does not begin to talk.
    Silent,
    /// There is none.
    Full,
}

/// Why a client that has proved who it is may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// The process is going down.
    Draining,
    /// The login that it has proved is none any more.
    Revoked,
    /// The operator has closed the database.
    Suspended,
    /// No more clients for this database.
    Full,
}

/// A place among those that log in, once the client has begun to talk.
pub(super) async fn seat(
    context: &Context,
    stream: &TcpStream,
    source: SourcePermit,
) -> Result<HandshakePermit, NoSeat> {
    if !has_begun(context, stream).await {
        return Err(NoSeat::Silent);
    }
    context.limits.handshake(source).map_err(|_| NoSeat::Full)
}

/// Whether a client that has proved who it is may come in now: by the table as it is now, and not
/// by the route that its login began with. A login may take its time, and what it would be let in
/// to may have been taken from it meanwhile: server connections that its password opened are still
/// in the pool, and a database of the same name may be another's.
pub(super) fn admit(
    context: &Context,
    proved: &Route,
    login: &Login,
) -> Result<DatabasePermit, Shut> {
    if context.drain.is_draining() {
        return Err(Shut::Draining);
    }
    let route = context.routes.get(proved.engine, &proved.database);
    let route = route.ok_or(Shut::Revoked)?;
    if !route.has_still(login) || route.server != proved.server {
        return Err(Shut::Revoked);
    }
    if route.status == Status::Suspended {
        return Err(Shut::Suspended);
    }
    context.limits.database(&route).ok_or(Shut::Full)
}

/// Gives a connection back once its reset is confirmed; otherwise, and when the process goes down,
/// closes it.
pub(super) async fn give_back<C, E>(
    context: &Context,
    pools: &Pools<C>,
    mut pooled: Pooled<C>,
    reset: impl AsyncFnOnce(&mut C) -> Result<(), E>,
) where
    C: Link,
    E: std::fmt::Display,
{
    if context.drain.is_draining() {
        return;
    }
    let done = timeout(RELEASE_TIMEOUT, reset(&mut pooled.connection)).await;
    let outcome = match &done {
        Ok(Ok(())) => Outcome::Ok,
        _ => Outcome::Failed,
    };
    context.metrics.resets.increment(outcome);
    match done {
        Ok(Ok(())) => pools.put_back(pooled),
        Ok(Err(error)) => debug!(%error, "server connection not reset; closed"),
        Err(_) => debug!("server connection not reset in time; closed"),
    }
}
