//! What is said of each message that a server sends.

use super::super::code::Code;
use super::super::flags::Status;

/// What a message of the server is in the reply under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Part of a result, a progress report, or (once the connection is unclear) anything.
    Part,
    /// The server asks for a file. Until the client has sent the empty message that ends it, all
    /// that it sends is [file data](super::Pipeline::file_data) and no command.
    FileRequest,
    /// A result is complete.
    Result {
        /// What came of it.
        outcome: Outcome,
        /// Whether the reply to the command is, too; else another result follows.
        last: bool,
    },
}

/// What came of a command, or of one of its statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, without rows.
    Ok {
        /// How many warnings can be asked for.
        warnings: u16,
        /// Where the session stands.
        status: Status,
    },
    /// Done; there were rows, or a cursor was opened for them.
    Rows {
        /// How many warnings can be asked for.
        warnings: u16,
        /// Where the session stands.
        status: Status,
    },
    /// A statement is prepared.
    Prepared {
        /// What it is called from now on in this session.
        id: u32,
    },
    /// Failed.
    Err {
        /// Number of the error.
        code: Code,
    },
}
