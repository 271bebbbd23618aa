//! Answers. One that issues a secret carries a second body without it, which is what may be stored
//! to be repeated.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::feed::Routed;

/// What a repeated request is answered, in place of the body that held a secret.
#[derive(Clone)]
pub(crate) struct Repeatable(pub(crate) String);

/// An answer with a secret in it.
pub(crate) struct Issued<T> {
    pub(crate) status: StatusCode,
    pub(crate) body: T,
    /// The same without the secret.
    pub(crate) repeatable: T,
    /// How to get another.
    pub(crate) note: String,
}

/// A resource, and whether every proxy knows of its change.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Changed<T> {
    #[serde(flatten)]
    pub(crate) resource: T,
    #[serde(flatten)]
    pub(crate) routed: Routed,
}

/// What a repeated answer holds besides the resource.
#[derive(Serialize)]
struct Noted<'a, T> {
    #[serde(flatten)]
    resource: &'a T,
    note: &'a str,
}

impl<T: Serialize> IntoResponse for Issued<T> {
    fn into_response(self) -> Response {
        let noted = Noted {
            resource: &self.repeatable,
            note: &self.note,
        };
        let repeatable = serde_json::to_string(&noted).unwrap_or_default();
        let mut response = (self.status, Json(self.body)).into_response();
        response.extensions_mut().insert(Repeatable(repeatable));
        response
    }
}
