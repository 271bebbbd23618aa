//! Headers of messages: sixteen bytes, all numbers with the least byte first.
//!
//! <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#standard-message-header>
//!
//! ```text
//! int32 messageLength   bytes of the whole message, these among them
//! int32 requestID       number that its sender gave it
//! int32 responseTo      the requestID that it answers; 0 in a request
//! int32 opCode
//! ```

use super::Error;
use crate::cursor::Cursor;
pub use crate::limits::MONGO_MESSAGE_BYTES_MAX as MESSAGE_BYTES_MAX;

/// Bytes of a header.
pub const HEADER_LENGTH: usize = 16;

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// OP_REPLY, which answers OP_QUERY.
    Reply,
    /// OP_QUERY. Since 5.1 only for the hello of old drivers.
    Query,
    /// OP_COMPRESSED: another message, compressed.
    Compressed,
    /// OP_MSG: requests and replies.
    Msg,
    /// Removed from the protocol (OP_UPDATE, OP_INSERT, OP_GET_MORE …), or never in it.
    Other(i32),
}

impl Opcode {
    /// The opcode with this number.
    #[must_use]
    pub const fn of(number: i32) -> Self {
        match number {
            1 => Self::Reply,
            2004 => Self::Query,
            2012 => Self::Compressed,
            2013 => Self::Msg,
            other => Self::Other(other),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Reply => 1,
            Self::Query => 2004,
            Self::Compressed => 2012,
            Self::Msg => 2013,
            Self::Other(number) => number,
        }
    }
}

/// What every message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the whole message, the header among them.
    pub length: usize,
    /// Number that its sender gave it.
    pub request_id: i32,
    /// Number of the message that it answers.
    pub response_to: i32,
    /// What kind of message it is.
    pub opcode: Opcode,
}

impl Header {
    /// Reads the header at the front; `None` if less than a header is there. The length is looked
    /// at as soon as it is there.
    ///
    /// # Errors
    ///
    /// A length below a header's (negative ones too), or more than `length_max` bytes.
    pub fn read(input: &[u8], length_max: usize) -> Result<Option<Self>, Error> {
        let mut cursor = Cursor::new(input);
        let Some(length) = cursor.i32_le() else {
            return Ok(None);
        };
        let length = check_length(length, length_max)?;
        let (Some(request_id), Some(response_to), Some(opcode)) =
            (cursor.i32_le(), cursor.i32_le(), cursor.i32_le())
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            length,
            request_id,
            response_to,
            opcode: Opcode::of(opcode),
        }))
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }

    /// The sixteen bytes. A length beyond an `i32`, which no message has, is written as the
    /// greatest one.
    #[must_use]
    pub fn bytes(&self) -> [u8; HEADER_LENGTH] {
        let length = i32::try_from(self.length).unwrap_or(i32::MAX);
        let mut bytes = [0; HEADER_LENGTH];
        let numbers = [
            length,
            self.request_id,
            self.response_to,
            self.opcode.number(),
        ];
        for (place, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// Reads the header of a message that is there as a whole.
    ///
    /// # Errors
    ///
    /// Those of [`Self::read`], and bytes that are more or less than the message.
    pub(super) fn of_whole(message: &[u8]) -> Result<Self, Error> {
        let header = Self::read(message, MESSAGE_BYTES_MAX)?;
        let header = header.ok_or(Error::Truncated("message header"))?;
        if message.len() < header.length {
            return Err(Error::Truncated("message"));
        }
        if message.len() > header.length {
            return Err(Error::Trailing("message"));
        }
        Ok(header)
    }
}

fn check_length(length: i32, length_max: usize) -> Result<usize, Error> {
    let bytes = usize::try_from(length).map_err(|_| Error::Length(length))?;
    if bytes < HEADER_LENGTH {
        return Err(Error::Length(length));
    }
    if bytes > length_max {
        return Err(Error::TooLong {
            field: "message",
            bytes: bytes as u64,
            max: length_max as u64,
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
