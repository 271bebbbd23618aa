//! Against a real server: each arrangement that the wall between tenants is made of, and every verb
//! broken off and repeated. One server for the whole test process; a blueprint of its own for each
//! test.

mod apply;
mod hostile;
mod isolation;
mod ledger;
pub(crate) mod server;
mod template;
