//! `/v1/api-keys`: who may use this API.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::extract::{Json as Body, Query, Segment};
use super::page::{Page, PageQuery, Window};
use super::reply::Issued;
use super::routes::Routes;
use crate::app;
use crate::context::Context;
use crate::error::Result;
use crate::store::api_keys as rows;

/// An API key.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ApiKey {
    id: String,
    name: String,
    created_at: String,
    /// To some seconds.
    last_used_at: Option<String>,
}

/// An API key that was just made.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct IssuedApiKey {
    id: String,
    name: String,
    /// What its holder sends. Shown in this answer and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    created_at: String,
}

/// An API key to make.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiKey {
    /// What it is for, 1 to 100 characters.
    name: String,
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/v1/api-keys", create)
        .get("/v1/api-keys", list)
        .delete("/v1/api-keys/{id}", delete)
}

/// Make an API key.
#[utoipa::path(
    post, path = "/v1/api-keys", tag = "api-keys", request_body = NewApiKey,
    responses((status = 201, body = IssuedApiKey), (status = "default", body = Problem))
)]
pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    Body(new): Body<NewApiKey>,
) -> Result<Issued<IssuedApiKey>> {
    let mut write = context.store.write().await?;
    let (row, text) = app::api_keys::create(&mut write, &new.name).await?;
    write.commit().await?;
    let with = |key| IssuedApiKey {
        id: row.id.clone(),
        name: row.name.clone(),
        key,
        created_at: row.created_at.clone(),
    };
    Ok(Issued {
        status: StatusCode::CREATED,
        body: with(Some(text.expose().clone())),
        repeatable: with(None),
        note: format!(
            "the key was shown once, in the first answer; delete {} and make another",
            row.id
        ),
    })
}

/// List API keys.
#[utoipa::path(
    get, path = "/v1/api-keys", tag = "api-keys", params(PageQuery),
    responses((status = 200, body = Page<ApiKey>), (status = "default", body = Problem))
)]
pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<ApiKey>>> {
    let window = Window::new("api-keys", query.limit, query.cursor.as_deref())?;
    let mut read = context.store.read().await?;
    let rows = rows::list(&mut read, &window.after, window.fetch()).await?;
    Ok(Json(window.page(rows, |row| &row.id, ApiKey::from)))
}

/// Delete an API key: it is refused from the moment of the answer.
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}", tag = "api-keys",
    params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = Problem))
)]
pub(crate) async fn delete(
    State(context): State<Arc<Context>>,
    Segment(id): Segment,
) -> Result<StatusCode> {
    app::api_keys::delete(&context, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<rows::ApiKey> for ApiKey {
    fn from(row: rows::ApiKey) -> Self {
        Self {
            id: row.id,
            name: row.name,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        }
    }
}
