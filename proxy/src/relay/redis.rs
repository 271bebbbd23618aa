//! What Redis says about the bytes that pass.
//!
//! - [`splice`], for a database that has its server to itself: nothing.
//! - [`pump`]: both directions of a session whose keys have a prefix.
//! - [`request`], [`large`]: what becomes of the client's requests; of those that are too long to
//!   be held.
//! - [`subscribe`], [`tracking`]: of those about messages and about changed keys.
//! - [`reply`], [`push`]: what the server sends, asked and unasked.
//! - [`queue`]: what the client is owed.
//! - [`out`]: what goes out.

mod from_client;
mod from_server;
pub(crate) mod large;
mod local;
mod multi;
pub(crate) mod out;
pub(crate) mod pump;
mod push;
pub(crate) mod queue;
mod reply;
mod request;
mod script;
pub(crate) mod splice;
mod subscribe;
mod tracking;
pub(crate) mod wires;

#[cfg(test)]
mod tests;
