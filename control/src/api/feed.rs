//! What proxies use: the route feed, acknowledgements, captures. Proxy token instead of API key.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use tenantsdb_codecs::feed::capture::{Capture, Sealed};
use tenantsdb_codecs::feed::stream::Ack;
use tenantsdb_codecs::feed::{ACK_PATH, CAPTURES_PATH, FEED_PATH};
use tokio::sync::mpsc;
use tracing::Instrument as _;

use super::auth::require_proxy;
use super::extract::{self, Query};
use super::routes::Routes;
use crate::app;
use crate::context::Context;
use crate::error::{Code, Error, Result};
use crate::feed::Feed;
use crate::feed::stream::{self, End, Resume};
use crate::store::routes as rows;

/// Longest body of a capture, in bytes: a statement may have 64 MiB, and grows when it is escaped.
const CAPTURE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Longest acknowledgement, in bytes.
const ACK_BYTES_MAX: usize = 64 * 1024;
/// Pieces of the feed that wait for a slow reader.
const PIECES_MAX: usize = 4;

/// What a proxy asks for.
#[derive(Deserialize)]
struct Follow {
    proxy: String,
    epoch: Option<String>,
    rev: Option<u64>,
}

/// The paths that proxies know.
pub(super) fn routes() -> Routes {
    Routes::default()
        .get(FEED_PATH, follow)
        .post(ACK_PATH, ack)
        .post(CAPTURES_PATH, capture)
}

async fn follow(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    Query(query): Query<Follow>,
) -> Result<Response> {
    require_proxy(&context, &headers).await?;
    app::proxies::check_id(&query.proxy)?;
    let resume = Resume {
        epoch: query.epoch,
        rev: query.rev,
    };
    let revisions = rows::revisions(&mut *context.store.read().await?).await?;
    let resume = resume.usable(context.store.epoch(), revisions);
    // A proxy that needs a snapshot may still serve what its disk held: it counts, and is behind.
    let attached = Feed::attach(&context, &query.proxy, resume.unwrap_or(0))
        .ok_or_else(|| Error::new(Code::Unavailable, "too many proxies follow the feed"))?;
    if resume.is_none() {
        context
            .metrics
            .feed_snapshots
            .fetch_add(1, Ordering::Relaxed);
    }
    let (out, mut pieces) = mpsc::channel::<Bytes>(PIECES_MAX);
    let span = tracing::info_span!("feed", proxy = query.proxy);
    let worker = Arc::clone(&context);
    tokio::spawn(
        async move {
            tracing::info!(resume, "proxy follows the feed");
            match stream::run(Arc::clone(&worker), attached, resume, out).await {
                Ok(End::Slow) => {
                    worker.metrics.feed_slow.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!("proxy does not read; its stream is dropped");
                }
                Ok(end) => tracing::info!(?end, "feed stream ended"),
                Err(error) => tracing::error!(%error, "feed stream failed"),
            }
        }
        .instrument(span),
    );
    let lines = futures_util::stream::poll_fn(move |cx| {
        pieces
            .poll_recv(cx)
            .map(|piece| piece.map(Ok::<_, std::convert::Infallible>))
    });
    Ok((
        [(CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(lines),
    )
        .into_response())
}

async fn ack(State(context): State<Arc<Context>>, request: Request) -> Result<StatusCode> {
    let (parts, body) = request.into_parts();
    require_proxy(&context, &parts.headers).await?;
    let body = extract::read(&parts.headers, body, ACK_BYTES_MAX).await?;
    let ack: Ack = extract::parse(&parts.headers, &body)?;
    context.feed.ack(ack, context.store.epoch());
    Ok(StatusCode::NO_CONTENT)
}

async fn capture(State(context): State<Arc<Context>>, request: Request) -> Result<Json<Sealed>> {
    let (parts, body) = request.into_parts();
    require_proxy(&context, &parts.headers).await?;
    let body = extract::read(&parts.headers, body, CAPTURE_BYTES_MAX).await?;
    let capture: Capture = extract::parse(&parts.headers, &body)?;
    let worker = Arc::clone(&context);
    // To its end even if the proxy stops waiting.
    let sealing = async move { app::seal::capture(&worker, &capture).await };
    let version = context
        .tasks
        .spawn(sealing.in_current_span())
        .await
        .map_err(Error::internal)??;
    Ok(Json(Sealed { version }))
}
