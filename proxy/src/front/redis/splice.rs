//! A client whose database has its server to itself: bytes, as they come, both ways.
//!
//! The server connection is the client's from its login to its end, and nobody else's after it: all
//! that it may have asked the server for ends with it.

use std::time::Duration;

use tokio::time::sleep;

use super::client::Client;
use super::farewell::farewell;
use crate::back::redis::Connection;
use crate::core::Core;
use crate::drain::Drain;
use crate::front::report;
use crate::pool::Pooled;
use crate::relay::redis::splice::Unread;
use crate::relay::{End, Relay};
use tokio::net::TcpStream;

/// While the process goes down: how often it is looked whether the client is at rest.
const REST_EVERY: Duration = Duration::from_millis(100);

/// Serves a client until one side ends, and closes both.
pub(super) async fn splice(core: &Core, client: Client<TcpStream>, pooled: Pooled<Connection>) {
    let context = &core.context;
    let Client {
        mut stream, inbox, ..
    } = client;
    let mut pooled = pooled;
    let mut traffic = Unread::default();
    let mut relay = Relay::new(
        &mut stream,
        &mut pooled.connection.stream,
        inbox.into_unread(),
        &mut traffic,
        &context.captures,
    );
    let mut ended = tokio::select! {
        ended = relay.run(&context.drain) => ended,
        () = look_for_rest(&context.drain) => return, // never
    };
    if matches!(ended.end, End::ServerGone(None) | End::ClientGone(None)) && !ended.busy {
        // The server has answered QUIT, or has a limit for clients at rest; or the client has
        // simply closed, as Redis's clients do.
        ended.end = End::Goodbye;
    }
    report(context, &ended);
    drop(pooled);
    if !matches!(ended.end, End::ClientGone(_)) {
        farewell(stream, b"").await;
    }
}

/// Wakes the task now and then while the process goes down. Never completes.
async fn look_for_rest(drain: &Drain) {
    drain.draining().await;
    loop {
        sleep(REST_EVERY).await;
    }
}
