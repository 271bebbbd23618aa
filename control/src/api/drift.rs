//! `/v1/tenants/{name}/drift`: what no version put into a tenant's databases.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Json;
use serde::Serialize;

use super::error::Problem;
use super::extract::Segment;
use super::routes::Routes;
use crate::app;
use crate::blueprint::version_name;
use crate::context::Context;
use crate::error::Result;
use crate::provision as server;
use crate::store::databases as rows;

/// How a tenant's databases differ from the versions that they have.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Drift {
    databases: Vec<DriftedDatabase>,
}

/// How a database differs from its version.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DriftedDatabase {
    blueprint: String,
    engine: &'static str,
    /// `{blueprint}__{tenant}`.
    database: String,
    /// The version that it has.
    version: String,
    /// Empty if it is as the version says.
    drift: Vec<Difference>,
}

/// An object that is not as the version has it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Difference {
    /// Kind and name.
    object: String,
    /// `extra`: only the database has it; `missing`: only the version has it; `different`.
    /// PostgreSQL's are all `different`.
    how: String,
}

pub(super) fn routes() -> Routes {
    Routes::default().get("/v1/tenants/{name}/drift", fetch)
}

/// Compare a tenant's databases with the versions that they have.
#[utoipa::path(
    get, path = "/v1/tenants/{name}/drift", tag = "drift",
    params(("name" = String, Path)),
    responses((status = 200, body = Drift), (status = "default", body = Problem))
)]
pub(crate) async fn fetch(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
) -> Result<Json<Drift>> {
    let found = app::drift::of_tenant(&context, &name).await?;
    let databases = found.into_iter().map(drifted).collect();
    Ok(Json(Drift { databases }))
}

fn drifted((row, found): (rows::Database, Vec<server::Difference>)) -> DriftedDatabase {
    let difference = |found: server::Difference| Difference {
        object: found.object,
        how: found.how.to_string(),
    };
    DriftedDatabase {
        blueprint: row.blueprint,
        engine: row.engine.name(),
        database: row.name,
        version: version_name(row.ordinal),
        drift: found.into_iter().map(difference).collect(),
    }
}
