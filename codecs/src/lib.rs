//! The wire formats of TenantsDB, and nothing else: bytes in, messages out.
//!
//! No I/O, no clock, no tokio. Every byte may come from a hostile peer, so nothing here panics,
//! recurses without a bound, or allocates what a length field asks for before the bytes are there.
//!
//! A decoder has three answers: `Ok(None)` (more bytes are needed), `Ok(Some(message))`, and `Err`
//! (these bytes can never become a message; which field was wrong). It is given the same buffer
//! again, longer, after `Ok(None)`, so where the input was split never changes the answer.
//!
//! - [`limits`]: how much a peer may make us hold or compute.
//! - [`secret`]: values that are wiped and never printed.
//! - [`postgres`]: PostgreSQL's messages.
//! - [`mysql`]: MySQL's and MariaDB's messages and password exchanges.
//! - [`mongo`]: MongoDB's messages, the documents in them, and what its commands mean.
//! - [`redis`]: requests and replies of Redis and Valkey, and the keys in them.
//! - [`scram`]: the password exchange, both roles.
//! - [`sql`]: what the text of a statement says.
//! - [`feed`]: what proxy and control say to each other.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod cursor;
pub mod feed;
pub mod limits;
pub mod mongo;
pub mod mysql;
pub mod postgres;
pub mod redis;
pub mod scram;
pub mod secret;
pub mod sql;
