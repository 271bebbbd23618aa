//! The end of what a session did with a server connection, as that connection sees it.

use crate::back::redis::Connection;
use crate::back::redis::command::Open;
use crate::core::Core;
use crate::front::admit::give_back;
use crate::pool::Pooled;

/// Gives a connection back on which nothing is owed and nothing unread, once the server has
/// confirmed that nothing of the session is left. One that is in any other state, or that has
/// subscribed or has tracking on, is to be dropped instead.
pub(super) async fn release(core: &Core, pooled: Pooled<Connection>, open: Open) {
    let reset = async |connection: &mut Connection| connection.reset(open).await;
    give_back(&core.context, &core.redis, pooled, reset).await;
}
