//! Reading requests: bodies, queries and path segments, with our own words for what is wrong.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::{Code, Error, Result};

/// Longest body of the REST API, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON body. Fields that are not known are refused by the type (`deny_unknown_fields`).
pub(crate) struct Json<T>(pub(crate) T);

/// No body, or an empty object.
pub(crate) struct Nothing;

/// The query, with fields of its own. Unknown ones are refused by the type.
pub(crate) struct Query<T>(pub(crate) T);

/// What stands for `{…}` in the path; a tuple where there are several.
pub(crate) struct Segment<T = String>(pub(crate) T);

/// Reads a body of at most `bytes_max`.
pub(crate) async fn read(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes> {
    let too_large = || {
        Error::new(
            Code::PayloadTooLarge,
            format!("the body is longer than {bytes_max} bytes"),
        )
    };
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| usize::try_from(bytes).is_ok_and(|n| n > bytes_max)) {
        return Err(too_large());
    }
    let limited = http_body_util::Limited::new(body, bytes_max);
    let collected = http_body_util::BodyExt::collect(limited);
    match tokio::time::timeout(BODY_TIMEOUT, collected).await {
        Err(_) => Err(Error::new(
            Code::RequestTimeout,
            "the body did not arrive in time",
        )),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Error::invalid("the body broke off")),
    }
}

/// Reads JSON; what is wrong is said with line and column.
pub(crate) fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T> {
    let declared = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim());
    if !declared.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Err(Error::new(
            Code::UnsupportedMediaType,
            "the body must be declared as application/json",
        ));
    }
    serde_json::from_slice(body).map_err(|error| {
        let code = match error.classify() {
            serde_json::error::Category::Data => Code::InvalidRequest,
            _ => Code::InvalidJson,
        };
        Error::new(code, error.to_string())
    })
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let body = read(&parts.headers, body, BODY_BYTES_MAX).await?;
        parse(&parts.headers, &body).map(Json)
    }
}

impl<S: Send + Sync> FromRequest<S> for Nothing {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Empty {}

        let (parts, body) = request.into_parts();
        let body = read(&parts.headers, body, BODY_BYTES_MAX).await?;
        if !body.is_empty() {
            parse::<Empty>(&parts.headers, &body)?;
        }
        Ok(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|query| Self(query.0))
            .map_err(|error| Error::invalid(format!("query: {}", error.body_text())))
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        axum::extract::Path::<T>::from_request_parts(parts, state)
            .await
            .map(|path| Self(path.0))
            .map_err(|error| Error::invalid(format!("path: {}", error.body_text())))
    }
}
