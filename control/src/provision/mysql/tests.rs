//! Against real servers of both flavours: each arrangement that the wall between tenants is made
//! of, every verb broken off and repeated. One server of each for the whole test process; a
//! blueprint of its own for each test.

mod apply;
mod attention;
mod broken;
pub(crate) mod cut;
mod isolation;
pub(crate) mod server;
mod template;
mod waiting;
