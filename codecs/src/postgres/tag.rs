//! The first byte of a message. The same byte means different things in the two directions (`D` is
//! Describe or DataRow), so each direction has a type.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use std::fmt;

/// Tag of a message that a client sends.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientTag(pub u8);

impl ClientTag {
    /// Bind parameters to a prepared statement.
    pub const BIND: Self = Self(b'B');
    /// Close a prepared statement or portal.
    pub const CLOSE: Self = Self(b'C');
    /// A piece of COPY data.
    pub const COPY_DATA: Self = Self(b'd');
    /// End of COPY data.
    pub const COPY_DONE: Self = Self(b'c');
    /// The client gives up its COPY.
    pub const COPY_FAIL: Self = Self(b'f');
    /// Describe a prepared statement or portal.
    pub const DESCRIBE: Self = Self(b'D');
    /// Run a portal.
    pub const EXECUTE: Self = Self(b'E');
    /// Send what is there, without ending the batch.
    pub const FLUSH: Self = Self(b'H');
    /// Fast-path function call.
    pub const FUNCTION_CALL: Self = Self(b'F');
    /// Prepare a statement.
    pub const PARSE: Self = Self(b'P');
    /// Password, or a SASL answer: which of them the state of the login says.
    pub const PASSWORD: Self = Self(b'p');
    /// Simple query.
    pub const QUERY: Self = Self(b'Q');
    /// End of an extended-protocol batch.
    pub const SYNC: Self = Self(b'S');
    /// The client goes.
    pub const TERMINATE: Self = Self(b'X');
}

/// Tag of a message that a server sends.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerTag(pub u8);

impl ServerTag {
    /// Authentication request, or that it is done.
    pub const AUTHENTICATION: Self = Self(b'R');
    /// Process id and cancel key.
    pub const BACKEND_KEY_DATA: Self = Self(b'K');
    /// Bind is done.
    pub const BIND_COMPLETE: Self = Self(b'2');
    /// Close is done.
    pub const CLOSE_COMPLETE: Self = Self(b'3');
    /// A statement is done; the body is its command tag.
    pub const COMMAND_COMPLETE: Self = Self(b'C');
    /// COPY in both directions (replication).
    pub const COPY_BOTH_RESPONSE: Self = Self(b'W');
    /// A piece of COPY data.
    pub const COPY_DATA: Self = Self(b'd');
    /// End of COPY data.
    pub const COPY_DONE: Self = Self(b'c');
    /// The client may send COPY data.
    pub const COPY_IN_RESPONSE: Self = Self(b'G');
    /// COPY data follows.
    pub const COPY_OUT_RESPONSE: Self = Self(b'H');
    /// One row.
    pub const DATA_ROW: Self = Self(b'D');
    /// The query was empty: stands where CommandComplete would.
    pub const EMPTY_QUERY_RESPONSE: Self = Self(b'I');
    /// An error; the rest of the batch is skipped.
    pub const ERROR_RESPONSE: Self = Self(b'E');
    /// Result of a function call.
    pub const FUNCTION_CALL_RESPONSE: Self = Self(b'V');
    /// The server has less than the protocol version or options asked for.
    pub const NEGOTIATE_PROTOCOL_VERSION: Self = Self(b'v');
    /// The statement returns no rows.
    pub const NO_DATA: Self = Self(b'n');
    /// A warning or notice; comes at any time.
    pub const NOTICE_RESPONSE: Self = Self(b'N');
    /// NOTIFY from another session; comes at any time.
    pub const NOTIFICATION_RESPONSE: Self = Self(b'A');
    /// Types of a prepared statement's parameters.
    pub const PARAMETER_DESCRIPTION: Self = Self(b't');
    /// A setting and its new value; comes at any time.
    pub const PARAMETER_STATUS: Self = Self(b'S');
    /// Parse is done.
    pub const PARSE_COMPLETE: Self = Self(b'1');
    /// The row limit of Execute was reached.
    pub const PORTAL_SUSPENDED: Self = Self(b's');
    /// The server waits for the next batch.
    pub const READY_FOR_QUERY: Self = Self(b'Z');
    /// Columns of the rows to come.
    pub const ROW_DESCRIPTION: Self = Self(b'T');
}

impl fmt::Debug for ClientTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientTag({})", self.0.escape_ascii())
    }
}

impl fmt::Debug for ServerTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerTag({})", self.0.escape_ascii())
    }
}
