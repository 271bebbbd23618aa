//! The end of what a session did with a server connection, as that connection sees it.

use crate::back::mongo::Connection;
use crate::core::Core;
use crate::front::admit::give_back;
use crate::pool::Pooled;

/// Gives a connection back on which no reply is owed. One on which a request without a reply was
/// sent is asked something first: when it answers, it has done with all before.
pub(super) async fn release(core: &Core, pooled: Pooled<Connection>, unconfirmed: bool) {
    let reset = async |connection: &mut Connection| match unconfirmed {
        true => connection.ping().await,
        false => Ok(()),
    };
    give_back(&core.context, &core.mongo, pooled, reset).await;
}
