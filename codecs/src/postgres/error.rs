//! What is wrong with a message, and in which field.

use nom::error::{ErrorKind, ParseError};

/// Bytes that can never become a message, or a message that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The length field counts itself: it cannot be below 4, and as a signed number not below 0.
    #[error("message length {0:#x} is out of range")]
    Length(u32),
    /// Longer than what is taken here.
    #[error("message of {bytes} bytes, at most {max} are taken")]
    TooLong {
        /// Bytes that the length field announces, without itself.
        bytes: u64,
        /// Bytes that are taken.
        max: u64,
    },
    /// The message ends inside this field.
    #[error("message ends inside the {0}")]
    Truncated(&'static str),
    /// The zero byte that ends this field is missing.
    #[error("{0} without its terminating zero byte")]
    Terminator(&'static str),
    /// The message goes on behind its last field.
    #[error("bytes behind the {0}")]
    Trailing(&'static str),
    /// This field is not UTF-8.
    #[error("{0} is not UTF-8")]
    Utf8(&'static str),
    /// This field has a value that it cannot have.
    #[error("invalid {0}")]
    Invalid(&'static str),
    /// A startup packet of another major version than 3.
    #[error("unsupported frontend protocol {major}.{minor}")]
    Version {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
}

/// Only for what nom itself finds wrong; the fields' own errors are made where they are read.
impl ParseError<&[u8]> for Error {
    fn from_error_kind(_: &[u8], _: ErrorKind) -> Self {
        Self::Invalid("packet")
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// The field as text, or the error that names it.
pub(super) fn text<'a>(bytes: Option<&'a [u8]>, field: &'static str) -> Result<&'a str, Error> {
    let bytes = bytes.ok_or(Error::Terminator(field))?;
    std::str::from_utf8(bytes).map_err(|_| Error::Utf8(field))
}
