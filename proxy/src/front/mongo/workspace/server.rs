//! What the proxy itself asks the server of a workspace session: which collections there are.

use std::collections::BTreeSet;

use tenantsdb_codecs::mongo;
use tenantsdb_codecs::mongo::bson::{Document, Value, Writer};
use tokio::time::timeout;

use crate::context::Context;

/// The server connection that the client's commands go over, while it owes no reply.
pub(crate) trait Server {
    /// Why it is of no more use.
    type Error;

    /// Sends a command, which has its `$db`, and returns the body of its one reply. Need not be
    /// cancel safe, nor have a deadline: after one the connection is not used again.
    fn ask(&mut self, command: &[u8]) -> impl Future<Output = Result<Vec<u8>, Self::Error>>;
}

/// Why a command was not looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error<E> {
    /// The command is broken, and the server connection as it was.
    #[error("{0}")]
    Command(mongo::Error),
    /// The server connection is lost.
    #[error("{0}")]
    Server(E),
    /// The server's answer is broken.
    #[error("list of collections: {0}")]
    Protocol(mongo::Error),
    /// The server did not answer in time.
    #[error("the server did not list its collections in time")]
    TimedOut,
}

/// The names of the collections in a database, or only `name` if it is there. `None` if the server
/// does not say.
pub(super) async fn list<S: Server>(
    context: &Context,
    server: &mut S,
    database: &str,
    name: Option<&str>,
) -> Result<Option<BTreeSet<String>>, Error<S::Error>> {
    let mut command = Writer::new();
    command.i32("listCollections", 1);
    command.document("filter", |filter| {
        if let Some(name) = name {
            filter.str("name", name);
        }
    });
    command.bool("nameOnly", true).str("$db", database);
    let command = command.finish();
    // The time that a server has to answer a login.
    let asked = timeout(context.config.connect_timeout, server.ask(&command)).await;
    let reply = asked.map_err(|_| Error::TimedOut)?.map_err(Error::Server)?;
    names(&reply).map_err(Error::Protocol)
}

/// `{cursor: {id, firstBatch: [{name}]}, ok}`. There is one batch, unless it has more than 16 MB.
fn names(reply: &[u8]) -> Result<Option<BTreeSet<String>>, mongo::Error> {
    let reply = Document::whole(reply)?;
    let ok = reply.get("ok")?.is_some_and(|ok| ok.truthy());
    let cursor = reply.get("cursor")?.and_then(|cursor| cursor.as_document());
    let Some(cursor) = cursor.filter(|_| ok) else {
        return Ok(None);
    };
    let more = cursor.get("id")?.is_some_and(|id| id.truthy());
    let Some(Value::Array(batch)) = cursor.get("firstBatch")?.filter(|_| !more) else {
        return Ok(None);
    };
    let mut names = BTreeSet::new();
    for element in batch.iter() {
        let Some(collection) = element?.1.as_document() else {
            return Err(mongo::Error::Type("collection"));
        };
        match collection.get("name")?.and_then(|name| name.as_str()) {
            Some(name) => names.insert(name.to_owned()),
            None => return Err(mongo::Error::Missing("name of a collection")),
        };
    }
    Ok(Some(names))
}
