//! A whole reply as a tree: for what the proxy asks itself, such as COMMAND, SCAN and HELLO.

use super::Error;
use super::frame::{Aggregate, Blob, Head};
use crate::limits::{REDIS_DEPTH_MAX, REDIS_VALUES_MAX};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'i> {
    /// A status.
    Simple(&'i [u8]),
    /// An error: its word, a blank, what people read.
    Error(&'i [u8]),
    /// A whole number.
    Integer(i64),
    /// Any bytes.
    Bulk(&'i [u8]),
    /// Any of the three nulls.
    Null,
    /// Values.
    Array(Vec<Self>),
    /// Pairs of values.
    Map(Vec<(Self, Self)>),
    /// Values in no order.
    Set(Vec<Self>),
    /// Values that answer no request.
    Push(Vec<Self>),
    /// A number as text.
    Double(&'i [u8]),
    /// Yes or no.
    Boolean(bool),
    /// A whole number of any size, as text.
    BigNumber(&'i [u8]),
    /// Text behind three letters that say its format, and a colon.
    Verbatim(&'i [u8]),
}

impl<'i> Value<'i> {
    /// The bytes of a status or a string; a verbatim one without its format.
    #[must_use]
    pub fn bytes(&self) -> Option<&'i [u8]> {
        match self {
            Self::Simple(bytes) | Self::Bulk(bytes) => Some(bytes),
            Self::Verbatim(bytes) => Some(bytes.get(4..).unwrap_or(bytes)),
            _ => None,
        }
    }

    /// The same as text, if it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&'i str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A number, which RESP2 may send as text.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => self.text()?.parse().ok(),
        }
    }

    /// The elements of any aggregate but a map.
    #[must_use]
    pub fn elements(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) | Self::Set(elements) | Self::Push(elements) => Some(elements),
            _ => None,
        }
    }

    /// The pairs of a map, or of the array that stands for one in RESP2.
    pub fn pairs(&self) -> impl Iterator<Item = (&Self, &Self)> {
        let pairs: &[(Self, Self)] = match self {
            Self::Map(pairs) => pairs,
            _ => &[],
        };
        let flat = self.elements().unwrap_or_default().chunks_exact(2);
        let flat = flat.filter_map(|pair| match pair {
            [key, value] => Some((key, value)),
            _ => None,
        });
        pairs.iter().map(|(key, value)| (key, value)).chain(flat)
    }
}

/// An aggregate under way.
struct Level<'i> {
    kind: Aggregate,
    left: Option<u64>,
    values: Vec<Value<'i>>,
}

impl<'i> Level<'i> {
    /// The value that it is; `None` for an attribute.
    fn close(self) -> Option<Value<'i>> {
        Some(match self.kind {
            Aggregate::Array => Value::Array(self.values),
            Aggregate::Set => Value::Set(self.values),
            Aggregate::Push => Value::Push(self.values),
            Aggregate::Map => {
                let mut values = self.values.into_iter();
                let pairs = std::iter::from_fn(|| Some((values.next()?, values.next()?)));
                Value::Map(pairs.collect())
            }
            Aggregate::Attribute => return None,
        })
    }
}

/// Reads the reply at the front of `input` and its bytes; `None` if it is not all there. Attributes
/// are passed over. Starts at the first byte each time: let a [`Walker`](super::reply::Walker) find
/// the end of a long one.
///
/// # Errors
///
/// Not a reply; too deep, or more than [`REDIS_VALUES_MAX`] values; a streamed string.
pub fn value(input: &[u8]) -> Result<Option<(Value<'_>, usize)>, Error> {
    let mut levels: Vec<Level<'_>> = Vec::new();
    let (mut at, mut count) = (0, 0);
    // An attribute has ended; its value must follow.
    let mut attributed = false;
    loop {
        let rest = input.get(at..).unwrap_or_default();
        let Some((head, bytes)) = Head::read(rest)? else {
            return Ok(None);
        };
        count += 1;
        if count > REDIS_VALUES_MAX {
            return Err(Error::TooMany("values"));
        }
        let behind = rest.get(bytes..).unwrap_or_default();
        let (mut ended, body_bytes) = match head {
            Head::Aggregate(kind, elements) => {
                enter(kind, Some(elements), &mut levels)?;
                (None, 0)
            }
            Head::StreamedAggregate(kind) => {
                enter(kind, None, &mut levels)?;
                (None, 0)
            }
            Head::End => {
                let is_due = levels.last().is_some_and(|level| {
                    let is_paired = level.kind.is_paired();
                    level.left.is_none() && (!is_paired || level.values.len().is_multiple_of(2))
                });
                if !is_due || attributed {
                    return Err(Error::Invalid("end of aggregate"));
                }
                (None, 0)
            }
            scalar => match self::scalar(scalar, behind)? {
                Some((value, bytes)) => (Some(value), bytes),
                None => return Ok(None),
            },
        };
        at += bytes + body_bytes;
        attributed = false;
        let mut closing = head == Head::End;
        loop {
            if let Some(value) = ended.take() {
                let Some(level) = levels.last_mut() else {
                    return Ok(Some((value, at)));
                };
                level.values.push(value);
                level.left = level.left.map(|left| left.saturating_sub(1));
            }
            if !closing && levels.last().is_none_or(|level| level.left != Some(0)) {
                break;
            }
            closing = false;
            ended = levels.pop().and_then(Level::close);
            attributed = ended.is_none();
            if attributed {
                break;
            }
        }
    }
}

fn enter<'i>(kind: Aggregate, left: Option<u64>, levels: &mut Vec<Level<'i>>) -> Result<(), Error> {
    // An empty one is closed at once.
    if levels.len() >= REDIS_DEPTH_MAX && left != Some(0) {
        return Err(Error::TooMany("aggregates inside one another"));
    }
    levels.push(Level {
        kind,
        left,
        values: Vec::new(),
    });
    Ok(())
}

/// A value that is no aggregate, and the bytes that it has behind its head.
fn scalar(head: Head, behind: &[u8]) -> Result<Option<(Value<'_>, usize)>, Error> {
    match head {
        Head::NullBulk | Head::NullArray => Ok(Some((Value::Null, 0))),
        Head::Blob(blob, bytes) => {
            let Some((body, rest)) = usize::try_from(bytes)
                .ok()
                .and_then(|bytes| behind.split_at_checked(bytes))
            else {
                return Ok(None);
            };
            match rest {
                [b'\r', b'\n', ..] => {}
                [] | [b'\r'] => return Ok(None),
                _ => return Err(Error::LineEnd),
            }
            let value = match blob {
                Blob::Bulk => Value::Bulk(body),
                Blob::Error => Value::Error(body),
                Blob::Verbatim => Value::Verbatim(body),
            };
            Ok(Some((value, body.len() + 2)))
        }
        Head::Line(first) => {
            let Some(end) = behind.windows(2).position(|pair| pair == b"\r\n") else {
                return Ok(None);
            };
            let text = behind.get(..end).unwrap_or_default();
            Ok(Some((line(first, text)?, end + 2)))
        }
        _ => Err(Error::Unsupported("streamed string")),
    }
}

fn line(first: u8, text: &[u8]) -> Result<Value<'_>, Error> {
    Ok(match (first, text) {
        (b'+', _) => Value::Simple(text),
        (b'-', _) => Value::Error(text),
        (b':', _) => {
            let number = std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse().ok());
            Value::Integer(number.ok_or(Error::Invalid("number"))?)
        }
        (b',', _) => Value::Double(text),
        (b'(', _) => Value::BigNumber(text),
        (b'#', b"t") => Value::Boolean(true),
        (b'#', b"f") => Value::Boolean(false),
        (b'_', b"") => Value::Null,
        (b'#', _) => return Err(Error::Invalid("boolean")),
        _ => return Err(Error::Invalid("null")),
    })
}

#[cfg(test)]
mod tests;
