//! The end of a session, as its server connection sees it.

use tokio::time::timeout;
use tracing::{debug, warn};

use super::Ended;
use crate::back::postgres::{Connection, cancel::cancel};
use crate::cancel::postgres::Registration;
use crate::core::Core;
use crate::front::admit::{RELEASE_TIMEOUT, give_back};
use crate::pool::Pooled;
use crate::relay::End;
use crate::route::Route;

/// Gives the connection back if nothing is under way on it and the server confirms that nothing of
/// the session is left; in any doubt closes it. What a client that has gone left running is
/// cancelled.
pub(super) async fn release(
    core: &Core,
    route: &Route,
    pooled: Pooled<Connection>,
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
    if reusable && key.close().await {
        let reset = async |connection: &mut Connection| connection.reset().await;
        give_back(&core.context, &core.postgres, pooled, reset).await;
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
