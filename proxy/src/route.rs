//! Where databases live: looked up for each login, changed by control's feed, kept on disk.
//!
//! - [`entry`]: one route as the proxy uses it, checked and with its verifiers read.
//! - [`table`]: all routes; readers never lock or wait.
//! - [`tenants`]: Redis databases by the name of their tenant alone.
//! - [`mongo`]: what a MongoDB door says of the servers behind it.
//! - [`versions`]: what a MySQL door greets with.
//! - [`follow`]: what each line of the feed does to the table; no I/O.
//! - [`feed`]: the stream from control, and what is answered.
//! - [`disk`]: the last good table, for the time that control is away.

pub mod disk;
pub mod entry;
pub mod feed;
pub mod follow;
pub(crate) mod mongo;
pub mod table;
mod tenants;
pub(crate) mod versions;

pub use entry::{Login, Route};
pub use table::Routes;
