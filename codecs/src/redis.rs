//! The serialization protocol of Redis and Valkey: RESP2 and RESP3.
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>
//!
//! In the order in which a connection meets them:
//!
//! - [`client`]: requests, whole or argument by argument; inline commands.
//! - [`startup`]: HELLO and AUTH.
//! - [`sink`], [`reply`]: replies, streamed through, without the prefix of the keys in them.
//! - [`value`]: a whole reply as a tree, for what the proxy itself asks.
//! - [`server`], [`report`]: what the proxy itself writes; errors.
//!
//! What is not here: which arguments are keys is for those who know the command.

pub mod client;
mod error;
mod frame;
pub mod reply;
pub mod report;
pub mod server;
pub mod sink;
pub mod startup;
pub mod value;

pub use error::Error;
