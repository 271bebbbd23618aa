//! `/v1/credentials`: the passwords of databases.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::error::Problem;
use super::extract::{Nothing, Segment};
use super::reply::{Changed, Issued};
use super::routes::Routes;
use crate::app;
use crate::context::Context;
use crate::error::Result;
use crate::name::ConnectionString;

/// A login of a database.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Credential {
    database: String,
    user: String,
    /// Raised by each rotation.
    generation: u64,
    /// With the password in the answer that issued it, and nowhere else.
    connection_string: ConnectionString,
}

pub(super) fn routes() -> Routes {
    Routes::default().post("/v1/credentials/{database}/rotate", rotate)
}

/// Give a database's login another password; the old one is refused from the moment of the answer,
/// and sessions that used it are ended.
#[utoipa::path(
    post, path = "/v1/credentials/{database}/rotate", tag = "credentials",
    params(
        ("database" = String, Path, description = "`{blueprint}__{tenant}` or `{blueprint}_dev`")
    ),
    responses((status = 200, body = Changed<Credential>), (status = "default", body = Problem))
)]
pub(crate) async fn rotate(
    State(context): State<Arc<Context>>,
    Segment(database): Segment,
    _: Nothing,
) -> Result<Issued<Changed<Credential>>> {
    let rotated = app::credentials::rotate(&context, &database).await?;
    let repeatable = Changed {
        resource: Credential {
            database: rotated.database,
            user: rotated.user,
            generation: rotated.generation,
            connection_string: rotated.connection_string,
        },
        routed: rotated.routed,
    };
    let mut body = repeatable.clone();
    body.resource.connection_string.password = Some(rotated.password);
    Ok(Issued {
        status: StatusCode::OK,
        note: app::credentials::note(&body.resource.database),
        body,
        repeatable,
    })
}
