//! The text of a COM_QUERY, behind the attributes that may stand before it.

use super::super::Error;
use super::super::flags::Capabilities;
use super::super::lenenc;
use super::{Command, payload};
use crate::cursor::Cursor;
use crate::limits::MYSQL_PARAMETERS_MAX;

const ATTRIBUTE: &str = "query attribute";

/// Reads the body of a COM_QUERY: its statements, in the session's character set. `capabilities`
/// are those that the client logged in with: `CLIENT_QUERY_ATTRIBUTES` says whether attributes
/// stand before the text. Their values are walked, whatever their types.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query.html>
///
/// # Errors
///
/// Another command or layout, an unknown type, or more attributes than
/// [`MYSQL_PARAMETERS_MAX`].
pub fn query_text(body: &[u8], capabilities: Capabilities) -> Result<&[u8], Error> {
    let mut cursor = payload(body, Command::QUERY)?;
    if capabilities.contains(Capabilities::QUERY_ATTRIBUTES) {
        skip_attributes(&mut cursor)?;
    }
    Ok(cursor.rest())
}

fn skip_attributes(cursor: &mut Cursor<'_>) -> Result<(), Error> {
    let count = lenenc::take_integer(cursor, "query attribute count")?;
    // Sets of values: the protocol has room for more than one, the server does not.
    if lenenc::take_integer(cursor, "query attribute set count")? != 1 {
        return Err(Error::Invalid("query attribute set count"));
    }
    if count == 0 {
        return Ok(());
    }
    if count > MYSQL_PARAMETERS_MAX {
        return Err(Error::Invalid("query attribute count"));
    }
    let nulls = usize::try_from(count.div_ceil(8)).ok();
    let nulls = nulls.and_then(|bytes| cursor.take(bytes));
    let nulls = nulls.ok_or(Error::Truncated(ATTRIBUTE))?;
    if cursor.u8().ok_or(Error::Truncated(ATTRIBUTE))? != 1 {
        return Err(Error::Invalid("query attribute types"));
    }
    // All types and names stand before the first value: a second cursor reads them again.
    let mut types = *cursor;
    for _ in 0..count {
        take_type(cursor)?;
    }
    let nulls = nulls
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    for (null, _) in nulls.zip(0..count) {
        let kind = take_type(&mut types)?;
        if !null {
            skip_value(kind, cursor)?;
        }
    }
    Ok(())
}

/// The type of one attribute; its flags and its name are read too.
fn take_type(cursor: &mut Cursor<'_>) -> Result<u8, Error> {
    let [kind, _flags] = cursor.array().ok_or(Error::Truncated(ATTRIBUTE))?;
    lenenc::take_string(cursor, "query attribute name")?;
    Ok(kind)
}

/// A value in its binary form:
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>. Types are
/// those of `enum_field_types` in `include/field_types.h`.
fn skip_value(kind: u8, cursor: &mut Cursor<'_>) -> Result<(), Error> {
    let bytes = match kind {
        // NULL
        6 => 0,
        // TINY, BOOL
        1 | 244 => 1,
        // SHORT, YEAR
        2 | 13 => 2,
        // LONG, FLOAT, INT24
        3 | 4 | 9 => 4,
        // DOUBLE, LONGLONG
        5 | 8 => 8,
        // TIMESTAMP, DATE, TIME, DATETIME: a length, and as many of their parts as are not zero.
        7 | 10 | 11 | 12 => {
            let bytes = cursor.u8().ok_or(Error::Truncated(ATTRIBUTE))?;
            if !matches!(
                (kind, bytes),
                (11, 0 | 8 | 12) | (7 | 10 | 12, 0 | 4 | 7 | 11)
            ) {
                return Err(Error::Invalid("query attribute length"));
            }
            bytes.into()
        }
        // DECIMAL, VARCHAR, BIT, VECTOR, JSON, NEWDECIMAL, ENUM, SET, BLOBs, strings, GEOMETRY
        0 | 15 | 16 | 242 | 245..=255 => {
            return lenenc::take_string(cursor, ATTRIBUTE).map(drop);
        }
        _ => return Err(Error::Invalid("query attribute type")),
    };
    cursor
        .take(bytes)
        .map(drop)
        .ok_or(Error::Truncated(ATTRIBUTE))
}
