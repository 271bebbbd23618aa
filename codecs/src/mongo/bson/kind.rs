//! Kinds of values, and how many bytes a value of each has.
//!
//! <https://bsonspec.org/spec.html>

use super::{Document, EMPTY_BYTES};
use crate::cursor::Cursor;
use crate::mongo::Error;

/// 64 bits of floating point.
pub const DOUBLE: u8 = 0x01;
/// A string.
pub const STRING: u8 = 0x02;
/// A document.
pub const DOCUMENT: u8 = 0x03;
/// An array.
pub const ARRAY: u8 = 0x04;
/// Bytes of some subtype.
pub const BINARY: u8 = 0x05;
/// Undefined; deprecated.
pub const UNDEFINED: u8 = 0x06;
/// An ObjectId.
pub const OBJECT_ID: u8 = 0x07;
/// True or false.
pub const BOOL: u8 = 0x08;
/// Milliseconds since 1970.
pub const DATE: u8 = 0x09;
/// Null.
pub const NULL: u8 = 0x0a;
/// A regular expression and its options.
pub const REGEX: u8 = 0x0b;
/// A reference; deprecated.
pub const DB_POINTER: u8 = 0x0c;
/// JavaScript.
pub const CODE: u8 = 0x0d;
/// A symbol; deprecated.
pub const SYMBOL: u8 = 0x0e;
/// JavaScript with its variables; deprecated.
pub const CODE_WITH_SCOPE: u8 = 0x0f;
/// 32 bits.
pub const INT32: u8 = 0x10;
/// The server's own time.
pub const TIMESTAMP: u8 = 0x11;
/// 64 bits.
pub const INT64: u8 = 0x12;
/// Decimal floating point of 128 bits.
pub const DECIMAL128: u8 = 0x13;
/// Less than all others.
pub const MIN_KEY: u8 = 0xff;
/// More than all others.
pub const MAX_KEY: u8 = 0x7f;

/// Bytes of the value of this kind at the front of `rest`, which it fits into.
pub(super) fn value_bytes(kind: u8, rest: &[u8]) -> Result<usize, Error> {
    let bytes = match kind {
        UNDEFINED | NULL | MIN_KEY | MAX_KEY => 0,
        BOOL => match rest.first() {
            Some(0 | 1) => 1,
            Some(_) => return Err(Error::Invalid("boolean")),
            None => return Err(Error::Truncated("boolean")),
        },
        INT32 => 4,
        DOUBLE | DATE | TIMESTAMP | INT64 => 8,
        OBJECT_ID => 12,
        DECIMAL128 => 16,
        STRING | CODE | SYMBOL => string_bytes(rest)?,
        DB_POINTER => string_bytes(rest)? + 12,
        DOCUMENT | ARRAY => Document::read(rest)?.1,
        BINARY => binary_bytes(rest)?,
        REGEX => regex_bytes(rest)?,
        CODE_WITH_SCOPE => code_with_scope_bytes(rest)?,
        _ => return Err(Error::Invalid("element kind")),
    };
    if bytes > rest.len() {
        return Err(Error::Truncated("element value"));
    }
    Ok(bytes)
}

/// int32 bytes with the zero byte, the text, 00.
fn string_bytes(rest: &[u8]) -> Result<usize, Error> {
    let mut cursor = Cursor::new(rest);
    let length = cursor.i32_le().ok_or(Error::Truncated("string length"))?;
    let length = usize::try_from(length).map_err(|_| Error::Invalid("string length"))?;
    if length == 0 {
        return Err(Error::Invalid("string length"));
    }
    let text = cursor.take(length).ok_or(Error::Truncated("string"))?;
    if text.last() != Some(&0) {
        return Err(Error::Terminator("string"));
    }
    Ok(4 + length)
}

/// int32 bytes, the subtype, the bytes.
fn binary_bytes(rest: &[u8]) -> Result<usize, Error> {
    let mut cursor = Cursor::new(rest);
    let length = cursor.i32_le().ok_or(Error::Truncated("binary length"))?;
    let length = usize::try_from(length).map_err(|_| Error::Invalid("binary length"))?;
    cursor.u8().ok_or(Error::Truncated("binary subtype"))?;
    cursor.take(length).ok_or(Error::Truncated("binary"))?;
    Ok(5 + length)
}

fn regex_bytes(rest: &[u8]) -> Result<usize, Error> {
    let mut cursor = Cursor::new(rest);
    let pattern = cursor.c_string().ok_or(Error::Terminator("pattern"))?;
    let options = cursor.c_string().ok_or(Error::Terminator("options"))?;
    Ok(pattern.len() + options.len() + 2)
}

/// int32 bytes of all of it, a string, a document.
fn code_with_scope_bytes(rest: &[u8]) -> Result<usize, Error> {
    const FIELD: &str = "code with scope";
    let mut cursor = Cursor::new(rest);
    let length = cursor.i32_le().ok_or(Error::Truncated(FIELD))?;
    let length = usize::try_from(length).map_err(|_| Error::Invalid(FIELD))?;
    let inside = length.checked_sub(4).ok_or(Error::Invalid(FIELD))?;
    let inside = cursor.take(inside).ok_or(Error::Truncated(FIELD))?;
    let code = string_bytes(inside)?;
    let scope = inside.get(code..).unwrap_or_default();
    if scope.len() < EMPTY_BYTES {
        return Err(Error::Truncated(FIELD));
    }
    Document::whole(scope)?;
    Ok(length)
}

/// Whether a decimal of 128 bits, the least byte first, is zero: no digit, whatever the exponent.
/// Infinities and NaN are not.
pub(super) fn is_decimal_zero(bytes: &[u8]) -> bool {
    let Ok(bytes) = <[u8; 16]>::try_from(bytes) else {
        return false;
    };
    let bits = u128::from_le_bytes(bytes);
    // Combination field of all ones but the last: infinity or NaN. Of ones in its first two bits:
    // digits beyond 10^34, which count as none.
    let combination = (bits >> 122) & 0x1f;
    match combination {
        0b11110 | 0b11111 => false,
        0b11000.. => true,
        _ => bits & ((1 << 113) - 1) == 0,
    }
}
