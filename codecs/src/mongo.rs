//! The wire protocol of MongoDB, the documents in it, and what its commands mean.
//!
//! <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>, <https://bsonspec.org>
//!
//! In the order in which a connection meets them:
//!
//! - [`frame`]: headers of messages.
//! - [`bson`]: documents, walked and written.
//! - [`json`]: the text of documents, for people and records.
//! - [`op_msg`]: OP_MSG, whole and streamed through.
//! - [`startup`]: hello, also by OP_QUERY and OP_REPLY.
//! - [`auth`]: SASL messages, both roles.
//! - [`client`], [`command`], [`escape`]: what a client asks, what becomes of it, and which other
//!   databases it names.
//! - [`mask`]: the servers' names, taken out of both.
//! - [`pipeline`]: requests and their replies.
//! - [`code`], [`report`]: errors.
//! - [`shell`]: commands as a shell has them.

pub mod auth;
pub mod bson;
pub mod client;
pub mod code;
pub mod command;
mod error;
pub mod escape;
pub mod frame;
pub mod json;
pub mod mask;
pub mod op_msg;
pub mod pipeline;
pub mod report;
pub mod shell;
pub mod startup;

pub use error::Error;

#[cfg(test)]
mod recording;
