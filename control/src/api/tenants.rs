//! `/v1/tenants`: customers and their databases.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::PoolMode;

use super::error::Problem;
use super::extract::{Json as Body, Nothing, Query, Segment};
use super::page::{Page, Window};
use super::reply::{Changed, Issued};
use super::routes::Routes;
use crate::app;
use crate::app::tenants::Full;
use crate::app::tenants::create::NewTenant as ToMake;
use crate::blueprint::version_name;
use crate::context::Context;
use crate::error::Result;
use crate::name::ConnectionString;
use crate::store::databases as rows;
use crate::store::tenants::{Filter, TenantStatus};

/// A tenant.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Tenant {
    id: String,
    name: String,
    status: TenantStatus,
    /// Why it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// What its owner calls it.
    external_id: Option<String>,
    labels: BTreeMap<String, String>,
    /// One for each blueprint.
    databases: Vec<Database>,
    created_at: String,
}

/// A tenant's database of one blueprint.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Database {
    blueprint: String,
    engine: &'static str,
    /// `{blueprint}__{tenant}`.
    database: String,
    /// The version that it has.
    version: String,
    /// The name of the server that has it.
    server: String,
    /// What its keys begin with on the server: `{tenant}:`, or `{blueprint}__{tenant}:` where that
    /// is another database's. Redis only; left out also where the whole server is its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// `creating`, `active`, `deleting` or `failed`.
    status: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// Whether the tenant's login may change the schema.
    allow_ddl: bool,
    /// Whether it may empty tables by TRUNCATE. MySQL only: elsewhere it always may.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_truncate: bool,
    /// Whether its server may ask clients for their local files. MySQL only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_local_infile: bool,
    /// When server connections are given back: `session` or `transaction`. MongoDB only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_mode: Option<&'static str>,
    /// With the password in the answer that issued it, and nowhere else.
    connection_string: ConnectionString,
}

/// A tenant to make; or, for one that is there, a database of one more blueprint.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenant {
    /// `^[a-z0-9][a-z0-9_]{0,30}$`.
    name: String,
    blueprint: String,
    /// Whether the tenant's login may change the schema.
    #[serde(default)]
    allow_ddl: bool,
    /// Whether it may empty tables by TRUNCATE, for which MySQL wants the right to drop them. MySQL
    /// only.
    #[serde(default)]
    allow_truncate: bool,
    /// Whether its clients may LOAD DATA LOCAL. MySQL only.
    #[serde(default)]
    allow_local_infile: bool,
    /// When server connections are given back: `session`, at the end of a client's session, or
    /// `transaction`, as soon as nothing of it depends on one. MongoDB only.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "session")]
    pool_mode: Option<PoolMode>,
    external_id: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// A server by name or id, instead of the one with most room.
    server: Option<String>,
    /// Whether it gets a server of its own, one that was registered as `dedicated`. Redis only.
    #[serde(default)]
    dedicated: bool,
}

/// What is to be other of a tenant's database.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatabaseChange {
    /// When server connections are given back: `session` or `transaction`. MongoDB only.
    #[schema(value_type = String, example = "transaction")]
    pool_mode: PoolMode,
}

/// Which tenants, and which page of them.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TenantQuery {
    /// Only tenants with a database of this blueprint.
    blueprint: Option<String>,
    /// Only tenants with this status.
    status: Option<String>,
    /// Most items to give, 1 to 1000; 100 if left out.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/v1/tenants", create)
        .get("/v1/tenants", list)
        .get("/v1/tenants/{name}", fetch)
        .delete("/v1/tenants/{name}", delete)
        .patch("/v1/tenants/{name}/databases/{blueprint}", change)
        .post("/v1/tenants/{name}/suspend", suspend)
        .post("/v1/tenants/{name}/resume", resume)
}

/// Make a tenant from the blueprint's current version.
#[utoipa::path(
    post, path = "/v1/tenants", tag = "tenants", request_body = NewTenant,
    responses((status = 201, body = Changed<Tenant>), (status = "default", body = Problem))
)]
pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    Body(new): Body<NewTenant>,
) -> Result<Issued<Changed<Tenant>>> {
    let new = ToMake {
        name: new.name,
        blueprint: new.blueprint,
        allow_ddl: new.allow_ddl,
        allow_truncate: new.allow_truncate,
        allow_local_infile: new.allow_local_infile,
        pool_mode: new.pool_mode,
        external_id: new.external_id,
        labels: new.labels,
        server: new.server,
        dedicated: new.dedicated,
    };
    let made = app::tenants::create::create(&context, new).await?;
    let repeatable = Changed {
        resource: tenant(&context, made.full),
        routed: made.routed,
    };
    let mut body = repeatable.clone();
    for database in &mut body.resource.databases {
        if database.database == made.database {
            database.connection_string.password = Some(made.password.clone());
        }
    }
    Ok(Issued {
        status: StatusCode::CREATED,
        note: app::credentials::note(&made.database),
        body,
        repeatable,
    })
}

/// List tenants.
#[utoipa::path(
    get, path = "/v1/tenants", tag = "tenants", params(TenantQuery),
    responses((status = 200, body = Page<Tenant>), (status = "default", body = Problem))
)]
pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    Query(query): Query<TenantQuery>,
) -> Result<Json<Page<Tenant>>> {
    let filter = Filter {
        status: query.status.as_deref().map(str::parse).transpose()?,
        blueprint: query.blueprint,
    };
    let list = format!(
        "tenants of {} with {}",
        filter.blueprint.as_deref().unwrap_or_default(),
        filter.status.map_or("", TenantStatus::as_str)
    );
    let window = Window::new(&list, query.limit, query.cursor.as_deref())?;
    let mut read = context.store.read().await?;
    let rows = app::tenants::list(&mut read, &filter, &window.after, window.fetch()).await?;
    Ok(Json(window.page(
        rows,
        |row| &row.tenant.name,
        |row| tenant(&context, row),
    )))
}

/// Get one tenant.
#[utoipa::path(
    get, path = "/v1/tenants/{name}", tag = "tenants",
    params(("name" = String, Path)),
    responses((status = 200, body = Tenant), (status = "default", body = Problem))
)]
pub(crate) async fn fetch(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
) -> Result<Json<Tenant>> {
    let full = app::tenants::fetch(&mut *context.store.read().await?, &name).await?;
    Ok(Json(tenant(&context, full)))
}

/// Delete a tenant with all its data. The answer comes at once; in the background the proxies are
/// told, waited for, and then the databases go.
#[utoipa::path(
    delete, path = "/v1/tenants/{name}", tag = "tenants",
    params(("name" = String, Path)),
    responses((status = 202, body = Tenant), (status = "default", body = Problem))
)]
pub(crate) async fn delete(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
) -> Result<(StatusCode, Json<Tenant>)> {
    let full = app::tenants::delete::delete(&context, &name).await?;
    Ok((StatusCode::ACCEPTED, Json(tenant(&context, full))))
}

/// Change how a tenant's database is served. Sessions that are open hold to it from their next
/// request on.
#[utoipa::path(
    patch, path = "/v1/tenants/{name}/databases/{blueprint}", tag = "tenants",
    params(("name" = String, Path), ("blueprint" = String, Path)),
    request_body = DatabaseChange,
    responses((status = 200, body = Changed<Tenant>), (status = "default", body = Problem))
)]
pub(crate) async fn change(
    State(context): State<Arc<Context>>,
    Segment((name, blueprint)): Segment<(String, String)>,
    Body(change): Body<DatabaseChange>,
) -> Result<Json<Changed<Tenant>>> {
    let of = (name.as_str(), blueprint.as_str());
    let (full, routed) = app::tenants::pool_mode_set(&context, of, change.pool_mode).await?;
    let resource = tenant(&context, full);
    Ok(Json(Changed { resource, routed }))
}

/// Close a tenant to clients; all data is kept.
#[utoipa::path(
    post, path = "/v1/tenants/{name}/suspend", tag = "tenants",
    params(("name" = String, Path)),
    responses((status = 200, body = Changed<Tenant>), (status = "default", body = Problem))
)]
pub(crate) async fn suspend(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
    _: Nothing,
) -> Result<Json<Changed<Tenant>>> {
    let (full, routed) = app::tenants::suspend(&context, &name).await?;
    let resource = tenant(&context, full);
    Ok(Json(Changed { resource, routed }))
}

/// Open a suspended tenant again.
#[utoipa::path(
    post, path = "/v1/tenants/{name}/resume", tag = "tenants",
    params(("name" = String, Path)),
    responses((status = 200, body = Changed<Tenant>), (status = "default", body = Problem))
)]
pub(crate) async fn resume(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
    _: Nothing,
) -> Result<Json<Changed<Tenant>>> {
    let (full, routed) = app::tenants::resume(&context, &name).await?;
    let resource = tenant(&context, full);
    Ok(Json(Changed { resource, routed }))
}

fn tenant(context: &Context, full: Full) -> Tenant {
    let row = full.tenant;
    Tenant {
        id: row.id,
        name: row.name,
        status: row.status,
        reason: row.reason,
        external_id: row.external_id,
        labels: row.labels,
        databases: full
            .databases
            .into_iter()
            .map(|row| database(context, row))
            .collect(),
        created_at: row.created_at,
    }
}

fn database(context: &Context, row: rows::Database) -> Database {
    Database {
        connection_string: ConnectionString::of(
            context,
            row.engine,
            &row.server_version,
            &row.name,
        ),
        blueprint: row.blueprint,
        engine: row.engine.name(),
        database: row.name,
        version: version_name(row.ordinal),
        server: row.server,
        prefix: row.prefix,
        status: row.stage.as_str(),
        reason: row.reason,
        allow_ddl: row.allow_ddl,
        allow_truncate: row.allow_truncate,
        allow_local_infile: row.allow_local_infile,
        pool_mode: (row.engine == Engine::MongoDb).then(|| row.pool_mode.name()),
    }
}
