//! A client of a database whose keys have a prefix.

use super::farewell::farewell;
use super::{After, Opened, answer};
use crate::core::Core;
use crate::session::Session;

/// Serves a client that is logged in, until whatever comes after.
pub(super) async fn serve(_core: &Core, _session: &Session, opened: Box<Opened>) -> After {
    let mut last = Vec::new();
    answer::error(&mut last, "ERR not yet");
    farewell(opened.client.stream, &last).await;
    After::Over
}
