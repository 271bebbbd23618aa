//! Against a real server: each arrangement that the wall between tenants is made of, every verb
//! broken off and repeated.

pub(crate) use super::super::mysql::tests::cut;
mod apply;
mod fidelity;
mod isolation;
mod life;
pub(crate) mod server;
mod tls;
