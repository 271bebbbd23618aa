//! Heads of values: the type byte, and the length where a type has one.
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>, and for the streamed kinds
//! <https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md>.

use super::Error;
use crate::limits::REDIS_ELEMENTS_MAX;

/// Bytes of the longest head: a type, 20 digits or a sign and 19, a line end. With some to spare.
pub(super) const HEAD_BYTES_MAX: usize = 32;

/// The type of an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Array,
    Map,
    Set,
    Push,
    /// Belongs to the value that follows, and is none itself.
    Attribute,
}

impl Aggregate {
    const fn of(first: u8) -> Option<Self> {
        Some(match first {
            b'*' => Self::Array,
            b'%' => Self::Map,
            b'~' => Self::Set,
            b'>' => Self::Push,
            b'|' => Self::Attribute,
            _ => return None,
        })
    }

    /// Whether its elements come in pairs, which its length counts.
    pub(super) const fn is_paired(self) -> bool {
        matches!(self, Self::Map | Self::Attribute)
    }
}

/// The type of a string with its length before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blob {
    Bulk,
    Error,
    Verbatim,
}

/// What a value begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A line of this type; all behind the first byte is its text.
    Line(u8),
    /// So many bytes, and a line end.
    Blob(Blob, u64),
    /// The nulls of RESP2.
    NullBulk,
    NullArray,
    /// Chunks follow.
    StreamedString,
    /// So many bytes of a streamed string, and a line end; none and no line end: it is over.
    Chunk(u64),
    /// So many values, those of a pair counted each.
    Aggregate(Aggregate, u64),
    /// Values up to an [`Self::End`].
    StreamedAggregate(Aggregate),
    End,
}

impl Head {
    /// Reads the head at the front of `input` and its length; `None` if it is not all there. Looks
    /// at no more than [`HEAD_BYTES_MAX`] bytes.
    pub(super) fn read(input: &[u8]) -> Result<Option<(Self, usize)>, Error> {
        let Some((first, rest)) = input.split_first() else {
            return Ok(None);
        };
        match first {
            b'+' | b'-' | b':' | b',' | b'#' | b'(' | b'_' => Ok(Some((Self::Line(*first), 1))),
            b'$' | b'!' | b'=' | b';' | b'*' | b'%' | b'~' | b'>' | b'|' | b'.' => {
                let Some(text) = line(rest, Error::Invalid("length"))? else {
                    return Ok(None);
                };
                Ok(Some((Self::with_length(*first, text)?, text.len() + 3)))
            }
            _ => Err(Error::Type(*first)),
        }
    }

    fn with_length(first: u8, text: &[u8]) -> Result<Self, Error> {
        if first == b'.' {
            return if text.is_empty() {
                Ok(Self::End)
            } else {
                Err(Error::Invalid("end of aggregate"))
            };
        }
        if text == b"?" {
            return match Aggregate::of(first) {
                Some(kind) => Ok(Self::StreamedAggregate(kind)),
                None if first == b'$' => Ok(Self::StreamedString),
                None => Err(Error::Invalid("length")),
            };
        }
        let length = integer(text).ok_or(Error::Invalid("length"))?;
        let Ok(length) = u64::try_from(length) else {
            return match (first, length) {
                (b'$', -1) => Ok(Self::NullBulk),
                (b'*', -1) => Ok(Self::NullArray),
                _ => Err(Error::Invalid("length")),
            };
        };
        if let Some(kind) = Aggregate::of(first) {
            let per_element = if kind.is_paired() { 2 } else { 1 };
            return length
                .checked_mul(per_element)
                .filter(|elements| *elements <= REDIS_ELEMENTS_MAX)
                .map(|elements| Self::Aggregate(kind, elements))
                .ok_or(Error::TooMany("elements"));
        }
        Ok(match first {
            b'!' => Self::Blob(Blob::Error, length),
            b'=' => Self::Blob(Blob::Verbatim, length),
            b';' => Self::Chunk(length),
            _ => Self::Blob(Blob::Bulk, length),
        })
    }
}

/// The text of a short line at the front of `input`; `None` if it is not all there.
///
/// # Errors
///
/// `too_long` if it does not end within [`HEAD_BYTES_MAX`]; a CR that is not followed by LF.
pub(super) fn line(input: &[u8], too_long: Error) -> Result<Option<&[u8]>, Error> {
    let Some(end) = input
        .iter()
        .take(HEAD_BYTES_MAX)
        .position(|byte| *byte == b'\r')
    else {
        return if input.len() < HEAD_BYTES_MAX {
            Ok(None)
        } else {
            Err(too_long)
        };
    };
    match input.get(end + 1) {
        Some(b'\n') => Ok(input.get(..end)),
        Some(_) => Err(Error::LineEnd),
        None => Ok(None),
    }
}

/// A number as the server reads it from a peer: no plus, no zeros in front, no blanks, in the range
/// of 64 bits (`string2ll` in `src/util.c`).
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        _ => (false, text),
    };
    match digits {
        [] => return None,
        [b'0', ..] if negative || digits.len() > 1 => return None,
        _ => {}
    }
    let mut number: i64 = 0;
    for digit in digits {
        let digit = i64::from(digit.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        let shifted = number.checked_mul(10)?;
        number = if negative {
            shifted.checked_sub(digit)?
        } else {
            shifted.checked_add(digit)?
        };
    }
    Some(number)
}

/// A type with a number, as it is written: the head of a string or an aggregate, or a number
/// itself.
pub(super) struct Number {
    bytes: [u8; HEAD_BYTES_MAX],
    start: usize,
}

impl Number {
    /// A length.
    pub(super) fn length(first: u8, length: u64) -> Self {
        Self::new(first, false, length)
    }

    fn new(first: u8, is_negative: bool, magnitude: u64) -> Self {
        let mut bytes = [0; HEAD_BYTES_MAX];
        let mut start = HEAD_BYTES_MAX;
        let mut left = magnitude;
        let mut places = bytes.iter_mut().rev();
        let mut push = |byte: u8| {
            // There is room for the longest number.
            if let Some(place) = places.next() {
                *place = byte;
                start -= 1;
            }
        };
        push(b'\n');
        push(b'\r');
        loop {
            push(b'0' + u8::try_from(left % 10).unwrap_or_default());
            left /= 10;
            if left == 0 {
                break;
            }
        }
        if is_negative {
            push(b'-');
        }
        push(first);
        Self { bytes, start }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

/// A whole number.
impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self::new(b':', number < 0, number.unsigned_abs())
    }
}

#[cfg(test)]
mod tests;
