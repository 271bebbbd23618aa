//! The end of a session, as its server connection sees it.

use std::time::Duration;

use tokio::time::timeout;
use tracing::{debug, warn};

use super::Ended;
use crate::back::postgres::{self, Connection, cancel::cancel};
use crate::cancel::postgres::Registration;
use crate::core::Core;
use crate::metrics::Outcome;
use crate::pool::Pooled;
use crate::relay::End;
use crate::route::Route;

/// How long the server may take to confirm the reset, and to act on the cancelling of what a client
/// left behind.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Gives the connection back if nothing is under way on it and the server confirms that nothing of
/// the session is left; in any doubt closes it. What a client that has gone left running is
/// cancelled.
pub(super) async fn release(
    core: &Core,
    route: &Route,
    mut pooled: Pooled<Connection>,
    key: Registration,
    ended: &Ended,
) {
    if !ended.settled {
        drop(key);
        if ended.busy {
            abandon(core, route, &pooled).await;
        }
        return;
    }
    let reusable = matches!(
        ended.end,
        End::Goodbye | End::ClientGone(_) | End::ClientBroken(_)
    );
    // A request to cancel that comes late must not hit the next client.
    if !reusable || !key.close().await || core.context.drain.is_draining() {
        return;
    }
    let reset = timeout(RELEASE_TIMEOUT, pooled.connection.reset()).await;
    let reset = reset.unwrap_or(Err(postgres::Error::TimedOut));
    let outcome = if reset.is_ok() {
        Outcome::Ok
    } else {
        Outcome::Failed
    };
    core.context.metrics.resets.increment(outcome);
    match reset {
        Ok(()) => core.postgres.put_back(pooled),
        Err(error) => debug!(%error, "server connection not reset; closed"),
    }
}

async fn abandon(core: &Core, route: &Route, pooled: &Pooled<Connection>) {
    let dialer = core.context.tls.dialer();
    let cancelled = cancel(&route.server, dialer, &pooled.connection.key);
    match timeout(RELEASE_TIMEOUT, cancelled).await {
        Ok(Ok(())) => debug!("what the client left running was cancelled"),
        Ok(Err(error)) => warn!(%error, "what the client left running was not cancelled"),
        Err(_) => warn!("what the client left running was not cancelled in time"),
    }
}
