//! The books of one client connection.

use super::{Asked, Fate, Reply, fate};
use crate::limits::MONGO_OPEN_PER_CONNECTION_MAX;
use crate::mongo::Error;
use crate::mongo::client::Lsid;
use crate::mongo::command::Kept;

/// Why a client connection keeps its server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// A reply is owed, or the next one of an exhaust cursor.
    Exhaust,
    /// A transaction is open.
    Transaction,
    /// A cursor is open, which no other connection reaches.
    Cursor,
}

impl Pin {
    /// As it is shown and counted.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exhaust => "exhaust",
            Self::Transaction => "transaction",
            Self::Cursor => "cursor",
        }
    }
}

/// What one client connection is in the middle of: one request at a time.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    asked: Option<Asked>,
    /// The reply under way has further ones.
    more: bool,
    /// A request without a reply was sent since the last reply.
    unconfirmed: bool,
    transactions: Vec<(Lsid, i64)>,
    cursors: Vec<i64>,
    /// More cursors were open than are kept: there may be one that is not in the list.
    beyond: bool,
}

impl Exchange {
    /// A request goes to the server.
    ///
    /// # Errors
    ///
    /// The reply to the one before it is still owed.
    pub fn request(&mut self, asked: Asked) -> Result<(), Error> {
        if self.asked.is_some() {
            return Err(Error::Invalid("request while a reply is owed"));
        }
        if let Some(transaction) = asked.transaction.filter(|_| asked.starts) {
            // Another transaction of a session ends the one before it.
            self.transactions.retain(|(lsid, _)| *lsid != transaction.0);
            // One that is not kept does not pin: it is reached from any connection.
            keep(&mut self.transactions, transaction);
        }
        if asked.is_answered {
            self.asked = Some(asked);
        } else {
            self.unconfirmed = true;
        }
        Ok(())
    }

    /// A reply came; with `more_to_come` the next one follows. Answers the request if this was the
    /// last one.
    ///
    /// # Errors
    ///
    /// None is owed.
    pub fn reply(&mut self, reply: &Reply<'_>, more_to_come: bool) -> Result<Option<Asked>, Error> {
        let Some(asked) = self.asked.take() else {
            return Err(Error::Invalid("reply that is not owed"));
        };
        self.unconfirmed = false;
        self.more = more_to_come;
        if let Some((lsid, number)) = asked.transaction
            && fate(&asked, reply) == Fate::Over
        {
            self.transactions.retain(|open| *open != (lsid, number));
        }
        let mut gone = asked.kept == Kept::KillCursors && reply.ok;
        gone |= asked.kept == Kept::GetMore && !reply.ok;
        if gone {
            self.cursors.retain(|open| !asked.cursors.contains(open));
        }
        if asked.kept == Kept::GetMore && reply.cursor.is_some_and(|cursor| cursor.id == 0) {
            self.cursors.retain(|open| !asked.cursors.contains(open));
        }
        if let Some(cursor) = reply.cursor.filter(|cursor| cursor.id != 0)
            && !self.cursors.contains(&cursor.id)
        {
            self.beyond |= !keep(&mut self.cursors, cursor.id);
        }
        if more_to_come {
            self.asked = Some(asked);
            return Ok(None);
        }
        Ok(Some(asked))
    }

    /// Whether a reply is owed: the server connection belongs to nobody else until it came.
    #[must_use]
    pub const fn is_owed(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether the server may still work on a request that has no reply. It has done so once it
    /// answers anything.
    #[must_use]
    pub const fn is_unconfirmed(&self) -> bool {
        self.unconfirmed
    }

    /// The server has answered something else.
    pub const fn confirmed(&mut self) {
        self.unconfirmed = false;
    }

    /// Why the server connection stays with this client. Cursors are reached from any connection
    /// but where several routers (`mongos`) are behind one address. `is_open` says whether a
    /// transaction is open still: another connection may have ended it.
    #[must_use]
    pub fn pin(
        &mut self,
        cursors_are_of_connections: bool,
        is_open: impl Fn(&Lsid, i64) -> bool,
    ) -> Option<Pin> {
        self.transactions
            .retain(|(lsid, number)| is_open(lsid, *number));
        if self.asked.is_some() || self.more {
            Some(Pin::Exhaust)
        } else if !self.transactions.is_empty() {
            Some(Pin::Transaction)
        } else if cursors_are_of_connections && (!self.cursors.is_empty() || self.beyond) {
            Some(Pin::Cursor)
        } else {
            None
        }
    }
}

/// Whether there was room.
fn keep<T>(list: &mut Vec<T>, what: T) -> bool {
    let room = list.len() < MONGO_OPEN_PER_CONNECTION_MAX;
    if room {
        list.push(what);
    }
    room
}
