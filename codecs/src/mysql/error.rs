//! What is wrong with a message, and in which field.

/// Bytes that can never become a message, or a message that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Longer than what is taken here.
    #[error("message of {bytes} bytes, at most {max} are taken")]
    TooLong {
        /// Bytes that are announced so far, without headers.
        bytes: u64,
        /// Bytes that are taken.
        max: u64,
    },
    /// The packets of one message are numbered one after the other.
    #[error("packet number {found} inside a message, {expected} is next")]
    Sequence {
        /// The number that continues the message.
        expected: u8,
        /// The number that came.
        found: u8,
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
    /// Legal, and not spoken here.
    #[error("unsupported {0}")]
    Unsupported(&'static str),
}

/// The field as text, or the error that names it.
pub(super) fn text<'a>(bytes: Option<&'a [u8]>, field: &'static str) -> Result<&'a str, Error> {
    let bytes = bytes.ok_or(Error::Terminator(field))?;
    std::str::from_utf8(bytes).map_err(|_| Error::Utf8(field))
}
