//! Against real servers of both kinds.

mod isolation;
pub(crate) mod server;
mod tls;
