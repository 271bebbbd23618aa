//! A document that passes by in parts, and is valid as far as it came.

use super::{DEPTH_MAX, Document, EMPTY_BYTES, kind};
use crate::cursor::Cursor;
use crate::mongo::Error;

/// What [`validate`](super::validate) is for a document that is there as a whole: the same
/// documents are valid, wherever they are cut. Of the document nothing is held but where the ones
/// inside it end, [`DEPTH_MAX`] of them at most.
#[derive(Clone, Debug)]
pub struct Walk {
    next: Next,
    /// Bytes that were taken.
    position: usize,
    /// Where the open documents end, the outermost first.
    ends: Vec<usize>,
    /// What came of a number of four bytes, and how many of them.
    number: [u8; 4],
    came: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The kind of an element, or the last byte of a document.
    Kind,
    Key(u8),
    Bool,
    /// Four bytes that say how long this is.
    Length(Of),
    /// So many bytes, the last of them zero.
    Text(usize, Then),
    /// So many zero bytes, with anything but zero before each.
    Zeros(u8),
    Skip(usize),
    Done,
}

/// What a length is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Text,
    Pointer,
    Binary,
    Document,
    Scope,
    /// The code of a scope, and the scope, which ends there.
    ScopeCode(usize),
    ScopeDocument(usize),
}

/// What comes behind a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Skip(usize),
    Scope(usize),
}

impl Walk {
    /// Begins behind the length of a document, which is no less than the least that there is.
    #[must_use]
    pub fn of(length: usize) -> Self {
        let mut walk = Self {
            next: Next::Done,
            position: 0,
            ends: Vec::new(),
            number: [0; 4],
            came: 0,
        };
        walk.begin(length);
        walk
    }

    /// The same with what was allocated for the document before.
    pub(crate) fn begin(&mut self, length: usize) {
        self.next = Next::Kind;
        self.position = 4;
        self.ends.clear();
        self.ends.push(length);
        self.came = 0;
    }

    /// Whether all of it has come.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.next == Next::Done
    }

    /// Takes what came next; answers how many bytes of it are the document's.
    ///
    /// # Errors
    ///
    /// Any part is broken, or documents are more than [`DEPTH_MAX`] inside one another.
    pub fn step(&mut self, chunk: &[u8]) -> Result<usize, Error> {
        let mut input = Cursor::new(chunk);
        while self.next != Next::Done && !input.is_empty() {
            let before = input.rest().len();
            if self.next == Next::Kind {
                self.kind(input.u8().unwrap_or_default())?;
            } else {
                let room = self.room();
                if room == 0 {
                    return Err(Error::Truncated("element"));
                }
                self.inside(&mut input, room)?;
            }
            self.position += before - input.rest().len();
            self.settle()?;
        }
        Ok(chunk.len() - input.rest().len())
    }

    /// Bytes before the last one of the innermost document.
    fn room(&self) -> usize {
        let end = self.ends.last().copied().unwrap_or_default();
        end.saturating_sub(1).saturating_sub(self.position)
    }

    fn kind(&mut self, byte: u8) -> Result<(), Error> {
        if self.room() > 0 {
            self.next = Next::Key(byte);
            return Ok(());
        }
        if byte != 0 {
            return Err(Error::Terminator("document"));
        }
        self.ends.pop();
        if self.ends.is_empty() {
            self.next = Next::Done;
        }
        Ok(())
    }

    /// Takes some bytes of an element, of which there are so many at most.
    fn inside(&mut self, input: &mut Cursor<'_>, room: usize) -> Result<(), Error> {
        let mut some = |wanted: usize| {
            let bytes = wanted.min(room).min(input.rest().len());
            input.take(bytes).unwrap_or_default()
        };
        match self.next {
            Next::Key(kind) => {
                if to_zero(input, room) {
                    self.next = value(kind)?;
                }
            }
            Next::Zeros(zeros) => {
                if to_zero(input, room) {
                    self.next = match zeros {
                        1 => Next::Kind,
                        zeros => Next::Zeros(zeros - 1),
                    };
                }
            }
            Next::Bool => match some(1) {
                [0 | 1] => self.next = Next::Kind,
                _ => return Err(Error::Invalid("boolean")),
            },
            Next::Length(_) => {
                let taken = some(4 - self.came);
                let place = self.number.iter_mut().skip(self.came);
                place.zip(taken).for_each(|(place, byte)| *place = *byte);
                self.came += taken.len();
            }
            Next::Text(left, then) => {
                let taken = some(left);
                self.next = match left - taken.len() {
                    0 if taken.last() != Some(&0) => return Err(Error::Terminator("string")),
                    0 => match then {
                        Then::Skip(left) => skip(left),
                        Then::Scope(end) => Next::Length(Of::ScopeDocument(end)),
                    },
                    left => Next::Text(left, then),
                };
            }
            Next::Skip(left) => self.next = skip(left - some(left).len()),
            Next::Kind | Next::Done => {}
        }
        Ok(())
    }

    /// Looks at a length that is there as a whole now.
    fn settle(&mut self) -> Result<(), Error> {
        let Next::Length(of) = self.next else {
            return Ok(());
        };
        if self.came < 4 {
            return Ok(());
        }
        self.came = 0;
        let number = i32::from_le_bytes(self.number);
        let number = usize::try_from(number).map_err(|_| Error::Invalid("value length"))?;
        // Of what counts its length in.
        let end = (self.position - 4).saturating_add(number);
        let (least, left) = match of {
            Of::Text | Of::ScopeCode(_) => (1, number),
            Of::Pointer => (1, number.saturating_add(12)),
            Of::Binary => (0, number.saturating_add(1)),
            Of::Document | Of::ScopeDocument(_) => (EMPTY_BYTES, number.saturating_sub(4)),
            Of::Scope => (4, number.saturating_sub(4)),
        };
        if number < least {
            return Err(Error::Invalid("value length"));
        }
        if left > self.room() {
            return Err(Error::Truncated("element value"));
        }
        self.next = match of {
            Of::Text => Next::Text(number, Then::Skip(0)),
            Of::Pointer => Next::Text(number, Then::Skip(12)),
            Of::Binary => skip(left),
            Of::Document => self.open(end)?,
            Of::Scope => Next::Length(Of::ScopeCode(end)),
            Of::ScopeCode(scope) if self.position + number + EMPTY_BYTES > scope => {
                return Err(Error::Truncated("code with scope"));
            }
            Of::ScopeCode(scope) => Next::Text(number, Then::Scope(scope)),
            Of::ScopeDocument(scope) if end != scope => return Err(Error::Trailing("document")),
            Of::ScopeDocument(_) => self.open(end)?,
        };
        Ok(())
    }

    /// Goes into a document that ends there.
    fn open(&mut self, end: usize) -> Result<Next, Error> {
        if self.ends.len() >= DEPTH_MAX {
            return Err(Error::Depth(DEPTH_MAX));
        }
        Document::length(&self.number)?;
        self.ends.push(end);
        Ok(Next::Kind)
    }
}

/// What a value of this kind begins with.
fn value(kind: u8) -> Result<Next, Error> {
    Ok(match kind {
        kind::UNDEFINED | kind::NULL | kind::MIN_KEY | kind::MAX_KEY => Next::Kind,
        kind::BOOL => Next::Bool,
        kind::INT32 => Next::Skip(4),
        kind::DOUBLE | kind::DATE | kind::TIMESTAMP | kind::INT64 => Next::Skip(8),
        kind::OBJECT_ID => Next::Skip(12),
        kind::DECIMAL128 => Next::Skip(16),
        kind::STRING | kind::CODE | kind::SYMBOL => Next::Length(Of::Text),
        kind::DB_POINTER => Next::Length(Of::Pointer),
        kind::BINARY => Next::Length(Of::Binary),
        kind::DOCUMENT | kind::ARRAY => Next::Length(Of::Document),
        kind::REGEX => Next::Zeros(2),
        kind::CODE_WITH_SCOPE => Next::Length(Of::Scope),
        _ => return Err(Error::Invalid("element kind")),
    })
}

/// Takes bytes up to the next zero byte, of at most `room`; says whether it has come.
fn to_zero(input: &mut Cursor<'_>, room: usize) -> bool {
    let window = input.rest().get(..room).unwrap_or(input.rest());
    let zero = window.iter().position(|byte| *byte == 0);
    input.take(zero.map_or(window.len(), |place| place + 1));
    zero.is_some()
}

const fn skip(left: usize) -> Next {
    match left {
        0 => Next::Kind,
        left => Next::Skip(left),
    }
}
