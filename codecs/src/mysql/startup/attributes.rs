//! What a client says of itself.

use std::fmt;

use super::super::Error;
use super::super::lenenc;
use super::check_bytes;
use crate::cursor::Cursor;
use crate::limits::MYSQL_ATTRIBUTES_BYTES_MAX;

const FIELD: &str = "connection attributes";

/// Names and values that a client says of itself, checked. They are in its character set.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Reads names and values as they stand behind their length in all.
    ///
    /// # Errors
    ///
    /// A name without a value, a length beyond the end, or more than
    /// [`MYSQL_ATTRIBUTES_BYTES_MAX`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        check_bytes(bytes.len(), MYSQL_ATTRIBUTES_BYTES_MAX)?;
        let mut cursor = Cursor::new(bytes);
        while !cursor.is_empty() {
            lenenc::take_string(&mut cursor, FIELD)?;
            lenenc::take_string(&mut cursor, FIELD)?;
        }
        Ok(Self { bytes })
    }

    /// Reads them with their length in front.
    pub(in crate::mysql) fn take(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        Self::decode(lenenc::take_string(cursor, FIELD)?)
    }

    /// Appends one name and value to what [`Self::decode`] reads.
    pub fn put(name: &str, value: &[u8], out: &mut Vec<u8>) {
        lenenc::put_string(name.as_bytes(), out);
        lenenc::put_string(value, out);
    }

    /// All names and values in the client's order, repeated ones too.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut cursor = Cursor::new(self.bytes);
        std::iter::from_fn(move || {
            let name = lenenc::take_string(&mut cursor, FIELD).ok()?;
            let value = lenenc::take_string(&mut cursor, FIELD).ok()?;
            Some((name, value))
        })
    }

    /// The first value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let mut attributes = self.iter();
        let found = attributes.find(|(other, _)| *other == name.as_bytes());
        found.map(|(_, value)| value)
    }

    /// As they stand on the wire behind their length.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl fmt::Debug for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attributes = self.iter();
        f.debug_map()
            .entries(attributes.map(|(name, value)| {
                (
                    String::from_utf8_lossy(name),
                    String::from_utf8_lossy(value),
                )
            }))
            .finish()
    }
}
