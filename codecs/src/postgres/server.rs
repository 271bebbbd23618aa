//! Messages of a server that login, relaying and capture look into or send.

use super::Error;
use super::error::text;
use super::patch::Message;
use super::tag::ServerTag;
use crate::cursor::Cursor;
use crate::limits::{CANCEL_SECRET_BYTES_MAX, CANCEL_SECRET_BYTES_MIN};

/// A setting that the server reports, at login and whenever it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// Name of the setting.
    pub name: &'a str,
    /// Its value now.
    pub value: &'a str,
}

impl<'a> ParameterStatus<'a> {
    /// Reads the body of a ParameterStatus.
    ///
    /// # Errors
    ///
    /// Another layout, or not UTF-8.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        let status = Self {
            name: text(cursor.c_string(), "parameter name")?,
            value: text(cursor.c_string(), "parameter value")?,
        };
        end(cursor, "parameter value")?;
        Ok(status)
    }

    /// Appends the message.
    ///
    /// # Errors
    ///
    /// A zero byte in name or value, or more bytes than a message can have.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut message = Message::tagged(ServerTag::PARAMETER_STATUS.0, out);
        message.c_string(self.name, "parameter name")?;
        message.c_string(self.value, "parameter value")?;
        message.finish()
    }
}

/// What a CancelRequest for this session must hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BackendKeyData<'a> {
    /// Process id of the session.
    pub pid: i32,
    /// 4 bytes, or 4 to 256 from protocol 3.2 on.
    pub secret: &'a [u8],
}

impl<'a> BackendKeyData<'a> {
    /// Reads the body of a BackendKeyData.
    ///
    /// # Errors
    ///
    /// Another layout, or a secret of another length.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        let pid = cursor.i32().ok_or(Error::Truncated("process id"))?;
        let secret = check_secret(cursor.rest())?;
        Ok(Self { pid, secret })
    }

    /// Appends the message.
    ///
    /// # Errors
    ///
    /// A secret of another length.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let secret = check_secret(self.secret)?;
        let mut message = Message::tagged(ServerTag::BACKEND_KEY_DATA.0, out);
        message.i32(self.pid);
        message.bytes(secret);
        message.finish()
    }
}

/// Whoever has the secret can cancel, so it is not printed.
impl std::fmt::Debug for BackendKeyData<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackendKeyData")
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

/// Transaction status that ReadyForQuery carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// Not in a transaction block.
    Idle,
    /// In a transaction block.
    InTransaction,
    /// In a failed transaction block: all is refused until it ends.
    Failed,
}

impl TransactionStatus {
    const fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::InTransaction => b'T',
            Self::Failed => b'E',
        }
    }
}

/// The server waits for the next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyForQuery {
    /// Where the session stands.
    pub status: TransactionStatus,
}

impl ReadyForQuery {
    /// Reads the body of a ReadyForQuery.
    ///
    /// # Errors
    ///
    /// Not one byte, or another than `I`, `T` and `E`.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        let status = cursor.u8().ok_or(Error::Truncated("transaction status"))?;
        let status = match status {
            b'I' => TransactionStatus::Idle,
            b'T' => TransactionStatus::InTransaction,
            b'E' => TransactionStatus::Failed,
            _ => return Err(Error::Invalid("transaction status")),
        };
        end(cursor, "transaction status")?;
        Ok(Self { status })
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(ServerTag::READY_FOR_QUERY.0);
        out.extend_from_slice(&5_u32.to_be_bytes());
        out.push(self.status.byte());
    }
}

/// A statement is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandComplete<'a> {
    /// `CREATE TABLE`, `INSERT 0 1`, `ROLLBACK` …
    pub tag: &'a str,
}

impl<'a> CommandComplete<'a> {
    /// Reads the body of a CommandComplete.
    ///
    /// # Errors
    ///
    /// Another layout.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        let complete = Self {
            tag: text(cursor.c_string(), "command tag")?,
        };
        end(cursor, "command tag")?;
        Ok(complete)
    }

    /// Appends the message.
    ///
    /// # Errors
    ///
    /// A zero byte in the tag, or more bytes than a message can have.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut message = Message::tagged(ServerTag::COMMAND_COMPLETE.0, out);
        message.c_string(self.tag, "command tag")?;
        message.finish()
    }
}

/// Appends a NegotiateProtocolVersion: the newest minor version of protocol 3 that is spoken here,
/// and the `_pq_.` options of the client that are not known.
///
/// The documentation says that the message has the minor version; every server puts the whole
/// version number there (`SendNegotiateProtocolVersion` in `src/backend/tcop/backend_startup.c`),
/// and libpq reads it as that.
///
/// # Errors
///
/// A zero byte in an option's name, or more bytes than a message can have.
pub fn encode_negotiate_protocol_version(
    minor: u16,
    unknown_options: &[&str],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut message = Message::tagged(ServerTag::NEGOTIATE_PROTOCOL_VERSION.0, out);
    message.i32((3 << 16) | i32::from(minor));
    message.count(unknown_options.len(), "number of options")?;
    for option in unknown_options {
        message.c_string(option, "option name")?;
    }
    message.finish()
}

fn check_secret(secret: &[u8]) -> Result<&[u8], Error> {
    match secret.len() {
        CANCEL_SECRET_BYTES_MIN..=CANCEL_SECRET_BYTES_MAX => Ok(secret),
        _ => Err(Error::Invalid("cancel key length")),
    }
}

fn end(cursor: Cursor<'_>, field: &'static str) -> Result<(), Error> {
    if cursor.is_empty() {
        Ok(())
    } else {
        Err(Error::Trailing(field))
    }
}

#[cfg(test)]
mod tests;
