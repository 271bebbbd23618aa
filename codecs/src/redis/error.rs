//! What is wrong with a request or a reply.

/// Bytes that can never become a request or a reply. The text of what a client did wrong is the
/// server's own, behind `Protocol error: ` (`src/networking.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The number of arguments is none, or too great.
    #[error("invalid multibulk length")]
    MultibulkLength,
    /// More arguments than are taken before the login.
    #[error("unauthenticated multibulk length")]
    UnauthenticatedMultibulk,
    /// The number of arguments does not end.
    #[error("too big mbulk count string")]
    MultibulkCount,
    /// The length of a string is none, or too great.
    #[error("invalid bulk length")]
    BulkLength,
    /// A longer argument than is taken before the login.
    #[error("unauthenticated bulk length")]
    UnauthenticatedBulk,
    /// The length of an argument does not end.
    #[error("too big bulk count string")]
    BulkCount,
    /// An argument begins with another byte.
    #[error("expected '$', got '{}'", shown(*.0))]
    Dollar(u8),
    /// An inline request that does not end.
    #[error("too big inline request")]
    Inline,
    /// A quote that is not closed, or is closed in the middle of an argument.
    #[error("unbalanced quotes in request")]
    Quotes,
    /// A length, or the bytes that it announced, without the line end behind it. The server does
    /// not look at these two bytes; what they are is not guessed here.
    #[error("expected CRLF")]
    LineEnd,
    /// No type of a value begins with this byte, or none that may stand here.
    #[error("invalid reply type {0:#04x}")]
    Type(u8),
    /// A length or a value of this type that cannot be one.
    #[error("invalid {0}")]
    Invalid(&'static str),
    /// Too many aggregates inside one another, or too many elements.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// Legal, and not read here.
    #[error("unsupported {0}")]
    Unsupported(&'static str),
}

/// A byte as the server puts it into its error, as far as that is text.
const fn shown(byte: u8) -> char {
    match byte {
        b'\r' | b'\n' => ' ',
        b' '..=b'~' => byte as char,
        _ => '?',
    }
}
