//! `/v1/workspaces`: development databases, each of which defines a blueprint.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use tenantsdb_codecs::feed::id::workspace_database;

use super::error::Problem;
use super::extract::{Json as Body, Query, Segment};
use super::page::{Page, PageQuery, Window};
use super::reply::{Changed, Issued};
use super::routes::Routes;
use crate::app;
use crate::blueprint::{Origin, version_name};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::name::ConnectionString;
use crate::store::blueprints as rows;

/// A workspace.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Workspace {
    name: String,
    engine: &'static str,
    /// `{name}_dev`.
    database: String,
    /// The blueprint it defines; the same name.
    blueprint: String,
    /// The blueprint's current version.
    version: String,
    /// The name of the server that has it.
    server: String,
    /// What its keys begin with on the server: `dev:`, or `{name}_dev:` where that is another
    /// workspace's. Redis only.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// `creating`, `active`, `deleting` or `failed`.
    status: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// With the password in the answer that issued it, and nowhere else.
    connection_string: ConnectionString,
    created_at: String,
}

/// A workspace to make.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWorkspace {
    /// `^[a-z][a-z0-9_]{0,25}$`.
    name: String,
    /// `PostgreSQL`, `MySQL` or `Redis`, in any case.
    engine: Option<String>,
    /// Another name of `engine`.
    database: Option<String>,
    /// A server by name or id, instead of the one with most room. It has to be said where `MySQL`
    /// could be a MySQL or a MariaDB server.
    server: Option<String>,
}

/// What some tenant of the blueprint lacks.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Diff {
    /// In the order in which it took effect.
    pending: Vec<Pending>,
}

/// A statement that some tenant of the blueprint lacks.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Pending {
    /// The same in every answer: blueprint, version, and place in the version.
    #[schema(example = "myapp:1.3:1")]
    id: String,
    version: String,
    /// Without final semicolon.
    ddl: String,
    captured_at: String,
    origin: Origin,
    /// False where it could not be told afterwards whether the statement ran in a tenant, should
    /// control or the server go down in its middle (MySQL only).
    crash_safe: bool,
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/v1/workspaces", create)
        .get("/v1/workspaces", list)
        .get("/v1/workspaces/{name}", fetch)
        .delete("/v1/workspaces/{name}", delete)
        .get("/v1/workspaces/{name}/diff", diff)
}

/// Make a workspace and its blueprint.
#[utoipa::path(
    post, path = "/v1/workspaces", tag = "workspaces", request_body = NewWorkspace,
    responses((status = 201, body = Changed<Workspace>), (status = "default", body = Problem))
)]
pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    Body(new): Body<NewWorkspace>,
) -> Result<Issued<Changed<Workspace>>> {
    let engine = match (new.engine, new.database) {
        (Some(engine), None) | (None, Some(engine)) => engine.parse()?,
        (None, None) => return Err(Error::invalid("missing field `engine`")),
        (Some(_), Some(_)) => {
            return Err(Error::invalid(
                "`database` is another name of `engine`: give one",
            ));
        }
    };
    let made = app::workspaces::create(&context, &new.name, engine, new.server.as_deref()).await?;
    let repeatable = Changed {
        resource: workspace(&context, made.blueprint),
        routed: made.routed,
    };
    let mut body = repeatable.clone();
    body.resource.connection_string.password = Some(made.password);
    Ok(Issued {
        status: StatusCode::CREATED,
        note: app::credentials::note(&body.resource.database),
        body,
        repeatable,
    })
}

/// List workspaces.
#[utoipa::path(
    get, path = "/v1/workspaces", tag = "workspaces", params(PageQuery),
    responses((status = 200, body = Page<Workspace>), (status = "default", body = Problem))
)]
pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Workspace>>> {
    let window = Window::new("workspaces", query.limit, query.cursor.as_deref())?;
    let mut read = context.store.read().await?;
    let rows = rows::list(&mut read, &window.after, window.fetch()).await?;
    Ok(Json(window.page(
        rows,
        |row| &row.name,
        |row| workspace(&context, row),
    )))
}

/// Get one workspace.
#[utoipa::path(
    get, path = "/v1/workspaces/{name}", tag = "workspaces",
    params(("name" = String, Path)),
    responses((status = 200, body = Workspace), (status = "default", body = Problem))
)]
pub(crate) async fn fetch(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
) -> Result<Json<Workspace>> {
    let row = app::workspaces::fetch(&mut *context.store.read().await?, &name).await?;
    Ok(Json(workspace(&context, row)))
}

/// Delete a workspace and its blueprint, which must have no tenants.
#[utoipa::path(
    delete, path = "/v1/workspaces/{name}", tag = "workspaces",
    params(("name" = String, Path)),
    responses((status = 202, body = Workspace), (status = "default", body = Problem))
)]
pub(crate) async fn delete(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
) -> Result<(StatusCode, Json<Workspace>)> {
    let row = app::workspaces::delete(&context, &name).await?;
    Ok((StatusCode::ACCEPTED, Json(workspace(&context, row))))
}

/// What took effect in the workspace and some tenant lacks; with no tenant, everything.
#[utoipa::path(
    get, path = "/v1/workspaces/{name}/diff", tag = "workspaces",
    params(("name" = String, Path)),
    responses((status = 200, body = Diff), (status = "default", body = Problem))
)]
pub(crate) async fn diff(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
) -> Result<Json<Diff>> {
    app::workspaces::fetch(&mut *context.store.read().await?, &name).await?;
    let pending = app::blueprints::pending(&context, &name)
        .await?
        .into_iter()
        .map(|pending| {
            let version = version_name(pending.ordinal);
            Pending {
                id: format!("{name}:{version}:{}", pending.place),
                version,
                crash_safe: pending.crash_safe,
                ddl: pending.statement.ddl,
                captured_at: crate::store::timestamp(pending.statement.captured_at),
                origin: pending.statement.origin,
            }
        })
        .collect();
    Ok(Json(Diff { pending }))
}

fn workspace(context: &Context, row: rows::Blueprint) -> Workspace {
    let database = workspace_database(&row.name);
    Workspace {
        blueprint: row.name.clone(),
        name: row.name,
        engine: row.engine.name(),
        server: row.server,
        prefix: row.prefix,
        version: version_name(row.ordinal),
        status: row.stage.as_str(),
        reason: row.reason,
        connection_string: ConnectionString::of(
            context,
            row.engine,
            &row.server_version,
            &database,
        ),
        database,
        created_at: row.created_at,
    }
}
