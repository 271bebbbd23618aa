//! `/v1/blueprints`: the versioned schemas that workspaces define.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Json;
use serde::Serialize;
use tenantsdb_codecs::feed::id::workspace_database;

use super::error::Problem;
use super::extract::{Query, Segment};
use super::page::{Page, PageQuery, Window};
use super::routes::Routes;
use crate::app;
use crate::blueprint::{Origin, version_name, version_ordinal};
use crate::context::Context;
use crate::error::Result;
use crate::provision::Table;
use crate::store::{blueprints as rows, timestamp, versions};

/// A blueprint, as lists show it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Blueprint {
    name: String,
    engine: &'static str,
    /// The workspace's.
    database: String,
    /// The current one.
    version: String,
    /// Tenant databases made from it.
    tenants: u64,
    created_at: String,
}

/// A blueprint with all that it consists of.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct FullBlueprint {
    #[serde(flatten)]
    blueprint: Blueprint,
    /// Oldest first.
    versions: Vec<Version>,
    /// What the workspace holds now.
    tables: Vec<Table>,
}

/// A version of a blueprint.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Version {
    version: String,
    created_at: String,
    /// In the order in which they took effect.
    statements: Vec<Statement>,
}

/// A statement of a version.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Statement {
    /// Without final semicolon.
    ddl: String,
    /// `CREATE TABLE`.
    tag: String,
    search_path: String,
    /// False for what is recorded and never deployed: roles, owners, privileges.
    deploy: bool,
    origin: Origin,
    captured_at: String,
    user: String,
    application_name: String,
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/blueprints", list)
        .get("/v1/blueprints/{name}", fetch)
        .get("/v1/blueprints/{name}/versions", list_versions)
}

/// List blueprints.
#[utoipa::path(
    get, path = "/v1/blueprints", tag = "blueprints", params(PageQuery),
    responses((status = 200, body = Page<Blueprint>), (status = "default", body = Problem))
)]
pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Blueprint>>> {
    let window = Window::new("blueprints", query.limit, query.cursor.as_deref())?;
    let mut read = context.store.read().await?;
    let rows = rows::list(&mut read, &window.after, window.fetch()).await?;
    Ok(Json(window.page(rows, |row| &row.name, Blueprint::from)))
}

/// Get one blueprint: its versions, and the tables of its workspace.
#[utoipa::path(
    get, path = "/v1/blueprints/{name}", tag = "blueprints",
    params(("name" = String, Path)),
    responses((status = 200, body = FullBlueprint), (status = "default", body = Problem))
)]
pub(crate) async fn fetch(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
) -> Result<Json<FullBlueprint>> {
    let mut read = context.store.read().await?;
    let row = app::blueprints::fetch(&mut read, &name).await?;
    let versions = versions::list(&mut read, &name, (None, row.ordinal), u32::MAX).await?;
    drop(read);
    Ok(Json(FullBlueprint {
        tables: app::blueprints::tables(&context, &row).await?,
        versions: versions.into_iter().map(Version::from).collect(),
        blueprint: row.into(),
    }))
}

/// List the versions of a blueprint, oldest first.
#[utoipa::path(
    get, path = "/v1/blueprints/{name}/versions", tag = "blueprints",
    params(("name" = String, Path), PageQuery),
    responses((status = 200, body = Page<Version>), (status = "default", body = Problem))
)]
pub(crate) async fn list_versions(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Version>>> {
    let list = format!("versions of {name}");
    let window = Window::new(&list, query.limit, query.cursor.as_deref())?;
    let mut read = context.store.read().await?;
    let row = app::blueprints::fetch(&mut read, &name).await?;
    let range = (version_ordinal(&window.after), row.ordinal);
    let rows = versions::list(&mut read, &name, range, window.fetch()).await?;
    let items: Vec<Version> = rows.into_iter().map(Version::from).collect();
    Ok(Json(window.page(items, |item| &item.version, |item| item)))
}

impl From<rows::Blueprint> for Blueprint {
    fn from(row: rows::Blueprint) -> Self {
        Self {
            database: workspace_database(&row.name),
            name: row.name,
            engine: row.engine.name(),
            version: version_name(row.ordinal),
            tenants: row.tenants,
            created_at: row.created_at,
        }
    }
}

impl From<versions::Dated> for Version {
    fn from(dated: versions::Dated) -> Self {
        let statements = dated.version.statements.into_iter();
        Self {
            version: version_name(dated.version.ordinal),
            created_at: dated.created_at,
            statements: statements
                .map(|statement| Statement {
                    ddl: statement.ddl,
                    tag: statement.tag,
                    search_path: statement.search_path,
                    deploy: statement.deploy,
                    origin: statement.origin,
                    captured_at: timestamp(statement.captured_at),
                    user: statement.user,
                    application_name: statement.application_name,
                })
                .collect(),
        }
    }
}
