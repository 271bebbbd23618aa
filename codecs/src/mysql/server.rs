//! Messages of a server that login, relaying and capture look into or send.

use super::Error;
use super::flags::Status;
use super::frame::Packet;
use super::lenenc;
use crate::cursor::Cursor;

/// First byte of an OK packet, where none of the other kind can come.
pub(super) const OK: u8 = 0x00;

/// First byte of an EOF packet, of an OK packet that ends rows, and of an AuthSwitchRequest.
pub(super) const EOF: u8 = 0xfe;

/// First byte of a request for a file.
pub(super) const LOCAL_INFILE: u8 = 0xfb;

/// A command, or one of its results, is done.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ok {
    /// Rows changed.
    pub affected: u64,
    /// First value of an AUTO_INCREMENT column that was made.
    pub insert_id: u64,
    /// Where the session stands.
    pub status: Status,
    /// How many warnings can be asked for.
    pub warnings: u16,
}

impl Ok {
    /// Reads the body of an OK packet with either first byte. What is behind the numbers (a text,
    /// session state changes) is not looked at, so the first bytes of the body will do.
    ///
    /// # Errors
    ///
    /// Another layout.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        if !matches!(cursor.u8(), Some(OK | EOF)) {
            return Err(Error::Invalid("OK header"));
        }
        Ok(Self {
            affected: lenenc::take_integer(&mut cursor, "affected rows")?,
            insert_id: lenenc::take_integer(&mut cursor, "insert id")?,
            status: Status(cursor.u16_le().ok_or(Error::Truncated("status"))?),
            warnings: cursor.u16_le().ok_or(Error::Truncated("warnings"))?,
        })
    }

    /// Appends it.
    pub fn encode(&self, sequence: &mut u8, out: &mut Vec<u8>) {
        self.write(OK, sequence, out);
    }

    /// Appends it as what ends rows for a client with `CLIENT_DEPRECATE_EOF`.
    pub fn encode_end_of_rows(&self, sequence: &mut u8, out: &mut Vec<u8>) {
        self.write(EOF, sequence, out);
    }

    fn write(&self, header: u8, sequence: &mut u8, out: &mut Vec<u8>) {
        let mut packet = Packet::new(sequence, out);
        packet.u8(header);
        packet.integer(self.affected);
        packet.integer(self.insert_id);
        packet.u16(self.status.0);
        packet.u16(self.warnings);
        packet.finish();
    }
}

/// The end of column definitions or rows for a client without `CLIENT_DEPRECATE_EOF`.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_eof_packet.html>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Eof {
    /// How many warnings can be asked for.
    pub warnings: u16,
    /// Where the session stands.
    pub status: Status,
}

impl Eof {
    /// Reads the body of an EOF packet.
    ///
    /// # Errors
    ///
    /// Another layout.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        if cursor.u8() != Some(EOF) {
            return Err(Error::Invalid("EOF header"));
        }
        let warnings = cursor.u16_le().ok_or(Error::Truncated("warnings"))?;
        let status = Status(cursor.u16_le().ok_or(Error::Truncated("status"))?);
        if !cursor.is_empty() {
            return Err(Error::Trailing("status"));
        }
        Ok(Self { warnings, status })
    }

    /// Appends it.
    pub fn encode(&self, sequence: &mut u8, out: &mut Vec<u8>) {
        let mut packet = Packet::new(sequence, out);
        packet.u8(EOF);
        packet.u16(self.warnings);
        packet.u16(self.status.0);
        packet.finish();
    }
}

/// A statement is prepared. The definitions of its parameters and of its columns follow.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_prepare.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrepareOk {
    /// What the statement is called from now on in this session.
    pub id: u32,
    /// Columns of its rows; 0 if it has none.
    pub columns: u16,
    /// Parameters of it.
    pub params: u16,
    /// How many warnings can be asked for.
    pub warnings: u16,
}

impl PrepareOk {
    /// Length of the body.
    pub const BYTES: u32 = 12;

    /// Reads the body of the first reply to COM_STMT_PREPARE.
    ///
    /// # Errors
    ///
    /// Another layout.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        if cursor.u8() != Some(OK) {
            return Err(Error::Invalid("prepare header"));
        }
        let id = cursor.u32_le().ok_or(Error::Truncated("statement id"))?;
        let columns = cursor.u16_le().ok_or(Error::Truncated("column count"))?;
        let params = cursor.u16_le().ok_or(Error::Truncated("parameter count"))?;
        cursor.u8().ok_or(Error::Truncated("filler"))?;
        Ok(Self {
            id,
            columns,
            params,
            warnings: cursor.u16_le().ok_or(Error::Truncated("warnings"))?,
        })
    }

    /// Appends it.
    pub fn encode(&self, sequence: &mut u8, out: &mut Vec<u8>) {
        let mut packet = Packet::new(sequence, out);
        packet.u8(OK);
        packet.u32(self.id);
        packet.u16(self.columns);
        packet.u16(self.params);
        packet.u8(0);
        packet.u16(self.warnings);
        packet.finish();
    }
}

/// Reads the body of the message that begins a result set: how many column definitions follow.
///
/// # Errors
///
/// Another layout, or a number that no server has columns for.
pub fn column_count(body: &[u8]) -> Result<u16, Error> {
    const FIELD: &str = "column count";
    let (count, taken) = lenenc::integer(body, FIELD)?;
    if taken != body.len() {
        return Err(Error::Trailing(FIELD));
    }
    match u16::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Error::Invalid(FIELD)),
    }
}

/// The server asks for a file of the client: LOAD DATA LOCAL. Whoever offers the client's files
/// must know that a server can ask for any, whatever the statement said.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_local_infile_request.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalInfile<'a> {
    /// Path on the client's side.
    pub file: &'a [u8],
}

impl<'a> LocalInfile<'a> {
    /// Reads the body of the request.
    ///
    /// # Errors
    ///
    /// Another first byte.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        match body.split_first() {
            Some((&LOCAL_INFILE, file)) => Ok(Self { file }),
            _ => Err(Error::Invalid("file request header")),
        }
    }

    /// Appends the request.
    pub fn encode(&self, sequence: &mut u8, out: &mut Vec<u8>) {
        let mut packet = Packet::new(sequence, out);
        packet.u8(LOCAL_INFILE);
        packet.bytes(self.file);
        packet.finish();
    }
}

/// The values of a row of a text result set, `None` for NULL; an error is the last that comes.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_row.html>
pub fn text_row(body: &[u8]) -> impl Iterator<Item = Result<Option<&[u8]>, Error>> {
    let mut cursor = Cursor::new(body);
    std::iter::from_fn(move || {
        if cursor.is_empty() {
            return None;
        }
        let value = if cursor.rest().first() == Some(&lenenc::NULL) {
            cursor.take(1);
            Ok(None)
        } else {
            lenenc::take_string(&mut cursor, "value").map(Some)
        };
        if value.is_err() {
            cursor = Cursor::new(&[]);
        }
        Some(value)
    })
}

#[cfg(test)]
mod tests;
