//! HTTP: requests in, JSON and problem documents out. Decides nothing; `app` does.

pub(crate) mod api_keys;
pub(crate) mod auth;
pub(crate) mod blueprints;
pub(crate) mod credentials;
pub(crate) mod deployments;
pub(crate) mod drift;
pub(crate) mod error;
pub(crate) mod extract;
pub(crate) mod feed;
pub(crate) mod health;
pub(crate) mod idempotency;
mod linger;
pub(crate) mod openapi;
pub(crate) mod page;
pub(crate) mod proxies;
pub(crate) mod reply;
pub(crate) mod routes;
pub(crate) mod serve;
pub(crate) mod servers;
pub(crate) mod settings;
pub(crate) mod tenants;
pub(crate) mod workspaces;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use tracing::Instrument as _;

use crate::context::Context;
use crate::error::{Code, Error};
use routes::Routes;

/// Every route of the REST API that needs a key.
pub(crate) fn resources() -> Routes {
    Routes::default()
        .merge(servers::routes())
        .merge(workspaces::routes())
        .merge(settings::routes())
        .merge(blueprints::routes())
        .merge(tenants::routes())
        .merge(drift::routes())
        .merge(credentials::routes())
        .merge(deployments::routes())
        .merge(proxies::routes())
        .merge(api_keys::routes())
}

/// The whole service.
pub(crate) fn router(context: Arc<Context>) -> Router {
    let authorized = middleware::from_fn_with_state(Arc::clone(&context), auth::require_key);
    let once = middleware::from_fn_with_state(Arc::clone(&context), idempotency::run_once);
    let traced = middleware::from_fn_with_state(Arc::clone(&context), trace);
    resources()
        .router()
        .route_layer(once)
        .route_layer(authorized)
        .merge(feed::routes().router())
        .merge(openapi::routes().router())
        .merge(health::routes().router())
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(traced)
        .with_state(context)
}

async fn no_route(request: Request) -> Error {
    Error::new(
        Code::NotFound,
        format!("there is nothing at {}", request.uri().path()),
    )
    .hint("GET /v1/openapi.json lists what there is")
}

async fn no_method(request: Request) -> Error {
    Error::new(
        Code::MethodNotAllowed,
        format!(
            "{} has no method {}",
            request.uri().path(),
            request.method()
        ),
    )
}

/// One span for each request, so that whatever is logged on its way says which one it was.
async fn trace(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let span = tracing::info_span!(
        "request",
        method = %request.method(),
        path = request.uri().path(),
    );
    async move {
        let response = next.run(request).await;
        let status = response.status().as_u16();
        context.metrics.answered(status);
        tracing::debug!(status, "answered");
        response
    }
    .instrument(span)
    .await
}

#[cfg(test)]
pub(crate) mod tests;
