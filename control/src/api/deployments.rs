//! `/v1/deployments`: bringing tenants to a version.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::extract::{Json as Body, Query, Segment};
use super::page::{Page, PageQuery, Window};
use super::routes::Routes;
use crate::blueprint::version_name;
use crate::context::Context;
use crate::deploy::plan::{self, NewDeployment as ToMake, Targets};
use crate::error::{Error, Result};
use crate::store::deployments::{self as rows, DeploymentStatus, TargetStatus};

/// A deployment.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Deployment {
    id: String,
    blueprint: String,
    /// The version that tenants are brought to.
    version: String,
    status: DeploymentStatus,
    /// Whether statements that would lock a table for writing are refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    online: bool,
    /// Why nothing could be deployed at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Tenants in it.
    total: u64,
    /// Tenants that were brought to the version.
    completed: u64,
    /// Tenants that were not, those that need attention included.
    failed: u64,
    /// Tenants that had the version, or were deleted meanwhile.
    skipped: u64,
    /// By tenant's name. Empty in lists.
    results: Vec<TargetResult>,
    /// The cursor of further results, if there are more than one answer holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    created_at: String,
    finished_at: Option<String>,
}

/// What became of one tenant.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TargetResult {
    tenant: String,
    database: String,
    status: TargetStatus,
    /// The version it had.
    from_version: Option<String>,
    /// The version it has.
    to_version: Option<String>,
    /// The server's own text.
    error: Option<String>,
    /// The server's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<String>,
    /// The statement that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<String>,
    duration_ms: Option<u64>,
}

/// A deployment to make: for `all` tenants of the blueprint, or for those named.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDeployment {
    blueprint: String,
    /// The newest if left out.
    version: Option<String>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    tenants: Vec<String>,
    /// Refuse statements that would lock a table for writing: each ALTER is tried with
    /// ALGORITHM=INSTANT, then INPLACE and LOCK=NONE. MySQL only.
    #[serde(default)]
    online: bool,
}

/// Which deployments, and which page of them.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeploymentQuery {
    /// Only deployments of this blueprint.
    blueprint: Option<String>,
    /// Most items to give, 1 to 1000; 100 if left out.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Results of one answer, if the caller does not say.
const RESULTS_DEFAULT: u32 = 1_000;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/v1/deployments", create)
        .get("/v1/deployments", list)
        .get("/v1/deployments/{id}", fetch)
}

/// Bring tenants to a version, in the background.
#[utoipa::path(
    post, path = "/v1/deployments", tag = "deployments", request_body = NewDeployment,
    responses((status = 202, body = Deployment), (status = "default", body = Problem))
)]
pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    Body(new): Body<NewDeployment>,
) -> Result<(StatusCode, Json<Deployment>)> {
    let targets = match (new.all, new.tenants.is_empty()) {
        (true, true) => Targets::All,
        (false, false) => Targets::Named(new.tenants),
        _ => {
            return Err(Error::invalid(
                "give either \"all\": true or \"tenants\": [names]",
            ));
        }
    };
    let new = ToMake {
        blueprint: new.blueprint,
        version: new.version,
        targets,
        online: new.online,
    };
    let made = plan::create(&context, new).await?;
    Ok((StatusCode::ACCEPTED, Json(deployment(made))))
}

/// List deployments, newest first.
#[utoipa::path(
    get, path = "/v1/deployments", tag = "deployments", params(DeploymentQuery),
    responses((status = 200, body = Page<Deployment>), (status = "default", body = Problem))
)]
pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    Query(query): Query<DeploymentQuery>,
) -> Result<Json<Page<Deployment>>> {
    let name = format!(
        "deployments of {}",
        query.blueprint.as_deref().unwrap_or_default()
    );
    let window = Window::new(&name, query.limit, query.cursor.as_deref())?;
    let before = window.after.split_once(' ');
    let mut read = context.store.read().await?;
    let found = rows::list(
        &mut read,
        query.blueprint.as_deref(),
        before,
        window.fetch(),
    )
    .await?;
    let keyed: Vec<(String, rows::Deployment)> = found
        .into_iter()
        .map(|row| (format!("{} {}", row.created_at, row.id), row))
        .collect();
    Ok(Json(window.page(
        keyed,
        |(key, _)| key,
        |(_, row)| deployment(row),
    )))
}

/// Get a deployment with what became of each tenant.
#[utoipa::path(
    get, path = "/v1/deployments/{id}", tag = "deployments",
    params(("id" = String, Path), PageQuery),
    responses((status = 200, body = Deployment), (status = "default", body = Problem))
)]
pub(crate) async fn fetch(
    State(context): State<Arc<Context>>,
    Segment(id): Segment,
    Query(query): Query<PageQuery>,
) -> Result<Json<Deployment>> {
    let limit = query.limit.unwrap_or(RESULTS_DEFAULT);
    let list = format!("results of {id}");
    let window = Window::new(&list, Some(limit), query.cursor.as_deref())?;
    let after = window.after.parse().unwrap_or(0);
    let mut read = context.store.read().await?;
    let mut deployment = deployment(plan::fetch(&mut read, &id).await?);
    let targets = rows::targets(&mut read, &id, after, window.fetch()).await?;
    let keyed: Vec<(String, rows::Target)> = targets
        .into_iter()
        .map(|row| (row.place.to_string(), row))
        .collect();
    let page = window.page(keyed, |(key, _)| key, |(_, row)| result(row));
    deployment.results = page.items;
    deployment.next = page.next;
    Ok(Json(deployment))
}

fn deployment(row: rows::Deployment) -> Deployment {
    Deployment {
        id: row.id,
        blueprint: row.blueprint,
        version: version_name(row.ordinal),
        status: row.status,
        online: row.online,
        error: (!row.reason.is_empty()).then_some(row.reason),
        total: row.total,
        completed: row.completed,
        failed: row.failed,
        skipped: row.skipped,
        results: Vec::new(),
        next: None,
        created_at: row.created_at,
        finished_at: row.finished_at,
    }
}

fn result(row: rows::Target) -> TargetResult {
    TargetResult {
        tenant: row.tenant,
        database: row.database,
        status: row.status,
        from_version: row.from_ordinal.map(version_name),
        to_version: row.to_ordinal.map(version_name),
        error: row.error,
        sqlstate: row.sqlstate,
        statement: row.statement,
        duration_ms: row.duration_ms,
    }
}
