//! PostgreSQL's frontend/backend protocol 3.0 and 3.2.
//!
//! <https://www.postgresql.org/docs/current/protocol.html>; the layout of each message is in
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
//!
//! In the order in which a connection meets them:
//!
//! - [`startup`]: the packets without a tag that open a connection.
//! - [`frame`]: tag and length; whole messages, or headers only.
//! - [`tag`]: the first byte, one type for each direction.
//! - [`auth`]: authentication requests and answers, the envelope of [`crate::scram`].
//! - [`client`], [`server`]: the messages that routing, relaying and capture look into.
//! - [`report`], [`sqlstate`]: errors and notices.
//! - [`pipeline`]: replies still owed, and whether the connection may be given to someone else.
//!
//! Decoders take the body of one message; encoders append one whole message. An encoder that can
//! fail (a text with a zero byte in it, more bytes than a length field can say) leaves the buffer
//! as it was.

pub mod auth;
pub mod client;
mod error;
pub mod frame;
mod patch;
pub mod pipeline;
pub mod report;
pub mod server;
pub mod sqlstate;
pub mod startup;
pub mod tag;

pub use error::Error;
