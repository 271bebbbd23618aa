//! Who asks: an API key, as `Authorization: Bearer` or `X-API-Key`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;

use crate::app;
use crate::context::Context;
use crate::error::{Code, Error, Result};

/// The key that a request came with.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) key_id: String,
}

/// Lets requests with a valid key pass.
pub(crate) async fn require_key(
    State(context): State<Arc<Context>>,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    let text = shown(request.headers()).ok_or_else(|| {
        Error::new(Code::Unauthorized, "the request shows no API key")
            .hint("send it as `Authorization: Bearer tdb_sk_…`")
    })?;
    let key = app::api_keys::authenticate(&context, text).await?;
    request.extensions_mut().insert(Caller { key_id: key.id });
    Ok(next.run(request).await)
}

/// Lets a proxy pass that shows its token.
pub(crate) async fn require_proxy(context: &Context, headers: &HeaderMap) -> Result<()> {
    let text = bearer(headers)
        .ok_or_else(|| Error::new(Code::Unauthorized, "the request shows no proxy token"))?;
    app::proxies::authenticate(context, text).await
}

fn shown(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).or_else(|| headers.get("x-api-key")?.to_str().ok())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
