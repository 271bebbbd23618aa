//! `/v1/workspaces/{name}/settings`: what a Redis blueprint consists of.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Json;
use serde::Serialize;

use super::error::Problem;
use super::extract::{Json as Body, Segment};
use super::reply::Changed;
use super::routes::Routes;
use crate::app;
use crate::blueprint::{Settings, version_name};
use crate::context::Context;
use crate::error::Result;

/// The settings of a workspace.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Set {
    /// The workspace and its blueprint.
    blueprint: String,
    /// The version that these are.
    version: String,
    #[serde(flatten)]
    settings: Settings,
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/workspaces/{name}/settings", fetch)
        .put("/v1/workspaces/{name}/settings", set)
}

/// Get the settings of a Redis workspace.
#[utoipa::path(
    get, path = "/v1/workspaces/{name}/settings", tag = "settings",
    params(("name" = String, Path)),
    responses((status = 200, body = Set), (status = "default", body = Problem))
)]
pub(crate) async fn fetch(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
) -> Result<Json<Set>> {
    let mut read = context.store.read().await?;
    let (blueprint, settings) = app::settings::fetch(&mut read, &name).await?;
    Ok(Json(Set {
        version: version_name(blueprint.ordinal),
        blueprint: blueprint.name,
        settings,
    }))
}

/// Set all settings of a Redis workspace. What differs from those before makes the next version of
/// the blueprint; the workspace has it at once, tenants when it is deployed.
#[utoipa::path(
    put, path = "/v1/workspaces/{name}/settings", tag = "settings",
    params(("name" = String, Path)), request_body = Settings,
    responses((status = 200, body = Changed<Set>), (status = "default", body = Problem))
)]
pub(crate) async fn set(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
    Body(new): Body<Settings>,
) -> Result<Json<Changed<Set>>> {
    let (blueprint, settings, routed) = app::settings::set(&context, &name, new).await?;
    let resource = Set {
        version: version_name(blueprint.ordinal),
        blueprint: blueprint.name,
        settings,
    };
    Ok(Json(Changed { resource, routed }))
}
