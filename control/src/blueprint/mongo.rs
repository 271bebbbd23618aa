//! What a MongoDB blueprint consists of: collections with their options, views, indexes, and the
//! commands that make them. Pure.
//!
//! - [`json`]: commands as text.
//! - [`normal`]: collections and indexes as they are compared.
//! - [`command`]: what a command is about.
//! - [`infer`](mod@infer): from two snapshots to the commands between them.
//! - [`search`]: indexes that are not the server's own.
//! - [`settle`](mod@settle): from two snapshots and what the wire saw to versions.

pub(crate) mod command;
mod infer;
pub(crate) mod json;
pub(crate) mod normal;
pub(crate) mod search;
mod settle;

pub(crate) use self::infer::infer;
pub(crate) use self::settle::{settle, statement};
