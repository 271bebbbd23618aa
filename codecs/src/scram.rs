//! SCRAM-SHA-256 for both roles: bytes in, bytes out, no randomness of its own.
//!
//! RFC 5802 (SCRAM), RFC 7677 (SHA-256), RFC 5929 (`tls-server-end-point`). PostgreSQL carries the
//! messages in [`crate::postgres::auth`], MongoDB in [`crate::mongo::auth`].
//!
//! ```text
//! client                                                server
//! client::Exchange::new ── client-first ──────────────► server::Exchange::first
//! client::Exchange::first ◄────────────── server-first ──┘
//!          └── client-final ──────────────────────────► server::ExpectFinal::finish
//! client::ExpectFinal::finish ◄──────────── server-final ┘   = the client's ClientKey
//! ```
//!
//! The server's role needs a [`Verifier`], which cannot log in anywhere. The client's proof reveals
//! the [`ClientKey`] to whoever holds the verifier; with it the client's role can log in to another
//! server that has the same verifier, without the password and without PBKDF2.
//!
//! Passwords are taken as bytes, already prepared: SASLprep changes nothing in ASCII, and ours are.

pub mod channel;
pub mod client;
mod key;
mod message;
pub mod server;

pub use key::{ClientKey, Credential, ServerKey, Verifier};

/// The mechanism without channel binding.
pub const SHA_256: &str = "SCRAM-SHA-256";
/// The mechanism with channel binding.
pub const SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// The user's name in a client-first-message, for the servers that have it from nowhere else; it
/// may be empty.
///
/// # Errors
///
/// The message is malformed, or asks for what is not spoken here.
pub fn user_name(client_first: &[u8]) -> Result<String, Error> {
    message::unescape(message::ClientFirst::parse(client_first)?.user)
}

/// Why an exchange or a verifier came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The client does not know the password. This one means `password authentication failed`, all
    /// others that the peer breaks the protocol.
    #[error("proof does not match")]
    Proof,
    /// The server does not know the verifier: it is not the server it should be.
    #[error("server signature does not match")]
    ServerSignature,
    /// The server ended the exchange with an error of its own.
    #[error("server refused the proof")]
    Refused,
    /// The server's salt or iteration count are not those that the ClientKey was made with.
    #[error("server has another salt or iteration count")]
    SaltChanged,
    /// Not a mechanism that is spoken here.
    #[error("unknown SASL mechanism")]
    Mechanism,
    /// This attribute is missing, out of order, or has an impossible value.
    #[error("malformed SCRAM message: {0}")]
    Malformed(&'static str),
    /// This value is longer, shorter, larger or smaller than is taken here.
    #[error("SCRAM {0} out of bounds")]
    Bounds(&'static str),
    /// The peer demands something that is not spoken here.
    #[error("SCRAM {0} is not supported")]
    Unsupported(&'static str),
    /// The nonce does not begin with, or is not, what was sent.
    #[error("SCRAM nonce does not match")]
    Nonce,
    /// Channel binding does not fit the mechanism, the connection or its certificate.
    #[error("SCRAM channel binding does not match")]
    ChannelBinding,
    /// Not a verifier in the form that PostgreSQL stores.
    #[error("not a SCRAM-SHA-256 verifier")]
    Verifier,
}

#[cfg(test)]
mod tests;
