//! Cancel keys: ours to the client, the server's to the server.

pub mod postgres;

pub use postgres::CancelKeys;
