//! The server side: dial, log in, reset.

pub(crate) mod postgres;
