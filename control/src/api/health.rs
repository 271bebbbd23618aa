//! Is it up, is it of use, what has it done. Without a key: they tell nothing that needs one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::routes::Routes;
use crate::context::Context;
use crate::error::Result;
use crate::metrics;
use crate::store::routes as rows;

/// `/healthz`, `/readyz`, `/metrics`.
pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/healthz", alive)
        .get("/readyz", ready)
        .get("/metrics", render)
}

async fn alive() -> &'static str {
    "ok\n"
}

/// Ready is who can read its store.
async fn ready(State(context): State<Arc<Context>>) -> Result<&'static str> {
    rows::revisions(&mut *context.store.read().await?).await?;
    Ok("ok\n")
}

async fn render(State(context): State<Arc<Context>>) -> Result<impl IntoResponse> {
    let text = metrics::render(&context).await?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
