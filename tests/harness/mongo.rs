//! MongoDB: servers of the tests' own, the Rust driver, and a client that sees every message.
//!
//! The server is what `scripts/mongo.sh` finds: a mongod, or SecantusDB in its place. What only one
//! of them does is not asked of the others ([`Kind`]).

pub mod database;
pub mod login;
pub mod message;
pub mod programs;
pub mod server;
pub mod wire;

use std::sync::atomic::{AtomicU32, Ordering};

pub use database::{Database, Failed};
pub use programs::Kind;
pub use server::Server;
pub use wire::Wire;

/// A name for a blueprint that no other test of this process has: databases and logins are named
/// after it, and the tests share a server.
#[must_use]
pub fn blueprint() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("m{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
