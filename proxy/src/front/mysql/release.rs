//! The end of a session, as its server connection sees it.

use tokio::time::timeout;
use tracing::{debug, warn};

use super::Ended;
use crate::back::mysql::{Connection, login};
use crate::cancel::mysql::Registration;
use crate::core::Core;
use crate::front::admit::{RELEASE_TIMEOUT, give_back};
use crate::pool::Pooled;
use crate::relay::End;
use crate::route::Route;

/// Gives the connection back if nothing is under way on it and the server confirms that nothing of
/// the session is left; in any doubt closes it. What a client that has gone left running is killed.
///
/// A transaction that is open does not matter: the reset rolls it back, as the server itself does
/// when a client leaves. A mode that gives connections back between transactions would come here
/// with the pipeline idle and no reason that pins the session, and need no reset between sessions
/// of one user.
pub(super) async fn release(
    core: &Core,
    route: &Route,
    pooled: Pooled<Connection>,
    registration: Registration,
    ended: &Ended,
) {
    if !ended.settled {
        drop(registration);
        // Where it has gone, its id may be another's by now.
        if ended.busy && !matches!(ended.end, End::ServerGone(_)) {
            abandon(core, route, &pooled).await;
        }
        return;
    }
    let reusable = matches!(
        ended.end,
        End::Goodbye | End::ClientGone(_) | End::ClientBroken(_)
    );
    // A KILL that comes late must not hit the next client.
    if reusable && registration.close().await {
        let reset = async |connection: &mut Connection| connection.reset().await;
        give_back(&core.context, &core.mysql, pooled, reset).await;
    }
}

/// Ends what the server is still at: it would notice that nobody listens only when it has rows to
/// send.
async fn abandon(core: &Core, route: &Route, pooled: &Pooled<Connection>) {
    let session = &pooled.connection.session;
    let identity = login::Identity {
        server: &route.server,
        database: &session.database,
        user: &pooled.key().user,
        capabilities: session.capabilities,
        collation: ANY_COLLATION,
        known: &session.known,
    };
    let killed = login::kill(&identity, core.context.tls.dialer(), session.thread);
    match timeout(RELEASE_TIMEOUT, killed).await {
        Ok(Ok(())) => debug!("what the client left running was killed"),
        Ok(Err(error)) => warn!(%error, "what the client left running was not killed"),
        Err(_) => warn!("what the client left running was not killed in time"),
    }
}

/// `utf8mb4_general_ci`, which every server has.
const ANY_COLLATION: u8 = 45;
