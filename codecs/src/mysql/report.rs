//! ERR packets, and MariaDB's progress reports, which look like one.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html>,
//! <https://mariadb.com/kb/en/err_packet/>

use std::borrow::Cow;

use super::Error;
use super::code::{Code, SqlState};
use super::frame::Packet;
use crate::cursor::Cursor;
use crate::limits::MYSQL_MESSAGE_BYTES_MAX;

/// First byte of an ERR packet.
pub(super) const HEADER: u8 = 0xff;

/// The code that says that no error but a progress report follows.
const PROGRESS: Code = Code(0xffff);

/// An error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// What programs look at.
    pub code: Code,
    /// What programs that know other databases look at.
    pub sqlstate: SqlState,
    /// What people read, in the session's character set.
    pub message: &'a [u8],
}

impl<'a> Report<'a> {
    /// An error of ours, with the SQLSTATE that belongs to the code.
    #[must_use]
    pub const fn new(code: Code, message: &'a str) -> Self {
        Self {
            code,
            sqlstate: code.sqlstate(),
            message: message.as_bytes(),
        }
    }

    /// Whether this is the body of an ERR packet: for the places where one may come instead of
    /// what is expected. A progress report is one too.
    #[must_use]
    pub fn is(body: &[u8]) -> bool {
        body.first() == Some(&HEADER)
    }

    /// Reads the body of an ERR packet. Without a SQLSTATE (errors that refuse a connection before
    /// its greeting have none) it has the one that belongs to the code.
    ///
    /// # Errors
    ///
    /// Another layout.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        if cursor.u8() != Some(HEADER) {
            return Err(Error::Invalid("error header"));
        }
        let code = Code(cursor.u16_le().ok_or(Error::Truncated("error code"))?);
        let mut sqlstate = code.sqlstate();
        if cursor.rest().first() == Some(&b'#') {
            let marked = cursor.take(6).ok_or(Error::Truncated("SQLSTATE"))?;
            let state = marked.get(1..).and_then(SqlState::parse);
            sqlstate = state.ok_or(Error::Invalid("SQLSTATE"))?;
        }
        Ok(Self {
            code,
            sqlstate,
            message: cursor.rest(),
        })
    }

    /// The message as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.message)
    }

    /// Appends it. Cannot fail: a refusal must always get out, so the message is cut at a zero byte
    /// and at [`MYSQL_MESSAGE_BYTES_MAX`] instead.
    pub fn encode(&self, sequence: &mut u8, out: &mut Vec<u8>) {
        let mut packet = Packet::new(sequence, out);
        packet.u8(HEADER);
        packet.u16(self.code.0);
        packet.u8(b'#');
        packet.bytes(self.sqlstate.as_str().as_bytes());
        packet.bytes(cut(self.message));
        packet.finish();
    }

    /// Appends it as what stands in place of a greeting: without SQLSTATE, which a client does not
    /// look for before it knows what the server can.
    pub fn encode_before_greeting(&self, out: &mut Vec<u8>) {
        let mut sequence = 0;
        let mut packet = Packet::new(&mut sequence, out);
        packet.u8(HEADER);
        packet.u16(self.code.0);
        packet.bytes(cut(self.message));
        packet.finish();
    }
}

fn cut(message: &[u8]) -> &[u8] {
    let text = message.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.len() <= MYSQL_MESSAGE_BYTES_MAX {
        return text;
    }
    let end = match std::str::from_utf8(text) {
        Ok(text) => text.floor_char_boundary(MYSQL_MESSAGE_BYTES_MAX),
        Err(_) => MYSQL_MESSAGE_BYTES_MAX,
    };
    text.get(..end).unwrap_or_default()
}

/// Number of the error that this message is, by its first bytes; `None` if it is none, or too short
/// to be one.
pub(super) fn code(start: &[u8]) -> Option<Code> {
    let mut cursor = Cursor::new(start);
    cursor.u8().filter(|byte| *byte == HEADER)?;
    cursor.u16_le().map(Code)
}

/// Whether the message that begins so is one of MariaDB's progress reports. They come while a
/// statement runs, to clients with `MARIADB_CLIENT_PROGRESS`, and are not its reply.
#[must_use]
pub fn is_progress(start: &[u8]) -> bool {
    code(start) == Some(PROGRESS)
}

#[cfg(test)]
mod tests;
