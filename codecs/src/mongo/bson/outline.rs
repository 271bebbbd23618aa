//! A document that passes by in parts: what is small of it is kept.

use super::{Document, EMPTY_BYTES, kind};
use crate::cursor::Cursor;
use crate::mongo::Error;

/// Longest value in bytes that is kept.
const VALUE_BYTES_MAX: usize = 1_024;

/// Longest key in bytes that is kept.
const KEY_BYTES_MAX: usize = 255;

/// Bytes of all that is kept, about. No reply of a server has so much that is small.
const OUTLINE_BYTES_MAX: usize = 65_536;

/// Bytes that are kept beyond that, for what is no longer than a number: `ok` comes last.
const NUMBER_BYTES_MAX: usize = 8;

/// Follows one document that comes in parts, without holding it.
///
/// What it keeps is a document too, with the same elements in the same order, but for
/// - values of more than 1 KiB: left out. An array of that length is `[null]` instead, so that it
///   is not taken for an empty one, and a document inside the outermost one has an outline itself;
/// - elements behind the first 64 KiB, numbers excepted, those with a key of more than 255 bytes,
///   and regular expressions: left out.
///
/// A reply to `find` of a million bytes is `{cursor: {firstBatch: [null], id, ns}, ok}`.
#[derive(Clone, Debug)]
pub struct Outline {
    next: Next,
    /// Bytes that were taken.
    position: usize,
    /// Where the open documents end, the outermost first.
    ends: Vec<usize>,
    /// Where the open documents start in `out`.
    starts: Vec<usize>,
    /// Kind, key and what of the value says how long it is, of the element that is read.
    head: Vec<u8>,
    /// Of it, the bytes behind the key.
    sizing: usize,
    /// Whether the key is too long to be kept.
    drop: bool,
    out: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Length,
    Kind,
    Key,
    /// So many bytes say how long the value is.
    Size(usize),
    /// So many zero bytes end the value.
    Regex(u8),
    /// So many bytes of the value are kept, or not.
    Keep(usize),
    Skip(usize),
    Done,
}

impl Default for Outline {
    fn default() -> Self {
        Self::new()
    }
}

impl Outline {
    /// Waits for a document's first byte.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            next: Next::Length,
            position: 0,
            ends: Vec::new(),
            starts: Vec::new(),
            head: Vec::new(),
            sizing: 0,
            drop: false,
            out: Vec::new(),
        }
    }

    /// Takes what came next; answers how many bytes of it are the document's.
    ///
    /// # Errors
    ///
    /// Lengths that do not fit into one another, or an unknown kind of value. Values that are left
    /// out are not looked at.
    pub fn step(&mut self, chunk: &[u8]) -> Result<usize, Error> {
        let mut input = Cursor::new(chunk);
        while self.next != Next::Done && !input.is_empty() {
            let before = input.rest().len();
            self.advance(&mut input)?;
            self.position += before - input.rest().len();
            self.settle()?;
        }
        Ok(chunk.len() - input.rest().len())
    }

    /// The outline, once the document has come as a whole.
    #[must_use]
    pub fn document(&self) -> Option<Document<'_>> {
        (self.next == Next::Done)
            .then(|| Document::whole(&self.out).ok())
            .flatten()
    }

    /// Takes some bytes of what is next.
    fn advance(&mut self, input: &mut Cursor<'_>) -> Result<(), Error> {
        match self.next {
            Next::Length | Next::Size(_) => {
                let wanted = if let Next::Size(bytes) = self.next {
                    bytes
                } else {
                    4
                };
                let missing = (wanted - self.sizing).min(input.rest().len());
                let taken = input.take(missing).unwrap_or_default();
                self.head.extend_from_slice(taken);
                self.sizing += missing;
            }
            Next::Kind => self.kind(input.u8().unwrap_or_default())?,
            Next::Key => {
                let byte = input.u8().unwrap_or_default();
                if byte == 0 || self.head.len() <= KEY_BYTES_MAX {
                    self.head.push(byte);
                } else {
                    self.drop = true;
                }
                if byte == 0 {
                    let kind = self.head.first().copied().unwrap_or_default();
                    self.next = Next::Size(size_bytes(kind)?);
                }
            }
            Next::Regex(zeros) => {
                if input.u8() == Some(0) {
                    self.next = match zeros {
                        1 => Next::Kind,
                        zeros => Next::Regex(zeros - 1),
                    };
                }
            }
            Next::Keep(left) => {
                let taken = input.take(left.min(input.rest().len())).unwrap_or_default();
                self.out.extend_from_slice(taken);
                self.next = value_left(left - taken.len(), Next::Keep);
            }
            Next::Skip(left) => {
                let taken = left.min(input.rest().len());
                input.take(taken);
                self.next = value_left(left - taken, Next::Skip);
            }
            Next::Done => {}
        }
        Ok(())
    }

    /// Looks at what is there as a whole now, and at where it ends.
    fn settle(&mut self) -> Result<(), Error> {
        // An element has at least the document's last byte behind it.
        match (self.next, self.ends.last()) {
            (Next::Done, _) => {}
            (_, Some(end)) if self.position >= *end => return Err(Error::Truncated("element")),
            _ => {}
        }
        match self.next {
            Next::Length if self.sizing == 4 => {
                let length = Document::length(&self.head)?.unwrap_or_default();
                self.ends.push(length);
                self.open();
                Ok(())
            }
            Next::Size(bytes) if self.sizing == bytes => self.size(),
            _ => Ok(()),
        }
    }

    /// Begins a document behind its length.
    fn open(&mut self) {
        self.starts.push(self.out.len());
        self.out.extend_from_slice(&[0; 4]);
        self.next = Next::Kind;
    }

    fn kind(&mut self, byte: u8) -> Result<(), Error> {
        let end = self.ends.last().copied().unwrap_or_default();
        let last = self.position + 1 >= end;
        match (byte, last) {
            (0, true) => self.close(),
            (0, false) => return Err(Error::Invalid("element kind")),
            (_, true) => return Err(Error::Terminator("document")),
            (kind, false) => {
                self.head.clear();
                self.head.push(kind);
                self.sizing = 0;
                self.drop = false;
                self.next = Next::Key;
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        self.ends.pop();
        self.out.push(0);
        let start = self.starts.pop().unwrap_or_default();
        let length = i32::try_from(self.out.len() - start).unwrap_or(i32::MAX);
        let place = self.out.get_mut(start..).unwrap_or_default();
        if let Some(place) = place.first_chunk_mut() {
            *place = length.to_le_bytes();
        }
        self.next = if self.ends.is_empty() {
            Next::Done
        } else {
            Next::Kind
        };
    }

    /// Decides on the value, whose length is known now.
    fn size(&mut self) -> Result<(), Error> {
        let kind = self.head.first().copied().unwrap_or_default();
        if kind == kind::REGEX {
            self.next = Next::Regex(2);
            return Ok(());
        }
        let key = self.head.len() - self.sizing;
        let (key, size) = self.head.split_at_checked(key).unwrap_or_default();
        let left = left_bytes(kind, size)?;
        let end = self.ends.last().copied().unwrap_or_default();
        if left >= end.saturating_sub(self.position) {
            return Err(Error::Truncated("element"));
        }
        let bytes = size.len() + left;
        let small = bytes <= VALUE_BYTES_MAX;
        let descend = kind == kind::DOCUMENT && self.ends.len() == 1;
        let kept = match kind {
            _ if small => bytes,
            kind::DOCUMENT if descend => EMPTY_BYTES,
            kind::ARRAY => ARRAY_OF_NULL.len(),
            _ => {
                self.skip(left);
                return Ok(());
            }
        };
        let total = self.out.len() + key.len() + kept;
        let full = total > OUTLINE_BYTES_MAX && kept > NUMBER_BYTES_MAX;
        if self.drop || full || total > 2 * OUTLINE_BYTES_MAX {
            self.skip(left);
            return Ok(());
        }
        if small {
            self.out.extend_from_slice(&self.head);
            self.next = value_left(left, Next::Keep);
            return Ok(());
        }
        self.out.extend_from_slice(key);
        if descend {
            self.ends.push(self.position + left);
            self.open();
            return Ok(());
        }
        self.out.extend_from_slice(ARRAY_OF_NULL);
        self.skip(left);
        Ok(())
    }

    fn skip(&mut self, left: usize) {
        self.next = value_left(left, Next::Skip);
    }
}

/// `[null]`.
const ARRAY_OF_NULL: &[u8] = b"\x08\0\0\0\x0a0\0\0";

fn value_left(left: usize, next: fn(usize) -> Next) -> Next {
    if left == 0 { Next::Kind } else { next(left) }
}

/// Bytes at the front of a value that say how long it is; all of it where that is always the same.
fn size_bytes(kind: u8) -> Result<usize, Error> {
    Ok(match kind {
        kind::UNDEFINED | kind::NULL | kind::MIN_KEY | kind::MAX_KEY | kind::REGEX => 0,
        kind::BOOL => 1,
        kind::INT32 => 4,
        kind::DOUBLE | kind::DATE | kind::TIMESTAMP | kind::INT64 => 8,
        kind::OBJECT_ID => 12,
        kind::DECIMAL128 => 16,
        kind::STRING
        | kind::CODE
        | kind::SYMBOL
        | kind::DB_POINTER
        | kind::DOCUMENT
        | kind::ARRAY
        | kind::BINARY
        | kind::CODE_WITH_SCOPE => 4,
        _ => return Err(Error::Invalid("element kind")),
    })
}

/// Bytes of the value behind those.
fn left_bytes(kind: u8, size: &[u8]) -> Result<usize, Error> {
    const FIELD: &str = "value length";
    let (least, more) = match kind {
        kind::STRING | kind::CODE | kind::SYMBOL => (1, 0),
        kind::DB_POINTER => (1, 12),
        kind::BINARY => (0, 1),
        kind::DOCUMENT | kind::ARRAY => {
            let length = Document::length(size)?.unwrap_or(EMPTY_BYTES);
            return Ok(length - 4);
        }
        kind::CODE_WITH_SCOPE => {
            let length = Cursor::new(size).i32_le().unwrap_or_default();
            let length = usize::try_from(length).map_err(|_| Error::Invalid(FIELD))?;
            return length.checked_sub(4).ok_or(Error::Invalid(FIELD));
        }
        _ => return Ok(0),
    };
    let length = Cursor::new(size).i32_le().unwrap_or_default();
    let length = usize::try_from(length).map_err(|_| Error::Invalid(FIELD))?;
    if length < least {
        return Err(Error::Invalid(FIELD));
    }
    Ok(length + more)
}

#[cfg(test)]
mod tests;
