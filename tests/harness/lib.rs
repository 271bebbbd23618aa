//! What the end-to-end tests are made of: real servers and daemons as child processes, and the real
//! clients that talk to them.
//!
//! A test starts a [`Fleet`] (PostgreSQL, control, proxies, each on free ports with data of its
//! own), speaks to it through [`Tdb`], [`Api`] or a [`Database`], and drops it:
//!
//! ```no_run
//! use tenantsdb_tests::Fleet;
//!
//! let fleet = Fleet::start("a_tenant_sees_the_schema", 1);
//! fleet.workspace("myapp").psql("CREATE TABLE users (id int)").ok();
//! let acme = fleet.tenant("myapp", "acme");
//! assert_eq!(acme.psql("SELECT count(*) FROM users").out(), "0");
//! ```
//!
//! What is started ends with the test, also when the test process is killed ([`guard`]). The logs
//! of a test that failed stay where its output says. A missing program fails the test with the
//! command that installs it; nothing is skipped but what needs Oracle's MySQL where that cannot be
//! had, and that is said and counted ([`mysql`]).
//!
//! - [`paths`], [`ports`], [`wait`], [`run`]: where things are, free ports, deadlines, commands.
//! - [`guard`], [`process`]: child processes that cannot outlive the tests.
//! - [`postgres`], [`mysql`], [`mongo`], [`redis`], [`control`], [`proxy`], [`fleet`]: the parts
//!   and the whole.
//! - [`tdb`], [`api`], [`connection_string`], [`database`], [`python`], [`node`], [`dump`],
//!   [`stream`], [`wire`]: clients.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness is no async program: its threads may sleep"
)]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a harness fails its test by panicking"
)]

pub mod api;
pub mod connection_string;
pub mod control;
pub mod database;
pub mod dump;
pub mod fleet;
pub mod guard;
pub mod mongo;
pub mod mysql;
pub mod node;
pub mod paths;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod python;
pub mod redis;
pub mod run;
pub mod stream;
pub mod tdb;
pub mod wait;
pub mod wire;

pub use api::Api;
pub use database::Database;
pub use fleet::{Fleet, MongoFleet, MySqlFleet, RedisFleet};
pub use run::Run;
pub use tdb::Tdb;
