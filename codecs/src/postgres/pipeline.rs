//! Which replies a server still owes, and whether the connection may be given to someone else.
//!
//! A client may send any number of requests before it reads a reply. Query, FunctionCall and Sync
//! are answered by one ReadyForQuery each; everything between them belongs to the next. One
//! ReadyForQuery therefore does not mean that the server is done: they are counted.

use super::server::TransactionStatus;
use super::tag::ClientTag;

/// Books of one server connection. Closing a connection needlessly costs a login; reusing one that
/// is not at rest gives a client the rows of another. So whatever cannot be accounted for exactly
/// makes the connection [unclear](Self::is_unclear) for good, and it is never idle again.
///
/// A Query or FunctionCall behind an unfinished batch (asyncpg prepares with Flush, then sends one)
/// ends that batch and is answered, unless the batch failed: then it is skipped. So it is accounted
/// for as long as the server sends no error meanwhile.
///
/// Not accounted for, though legal: COPY FROM STDIN by the extended protocol (the server swallows
/// a Sync that meets it in copy mode) leaves one reply owed.
#[derive(Clone, Debug)]
pub struct Pipeline {
    owed: u64,
    status: TransactionStatus,
    /// Messages of the extended protocol were sent and no Sync behind them.
    batch_open: bool,
    /// A Query or FunctionCall was sent behind a batch without Sync, and replies are owed still.
    batch_cut: bool,
    unclear: bool,
}

impl Pipeline {
    /// The server has just sent its first ReadyForQuery, or one that ended all that was sent.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            owed: 0,
            status: TransactionStatus::Idle,
            batch_open: false,
            batch_cut: false,
            unclear: false,
        }
    }

    /// A message with this tag goes to the server. Call it when its header is whole. Until
    /// then, and until its last byte is sent, whoever asks for rest must also know that the stream
    /// stands between two messages: this counts messages, not bytes.
    pub fn client_sent(&mut self, tag: u8) {
        match ClientTag(tag) {
            ClientTag::QUERY | ClientTag::FUNCTION_CALL => {
                self.batch_cut |= self.batch_open;
                self.batch_open = false;
                self.owed = self.owed.saturating_add(1);
            }
            ClientTag::SYNC => {
                self.batch_open = false;
                self.owed = self.owed.saturating_add(1);
            }
            ClientTag::PARSE
            | ClientTag::BIND
            | ClientTag::DESCRIBE
            | ClientTag::EXECUTE
            | ClientTag::CLOSE => self.batch_open = true,
            // Asks for what is there, and is not answered itself.
            ClientTag::FLUSH => {}
            // Part of the reply to a COPY that is owed; behind a failed one the server skips them.
            ClientTag::COPY_DATA | ClientTag::COPY_DONE | ClientTag::COPY_FAIL => {}
            _ => self.unclear = true,
        }
    }

    /// The server sent a ReadyForQuery.
    pub fn server_ready(&mut self, status: TransactionStatus) {
        match self.owed.checked_sub(1) {
            Some(owed) => self.owed = owed,
            None => self.unclear = true,
        }
        self.batch_cut &= self.owed > 0;
        self.status = status;
    }

    /// The server sent an ErrorResponse.
    pub fn server_failed(&mut self) {
        // Whether the batch failed, and what is behind it is skipped, cannot be told.
        self.unclear |= self.batch_cut;
    }

    /// The connection is in a state that is not known (an unreadable message, say) and must not be
    /// used again.
    pub fn give_up(&mut self) {
        self.unclear = true;
    }

    /// Transaction status by the last ReadyForQuery. While replies are owed it may have changed.
    #[must_use]
    pub const fn status(&self) -> TransactionStatus {
        self.status
    }

    /// Replies that are to end with a ReadyForQuery and have not.
    #[must_use]
    pub const fn owed(&self) -> u64 {
        self.owed
    }

    /// Whether something happened that is not accounted for.
    #[must_use]
    pub const fn is_unclear(&self) -> bool {
        self.unclear
    }

    /// Whether the server may be at work on what it was sent: a reply is owed, or a batch was begun
    /// whose messages it works on as they come, Sync or not. In a transaction it may only wait.
    #[must_use]
    pub const fn may_be_at_work(&self) -> bool {
        self.owed > 0 || self.batch_open || self.unclear
    }

    /// Whether the server waits for the next request, in no transaction, with nothing begun. That
    /// nothing of a message is under way in either direction is for the caller to know.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        !self.may_be_at_work() && matches!(self.status, TransactionStatus::Idle)
    }
}

impl Default for Pipeline {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
