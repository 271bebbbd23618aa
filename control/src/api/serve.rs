//! Connections: accepted in bounds, with a deadline for a request's head, and drained at the end.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use super::linger::Lingering;
use crate::context::Context;

/// Connections at the same time: dozens of proxies hold a few each.
const CONNECTIONS_MAX: usize = 4096;
/// How long the head of a request may take; also how long a connection may idle between two.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// A peer that acknowledges nothing, or leaves no room for what is sent, for this long is gone
/// (TCP_USER_TIMEOUT, tcp(7)). This is what ends a feed stream to a proxy that stopped reading.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after accepting failed, for lack of descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until shutdown. Requests that run are answered; feed streams are ended.
pub(crate) async fn serve(context: Arc<Context>, listener: TcpListener) {
    let router = super::router(Arc::clone(&context));
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            () = context.shutdown.cancelled() => return,
        };
        let Some((stream, permit)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let shutdown = context.shutdown.clone();
        let connection = async move {
            let _permit = permit;
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(Lingering::new(stream)), service);
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
        };
        context.tasks.spawn(connection.in_current_span());
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    let (stream, peer) = match listener.accept().await {
        Ok(accepted) => accepted,
        Err(error) => {
            tracing::warn!(%error, "accepting a connection failed");
            return None;
        }
    };
    let socket = SockRef::from(&stream);
    let options = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_user_timeout(Some(PEER_TIMEOUT)));
    if let Err(error) = options {
        tracing::debug!(%peer, %error, "socket options not set");
    }
    Some((stream, permit))
}
