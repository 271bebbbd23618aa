//! Against real servers of both kinds.

pub(crate) mod server;
