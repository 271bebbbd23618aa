//! What replies say, what a connection may still be owed, and what the server keeps for a user.
//!
//! A server connection holds little: replies that are owed, and an exhaust cursor under way. All
//! else that outlives a request (cursors, sessions, transactions) is kept by the server under the
//! user, and is used from any connection of that user. So there are two books: [`Exchange`] of one
//! client connection, [`Sessions`] of all that one application has.
//!
//! <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg>, and the
//! specifications "Driver Sessions", "Transactions" and "Load Balancers".

use super::Error;
use super::bson::{Document, Value};
use super::client::{Lsid, Request};
use super::command::{Effect, Kept};
use super::mask::is_named_in_reply;
use super::report::{RETRYABLE_WRITE, TRANSIENT_TRANSACTION, UNKNOWN_COMMIT};

mod exchange;
mod sessions;

pub use exchange::{Exchange, Pin};
pub use sessions::Sessions;

/// Most cursors or sessions of one command that are looked at.
const NAMED_MAX: usize = 10_000;

/// What the books need of a request once its bytes are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// What it does to what the server keeps.
    pub kept: Kept,
    /// The session.
    pub lsid: Option<Lsid>,
    /// The transaction that it is part of.
    pub transaction: Option<(Lsid, i64)>,
    /// It begins that transaction.
    pub starts: bool,
    /// Of `getMore` and `killCursors`.
    pub cursors: Vec<i64>,
    /// Of `endSessions`.
    pub ended: Vec<Lsid>,
    /// Whether there is a reply.
    pub is_answered: bool,
    /// Whether the reply says what the server is called.
    pub names_server: bool,
}

impl Asked {
    /// Of a request that goes to the server. `is_answered`: without `moreToCome`.
    ///
    /// # Errors
    ///
    /// What it names is broken.
    pub fn of(
        request: &Request<'_>,
        effect: &Effect<'_>,
        is_answered: bool,
    ) -> Result<Self, Error> {
        let transaction = request.transaction();
        let mut asked = Self {
            kept: effect.kept,
            lsid: request.lsid,
            transaction,
            starts: transaction.is_some() && request.start_transaction,
            is_answered,
            names_server: is_named_in_reply(request)?,
            ..Self::default()
        };
        match effect.kept {
            Kept::GetMore => asked.cursors.extend(request.target.as_i64()),
            Kept::KillCursors => asked.cursors = request.numbers("cursors", NAMED_MAX)?,
            Kept::EndSessions => asked.ended = request.sessions(NAMED_MAX)?,
            Kept::None | Kept::Commit | Kept::Abort => {}
        }
        Ok(asked)
    }
}

/// What a reply says, by its body or what is kept of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reply<'i> {
    /// The command as a whole took effect.
    pub ok: bool,
    /// What programs look at, if it did not; 0 where the server gives none.
    pub code: i64,
    /// The cursor, with what it returns.
    pub cursor: Option<Cursor<'i>>,
    /// Some of the command's writes did not take effect.
    pub write_errors: bool,
    /// It took effect here; that it stays is not sure.
    pub write_concern_error: bool,
    /// What drivers do about it.
    pub labels: Labels,
}

/// A cursor in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor<'i> {
    /// 0 once it has returned all.
    pub id: i64,
    /// `database.collection`.
    pub ns: &'i str,
}

/// Labels of an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The transaction is no more, and may be begun again.
    pub transient_transaction: bool,
    /// Whether the commit took effect is not known.
    pub unknown_commit: bool,
    /// The write may be sent again.
    pub retryable_write: bool,
}

impl<'i> Reply<'i> {
    /// Reads the body of a reply, or its [outline](super::bson::Outline).
    ///
    /// # Errors
    ///
    /// An element is broken.
    pub fn read(body: Document<'i>) -> Result<Self, Error> {
        let mut reply = Self::default();
        for element in body.elements() {
            let element = element?;
            match (element.key, element.value()) {
                (b"ok", value) => reply.ok = value.truthy(),
                (b"code", value) => reply.code = value.as_i64().unwrap_or_default(),
                (b"cursor", Value::Document(cursor)) => reply.cursor = Cursor::read(cursor)?,
                // An empty array would be none; servers leave it out.
                (b"writeErrors", Value::Array(errors)) => {
                    reply.write_errors = errors.elements().next().is_some();
                }
                (b"nErrors", value) => {
                    reply.write_errors |= value.as_i64().unwrap_or_default() > 0;
                }
                (b"writeConcernError", Value::Document(_)) => reply.write_concern_error = true,
                (b"errorLabels", Value::Array(labels)) => reply.labels = Labels::read(labels)?,
                _ => {}
            }
        }
        Ok(reply)
    }

    /// Whether all of the command took effect, and stays.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.ok && !self.write_errors && !self.write_concern_error
    }
}

impl<'i> Cursor<'i> {
    fn read(cursor: Document<'i>) -> Result<Option<Self>, Error> {
        let id = cursor.get("id")?.and_then(|id| id.as_i64());
        let ns = cursor.get("ns")?.and_then(|ns| ns.as_str());
        Ok(id.map(|id| Self {
            id,
            ns: ns.unwrap_or_default(),
        }))
    }
}

impl Labels {
    fn read(labels: Document<'_>) -> Result<Self, Error> {
        let mut read = Self::default();
        for label in labels.elements() {
            match label?.value().as_str() {
                Some(TRANSIENT_TRANSACTION) => read.transient_transaction = true,
                Some(UNKNOWN_COMMIT) => read.unknown_commit = true,
                Some(RETRYABLE_WRITE) => read.retryable_write = true,
                _ => {}
            }
        }
        Ok(read)
    }
}

/// What a reply does to the transaction of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Over,
}

/// A transaction is over once its commit or abort is answered, and when the server says that it is
/// no more. A commit of which nothing is known may be sent again: it stays.
fn fate(asked: &Asked, reply: &Reply<'_>) -> Fate {
    match asked.kept {
        _ if reply.labels.transient_transaction || reply.code == NO_SUCH_TRANSACTION => Fate::Over,
        Kept::Abort => Fate::Over,
        Kept::Commit if !reply.labels.unknown_commit => Fate::Over,
        _ => Fate::Open,
    }
}

const NO_SUCH_TRANSACTION: i64 = super::code::Code::NoSuchTransaction.number() as i64;

#[cfg(test)]
mod tests;
