//! The serialization protocol of Redis and Valkey, RESP2 and RESP3, and what their commands mean.
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>
//!
//! In the order in which a connection meets them:
//!
//! - [`client`]: requests, whole or argument by argument; inline commands.
//! - [`startup`]: HELLO and AUTH.
//! - [`table`], [`command`]: the server's commands, and what becomes of each.
//! - [`keys`]: which arguments are keys and channels.
//! - [`prefix`], [`glob`]: their names on the server, and patterns of them.
//! - [`sink`], [`reply`]: replies, streamed through, without the prefix of the keys in them.
//! - [`value`]: a whole reply as a tree, for what the proxy itself asks.
//! - [`server`], [`report`]: what the proxy itself writes; errors.

pub mod client;
pub mod command;
mod error;
mod frame;
pub mod glob;
pub mod keys;
pub mod prefix;
pub mod reply;
pub mod report;
pub mod server;
pub mod sink;
pub mod startup;
pub mod table;
pub mod value;

pub use error::Error;

#[cfg(test)]
mod recording;
