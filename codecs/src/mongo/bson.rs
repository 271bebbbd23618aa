//! Documents: walked in place, written into a buffer, never built as a tree.
//!
//! <https://bsonspec.org/spec.html>
//!
//! ```text
//! document  int32 bytes, elements, 00
//! element   kind, key, 00, value
//! ```
//!
//! A walk looks only at what it passes: [`Document::read`] at length and last byte, [`Elements`] at
//! one level. [`validate`] goes through all of it, and [`Walk`] while it comes.

use super::Error;
use crate::cursor::Cursor;
pub use crate::limits::MONGO_DEPTH_MAX as DEPTH_MAX;
use crate::limits::MONGO_DOCUMENT_BYTES_MAX;

pub mod kind;
mod outline;
mod walk;
mod write;

pub use outline::Outline;
pub use walk::Walk;
pub use write::{Array, Writer};

/// Bytes of a document without elements.
const EMPTY_BYTES: usize = 5;

/// A document or an array, whose elements may yet turn out to be broken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Document<'i> {
    /// With its length and its last zero byte.
    bytes: &'i [u8],
}

impl<'i> Document<'i> {
    /// Reads the document at the front, and says how many bytes it has.
    ///
    /// # Errors
    ///
    /// A length that no document has, that is more than [`MONGO_DOCUMENT_BYTES_MAX`], or that the
    /// input does not have; a last byte that is not zero.
    pub fn read(input: &'i [u8]) -> Result<(Self, usize), Error> {
        let length = Self::length(input)?.ok_or(Error::Truncated("document length"))?;
        let bytes = input.get(..length).ok_or(Error::Truncated("document"))?;
        if bytes.last() != Some(&0) {
            return Err(Error::Terminator("document"));
        }
        Ok((Self { bytes }, length))
    }

    /// Bytes of the document at the front, by its length alone; `None` if less than the length is
    /// there. For what comes in parts.
    ///
    /// # Errors
    ///
    /// A length that no document has, or more than [`MONGO_DOCUMENT_BYTES_MAX`].
    pub fn length(input: &[u8]) -> Result<Option<usize>, Error> {
        let Some(length) = Cursor::new(input).i32_le() else {
            return Ok(None);
        };
        let length = usize::try_from(length).map_err(|_| Error::Invalid("document length"))?;
        if length < EMPTY_BYTES {
            return Err(Error::Invalid("document length"));
        }
        if length > MONGO_DOCUMENT_BYTES_MAX {
            return Err(Error::TooLong {
                field: "document",
                bytes: length as u64,
                max: MONGO_DOCUMENT_BYTES_MAX as u64,
            });
        }
        Ok(Some(length))
    }

    /// Reads bytes that are one document.
    ///
    /// # Errors
    ///
    /// Those of [`Self::read`], and bytes behind it.
    pub fn whole(input: &'i [u8]) -> Result<Self, Error> {
        let (document, bytes) = Self::read(input)?;
        if bytes != input.len() {
            return Err(Error::Trailing("document"));
        }
        Ok(document)
    }

    /// All its bytes, with its length and its last zero byte.
    #[must_use]
    pub const fn bytes(&self) -> &'i [u8] {
        self.bytes
    }

    /// Its elements in their order, as bytes.
    #[must_use]
    pub fn elements(&self) -> Elements<'i> {
        let inner = self.bytes.get(4..self.bytes.len() - 1);
        Elements {
            rest: Cursor::new(inner.unwrap_or_default()),
        }
    }

    /// Its elements in their order, as key and value. Ends behind the first that is broken.
    pub fn iter(&self) -> impl Iterator<Item = Result<(&'i str, Value<'i>), Error>> + use<'i> {
        self.elements()
            .map(|element| element.and_then(|element| Ok((element.name()?, element.value()))))
    }

    /// The first element with this key.
    ///
    /// # Errors
    ///
    /// An element before it, or itself, is broken.
    pub fn get(&self, key: &str) -> Result<Option<Value<'i>>, Error> {
        for element in self.elements() {
            let element = element?;
            if element.key == key.as_bytes() {
                return Ok(Some(element.value()));
            }
        }
        Ok(None)
    }

    /// The first element: that of a command has its name.
    ///
    /// # Errors
    ///
    /// It is broken.
    pub fn first(&self) -> Result<Option<(&'i str, Value<'i>)>, Error> {
        self.iter().next().transpose()
    }
}

impl std::fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Commands have passwords and other people's data in them.
        write!(f, "Document({} bytes)", self.bytes.len())
    }
}

/// The elements of one document. Ends behind the first that is broken.
#[derive(Clone, Debug)]
pub struct Elements<'i> {
    rest: Cursor<'i>,
}

impl<'i> Iterator for Elements<'i> {
    type Item = Result<Element<'i>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let element = Element::take(&mut self.rest);
        if element.is_err() {
            self.rest = Cursor::new(&[]);
        }
        Some(element)
    }
}

/// One element, its value within its bounds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Element<'i> {
    /// What kind of value it is: [`kind`].
    pub kind: u8,
    /// Its key, without the zero byte; not always UTF-8.
    pub key: &'i [u8],
    /// Its value as it is written.
    pub bytes: &'i [u8],
}

impl<'i> Element<'i> {
    fn take(rest: &mut Cursor<'i>) -> Result<Self, Error> {
        let kind = rest.u8().ok_or(Error::Truncated("element"))?;
        let key = rest.c_string().ok_or(Error::Terminator("element key"))?;
        let length = kind::value_bytes(kind, rest.rest())?;
        let bytes = rest.take(length).ok_or(Error::Truncated("element value"))?;
        Ok(Self { kind, key, bytes })
    }

    /// Its key as text.
    ///
    /// # Errors
    ///
    /// It is not UTF-8.
    pub fn name(&self) -> Result<&'i str, Error> {
        std::str::from_utf8(self.key).map_err(|_| Error::Utf8("element key"))
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> Value<'i> {
        Value::of(self.kind, self.bytes).unwrap_or(Value::Other {
            kind: self.kind,
            bytes: self.bytes,
        })
    }

    /// The document inside: of a document, an array, or code with its scope.
    fn inner(&self) -> Result<Option<Document<'i>>, Error> {
        match self.kind {
            kind::DOCUMENT | kind::ARRAY => Document::whole(self.bytes).map(Some),
            kind::CODE_WITH_SCOPE => {
                let mut cursor = Cursor::new(self.bytes);
                cursor.take(4).ok_or(Error::Truncated("code"))?;
                let code = kind::value_bytes(kind::CODE, cursor.rest())?;
                cursor.take(code).ok_or(Error::Truncated("code"))?;
                Document::whole(cursor.rest()).map(Some)
            }
            _ => Ok(None),
        }
    }
}

impl std::fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Element")
            .field("kind", &self.kind)
            .field("key", &String::from_utf8_lossy(self.key))
            .finish_non_exhaustive()
    }
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'i> {
    /// 64 bits of floating point.
    Double(f64),
    /// UTF-8, zero bytes among it.
    String(&'i str),
    /// A document.
    Document(Document<'i>),
    /// A document whose keys are `0`, `1` and so on.
    Array(Document<'i>),
    /// Bytes.
    Binary {
        /// What they are; 0 is anything, 4 a UUID.
        subtype: u8,
        /// The bytes.
        bytes: &'i [u8],
    },
    /// An ObjectId.
    ObjectId([u8; 12]),
    /// True or false.
    Bool(bool),
    /// Milliseconds since 1970 in UTC.
    Date(i64),
    /// Nothing.
    Null,
    /// 32 bits.
    Int32(i32),
    /// 64 bits.
    Int64(i64),
    /// The server's own: seconds in the upper half, a count in the lower.
    Timestamp(u64),
    /// Any other kind, and a string that is not UTF-8.
    Other {
        /// Its kind.
        kind: u8,
        /// As it is written.
        bytes: &'i [u8],
    },
}

impl<'i> Value<'i> {
    fn of(kind: u8, bytes: &'i [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        Some(match kind {
            kind::DOUBLE => Self::Double(f64::from_bits(cursor.u64_le()?)),
            kind::STRING => {
                cursor.take(4)?;
                let text = cursor.rest().strip_suffix(&[0])?;
                Self::String(std::str::from_utf8(text).ok()?)
            }
            kind::DOCUMENT => Self::Document(Document::whole(bytes).ok()?),
            kind::ARRAY => Self::Array(Document::whole(bytes).ok()?),
            kind::BINARY => {
                cursor.take(4)?;
                let subtype = cursor.u8()?;
                let bytes = cursor.rest();
                Self::Binary { subtype, bytes }
            }
            kind::OBJECT_ID => Self::ObjectId(cursor.array()?),
            kind::BOOL => Self::Bool(cursor.u8()? != 0),
            kind::DATE => Self::Date(cursor.u64_le()?.cast_signed()),
            kind::NULL => Self::Null,
            kind::INT32 => Self::Int32(cursor.i32_le()?),
            kind::TIMESTAMP => Self::Timestamp(cursor.u64_le()?),
            kind::INT64 => Self::Int64(cursor.u64_le()?.cast_signed()),
            _ => return None,
        })
    }

    /// The text, if it is a string.
    #[must_use]
    pub const fn as_str(&self) -> Option<&'i str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The document, if it is one. An array is none.
    #[must_use]
    pub const fn as_document(&self) -> Option<Document<'i>> {
        match self {
            Self::Document(document) => Some(*document),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    #[must_use]
    pub const fn as_array(&self) -> Option<Document<'i>> {
        match self {
            Self::Array(array) => Some(*array),
            _ => None,
        }
    }

    /// The number, if it is one without a fraction: shells send doubles for integers.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int32(number) => Some((*number).into()),
            Self::Int64(number) => Some(*number),
            Self::Double(number) => integral(*number),
            _ => None,
        }
    }

    /// Whether it counts as true where the server takes any type (`BSONElement::trueValue` in
    /// `src/mongo/bson/bsonelement.h`): zero, false, null and undefined do not.
    #[must_use]
    pub fn truthy(&self) -> bool {
        match self {
            Self::Double(number) => *number != 0.0,
            Self::Int32(number) => *number != 0,
            Self::Int64(number) => *number != 0,
            Self::Bool(value) => *value,
            Self::Null => false,
            Self::Other {
                kind: kind::UNDEFINED,
                ..
            } => false,
            Self::Other {
                kind: kind::DECIMAL128,
                bytes,
            } => !kind::is_decimal_zero(bytes),
            _ => true,
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // compared again
fn integral(number: f64) -> Option<i64> {
    // 2^63, which is the first that an i64 does not have.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    let fits = (-BEYOND..BEYOND).contains(&number) && number.fract() == 0.0;
    fits.then_some(number as i64)
}

/// Walks all of a document, which must be all of the input. No recursion; it holds `depth_max`
/// places at most.
///
/// Looks at structure alone: keys and strings need not be UTF-8, and the keys of an array are not
/// looked at, as in the server.
///
/// # Errors
///
/// Any part is broken, or documents are more than `depth_max` ([`DEPTH_MAX`]) inside one another,
/// the outermost counted.
pub fn validate(input: &[u8], depth_max: usize) -> Result<(), Error> {
    let mut open = vec![Document::whole(input)?.elements()];
    while let Some(elements) = open.last_mut() {
        let Some(element) = elements.next() else {
            open.pop();
            continue;
        };
        if let Some(inner) = element?.inner()? {
            if open.len() >= depth_max {
                return Err(Error::Depth(depth_max));
            }
            open.push(inner.elements());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
