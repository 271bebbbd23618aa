//! Requests that change something: each runs to its end even if the caller goes away, and one with
//! an `Idempotency-Key` runs once however often it is sent.
//!
//! Only answers that say something was done are kept. After a failure nothing is left done, so the
//! same request may be tried again.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

use super::auth::Caller;
use super::extract;
use super::reply::Repeatable;
use crate::context::Context;
use crate::error::{Code, Error, Result};
use crate::secret::hash;
use crate::store::idempotency::{self, Known, Scope};

const HEADER: &str = "idempotency-key";
const REPLAYED: &str = "idempotent-replayed";
/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// Runs requests that change something apart from the connection, and those with a key once.
pub(crate) async fn run_once(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Result<Response> {
    if request.method() == Method::GET || request.method() == Method::HEAD {
        return Ok(next.run(request).await);
    }
    let worker = Arc::clone(&context);
    let work = async move {
        match scope(&request)? {
            Some(scope) => with_key(&worker, scope, request, next).await,
            None => Ok(next.run(request).await),
        }
    };
    context
        .tasks
        .spawn(work.in_current_span())
        .await
        .map_err(Error::internal)?
}

fn scope(request: &Request) -> Result<Option<Scope>> {
    let Some(value) = request.headers().get(HEADER) else {
        return Ok(None);
    };
    if request.method() != Method::POST {
        return Ok(None);
    }
    let name = value
        .to_str()
        .ok()
        .filter(|name| (1..=KEY_BYTES_MAX).contains(&name.len()))
        .ok_or_else(|| Error::invalid("an Idempotency-Key is 1 to 255 visible characters"))?;
    let caller = request
        .extensions()
        .get::<Caller>()
        .ok_or_else(|| Error::internal("a request without a caller"))?;
    Ok(Some(Scope {
        api_key: caller.key_id.clone(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        name: name.to_owned(),
    }))
}

async fn with_key(
    context: &Context,
    scope: Scope,
    request: Request,
    next: Next,
) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let body = extract::read(&parts.headers, body, extract::BODY_BYTES_MAX).await?;
    let request_hash = request_hash(parts.uri.query(), &body);
    let mut write = context.store.write().await?;
    if let Some(known) = idempotency::fetch(&mut write, &scope).await? {
        return replay(known, &request_hash);
    }
    idempotency::begin(&mut write, &scope, &request_hash).await?;
    write.commit().await?;
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    keep(context, &scope, response).await
}

fn request_hash(query: Option<&str>, body: &Bytes) -> String {
    hash(&format!(
        "{}\n{}",
        query.unwrap_or_default(),
        String::from_utf8_lossy(body)
    ))
}

fn replay(known: Known, request_hash: &str) -> Result<Response> {
    if known.request_hash != request_hash {
        return Err(Error::new(
            Code::IdempotencyMismatch,
            "the Idempotency-Key was used with another request",
        )
        .hint("use a new key for each request"));
    }
    let Some(status) = known.status else {
        return Err(Error::new(
            Code::IdempotencyInProgress,
            "the request with this Idempotency-Key is still running",
        ));
    };
    let status = StatusCode::from_u16(status).map_err(Error::internal)?;
    let mut headers = HeaderMap::new();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok((status, headers, known.body).into_response())
}

/// Stores the answer if something was done, and forgets the key if not.
async fn keep(context: &Context, scope: &Scope, response: Response) -> Result<Response> {
    let (parts, body) = response.into_parts();
    let body = extract::read(&HeaderMap::new(), body, usize::MAX).await?;
    let mut write = context.store.write().await?;
    if parts.status.is_success() {
        let text = match parts.extensions.get::<Repeatable>() {
            Some(Repeatable(text)) => text.clone(),
            None => String::from_utf8_lossy(&body).into_owned(),
        };
        idempotency::finish(&mut write, scope, parts.status.as_u16(), &text).await?;
    } else {
        idempotency::forget(&mut write, scope).await?;
    }
    write.commit().await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}
